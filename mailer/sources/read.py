"""What are these bytes, and which articles do they hold?

The one way in for files: a feed (RSS, Atom, JSON Feed), records (JSON Lines, CSV), a saved page or the text of one,
each perhaps gzipped. Told by the content; the file's name only decides where the content leaves it open. It does *not*
open the file (its caller has the bytes) and it fetches nothing.
"""

import json
import re
import zlib
from dataclasses import replace
from zoneinfo import ZoneInfo

from mailer.errors import UnreadableInput, UsageError
from mailer.model import FoundArticle
from mailer.sources import feed, identity, jsonfeed, page, pagetext, plain, records
from mailer.sources.found import Found
from mailer.text import dates, links
from mailer.text.clean import shorten

__all__ = ["LARGEST", "Found", "read"]

LARGEST = 50_000_000  # bytes, unpacked
_MOST_MEMBERS = 1000  # each makes what follows it be copied
_GZIP = b"\x1f\x8b"
_KNOWN_BINARIES = {
    b"PK\x03\x04": "a ZIP archive or an office document",
    b"%PDF": "a PDF document",
    b"\x89PNG": "a picture",
    b"\xff\xd8\xff": "a picture",
    b"GIF8": "a picture",
    b"SQLite format 3": "a database",
    b"BZh": "a bzip2 archive",
    b"\xfd7zXZ": "an xz archive",
    b"(\xb5/\xfd": "a zstd archive",
}
# Control characters that no text holds; tab, line feed, form feed and carriage return are text.
_NO_TEXT = re.compile(r"[\x00-\x08\x0b\x0e-\x1a\x1c-\x1f]")
# What may stand before a document's first element: declaration, comments, DOCTYPE (its internal subset too).
_PROLOGUE = re.compile(r"\s+|<\?.*?\?>|<!--.*?-->", re.DOTALL)
_DOCTYPE = re.compile(r"<!doctype\s+(?P<root>[^\s>\[]+)(?:[^>\[]|\[.*?\]\s*(?=>))*>", re.IGNORECASE | re.DOTALL)
_ELEMENT = re.compile(r"<(?:[A-Za-z][\w.-]*:)?(?P<root>[A-Za-z][\w.-]*)")
_HTML_ROOTS = frozenset(
    [
        "html",
        "head",
        "body",
        "div",
        "p",
        "span",
        "table",
        "section",
        "article",
        "main",
        "h1",
        "a",
        "img",
        "script",
        "meta",
    ]
)
_LONGEST_TITLE, _LONGEST_LEAD = 500, 5000  # characters
_PEEK = 20_000  # characters looked at to tell what a text is


def read(
    name: str,
    content: bytes,
    *,
    zone: ZoneInfo,
    url: str = "",
    published: str = "",
    source: str = "",
    page_at: str | None = None,
    largest: int = LARGEST,
) -> Found:
    """The articles in `content`.

    `name`: the file's, for messages, and its ending as a hint. `zone`: the newsroom's, for dates that name none.
    `url`, `published`: of the page whose text this is. `source`: the outlet, instead of what the content says.
    `page_at`: where an HTML page was brought from, "" for a saved one; None: a page is a mistake here.
    `largest`: bytes, unpacked; less for what comes from the net.
    Raises UnreadableInput, with one sentence on what, where and how to mend it, when no articles can be had from it;
    UsageError when `url` or `published` is none, or is given for several items.
    """
    content = _unpacked(name, content, largest)
    text = _text(name, content)
    if not text.replace("\ufeff", "").strip():
        raise UnreadableInput(f"{name}: the file is empty.", "Save it again; perhaps the download failed.")
    found = _read(name.lower().removesuffix(".gz"), name, content, text, source, zone, page_at)
    found = _undated(name, _with_options(name, found, url, published, source, zone))
    return _linked(name, Found(tuple(cut(article) for article in found.articles), found.notes))


def _read(hint: str, name: str, content: bytes, text: str, source: str, zone: ZoneInfo, page_at: str | None) -> Found:
    head = text[:_PEEK].lstrip()
    if head.startswith("<"):
        if _root(head) in _HTML_ROOTS:
            if page_at is None:
                raise UnreadableInput(
                    f"{name}: this is an HTML page, not a feed.", "Give the address of the feed itself."
                )
            return Found((page.read(name, text, zone=zone, address=page_at),))
        return feed.read(name, content, source=source, zone=zone)
    if hint.endswith((".xml", ".rss", ".atom", ".rdf")):
        raise UnreadableInput(f"{name}: this is not XML; its first sign is not «<».", "Save the feed itself.")
    if head.startswith(("{", "[{")) or hint.endswith((".jsonl", ".ndjson", ".json")):
        document = _document(text)
        if jsonfeed.is_feed(document):
            return jsonfeed.read(name, document, source=source, zone=zone)
        return records.read_jsonl(name, text, source=source, zone=zone)
    if hint.endswith((".csv", ".tsv")) or records.is_csv(text):
        return records.read_csv(name, text, source=source, zone=zone)
    return Found((pagetext.read(name, text, zone=zone),))


