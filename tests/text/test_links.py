import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mailer.text.links import (
    LONGEST,
    absolute,
    is_tracker,
    is_usable,
    loopback,
    original,
    picture,
    story_picture,
    web_address,
)


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
    assert is_usable(url)


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
        "https://iran.example/" + "a" * LONGEST,
    ],
)
def test_addresses_no_reader_should_follow_are_refused(url: str) -> None:
    assert web_address(url) == ""
    assert not is_usable(url)


@settings(max_examples=200, deadline=None)
@given(st.text(st.characters(), max_size=40))
def test_whatever_the_path_the_address_is_safe_everywhere_and_stable(path: str) -> None:
    url = web_address(f"https://iran.example/{path}")
    assert url == "" or re.fullmatch(r"https://iran\.example/[!#-&(-;=?-_a-z~]*", url)
    assert web_address(url) == url


@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        ("\n   https://khabar.example/الف\n  ", "https://khabar.example/الف"),
        ("https://khabar.example/fa/\n      news", "https://khabar.example/fa/news"),
        ('https://khabar.example/a b"c<d>', "https://khabar.example/a%20b%22c%3Cd%3E"),
        ("/news/1", "https://khabar.example/news/1"),
        ("//cdn.example/x.jpg", "https://cdn.example/x.jpg"),
        ("https://khabar.example/می\u200cشود", "https://khabar.example/می\u200cشود"),
        ("https://khabar.example/\u202ex\u200f ", "https://khabar.example/x"),
        # without a scheme, or with a wrong one
        ("www.khabar.example/2", "https://www.khabar.example/2"),
        ("khabar.example/3", "https://khabar.example/3"),
        ("other.example", "https://other.example"),
        ("https:/khabar.example/7", "https://khabar.example/7"),
        ("https:khabar.example/7", "https://khabar.example/7"),
        ("https//khabar.example/7", "https://khabar.example/7"),
        ("http:\\\\khabar.example/7", "http://khabar.example/7"),
        ("http://https://khabar.example/8", "https://khabar.example/8"),
        ("HTTPS%3A%2F%2Fkhabar.example/9", "https://khabar.example/9"),
        ("page.html", "https://khabar.example/fa/page.html"),
        ("index.php/a", "https://khabar.example/fa/index.php/a"),
        ("12", "https://khabar.example/fa/12"),
        ("?id=1&amp;b=2&lang=fa", "https://khabar.example/fa/?id=1&b=2&lang=fa"),
        ("\u200ehttps://khabar.example/\u200f", "https://khabar.example/"),
        # hosts that readers cannot reach
        ("http://localhost/1", ""),
        ("http://cms/1", ""),
        ("https://[2001:db8::1]/1", "https://[2001:db8::1]/1"),
        ("tel:123", ""),
        ("mailto:a@khabar.example", ""),
        ("javascript:alert(1)", ""),
        ("data:text/html,x", ""),
        ("java\nscript:alert(1)", ""),
        ("https://", ""),
        ("https://khabar.example:99999/", ""),
        ("https://khabar.example/" + "x" * 3000, ""),
        ("", ""),
    ],
)
def test_addresses_in_sources_become_absolute(raw: str, expected: str) -> None:
    assert absolute(raw, "https://khabar.example/fa/") == expected


def test_links_without_a_base() -> None:
    assert absolute("//cdn.example/x.jpg") == "https://cdn.example/x.jpg"
    assert absolute("khabar.example/3") == "https://khabar.example/3"
    assert absolute("/3") == absolute("3") == absolute("page.html") == ""


@pytest.mark.parametrize(
    ("address", "expected"),
    [
        ("https://www.google.com/url?sa=t&url=https://khabar.example/1%3Fa%3D2&ct=ga", "https://khabar.example/1?a=2"),
        ("https://www.google.com/url?q=https://khabar.example/1", "https://khabar.example/1"),
        ("https://l.facebook.com/l.php?u=https%3A%2F%2Fkhabar.example%2F1&h=x", "https://khabar.example/1"),
        ("https://vk.com/away.php?to=https%3A%2F%2Fkhabar.example%2F1", "https://khabar.example/1"),
        ("https://www.google.com/url?url=javascript:x", "https://www.google.com/url?url=javascript:x"),
        ("https://www.google.com/search?url=https://khabar.example/1", None),
        ("https://khabar.example/url?url=https://other.example/", None),
        ("", None),
    ],
)
def test_the_original_of_a_redirecting_address(address: str, expected: str | None) -> None:
    assert original(address) == (address if expected is None else expected)


