"""`mailer init --site` against local copies of five kinds of sites, each served by a real server."""

import json
import tomllib
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from admin import Answer, call
from web_server import Answer as Page
from web_server import WebServer, web_server

SUBJECTS = (
    ("پل تازهٔ سپیدرود گشوده شد", "سیاسی"),
    ("نرخ ارز در بازار تهران پایین آمد", "اقتصادی"),
    ("تیم ملی والیبال به فینال رسید", "ورزشی"),
    ("جشنوارهٔ فیلم‌های کوتاه آغاز شد", "فرهنگ و هنر"),
    ("برف راه‌های کوهستانی را بست", "یادداشت"),
    ("کتابخانهٔ بزرگ شهر نوسازی شد", "اجتماعی"),
    ("ماهوارهٔ تازه به مدار رفت", "علم و فناوری"),
)
ARABIC = (
    ("افتتاح الجسر الجديد في العاصمة", "سياسة"),
    ("انخفاض أسعار النفط في الأسواق العالمية", "اقتصاد"),
    ("المنتخب الوطني يتأهل إلى النهائي", "رياضة"),
    ("انطلاق مهرجان الأفلام القصيرة", "ثقافة وفنون"),
    ("الثلوج تغلق الطرق الجبلية", "مقالات"),
    ("إعادة افتتاح المكتبة الكبرى", "مجتمع"),
)
LEAD = "این خبر در هفتهٔ گذشته بیش از همه خوانده شد و گزارشگران ما از نزدیک آن را دنبال کردند و نوشتند."


class Paths(dict[str, Any]):
    """Pages by path; a page without a query is also the answer to every query."""

    def get(self, path: str, default: Any = None) -> Any:
        return super().get(path) or super().get(path.partition("?")[0]) or default


@pytest.fixture
def server() -> Iterator[WebServer]:
    with web_server() as running:
        running.pages = Paths()
        yield running


def ago(number: int) -> datetime:
    return datetime.now(UTC) - timedelta(hours=5 + 7 * number)


def html(text: str) -> Page:
    return 200, {"content-type": "text/html; charset=utf-8"}, text.encode()


def front(server: WebServer, head: str, count: int, language: str = 'lang="fa-IR" dir="rtl"') -> None:
    links = "".join(f'<h2><a href="/news/{number}">خبر</a></h2>' for number in range(count))
    server.pages["/"] = html(f"<!doctype html><html {language}><head>{head}</head><body>{links}</body></html>")


def rss(server: WebServer, subjects: tuple[tuple[str, str], ...], name: str) -> Page:
    items = "".join(
        f"<item><title>{title}</title><link>{server.url(f'/news/{number}')}</link><category>{category}</category>"
        f"<description>{LEAD}</description><pubDate>{ago(number):%a, %d %b %Y %H:%M:%S} GMT</pubDate></item>"
        for number, (title, category) in enumerate(subjects)
    )
    return 200, {}, f'<rss version="2.0"><channel><title>{name}</title>{items}</channel></rss>'.encode()


def set_up(server: WebServer, folder: Path, *more: str) -> tuple[Answer, dict[str, Any]]:
    answer = call("init", str(folder), "--site", server.url(""), *more)
    assert "Traceback" not in answer.err
    assert call("--config", str(folder / "config.toml"), "config", "check").code == 0
    return answer, tomllib.loads((folder / "config.toml").read_text("utf-8"))


def test_a_wordpress_site(server: WebServer, tmp_path: Path) -> None:
    posts = [
        {
            "id": number,
            "date_gmt": f"{ago(number):%Y-%m-%dT%H:%M:%S}",
            "link": server.url(f"/news/{number}"),
            "title": {"rendered": title},
            "excerpt": {"rendered": f"<p>{LEAD}</p>"},
            "_embedded": {"wp:term": [[{"name": category}], []]},
        }
        for number, (title, category) in enumerate(SUBJECTS)
    ]
    front(
        server,
        '<title>تابش</title><meta name="generator" content="WordPress 6.8"><meta name="theme-color" content="#0A5">'
        f'<link rel="https://api.w.org/" href="{server.url("/wp-json/")}"><link rel="apple-touch-icon" href="/i.png">'
        f'<link rel="alternate" type="application/rss+xml" href="{server.url("/feed/")}">'
        f'<link rel="alternate" type="application/rss+xml" title="تابش خوراک دیدگاه‌ها" href="{server.url("/c/")}">'
        '<script type="application/ld+json">{"@type": "Organization", "logo": "/logo.png?x=1"}</script>',
        6,
    )
    server.pages["/wp-json/wp/v2/posts"] = (200, {"x-wp-totalpages": "1"}, json.dumps(posts).encode())
    about = {"name": "روزنامهٔ تابش", "description": "خبرهای شمال", "timezone_string": "Asia/Kabul"}
    server.pages["/wp-json/"] = (200, {}, json.dumps(about).encode())
    server.pages["/feed/"] = rss(server, SUBJECTS[:3], "تابش")
    answer, written = set_up(server, tmp_path / "new")
    assert answer.code == 0
    newsletter = written["newsletter"]
    assert (newsletter["name"], newsletter["locale"], newsletter["timezone"]) == ("روزنامهٔ تابش", "fa", "Asia/Kabul")
    assert (newsletter["site_url"], newsletter["calendar"]) == (server.url(""), "jalali")
    assert written["theme"]["accent"] == "#00aa55"
    assert written["theme"]["logo"] == server.url("/logo.png")
    assert written["articles"]["feeds"] == [
        {"kind": "wordpress", "url": server.url("")},
        {"kind": "front", "url": server.url("/")},
    ]
    assert newsletter["sections"] == {
        "سیاسی": "سیاست",
        "اقتصادی": "اقتصاد",
        "اجتماعی": "جامعه",
        "فرهنگ و هنر": "فرهنگ و هنر",
        "علم و فناوری": "علم و فناوری",
        "ورزشی": "ورزش",
    }
    assert "without a section, so under the last heading: یادداشت (1)" in answer.out
    assert all(title in answer.out for title, _ in SUBJECTS), "the draft is printed"
    assert all(section in answer.out for section in newsletter["sections"].values())
    assert f"the feed {server.url('/feed/')}: not needed besides WordPress's interface (3 articles, 3 of" in answer.out
    assert "newsletter.from: the address that the newsletter comes from" in answer.out
    assert "/c/" not in [path for path, _ in server.asked], "the feed of comments is left alone"


