"""The background service: clock, sender and pages in one process, until told to stop. Any of them may run elsewhere.

APScheduler only ticks; what is due stands in the database (`app.tick`). SIGTERM and SIGINT drain: nothing new begins, a
mail on its way gets its answer or is recorded as unknown, and the process ends within ten seconds.
"""

import asyncio
import contextlib
import errno
import json
import logging
import os
import socket
import sys
from collections.abc import Collection
from datetime import UTC, datetime
from urllib.parse import urlsplit

import uvicorn
from apscheduler.schedulers.asyncio import AsyncIOScheduler
from starlette.types import ASGIApp

from mailer import web
from mailer.app.collect import keep_collecting
from mailer.app.context import App
from mailer.app.deliver import keep_sending
from mailer.app.tick import tick
from mailer.errors import MailerError, OutsideError
from mailer.mail import links
from mailer.settings import Web
from mailer.signals import stop_on_signals

log = logging.getLogger(__name__)
PARTS = ("scheduler", "collector", "sender", "web")
TICK_S = 30
_LAST_BEAT_S = 5.0  # for a tick that runs when we are told to stop; it works off its transaction in any case


async def serve(app: App, parts: Collection[str] = PARTS, stop: asyncio.Event | None = None) -> None:
    """Runs the parts until `stop` is set or a signal comes. OutsideError: the pages' port is taken."""
    # First of all: a port that is taken must not be found out while the first tick runs.
    listening = _listening(app.settings.web) if "web" in parts else None
    stop = stop or asyncio.Event()
    stop_on_signals(stop)
    _warn_of_plain_links(app)
    pulse = web.Pulse()
    tasks = []
    scheduler = AsyncIOScheduler(timezone=UTC)
    ticking = asyncio.Lock()
    if "scheduler" in parts:

        async def beat() -> None:
            async with ticking:
                await _beat(app, pulse)

        scheduler.add_job(
            beat, "interval", seconds=TICK_S, next_run_time=datetime.now(UTC), coalesce=True, misfire_grace_time=None
        )
        scheduler.start()
        pulse.expected = True
    if "collector" in parts:
        tasks.append(asyncio.create_task(keep_collecting(app, stop), name="collector"))
    if "sender" in parts:
        tasks.append(asyncio.create_task(keep_sending(app, stop), name="sender"))
    if listening:
        pages = serve_pages(web.create(app, pulse), app.settings.web, stop, listening)
        tasks.append(asyncio.create_task(pages, name="web"))
    log.info("mailer runs: %s", ", ".join(part for part in PARTS if part in parts))
    try:
        waiting = asyncio.create_task(stop.wait())
        await asyncio.wait([waiting, *tasks], return_when=asyncio.FIRST_COMPLETED)
        stop.set()
        # A part that ended by itself failed: its error is the service's, but the others drain first.
        for ended in await asyncio.gather(*tasks, return_exceptions=True):
            if isinstance(ended, BaseException):
                raise ended
    finally:
        stop.set()
        if scheduler.running:
            scheduler.pause()
            # A tick that runs is waited for: APScheduler would cancel it, and log that as an error.
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(ticking.acquire(), _LAST_BEAT_S)
            scheduler.shutdown(wait=False)
        log.info("mailer stopped")


def _warn_of_plain_links(app: App) -> None:
    base_url = urlsplit(app.settings.newsletter.base_url)
    if base_url.scheme == "http" and not links.loopback(base_url.hostname or ""):
        log.warning(
            "base_url is http: the links to leave go in clear, and mail programs offer no one-click for them "
            "(RFC 8058). Put a web server with TLS before the pages and set base_url to https."
        )


async def _beat(app: App, pulse: web.Pulse) -> None:
    try:
        await asyncio.to_thread(tick, app)
        pulse.beat()
    except MailerError as error:
        log.error("%s", error)
    except Exception:
        log.exception("the tick failed; the next one tries again")


async def serve_pages(
    application: ASGIApp, settings: Web, stop: asyncio.Event, listening: socket.socket | None = None
) -> None:
    """Serves pages until `stop` is set, on a socket that listens already, or on one of its own. OutsideError: the port
    is taken."""
    listening = listening or _listening(settings)
    config = uvicorn.Config(
        application,
        log_config=None,
        access_log=False,  # an access log would hold live tokens
        server_header=False,
        proxy_headers=True,
        forwarded_allow_ips=list(settings.trusted_proxies),
        timeout_graceful_shutdown=5,
    )
    server = _Server(config)
    serving = asyncio.create_task(server.serve([listening]))
    stopping = asyncio.create_task(stop.wait())
    await asyncio.wait([serving, stopping], return_when=asyncio.FIRST_COMPLETED)
    server.should_exit = True
    stopping.cancel()
    await serving


def _listening(settings: Web) -> socket.socket:
    """The pages' socket. Not uvicorn's: where a port is taken it ends the process, past everybody who would tidy up."""
    family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
    try:
        return socket.create_server((settings.host, settings.port), family=family, backlog=2048)
    except OSError as error:
        taken = error.errno == errno.EADDRINUSE
        raise OutsideError(
            f"The pages cannot listen on {settings.host}:{settings.port}"
            + (": another program is there." if taken else f" ({os.strerror(error.errno) if error.errno else error})."),
            "Set [web] port, or MAILER_WEB__PORT." if taken else "Set [web] host and port.",
        ) from error


class _Server(uvicorn.Server):
    """uvicorn without its own signal handlers: the service decides how to stop."""

    @contextlib.contextmanager
    def capture_signals(self):  # type: ignore[no-untyped-def]
        yield


class JsonLines(logging.Formatter):
    """A line of JSON for each record."""

    def format(self, record: logging.LogRecord) -> str:
        said = {
            "at": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
        }
        if record.exc_info:
            said["exception"] = self.formatException(record.exc_info)
        return json.dumps(said, ensure_ascii=False)


def set_up_logging(level: str, form: str) -> None:
    """Lines on stderr, for people or for machines."""
    handler = logging.StreamHandler(sys.stderr)
    text = logging.Formatter("%(asctime)s %(levelname)-7s %(name)s: %(message)s")
    handler.setFormatter(JsonLines() if form == "json" else text)
    logging.basicConfig(level=level.upper(), handlers=[handler], force=True)
    for noisy in ("apscheduler", "uvicorn"):
        logging.getLogger(noisy).setLevel(logging.WARNING)
