"""Prepares a long-running process: handles stop signals, and keeps garbage collection short."""

import asyncio
import contextlib
import gc
import signal

_USUAL = (700, 10, 10)  # Python's default thresholds of `gc`; `mailer.__main__` sets a higher one for short commands


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
