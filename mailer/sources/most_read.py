"""Finds the list of the most read articles on a page of a news site.

Sites put such a list into a box on their pages, below a heading such as «پربازدیدترین‌ها» or "Most read", or give it a
page of its own. The order of the links on the list is the order in which readers read the articles.
"""

import re
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from html.parser import HTMLParser
from itertools import islice
from urllib.parse import unquote

import nh3

from mailer.sources import identity
from mailer.text import links as addresses
from mailer.text.search_key import key

_FEWEST, _MOST = 3, 60  # a list has at least _FEWEST links; only its first _MOST are used
_LONGEST_LABEL = 60  # the most characters of a heading that names a list
_MOST_LABELS = 20  # only this many elements are tried as the name of a list; a usual page has one or two
_LONGEST_TITLE = 4  # words; a heading that is a link and has more of them is the title of an article
_LONGEST_CLIMB = 6  # at most this many steps from a heading up to the element that also holds the list
# Names of lists, as search keys. The words of _CERTAIN always mean reading. Those of _PERHAPS may also mean comments or
# likes, so they are tried only if no list is found by _CERTAIN or by a class or id of _NAMES.
_CERTAIN = re.compile(
    "پر ?(?:بازدید|بیننده|خواننده|مخاطب)|بیشترین (?:بازدید|خواننده)|most (?:read|viewed|visited)"
    "|اکثر (?:قراه|مشاهده|زیاره)|سب سے زیادہ پڑھ|הנקרא(?:ות|ים) ביותר|הנצפ(?:ות|ים) ביותר"
)
_PERHAPS = re.compile(r"\b(?:popular|trending)\b|محبوب ?ترین|داغ ?ترین|پر ?طرفدار|اکثر رواجا")
_NAMES = re.compile(r"most[-_]?(?:read|view|visit)|top[-_]?view|por[-_]?(?:bazdid|binande)|popular[-_]?posts?", re.I)
_HEADINGS = frozenset(("h1", "h2", "h3", "h4", "h5", "h6"))
_BOXES = frozenset(("article", "aside", "footer", "main", "nav", "section"))  # each holds a list with its heading
_TAGS = _HEADINGS | {
    *("a", "article", "aside", "b", "base", "button", "dd", "div", "dl", "dt", "footer", "header", "label", "li"),
    *("main", "nav", "ol", "p", "section", "span", "strong", "table", "tbody", "td", "th", "tr", "ul"),
}
_DROPPED_WHOLE = {"iframe", "noscript", "script", "select", "style", "svg", "template", "title"}
_POINTERS = ("href", "data-target", "data-bs-target", "aria-controls", "data-tab")
_ATTRIBUTES = {"*": {"class", "id", *_POINTERS}}


def is_named(text: str) -> bool:
    """Return True if the address or the title of a page or a feed names a list of the most read articles."""
    return bool(_CERTAIN.search(key(text[:500])) or _NAMES.search(unquote(text[:2000])))


def links(text: str, address: str, title: str) -> Sequence[str]:
    """Return the addresses on the list of the most read articles of a page, or none if the page has no such list.

    `address` is the page's own address. Only links to the same site count; its subdomains belong to it. If no list is
    found on the page, but its `title` or address names one, the whole page is the list, and all its links are returned.
    """
    page = _Page(address)
    body = nh3.clean(text, tags=_TAGS, attributes=_ATTRIBUTES, clean_content_tags=_DROPPED_WHOLE, link_rel=None)
    page.feed(f"<div>{body}</div>")  # the outermost element, because cleaning removes <html> and <body>
    page.close()
    for label in islice(page.labels(), _MOST_LABELS):
        found = list(dict.fromkeys(page.list_of(label)))
        if len(found) >= _FEWEST:
            return found[:_MOST]
    if is_named(title) or is_named(address):
        return list(dict.fromkeys(each for element in page.elements if (each := page.own_link(element))))
    return ()


@dataclass(slots=True)
class _Element:
    tag: str
    attributes: dict[str, str]
    parent: "_Element | None"
    number: int
    end: int = 0  # the number of the last element inside this one
    in_link: bool = False  # is in a link to another page
    has_link: bool = False  # contains such a link
    own_link: str | None = None  # see `_Page.own_link`; None if it was not computed yet
    text: str = ""  # the beginning of its text, with the text of the elements inside

    @property
    def name(self) -> str:
        return f"{self.attributes.get('class', '')} {self.attributes.get('id', '')}"


