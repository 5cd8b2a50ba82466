"""The public pages: the archive of sent issues under /archive, its feed, and the pictures under /media."""

from asyncio import to_thread
from pathlib import Path
from typing import Any

from starlette.requests import Request
from starlette.responses import HTMLResponse, Response
from starlette.routing import BaseRoute, Mount, Route
from starlette.staticfiles import PathLike, StaticFiles

from mailer.context import App
from mailer.issues import archive
from mailer.web.guard import ISSUE_CSP
from mailer.web.page import render

_LISTED = 200  # maximum number of issues that the archive lists: about four years of weekly issues


class Media(StaticFiles):
    """Serves the pictures and other files of a deployment.

    Mail programs and proxies may cache the picture of a story without limit. The file name of a picture is made from
    the address of the original picture, so a file with a given name never changes.
    """

    async def check_config(self) -> None:
        """Does nothing, so that a request for a picture in a missing folder gets a 404 instead of an exception."""

    def file_response(self, full_path: PathLike, *args: Any, **more: Any) -> Response:
        answer = super().file_response(full_path, *args, **more)
        if Path(full_path).parent.name == "pictures":
            answer.headers["cache-control"] = "public, max-age=31536000, immutable"
        return answer


def routes(app: App) -> list[BaseRoute]:
    index = app.settings.readers.archive_index
    # Caches may keep a page for only five minutes, so that a redacted story does not remain in caches for hours. Search
    # engines may list a page only if `archive_index` is set.
    public = {"cache-control": "public, max-age=300", "x-robots-tag": "all" if index else "noindex"}

    async def issues(request: Request) -> Response:
        listed = await to_thread(archive.public_issues, app, _LISTED)
        answer = render(app, "archive", {"issues": listed, "feed": archive.feed_url(app), "index": index})
        answer.headers.update(public)
        return answer

    async def issue(request: Request) -> Response:
        page = await to_thread(archive.page, app, request.path_params["slot"])
        headers = {"content-security-policy": ISSUE_CSP, **public, "etag": f'"{page.etag}"'}
        if page.etag in request.headers.get("if-none-match", ""):
            return Response(status_code=304, headers=headers)
        return HTMLResponse(page.html, headers=headers)

    async def feed(request: Request) -> Response:
        body = await to_thread(archive.feed, app)
        return Response(body, media_type="application/atom+xml", headers=public)

    return [
        Route("/archive", issues),
        Route("/archive/feed.xml", feed),
        Route("/archive/{slot}", issue),
        Mount("/media", Media(directory=app.settings.folder / "media", check_dir=False)),
    ]
