"""robots.txt is read as RFC 9309 and Google's documentation say, whatever a server sends."""

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailer.sources import robots

AGENT = "khabarnameh"


def allows(text: str, path: str) -> bool:
    return robots.parse(text.encode(), AGENT).allows(f"https://news.example{path}")


@pytest.mark.parametrize(
    ("rule", "matching", "others"),
    [
        ("/", ["/", "/x"], []),
        ("/*", ["/", "/x"], []),
        ("*", ["/", "/x"], []),
        ("/fish", ["/fish", "/fish.html", "/fish/salmon", "/fishes?id=x"], ["/Fish", "/catfish", "/?id=fish"]),
        ("/fish*", ["/fish", "/fish.html", "/fish/salmon"], ["/Fish.asp", "/catfish"]),
        ("/fish/", ["/fish/", "/fish/?id=x", "/fish/salmon"], ["/fish", "/fish.html", "/animals/fish/"]),
        ("/*.php", ["/index.php", "/a/b.php?x=1", "/a.php/", "/a.php5"], ["/", "/windows.PHP"]),
        ("/*.php$", ["/a.php", "/a/b.php", "/a.php/c.php"], ["/a.php?x", "/a.php/", "/a.php5"]),
        ("/fish*.php", ["/fish.php", "/fishes/a.php?x"], ["/Fish.PHP", "/a/fish.php"]),
        ("/fish$", ["/fish"], ["/fish/", "/fishes"]),
        ("/a*b*b$", ["/abb", "/axbxb"], ["/ab", "/abbc"]),
        ("/**a", ["/a", "/xa"], ["/b"]),
        ("*/print$", ["/news/1/print"], ["/news/1/print/2"]),
        ("/news?id=", ["/news?id=1"], ["/news", "/news/?id=1"]),
        ("/a$b", ["/a$b", "/a%24b"], ["/a"]),
        ("/a%2Ab", ["/a*b", "/a%2ab"], ["/axb"]),
        ("/%62%61z", ["/baz", "/b%61z"], []),
        ("/*8", ["/8", "/x8"], ["/خبر"]),
        ("/a%2fb", ["/a%2Fb"], ["/a/b"]),
        ("/اخبار", ["/اخبار/1", "/%D8%A7%D8%AE%D8%A8%D8%A7%D8%B1", "/%d8%a7%d8%ae%d8%a8%d8%a7%d8%b1/2"], ["/خبر"]),
        ("/x # a comment", ["/x"], ["/y"]),
        ("", [], ["/", "/x"]),
        ("http://[bad/", [], ["/", "/x"]),
        ("fish", [], ["/fish"]),
    ],
)
def test_paths_and_wildcards(rule: str, matching: list[str], others: list[str]) -> None:
    text = f"User-agent: *\nDisallow: {rule}"
    assert [path for path in matching if allows(text, path)] == []
    assert [path for path in others if not allows(text, path)] == []


@pytest.mark.parametrize(
    ("allow", "disallow", "path", "allowed"),
    [
        ("/p", "/", "/page", True),
        ("/folder", "/folder", "/folder/page", True),
        ("/page", "/*.htm", "/page.htm", False),
        ("/page", "/*.ph", "/page.php5", True),
        ("/$", "/", "/", True),
        ("/$", "/", "/page.htm", False),
        ("/example/page/", "/example/page/disallowed.gif", "/example/page/disallowed.gif", False),
        ("/اخبار/", "/%D8%A7", "/اخبار/1", True),
    ],
)
def test_the_longest_rule_decides(allow: str, disallow: str, path: str, allowed: bool) -> None:
    rules = [f"Allow: {allow}", f"Disallow: {disallow}"]
    for each in (rules, rules[::-1]):
        assert allows("\n".join(["User-agent: *", *each]), path) is allowed


