"""The process that reads documents: it is reused, limited, ended and started again, and leaves nothing behind."""

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from mailer.errors import ReadingCancelled, ReadingStopped, UnreadableInput, UsageError
from mailer.parser.limits import Limits, limits_for
from mailer.parser.parent import Parser

USUAL = limits_for(1000)


@pytest.fixture(autouse=True)
def _readers_can_be_imported(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parent))


@pytest.fixture
def parser() -> Iterator[Parser]:
    made = Parser("strange_readers")
    yield made
    made.close()


def ask(parser: Parser, kind: str, content: bytes = b"", limits: Limits = USUAL) -> list[object]:
    return parser.ask(kind, {"word": "x"}, content, limits, name="feed")


def test_one_process_reads_many_documents(parser: Parser) -> None:
    first = ask(parser, "process")
    assert ask(parser, "echo", b"\x00\xff") == ["x", 2, "\udcff"]
    assert ask(parser, "process") == first != [os.getpid()]


def test_a_large_document_and_a_large_answer_pass(parser: Parser) -> None:
    assert ask(parser, "long", b"x" * 3_000_000, limits_for(3_000_000)) == ["x" * 3_000_000]


@pytest.mark.parametrize("kind", [UnreadableInput, UsageError])
def test_errors_of_a_reader_are_raised_here(parser: Parser, kind: type[Exception]) -> None:
    first = ask(parser, "process")
    with pytest.raises(kind, match="It is wrong") as raised:
        ask(parser, kind.__name__)
    assert type(raised.value) is kind
    assert ask(parser, "process") == first, "an expected error ends nothing"


def test_a_bug_shows_where_it_is(parser: Parser) -> None:
    with pytest.raises(RuntimeError, match="feed: reading it failed") as raised:
        ask(parser, "bug")
    assert "strange_readers.py" in str(raised.value)
    assert ask(parser, "process")


def test_a_reader_that_prints_does_not_disturb_the_answer(parser: Parser) -> None:
    assert ask(parser, "print") == ["printed"]


@pytest.mark.parametrize(
    ("kind", "limits", "why"),
    [
        ("busy", Limits(1, 60, 10**9, 1000), "feed: took longer than 1 s to read"),
        ("asleep", Limits(10, 1, 10**9, 1000), "feed: took longer than 1 s to read"),
        ("memory", Limits(10, 60, 100_000_000, 1000), "feed: needed more than 100 MB of memory"),
        ("answer", Limits(10, 60, 10**9, 2_000_000), "feed: holds more than 2 MB of texts"),
        ("killed", USUAL, "feed: its reader broke off .signal 9."),
        ("exit", USUAL, "feed: its reader broke off .exit code 3."),
    ],
)
def test_what_needs_too_much_is_stopped(parser: Parser, kind: str, limits: Limits, why: str) -> None:
    first = ask(parser, "process")
    with pytest.raises(ReadingStopped, match=why):
        ask(parser, kind, limits=limits)
    assert ask(parser, "process") != first, "the next document has a new process"


def test_time_counts_for_each_document_alone(parser: Parser) -> None:
    for _ in range(4):
        assert ask(parser, "half a second", limits=Limits(1, 60, 10**9, 1000)) == []


def test_closing_ends_the_process_while_it_reads(parser: Parser) -> None:
    (number,) = ask(parser, "process")
    raised: list[BaseException] = []

    def read() -> None:
        try:
            ask(parser, "busy")
        except ReadingCancelled as error:
            raised.append(error)

    reading = threading.Thread(target=read)
    reading.start()
    until(lambda: state(number) == "R")
    parser.close()
    reading.join()
    assert [str(error) for error in raised] == ["feed: was not read, because the program ends."]
    assert not Path(f"/proc/{number}").exists()
    with pytest.raises(ReadingCancelled):
        ask(parser, "process")


def test_more_urgent_work_comes_first() -> None:
    """A document that takes long is read in turns, but it is read, and its limit on CPU time stays."""
    urgent = threading.Event()
    urgent.set()
    parser = Parser("strange_readers", urgent.is_set)
    (number,) = ask(parser, "process")
    seen: set[str] = set()

    def read() -> None:
        with pytest.raises(ReadingStopped, match="took longer than 1 s to read"):
            ask(parser, "busy", limits=Limits(1, 60, 10**9, 1000))
        seen.add("stopped by its limit")

    reading = threading.Thread(target=read)
    reading.start()
    until(lambda: state(number) == "T")
    until(lambda: state(number) == "R")
    until(lambda: state(number) == "T")
    urgent.clear()
    reading.join()
    parser.close()
    assert seen == {"stopped by its limit"}


def test_a_reader_that_does_nothing_is_stopped_while_other_work_is_urgent() -> None:
    parser = Parser("strange_readers", lambda: True)
    with pytest.raises(ReadingStopped, match="took longer than 0 s to read"):
        ask(parser, "asleep", limits=Limits(10, 0.4, 10**9, 1000))
    parser.close()


def test_an_error_of_the_urgent_work_leaves_no_answer_behind() -> None:
    away = True

    def urgent() -> bool:
        if away:
            raise OSError("the database is away")
        return False

    parser = Parser("strange_readers", urgent)
    with pytest.raises(OSError, match="the database is away"):
        ask(parser, "half a second")
    with pytest.raises(OSError, match="the database is away"):
        ask(parser, "half a second")
    away = False
    assert ask(parser, "echo", b"x") == ["x", 1, "x"]
    parser.close()


@pytest.mark.parametrize("rests", [False, True])
def test_the_process_ends_with_a_killed_program(rests: bool) -> None:
    script = (
        "import time; from mailer.parser.parent import Parser; from mailer.parser.limits import limits_for\n"
        f"parser = Parser('strange_readers', lambda: {rests})\n"
        "print(*parser.ask('process', {}, b'', limits_for(1), name='feed'), flush=True)\n"
        + ("parser.ask('busy', {}, b'', limits_for(1), name='feed')\n" if rests else "time.sleep(600)\n")
    )
    with subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, text=True) as program:
        assert program.stdout is not None
        number = int(program.stdout.readline())
        until(lambda: state(number) == "T" if rests else running(number))
        program.send_signal(signal.SIGKILL)
        program.wait()
    until(lambda: not running(number))


def until(ready: Callable[[], bool]) -> None:
    """Wait for what must happen."""
    end = time.monotonic() + 60
    while not ready():
        assert time.monotonic() < end, "it did not happen"
        time.sleep(0.01)


def running(number: int) -> bool:
    """True for a process that runs, False for none and for one that has ended and was not collected yet."""
    return state(number) not in ("", "Z")


def state(number: object) -> str:
    """The letter for the state of a process, as `ps` shows it, or an empty string if there is no such process."""
    try:
        return Path(f"/proc/{number}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return ""


def test_the_process_gets_no_password(parser: Parser, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MAILER_SMTP__0__PASSWORD", "secret")
    assert "MAILER_SMTP__0__PASSWORD" not in ask(parser, "environment")
