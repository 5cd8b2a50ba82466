"""The service's side: starts the program that reads documents, sends it requests, and ends it if it exceeds limits."""

import contextlib
import os
import select
import signal
import subprocess
import sys
import threading
import time
import weakref
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import IO, Any, cast

from mailer import errors
from mailer.errors import ReadingCancelled, ReadingStopped, UnreadableInput, UsageError
from mailer.parser import frames
from mailer.parser.limits import Limits

_PIECE = 1 << 16
# While other work is more urgent, a document is read at full speed for the first moment only. After that, the process
# is stopped and continued in turns, so that it uses a tenth of one processor. A low priority alone would not be enough:
# two virtual processors are often one real core, so a busy one slows the other down.
_FREE_S, _RUN_S, _REST_S = 0.25, 0.02, 0.18
_TURNS = 5  # number of turns before the service asks again whether other work is more urgent
# The environment variables that the program gets. The program needs no others, and they may contain passwords.
_PASSED_ON = ("PATH", "LANG", "LC_ALL", "LC_CTYPE", "LD_LIBRARY_PATH", "TZDIR", "PYTHONTZPATH", "PYTHONHOME")
_MEASURING = "COV"  # variables with this in their names are passed on, too; they measure test coverage
_KNOWN = {each.__name__: each for each in (UnreadableInput, UsageError)}
_FIX = "It is damaged, or made to stop programs that read it. Look at it, or leave it out of the settings."


class Parser:
    """Reads documents in a process of its own, which is started when it is first needed and reads many documents.

    `readers` is the name of a module with READERS (see `child`). `urgent` returns True while the computer has more
    urgent work; documents that take long are then read slowly. A parser may be used in several threads, which wait for
    each other.
    """

    def __init__(self, readers: str, urgent: Callable[[], bool] = lambda: False) -> None:
        self._readers = readers
        self._urgent = urgent
        self._asking = threading.Lock()
        self._state = threading.Lock()  # guards the two values below
        self._closed = False
        self._child: _Child | None = None

    def ask(self, kind: str, options: Mapping[str, Any], content: bytes, limits: Limits, *, name: str) -> list[Any]:
        """Return the values that a reader returns for a document. `name` is the document's name in messages.

        Raises the reader's UnreadableInput or UsageError, ReadingStopped if reading needed more than the limits, and
        ReadingCancelled if the parser was closed meanwhile.
        """
        header = {"kind": kind, "options": dict(options), "limits": [*_numbers(limits)]}
        with self._asking:
            child = self._started()
            try:
                answer = child.exchange(frames.request(header, content), limits, self._urgent)
                said, *values = frames.values(answer)
            except BaseException as why:
                self._end(child)
                if not isinstance(why, _EndedError):
                    raise
                if self._closed:
                    raise ReadingCancelled(f"{name}: was not read, because the program ends.") from None
                raise ReadingStopped(f"{name}: {why}, and was not read.", _FIX) from None
            if said != "values":
                self._refuse(child, said, values, limits, name)
            return values

    def close(self) -> None:
        """End the process, even while another thread waits for its answer. No process is started afterwards."""
        with self._state:
            self._closed = True
            child, self._child = self._child, None
        if child:
            child.kill()
            # A thread that waits for an answer holds this lock until it sees that the process has ended. Close the
            # pipes only then.
            with self._asking:
                child.end()

    def _started(self) -> "_Child":
        with self._state:
            if self._closed:
                raise ReadingCancelled("Nothing is read any more, because the program ends.")
            if self._child is None or not self._child.runs():
                self._child = _Child(self._readers)
            return self._child

    def _end(self, child: "_Child") -> None:
        with self._state:
            if self._child is child:
                self._child = None
        child.end()

    def _refuse(self, child: "_Child", said: str, words: list[str], limits: Limits, name: str) -> None:
        if said == "error":
            kind, message, fix = words
            raise _KNOWN[kind](message, fix)
        self._end(child)  # its memory may be in any state
        if said == "memory":
            raise ReadingStopped(f"{name}: needed more than {limits.memory // 1_000_000} MB of memory.", _FIX)
        if said == "size":
            raise ReadingStopped(f"{name}: holds more than {limits.answer // 1_000_000} MB of texts.", _FIX)
        raise RuntimeError(f"{name}: reading it failed.\n{words[0]}")


