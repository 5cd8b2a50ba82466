"""Shortens headlines without changing what they say.

Persian puts the verb last, and a negation is part of the verb: «عملیات دیگری انجام…» may be the beginning of «انجام
نمی‌دهیم» (we will not). So a headline is cut after a whole clause, and a headline of one long clause stays whole.
`clean.shorten` is for texts in which a lost verb does no harm.
"""

import re
from collections.abc import Iterator
from itertools import accumulate

from mailer.text.characters import JOINERS
from mailer.text.clean import ELLIPSIS, shorten

SUBJECT_LENGTH = 80  # characters; mail programs show 40 to 100 of them, and cut the rest themselves
# A first clause that is longer than SUBJECT_LENGTH stays whole up to this many characters. Mail programs then cut it
# themselves, and readers see that something is missing.
LONGEST_SUBJECT = 120
# A title that is longer than this is cut before its clauses are looked for. So no title takes long to shorten.
_LONGEST_TITLE = 600
# The fewest characters of a clause that makes sense alone. A shorter one is a label: «فیلم | …», «چرا؟ …».
_LEAST = 20

_D = "0-9۰-۹٠-٩"
_EXTRAS = "فیلم|عکس|تصاویر|تصویر|ویدئو|ویدیو|صوت|جدول|اینفوگرافی|نمودار|نقشه|متن|جزئیات|اسناد|فهرست|اسامی"
# The ends of clauses. Question and exclamation marks belong to the clause that they end; the other signs do not. A
# slash without a blank («و/یا») or between two numbers (a date) ends nothing.
_END = re.compile(
    r"(?P<kept>[؟?!]+(?![\w؟?!]))"
    r"|[|؛;]"
    rf"|(?<![{_D} ]) ?/ |/ (?![{_D}])| /(?! ?[{_D}])"
    rf"|\(?\+ ?(?=(?:{_EXTRAS})\b)"
    r"|(?<=[\u0621-\u06cc]{3})\. "
)
_OPENS, _CLOSES = "«“([{‹", "»”)]}›"
_SIGNS = " \t،,؛;:|/\\+–—-.…(" + JOINERS  # signs that are removed at a cut
# Words that cannot be last, because the word that completes them follows.
_HANGING_WORDS = (
    "از به با در بر برای تا که و یا اما ولی بی بدون درباره دربارهٔ درباره‌ی علیه ضد روی زیر پس پیش طی بین میان نزد سوی "
    "توسط جز مگر اگر چون هم هر هیچ این آن یک چند همه را پشت کنار مانند مثل همچون سر حدود نحوه چرا "
    "في من إلى على عن مع أن إن ما لا لم لن قد "
    "a an the of to in on at by for with and or but from as is are was not no"
)
_HANGING = frozenset(_HANGING_WORDS.split())
# A clause with one of these words denies what another clause of the title says. A word too many does little harm: the
# title then stays longer.
_DENIAL = re.compile(
    # Persian
    r"ت[کك]ذ[یي]ب|شا[یئ]عه|(?:صحت|حق[یي]قت|واقع[یي]ت) ن?دا|[کك]ذب|دروغ|نادرست|ساختگ[یي]|جعل[یي]|خلاف واقع"
    r"|ب[یي][ \u200c]?(?:اساس|پا[یي]ه)|(?:درست|صح[یي]ح) ن[یي]ست|\b(?:چن[یي]ن|ه[یي]چ)\b"
    r"|\bرد (?:[کك]رد|شد|خواه|م[یي][ \u200c]?(?:[کك]ن|شو))"
    # Arabic
    r"|غ[یي]ر صح[یي]ح|لا صحة|لا أساس|[کك]اذب|شائعة|إشاعة|مفبر[کك]|[يت]نفي|نفى"
    # English
    r"|\b(?:den(?:y|ies|ied|ying|ials?)|reject|refut|retract|debunk|fabricat|hoax|rumou?rs?\b|fake\b|baseless|unfounded)"
    r"|\b(?:false|untrue|incorrect|not true|no truth)\b"
    # Hebrew
    r"|שקר|להד[\"״”]?ם|הכחיש|מכחיש|לא נכון"
    # Urdu and Kurdish
    r"|جھوٹ|تردید|بے بنیاد|درۆ",
    re.IGNORECASE,
)
# A clause that begins with one of these words limits the clause before it («…؛ اما نه برای همه»).
_LIMITS = re.compile(
    r"[\W_]{0,9}(?:اما|ول[یي]|مگر|البته|ل[یي][کك]ن|و?ل[کك]ن|هرچند|اگرچه|گرچه|با ا[یي]ن حال|إلا|البتہ|تاہم|بەڵام"
    r"|but|however|except|unless|although|though|אבל|אולם|אך|אלא)(?![\w\u200c])",
    re.IGNORECASE,
)
_NUMBER = re.compile(rf"[.,٫٬/+−-]*+[{_D}][{_D}.,٫٬/+−-]*+")


