"""Whether the addresses and folders of settings can be used: what each setting alone cannot tell.

`settings` knows how an address looks; here it is judged, and put into ASCII, by the same rooms that write it into every
mail, so that the file is refused and not the first issue. Looks at the disk, never at the network.
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
from mailer.mail import headers
from mailer.settings import Settings
from mailer.text.links import web_address

_LONGEST_BASE = 200  # letters; a token is added, and Outlook follows nothing longer than 2083


def made_usable(settings: Settings, templates_later: bool = False) -> Settings | list[Problem]:
    """The settings with domains in ASCII (xn--…) where mails need them so, or everything that cannot be used.

    `templates_later`: their folder may still be missing, for it is about to be made.
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
    return problems or settings.model_copy(update={"newsletter": newsletter.model_copy(update=changes)})


def _unusable(folder: Path) -> str:
    """What is wrong with a folder of templates; those in a folder that cannot be looked into would not be missed."""
    if not folder.is_dir():
        return "there is no such folder; `mailer templates eject` makes and fills it"
    for each in chain([folder], filter(Path.is_dir, folder.rglob("*"))):
        if not os.access(each, os.R_OK | os.X_OK):
            return f"the folder {each} cannot be read by this user; give it the right to"
    return ""


def _mailbox(written: str) -> str:
    """BadAddress or ValueError: it cannot stand in the header of a mail."""
    name, given = address.mailbox(written)
    parsed = address.parse(given)
    if parsed.needs_smtputf8:
        raise ValueError(
            f"{quoted(given)} should have only Latin letters before the @: few relays and mail programs take another "
            "sender (RFC 6531)"
        )
    headers.address(name, parsed.written)
    # As it was written, but for the domain: the name may hold anything.
    return written.replace(given, parsed.written)


def _base_url(written: str) -> str:
    """ValueError: no link in a mail can begin with it."""
    if len(quote(written, safe="/:[]%")) > _LONGEST_BASE:  # «خ» is written %D8%AE
        raise ValueError(f"should have at most {_LONGEST_BASE} letters: every link in a mail begins with it")
    if found := re.search(r"""[,"'<>\\]""", written):
        raise ValueError(f"should not hold {found[0]}: List-Unsubscribe is a list (RFC 2369)")
    ascii_form = web_address(written)
    if not ascii_form:
        raise ValueError("should name a host that is one, and a port up to 65535 if any")
    headers.url("List-Unsubscribe", ascii_form)
    if ascii_form.count("/") > 2:
        raise ValueError("should be a host of its own, without a path: our pages stand at its root")
    return ascii_form
