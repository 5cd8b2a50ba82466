"""Corrects the spelling of Persian titles, leads and picture descriptions: lost half-spaces, and Arabic letters.

Every library that was measured damages text («عمان» becomes «ع مان»). The few rules here change only words that can be
read in just one way, because a wrongly corrected headline is worse than an uncorrected one. The rules recognise verbs
by their stems, and do not change addresses and Latin words. To compare texts, use `search_key`.
"""

import re
from collections.abc import Collection
from functools import lru_cache

from mailer.text.characters import ARABIC_LETTERS, ZWNJ

_LETTER = "\u0621-\u063a\u0641-\u0652\u0654\u0670\u067e\u0686\u0698\u06a9\u06af\u06c0\u06cc"
_BEGIN, _END = rf"(?<![{_LETTER}{ZWNJ}])", rf"(?![{_LETTER}{ZWNJ}])"
# Parts that are never changed: web and e-mail addresses, hashtags, @names, and words with vowel signs, which are quoted
# Arabic.
_VOWELS = "\u064b-\u0652\u0670"
_PROTECTED = (
    rf"(?:https?://|www\.)\S+|(?<![^\s@])[^\s@]++@\S+|[#@][\w{ZWNJ}]+"
    rf"|(?<![\w{ZWNJ}])[\w{ZWNJ}]*+[{_VOWELS}][\w{ZWNJ}{_VOWELS}]*"
)

# Stems of verbs whose forms with «می» cannot be read as another word. «آ», «ده», «رو» and «دان» are left out, because
# «میآید» is rare and «میدان», «میده» and «میرو» are not verbs.
_PRESENT = (
    "کن خواه شو باش دار توان گوی زن گیر بین خور رس بر کش ساز گذر گذار خر فروش نویس خوان شناس پذیر افزای "
    "کاه یاب آور آموز پرداز پوش پیوند نشین ایست افت خیز سنج شمار طلب فرست فرمای فهم کوش گشای لرز نمای پرس "
    "ترس جنگ خند سوز شکن شنو رسان گردان چرخ "
)
_PAST = (
    "کرد خواست شد بود داشت توانست گفت رفت آمد داد زد گرفت دید خورد رسید برد کشید ساخت گذشت گذاشت خرید "
    "فروخت نوشت خواند شناخت پذیرفت افزود کاست یافت ماند آورد آموخت پرداخت پوشید پیوست نشست ایستاد افتاد "
    "ریخت سنجید شمرد طلبید فرستاد فرمود فهمید کوشید گشت گشود لرزید نمود نهاد ورزید اندیشید پرسید ترسید "
    "جنگید خندید سوخت شکست شنید رساند چرخید دانست "
)


def _any(words: str) -> str:
    return "|".join(sorted(words.split(), key=len, reverse=True))


# «میدان», «میدانی» and «میدانید» may also be forms of the noun «میدان» (a square); «میدانم» and «میداند» can only be
# verbs.
_VERB = "|".join(
    (
        rf"(?:{_any(_PRESENT)})(?:م|د|یم|ید|ند)",
        rf"(?:{_any(_PAST)})(?:م|یم|ید|ند)?",
        r"(?:دان|رو|ده|آی)(?:م|د|یم|ند)",
        r"گو(?:یم|ید|یند)|شو(?:د|ند)",
    )
)
# Stems of words that end in «هه» in the singular. After these words, «ای» is not a plural ending («در برهه‌ای از
# زمان»).
_DOUBLE = "".join(rf"(?<!{_BEGIN}{stem})" for stem in ["بر", "جب", "مواج", "شب", "وج", "قهق", "شی", "بدی"])
# If one of these words follows, «های» is not a plural ending but the English "high" («شرکت های تک») or a sob («های های
# گریه»).
_NO_PLURAL = r"(?! (?:های|تک|لایت|وی|کپی|کلاس)\b)"
# Each rule begins with a text that occurs wherever the rule changes something. Looking for this text is much faster
# than trying the pattern, so `_corrected` does it first.
_RULES: tuple[tuple[str, re.Pattern[str], str], ...] = (
    ("می", re.compile(rf"{_BEGIN}(ن?می) ?({_VERB}){_END}"), rf"\1{ZWNJ}\2"),
    ("هه", re.compile(rf"(?<=[{_LETTER}]){_DOUBLE}هه(ا(?:ی(?:ی|م|ت|ش|مان|تان|شان)?)?){_END}"), rf"ه{ZWNJ}ه\1"),
    (
        " های",
        re.compile(rf"(?<=[{_LETTER}]{{2}})(?<!{_BEGIN}های) (های(?:ی|م|ت|ش|مان|تان|شان)?){_END}{_NO_PLURAL}"),
        rf"{ZWNJ}\1",
    ),
    (" ترین", re.compile(rf"(?<=[{_LETTER}]{{2}}) (ترین){_END}"), rf"{ZWNJ}\1"),
)
# Every text that needs a correction matches this pattern.
_CHANGED = re.compile("|".join((*map(chr, ARABIC_LETTERS), *(word for word, _, _ in _RULES))))


def corrected(text: str, exceptions: Collection[str] = ()) -> str:
    """Return `text` with restored half-spaces, and with Persian letters in place of Arabic ones.

    The words in `exceptions` stay as they are. Correcting a corrected text changes nothing.
    """
    if not _CHANGED.search(text):  # as in most titles
        return text
    parts = _protected(tuple(exceptions)).split(text)  # every second part is protected
    return "".join(part if number % 2 else _corrected(part) for number, part in enumerate(parts))


@lru_cache(maxsize=4)
def _protected(words: tuple[str, ...]) -> re.Pattern[str]:
    """Return the pattern of the parts that are never changed. It has one group, which is such a part."""
    return re.compile(f"({'|'.join([_PROTECTED, *(f'{_BEGIN}{re.escape(word)}{_END}' for word in words)])})")


def _corrected(text: str) -> str:
    text = text.translate(ARABIC_LETTERS)
    for word, pattern, replacement in _RULES:
        if word in text:
            text = pattern.sub(replacement, text)
    return text
