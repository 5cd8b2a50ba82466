"""Builds the web application from all pages. Also defines the home page and the pages that visitors see on errors."""

import logging
from collections.abc import Sequence

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import ASGIApp

from mailer.context import App
from mailer.errors import MailerError
from mailer.issues.clicks import Counter
from mailer.web import archive, editor, health
from mailer.web.clicks import Links
from mailer.web.guard import Headers, status_of
from mailer.web.health import Pulse
from mailer.web.page import render
from mailer.web.readers import ReaderPages

log = logging.getLogger(__name__)


def create(app: App, pulse: Pulse | None = None, more: Sequence[Route] = (), counter: Counter | None = None) -> ASGIApp:
    """Returns the ASGI application. `more` are additional routes from a caller with its own pages, such as the demo.
    `counter` counts the clicks. Without it, the application makes a counter of its own."""

    async def home(request: Request) -> Response:
        return render(app, "home")

    async def stylesheet(request: Request) -> Response:
        headers = {"cache-control": "max-age=3600"}
        return Response(app.renderer.stylesheet(), media_type="text/css", headers=headers)

    async def not_found(request: Request, error: Exception) -> Response:
        return render(app, "not-found", status=404)

    async def failed(request: Request, error: Exception) -> Response:
        status = status_of(error) if isinstance(error, MailerError) else 500
        if status == 404:
            return await not_found(request, error)
        log.error("%s", error)
        return render(app, "error", status=status)

    async def crashed(request: Request, error: Exception) -> Response:
        log.error("a page failed", exc_info=error)
        return render(app, "error", status=500)

    links = Links(app, counter)
    starlette = Starlette(
        routes=[
            *more,
            Route("/", home),
            Route("/static/page.css", stylesheet),
            *ReaderPages(app).routes(),
            *editor.routes(app),
            *archive.routes(app),
            *links.routes(),
            *health.routes(app, pulse or Pulse()),
        ],
        lifespan=links.lifespan,
        exception_handlers={MailerError: failed, HTTPException: not_found, Exception: crashed},
    )
    starlette.router.redirect_slashes = False
    return Headers(starlette)  # outermost, so that error pages get the headers too
