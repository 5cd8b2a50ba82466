"""Turns the text of sources (markup, entities encoded once or twice, control characters) into plain text.

Every text that readers may later see passes through this module once, when the text enters the program. Other modules
therefore need no rules for markup, line breaks in titles, or characters that change the direction of the words after
them. This module neither corrects spelling nor escapes text; text is escaped where it is inserted into markup.
"""

import html
import re
import unicodedata
from collections import Counter
from collections.abc import Iterable, Iterator
from html.entities import html5
from itertools import islice

from mailer.text import search_key
from mailer.text.clean import clean, shorten

# A tag or comment of HTML. In a value in quotation marks, ">" does not end the tag. Possessive quantifiers keep the
# time linear, whatever the text.
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
# Elements without an end tag, or whose end tag may be left out. Such a tag alone is markup, not a word about HTML.
_ALONE_WORDS = "br col dd dt hr img input li link meta option p td th tr wbr tbody thead tfoot"
_ALONE = frozenset(_ALONE_WORDS.split())
_DROPPED_WHOLE_WORDS = "script style figcaption template noscript textarea select iframe object"
_DROPPED_WHOLE = frozenset(_DROPPED_WHOLE_WORDS.split())
_FEW_TAGS = 10  # a text with more tags is markup, and none of its tags is a word about HTML
_ROUNDS = 3  # how many times markup is removed: it may be encoded twice, and what is left after that is meant as text
# Named entities without a semicolon that HTML still allows. They count only where a word ends, so that the "&section="
# of an address and «AT&Tnews» stay.
_ENTITY = re.compile(
    r"&(?:#[0-9]{1,7}+;?|#[xX][0-9a-fA-F]{1,6}+;?|[A-Za-z][A-Za-z0-9]{1,31}+;"
    r"|(?:amp|lt|gt|quot|nbsp|copy|reg|laquo|raquo)(?![A-Za-z0-9=]))"
)
_SURROGATES = re.compile(r"&#(?P<high>5[5-6][0-9]{3});&#(?P<low>5[6-7][0-9]{3});")  # half of an emoji each

_END_OF_CDATA = re.compile(r"(?<!\])\]{1,2}>\s{0,9}$")  # left over where a script wrote a CDATA section wrongly

_LEAD = 320  # maximum number of characters of a lead that is made from the body
_SURE_PARAGRAPH = 40  # characters; a shorter paragraph may be a caption or a kicker
_SENTENCE = re.compile(r"[.!؟?][»\")]?(?=\s)")

# Shortcodes of WordPress and its page builders, which are left in a text if the plugin is switched off or does not run
# for feeds. Their values may have typographic quotation marks.
_SHORTCODE = re.compile(
    r"\[(?P<end>/?)(?P<name>[A-Za-z][A-Za-z0-9_-]{1,60}+)(?P<values>(?:[\s=][^\[\]]{0,2000}+)?)(?P<empty>/?)\]"
)
_SHORTCODE_VALUE = re.compile(r"[\s,][\w-]{1,40}+\s?=\s?[\"'”“″«»‘’]")
_BUILDER_PREFIXES = "vc_ et_pb_ fusion_ av_ wpb_ tdb_ td_ tdc_ elementor mk_ cs_ ux_ eltdf"
_BUILDERS = tuple(_BUILDER_PREFIXES.split())
_SHORTCODES_WORDS = (
    "gallery caption wp_caption embed video audio playlist contact-form-7 rev_slider su_button su_row su_column "
    "su_box toc table ads ad adrotate advads quads the_ad wpforms gravityform ninja_form tablepress products "
    "product row column section button divider spacer icon accordion tabs tab toggle slider youtube vimeo aparat "
    "googlemaps sc_player download wpdm_package related_posts wprpi jnews_block metaslider smartslider3 nextgen "
    "ngg ngg_images singlepic slideshow dropcap highlight one_half one_third two_third"
)
_SHORTCODES = frozenset(_SHORTCODES_WORDS.split())
# Shortcodes whose content is not part of the text: a caption, or the address of a film.
_DROPPED_CODES = ("caption", "wp_caption", "embed", "video", "audio", "playlist", "gallery", "youtube", "aparat")
_LONGEST_CODE = 3000  # characters between such a shortcode and its end

