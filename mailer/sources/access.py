"""Decides whether an article is closed to readers: behind a password, private, or only for members.

Feeds show this by phrases that WordPress and its plugins write. Pages show it in JSON-LD
(schema.org/isAccessibleForFree).
"""

import re
from collections.abc import Mapping
from typing import Any

# The phrases by which WordPress and its plugins mark a closed post: before the title, or instead of the text.
_CLOSED_TITLE = re.compile(
    r"(?:محافظت\s?شده|حفاظت\s?شده|رمزدار|خصوصی|محمية?(?: بكلمة (?:ال)?(?:مرور|سر))?|protected|private)\s?:\s?(?=\S)",
    re.IGNORECASE,
)
_CLOSED_TEXT = re.compile(
    r"no excerpt[^.]{0,60}protected"
    r"|(?:content|post|page|article) is (?:password[- ]protected|protected by a? ?password)"
    r"|(?:چکیده|خلاصه|گزیده)[^.]{0,60}(?:محافظت شده|رمزدار|حفاظت شده)"
    r"|(?:محتوا|نوشته|مطلب|برگه|صفحه)[^.]{0,40}با (?:گذرواژه|رمز عبور|رمز|کلمه عبور) (?:محافظت|حفاظت)"
    r"|برای (?:دیدن|مشاهده|خواندن)[^.]{0,60}(?:گذرواژه|رمز|کلمه عبور)[^.]{0,30}(?:وارد|بنویسید)"
    r"|مقتطف[^.]{0,60}محمي|محمية? بكلمة (?:ال)?(?:مرور|سر)|(?:المحتوى|المقال|المقالة|التدوينة) (?:محمي|محمية)"
    r"|(?:content|post|article|page|story) is (?:(?:only )?(?:for|available to)|available only to|restricted to"
    r"|reserved for|exclusive to)[^.]{0,40}(?:members|subscribers)"
    r"|(?:you must|please) (?:be logged|log|sign) ?in to (?:view|read|see)|subscribe to (?:read|continue|unlock|keep)"
    r"|این (?:محتوا|مطلب|خبر|نوشته|مقاله|گزارش) (?:فقط|تنها|مخصوص|ویژه[ٔ ]?)[^.]{0,40}"
    r"(?:اعضا|مشترک|کاربران (?:ویژه|عضو))"
    r"|هذ[اه] (?:المحتوى|المقال|المقالة|الخبر) (?:متاح |مخصص |خاص )?(?:فقط )?(?:للمشتركين|للأعضاء|لمشتركي)",
    re.IGNORECASE,
)
_LONGEST_CLOSED = 250  # maximum number of characters of such a text; a longer text is an article about passwords
_YES, _NO = ("true", "yes", "1", "free"), ("false", "no", "0", "locked", "paid")
_DEEPEST = 4  # maximum number of nested levels that are searched


def is_closed(title: str, *texts: str) -> bool:
    """Return True if a title or a text says that the article is behind a password or only for members.

    `texts` are the lead and the body; all arguments are plain text. A long text is the article itself, even if it
    contains such a phrase.
    """
    if _CLOSED_TITLE.match(_joined(title)):
        return True
    return any(text and len(text) <= _LONGEST_CLOSED and _CLOSED_TEXT.search(_joined(text)) for text in texts)


def is_free(value: object, deep: int = 0) -> bool | None:
    """Return what a value of "isAccessibleForFree" means: True, False, or None if the value is not understood.

    Sites write the value as a boolean, a text, an address (https://schema.org/False), a list, or {"@value": …}.
    """
    if isinstance(value, bool):
        return value
    if isinstance(value, str | int | float):
        word = str(value).strip().lower().rstrip("/").rpartition("/")[2].rpartition(":")[2]
        return True if word in _YES else False if word in _NO else None
    if deep >= _DEEPEST:
        return None
    if isinstance(value, Mapping):
        named = next((value[name] for name in ("@value", "@id", "value", "name") if name in value), None)
        return is_free(named, deep + 1)
    if isinstance(value, list):
        found = [free for each in value[:20] if (free := is_free(each, deep + 1)) is not None]
        return all(found) if found else None
    return None


def closed_by_json_ld(article: Mapping[str, Any]) -> bool | None:
    """Return whether the article is closed according to its JSON-LD, or None if the JSON-LD does not say.

    Some sites give the value only for the part of the page that is behind the paywall ("hasPart").
    """
    names = {str(name).rpartition("/")[2].rpartition(":")[2].lower(): name for name in article}
    free = is_free(article[names["isaccessibleforfree"]]) if "isaccessibleforfree" in names else None
    if free is not None:
        return not free
    parts = article.get("hasPart")
    for each in (parts if isinstance(parts, list) else [parts])[:20]:
        if isinstance(each, Mapping) and is_free(each.get("isAccessibleForFree")) is False:
            return True
    return None


def _joined(text: str) -> str:
    """Return the text with each zero width non-joiner replaced by a blank, so that each word has one spelling."""
    return text.replace("\u200c", " ")
