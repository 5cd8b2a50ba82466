"""Sends as fast as its pace allows and prints when it sent: pace_worker.py URL RATE SECONDS CONNECTIONS."""

import asyncio
import sys
import time

from mailer.sending.pace import Pace
from mailer.settings import Delivery, Settings
from mailer.store.database import Store


async def main() -> None:
    url, rate, seconds, connections = sys.argv[1], sys.argv[2], float(sys.argv[3]), int(sys.argv[4])
    store = Store(url)
    pace = Pace(store, Settings(delivery=Delivery(rate=rate)))
    print("ready", flush=True)  # noqa: T201 - the test reads it

    async def work() -> None:
        while True:
            while seconds := await pace.ask("relay.example.org:25", "default"):  # noqa: ASYNC110
                await asyncio.sleep(seconds)
            print(time.time(), flush=True)  # noqa: T201

    tasks = [asyncio.create_task(work()) for _ in range(connections)]
    await asyncio.sleep(seconds)
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    store.close()


asyncio.run(main())
