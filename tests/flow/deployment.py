"""A deployment on disk for processes of their own, a server that records what they send, and how they are started.

KHABARNAMEH_SEED repeats what `chance` drew: each test that draws says its seed, and pytest shows that when it fails.
"""

import os
import random
import secrets
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import make

from mailer import config
from mailer.context import App, newest_issue
from mailer.issues import delivery, draft
from mailer.model import IssueState, IssueStatus
from mailer.tokens import new_key_file
from mailer.wiring import wire

HERE = Path(__file__).parent
CONFIG = """
[newsletter]
from = "ایران نمونه <news@iran.example>"
base_url = "https://news.iran.example"
[digest]
stories = 3
min_stories = 1
[delivery]
connections = {connections}
on_unknown = "{on_unknown}"
[database]
url = "{url}"
[[smtp]]
port = {port}
overlap = "on"
"""


@dataclass(frozen=True)
class Deployment:
    config_file: Path

    @property
    def log(self) -> str:
        """Returns the stderr of its processes."""
        return self._log.read_text("utf-8") if self._log.exists() else ""

    @property
    def _log(self) -> Path:
        return self.config_file.with_name("stderr.txt")

    @contextmanager
    def app(self) -> Iterator[App]:
        app = wire(config.load(self.config_file, {}), {})
        try:
            yield app
        finally:
            app.store.close()

    def status(self) -> IssueStatus:
        """The counts of the newest issue, which always add up."""
        with self.app() as app:
            found = delivery.status(app, newest_issue(app))
        assert sum(found.counts.values()) == found.recipients
        return found

    def start(self, *words: str, cli: bool = False) -> "subprocess.Popen[str]":
        """Start `clockwork.py`, or with `cli` the command line of the product."""
        if cli:
            command = [sys.executable, "-m", "mailer", "--config", str(self.config_file), *words]
        else:
            command = [sys.executable, str(HERE / "clockwork.py"), words[0], str(self.config_file), *words[1:]]
        with self._log.open("a", encoding="utf-8") as log:
            return subprocess.Popen(
                command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log, text=True, env=environment()
            )


def environment() -> dict[str, str]:
    """This environment without settings of the product; coverage is measured in child processes, too."""
    return {name: value for name, value in os.environ.items() if not name.startswith("MAILER_")}


def deployment(folder: Path, url: str, port: int, *, connections: int = 5, on_unknown: str = "resend") -> Deployment:
    (folder / "secret.key").write_text(new_key_file(secrets.token_bytes))
    file = folder / "config.toml"
    file.write_text(CONFIG.format(url=url, port=port, connections=connections, on_unknown=on_unknown), "utf-8")
    return Deployment(file)


def drafted(
    folder: Path, url: str, port: int, readers: int, *, connections: int = 5, on_unknown: str = "resend"
) -> Deployment:
    """A deployment with readers and a draft of the next issue."""
    made = deployment(folder, url, port, connections=connections, on_unknown=on_unknown)
    with made.app() as app:
        make.readers(app.store, readers)
        make.week_of_articles(app.store, app.now(), count=4)
        assert draft.draft(app).state is IssueState.DRAFT
    return made


def reader(number: int) -> str:
    return f"reader{number:04}@example.org"


def readers(count: int) -> set[str]:
    """The addresses of `drafted`."""
    return {reader(number) for number in range(1, count + 1)}


def chance() -> random.Random:
    """The source of random moments; KHABARNAMEH_SEED repeats a run."""
    seed = int(os.environ.get("KHABARNAMEH_SEED") or secrets.randbits(32))
    print(f"to repeat this: KHABARNAMEH_SEED={seed}")  # noqa: T201 - pytest shows it when the test fails
    return random.Random(seed)


@contextmanager
def recorder(file: Path, *options: str) -> Iterator[int]:
    """Run the recorder; yields its port."""
    command = [sys.executable, str(HERE / "recorder.py"), str(file), *options]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            yield int(process.stdout.readline())
        finally:
            process.kill()


def recorded(file: Path) -> list[tuple[str, str]]:
    """(recipient, Message-ID) of every accepted mail, in order."""
    lines = file.read_text("utf-8").splitlines() if file.exists() else []
    return [(recipient, number) for recipient, _, number in (line.partition("\t") for line in lines)]


def taken(file: Path) -> int:
    """The number of mails accepted so far. Tests call this a thousand times a second."""
    return file.read_bytes().count(b"\n") if file.exists() else 0


def until(ready: Callable[[], bool], process: "subprocess.Popen[str] | None" = None, seconds: float = 60) -> None:
    """Wait until `ready`, which must happen, and while `process` runs if one is given."""
    end = time.monotonic() + seconds
    while not ready():
        assert process is None or process.poll() is None, "the process ended too early"
        assert time.monotonic() < end, "it did not happen in time"
        time.sleep(0.001)


def end(process: "subprocess.Popen[str]", number: int = signal.SIGTERM, seconds: float = 60) -> int:
    """Send a signal, wait for the process to end and return its exit code."""
    process.send_signal(number)
    process.communicate(timeout=seconds)
    return process.returncode


def finished(process: "subprocess.Popen[str]", seconds: float = 180) -> tuple[int, str]:
    """Wait until a process ends by itself; returns its exit code and output."""
    out, _ = process.communicate(timeout=seconds)
    return process.returncode, out
