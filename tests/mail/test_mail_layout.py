"""The frame and the parts can make any kind of mail, and the rules hold for it as for the issue."""

from pathlib import Path

import mail_samples as samples
import pytest

from mailer.mail import view
from mailer.mail.render import Renderer
from mailer.mail.template_check import rules
from mailer.model import DeliveryKind
from mailer.settings import Newsletter, Theme

HTML = """\
{% extends "mail/layout.html" %}
{% import "mail/_parts.html" as part %}
{% block main %}
{% call part.row("card pad") %}
<h2 class="h-hero">{{ heading }}</h2>
<p class="intro">{{ words|bidi }}</p>
{{ part.button(link_url, "تأیید عضویت") }}
{% endcall %}
{% endblock %}
"""
TEXT = "{{ heading }}\n\n{{ words }}\n\n{{ link_url }}\n\n{{ site_url }}\n"


def kind(folder: Path, **theme: object) -> tuple[str, str, str]:
    """Renders a mail of another kind from three new templates: subject, HTML and text."""
    (folder / "mail").mkdir()
    for name, text in (("html", HTML), ("txt", TEXT), ("subject.txt", "{{ subject }}")):
        (folder / "mail" / f"confirmation.{name}").write_text(text, "utf-8")
    values = {
        **view.page_view(samples.NEWSLETTER),
        "subject": "عضویت خود را تأیید کنید",
        "preheader": "برای آنکه خبرنامه را دریافت کنید، یک بار روی دکمهٔ این نامه بزنید.",
        "heading": "یک گام مانده است",
        "words": "اگر شما درخواست نداده‌اید، به این نامه اعتنا نکنید.",
        "link_url": "https://nl.example/confirm/abc",
    }
    renderer = Renderer(folder, samples.TEMPLATES, "fa", Theme.model_validate(theme))
    mail = renderer.mail(DeliveryKind.CONFIRMATION, values)
    return mail.subject, mail.html, mail.text


def test_a_mail_of_another_kind_keeps_every_rule(tmp_path: Path) -> None:
    subject, html, text = kind(tmp_path, footer="پایان نامه")
    assert subject == "عضویت خود را تأیید کنید"
    assert [str(each) for each in rules.mail(html, text)] == []
    assert "پایان نامه" not in html + text, "the newsroom's footer is for issues"
    assert "لغو عضویت" not in html


def test_a_logo_takes_the_place_of_the_name_and_says_it(tmp_path: Path) -> None:
    _, html, text = kind(tmp_path, logo="https://cdn.example/logo.png", logo_width=200)
    assert '<img class="logo"' in html
    assert 'width="200"' in html
    assert 'alt="ایران من"' in html
    assert rules.mail(html, text) == []


@pytest.mark.parametrize("logo", ["https://cdn.example/logo.svg", "https://cdn.example/logo.webp"])
def test_the_name_replaces_a_logo_that_outlook_cannot_show(tmp_path: Path, logo: str) -> None:
    _, html, _ = kind(tmp_path, logo=logo)
    assert "<img" not in html
    assert "ایران من</h1>" in html


def test_the_accent_reaches_mails_and_pages(tmp_path: Path) -> None:
    _, html, _ = kind(tmp_path, accent="#7A1F5C")
    assert "background-color:#7a1f5c" in html
    assert "#0f5f4b" not in html
    pages = Renderer(None, samples.TEMPLATES, "fa", Theme(accent="#7a1f5c"))
    assert "--mast: #7a1f5c" in pages.stylesheet()


@pytest.mark.parametrize("accent", ["red", "#fff", "#0f5f4b; }", "#gggggg", "url(x)"])
def test_other_values_than_colours_are_refused(accent: str) -> None:
    with pytest.raises(ValueError, match="colour"):
        Theme(accent=accent)


@pytest.mark.parametrize(("language", "direction"), [("ar", "rtl"), ("en", "ltr")])
def test_pages_are_in_the_language_too(language: str, direction: str) -> None:
    page = Renderer(None, samples.TEMPLATES, language).page("not-found", view.page_view(Newsletter()))
    assert f'<html lang="{language}" dir="{direction}">' in page
    assert "این صفحه پیدا نشد" not in page
