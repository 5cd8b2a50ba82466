"""Recognises the format of a file and reads the file's articles.

All files with articles are read through this module. A file may be a feed (RSS, Atom, JSON Feed), records (JSON Lines,
CSV), a saved page or the text of a page, and each of these may be gzipped. The content decides the format; the file
name decides only if the content is ambiguous. The caller opens the file, and nothing is fetched.
"""

import json
import re
import zlib
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from zoneinfo import ZoneInfo

from mailer.errors import UnreadableInput, UsageError
from mailer.model import FoundArticle
from mailer.sources import feed, identity, jsonfeed, page, pagetext, plain, records
from mailer.sources.cut import cut
from mailer.sources.found import Found, most_items
from mailer.text import charset as charsets
from mailer.text import dates, links
from mailer.text.characters import EDGES, arabic_letters

LARGEST = 50_000_000  # bytes after decompression
_MOST_MEMBERS = 1000  # maximum number of members of a gzip file; unpacking a member copies all the bytes after it
GZIP = b"\x1f\x8b"  # the beginning of a gzip file
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
# Control characters that do not occur in text. Tab, line feed, form feed and carriage return do occur.
_NOT_TEXT = re.compile(r"[\x00-\x08\x0b\x0e-\x1a\x1c-\x1f]")
# The parts that may come before the first element of a document: a declaration, comments, and a DOCTYPE, which may have
# an internal subset.
_PROLOGUE = re.compile(r"\s+|<\?.*?\?>|<!--.*?-->", re.DOTALL)
_DOCTYPE = re.compile(
    r"<!doctype\s++(?P<root>[^\s>\[]++)[^>\[]*+(?:\[(?:[^\]]++|\](?!\s*+>))*+\]\s*+)?>", re.IGNORECASE
)
_ELEMENT = re.compile(r"<(?:[A-Za-z][\w.-]*:)?(?P<root>[A-Za-z][\w.-]*)")
_HTML_ROOT = re.compile("html|head|body|div|p|span|table|section|article|main|h1|a|img|script|meta")
# A page or a feed may begin with a warning that a script printed: <br /><b>Warning</b>.
_AFTER_WARNING = re.compile("br|b|font|i|center|h[2-6]|ul|ol|link|style|title|base|noscript|header|nav|form")
_FEED_BEGINS = re.compile(r"<\?xml\b|<rss\b|<feed\b|<rdf:RDF\b")
_LATIN_WORD, _OTHER_LETTER = re.compile("[A-Za-z]{2}"), re.compile(r"(?![A-Za-z])[^\W\d_]")
_WARNING = 2000  # maximum number of characters of a script's warning before a feed
_PEEK = 20_000  # characters at the beginning of a text that are searched to recognise its format


def read(
    name: str,
    content: bytes,
    *,
    zone: ZoneInfo,
    url: str = "",
    published: str = "",
    source: str = "",
    page_at: str | None = None,
    address: str = "",
    charset: str = "",
    largest: int = LARGEST,
    cut_off: bool | None = None,
    now: datetime | None = None,
) -> Found:
    """Return the articles in `content`.

    name            the name of the file: messages show it, and its ending is a hint at the format
    zone            the newsroom's time zone, for dates without a zone
    url, published  the address and the date of the page, if `content` is the text of one page
    source          the outlet; overrides the outlet that the content names
    page_at         the address from which an HTML page was fetched, "" for a saved page; with None, a page is an error
    address         where the content was fetched from, to complete links without a host
    charset         the encoding that the server named, or ""
    largest         the maximum number of bytes after decompression; callers pass less for content from the network
    cut_off         whether fetching stopped at the limit; with None, content that is larger than the limit is an error
    now             the present time, by default the machine's; a number more than two days later is not read as a date

    Raises UnreadableInput if the content holds no articles, with a sentence on what is wrong, where, and how to fix it.
    Raises UsageError if `url` or `published` is invalid, or is given for several items.
    """
    content, too_large = _unpacked(name, content, largest, may_cut=cut_off is not None)
    cut_off = too_large or bool(cut_off)
    decoded = _decoded(name, content, charset)
    text = decoded.text.replace("\r\n", "\n").replace("\r", "\n")
    if not text.replace("\ufeff", "").strip():
        raise UnreadableInput(f"{name}: the file is empty.", "Save it again; perhaps the download failed.")
    hint, now = name.lower().removesuffix(".gz"), now or datetime.now(UTC)
    found = _read(hint, name, text, source, zone, now, page_at, address, cut_off=cut_off)
    articles = _with_options(name, found.articles, url, published, source, zone)
    linked = (each if links.is_usable(each.url) else replace(each, url="") for each in articles)
    shortened, long = cut(name, linked)
    return Found(shortened, (*found.notes, *_notes(name, articles), *_encoding_notes(name, decoded, articles), *long))


