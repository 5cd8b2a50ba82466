"""Recognises roundups of several events, titles that say little about an event, and leads that only name a source."""

import re
from collections.abc import Iterable

from mailer.model import Article
from mailer.text.search_key import key

# Titles such as «اخبار کوتاه اردبیل», «مهم‌ترین اخبار امروز» and «دیدنی‌های امروز», a page with photos of the day. The
# words are spelled as in search keys.
_ROUNDUP = re.compile(
    r"\b(?:اخبار|خبرهای) کوتاه\b|\bمهمترین (?:اخبار|خبرهای|رویدادهای|عناوین)\b|\bدیدنیهای (?:امروز|روز)\b"
    r"|\bnews in brief\b"
)
_PARTS = 3  # a title or lead that a slash divides into at least this many headlines is a roundup
_PART_WORDS = 2  # a part with fewer words is not a headline, as in «فیلم / عکس»
_SOURCE_LINE = re.compile(r"\s*(?:منبع|source|المصدر|ماخذ|מקור)\s*[:：]\s*+\S++(?:\s++\S++){0,4}\s*+", re.IGNORECASE)


def is_roundup(article: Article) -> bool:
    """Returns True if the article reports several events, which its title or its lead lists."""
    if _ROUNDUP.search(key(article.title)):
        return True
    texts = (article.title, article.lead)
    return any(sum(len(part.split()) >= _PART_WORDS for part in text.split("/")) >= _PARTS for text in texts)


def is_source_line(lead: str) -> bool:
    """Returns True if a lead only names the source of the article, as in «منبع: ایسنا»."""
    return _SOURCE_LINE.fullmatch(lead) is not None


def is_aside(title: str, words: Iterable[str]) -> bool:
    """Returns True if a title contains one of `words`, such as «تسلیت», and so says little about its event.

    The title and the words must be search keys.
    """
    padded = f" {title} "
    return any(f" {word} " in padded for word in words)
