"""Replaces the English sentences of reasons and notes by codes with arguments, and simplifies the stored edits."""

import re
from collections.abc import Mapping
from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None

# Maps patterns of the sentences that earlier versions stored to codes. The named groups become the arguments.
_ISSUE = {
    r"too few stories: (?P<found>\d+) of at least (?P<least>\d+)": "too_few_stories",
    r"approval is required": "approval_required",
    r"held by an editor": "held_by_editor",
    r"cannot be made: (?P<error>.*)": "cannot_be_made",
    r"its mails cannot be made: (?P<error>.*)": "mails_cannot_be_made",
    r"not authenticated: (?P<reply>.*)": "not_authenticated",
    r"too late: more than max_late after its time": "too_late",
    r"nothing to say: no story in its window": "no_story",
    r"cancelled by an admin": "cancelled_by_admin",
    r"superseded: the issue (?P<slot>\S+) began before it": "superseded",
}
_NOTES = {
    r"no article has view counts: chosen by place, coverage and quality": "no_view_counts",
    r"only (?P<known>\d+) of (?P<all>\d+) articles have view counts: chosen by place, coverage and quality": (
        "few_view_counts"
    ),
    r"all view counts are the same: chosen by place, coverage and quality": "equal_view_counts",
    r"(?P<missing>\d+) of (?P<all>\d+) articles have no view count: taken as average": "some_view_counts_missing",
    r"no sections are configured: nothing balances them": "no_sections",
    r"too few stories elsewhere: the limit of (?P<limit>\d+) of one section was dropped": "section_limit_dropped",
    r"too few stories elsewhere: the limit of (?P<limit>\d+) of one source was dropped": "source_limit_dropped",
    r"too few stories elsewhere: the limit of (?P<limit>\d+) of one day was dropped": "day_limit_dropped",
    r"(?P<pins>\d+) stories are pinned, more than the (?P<stories>\d+) of an issue": "too_many_pins",
    r"left out, for its page is gone: «(?P<title>.*)»": "story_left_out",
}
_NOT_CHOSEN = {
    r"banned": "banned",
    r"holds the banned word «(?P<word>.*)»": "banned_word",
    r"already in an earlier issue": "already_used",
    r"no address": "no_address",
    r"its address is not a web page": "not_a_web_page",
    r"no reader can be sent to its address": "not_linkable",
    r"not free to read": "not_free",
    r"its title is too short": "short_title",
    r"its page is gone": "page_gone",
    r"dropped by an editor": "dropped_by_editor",
    r"same title as «(?P<title>.*)»": "same_title",
    r"section «(?P<name>.*)» is full \((?P<count>\d+) of (?P<stories>\d+)\)": "section_full",
    r"source (?P<name>.*) is full \((?P<count>\d+) of (?P<stories>\d+)\)": "source_full",
    r"day (?P<name>.*) is full \((?P<count>\d+) of (?P<stories>\d+)\)": "day_full",
    r"not among the (?P<count>\d+) best": "not_among_best",
}
_NUMBERS = {"found", "least", "known", "all", "missing", "limit", "pins", "stories", "count"}


def upgrade() -> None:
    # These are plain ADD COLUMN statements, because Alembic's batch mode would copy the whole table on SQLite.
    op.add_column("issues", sa.Column("reason_code", sa.Text(), server_default=sa.text("''"), nullable=False))
    op.add_column("issues", sa.Column("reason_args", sa.JSON(), server_default=sa.text("'{}'"), nullable=False))
    json = {name: sa.column(name, sa.JSON()) for name in ("rejected", "notes", "edits", "reason_args")}
    issues = sa.table("issues", sa.column("id"), sa.column("reason"), sa.column("reason_code"), *json.values())
    connection = op.get_bind()
    for row in connection.execute(sa.select(issues)).all():
        reason = _coded(row.reason, _ISSUE) if row.reason else {"code": "", "args": {}}
        values = {
            "reason_code": reason["code"],
            "reason_args": reason["args"],
            "notes": [_coded(note, _NOTES) for note in row.notes],
            "rejected": [{**each, "reason": _coded(each["reason"], _NOT_CHOSEN)} for each in row.rejected],
            "edits": _edits(row.edits),
        }
        connection.execute(sa.update(issues).where(issues.c.id == row.id).values(values))
    op.drop_column("issues", "reason")


def _coded(sentence: str, codes: Mapping[str, str]) -> dict[str, Any]:
    """Returns the code and the arguments of a sentence. A sentence that matches no pattern is kept as it is, under the
    code "text"."""
    for pattern, code in codes.items():
        if found := re.fullmatch(pattern, sentence, re.DOTALL):
            args = {name: int(value) if name in _NUMBERS else value for name, value in found.groupdict().items()}
            return {"code": code, "args": args}
    return {"code": "text", "args": {"words": sentence}}


def _edits(edits: Mapping[str, Any]) -> dict[str, Any]:
    """Returns edits in the new form. `dropped` mapped each id to the same sentence, and becomes a list of ids. `places`
    was a list of pairs, and becomes an object. `dead` is renamed to `gone`. An older `gone`, a list of titles without
    ids, applies to no article and is left out."""
    changed = {"gone" if name == "dead" else name: value for name, value in edits.items() if name != "gone"}
    if "dropped" in changed:
        changed["dropped"] = sorted(int(number) for number in changed["dropped"])
    if "places" in changed:
        changed["places"] = {str(number): place for number, place in changed["places"]}
    return changed


def downgrade() -> None:
    raise NotImplementedError("restore the backup made before the upgrade")
