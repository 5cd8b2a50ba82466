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
    (article,) = page.read("x.html", text, zone=ZONE, address=address).articles
    return article


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


OTHER = {"@type": "NewsArticle", "headline": "باران در راه شمال است", "datePublished": "2018-01-01T00:00:00Z"}
OWN_DATE = datetime(2026, 11, 23, 6, 30, tzinfo=UTC)


def json_ld(*objects: object) -> str:
    return "".join(f'<script type="application/ld+json">{json.dumps(each)}</script>' for each in objects)


@pytest.mark.parametrize(
    "objects",
    [
        ({"@type": "ItemList", "itemListElement": [OTHER, OTHER]}, DATA),
        ([OTHER, OTHER | {"url": "https://shiraz.example/news/8"}, DATA],),
        ({"@graph": [OTHER, {"@type": "WebPage", "mainEntity": DATA}]},),
        (OTHER, DATA | {"headline": "با دیگر واژه‌ها", "url": "http://www.shiraz.example/news/7/?utm_source=x"}),
        ({"@type": "CollectionPage", "mainEntity": {"@type": "ItemList", "itemListElement": [{"item": OTHER}]}}, DATA),
    ],
    ids=["list", "related first", "graph", "by address", "collection"],
)
def test_json_ld_of_other_articles_does_not_count(objects: tuple[object, ...]) -> None:
    found = read(html(json_ld(*objects)))
    assert (found.title, found.published, found.author) == (TITLE, OWN_DATE, "سارا")


@pytest.mark.parametrize(
    "objects",
    [
        (OTHER,),
        ({"@type": "ItemList", "itemListElement": [OTHER]},),
        (OTHER | {"url": "https://shiraz.example/other"}, OTHER | {"headline": "سه"}),
    ],
    ids=["one", "list", "two"],
)
def test_without_json_ld_of_its_own_a_page_has_no_date(objects: tuple[object, ...]) -> None:
    found = read(html(json_ld(*objects)))
    assert (found.title, found.published, found.url) == (TITLE, None, "https://shiraz.example/news/7")


WRITTEN = json.dumps(DATA)


@pytest.mark.parametrize(
    "written",
    [
        f"/* <![CDATA[ */{WRITTEN}/* ]]> */",
        f"<![CDATA[{WRITTEN}]]>",
        f"<!--\n{WRITTEN}\n-->",
        f"{WRITTEN[:-1]},\n}}",
        WRITTEN.replace("}]", "},]", 1),
        "{ // https://shiraz.example\n/* the article, */" + WRITTEN[1:],
        f"{WRITTEN};",
        WRITTEN.replace('"', "&quot;"),
        WRITTEN.replace('"@type"', '"description": "دو\nسطر, }", "@type"', 1),
        '{"@type": "WebSite", "name": "x"}' + WRITTEN,
        f"\ufeff{WRITTEN}",
    ],
)
def test_json_ld_that_is_not_json_is_read(written: str) -> None:
    found = read(html(f"<script type='application/ld+json; charset=utf-8'>{written}</script>"))
    assert (found.published, found.closed) == (OWN_DATE, True)


def test_damaged_json_ld_is_noted() -> None:
    text = html(f'<title>{TITLE}</title><script type="application/ld+json">{{"@type": "NewsArticle", "x" </script>')
    (note,) = page.read("x.html", text, zone=ZONE).notes
    assert note == "x.html: 1 blocks of the page's JSON-LD are damaged and were left out."


@pytest.mark.parametrize(
    "value",
    [
        "false",
        False,
        "http://schema.org/False",
        ["False"],
        {"@type": "Boolean", "@value": "false"},
        {"@id": "schema:False"},
    ],
)
def test_closed_in_any_form_of_json_ld(value: object) -> None:
    open_article = {name: each for name, each in DATA.items() if name != "isAccessibleForFree"}
    part = {"@type": "WebPageElement", "isAccessibleForFree": value, "cssSelector": ".paywall"}
    whole_page = {"@type": "WebPage", "url": "https://shiraz.example/news/7", "isAccessibleForFree": value}
    for objects in (
        (open_article | {"isAccessibleForFree": value},),
        (open_article | {"hasPart": part},),
        ({"@graph": [open_article | {"hasPart": [{"@id": "#p"}]}, part | {"@id": "#p", "@type": "WebPage"}]},),
        (open_article, whole_page),
        (open_article | {"schema:isAccessibleForFree": value},),
    ):
        assert read(html(json_ld(*objects))).closed, objects
    assert read(html(json_ld(OTHER | {"isAccessibleForFree": value}, open_article))).closed is None


