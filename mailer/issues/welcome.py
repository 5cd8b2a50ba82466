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
from itertools import islice

from sqlalchemy import Connection

from mailer import week
from mailer.articles import pictures
from mailer.context import App, local_day, sample_settings
from mailer.errors import UnreadableInput
from mailer.issues import draft, variants, which
from mailer.lifecycle import STARTED
from mailer.mail import render as rendering
from mailer.mail import service_mails
from mailer.model import ChosenStory, DeliveryKind, Issue, IssueState, Rendered, Slot
from mailer.store import deliveries, issues, signups
from mailer.store.signups import Joined

WITHIN = timedelta(hours=12)  # a reader who joined longer ago gets no welcome, for example after an outage
ISSUE_SOON = timedelta(hours=12)  # readers who join at most this long before an issue is frozen get the issue instead
LATEST = timedelta(days=10)  # the stories of an older issue are not shown, because they are no longer news
EVERY = timedelta(days=30)  # an address gets at most one welcome mail in this time
_AT_ONCE = 200  # readers who are welcomed in one transaction
_WORD = "mailergreeting"  # stands for the greeting when the templates are tried
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
    if stopping or not choices:
        return 0
    coming, latest = which.next_slot(app, app.now()), app.store.read(lambda tx: _latest(app, tx))
    return sum(
        _queue(app, sections, readers, _render(app, sections, latest, coming)) for sections, readers in choices.items()
    )


def _due(app: App, tx: Connection) -> list[Joined]:
    """Returns the first readers who are to be welcomed now. A reader who joined at most ISSUE_SOON before an issue is
    frozen gets that issue instead."""
    now = app.now()
    freezes = _freezes(app, tx, now)
    joined = signups.unwelcomed(tx, now - WITHIN, now - EVERY)
    due = (each for each in joined if not any(each.at < at <= each.at + ISSUE_SOON for at in freezes))
    return list(islice(due, _AT_ONCE))


def _freezes(app: App, tx: Connection, now: datetime) -> list[datetime]:
    """Returns the times at which the issues of these weeks were or will be frozen. Leaves out issues that are not
    expected to come: skipped or cancelled issues, and issues that are still held after their time."""
    found = []
    for slot in week.around(now, app.settings.newsletter, app.settings.schedule):
        issue = issues.find(tx, slot.key)
        if issue is None:
            found.append(slot.at)
        elif issue.state not in (IssueState.SKIPPED, IssueState.CANCELLED) and not (
            issue.state is IssueState.HELD and issue.send_at <= now
        ):
            found.append(issue.frozen_at or issue.send_at)
    return found


def _queue(app: App, sections: tuple[str, ...], readers: Sequence[Joined], rendered: Rendered) -> int:
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


def _render(app: App, sections: tuple[str, ...], latest: Issue | None, coming: Slot) -> Rendered:
    """Returns the welcome mail for readers of these sections. It has the stories of `latest`, or none if that is None.

    Raises UnreadableInput if a template is wrong or does not show the greeting.
    """
    issue = latest or draft.empty(app, coming)
    if latest:
        issue = variants.of_sections(latest, sections, app.renderer.locale) or latest

    def values(stories: tuple[ChosenStory, ...]) -> dict[str, object]:
        return service_mails.welcome(
            replace(issue, stories=pictures.hosted(app, stories)),
            app.settings.newsletter,
            archive_url=app.archive_url(issue.slot) if latest else "",
            next_day=coming.day,
            locale=app.renderer.locale,
        )

    # The templates of an older version would send a plain issue, which must not go to a reader as a welcome.
    tried = app.renderer.mail(DeliveryKind.WELCOME, {**values(()), "words": [_WORD]})
    for end, part in (("html", tried.html), ("txt", tried.text)):
        if _WORD not in part:
            raise UnreadableInput(
                f"The templates mail/welcome.{end} and mail/issue.{end} do not show the greeting of the welcome mail.",
                f"Copy the block `opening` from the built-in mail/issue.{end}; `mailer templates check` tests it.",
            )
    return rendering.fitted(issue.stories, lambda stories: app.renderer.mail(DeliveryKind.WELCOME, values(stories)))


def _latest(app: App, tx: Connection) -> Issue | None:
    """Returns the latest issue of the last ten days, as the archive shows it, but without its blocks, which may be out
    of date. Leaves out a paused issue. Returns None if there is no such issue."""
    found = issues.last_started(tx, _SHOWN)
    if found is None or found.started_at is None or found.started_at < app.now() - LATEST:
        return None
    out = issues.redacted(tx, found.id)
    left = [story for story in found.stories if story.position not in out]
    return replace(variants.redacted(found, left, app.renderer.locale), intro="", blocks=()) if left else None
