"""What a relay says: bytes to answers, and an answer to a `Reply` that may be stored and shown.

Pure: it reads no socket and judges nothing; what an answer means for a mail is said in `delivery`.
"""

import re
from functools import lru_cache
from typing import NamedTuple

from mailer.model import Reply
from mailer.text.characters import is_printable

LONGEST_ANSWER = 8192  # bytes; RFC 5321 §4.5.3.1.5 asks for 512 a line, a relay may use several lines
LONGEST_TEXT = 500

# RFC 5321 §4.2: three digits, then a hyphen (more lines follow), a blank, or nothing at all.
_LINE = re.compile(rb"([2-5][0-9][0-9])(?:([ -])(.*))?", re.DOTALL)
_ENHANCED = re.compile(r"([245])\.\d{1,3}\.\d{1,3}(?!\d|\.\d)")


class Answer(NamedTuple):
    """A whole answer: its code (200 to 599) and its lines, joined by newlines."""

    code: int
    text: str


class _Parsed(NamedTuple):
    code: int
    more: bool
    answer: Answer


@lru_cache(128)  # a relay says the same thing to every MAIL, RCPT and DATA
def _parsed(line: bytes) -> _Parsed | None:
    found = _LINE.fullmatch(line)
    if not found:
        return None
    code = int(found[1])
    return _Parsed(code, found[2] == b"-", Answer(code, (found[3] or b"").decode("utf-8", "replace")))


class Reader:
    """Cuts the stream of a relay's bytes into answers, wherever the packets happen to end. `nonsense` says what came
    that is no SMTP answer; nothing after it is read, because nothing after it can be trusted."""

    def __init__(self) -> None:
        self.nonsense = ""
        self._rest = b""
        self._code = 0
        self._lines: list[str] = []
        self._length = 0  # of the lines

    def feed(self, data: bytes) -> list[Answer]:
        """The answers that `data` completes."""
        answers: list[Answer] = []
        *lines, self._rest = (self._rest + data).split(b"\n")
        for line in lines:
            answer = self._take(line.removesuffix(b"\r"))
            if self.nonsense:
                return answers
            if answer:
                answers.append(answer)
        self._limit()
        return answers

    def _take(self, line: bytes) -> Answer | None:
        found = _parsed(line)
        if not found or (self._lines and found.code != self._code):
            self.nonsense = f"it sent no SMTP answer but {line[:80]!r}"
            return None
        if not found.more and not self._lines:  # as nearly all are
            return found.answer
        self._code = found.code
        self._lines.append(found.answer.text)
        self._length += len(line)
        self._limit()
        if found.more:
            return None
        text = "\n".join(self._lines)
        self._lines, self._length = [], 0
        return Answer(self._code, text)

    def _limit(self) -> None:
        # Without it, a relay gone mad could fill our memory.
        if self._length + len(self._rest) > LONGEST_ANSWER:
            self.nonsense = f"it sent an answer of more than {LONGEST_ANSWER} bytes"


def cleaned(text: str) -> str:
    """One line of at most 500 letters that cannot harm a terminal, a log or a page.

    Control and invisible formatting characters go (they could turn the direction of what follows, or move a cursor);
    the joiners of Persian stay.
    """
    if text.isascii() and text.isprintable():  # as nearly all are, and several come for each mail
        return " ".join(text.split())[:LONGEST_TEXT].rstrip()
    kept = (letter if is_printable(letter) else " " for letter in text)
    return " ".join("".join(kept).split())[:LONGEST_TEXT].rstrip()


@lru_cache(128)
def reply(phase: str, code: int, text: str) -> Reply:
    """The `Reply` of an answer. An enhanced status (RFC 3463) counts only when it leads the text, as RFC 2034 §4 says,
    and when its class is that of the code: a relay that contradicts itself is taken by its code."""
    text = cleaned(text)
    found = _ENHANCED.match(text)
    enhanced = found[0] if found and found[1] == str(code)[0] else ""
    return Reply(phase, code, enhanced, text)


def silence(phase: str, why: str) -> Reply:
    """The `Reply` when the relay said nothing that can be read; `why` tells what happened instead."""
    return Reply(phase, 0, "", cleaned(why))
