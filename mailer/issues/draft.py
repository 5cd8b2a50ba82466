"""Makes a draft from the stored articles, and the frozen issue from a draft. This module sends no mail.

`draft` may be run any number of times until the issue is frozen. Each run chooses the stories again, from all articles
stored by then.
"""

from dataclasses import replace
from datetime import datetime, timedelta

from sqlalchemy import Connection

from mailer import lifecycle, reasons
from mailer.articles import pictures
from mailer.choice import build, decided_pairs, edits, growth, time_span
from mailer.context import App, alert, find_issue, get_issue, sample_settings
from mailer.errors import ConfigError, NotEnoughStories, WrongState
from mailer.issues import blocks, clicks, which
from mailer.lifecycle import IssueEvent
from mailer.mail import render as rendering
from mailer.mail import view
from mailer.model import (
    Block,
    ChosenStory,
    DeliveryKind,
    Digest,
    Issue,
    IssueState,
    RejectedStory,
    Rendered,
    Slot,
    Story,
)
from mailer.reasons import Reason, ReasonCode
from mailer.store import articles, deliveries, issues
from mailer.store import decided_pairs as stored_pairs

REDRAFT = timedelta(hours=1)  # the stories of a draft are chosen again after this time
_SPARE = 50  # number of extra most-read articles to fetch, because some of them are not `fit` for an issue
# An issue held for one of these reasons is no longer held if a new choice of stories removes the reason.
TOO_FEW = (ReasonCode.TOO_FEW_STORIES, ReasonCode.TOO_FEW_DATED)
_PASSING = (*TOO_FEW, ReasonCode.APPROVAL_REQUIRED, ReasonCode.SAMPLE_SETTINGS)


def draft(app: App, slot: str | None = None, as_of: datetime | None = None, *, ahead: bool = False) -> Issue:
    """Chooses the stories of an issue. The issue is then a draft, or held with a reason.

    `which.to_draft` chooses the issue if `slot` is None, and decides which slots need `ahead`. If `as_of` is given,
    chooses the stories as if that were the current time.
    """
    now = min(as_of or app.now(), app.now())  # a later `as_of` must not choose a slot that needs `ahead`
    wanted = which.to_draft(app, slot, now, ahead=ahead)
    issue = wanted if isinstance(wanted, Issue) else _open(app, wanted, now)
    return choose(app, issue, as_of, by_hand=True)


def trial(app: App) -> Issue:
    """Drafts an issue for the next slot and returns it, but stores nothing in the database.

    Fetches and copies the pictures of the blocks, so it may use the network.
    """
    now = app.now()
    planned = empty(app, which.next_slot(app, now))
    standing = blocks.standing(app, planned.day)
    return app.store.read(lambda tx: _chosen(app, tx, planned, now, standing))


def empty(app: App, slot: Slot) -> Issue:
    """Returns an issue for this slot that has no stories. It is not stored."""
    return Issue(
        id=0,
        slot=slot.key,
        day=slot.day,
        state=IssueState.PLANNED,
        number=app.store.read(issues.next_number),
        send_at=slot.at,
        span=None,
        subject="",
        preheader="",
        intro="",
        stories=(),
        rejected=(),
        notes=(),
        reason=None,
        approved=False,
        released=False,
        drafted_at=None,
        frozen_at=None,
        started_at=None,
        finished_at=None,
        recipients=0,
    )


def _open(app: App, slot: Slot, now: datetime) -> Issue:
    """Returns the issue of a slot. Adds it if it does not exist, and plans it again if it was cancelled."""
    plan(app, slot, now)
    issue = find_issue(app, slot.key)
    if issue.state is IssueState.CANCELLED:
        reopen(app, issue)
        issue = get_issue(app, issue.id)
    return issue


def window_opens(app: App, slot: Slot) -> datetime:
    """Returns the time from which the clock drafts a slot."""
    return slot.at - app.settings.schedule.draft_before


