"""Reads the JSON-LD of a page (schema.org): what it says about the page's own article, the outlet and the section.

A page also has JSON-LD about other articles, such as a list of related ones. The object about the page's own article
has the page's address or headline, or is the only one and has a similar headline. Some themes write JSON-LD that is not
valid JSON, with CDATA sections, comments, superfluous commas or HTML entities. This is read, too.
"""

import html
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from mailer.sources import access, identity
from mailer.text.search_key import key

Object = Mapping[str, Any]

_DEEPEST = 8  # levels of nested objects that are searched
_MOST_OBJECTS = 2000  # objects of a page that are read
_MOST_FIELDS = 200  # in an object with more fields, names with a prefix are not recognized
_LARGEST = 500_000  # characters of a block that are read
# Only the values of these fields may describe something other than the object itself, such as an article.
_INSIDE = ("@graph", "@included", "mainEntity", "mainEntityOfPage", "itemListElement", "item")
_HEADLINES = ("headline", "name", "alternativeHeadline")
_OUTLETS = ("Organization", "NewsMediaOrganization", "WebSite", "Corporation", "Periodical")
# Matches strings, which are kept, and what is removed because it is not JSON: JavaScript comments, and the marks of
# HTML comments and CDATA sections. A comment without an end extends to the end of the block, so the time is linear.
_PARTS = re.compile(
    r'(?P<string>"(?:[^"\\]++|\\.)*+"?)|<!\[CDATA\[|\]\]>|<!--|-->|//[^\n]*+|/\*(?:[^*]++|\*(?!/))*+(?:\*/)?', re.DOTALL
)
_COMMAS = re.compile(r'(?P<string>"(?:[^"\\]++|\\.)*+"?)|,(?=\s*+[}\]])', re.DOTALL)
_SIMILAR = 0.6  # the share of a headline's words that must be in the title
# A title and a headline match if one begins with the other, and the shorter one has at least this many characters.
_LONG_HEADLINE = 15


@dataclass(slots=True)
class Data:
    """The objects of a page's JSON-LD."""

    articles: list[tuple[Object, bool]] = field(default_factory=list)  # each with True if it is an item of a list
    pages: list[Object] = field(default_factory=list)
    sites: list[Object] = field(default_factory=list)  # the site, and the organisation behind it
    outlets: list[str] = field(default_factory=list)  # names of the site and its publisher
    breadcrumb: list[str] = field(default_factory=list)
    named: dict[str, Object] = field(default_factory=dict)  # "@id" → the object that has it
    unread: int = 0  # blocks that could not be read

    def values(self, about: Object, name: str) -> list[str]:
        """Return the values of a field as texts. An object is replaced by its name or, for an image, by its address."""
        value = _field(about, name)
        found = []
        for each in value if isinstance(value, list) else [value]:
            inner = self._text(each, "image" in name.lower())
            if inner:
                found.append(inner)
        return found

    def first(self, about: Object, *names: str) -> str:
        """Return the first value found in these fields, which are searched in their order, or ""."""
        return next((each for name in names for each in self.values(about, name)), "")

    def own(self, address: str, titles: Sequence[str]) -> Object:
        """Return the object about the page's own article, or an empty object if there is none.

        `address` is the page's address, or ""; `titles` are the page's titles from outside the JSON-LD.
        """
        place = identity.canonical(address)
        keys = [found for title in titles if (found := key(title))]
        # An article that has neither the page's address nor one of its titles may still be the page's own article, but
        # only if there is no other article.
        alone = len({self.first(each, "headline") for each, listed in self.articles if not listed}) == 1
        best: Object = {}
        most = 0
        for article, listed in self.articles:
            written = [key(each) for name in _HEADLINES for each in self.values(article, name)[:3]]
            named = place != "" and place in map(identity.canonical, self._addresses(article))
            score = 2 * any(_same(headline, title) for headline in written for title in keys) + named
            if not score and alone and not listed and _may_be(next(iter(written), ""), keys):
                score = 1
            if score > most:
                best, most = article, score
        return best

    def page(self, address: str) -> Object:
        """Return the object about the page itself, or an empty one."""
        place = identity.canonical(address)
        own = [each for each in self.pages if place and place in map(identity.canonical, self._addresses(each))]
        return next(iter(own), self.pages[0] if len(self.pages) == 1 else {})

    def closed(self, article: Object, page: Object) -> bool | None:
        """Return True if the article is marked as not free to read, False if it is marked as free, else None.

        If the article has no mark, the mark of the page counts.
        """
        found = [access.closed_by_json_ld(self._with_parts(each)) for each in (article, page)]
        return next((each for each in found if each is not None), None)

    def _with_parts(self, about: Object) -> Object:
        parts = about.get("hasPart")
        resolved = [self._resolved(each) for each in (parts if isinstance(parts, list) else [parts])[:20]]
        return {**about, "hasPart": resolved} if parts else about

    def _addresses(self, about: Object) -> Iterator[str]:
        for name in ("url", "mainEntityOfPage", "@id"):
            value = _field(about, name)
            inner = [value.get("@id"), value.get("url")] if isinstance(value, dict) else [value]
            for each in inner:
                if isinstance(each, str):
                    yield each.partition("#")[0]

    def _text(self, value: object, is_image: bool) -> str:
        value = self._resolved(value)
        if isinstance(value, dict):
            names = ("url", "contentUrl", "@id") if is_image else ("name", "@value")
            given = [_field(value, name) for name in names]
            inner = next((each for each in given if each), "")
            value = inner[0] if isinstance(inner, list) else inner
        return str(value) if isinstance(value, str | int | float) and str(value).strip() else ""

    def _resolved(self, value: object) -> object:
        """Return the object to which a reference {"@id": …} refers. Any other value is returned as it is."""
        reference = value.get("@id") if isinstance(value, dict) and len(value) <= 2 else None
        return self.named.get(reference, value) if isinstance(reference, str) else value


