"""A news page as HTML: its meta data, its text, and pages without an article."""

import json
import time
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mailer.errors import UnreadableInput
from mailer.model import FoundArticle
from mailer.sources import page

ZONE = ZoneInfo("Asia/Tehran")
TITLE = "گشایش کتابخانهٔ تازه در شیراز"
FIRST = "کتابخانهٔ تازهٔ شیراز پس از سه سال ساخت، دیروز با حضور شهروندان گشوده شد و از فردا همه‌روزه باز است."
SECOND = "در این کتابخانه هفتاد هزار کتاب هست، و کودکان آن را خانهٔ دوم خود می‌دانند و هر روز به آن می‌آیند."
DATA = {
    "@type": ["Thing", "NewsArticle"],
    "headline": TITLE,
    "datePublished": "2026-11-23T10:00:00+03:30",
    "image": [{"@type": "ImageObject", "name": "نما", "url": "/img/a.jpg"}],
    "author": {"name": "سارا"},
    "keywords": "کتاب, شیراز",
    "articleSection": ["فرهنگ"],
    "isAccessibleForFree": "False",
}


def html(head: str = "", body: str = "") -> str:
    body = body or f"<h1>{TITLE}</h1><p>{FIRST}</p><p>{SECOND}</p>"
    menu = "<nav><a>سیاست</a><a>ورزش</a></nav>"
    return f"<!doctype html><html><head>{head}</head><body>{menu}{body}<footer>همهٔ حقوق</footer></body></html>"


def read(text: str, address: str = "https://shiraz.example/news/7") -> FoundArticle:
    return page.read("x.html", text, zone=ZONE, address=address)


@pytest.mark.parametrize(
    ("title", "heading", "outlet", "wanted"),
    [
        ("ایران من به جام جهانی رفت", "ایران من", "ایران من", "ایران من به جام جهانی رفت"),
        ("ایرانیان پای صندوق", "ایران", "", "ایرانیان پای صندوق"),
        ("گفت‌وگوی سردبیر با مدیر خبرآنلاین", "", "خبرآنلاین", "گفت‌وگوی سردبیر با مدیر خبرآنلاین"),
        ("برف در گردنه | خبرآنلاین", "", "خبرآنلاین", "برف در گردنه"),
        ("برف در گردنه - سایت خبری", "برف در گردنه", "", "برف در گردنه"),
    ],
)
def test_the_outlet_is_cut_from_a_title_only_at_a_separator(title: str, heading: str, outlet: str, wanted: str) -> None:
    assert page._without_outlet(title, outlet, heading) == wanted


def test_a_bare_page_has_a_title_a_lead_and_a_body() -> None:
    found = read(html(f"<title>{TITLE} | شیراز امروز</title>"))
    assert (found.title, found.lead, found.body) == (TITLE, FIRST, SECOND)
    assert (found.url, found.source, found.published) == ("https://shiraz.example/news/7", "shiraz.example", None)


def test_open_graph_counts_first() -> None:
    meta = {
        "og:title": TITLE,
        "og:site_name": "شیراز امروز",
        "og:description": "چکیده‌ای که تحریریه برای همین خبر و برای شبکه‌های اجتماعی نوشته است.",
        "og:image": "/img/hero.jpg",
        "og:image:alt": "نمای کتابخانه",
        "article:section": "فرهنگ",
        "article:published_time": "۱۴۰۵/۰۹/۰۲ - ۱۰:۰۰",
        "og:url": "https://www.shiraz.example/news/7/slug",
    }
    head = "".join(f'<meta property="{name}" content="{value}">' for name, value in meta.items())
    head += "".join(f'<meta property="article:tag" content="{tag}">' for tag in ("کتاب", "شیراز"))
    found = read(html(head))
    assert found.lead == meta["og:description"]
    assert found.body == f"{FIRST}\n{SECOND}"
    assert (found.image_url, found.image_alt) == ("https://www.shiraz.example/img/hero.jpg", "نمای کتابخانه")
    assert found.published == datetime(2026, 11, 23, 6, 30, tzinfo=UTC)
    assert (found.category, found.tags, found.url) == ("فرهنگ", ("کتاب", "شیراز"), meta["og:url"])


@pytest.mark.parametrize("data", [DATA, [DATA], {"@context": "x", "@graph": [{"@type": "WebPage"}, DATA]}])
def test_json_ld_alone(data: object) -> None:
    found = read(html(f'<script type="application/ld+json">{json.dumps(data)}</script>'))
    assert (found.title, found.author, found.category, found.tags) == (TITLE, "سارا", "فرهنگ", ("کتاب", "شیراز"))
    assert found.published == datetime(2026, 11, 23, 6, 30, tzinfo=UTC)
    assert found.image_url == "https://shiraz.example/img/a.jpg"
    assert found.closed, "not free to read"


def test_the_time_of_the_page_is_its_date() -> None:
    found = read(html(body=f'<h1>{TITLE}</h1><time datetime="2026-11-23T10:00">x</time><p>{FIRST}</p>'))
    assert found.published == datetime(2026, 11, 23, 6, 30, tzinfo=UTC)


@pytest.mark.parametrize(
    ("canonical", "url"),
    [
        ("/news/7/slug", "https://shiraz.example/news/7/slug"),
        ("https://www.shiraz.example/news/7", "https://www.shiraz.example/news/7"),
        ("https://elsewhere.example/news/7", "https://shiraz.example/news/7"),
        ("https://shiraz.example/", "https://shiraz.example/news/7"),
        ("javascript:alert(1)", "https://shiraz.example/news/7"),
    ],
)
def test_a_page_names_itself_only_on_its_own_site(canonical: str, url: str) -> None:
    assert read(html(f'<link rel="canonical" href="{canonical}">')).url == url


def test_a_saved_page_has_the_address_that_it_claims() -> None:
    assert read(html('<link rel="canonical" href="https://shiraz.example/news/7">'), "").source == "shiraz.example"
    assert read(html(), "").url == ""


@pytest.mark.parametrize(
    "body",
    [
        "<h1>۴۰۴</h1>یافت نشد",
        '<h1>ورود به سامانه</h1><form><input name="a"><button>ورود</button></form>',
        "".join(f"<h2><a href='/{n}'>تیتر خبر شمارهٔ {n} این صفحهٔ نخست</a></h2>" for n in range(30)),
    ],
    ids=["not found", "login", "front page"],
)
def test_pages_without_an_article_are_refused(body: str) -> None:
    with pytest.raises(UnreadableInput, match="no article is recognised in this HTML page"):
        read(html("<title>شیراز امروز</title>", body))


def test_markup_that_is_meant_to_take_long_is_refused() -> None:
    begun = time.monotonic()
    for hostile in ("<a b='", "<!--", "<div>", "<script", "<title></tit", "<time datetime='"):
        with pytest.raises(UnreadableInput):
            read(html(body=hostile * 19_000))
    with pytest.raises(UnreadableInput, match="too many tags for a news page"):
        read("<p>" * 20_001)
    assert time.monotonic() - begun < 20


@given(st.text(alphabet="<>/ahpimetscrl\"'=! {}[]@:گچ\n\0", max_size=300))
@settings(max_examples=200, deadline=None)
def test_no_other_error_is_raised(text: str) -> None:
    try:
        found = read(html(text, f"<h1>{TITLE}</h1>{text}<p>{FIRST}</p>"))
    except UnreadableInput:
        return
    assert "\n" not in found.title + found.lead