def plan(app: App, slot: Slot, now: datetime) -> bool:
    """Adds the issue of a slot. Returns False if the issue existed already.

    If no process was running at draft time, the sending time is postponed by at most `max_late`, so that editors still
    have `min_window` for their edits.
    """
    schedule = app.settings.schedule
    send_at = max(slot.at, min(now + schedule.min_window, slot.at + schedule.max_late))
    on_time = now <= slot.at - min(schedule.draft_before, schedule.min_window)
    # `planned_at` is always the real time, even if `draft --as-of` sets `now` to another time, because the module
    # `clock` takes the earliest `planned_at` as the time when the newsletter began.
    return app.store.write(lambda tx: issues.plan(tx, slot, slot.at if on_time else send_at, app.now()))


def choose(app: App, issue: Issue, as_of: datetime | None = None, *, by_hand: bool = False) -> Issue:
    """Chooses the stories of an issue and returns it as a draft, or held with a reason.

    The stories of an approved issue are chosen again only if `by_hand` is true; the issue must then be approved again.
    Raises WrongState if the issue is frozen or has ended.
    """

    standing = blocks.standing(app, issue.day)  # before the transaction, because a picture may have to be fetched

    def choose_again(tx: Connection) -> Issue | None:
        # Read the issue again, because another process may have held or approved it in the meantime.
        before = issues.lock(tx, issue.id, lifecycle.CHOOSABLE)
        if before is None or (before.approved and not by_hand):
            return before
        chosen = _chosen(app, tx, replace(before, approved=False), as_of or app.now(), standing)
        save(tx, chosen, before.state)
        return before

    before = app.store.write(choose_again)
    found = get_issue(app, issue.id)
    if before is None:
        raise WrongState(f"The issue {issue.slot} is {found.state}: its stories can no longer be chosen.")
    pictures.prepare(app, found.stories)
    warn_if_newly_held(app, found, before.state)
    return found


def _chosen(app: App, tx: Connection, issue: Issue, now: datetime, standing: tuple[Block, ...]) -> Issue:
    """Returns the issue with newly chosen stories, as a draft or held."""
    digest = _digest(app, tx, issue, now)
    stories = edits.apply(issue.edits, [_story(number, story) for number, story in enumerate(digest.stories, 1)])
    why = hold_reason(app, issue, stories) or _still_sample_settings(app, tx, issue)
    if issue.state is IssueState.HELD and not (issue.reason and issue.reason.code in _PASSING):
        why = issue.reason  # an issue held for any other reason stays held until an editor releases it
    chosen = replace(
        issue,
        state=IssueState.HELD if why else IssueState.DRAFT,
        stories=stories,
        rejected=tuple(
            RejectedStory(each.story.lead.url, each.story.lead.title, each.story.score, each.reason, each.story.why)
            for each in digest.not_chosen
        ),
        notes=(*digest.notes, *edits.notes(issue.edits)),
        subject=issue.edits.subject or view.subject(stories, app.renderer.locale),
        intro=issue.edits.intro,
        blocks=(*standing, *issue.edits.blocks),
        span=digest.span,
        reason=why,
        drafted_at=app.now(),
    )
    return replace(chosen, notes=(*chosen.notes, *blocks.notes(app, chosen)))


def save(tx: Connection, issue: Issue, before: IssueState) -> None:
    """Stores the stories of an issue and reserves their articles for the issue. Does nothing if the stored state is no
    longer `before`."""
    if issues.save_choice(tx, issue, before):
        others = [number for story in issue.stories for number, _, _ in story.also]
        articles.reserve(tx, issue.id, [story.article_id for story in issue.stories], others)


def warn_if_newly_held(app: App, issue: Issue, before: IssueState) -> None:
    if issue.state is IssueState.HELD and before is not IssueState.HELD:
        alert(app, f"The issue {issue.slot} is held: {reasons.english(issue.reason)}.", "See `mailer issue explain`.")