def read(blocks: Sequence[str]) -> Data:
    """Return the objects in a page's blocks of JSON-LD."""
    data = Data()
    left = [_MOST_OBJECTS]
    for block in blocks:
        documents = list(_documents(block[:_LARGEST]))
        data.unread += not documents and bool(block.strip())
        for document in documents:
            _collect(document, data, left)
    return data


def _documents(block: str) -> Iterator[object]:
    """Yield the JSON documents of a block; several may follow each other."""
    written = block.strip()
    if "{&quot;" in written[:200] or "[{&quot;" in written[:200]:
        written = html.unescape(written)
    for text in (written, _COMMAS.sub(_kept, _PARTS.sub(_kept, written))):
        found, whole = _decoded(text.strip().removeprefix("\ufeff"))
        if whole:
            yield from found
            return
    yield from found


def _kept(part: re.Match[str]) -> str:
    return part["string"] or " "


def _decoded(text: str) -> tuple[list[object], bool]:
    """Return the JSON documents at the beginning of a text, and whether nothing else follows them."""
    decoder = json.JSONDecoder(strict=False)  # not strict, because some themes leave line breaks in strings
    found: list[object] = []
    place = 0
    while place < len(text):
        try:
            document, place = decoder.raw_decode(text, place)
        except (ValueError, RecursionError):
            return found, False
        found.append(document)
        while place < len(text) and text[place] in " \t\r\n;,":
            place += 1
    return found, bool(found)


def _collect(document: object, data: Data, left: list[int], deep: int = 0, *, listed: bool = False) -> None:
    """Add the objects of a document to `data`. `left[0]` is the number of objects that may still be read."""
    if isinstance(document, list):
        for each in document:
            _collect(each, data, left, deep + 1, listed=listed)
    if not isinstance(document, dict) or deep > _DEEPEST or left[0] <= 0:
        return
    left[0] -= 1
    kinds = _kinds(document)
    name = document.get("@id")
    if isinstance(name, str) and len(document) > len(data.named.get(name, ())):
        data.named[name] = document
    if any(kind.endswith(("Article", "Posting")) or kind == "Report" for kind in kinds):
        data.articles.append((document, listed))
        data.outlets += data.values(document, "publisher")
    elif any(kind.endswith("Page") for kind in kinds):
        data.pages.append(document)
    elif not kinds.isdisjoint(_OUTLETS):
        data.sites.append(document)
        data.outlets += [*data.values(document, "name"), *data.values(document, "alternateName")]
    elif "BreadcrumbList" in kinds:
        data.breadcrumb = data.breadcrumb or list(_breadcrumb(document))
        return
    for inner in _INSIDE:
        if inner in document:
            within = listed or inner in ("itemListElement", "item")
            _collect(document[inner], data, left, deep + 1, listed=within)


def _kinds(about: Object) -> set[str]:
    kinds = about.get("@type")
    return {_local(kind) for kind in (kinds if isinstance(kinds, list) else [kinds])}


def _local(name: object) -> str:
    """Return a schema.org name without its prefix: "Person" for "https://schema.org/Person" or "schema:Person"."""
    return str(name).rpartition("/")[2].rpartition(":")[2]


def _field(about: Object, name: str) -> Any:
    if name in about or len(about) > _MOST_FIELDS:
        return about.get(name)
    return next((value for each, value in about.items() if _local(each) == name), None)


def _breadcrumb(about: Object) -> Iterator[str]:
    items = about.get("itemListElement")
    for each in (items if isinstance(items, list) else [])[:20]:
        if isinstance(each, dict):
            item = each.get("item")
            name = each.get("name") or (item.get("name") if isinstance(item, dict) else None)
            if isinstance(name, str):
                yield name


def _same(headline: str, title: str) -> bool:
    """Return True if a headline and a title, given as search keys, are equal or one begins with the other."""
    short, long = sorted((headline, title), key=len)
    return headline == title != "" or (len(short) >= _LONG_HEADLINE and long.startswith(short))


def _may_be(headline: str, titles: Sequence[str]) -> bool:
    """Return True if most words of a headline are in one of the titles, or if there is no headline or no title."""
    words = set(headline.split())
    return not words or not titles or any(_SIMILAR * len(words) <= len(words & set(each.split())) for each in titles)
