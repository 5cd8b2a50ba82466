"""How a mail looks after what mail programs do to it: direction, alignment, size, contrast, width."""

from collections.abc import Callable
from typing import Any

import gates_browser
import pytest
from gates_fixtures import ROOT
from gates_sanitisers import SANITISERS, gmail
from PIL import Image
from playwright.sync_api import Browser

from mailer.mail.render import Renderer
from mailer.mail.template_check import sample_issues, trial
from mailer.mail.template_check.trial import Trial
from mailer.settings import Theme
from mailer.text.locales import CODES, locale

WIDTHS = (320, 375, 600)
Try = Callable[..., Trial]
Report = Callable[[str], None]


def judged(report: Report, name: str, width: int, seen: gates_browser.Look) -> None:
    verdict = "ok  " if not seen.faults else "FAIL"
    report(f"{verdict} {name:28} {width} px: {seen.texts} texts, overflow {max(seen.overflow, 0)}, {seen.faults[:3]}")
    assert seen.texts > 0
    assert not seen.faults, name


@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_as_it_was_written(browser: Browser, tried: Try, report: Report, scheme: Any, width: int) -> None:
    seen = gates_browser.look(browser, tried().html, width, scheme=scheme)
    judged(report, f"as written, {scheme}", width, seen)
    assert not seen.incomplete


@pytest.mark.parametrize("width", WIDTHS)
def test_it_looks_as_it_did_when_a_person_looked(browser: Browser, tried: Try, report: Report, width: int) -> None:
    """Pixels differ from one machine's letters to another's; the height tells whether something moved. Changed on
    purpose? `make screenshots`, and look at them."""
    with Image.open(ROOT / "docs" / "screens" / f"mail-{width}-light.png") as kept:
        height = kept.height
    seen = gates_browser.look(browser, tried().html, width, axe=False)
    report(f"height at {width} px: {seen.height}, when it was looked at {height}")
    assert abs(seen.height - height) <= height / 10


@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("name", SANITISERS)
def test_after_a_sanitiser(browser: Browser, tried: Try, report: Report, name: str, width: int) -> None:
    seen = gates_browser.look(browser, SANITISERS[name](tried().html), width)
    if name == "word" and width < 600:
        seen = gates_browser.Look(seen.texts, seen.bad, 0, seen.height, seen.violations, [])  # its table is 600 px wide
    judged(report, name, width, seen)


@pytest.mark.parametrize("width", WIDTHS)
def test_with_pictures_switched_off(browser: Browser, tried: Try, report: Report, width: int) -> None:
    judged(report, "images off", width, gates_browser.look(browser, tried().html, width, images=False))


@pytest.mark.parametrize("width", WIDTHS)
def test_when_the_program_makes_it_dark_by_itself(browser: Browser, tried: Try, report: Report, width: int) -> None:
    judged(report, "forced dark", width, gates_browser.look(browser, gmail(tried().html), width, forced=True))


@pytest.mark.parametrize("case", sample_issues.CASES[1:])
def test_every_other_case_at_its_narrowest(browser: Browser, tried: Try, report: Report, case: str) -> None:
    html = SANITISERS["gmail without style"](tried(case).html)
    judged(report, f"{case}, gmail without style", 320, gates_browser.look(browser, html, 320, axe=case != "hostile"))


@pytest.mark.parametrize("letter", ["notice", "confirmation"])  # the others look like these and the issue
def test_mails_that_are_no_issue(browser: Browser, tried: Try, report: Report, letter: str) -> None:
    """Light, dark, darkened by force, without pictures and after every sanitiser; each at another of the widths."""
    html = tried(letter).html
    looks: list[tuple[str, str, int, dict[str, Any]]] = [
        ("light", html, 320, {}),
        ("dark", html, 375, {"scheme": "dark"}),
        ("forced dark", gmail(html), 375, {"forced": True}),
        ("images off", html, 600, {"images": False}),
        *((name, sanitise(html), 600 if name == "word" else 320, {}) for name, sanitise in SANITISERS.items()),
    ]
    for name, shown, width, how in looks:
        judged(report, f"{letter}, {name}", width, gates_browser.look(browser, shown, width, **how))


@pytest.mark.parametrize("code", CODES[1:])
def test_every_other_language(browser: Browser, tried: Try, report: Report, code: str) -> None:
    html = SANITISERS["gmail without style"](tried("week", code).html)
    language = locale(code, "")
    judged(report, f"{code}, gmail without style", 320, gates_browser.look(browser, html, 320, locale=language))


@pytest.mark.parametrize("accent", ["#ffcc00", "#c2185b", "#1d4ed8", "#ffffff", "#000000", "#7fff00"])
def test_any_accent_colour_can_be_read(browser: Browser, report: Report, accent: str) -> None:
    html = trial.mail(Renderer(None, ROOT / "templates", "fa", Theme(accent=accent)), "short").html
    for scheme in ("light", "dark"):
        judged(report, f"accent {accent}, {scheme}", 375, gates_browser.look(browser, html, 375, scheme=scheme))
