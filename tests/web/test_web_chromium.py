"""Every page in a real Chromium: right to left, accessible, at 320 px, without scripts, by keyboard. A browser that
opens every page a mail links to, and runs its scripts, changes nothing.

Needs Debian's `chromium`, playwright and axe (`axe-playwright-python`); skipped with the reason if one is missing.
`KHABARNAMEH_SCREENS=FOLDER` keeps screenshots of the pages.
"""

import asyncio
import os
import re
import shutil
import socket
import threading
import time
from collections.abc import Iterator
from importlib import resources
from pathlib import Path
from typing import Any

import make
import pytest
import uvicorn
from make import Clock

from mailer import tokens, web
from mailer.context import App, newest_issue
from mailer.demo.inbox import Inbox
from mailer.demo.letter import read
from mailer.issues import delivery
from mailer.issues import draft as drafting
from mailer.model import Issue, IssueState, SubscriberStatus
from mailer.readers import admin, joining
from mailer.sending.relays import Circuits
from mailer.sending.sender import Sender
from mailer.settings import Newsletter
from mailer.store.schema import TABLES
from mailer.tokens import Purpose

playwright_api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
CHROMIUM = shutil.which("chromium")
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(CHROMIUM is None, reason="there is no chromium (apt install chromium)"),
]
WATCH_S = 10  # how long a page's scripts may run


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with playwright_api.sync_playwright() as playwright:
        running = playwright.chromium.launch(
            executable_path=CHROMIUM, args=["--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"]
        )
        yield running
        running.close()


@pytest.fixture(scope="module")
def axe() -> str:
    """The script of axe-core. The page's CSP blocks it, so the browser injects it."""
    found = resources.files(pytest.importorskip("axe_playwright_python", reason="axe is not installed"))
    return (found / "axe.min.js").read_text("utf-8")


@pytest.fixture
def served(sending_app: App, inbox: Inbox, clock: Clock) -> Iterator[tuple[App, str, Issue]]:
    """An app whose pages are served on loopback, with an issue that went out to one reader."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    base = f"http://127.0.0.1:{port}"
    newsletter = Newsletter(
        from_="ایران نمونه <news@iran.example>",
        base_url=base,
        postal_address="تهران، خیابان نمونه، شمارهٔ ۱۲",
        sections={"siasi": "سیاست", "eghtesad": "اقتصاد", "fan": "فناوری"},
    )
    folder = sending_app.settings.folder
    app = make.app(sending_app.store, folder, clock, relays=sending_app.relays, newsletter=newsletter)
    make.subscriber(app.store)
    make.week_of_articles(app.store)
    issue = delivery.start(app, drafting.freeze(app, drafting.draft(app, make.SLOT)))
    sending = threading.Thread(target=lambda: asyncio.run(Sender(app, Circuits()).run()))  # playwright has a loop here
    sending.start()
    sending.join()
    server = uvicorn.Server(
        uvicorn.Config(web.create(app), host="127.0.0.1", port=port, log_config=None, lifespan="off")
    )
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    while not server.started:
        time.sleep(0.01)
    yield app, base, issue
    server.should_exit = True
    thread.join()


def dump(app: App) -> str:
    return app.store.read(lambda tx: repr([[tuple(row) for row in tx.execute(t.select())] for t in TABLES]))


def pages_of(app: App, issue: Issue) -> dict[str, str]:
    """Every page that a GET shows, by name."""
    make.subscriber(app.store, "asked@example.org", status=SubscriberStatus.PENDING)
    asked = admin.show(app, "asked@example.org")[0].id
    stamp = int(app.now().timestamp())
    return {
        "home": "/",
        "subscribe": "/subscribe",
        "confirm": joining.url(app, asked, stamp).removeprefix(app.settings.newsletter.base_url),
        "preferences": "/preferences/" + tokens.make(app.keys, Purpose.PREFERENCES, 1),
        "unsubscribe": "/unsubscribe/" + tokens.make(app.keys, Purpose.UNSUBSCRIBE, 1, issue.id),
        "archive": "/archive",
        "editor": "/editor/" + tokens.make(app.keys, Purpose.EDITOR, 0, draft_of(app).id),
        "editor-sent": "/editor/" + tokens.make(app.keys, Purpose.EDITOR, 0, issue.id),
        "not-found": "/unsubscribe/nonsense",
    }


def draft_of(app: App) -> Issue:
    """Next week's issue, which an editor may still approve or hold."""
    return make.issue(app.store, "1405-W37", state=IssueState.DRAFT)


