"""From the article store to a draft, and from a draft to the frozen issue. Sends nothing.

`draft` may be run as often as one likes until the issue is frozen; each run chooses anew from what is stored then.
"""

from dataclasses import replace
from datetime import datetime, timedelta

from sqlalchemy import Connection

from mailer import lifecycle, week
from mailer.articles import pictures
from mailer.choice import build, growth, time_span
from mailer.choice.edits import Edits
from mailer.context import App, alert, find, get, step
from mailer.errors import NotEnoughStories, WrongState
from mailer.lifecycle import IssueEvent
from mailer.mail import render as rendering
from mailer.mail import view
from mailer.model import ChosenStory, DeliveryKind, DeliveryState, Digest, Issue, IssueState, Rendered, Slot, Story
from mailer.store import articles, deliveries, issues

REDRAFT = timedelta(hours=1)  # until T the stories are chosen anew so often
_UNFIT = 50  # so many of the most read may be paid for or for members
TOO_FEW = "too few stories"
APPROVAL = "approval is required"
OURS = (TOO_FEW, APPROVAL)  # reasons for holding that may pass by themselves
_AFRESH = {  # what an issue that is opened again forgets
    "reason": "",
    "approved": False,
    "released": False,
    "number": None,
    "recipients": 0,
    "frozen_at": None,
    "started_at": None,
    "finished_at": None,
    "redacted": [],
}


def draft(app: App, slot: str | None = None, as_of: datetime | None = None) -> Issue:
    """Chooses the stories of an issue: the one of `slot`; or the newest, if it is not final; or that of the next slot.

    `as_of`: as if this were the time. The issue is a draft then, or held with the reason.
    """
    issue = _open(app, slot, as_of or app.now())
    return choose(app, issue, as_of, by_hand=True)


def _open(app: App, key: str | None, now: datetime) -> Issue:
    """The issue to draft; its row is made when there is none, and a cancelled one is opened again."""
    newest = app.store.read(issues.newest)
    if key is None and newest and newest.state not in lifecycle.FINAL:
        return newest
    slot = week.slot(key, app.settings.newsletter, app.settings.schedule) if key else _next(app, newest, now)
    plan(app, slot, now)
    issue = find(app, slot.key)
    if issue.state is IssueState.CANCELLED:
        reopen(app, issue)
        issue = get(app, issue.id)
    return issue


def _next(app: App, newest: Issue | None, now: datetime) -> Slot:
    """The first slot from now on that has no issue."""
    newsletter, schedule = app.settings.newsletter, app.settings.schedule
    slot = week.slot_of(now, newsletter, schedule)
    while slot.at < now or (newest and slot.day <= newest.day):
        slot = week.following(slot, newsletter, schedule)
    return slot


def plan(app: App, slot: Slot, now: datetime) -> bool:
    """Makes the row of a slot; False: it was there. When the service was down at draft time, T moves so that editors
    still get their `min_window`, but never past `max_late`."""
    schedule = app.settings.schedule
    send_at = max(slot.at, min(now + schedule.min_window, slot.at + schedule.max_late))
    on_time = now <= slot.at - min(schedule.draft_before, schedule.min_window)
    # Planned now, whatever `now` a draft «as of» some other time has: see `tick`.
    return app.store.write(lambda tx: issues.plan(tx, slot, slot.at if on_time else send_at, app.now()))


def choose(app: App, issue: Issue, as_of: datetime | None = None, *, by_hand: bool = False) -> Issue:
    """Chooses the stories of an issue that is planned, a draft or held; the result is a draft, or held.

    What an editor approved is chosen anew only `by_hand`, and then it has to be approved anew.
    """
    now, known = as_of or app.now(), issue

    def work(tx: Connection) -> IssueState:
        # What was read before this transaction may be history: a person may have held it, or approved it.
        issue = issues.get(tx, known.id) or known
        if issue.state not in (IssueState.PLANNED, IssueState.DRAFT, IssueState.HELD):
            raise WrongState(f"The issue {issue.slot} is {issue.state}: its stories can no longer be chosen.")
        if issue.approved and not by_hand:
            return issue.state
        issue = replace(issue, approved=False)
        edits = Edits.read(issue.edits)
        digest = _digest(app, tx, issue, now, edits)
        stories = edits.applied([_chosen(number, story) for number, story in enumerate(digest.stories, 1)])
        why = hold_reason(app, issue, stories)
        if issue.state is IssueState.HELD and not issue.reason.startswith(OURS):
            why = issue.reason  # a person held it: only a person lets it go
        event = IssueEvent.HOLD if why else IssueEvent.RELEASE if issue.state is IssueState.HELD else IssueEvent.DRAFT
        done = issues.choose(
            tx,
            issue.id,
            (issue.state,),  # not if somebody else moved it meanwhile
            lifecycle.ARROWS[event][1],
            stories=stories,
            rejected=[_turned(turned.story, turned.reason) for turned in digest.rejected],
            notes=[*digest.notes, *edits.notes],
            subject=edits.subject or view.subject(stories, app.renderer.locale),
            intro=edits.intro,
            window_start=digest.span.start,
            window_end=digest.span.end,
            reason=why,
            approved=False,
            drafted_at=app.now(),
        )
        if done:
            others = [number for story in stories for number, _, _ in story.also]
            articles.reserve(tx, issue.id, [story.article_id for story in stories], others)
        return issue.state

    before = app.store.write(work)
    chosen = get(app, issue.id)
    pictures.prepare(app, chosen.stories)
    if chosen.state is IssueState.HELD and before is not IssueState.HELD:
        alert(app, f"The issue {issue.slot} is held: {chosen.reason}", "See `mailer issue explain`.")
    return chosen


