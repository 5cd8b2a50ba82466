"""How common systems write their feeds. Each row of the table in docs/articles.md has its test here."""

import re
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from mailer.model import FoundArticle
from mailer.sources.identity import identify
from mailer.sources.read import read

TEHRAN = ZoneInfo("Asia/Tehran")
DOCS = Path(__file__).parents[2] / "docs" / "articles.md"
NOON = datetime(2026, 1, 27, 9, 0, tzinfo=UTC)  # 12:30 in Tehran, ۷ بهمن ۱۴۰۴
RAIN = "باران از بامداد امروز در استان‌های شمالی آغاز شد و تا شب ادامه دارد."


@dataclass(frozen=True)
class Dialect:
    """A document of a system, and the values of its first item: fields of FoundArticle, and the identity."""

    system: str
    document: str
    expected: dict[str, Any]
    file: str = "feed.xml"


DIALECTS = (
    Dialect(
        "WordPress, RSS 2.0",
        f"""<?xml version="1.0" encoding="UTF-8"?><rss version="2.0"
        xmlns:content="http://purl.org/rss/1.0/modules/content/" xmlns:wfw="http://wellformedweb.org/CommentAPI/"
        xmlns:dc="http://purl.org/dc/elements/1.1/" xmlns:atom="http://www.w3.org/2005/Atom"
        xmlns:sy="http://purl.org/rss/1.0/modules/syndication/" xmlns:slash="http://purl.org/rss/1.0/modules/slash/">
        <channel><title>تابش</title>
        <atom:link href="https://tabesh.example/feed/" rel="self" type="application/rss+xml"/>
        <link>https://tabesh.example</link><lastBuildDate>Tue, 27 Jan 2026 10:00:00 +0000</lastBuildDate>
        <item><title>باران &#8211; برف</title><link>https://tabesh.example/1404/rain/</link>
        <comments>https://tabesh.example/1404/rain/#respond</comments>
        <dc:creator><![CDATA[مینا سپهری]]></dc:creator><pubDate>Tue, 27 Jan 2026 09:00:00 +0000</pubDate>
        <category><![CDATA[جامعه]]></category><category><![CDATA[هوا]]></category>
        <guid isPermaLink="false">https://tabesh.example/?p=4711</guid>
        <description><![CDATA[<p>باران بارید. [&#8230;]</p>
        <p>نوشته <a href="https://tabesh.example/rain/">باران</a> اولین بار در <a href="x">تابش</a> پدیدار شد.</p>]]>
        </description>
        <content:encoded><![CDATA[<p>{RAIN}</p><p>برف هم بارید.</p>]]></content:encoded>
        <wfw:commentRss>https://tabesh.example/1404/rain/feed/</wfw:commentRss><slash:comments>12</slash:comments>
        </item></channel></rss>""",
        {
            "title": "باران – برف",
            "url": "https://tabesh.example/1404/rain/",
            "identity": "guid:tabesh.example?p=4711",
            "published": NOON,
            "lead": "باران بارید.",
            "body": f"{RAIN}\nبرف هم بارید.",
            "category": "جامعه",
            "tags": ("هوا",),
            "author": "مینا سپهری",
            "comments": 12,
            "closed": None,
        },
    ),
    Dialect(
        "Joomla, RSS 2.0",
        """<?xml version="1.0" encoding="utf-8"?><!-- generator="Joomla! - Open Source Content Management" -->
        <rss version="2.0" xmlns:atom="http://www.w3.org/2005/Atom"><channel><title>تابش</title>
        <link>https://tabesh.example/index.php/news</link><item><title>باران در شمال</title>
        <link>https://tabesh.example/index.php/news/12-baran</link>
        <guid isPermaLink="true">https://tabesh.example/index.php/news/12-baran</guid>
        <description><![CDATA[<p><img src="/images/a.jpg" alt="" /></p><p>باران بارید.</p><p class="feed-readmore">
        <a target="_blank" href="/index.php/news/12-baran">ادامه مطلب: باران در شمال</a></p>]]></description>
        <author>news@tabesh.example (مینا سپهری)</author><category>جامعه</category>
        <pubDate>Tue, 27 Jan 2026 12:30:00 +0330</pubDate></item></channel></rss>""",
        {
            "identity": "guid:tabesh.example/index.php/news/12-baran",
            "lead": "باران بارید.",
            "author": "مینا سپهری",
            "category": "جامعه",
            "published": NOON,
        },
    ),
    Dialect(
        "Drupal, RSS 2.0",
        """<?xml version="1.0" encoding="utf-8"?><rss version="2.0" xml:base="https://tabesh.example/news"
        xmlns:dc="http://purl.org/dc/elements/1.1/"><channel><title>تابش</title><link>https://tabesh.example/news</link>
        <item><title>باران در شمال</title><link>https://tabesh.example/node/4711</link>
        <description>&lt;span property="schema:name"&gt;باران در شمال&lt;/span&gt;
&lt;div class="field"&gt;&lt;p&gt;باران بارید.&lt;/p&gt;&lt;p&gt;برف هم.&lt;/p&gt;&lt;/div&gt;</description>
        <pubDate>Tue, 27 Jan 2026 09:00:00 +0000</pubDate><dc:creator>مینا</dc:creator>
        <guid isPermaLink="false">4711 at https://tabesh.example</guid></item></channel></rss>""",
        {
            "identity": "guid:tabesh.example:4711 at https://tabesh.example",
            "lead": "باران در شمال باران بارید. برف هم.",
            "author": "مینا",
            "published": NOON,
        },
    ),
    Dialect(
        "Blogger, Atom",
        """<?xml version='1.0' encoding='UTF-8'?><feed xmlns='http://www.w3.org/2005/Atom'
        xmlns:thr='http://purl.org/syndication/thread/1.0' xmlns:media='http://search.yahoo.com/mrss/'>
        <id>tag:blogger.com,1999:blog-1</id><title type='text'>تابش</title>
        <link rel='self' type='application/atom+xml' href='https://tabesh.example/feeds/posts/default'/>
        <link rel='alternate' type='text/html' href='https://tabesh.example/'/>
        <entry><id>tag:blogger.com,1999:blog-1.post-4711</id><published>2026-01-27T12:30:00.001+03:30</published>
        <updated>2026-01-28T00:00:00.000+03:30</updated>
        <category scheme='http://www.blogger.com/atom/ns#' term='جامعه'/><title type='text'>باران در شمال</title>
        <content type='html'>&lt;div&gt;باران بارید.&lt;/div&gt;&lt;div&gt;برف هم.&lt;/div&gt;</content>
        <link rel='replies' type='text/html' href='https://tabesh.example/2026/01/rain.html#comment-form'/>
        <link rel='edit' type='application/atom+xml' href='https://www.blogger.com/feeds/1/posts/default/4711'/>
        <link rel='self' type='application/atom+xml' href='https://www.blogger.com/feeds/1/posts/default/4711'/>
        <link rel='alternate' type='text/html' href='https://tabesh.example/2026/01/rain.html' title='باران'/>
        <author><name>مینا سپهری</name><uri>https://tabesh.example/m</uri><email>noreply@blogger.com</email></author>
        <media:thumbnail url='https://tabesh.example/s72-c/a.jpg' height='72' width='72'/><thr:total>3</thr:total>
        </entry></feed>""",
        {
            "url": "https://tabesh.example/2026/01/rain.html",
            "identity": "guid:tabesh.example:tag:blogger.com,1999:blog-1.post-4711",
            "published": NOON,
            "body": "باران بارید.\nبرف هم.",
            "category": "جامعه",
            "author": "مینا سپهری",
            "image_url": "https://tabesh.example/s72-c/a.jpg",
            "comments": 3,
        },
    ),
    Dialect(
        "Ghost, RSS 2.0",
        f"""<?xml version="1.0" encoding="UTF-8"?><rss xmlns:dc="http://purl.org/dc/elements/1.1/"
        xmlns:content="http://purl.org/rss/1.0/modules/content/" xmlns:atom="http://www.w3.org/2005/Atom" version="2.0"
        xmlns:media="http://search.yahoo.com/mrss/"><channel><title><![CDATA[تابش]]></title>
        <link>https://tabesh.example/</link><item><title><![CDATA[باران در شمال]]></title>
        <description><![CDATA[باران بارید.]]></description><link>https://tabesh.example/rain/</link>
        <guid isPermaLink="false">65b4c0ffee65b4c0ffee0001</guid><category><![CDATA[جامعه]]></category>
        <dc:creator><![CDATA[مینا سپهری]]></dc:creator><pubDate>Tue, 27 Jan 2026 09:00:00 GMT</pubDate>
        <media:content url="https://tabesh.example/content/images/2026/01/a.jpg" medium="image"/>
        <content:encoded><![CDATA[<img src="https://tabesh.example/a.jpg" alt="کوه"><p>{RAIN}</p>]]></content:encoded>
        </item></channel></rss>""",
        {
            "identity": "guid:tabesh.example:65b4c0ffee65b4c0ffee0001",
            "lead": "باران بارید.",
            "body": RAIN,
            "image_url": "https://tabesh.example/content/images/2026/01/a.jpg",
            "author": "مینا سپهری",
        },
    ),
    Dialect(
        "Substack, RSS 2.0",
        f"""<rss version="2.0" xmlns:content="http://purl.org/rss/1.0/modules/content/"
        xmlns:itunes="http://www.itunes.com/dtds/podcast-1.0.dtd"><channel><title><![CDATA[تابش]]></title>
        <link>https://tabesh.example</link><item><title><![CDATA[باران در شمال]]></title>
        <description><![CDATA[This post is for paid subscribers]]></description>
        <link>https://tabesh.example/p/rain</link><guid isPermaLink="false">https://tabesh.example/p/rain</guid>
        <dc:creator><![CDATA[مینا]]></dc:creator><pubDate>Tue, 27 Jan 2026 09:00:00 GMT</pubDate>
        <enclosure url="https://tabesh.example/image/fetch/$s_!a!,f_auto/a.jpeg" length="0" type="image/jpeg"/>
        <content:encoded><![CDATA[<p>{RAIN}</p><p><a href="https://tabesh.example/p/rain">Read more</a></p>]]>
        </content:encoded></item></channel></rss>""",
        {
            "closed": True,
            "author": "مینا",
            "body": RAIN,
            "image_url": "https://tabesh.example/image/fetch/$s_!a!,f_auto/a.jpeg",
        },
    ),
    Dialect(
        "Medium, RSS 2.0",
        f"""<rss xmlns:dc="http://purl.org/dc/elements/1.1/" xmlns:content="http://purl.org/rss/1.0/modules/content/"
        xmlns:atom="http://www.w3.org/2005/Atom" version="2.0"><channel><title><![CDATA[تابش]]></title>
        <link>https://tabesh.example?source=rss-1</link><item><title><![CDATA[باران در شمال]]></title>
        <link>https://tabesh.example/rain-4f1e?source=rss-1&amp;utm_medium=feed</link>
        <guid isPermaLink="false">https://tabesh.example/p/4f1e</guid><category><![CDATA[weather]]></category>
        <dc:creator><![CDATA[مینا]]></dc:creator><pubDate>Tue, 27 Jan 2026 09:00:00 GMT</pubDate>
        <atom:updated>2026-01-29T09:00:00.000Z</atom:updated>
        <content:encoded><![CDATA[
        <h3>سرخط</h3><figure><img alt="" src="https://c.example/a.png" /><figcaption>عکس: رضا
        </figcaption></figure><p>{RAIN}</p><img src="https://tabesh.example/_/stat?e" width="1" height="1" />]]>
        </content:encoded></item></channel></rss>""",
        {
            "identity": "guid:tabesh.example/p/4f1e",
            "published": NOON,
            "body": f"سرخط\n{RAIN}",
            "lead": RAIN,
            "category": "weather",
        },
    ),
    Dialect(
        "FeedBurner",
        """<rss xmlns:feedburner="http://rssnamespace.org/feedburner/ext/1.0" version="2.0"><channel><title>تابش</title>
        <link>https://tabesh.example/</link><item><title>باران در شمال</title>
        <link>http://feedproxy.google.com/~r/tabesh/~3/AbC/rain.html</link>
        <guid isPermaLink="false">4711</guid><pubDate>Tue, 27 Jan 2026 09:00:00 GMT</pubDate>
        <description>باران بارید.&lt;img src="http://feeds.feedburner.com/~r/tabesh/~4/AbC" height="1" width="1"/&gt;
        </description><feedburner:origLink>https://tabesh.example/rain.html</feedburner:origLink></item></channel></rss>""",
        {"url": "https://tabesh.example/rain.html", "lead": "باران بارید.", "identity": "guid:tabesh.example:4711"},
    ),
    Dialect(
        "A counting service without the original link",
        """<rss version="2.0"><channel><title>تابش</title><link>https://tabesh.example/</link>
        <item><title>باران در شمال</title><link>http://feedproxy.google.com/~r/tabesh/~3/AbC/</link>
        <guid>https://tabesh.example/rain.html</guid></item></channel></rss>""",
        {"url": "https://tabesh.example/rain.html"},
    ),
    Dialect(
        "Google Alerts, Atom",
        """<feed xmlns="http://www.w3.org/2005/Atom"><id>tag:google.com,2005:reader/user/1</id><title>تابش</title>
        <link href="https://www.google.com/alerts/feeds/1" rel="self"/><entry><id>tag:google.com,2013:feed:4711</id>
        <title type="html">&lt;b&gt;باران&lt;/b&gt; در شمال</title>
        <link href="https://www.google.com/url?rct=j&amp;sa=t&amp;url=https://tabesh.example/rain%3Fid%3D1&amp;ct=ga"/>
        <published>2026-01-27T09:00:00Z</published><updated>2026-01-27T09:00:00Z</updated>
        <content type="html">&lt;b&gt;باران&lt;/b&gt; بارید&nbsp;...</content></entry></feed>""",
        {"title": "باران در شمال", "url": "https://tabesh.example/rain?id=1", "published": NOON},
    ),
    Dialect(
        ".NET (SyndicationFeed), RSS 2.0",
        """<?xml version="1.0" encoding="utf-8"?><rss xmlns:a10="http://www.w3.org/2005/Atom" version="2.0"><channel>
        <title>تابش</title><link>https://tabesh.example/</link><a10:id>tabesh</a10:id><item>
        <guid isPermaLink="false">4711</guid><link>https://tabesh.example/news/4711</link>
        <a10:author><a10:name>مینا سپهری</a10:name></a10:author><category>جامعه</category><title>باران در شمال</title>
        <description>باران بارید.</description><a10:updated>2026-01-27T12:30:00+03:30</a10:updated>
        <a10:content type="text">باران بارید. برف هم.</a10:content>
        <a10:link rel="enclosure" type="image/jpeg" href="/a.jpg"/></item></channel></rss>""",
        {
            "identity": "guid:tabesh.example:4711",
            "url": "https://tabesh.example/news/4711",
            "author": "مینا سپهری",
            "published": NOON,
            "body": "باران بارید. برف هم.",
            "image_url": "https://tabesh.example/a.jpg",
        },
    ),
    Dialect(
        "IranSamaneh, RSS 2.0",
        """<?xml version="1.0" encoding="utf-8"?><rss version="2.0"><channel><title>سایت خبری تابش</title>
        <link>https://www.tabesh.example/fa/rss/allnews</link><item><title>
            باران
            در شمال
        </title><link>
            https://www.tabesh.example/fa/news/818316/باران-در-شمال
        </link><description>
            تابش - باران بارید.
        </description><pubDate>27 Jan 2026 12:30:00 +0330</pubDate></item></channel></rss>""",
        {
            "title": "باران در شمال",
            "url": "https://www.tabesh.example/fa/news/818316/باران-در-شمال",
            "identity": "link:tabesh.example/fa/news/818316",
            "lead": "باران بارید.",
            "published": NOON,
            "source": "tabesh.example",
        },
    ),
    Dialect(
        "RSS 1.0 (RDF)",
        """<?xml version="1.0" encoding="utf-8"?><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#"
        xmlns="http://purl.org/rss/1.0/" xmlns:dc="http://purl.org/dc/elements/1.1/">
        <channel rdf:about="https://tabesh.example/rdf"><title>تابش</title><link>https://tabesh.example/</link>
        <items><rdf:Seq><rdf:li rdf:resource="https://tabesh.example/a/12"/></rdf:Seq></items></channel>
        <item rdf:about="https://tabesh.example/a/12"><title>باران در شمال</title>
        <link>https://tabesh.example/a/12?ref=rss</link><description>باران بارید.</description>
        <dc:creator>مینا</dc:creator><dc:subject>جامعه</dc:subject><dc:date>2026-01-27T12:30+03:30</dc:date></item></rdf:RDF>""",
        {
            "url": "https://tabesh.example/a/12?ref=rss",
            "identity": "guid:tabesh.example/a/12",
            "published": NOON,
            "author": "مینا",
            "category": "جامعه",
        },
    ),
    Dialect(
        "Atom 0.3",
        """<feed version="0.3" xmlns="http://purl.org/atom/ns#"><title>تابش</title>
        <link rel="alternate" type="text/html" href="https://tabesh.example/"/><tagline>خبر</tagline>
        <entry><title mode="escaped">باران &amp;amp; برف</title><id>tag:tabesh.example,2026:12</id>
        <link rel="alternate" type="text/html" href="https://tabesh.example/12"/><issued>2026-01-27T12:30:00+03:30</issued>
        <modified>2026-01-29T00:00:00Z</modified><author><name>مینا</name></author>
        <content type="text/html" mode="escaped">&lt;p&gt;باران بارید.&lt;/p&gt;</content></entry></feed>""",
        {
            "title": "باران & برف",
            "url": "https://tabesh.example/12",
            "published": NOON,
            "body": "باران بارید.",
            "author": "مینا",
        },
    ),
    Dialect(
        "Atom 1.0 with XHTML (Jekyll and others)",
        f"""<feed xmlns="http://www.w3.org/2005/Atom" xml:base="https://tabesh.example/"><title>تابش</title><entry>
        <title type="xhtml"><div xmlns="http://www.w3.org/1999/xhtml">باران <em>و</em> برف</div></title>
        <link href="2026/rain.html"/><id>https://tabesh.example/2026/rain</id><updated>2026-01-27T09:00:00Z</updated>
        <content type="xhtml" xml:base="https://tabesh.example/2026/"><div xmlns="http://www.w3.org/1999/xhtml">
        <p>{RAIN}<br/>اگر ۵ &lt; ۱۰ باشد.</p><title>نه</title></div></content></entry></feed>""",
        {
            "title": "باران و برف",
            "url": "https://tabesh.example/2026/rain.html",
            "identity": "guid:tabesh.example/2026/rain",
            "body": f"{RAIN}\nاگر ۵ < ۱۰ باشد.\nنه",
        },
    ),
    Dialect(
        "Podcasts (iTunes)",
        """<rss version="2.0" xmlns:itunes="http://www.itunes.com/dtds/podcast-1.0.dtd"><channel><title>تابش</title>
        <link>https://tabesh.example/</link><item><itunes:title>قسمت ۷</itunes:title><title>باران در شمال</title>
        <itunes:summary>خلاصهٔ قسمت</itunes:summary><description>باران بارید.</description>
        <itunes:author>گروه صدا</itunes:author><link>https://tabesh.example/pod/7</link>
        <enclosure url="https://tabesh.example/7.mp3" type="audio/mpeg" length="1"/>
        <itunes:image href="https://tabesh.example/7.jpg"/><guid isPermaLink="false">pod-7</guid>
        </item></channel></rss>""",
        {
            "title": "باران در شمال",
            "lead": "باران بارید.",
            "author": "گروه صدا",
            "image_url": "https://tabesh.example/7.jpg",
        },
    ),
    Dialect(
        "Media RSS (photo and film agencies)",
        """<rss version="2.0" xmlns:media="http://search.yahoo.com/mrss/"><channel><title>تابش</title>
        <link>https://tabesh.example/</link><item><media:title>عنوان عکس</media:title><title>باران در شمال</title>
        <link>https://tabesh.example/1</link><media:description>شرح عکس</media:description>
        <description>باران بارید.</description><media:group><media:title>عکس</media:title>
        <media:content url="https://tabesh.example/s.jpg" width="100" medium="image"/>
        <media:content url="https://tabesh.example/l.jpg" width="800" medium="image">
        <media:description>کوه زیر باران</media:description></media:content>
        <media:content url="https://tabesh.example/f.mp4" type="video/mp4"/></media:group></item></channel></rss>""",
        {
            "title": "باران در شمال",
            "lead": "باران بارید.",
            "image_url": "https://tabesh.example/l.jpg",
            "image_alt": "کوه زیر باران",
        },
    ),
    Dialect(
        "YouTube, Atom",
        """<feed xmlns:yt="http://www.youtube.com/xml/schemas/2015" xmlns:media="http://search.yahoo.com/mrss/"
        xmlns="http://www.w3.org/2005/Atom"><title>تابش</title><link rel="alternate" href="https://tv.tabesh.example/c"/>
        <entry><id>yt:video:AbC</id><yt:videoId>AbC</yt:videoId><title>باران در شمال</title>
        <link rel="alternate" href="https://tv.tabesh.example/watch?v=AbC"/><author><name>تابش</name></author>
        <published>2026-01-27T09:00:00+00:00</published><updated>2026-01-30T09:00:00+00:00</updated><media:group>
        <media:title>عنوان دیگر</media:title>
        <media:content url="https://tv.tabesh.example/v/AbC" type="application/x-flash"/>
        <media:thumbnail url="https://tv.tabesh.example/AbC/hq.jpg" width="480"/></media:group></entry></feed>""",
        {
            "title": "باران در شمال",
            "url": "https://tv.tabesh.example/watch?v=AbC",
            "published": NOON,
            "image_url": "https://tv.tabesh.example/AbC/hq.jpg",
        },
    ),
    Dialect(
        "Yandex News",
        f"""<rss xmlns:yandex="http://news.yandex.ru" version="2.0"><channel><title>تابش</title>
        <link>https://tabesh.example/</link><item><title>باران در شمال</title><link>https://tabesh.example/1</link>
        <description>باران بارید.</description><pubDate>Tue, 27 Jan 2026 12:30:00 +0330</pubDate>
        <yandex:genre>message</yandex:genre><yandex:full-text>{RAIN}</yandex:full-text></item></channel></rss>""",
        {"lead": "باران بارید.", "body": RAIN, "published": NOON},
    ),
    Dialect(
        "Home-made, without namespaces",
        """<?xml version="1.0" encoding="utf-8"?><RSS version="2.0"><Channel><Title>تابش</Title>
        <Link>http://www.tabesh.example</Link><Item><Title>باران R&D در شمال</Title>
        <Link>http://www.tabesh.example/?id=1&section=2&copy=3</Link><dc:creator>مینا</dc:creator>
        <image>http://www.tabesh.example/a.jpg</image><PubDate>1404/11/07 12:30</PubDate>
        <Description><p>باران بارید.<p>برف هم.</Description></Item></Channel></RSS>""",
        {
            "title": "باران R&D در شمال",
            "url": "http://www.tabesh.example/?id=1&section=2&copy=3",
            "author": "مینا",
            "image_url": "http://www.tabesh.example/a.jpg",
            "published": NOON,
            "lead": "باران بارید. برف هم.",
        },
    ),
    Dialect(
        "JSON Feed 1.0 and 1.1",
        """{"version": "https://jsonfeed.org/version/1.1", "title": "تابش", "home_page_url": "https://tabesh.example/",
        "items": [{"id": 12, "url": "/12", "title": "باران &amp; برف",
        "content_text": "اگر x < 10 و y > 3 باشد <video>.",
        "summary": "باران بارید.", "date_published": "2026-01-27T12:30:00+03:30", "authors": [{"name": "مینا"}],
        "tags": ["جامعه", "هوا"], "attachments": [{"url": "/a.jpg", "mime_type": "image/jpeg"}]}]}""",
        {
            "title": "باران & برف",
            "url": "https://tabesh.example/12",
            "identity": "guid:tabesh.example:12",
            "lead": "باران بارید.",
            "body": "اگر x < 10 و y > 3 باشد <video>.",
            "category": "جامعه",
            "image_url": "https://tabesh.example/a.jpg",
        },
        file="feed.json",
    ),
)


def _value(article: FoundArticle, field: str) -> object:
    return identify(article).identity if field == "identity" else getattr(article, field)


@pytest.mark.parametrize("dialect", DIALECTS, ids=lambda each: each.system)
def test_a_feed_of_this_system_is_read(dialect: Dialect) -> None:
    found = read(dialect.file, dialect.document.encode(), zone=TEHRAN)
    article = found.articles[0]
    assert {field: _value(article, field) for field in dialect.expected} == dialect.expected


def test_the_table_in_the_documents_has_the_systems_that_are_tested() -> None:
    section = DOCS.read_text("utf-8").partition("### How systems write their feeds")[2].partition("\n#")[0]
    systems = re.findall(r"^\| ([^|]+?) \|", section, re.MULTILINE)[2:]  # without the heading and the line below it
    assert systems == [each.system for each in DIALECTS]
