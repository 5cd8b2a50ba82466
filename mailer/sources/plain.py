"""Turns the text of sources (markup, entities encoded once or twice, control characters) into plain text.

Every text that readers may later see passes through this module once, when the text enters the program. Other modules
therefore need no rules for markup, line breaks in titles, or characters that change the direction of the words after
them. This module neither corrects spelling nor escapes text; text is escaped where it is inserted into markup.
"""

import html
import re
import unicodedata
from collections.abc import Iterable

from mailer.sources import extras, tags
from mailer.text import search_key
from mailer.text.clean import clean, shorten

_LEAD = 320  # maximum number of characters of a lead that is made from the body
_SURE_PARAGRAPH = 40  # characters; a shorter paragraph may be a caption or a kicker
_SENTENCE = re.compile(r"[.!؟?][»\")]?(?=\s)")
# The opening of a text that names an outlet. Expects single blanks, as in a text from `clean`.
_OPENER = re.compile(
    r"(?:به گزارش (?:(?:خبرنگار|سرویس خبری|خبرگزاری) )?(?P<reported>[^،؛:.]{2,40}?) ?[،؛:]"
    r"|(?:(?:سرویس خبری|خبرگزاری) )?(?P<named>[^،؛:.\-–ـ]{2,40}?) ?[:\-–ـ]) ?"
)
_KIND_OF_OUTLET = re.compile(r"^(?:(?:سایت|وبسایت|پایگاه|خبری|تحلیلی|خبرگزاری|روزنامه|اخبار) )+")


def line(markup: str) -> str:
    """Return one line of plain text: no markup, no line breaks, no invisible characters, single blanks.

    The name of a tag that has no end tag, as in «آموزش <video>», is kept as a word.
    """
    return clean(tags.text(markup, " ", words=True))


def verbatim(text: str) -> str:
    """Return a text that is not markup, such as the `content_text` of a JSON Feed, with a paragraph on each line."""
    return "\n".join(part for each in text.split("\n") if (part := clean(each)))


def labels(raw: Iterable[str]) -> tuple[str, ...]:
    """Return labels (categories, tags or names) as lines of plain text, without empty labels and duplicates."""
    return tuple(dict.fromkeys(label for each in raw if (label := line(each))))


def paragraphs(markup: str) -> str:
    """Return plain text with one paragraph on each line and no empty lines."""
    if tags.has_blocks(markup):
        # In HTML, a line break means a blank; only blocks separate paragraphs.
        markup = markup.replace("\n", " ")
    text = extras.without_shortcodes(tags.text(extras.without_asides(markup), "\n", words=False))
    parts = [part for each in text.split("\n") if (part := clean(each))]
    if parts:
        parts[-1] = extras.without_end(parts[-1])
    return "\n".join(filter(None, parts))


def lead(markup: str, outlet: str = "") -> str:
    """Return the lead as one line, without the outlet's name at the beginning and the text that themes add at the end.

    `outlet` is the feed's title. An opening is removed only if it names this outlet. «به گزارش …» with another name is
    an attribution and stays. Themes add WordPress's closing sentence or «read more».
    """
    text = tags.text(extras.without_asides(markup), " ", words=False)
    text = extras.without_end(clean(extras.without_shortcodes(text)))
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
    text = lead(html.escape(" ".join(parts[first : first + 20])[: 2 * _LEAD], quote=False), outlet)
    if len(text) <= _LEAD:
        return text
    ends = [found.end() for found in _SENTENCE.finditer(text[:_LEAD]) if found.end() >= _SURE_PARAGRAPH]
    return text[: ends[-1]] if ends else shorten(text, _LEAD)


def name(raw: str) -> str:
    """Return an identifier, such as a guid, without control characters and without white space at its ends."""
    if not raw.isprintable():
        raw = "".join(char for char in raw if unicodedata.category(char) not in ("Cc", "Cs"))
    return raw.strip()
