"""`mailer backtest`: what other settings would have chosen in past weeks. Prints; decides and stores nothing."""

from dataclasses import asdict
from pathlib import Path

import click
from pydantic import ValidationError

from mailer.articles import backtest as verb
from mailer.articles.backtest import Choice
from mailer.cli.door import json_option, opened, show, table
from mailer.errors import UsageError


@click.command()
@click.option("--weeks", type=click.IntRange(1, 60), default=8, show_default=True, help="How many past weeks.")
@click.option("--stories", type=int, help="Instead of [digest] stories.")
@click.option("--max-section", type=float, help="Instead of [digest] max_section.")
@click.option("--max-source", type=float, help="Instead of [digest] max_source.")
@click.option("--max-day", type=float, help="Instead of [digest] max_day.")
@json_option
@click.pass_obj
def backtest(path: Path, /, weeks: int, as_json: bool, **other: float | None) -> None:
    """Choose past weeks again, with the settings in force and with those given here, and compare.

    «captured»: of the views that the most read stories have, the share of those chosen. «repeats»: stories whose
    event was told in the four weeks before.
    """
    with opened(path) as app:
        changed = {name: value for name, value in other.items() if value is not None}
        try:
            rules = type(app.settings.digest).model_validate({**app.settings.digest.model_dump(), **changed})
        except ValidationError as error:
            first = error.errors()[0]
            name = str(first["loc"][0] if first["loc"] else "digest").replace("_", "-")
            raise UsageError(f"--{name}: {first['msg']}.") from None
        found = verb.run(app, weeks, rules)
    if as_json:
        show([asdict(each) for each in found])
        return
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
    table(("slot", "now", "other", "overlap", "as sent", "sections", "captured", "repeats"), rows)


def _share(choice: Choice) -> str:
    return "–" if choice.captured is None else f"{choice.captured:.0%}"
