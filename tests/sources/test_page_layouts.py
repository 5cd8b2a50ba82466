"""How common systems write the page of an article. Each row of the table in docs/articles.md has its test here."""

import json
import re
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from mailer.model import FoundArticle
from mailer.sources.read import read

TEHRAN = ZoneInfo("Asia/Tehran")
DOCS = Path(__file__).parents[2] / "docs" / "articles.md"
NOON = datetime(2026, 1, 27, 9, 0, tzinfo=UTC)  # 12:30 in Tehran, ۷ بهمن ۱۴۰۴
TITLE = "پل تازهٔ سپیدرود پس از چهار سال گشوده شد"
FIRST = "پل تازهٔ سپیدرود امروز با حضور مردم دو شهر گشوده شد و رفت‌وآمد میان دو کرانه از نیم‌روز آزاد است."
SECOND = "ساخت این پل چهار سال پیش آغاز شد و به گفتهٔ سازندگان آن، در برابر سیلاب‌های بزرگ پایدار می‌ماند."
LEAD = "پلی که دو شهر شمالی را به هم می‌رساند، پس از چهار سال ساخت به بهره‌برداری رسید."
BODY = f"<p>{FIRST}</p><p>{SECOND}</p>"
COMMON = {"title": TITLE, "lead": FIRST, "body": SECOND, "published": NOON}


def data(*objects: dict[str, Any]) -> str:
    """Return JSON-LD as a system writes it."""
    return "".join(
        f'<script type="application/ld+json">{json.dumps(each, ensure_ascii=False)}</script>' for each in objects
    )


@dataclass(frozen=True)
class Layout:
    """A page of a system, fetched from `address`, and the values of its article: fields of FoundArticle."""

    system: str
    html: str
    expected: dict[str, Any]
    address: str = "https://tabesh.example/news/bridge"


YOAST = {
    "@context": "https://schema.org",
    "@graph": [
        {
            "@type": "Article",
            "@id": "https://tabesh.example/news/bridge/#article",
            "isPartOf": {"@id": "https://tabesh.example/news/bridge/"},
            "author": {"name": "مینا سپهری", "@id": "https://tabesh.example/#/schema/person/1"},
            "headline": TITLE,
            "datePublished": "2026-01-27T09:00:00+00:00",
            "dateModified": "2026-01-28T09:00:00+00:00",
            "mainEntityOfPage": {"@id": "https://tabesh.example/news/bridge/"},
            "publisher": {"@id": "https://tabesh.example/#organization"},
            "image": {"@id": "https://tabesh.example/news/bridge/#primaryimage"},
            "keywords": ["پل", "گیلان"],
            "articleSection": ["جامعه"],
        },
        {
            "@type": "WebPage",
            "@id": "https://tabesh.example/news/bridge/",
            "url": "https://tabesh.example/news/bridge/",
        },
        {
            "@type": "ImageObject",
            "@id": "https://tabesh.example/news/bridge/#primaryimage",
            "url": "https://tabesh.example/wp-content/uploads/bridge.jpg",
        },
        {"@type": "Organization", "@id": "https://tabesh.example/#organization", "name": "تابش"},
        {"@type": "WebSite", "name": "تابش", "url": "https://tabesh.example/"},
    ],
}