def _numbers(limits: Limits) -> tuple[float, float, int, int]:
    return limits.cpu_s, limits.wall_s, limits.memory, limits.answer


class _EndedError(Exception):
    """The process has ended, or must be ended. The message is the reason, worded to follow the document's name."""


class _Child:
    """One running process."""

    def __init__(self, readers: str) -> None:
        environment = {name: value for name, value in os.environ.items() if name in _PASSED_ON or _MEASURING in name}
        paths = (str(Path(errors.__file__).parent.parent), os.environ.get("PYTHONPATH", ""))
        environment["PYTHONPATH"] = os.pathsep.join(filter(None, paths))
        self._process = subprocess.Popen(  # noqa: S603 - our own program
            [sys.executable, "-P", "-m", "mailer.parser.child", readers],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env=environment,
            # This process has a group of its own, because Ctrl-C must not reach it. It has no session of its own,
            # because Linux would give that session as much processor time as the whole service, whatever the nice
            # values (sched(7), "The autogroup feature").
            process_group=0,
        )
        to, back = cast(IO[bytes], self._process.stdin), cast(IO[bytes], self._process.stdout)
        self._to, self._back = to.fileno(), back.fileno()
        os.set_blocking(self._to, False)
        self.end = weakref.finalize(self, _end, self._process)  # called at the latest when the service ends

    def kill(self) -> None:
        self._process.kill()

    def runs(self) -> bool:
        return self._process.poll() is None

    def exchange(self, request: bytes, limits: Limits, urgent: Callable[[], bool]) -> bytes:
        """Send a request and return the text of the answer. Raises _EndedError."""
        until = time.monotonic() + limits.wall_s
        rest = memoryview(request)
        while rest:
            self._wait(self._to, select.POLLOUT, until, limits)
            try:
                rest = rest[os.write(self._to, rest[:_PIECE]) :]
            except BlockingIOError:
                continue
            except BrokenPipeError:
                raise self._ended(limits) from None
        until += self._rest_often(urgent, until)
        length = frames.answer_length(self._receive(frames.ANSWER_HEAD, until, limits))
        if length > limits.answer + _PIECE:
            raise _EndedError("its reader sent too much")
        return self._receive(length, until, limits)

    def _rest_often(self, urgent: Callable[[], bool], until: float) -> float:
        """While there is more urgent work, stop and continue the process in turns until it answers. Returns for how
        many seconds it was stopped."""
        poll = select.poll()
        poll.register(self._back, select.POLLIN)
        answers, rested = poll.poll(_FREE_S * 1000), 0.0
        while not answers and time.monotonic() < until + rested and urgent():
            for _ in range(_TURNS):
                self._process.send_signal(signal.SIGSTOP)
                try:
                    time.sleep(_REST_S)
                finally:
                    self._process.send_signal(signal.SIGCONT)
                rested += _REST_S
                if answers := poll.poll(_RUN_S * 1000):
                    break
        return rested

    def _receive(self, size: int, until: float, limits: Limits) -> bytes:
        received = bytearray()
        while len(received) < size:
            self._wait(self._back, select.POLLIN, until, limits)
            piece = os.read(self._back, min(size - len(received), _PIECE))
            if not piece:
                raise self._ended(limits)
            received += piece
        return bytes(received)

    def _wait(self, pipe: int, event: int, until: float, limits: Limits) -> None:
        poll = select.poll()
        poll.register(pipe, event)
        if not poll.poll(max(until - time.monotonic(), 0) * 1000):
            raise _EndedError(f"took longer than {limits.wall_s:.0f} s to read")

    def _ended(self, limits: Limits) -> _EndedError:
        """Return an error that says why the process ended unexpectedly."""
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(5)
        code = self._process.returncode
        if code == -signal.SIGPROF:
            return _EndedError(f"took longer than {limits.cpu_s:.0f} s to read")
        how = f"signal {-code}" if code is not None and code < 0 else f"exit code {code}"
        return _EndedError(f"its reader broke off ({how})")


def _end(process: "subprocess.Popen[bytes]") -> None:
    process.kill()
    process.wait()
    for pipe in (process.stdin, process.stdout):
        if pipe:
            with contextlib.suppress(OSError):
                pipe.close()
