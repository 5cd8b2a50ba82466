"""Text as sources give it (markup, entities encoded once or twice, odd control characters) → plain text.

Everything a reader may later see passes through here once, at the edge, so that no later room meets markup, a line
break in a title or a sign that turns the direction of the words after it. The zero-width non-joiner stays: it is
Persian spelling. It does *not* correct spelling or letters, and it does not escape: plain text is escaped where it is
written.
"""

import html
import re
import unicodedata
from urllib.parse import quote, urljoin, urlsplit

import nh3

from mailer.text import search_key

# Format characters that spell words (non-joiner, joiner) or build flags and families of emoji are kept; all the others
# (direction marks, embeddings and overrides such as U+202E, soft hyphens, byte order marks) are dropped.
_KEPT_FORMATS = "\u200c\u200d"
_BLOCK = re.compile(
    r"</?(?:p|div|li|ul|ol|h[1-6]|blockquote|section|article|tr|table|br)\b[^>]{0,1000}>",  # bounded: «<p <p <p …»
    re.IGNORECASE,
)
# An HTML parser looks up through all open elements at each tag, so what is nested 50,000 deep takes it many seconds.
_MANY_TAGS = 5000
_ANY_TAG = re.compile(r"<[^<>]{0,1000}>")
_DROPPED_WHOLE = {"script", "style", "figcaption", "template"}
_LEAD = 320  # characters of a lead that we cut ourselves
_SURE_PARAGRAPH = 40  # characters; what is shorter is a caption or a kicker
_SENTENCE = re.compile(r"[.!؟?][»\")]?(?=\s)")
_ROUNDS = 3  # markup inside entities inside entities; deeper than that nobody means markup
_LONGEST_ADDRESS = 2000  # what browsers and mail programs surely follow

# The closing sentence that WordPress puts under every item of a feed, in Persian and in English, and its «[…]».
_CLOSING = re.compile(
    r"\s*(?:(?:این )?(?:نوشته|مطلب)[\s:]+.{1,300}?\s(?:اولین|نخستین) بار در\s.{1,100}?\s(?:پدیدار|ظاهر) شد[.\s]*"
    r"|The post\s.{1,300}?\s(?:appeared first|first appeared) on\s.{1,100}"
    r"|\[(?:…|\.\.\.)\])$"
)
_LONGEST_CLOSING = 500  # characters
_OPENER = re.compile(
    r"(?:به گزارش\s+(?:(?:خبرنگار|سرویس خبری|خبرگزاری)\s+)?(?P<reported>[^،؛:.]{2,40}?)\s*[،؛:]"
    r"|(?:(?:سرویس خبری|خبرگزاری)\s+)?(?P<named>[^،؛:.\-–ـ]{2,40}?)\s*[:\-–ـ])\s*"
)
_KIND_OF_OUTLET = re.compile(r"^(?:(?:سایت|وبسایت|پایگاه|خبری|تحلیلی|خبرگزاری|روزنامه|اخبار) )+")


def line(markup: str) -> str:
    """One line of plain text: no markup, no line break, no control character, single blanks."""
    return visible(_without_markup(markup))


def visible(text: str) -> str:
    """One line of what is plain text already: «<» and «&» stay, the rest as in `line`."""
    return " ".join(text.translate(_CHARACTERS).split())


def paragraphs(markup: str) -> str:
    """Plain text whose paragraphs are parted by one newline, without empty lines."""
    if _BLOCK.search(markup):
        # In HTML a line break is a blank; only its blocks part paragraphs.
        markup = _BLOCK.sub("\n", markup.replace("\n", " "))
    text = _without_markup(markup).translate(_CHARACTERS)
    return "\n".join(kept for each in text.split("\n") if (kept := " ".join(each.split())))


def lead(markup: str, outlet: str = "") -> str:
    """The lead as one line, without what a feed adds to it: the outlet naming itself, WordPress's closing sentence.

    `outlet`: the feed's own title. Only an opener that names this very outlet goes; «به گزارش …» about another one is
    an attribution and stays.
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
    """A lead for an article that has none: its first whole sentences, as many as fit, from the first real paragraph on.

    `body`: as `paragraphs` gives it. "" when it has no paragraph.
    """
    parts = body.split("\n")
    first = next((number for number, part in enumerate(parts) if len(part) >= _SURE_PARAGRAPH), None)
    if first is None:
        return ""
    text = lead(" ".join(parts[first : first + 20])[: 2 * _LEAD], outlet)
    if len(text) <= _LEAD:
        return text
    ends = [found.end() for found in _SENTENCE.finditer(text[:_LEAD]) if found.end() >= _SURE_PARAGRAPH]
    return text[: ends[-1]] if ends else text[:_LEAD].rpartition(" ")[0] + " …"


def cut(text: str, letters: int) -> str:
    """One line of at most so many letters, ended between words with «…» when it was longer."""
    if len(text) <= letters:
        return text
    return (text[: letters - 2].rpartition(" ")[0] or text[: letters - 2]) + " …"


def name(raw: str) -> str:
    """A permanent name such as a guid: without control characters and blanks around it, otherwise as given."""
    return "".join(char for char in raw if unicodedata.category(char) not in ("Cc", "Cs")).strip()


def web_address(raw: str, base: str = "") -> str:
    """An absolute http or https address, made whole with `base`; "" when it is none, so that no «javascript:» gets in.

    Line breaks inside go (feeds wrap their links), blanks are encoded, Persian letters stay as they are.
    """
    address = re.sub(r"[\t\r\n]+\s*", "", raw.strip())
    address = "".join(quote(char) if _unfit(char) else char for char in address if not _is_surrogate(char))
    if not address:
        return ""
    try:
        parts = urlsplit(address)
        if base and not parts.scheme:
            address = urljoin(base, address)
            parts = urlsplit(address)
        usable = parts.scheme in ("http", "https") and parts.hostname and (parts.port is None or parts.port > 0)
    except ValueError:
        return ""
    return address if usable and len(address) <= _LONGEST_ADDRESS else ""


def _unfit(char: str) -> bool:
    """Control, format and blank characters and the signs that RFC 3986 §2 leaves out; slugs have non-joiners."""
    return char in ' <>"`{}|\\^' or (unicodedata.category(char) in ("Cc", "Cf", "Zs", "Zl", "Zp") and char != "\u200c")


def _is_surrogate(char: str) -> bool:
    return unicodedata.category(char) == "Cs"


def _without_markup(text: str) -> str:
    """Tags dropped and entities decoded, also when they were encoded twice (&amp;#8211;, &amp;lt;b&amp;gt;)."""
    for _ in range(_ROUNDS):
        if "<" not in text and "&" not in text:
            break
        before = text
        if text.count("<") > _MANY_TAGS:
            text = _ANY_TAG.sub(" ", text)
        elif "<" in text:
            text = nh3.clean(text, tags=set(), clean_content_tags=_DROPPED_WHOLE)
        text = html.unescape(text)
        if text == before:
            break
    return text


class _Characters(dict[int, str]):
    """What each character becomes, found out once: control, format and surrogate characters go, those that part words
    become blanks, line breaks stay."""

    def __missing__(self, code: int) -> str:
        char = chr(code)
        category = unicodedata.category(char)
        if char == "\n" or char in _KEPT_FORMATS:
            becomes = char
        elif category in ("Cc", "Zl", "Zp"):
            becomes = " "
        else:
            becomes = "" if category in ("Cf", "Cs") else char
        self[code] = becomes
        return becomes


_CHARACTERS = _Characters()
