"""Readers that do what no reader should, for the tests of `mailer.parser`. They run in its process."""

import os
import re
import signal
import time
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from mailer.errors import MailerError, UnreadableInput, UsageError


def _echo(options: Mapping[str, Any], content: bytes) -> Iterator[Any]:
    yield from (options["word"], len(content), content[-1:].decode("utf-8", "surrogateescape"))


def _busy(_options: Mapping[str, Any], _content: bytes) -> Iterator[Any]:
    """Hold the interpreter's lock, as a bad regular expression does."""
    yield re.match(r"(a|a)*$", "a" * 100 + "b")


def _half_a_second(_options: Mapping[str, Any], _content: bytes) -> Iterator[Any]:
    end = time.process_time() + 0.5
    while time.process_time() < end:
        pass
    yield from ()


def _memory(_options: Mapping[str, Any], _content: bytes) -> Iterator[Any]:
    yield len([bytes(1_000_000) + bytes([each % 256]) for each in range(1000)])


def _answer(_options: Mapping[str, Any], _content: bytes) -> Iterator[Any]:
    for _ in range(100):
        yield "x" * 1_000_000


def _printing(_options: Mapping[str, Any], _content: bytes) -> Iterator[Any]:
    print("a library says something")  # noqa: T201
    yield "printed"


def _killed(_options: Mapping[str, Any], _content: bytes) -> Iterator[Any]:
    os.kill(os.getpid(), signal.SIGKILL)
    yield


def _bug(_options: Mapping[str, Any], _content: bytes) -> Iterator[Any]:
    yield 1 / 0


def _exit(_options: Mapping[str, Any], _content: bytes) -> Iterator[Any]:
    os._exit(3)
    yield


def _asleep(_options: Mapping[str, Any], _content: bytes) -> Iterator[Any]:
    time.sleep(600)
    yield


def _raising(kind: type[MailerError]) -> Callable[[Mapping[str, Any], bytes], Iterator[Any]]:
    def read(_options: Mapping[str, Any], _content: bytes) -> Iterator[Any]:
        raise kind("It is wrong.", "Mend it.")

    return read


READERS: Mapping[str, Callable[[Mapping[str, Any], bytes], Iterator[Any]]] = {
    "process": lambda _options, _content: iter([os.getpid()]),
    "environment": lambda _options, _content: iter(sorted(os.environ)),
    "long": lambda _options, content: iter([content.decode()]),
    "echo": _echo,
    "busy": _busy,
    "half a second": _half_a_second,
    "memory": _memory,
    "answer": _answer,
    "print": _printing,
    "killed": _killed,
    "exit": _exit,
    "asleep": _asleep,
    "bug": _bug,
    "UnreadableInput": _raising(UnreadableInput),
    "UsageError": _raising(UsageError),
}
