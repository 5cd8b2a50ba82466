"""Prepares a long-running process: handles stop signals, keeps garbage collection short, and runs work in threads that
do not keep the process from ending."""

import asyncio
import contextlib
import gc
import signal
import threading
from collections.abc import Callable
from functools import partial
from typing import TypeVar

T = TypeVar("T")
# Python's default thresholds of `gc`. For short commands, `mailer.__main__` makes the first threshold higher.
_USUAL = (700, 10, 10)


def stop_on_signals(stop: asyncio.Event) -> None:
    """Makes SIGINT and SIGTERM set `stop` instead of ending the process in the middle of a mail."""
    for number in (signal.SIGINT, signal.SIGTERM):
        with contextlib.suppress(NotImplementedError, RuntimeError):  # raised outside the main thread
            asyncio.get_running_loop().add_signal_handler(number, stop.set)


def keep_what_is_loaded() -> None:
    """Excludes everything loaded so far from garbage collection, and restores the default frequency of collections.

    Each full collection of these objects would take 30 ms, and all connections of a sender would wait for its end.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(*_USUAL)


def in_background(work: Callable[[], T]) -> "asyncio.Future[T]":
    """Runs work in a thread of its own, and returns a future with its result.

    Unlike a thread of `asyncio.to_thread`, this thread does not delay the end of the program if it is still busy.
    """
    loop = asyncio.get_running_loop()
    result: asyncio.Future[T] = loop.create_future()

    def run() -> None:
        try:
            done = partial(result.set_result, work())
        except BaseException as error:
            done = partial(result.set_exception, error)
        with contextlib.suppress(RuntimeError):  # the loop is closed, so the result is not needed
            loop.call_soon_threadsafe(_unless_cancelled, result, done)

    threading.Thread(target=run, daemon=True).start()
    return result


def _unless_cancelled(result: "asyncio.Future[T]", done: Callable[[], None]) -> None:
    if not result.cancelled():
        done()
