"""Documents that are made to stop the program that reads them: feeds, pages and records. All are small when packed.

They are made when a test asks for them. KHABARNAMEH_HOSTILE is their size in characters after unpacking: 4900000 is
nearly as many as a source may have, and takes the tests ten times as long. Hostile lists of people, workbooks and
archives are in `sources/lists/test_container.py`.
"""

import gzip
import json
import os
from collections.abc import Callable, Mapping

SIZE = int(os.environ.get("KHABARNAMEH_HOSTILE", "300000"))
PACKED = 1_000_000  # bytes: the most that a shape may have when it is packed
ITEM = "<item><title>خبر {0}</title><link>https://news.example/{0}</link></item>"
GOOD = "".join(map(ITEM.format, range(3)))


def many(piece: str, size: int = SIZE) -> str:
    return piece * (size // len(piece))


def counted(piece: str, size: int = SIZE) -> str:
    """Many pieces, each with a number in place of {}."""
    return "".join(map(piece.format, range(size // (len(piece) + 4))))


def rss(inside: str = "", *, before: str = "", root: str = "", after: str = "") -> str:
    """An RSS with three good items and with a fourth item that has `inside`."""
    item = f"<item><title>خبر بد</title>{inside}</item>" if inside else ""
    return f"{before}<rss version='2.0'{root}><channel><title>کانال</title>{GOOD}{item}{after}</channel></rss>"


def atom(inside: str) -> str:
    entry = f"<entry><title>خبر بد</title><id>urn:1</id>{inside}</entry>"
    return f"<feed xmlns='http://www.w3.org/2005/Atom'><title>کانال</title>{entry}</feed>"


def json_feed(inside: str) -> str:
    return f'{{"version": "https://jsonfeed.org/version/1.1", "items": [{{"id": "1", "title": "خبر", {inside}}}]}}'


def page(head: str = "", body: str = "") -> str:
    text = "<p>این خبر متنی دارد که از یک جمله بلندتر است و با نقطه تمام می‌شود.</p>"
    return f"<html><head><title>خبر</title>{head}</head><body><h1>خبر</h1>{text}{body}</body></html>"


HUGE = many("a")
FIELDS = (
    *("title", "link", "guid", "description", "content:encoded", "author", "dc:creator", "category", "pubDate"),
    *("comments", "slash:comments", "media:description", "itunes:summary", "source"),
)
TEXTS: Mapping[str, Callable[[], str]] = {
    # --- RSS: elements, attributes, namespaces, depth
    "elements": lambda: rss(many("<a/>")),
    "elements with names of their own": lambda: rss(counted("<a{0}/>")),
    "elements that stay open": lambda: rss(many("<a>")),
    "elements inside each other": lambda: rss(many("<a>", SIZE // 2) + many("</a>", SIZE // 2)),
    "ends without beginnings": lambda: rss(many("</item>")),
    "items": lambda: rss(after=many("<item><title>a</title></item>")),
    "items that stay open": lambda: rss(after=many("<item>")),
    "channels": lambda: many("<rss><channel>"),
    "attributes": lambda: rss(f"<a {counted('a{0}=1 ')}/>"),
    "attributes without values": lambda: rss(f"<a {many('a ')}/>"),
    "attributes in all elements": lambda: rss(many("<a b='c' d='e' f='g' h='i' j='k'/>")),
    "quotation marks": lambda: rss(many("<a b='")),
    "two kinds of quotation marks": lambda: rss(many("<a b='\"")),
    "namespaces": lambda: rss(root=counted(" xmlns:a{0}='u'")),
    "a namespace for each element": lambda: rss(counted("<a{0}:b xmlns:a{0}='u'/>")),
    "angle brackets": lambda: rss(many("<")),
    "unfinished sections": lambda: rss(many("<![CDATA[")),
    "unfinished comments": lambda: rss(many("<!--")),
    "unfinished instructions": lambda: rss(many("<?a")),
    "unfinished ends of items": lambda: rss(f"<title><![CDATA[{many('</item ')}"),
    # --- RSS: what an item has
    "categories": lambda: rss(counted("<category>{0}</category>")),
    "links": lambda: rss(counted("<link>https://a.example/{0}</link>")),
    "guids": lambda: rss(counted("<guid>{0}</guid>")),
    "dates": lambda: rss(many("<pubDate>1</pubDate>")),
    "authors": lambda: rss(many("<author>a@b</author>")),
    "descriptions": lambda: rss(many("<description>a</description>")),
    "bodies": lambda: rss(many("<content:encoded>a</content:encoded>")),
    "pictures": lambda: rss(counted("<media:content url='https://a.example/{0}.jpg' width='{0}'/>")),
    "enclosures": lambda: rss(many("<enclosure url='a.jpg'/>")),
    "one guid for all items": lambda: rss(
        after=counted("<item><guid>x</guid><title>{0}</title><link>{0}</link></item>")
    ),
    # --- RSS: entities and blanks
    "entities": lambda: rss(f"<description>{many('&amp;')}</description>"),
    "entities encoded twice": lambda: rss(f"<description>{many('&amp;lt;b&amp;gt;')}</description>"),
    "ampersands": lambda: rss(f"<description>{many('&')}</description>"),
    "numbers of characters": lambda: rss(f"<title>{many('&#55357;')}</title>"),
    "entities that are defined": lambda: rss(before="<!DOCTYPE rss [<!ENTITY a 'aaaaaaaaaa'>" + "<!ENTITY b '&a;'>]>"),
    "an entity from outside": lambda: rss(before="<!DOCTYPE rss [<!ENTITY a SYSTEM 'file:///etc/passwd'>]>"),
    "a document type without an end": lambda: f"<!DOCTYPE rss [{many('a] ')}",
    "document types": lambda: many("<!DOCTYPE a "),
    "line feeds before the feed": lambda: many("\n") + rss(),
    "byte order marks before the feed": lambda: many("\ufeff", SIZE // 4) + rss(),
    "blanks in a tag": lambda: rss(f"<a{many(' ')}>"),
    "blanks in a link": lambda: rss(f"<link>https://a.example/{many(' ')}</link>"),
    "blanks in a title": lambda: rss(f"<title>{many(' ')}x</title>"),
    "non-joiners in a title": lambda: rss(f"<title>{many(chr(0x200C), SIZE // 4)}x</title>"),
    "vowel signs in a title": lambda: rss(f"<title>{many(chr(0x64E), SIZE // 4)}x</title>"),
    "joined emoji in a title": lambda: rss(f"<title>{many(chr(0x1F600) + chr(0x200D), SIZE // 8)}x</title>"),
    # --- RSS: markup in texts
    "markup in a text": lambda: rss(f"<description><![CDATA[{many('<b>')}]]></description>"),
    "unfinished markup in a text": lambda: rss(f"<description><![CDATA[{many('<b ')}]]></description>"),
    "scripts in a text": lambda: rss(f"<description><![CDATA[{many('<script></script')}]]></description>"),
    "links in a text": lambda: rss(f"<description><![CDATA[{many('<a href=x>')}]]></description>"),
    "shortcodes in a text": lambda: rss(f"<description><![CDATA[{many('[caption]')}[/caption]]]></description>"),
    "shortcodes of all names": lambda: rss(f"<description><![CDATA[{counted('[a_{0} b=')}]]></description>"),
    **{f"a huge {name}": lambda name=name: rss(f"<{name}>{HUGE}</{name}>") for name in FIELDS},  # type: ignore[misc]
    # --- Atom
    "links of an entry": lambda: atom(counted("<link href='https://a.example/{0}'/>")),
    "categories of an entry": lambda: atom(counted("<category term='a{0}'/>")),
    "a huge term": lambda: atom(f"<category term='{HUGE}'/>"),
    "bases inside each other": lambda: atom(counted("<a xml:base='{0}/'>")),
    "xhtml inside each other": lambda: atom(f"<content type='xhtml'>{many('<div>')}</content>"),
    # --- JSON Feed
    "lists inside each other": lambda: json_feed(f'"tags": {many("[")}'),
    "objects inside each other": lambda: many('{"a":'),
    "items of JSON": lambda: '{"items": [' + many("{},") + "{}]}",
    "items of JSON with titles": lambda: '{"items": [' + many('{"title":"a"},') + "{}]}",
    "tags": lambda: json_feed('"tags": [' + counted('"{0}",', SIZE // 5 * 4) + '""]'),
    "authors of JSON": lambda: json_feed('"authors": [' + counted('{{"name":"{0}"}},') + "{}]"),
    "attachments": lambda: json_feed('"attachments": [' + many('{"url":"a","mime_type":"image/a"},') + "{}]"),
    "a huge number": lambda: json_feed(f'"published": {many("1")}'),
    "keys": lambda: json_feed(counted('"a{0}":1,') + '"b":1'),
    "a huge text in JSON": lambda: json_feed(f'"content_text": "{HUGE}"'),
    "markup in JSON": lambda: json_feed(f'"content_html": "{many("<p>")}"'),
    "half characters": lambda: json_feed('"summary": "' + many("\\ud83d") + '"'),
    "beginnings of a list of items": lambda: "{" + many('"items":['),
    # --- pages
    "a page with elements inside each other": lambda: page(body=many("<div>")),
    "a page with quotation marks": lambda: page(body=many("<a b='")),
    "a page with meta data": lambda: page(many("<meta name=a content=b>")),
    "a page with scripts": lambda: page(many("<script>")),
    "a page with JSON inside each other": lambda: page(f"<script type='application/ld+json'>{many('[')}</script>"),
    "a page with a huge graph": lambda: page(
        '<script type="application/ld+json">{"@graph":[' + many('{"@type":"Article"},') + "{}]}</script>"
    ),
    "a page with lines": lambda: page(body=many("a<br>")),
    "a page with a huge paragraph": lambda: page(body=f"<p>{HUGE}</p>"),
    "a page that is only text": lambda: many("خبر / "),
    # --- records
    "columns": lambda: "title," + counted("a{0},", SIZE // 5 * 4) + "url\nx,y\n",
    "cells": lambda: "title,url\n" + many(","),
    "rows": lambda: "title,url\n" + many("a,b\n"),
    "empty rows": lambda: "title,url\n" + many("\n"),
    "an open quotation mark": lambda: 'title,url\n"' + many("a,b\n"),
    "quotation marks in rows": lambda: "title,url\n" + many('"a\n'),
    "a huge cell": lambda: f"title,url\n{HUGE},https://a.example/1\n",
    "tags in a cell": lambda: "title,url,tags\nx,https://a.example/1," + many("a|"),
    "lines of JSON": lambda: many('{"title":"a"}\n'),
    "lines of empty JSON": lambda: many("{}\n"),
    "a line of JSON inside each other": lambda: '{"title":"a","tags":' + many("["),
    "a huge title in JSON": lambda: json.dumps({"title": HUGE, "url": "https://a.example/1"}) + "\n",
    "a huge count": lambda: '{"title":"a","views":' + many("9") + "}\n",
    "a huge list of tags": lambda: '{"title":"a","tags":["' + many('a","') + '"]}\n',
    "a huge date": lambda: '{"title":"a","published":"' + many("1 ") + '"}\n',
}


def _packed(text: str) -> bytes:
    return gzip.compress(text.encode(), 9, mtime=0)


def _members() -> bytes:
    """A gzip file with many members."""
    return _packed("\n") * 30_000 + _packed(rss())


def _bomb() -> bytes:
    """A gzip file that unpacks to far more than is read."""
    head = rss()[: -len("</channel></rss>")]
    return gzip.compress(head.encode() + b" " * 200_000_000, 9, mtime=0)


BYTES: Mapping[str, Callable[[], bytes]] = {
    "members of a gzip file": _members,
    "a gzip file that is huge when unpacked": _bomb,
    "half of a gzip file": lambda: _packed(rss())[:-20],
    "zeros": lambda: gzip.compress(bytes(SIZE), 9, mtime=0),
    "UTF-16 of blanks": lambda: gzip.compress((" " * (SIZE // 2)).encode("utf-16"), 9, mtime=0),
    "bytes of no encoding": lambda: gzip.compress(b"<rss><channel>" + bytes(range(128, 256)) * 38_000, 9, mtime=0),
}
DOCUMENTS: tuple[str, ...] = (*TEXTS, *BYTES)


def packed(name: str) -> bytes:
    """Return a document as gzip."""
    return BYTES[name]() if name in BYTES else _packed(TEXTS[name]())
