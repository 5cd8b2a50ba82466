"""Feeds as newsrooms publish them: dialects, damage and attacks."""

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest

from mailer.articles.collect import undated
from mailer.errors import UnreadableInput
from mailer.sources.found import Found
from mailer.sources.identity import identify
from mailer.sources.read import read

TEHRAN = ZoneInfo("Asia/Tehran")
SPACES = (
    'xmlns:media="http://search.yahoo.com/mrss/" xmlns:content="http://purl.org/rss/1.0/modules/content/" '
    'xmlns:dc="http://purl.org/dc/elements/1.1/" xmlns:slash="http://purl.org/rss/1.0/modules/slash/"'
)


def rss(*items: str, title: str = "خبرگزاری تابش | آخرین خبرها") -> bytes:
    inner = "".join(f"<item>{item}</item>" for item in items)
    link = "<link>https://www.tabesh.example/</link>"
    return f'<rss version="2.0" {SPACES}><channel><title>{title}</title>{link}{inner}</channel></rss>'.encode()


def of(content: bytes, name: str = "feed.xml") -> Found:
    return read(name, content, zone=TEHRAN)


def test_every_field_of_an_rss_item() -> None:
    found = of(
        rss(
            """<media:title>عکس</media:title>
            <title>
                باران &amp;amp; برف در &lt;b&gt;شمال&lt;/b&gt;
            </title>
            <link>
                https://tabesh.example/fa/news/818316/باران
            </link>
            <guid isPermaLink="false"> 818316 </guid>
            <description>به گزارش تابش، باران بارید.</description>
            <content:encoded><![CDATA[<p>باران بارید.</p><p>برف هم.</p>]]></content:encoded>
            <media:description>کوه زیر باران</media:description>
            <pubDate>سه شنبه ۷ بهمن ۱۴۰۴ ۱۲:۳۰</pubDate>
            <author>news@tabesh.example (مینا سپهری)</author>
            <category>جامعه</category><category>هوا</category><category>هوا</category>
            <slash:comments>12</slash:comments>
            <media:content url="/small.jpg" width="100"/><media:content url="/large.jpg" width="800"/>
            <media:content url="/film.mp4" type="video/mp4" width="1920"/>"""
        )
    )
    assert found.notes == ()
    (article,) = found.articles
    assert article.title == "باران & برف در شمال"
    assert article.url == "https://tabesh.example/fa/news/818316/باران"
    assert article.source == "tabesh.example"
    assert article.guid == "818316"
    assert article.lead == "باران بارید."
    assert article.body == "باران بارید.\nبرف هم."
    assert article.published == datetime(2026, 1, 27, 9, 0, tzinfo=UTC)
    assert article.published_raw == "سه شنبه ۷ بهمن ۱۴۰۴ ۱۲:۳۰"
    assert (article.category, article.tags, article.author) == ("جامعه", ("هوا",), "مینا سپهری")
    assert (article.image_url, article.image_alt) == ("https://tabesh.example/large.jpg", "کوه زیر باران")
    assert (article.views, article.comments) == (None, 12)


@pytest.mark.parametrize(
    ("media", "image"),
    [
        ('<enclosure url="https://t.example/a.jpg" type="image/jpeg" length="1"/>', "https://t.example/a.jpg"),
        ('<enclosure url="https://t.example/a.mp3" type="audio/mpeg" length="1"/>', ""),
        ('<media:thumbnail url="https://t.example/a"/>', "https://t.example/a"),
        ('<media:content url="https://t.example/a" medium="image"/>', "https://t.example/a"),
        ('<media:content url="https://t.example/a.jpg" medium="video"/>', ""),
        ('<media:content url="https://t.example/watch"/>', ""),
        ('<media:content url="javascript:x.jpg"/>', ""),
    ],
)
def test_only_pictures_are_images(media: str, image: str) -> None:
    (article,) = of(rss(f"<title>باران</title>{media}")).articles
    assert article.image_url == image


