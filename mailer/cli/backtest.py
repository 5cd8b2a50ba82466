"""`mailer backtest`: shows what other settings would have chosen in past weeks; stores nothing."""

from dataclasses import asdict
from typing import TYPE_CHECKING

import click

from mailer.cli.command import Result, Whole, command, table
from mailer.errors import UsageError

if TYPE_CHECKING:
    from mailer.articles.backtest import Choice
    from mailer.context import App


@command(None)
@click.option("--weeks", type=Whole(1, 60), default=8, show_default=True, help="How many past weeks.")
@click.option("--stories", type=int, help="Instead of [digest] stories.")
@click.option("--max-section", type=float, help="Instead of [digest] max_section.")
@click.option("--max-source", type=float, help="Instead of [digest] max_source.")
@click.option("--max-day", type=float, help="Instead of [digest] max_day.")
def backtest(app: "App", weeks: int, **changes: float | None) -> Result:
    """Choose past weeks again, with the current settings and with those given here, and compare.

    "captured" is the views of the chosen stories, as a share of the views of the most read stories. "repeats" counts
    stories about an event that was already in an issue of the four weeks before.
    """
    from pydantic import ValidationError

    from mailer.articles import backtest

    digest = app.settings.digest
    changed = {name: value for name, value in changes.items() if value is not None}
    try:
        rules = type(digest).model_validate({**digest.model_dump(), **changed})
    except ValidationError as error:
        first = error.errors()[0]
        name = str(first["loc"][0] if first["loc"] else "digest").replace("_", "-")
        raise UsageError(f"--{name}: {first['msg']}.") from None
    found = backtest.run(app, weeks, rules)
    rows = [
        (
            each.slot,
            str(len(each.now.titles)),
            str(len(each.other.titles)),
            str(each.overlap),
            "–" if each.sent is None else str(each.sent),
            f"{len(each.now.sections)} / {len(each.other.sections)}",
            f"{_share(each.now)} / {_share(each.other)}",
            f"{each.now.repeats} / {each.other.repeats}",
        )
        for each in found
    ]
    headings = ("slot", "now", "other", "overlap", "as sent", "sections", "captured", "repeats")
    return Result([asdict(each) for each in found], table(headings, rows))


def _share(choice: "Choice") -> str:
    return "–" if choice.captured is None else f"{choice.captured:.0%}"
