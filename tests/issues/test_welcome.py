"""The welcome mail: who gets it, once, with which stories; and that it is no issue."""

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from email import message_from_bytes, policy
from email.message import EmailMessage

import make
import pytest
from make import Clock, only_sqlite
from sqlalchemy import select

from mailer.address import parse
from mailer.context import App, get_issue
from mailer.demo.inbox import Inbox
from mailer.issues import archive, control, delivery, draft, report, welcome
from mailer.issues import clock as ticking
from mailer.mail.render import Renderer
from mailer.model import EventKind, Issue, ListRow, Method, NewEvent
from mailer.readers import admin, importing, joining, leaving, preferences
from mailer.sending.relays import Circuits
from mailer.sending.sender import Sender
from mailer.settings import Readers
from mailer.store import events, subscribers
from mailer.store.schema import issue_articles

EMAIL = "narges@example.org"
FRIDAY = timedelta(days=3)  # from make.NOW, a Tuesday, to the day after the issue


def join(app: App, email: str = EMAIL) -> int:
    """Signs up and confirms. Returns the subscriber's id."""
    joining.sign_up(app, parse(email))
    joining.decide_signups(app)
    found = app.store.read(lambda tx: subscribers.find(tx, parse(email).key))
    assert found is not None
    confirm(app, found.id)
    return found.id


def confirm(app: App, reader: int) -> None:
    joining.confirm(app, joining.url(app, reader, int(app.now().timestamp())).rpartition("/")[2])


def send_all(app: App) -> None:
    asyncio.run(Sender(app, Circuits()).run())


def send_issue(app: App, clock: Clock) -> Issue:
    """Sends an issue on its day to one reader, and turns the clock to the day after."""
    make.subscriber(app.store, "old@example.org")
    make.week_of_articles(app.store)
    issue = draft.draft(app)
    clock.set(issue.send_at)
    delivery.start(app, draft.freeze(app, issue))
    send_all(app)
    delivery.finish(app)
    clock.turn(days=1)
    return get_issue(app, issue.id)


def mails(inbox: Inbox, email: str = EMAIL) -> list[EmailMessage]:
    found = [message_from_bytes(each.raw, policy=policy.default) for each in inbox.mails if each.recipient == email]
    return [each for each in found if isinstance(each, EmailMessage)]


def bodies(mail: EmailMessage) -> Sequence[str]:
    html, text = (mail.get_body((kind,)) for kind in ("html", "plain"))
    assert html is not None
    assert text is not None
    return html.get_content(), text.get_content()


def test_who_joins_on_friday_gets_the_latest_issue_at_once(sending_app: App, inbox: Inbox, clock: Clock) -> None:
    app = sending_app
    issue = send_issue(app, clock)
    before = report.report(app, issue)
    used = app.store.read(lambda tx: tx.execute(select(issue_articles)).all())
    reader = join(app)
    assert welcome.queue(app) == 1
    send_all(app)
    (mail,) = mails(inbox)
    assert mail["Subject"] == "به خبرنامهٔ «ایران من» خوش آمدید"
    link = app.unsubscribe_url(reader, 0)
    assert (mail["List-Unsubscribe"], mail["List-Unsubscribe-Post"]) == (f"<{link}>", "List-Unsubscribe=One-Click")
    assert mail["List-Id"]
    for part in bodies(mail):
        assert all(story.title in part for story in issue.stories)
        assert "شمارهٔ بعدی پنجشنبه ۱۲ آذر ۱۴۰۵ به دستتان می‌رسد." in part
        assert link in part
        assert app.preferences_url(reader) in part
        assert app.archive_url(issue.slot) in part
    # It is no issue: it uses up no story and counts nowhere.
    assert replace(report.report(app, issue), joined=0) == before
    assert app.store.read(lambda tx: tx.execute(select(issue_articles)).all()) == used
    assert leaving.leave(app, link.rpartition("/")[2], Method.ONE_CLICK).undo
    assert report.report(app, issue).left == 0


