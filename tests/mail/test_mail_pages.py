import re
from typing import Any

import html5lib
import mail_samples as samples
import pytest

from mailer.mail import view
from mailer.settings import Newsletter

XHTML = "{http://www.w3.org/1999/xhtml}"
OWN: dict[str, dict[str, object]] = {
    "unsubscribe": {"action": "/unsubscribe/AbC", "masked": "n***@example.org", "preferences": "/preferences/AbC"},
    "unsubscribed": {"undo_action": "/unsubscribe/AbC/undo", "why_action": "", "whys": []},
    "returned": {},
    "thanks": {},
    "subscribe": {
        "words": "عضو شوید",
        "form_token": "AbC",
        "trap": "website",
        "email": "n@example.org",
        "problem": "",
        "meant": "",
    },
    "asked": {},
    "confirm": {"action": "/confirm/AbC", "masked": "n***@example.org"},
    "welcome": {"latest": "/archive/w", "preferences": "/preferences/AbC"},
    "preferences": {
        "action": "/preferences/AbC",
        "saved": True,
        "sections": [{"name": "سیاست", "label": "سیاست", "chosen": True}],
        "paused_until": "پنجشنبه ۵ آذر ۱۴۰۵",
        "pauses": [{"weeks": 2, "label": "۲ هفته"}],
        "unsubscribe": "/unsubscribe/AbC",
    },
    "not-found": {},
    "home": {},
    "error": {},
}


def page(name: str, **changes: object) -> tuple[str, Any]:
    html = samples.renderer().page(name, view.page_view(samples.NEWSLETTER) | OWN[name] | changes)
    parser = html5lib.HTMLParser()
    tree = parser.parse(html)
    assert [error[1] for error in parser.errors] == []
    return html, tree


@pytest.mark.parametrize("name", OWN)
def test_pages_are_right_to_left_and_bring_nothing_along(name: str) -> None:
    html, tree = page(name)
    assert (tree.get("lang"), tree.get("dir")) == ("fa", "rtl")
    assert len(list(tree.iter(f"{XHTML}h1"))) == 1
    assert len(list(tree.iter(f"{XHTML}main"))) == 1
    heading = "".join(next(tree.iter(f"{XHTML}h1")).itertext())
    assert next(tree.iter(f"{XHTML}title")).text == f"{heading} — ایران من"
    assert [link.get("href") for link in tree.iter(f"{XHTML}link")] == ["/static/page.css"]
    # The CSP of the pages allows none of these.
    assert not re.search(r"<(script|style|img|iframe)\b|\sstyle=|\son\w+=", html)
    assert not re.search(r">[^<]*[0-9\u0660-\u0669][^<]*<", html)


def test_leaving_takes_one_button_and_a_post() -> None:
    _, tree = page("unsubscribe")
    (form,) = tree.iter(f"{XHTML}form")
    assert (form.get("method"), form.get("action")) == ("post", "/unsubscribe/AbC")
    (button,) = form.iter(f"{XHTML}button")
    assert button.text == "لغو اشتراک"
    assert not [link for link in tree.iter(f"{XHTML}a") if "unsubscribe" in link.get("href")]


def test_who_it_is_for_may_stay_unsaid() -> None:
    assert "n***@example.org" in page("unsubscribe")[0]
    assert "نشانی شما" not in page("unsubscribe", masked="")[0]


def test_saying_why_is_a_form_of_its_own_and_may_be_missing() -> None:
    whys = [{"value": "other", "label": "دلیل دیگر"}]
    _, tree = page("unsubscribed", why_action="/unsubscribe/why/AbC", whys=whys)
    assert [form.get("action") for form in tree.iter(f"{XHTML}form")] == [
        "/unsubscribe/AbC/undo",
        "/unsubscribe/why/AbC",
    ]


def test_coming_back_takes_one_button_too() -> None:
    _, tree = page("unsubscribed")
    (form,) = tree.iter(f"{XHTML}form")
    assert (form.get("method"), form.get("action")) == ("post", "/unsubscribe/AbC/undo")
    assert "<form" not in page("unsubscribed", undo_action="")[0]


def test_values_cannot_become_markup() -> None:
    html, _ = page("unsubscribe", masked='"><script>', action='"><script>')
    assert "<script>" not in html


def test_pages_do_without_what_is_not_configured() -> None:
    html = samples.renderer().page("home", view.page_view(Newsletter()))
    assert "<footer>" not in html
    assert 'href="http' not in html


def test_the_stylesheet_asks_for_nothing_else_and_knows_the_dark() -> None:
    css = samples.renderer().stylesheet()
    assert "url(" not in css
    assert "@import" not in css
    assert "prefers-color-scheme: dark" in css