def test_a_site_with_nothing_but_a_feed(server: WebServer, tmp_path: Path) -> None:
    front(
        server,
        '<title>تابش | پایگاه خبری</title><meta name="theme-color" content="#fff">'
        '<link rel="alternate" type="application/rss+xml" title="همهٔ خبرها" href="/fa/rss/allnews">',
        3,
        'lang="fa"',
    )
    server.pages["/fa/rss/allnews"] = rss(server, SUBJECTS, "تابش")
    answer, written = set_up(server, tmp_path, "--json")
    found = answer.json
    assert answer.code == 0
    assert written["articles"]["feeds"] == [{"kind": "feed", "url": server.url("/fa/rss/allnews")}]
    assert written["newsletter"]["name"] == found["found"]["name"] == "تابش"
    assert written["theme"]["accent"] == "#0f5f4b", "white is no accent"
    assert found["unmapped"] == {"یادداشت": 1}
    assert found["collected"] == [{"source": server.url("/fa/rss/allnews"), "added": 7, "problem": ""}]
    assert sorted(found["draft"]["stories"]) == sorted(title for title, _ in SUBJECTS)
    assert any("sitemaps of the site: " in each and "404" in each for each in found["passed_over"])
    assert {each["setting"] for each in found["chosen"]} >= {"newsletter.locale", "articles.feeds"}


def test_a_site_with_nothing_but_a_sitemap(server: WebServer, tmp_path: Path) -> None:
    front(server, "<title>تابش</title>", 6)
    entries = ""
    for number, (title, category) in enumerate(SUBJECTS):
        entries += f"<url><loc>{server.url(f'/news/{number}')}</loc><lastmod>{ago(number):%Y-%m-%d}</lastmod></url>"
        head = f'<meta property="article:published_time" content="{ago(number).isoformat()}"><title>{title}</title>'
        head += f'<meta property="article:section" content="{category}">'
        server.pages[f"/news/{number}"] = html(f"<!doctype html><head>{head}</head><h1>{title}</h1><p>{LEAD}</p>")
    server.pages["/map.xml"] = (200, {}, f"<urlset>{entries}</urlset>".encode())
    server.pages["/robots.txt"] = (
        200,
        {},
        f"User-agent: *\nDisallow: /news/0\nSitemap: {server.url('/map.xml')}".encode(),
    )
    answer, written = set_up(server, tmp_path)
    assert answer.code == 0
    assert written["articles"]["feeds"] == [
        {"kind": "sitemap", "url": server.url("/")},
        {"kind": "front", "url": server.url("/")},
    ]
    assert written["newsletter"]["sections"]["اقتصادی"] == "اقتصاد"
    assert "1 pages are forbidden by robots.txt" in answer.out
    assert [title in answer.out for title, _ in SUBJECTS] == [False, *[True] * 6]
    assert "/news/0" not in [path for path, _ in server.asked]


def test_a_site_with_nothing(server: WebServer, tmp_path: Path) -> None:
    front(server, "<title>x</title>", 0, "")
    answer, written = set_up(server, tmp_path)
    assert answer.code == 5
    assert "feeds" not in written["articles"]
    assert "[[articles.feeds]] or [articles.database]: the site offers no feed, no WordPress interface" in answer.out
    assert "newsletter.locale, calendar and timezone: the site does not say its language" in answer.out
    assert (tmp_path / "secret.key").exists(), "the deployment is made all the same"