def test_a_reader_is_welcomed_once_in_thirty_days(sending_app: App, clock: Clock) -> None:
    app = sending_app
    reader = join(app)
    assert [welcome.queue(app), welcome.queue(app)] == [1, 0]
    leaving.by_admin(app, EMAIL)
    clock.turn(days=20)
    join(app)
    assert welcome.queue(app) == 0
    leaving.forget(app, EMAIL)
    clock.turn(days=2)
    assert join(app) != reader, "a new row of the same address"
    assert welcome.queue(app) == 0
    leaving.by_admin(app, EMAIL)
    clock.turn(days=10)
    join(app)
    assert welcome.queue(app) == 1


def test_a_reader_who_left_and_confirmed_again_gets_one_welcome(sending_app: App, inbox: Inbox, clock: Clock) -> None:
    app = sending_app
    join(app)
    clock.turn(minutes=10)
    leaving.by_admin(app, EMAIL)
    clock.turn(minutes=10)
    join(app)
    assert welcome.queue(app) == 1
    send_all(app)
    assert [str(mail["Subject"]) for mail in mails(inbox)].count("به خبرنامهٔ «ایران من» خوش آمدید") == 1


def test_readers_whom_an_admin_adds_are_not_welcomed(app: App) -> None:
    importing.import_rows(app, [ListRow(1, "imported@example.org")])
    admin.add(app, "added@example.org")
    assert welcome.queue(app) == 0


@only_sqlite
def test_the_undo_button_brings_no_welcome(sending_app: App) -> None:
    app = sending_app
    reader = make.subscriber(app.store, EMAIL)
    link = app.unsubscribe_url(reader, 0).rpartition("/")[2]
    assert leaving.undo(app, leaving.leave(app, link, Method.PAGE).undo)
    assert welcome.queue(app) == 0


@only_sqlite
def test_the_setting_switches_it_off(app: App) -> None:
    app = replace(app, settings=app.settings.model_copy(update={"readers": Readers(welcome=False)}))
    join(app)
    assert welcome.queue(app) == 0


@pytest.mark.parametrize(("hours", "queued"), [(11, 0), (13, 1)])
@only_sqlite
def test_an_issue_within_twelve_hours_is_the_welcome(app: App, clock: Clock, hours: int, queued: int) -> None:
    clock.set(make.slot().at - timedelta(hours=hours))
    join(app)
    assert welcome.queue(app) == queued
    clock.turn(hours=1)
    assert welcome.queue(app) == 0, "the decision does not change with time"


@only_sqlite
def test_a_cancelled_issue_does_not_keep_the_welcome_back(app: App, clock: Clock) -> None:
    make.week_of_articles(app.store)
    clock.set(make.slot().at - timedelta(hours=11))
    draft.draft(app)
    join(app)
    assert welcome.queue(app) == 0
    control.cancel(app, None)
    assert welcome.queue(app) == 1


@only_sqlite
def test_an_issue_that_is_held_past_its_time_does_not_keep_the_welcome_back(app: App, clock: Clock) -> None:
    make.week_of_articles(app.store)
    clock.set(make.slot().at - timedelta(hours=2))
    control.hold(app, draft.draft(app).slot)
    join(app)
    clock.set(make.slot().at - timedelta(minutes=1))
    assert welcome.queue(app) == 0
    clock.set(make.slot().at)
    assert welcome.queue(app) == 1


@only_sqlite
def test_readers_who_wait_for_an_issue_do_not_keep_others_waiting(app: App, clock: Clock) -> None:
    """More readers than one transaction welcomes."""
    make.week_of_articles(app.store)
    issue = draft.draft(app)
    clock.set(issue.send_at - timedelta(hours=1))
    waiting = make.subscribers_of(app.store, [f"reader{number}@example.org" for number in range(201)])
    confirmed = NewEvent(EventKind.CONFIRMED, app.now(), Method.PAGE)
    app.store.write(lambda tx: events.record(tx, waiting, confirmed))
    clock.set(issue.send_at)
    draft.freeze(app, issue)
    clock.turn(minutes=5)
    join(app)
    assert welcome.queue(app) == 1