_PROBLEMS = """async (best) => {
  const rules = ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', ...(best ? ['best-practice'] : [])];
  const found = await axe.run(document, {runOnly: rules});
  if (found.passes.length < 10) return ['axe looked at nothing'];
  return found.violations.map(v => v.id + ': ' + v.nodes.map(n => n.html).join(' | '));
}"""


def checked(page: Any, axe: str, name: str, *, best: bool = True) -> None:
    """Check the open page. With `best` also check what is good practice and not a rule."""
    assert page.evaluate("document.documentElement.lang + document.documentElement.dir") == "fartl"
    assert page.evaluate("getComputedStyle(document.querySelector('h1')).direction") == "rtl"
    wide = "document.documentElement.scrollWidth <= document.documentElement.clientWidth"
    assert page.evaluate(wide), f"{name} is wider than the window"
    page.evaluate(axe)  # through the debugger, which the CSP does not restrict
    assert page.evaluate(_PROBLEMS, best) == [], name


@make.only_sqlite
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_every_page_is_accessible_and_fits_a_small_screen(
    served: tuple[App, str, Issue], browser: Any, axe: str, scheme: str
) -> None:
    app, base, issue = served
    screens = os.environ.get("KHABARNAMEH_SCREENS")
    context = browser.new_context(viewport={"width": 320, "height": 700}, color_scheme=scheme, locale="fa-IR")
    page = context.new_page()
    said: list[str] = []
    page.on("console", lambda message: said.append(message.text))
    page.on("dialog", lambda dialog: said.append(dialog.message))
    for name, path in pages_of(app, issue).items():
        page.goto(base + path)
        checked(page, axe, name)
        if name == "editor-sent":
            assert "در حال فرستادن است" in page.inner_text("main")
        if screens:
            page.screenshot(path=Path(screens) / f"{name}-{scheme}.png", full_page=True)
    assert [line for line in said if "404" not in line] == []  # the browser would report a violation of the CSP here
    context.close()


@make.only_sqlite
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_a_public_issue_is_accessible_and_breaks_no_rule_of_its_own(
    served: tuple[App, str, Issue], browser: Any, axe: str, scheme: str
) -> None:
    """The page of an issue is the mail itself, with its own CSP: inline styles, no scripts, no forms."""
    _, base, issue = served
    screens = os.environ.get("KHABARNAMEH_SCREENS")
    context = browser.new_context(viewport={"width": 320, "height": 700}, color_scheme=scheme)
    page = context.new_page()
    said: list[str] = []
    asked: list[str] = []
    page.on("console", lambda message: said.append(message.text))
    page.on("request", lambda request: asked.append(request.url))
    answer = page.goto(f"{base}/archive/{issue.slot}")
    assert said == []
    assert [url for url in asked if not url.startswith(base)] == []
    assert "sandbox" in answer.headers["content-security-policy"]
    assert page.locator("form, script, iframe").count() == 0
    assert all(each not in page.content() for each in ("/unsubscribe/", "/preferences/", "/confirm/", "/editor/"))
    if screens:
        page.screenshot(path=Path(screens) / f"issue-{scheme}.png", full_page=True)
    context.close()
    # No script can run on that page, not even axe's, so it is checked without the policy.
    context = browser.new_context(viewport={"width": 320, "height": 700}, color_scheme=scheme, bypass_csp=True)
    page = context.new_page()
    page.goto(f"{base}/archive/{issue.slot}")
    checked(page, axe, "the public issue", best=False)
    context.close()


@make.only_sqlite
def test_an_editor_acts_by_keyboard_and_without_scripts(served: tuple[App, str, Issue], browser: Any) -> None:
    app, base, _ = served
    draft = draft_of(app)
    context = browser.new_context(viewport={"width": 320, "height": 700}, java_script_enabled=False)
    page = context.new_page()
    page.goto(base + "/editor/" + tokens.make(app.keys, Purpose.EDITOR, 0, draft.id))
    held = page.get_by_role("button", name="نگه داشتن")
    held.focus()
    with page.expect_navigation():
        page.keyboard.press("Enter")
    assert get_issue(app).state is IssueState.HELD
    context.close()