def test_addresses_that_only_count_clicks() -> None:
    assert is_tracker("http://feedproxy.google.com/~r/a/~3/b/")
    assert not is_tracker("https://khabar.example/~r/a")
    assert not is_tracker("")


@settings(max_examples=300, deadline=None)
@given(st.text(st.characters(), max_size=60), st.sampled_from(["", "https://khabar.example/fa/"]))
def test_any_text_becomes_an_address_or_nothing(raw: str, base: str) -> None:
    address = absolute(raw, base)
    assert address == "" or re.fullmatch(r"https?://\S+", address)
    assert original(address) in ("", address)


def test_pictures_are_those_that_every_program_draws() -> None:
    assert picture("https://cdn.example/a.JPG?w=3") == "https://cdn.example/a.JPG?w=3"
    assert picture("https://cdn.example/files/1234") == "https://cdn.example/files/1234"
    assert picture("https://cdn.example/a.svg") == picture("https://cdn.example/a.webp") == ""
    assert picture("data:image/png;base64,AAAA") == ""


OURS = ("https://nl.iran.example", "https://www.iran.example")


@pytest.mark.parametrize(
    ("url", "story"),
    [
        ("https://cdn.iran.example/a.jpg", "https://other.example/1"),  # a sibling of base_url
        ("https://iran.example/a.jpg", "https://other.example/1"),
        ("https://other.example/a.jpg", "https://other.example/1"),
        ("https://img.other.example/a.jpg", "https://www.other.example/1"),
        ("https://other.co.uk/a.jpg", "https://news.other.co.uk/1"),
    ],
)
def test_pictures_of_the_newsroom_and_of_the_storys_own_site_may_stand(url: str, story: str) -> None:
    assert story_picture(url, story, OURS) == url


@pytest.mark.parametrize(
    ("url", "story"),
    [
        ("https://tracker.example/pixel.gif", "https://iran.example/1"),
        ("http://cdn.iran.example/a.jpg", "https://iran.example/1"),  # everybody on the way sees who reads
        ("https://eviliran.example/a.jpg", "https://iran.example/1"),
        ("https://iran.example.evil.example/a.jpg", "https://iran.example/1"),
        ("https://co.uk/a.jpg", "https://other.co.uk/1"),
        ("https://example/a.jpg", "https://other.example/1"),
        ("https://tracker.example/a.jpg", ""),
        ("https://cdn.iran.example/a.svg", "https://iran.example/1"),
    ],
)
def test_pictures_of_third_parties_are_left_out(url: str, story: str) -> None:
    assert story_picture(url, story, OURS) == ""


def test_pictures_by_http_only_if_everything_is_on_one_machine() -> None:
    ours = ("http://127.0.0.1:8025",)
    url = "http://127.0.0.1:8025/media/images/a.jpg"
    assert story_picture(url, "", ours, plain=True) == url
    assert story_picture(url, "", ours) == ""
    assert story_picture("http://127.0.0.2/a.jpg", "", ours, plain=True) == ""
    assert [loopback(host) for host in ("127.0.0.1", "::1", "localhost", "iran.example", "10.0.0.1", "")] == [
        *[True] * 3,
        *[False] * 3,
    ]


@pytest.mark.parametrize(
    "host",
    [
        "0.0.0.0",
        "127.1",
        "127.0.1",
        "2130706433",
        "0x7f000001",
        "0177.0.0.1",
        "0",
        "::",
        "::ffff:127.0.0.1",
        "127.0.0.1.",
        "localhost.",
        "pages.localhost",
        "LOCALHOST",
    ],
)
def test_every_spelling_of_this_machine_is_loopback(host: str) -> None:
    assert loopback(host)


@pytest.mark.parametrize(
    "host", ["128.1", "2130706432.1", "127.0.0.256", "127.0.0.1.1", "089.1", "4294967296", "127.example", ".", "::2"]
)
def test_other_hosts_are_not_loopback(host: str) -> None:
    assert not loopback(host)
