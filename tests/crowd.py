"""Processes that do the same thing at the same moment, round after round. They are started once, which takes longer
than a round."""

import contextlib
import multiprocessing
from collections.abc import Callable, Iterator
from pathlib import Path
from queue import SimpleQueue
from typing import Any

from mailer.cli.setup import make_deployment
from mailer.config.reference import config_toml
from mailer.store import upgrade
from mailer.store.database import Store

Task = Callable[[str], None]
_WAIT_S = 120.0


def open_store(url: str) -> None:
    """Open a database and read its version."""
    store = Store(url)
    try:
        upgrade.revision(store)
    finally:
        store.close()


def make_tables(url: str) -> None:
    """Open a database and create its tables."""
    store = Store(url)
    try:
        upgrade.ensure(store)
        assert upgrade.revision(store) == upgrade.HEAD
    finally:
        store.close()


def init(folder: str) -> None:
    """Does what `mailer init FOLDER` does."""
    make_deployment(Path(folder), config_toml(), templates=True, environ={})


@contextlib.contextmanager
def crowd(task: Task, size: int) -> Iterator[Callable[[str], list[str]]]:
    """Start `size` processes; yields a function that runs `task` in all of them and returns their errors."""
    spawn = multiprocessing.get_context("spawn")
    start, answers = spawn.Barrier(size), spawn.Queue()
    queues = [spawn.Queue() for _ in range(size)]
    processes = [spawn.Process(target=_work, args=(task, start, queue, answers), daemon=True) for queue in queues]
    for process in processes:
        process.start()

    def play(argument: str) -> list[str]:
        for queue in queues:
            queue.put(argument)
        return [error for error in [answers.get(timeout=_WAIT_S) for _ in queues] if error]

    try:
        yield play
    finally:
        for queue in queues:
            queue.put(None)
        for process in processes:
            process.join(_WAIT_S)


def _work(task: Task, start: Any, arguments: "SimpleQueue[str | None]", answers: "SimpleQueue[str]") -> None:
    while (argument := arguments.get()) is not None:
        start.wait(_WAIT_S)
        try:
            task(argument)
        except BaseException as error:
            answers.put(repr(error))
        else:
            answers.put("")
