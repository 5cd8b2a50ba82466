"""Makes the blocks of an issue from the settings and from an editor's command. Blocks are the newsroom's own boxes.

A block is not a story: every variant of the issue has it, it is never counted as a story, and it does not affect the
choice of stories. The issue keeps a copy of its blocks, so the frozen issue and a later redaction do not depend on the
settings. `draft` and `editing` store that copy.
"""

import logging
from dataclasses import replace
from datetime import date

from pydantic import ValidationError

from mailer import settings
from mailer.articles import pictures
from mailer.context import App
from mailer.errors import MailerError, UnreadableInput, UsageError
from mailer.mail import view
from mailer.model import Block, BlockKind, BlockPlace, DeliveryKind, Issue
from mailer.reasons import Reason, ReasonCode
from mailer.text.clean import clean

log = logging.getLogger(__name__)


def standing(app: App, day: date) -> tuple[Block, ...]:
    """Returns the blocks that the settings put into the issue of that day.

    If the picture of a block cannot be used, a warning is logged and the block is returned without a picture. Uses the
    network.
    """
    wanted = (
        each
        for each in app.settings.digest.blocks
        if (each.from_ is None or each.from_ <= day) and (each.until is None or day <= each.until)
    )
    return tuple(replace(_block(each, _picture(app, each)), standing=True) for each in wanted)


def _picture(app: App, block: settings.Block) -> str:
    try:
        return pictures.copied(app, block.picture) if block.picture else ""
    except MailerError as error:
        log.warning("The block «%s» has no picture: %s", block.title, error)
        return ""


def given(app: App, **values: str) -> Block:
    """Returns the block that an editor describes in a command. `values` are named like the settings of a block.

    Raises UsageError if a value breaks the limits of the settings, and MailerError if the picture cannot be used.
    """
    try:
        checked = settings.Block.model_validate({name: value for name, value in values.items() if value})
    except ValidationError as error:
        raise UsageError(" ".join(_sentence(each["loc"], each["msg"]) for each in error.errors())) from None
    return _block(checked, pictures.copied(app, checked.picture) if checked.picture else "")


def _sentence(place: tuple[int | str, ...], words: str) -> str:
    """Turns a problem that pydantic found into a sentence that names the command's option."""
    what = words.removeprefix("Value error, ").removeprefix("String ").removeprefix("Input ")
    return f"--{str(place[0]).replace('_', '-')} {what}." if place else f"{what[0].upper()}{what[1:]}."


def _block(checked: settings.Block, picture: str) -> Block:
    return Block(
        kind=BlockKind(checked.kind),
        place=BlockPlace(checked.place),
        title=clean(checked.title or ""),
        text="\n".join(filter(None, map(clean, checked.text.splitlines()))),
        url=checked.url or "",
        link_text=clean(checked.link_text),
        picture=picture,
    )


def with_addresses(app: App, blocks: tuple[Block, ...]) -> tuple[Block, ...]:
    """Returns the blocks with the addresses of their pictures in place of the file names, ready to be rendered."""
    return tuple(
        replace(each, picture=pictures.address_of(app, each.picture) if each.picture else "") for each in blocks
    )


def notes(app: App, issue: Issue) -> list[Reason]:
    """Returns a note for the editors about each block that would be missing in one or both parts of the mail.

    This happens if a newsroom's own templates come from an older version, which had no blocks.
    """
    if not issue.blocks:
        return []
    # Words without blanks and direction, which templates show unchanged, stand for the titles.
    words = [f"mailerblock{number}end" for number in range(len(issue.blocks))]
    named = tuple(replace(block, title=word, picture="") for block, word in zip(issue.blocks, words, strict=True))
    values = view.issue_view(
        replace(issue, blocks=named),
        app.settings.newsletter,
        archive_url=app.archive_url(issue.slot),
        locale=app.renderer.locale,
        preferences=True,
    )
    try:
        mail = app.renderer.mail(DeliveryKind.ISSUE, values)
    except UnreadableInput:
        return []  # the freeze renders the mail again, and holds the issue because of this error
    return [
        Reason(ReasonCode.BLOCK_NOT_SHOWN, {"title": block.title})
        for block, word in zip(issue.blocks, words, strict=True)
        if word not in mail.html or word not in mail.text
    ]
