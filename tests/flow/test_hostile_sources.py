"""The service goes on while its sources try to stop it: pages answer, mails go out, other sources are collected.

How fast it sends meanwhile is measured by `python -m bench.hostile`, not here.
"""

import os
import signal
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from urllib.request import urlopen

import hostile
import pytest
from admin import Deployment, articles_file, deployment, free_port, until
from deployment import recorded, recorder
from sqlalchemy import select, text
from web_server import WebServer, rss, web_server

from mailer.store import schema

pytestmark = pytest.mark.slow
READERS = 500
GOOD = ("first", "middle", "last")


@pytest.fixture
def server() -> Iterator[WebServer]:
    with web_server() as running:
        yield running


def given() -> dict[str, bytes]:
    """The hostile feeds beside the folder that KHABARNAMEH_DATA names, if there is one."""
    folder = Path(os.environ.get("KHABARNAMEH_DATA", "/nowhere")).parent / "cases" / "hostile"
    return {file.name: file.read_bytes() for file in sorted(folder.glob("*.gz"))}


def serve(server: WebServer) -> list[str]:
    """Serve all hostile documents, and good feeds among them. Returns the addresses."""
    documents = {name: hostile.packed(name) for name in hostile.DOCUMENTS} | given()
    for number, content in enumerate(documents.values()):
        # Either the server packs the document for the transfer, or the document is a packed file.
        headers = {"content-encoding": "gzip"} if number % 2 else {"content-type": "application/gzip"}
        server.pages[f"/{number}"] = (200, headers, content)
    for name in GOOD:
        server.pages[f"/{name}"] = (200, {}, rss(f"خبر {name}", host=f"https://{name}.example"))
    bad = [f"/{number}" for number in range(len(documents))]
    half = len(bad) // 2
    return [server.url(path) for path in ("/first", *bad[:half], "/middle", *bad[half:], "/last")]


def prepared(folder: Path, port: int, addresses: list[str]) -> Deployment:
    """A deployment with these sources, and with an issue whose time has come."""
    made = deployment(folder, smtp=port, web=free_port())
    made.json("articles", "import", str(articles_file(folder)))
    people = folder / "people.csv"
    people.write_text("email\n" + "".join(f"reader{number}@example.org\n" for number in range(READERS)))
    made.json("subscribers", "import", str(people))
    slot = made.json("issue", "draft")["slot"]
    with made.app() as app:
        late = "UPDATE issues SET send_at = :at WHERE slot = :slot"
        at = app.now().strftime("%Y-%m-%d %H:%M:%S.%f")
        app.store.write(lambda tx: tx.execute(text(late), {"at": at, "slot": slot}))
    with Path(made.config).open("a", encoding="utf-8") as config:
        config.write("".join(f'[[articles.feeds]]\nurl = "{address}"\n' for address in addresses))
    return made


class Health(threading.Thread):
    """Asks for /healthz all the time. `slowest` is the longest answer in seconds."""

    def __init__(self, address: str) -> None:
        super().__init__(daemon=True)
        self._address, self._over = address, threading.Event()
        self.answers, self.slowest, self.failed = 0, 0.0, ""

    def run(self) -> None:
        while not self._over.wait(0.05):
            begun = time.monotonic()
            try:
                with urlopen(self._address, timeout=30) as answer:
                    answer.read()
            except OSError as error:
                self.failed = str(error)
            self.answers += 1
            self.slowest = max(self.slowest, time.monotonic() - begun)

    def stop(self) -> None:
        self._over.set()
        self.join()


def looked_at(made: Deployment) -> dict[str, str]:
    """The sources that were collected, with the problem of each."""
    with made.app() as app:
        rows = app.store.read(lambda tx: tx.execute(select(schema.feeds)).all())
        return {row.url: row.problem or "" for row in rows if row.looked_at is not None}


def children(process: int) -> set[int]:
    found = Path(f"/proc/{process}/task").glob("*/children")
    return {int(number) for file in found for number in file.read_text().split()}


def test_hostile_sources_stop_nothing(tmp_path: Path, server: WebServer) -> None:
    addresses = serve(server)
    sent = tmp_path / "sent.txt"
    with recorder(sent) as port:
        made = prepared(tmp_path, port, addresses)
        base = str(made.json("config", "show")["newsletter"]["base_url"])
        with (tmp_path / "log.txt").open("w") as log, made.running(log=log) as process:
            until(base + "/healthz", process)
            health = Health(base + "/healthz")
            health.start()
            end = time.monotonic() + 600
            while len(problems := looked_at(made)) < len(addresses):
                assert process.poll() is None
                assert time.monotonic() < end
                time.sleep(0.5)
            readers = children(process.pid)
            health.stop()
            process.send_signal(signal.SIGTERM)
            process.communicate(timeout=10)
        assert process.returncode == 0
    assert not any(Path(f"/proc/{reader}").exists() for reader in readers)
    assert (health.failed, health.answers > 100) == ("", True)
    print(f"the slowest answer took {health.slowest:.2f} s")  # noqa: T201
    assert len(recorded(sent)) == READERS
    said = (tmp_path / "log.txt").read_text()
    assert "Traceback" not in said
    assert "it broke" not in said
    assert {name for name in GOOD if problems[server.url(f"/{name}")]} == set()
    with made.app() as app:
        titles = set(app.store.read(lambda tx: tx.execute(select(schema.articles.c.title))).scalars())
    assert titles >= {f"خبر {name}" for name in GOOD}
    for address, problem in problems.items():
        assert problem == "" or (problem.startswith(address) and "\n" not in problem)


def test_it_ends_while_it_reads(tmp_path: Path, server: WebServer) -> None:
    """SIGTERM ends the service while a document is being read, and while a server sends a byte now and then."""
    reading = threading.Event()

    def slow(_headers: dict[str, str]) -> tuple[int, dict[str, str], bytes]:
        reading.set()
        time.sleep(15)
        return 200, {}, rss("late")

    server.pages["/slow"] = slow
    made = prepared(tmp_path, 9, [server.url("/slow")])
    base = str(made.json("config", "show")["newsletter"]["base_url"])
    with made.running("--only", "collector,web") as process:
        until(base + "/healthz", process)
        assert reading.wait(60)
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=10)
    assert process.returncode == 0
