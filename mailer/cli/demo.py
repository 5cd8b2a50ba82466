"""`mailer demo`: the whole main job on sample articles, with parts as real as a newsroom's: store, SMTP, pages."""

import asyncio
import contextlib
import os
import socket
import tempfile
from collections.abc import Iterator
from pathlib import Path

import click

from mailer import config, service, web
from mailer.articles import collect
from mailer.cli.door import json_option, show
from mailer.cli.setup import make_deployment
from mailer.context import App
from mailer.demo import pages, sample
from mailer.demo.inbox import Inbox
from mailer.errors import OutsideError, WouldOverwrite
from mailer.issues import delivery, draft
from mailer.model import IssueState
from mailer.readers import admin
from mailer.service import stop_on_signals
from mailer.sources import identity
from mailer.wiring import wire

READERS = (("narges@example.org", "نرگس"), ("arash@example.org", "آرش"), ("leila@example.org", ""))
_CONFIG = """\
# A deployment that `mailer demo` made. Its relay is the demo's own inbox, which is gone when the demo ends.
[newsletter]
name = "ایران من"
title = "خبرنامهٔ هفتگی"
from = "khabarnameh@example.org"
base_url = "http://127.0.0.1:{web}"
postal_address = "تهران، خیابان نمونه، شمارهٔ ۱۲"

[newsletter.sections]
"سیاست" = "سیاست"
"اقتصاد" = "اقتصاد"
"جامعه" = "جامعه"
"فرهنگ و هنر" = "فرهنگ و هنر"
"فناوری" = "فناوری"
"ورزش" = "ورزش"

[delivery]
connections = 1  # three mails, in the order of the readers

[[smtp]]
host = "127.0.0.1"
port = {smtp}

[web]
port = {web}
"""


@click.command()
@click.option("--once", is_flag=True, help="End when the mails are delivered, instead of showing them.")
@click.option("--out", type=click.Path(path_type=Path, file_okay=False), help="Keep the mails and the deployment here.")
@click.option("--port", type=click.IntRange(1, 65535), help="Of the web inbox; by default 8025, or a free one.")
@json_option
def demo(once: bool, out: Path | None, port: int | None, as_json: bool) -> int:
    """Sample articles, three subscribers, this week's issue, real SMTP to an inbox of its own, shown in a browser."""
    if out is not None and (out / "config.toml").exists():
        raise WouldOverwrite(f"{out / 'config.toml'} is there already.", "Name another folder with --out.")
    with contextlib.ExitStack() as stack:
        folder = out or Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="mailer-demo-")))
        inbox = Inbox(folder=folder if out is not None else None)
        inbox.start()
        stack.callback(inbox.stop)
        page_port = _port(port)
        with _deployment(folder, inbox.port, page_port) as app:
            return asyncio.run(_run(app, inbox, folder, once=once, as_json=as_json))


def _port(wanted: int | None) -> int:
    """The port asked for, which must be free; or the usual one; or any."""
    for candidate in (wanted,) if wanted else (8025, 0):
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", candidate or 0))
            except OSError:
                continue
            return int(probe.getsockname()[1])
    raise OutsideError(f"Port {wanted} is taken by another program.", "Name another one with --port.")


@contextlib.contextmanager
def _deployment(folder: Path, smtp_port: int, page_port: int) -> Iterator[App]:
    make_deployment(folder, _CONFIG.format(smtp=smtp_port, web=page_port))
    # The demo's own file is the whole truth: MAILER_* of a real deployment in the environment must not reach into it.
    settings = config.load(folder / "config.toml", {})
    app = wire(settings, {})
    try:
        yield app
    finally:
        app.store.close()


async def _run(app: App, inbox: Inbox, folder: Path, *, once: bool, as_json: bool) -> int:
    stop = asyncio.Event()
    base_url = app.settings.newsletter.base_url
    now = app.now()
    await asyncio.to_thread(sample.write_site, folder / "media", base_url, now)
    found = [(article, *identity.identify(article)) for article in sample.articles(now, base_url)]
    kept = await asyncio.to_thread(collect.keep, app, found)
    for email, name in READERS:
        await asyncio.to_thread(admin.add, app, email, name=name)
    serving = None
    if not once:
        pulse = web.Pulse()
        stop_on_signals(stop)
        application = web.create(app, pulse, pages.routes(inbox))
        serving = asyncio.create_task(service.serve_pages(application, app.settings.web, stop))
    issue = await asyncio.to_thread(draft.draft, app)
    issue = await asyncio.to_thread(draft.freeze, app, issue)
    issue = await asyncio.to_thread(delivery.ready, app, issue)
    result = await delivery.deliver(app, issue, wait=True, stop=stop)
    if as_json:
        show({"slot": issue.slot, "articles": kept.added, "state": result.state, "files": _kept(folder)})
    else:
        _tell(app, inbox, folder, kept.added, once=once)
    if serving is not None:
        await serving
    return 0 if result.state is IssueState.SENT else 5


def _kept(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.glob("*.eml"))


def _tell(app: App, inbox: Inbox, folder: Path, articles: int, *, once: bool) -> None:
    click.echo(f"{articles} sample articles stored, this week's issue chosen and sent to {len(inbox.mails)} readers.")
    kept = _kept(folder)
    for name in kept:
        click.echo(f"  {folder / name}")
    if kept and once:
        command = f"mailer --config {os.path.relpath(folder / 'config.toml')} run --only web"
        click.echo(f"The links in these mails work while this runs:\n  {command}")
    if not once:
        click.echo(f"\nOpen {app.settings.newsletter.base_url}/inbox in a browser; Ctrl-C ends the demo.")
