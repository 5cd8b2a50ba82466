import re
from pathlib import Path
from typing import Any

import html5lib
import mail_samples as samples
import pytest

from mailer.mail import view
from mailer.mail.render import Renderer
from mailer.mail.template_check import rules, sample_issues, trial
from mailer.settings import Newsletter
from mailer.text.locales import CODES, FA

XHTML = "{http://www.w3.org/1999/xhtml}"
OWN = {name: own for name, own in sample_issues.PAGES.items() if name not in ("archive", "editor")}


def page(name: str, **changes: object) -> tuple[str, Any]:
    html = samples.renderer().page(name, view.page_view(samples.NEWSLETTER) | OWN[name] | changes)
    parser = html5lib.HTMLParser()
    tree = parser.parse(html)
    assert [error[1] for error in parser.errors] == []
    return html, tree


@pytest.mark.parametrize("name", OWN)
def test_pages_are_right_to_left_and_load_nothing_from_elsewhere(name: str) -> None:
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
    assert button.text == "لغو عضویت"
    assert not [link for link in tree.iter(f"{XHTML}a") if "unsubscribe" in link.get("href")]


def test_the_masked_address_may_be_missing() -> None:
    assert "n***@example.org" in page("unsubscribe")[0]
    assert "نشانی شما" not in page("unsubscribe", masked="")[0]


def test_the_reason_has_a_form_of_its_own_and_may_be_missing() -> None:
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


def test_pages_work_without_optional_settings() -> None:
    html = samples.renderer().page("home", view.page_view(Newsletter()))
    assert "<footer>" not in html
    assert 'href="http' not in html


def test_the_stylesheet_loads_nothing_and_has_a_dark_mode() -> None:
    css = samples.renderer().stylesheet()
    assert "url(" not in css
    assert "@import" not in css
    assert "prefers-color-scheme: dark" in css


def test_every_page_is_tried() -> None:
    names = {file.stem for file in (samples.TEMPLATES / "page").glob("*.html")}
    assert set(sample_issues.PAGES) == names - {"layout"}


@pytest.mark.parametrize("code", CODES)
@pytest.mark.parametrize("name", sample_issues.PAGES)
def test_pages_keep_their_rules(name: str, code: str) -> None:
    renderer = Renderer(None, samples.TEMPLATES, code)
    assert rules.page(trial.page(renderer, name), renderer.locale) == []


@pytest.mark.parametrize(
    ("old", "new", "rule"),
    [
        ('lang="fa"', "", "direction"),
        ("</main>", "<h1>x</h1></main>", "heading"),
        ("</main>", "<script></script></main>", "tag"),
        ("<main>", '<main style="color:red">', "tag"),
        ("<main>", '<main onclick="x()">', "tag"),
        ("</main>", '<img src="https://tracker.example/a.gif" alt=""></main>', "link"),
        ("</main>", '<img src="//tracker.example/a.gif" alt=""></main>', "link"),
        ("</main>", "", "nesting"),
    ],
)
def test_a_fault_in_a_page_is_reported(old: str, new: str, rule: str) -> None:
    html = page("home")[0]
    assert {finding.rule for finding in rules.page(html.replace(old, new), FA)} == {rule}


def test_a_missing_value_of_a_page_is_reported(tmp_path: Path) -> None:
    (tmp_path / "page").mkdir()
    (tmp_path / "page" / "unsubscribe.html").write_text("\n{{ nonsense }}", "utf-8")
    (found,) = trial.findings(Renderer(tmp_path, samples.TEMPLATES)).items()
    assert found[0] == "page/unsubscribe.html"
    assert "unsubscribe.html:2" in str(found[1][0])
