"""Turns the text of sources (markup, entities encoded once or twice, control characters) into plain text.

Every text that readers may later see passes through this module once, when the text enters the program. Other modules
therefore need no rules for markup, line breaks in titles, or characters that change the direction of the words after
them. This module neither corrects spelling nor escapes text; text is escaped where it is inserted into markup.
"""

import html
import re
import unicodedata
from collections.abc import Iterable

import nh3

from mailer.text import search_key
from mailer.text.clean import clean, shorten

_BLOCK = re.compile(
    # The length of a tag is bounded, because «<p <p <p …» would otherwise take quadratic time.
    r"</?(?:p|div|li|ul|ol|h[1-6]|blockquote|section|article|tr|table|br)\b[^>]{0,1000}>",
    re.IGNORECASE,
)
# A text with more tags than this is not parsed as HTML. At each tag, the parser goes through all open elements, so
# 50,000 nested elements would take many seconds.
_MANY_TAGS = 5000
_ANY_TAG = re.compile(r"<[^<>]{0,1000}>")
_DROPPED_WHOLE = {"script", "style", "figcaption", "template"}
_LEAD = 320  # the most characters of a lead that is made from the body
_SURE_PARAGRAPH = 40  # characters; a shorter paragraph may be a caption or a kicker
_SENTENCE = re.compile(r"[.!؟?][»\")]?(?=\s)")
# Passes that remove markup. Markup may be encoded twice; any markup that is left after three passes is meant as text.
_ROUNDS = 3

# The closing sentence that WordPress puts under every item of a feed, in Persian and in English, and its «[…]».
_CLOSING = re.compile(
    r"\s*(?:(?:این )?(?:نوشته|مطلب)[\s:]+.{1,300}?\s(?:اولین|نخستین) بار در\s.{1,100}?\s(?:پدیدار|ظاهر) شد[.\s]*"
    r"|The post\s.{1,300}?\s(?:appeared first|first appeared) on\s.{1,100}"
    r"|\[(?:…|\.\.\.)\])$"
)
_LONGEST_CLOSING = 500  # the most characters of a closing sentence
_OPENER = re.compile(
    r"(?:به گزارش\s+(?:(?:خبرنگار|سرویس خبری|خبرگزاری)\s+)?(?P<reported>[^،؛:.]{2,40}?)\s*[،؛:]"
    r"|(?:(?:سرویس خبری|خبرگزاری)\s+)?(?P<named>[^،؛:.\-–ـ]{2,40}?)\s*[:\-–ـ])\s*"
)
_KIND_OF_OUTLET = re.compile(r"^(?:(?:سایت|وبسایت|پایگاه|خبری|تحلیلی|خبرگزاری|روزنامه|اخبار) )+")


def line(markup: str) -> str:
    """Return one line of plain text, without markup, line breaks, invisible characters and repeated blanks."""
    return clean(_without_markup(markup))


def labels(raw: Iterable[str]) -> tuple[str, ...]:
    """Return labels (categories, tags or names) as lines of plain text, without empty labels and duplicates."""
    return tuple(dict.fromkeys(label for each in raw if (label := line(each))))


def paragraphs(markup: str) -> str:
    """Return plain text with one paragraph on each line and no empty lines."""
    if _BLOCK.search(markup):
        # In HTML, a line break means a blank; only blocks separate paragraphs.
        markup = _BLOCK.sub("\n", markup.replace("\n", " "))
    return "\n".join(text for each in _without_markup(markup).split("\n") if (text := clean(each)))


def lead(markup: str, outlet: str = "") -> str:
    """Return the lead as one line, without the outlet's name at the beginning and WordPress's closing sentence.

    `outlet` is the feed's title. An opening such as «به گزارش …» is removed only if it names this outlet. An opening
    that names another outlet is an attribution and stays.
    """
    text = line(markup)
    text = text[:-_LONGEST_CLOSING] + _CLOSING.sub("", text[-_LONGEST_CLOSING:])
    opener = _OPENER.match(text)
    if opener and len(text) > opener.end():
        own_names = {_KIND_OF_OUTLET.sub("", search_key.key(part)) for part in re.split(r"[|:،\-–»«]", outlet)}
        if search_key.key(opener["reported"] or opener["named"]) in own_names - {""}:
            return text[opener.end() :]
    return text


def opening(body: str, outlet: str = "") -> str:
    """Return a lead made from the body: as many whole sentences as fit, from the first real paragraph on.

    `body` must be text as `paragraphs` returns it. Returns "" if `body` has no paragraph that is long enough.
    """
    parts = body.split("\n")
    first = next((number for number, part in enumerate(parts) if len(part) >= _SURE_PARAGRAPH), None)
    if first is None:
        return ""
    text = lead(" ".join(parts[first : first + 20])[: 2 * _LEAD], outlet)
    if len(text) <= _LEAD:
        return text
    ends = [found.end() for found in _SENTENCE.finditer(text[:_LEAD]) if found.end() >= _SURE_PARAGRAPH]
    return text[: ends[-1]] if ends else shorten(text, _LEAD)


def name(raw: str) -> str:
    """Return an identifier, such as a guid, without control characters and without white space at its ends."""
    return "".join(char for char in raw if unicodedata.category(char) not in ("Cc", "Cs")).strip()


def _without_markup(text: str) -> str:
    """Remove tags and decode entities, including those encoded twice (&amp;lt;b&amp;gt;, &amp;#8211;)."""
    for _ in range(_ROUNDS):
        if "<" not in text and "&" not in text:
            break
        if text.count("<") > _MANY_TAGS:
            text = _ANY_TAG.sub(" ", text)
        elif "<" in text:
            text = nh3.clean(text, tags=set(), clean_content_tags=_DROPPED_WHOLE)
        text = html.unescape(text)
    return text
