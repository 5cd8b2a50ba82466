"""Makes pictures of the mails for people to look at (`make screenshots`): light and dark at three widths.

The mails are those of the invented newsroom in `mailer/mail/template_check/sample_issues.py`, with the demo's
pictures. Needs Chromium.
"""

import io
import sys
from pathlib import Path

from PIL import Image

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT / "tests" / "gates"))

import gates_browser  # noqa: E402
from gates_sanitisers import gmail, gmail_without_style  # noqa: E402

from mailer.mail.render import Renderer  # noqa: E402
from mailer.mail.template_check import sample_issues, trial  # noqa: E402

SCREENS = ROOT / "docs" / "screens"


def main() -> None:
    SCREENS.mkdir(exist_ok=True)
    week = _html("week")
    with gates_browser.chromium() as browser:
        for width in (320, 375, 600):
            for scheme in ("light", "dark"):
                with gates_browser.drawn(browser, week, width, scheme=scheme) as page:
                    _keep(page.screenshot(full_page=True), f"mail-{width}-{scheme}")
        for letter in ("notice", "confirmation"):
            for scheme in ("light", "dark"):
                with gates_browser.drawn(browser, _html(letter), 375, scheme=scheme) as page:
                    _keep(page.screenshot(full_page=True), f"{letter}-375-{scheme}")
        with gates_browser.drawn(browser, _html("latin"), 375) as page:
            _keep(page.screenshot(full_page=True), "mail-375-latin")
        with gates_browser.drawn(browser, week, 375, images=False) as page:
            _keep(page.screenshot(full_page=True), "mail-375-images-off")
        with gates_browser.drawn(browser, gmail_without_style(week), 375) as page:
            _keep(page.screenshot(full_page=True), "mail-375-gmail-without-style")
        with gates_browser.drawn(browser, gmail(week), 375, forced=True) as page:
            _keep(page.screenshot(full_page=True), "mail-375-forced-dark")
        for language in ("ar", "en", "he", "ur", "ckb"):
            with gates_browser.drawn(browser, _html("week", language), 375) as page:
                _keep(page.screenshot(full_page=True), f"mail-375-{language}")


def _html(case: str, language: str = "fa") -> str:
    return trial.mail(Renderer(None, ROOT / "templates", language, sample_issues.THEME), case).html


def _keep(png: bytes, name: str) -> None:
    """Saves a picture with a palette, which is a third of the size, as the pictures are kept in git."""
    with Image.open(io.BytesIO(png)) as picture:
        picture.convert("RGB").quantize(192, dither=Image.Dither.NONE).save(SCREENS / f"{name}.png", optimize=True)


if __name__ == "__main__":
    main()
