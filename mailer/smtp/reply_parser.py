"""The answers of a relay: splits bytes into answers, and turns each answer into a `Reply` that is safe to store and
show.

This module reads no socket. `mailer.replies` decides what an answer means for a mail.
"""

import re
from functools import lru_cache
from typing import NamedTuple

from mailer.model import Reply
from mailer.text.characters import is_printable

LONGEST_ANSWER = 8192  # bytes; RFC 5321 section 4.5.3.1.5 allows 512 per line, and an answer may have several lines
LONGEST_TEXT = 500

# A line of an answer (RFC 5321 section 4.2): three digits, then a hyphen if more lines follow, and otherwise a space or
# nothing at all.
_LINE = re.compile(rb"([2-5][0-9][0-9])(?:([ -])(.*))?", re.DOTALL)
_ENHANCED = re.compile(r"([245])\.\d{1,3}\.\d{1,3}(?!\d|\.\d)")


class Answer(NamedTuple):
    """A complete answer: its code (200 to 599) and the texts of its lines, joined by newlines."""

    code: int
    text: str


class _Parsed(NamedTuple):
    code: int
    more: bool
    answer: Answer


@lru_cache(128)  # a relay repeats the same few answers to MAIL, RCPT and DATA
def _parsed(line: bytes) -> _Parsed | None:
    found = _LINE.fullmatch(line)
    if not found:
        return None
    code = int(found[1])
    return _Parsed(code, found[2] == b"-", Answer(code, (found[3] or b"").decode("utf-8", "replace")))


class Reader:
    """Splits the bytes from a relay into answers; a packet may end in the middle of an answer. `nonsense` is empty
    until bytes arrive that are not an SMTP answer, and then describes these bytes. Later bytes are not read, because
    they could not be trusted."""

    def __init__(self) -> None:
        self.nonsense = ""
        self._rest = b""
        self._code = 0
        self._lines: list[str] = []
        self._length = 0  # size of the collected lines in bytes

    def feed(self, data: bytes) -> list[Answer]:
        """Returns the answers that `data` completes."""
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
        if not found.more and not self._lines:  # an answer of one line, the usual case
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
        # Without this limit, a faulty relay could fill the memory.
        if self._length + len(self._rest) > LONGEST_ANSWER:
            self.nonsense = f"it sent an answer of more than {LONGEST_ANSWER} bytes"


def cleaned(text: str) -> str:
    """Returns the text as one line of at most 500 characters that is safe in a terminal, a log or a page.

    Control characters and invisible formatting characters become spaces, because they could reverse the direction of
    the text or move the cursor. The joiners that Persian needs are kept.
    """
    if text.isascii() and text.isprintable():  # a shortcut, because this function runs several times for each mail
        return " ".join(text.split())[:LONGEST_TEXT].rstrip()
    kept = (char if is_printable(char) else " " for char in text)
    return " ".join("".join(kept).split())[:LONGEST_TEXT].rstrip()


@lru_cache(128)
def reply(phase: str, code: int, text: str) -> Reply:
    """Returns the `Reply` of an answer. An enhanced status code (RFC 3463) is used only if the text begins with it (RFC
    2034 section 4) and its class agrees with `code`. If the two disagree, `code` decides."""
    text = cleaned(text)
    found = _ENHANCED.match(text)
    enhanced = found[0] if found and found[1] == str(code)[0] else ""
    return Reply(phase, code, enhanced, text)


def silence(phase: str, why: str) -> Reply:
    """Returns the `Reply` for a missing or unreadable answer; `why` says what happened instead."""
    return Reply(phase, 0, "", cleaned(why))
