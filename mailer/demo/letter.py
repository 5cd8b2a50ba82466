"""Parses a mail for the inbox: sender, subject, both parts, and the link for one-click unsubscribing.

Parsing never fails: a mail that cannot be parsed is returned as its source, marked as `broken`. This module does not
sanitise anything; the pages escape every text and put the HTML part into a sandbox. The mails are parsed by the
standard library and not by the code that wrote them.
"""

import re
from dataclasses import dataclass
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import default
from html.parser import HTMLParser

from mailer.demo.inbox import Mail
from mailer.text.clean import clean, shorten

_ONE_CLICK = "list-unsubscribe=one-click"
_WEB_ADDRESS = re.compile(r"<\s*(https?://[^>\s]+)\s*>", re.IGNORECASE)
_SNIPPET = 160
_VOID = frozenset(
    ["area", "base", "br", "col", "embed", "hr", "img", "input", "link", "meta", "source", "track", "wbr"]
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Letter:
    """A mail as a person sees it. Every text can be encoded as UTF-8."""

    sender: str = ""
    recipient: str = ""
    subject: str = ""
    date: str = ""  # the field Date, as it is written in the mail
    snippet: str = ""  # the preheader, else the beginning of the text
    html: str | None = None
    text: str | None = None
    source: str
    one_click: str = ""  # the address to POST to (RFC 8058); empty if the mail has no one-click unsubscription
    broken: bool = False


def read(mail: Mail) -> Letter:
    """Returns the parsed mail, or its source marked as `broken`. Never raises."""
    source = mail.raw.decode("utf-8", "replace")
    try:
        return _read(mail.raw, source)
    except Exception:  # hostile headers make the parser fail in many ways
        return Letter(recipient=_sound(mail.recipient), sender=_sound(mail.sender), source=source, broken=True)


def _read(raw: bytes, source: str) -> Letter:
    message = message_from_bytes(raw, policy=default)
    html, text = _part(message, "html"), _part(message, "plain")
    return Letter(
        sender=_header(message, "From"),
        recipient=_header(message, "To"),
        subject=_header(message, "Subject"),
        date=_header(message, "Date"),
        snippet=_snippet(html or "", text or ""),
        html=html,
        text=text,
        source=source,
        one_click=_one_click(message),
        broken=html is None and text is None,
    )


def _header(message: EmailMessage, name: str) -> str:
    return _sound(str(message[name] or ""))


def _part(message: EmailMessage, kind: str) -> str | None:
    part = message.get_body((kind,))
    if part is None:
        return None
    content = part.get_payload(decode=True)
    if not isinstance(content, bytes):
        return None
    try:
        return _sound(content.decode(part.get_content_charset("utf-8"), "replace"))
    except LookupError:  # an unknown character set
        return content.decode("utf-8", "replace")


def _sound(text: str) -> str:
    """Replaces each lone surrogate in a text by "?".

    The parser returns bytes that it cannot decode as lone surrogates, which cannot be encoded as UTF-8.
    """
    return text.encode("utf-8", "replace").decode("utf-8")


def _one_click(message: EmailMessage) -> str:
    # RFC 8058 §3.1 requires List-Unsubscribe, and List-Unsubscribe-Post with exactly this value.
    if _header(message, "List-Unsubscribe-Post").strip().lower() != _ONE_CLICK:
        return ""
    found = _WEB_ADDRESS.search(_header(message, "List-Unsubscribe"))
    return found[1] if found else ""


def _snippet(html: str, text: str) -> str:
    finder = _Preheader()
    finder.feed(html)
    return shorten(clean(finder.text or text[: _SNIPPET * 4]), _SNIPPET)


class _Preheader(HTMLParser):
    """Finds the text of the first hidden element of a mail, which is usually the preheader."""

    def __init__(self) -> None:
        super().__init__()
        self.text = ""
        self._depth = 0
        self._done = False

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if self._done or tag in _VOID:
            return
        hidden = "display:none" in (dict(attrs).get("style") or "").replace(" ", "").lower()
        if self._depth or hidden:
            self._depth += 1

    def handle_endtag(self, tag: str) -> None:
        if self._depth and tag not in _VOID:
            self._depth -= 1
            self._done = self._depth == 0

    def handle_data(self, data: str) -> None:
        if self._depth:
            self.text += data
