"""The pages: leaving and its undo, public issues, health. A handler reads its request, calls one verb, renders."""

import asyncio
import logging
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import HTMLResponse, PlainTextResponse, Response
from starlette.routing import Mount, Route
from starlette.staticfiles import PathLike, StaticFiles
from starlette.types import ASGIApp

from mailer import tokens
from mailer.context import App
from mailer.errors import MailerError
from mailer.issues import archive, editor_page
from mailer.mail import view
from mailer.model import Method
from mailer.readers import leaving
from mailer.tokens import Purpose
from mailer.web.guard import ISSUE_CSP, Headers, agent_of, form_of, network_of, status_of
from mailer.web.readers import ReaderPages, why_choices

log = logging.getLogger(__name__)
_LISTED = 200  # issues in the list of the archive: four years
_LATEST_TICK_S = 90.0


class Media(StaticFiles):
    """Pictures and other files of the deployment. A story's picture is named after its address and never changes, so
    that mail programs and their proxies may keep it."""

    async def check_config(self) -> None:
        """Nothing: a folder that is not there holds no picture, which is a 404 and no bug of ours."""

    def file_response(self, full_path: PathLike, *args: Any, **more: Any) -> Response:
        answer = super().file_response(full_path, *args, **more)
        if Path(full_path).parent.name == "pictures":
            answer.headers["cache-control"] = "public, max-age=31536000, immutable"
        return answer


@dataclass
class Pulse:
    """When the clock of this process last ticked. `expected` False: it has none, or another process does."""

    expected: bool = False
    at: float | None = None  # Unix time of the last tick, for people; `well` goes by a clock that does not jump
    _last: float | None = None

    def beat(self) -> None:
        self._last, self.at = time.monotonic(), time.time()

    @property
    def well(self) -> bool:
        return not self.expected or (self._last is not None and time.monotonic() - self._last < _LATEST_TICK_S)


def create(app: App, pulse: Pulse | None = None, more: Sequence[Route] = ()) -> ASGIApp:
    """The ASGI application; `more` are routes of somebody who shows these pages beside their own (the demo)."""
    pages = Pages(app, pulse or Pulse())
    routes = [
        *more,
        Route("/", pages.home),
        # With and without the slash: a one-click POST must never be answered by a redirect (RFC 8058 §3.1).
        *(
            Route(f"/unsubscribe/{{token}}{end}", handler, methods=[method])
            for end in ("", "/")
            for method, handler in (("GET", pages.ask), ("POST", pages.leave))
        ),
        Route("/unsubscribe/undo/{token}", pages.undo, methods=["POST"]),
        Route("/editor/{token}", pages.editor, methods=["GET", "POST"]),
        Route("/editor/{token}/preview", pages.preview),
        *ReaderPages(app, pages._page).routes(),
        Route("/archive", pages.archive),
        Route("/archive/feed.xml", pages.feed),
        Route("/archive/{slot}", pages.issue),
        Route("/static/page.css", pages.stylesheet),
        Mount("/media", Media(directory=app.settings.folder / "media", check_dir=False)),
        Route("/healthz", pages.alive),
        Route("/readyz", pages.ready),
    ]
    starlette = Starlette(
        routes=routes,
        exception_handlers={MailerError: pages.failed, HTTPException: pages.missing, Exception: pages.broken},
    )
    starlette.router.redirect_slashes = False
    return Headers(starlette)  # around everything, so that the page of a bug carries them as well


