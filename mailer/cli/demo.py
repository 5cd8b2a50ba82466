"""`mailer demo`: runs a newsletter's whole week with sample articles, a real database, real SMTP and real pages."""

import asyncio
import contextlib
import os
import socket
import tempfile
from pathlib import Path

import click

from mailer import service, web
from mailer.articles import collect
from mailer.cli.command import Result, Whole, command, opened, print_result, wants_json
from mailer.cli.setup import make_deployment
from mailer.context import App
from mailer.demo import pages, sample
from mailer.demo.inbox import Inbox
from mailer.errors import OutsideError, WouldOverwrite
from mailer.issues import delivery, draft
from mailer.model import IssueState
from mailer.process import stop_on_signals
from mailer.readers import admin

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


@command(None, opens=False)
@click.option("--once", is_flag=True, help="Stop when the mails are delivered, instead of showing them.")
@click.option("--out", type=click.Path(path_type=Path, file_okay=False), help="Keep the mails and the deployment here.")
@click.option("--port", type=Whole(1, 65535), help="The port of the web inbox; by default 8025, or a free one.")
def demo(_path: Path, once: bool, out: Path | None, port: int | None) -> Result:
    """Send sample articles to three subscribers by real SMTP and show the mails in a browser."""
    if out is not None and (out / "config.toml").exists():
        raise WouldOverwrite(f"{out / 'config.toml'} exists already.", "Name another folder with --out.")
    with contextlib.ExitStack() as stack:
        folder = out or Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="mailer-demo-")))
        inbox = Inbox(folder=folder if out is not None else None)
        inbox.start()
        stack.callback(inbox.stop)
        make_deployment(folder, _CONFIG.format(smtp=inbox.port, web=_port(port)))
        # MAILER_* variables of a real deployment must not change the demo, so the environment is left out.
        app = stack.enter_context(opened(folder / "config.toml", {}))
        return asyncio.run(_run(app, inbox, folder, once=once))


def _port(wanted: int | None) -> int:
    """Returns `wanted` if given, otherwise port 8025 or any other free port. Raises OutsideError if `wanted` is not
    free."""
    for candidate in (wanted,) if wanted else (8025, 0):
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            with contextlib.suppress(OSError):
                probe.bind(("127.0.0.1", candidate))
                return int(probe.getsockname()[1])
    raise OutsideError(f"Port {wanted} is taken by another program.", "Name another one with --port.")


async def _run(app: App, inbox: Inbox, folder: Path, *, once: bool) -> Result:
    stop = asyncio.Event()
    base_url = app.settings.newsletter.base_url
    now = app.now()
    await asyncio.to_thread(sample.write_site, folder / "media", base_url, now)
    kept = await asyncio.to_thread(collect.keep, app, sample.articles(now, base_url))
    for email, name in READERS:
        await asyncio.to_thread(admin.add, app, email, name=name)
    serving = None
    if not once:
        stop_on_signals(stop)
        application = web.create(app, web.Pulse(), pages.routes(inbox))
        serving = asyncio.create_task(service.serve_pages(application, app.settings.web, stop))
    issue = await asyncio.to_thread(draft.draft, app)
    issue = await asyncio.to_thread(draft.freeze, app, issue)
    issue = await asyncio.to_thread(delivery.ready, app, issue)
    result = await delivery.deliver(app, issue, wait=True, stop=stop)
    files = _mails_in(folder)
    done = Result(
        {"slot": issue.slot, "articles": kept.added, "state": result.state, "files": files},
        _text(app, inbox, [folder / name for name in files], kept.added, once=once),
        0 if result.state is IssueState.SENT else 5,
    )
    if serving is None:
        return done
    print_result(done, wants_json())  # printed now and not at the end, because the pages are served until Ctrl-C
    await serving
    return Result(None, "", done.code)


def _mails_in(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.glob("*.eml"))


def _text(app: App, inbox: Inbox, files: list[Path], articles: int, *, once: bool) -> str:
    lines = [f"{articles} sample articles stored, this week's issue chosen and sent to {len(inbox.mails)} readers."]
    lines += [f"  {file}" for file in files]
    if files and once:
        command_line = f"mailer --config {os.path.relpath(files[0].parent / 'config.toml')} run --only web"
        lines.append(f"The links in these mails work while this runs:\n  {command_line}")
    if not once:
        lines.append(f"\nOpen {app.settings.newsletter.base_url}/inbox in a browser; Ctrl-C ends the demo.")
    return "\n".join(lines)
