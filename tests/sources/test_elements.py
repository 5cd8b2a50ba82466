"""XML as it comes: whatever is wrong with it, the elements that can be recognised are read."""

import time
from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mailer.sources import elements, plain

CHANNEL = "<rss><channel><title>تابش</title>{}</channel></rss>"


def texts(markup: str) -> list[dict[str, str]]:
    items = elements.read(CHANNEL.format(markup)).items
    return [{name: each[0].text.strip() for name, each in item.children.items()} for item in items]


@pytest.mark.parametrize(
    ("markup", "expected"),
    [
        # an element that is not closed
        ("<item><title>یک<link>l</link></item>", [{"title": "یک", "link": "l"}]),
        (
            "<item><title>یک</title><link>l</item><item><title>دو</item>",
            [{"title": "یک", "link": "l"}, {"title": "دو"}],
        ),
        ("<item><title>یک</title><item><title>دو</title></item>", [{"title": "یک"}, {"title": "دو"}]),
        ("<item><description>متن<item><title>دو</title></item>", [{"description": "متن"}, {"title": "دو"}]),
        # markup that is not escaped
        (
            "<item><description><p>یک<br>دو</description><link>l</link></item>",
            [{"description": "<p>یک<br>دو", "link": "l"}],
        ),
        ("<item><description>a <title>b</title></description></item>", [{"description": "a <title>b</title>"}]),
        # signs that are not markup
        ("<item><title>R&D و ۵ < ۱۰ و x<y</title></item>", [{"title": "R&D و ۵ < ۱۰ و x<y"}]),
        ("<item><link>/?a=1&section=2&copy=3&amp;b=4</link></item>", [{"link": "/?a=1&section=2&copy=3&b=4"}]),
        ("<item><title>a <! b</title><link>l</link></item>", [{"title": "a <! b", "link": "l"}]),
        # CDATA sections
        ("<item><title><![CDATA[a & <b>]]> &amp; c</title></item>", [{"title": "a & <b> & c"}]),
        ("<item><title><![CDATA[a]]]]><![CDATA[>b]]></title></item>", [{"title": "a]]>b"}]),
        (
            "<item><title><![CDATA[a</title></item><item><title><![CDATA[b]]></title></item>",
            [{"title": "a"}, {"title": "b"}],
        ),
        # entities
        ("<item><title>a&nbsp;b&zwnj;c&#1740;&#x6cc;&unknown;</title></item>", [{"title": "a\xa0b\u200ccیی&unknown;"}]),
        ("<item><title>&#55357;&#56832;</title></item>", [{"title": "😀"}]),
        # upper case
        ("<Item><TITLE>یک</Title></Item>", [{"title": "یک"}]),
    ],
)
def test_items_of_damaged_documents(markup: str, expected: list[dict[str, str]]) -> None:
    assert texts(markup) == expected


@pytest.mark.parametrize(
    ("root", "element", "name"),
    [
        ('<rss xmlns:m="http://search.yahoo.com/mrss/">', "<m:title>", "media:title"),
        ("<rss>", "<media:title>", "media:title"),
        ('<rss xmlns:a10="http://www.w3.org/2005/Atom">', "<a10:updated>", "atom:updated"),
        ("<rss>", '<title xmlns="http://search.yahoo.com/mrss/">', "media:title"),
        ('<rss xmlns="http://backend.userland.com/rss2">', "<title>", "title"),
        ('<rss xmlns="http://www.w3.org/2005/Atom">', "<title>", "title"),
        ('<rss xmlns:x="http://unknown.example/">', "<x:title>", "x:title"),
        ('<feed xmlns="http://www.w3.org/2005/Atom">', "<title>", "title"),
        ('<a:feed xmlns:a="http://www.w3.org/2005/Atom">', "<a:title>", "title"),
        ('<rdf:RDF xmlns:r="http://purl.org/rss/1.0/">', "<r:title>", "title"),
    ],
)
def test_names_in_namespaces(root: str, element: str, name: str) -> None:
    (item,) = elements.read(f"{root}<item>{element}x").items
    assert list(item.children) == [name]


def test_the_line_of_the_first_mistake() -> None:
    assert elements.read("<rss>\n<a>\n</a>\n</rss>").damage == 0
    assert elements.read("<rss>\n<a>&nbsp;</a>\n</rss>").damage == 0
    assert elements.read("<rss>\n<a>\n&</a>\n</rss>").damage == 3
    assert elements.read("<rss>\n<a>\n</b></a>\n</rss>").damage == 3
    assert elements.read("<rss>\n<a>\x03\n</a>\n").damage == 2


def test_what_a_script_printed_before_the_feed_is_not_part_of_it() -> None:
    document = elements.read("<br><b>Warning</b>: x in <title>y<rss><channel><title>تابش</title></channel></rss>")
    assert document.root.name == "rss"
    assert document.root.every("channel")[0].every("title")[0].text == "تابش"


LONG = 20_000  # characters
HOSTILE: dict[str, Callable[[int], str]] = {
    "open tags": lambda n: "<a " * n,
    "quotation marks": lambda n: '<a "' * n,
    "unclosed elements": lambda n: "<b>" * n,
    "closed elements": lambda n: "</b>" * n,
    "nested elements": lambda n: "<b>" * n + "</b>" * n,
    "comments": lambda n: "<!--" * n,
    "sections": lambda n: "<![CDATA[" * n,
    "sections in items": lambda n: "<item><title><![CDATA[a</title></item>" * n,
    "instructions": lambda n: "<?" * n,
    "ampersands": lambda n: "&" * n,
    "entities": lambda n: "&a" * n,
    "attributes": lambda n: "<a" + " b='c'" * n + ">",
    "blanks": lambda n: " \n" * n + "<rss>",
    "namespaces": lambda n: "<a xmlns:b='c'>" * n,
    "items": lambda n: "<item>" * n,
    "scripts": lambda n: "</script>" * n + "<script>" * n,
    "links": lambda n: "<a>" * n + "</a>" * n,
    "captions": lambda n: "[caption]" * n + "[/caption]" * n,
    "brackets": lambda n: "[a" * n,
    "values": lambda n: "[a b='" * n,
    "angle brackets": lambda n: "<" * n,
}


@pytest.mark.slow
@pytest.mark.parametrize("kind", HOSTILE)
def test_the_time_is_linear(kind: str) -> None:
    """Ten times as many characters take about ten times as long; a quadratic reader would take a hundred times."""
    piece = len(HOSTILE[kind](10)) / 10

    def seconds(length: int) -> float:
        document = HOSTILE[kind](int(length / piece))
        begun = time.process_time()
        for item in elements.read(f"<rss><item><description>{document}").items:
            assert item.text is not None
        elements.read(document)
        plain.line(document)
        plain.lead(document)
        plain.paragraphs(document)
        return time.process_time() - begun

    assert seconds(10 * LONG) < 40 * (seconds(LONG) + 0.005)


@given(st.text(alphabet="<>/!?[]-&;=\"' abitemlntryCDAT#x1:\n", max_size=300))
@settings(max_examples=300, deadline=None)
def test_any_text_is_read(text: str) -> None:
    for markup in (text, CHANNEL.format(f"<item>{text}</item><item><title>x</title></item>")):
        document = elements.read(markup)
        for item in document.items:
            assert all(isinstance(each.text, str) for every in item.children.values() for each in every)
