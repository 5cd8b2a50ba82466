"""Parses the HTML of a mail into a tree, and reports everything that a forgiving parser would have to repair.

Mail programs repair broken markup in different ways, so a mail must not contain broken markup. The parser knows only
the subset of HTML that mails use, and checks only the nesting.
"""

import re
from html.parser import HTMLParser
from xml.etree.ElementTree import Element, SubElement

_VOID = {"meta", "img", "br", "hr", "link", "input", "base"}
_BLOCKS = {"p", "div", "table", "h1", "h2", "h3", "h4", "ul", "ol", "li", "form"}
_PARENTS = {"td": {"tr"}, "th": {"tr"}, "tr": {"table", "tbody", "thead"}, "tbody": {"table"}, "li": {"ul", "ol"}}
_ONLY_ROWS = {"table", "tbody", "thead", "tr"}

_MSO = re.compile(r"<!--\[if mso\]>(.*?)<!\[endif\]-->", re.DOTALL)
_NOT_MSO = re.compile(r"<!--\[if !mso\]><!-->.*?<!--<!\[endif\]-->", re.DOTALL)


def read(html: str) -> tuple[Element, list[str]]:
    """Returns the HTML as an element tree, and a list of the errors in its nesting. The tag of the root is ""."""
    reader = _Reader()
    reader.feed(html)
    reader.close()
    reader.problems += [f"<{element.tag}> is never closed" for element in reader.open[1:]]
    return reader.open[0], reader.problems


def text(element: Element) -> str:
    """Returns the text in an element as a reader sees it, without styles and scripts."""
    if element.tag in ("style", "script"):
        return ""
    return (element.text or "") + "".join(text(child) + (child.tail or "") for child in element)


def as_word_sees_it(html: str) -> str:
    """Returns the HTML with the conditional comments for Outlook applied. Outlook uses Word to show mails."""
    return _MSO.sub(r"\1", _NOT_MSO.sub("", html))


class _Reader(HTMLParser):
    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.open = [Element("")]
        self.problems: list[str] = []
        self._ids: set[str] = set()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        above = self.open[-1]
        element = SubElement(above, tag, {name: value or "" for name, value in attrs})
        if len(element.attrib) < len(attrs):
            self.problems.append(f"<{tag}> has an attribute twice")
        if (name := element.get("id", "")) in self._ids:
            self.problems.append(f"two elements have the id {name}")
        self._ids |= {name} - {""}
        wrong_parent = tag in _PARENTS and above.tag not in _PARENTS[tag]
        between_rows = above.tag in _ONLY_ROWS and tag not in _PARENTS
        block_in_line = tag in _BLOCKS and above.tag in ("p", "h1", "h2", "h3", "span", "a")
        if wrong_parent or between_rows or block_in_line:
            self.problems.append(f"<{tag}> must not be in <{above.tag}>")
        if tag == "a" and any(outer.tag == "a" for outer in self.open):
            self.problems.append("a link is inside a link")
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
            self.problems.append(f"«{data.strip()[:40]}» must not be directly in <{self.open[-1].tag}>")
        if len(self.open[-1]):
            last = self.open[-1][-1]
            last.tail = (last.tail or "") + data
        else:
            self.open[-1].text = (self.open[-1].text or "") + data
