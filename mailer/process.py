"""How a process of ours ends and keeps itself: SIGTERM and SIGINT as an event, and no long looks for garbage."""

import asyncio
import contextlib
import gc
import signal


def stop_on_signals(stop: asyncio.Event) -> None:
    """From now on the two signals set `stop`, instead of ending the process in the middle of a mail."""
    for number in (signal.SIGINT, signal.SIGTERM):
        with contextlib.suppress(NotImplementedError, RuntimeError):  # not in a thread other than the main one
            asyncio.get_running_loop().add_signal_handler(number, stop.set)


def keep_what_is_loaded() -> None:
    """Tells the collector that nothing loaded by now is garbage. To look through all of it takes 30 ms, and every line
    of a sender would wait for that again and again."""
    gc.collect()
    gc.freeze()