def _read(
    hint: str,
    name: str,
    text: str,
    source: str,
    zone: ZoneInfo,
    now: datetime,
    page_at: str | None,
    address: str,
    *,
    cut_off: bool,
) -> Found:
    head = text.lstrip(EDGES)[:_PEEK]
    if not head.startswith(("<", "{", "[")) and (begins := _FEED_BEGINS.search(head[:_WARNING])):
        # A script printed a warning before its feed.
        text = text.lstrip(EDGES)[begins.start() :]
        head = text[:_PEEK]
    if head.startswith("<"):
        name_of_root = root(head)
        if name_of_root in ("urlset", "sitemapindex"):
            raise UnreadableInput(
                f"{name}: this is a sitemap, which lists addresses and holds no texts.",
                'Make it a source: [[articles.feeds]] with kind = "sitemap".',
            )
        after_warning = _AFTER_WARNING.fullmatch(name_of_root) and not _FEED_BEGINS.search(head)
        if not _HTML_ROOT.fullmatch(name_of_root) and not after_warning:
            found = feed.read(name, text, source=source, zone=zone, now=now, address=address, cut=cut_off)
            return _cut_off(name, identity.distinguish(name, found), cut_off=cut_off)
        if page_at is None:
            raise UnreadableInput(f"{name}: this is an HTML page, not a feed.", "Give the address of the feed itself.")
        return page.read(name, text, zone=zone, address=page_at)
    if hint.endswith((".xml", ".rss", ".atom", ".rdf")):
        raise UnreadableInput(f'{name}: this is not XML; its first character is not "<".', "Save the feed itself.")
    if head.startswith(("{", "[{")) or hint.endswith((".jsonl", ".ndjson", ".json")):
        document = None
        # If the text is not one JSON document, `read_jsonl` reads it as JSON Lines or refuses it.
        with suppress(ValueError, RecursionError):
            document = json.loads(text)
        if document is None and cut_off:
            document = jsonfeed.part(text)
        if jsonfeed.is_feed(document):
            most = most_items(text)
            found = jsonfeed.read(name, document, source=source, zone=zone, now=now, address=address, most=most)
            return _cut_off(name, identity.distinguish(name, found), cut_off=cut_off)
        found = records.read_jsonl(name, _whole_lines(text, cut_off=cut_off), source=source, zone=zone, now=now)
        return _cut_off(name, identity.distinguish(name, found, archive=True), cut_off=cut_off)
    if hint.endswith((".csv", ".tsv")) or records.is_csv(text):
        found = records.read_csv(name, _whole_lines(text, cut_off=cut_off), source=source, zone=zone, now=now)
        return _cut_off(name, identity.distinguish(name, found, archive=True), cut_off=cut_off)
    return Found((pagetext.read(name, text, zone=zone),))


def file_content(file: Path) -> bytes:
    """Return the content of a file, up to one byte more than LARGEST. Raises UnreadableInput if it cannot be read."""
    try:
        with file.open("rb") as opened:
            return opened.read(LARGEST + 1)
    except FileNotFoundError:
        raise UnreadableInput(f"{file}: there is no such file.") from None
    except OSError as error:
        raise UnreadableInput(f"{file}: cannot be read ({error.strerror}).") from error


def _whole_lines(text: str, *, cut_off: bool) -> str:
    """Return a text without its last line if the text was cut off. A text of a single line is returned as it is."""
    whole = text[: text.rfind("\n") + 1]
    return whole if cut_off and whole.strip() else text


def _cut_off(name: str, found: Found, *, cut_off: bool) -> Found:
    if not cut_off:
        return found
    count = len(found.articles)
    return replace(
        found, notes=(f"{name}: it is too large or was cut off; only its first {count} items were read.", *found.notes)
    )


def _unpacked(name: str, content: bytes, largest: int, *, may_cut: bool) -> tuple[bytes, bool]:
    """Return the content, unpacked if it is gzipped, and whether the content is incomplete.

    Content is cut off after `largest` bytes. Raises UnreadableInput if a gzip file is damaged and, without `may_cut`,
    if the content is too long or incomplete.
    """
    too_large = UnreadableInput(f"{name}: holds more than {largest // 1_000_000} MB.", "Split it into several files.")
    if not content.startswith(GZIP):
        if len(content) > largest and not may_cut:
            raise too_large
        return content[:largest], len(content) > largest
    # Do not use gzip.decompress(), which would unpack a whole decompression bomb before the size can be checked.
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
                if may_cut:
                    return bytes(unpacked[:largest]), True
                raise too_large
            if not unpacker.eof and may_cut:
                return bytes(unpacked), True
            if not unpacker.eof:
                raise UnreadableInput(f"{name}: the gzip file is cut off.", "Copy or download it again.")
            content = unpacker.unused_data.lstrip(b"\x00")  # several members may follow each other (RFC 1952 §2.2)
    except zlib.error:
        raise UnreadableInput(f"{name}: the gzip file is damaged.", "Copy or download it again.") from None
    return bytes(unpacked), False


