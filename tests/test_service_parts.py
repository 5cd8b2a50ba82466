"""The service as a function: what it does before it begins and when it ends. As a program it is run in `flow`."""

import asyncio
import logging
import socket
import time
from dataclasses import replace
from datetime import datetime
from pathlib import Path

import make
import pytest
from make import Clock

from mailer import service
from mailer.errors import OutsideError
from mailer.settings import Newsletter, Web
from mailer.store.database import Store

pytestmark = make.only_sqlite


async def test_a_taken_port_is_found_before_anything_begins(
    store: Store, tmp_path: Path, clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    asked: list[datetime] = []

    def now() -> datetime:
        asked.append(clock())
        return asked[-1]

    caplog.set_level(logging.INFO)
    with socket.create_server(("127.0.0.1", 0)) as other:
        app = make.app(store, tmp_path, clock, web=Web(port=other.getsockname()[1]))
        with pytest.raises(OutsideError, match="another program uses it"):
            await service.serve(replace(app, now=now))
    assert (asked, caplog.messages) == ([], [])


async def test_a_tick_that_runs_is_waited_for(
    store: Store, tmp_path: Path, clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    stop, begun = asyncio.Event(), asyncio.Event()
    loop = asyncio.get_running_loop()
    ended: list[str] = []

    def slow() -> datetime:
        loop.call_soon_threadsafe(begun.set)
        time.sleep(0.3)
        ended.append("tick")
        return clock()

    app = replace(make.app(store, tmp_path, clock), now=slow)
    serving = asyncio.create_task(service.serve(app, ["scheduler"], stop))
    await asyncio.wait_for(begun.wait(), 5)
    stop.set()
    await serving
    assert ended
    assert [record.getMessage() for record in caplog.records if record.levelno >= logging.WARNING] == []


@pytest.mark.parametrize(
    ("base_url", "warned"),
    [("http://news.iran.example", 1), ("https://news.iran.example", 0), ("http://127.0.0.1:8080", 0)],
)
async def test_links_in_clear_are_warned_of_once(
    store: Store, tmp_path: Path, clock: Clock, caplog: pytest.LogCaptureFixture, base_url: str, warned: int
) -> None:
    app = make.app(store, tmp_path, clock, newsletter=Newsletter(base_url=base_url))
    stop = asyncio.Event()
    stop.set()
    await service.serve(app, ["sender"], stop)
    assert sum("base_url is http" in message for message in caplog.messages) == warned


async def test_parts_end_side_by_side_and_one_that_hangs_is_not_waited_for(
    store: Store, caplog: pytest.LogCaptureFixture
) -> None:
    async def fails() -> None:
        raise OutsideError("it failed")

    parts = [asyncio.create_task(asyncio.sleep(60), name="collector"), asyncio.create_task(fails(), name="sender")]
    begun = time.monotonic()
    assert isinstance(await service._finish(parts, 0.2), OutsideError)
    assert time.monotonic() - begun < 30, "the collector would have run for a minute"
    assert "the collector did not end in time" in caplog.text
    await asyncio.wait(parts)
    assert parts[0].cancelled()
