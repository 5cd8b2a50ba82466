"""A deployment in a folder, used as an admin uses it: by commands, in this process or as programs of their own."""

import contextlib
import io
import json
import os
import secrets
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Any, TextIO
from zoneinfo import ZoneInfo

from mailer.cli import run
from mailer.config import load
from mailer.context import App
from mailer.wiring import wire

SUBJECTS = ("گشایش کتابخانهٔ شهر", "برد تیم ملی", "نرخ تازهٔ ارز", "باران در شمال", "جشنوارهٔ فیلم", "قطار تندرو")


@dataclass(frozen=True, slots=True)
class Answer:
    """The exit code and the output of a command."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        """The JSON document on stdout. Raises ValueError if there is not exactly one."""
        return json.loads(self.out)

    @property
    def error(self) -> Any:
        return self.json["error"]


def call(*words: str) -> Answer:
    """Run a command in this process."""
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        code = run(words)
    return Answer(code, out.getvalue(), err.getvalue())


def program(*words: str, **options: Any) -> subprocess.CompletedProcess[str]:
    """Run a command as a separate program until it ends."""
    options = {"capture_output": True, "timeout": 180, "env": environ(), **options}
    return subprocess.run([sys.executable, "-m", "mailer", *words], text=True, check=False, **options)


def environ(**more: str) -> dict[str, str]:
    """The environment of this process without the settings of a real deployment."""
    return {name: value for name, value in os.environ.items() if not name.startswith("MAILER_")} | more


@dataclass(frozen=True, slots=True)
class Deployment:
    folder: Path

    @property
    def config(self) -> str:
        return str(self.folder / "config.toml")

    def call(self, *words: str) -> Answer:
        return call("--config", self.config, *words)

    def program(self, *words: str, **options: Any) -> subprocess.CompletedProcess[str]:
        return program("--config", self.config, *words, **options)

    def json(self, *words: str) -> Any:
        """The JSON document that a command prints; the command must succeed."""
        answer = self.call(*words, "--json")
        assert answer.code == 0, answer
        return answer.json

    @contextlib.contextmanager
    def app(self) -> Iterator[App]:
        """The App of the deployment, for checking what no command shows."""
        app = wire(load(Path(self.config), {}), {})
        try:
            yield app
        finally:
            app.store.close()

    @contextlib.contextmanager
    def running(
        self, *words: str, env: dict[str, str] | None = None, log: TextIO | None = None
    ) -> Iterator["subprocess.Popen[str]"]:
        """Run `mailer run …` beside the test and terminate it at the end. A long log needs a file (`log`)."""
        process = subprocess.Popen(
            [sys.executable, "-m", "mailer", "--config", self.config, "run", *words],
            env=env or environ(),
            stderr=log or subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        try:
            yield process
        finally:
            if process.poll() is None:
                process.terminate()
            try:
                process.communicate(timeout=15)
            except (subprocess.TimeoutExpired, ValueError):
                process.kill()
                process.wait()


def deployment(folder: Path, *, smtp: int = 9, web: int = 8080) -> Deployment:
    """A new deployment as `mailer init` makes it, with these ports. By default no relay listens on its port."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in _fresh().items():
        (folder / name).write_bytes(content)
    (folder / "secret.key").chmod(0o600)
    (folder / "config.toml").write_text(
        "[newsletter]\n"
        'from = "خبرنامهٔ نمونه <news@iran.example>"\n'
        f'base_url = "http://127.0.0.1:{web}"\n'
        "[newsletter.sections]\n"
        '"siasi" = "سیاست"\n"eghtesad" = "اقتصاد"\n"varzesh" = "ورزش"\n'
        f'[[smtp]]\nport = {smtp}\ntimeout = "5s"\n[web]\nport = {web}\n',
        encoding="utf-8",
    )
    return Deployment(folder)


@cache
def _fresh() -> dict[str, bytes]:
    """The files of a new deployment, made once because creating its tables takes longer than most tests."""
    with tempfile.TemporaryDirectory() as folder:
        answer = call("init", folder)
        assert answer.code == 0, answer
        return {path.name: path.read_bytes() for path in Path(folder).iterdir() if path.is_file()}


def articles_file(folder: Path, count: int = 6, *, titles: Sequence[str] = (), name: str = "articles.jsonl") -> Path:
    """Write a file of invented articles of the last days, with these titles as far as they go."""
    now = datetime.now(UTC)
    sections = ("siasi", "eghtesad", "varzesh")
    lines = [
        json.dumps(
            {
                "title": titles[number] if number < len(titles) else f"{SUBJECTS[number % 6]} شمارهٔ {number}",
                "url": f"https://iran.example/news/{100001 + number}",
                "category": sections[number % 3],
                "lead": f"گزارش کوتاه شمارهٔ {number} از رویدادی که در هفته گذشت و خوانندگان دربارهٔ آن پرسیدند.",
                "published": (now - timedelta(hours=2 + number)).isoformat(),
                "views": 1000 - number,
            },
            ensure_ascii=False,
        )
        for number in range(count)
    ]
    path = folder / name
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


def drafted(folder: Path, *, smtp: int = 9, titles: Sequence[str] = (), readers: Sequence[str] = ()) -> Deployment:
    """A deployment with articles, readers and a draft of the next issue."""
    made = deployment(folder, smtp=smtp)
    assert made.call("articles", "import", str(articles_file(folder, max(6, len(titles)), titles=titles))).code == 0
    for reader in readers:
        assert made.call("subscribers", "add", reader).code == 0
    assert made.json("issue", "draft")["state"] == "draft"
    return made


def due_in(days: int) -> dict[str, str]:
    """The variables that make the next issue due in that many days (1 to 6), with its draft window open already."""
    day = datetime.now(ZoneInfo("Asia/Tehran")) + timedelta(days=days)
    return {"MAILER_SCHEDULE__DAY": f"{day:%A}".lower(), "MAILER_SCHEDULE__DRAFT_BEFORE": "6d"}


def free_port() -> int:
    """A free port of 127.0.0.1 below the range from which the system assigns ports, so no other process gets it."""
    while True:
        # Not `random`, whose state Hypothesis sets: two workers would choose the same ports.
        port = 20_000 + secrets.randbelow(12_000)
        with socket.socket() as probe, contextlib.suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return port


def fetch(url: str, method: str = "GET", body: bytes | None = None, **headers: str) -> tuple[int, str, dict[str, str]]:
    """Make one request without redirects or a proxy. Returns status, text and headers."""
    request = urllib.request.Request(url, data=body, method=method, headers=headers)
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}), _Straight())
    try:
        with opener.open(request, timeout=10) as answer:
            return answer.status, answer.read().decode(errors="replace"), dict(answer.headers)
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read().decode(errors="replace"), dict(error.headers)


class _Straight(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *_: Any, **__: Any) -> None:
        return None


def until(url: str, process: "subprocess.Popen[str]", seconds: float = 60) -> None:
    """Wait until the URL answers. Raises AssertionError with the output of the process if it ends first."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if process.poll() is not None:
            raise AssertionError(f"it ended with {process.returncode}: {process.communicate()}")
        try:
            fetch(url)
        except OSError:
            time.sleep(0.05)
        else:
            return
    raise AssertionError(f"no answer at {url}")
