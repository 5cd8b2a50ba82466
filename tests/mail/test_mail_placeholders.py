import html
import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mailer.mail.placeholders import fill, named, names, split
from mailer.text.clean import clean


def test_values_are_escaped_for_where_they_go() -> None:
    raw = f"<p>{named('greeting')}</p>"
    assert fill(raw, {"greeting": '<b onclick="x">&'}, "html") == "<p>&lt;b onclick=&quot;x&quot;&gt;&amp;</p>"
    assert fill(raw, {"greeting": "a\r\nBcc: x\x1b[1m\u202e"}, "text") == "<p>a Bcc: x[1m</p>"
    assert fill(raw, {"greeting": "سلام"}, "header") == "<p>سلام</p>"


@pytest.mark.parametrize(
    "bad", ["javascript:alert(1)", "https://x.example/a b", 'https://x.example/"onload', "", "https://x/<b>", "HTTPS"]
)
def test_a_link_takes_only_web_addresses(bad: str) -> None:
    with pytest.raises(ValueError, match="http"):
        fill(named("unsubscribe_url"), {"unsubscribe_url": bad}, "html")


def test_every_placeholder_must_be_filled() -> None:
    raw = named("greeting") + named("name")
    with pytest.raises(ValueError, match="'name'"):
        fill(raw, {"greeting": "سلام"}, "text")
    with pytest.raises(ValueError, match="broken"):
        fill("\x02half", {}, "text")
    assert fill("بی‌جا", {"unused": "x"}, "text") == "بی‌جا"


def test_a_value_cannot_add_a_placeholder() -> None:
    filled = fill(named("a") + named("b"), {"a": named("b"), "b": "B"}, "text")
    assert filled == "bB"


def test_names_and_pieces() -> None:
    raw = f"سلام {named('name')}! {named('name')}{named('site_url')}"
    assert names(raw) == {"name", "site_url"}
    assert "".join(split(raw)) == raw
    with pytest.raises(ValueError, match="not a name"):
        named("نام")


@settings(max_examples=200, deadline=None)
@given(st.text(st.characters(), max_size=40))
def test_any_value_comes_through_as_text(value: str) -> None:
    filled = fill(f"<p>{named('name')}</p>", {"name": value}, "html")
    inner = re.fullmatch(r"<p>([^<>\x00-\x1f]*)</p>", filled)
    assert inner is not None
    assert html.unescape(inner[1]) == html.unescape(html.escape(clean(value)))
