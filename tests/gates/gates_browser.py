"""Shows mails in Debian's Chromium, without any network, and measures what a program can measure.

It does not replace a person's eye: `make screenshots` makes pictures to look at.
"""

import io
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from importlib import resources
from pathlib import Path
from typing import Any, Literal

from PIL import Image, ImageOps
from playwright.sync_api import Browser, Page, Route, sync_playwright

from mailer.text.locales import FA, Locale

PICTURES = sorted((Path(__file__).parents[2] / "mailer" / "demo" / "images").glob("*.jpg"))
_RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]
# For every text in its language: its direction, its place and its size.
_PROBE = """([lang, direction, start]) => {
  const bad = [], seen = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT); let texts = 0
  while (seen.nextNode()) {
    const text = seen.currentNode.data.trim(), e = seen.currentNode.parentElement, c = getComputedStyle(e)
    if (!/[\\u0621-\\u06ccA-Za-z]/.test(text) || ['STYLE', 'TITLE'].includes(e.tagName)) continue
    if (c.display === 'none' || e.closest('[style*="display:none"],[style*="display: none"]')) continue
    texts++
    const own = e.tagName === 'SPAN' && e.dir !== ''
    const near = e.closest('[lang]'), what = ' ' + e.tagName + ' «' + text.slice(0, 24) + '»'
    if (!near || near.lang !== lang) bad.push('lang' + what)
    if (!own && c.direction !== direction) bad.push('direction' + what)
    const sides = [start, 'center', '-webkit-center', '-webkit-' + start]
    if (!sides.includes(c.textAlign)) bad.push('align ' + c.textAlign + what)
    if (parseFloat(c.fontSize) < 12) bad.push('small ' + c.fontSize + what)
    if (e.classList.contains('lead') && parseFloat(c.fontSize) < 16) bad.push('small lead' + what)
  }
  for (const image of document.images) {
    const box = image.getBoundingClientRect()
    const lost = !(image.complete && image.naturalWidth)
    if (lost && (!image.alt || box.height < 12)) bad.push('no words for ' + image.src)
    const hero = image.classList.contains('image'), column = image.closest('td').getBoundingClientRect()
    if (hero && box.height > column.width * 0.75) bad.push('a hero picture that is too high')
  }
  for (const link of document.links) {
    const tap = link.getBoundingClientRect(), drawn = link.parentElement.getBoundingClientRect()
    const what = Math.round(tap.width) + '×' + Math.round(tap.height) + ' px «' + link.textContent.slice(0, 24) + '»'
    const differs = Math.abs(tap.width - drawn.width) > 1 || Math.abs(tap.height - drawn.height) > 1
    const button = link.classList.contains('press')
    if (button && (differs || tap.height < 44)) bad.push('a button takes taps only on ' + what)
    if (link.matches('.quiet, .exit') && tap.height < 24) bad.push('a low link of ' + what)
  }
  // Not the page's scroll width alone: what sticks out to the left of a left-to-right page cannot be scrolled to.
  const page = document.documentElement, width = page.clientWidth; let overflow = page.scrollWidth - width
  for (const e of document.body.querySelectorAll('*')) {
    const box = e.getBoundingClientRect()
    if (box.width > 1) overflow = Math.max(overflow, Math.round(box.right - width), Math.round(-box.left))
  }
  return {texts, bad, overflow, height: page.scrollHeight}
}"""
_AXE = """(rules) => axe.run(document, {runOnly: rules, resultTypes: ['violations', 'incomplete'],
  rules: {region: {enabled: false}, 'landmark-one-main': {enabled: false}}})"""  # Gmail strips landmarks


class NoBrowser(Exception):
    """This machine has no Chromium."""


@dataclass(frozen=True)
class Look:
    """The result of a look: texts in the wrong place, pixels past the edge, and the violations that axe-core found."""

    texts: int
    bad: list[str]
    overflow: int
    height: int
    violations: list[str]
    incomplete: list[str]

    @property
    def faults(self) -> list[str]:
        return [*self.bad, *([f"overflow {self.overflow}px"] if self.overflow > 0 else []), *self.violations]


@contextmanager
def chromium() -> Iterator[Browser]:
    found = os.environ.get("CHROMIUM") or shutil.which("chromium") or shutil.which("google-chrome")
    if not found:
        raise NoBrowser("no Chromium here: apt install chromium, or set CHROMIUM")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=found, args=["--no-sandbox", "--disable-gpu"])
        yield browser
        browser.close()


@contextmanager
def drawn(
    browser: Browser,
    html: str,
    width: int,
    *,
    scheme: Literal["light", "dark"] = "light",
    forced: bool = False,
    images: bool = True,
    picture: bytes | None = None,
    scale: float = 1,
    height: int = 900,
) -> Iterator[Page]:
    """Shows the mail in a window of that width. With `forced`, the colours are inverted, as Gmail's dark mode does.

    `picture` is a JPEG that is shown in place of every picture.
    """
    context = browser.new_context(
        viewport={"width": width, "height": height}, color_scheme=scheme, device_scale_factor=scale
    )
    page = context.new_page()
    try:
        page.route("**/*", lambda route: _answer(route, images, picture))
        if forced:
            session = context.new_cdp_session(page)
            session.send("Emulation.setAutoDarkModeOverride", {"enabled": True})
        page.set_content(html, wait_until="load")
        yield page
    finally:
        context.close()


def photo(width: int, height: int) -> bytes:
    """Returns one of the demo's pictures in that shape, as a JPEG."""
    out = io.BytesIO()
    with Image.open(PICTURES[0]) as picture:
        ImageOps.fit(picture.convert("RGB"), (width, height)).save(out, "JPEG")
    return out.getvalue()


def _answer(route: Route, images: bool, picture: bytes | None) -> None:
    """Serves the picture, or the demo's pictures, and nothing from the network."""
    if images and route.request.resource_type == "image":
        number = sum(map(ord, route.request.url)) % len(PICTURES)
        route.fulfill(body=picture or PICTURES[number].read_bytes(), content_type="image/jpeg")
    else:
        route.abort()


def look(browser: Browser, html: str, width: int, *, locale: Locale = FA, axe: bool = True, **how: Any) -> Look:
    with drawn(browser, html, width, **how) as page:
        seen = page.evaluate(_PROBE, [locale.code, locale.direction, locale.start])
        said: dict[str, Any] = {"violations": [], "incomplete": []}
        if axe:
            page.evaluate(_axe())
            said = page.evaluate(_AXE, _RULES)
    return Look(
        seen["texts"],
        seen["bad"],
        seen["overflow"],
        seen["height"],
        [_told(rule) for rule in said["violations"]],
        [_told(rule) for rule in said["incomplete"]],
    )


def first_headline(browser: Browser, html: str, picture: bytes) -> float:
    """Returns how many pixels the first headline is below the top of the mail, on a phone of 375×667 pixels."""
    with drawn(browser, html, 375, height=667, picture=picture) as page:
        return float(page.evaluate("document.querySelector('h2').getBoundingClientRect().top"))


def _told(rule: dict[str, Any]) -> str:
    return f"axe {rule['id']} ×{len(rule['nodes'])}: {rule['nodes'][0]['html'][:110]}"


@cache
def _axe() -> str:
    return (resources.files("axe_playwright_python") / "axe.min.js").read_text("utf-8")