@only_sqlite
def test_a_reader_who_got_an_issue_since_is_not_welcomed(sending_app: App, clock: Clock) -> None:
    """`issue send --now` may send an issue days before its time."""
    app = sending_app
    make.week_of_articles(app.store)
    issue = draft.draft(app)
    join(app)
    delivery.start(app, draft.freeze(app, issue))
    assert welcome.queue(app) == 0


@only_sqlite
def test_nobody_is_welcomed_long_after_joining(app: App, clock: Clock) -> None:
    clock.turn(days=3)
    join(app)
    clock.turn(hours=13)  # the service was down
    assert welcome.queue(app) == 0


@only_sqlite
def test_sample_settings_keep_it_from_real_readers(app: App) -> None:
    newsletter = app.settings.newsletter.model_copy(update={"base_url": "http://127.0.0.1:8080"})
    app = replace(app, settings=app.settings.model_copy(update={"newsletter": newsletter}))
    join(app, "narges@iran.test")
    assert welcome.queue(app) == 1
    join(app, "narges@reader.ir")
    assert welcome.queue(app) == 0


# --- what it shows ---------------------------------------------------------------------------------------------------
@only_sqlite
def test_without_an_issue_of_the_last_days_it_greets(sending_app: App, inbox: Inbox, clock: Clock) -> None:
    app = sending_app
    issue = send_issue(app, clock)
    clock.turn(days=10)
    join(app)
    welcome.queue(app)
    send_all(app)
    for part in bodies(mails(inbox)[0]):
        assert not any(story.title in part for story in issue.stories)
        assert "شمارهٔ بعدی پنجشنبه ۱۹ آذر ۱۴۰۵" in part
        assert "تا آن روز" not in part
        assert "/archive" not in part


@only_sqlite
def test_the_stories_of_a_paused_issue_are_not_shown(sending_app: App, inbox: Inbox, clock: Clock) -> None:
    app = sending_app
    make.subscriber(app.store, "old@example.org")
    make.week_of_articles(app.store)
    issue = draft.draft(app)
    clock.set(issue.send_at)
    delivery.start(app, draft.freeze(app, issue))
    control.pause(app, issue.slot)
    clock.turn(minutes=5)
    join(app)
    assert welcome.queue(app) == 1
    send_all(app)
    for part in bodies(mails(inbox)[0]):
        assert not any(story.title in part for story in issue.stories)


@only_sqlite
def test_redacted_stories_and_old_blocks_are_left_out(sending_app: App, inbox: Inbox, clock: Clock) -> None:
    app = sending_app
    issue = send_issue(app, clock)
    archive.redact(app, issue.slot, 1)
    join(app)
    welcome.queue(app)
    send_all(app)
    for part in bodies(mails(inbox)[0]):
        assert issue.stories[0].title not in part
        assert issue.stories[1].title in part


@only_sqlite
def test_a_returning_reader_gets_their_sections(sending_app: App, inbox: Inbox, clock: Clock) -> None:
    app = sending_app
    issue = send_issue(app, clock)
    reader = make.subscriber(app.store, EMAIL, sections=["سیاست"])
    leaving.by_admin(app, EMAIL)
    assert join(app) == reader
    welcome.queue(app)
    send_all(app)
    wanted = {story.title for story in issue.stories if story.section == "سیاست"}
    assert 3 <= len(wanted) < len(issue.stories)
    for part in bodies(mails(inbox)[0]):
        assert {story.title for story in issue.stories if story.title in part} == wanted


