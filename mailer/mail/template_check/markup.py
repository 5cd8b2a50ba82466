"""A mail's HTML as a tree, with everything that a forgiving parser would have to repair.

Mail programs repair differently, so a mail must leave them nothing to repair. Reads the subset that mails are written
in; it judges nesting and nothing else.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from html.parser import HTMLParser

_VOID = {"meta", "img", "br", "hr", "link", "input", "base"}
_BLOCKS = {"p", "div", "table", "h1", "h2", "h3", "h4", "ul", "ol", "li", "form"}
_PARENTS = {"td": {"tr"}, "th": {"tr"}, "tr": {"table", "tbody", "thead"}, "tbody": {"table"}, "li": {"ul", "ol"}}
_ONLY_ROWS = {"table", "tbody", "thead", "tr"}

_MSO = re.compile(r"<!--\[if mso\]>(.*?)<!\[endif\]-->", re.DOTALL)
_NOT_MSO = re.compile(r"<!--\[if !mso\]><!-->.*?<!--<!\[endif\]-->", re.DOTALL)


@dataclass(eq=False)
class Element:
    """One element; `pieces` are its text and its elements in order."""

    tag: str
    attributes: dict[str, str]
    above: "Element | None" = None
    pieces: list["Element | str"] = field(default_factory=list)

    def get(self, name: str) -> str:
        return self.attributes.get(name, "")

    def all(self, *tags: str) -> Iterator["Element"]:
        """Every element below with one of these tags (without tags: every one), in the order of the text."""
        for piece in self.pieces:
            if isinstance(piece, Element):
                if not tags or piece.tag in tags:
                    yield piece
                yield from piece.all(*tags)

    def first(self, tag: str) -> "Element | None":
        return next(self.all(tag), None)

    def children(self) -> list["Element"]:
        return [piece for piece in self.pieces if isinstance(piece, Element)]

    def text(self) -> str:
        """The words that a reader sees; styles and scripts are none."""
        return "".join(piece if isinstance(piece, str) else piece.text() for piece in self.pieces if _seen(piece))


def _seen(piece: Element | str) -> bool:
    return isinstance(piece, str) or piece.tag not in ("style", "script")


def read(html: str) -> tuple[Element, list[str]]:
    """The tree (its root has the tag "") and what is wrong with the nesting, in words."""
    reader = _Reader()
    reader.feed(html)
    reader.close()
    reader.problems += [f"<{element.tag}> is never closed" for element in reader.open[1:]]
    return reader.open[0], reader.problems


def as_word_sees_it(html: str) -> str:
    """The HTML with Outlook's conditional comments carried out."""
    return _MSO.sub(r"\1", _NOT_MSO.sub("", html))


class _Reader(HTMLParser):
    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.open = [Element("", {})]
        self.problems: list[str] = []
        self._ids: set[str] = set()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        above = self.open[-1]
        element = Element(tag, {name: value or "" for name, value in attrs}, above)
        if len(element.attributes) < len(attrs):
            self.problems.append(f"<{tag}> has an attribute twice")
        if element.get("id") in self._ids:
            self.problems.append(f"two elements have the id {element.get('id')}")
        self._ids |= {element.get("id")} - {""}
        if tag in _PARENTS and above.tag not in _PARENTS[tag]:
            self.problems.append(f"<{tag}> stands in <{above.tag}>")
        if above.tag in _ONLY_ROWS and tag not in _PARENTS:
            self.problems.append(f"<{tag}> stands directly in <{above.tag}>")
        if tag in _BLOCKS and above.tag in ("p", "h1", "h2", "h3", "span", "a"):
            self.problems.append(f"<{tag}> stands in <{above.tag}>")
        if tag == "a" and any(outer.tag == "a" for outer in self.open):
            self.problems.append("a link stands in a link")
        above.pieces.append(element)
        if tag not in _VOID:
            self.open.append(element)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attrs)
        if tag not in _VOID:
            self.problems.append(f"<{tag}/> closes nothing")
            self.open.pop()

    def handle_endtag(self, tag: str) -> None:
        if self.open[-1].tag == tag and tag:
            self.open.pop()
            return
        self.problems.append(f"</{tag}> closes <{self.open[-1].tag}>")
        if any(element.tag == tag for element in self.open[1:]):
            while self.open.pop().tag != tag:
                pass

    def handle_data(self, data: str) -> None:
        if self.open[-1].tag in _ONLY_ROWS and data.strip():
            self.problems.append(f"«{data.strip()[:40]}» stands directly in <{self.open[-1].tag}>")
        self.open[-1].pieces.append(data)
