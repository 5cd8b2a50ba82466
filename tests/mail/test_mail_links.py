import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mailer.mail.links import LETTERS, picture, web_address


@pytest.mark.parametrize(
    ("url", "written"),
    [
        ("https://iran.example/fa/news/818316/خبر-تازه", "https://iran.example/fa/news/818316/%D8%AE%D8%A8%D8%B1-%D8%AA%D8%A7%D8%B2%D9%87"),
        ("https://iran.example/%D8%AE?a=1&b=%2F", "https://iran.example/%D8%AE?a=1&b=%2F"),
        ("http://IRAN.example:8080/a b/100%?q=«x»#بخش", "http://iran.example:8080/a%20b/100%25?q=%C2%ABx%C2%BB#%D8%A8%D8%AE%D8%B4"),
        ("https://کتاب‌خانه.ایران/", "https://xn--mgbacgw9lh19es68o.xn--mgba3a4f16a/"),
        ("https://[2001:db8::1]/x", "https://[2001:db8::1]/x"),
        ("https://iran.example/\x02greeting\x03", "https://iran.example/greeting"),
    ],
)  # fmt: skip
def test_addresses_are_written_in_ascii(url: str, written: str) -> None:
    assert web_address(url) == written


@pytest.mark.parametrize(
    "url",
    [
        "",
        "javascript:alert(1)",
        "java\nscript:alert(1)",
        "data:text/html,x",
        "ftp://iran.example/",
        "//iran.example/",
        "/fa/news/1",
        "https://iran.example@evil.example/",
        "https://",
        "https://a..b/",
        "https://a b.example/",
        "https://[x/",
        "https://iran.example:port/",
        "https://iran.example/" + "a" * LETTERS,
    ],
)
def test_addresses_no_reader_should_follow_are_refused(url: str) -> None:
    assert web_address(url) == ""


@settings(max_examples=200, deadline=None)
@given(st.text(st.characters(), max_size=40))
def test_whatever_the_path_the_address_is_safe_everywhere_and_stable(path: str) -> None:
    url = web_address(f"https://iran.example/{path}")
    assert url == "" or re.fullmatch(r"https://iran\.example/[!#-&(-;=?-_a-z~]*", url)
    assert web_address(url) == url


def test_pictures_are_those_that_every_program_draws() -> None:
    assert picture("https://cdn.example/a.JPG?w=3") == "https://cdn.example/a.JPG?w=3"
    assert picture("https://cdn.example/files/1234") == "https://cdn.example/files/1234"
    assert picture("https://cdn.example/a.svg") == picture("https://cdn.example/a.webp") == ""
    assert picture("data:image/png;base64,AAAA") == ""