def hold_reason(app: App, issue: Issue, stories: tuple[ChosenStory, ...]) -> Reason | None:
    """Returns the reason why an issue with these stories must be held, or None if it may be sent."""
    least = app.settings.digest.min_stories
    undated = sum(story.undated for story in stories)
    found = len(stories) - undated
    if not stories or (found < least and not issue.released):
        if undated:
            return Reason(ReasonCode.TOO_FEW_DATED, {"found": found, "least": least, "undated": undated})
        return Reason(ReasonCode.TOO_FEW_STORIES, {"found": found, "least": least})
    return Reason(ReasonCode.APPROVAL_REQUIRED) if is_approval_missing(app, issue) else None


def _still_sample_settings(app: App, tx: Connection, issue: Issue) -> Reason | None:
    """Returns the issue's reason if sample values in the settings held the issue and still do; otherwise None."""
    held = issue.reason and issue.reason.code is ReasonCode.SAMPLE_SETTINGS
    return issue.reason if held and sample_settings(app, tx, issue.day) else None


def is_approval_missing(app: App, issue: Issue) -> bool:
    return app.settings.schedule.approval == "required" and not issue.approved


def check_settings(app: App, issue: Issue) -> None:
    """Raises ConfigError if settings with sample values keep the issue from going out."""
    if found := app.store.read(lambda tx: sample_settings(app, tx, issue.day)):
        raise ConfigError(
            [f"{issue.slot} cannot be sent: {each.setting} is still {each.value}. {each.fix}" for each in found],
            "To try it out, set [delivery] redirect_all_to, or use only readers at reserved domains such as iran.test.",
        )


def _digest(app: App, tx: Connection, issue: Issue, now: datetime) -> Digest:
    previous_end = issues.previous_end(tx, issue.day)
    span = time_span.for_issue(end=min(now, issue.send_at), previous_end=previous_end)
    return build.build(
        articles.in_span(tx, span, time_span.earliest(span)),
        span,
        app.settings.digest,
        app.settings.newsletter.sections,
        used=articles.used(tx, besides=issue.id, before=issue.day),
        led=articles.used(tx, besides=issue.id, before=issue.day, leads_only=True),
        zone=app.zone,
        growth=growth.learn(articles.histories(tx, since=span.start - growth.LEARNT_FROM)),
        allow_late=previous_end is not None,  # the first issue takes no late articles
        kept=edits.kept(issue.edits),
        dropped=issue.edits.dropped,
        gone=frozenset(issue.edits.gone),
        decided=decided_pairs.resolve(stored_pairs.every(tx)),
        earlier=articles.titles_before(tx, span.start),
        clicked=clicks.by_section(app, tx),
    )


def _story(position: int, story: Story) -> ChosenStory:
    lead = story.lead
    return ChosenStory(
        position=position,
        article_id=lead.id,
        url=lead.url,
        title=lead.title,
        lead=lead.lead or _opening(lead.body),
        section=story.section,
        source=lead.source,
        image_url=lead.image_url,
        image_alt=lead.image_alt,
        dated=lead.dated,
        also=tuple((other.id, other.url, other.title) for other in story.also),
        score=story.score,
        parts=dict(story.parts),
        pinned=story.pinned,
        update=story.update,
        undated=story.undated,
        why=story.why,
    )


def _opening(body: str) -> str:
    """Returns the beginning of a body, which replaces a missing lead: the first paragraph, shortened."""
    return next((line.strip() for line in body.splitlines() if line.strip()), "")[:600]


def render(app: App, tx: Connection, issue: Issue, full: Issue | None = None, *, counted: bool = True) -> Rendered:
    """Renders the mail of an issue, with placeholders, shortened to the size that mail programs show in full.

    If `issue` contains only some stories of an issue, `full` must be the whole issue. The list of most-read articles
    leaves out all stories of `full`. With `counted`, the mail gets counted links if `count_clicks` is on.
    """
    wanted = app.settings.digest.most_read
    most_read = _most_read(app, tx, full or issue, wanted) if wanted else []
    links = clicks.links(app, full or issue) if counted else {}
    shown = replace(issue, blocks=blocks.with_addresses(app, issue.blocks))

    def mail(stories: tuple[ChosenStory, ...]) -> Rendered:
        values = view.issue_view(
            replace(shown, stories=pictures.hosted(app, stories)),
            app.settings.newsletter,
            archive_url=app.archive_url(issue.slot),
            locale=app.renderer.locale,
            most_read=most_read,
            links=links,
            preferences=True,
        )
        return app.renderer.mail(DeliveryKind.ISSUE, values)

    return rendering.fitted(issue.stories, mail)


