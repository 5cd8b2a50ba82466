"""SIGTERM and SIGINT as an event, for whatever must end in good order. Ends nothing itself."""

import asyncio
import contextlib
import signal


def stop_on_signals(stop: asyncio.Event) -> None:
    """From now on the two signals set `stop`, instead of ending the process in the middle of a mail."""
    for number in (signal.SIGINT, signal.SIGTERM):
        with contextlib.suppress(NotImplementedError, RuntimeError):  # not in a thread other than the main one
            asyncio.get_running_loop().add_signal_handler(number, stop.set)
