"""Reads the elements of a feed's XML, which is often not well-formed.

The reader never fails. An "&" that begins no entity and a "<" that begins no tag are read as text. An element that is
not closed ends where its parent ends. The place of the first mistake is reported. Entities that a document defines are
never expanded, and nothing is fetched. The time is linear in the length of the document.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from mailer.sources import tags
from mailer.sources.found import most_items

_TAG = re.compile(
    r"<(?P<end>/?)(?P<name>[A-Za-z_][\w.:-]*+)"
    r"(?P<attributes>(?:[\s/](?:[^<>\"']++|\"[^\"<]*+\"|'[^'<]*+'|[\"'])*+)?)>"
)
_ATTRIBUTE = re.compile(r"(?<![\w.:-])([A-Za-z_][\w.:-]*+)\s*+=\s*+(?:\"([^\"]*+)\"|'([^']*+)'|([^\s\"'>]++))")
# Matches a CDATA section or a comment. If it is not closed, it extends to the end of the element.
_SECTION = re.compile(r"<!\[CDATA\[(?P<data>.*?)(?:\]\]>|\Z)|<!--.*?(?:-->|\Z)", re.DOTALL)
_INNER_TAG = re.compile(r"</?[A-Za-z][^<>]*+>")
_BARE_AMPERSAND = re.compile(r"&(?!#?\w{1,40}+;)")
_CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f]")
# Matches the end of an item and the beginning of the next. If both are inside one CDATA section, the end of the section
# is missing.
_NEXT_ITEM = re.compile(r"</(?:item|entry)\s*+>\s*+<(?:item|entry)[\s>]", re.IGNORECASE)

# For each namespace, a part of its address and the prefix that this program uses for it. The first match counts.
_SPACES = (
    ("search.yahoo.com/mrss", "media"),
    ("rss/1.0/modules/content", "content"),
    ("rss/1.0/modules/slash", "slash"),
    ("dc/elements/", "dc"),
    ("dc/terms", "dcterms"),
    ("itunes.com/dtds", "itunes"),
    ("w3.org/2005/atom", "atom"),
    ("purl.org/atom", "atom"),
    ("feedburner", "feedburner"),
    ("pheedo", "pheedo"),
    ("syndication/thread", "thr"),
    ("22-rdf-syntax", "rdf"),
    ("w3.org/1999/xhtml", "xhtml"),
    ("news.yandex", "yandex"),
    ("purl.org/rss/1.0/", "rss"),
    ("userland.com/rss", "rss"),
    ("netscape.com/rdf", "rss"),
    ("harvard.edu/tech/rss", "rss"),
)
_PREFIXES_WORDS = "media content slash dc dcterms itunes atom feedburner pheedo thr rdf xhtml yandex wfw georss sy xml"
_PREFIXES = frozenset(_PREFIXES_WORDS.split())
# Elements that contain a text. Tags inside the text are markup and are not read as elements.
_TEXTS_WORDS = "title description summary content content:encoded tagline info subtitle rights copyright"
_TEXTS = frozenset(_TEXTS_WORDS.split())
# Elements that contain a single value. If such an element is not closed, it ends where the next element in `_OF_ITEM`
# begins.
_VALUES = frozenset(("title", "link", "guid", "pubdate", "category", "id", "updated", "published"))
_OF_ITEM = _VALUES | frozenset(
    ("description", "author", "summary", "content", "content:encoded", "enclosure", "dc:date")
)
_LEAVES = _TEXTS | _VALUES
_ITEMS = frozenset(("item", "entry"))
_ROOTS = frozenset(("rss", "rdf", "feed"))
# A document may have `_FEWEST_ELEMENTS` elements or, if that is more, one for every `_SHORTEST_ELEMENT` characters.
_FEWEST_ELEMENTS, _SHORTEST_ELEMENT = 200_000, 10
_DEEPEST = 40  # maximum number of nested elements; a deeper element is a part of the text around it


@dataclass(slots=True, eq=False)
class Element:
    """One element. `name` is in lower case, with the usual prefix of its namespace: "title", "media:content"."""

    name: str
    attributes: dict[str, str]
    source: str = field(repr=False)  # the document
    start: int  # where the content begins in the document
    end: int  # where the content ends
    children: dict[str, list["Element"]] = field(default_factory=dict)

    def every(self, name: str) -> list["Element"]:
        """Return the children with this name."""
        return self.children.get(name, [])

    @property
    def text(self) -> str:
        """The text of the element, with decoded entities. If the text has tags, its markup is returned as written."""
        raw = self.source[self.start : self.end]
        if "<" not in raw:
            return tags.unescaped(raw)
        parts: list[str] = []
        place = 0
        has_tags = _INNER_TAG.search(_SECTION.sub("", raw)) is not None
        for section in _SECTION.finditer(raw):
            before = raw[place : section.start()]
            parts += (before if has_tags else tags.unescaped(before), section["data"] or "")
            place = section.end()
        rest = raw[place:]
        return "".join((*parts, rest if has_tags else tags.unescaped(rest)))


@dataclass(frozen=True, slots=True)
class Document:
    """The result of reading a document. `damage` is the line of the first mistake, or 0 if there is none.

    `items` has every <item> and <entry> in the order of the document. `cut_off` is True if the document ends inside the
    last item. `more` is "items" or "elements" if the document has more of these than any real document of its length;
    only the first `most` of them were read.
    """

    root: Element
    items: list[Element]
    damage: int
    cut_off: bool
    more: str = ""
    most: int = 0


def read(text: str) -> Document:
    """Return the elements of a document. Never raises."""
    return _Reader(text).document()


class _Reader:
    def __init__(self, text: str) -> None:
        self._text = text
        self._top = Element("", {}, text, 0, len(text))
        self._open = [self._top]  # the elements that are not closed yet, the outermost first
        self._items: list[Element] = []
        self._spaces = {"a10": "atom", "atom10": "atom"}  # prefix in the document → usual prefix
        self._names: dict[str, str] = {}  # name in the document → name with the usual prefix
        self._own = {"", "rss"}  # the namespaces of the feed's own elements
        self._mistake = -1
        self._elements = 0  # number of elements so far
        self._ends: dict[str, int] = {}  # end of a section, such as "]]>" → the place where it occurs next

    def document(self) -> Document:
        text = self._text
        most = {"items": most_items(text), "elements": max(_FEWEST_ELEMENTS, len(text) // _SHORTEST_ELEMENT)}
        end, more = self._read(most)
        self._check(end, len(text))
        cut_off = not more and any(each.name in _ITEMS for each in self._open)
        if len(self._open) > 1 and not more:
            self._wrong(len(text))
        while len(self._open) > 1:
            self._pop(end if more else len(text))
        found = next((each[0] for each in self._top.children.values()), self._top)
        if control := _CONTROL.search(text):
            self._mistake = control.start() if self._mistake < 0 else min(self._mistake, control.start())
        line = text.count("\n", 0, self._mistake) + 1 if self._mistake >= 0 else 0
        return Document(found, self._items[: most["items"]], line, cut_off, more, most.get(more, 0))

    def _read(self, most: Mapping[str, int]) -> tuple[int, str]:
        """Read the elements, and return the place after the last one.

        Also returns "items" or "elements" if there are too many of these, else "".
        """
        text, items = self._text, self._items
        most_items, most_elements = most["items"], most["elements"]
        place, ampersand = 0, text.find("&")
        while (tag := text.find("<", place)) >= 0:
            if 0 <= ampersand < tag:
                self._check(place, tag)
                ampersand = text.find("&", tag)
            place = self._markup(tag)
            if len(items) > most_items:
                return place, "items"
            if self._elements > most_elements:
                return place, "elements"
        return place, ""

    def _wrong(self, place: int) -> None:
        if self._mistake < 0:
            self._mistake = place

    def _check(self, begin: int, end: int) -> None:
        """Record a mistake if the text between two places has an "&" that begins no entity."""
        if self._mistake < 0 and self._text.find("&", begin, end) >= 0:
            bare = _BARE_AMPERSAND.search(self._text, begin, end)
            if bare:
                self._wrong(bare.start())

    def _markup(self, at: int) -> int:
        """Read the tag or section that begins with the "<" at this place, and return the place after it."""
        text = self._text
        second = text[at + 1 : at + 2]
        if second == "!":
            if text.startswith("<![CDATA[", at):
                return self._section(at, "]]>")
            if text.startswith("<!--", at):
                return self._section(at, "-->")
            if text[at + 2 : at + 3].isalpha():
                return self._section(at, ">")
        elif second == "?":
            return self._section(at, "?>")
        tag = _TAG.match(text, at)
        if tag is None:
            self._wrong(at)
            return at + 1
        if tag["end"]:
            self._close(tag["name"], at)
        else:
            self._begin(tag)
        return tag.end()

    def _section(self, at: int, end: str) -> int:
        """Return the place after the CDATA section, comment, declaration or instruction that begins at this place."""
        # Each end is searched for only once, even if many sections begin before it.
        if self._ends.get(end, -1) < at:
            found = self._text.find(end, at)
            self._ends[end] = found if found >= 0 else len(self._text)
        close = self._ends[end]
        if end == "]]>" and (early := self._missing_end(at, close)):
            self._wrong(at)
            return early
        if close < len(self._text):
            return close + len(end)
        self._wrong(at)
        return close if end == "]]>" else at + 2

    def _missing_end(self, at: int, close: int) -> int:
        """Return the place where a CDATA section that runs into the next item should have ended, or 0 for any other."""
        item = _NEXT_ITEM.search(self._text, at, close)
        if item is None:
            return 0
        local = self._open[-1].name.rpartition(":")[2]
        end = re.compile(rf"</(?:[\w.-]{{1,40}}:)?{re.escape(local)}\s*+>", re.IGNORECASE)
        inside = end.search(self._text, at, item.start())
        return inside.start() if inside else item.start()

    # --- elements ----------------------------------------------------------------------------------------------------
    def _begin(self, tag: re.Match[str]) -> None:
        written, values = tag["name"].lower(), tag["attributes"]
        local = written.rpartition(":")[2]
        top = self._open[-1].name
        if top in _LEAVES and local not in _ITEMS and local not in _ROOTS:
            if top not in _VALUES or self._name(written) not in _OF_ITEM:
                return  # the tag is markup inside a text
            self._pop(tag.start())
            self._wrong(tag.start())
        if local in _ROOTS and not self._items:
            while len(self._open) > 1:  # anything before the root, such as a script's warning, is ignored
                self._pop(tag.start())
            self._top.children.clear()
        attributes = _attributes(values) if "=" in values else {}
        # Only attributes declare namespaces. At the root, `_named` also recognises Atom by the name of the element.
        is_root = len(self._open) == 1
        name = self._named(written, attributes) if attributes or is_root else self._name(written)
        if name in _ITEMS:
            self._end_item(tag.start())
        elif len(self._open) > _DEEPEST:
            return
        self._elements += 1
        element = Element(name, attributes, self._text, tag.end(), tag.end())
        self._open[-1].children.setdefault(name, []).append(element)
        if name in _ITEMS:
            self._items.append(element)
        if not values.endswith("/"):
            self._open.append(element)

    def _end_item(self, at: int) -> None:
        """Close the previous item if it is still open where the next item begins."""
        if any(each.name in _ITEMS for each in self._open):
            self._wrong(at)
            while self._pop(at).name not in _ITEMS:
                pass

    def _close(self, written: str, at: int) -> None:
        name = self._name(written.lower())
        if self._open[-1].name == name and len(self._open) > 1:
            self._open.pop().end = at
            return
        if not any(each.name == name for each in self._open[1:]):
            if self._open[-1].name not in _TEXTS:
                self._wrong(at)
            return
        self._wrong(at)
        while self._pop(at).name != name:
            pass

    def _pop(self, at: int) -> Element:
        closed = self._open.pop()
        closed.end = at
        return closed

    def _named(self, written: str, attributes: dict[str, str]) -> str:
        """Record the namespaces that an element declares, and return its name with the usual prefix."""
        own = ""
        for name, value in attributes.items():
            if name == "xmlns":
                own = _space(value)
            elif name.startswith("xmlns:"):
                prefix = name.removeprefix("xmlns:")
                self._spaces[prefix] = _space(value) or prefix
                self._names.clear()
        if len(self._open) == 1 and (own == "atom" or self._name(written).startswith("atom:")):
            if written.rpartition(":")[2] in ("feed", "entry"):
                self._own.add("atom")
                self._names.clear()
        elif own and own not in self._own and ":" not in written and written not in _ITEMS:
            return f"{own}:{written}"
        return self._name(written)

    def _name(self, written: str) -> str:
        found = self._names.get(written)
        if found is None:
            prefix, colon, local = written.rpartition(":")
            space = prefix if prefix in _PREFIXES else self._spaces.get(prefix, prefix)
            found = self._names[written] = local if not colon or space in self._own else f"{space}:{local}"
        return found


def _space(address: str) -> str:
    """Return the usual prefix of a namespace, or "" if this program does not use the namespace."""
    lower = address.strip().lower()
    return next((prefix for part, prefix in _SPACES if part in lower), "")


def _attributes(written: str) -> dict[str, str]:
    found: dict[str, str] = {}
    for each in _ATTRIBUTE.finditer(written):
        value = each[2] if each[2] is not None else each[3] if each[3] is not None else each[4]
        found.setdefault(each[1].lower(), tags.unescaped(value))
    return found