LAYOUTS = (
    Layout(
        "WordPress with Yoast SEO",
        f"""<!doctype html><html dir="rtl" lang="fa-IR"><head><title>{TITLE} - تابش</title>
        <link rel="canonical" href="https://tabesh.example/news/bridge/"><meta property="og:type" content="article">
        {data(YOAST)}</head><body class="rtl single"><a class="skip-link screen-reader-text" href="#content">پرش</a>
        <header class="site-header"><p class="site-title"><a href="https://tabesh.example/">تابش</a></p></header>
        <main><article class="post type-post"><header class="entry-header"><h1 class="entry-title">{TITLE}</h1>
        <a rel="bookmark"><time class="entry-date published" datetime="2026-01-27T12:30:00+03:30">بهمن</time><time
        class="updated" datetime="2026-01-28T12:30:00+03:30">بهمن</time></a></header><div class="entry-content">{BODY}
        </div></article></main></body></html>""",
        COMMON
        | {
            "url": "https://tabesh.example/news/bridge/",
            "author": "مینا سپهری",
            "category": "جامعه",
            "tags": ("پل", "گیلان"),
            "image_url": "https://tabesh.example/wp-content/uploads/bridge.jpg",
        },
    ),
    Layout(
        "WordPress without a plugin",
        f"""<!doctype html><html dir="rtl" lang="fa-IR"><head><title>{TITLE} &#8211; تابش</title>
        <link rel='shortlink' href='https://tabesh.example/?p=7'></head><body class="single"><h1 class="site-title">
        <a href="https://tabesh.example/" rel="home">تابش</a></h1><article class="post hentry"><h1 class="entry-title">
        {TITLE}</h1><span class="posted-on"><time class="entry-date published updated"
        datetime="2026-01-27T12:30:00+03:30">بهمن</time></span>{BODY}</article>
        <div class="related"><article><time datetime="2019-05-05T00:00:00+03:30">۱۳۹۸</time><h3>خبر دیگر</h3></article></div>
        </body></html>""",
        COMMON | {"url": "https://tabesh.example/news/bridge"},
    ),
    Layout(
        "Joomla",
        f"""<!DOCTYPE html><html lang="fa-ir" dir="rtl"><head><base href="https://tabesh.example/news/bridge">
        <meta name="author" content="مینا سپهری"><title>{TITLE}</title></head><body>
        <div class="com-content-article item-page" itemscope itemtype="https://schema.org/Article">
        <meta itemprop="inLanguage" content="fa-IR"><div class="page-header"><h1 itemprop="headline">{TITLE}</h1></div>
        <dl class="article-info text-muted"><dt class="article-info-term"><span class="visually-hidden">جزئیات</span></dt>
        <dd class="published"><time datetime="2026-01-27T09:00:00+00:00" itemprop="datePublished">۷ بهمن</time></dd>
        <dd class="modified"><time datetime="2026-01-28T09:00:00+00:00" itemprop="dateModified">۸ بهمن</time></dd></dl>
        <div itemprop="articleBody" class="com-content-article__body">{BODY}</div></div></body></html>""",
        COMMON | {"author": "مینا سپهری", "url": "https://tabesh.example/news/bridge"},
    ),
    Layout(
        "Drupal",
        f"""<!DOCTYPE html><html lang="fa" dir="rtl" prefix="schema: http://schema.org/"><head>
        <title>{TITLE} | تابش</title><link rel="canonical" href="/node/7"></head><body><h1><span
        property="schema:name">{TITLE}</span></h1><article role="article" about="/node/7" typeof="schema:Article">
        <span property="schema:name" content="{TITLE}" class="hidden"></span><footer><span
        property="schema:author">مینا</span></footer><span property="schema:dateCreated"
        content="2026-01-27T09:00:00+00:00" class="hidden"></span><div property="schema:text">{BODY}</div></article>
        </body></html>""",
        COMMON | {"url": "https://tabesh.example/node/7"},
    ),
    Layout(
        "Blogger",
        f"""<!DOCTYPE html><html dir='rtl'><head><title>تابش: {TITLE}</title>
        <meta content='{TITLE}' property='og:title'><link href='https://tabesh.example/2026/01/bridge.html'
        rel='canonical'></head><body><h1 class='title'><a href='https://tabesh.example/'>تابش</a></h1>
        <h2 class='date-header'><span>۷ بهمن</span></h2><div class='post hentry' itemprop='blogPost' itemscope='itemscope'
        itemtype='http://schema.org/BlogPosting'><h3 class='post-title entry-title' itemprop='name'>{TITLE}</h3>
        <div class='post-body entry-content' itemprop='description articleBody'>{BODY}</div><div class='post-footer'>
        <a class='timestamp-link'><abbr class='published' itemprop='datePublished'
        title='2026-01-27T12:30:00+03:30'>۱۲:۳۰</abbr></a></div></div></body></html>""",
        COMMON | {"url": "https://tabesh.example/2026/01/bridge.html"},
    ),
    Layout(
        "Ghost, a post for members",
        f"""<!DOCTYPE html><html lang="fa" dir="rtl"><head><title>{TITLE}</title><meta name="description" content="{
            LEAD
        }">
        <meta property="og:site_name" content="تابش"><meta property="article:published_time"
        content="2026-01-27T09:00:00.000Z"><meta property="article:tag" content="جامعه">
        {
            data(
                {
                    "@context": "https://schema.org",
                    "@type": "Article",
                    "publisher": {"@type": "Organization", "name": "تابش"},
                    "author": {"@type": "Person", "name": "مینا سپهری", "url": "https://tabesh.example/author/mina/"},
                    "headline": TITLE,
                    "url": "https://tabesh.example/bridge/",
                    "isAccessibleForFree": False,
                    "image": {"@type": "ImageObject", "url": "https://tabesh.example/content/images/bridge.jpg"},
                }
            )
        }</head><body><article class="gh-article"><h1>{TITLE}</h1>{BODY}</article></body></html>""",
        COMMON
        | {
            "lead": LEAD,
            "body": f"{FIRST}\n{SECOND}",
            "closed": True,
            "author": "مینا سپهری",
            "image_url": "https://tabesh.example/content/images/bridge.jpg",
        },
    ),
    Layout(
        "IranSamaneh",
        f"""<!DOCTYPE html><html dir="rtl" lang="fa"><head><title>{TITLE}</title>
        <meta name="dc.title" content="تابش | {TITLE}"><meta name="dc.publisher" content="تابش">
        <meta property="og:site_name" content="تابش"></head><body><div class="news_nav news_id_c">کد خبر: ۱۲۳۴۵۶</div>
        <div class="news_nav news_pdate_c"><span class="news_nav_title">تاریخ انتشار: </span>۰۷ بهمن ۱۴۰۴ - ۱۲:۳۰
        <span class="en_date visible-lg">27 January 2026</span></div><div class="title"><h1 class="Htag"><a
        href="/fa/news/123456/x">{TITLE}</a></h1></div><div class="subtitle">{LEAD}</div><div class="body"><div>{FIRST}</div>
        <div>{SECOND}</div></div><div class="tags_title">برچسب ها: پل</div></body></html>""",
        COMMON | {"lead": LEAD, "body": f"{FIRST}\n{SECOND}", "published": NOON},
        "https://tabesh.example/fa/news/123456",
    ),
    Layout(
        "Nastooh",
        f"""<!DOCTYPE html><html lang="fa" dir="rtl"><head><title>{TITLE} - تابش</title>
        <meta property="og:title" content="{TITLE}"><meta property="og:site_name" content="تابش">
        <meta name="article.section" content="جامعه"><meta property="article:published_time"
        content="2026-01-27T09:00:00Z"><meta itemprop="datePublished" content="2026-01-27T09:00:00Z"></head><body>
        <article class="item" id="item"><div class="item-header"><div class="item-title"><h1 class="title"
        itemprop="headline"><a href="/news/7/x" itemprop="url">{TITLE}</a></h1></div><p class="summary introtext"
        itemprop="description">{LEAD}</p></div><div class="item-body"><div class="item-text" itemprop="articleBody">{BODY}
        </div></div></article><section class="box related"><header><h2>اخبار مرتبط</h2></header></section></body></html>""",
        COMMON | {"lead": LEAD, "body": f"{FIRST}\n{SECOND}"},
    ),
    Layout(
        "AMP",
        f"""<!doctype html><html amp lang="fa" dir="rtl"><head><title>{TITLE}</title>
        <link rel="canonical" href="https://tabesh.example/news/bridge"><style amp-boilerplate>body{{}}</style>
        {
            data(
                {
                    "@type": "NewsArticle",
                    "mainEntityOfPage": "https://tabesh.example/news/bridge",
                    "headline": TITLE,
                    "datePublished": "2026-01-27T12:30:00+03:30",
                    "image": ["https://tabesh.example/bridge.jpg"],
                }
            )
        }</head><body><amp-sidebar id="menu"><p>{
            "فهرست سرویس‌های خبری تابش برای خوانندگان تلفن همراه. " * 2
        }</p></amp-sidebar>
        <amp-consent layout="nodisplay"><p>برای ادامهٔ کار باید با شرایط ما موافق باشید و دکمهٔ زیر را بزنید.</p></amp-consent>
        <h1>{TITLE}</h1>{BODY}</body></html>""",
        COMMON | {"image_url": "https://tabesh.example/bridge.jpg", "url": "https://tabesh.example/news/bridge"},
        "https://tabesh.example/news/bridge/amp",
    ),
    Layout(
        "Wix",
        f"""<!DOCTYPE html><html lang="fa"><head><title>{TITLE} | tabesh</title><meta property="og:title" content="{
            TITLE
        }">
        <meta property="og:type" content="article"><meta property="og:site_name" content="tabesh">
        <meta property="article:published_time" content="2026-01-27T09:00:00.000Z">
        <meta property="article:author" content="https://tabesh.example/profile/mina">
        {
            data(
                {
                    "@type": "BlogPosting",
                    "author": {"@type": "Person", "name": "مینا سپهری"},
                    "datePublished": "2026-01-27T09:00:00.000Z",
                    "headline": TITLE,
                    "mainEntityOfPage": {"@type": "WebPage", "@id": "https://tabesh.example/post/bridge"},
                }
            )
        }</head><body><div role="dialog" aria-label="cookies"><p>{
            FIRST
        }</p></div><div style="visibility:hidden"><h1><span
        class="blog-post-title-font">{TITLE}</span></h1><div data-hook="post-description">{
            BODY
        }</div></div></body></html>""",
        COMMON | {"author": "مینا سپهری"},
    ),
    Layout(
        "Squarespace",
        f"""<!doctype html><html lang="fa-IR"><head><title>{TITLE} &mdash; تابش</title>
        <meta property="og:site_name" content="تابش"><meta property="og:title" content="{TITLE} &mdash; تابش">
        <meta itemprop="headline" content="{TITLE}"><meta itemprop="datePublished" content="2026-01-27T12:30:00+0330">
        <meta itemprop="dateModified" content="2026-01-28T12:30:00+0330"><link rel="image_src" href="/bridge.jpg"></head>
        <body><header><time datetime="2020-01-01">امروز</time></header><article class="h-entry"><h1 class="entry-title
        p-name" itemprop="headline">{TITLE}</h1><time class="dt-published" pubdate datetime="2026-01-27">بهمن</time>{BODY}
        </article></body></html>""",
        COMMON | {"image_url": "https://tabesh.example/bridge.jpg"},
    ),
    Layout(
        "A news site with lists of NewsArticle",
        f"""<!doctype html><html lang="fa"><head><title>{TITLE} | تابش</title>
        {
            data(
                {
                    "@type": "ItemList",
                    "itemListElement": [
                        {
                            "@type": "ListItem",
                            "item": {"@type": "NewsArticle", "headline": "خبر دیگر", "datePublished": "2019-01-01"},
                        }
                    ],
                },
                {
                    "@type": "BreadcrumbList",
                    "itemListElement": [
                        {"@type": "ListItem", "position": 1, "name": "خانه", "item": "https://tabesh.example"},
                        {"@type": "ListItem", "position": 2, "item": {"@id": "/society", "name": "جامعه"}},
                        {"@type": "ListItem", "position": 3, "name": TITLE},
                    ],
                },
                {"@type": "NewsArticle", "headline": "خبر مرتبط", "url": "https://tabesh.example/2"},
                {"@type": "NewsArticle", "headline": TITLE, "datePublished": "2026-01-27T12:30:00+03:30"},
            )
        }</head><body><h1>{TITLE}</h1>{BODY}</body></html>""",
        COMMON | {"category": "جامعه", "url": "https://tabesh.example/news/bridge"},
    ),
    Layout(
        "Dublin Core (libraries, government sites)",
        f"""<html><head><title>تابش :: {TITLE}</title><meta name="DC.title" lang="fa" content="{TITLE}">
        <meta name="DCTERMS.issued" scheme="W3CDTF" content="2026-01-27T12:30:00+03:30">
        <meta name="DC.date.modified" content="2026-01-29"><meta name="DC.creator" content="مینا سپهری">
        <meta name="DC.description" content="{LEAD}"></head><body><table><tr><td><h2>{TITLE}</h2>{BODY}</td></tr></table>
        </body></html>""",
        COMMON | {"author": "مینا سپهری", "lead": LEAD, "body": f"{FIRST}\n{SECOND}"},
    ),
    Layout(
        "Home-made, without metadata",
        f"""<html><head><title>{TITLE}</title></head><body><table><tr><td>صفحه اصلی » جامعه » {TITLE}</td></tr></table>
        <div class="title">{TITLE}</div><div>تاریخ انتشار: سه‌شنبه ۷ بهمن ۱۴۰۴ - ۱۲:۳۰</div><div>{FIRST}<br><br>{SECOND}</div>
        <div>خبرهای دیگر</div><div>باران در راه است</div></body></html>""",
        COMMON | {"category": "جامعه"},
    ),
)


def article_of(layout: Layout) -> FoundArticle:
    found = read("page.html", layout.html.encode(), zone=TEHRAN, page_at=layout.address)
    assert found.notes == ()
    (article,) = found.articles
    return article


@pytest.mark.parametrize("layout", LAYOUTS, ids=lambda layout: layout.system)
def test_the_page_of_each_system_gives_its_article(layout: Layout) -> None:
    article = article_of(layout)
    assert {name: getattr(article, name) for name in layout.expected} == layout.expected


def test_the_document_has_a_row_for_each_layout() -> None:
    part = DOCS.read_text("utf-8").partition("### How systems write their pages")[2].partition("\n### ")[0]
    rows = re.findall(r"^\| ([^|]+?) \|", part.partition("| --- |")[2], re.MULTILINE)
    assert rows == [layout.system for layout in LAYOUTS]
