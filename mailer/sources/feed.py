"""Reads RSS (0.9 to 2.0, and RDF) and Atom (0.3 and 1.0), whichever system wrote them. Nothing is fetched.

The feed's own elements win over elements of the same name in other namespaces: a <media:title> is the title of a
picture, not of the article. `docs/articles.md` has a table of the systems and the elements that they write. Each row
of the table has a test in `tests/sources/test_feed_dialects.py`.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from zoneinfo import ZoneInfo

from mailer.errors import UnreadableInput
from mailer.model import FoundArticle
from mailer.sources import access, elements, identity, plain
from mailer.sources.elements import Element
from mailer.sources.found import Found, titled, too_many, unlinked
from mailer.text import dates, links

_IMAGE_FILE = re.compile(r"[^?#]*\.(?:jpe?g|png|gif|webp|avif)(?:[?#]|$)", re.IGNORECASE)
# Entities are never expanded, but a feed that defines them is refused, because its texts would be incomplete.
_DOCTYPE, _ENTITY = re.compile(r"<!DOCTYPE\b", re.IGNORECASE), re.compile(r"<!ENTITY\b", re.IGNORECASE)
_ROOTS = frozenset(("rss", "rdf:rdf", "rdf", "feed", "entry", "channel"))
_LONG_LEAD = 1000  # maximum number of characters of a lead; a longer description is the whole article

# The elements that may hold each value of an item, in order of preference.
_TITLES = ("title", "atom:title", "dc:title", "itunes:title", "media:title")
_SUMMARIES = ("description", "summary", "atom:summary", "itunes:summary", "dc:description", "dcterms:abstract")
_BODIES = ("content:encoded", "content", "atom:content", "yandex:full-text", "xhtml:body", "fulltext", "body")
_DATES = (
    *("pubdate", "published", "atom:published", "issued", "dc:date", "dcterms:created", "dcterms:issued"),
    *(
        "dcterms:available",
        "dcterms:date",
        "date",
        "created",
        "updated",
        "atom:updated",
        "modified",
        "dcterms:modified",
    ),
)
_AUTHORS = ("author", "dc:creator", "atom:author", "itunes:author", "creator")
_CATEGORIES = ("category", "atom:category", "dc:subject")
_OTHER_CATEGORIES = ("media:category", "itunes:keywords", "media:keywords")
_ORIGINAL_LINKS = ("feedburner:origlink", "pheedo:origlink")
_PICTURES = ("media:content", "media:group", "media:thumbnail", "enclosure", "atom:link", "itunes:image", "image")
_NAMES = ("guid", "id", "atom:id")


@dataclass(frozen=True, slots=True)
class _Feed:
    """The values that are the same for all items of a feed."""

    home: str  # the address of the site
    base: str  # the base address of relative links
    outlet: str
    source: str
    zone: ZoneInfo
    now: datetime | None


def read(
    name: str,
    text: str,
    *,
    source: str,
    zone: ZoneInfo,
    now: datetime | None = None,
    address: str = "",
    cut: bool = False,
) -> Found:
    """Return the items of a feed. From a damaged feed, return the items that can be read, with a note.

    name     the name of the file, for messages
    source   the outlet; overrides the host of the feed's link
    address  where the feed was fetched from
    cut      True if the text is only the beginning of a feed that is too large

    Raises UnreadableInput if the text is not a feed, defines entities, or is broken and has no readable item.
    """
    if (begins := _DOCTYPE.search(text)) and _ENTITY.search(text, begins.end()) and _defines_entities(text):
        raise UnreadableInput(
            f"{name}: this XML defines entities, with which a small file can become a huge one.",
            "No feed needs them: ask its publisher for one without <!ENTITY.",
        )
    document = elements.read(text)
    items = document.items
    notes = [too_many(name, document.most, document.more)] if document.more else []
    if cut and document.cut_off:
        items = items[:-1]
    elif document.damage and items:
        notes.append(f"{name}: the XML is damaged near line {document.damage}; what could be read was stored.")
        if document.cut_off:
            items = items[:-1]
            notes.append(f"{name}: item {len(items) + 1}, the last, is cut off and was left out.")
    about = _about(document.root, source, zone, now, address)
    articles = [_article(item, about) for item in items]
    notes += unlinked(name, [_written_link(item) for item in items], articles)
    found = titled(name, articles, notes)
    if not found.articles and (document.damage or not items):
        return _nothing(name, document, notes)
    return found


def _defines_entities(text: str) -> bool:
    """Return True if there is an <!ENTITY> outside CDATA sections. Inside, it may belong to an article about XML."""
    outside = re.sub(r"<!\[CDATA\[.*?(?:\]\]>|\Z)", "", text, flags=re.DOTALL)
    begins = _DOCTYPE.search(outside)
    return begins is not None and _ENTITY.search(outside, begins.end()) is not None


def _nothing(name: str, document: elements.Document, notes: Sequence[str]) -> Found:
    if document.damage and (document.items or document.root.name in _ROOTS):
        raise UnreadableInput(
            f"{name}: this is broken XML near line {document.damage}, and no item can be read from it.",
            "Save the complete feed again from its address.",
        )
    if document.root.name not in _ROOTS:
        raise UnreadableInput(f"{name}: this is XML, but neither RSS nor Atom.", "Save the feed itself.")
    return Found((), (*notes, f"{name}: the feed has no items."))


def _about(root: Element, source: str, zone: ZoneInfo, now: datetime | None, address: str) -> _Feed:
    channel = next(iter(root.every("channel")), root)
    home = links.absolute(_link(channel), address)
    base = links.absolute(root.attributes.get("xml:base", ""), home or address) or home or address
    return _Feed(home, base, plain.line(_first(channel, "title", "atom:title")), source, zone, now)


def _first(element: Element, *names: str) -> str:
    """Return the text of the first child that has text, trying the names in order, or "" if no child has text."""
    children = element.children  # looked up once, because a large feed makes hundreds of thousands of calls
    for name in names:
        for child in children.get(name, ()):
            if text := child.text.strip():
                return text
    return ""


# --- an item ---------------------------------------------------------------------------------------------------------
def _article(item: Element, feed: _Feed) -> FoundArticle:
    url = _address(item, feed.base)
    published, raw = _date(item, feed.zone, feed.now)
    title = plain.line(_first(item, *_TITLES))
    lead, body = _lead_and_body(item, feed.outlet)
    category, *tags = _categories(item) or ("",)
    image, description = _picture(item, url or feed.base)
    return FoundArticle(
        title=title,
        source=feed.source or identity.host(feed.home) or identity.host(url),
        guid=plain.name(_first(item, *_NAMES) or item.attributes.get("rdf:about", "")),
        url=url,
        lead=lead,
        body=body,
        category=category,
        tags=tuple(tags),
        author=_author(item),
        image_url=image,
        image_alt=description,
        published=published,
        published_raw=raw,
        comments=_number(_first(item, "slash:comments", "thr:total")),
        closed=True if access.is_closed(title, lead, body) or _is_restricted(item) else None,
    )


def _written_link(item: Element) -> str:
    """Return the link of an item as the feed wrote it. A note shows this link if it cannot be used."""
    return _link(item) or item.attributes.get("rdf:about", "")


def _link(element: Element) -> str:
    """Return the address of an element's page, as written in the <link> of RSS or the rel="alternate" link of Atom."""
    found = []
    for each in (*element.every("link"), *element.every("atom:link")):
        href = each.attributes.get("href", "").strip()
        if each.attributes.get("rel", "alternate").lower() not in ("alternate", ""):
            continue
        if written := href or (each.text.strip() if each.name == "link" else ""):
            # A link with rel="alternate" may also lead to a feed in another format: prefer the HTML page.
            is_page = not href or "html" in each.attributes.get("type", "text/html")
            found.append((not is_page, written))
    return min(found, key=lambda each: each[0], default=(False, ""))[1]


