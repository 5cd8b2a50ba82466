"""A deployment on disk for processes of their own, a server that records what they send, and how they are started."""

import os
import secrets
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from mailer import config
from mailer.app.context import App
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
"""


@dataclass(frozen=True)
class Deployment:
    config_file: Path

    def app(self) -> App:
        return wire(config.load(self.config_file, {}), {})

    def start(self, *words: str, cli: bool = False) -> "subprocess.Popen[str]":
        """A process of our own entry point, or of the product's command line."""
        if cli:
            command = [sys.executable, "-m", "mailer", "--config", str(self.config_file), *words]
        else:
            command = [sys.executable, str(HERE / "clockwork.py"), words[0], str(self.config_file), *words[1:]]
        return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment())


def environment() -> dict[str, str]:
    """Ours, without settings that may lie about; what the processes do is measured, too."""
    return {name: value for name, value in os.environ.items() if not name.startswith("MAILER_")}


def deployment(folder: Path, url: str, port: int, *, connections: int = 5, on_unknown: str = "resend") -> Deployment:
    (folder / "secret.key").write_text(new_key_file(secrets.token_bytes))
    file = folder / "config.toml"
    file.write_text(CONFIG.format(url=url, port=port, connections=connections, on_unknown=on_unknown), "utf-8")
    return Deployment(file)


@contextmanager
def recorder(file: Path, *options: str) -> Iterator[int]:
    """The recorder at work; its port."""
    command = [sys.executable, str(HERE / "recorder.py"), str(file), *options]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            yield int(process.stdout.readline())
        finally:
            process.kill()


def recorded(file: Path) -> list[tuple[str, str]]:
    """(recipient, Message-ID) of every mail that was taken, in order."""
    lines = file.read_text("utf-8").splitlines() if file.exists() else []
    return [(recipient, number) for recipient, _, number in (line.partition("\t") for line in lines)]


def end(process: "subprocess.Popen[str]", number: int = signal.SIGTERM, seconds: float = 30) -> int:
    """Sends a signal, waits for the end and returns the exit code."""
    process.send_signal(number)
    process.communicate(timeout=seconds)
    return process.returncode


def finished(process: "subprocess.Popen[str]", seconds: float = 60) -> tuple[int, str]:
    """Waits until a process ends by itself: exit code and output."""
    out, _ = process.communicate(timeout=seconds)
    return process.returncode, out
