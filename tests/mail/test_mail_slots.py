import html
import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mailer.mail import slots
from mailer.text.clean import clean


def test_values_are_escaped_for_where_they_go() -> None:
    raw = f"<p>{slots.slot('greeting')}</p>"
    assert slots.fill(raw, {"greeting": '<b onclick="x">&'}, "html") == "<p>&lt;b onclick=&quot;x&quot;&gt;&amp;</p>"
    assert slots.fill(raw, {"greeting": "a\r\nBcc: x\x1b[1m\u202e"}, "text") == "<p>a Bcc: x[1m</p>"
    assert slots.fill(raw, {"greeting": "سلام"}, "header") == "<p>سلام</p>"


@pytest.mark.parametrize(
    "bad", ["javascript:alert(1)", "https://x.example/a b", 'https://x.example/"onload', "", "https://x/<b>", "HTTPS"]
)
def test_a_link_slot_takes_nothing_but_web_addresses(bad: str) -> None:
    with pytest.raises(ValueError, match="http"):
        slots.fill(slots.slot("unsubscribe_url"), {"unsubscribe_url": bad}, "html")


def test_no_slot_stays_unfilled() -> None:
    raw = slots.slot("greeting") + slots.slot("name")
    with pytest.raises(ValueError, match="'name'"):
        slots.fill(raw, {"greeting": "سلام"}, "text")
    with pytest.raises(ValueError, match="broken"):
        slots.fill("\x02half", {}, "text")
    assert slots.fill("بی‌جا", {"unused": "x"}, "text") == "بی‌جا"


def test_a_value_cannot_bring_a_slot() -> None:
    filled = slots.fill(slots.slot("a") + slots.slot("b"), {"a": slots.slot("b"), "b": "B"}, "text")
    assert filled == "bB"


def test_names_and_pieces() -> None:
    raw = f"سلام {slots.slot('name')}! {slots.slot('name')}{slots.slot('site_url')}"
    assert slots.names(raw) == {"name", "site_url"}
    assert "".join(slots.split(raw)) == raw
    with pytest.raises(ValueError, match="not a name"):
        slots.slot("نام")


@settings(max_examples=200, deadline=None)
@given(st.text(st.characters(), max_size=40))
def test_any_value_comes_through_as_text(value: str) -> None:
    filled = slots.fill(f"<p>{slots.slot('name')}</p>", {"name": value}, "html")
    inner = re.fullmatch(r"<p>([^<>\x00-\x1f]*)</p>", filled)
    assert inner is not None
    assert html.unescape(inner[1]) == html.unescape(html.escape(clean(value)))