def test_an_arabic_site(server: WebServer, tmp_path: Path) -> None:
    front(server, '<meta property="og:site_name" content="نسيم"><title>نسيم</title>', 6, "lang='ar' dir='rtl'")
    server.pages["/rss.xml"] = rss(server, ARABIC, "نسيم")
    answer, written = set_up(server, tmp_path)
    assert answer.code == 0
    newsletter = written["newsletter"]
    assert (newsletter["locale"], newsletter["calendar"], newsletter["timezone"]) == ("ar", "gregorian", "UTC")
    assert newsletter["title"] == "النشرة الأسبوعية"
    assert newsletter["sections"] == {
        "سياسة": "سياسة",
        "اقتصاد": "اقتصاد",
        "مجتمع": "مجتمع",
        "ثقافة وفنون": "ثقافة وفنون",
        "رياضة": "رياضة",
    }
    assert written["articles"]["feeds"][0] == {"kind": "feed", "url": server.url("/rss.xml")}
    assert all(title in answer.out for title, _ in ARABIC)
    assert "UTC is used until you set it" in answer.out


def test_without_a_network_the_deployment_is_made(tmp_path: Path) -> None:
    answer = call("init", str(tmp_path), "--site", "http://127.0.0.1:9")
    assert answer.code == 5
    assert "The front page could not be read: http://127.0.0.1:9/: no connection" in answer.out
    assert (tmp_path / "config.toml").exists()


def test_an_address_without_a_scheme_may_mean_http(server: WebServer, tmp_path: Path) -> None:
    front(server, '<link rel="alternate" type="application/rss+xml" href="/rss">', 0)
    server.pages["/rss"] = rss(server, SUBJECTS, "تابش")
    answer = call("init", str(tmp_path), "--site", server.url("").removeprefix("http://"))
    assert answer.code == 0
    assert f"Found on {server.url('/')}" in answer.out


@pytest.mark.parametrize("site", ["ftp://news.example", "http://a:b@news.example", "a b", ""])
def test_an_address_that_is_none_is_refused(tmp_path: Path, site: str) -> None:
    answer = call("init", str(tmp_path / "new"), "--site", site)
    assert (answer.code, (tmp_path / "new").exists()) == (2, False)
    assert "is not a web address" in answer.err


def test_settings_that_exist_are_never_replaced(tmp_path: Path) -> None:
    (tmp_path / "config.toml").write_text("mine", "utf-8")
    answer = call("init", str(tmp_path), "--site", "http://127.0.0.1:9")
    assert answer.code == 3
    assert "exists already" in answer.err
    assert (tmp_path / "config.toml").read_text("utf-8") == "mine"


def test_a_private_address_is_not_followed(server: WebServer, tmp_path: Path) -> None:
    """Only the server that the admin typed may be private."""
    with web_server() as other:
        other.pages["/rss"] = rss(other, SUBJECTS, "other")
        front(server, f'<link rel="alternate" type="application/rss+xml" href="{other.url("/rss")}">', 0)
        answer, _ = set_up(server, tmp_path)
        assert answer.code == 5
        assert other.asked == []
        assert "leads to a private address" in answer.out


def test_a_list_of_the_most_read_is_found(server: WebServer, tmp_path: Path) -> None:
    """On the front page; else in a feed, which is no source of all articles, or on a page that the front page names."""
    server.pages["/rss"] = rss(server, SUBJECTS, "تابش")
    head = '<title>تابش</title><link rel="alternate" type="application/rss+xml" href="/rss">'
    links = "".join(f"<li><a href='/news/{number}'>خبر</a></li>" for number in (3, 1, 2))
    page = '<!doctype html><html lang="fa"><head>{}</head><body><a href="/news/0">خبر</a>{}</body></html>'

    def found(name: str) -> list[tuple[str, str]]:
        _, settings = set_up(server, tmp_path / name)
        return [(each["kind"], each["url"]) for each in settings["articles"]["feeds"]]

    server.pages["/"] = html(page.format(head, f"<h3>پربازدیدها</h3><ul>{links}</ul>"))
    assert ("most_read", server.url("/")) in found("front")
    server.pages["/"] = html(page.format(head, "<a href='/most-visited'>پربازدیدها</a>"))
    server.pages["/most-visited"] = html(f"<html><body><h1>پربازدیدها</h1>{links}</body></html>")
    assert ("most_read", server.url("/most-visited")) in found("page")
    feed = head + '<link rel="alternate" type="application/rss+xml" title="پربازدیدترین‌ها" href="/rss/2">'
    server.pages["/rss/2"] = rss(server, SUBJECTS[:4], "تابش")
    server.pages["/"] = html(page.format(feed, ""))
    both = found("feed")
    assert ("most_read", server.url("/rss/2")) in both
    assert ("feed", server.url("/rss/2")) not in both
    server.pages["/"] = html(page.format(head, ""))
    answer, _ = set_up(server, tmp_path / "none")
    assert "no list of the most read articles was found" in answer.out
