"""The program that reads documents: `python -m mailer.parser.child MODULE`.

`MODULE.READERS` maps each kind of document to a function that takes the options and the content and returns values
that JSON can represent. The program reads requests from stdin until the other side closes the pipe, so it also ends if
the service was killed. Errors are sent as answers, too.
"""

import gc
import importlib
import os
import signal
import sys
import traceback
from collections.abc import Callable, Iterable, Mapping
from typing import Any, BinaryIO

from mailer.errors import MailerError
from mailer.parser import frames, limits

_NICE = 10  # sending and pages come first, even if there are few processors

Reader = Callable[[Mapping[str, Any], bytes], Iterable[Any]]


def serve(readers: Mapping[str, Reader], source: BinaryIO, sink: BinaryIO) -> None:
    """Answer requests until the other side closes the pipe."""
    while (asked := frames.read_request(source)) is not None:
        header, content = asked
        allowed = limits.Limits(*header["limits"])
        limits.apply(allowed)
        answer = _answer(readers[header["kind"]], header["options"], content, allowed)
        limits.stop()
        sink.write(answer)
        sink.flush()


def _answer(reader: Reader, options: Mapping[str, Any], content: bytes, allowed: limits.Limits) -> bytes:
    """Return the answer: a line with its kind, then the values or an error."""
    try:
        return frames.answer(("values", *reader(options, content)), allowed.answer)
    except MailerError as error:
        return _said("error", type(error).__name__, error.message, error.fix)
    except MemoryError:
        return _said("memory")
    except frames.AnswerTooLarge:
        return _said("size")
    except Exception:
        return _said("bug", traceback.format_exc(limit=-20))


def _said(*words: str) -> bytes:
    return frames.answer(words, sys.maxsize)


def main() -> None:
    # Only the service decides when this program ends, even if someone presses Ctrl-C.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    os.nice(_NICE)
    gc.set_threshold(100_000)
    source, sink = os.fdopen(os.dup(0), "rb"), os.fdopen(os.dup(1), "wb")
    # What a library prints must not become a part of an answer.
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    os.dup2(2, 1)
    readers: Mapping[str, Reader] = importlib.import_module(sys.argv[1]).READERS
    gc.freeze()
    try:
        serve(readers, source, sink)
    except BrokenPipeError:
        os._exit(0)  # the service has ended meanwhile


if __name__ == "__main__":
    main()