class _Page(HTMLParser):
    """Reads the elements of a page in their order. The caller must first repair the markup."""

    def __init__(self, address: str) -> None:
        super().__init__(convert_charrefs=True)
        self.elements: list[_Element] = []
        self._address, self._host = address, identity.host(address)
        self._open: list[_Element] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        parent = self._open[-1] if self._open else None
        number = len(self.elements)
        element = _Element(tag, {name: value or "" for name, value in attrs}, parent, number, number)
        self.elements.append(element)
        if parent:
            element.in_link = parent.in_link or self._is_link(parent)
        if self._is_link(element):
            for each in reversed(self._open):
                if each.has_link:
                    break
                each.has_link = True
        if tag != "base":
            self._open.append(element)

    def handle_endtag(self, tag: str) -> None:
        if self._open and self._open[-1].tag == tag:
            self._open.pop().end = len(self.elements) - 1

    def handle_data(self, data: str) -> None:
        for element in self._open[-_LONGEST_CLIMB:]:
            if len(element.text) <= _LONGEST_LABEL:
                element.text += data[: _LONGEST_LABEL + 1]

    def labels(self) -> Iterator[_Element]:
        """Yield the elements that name a list: first by a text that is certain, then by a class or id, then by a text
        that may mean something else."""
        short = [each for each in self.elements if 0 < len(each.text.strip()) <= _LONGEST_LABEL]
        texts = {each.number: key(each.text) for each in short}
        yield from _innermost([each for each in short if _CERTAIN.search(texts[each.number])])
        yield from (each for each in self.elements if _NAMES.search(each.name))
        yield from _innermost([each for each in short if _PERHAPS.search(texts[each.number])])

    def list_of(self, label: _Element) -> Iterator[str]:
        """Yield the links of the list that a label names.

        The label may be inside of elements that contain nothing else, except for a link to a page with more. The list
        is in the first element around these. If there is no list in it, the site has left the list empty, or a script
        fills it. What follows after that element is something else.
        """
        if pane := self._pane(label):
            yield from self._links(pane.number, pane.end)
            return
        if len(inside := list(self._links(label.number, label.end))) >= _FEWEST:
            yield from inside
            return
        heading = next((each for each in _upwards(label) if each.tag in _HEADINGS), None)
        if not label.text.strip() or len(label.text) > _LONGEST_LABEL or self._names_another_page(label, heading):
            return
        holder = heading or label
        for climbed in range(_LONGEST_CLIMB):
            is_whole_page = heading is not None and heading.tag == "h1"
            if holder.parent is None or (holder.tag in _BOXES and not is_whole_page):
                return
            if (not heading or holder is heading) and self._is_tab(holder):
                return
            below, holder = holder.end + 1, holder.parent
            found = list(self._links(below, self._end(holder, below, heading, may_have_subtitle=not climbed)))
            if len(set(found)) >= _FEWEST:
                yield from found
                return
            around = [each for each in self.elements[holder.number : holder.end + 1] if self._is_link(each)]
            if sum(not label.number <= each.number <= label.end for each in around) > 1:
                return

    def _names_another_page(self, label: _Element, heading: _Element | None) -> bool:
        """Return True if a label is a link that is an item of a menu or the title of an article."""
        if not (label.in_link or label.has_link or self._is_link(label)):
            return False
        return heading is None or len(key(label.text).split()) > _LONGEST_TITLE

    def _is_tab(self, element: _Element) -> bool:
        """Return True if an element is in a row of tabs: one beside it has the same tag, and both have only text."""

        def is_text(each: _Element) -> bool:
            return bool(key(each.text)) and not (self._is_link(each) or each.has_link)

        near = [each for each in self.elements if each.parent is element.parent and each.tag == element.tag]
        beside = (each for each in near if each.end + 1 == element.number or element.end + 1 == each.number)
        return is_text(element) and any(map(is_text, beside))

    def _end(self, holder: _Element, first: int, heading: _Element | None, *, may_have_subtitle: bool) -> int:
        """Return the number of the last element of the list that begins in `holder` at the element `first`.

        The list ends before a menu, before the end of the page, and before the next heading that is not part of an
        item. The headings of items are links, or of a lower level than `heading`, the heading of the list.
        """
        begun = False
        for each in self.elements[first : holder.end + 1]:
            begun = begun or bool(self.own_link(each))
            if each.tag in ("nav", "footer"):
                return each.number - 1
            if each.tag not in _HEADINGS or each.in_link or each.has_link:
                continue
            is_lower = heading is not None and each.tag > heading.tag
            if not is_lower or (each.parent is heading.parent if begun and heading else not may_have_subtitle):
                return each.number - 1
        return holder.end

    def _is_link(self, element: _Element) -> bool:
        """Return True for a link to another page, of this site or another."""
        if element.tag != "a":
            return False
        href = element.attributes.get("href", "").strip()
        return bool(href) and not href.startswith(("#", "mailto:", "tel:", "javascript:"))

    def _pane(self, label: _Element) -> _Element | None:
        """Return the element that a tab shows, or None.

        An attribute of the label, of the label's parent or of an element in the label must have the id of this element.
        """
        near = [label, *(each for each in (label.parent,) if each), *self.elements[label.number + 1 : label.end + 1]]
        wanted = {each.attributes.get(name, "").removeprefix("#") for each in near for name in _POINTERS} - {""}
        return next((each for each in self.elements if each.attributes.get("id") in wanted and each not in near), None)

    def _links(self, first: int, last: int) -> Iterator[str]:
        return (each for element in self.elements[first : last + 1] if (each := self.own_link(element)))

    def own_link(self, element: _Element) -> str:
        """Return the address of a link to a page of the same site, or "" if the element is no such link.

        A host and its subdomains are one site: the list of m.example.org may have links to www.example.org.
        """
        if element.own_link is None:
            element.own_link = self._own_link(element)
        return element.own_link

    def _own_link(self, element: _Element) -> str:
        if not self._is_link(element):
            return ""
        href = element.attributes.get("href", "").strip()
        found = addresses.absolute(href, self._address).partition("#")[0]
        host = identity.host(found)
        is_own = f".{host}".endswith(f".{self._host}") or (host and f".{self._host}".endswith(f".{host}"))
        return found if is_own and identity.canonical(found) != host else ""


def _upwards(element: _Element) -> Iterator[_Element]:
    """Yield an element and the elements that it is in, the innermost first."""
    around: _Element | None = element
    while around is not None:
        yield around
        around = around.parent


def _innermost(elements: Sequence[_Element]) -> Iterator[_Element]:
    """Yield the elements that contain none of the others. `elements` must be in the order of the page."""
    after = [*(each.number for each in elements[1:]), sys.maxsize]
    return (element for element, next_one in zip(elements, after, strict=False) if next_one > element.end)
