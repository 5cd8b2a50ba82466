"""Checks that the addresses and folders in the settings can be used.

`settings` checks only the form of addresses and folders. This module checks addresses with the code that will write
them into mails, so that a mistake is found at the start and not when the first issue is sent. Domains are also
converted to ASCII. The network is not used.
"""

import os
import re
from itertools import chain
from pathlib import Path
from urllib.parse import quote

from mailer import address
from mailer.config.fields import quoted
from mailer.config.problems import Problem
from mailer.errors import BadAddress
from mailer.mail import header_encoding
from mailer.settings import Settings
from mailer.text.links import web_address

_LONGEST_BASE = 200  # characters; a link is the base URL and a token, and Outlook follows no link longer than 2083


def made_usable(settings: Settings, templates_later: bool = False) -> Settings | list[Problem]:
    """Returns the settings, with domains in ASCII (xn--…) where mails need it, or a list of problems.

    With `templates_later`, the templates folder may be missing, because the caller is about to create it.
    """
    newsletter = settings.newsletter
    problems: list[Problem] = []
    changes: dict[str, str] = {}
    for name, field, written in (("from", "from_", newsletter.from_), ("reply_to", "reply_to", newsletter.reply_to)):
        try:
            if written is not None:
                changes[field] = _mailbox(written)
        except (BadAddress, ValueError) as why:
            problems.append(Problem(("newsletter", name), getattr(why, "message", str(why))))
    try:
        changes["base_url"] = _base_url(newsletter.base_url)
    except ValueError as why:
        problems.append(Problem(("newsletter", "base_url"), f"{quoted(newsletter.base_url[:80])} {why}"))
    own = None if templates_later else settings.templates
    if own is not None and (words := _unusable(settings.path(own))):
        problems.append(Problem(("templates",), f"{quoted(str(own))}: {words}"))
    for at, block in enumerate(settings.digest.blocks):
        if block.picture and "://" not in block.picture and not settings.path(Path(block.picture)).is_file():
            problems.append(
                Problem(("digest", "blocks", at, "picture"), f"{quoted(block.picture)}: there is no such file")
            )
    return problems or settings.model_copy(update={"newsletter": newsletter.model_copy(update=changes)})


def _unusable(folder: Path) -> str:
    """Returns the problem with a templates folder, or "". Jinja alone would silently ignore an unreadable folder."""
    if not folder.is_dir():
        return "there is no such folder; `mailer templates eject` makes and fills it"
    for each in chain([folder], filter(Path.is_dir, folder.rglob("*"))):
        if not os.access(each, os.R_OK | os.X_OK):
            return f"the folder {each} cannot be read by this user; give it the right to"
    return ""


def _mailbox(written: str) -> str:
    """Returns a mailbox with its domain in ASCII.

    Raises BadAddress or ValueError if a mail header cannot contain the mailbox.
    """
    name, given = address.mailbox(written)
    parsed = address.parse(given)
    if parsed.needs_smtputf8:
        raise ValueError(
            f"{quoted(given)} should have only Latin letters before the @: few relays and mail programs take another "
            "sender (RFC 6531)"
        )
    header_encoding.address(name, parsed.written)
    # Replace only the address, because the display name may contain anything.
    return written.replace(given, parsed.written)


def _base_url(written: str) -> str:
    """Returns the base URL in ASCII. Raises ValueError if links in a mail cannot begin with this URL."""
    if len(quote(written, safe="/:[]%")) > _LONGEST_BASE:  # counted as percent-encoded: «خ» becomes %D8%AE
        raise ValueError(f"should have at most {_LONGEST_BASE} characters: every link in a mail begins with it")
    if found := re.search(r"""[,"'<>\\]""", written):
        raise ValueError(f"should not contain {found[0]}: List-Unsubscribe is a list (RFC 2369)")
    ascii_form = web_address(written)
    if not ascii_form:
        raise ValueError("should have a valid host name, and a port of at most 65535 if any")
    header_encoding.url("List-Unsubscribe", ascii_form)
    if ascii_form.count("/") > 2:
        raise ValueError("should be a host of its own, without a path: the pages are at its root")
    return ascii_form
