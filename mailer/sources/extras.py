"""Removes what themes and plugins add to a text: captions, shortcodes, «read more» and closing sentences."""

import re
from collections.abc import Iterator
from itertools import islice

from mailer.sources import tags
from mailer.text.clean import clean

_END_OF_CDATA = re.compile(r"(?<!\])\]{1,2}>\s{0,9}$")  # the rest of a CDATA section's end that a script wrote wrongly
# Shortcodes of WordPress and its page builders, which are left in a text if the plugin is switched off or does not run
# for feeds. Their values may have typographic quotation marks.
_SHORTCODE = re.compile(
    r"\[(?P<end>/?)(?P<name>[A-Za-z][A-Za-z0-9_-]{1,60}+)(?P<values>(?:[\s=][^\[\]]{0,2000}+)?)(?P<empty>/?)\]"
)
_SHORTCODE_VALUE = re.compile(r"[\s,][\w-]{1,40}+(?:=\S|\s?=\s?[\"'”“″«»‘’])")
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
_ALONE = ("gallery", "caption", "toc")  # shortcodes that may have neither values nor an end
# Shortcodes whose content is not part of the text: a caption, or the address of a film.
_DROPPED_CODES = ("caption", "wp_caption", "embed", "video", "audio", "playlist", "gallery", "youtube", "aparat")
_LONGEST_CODE = 3000  # maximum number of characters from the beginning of such a shortcode to its end

# «Read more» in Persian, Arabic and English, as themes write it into the link at the end of an excerpt.
_MORE_WORDS = (
    r"(?:(?:برای\s)?(?:ادامه(?:ٔ|‌ی|ی)?|مشاهده|مشاهدهٔ|متن|خواندن|مطالعه(?:ٔ|‌ی)?)\s"
    r"(?:ادامه\s)?(?:ی\s)?(?:این\s)?(?:مطلب|خبر|مقاله|نوشته|متن|گزارش|کامل|مطالعه|بیشتر)"
    r"(?:\s(?:کامل|خبر|مطلب|را|بخوانید|کلیک|کنید))*+"
    r"|ادامه\s?(?:را بخوانید|\.{3}|…)?|(?:جزئیات|اطلاعات|توضیحات) بیشتر|بیشتر(?:\s(?:بخوانید|بدانید))?|بخوانید"
    r"|(?:اقرأ|إقرأ|اقرا|قراءة|أكمل|اكمل|تابع|متابعة|لقراءة)\s(?:ال)?(?:مزيد|قراءة|المقال|الخبر|التفاصيل|بقية)"
    r"(?:\s(?:من|المقال|الخبر|على))*+"
    r"|(?:المزيد|للمزيد|التفاصيل)"
    r"|(?:Click here to\s)?(?:Continue|Keep|Read|Learn|See|View)\s"
    r"(?:reading|more|the rest|(?:the )?(?:full )?(?:article|story|post))"
    r"|Full (?:article|story)|Read on|More)"
)
_MORE_LINK = re.compile(rf"\W{{0,6}}+{_MORE_WORDS}(?:$|[\s\W])", re.IGNORECASE)
_LONGEST_MORE = 300  # maximum number of characters of such a link; some themes add the article's title to it
_AROUND = " «»“”\"'→←:؛…›‹.()[]|>-–"  # characters that may be around «read more»
# Matches «read more» that is not a link, at the end of a text. Only phrases that cannot end a sentence match.
_MORE_AT_END = re.compile(
    r"(?:\s|^|(?<=[.…\]»]))(?:\[|\()?(?:ادامه(?:ٔ|‌ی|ی)? (?:مطلب|خبر|مقاله|نوشته|متن|گزارش)|بیشتر (?:بخوانید|بدانید)"
    r"|(?:مشاهده|خواندن) (?:ادامه|متن کامل)(?: (?:مطلب|خبر))?|متن کامل (?:خبر|مطلب)"
    r"|(?:اقرأ|إقرأ|قراءة) المزيد|(?:أكمل|متابعة|تابع) القراءة|(?<=[.…]\s)ادامه|\(more"
    r"|Continue reading|Read more|Read the (?:full|rest)[\w ]{0,30})"
    r"(?:\s?[«“\"][^»”\"]{1,200}[»”\"])?[\s»«›‹→←⟵⟶↵>.…:؛|\-–\[\]()]{0,8}$",
    re.IGNORECASE,
)
# Matches the texts that WordPress adds at the end of a feed item: a closing sentence in the site's language, and «[…]»
# after a shortened text.
_CLOSING = re.compile(
    r" ?(?:(?:این )?(?:نوشته|مطلب)[\s:]+.{1,300}?\s(?:اولین|نخستین) بار در\s.{1,100}?\s(?:پدیدار|ظاهر) شد[.\s]*"
    r"|The post\s.{1,300}?\s(?:appeared first|first appeared) on\s.{1,100}"
    r"|(?:ظهرت المقالة|ظهرت)\s.{1,300}?\s(?:أولاً|أولا) على\s.{1,100}"
    r"|\[(?:…|\.\.\.)\])$"
)
_LONGEST_CLOSING = 500  # maximum number of characters of a closing sentence
_LINK = re.compile(r"<a\b(?P<attributes>(?:[^<>\"']++|\"[^\"<]*+\"|'[^'<]*+'|[\"'])*+)>", re.IGNORECASE)
_MOST_LINKS = 1000  # maximum number of links of a text that are examined
_LINK_END = re.compile(r"</a\s*+>", re.IGNORECASE)


