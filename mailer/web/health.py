"""Health checks: /healthz shows that the process is alive, and /readyz whether it can do its work."""

import asyncio
import time
from dataclasses import dataclass

from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from mailer.context import App
from mailer.errors import MailerError

_LATEST_TICK_S = 90.0


@dataclass
class Pulse:
    """Records when the scheduler of this process last ran.

    `expected` is False if the scheduler runs in another process. `well` uses monotonic time, so that a change of the
    system time does not matter.
    """

    expected: bool = False
    at: float | None = None  # the Unix time of the last tick, for the metrics
    _last: float | None = None

    def beat(self) -> None:
        self._last, self.at = time.monotonic(), time.time()

    @property
    def well(self) -> bool:
        return not self.expected or (self._last is not None and time.monotonic() - self._last < _LATEST_TICK_S)


def routes(app: App, pulse: Pulse) -> list[Route]:
    async def alive(request: Request) -> Response:
        return PlainTextResponse("ok")

    async def ready(request: Request) -> Response:
        """Returns 200 if the database answers within a second and the scheduler has run recently, else 503."""
        try:
            await asyncio.wait_for(asyncio.to_thread(app.store.answers), 1)
        except (MailerError, TimeoutError):
            return PlainTextResponse("the database does not answer", 503)
        return PlainTextResponse("ok") if pulse.well else PlainTextResponse("the clock does not tick", 503)

    return [Route("/healthz", alive), Route("/readyz", ready)]
