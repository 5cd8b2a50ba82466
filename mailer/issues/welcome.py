"""Queues a welcome mail with the stories of the latest issue for each reader who has confirmed a sign-up.

So a reader who joins on Friday does not have to wait until Thursday for the first mail. The welcome is a service mail:
it goes through the ledger like every mail, but belongs to no issue and marks no story as used. Each tick finds the
welcomes that are due from the readers' events, so nothing is remembered between ticks. The unique key of the delivery
keeps two processes from welcoming a reader twice.
"""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta

from sqlalchemy import Connection

from mailer import week
from mailer.articles import pictures
from mailer.context import App, local_day, sample_settings
from mailer.issues import draft, variants, which
from mailer.lifecycle import STARTED
from mailer.mail import render as rendering
from mailer.mail import service_mails
from mailer.model import ChosenStory, DeliveryKind, Issue, IssueState, Rendered
from mailer.store import deliveries, issues, signups
from mailer.store.signups import Joined

WITHIN = timedelta(hours=12)  # a reader who joined longer ago gets no welcome, for example after an outage
ISSUE_SOON = timedelta(hours=12)  # readers who join at most this long before an issue is frozen get the issue instead
LATEST = timedelta(days=10)  # the stories of an older issue are not shown, because they are no longer news
EVERY = timedelta(days=30)  # an address gets at most one welcome mail in this time
_AT_ONCE = 200  # readers who are welcomed in one transaction
_SHOWN = STARTED - {IssueState.PAUSED}  # an editor may have paused an issue because one of its stories is wrong


def queue(app: App) -> int:
    """Queues the welcome mails that are due, and returns their number. Any process may call this function."""
    if not app.settings.readers.welcome:
        return 0
    choices: dict[tuple[str, ...], list[Joined]] = defaultdict(list)
    for reader in app.store.read(lambda tx: _due(app, tx)):
        choices[reader.sections].append(reader)
    # As with issues, no real reader gets a mail while settings still have sample values, such as a `base_url` whose
    # links would lead to the reader's own machine.
    stopping = app.store.read(lambda tx: sample_settings(app, tx, local_day(app, app.now()))) if choices else ()
    if stopping:
        return 0
    return sum(_queue(app, sections, readers) for sections, readers in choices.items())


def _due(app: App, tx: Connection) -> list[Joined]:
    now = app.now()
    joined = signups.unwelcomed(tx, now - WITHIN, now - EVERY, _AT_ONCE)
    return [each for each in joined if not _is_issue_soon(app, tx, each.at)]


def _is_issue_soon(app: App, tx: Connection, joined_at: datetime) -> bool:
    """Returns True if an issue is frozen within ISSUE_SOON after `joined_at`. A reader who joined then gets that
    issue."""
    for slot in week.around(joined_at, app.settings.newsletter, app.settings.schedule):
        issue = issues.find(tx, slot.key)
        if issue and issue.state in (IssueState.SKIPPED, IssueState.CANCELLED):
            continue
        freezes_at = (issue.frozen_at or issue.send_at) if issue else slot.at
        if joined_at < freezes_at <= joined_at + ISSUE_SOON:
            return True
    return False


def _queue(app: App, sections: tuple[str, ...], readers: Sequence[Joined]) -> int:
    rendered = _render(app, sections)

    def add(tx: Connection) -> int:
        now, wanted = app.now(), {each.event_id for each in readers}
        # Read again, because in the meantime another process may have welcomed a reader, or a reader may have left.
        due = [each for each in _due(app, tx) if each.event_id in wanted and each.sections == sections]
        keys = {f"welcome.{each.subscriber_id}.{each.event_id}": each.subscriber_id for each in due}
        if keys:
            variant = issues.shared_variant(tx, DeliveryKind.WELCOME, rendered, now)
            deliveries.owe_readers(tx, DeliveryKind.WELCOME, keys, variant, now)
        return len(keys)

    return app.store.write(add)


def _render(app: App, sections: tuple[str, ...]) -> Rendered:
    """Returns the welcome mail for readers of these sections: with the stories of the latest issue, or without stories
    if there is no issue of the last ten days."""
    coming = which.next_slot(app, app.now())
    latest = app.store.read(lambda tx: _latest(app, tx))
    issue = latest or draft.empty(app, coming)
    if latest:
        issue = variants.of_sections(latest, sections, app.renderer.locale) or latest

    def mail(stories: tuple[ChosenStory, ...]) -> Rendered:
        values = service_mails.welcome(
            replace(issue, stories=pictures.hosted(app, stories)),
            app.settings.newsletter,
            archive_url=app.archive_url(issue.slot) if latest else "",
            next_day=coming.day,
            locale=app.renderer.locale,
        )
        return app.renderer.mail(DeliveryKind.WELCOME, values)

    return rendering.fitted(issue.stories, mail)


def _latest(app: App, tx: Connection) -> Issue | None:
    """Returns the latest issue of the last ten days, as the archive shows it, but without its blocks, which may be out
    of date. Leaves out a paused issue. Returns None if there is no such issue."""
    found = issues.last_started(tx, _SHOWN)
    if found is None or found.started_at is None or found.started_at < app.now() - LATEST:
        return None
    out = issues.redacted(tx, found.id)
    left = [story for story in found.stories if story.position not in out]
    return replace(variants.redacted(found, left, app.renderer.locale), intro="", blocks=()) if left else None