@pytest.mark.parametrize(
    ("body", "found"),
    [
        (f'<header><time datetime="2020-01-01"></time></header><h1>{TITLE}</h1><p>{FIRST}</p>', None),
        (f'<h1>{TITLE}</h1><p>{FIRST}</p><article><h3>خبر</h3><time datetime="2020-01-01"></time></article>', None),
        (
            f'<article><time datetime="2020-01-01"></time><h2>دیگر</h2></article><article><h1>{TITLE}</h1>'
            '<time class="updated" datetime="2020-01-01"></time><time datetime="2026-11-23T10:00"></time>'
            f"<p>{FIRST}</p></article>",
            OWN_DATE,
        ),
        (f"<h1>{TITLE}</h1><div><time>۲ آذر ۱۴۰۵ - ۱۰:۰۰</time></div><p>{FIRST}</p>", OWN_DATE),
        (
            f'<h1>{TITLE}</h1><time datetime="2020-01-01"></time>'
            f'<time itemprop="datePublished" datetime="2026-11-23T10:00"></time><p>{FIRST}</p>',
            OWN_DATE,
        ),
        (
            f"<article><h1>{TITLE}</h1><p>{FIRST}</p>"
            '<div id="comments"><time datetime="2020-01-01"></time></div></article>',
            None,
        ),
        (
            f'<h1>{TITLE}</h1><p>{FIRST}</p><ul class="box related"><li><time datetime="2020-01-01"></time></li></ul>',
            None,
        ),
    ],
    ids=["header", "related", "own article", "text", "published", "comments", "related box"],
)
def test_only_a_time_of_the_article_is_its_date(body: str, found: datetime | None) -> None:
    assert read(html(body=body)).published == found


@pytest.mark.parametrize(
    ("head", "heading"),
    [
        (f"<title>{TITLE} | شیراز امروز</title>", '<h1><a href="/">شیراز امروز</a></h1>'),
        (f"<title>{TITLE} - شیراز امروز</title>", "<h1>شیراز امروز</h1>"),
        (f'<meta property="og:title" content="شیراز امروز"><title>{TITLE} | شیراز امروز</title>', ""),
        (f"<title>شیراز امروز | {TITLE}</title>" + json_ld({"@type": "WebSite", "name": "شیراز امروز"}), ""),
        (f'<meta name="application-name" content="شیراز امروز"><title>{TITLE}</title>', "<h1>شیراز امروز</h1>"),
        (f"<title>شیراز امروز &gt; فرهنگ &gt; {TITLE}</title>", ""),
        (f"<title>{TITLE}</title>", '<h1><span><a href="https://shiraz.example/index.php">شیراز امروز</a></span></h1>'),
    ],
)
def test_the_name_of_the_outlet_is_no_title(head: str, heading: str) -> None:
    found = read(html(head, f"<div>{heading}</div><h2>{TITLE}</h2><p>{FIRST}</p><p>{SECOND}</p>"))
    assert (found.title, found.lead) == (TITLE, FIRST)


@pytest.mark.parametrize(
    "notice",
    [
        f"<div style='position:absolute;left:-9999px'><p>{SECOND}</p></div>",
        f"<p class='sr-only'>{SECOND}</p>",
        f"<div hidden><div><p>{SECOND}</p></div></div>",
        f"<div id='cookie-law-info-bar'><p>{SECOND}</p></div>",
        f"<div class='gdpr-banner'><p>{SECOND}</p></div>",
        f"<div role='dialog'><p>{SECOND}</p></div>",
        f"<div class='menu hidden'><h1><a href='/'>شیراز</a></h1><p>{SECOND}</p></div>",
        f"<dialog><p>{SECOND}</p></dialog><template><p>{SECOND}</p></template>",
        "<p>این سایت برای بهبود کار خود از کوکی‌ها استفاده می‌کند و با ماندن در آن این را می‌پذیرید.</p>",
        "<p>We use cookies to improve your experience on our website and to show you relevant news.</p>",
        "<p>نحن نستخدم ملفات تعريف الارتباط لتحسين تجربتك على موقعنا ولتحليل حركة الزيارات إليه.</p>",
    ],
)
def test_what_readers_do_not_see_is_no_lead(notice: str) -> None:
    found = read(html(f"<title>{TITLE}</title>", f"<h1>{TITLE}</h1>{notice}<p>{FIRST}</p>"))
    assert (found.lead, found.body) == (FIRST, "")


def test_what_holds_the_article_is_not_hidden() -> None:
    for attribute in ("style='visibility:hidden'", "class='cookies-enabled'", "class='hidden md:block'"):
        assert read(html(body=f"<div {attribute}><h1>{TITLE}</h1><p>{FIRST}</p></div>")).lead == FIRST
    about_cookies = "مرورگرها از سال آینده کوکی‌های دیگران را نگه نمی‌دارند و شرکت‌ها در پی راه دیگری هستند."
    assert read(html(body=f"<h1>{TITLE}</h1><p>{about_cookies}</p>")).lead == about_cookies


