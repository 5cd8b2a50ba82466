"""Turns markup into text: removes the tags and decodes the entities.

Words that only look like markup are kept: «آموزش <video>», `List<String>`, x<y. The time is linear for every input.
"""

import html
import re
from collections import Counter
from collections.abc import Iterator
from html.entities import html5

# A tag or comment of HTML. A ">" inside a quoted value does not end the tag. Possessive quantifiers keep the time
# linear, whatever the text.
_TAG = re.compile(
    r"<(?:!--(?P<comment>)|[!?][A-Za-z\[][^<>]*+>|(?P<end>/?)(?P<name>[A-Za-z][A-Za-z0-9]*+(?:[:-][A-Za-z0-9_.:-]*+)?)"
    r"(?P<attributes>(?:[^<>\"']++|\"[^\"<]*+\"|'[^'<]*+'|[\"'])*+)>)"
)
# What may follow the name in a tag. Anything else, as in «x <b and c> d», shows that this is not a tag.
_ATTRIBUTES = re.compile(r"(?:[\s/]*+[A-Za-z_:@][\w:.-]*+(?:\s*+=\s*+(?:\"[^\"]*+\"|'[^']*+'|[^\s\"'>]++))?|[\s/]++)*+")
_VALUE = re.compile(r"=\s?[\"']")
_BLOCKS_WORDS = (
    "address article aside blockquote body br caption center col colgroup dd details dialog div dl dt fieldset "
    "figcaption figure footer form h1 h2 h3 h4 h5 h6 head header hgroup hr html legend li main menu nav ol option "
    "p pre section select summary table tbody td tfoot th thead title tr ul"
)
_BLOCKS = frozenset(_BLOCKS_WORDS.split())
_INLINE_WORDS = (
    "a abbr acronym applet area audio b base basefont bdi bdo big button canvas cite code data datalist del dfn "
    "em embed font frame frameset i iframe img input ins kbd label link map mark marquee meta meter nobr noscript "
    "object output param picture progress q rb rp rt rtc ruby s samp script slot small source span strike strong "
    "style sub sup template textarea time track tt u var video wbr"
)
_INLINE = frozenset(_INLINE_WORDS.split())
# Elements that have no end tag or may omit it. Their tags are markup, not words about HTML, even without an end tag.
_ALONE_WORDS = "br col dd dt hr img input li link meta option p td th tr wbr tbody thead tfoot"
_ALONE = frozenset(_ALONE_WORDS.split())
_DROPPED_WHOLE_WORDS = "script style figcaption template noscript textarea select iframe object"
_DROPPED_WHOLE = frozenset(_DROPPED_WHOLE_WORDS.split())
_FEW_TAGS = 10  # a text with more tags is markup, and none of its tags is a word about HTML
_ROUNDS = 3  # times that markup is removed, because it may be encoded twice; markup that then remains is text
# HTML allows some named entities without a semicolon. They are decoded only at the end of a word, so that the
# "&section=" of an address and «AT&Tnews» stay.
_ENTITY = re.compile(
    r"&(?:#[0-9]{1,7}+;?|#[xX][0-9a-fA-F]{1,6}+;?|[A-Za-z][A-Za-z0-9]{1,31}+;"
    r"|(?:amp|lt|gt|quot|nbsp|copy|reg|laquo|raquo)(?![A-Za-z0-9=]))"
)
_SURROGATES = re.compile(r"&#(?P<high>5[5-6][0-9]{3});&#(?P<low>5[6-7][0-9]{3});")  # two halves of an emoji


def has_blocks(markup: str) -> bool:
    """Return True if the markup has block elements, such as paragraphs and lists."""
    return any(found["name"] and found["name"].lower() in _BLOCKS for found in _TAG.finditer(markup))


def text(markup: str, block: str, *, words: bool) -> str:
    """Drop tags and decode entities, including those encoded twice (&amp;#8211;, &amp;lt;b&amp;gt;).

    Each tag of a block element becomes `block`. With `words`, a tag that has no end tag is kept as a word of the text.
    Without `words`, such a tag is kept only if it was encoded.
    """
    for number in range(_ROUNDS):
        if "<" not in markup and "&" not in markup:
            break
        if "<" in markup:
            few = markup.count("<") <= _FEW_TAGS
            markup = "".join(_texts(markup, block, words=few and (words or number > 0)))
        markup = unescaped(markup)
    return markup


def _texts(markup: str, block: str, *, words: bool) -> Iterator[str]:
    """Yield the parts of the text between the tags of a markup."""
    # The number of end tags of each name in the rest of the markup.
    ends = Counter(found["name"].lower() for found in _TAG.finditer(markup) if found["end"])
    begun: set[str] = set()
    place = 0
    while found := _TAG.search(markup, place):
        yield markup[place : found.start()]
        place = found.end()
        if found["comment"] is not None:
            end = markup.find("-->", place)
            place = len(markup) if end < 0 else end + 3
        elif found["name"]:
            tag = found["name"].lower()
            ends[tag] -= bool(found["end"])
            if not _is_markup(found, tag, begun, ended=ends[tag] > 0, words=words):
                yield found[0].replace("<", "&lt;", 1)
                continue
            begun.add(tag)
            yield block if tag in _BLOCKS else ""
            if tag in _DROPPED_WHOLE and not found["end"] and ends[tag] > 0:
                place, ends[tag] = _after(markup, tag, place), ends[tag] - 1
    yield markup[place:]


def _is_markup(found: re.Match[str], tag: str, begun: set[str], *, ended: bool, words: bool) -> bool:
    """Return True if something in angle brackets is a tag, and False if it is a part of the text: `List<String>`.

    `begun` has the elements that began before, and `ended` is True if an end tag of this name follows.
    """
    known = tag in _BLOCKS or tag in _INLINE or (tag[-1] != ":" and (":" in tag or "-" in tag))
    attributes = found["attributes"]
    if not _ATTRIBUTES.fullmatch(attributes) and not (known and _VALUE.search(attributes)):
        return False
    if found["end"]:
        return tag in begun or not words or tag in _ALONE
    return ended or "=" in attributes or (known and (not words or tag in _ALONE))


def _after(markup: str, tag: str, place: int) -> int:
    """Return the index after the next end tag of this name, or the length of the markup if there is no such tag."""
    end = re.compile(rf"</{re.escape(tag)}\b[^<>]*+>", re.IGNORECASE).search(markup, place)
    return end.end() if end else len(markup)


def unescaped(text: str) -> str:
    """Return the text with its entities decoded. An "&" that begins no entity stays, as in "?id=1&lang=fa"."""
    if "&" not in text:
        return text
    if "&#5" in text:
        text = _SURROGATES.sub(_character, text)
    return _ENTITY.sub(_entity, text)


def _entity(found: re.Match[str]) -> str:
    entity = found[0]
    if entity[1] == "#":
        return html.unescape(entity)
    return html5.get(entity[1:].removesuffix(";") + ";", entity)


def _character(found: re.Match[str]) -> str:
    high, low = int(found["high"]), int(found["low"])
    if 0xD800 <= high < 0xDC00 <= low < 0xE000:
        return chr(0x10000 + ((high - 0xD800) << 10) + low - 0xDC00)
    return found[0]