# «Read more» in Persian, Arabic and English, as themes put it at the end of an excerpt.
_MORE_WORDS = (
    r"(?:(?:برای\s)?(?:ادامه(?:ٔ|‌ی|ی)?|مشاهده|مشاهدهٔ|متن|خواندن|مطالعه(?:ٔ|‌ی)?)\s"
    r"(?:ادامه\s)?(?:ی\s)?(?:این\s)?(?:مطلب|خبر|مقاله|نوشته|متن|گزارش|کامل|مطالعه)"
    r"(?:\s(?:کامل|خبر|مطلب|را|بخوانید|کلیک|کنید))*+"
    r"|ادامه\s?(?:را بخوانید|در|\.{3}|…)?|بیشتر(?:\s(?:بخوانید|بدانید))?|بخوانید"
    r"|(?:اقرأ|إقرأ|اقرا|قراءة|أكمل|اكمل|تابع|متابعة|لقراءة)\s(?:ال)?(?:مزيد|قراءة|المقال|الخبر|التفاصيل|بقية)"
    r"(?:\s(?:من|المقال|الخبر|على))*+"
    r"|(?:المزيد|للمزيد|التفاصيل)"
    r"|(?:Continue|Keep|Read|Learn|See)\s(?:reading|more|(?:the )?full (?:article|story|post))|Read on|More)"
)
_MORE_LINK = re.compile(rf"\W{{0,6}}+{_MORE_WORDS}(?:$|[\s\W])", re.IGNORECASE)
_LONGEST_MORE = (
    300  # characters of such a link, with the title of the article, which some themes add for screen readers
)
_ARROWS = r"[\s»«›‹→←⟵⟶↵>.…:؛|\-–\[\]()]"
# At the end of a text without links, only forms that cannot end a sentence are removed.
_MORE_AT_END = re.compile(
    rf"(?:\s|^|(?<=[.…\]»]))(?:\[|\()?(?:ادامه(?:ٔ|‌ی|ی)? (?:مطلب|خبر|مقاله|نوشته|متن|گزارش)|بیشتر (?:بخوانید|بدانید)"
    r"|(?:مشاهده|خواندن) (?:ادامه|متن کامل)(?: (?:مطلب|خبر))?|متن کامل (?:خبر|مطلب)"
    r"|(?:اقرأ|إقرأ|قراءة) المزيد|(?:أكمل|متابعة|تابع) القراءة"
    r"|Continue reading|Read more|Read the (?:full|rest)[\w ]{0,30})"
    rf"(?:\s?[«“\"][^»”\"]{{1,200}}[»”\"])?{_ARROWS}{{0,8}}$",
    re.IGNORECASE,
)
# What WordPress adds at the end of a feed item: a closing sentence (Persian or English), and «[…]» if it cut the text.
_CLOSING = re.compile(
    r"\s*(?:(?:این )?(?:نوشته|مطلب)[\s:]+.{1,300}?\s(?:اولین|نخستین) بار در\s.{1,100}?\s(?:پدیدار|ظاهر) شد[.\s]*"
    r"|The post\s.{1,300}?\s(?:appeared first|first appeared) on\s.{1,100}"
    r"|(?:ظهرت المقالة|ظهرت)\s.{1,300}?\s(?:أولاً|أولا) على\s.{1,100}"
    r"|\[(?:…|\.\.\.)\])$"
)
_LONGEST_CLOSING = 500  # maximum number of characters of a closing sentence
_OPENER = re.compile(
    r"(?:به گزارش\s+(?:(?:خبرنگار|سرویس خبری|خبرگزاری)\s+)?(?P<reported>[^،؛:.]{2,40}?)\s*[،؛:]"
    r"|(?:(?:سرویس خبری|خبرگزاری)\s+)?(?P<named>[^،؛:.\-–ـ]{2,40}?)\s*[:\-–ـ])\s*"
)
_KIND_OF_OUTLET = re.compile(r"^(?:(?:سایت|وبسایت|پایگاه|خبری|تحلیلی|خبرگزاری|روزنامه|اخبار) )+")


def line(markup: str) -> str:
    """Return one line of plain text: no markup, no line breaks, no invisible characters, single blanks.

    A name of a tag that has no end tag, as in «آموزش <video>», is kept as a word.
    """
    return clean(_without_markup(markup, " ", words=True))


def verbatim(text: str) -> str:
    """Return a text that is not markup, such as the `content_text` of a JSON Feed, with a paragraph on each line."""
    return "\n".join(part for each in text.split("\n") if (part := clean(each)))


def labels(raw: Iterable[str]) -> tuple[str, ...]:
    """Return labels (categories, tags or names) as lines of plain text, without empty labels and duplicates."""
    return tuple(dict.fromkeys(label for each in raw if (label := line(each))))


def paragraphs(markup: str) -> str:
    """Return plain text with one paragraph on each line and no empty lines."""
    if any(found["name"] and found["name"].lower() in _BLOCKS for found in _TAG.finditer(markup)):
        # In HTML, a line break means a blank; only blocks separate paragraphs.
        markup = markup.replace("\n", " ")
    text = _without_shortcodes(_without_markup(_without_extras(markup), "\n", words=False))
    parts = [part for each in text.split("\n") if (part := clean(_END_OF_CDATA.sub("", each)))]
    if parts:
        parts[-1] = _without_more(parts[-1])
    return "\n".join(filter(None, parts))