@pytest.mark.parametrize(
    ("base", "canonical", "url"),
    [
        ("https://shiraz.example/fa/", "news/7", "https://shiraz.example/fa/news/7"),
        ("/fa/", "news/7", "https://shiraz.example/fa/news/7"),
        ("//cdn.shiraz.example/x/", "https://shiraz.example/news/7", "https://shiraz.example/news/7"),
        ("", "../7", "https://shiraz.example/7"),
    ],
)
def test_links_are_completed_with_the_base(base: str, canonical: str, url: str) -> None:
    head = f'<base href="{base}"><link rel="canonical" href="{canonical}"><meta property="og:image" content="a.jpg">'
    found = read(html(head), "https://shiraz.example/news/1")
    assert found.url == url
    assert found.image_url.endswith("/a.jpg")
    assert found.image_url.startswith("https://")


@pytest.mark.parametrize(
    "name",
    [
        "DC.date.issued",
        "DCTERMS.created",
        "dc:date",
        "pubdate",
        "publish-date",
        "og:published_time",
        "date",
        "sailthru.date",
    ],
)
def test_dates_in_meta_elements(name: str) -> None:
    head = (
        f'<meta name="DC.date.modified" content="2020-01-01"><meta name="{name}" content="2026-11-23T10:00:00+03:30">'
    )
    assert read(html(head)).published == OWN_DATE


def test_the_first_publication_counts_and_not_the_last_change() -> None:
    changed = '<meta property="article:published_time" content="2026-11-24T18:00:00+03:30">'
    assert read(html(changed + json_ld(DATA))).published == OWN_DATE


def test_a_title_that_is_also_given_as_an_application_is_no_outlet() -> None:
    head = f'<meta name="application-name" content="{TITLE}"><meta property="dc:title og:title" content="{TITLE}">'
    assert read(html(head, f"<h1>شیراز امروز، سایت خبری</h1><h2>{TITLE}</h2><p>{FIRST}</p>")).title == TITLE


@pytest.mark.parametrize("button", ["Share on Facebook", "اشتراک گذاری", "نظرات (۳)", "کپی لینک"])
def test_buttons_below_the_title_do_not_end_the_text(button: str) -> None:
    found = read(
        html(body=f"<h1>{TITLE}</h1><div>{button}</div><p>{FIRST}</p><p>{SECOND}</p><div>{button}</div><p>{FIRST}</p>")
    )
    assert (found.lead, found.body) == (FIRST, SECOND)


def test_a_text_that_a_script_makes_is_read_from_json_ld() -> None:
    found = read(html(json_ld(DATA | {"articleBody": f"{FIRST}\n\n{SECOND}"}), "<div id=app></div>"))
    assert (found.title, found.lead, found.body) == (TITLE, FIRST, SECOND)


def test_a_title_in_other_words_than_the_heading_is_no_reason_to_refuse_a_page() -> None:
    head = '<meta property="og:title" content="کتابخانهٔ شیراز باز شد"><meta property="og:type" content="article">'
    assert read(html(head)).title == TITLE
    image = read(html(head, f"<article><img alt='x'><p>{FIRST}</p><p>{SECOND}</p></article>"))
    assert (image.title, image.lead) == ("کتابخانهٔ شیراز باز شد", FIRST)


SLOW_MARKUP = (*("<a b='", "<!--", "<div>", "<script", "<title></tit", "<time datetime='", "<article>", "<p hidden>"),)


@pytest.mark.parametrize("part", SLOW_MARKUP)
def test_markup_that_is_meant_to_take_long_is_refused(part: str) -> None:
    def seconds(count: int) -> float:
        begun = time.process_time()
        with pytest.raises(UnreadableInput):
            read(html(body=part * count))
        return time.process_time() - begun

    assert seconds(9_500) < 40 * (seconds(950) + 0.005)


def test_too_many_tags_are_refused() -> None:
    with pytest.raises(UnreadableInput, match="too many tags for a news page"):
        read("<p>" * 20_001)


@given(st.text(alphabet="<>/ahpimetscrl\"'=! {}[]@:گچ\n\0", max_size=300))
@settings(max_examples=200, deadline=None)
def test_no_other_error_is_raised(text: str) -> None:
    try:
        found = read(html(text, f"<h1>{TITLE}</h1>{text}<p>{FIRST}</p>"))
    except UnreadableInput:
        return
    assert "\n" not in found.title + found.lead