@pytest.mark.parametrize(
    ("text", "allowed"),
    [
        ("User-agent: *\nDisallow: /\n\nUser-agent: khabarnameh\nAllow: /", True),
        ("User-agent: *\nDisallow: /\n\nUser-agent: KhabarNameh/1.0\nDisallow:", True),
        (
            "User-agent: khabarnameh\nDisallow: /x\nUser-agent: a\nAllow: /\nUser-agent: khabarnameh\nDisallow: /n",
            False,
        ),
        ("User-agent: khabarnameh-news\nDisallow: /", True),
        ("User-agent: a\nUser-agent: khabarnameh\n\nDisallow: /n", False),
        ("User-agent: khabarnameh\nSitemap: https://x.example/s.xml\n\nUser-agent: b\nDisallow: /", False),
        ("User-agent: *\n\nDisallow: /x\n\nDisallow: /n", False),
        ("User-agent: b\nCrawl-delay: 5\n\nUser-agent: c\nDisallow: /", True),
        ("User-agent: b\nDisallow: /", True),
        ("Disallow: /", True),
        ("User-agent:\nDisallow: /", True),
        ("\ufeffuser-AGENT : * # all\r\ndisALLOW : /n\r\n", False),
        ("User-agent: *\rDisallow: /n\r", False),
        ("<!doctype html><title>404</title>", True),
        ("", True),
    ],
)
def test_groups(text: str, allowed: bool) -> None:
    assert allows(text, "/news/1") is allowed


@pytest.mark.parametrize(
    ("written", "seconds"),
    [("5", 5.0), ("2.5", 2.5), ("10 seconds", 10.0), ("-1", 0.0), ("nan", 0.0), ("", 0.0), ("9" * 5000, 999_999.0)],
)
def test_crawl_delay(written: str, seconds: float) -> None:
    assert robots.parse(f"User-agent: *\nCrawl-delay: {written}".encode(), AGENT).delay_s == seconds


def test_sitemaps_belong_to_no_group() -> None:
    text = "Sitemap: https://x.example/a.xml\nUser-agent: b\nDisallow: /\nsitemap:/b.xml\nSitemap:"
    assert robots.parse(text.encode(), AGENT).sitemaps == ("https://x.example/a.xml", "/b.xml")


def test_the_limits_are_noted() -> None:
    many = robots.parse(b"User-agent: *\n" + b"Disallow: /x\n" * 2_003, AGENT)
    assert many.notes == ("robots.txt has more than 2000 rules; 3 were not read.",)
    others = robots.parse(b"User-agent: b\n" + b"Disallow: /x\n" * 2_003, AGENT)
    assert others.notes == ()
    large = robots.parse(b"User-agent: *\n#" + b"x" * 499_974 + b"\nDisallow: /search", AGENT)
    assert (large.rules, large.notes) == ((), ("robots.txt is too large; only its first 500 kB were read.",))


def test_the_time_grows_with_the_size_only() -> None:
    """Rules with many wildcards would need exponential time as regular expressions."""

    def seconds(count: int) -> float:
        found = robots.parse(b"User-agent: *\n" + b"Disallow: /" + b"*a" * count + b"b", AGENT)
        begun = time.process_time()
        for _ in range(20):
            assert found.allows("https://news.example/" + "a" * 2 * count)
        return time.process_time() - begun

    seconds(1000)
    assert seconds(8000) < 40 * max(min(seconds(1000) for _ in range(3)), 0.001)


_LINES = st.lists(
    st.tuples(st.sampled_from(["User-agent: ", "Disallow: ", "Allow:", "Crawl-delay:", "Sitemap: ", ""]), st.text())
)


@given(
    st.one_of(st.binary(), _LINES.map(lambda lines: "\n".join(map("".join, lines)).encode("utf-8", "replace"))),
    st.text(),
)
def test_any_text_gives_rules(content: bytes, url: str) -> None:
    found = robots.parse(content, "*")
    assert found.allows(url) in (True, False)
    assert 0 <= found.delay_s < 1_000_000


@given(st.text(alphabet="a/*$%2", max_size=8), st.text(alphabet="a/$*%2", max_size=10))
def test_wildcards_match_as_their_definition_says(rule: str, path: str) -> None:
    """Compares with a slow definition: a wildcard stands for nothing, or for one character and a wildcard."""
    rule, path = f"/{rule}".replace("%", ""), f"/{path}".replace("%", "")

    def matches(rule: str, path: str) -> bool:
        if rule in ("", "$"):
            return not rule or not path
        if rule[0] == "*":
            return matches(rule[1:], path) or (path != "" and matches(rule, path[1:]))
        return path[:1] == rule[0] and matches(rule[1:], path[1:])

    assert allows(f"User-agent: *\nDisallow: {rule}", path) is not matches(rule, path)
