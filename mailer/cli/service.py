"""`mailer run` and `mailer health`: runs the service, and asks the running service whether it is well."""

import os
import urllib.error
import urllib.request
from pathlib import Path

import click

from mailer.cli.command import Result, command, opened
from mailer.errors import OutsideError, UsageError


@click.command()
@click.option("--only", help="Only these parts, separated by commas: scheduler, collector, sender, web.")
@click.pass_obj
def run(path: Path, only: str | None) -> None:
    """Run the service until SIGTERM: the clock that drafts and sends, the collector, the sender, the pages."""
    import asyncio

    from mailer import service

    wanted = list(service.PARTS) if only is None else [part.strip() for part in only.split(",") if part.strip()]
    if not wanted:  # `--only "$PARTS"` with an unset variable must not start sending
        raise UsageError("--only: no part is named.", f"There are {', '.join(service.PARTS)}.")
    unknown = [part for part in wanted if part not in service.PARTS]
    if unknown:
        raise UsageError(f"--only: the service has no part {unknown[0]!r}.", f"There are {', '.join(service.PARTS)}.")
    with opened(path, os.environ) as app:
        service.set_up_logging(app.settings.log.level, app.settings.log.format)
        asyncio.run(service.serve(app, wanted))


@command(None, opens=False)
@click.option("--store", "store_only", is_flag=True, help="Check only the database: for `run --only` without web.")
def health(path: Path, store_only: bool) -> Result:
    """Ask the running service whether it is well: exit code 0 or 4."""
    if store_only:
        with opened(path, os.environ) as app:
            app.store.answers()
        return Result({"status": "ok"}, "ok")
    answer = _ask(path)
    return Result({"status": answer}, answer)


def _ask(path: Path) -> str:
    """Returns the service's answer to /readyz. Raises OutsideError if the service is not well or does not answer."""
    from mailer import config

    web = config.load(path, os.environ).web
    host = {"0.0.0.0": "127.0.0.1", "::": "[::1]"}.get(web.host, web.host)  # noqa: S104 - compared, not listened on
    url = f"http://{host}:{web.port}/readyz"
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))  # no proxy: the service is on this machine
    try:
        with opener.open(url, timeout=4) as answer:
            text: str = answer.read().decode()
            return text.strip()
    except urllib.error.HTTPError as error:
        raise OutsideError(f"The service is not well: {error.read().decode(errors='replace').strip()}") from error
    except OSError as error:
        cause = error.reason if isinstance(error, urllib.error.URLError) else error
        why = cause.strerror if isinstance(cause, OSError) and cause.strerror else cause
        raise OutsideError(f"The service does not answer at {url} ({why}).", "Is `mailer run` running?") from error