def test_atom() -> None:
    (article,) = of(
        """<?xml version="1.0" encoding="utf-8"?><feed xmlns="http://www.w3.org/2005/Atom"><title>تابش</title>
        <link href="https://tabesh.example/"/><entry><title type="html">باران &amp;lt; برف</title>
        <link href="/a/12345"/><id>tag:tabesh.example,2026:12345</id><updated>2026-01-27T09:00:00Z</updated>
        <content type="html">&lt;p&gt;باران از بامداد امروز در استان‌های شمالی آغاز شد.&lt;/p&gt;</content>
        </entry></feed>""".encode()
    ).articles
    assert article.title == "باران < برف"
    assert article.url == "https://tabesh.example/a/12345"
    assert article.published == datetime(2026, 1, 27, 9, 0, tzinfo=UTC)
    assert article.lead == article.body == "باران از بامداد امروز در استان‌های شمالی آغاز شد."


def test_a_description_that_is_the_whole_article_is_its_body() -> None:
    sentence = "باران از بامداد امروز در استان‌های شمالی آغاز شد. "
    (article,) = of(rss(f"<title>باران</title><description>{sentence * 40}</description>")).articles
    assert len(article.body) > 1000
    assert article.body.startswith(article.lead)
    assert len(article.lead) <= 320


def test_other_encodings() -> None:
    item = "<rss version='2.0'><channel><item><title>ايران</title></item></channel></rss>"
    for encoding in ("windows-1256", "utf-16", "utf-8"):
        content = f"<?xml version='1.0' encoding='{encoding}'?>{item}".encode(encoding)
        assert of(content).articles[0].title == "ايران"


def test_an_item_without_title_is_left_out_and_named() -> None:
    found = of(rss("<title>باران</title>", "<link>https://tabesh.example/2</link><title> <![CDATA[<b></b>]]></title>"))
    assert [article.title for article in found.articles] == ["باران"]
    assert found.notes == ("feed.xml: item 2 (https://tabesh.example/2) has no title and was left out.",)


def test_a_damaged_feed_gives_what_can_be_read() -> None:
    content = rss("<title>باران & برف</title>", "<title>تگرگ\x03 و مه</title>")
    found = of(content)
    assert [article.title for article in found.articles] == ["باران & برف", "تگرگ و مه"]
    assert len(found.notes) == 1
    assert "the XML is damaged near line " in found.notes[0]


def test_a_feed_that_was_cut_off_loses_its_half_item_only() -> None:
    whole = rss("<title>باران در شمال</title>", "<title>برف در کوهستان</title>")
    found = of(whole[: whole.index("کوهستان".encode())])
    assert [article.title for article in found.articles] == ["باران در شمال"]
    assert "item 2, the last, is cut off" in found.notes[1]


def test_a_feed_without_items_is_no_error() -> None:
    assert of(rss()) == Found((), ("feed.xml: the feed has no items.",))


def test_dates_that_cannot_be_read_are_noted_once() -> None:
    found = of(rss(*["<title>باران</title><pubDate>دیروز عصر</pubDate>"] * 3))
    assert [article.published for article in found.articles] == [None] * 3
    (note,) = undated("feed.xml", found.articles)
    assert note.startswith("feed.xml: 3 of 3 items have no date that can be read, such as 'دیروز عصر'. ")


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"<rss version='2.0'><channel><title>x", "broken XML"),
        (b"<opml version='2.0'><body/></opml>", "neither RSS nor Atom"),
        (b"<!-- 1 --> <!DOCTYPE html>\n<html lang=fa><body>", "an HTML page, not a feed"),
        (b"<?xml version='1.0'?><html xmlns='http://www.w3.org/1999/xhtml'/>", "an HTML page, not a feed"),
        (b"<div>x</div>", "an HTML page, not a feed"),
        ("باران".encode(), "this is not XML"),
    ],
)
def test_a_file_that_is_not_a_feed_is_refused_with_its_name_and_a_fix(content: bytes, says: str) -> None:
    with pytest.raises(UnreadableInput, match=says) as refused:
        of(content, "اخبار.xml")
    assert refused.value.message.startswith("اخبار.xml: ")
    assert refused.value.fix


HOSTILE_DTDS = [
    '<!DOCTYPE x [<!ENTITY a "هاها"><!ENTITY b "&a;&a;&a;&a;">]>',
    '<!DOCTYPE x [\n<!ENTITY a "هاها">\n]>',
    '<!DOCTYPE x [<!ENTITY own SYSTEM "file:///etc/hostname">]>',
    '<!DOCTYPE x [<!ENTITY % far SYSTEM "http://127.0.0.1:9/x.dtd"> %far;]>',
    '<!-- <rss> --><!DOCTYPE x [<!-- > ] --><!ENTITY a "هاها">]>',
]


