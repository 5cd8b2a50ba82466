"""Counted links: what they count, what they do not, and that they say nothing about a reader."""

import asyncio
import re
from collections import Counter as Tally
from dataclasses import replace
from email import message_from_bytes, policy
from email.message import EmailMessage

import httpx
import make
import pytest
from make import Clock, only_sqlite

from mailer import web
from mailer.context import App
from mailer.demo.inbox import Inbox
from mailer.errors import NoSuchArticle, NoSuchIssue
from mailer.issues import archive, clicks, control, delivery, draft, editor_page, notice, preview, report
from mailer.issues.clicks import Counter
from mailer.model import Issue
from mailer.sending.relays import Circuits
from mailer.sending.sender import Sender
from mailer.settings import Digest, Web
from mailer.text.links import web_address
from mailer.web.clicks import Links

BROWSER = {"user-agent": "Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Firefox/128.0"}
READERS = ("one@example.org", "two@example.org", "three@example.org")


class Seconds:
    """A clock for `Counter`."""

    now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def seconds() -> Seconds:
    return Seconds()


@pytest.fixture
def counting(sending_app: App) -> App:
    return replace(sending_app, settings=sending_app.settings.model_copy(update={"web": Web(count_clicks="totals")}))


def send_issue(app: App) -> Issue:
    for email in READERS:
        make.subscriber(app.store, email, sections=["سیاست"] if email == READERS[2] else [])
    make.week_of_articles(app.store)
    issue = delivery.start(app, draft.freeze(app, draft.draft(app)))
    asyncio.run(Sender(app, Circuits()).run())
    return issue


def addresses(mail: EmailMessage) -> set[str]:
    """Every address anywhere in a mail."""
    parts = [mail.get_body((kind,)) for kind in ("html", "plain")]
    whole = "\n".join([*(part.get_content() for part in parts if part is not None), *map(str, mail.values())])
    return set(re.findall(r"https?://[^\s\"'<>]+", whole))


def mails(inbox: Inbox) -> dict[str, EmailMessage]:
    found = {each.recipient: message_from_bytes(each.raw, policy=policy.default) for each in inbox.mails}
    return {to: mail for to, mail in found.items() if isinstance(mail, EmailMessage)}


def opened(app: App, issue: Issue) -> dict[int, int]:
    return {each.position: each.opened for each in report.report(app, issue).clicks if each.opened}


def settle(app: App, counter: Counter, seconds: Seconds) -> None:
    seconds.now += clicks.SPAN_S
    counter.save(counter.settled())


# --- links -----------------------------------------------------------------------------------------------------------
def test_no_address_in_any_mail_identifies_a_reader(counting: App, inbox: Inbox) -> None:
    """Also in a mail with some sections only: its links are among those of the full issue."""
    issue = send_issue(counting)
    links = {to: {each for each in addresses(mail) if "/to/" in each} for to, mail in mails(inbox).items()}
    full = {f"https://news.iran.example/to/{issue.slot}/{story.position}" for story in issue.stories}
    assert links[READERS[0]] == links[READERS[1]] == full
    chosen = {story.position for story in issue.stories if story.section == "سیاست"}
    assert links[READERS[2]] == {f"https://news.iran.example/to/{issue.slot}/{position}" for position in chosen}
    ours = r"https://news\.iran\.example/(unsubscribe|preferences)/[\w-]{42}"
    found = mails(inbox)
    others = [{each for each in addresses(found[to]) if not re.match(ours, each)} for to in READERS]
    assert others[0] == others[1] >= others[2], "only the links for leaving and for preferences are a reader's own"
    assert not any(web_address(story.url) in each for story in issue.stories for each in others)


@only_sqlite
def test_by_default_links_lead_to_the_stories(sending_app: App, inbox: Inbox) -> None:
    issue = send_issue(sending_app)
    for mail in mails(inbox).values():
        assert not any("/to/" in each for each in addresses(mail))
    assert web_address(issue.stories[0].url) in addresses(mails(inbox)[READERS[0]])