def without_asides(markup: str) -> str:
    """Remove «read more» links, and shortcodes whose content is not part of the text, from markup."""
    if "[" in markup:
        for code in _DROPPED_CODES:
            if f"[/{code}]" in markup:
                markup = _without_code(markup, code)
    if "<a" in markup or "<A" in markup:
        markup = "".join(_without_more_links(markup))
    return markup


def without_shortcodes(text: str) -> str:
    """Remove shortcodes from a text. Words in square brackets such as «[۱]», "[sic]" and "[Reuters]" stay."""
    if "]" not in text:
        return text
    ends = {found["name"].lower() for found in _SHORTCODE.finditer(text) if found["end"]}
    text = _SHORTCODE.sub(lambda found: " " if _is_shortcode(found, ends) else found[0], text)
    return _END_OF_CDATA.sub("", text)


def _is_shortcode(found: re.Match[str], ends: set[str]) -> bool:
    """Return True if `found` is a shortcode. `ends` has the names of shortcodes with an end tag in the text."""
    written, values = found["name"], found["values"]
    code = written.lower()
    if code in _SHORTCODES:
        return code in ends or values != "" or code in _ALONE
    if _SHORTCODE_VALUE.match(values) or code.startswith(_BUILDERS):
        return True
    return written.islower() and (code in ends or ("_" in code and not values))


def without_end(text: str) -> str:
    """Remove what WordPress and themes add at the end of a text: the closing sentence, «[…]» and «read more»."""
    for _ in range(2):  # twice, because a text may end with «[…]» and the closing sentence
        tail = text[-_LONGEST_CLOSING:]
        closing = _CLOSING.search(tail)
        if closing is None:
            break
        text = text[:-_LONGEST_CLOSING] + tail[: closing.start()]
    tail = text[-_LONGEST_CLOSING:]
    found = _MORE_AT_END.search(tail)
    return text if found is None else (text[: -len(tail)] + tail[: found.start()]).rstrip(" [(")


def _without_code(markup: str, code: str) -> str:
    """Remove a shortcode, including everything between its beginning and its end."""
    kept = []
    place, begin, end = 0, f"[{code}", f"[/{code}]"
    while (at := markup.find(begin, place)) >= 0 and (to := markup.find(end, at)) >= 0:
        kept.append(markup[place:at])
        # An end that is far away belongs to another beginning, so nothing is removed.
        place = to + len(end)
        if to - at > _LONGEST_CODE:
            kept.append(markup[at:place])
    return "".join((*kept, markup[place:]))


def _without_more_links(markup: str) -> Iterator[str]:
    """Yield the parts of the markup that are outside «read more» links."""
    place = 0
    for found in islice(_LINK.finditer(markup), _MOST_LINKS):
        if found.start() < place:
            continue
        end = _LINK_END.search(markup, found.end(), found.end() + _LONGEST_MORE * 3)
        if end is None:
            continue
        label = clean(tags.text(markup[found.end() : end.start()], " ", words=False))
        if "more-link" in found["attributes"] or (len(label) <= _LONGEST_MORE and _is_more(label)):
            yield markup[place : found.start()]
            place = end.end()
    yield markup[place:]


def _is_more(label: str) -> bool:
    """Return True if the label of a link means "read more", perhaps with the article's title after it."""
    found = _MORE_LINK.match(label)
    if found is None:
        return False
    return not label[found.end() :].strip(_AROUND) or len(found[0].split()) > 1