def _unpacked(name: str, content: bytes, largest: int) -> bytes:
    """The bytes themselves, or what is gzipped in them; never more than `largest`."""
    too_large = UnreadableInput(f"{name}: holds more than {largest // 1_000_000} MB.", "Split it into several files.")
    if not content.startswith(_GZIP):
        if len(content) > largest:
            raise too_large
        return content
    # Not gzip.decompress(): it makes the whole of a bomb before anybody can look at its size.
    unpacked = bytearray()
    members = 0
    try:
        while content:
            members += 1
            if members > _MOST_MEMBERS:
                raise UnreadableInput(f"{name}: holds more than {_MOST_MEMBERS} gzip members.", "Pack it as one.")
            unpacker = zlib.decompressobj(wbits=31)
            unpacked += unpacker.decompress(content, largest + 1 - len(unpacked))
            if len(unpacked) > largest:
                raise too_large
            if not unpacker.eof:
                raise UnreadableInput(f"{name}: the gzip file is cut off.", "Copy or download it again.")
            content = unpacker.unused_data.lstrip(b"\x00")  # members may follow each other (RFC 1952 §2.2)
    except zlib.error:
        raise UnreadableInput(f"{name}: the gzip file is damaged.", "Copy or download it again.") from None
    return bytes(unpacked)


def _text(name: str, content: bytes) -> str:
    """The bytes as text: UTF-16 by its mark, UTF-8, else Windows-1256, the old Persian code page.

    For XML this is a look only; its own declaration counts there, and feedparser gets the bytes.
    """
    for magic, kind in _KNOWN_BINARIES.items():
        if content.startswith(magic):
            raise UnreadableInput(f"{name}: this is {kind}, not a feed, records or text.", "Save it as one of these.")
    if content.startswith((b"\xff\xfe", b"\xfe\xff")):
        text = content.decode("utf-16", errors="replace")
    else:
        text = content.decode("utf-8", errors="replace")
        # One bad byte does not make a file another code page: then nearly every Persian letter would be bad.
        if text.count("\ufffd") * 5 > sum(not char.isascii() for char in text):
            text = content.decode("cp1256", errors="replace")
    text = text.lstrip("\ufeff")
    if _NO_TEXT.search(text[:_PEEK]) and not text.lstrip().startswith("<"):
        raise UnreadableInput(f"{name}: this is not text.", "Give a feed, JSON lines, CSV or the text of a page.")
    return text.replace("\r\n", "\n").replace("\r", "\n")


def _root(head: str) -> str:
    """The name of a document's first element, lower case, without prefix; "" when there is none in sight."""
    place = 0
    while found := _PROLOGUE.match(head, place) or _DOCTYPE.match(head, place):
        if "root" in found.groupdict() and found["root"].lower() == "html":
            return "html"
        place = found.end()
    element = _ELEMENT.match(head, place)
    return element["root"].lower() if element else ""


def _document(text: str) -> object:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return None  # several objects, one a line, or nothing that is JSON: read_jsonl says which


def _with_options(name: str, found: Found, url: str, published: str, source: str, zone: ZoneInfo) -> Found:
    if not url and not published and not source:
        return found
    if (url or published) and len(found.articles) != 1:
        raise UsageError(
            f"{name}: it holds {len(found.articles)} items; one URL or date cannot be meant for all of them."
        )
    articles = []
    for article in found.articles:
        if url:
            address = links.absolute(url)
            if not links.web_address(address):
                raise UsageError(f"«{plain.line(url)}» is no web address.", "It must begin with https:// or http://.")
            article = replace(article, url=address, source=article.source or identity.host(address))
        if published:
            moment = dates.parse(published, zone=zone)
            if moment is None:
                raise UsageError(
                    f"«{plain.line(published)}» is no date that we understand.",
                    "Write it as 2026-01-27T12:30, 1404/11/07 12:30 or «۷ بهمن ۱۴۰۴ - ۱۲:۳۰».",
                )
            article = replace(article, published=moment, published_raw=plain.line(published))
        articles.append(replace(article, source=source or article.source))
    return Found(tuple(articles), found.notes)


def cut(article: FoundArticle) -> FoundArticle:
    """Title and lead no longer than those of any newsroom: every later step works through all of their letters."""
    title, lead = shorten(article.title, _LONGEST_TITLE), shorten(article.lead, _LONGEST_LEAD)
    if (title, lead) == (article.title, article.lead):
        return article
    return replace(article, title=title, lead=lead)


def _linked(name: str, found: Found) -> Found:
    """Without the links that no mail would write (a user name in it, a host that is none, too long), and with one note:
    their items are kept, but are not eligible for an issue."""
    barred = {article.url: "" for article in found.articles if article.url and not links.web_address(article.url)}
    if not barred:
        return found
    note = (
        f"{name}: {len(barred)} links are such that no reader can be sent there, as «{next(iter(barred))[:60]}»; "
        "the items were taken without them."
    )
    kept = (replace(article, url=barred.get(article.url, article.url)) for article in found.articles)
    return Found(tuple(kept), (*found.notes, note))


def _undated(name: str, found: Found) -> Found:
    """With one note when dates were written but not understood: they count from when they were first seen."""
    strange = [article.published_raw for article in found.articles if article.published_raw and not article.published]
    if not strange:
        return found
    note = (
        f"{name}: {len(strange)} dates are not understood, such as «{strange[0][:60]}»; the items were taken undated."
    )
    return Found(found.articles, (*found.notes, note))