@only_sqlite
def test_the_archive_the_feed_and_the_editors_preview_do_not_count(counting: App) -> None:
    issue = send_issue(counting)
    before, after = archive.page(counting, issue.slot).html, archive.redact(counting, issue.slot, 2)
    for html in (before, archive.page(counting, after.slot).html):
        assert "/to/" not in html
        assert f'href="{web_address(issue.stories[0].url)}"' in html
    assert b"/to/" not in archive.feed(counting)
    token = app_token(counting, issue)
    assert "/to/" not in editor_page.preview(counting, token)


def app_token(app: App, issue: Issue) -> str:
    return notice.link(app, issue).rpartition("/")[2]


@only_sqlite
def test_addresses_are_restored_whatever_the_host_was(counting: App) -> None:
    issue = send_issue(counting)
    story = replace(issue.stories[0], url="https://iran.example/?a=1&b=2")
    issue = replace(issue, stories=(story, *issue.stories[1:]))
    html = f'<a href="http://old.example:8080/to/{issue.slot}/1">x</a> /to/{issue.slot}/1'
    assert clicks.direct(issue, html, html=True) == (
        f'<a href="https://iran.example/?a=1&amp;b=2">x</a> /to/{issue.slot}/1'
    )
    assert clicks.direct(issue, f"https://x.example/to/{issue.slot}/99", html=False).endswith("/99")


@only_sqlite
async def test_the_links_of_a_test_mail_do_not_count(counting: App, inbox: Inbox) -> None:
    make.week_of_articles(counting.store)
    issue = draft.draft(counting)
    await preview.send_test(counting, issue, ["editor@example.org"])
    found = addresses(mails(inbox)["editor@example.org"])
    assert not any("/to/" in each for each in found)
    assert web_address(issue.stories[0].url) in found


# --- where they lead -------------------------------------------------------------------------------------------------
def test_a_link_leads_to_its_story_or_to_the_archive(counting: App, seconds: Seconds) -> None:
    issue = send_issue(counting)
    counter = Counter(counting, seconds)
    assert counter.target(issue.slot, 2).url == web_address(issue.stories[1].url)
    archive.redact(counting, issue.slot, 2)
    seconds.now += 61
    target = counter.target(issue.slot, 2)
    assert (target.url, target.issue_id) == (counting.archive_url(issue.slot), 0)
    with pytest.raises(NoSuchArticle):
        counter.target(issue.slot, 99)
    with pytest.raises(NoSuchIssue):
        counter.target("1405-W01", 1)


@only_sqlite
def test_links_work_when_counting_is_switched_off_and_after_a_cancelled_sending(
    counting: App, sending_app: App, seconds: Seconds
) -> None:
    issue = send_issue(counting)
    target = Counter(sending_app, seconds).target(issue.slot, 1)
    assert (target.url, target.issue_id) == (web_address(issue.stories[0].url), 0)
    delivery.finish(counting)
    other = make.under_way(counting.store, "1405-W37")
    control.cancel(counting, other.slot)
    assert Counter(counting, seconds).target(issue.slot, 1).issue_id == issue.id


@only_sqlite
def test_no_one_can_read_a_draft_by_its_links(counting: App, seconds: Seconds) -> None:
    make.week_of_articles(counting.store)
    issue = draft.draft(counting)
    with pytest.raises(NoSuchIssue):
        Counter(counting, seconds).target(issue.slot, 1)


# --- what counts -----------------------------------------------------------------------------------------------------
@only_sqlite
def test_a_reader_who_opens_two_stories_counts_and_a_scanner_does_not(counting: App, seconds: Seconds) -> None:
    issue = send_issue(counting)
    counter = Counter(counting, seconds)
    for position in (1, 3, 3):
        counter.count(counter.target(issue.slot, position), "192.0.2.0/24")
    for position in range(1, 13):
        counter.count(counter.target(issue.slot, position), "198.51.100.0/24")
        seconds.now += 2
    settle(counting, counter, seconds)
    assert opened(counting, issue) == {1: 1, 3: 2}
    assert sum(each.scanned for each in report.report(counting, issue).clicks) == 12
    assert counter.is_empty


