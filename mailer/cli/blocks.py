"""`mailer issue block …`: boxes of the newsroom's own in one issue."""

from dataclasses import asdict
from pathlib import Path

import click

from mailer import reasons
from mailer.cli.command import TEXT, Result, Whole, command, slot_argument, slot_option, table
from mailer.context import App
from mailer.model import BlockKind, BlockPlace, Issue
from mailer.reasons import ReasonCode

_slot = slot_option("--slot", "The issue of another week.")


@click.group()
def block() -> None:
    """Boxes of your own in one issue: an announcement, a correction or an advertisement.

    Blocks for every issue are in the settings, as [[digest.blocks]].
    """


def data(found: Issue) -> list[dict[str, object]]:
    """Returns the blocks of an issue for JSON."""
    return [
        {"number": number, **asdict(each), "picture": bool(each.picture)} for number, each in enumerate(found.blocks, 1)
    ]


def _shown(found: Issue) -> Result:
    rows = [
        (str(number), each.kind, each.place, "every issue" if each.standing else "this issue", each.title)
        for number, each in enumerate(found.blocks, 1)
    ]
    listed = table(("no.", "kind", "place", "in", "title"), rows)
    lost = [each for each in found.notes if each.code is ReasonCode.BLOCK_NOT_SHOWN]
    lines = [f"{found.slot}:\n{listed}", *(f"note: {reasons.english(each)}" for each in lost)]
    return Result(data(found), "\n".join(lines) if rows else f"{found.slot} has no blocks.")


@command(block)
@click.argument("title", type=TEXT)
@click.option("--text", type=TEXT, default="", help="The text, without HTML; each line is a paragraph.")
@click.option("--url", type=TEXT, default="", help="The page to which the title links.")
@click.option("--link-text", type=TEXT, default="", help="The words of a second link to that page.")
@click.option("--picture", type=TEXT, default="", help="A picture file, or an address that begins with https://.")
@click.option(
    "--kind",
    type=click.Choice([str(each) for each in BlockKind]),
    default="announcement",
    show_default=True,
    help="What the block is.",
)
@click.option(
    "--place",
    type=click.Choice([str(each) for each in BlockPlace]),
    default="end",
    show_default=True,
    help="Before the first story, after it, after half of the sections, or after the last story.",
)
@_slot
def add(app: App, slot: str | None, picture: str, **values: str) -> Result:
    """Add a block called TITLE to this issue only.

    A correction is marked as «اصلاحیه», and the block of a sponsor as «تبلیغ».
    """
    from mailer.issues import blocks, editing

    # A relative path begins at the current folder, as for every command, and not at the folder of the settings.
    source = picture if not picture or "://" in picture else str(Path(picture).resolve())
    return _shown(editing.add_block(app, slot, blocks.given(app, picture=source, **values)))


@command(block)
@slot_argument
def list_(app: App, slot: str | None) -> Result:
    """List the blocks of an issue: first those of the settings, then its own."""
    from mailer.issues import which

    return _shown(which.to_show(app, slot))


@command(block)
@click.argument("number", type=Whole(1))
@_slot
def remove(app: App, number: int, slot: str | None) -> Result:
    """Remove block NUMBER from this issue. To remove a block of the settings, edit the settings."""
    from mailer.issues import editing

    return _shown(editing.remove_block(app, slot, number))