def _decoded(name: str, content: bytes, charset: str) -> charsets.Decoded:
    """Return the bytes as text. Raises UnreadableInput if they are not text."""
    for magic, kind in _KNOWN_BINARIES.items():
        if content.startswith(magic):
            raise UnreadableInput(f"{name}: this is {kind}, not a feed, records or text.", "Save it as one of these.")
    decoded = charsets.decode(content, charset)
    if _NOT_TEXT.search(decoded.text[:_PEEK]) and not decoded.text.lstrip().startswith("<"):
        raise UnreadableInput(f"{name}: this is not text.", "Give a feed, JSON lines, CSV or the text of a page.")
    return decoded


def _encoding_notes(name: str, decoded: charsets.Decoded, articles: Sequence[FoundArticle]) -> Iterator[str]:
    """Yield a note if the encoding is not the declared one, and one about texts whose characters may be damaged."""
    if decoded.declared:
        yield f"{name}: its characters were read as {decoded.encoding}, although it declares {decoded.declared!r}."
    elif decoded.guessed:
        yield f"{name}: its characters were read as {decoded.encoding}, judged by its characters; it declares none."
    if decoded.damaged:
        yield f"{name}: {decoded.damaged} characters are damaged and were replaced by «\ufffd»."
    others = [each.title for each in articles if not arabic_letters(each.title)]
    odd = [title for title in others if _OTHER_LETTER.search(title) or not _LATIN_WORD.search(title)]
    if odd and len(others) * 2 < len(articles):
        shown = f"{len(odd)} titles have no letter of the script of the others, such as {odd[0][:60]!r}"
        yield f"{name}: {shown}; are their characters damaged?"


def decoded_text(name: str, content: bytes, *, charset: str, largest: int) -> tuple[str, bool]:
    """Return a document as text with "\\n" as line ends, and whether it was cut off at `largest` bytes.

    Unpacks gzip. `charset` is the encoding that the server named, or "". Raises UnreadableInput if it is not a text.
    """
    content, cut_off = _unpacked(name, content, largest, may_cut=True)
    text = _decoded(name, content, charset).text
    return text.replace("\r\n", "\n").replace("\r", "\n"), cut_off


def root(text: str) -> str:
    """Return the name of a document's first element in lower case, without a namespace prefix; "" if there is none."""
    head = text.lstrip()[:_PEEK]
    place = 0
    while found := _PROLOGUE.match(head, place) or _DOCTYPE.match(head, place):
        if "root" in found.groupdict() and found["root"].lower() == "html":
            return "html"
        place = found.end()
    element = _ELEMENT.match(head, place)
    return element["root"].lower() if element else ""


def _with_options(
    name: str, articles: tuple[FoundArticle, ...], url: str, published: str, source: str, zone: ZoneInfo
) -> tuple[FoundArticle, ...]:
    if (url or published) and len(articles) != 1:
        raise UsageError(f"{name}: it holds {len(articles)} items; one URL or date cannot be meant for all of them.")
    address, moment = links.absolute(url) if links.split(url) else "", dates.parse(published, zone=zone)
    if url and not links.web_address(address):
        raise UsageError(f"{plain.line(url)!r} is not a web address.", "It must begin with https:// or http://.")
    if published and moment is None:
        raise UsageError(
            f"{plain.line(published)!r} is not a date that can be read.",
            "Write it as 2026-01-27T12:30, 1404/11/07 12:30 or «۷ بهمن ۱۴۰۴ - ۱۲:۳۰».",
        )
    if not (url or published or source):
        return articles
    return tuple(
        replace(
            article,
            url=address or article.url,
            source=source or article.source or identity.host(address),
            published=moment or article.published,
            published_raw=plain.line(published) or article.published_raw,
        )
        for article in articles
    )


def _notes(name: str, articles: tuple[FoundArticle, ...]) -> Iterator[str]:
    """Yield a note about the links that cannot be used, if any.

    An article whose link cannot be used in a mail (because the link has a user name or an invalid host, or is too long)
    is stored without the link and is not eligible for an issue.
    """
    urls = list(dict.fromkeys(each.url for each in articles if each.url and not links.is_usable(each.url)))
    if urls:
        yield f"{name}: {len(urls)} links cannot be used in a mail, such as {urls[0][:60]!r}; they were left out."