def _address(item: Element, base: str) -> str:
    """Return the address of an item's page. If the link leads to a click counter, prefer the original address."""
    base = links.absolute(item.attributes.get("xml:base", ""), base) or base
    url = links.original(links.absolute(_link(item), base))
    if original := links.absolute(_first(item, *_ORIGINAL_LINKS), base):
        return original
    if url and not links.is_tracker(url):
        return url
    permanent = [
        written
        for each in item.every("guid")
        if (written := each.text.strip()).startswith(("http", "//", "www."))
        and (not url or each.attributes.get("ispermalink", "true").lower() != "false")
    ]
    permanent += [item.attributes.get("rdf:about", ""), *(each.text.strip() for each in item.every("id"))]
    found = (links.absolute(each) for each in permanent)
    return next((each for each in found if each and not links.is_tracker(each)), url)


def _date(item: Element, zone: ZoneInfo, now: datetime | None) -> tuple[datetime | None, str]:
    """Return the date of an item, and the text that it was read from.

    Several elements may have a date; the first one that can be read counts. If none can be read, the date is None, and
    the text is that of the first element.
    """
    first = ""
    for name in _DATES:
        if name not in item.children:
            continue
        raw = plain.line(_first(item, name))
        published = dates.parse(raw, zone=zone, now=now) if raw else None
        if published:
            return published, raw
        first = first or raw
    return None, first


