"""RSS and Atom → `Found`, with feedparser for the grammar and our own reading of dates, text and images.

It does *not* fetch, and it does not use feedparser's dates (a Jalali year becomes the Middle Ages there) nor its
clean-up of markup: a title is text here and passes through `plain`.
"""

import codecs
import io
import re
from collections.abc import Iterator, Mapping
from contextlib import suppress
from typing import Any
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo

import feedparser

from mailer.errors import UnreadableInput
from mailer.model import FoundArticle
from mailer.sources import identity, plain
from mailer.sources.found import Found
from mailer.text import dates, links

# What feedparser calls damage although everything can be read.
_HARMLESS = (
    feedparser.exceptions.CharacterEncodingOverride,
    feedparser.exceptions.NonXMLContentType,
    feedparser.exceptions.UndeclaredNamespace,
)
_IMAGE_FILE = re.compile(r"\.(?:jpe?g|png|gif|webp|avif)$", re.IGNORECASE)
# feedparser takes a picture's description for the item's own; under another name it is kept as what it is.
_MEDIA_DESCRIPTION = re.compile(rb"(</?)media:description(?=[\s/>])")
_ITEM_BEGINS = re.compile(rb"<(?:item|entry)[\s>]")
_ITEM_ENDS = re.compile(rb"</(?:item|entry)\s*>")
_DECLARED = re.compile(rb"""\s*<\?xml\b[^>]*?\bencoding\s*=\s*["']([A-Za-z0-9._-]{1,40})["']""")
# feedparser leaves some of them out, and expands others: those that do not begin a line.
_DOCTYPE, _ENTITY = re.compile(rb"<!DOCTYPE\b", re.IGNORECASE), re.compile(rb"<!ENTITY\b", re.IGNORECASE)
# Codecs of Python's that are none of a text's: they fail in a way of their own, or take hours over a few megabytes.
_NO_ENCODINGS = ("punycode", "idna", "undefined", "unicodeescape", "rawunicodeescape")
_LONG_LEAD = 1000  # characters; a longer «description» is the whole article

Entry = Mapping[str, Any]


def read(name: str, content: bytes, *, source: str, zone: ZoneInfo) -> Found:
    """The items of a feed. A damaged feed gives what can be read and a note.

    `name` is the file's, for messages; `source` overrides the host of the feed's link. Raises UnreadableInput when it
    is no feed, defines entities, or is broken without a single item.
    """
    declared = _DECLARED.match(content.removeprefix(codecs.BOM_UTF8))
    if declared and _bare(declared[1].decode("ascii")) in _NO_ENCODINGS:
        raise UnreadableInput(f"{name}: it says that it is written in «{declared[1].decode('ascii')}», as no feed is.")
    if _defines_entities(content):
        raise UnreadableInput(
            f"{name}: this XML defines entities of its own, by which a small file becomes a huge one.",
            "No feed needs them: ask who makes it for one without <!ENTITY.",
        )
    # A stream, never text or plain bytes: feedparser would take those for an address to fetch or a file to open.
    stream = io.BytesIO(_MEDIA_DESCRIPTION.sub(rb"\1media:caption", content))
    try:
        parsed = feedparser.parse(stream, sanitize_html=False, resolve_relative_uris=False)
    except UnicodeError as error:
        raise UnreadableInput(f"{name}: its letters cannot be read: {error}.") from None
    damage = parsed.get("bozo_exception") if parsed.bozo else None
    if isinstance(damage, _HARMLESS):
        damage = None
    if not parsed.entries:
        return _nothing(name, parsed.version, damage)
    home = links.absolute(parsed.feed.get("link") or "")
    outlet = plain.line(parsed.feed.get("title") or "")
    entries = list(parsed.entries)
    notes = []
    if damage:
        notes.append(f"{name}: the XML is damaged{_where(damage)}; what could be read was taken.")
        if _last_item_is_cut_off(content):
            entries.pop()
            notes.append(f"{name}: item {len(entries) + 1}, the last, is cut off and was left out.")
    articles = []
    for number, entry in enumerate(entries, 1):
        article = _article(entry, home, outlet, source, zone)
        if article.title:
            articles.append(article)
        else:
            notes.append(f"{name}: item {number} ({article.url or 'without a link'}) has no title and was left out.")
    if damage and not articles:
        return _nothing(name, parsed.version, damage)
    return Found(tuple(articles), tuple(notes))


def _bare(codec: str) -> str:
    """The name of a codec as Python looks it up: without marks between."""
    return "".join(filter(str.isalnum, codec.lower()))