@pytest.mark.parametrize(("pause", "counted"), [(9.9, False), (10.1, True)])
@only_sqlite
def test_three_links_in_thirty_seconds_are_a_readers(
    counting: App, seconds: Seconds, pause: float, counted: bool
) -> None:
    issue = send_issue(counting)
    counter = Counter(counting, seconds)
    for position in (1, 2, 3, 4):
        counter.count(counter.target(issue.slot, position), "192.0.2.0/24")
        seconds.now += pause
    settle(counting, counter, seconds)
    assert opened(counting, issue) == (dict.fromkeys((1, 2, 3, 4), 1) if counted else {})


@only_sqlite
def test_a_click_is_stored_only_when_it_is_certain(counting: App, seconds: Seconds) -> None:
    issue = send_issue(counting)
    counter = Counter(counting, seconds)
    counter.count(counter.target(issue.slot, 1), "192.0.2.0/24")
    seconds.now += 29.9
    assert counter.settled() == []
    for position in (2, 3, 4):
        counter.count(counter.target(issue.slot, position), "192.0.2.0/24")
    settle(counting, counter, seconds)
    assert opened(counting, issue) == {}, "all four were within thirty seconds"


@only_sqlite
def test_a_scanner_that_comes_back_is_recognised_again(counting: App, seconds: Seconds) -> None:
    issue = send_issue(counting)
    counter = Counter(counting, seconds)
    for pause in (0, 40, 40):
        seconds.now += pause
        for position in (1, 2, 3, 4):
            counter.count(counter.target(issue.slot, position), "192.0.2.0/24")
            seconds.now += 1
    settle(counting, counter, seconds)
    assert opened(counting, issue) == {}
    assert sum(each.scanned for each in report.report(counting, issue).clicks) == 12


@only_sqlite
def test_links_are_counted_for_thirty_days_and_lead_to_their_story_afterwards(
    counting: App, seconds: Seconds, clock: Clock
) -> None:
    issue = send_issue(counting)
    counter = Counter(counting, seconds)
    for days in (29, 2):
        clock.turn(hours=24 * days)
        seconds.now += 86_400 * days
        target = counter.target(issue.slot, 1)
        assert target.url == issue.stories[0].url
        counter.count(target, "192.0.2.0/24")
        settle(counting, counter, seconds)
    assert opened(counting, issue) == {1: 1}


@only_sqlite
def test_clicks_are_reported_by_hour(counting: App, seconds: Seconds, clock: Clock) -> None:
    issue = send_issue(counting)
    counter = Counter(counting, seconds)
    for _ in range(2):
        counter.count(counter.target(issue.slot, 1), "192.0.2.0/24")
        settle(counting, counter, seconds)
        clock.turn(hours=1, minutes=20)
    (first, *_) = report.report(counting, issue).clicks
    assert (first.opened, dict(first.hours)) == (2, {"2026-11-24T08:00Z": 1, "2026-11-24T09:00Z": 1})


@only_sqlite
def test_a_flood_is_bounded_and_reported(counting: App, seconds: Seconds, caplog: pytest.LogCaptureFixture) -> None:
    issue = send_issue(counting)
    counter = Counter(counting, seconds, most_waiting=10)
    for number in range(15):
        counter.count(counter.target(issue.slot, 1), f"192.0.{number}.0/24")
    settle(counting, counter, seconds)
    assert opened(counting, issue) == {1: 10}
    assert "5 requests for links were not counted" in caplog.text


# --- requests --------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("method", "headers", "counted"),
    [
        ("GET", BROWSER, True),
        ("HEAD", BROWSER, False),
        ("GET", {**BROWSER, "sec-purpose": "prefetch;prerender"}, False),
        ("GET", {**BROWSER, "purpose": "prefetch"}, False),
        ("GET", {"user-agent": "Mozilla/5.0 (compatible; Googlebot/2.1)"}, False),
        ("GET", {"user-agent": "curl/8.5.0"}, False),
        ("GET", {"user-agent": ""}, False),
    ],
)
@only_sqlite
async def test_only_a_readers_get_counts(
    counting: App, seconds: Seconds, method: str, headers: dict[str, str], counted: bool
) -> None:
    issue = await asyncio.to_thread(send_issue, counting)
    counter = Counter(counting, seconds)
    answer = await get_with(counting, counter, f"/to/{issue.slot}/1", method=method, headers=headers)
    assert (answer.status_code, answer.headers["location"]) == (302, web_address(issue.stories[0].url))
    assert answer.headers["cache-control"] == "no-store"
    assert answer.headers["referrer-policy"] == "no-referrer"
    await asyncio.to_thread(settle, counting, counter, seconds)
    assert await asyncio.to_thread(opened, counting, issue) == ({1: 1} if counted else {})


