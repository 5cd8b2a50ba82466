"""The upgrade from 0010 to 0011: English sentences become codes with arguments, and edits get plain keys."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from alembic import command
from alembic.config import Config
from alembic.script import ScriptDirectory
from sqlalchemy import create_engine, text

from mailer.model import Edits, Issue
from mailer.reasons import Reason, ReasonCode
from mailer.store import issues, upgrade
from mailer.store.database import Store

C = ReasonCode
# Every sentence of version 0010, with the reason that it becomes.
ISSUE = {
    "too few stories: 2 of at least 5": Reason(C.TOO_FEW_STORIES, {"found": 2, "least": 5}),
    "approval is required": Reason(C.APPROVAL_REQUIRED),
    "held by an editor": Reason(C.HELD_BY_EDITOR),
    "cannot be made: no template\n«x»": Reason(C.CANNOT_BE_MADE, {"error": "no template\n«x»"}),
    "its mails cannot be made: no slot": Reason(C.MAILS_CANNOT_BE_MADE, {"error": "no slot"}),
    "not authenticated: 550 5.7.26 no": Reason(C.NOT_AUTHENTICATED, {"reply": "550 5.7.26 no"}),
    "too late: more than max_late after its time": Reason(C.TOO_LATE),
    "nothing to say: no story in its window": Reason(C.NO_STORY),
    "cancelled by an admin": Reason(C.CANCELLED_BY_ADMIN),
    "superseded: the issue 1405-W37 began before it": Reason(C.SUPERSEDED, {"slot": "1405-W37"}),
    "too few stories, says the editor": Reason(C.TEXT, {"words": "too few stories, says the editor"}),
    "منتظر رأی دادگاه": Reason(C.TEXT, {"words": "منتظر رأی دادگاه"}),
}
NOTES = {
    "no article has view counts: chosen by place, coverage and quality": Reason(C.NO_VIEW_COUNTS),
    "only 1 of 10 articles have view counts: chosen by place, coverage and quality": Reason(
        C.FEW_VIEW_COUNTS, {"known": 1, "all": 10}
    ),
    "all view counts are the same: chosen by place, coverage and quality": Reason(C.EQUAL_VIEW_COUNTS),
    "3 of 140 articles have no view count: taken as average": Reason(
        C.SOME_VIEW_COUNTS_MISSING, {"missing": 3, "all": 140}
    ),
    "no sections are configured: nothing balances them": Reason(C.NO_SECTIONS),
    **{
        f"too few stories elsewhere: the limit of 4 of one {quota} was dropped": Reason(code, {"limit": 4})
        for quota, code in (
            ("section", C.SECTION_LIMIT_DROPPED),
            ("source", C.SOURCE_LIMIT_DROPPED),
            ("day", C.DAY_LIMIT_DROPPED),
        )
    },
    "13 stories are pinned, more than the 12 of an issue": Reason(C.TOO_MANY_PINS, {"pins": 13, "stories": 12}),
    "left out, for its page is gone: «باران «تند» در راه»": Reason(C.STORY_LEFT_OUT, {"title": "باران «تند» در راه"}),
    "a note of long ago": Reason(C.TEXT, {"words": "a note of long ago"}),
}
NOT_CHOSEN = {
    "banned": Reason(C.BANNED),
    "holds the banned word «رپرتاژ»": Reason(C.BANNED_WORD, {"word": "رپرتاژ"}),
    "already in an earlier issue": Reason(C.ALREADY_USED),
    "no address": Reason(C.NO_ADDRESS),
    "its address is not a web page": Reason(C.NOT_A_WEB_PAGE),
    "no reader can be sent to its address": Reason(C.NOT_LINKABLE),
    "not free to read": Reason(C.NOT_FREE),
    "its title is too short": Reason(C.SHORT_TITLE),
    "its page is gone": Reason(C.PAGE_GONE),
    "dropped by an editor": Reason(C.DROPPED_BY_EDITOR),
    "same title as «انار»": Reason(C.SAME_TITLE, {"title": "انار"}),
    "section «ورزش» is full (4 of 12)": Reason(C.SECTION_FULL, {"name": "ورزش", "count": 4, "stories": 12}),
    "source shahr.example is full (6 of 12)": Reason(
        C.SOURCE_FULL, {"name": "shahr.example", "count": 6, "stories": 12}
    ),
    "day 2026-11-20 is full (4 of 12)": Reason(C.DAY_FULL, {"name": "2026-11-20", "count": 4, "stories": 12}),
    "not among the 12 best": Reason(C.NOT_AMONG_BEST, {"count": 12}),
    "کم‌خوانده": Reason(C.TEXT, {"words": "کم‌خوانده"}),
}
OLD_EDITS = {
    "dropped": {"17": "dropped by an editor", "4": "dropped by an editor"},
    "places": [[9, 1], [3, 2]],
    "titles": {"9": "تیتر"},
    "subject": "موضوع",
    "intro": "درآمد",
    "gone": ["an older version stored titles without ids"],
    "dead": {"5": "رفت"},
    "checked": True,
}


def test_every_sentence_of_the_migration_is_tried() -> None:
    """Newer codes were never stored as sentences."""
    codes = {reason.code for sentences in (ISSUE, NOTES, NOT_CHOSEN) for reason in sentences.values()} - {C.TEXT}
    folder = str(Path(upgrade.__file__).parent / "migrations")
    migration: Any = ScriptDirectory(folder).get_revision("0011").module
    assert codes == {*migration._ISSUE.values(), *migration._NOTES.values(), *migration._NOT_CHOSEN.values()}


@pytest.fixture(params=["sqlite", "postgresql"])
def old_store(request: pytest.FixtureRequest, tmp_path: Path) -> Store:
    """A database of version 0010 with one issue for each reason, and one that no person or process touched yet."""
    sqlite = request.param == "sqlite"
    url = f"sqlite:///{tmp_path / 'old.db'}" if sqlite else request.getfixturevalue("empty_postgresql_url")
    engine = create_engine(Store(url).url)
    config = Config()
    config.set_main_option("script_location", str(Path(upgrade.__file__).parent / "migrations"))
    with engine.begin() as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, "0010")
        rejected = [{"url": "u", "title": "t", "score": 0.5, "reason": sentence} for sentence in NOT_CHOSEN]
        for number, reason in enumerate(ISSUE, 1):
            insert(connection, number, reason=reason, notes=list(NOTES), rejected=rejected, edits=OLD_EDITS)
        insert(connection, len(ISSUE) + 1, reason="", notes=[], rejected=[], edits={"checked": True})
        insert(connection, len(ISSUE) + 2, reason="", notes=[], rejected=[], edits={})
    engine.dispose()
    return Store(url)


def insert(connection: Any, number: int, *, reason: str, **values: Mapping[str, Any] | list[Any]) -> None:
    statement = text(
        "INSERT INTO issues (id, slot, day, state, send_at, planned_at, reason, notes, rejected, edits) VALUES "
        "(:id, :slot, '2026-11-26', 'held', '2026-11-26 05:30:00', '2026-11-25 05:30:00', :reason, :notes, :rejected, "
        ":edits)"
    )
    written = {name: json.dumps(value) for name, value in values.items()}
    connection.execute(statement, {"id": number, "slot": f"1405-W{number:02}", "reason": reason, **written})


def test_every_sentence_becomes_a_code_and_nothing_is_lost(old_store: Store) -> None:
    assert upgrade.upgrade(old_store) == upgrade.HEAD

    def found(number: int) -> Issue:
        issue = old_store.read(lambda tx: issues.get(tx, number))
        assert issue is not None
        return issue

    for number, reason in enumerate(ISSUE.values(), 1):
        issue = found(number)
        assert issue.reason == reason
        assert issue.notes == tuple(NOTES.values())
        assert [each.reason for each in issue.rejected] == list(NOT_CHOSEN.values())
        assert {(each.url, each.title, each.score) for each in issue.rejected} == {("u", "t", 0.5)}
        assert issue.edits == Edits(
            dropped=frozenset({4, 17}),
            places={9: 1, 3: 2},
            titles={9: "تیتر"},
            subject="موضوع",
            intro="درآمد",
            gone={5: "رفت"},
            checked=True,
        )
        assert list(issue.edits.places) == [9, 3], "in the order in which they were asked for"
    assert (found(len(ISSUE) + 1).reason, found(len(ISSUE) + 1).edits) == (None, Edits(checked=True))
    assert (found(len(ISSUE) + 2).notes, found(len(ISSUE) + 2).edits) == ((), Edits())
    old_store.close()