# --- no mail to people who left --------------------------------------------------------------------------------------
@pytest.mark.parametrize("left", ["unsubscribe", "suppress", "forget", "pause"])
def test_a_reader_who_left_before_it_was_sent_gets_none(sending_app: App, inbox: Inbox, left: str) -> None:
    app = sending_app
    reader = join(app)
    assert welcome.queue(app) == 1
    if left == "pause":
        preferences.choose(app, app.preferences_url(reader).rpartition("/")[2], [], 2)
    else:
        {"unsubscribe": leaving.by_admin, "suppress": leaving.suppress, "forget": leaving.forget}[left](app, EMAIL)
    send_all(app)
    assert [str(each["Subject"]) for each in mails(inbox) if "خوش آمدید" in str(each["Subject"])] == []


@only_sqlite
def test_a_reader_who_left_before_the_tick_gets_none(app: App) -> None:
    join(app)
    leaving.by_admin(app, EMAIL)
    assert welcome.queue(app) == 0


@only_sqlite
def test_the_clock_queues_it_and_a_broken_template_stops_nothing(
    app: App, caplog: pytest.LogCaptureFixture, tmp_path_factory: pytest.TempPathFactory
) -> None:
    own = tmp_path_factory.mktemp("templates")
    (own / "mail").mkdir()
    (own / "mail" / "welcome.txt").write_text("{{ nothing }}", "utf-8")
    join(app)
    broken = replace(app, make_renderer=lambda: Renderer(own, make.TEMPLATES))
    ticking.tick(broken)
    assert "welcome mails cannot be made" in caplog.text
    ticking.tick(app)
    assert [mail["kind"] for mail in admin.show(app, EMAIL)[2]].count("welcome") == 1


@only_sqlite
def test_a_broken_reminder_does_not_stop_the_welcomes(
    sending_app: App, clock: Clock, caplog: pytest.LogCaptureFixture, tmp_path_factory: pytest.TempPathFactory
) -> None:
    own = tmp_path_factory.mktemp("templates")
    (own / "mail").mkdir()
    (own / "mail" / "reminder.txt").write_text("{{ nothing }}", "utf-8")
    app = replace(
        sending_app,
        settings=sending_app.settings.model_copy(update={"readers": Readers(remind=True)}),
        make_renderer=lambda: Renderer(own, make.TEMPLATES),
    )
    make.subscriber(app.store, "old@example.org")
    joining.sign_up(app, parse("slow@example.org"))
    joining.decide_signups(app)
    send_all(app)
    clock.turn(days=2, minutes=5)
    join(app)
    ticking.tick(app)
    assert "reminders cannot be made" in caplog.text
    assert [mail["kind"] for mail in admin.show(app, EMAIL)[2]].count("welcome") == 1


# --- own templates of an older version -------------------------------------------------------------------------------
@pytest.mark.parametrize("name", ["issue.html", "issue.txt"])
@only_sqlite
def test_templates_that_cannot_greet_send_no_welcome(
    app: App, caplog: pytest.LogCaptureFixture, tmp_path_factory: pytest.TempPathFactory, name: str
) -> None:
    own = tmp_path_factory.mktemp("templates")
    (own / "mail").mkdir()
    words = (make.TEMPLATES / "mail" / name).read_text("utf-8")
    before, _, rest = words.partition("{% block opening %}")
    (own / "mail" / name).write_text(before + rest.partition("{% endblock %}")[2], "utf-8")
    join(app)
    ticking.tick(replace(app, make_renderer=lambda: Renderer(own, make.TEMPLATES)))
    assert f"welcome mails cannot be made: The templates mail/welcome.{name[6:]}" in caplog.text
    assert f"Copy the block `opening` from the built-in mail/{name}" in caplog.text
    ticking.tick(app)
    assert [mail["kind"] for mail in admin.show(app, EMAIL)[2]].count("welcome") == 1, "the reader is not forgotten"