def _most_read(app: App, tx: Connection, issue: Issue, wanted: int) -> list[tuple[str, str]]:
    """Returns the addresses and titles of the most-read articles of the issue's time span.

    Leaves out articles that are in the issue, that an editor took out of it, or that must not be in any issue.
    """
    if issue.span is None:
        return []
    shown = {number for story in issue.stories for number in (story.article_id, *(each[0] for each in story.also))}
    left_out = {*shown, *issue.edits.dropped, *issue.edits.gone}
    found = articles.most_read(tx, issue.span, left_out, wanted + _SPARE)
    fit = [article for article in found if build.fit(article, app.settings.digest)]
    return [(article.url, article.title) for article in fit[:wanted]]


def content(app: App, issue: Issue) -> Rendered:
    """Returns the mail of an issue: the frozen mail or, if the issue is not frozen, the mail that freezing would make
    now.

    Raises NotEnoughStories if the issue has no stories.
    """
    if not issue.stories:
        raise NotEnoughStories(
            f"The issue {issue.slot} has no stories, so there is nothing to show.", "See `mailer issue explain`."
        )
    frozen = app.store.read(lambda tx: issues.full_variant(tx, issue.id))
    if frozen:
        return Rendered(frozen.subject, frozen.html, frozen.text)
    number = issue.number or app.store.read(issues.next_number)
    return app.store.read(lambda tx: render(app, tx, replace(issue, number=number)))


def freeze(app: App, issue: Issue) -> Issue:
    """Makes a draft final: gives the issue its number and renders its mail. The issue can then no longer be edited.

    Returns the frozen issue unchanged if another process has frozen it already. Raises NotEnoughStories if the issue
    has no stories, ConfigError if settings keep it from going out, and WrongState if it is not a draft or lacks a
    required approval.
    """
    if not issue.stories:
        raise NotEnoughStories(
            f"The issue {issue.slot} has no stories; it cannot be sent.", "See `mailer issue explain`."
        )
    check_settings(app, issue)

    def freeze_draft(tx: Connection) -> bool:
        now = app.now()
        draft = issues.lock(tx, issue.id, (IssueState.DRAFT,))
        if draft is None:
            return False
        if is_approval_missing(app, draft):
            raise WrongState(f"The issue {issue.slot} waits for approval.", "Use `mailer issue approve`.")
        number = issues.next_number(tx)
        issues.step(tx, issue.id, IssueEvent.FREEZE, at=now, number=number)
        rendered = render(app, tx, replace(draft, number=number))
        issues.add_variant(tx, DeliveryKind.ISSUE, issue.id, rendered, now)
        return True

    frozen = app.store.write(freeze_draft)
    found = get_issue(app, issue.id)
    if not frozen and found.frozen_at is None:
        why = f"Reason: {reasons.english(found.reason)}. `mailer issue release` lets it go."
        raise WrongState(
            f"The issue {issue.slot} is {found.state} and cannot be frozen.",
            why if found.state is IssueState.HELD else "",
        )
    return found


def reopen(app: App, issue: Issue) -> None:
    """Plans a cancelled issue again. Raises WrongState if any reader has received the issue or may have received it."""

    def plan_again(tx: Connection) -> bool:
        cancelled = issues.lock(tx, issue.id, (IssueState.CANCELLED,))
        counts = deliveries.counts(tx, issue.id)
        if cancelled is None or any(counts[state] for state in lifecycle.MAYBE_RECEIVED):
            return False
        deliveries.withdraw(tx, issue.id)
        issues.drop_variants(tx, issue.id)
        return issues.reopen(tx, cancelled)

    if not app.store.write(plan_again):
        raise WrongState(f"The issue {issue.slot} was cancelled after it had gone out to readers; it stays cancelled.")