@pytest.mark.parametrize("dtd", HOSTILE_DTDS)
@pytest.mark.parametrize("encoding", ["utf-8", "utf-16"])
def test_a_feed_that_defines_entities_is_refused(dtd: str, encoding: str) -> None:
    item = "<item><title>باران &a;</title></item>"
    content = f"<?xml version='1.0' encoding='{encoding}'?>{dtd}<rss version='2.0'><channel>{item}</channel></rss>"
    with pytest.raises(UnreadableInput, match="this XML defines entities") as refused:
        of(content.encode(encoding))
    assert refused.value.fix


def test_entities_in_another_spelling_are_not_expanded() -> None:
    content = b"<?xml version='1.0' encoding='utf-7'?>+ADwAIQ-DOCTYPE x [+ADwAIQ-ENTITY a 'ha'>]>" + rss(
        "<title>x &a;</title>"
    )
    assert of(content).articles[0].title == "x &a;"


@pytest.mark.parametrize("codec", ["punycode", "IDNA", "undefined_", "unicode--escape", "raw-unicode-escape"])
def test_codecs_that_are_not_text_encodings_are_ignored(codec: str) -> None:
    found = of(f"<?xml version='1.0'{' ' * 200}encoding='{codec}'?>".encode() + rss("<title>باران</title>") * 300)
    assert found.articles[0].title == "باران"
    assert f"read as UTF-8, although it declares {codec!r}" in found.notes[-1]


def test_an_old_doctype_and_an_item_about_entities_are_accepted() -> None:
    doctype = b'<!DOCTYPE rss PUBLIC "-//Netscape Communications//DTD RSS 0.91//EN" "http://x.example/rss.dtd">'
    assert len(of(doctype + rss("<title>باران</title>")).articles) == 1
    about = "<title>XML</title><description><![CDATA[&lt;!DOCTYPE&gt; و <!ENTITY x>]]></description>"
    assert len(of(rss(about)).articles) == 1


def test_the_content_is_never_taken_for_a_file_or_an_address() -> None:
    for content in (__file__.encode(), b"http://127.0.0.1:9/feed.xml"):
        with pytest.raises(UnreadableInput):
            of(content)


def test_hostile_titles_are_one_plain_line() -> None:
    hostile = [
        "=?utf-8?b?QmNjOiB4?=",
        "باران&#13;&#10;Bcc: x@example.org",
        "\u202eناراب",
        "&lt;img src=x onerror=y&gt;باران",
    ]
    found = of(rss(*(f"<title>{title}</title>" for title in hostile)))
    titles = [article.title for article in found.articles]
    assert titles == ["=?utf-8?b?QmNjOiB4?=", "باران Bcc: x@example.org", "ناراب", "باران"]


def test_the_same_feed_twice_gives_the_same_identities() -> None:
    content = rss("<title>خبر</title><description>یک</description>", "<title>خبر</title><description>دو</description>")
    once, twice = ([identify(article) for article in of(content).articles] for _ in range(2))
    assert once == twice
    assert len({each.identity for each in once}) == 2


def test_json_feed() -> None:
    found = of(
        """{"version": "https://jsonfeed.org/version/1.1", "home_page_url": "https://tabesh.example/", "items": [
        {"id": 7, "url": "/a/7", "title": "باران", "content_html": "<p>یک</p><p>دو</p>", "summary": "باران بارید.",
         "image": "https://tabesh.example/7.jpg", "date_published": "2026-01-27T12:30:00+03:30",
         "authors": [{"name": "مینا"}, {"name": "رضا"}, 5], "tags": ["جامعه", "هوا"]},
        {"id": "8", "content_text": "بی‌عنوان"}, "x"]}""".encode(),
        "feed.json",
    )
    (article,) = found.articles
    assert (article.guid, article.url, article.source) == ("7", "https://tabesh.example/a/7", "tabesh.example")
    assert (article.lead, article.body, article.category, article.tags) == ("باران بارید.", "یک\nدو", "جامعه", ("هوا",))
    assert article.published == datetime(2026, 1, 27, 9, 0, tzinfo=UTC)
    assert (article.author, article.image_url) == ("مینا، رضا", "https://tabesh.example/7.jpg")
    assert [note.split(" ")[2] for note in found.notes] == ["2", "3"]
    assert of(b'{"items": []}', "feed.json") == Found((), ("feed.json: the feed has no items.",))
