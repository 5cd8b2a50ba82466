"""Reads RSS and Atom feeds. feedparser parses the XML; this module reads the dates, texts and pictures.

feedparser would read the Jalali year 1404 as a year of the Gregorian calendar, and every text has to pass through
`plain`. This module fetches nothing.
"""

import codecs
import io
import re
from collections.abc import Iterator, Mapping
from contextlib import suppress
from typing import Any
from zoneinfo import ZoneInfo

import feedparser

from mailer.errors import UnreadableInput
from mailer.model import FoundArticle
from mailer.sources import identity, plain
from mailer.sources.found import Found, titled
from mailer.text import dates, links

# Errors that feedparser reports even if it can read the whole feed.
_HARMLESS = (
    feedparser.exceptions.CharacterEncodingOverride,
    feedparser.exceptions.NonXMLContentType,
    feedparser.exceptions.UndeclaredNamespace,
)
_IMAGE_FILE = re.compile(r"[^?#]*\.(?:jpe?g|png|gif|webp|avif)(?:[?#]|$)", re.IGNORECASE)
# feedparser would use the description of a picture as the description of the item. To prevent this, media:description
# is renamed before parsing.
_MEDIA_DESCRIPTION = re.compile(rb"(</?)media:description(?=[\s/>])")
_ITEM_BEGINS = re.compile(rb"<(?:item|entry)[\s>]")
_ITEM_ENDS = re.compile(rb"</(?:item|entry)\s*>")
_DECLARED = re.compile(rb"""\s*<\?xml\b[^>]*?\bencoding\s*=\s*["']([A-Za-z0-9._-]{1,40})["']""")
# A feed that defines entities is refused. feedparser removes only entity definitions at the beginning of a line, and
# expands all other entities.
_DOCTYPE, _ENTITY = re.compile(rb"<!DOCTYPE\b", re.IGNORECASE), re.compile(rb"<!ENTITY\b", re.IGNORECASE)
# Python codecs that are not text encodings. Decoding with them fails in unusual ways, or takes hours for a few
# megabytes.
_NOT_ENCODINGS = ("punycode", "idna", "undefined", "unicodeescape", "rawunicodeescape")
_LONG_LEAD = 1000  # characters; a longer description is the whole article, not a lead

Entry = Mapping[str, Any]


def read(name: str, content: bytes, *, source: str, zone: ZoneInfo) -> Found:
    """Return the items of a feed. From a damaged feed, return the items that can be read, with a note.

    `name` is the file name that messages show. `source` is stored as the source of every article; if `source` is "",
    the host of the feed's link is used. Raises UnreadableInput if the content is not a feed, declares an encoding that
    no feed has, defines entities, or is broken and has no readable item.
    """
    encoding = _declared_encoding(content.removeprefix(codecs.BOM_UTF8))
    # Compare the name of the encoding as Python's codec search does, so that no spelling of a refused name is accepted.
    if "".join(filter(str.isalnum, encoding.lower())) in _NOT_ENCODINGS:
        raise UnreadableInput(f"{name}: it claims the encoding {encoding!r}, which no feed has.")
    if _defines_entities(content):
        raise UnreadableInput(
            f"{name}: this XML defines entities, with which a small file can become a huge one.",
            "No feed needs them: ask its publisher for one without <!ENTITY.",
        )
    # Pass a stream, because feedparser may treat text or bytes as an address to fetch or as the path of a file to open.
    stream = io.BytesIO(_MEDIA_DESCRIPTION.sub(rb"\1media:caption", content))
    try:
        parsed = feedparser.parse(stream, sanitize_html=False, resolve_relative_uris=False)
    except UnicodeError as error:
        raise UnreadableInput(f"{name}: its characters cannot be read: {error}.") from None
    damage = parsed.get("bozo_exception") if parsed.bozo else None
    if isinstance(damage, _HARMLESS):
        damage = None
    home = links.absolute(parsed.feed.get("link") or "")
    outlet = plain.line(parsed.feed.get("title") or "")
    entries = list(parsed.entries)
    notes = []
    if damage and entries:
        notes.append(f"{name}: the XML is damaged{_where(damage)}; what could be read was stored.")
        if _last_item_is_cut_off(content):
            entries.pop()
            notes.append(f"{name}: item {len(entries) + 1}, the last, is cut off and was left out.")
    found = titled(name, [_article(entry, home, outlet, source, zone) for entry in entries], notes)
    if not found.articles and (damage or not entries):
        return _nothing(name, parsed.version, damage)
    return found


def _declared_encoding(content: bytes) -> str:
    found = _DECLARED.match(content)
    return found[1].decode("ascii") if found else ""


