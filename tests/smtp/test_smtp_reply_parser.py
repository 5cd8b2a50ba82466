"""The bytes of a relay are cut into answers and made safe, however they arrive."""

import unicodedata

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mailer.smtp.reply_parser import LONGEST_ANSWER, LONGEST_TEXT, Answer, Reader, cleaned, reply

codes = st.integers(200, 599)
texts = st.text(st.characters(exclude_characters="\r\n", exclude_categories=["Cs"]), max_size=60).map(str.strip)


def said(code: int, lines: list[str]) -> bytes:
    *first, last = lines
    return b"".join(f"{code}-{line}\r\n".encode() for line in first) + f"{code} {last}\r\n".encode()


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(codes, st.lists(texts, min_size=1, max_size=4)), max_size=4), st.data())
def test_answers_do_not_depend_on_where_packets_end(wanted: list[tuple[int, list[str]]], data: st.DataObject) -> None:
    stream = b"".join(said(code, lines) for code, lines in wanted)
    cuts = sorted(data.draw(st.lists(st.integers(0, len(stream)), max_size=6)))
    reader = Reader()
    got: list[Answer] = []
    for start, end in zip([0, *cuts], [*cuts, len(stream)], strict=True):
        got += reader.feed(stream[start:end])
    assert got == [(code, "\n".join(lines)) for code, lines in wanted]
    assert not reader.nonsense


@pytest.mark.parametrize(
    ("line", "answer"),
    [
        (b"250\r\n", (250, "")),
        (b"250 \r\n", (250, "")),
        (b"250 ok\n", (250, "ok")),
        (b"550-\r\n550 no\r\n", (550, "\nno")),
    ],
)
def test_sloppy_answers_are_understood(line: bytes, answer: tuple[int, str]) -> None:
    assert Reader().feed(line) == [answer]


@pytest.mark.parametrize(
    "line",
    [
        b"HTTP/1.1 400 Bad Request\r\n",
        b"\r\n",
        b"2500 ok\r\n",
        b"25 ok\r\n",
        b"+25 ok\r\n",
        b"2_5 ok\r\n",
        b"199 ok\r\n",
        b"600 ok\r\n",
        b"250:ok\r\n",
        b"250-a\r\n550 b\r\n",
        "۲۵۰ ok\r\n".encode(),
        b"250" + b"x" * LONGEST_ANSWER,
        b"250-" + b"x" * LONGEST_ANSWER + b"\r\n",
        b"250-x\r\n" * LONGEST_ANSWER,
    ],
)
def test_nonsense_is_named(line: bytes) -> None:
    reader = Reader()
    assert reader.feed(line) == []
    assert reader.nonsense


def test_the_limit_is_of_one_answer_not_of_the_session() -> None:
    reader = Reader()
    for _ in range(3):
        assert len(reader.feed(b"250 ok\r\n" * LONGEST_ANSWER)) == LONGEST_ANSWER
    assert not reader.nonsense


def test_answers_before_nonsense_count() -> None:
    reader = Reader()
    assert reader.feed(b"250 ok\r\nbla\r\n250 no more\r\n") == [(250, "ok")]
    assert "bla" in reader.nonsense


@settings(max_examples=60, deadline=None)
@given(st.text(max_size=900))
def test_no_reply_text_can_harm_a_terminal(text: str) -> None:
    clean = cleaned(text)
    assert len(clean) <= LONGEST_TEXT
    assert not [letter for letter in clean if unicodedata.category(letter)[0] == "C" and letter not in "\u200c\u200d"]


def test_cleaning_keeps_persian() -> None:
    assert cleaned("نشانی\u200cای\x1b[31m نیست\u202e\r\n2.0.0 ok") == "نشانی\u200cای [31m نیست 2.0.0 ok"


@pytest.mark.parametrize(
    ("code", "text", "enhanced"),
    [
        (550, "5.1.1 no such user", "5.1.1"),
        (550, "5.1.10", "5.1.10"),
        (550, "5.7.1: no", "5.7.1"),
        (550, "4.2.1 contradicts its code", ""),
        (450, "4.2.1 greylisted", "4.2.1"),
        (550, "no such user 5.1.1", ""),
        (550, "5.1.1.9 is an address of a host", ""),
        (550, "5.1.1234 is nothing", ""),
    ],
)
def test_enhanced_status(code: int, text: str, enhanced: str) -> None:
    assert reply("RCPT", code, text).enhanced == enhanced
    assert reply("RCPT", code, text).text == text