def _defines_entities(content: bytes) -> bool:
    letters = content.replace(b"\0", b"")  # UTF-16 and UTF-32 are the same letters between zeros
    readings = [letters]
    if declared := _DECLARED.match(content):
        # In UTF-7 and its like, «<!» may be written with other letters; feedparser believes the declaration.
        with suppress(LookupError, ValueError):
            readings.append(content.decode(declared[1].decode("ascii"), errors="replace").encode("utf-8", "replace"))
    return any((begins := _DOCTYPE.search(each)) and _ENTITY.search(each, begins.end()) for each in readings)


def _nothing(name: str, version: str, damage: Exception | None) -> Found:
    if damage:
        raise UnreadableInput(
            f"{name}: this is broken XML{_where(damage)}, and no item can be read from it.",
            "Save the feed again, whole, from its address.",
        )
    if not version:
        raise UnreadableInput(f"{name}: this is XML, but neither RSS nor Atom.", "Save the feed itself.")
    return Found((), (f"{name}: the feed has no items.",))


def _where(damage: Exception) -> str:
    line = getattr(damage, "getLineNumber", lambda: None)()
    return f" near line {line}" if line else ""


def _last_item_is_cut_off(content: bytes) -> bool:
    """Whether the file ends inside an item, whose words would then be half words."""
    begins = [found.start() for found in _ITEM_BEGINS.finditer(content)]
    ends = [found.start() for found in _ITEM_ENDS.finditer(content)]
    return bool(begins) and (not ends or begins[-1] > ends[-1])


def _article(entry: Entry, home: str, outlet: str, source: str, zone: ZoneInfo) -> FoundArticle:
    url = links.absolute(entry.get("link") or "", home)
    # Not get("updated"): feedparser would warn and put «published» in its place.
    raw = plain.line(entry.get("published") or ("updated" in entry and entry["updated"]) or "")
    lead, body = _words(entry, outlet)
    terms = [term for tag in entry.get("tags") or () if (term := plain.line(tag.get("term") or tag.get("label") or ""))]
    comments = str(entry.get("slash_comments") or "").strip()
    image = _image(entry, url or home)
    return FoundArticle(
        title=plain.line(entry.get("title") or ""),
        source=source or identity.host(home) or identity.host(url),
        guid=plain.name(entry.get("id") or ""),
        url=url,
        lead=lead,
        body=body,
        category=terms[0] if terms else "",
        tags=tuple(dict.fromkeys(terms[1:])),
        author=_author(entry.get("author") or ""),
        image_url=image,
        image_alt=plain.line(entry.get("media_caption") or "") if image else "",
        published=dates.parse(raw, zone=zone),
        published_raw=raw,
        comments=int(comments) if re.fullmatch(r"[0-9]{1,9}", comments) else None,
    )


def _words(entry: Entry, outlet: str) -> tuple[str, str]:
    """Lead and body of an entry."""
    body = ""
    for content in entry.get("content") or ():
        body = max(body, plain.paragraphs(content.get("value") or ""), key=len)
    summary = entry.get("summary") or ""
    lead = plain.lead(summary, outlet)
    if len(lead) > _LONG_LEAD:
        body = body or plain.paragraphs(summary)
        lead = ""
    if body and not lead:
        lead = plain.opening(body, outlet)
    return lead, body


def _author(raw: str) -> str:
    """The author's name; an e-mail address is not one (RSS wants it there, and it is nobody's business here)."""
    words = [word for word in plain.line(raw).replace("(", " ").replace(")", " ").split() if "@" not in word]
    return " ".join(words)


def _image(entry: Entry, base: str) -> str:
    """The widest picture of media:content, else a thumbnail, else an enclosure; "" when there is none."""
    return next((url for raw in _pictures(entry) if (url := links.absolute(raw, base))), "")


def _pictures(entry: Entry) -> Iterator[str]:
    media = [each for each in entry.get("media_content") or () if _is_picture(each, "url")]
    for each in sorted(media, key=_width, reverse=True):
        yield each["url"]
    for each in entry.get("media_thumbnail") or ():
        yield each.get("url") or ""
    for each in entry.get("links") or ():
        if each.get("rel") == "enclosure" and _is_picture(each, "href"):
            yield each["href"]


def _is_picture(media: Entry, where: str) -> bool:
    """By its type or medium; by the file's name only where the feed says neither."""
    address, kind = media.get(where) or "", media.get("type") or ""
    if kind or media.get("medium"):
        return bool(address) and (kind.startswith("image/") or (not kind and media.get("medium") == "image"))
    try:
        return bool(_IMAGE_FILE.search(urlsplit(address).path))
    except ValueError:
        return False


def _width(media: Entry) -> int:
    width = str(media.get("width") or "")
    return int(width) if re.fullmatch(r"[0-9]{1,6}", width) else 0