def _defines_entities(content: bytes) -> bool:
    readings = [content.replace(b"\0", b"")]  # without the zero bytes between ASCII characters in UTF-16 and UTF-32
    # feedparser decodes the content with the declared encoding. Search the decoded text as well, because some
    # encodings, such as UTF-7, can write "<!" with other bytes.
    with suppress(LookupError, ValueError):
        readings.append(content.decode(_declared_encoding(content), errors="replace").encode("utf-8", "replace"))
    return any((begins := _DOCTYPE.search(each)) and _ENTITY.search(each, begins.end()) for each in readings)


def _nothing(name: str, version: str, damage: Exception | None) -> Found:
    if damage:
        raise UnreadableInput(
            f"{name}: this is broken XML{_where(damage)}, and no item can be read from it.",
            "Save the complete feed again from its address.",
        )
    if not version:
        raise UnreadableInput(f"{name}: this is XML, but neither RSS nor Atom.", "Save the feed itself.")
    return Found((), (f"{name}: the feed has no items.",))


def _where(damage: Exception) -> str:
    line = getattr(damage, "getLineNumber", lambda: None)()
    return f" near line {line}" if line else ""


def _last_item_is_cut_off(content: bytes) -> bool:
    """Return True if the file ends inside an item. The texts of that item may then be incomplete."""
    both = (_ITEM_BEGINS, _ITEM_ENDS)
    begins, ends = (max((found.start() for found in each.finditer(content)), default=-1) for each in both)
    return begins > ends


def _article(entry: Entry, home: str, outlet: str, source: str, zone: ZoneInfo) -> FoundArticle:
    url = links.absolute(entry.get("link") or "", home)
    # Do not use get("updated"): if the entry has no "updated", feedparser warns and returns "published" instead.
    raw = plain.line(entry.get("published") or ("updated" in entry and entry["updated"]) or "")
    lead, body = _lead_and_body(entry, outlet)
    terms = [tag.get("term") or tag.get("label") or "" for tag in entry.get("tags") or ()]
    category, *tags = plain.labels(terms) or ("",)
    image = next((found for each in _pictures(entry) if (found := links.absolute(each, url or home))), "")
    return FoundArticle(
        title=plain.line(entry.get("title") or ""),
        source=source or identity.host(home) or identity.host(url),
        guid=plain.name(entry.get("id") or ""),
        url=url,
        lead=lead,
        body=body,
        category=category,
        tags=tuple(tags),
        author=_author(entry.get("author") or ""),
        image_url=image,
        image_alt=plain.line(entry.get("media_caption") or "") if image else "",
        published=dates.parse(raw, zone=zone),
        published_raw=raw,
        comments=_number(entry.get("slash_comments")),
    )


def _lead_and_body(entry: Entry, outlet: str) -> tuple[str, str]:
    bodies = [plain.paragraphs(content.get("value") or "") for content in entry.get("content") or ()]
    body = max(bodies, key=len, default="")
    summary = entry.get("summary") or ""
    lead = plain.lead(summary, outlet)
    if len(lead) > _LONG_LEAD:
        body, lead = body or plain.paragraphs(summary), ""
    return lead or plain.opening(body, outlet), body


def _author(raw: str) -> str:
    """Return the author's name without the e-mail address that RSS adds to it."""
    words = plain.line(raw).replace("(", " ").replace(")", " ").split()
    return " ".join(word for word in words if "@" not in word)


def _pictures(entry: Entry) -> Iterator[str]:
    """Yield the addresses of an entry's pictures.

    First come the pictures in media:content, from the widest to the narrowest, then the thumbnails, then the
    enclosures.
    """
    media = [each for each in entry.get("media_content") or () if _is_picture(each, "url")]
    for each in sorted(media, key=lambda each: _number(each.get("width")) or 0, reverse=True):
        yield each["url"]
    for each in entry.get("media_thumbnail") or ():
        yield each.get("url") or ""
    for each in entry.get("links") or ():
        if each.get("rel") == "enclosure" and _is_picture(each, "href"):
            yield each["href"]


def _is_picture(media: Entry, where: str) -> bool:
    """Return True if a media element is a picture.

    The element's type or medium decides. The file name decides only if the feed gives neither a type nor a medium.
    """
    address, kind = media.get(where) or "", media.get("type") or ""
    if kind or media.get("medium"):
        return bool(address) and (kind.startswith("image/") or (not kind and media.get("medium") == "image"))
    return bool(_IMAGE_FILE.match(address))


def _number(raw: object) -> int | None:
    text = str(raw or "").strip()
    return int(text) if re.fullmatch(r"[0-9]{1,9}", text) else None
