"""Serves the demo's web inbox: the list of mails, and each mail as HTML, as text and as source.

The inbox works without scripts and changes no data. Its button for one-click unsubscribing posts to the address in the
mail, as a mail program would. The HTML of a mail is shown in a sandboxed frame.
"""

import re
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from pathlib import Path
from zoneinfo import ZoneInfo

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from starlette.requests import Request
from starlette.responses import FileResponse, HTMLResponse, RedirectResponse, Response
from starlette.routing import Route

from mailer.demo.inbox import Inbox, Mail, file_name
from mailer.demo.letter import Letter, read
from mailer.mail.bidi import isolate
from mailer.text.calendar import digits, long_date

EXPECTED = 3  # the number of mails that the demo sends; the list reloads itself until all have arrived
TEMPLATES = Path(__file__).parent / "templates"
_TEHRAN = ZoneInfo("Asia/Tehran")
# Pictures in mails are loaded from the demo's own address, which may differ from the address at which the inbox is
# opened: one may be 127.0.0.1 and the other localhost.
_SELF = "'self' http://127.0.0.1:* http://localhost:*"
_PAGE_POLICY = (
    f"default-src 'none'; style-src 'self'; img-src 'self'; frame-src 'self'; form-action {_SELF}; "
    "base-uri 'none'; frame-ancestors 'none'"
)
# The frame and the policy both have `sandbox`, because the address of the frame can also be opened directly.
_SANDBOX = "allow-popups allow-popups-to-escape-sandbox allow-top-navigation-by-user-activation"
_MAIL_POLICY = (
    f"default-src 'none'; style-src 'unsafe-inline'; img-src {_SELF}; form-action 'none'; "
    f"frame-ancestors 'self'; sandbox {_SANDBOX}"
)
ENVIRONMENT = Environment(
    loader=FileSystemLoader(TEMPLATES), autoescape=True, undefined=StrictUndefined, trim_blocks=True
)
ENVIRONMENT.filters |= {"bidi": isolate, "digits": digits}
_BASE = '<base target="_blank">'
_PLACES = tuple(re.compile(rf"<{tag}\b[^<>]*>", re.IGNORECASE) for tag in ("head", "html", "!doctype"))


@dataclass(frozen=True, slots=True)
class _Row:
    """A row in the list of mails."""

    mail: Mail
    letter: Letter
    time: str


def routes(inbox: Inbox) -> list[Route]:
    """Returns the routes of the inbox pages, to be added to the application that serves the product's pages."""
    return [
        Route("/", _home),
        Route("/inbox", partial(_list, inbox)),
        Route("/inbox/style.css", _style),
        Route("/inbox/{number:int}", partial(_view, inbox, "html")),
        Route("/inbox/{number:int}/text", partial(_view, inbox, "text")),
        Route("/inbox/{number:int}/source", partial(_view, inbox, "source")),
        Route("/inbox/{number:int}/html", partial(_frame, inbox)),
        Route("/inbox/{number:int}/eml", partial(_download, inbox)),
    ]


def _home(_request: Request) -> Response:
    return RedirectResponse("/inbox", 303)


def _style(_request: Request) -> Response:
    return FileResponse(TEMPLATES / "inbox.css", media_type="text/css")


def _list(inbox: Inbox, _request: Request) -> Response:
    mails = inbox.mails
    rows = [_row(mail) for mail in mails]
    return _page("inbox.html", rows=rows, waiting=len(mails) < EXPECTED)


def _view(inbox: Inbox, tab: str, request: Request) -> Response:
    mail = _find(inbox, request)
    if mail is None:
        return _page("missing.html", 404)
    row = _row(mail)
    shown = "source" if row.letter.broken else "text" if tab == "html" and row.letter.html is None else tab
    return _page("letter.html", row=row, tab=shown, sandbox=_SANDBOX)


def _frame(inbox: Inbox, request: Request) -> Response:
    mail = _find(inbox, request)
    html = read(mail).html if mail else None
    if html is None:
        return _page("missing.html", 404)
    return _answer(HTMLResponse(_opening_outside(html)), _MAIL_POLICY)


def _download(inbox: Inbox, request: Request) -> Response:
    mail = _find(inbox, request)
    if mail is None:
        return _page("missing.html", 404)
    headers = {"Content-Disposition": f'attachment; filename="{file_name(mail)}"'}
    return _answer(Response(mail.raw, media_type="message/rfc822", headers=headers), _PAGE_POLICY)


def _find(inbox: Inbox, request: Request) -> Mail | None:
    number = request.path_params["number"]
    mails = inbox.mails
    return mails[number - 1] if 1 <= number <= len(mails) else None


def _row(mail: Mail) -> _Row:
    return _Row(mail, read(mail), date_and_time(mail.arrived, "%H:%M:%S"))


def date_and_time(instant: datetime, time_format: str) -> str:
    """Returns the date and time of an instant as a Persian text, in the time zone of Tehran."""
    local = instant.astimezone(_TEHRAN)
    return f"{long_date(local.date())}، ساعت {digits(local.strftime(time_format))}"


def _opening_outside(html: str) -> str:
    """Returns the mail's HTML, changed so that its links open in a new window instead of the small frame."""
    for place in _PLACES:
        if found := place.search(html):
            return html[: found.end()] + _BASE + html[found.end() :]
    return _BASE + html


def _page(template: str, status: int = 200, **values: object) -> Response:
    return _answer(HTMLResponse(ENVIRONMENT.get_template(template).render(values), status), _PAGE_POLICY)


def _answer(response: Response, policy: str) -> Response:
    response.headers["Content-Security-Policy"] = policy
    response.headers["X-Content-Type-Options"] = "nosniff"
    response.headers["Cache-Control"] = "no-store"
    return response
