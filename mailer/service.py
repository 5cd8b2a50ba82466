"""Runs the background service: scheduler, collector, sender and web pages in one process. Each part may also run in a
separate process.

APScheduler only starts a tick every 30 seconds; `issues.clock` finds out from the database what is due. After SIGTERM
or SIGINT, no new work begins, and the process ends within ten seconds. A mail that is being sent at that moment gets
its answer or is recorded as unknown.
"""

import asyncio
import contextlib
import errno
import json
import logging
import socket
import sys
from collections.abc import Collection, Sequence
from datetime import UTC, datetime
from urllib.parse import urlsplit

import uvicorn
from apscheduler.schedulers.asyncio import AsyncIOScheduler
from starlette.types import ASGIApp

from mailer import web
from mailer.articles.collect import keep_collecting
from mailer.config import samples
from mailer.context import REDIRECTED, App, alert
from mailer.errors import ConfigError, MailerError, OutsideError
from mailer.issues.clock import tick
from mailer.issues.delivery import keep_sending, weights
from mailer.operations.figures import Monitor
from mailer.process import keep_what_is_loaded, stop_on_signals
from mailer.sending.relays import Circuits
from mailer.settings import Web
from mailer.text import links
from mailer.web import metrics

log = logging.getLogger(__name__)
PARTS = ("scheduler", "collector", "sender", "web")
TICK_S = 30  # seconds from one tick to the next
_LAST_TICK_S = 5.0  # seconds to wait at shutdown for a running tick, whose current transaction finishes in any case
_STOP_S = 9.5  # seconds for all parts together to stop; service managers allow ten seconds


async def serve(app: App, parts: Collection[str] = PARTS, stop: asyncio.Event | None = None) -> None:
    """Runs the parts until `stop` is set or a signal arrives. Raises OutsideError if a port is taken."""
    # Report mistakes now and not at the first mail: wrong templates or passwords, and a port that is taken.
    _ = app.renderer, app.relays
    if "collector" in parts:
        _check_sources(app)
    settings = app.settings.web
    listening = _listening(settings.host, settings.port) if "web" in parts else None
    watched = _listening(settings.metrics_host, settings.metrics_port, "metrics_") if settings.metrics_port else None
    stop = stop or asyncio.Event()
    stop_on_signals(stop)
    keep_what_is_loaded()
    _warn_of_plain_links(app)
    _warn_of_sample_settings(app)
    if app.redirect:
        log.warning("this is a staging deployment: %s", REDIRECTED)
    pulse = web.Pulse()
    circuits = Circuits(weights=weights(app))
    tasks = []
    scheduler = AsyncIOScheduler(timezone=UTC, job_defaults={"coalesce": True, "misfire_grace_time": None})
    ticking = asyncio.Lock()
    if "scheduler" in parts:
        scheduler.add_job(_beat, "interval", (app, pulse, ticking), seconds=TICK_S, next_run_time=datetime.now(UTC))
        scheduler.start()
        pulse.expected = True
    if "collector" in parts:
        tasks.append(asyncio.create_task(keep_collecting(app, stop), name="collector"))
    if "sender" in parts:
        tasks.append(asyncio.create_task(keep_sending(app, stop, circuits), name="sender"))
    if listening:
        pages = serve_pages(web.create(app, pulse), settings, stop, listening)
        tasks.append(asyncio.create_task(pages, name="web"))
    if watched:
        figures = metrics.create(Monitor(app, circuits, lambda: pulse.at))
        tasks.append(asyncio.create_task(serve_pages(figures, settings, stop, watched), name="metrics"))
    log.info("mailer runs: %s", ", ".join(part for part in PARTS if part in parts))
    waiting = asyncio.create_task(stop.wait())
    try:
        await asyncio.wait([waiting, *tasks], return_when=asyncio.FIRST_COMPLETED)
    finally:
        stop.set()
        waiting.cancel()
        if scheduler.running:
            scheduler.pause()
        # Wait for the parts and the tick at the same time; otherwise the waiting times would add up.
        failed, _ = await asyncio.gather(_finish(tasks), _wait_for_tick(ticking))
        if scheduler.running:
            scheduler.shutdown(wait=False)
        log.info("mailer stopped")
    if failed:
        raise failed