@make.only_sqlite
def test_the_whole_way_by_keyboard_and_without_scripts(
    served: tuple[App, str, Issue], browser: Any, axe: str, clock: Clock
) -> None:
    app, base, _ = served
    screens = os.environ.get("KHABARNAMEH_SCREENS")
    context = browser.new_context(viewport={"width": 320, "height": 700}, java_script_enabled=False)
    page = context.new_page()

    def press(*keys: str) -> None:
        for key in keys:
            page.keyboard.press(key)

    def shot(name: str) -> None:
        if screens:
            page.screenshot(path=Path(screens) / f"{name}.png", full_page=True)

    page.goto(base + "/subscribe")
    press("Tab")
    page.keyboard.type("tara@gmial.com")
    clock.turn(seconds=5)
    press("Enter")
    page.wait_for_selector("text=tara@gmail.com")
    shot("meant")
    press("Tab")
    clock.turn(seconds=5)
    with page.expect_navigation():
        press("Enter")
    assert "ایمیلتان" in page.inner_text("h1")
    shot("asked")
    joining.decide_signups(app)
    who = admin.show(app, "tara@gmail.com")[0]
    page.goto(joining.url(app, who.id, int(clock().timestamp())))
    with page.expect_navigation():
        press("Tab", "Enter")
    assert page.inner_text("h1") == "خوش آمدید"
    shot("welcome")
    with page.expect_navigation():
        press("Tab", "Tab", "Enter")
    with page.expect_navigation():
        press("Tab", "Space", "Tab", "Tab", "Tab", "Tab", "Tab", "Enter")  # one section less
    assert page.inner_text(".done")
    shot("saved")
    assert len(admin.show(app, "tara@gmail.com")[0].sections) == 3
    page.goto(base + "/unsubscribe/" + tokens.make(app.keys, Purpose.UNSUBSCRIBE, who.id, 1))
    with page.expect_navigation():
        press("Tab", "Enter")
    assert admin.show(app, "tara@gmail.com")[0].status is SubscriberStatus.UNSUBSCRIBED
    shot("left")
    with page.expect_navigation():
        press("Tab", "Tab", "Space", "Tab", "Tab", "Enter")  # why
    assert page.inner_text("h1") == "سپاسگزاریم"
    (event,) = [e for e in admin.show(app, "tara@gmail.com")[1] if e.kind == "unsubscribed"]
    assert event.reason == "too_often"
    context.close()


@make.only_sqlite
def test_what_a_post_shows_is_accessible_too(
    served: tuple[App, str, Issue], browser: Any, axe: str, clock: Clock
) -> None:
    app, base, issue = served
    context = browser.new_context(viewport={"width": 320, "height": 700})
    page = context.new_page()
    page.goto(base + "/subscribe")
    page.fill("#email", "a@b.c")
    page.evaluate("document.querySelector('form').noValidate = true")
    page.click("button")
    checked(page, axe, "a bad address")
    page.goto(base + "/unsubscribe/" + tokens.make(app.keys, Purpose.UNSUBSCRIBE, 1, issue.id))
    page.click("button")
    checked(page, axe, "left")
    page.click("text=بازگشت به خبرنامه")
    checked(page, axe, "returned")
    page.goto(base + "/preferences/" + tokens.make(app.keys, Purpose.PREFERENCES, 1))
    page.select_option("#pause", "4")
    page.click("text=ذخیره")
    checked(page, axe, "saved")
    context.close()


@make.only_sqlite
def test_a_browser_that_opens_every_link_changes_nothing(
    served: tuple[App, str, Issue], browser: Any, inbox: Inbox
) -> None:
    app, base, _ = served
    html = read(inbox.mails[0]).html or ""
    links = {link for link in re.findall(r'href="([^"]+)"', html) if link.startswith(base)}
    links |= {base + path for path in pages_of(app, get_issue(app)).values()}
    assert any("/unsubscribe/" in link for link in links)
    before = dump(app)
    context = browser.new_context()
    pages = []
    for link in sorted(links):
        page = context.new_page()
        page.goto(link)
        page.evaluate("document.querySelectorAll('a').forEach(a => fetch(a.href).catch(() => 0))")  # a scanner follows
        pages.append(page)
    assert any("/preferences/" in link for link in links)
    pages[0].wait_for_timeout(WATCH_S * 1000)
    context.close()
    assert dump(app) == before


def get_issue(app: App) -> Issue:
    return newest_issue(app)