def hold_reason(app: App, issue: Issue, stories: tuple[ChosenStory, ...]) -> str:
    """Why an issue with these stories may not go out; "" when it may."""
    least = app.settings.digest.min_stories
    if not stories or (len(stories) < least and not issue.released):
        return f"{TOO_FEW}: {len(stories)} of at least {least}"
    return APPROVAL if unapproved(app, issue) else ""


def unapproved(app: App, issue: Issue) -> bool:
    """Whether an editor's yes is required and missing."""
    return app.settings.schedule.approval == "required" and not issue.approved


def _digest(app: App, tx: Connection, issue: Issue, now: datetime, edits: Edits) -> Digest:
    previous_end = issues.previous_end(tx, issue.day)
    span = time_span.for_issue(end=min(now, issue.send_at), previous_end=previous_end)
    return build.build(
        articles.in_span(tx, span, time_span.earliest(span)),
        span,
        app.settings.digest,
        app.settings.newsletter.sections,
        used=articles.used(tx, besides=issue.id),
        led=articles.used(tx, besides=issue.id, leads_only=True),
        zone=app.zone,
        growth=growth.learn(articles.histories(tx, since=span.start - growth.LEARNT_FROM)),
        allow_late=previous_end is not None,  # before the first issue nobody has missed anything
        kept=edits.kept,
        dropped=edits.dropped,
        gone=frozenset(edits.gone),
    )


def _chosen(position: int, story: Story) -> ChosenStory:
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
    )


def _opening(body: str) -> str:
    """The first paragraph: what stands in for a lead that the source does not give."""
    return next((line.strip() for line in body.splitlines() if line.strip()), "")[:600]


def _turned(story: Story, reason: str) -> dict[str, object]:
    return {"url": story.lead.url, "title": story.lead.title, "score": story.score, "reason": reason}


def render(app: App, tx: Connection, issue: Issue, full: Issue | None = None) -> Rendered:
    """The issue's mail with its merge slots, trimmed to the size that mail programs show whole.

    `full`: what `issue` has only some stories of. Those it lacks do not come back among the most read.
    """
    wanted = app.settings.digest.most_read
    most_read = _most_read(app, tx, full or issue, wanted) if wanted else []

    def mail(stories: tuple[ChosenStory, ...]) -> Rendered:
        values = view.issue_view(
            replace(issue, stories=pictures.hosted(app, stories)),
            app.settings.newsletter,
            archive_url=app.archive_url(issue.slot),
            locale=app.renderer.locale,
            most_read=most_read,
            preferences=True,
        )
        return app.renderer.mail(DeliveryKind.ISSUE, values)

    return rendering.fitted(issue.stories, mail)


def _most_read(app: App, tx: Connection, issue: Issue, wanted: int) -> list[tuple[str, str]]:
    """Address and title of what readers opened most, but for what the issue tells, what an editor took out of it and
    what may stand in none."""
    told = {article for story in issue.stories for article in (story.article_id, *(each[0] for each in story.also))}
    edits = Edits.read(issue.edits)
    left_out = {*told, *edits.dropped, *edits.gone}
    found = articles.most_read(tx, issue.span, left_out, wanted + _UNFIT) if issue.span else []
    fit = [article for article in found if build.fit(article, app.settings.digest)]
    return [(article.url, article.title) for article in fit[:wanted]]


def content(app: App, issue: Issue) -> Rendered:
    """What would go out: the frozen bytes, or for a draft what freezing would make now."""
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
    """T: the content becomes final, gets its number and is compiled. No edits after this.

    WrongState: it is not a draft, or approval is required and missing. A second process that comes at the same
    time changes nothing.
    """
    if not issue.stories:
        raise NotEnoughStories(
            f"The issue {issue.slot} has no stories; it cannot be sent.", "See `mailer issue explain`."
        )

    def work(tx: Connection) -> bool:
        now = app.now()
        current = issues.get(tx, issue.id)
        if current and current.state is IssueState.DRAFT and unapproved(app, current):
            raise WrongState(f"The issue {issue.slot} waits for approval.", "Use `mailer issue approve`.")
        number = issues.next_number(tx)
        if not step(tx, issue.id, IssueEvent.FREEZE, number=number, frozen_at=now):
            return False
        final = issues.get(tx, issue.id)
        if final is None:
            return False
        issues.add_variant(tx, DeliveryKind.ISSUE, issue.id, render(app, tx, final), now)
        return True

    if not app.store.write(work):
        current = get(app, issue.id)
        if current.frozen_at is None:
            raise WrongState(f"The issue {issue.slot} is {current.state} and cannot be frozen.", _why(current))
    return get(app, issue.id)


def _why(issue: Issue) -> str:
    return f"Reason: {issue.reason}. `mailer issue release` lets it go." if issue.state is IssueState.HELD else ""


def reopen(app: App, issue: Issue) -> None:
    """A cancelled issue is planned again, if nobody got it or may have got it."""

    def work(tx: Connection) -> bool:
        counts = deliveries.counts(tx, issue.id)
        if counts[DeliveryState.ACCEPTED] or counts[DeliveryState.UNKNOWN] or counts[DeliveryState.SENDING]:
            return False
        deliveries.withdraw(tx, issue.id)
        issues.drop_variants(tx, issue.id)
        # Pages that were there then may be gone by its new time.
        issues.edit(tx, issue.id, lambda edits: {**edits, "checked": False}, (IssueState.CANCELLED,))
        return step(tx, issue.id, IssueEvent.REOPEN, **_AFRESH)

    if not app.store.write(work):
        raise WrongState(f"The issue {issue.slot} was cancelled after it had gone out to readers; it stays cancelled.")