async def _finish(tasks: Sequence["asyncio.Task[None]"], within_s: float = _STOP_S) -> BaseException | None:
    """Waits for the parts to end and cancels those that take too long. Returns the error of the first part that failed,
    or None if no part failed."""
    if not tasks:
        return None
    _, late = await asyncio.wait(tasks, timeout=within_s)
    for part in late:
        log.warning("the %s did not end in time", part.get_name())
        part.cancel()
    ended = [task for task in tasks if task not in late and not task.cancelled()]
    return next((error for task in ended if (error := task.exception())), None)


async def _wait_for_tick(ticking: asyncio.Lock) -> None:
    # Wait for a running tick, because APScheduler would cancel the tick and log an error.
    with contextlib.suppress(TimeoutError):
        await asyncio.wait_for(ticking.acquire(), _LAST_TICK_S)


def _warn_of_plain_links(app: App) -> None:
    base_url = urlsplit(app.settings.newsletter.base_url)
    if base_url.scheme == "http" and not links.loopback(base_url.hostname or ""):
        log.warning(
            "base_url is http: unsubscribe links are not encrypted, and mail programs offer no one-click for them "
            "(RFC 8058). Put a web server with TLS in front of the pages and set base_url to https."
        )


def _check_sources(app: App) -> None:
    """Alerts if a source cannot be read with these settings. The other sources, the pages and the sender still work."""
    try:
        app.check_sources()
    except ConfigError as error:
        alert(app, error.message, error.fix)


def _warn_of_sample_settings(app: App) -> None:
    """Warns of sample settings that keep an issue from going out: at the start, and not only at the sending time."""
    for sample in samples.left(app.settings):
        if sample.stops and not app.redirect:
            log.warning(
                "%s is still %s: no issue goes to real addresses before it is set.", sample.setting, sample.value
            )


async def _beat(app: App, pulse: web.Pulse, ticking: asyncio.Lock) -> None:
    async with ticking:
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
    """Serves pages until `stop` is set, on the given socket or a new one. Raises OutsideError if the port is taken."""
    listening = listening or _listening(settings.host, settings.port)
    config = uvicorn.Config(
        application,
        log_config=None,
        access_log=False,  # an access log would contain valid tokens
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


def _listening(host: str, port: int, prefix: str = "") -> socket.socket:
    """Returns a listening socket for the pages or, if `prefix` is "metrics_", for the metrics. Raises OutsideError if
    the port is taken or the address cannot be used.

    This function opens the socket, because uvicorn would end the process without any clean-up if the port is taken.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        return socket.create_server((host, port), family=family, backlog=2048)
    except OSError as error:
        taken = error.errno == errno.EADDRINUSE
        who, port_name = ("The metrics", "METRICS_PORT") if prefix else ("The pages", "PORT")
        raise OutsideError(
            f"{who} cannot listen on {host}:{port}"
            + (": another program uses it." if taken else f" ({error.strerror or error})."),
            f"Set [web] {prefix}port, or MAILER_WEB__{port_name}." if taken else f"Set [web] {prefix}host and port.",
        ) from error


class _Server(uvicorn.Server):
    """A uvicorn server without signal handlers, because the service handles the signals."""

    @contextlib.contextmanager
    def capture_signals(self):  # type: ignore[no-untyped-def]
        yield


class JsonLines(logging.Formatter):
    """Formats each record as a line of JSON."""

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
    """Logs to stderr: as lines of JSON if `form` is "json", and otherwise as text."""
    handler = logging.StreamHandler(sys.stderr)
    text = logging.Formatter("%(asctime)s %(levelname)-7s %(name)s: %(message)s")
    handler.setFormatter(JsonLines() if form == "json" else text)
    logging.basicConfig(level=level.upper(), handlers=[handler], force=True)
    for noisy in ("apscheduler", "uvicorn", "httpx"):
        logging.getLogger(noisy).setLevel(logging.WARNING)
