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
def test_it_is_as_high_as_the_reviewed_picture(browser: Browser, tried: Try, report: Report, width: int) -> None:
    """Compares the height, because pixels differ between the fonts of two machines.

    After a change on purpose, run `make screenshots` and look at the pictures.
    """
    with Image.open(ROOT / "docs" / "screens" / f"mail-{width}-light.png") as kept:
        height = kept.height
    seen = gates_browser.look(browser, tried().html, width, axe=False)
    report(f"height at {width} px: {seen.height}, when it was looked at {height}")
    assert abs(seen.height - height) <= height / 10


SHAPES = {
    "3:2": (1200, 800),
    "square": (800, 800),
    "portrait": (720, 1280),
    "panorama": (1600, 450),
    "small": (300, 200),
}


@pytest.mark.parametrize("shape", SHAPES)
def test_a_phone_shows_the_first_headline_whatever_the_picture(
    browser: Browser, tried: Try, report: Report, shape: str
) -> None:
    picture = gates_browser.photo(*SHAPES[shape])
    top = gates_browser.first_headline(browser, tried().html, picture)
    report(f"the first headline is at {top:.0f} px of 667, with a picture of the shape {shape}")
    assert top <= 420
    for width in WIDTHS:
        seen = gates_browser.look(browser, tried().html, width, axe=False, picture=picture)
        judged(report, f"pictures: {shape}", width, seen)


def test_small_pictures_are_not_enlarged(browser: Browser, tried: Try) -> None:
    with gates_browser.drawn(browser, tried().html, 600, picture=gates_browser.photo(300, 200)) as page:
        size = page.evaluate("(({width, height}) => [width, height])(document.images[0].getBoundingClientRect())")
    assert size == [300, 200]


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
def test_in_forced_dark_mode(browser: Browser, tried: Try, report: Report, width: int) -> None:
    judged(report, "forced dark", width, gates_browser.look(browser, gmail(tried().html), width, forced=True))


@pytest.mark.parametrize("case", sample_issues.CASES[1:])
def test_every_other_case_at_its_narrowest(browser: Browser, tried: Try, report: Report, case: str) -> None:
    html = SANITISERS["gmail without style"](tried(case).html)
    judged(report, f"{case}, gmail without style", 320, gates_browser.look(browser, html, 320, axe=case != "hostile"))


@pytest.mark.parametrize("case", ["notice", "confirmation"])  # the others look like these and the issue
def test_service_mails_look_right(browser: Browser, tried: Try, report: Report, case: str) -> None:
    """Light, dark, forced dark, without pictures and after every sanitiser, each at one of the widths."""
    html = tried(case).html
    looks: list[tuple[str, str, int, dict[str, Any]]] = [
        ("light", html, 320, {}),
        ("dark", html, 375, {"scheme": "dark"}),
        ("forced dark", gmail(html), 375, {"forced": True}),
        ("images off", html, 600, {"images": False}),
        *((name, sanitise(html), 600 if name == "word" else 320, {}) for name, sanitise in SANITISERS.items()),
    ]
    for name, shown, width, how in looks:
        judged(report, f"{case}, {name}", width, gates_browser.look(browser, shown, width, **how))


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
