"""Each rule about texts is written once in `mailer/`; a second copy would drift away from the first."""

import re
from pathlib import Path

import pytest

MAILER = Path(__file__).parents[2] / "mailer"
# Invented mails, for trying templates and for the demo, hold any words.
INVENTED = ("mail/template_check/sample_issues.py", "demo/sample.py")

# The rule → the only files that may match a sign of it, and that sign as a regular expression.
RULES = {
    "months of the Jalali calendar": (["text/calendar.py"], "فروردین"),
    "months of the Gregorian calendar": (["text/calendar.py"], "فوریه|سپتامبر"),
    "months in English": (["text/dates.py"], r"(?i)\bjanuary\b|\bfebruary\b"),
    "weekdays": (["text/calendar.py"], "سه‌شنبه|چهارشنبه"),
    "Arabic letters for Persian ones": (["text/characters.py"], r"[\"']ك[\"']|ي[\"']: |\\u0643|\\u064a"),
    "digits of each script": (["text/characters.py"], "۰۱۲۳|٠١٢٣|0123456789"),
    "which characters are invisible": (["text/characters.py"], r"\"Cf\", \"Cs\"|\\u202a-|\\u2060-|\\u200b"),
    "cutting a text with an ellipsis": (["text/clean.py", "text/headlines.py"], r"\+ \"? ?…|\+ ELLIPSIS"),
    "hosts of web addresses": (["text/links.py"], r"\(\"http\", \"https\"\) and"),
    "the longest link of a mail": (["text/links.py"], r"LONGEST\w* = 1500\b"),
    "what looks like an e-mail address": (["address.py"], r"\[\^\\s@\]\+@|\\S\*@\\S\*|<\)\?\(\?P<address>"),
    "the section of other news": (["model.py"], r"= \"دیگر خبرها\""),
    "how many issues are remembered": (["store/articles.py"], r"REMEMBERED = 4"),
}


@pytest.mark.parametrize(("files", "sign"), RULES.values(), ids=RULES)
def test_a_rule_about_texts_has_one_home(files: list[str], sign: str) -> None:
    sources = {str(file.relative_to(MAILER)): file.read_text("utf-8") for file in MAILER.rglob("*.py")}
    found = [name for name, source in sources.items() if name not in INVENTED and re.search(sign, source)]
    assert sorted(found) == files