def subject(title: str) -> str:
    """Returns the title as a subject: whole if it has at most 80 characters, and otherwise its first clauses.

    If even the first clause is longer, it stays whole up to 120 characters; what is longer still is cut between words
    and ends with «…». A short label in front («فیلم |») is left out if the clause after it then fits. A clause is never
    separated from a later clause that denies it («| وزیر تکذیب کرد») or limits it («؛ اما نه برای همه»). If a
    clause and its denial do not fit into 120 characters, the subject begins with the denial.
    """
    title = shorten(title, _LONGEST_TITLE)
    while len(title) > SUBJECT_LENGTH:
        if fitting := clauses(title, SUBJECT_LENGTH):
            return fitting
        rest = _without_label(title)
        if not rest:
            short = next(_heads(title, LONGEST_SUBJECT), "") or words(title, LONGEST_SUBJECT)
            rest = _lost_denial(title, short)
            if not rest:
                return short
        title = rest
    return title


def _without_label(title: str) -> str:
    """Returns what follows the short label in front, or "" if there is none. «شایعه |» is more than a label."""
    end, after = next(_ends(title), (0, 0))
    rest = title[after:].strip(_SIGNS)
    return rest if after and end < _LEAST <= len(rest) and not _DENIAL.search(title, 0, end) else ""


def _lost_denial(title: str, short: str) -> str:
    """Returns the title from the clause with its denial, or "" if `short` keeps the denial or there is none."""
    denial = _DENIAL.search(title)
    if not denial or keeps_denial(title, short):
        return ""
    start = max((after for _, after in _ends(title) if after <= denial.start()), default=len(title))
    return title[start:].strip(_SIGNS)


def keeps_denial(title: str, short: str) -> bool:
    """Returns False if `short`, the beginning of the title, lacks a clause that denies it."""
    denial = _DENIAL.search(title)
    return not denial or denial.end() <= len(short.removesuffix(ELLIPSIS))


def clauses(title: str, limit: int) -> str:
    """Returns as many whole clauses from the title's start as fit into `limit` characters, or "" if not even one does.

    A clause does not end inside quotation marks or brackets.
    """
    return title if len(title) <= limit else max(_heads(title, limit), key=len, default="")


def _heads(title: str, limit: int) -> Iterator[str]:
    """Yields the first clause, the first two clauses and so on, up to `limit` characters. Leaves out each head that is
    a mere label, or that is followed by a denial."""
    for end, after in _ends(title):
        head = title[:end].rstrip(_SIGNS)
        if len(head) > limit:
            return
        if len(head) >= _LEAST and not _DENIAL.search(title, after):
            yield head


def words(title: str, limit: int) -> str:
    """Returns the title cut between two words to at most `limit` characters, with «…» at its end.

    The cut is never inside quotation marks or brackets, and never after a number or a preposition, unless there is no
    other place in the second half of the text.
    """
    if len(title) <= limit:
        return title
    room, depths = limit - len(ELLIPSIS), _depths(title)
    for end in range(room, room // 2, -1):
        if title[end] == " " and depths[end] == 0:
            head = title[:end].rstrip(_SIGNS)
            last = head.rpartition(" ")[2]
            if head and last not in _HANGING and not _NUMBER.fullmatch(last):
                return head + ELLIPSIS
    return shorten(title, limit)


def _ends(title: str) -> Iterator[tuple[int, int]]:
    """Yields, for each clause except the last, the position at which it ends and the position after the sign that ends
    it. A clause and the next one count as one clause if the next one limits it."""
    depths = _depths(title)
    for found in _END.finditer(title):
        limited = _LIMITS.match(title, found.end())
        if depths[found.start()] == 0 and not limited and title[found.end() :].strip(_SIGNS):
            yield (found.end() if found["kept"] else found.start()), found.end()


def _depths(title: str) -> list[int]:
    """Returns, for each character, the number of quotation marks and brackets that are still open before it."""

    def after(depth: int, char: str) -> int:
        return depth + 1 if char in _OPENS else max(0, depth - 1) if char in _CLOSES else depth

    straight = accumulate((char == '"' for char in title), initial=0)  # «"» both opens and closes
    curved = accumulate(title, after, initial=0)
    return [depth + quotes % 2 for depth, quotes in zip(curved, straight, strict=True)]