async def get_with(
    app: App, counter: Counter, path: str, *, method: str = "GET", headers: dict[str, str], host: str = "192.0.2.7"
) -> httpx.Response:
    transport = httpx.ASGITransport(web.create(app, counter=counter), client=(host, 1))
    async with httpx.AsyncClient(transport=transport, base_url="https://news.iran.example") as client:
        return await client.request(method, path, headers=headers)


@pytest.mark.parametrize(
    "path",
    [
        *("/to/1405-W36/99", "/to/1405-W36/0", "/to/1405-W35/1", "/to/x/1", "/to/1405-W36/a", "/to/1405-W36/1/2"),
        *("/to/1405-W36/-1", "/to/1405-W36/" + "9" * 5000, "/to/1405-W36/%D9%A1"),
    ],
)
@only_sqlite
async def test_any_other_link_is_not_found(counting: App, seconds: Seconds, path: str) -> None:
    await asyncio.to_thread(send_issue, counting)
    answer = await get_with(counting, Counter(counting, seconds), path, headers=BROWSER)
    assert answer.status_code == 404


async def test_totals_are_right_under_a_thousand_concurrent_requests(counting: App, seconds: Seconds) -> None:
    issue = await asyncio.to_thread(send_issue, counting)
    counter = Counter(counting, seconds)
    pages = web.create(counting, counter=counter)

    async def open_story(number: int) -> int:
        transport = httpx.ASGITransport(pages, client=(f"10.{number // 250}.{number % 250}.9", 1))
        async with httpx.AsyncClient(transport=transport, base_url="https://news.iran.example") as client:
            return (await client.get(f"/to/{issue.slot}/{number % 5 + 1}", headers=BROWSER)).status_code

    assert Tally(await asyncio.gather(*map(open_story, range(1000)))) == {302: 1000}
    await asyncio.to_thread(settle, counting, counter, seconds)
    assert await asyncio.to_thread(opened, counting, issue) == dict.fromkeys(range(1, 6), 200)


def test_two_processes_add_to_the_same_totals(counting: App, seconds: Seconds) -> None:
    issue = send_issue(counting)
    counters = Counter(counting, seconds), Counter(counting, seconds)
    for counter in counters:
        counter.count(counter.target(issue.slot, 1), "192.0.2.0/24")
        settle(counting, counter, seconds)
    assert opened(counting, issue) == {1: 2}


@only_sqlite
async def test_what_waits_is_stored_when_the_server_ends(counting: App) -> None:
    issue = await asyncio.to_thread(send_issue, counting)
    links = Links(counting)
    links.counter.count(links.counter.target(issue.slot, 1), "192.0.2.0/24")
    async with links.lifespan():
        pass
    assert await asyncio.to_thread(opened, counting, issue) == {1: 1}


# --- the choice ------------------------------------------------------------------------------------------------------
@only_sqlite
def test_the_averages_of_sections_count_only_if_wanted(counting: App, seconds: Seconds) -> None:
    issue = send_issue(counting)
    counter = Counter(counting, seconds)
    popular = next(story for story in issue.stories if story.section == "اقتصاد")
    for number in range(40):
        counter.count(counter.target(issue.slot, popular.position), f"10.0.{number}.0/24")
    settle(counting, counter, seconds)
    assert counting.store.read(lambda tx: clicks.by_section(counting, tx)) == {}
    wanted = replace(counting, settings=counting.settings.model_copy(update={"digest": Digest(section_clicks=0.2)}))
    found = wanted.store.read(lambda tx: clicks.by_section(wanted, tx))
    assert found == {**dict.fromkeys((story.section for story in issue.stories), 0.0), "اقتصاد": 1.0}
    make.week_of_articles(wanted.store, now=make.NOW, count=14, first=14)
    for app, points in ((counting, {None}), (wanted, {0.2})):
        made = draft.draft(app, "1405-W37", ahead=True)
        parts = {story.parts.get("section clicks") for story in made.stories if story.section == "اقتصاد"}
        assert parts == points