def lead(markup: str, outlet: str = "") -> str:
    """Return the lead as one line, without the outlet's own name before it and without what themes put after it.

    `outlet` is the feed's title. An opening is removed only if it names this outlet. «به گزارش …» with another name is
    an attribution and stays. The end may be WordPress's closing sentence or «read more».
    """
    text = clean(_without_shortcodes(_without_markup(_without_extras(markup), " ", words=False)))
    text = _END_OF_CDATA.sub("", text).rstrip()
    for _ in range(2):  # «[…]» may come before the closing sentence
        text = text[:-_LONGEST_CLOSING] + _CLOSING.sub("", text[-_LONGEST_CLOSING:])
    text = _without_more(text)
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
    return "".join(char for char in raw if unicodedata.category(char) not in ("Cc", "Cs")).strip()


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


# --- markup ----------------------------------------------------------------------------------------------------------
def _without_markup(text: str, block: str, *, words: bool) -> str:
    """Drop tags and decode entities, including those encoded twice (&amp;#8211;, &amp;lt;b&amp;gt;).

    Each tag of a block element becomes `block`. With `words`, the name of an element that has no end tag is a word of
    the text; without it, that holds only for tags that were encoded.
    """
    for number in range(_ROUNDS):
        if "<" not in text and "&" not in text:
            break
        if "<" in text:
            few = text.count("<") <= _FEW_TAGS
            text = "".join(_texts(text, block, words=few and (words or number > 0)))
        text = unescaped(text)
    return text


def _texts(markup: str, block: str, *, words: bool) -> Iterator[str]:
    """Yield the parts of the text between the tags of a markup."""
    ends = Counter(
        found["name"].lower() for found in _TAG.finditer(markup) if found["end"]
    )  # those that are still to come
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
    """Return the place after the next end tag of this name. If there is none, that is the end of the markup."""
    end = re.compile(rf"</{re.escape(tag)}\b[^<>]*+>", re.IGNORECASE).search(markup, place)
    return end.end() if end else len(markup)


# --- what themes and plugins add to a text ----------------------------------------------------------------------------
def _without_extras(markup: str) -> str:
    """Drop the links «read more», and the shortcodes whose content is not part of the text."""
    if "[" in markup:
        for code in _DROPPED_CODES:
            if f"[/{code}]" in markup:
                markup = _without_code(markup, code)
    if "<a" in markup or "<A" in markup:
        markup = "".join(_without_more_links(markup))
    return markup


def _without_code(markup: str, code: str) -> str:
    """Drop a shortcode together with what is between its beginning and its end."""
    kept = []
    place, begin, end = 0, f"[{code}", f"[/{code}]"
    while (at := markup.find(begin, place)) >= 0 and (to := markup.find(end, at)) >= 0:
        kept.append(markup[place:at])
        # An end that is far away belongs to another beginning.
        place = to + len(end)
        if to - at > _LONGEST_CODE:
            kept.append(markup[at:place])
    return "".join((*kept, markup[place:]))


_LINK = re.compile(r"<a\b(?P<attributes>(?:[^<>\"']++|\"[^\"<]*+\"|'[^'<]*+'|[\"'])*+)>", re.IGNORECASE)
_MOST_LINKS = 1000  # links of a text that are looked at
_LINK_END = re.compile(r"</a\s*+>", re.IGNORECASE)


def _without_more_links(markup: str) -> Iterator[str]:
    """Yield the parts of a markup that are outside links such as «ادامه مطلب» and "Continue reading"."""
    place = 0
    for found in islice(_LINK.finditer(markup), _MOST_LINKS):
        if found.start() < place:
            continue
        end = _LINK_END.search(markup, found.end(), found.end() + _LONGEST_MORE * 3)
        if end is None:
            continue
        label = clean(_without_markup(markup[found.end() : end.start()], " ", words=False))
        if "more-link" in found["attributes"] or (len(label) <= _LONGEST_MORE and _is_more(label)):
            yield markup[place : found.start()]
            place = end.end()
    yield markup[place:]


def _is_more(label: str) -> bool:
    """Return True if the label of a link means "read more", perhaps with the article's title after it."""
    found = _MORE_LINK.match(label)
    if found is None:
        return False
    rest = label[found.end() :].strip(" «»“”\"'→←:؛…›‹.")
    return not rest or len(found[0].split()) > 1


def _without_more(text: str) -> str:
    """Return a text without «read more» at its end."""
    tail = text[-_LONGEST_CLOSING:]
    found = _MORE_AT_END.search(tail)
    return text if found is None else (text[: -len(tail)] + tail[: found.start()]).rstrip(" [(")


def _without_shortcodes(text: str) -> str:
    """Drop shortcodes, and keep words in square brackets such as «[۱]», "[sic]" and "[Reuters]"."""
    if "[" not in text or "]" not in text:
        return text
    ends = {found["name"].lower() for found in _SHORTCODE.finditer(text) if found["end"]}

    def shown(found: re.Match[str]) -> str:
        code = found["name"].lower()
        known = code in _SHORTCODES and (code in ends or found["values"] != "" or code in ("gallery", "caption", "toc"))
        builder = code.startswith(_BUILDERS)
        valued = bool(_SHORTCODE_VALUE.match(found["values"]))
        return " " if known or builder or valued or (code in ends and code.islower()) else found[0]

    return _SHORTCODE.sub(shown, text)