class Pages:
    """The handlers. Each verb runs in a thread, so that the sender beside them never waits."""

    def __init__(self, app: App, pulse: Pulse) -> None:
        self.app = app
        self.pulse = pulse

    def _page(self, name: str, values: Mapping[str, object] | None = None, status: int = 200) -> HTMLResponse:
        common = view.page_view(self.app.settings.newsletter)
        return HTMLResponse(self.app.renderer.page(name, {**common, **(values or {})}), status)

    async def home(self, request: Request) -> Response:
        return self._page("home")

    # --- leaving
    async def ask(self, request: Request) -> Response:
        """GET and HEAD: one button. Link scanners and prefetching come here, and change nothing."""
        token = request.path_params["token"]
        found = await asyncio.to_thread(leaving.link_holder, self.app, token)
        values = {
            "masked": found.masked,
            "action": f"/unsubscribe/{token}",
            "preferences": f"/preferences/{found.preferences}" if found.preferences else "",
        }
        return self._page("unsubscribe", values)

    async def leave(self, request: Request) -> Response:
        """POST: a mail program's one click (RFC 8058) or the button of our page. Anything else changes nothing."""
        token = request.path_params["token"]
        tokens.read(self.app.keys, Purpose.UNSUBSCRIBE, token)  # before a stranger can make us read a body
        method = await _method(request)
        if method is None:
            return await self.ask(request)
        agent, network = agent_of(request), network_of(request)
        left = await asyncio.to_thread(leaving.leave, self.app, token, method, agent=agent, network=network)
        values = {
            "undo_action": f"/unsubscribe/undo/{left.undo}" if left.undo else "",
            "why_action": f"/unsubscribe/why/{left.why}" if left.why else "",
            "whys": why_choices(self.app.renderer.locale),
        }
        return self._page("unsubscribed", values)

    async def undo(self, request: Request) -> Response:
        done = await asyncio.to_thread(leaving.undo, self.app, request.path_params["token"])
        return self._page("returned") if done else self._page("not-found", status=404)

    # --- editors
    async def editor(self, request: Request) -> Response:
        """GET and HEAD: the draft and its buttons. POST: one of them."""
        form = await form_of(request) if request.method == "POST" else {}
        said = form.get("action", ""), form.get("shown", "")
        return self._page(
            "editor", await asyncio.to_thread(editor_page.act, self.app, request.path_params["token"], *said)
        )

    async def preview(self, request: Request) -> Response:
        html = await asyncio.to_thread(editor_page.preview, self.app, request.path_params["token"])
        return HTMLResponse(html, headers={"content-security-policy": ISSUE_CSP})

    # --- what anybody may see
    async def archive(self, request: Request) -> Response:
        listed = await asyncio.to_thread(archive.listing, self.app, _LISTED)
        feed = archive.feed_url(self.app)
        answer = self._page("archive", {"issues": listed, "feed": feed, "index": self._index})
        answer.headers.update(self._public())
        return answer

    async def issue(self, request: Request) -> Response:
        page = await asyncio.to_thread(archive.page, self.app, request.path_params["slot"])
        headers = {"content-security-policy": ISSUE_CSP, **self._public(), "etag": f'"{page.mark}"'}
        if page.mark in request.headers.get("if-none-match", ""):
            return Response(status_code=304, headers=headers)
        return HTMLResponse(page.html, headers=headers)

    async def feed(self, request: Request) -> Response:
        body = await asyncio.to_thread(archive.feed, self.app)
        return Response(body, media_type="application/atom+xml", headers=self._public())

    @property
    def _index(self) -> bool:
        return self.app.settings.readers.archive_index

    def _public(self) -> dict[str, str]:
        """Headers of what may be kept by caches and, if the newsroom likes, found by search engines."""
        # Five minutes: a redacted story must not live on for hours.
        return {"cache-control": "public, max-age=300", "x-robots-tag": "all" if self._index else "noindex"}

    async def stylesheet(self, request: Request) -> Response:
        css = self.app.renderer.stylesheet()
        return Response(css, media_type="text/css", headers={"cache-control": "max-age=3600"})

    # --- health
    async def alive(self, request: Request) -> Response:
        return PlainTextResponse("ok")

    async def ready(self, request: Request) -> Response:
        """The database answers within a second and the clock ticks."""
        try:
            await asyncio.wait_for(asyncio.to_thread(self.app.store.answers), 1)
        except (MailerError, TimeoutError):
            return PlainTextResponse("the database does not answer", 503)
        return PlainTextResponse("ok") if self.pulse.well else PlainTextResponse("the clock does not tick", 503)

    # --- errors
    async def missing(self, request: Request, error: Exception) -> Response:
        return self._page("not-found", status=404)

    async def failed(self, request: Request, error: Exception) -> Response:
        status = status_of(error) if isinstance(error, MailerError) else 500
        if status == 404:
            return self._page("not-found", status=404)
        log.error("%s", error)
        return self._page("error", status=status)

    async def broken(self, request: Request, error: Exception) -> Response:
        log.error("a page failed", exc_info=error)
        return self._page("error", status=500)


async def _method(request: Request) -> Method | None:
    """By which way a POST asks to leave; None: it does not ask."""
    form = await form_of(request)
    fields = {name.casefold(): value.strip().casefold() for name, value in form.items()}
    if fields.get("list-unsubscribe") == "one-click":
        return Method.ONE_CLICK
    return Method.PAGE if "leave" in fields else None
