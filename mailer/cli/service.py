"""`mailer run` and `mailer health`."""

import asyncio
import urllib.error
import urllib.request
from pathlib import Path

import click

from mailer.cli.door import json_option, opened, show
from mailer.errors import OutsideError, UsageError


@click.command()
@click.option("--only", help="Only these parts, with commas: scheduler, collector, sender, web.")
@click.pass_obj
def run(path: Path, only: str | None) -> None:
    """Run the service until SIGTERM: the clock that drafts and sends, the sender, the pages."""
    from mailer import service

    wanted = list(service.PARTS) if only is None else [part.strip() for part in only.split(",") if part.strip()]
    if not wanted:  # `--only "$PARTS"` with nothing in it must not begin to send
        raise UsageError("--only: no part is named.", f"There are {', '.join(service.PARTS)}.")
    unknown = [part for part in wanted if part not in service.PARTS]
    if unknown:
        raise UsageError(f"--only: {unknown[0]!r} is no part of the service.", f"There are {', '.join(service.PARTS)}.")
    with opened(path) as app:
        service.set_up_logging(app.settings.log.level, app.settings.log.format)
        asyncio.run(service.serve(app, wanted))


@click.command()
@click.option("--store", "store_only", is_flag=True, help="Ask the database alone: for `run --only` without web.")
@json_option
@click.pass_obj
def health(path: Path, store_only: bool, as_json: bool) -> None:
    """Ask the running service whether it is well: exit code 0 or 4."""
    import os

    from mailer import config

    if store_only:
        with opened(path) as app:
            app.store.answers()
        show({"status": "ok"}) if as_json else click.echo("ok")
        return
    web = config.load(path, os.environ).web
    host = {"0.0.0.0": "127.0.0.1", "::": "[::1]"}.get(web.host, web.host)  # noqa: S104 - compared, not listened on
    url = f"http://{host}:{web.port}/readyz"
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))  # never by a proxy: it is this machine
    try:
        with opener.open(url, timeout=4) as answer:
            said = answer.read().decode().strip()
    except urllib.error.HTTPError as error:
        raise OutsideError(f"The service is not well: {error.read().decode(errors='replace').strip()}") from error
    except OSError as error:
        why = error.reason if isinstance(error, urllib.error.URLError) else error
        said = why.strerror if isinstance(why, OSError) and why.strerror else why
        raise OutsideError(f"The service does not answer at {url} ({said}).", "Is `mailer run` running?") from error
    show({"status": said}) if as_json else click.echo(said)
