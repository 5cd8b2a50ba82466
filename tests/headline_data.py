"""Real headlines, and how their subjects are shortened. Used by tests and by `bench`.

The headlines are not part of this project; `titles` takes the folder of the data.
"""

import gzip
import json
import re
from pathlib import Path
from typing import NamedTuple

from mailer.text.clean import ELLIPSIS, clean
from mailer.text.headlines import subject

_FILES = ("hamshahri-rss-2020", "farsnews-2003-2021", "tabnak-2023-views")
# Sixty verbs of the news: the stem of the past and that of the present.
_VERBS = (
    "بود/باش شد/شو کرد/کن داشت/دار گفت/گوی داد/ده گرفت/گیر رفت/رو آمد/آی خواست/خواه توانست/توان دانست/دان دید/بین "
    "رسید/رس ماند/مان گذاشت/گذار گذشت/گذر برد/بر خورد/خور زد/زن یافت/یاب ساخت/ساز نوشت/نویس خواند/خوان پذیرفت/پذیر "
    "پرداخت/پرداز فروخت/فروش خرید/خر فرستاد/فرست شناخت/شناس آورد/آور افتاد/افت افزود/افزای کاست/کاه کشید/کش کشت/کش "
    "شکست/شکن شنید/شنو ترسید/ترس پرسید/پرس نشست/نشین ایستاد/ایست آموخت/آموز سوخت/سوز ریخت/ریز بست/بند گشت/گرد "
    "فهمید/فهم کوشید/کوش جنگید/جنگ چرخید/چرخ خندید/خند لرزید/لرز بخشید/بخش دوخت/دوز پیوست/پیوند پوشید/پوش گشود/گشای "
    "نمود/نمای گنجید/گنج"
)
VERBS = [pair.split("/") for pair in _VERBS.split()]
# Where a clause ends. Written down here once more, so that a fault of `headlines` cannot hide itself.
_CLAUSE = re.compile(r"[|/؛;؟?!+]|\. ")


def negated_forms() -> set[str]:
    """Returns the negated forms of VERBS, with the half-space left out: «نکرد», «نمیکنیم», «نکرده», «نیست» …"""
    found = {f"نیست{ending}" for ending in ("", "م", "ی", "یم", "ید", "ند")}
    found |= {f"نخواه{ending}" for ending in ("م", "ی", "د", "یم", "ید", "ند")}
    for past, present in VERBS:
        for stem, endings in (
            (past, ("", "م", "ی", "یم", "ید", "ند", "ه", "هاند", "هام", "هایم")),
            (present, ("م", "ی", "د", "یم", "ید", "ند")),
        ):
            own = {"آ": f"یا{stem[1:]}", "ا": f"ی{stem}"}.get(stem[0], stem)  # «آمد» → «نیامد», «افتاد» → «نیفتاد»
            own = own.replace("یاف", "یف")
            found |= {f"ن{own}{ending}" for ending in endings} | {f"نمی{stem}{ending}" for ending in endings}
    return found


_NEGATED = negated_forms()


def negated(text: str) -> list[str]:
    """Returns the negated verbs of a text. A blank may follow «نمی»."""
    joined = re.sub(r"\bنمی[ \u200c]+", "نمی", text.translate(str.maketrans("يك", "یک"))).replace("\u200c", "")
    return [word for word in re.findall(r"\w+", joined) if word in _NEGATED]


class Shortened(NamedTuple):
    """How the headlines became subjects. The last four are lists of (title, subject)."""

    titles: int
    shortened: int
    with_ellipsis: int
    over_80: int
    verb_lost: list[tuple[str, str]]  # a negated verb is missing in the clause that the subject ends with
    clause_left_out: list[tuple[str, str]]  # a whole clause with a negated verb was left out
    open_quotes: list[tuple[str, str]]
    not_a_part: list[tuple[str, str]]  # what is left is neither a beginning nor an end of the title


def titles(data: Path) -> list[str]:
    found = []
    for name in _FILES:
        with gzip.open(data / "articles" / f"{name}.jsonl.gz", "rt", encoding="utf-8") as lines:
            found += [clean(json.loads(line)["title"]) for line in lines]
    return found


def shortened(headlines: list[str]) -> Shortened:
    cut = [(title, short) for title in headlines if (short := subject(title)) != title]
    return Shortened(
        titles=len(headlines),
        shortened=len(cut),
        with_ellipsis=sum(short.endswith(ELLIPSIS) for _, short in cut),
        over_80=sum(len(subject(title)) > 80 for title in headlines),
        verb_lost=[each for each in cut if negated(_CLAUSE.split(_after(*each))[0])],
        clause_left_out=[each for each in cut if negated(_after(*each))],
        open_quotes=[each for each in cut if each[1].count("«") != each[1].count("»")],
        not_a_part=[each for each in cut if each[1].rstrip(ELLIPSIS) not in each[0]],
    )


def _after(title: str, short: str) -> str:
    """Returns what was cut off behind the subject."""
    kept = short.rstrip(ELLIPSIS)
    return title[title.index(kept) + len(kept) :] if kept in title else title
