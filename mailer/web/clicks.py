"""Serves the counted links in mails: /to/{slot}/{position} redirects to a story. See `issues.clicks`."""

import asyncio
import logging
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from mailer.context import App
from mailer.errors import MailerError, NoSuchArticle
from mailer.issues.clicks import Counter
from mailer.web.guard import agent_of, network_of

log = logging.getLogger(__name__)
_SAVED_EVERY_S = 5.0


class Links:
    """Redirects each request to its story, counts it, and stores the counts in a background task."""

    def __init__(self, app: App, counter: Counter | None = None) -> None:
        self.counter = counter or Counter(app)
        self._saving: asyncio.Task[None] | None = None

    def routes(self) -> list[Route]:
        return [Route("/to/{slot}/{position}", self.follow)]

    async def follow(self, request: Request) -> Response:
        slot, position = request.path_params["slot"], request.path_params["position"]
        if not re.fullmatch("[1-9][0-9]{0,3}", position):
            raise NoSuchArticle(f"{position[:20]!r} is not the position of a story.")
        target = await asyncio.to_thread(self.counter.target, slot, int(position))
        if _is_reader(request):
            self.counter.count(target, network_of(request))
            if self._saving is None or self._saving.done():
                self._saving = asyncio.get_running_loop().create_task(self._save())
        return RedirectResponse(target.url, 302)

    async def _save(self) -> None:
        """Stores the counts every few seconds until no request is waiting."""
        while not self.counter.is_empty:
            await asyncio.sleep(_SAVED_EVERY_S)
            await self.save()

    async def save(self, *, everything: bool = False) -> None:
        counted = self.counter.settled(everything=everything)
        try:
            await asyncio.to_thread(self.counter.save, counted)
        except MailerError as error:
            log.error("%s clicks are not counted: %s", sum(each.opened for each in counted), error)

    @asynccontextmanager
    async def lifespan(self, _application: Starlette | None = None) -> AsyncIterator[None]:
        """Stores the last counts when the server stops."""
        yield
        if self._saving:
            self._saving.cancel()
        await self.save(everything=True)


def _is_reader(request: Request) -> bool:
    """Returns False if the request is known not to come from a reader: HEAD, prefetching, a program's user agent, or no
    user agent."""
    purpose = f"{request.headers.get('sec-purpose', '')} {request.headers.get('purpose', '')}".lower()
    return request.method == "GET" and "prefetch" not in purpose and agent_of(request) not in ("bot", "none")