def _lead_and_body(item: Element, outlet: str) -> tuple[str, str]:
    bodies = [plain.paragraphs(each.text) for name in _BODIES for each in item.every(name)]
    body = max(bodies, key=len, default="")
    summary = _first(item, *_SUMMARIES)
    lead = plain.lead(summary, outlet)
    if len(lead) > _LONG_LEAD:
        body, lead = body or plain.paragraphs(summary), ""
    return lead or plain.opening(body, outlet), body


def _categories(item: Element) -> tuple[str, ...]:
    """Return the names of an item's categories. Atom writes the names into attributes."""
    found = [
        each.text.strip() or each.attributes.get("label") or each.attributes.get("term", "")
        for name in _CATEGORIES
        for each in item.every(name)
    ]
    labels = plain.labels(found)
    if labels:
        return labels
    others = [each.text for name in _OTHER_CATEGORIES for each in item.every(name)]
    return plain.labels(part for each in others for part in re.split("[,،]", each))


def _author(item: Element) -> str:
    """Return the author's name without the e-mail address that RSS adds to it."""
    for name in _AUTHORS:
        for each in item.every(name):
            raw = _first(each, "name", "atom:name") if each.children else each.text
            words = plain.line(raw).replace("(", " ").replace(")", " ").split()
            if author := " ".join(word for word in words if "@" not in word):
                return author
    return ""


def _is_restricted(item: Element) -> bool:
    """Return True if the item says that it is not free to read."""
    rights = _first(item, "dc:accessrights", "dcterms:accessrights", "access", "isaccessibleforfree").lower()
    return rights in ("members", "members-only", "paid", "premium", "subscribers", "restricted", "private", "false")


# --- pictures --------------------------------------------------------------------------------------------------------
def _picture(item: Element, base: str) -> tuple[str, str]:
    """Return the address and the description of an item's picture.

    A picture that every mail program can show wins over the others.
    """
    enclosed = any(each.attributes.get("rel") == "enclosure" for each in item.every("link"))
    if not enclosed and item.children.keys().isdisjoint(_PICTURES):
        return "", ""
    found = [(address, media) for written, media in _pictures(item) if (address := links.absolute(written, base))]
    if not found:
        return "", ""
    address, media = next((each for each in found if links.picture(each[0])), found[0])
    return address, plain.line(_first(media, "media:description") or _first(item, "media:description"))


def _pictures(item: Element) -> Iterator[tuple[str, Element]]:
    """Yield the addresses of an item's pictures, each with its element.

    First come the pictures in media:content, from the widest to the narrowest, then the thumbnails, then the
    enclosures.
    """
    groups = [item, *item.every("media:group")]
    media = [each for group in groups for each in group.every("media:content") if _is_picture(each, "url")]
    media += [each for group in item.every("media:group") for each in group.every("media:thumbnail")]
    for each in sorted(media, key=lambda each: _number(each.attributes.get("width", "")) or 0, reverse=True):
        yield each.attributes.get("url", ""), each
    for content in (*item.every("media:content"), item):
        for each in content.every("media:thumbnail"):
            yield each.attributes.get("url", ""), each
    for each in item.every("enclosure"):
        if _is_picture(each, "url"):
            yield each.attributes["url"], each
    for each in (*item.every("link"), *item.every("atom:link")):
        if each.attributes.get("rel") == "enclosure" and _is_picture(each, "href"):
            yield each.attributes["href"], each
    for each in item.every("itunes:image"):
        yield each.attributes.get("href", ""), each
    for each in item.every("image"):
        yield _first(each, "url") or ("" if each.children else each.text.strip()), each


def _is_picture(media: Element, where: str) -> bool:
    """Return True if a media element is a picture.

    The element's type or medium decides. The file name decides only if the feed gives neither a type nor a medium.
    """
    get = media.attributes.get
    address, kind, medium = get(where, ""), get("type", ""), get("medium", "")
    if kind or medium:
        return bool(address) and (kind.startswith("image/") or (not kind and medium == "image"))
    return bool(_IMAGE_FILE.match(address))


def _number(raw: str) -> int | None:
    return int(raw) if re.fullmatch(r"[0-9]{1,9}", raw.strip()) else None
