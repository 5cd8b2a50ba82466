"""A deployment to measure: settings, a database with N subscribers, and a frozen issue of about 50 kB.

SQL inserts the subscribers, because a million calls of a use case would take too long.
"""

import json
import os
import subprocess
import sys
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, text

from mailer import config
from mailer.context import App, get_issue
from mailer.issues import draft
from mailer.model import ChosenStory, Issue, IssueState
from mailer.store import issues
from mailer.wiring import wire

_WORDS = [
    "خبر",
    "هفته",
    "دولت",
    "بازار",
    "کتاب\u200cخانه",
    "شهر",
    "آب",
    "هوا",
    "دانشگاه",
    "ورزش",
    "فیلم",
    "رایانه",
    "برنامه",
    "مردم",
    "سال",
    "تازه",
    "می\u200cشود",
    "گزارش",
]


@dataclass(frozen=True)
class Deployment:
    folder: Path

    @property
    def config(self) -> Path:
        return self.folder / "config.toml"

    def app(self) -> App:
        return wire(config.load(self.config, {}), {})

    def run(self, *words: str, **environ: str) -> "subprocess.CompletedProcess[str]":
        """Runs `mailer …` in a separate process."""
        return subprocess.run(
            [sys.executable, "-m", "mailer", "--config", str(self.config), *words],
            capture_output=True,
            text=True,
            env={**_environ(), **environ},
            check=False,
        )

    def status(self) -> dict[str, Any]:
        value: dict[str, Any] = json.loads(self.run("issue", "status", "--json").stdout)
        return value


def _environ() -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if not name.startswith("MAILER_")}


def make(
    folder: Path, *, smtp_port: int, connections: int, database: str = "", smtp: str = "", sign: bool = False
) -> Deployment:
    """Makes a new deployment in an empty folder. `smtp` contains further settings of the relay. If `sign` is true, the
    mails are signed with an RSA key."""
    deployment = Deployment(folder)
    made = subprocess.run([sys.executable, "-m", "mailer", "init", str(folder)], capture_output=True, check=False)
    if made.returncode:
        raise RuntimeError(made.stderr.decode())
    url = f'[database]\nurl = "{database}"\n' if database else ""
    deployment.config.write_text(
        f'[newsletter]\nfrom = "news@iran.test"\nbase_url = "https://news.iran.test"\n{url}'
        f'[delivery]\nconnections = {connections}\ndkim = "{"self" if sign else "relay"}"\n'
        f"[[smtp]]\nport = {smtp_port}\n{smtp}",
        encoding="utf-8",
    )
    if sign and (keygen := deployment.run("dkim", "keygen")).returncode:
        raise RuntimeError(keygen.stderr)
    return deployment


def fill(app: App, count: int) -> None:
    """Adds `count` active subscribers."""
    numbers = {
        True: "WITH RECURSIVE s(g) AS (SELECT 1 UNION ALL SELECT g + 1 FROM s WHERE g < :count) SELECT {} FROM s",
        False: "SELECT {} FROM generate_series(1, :count) AS s(g)",
    }[app.store.sqlite]
    columns = (
        "'user' || g || '@example.org', 'user' || g || '@example.org', 'h' || g, 'example.org',"
        " substr('نرگس محمدی‌نژاد', 1, CAST(2 + g % 14 AS int)), 'active', :now"
    )
    now = datetime.now(UTC)
    stamp = now.strftime("%Y-%m-%d %H:%M:%S.000000") if app.store.sqlite else now
    names = "address, address_key, address_hash, domain, name, status, created_at"

    def insert(tx: Connection) -> None:
        tx.execute(text(f"INSERT INTO subscribers ({names}) {numbers.format(columns)}"), {"count": count, "now": stamp})

    app.store.write(insert)
    app.store.write(lambda tx: tx.execute(text("ANALYZE")))


def frozen(app: App, *, stories: int = 8, words: int = 66) -> Issue:
    """Makes a frozen issue with invented stories, which are long enough for a mail of about 50 kB."""
    issue = draft.draft(app)
    invented = tuple(_story(app, number, words) for number in range(1, stories + 1))
    chosen = replace(issue, state=IssueState.DRAFT, stories=invented, subject="خبر هفته", reason=None)
    app.store.write(lambda tx: issues.save_choice(tx, chosen, issue.state))
    return draft.freeze(app, get_issue(app, issue.id))


def _story(app: App, number: int, words: int) -> ChosenStory:
    prose = " ".join(_WORDS[(number * 7 + n * n) % len(_WORDS)] for n in range(words))
    return ChosenStory(
        position=number,
        article_id=number,
        url=f"https://news.example.org/story/{number}",
        title=" ".join(prose.split()[:9]),
        lead=prose,
        section=("سیاست", "اقتصاد", "ورزش")[number % 3],
        source="example.org",
        image_url=f"https://news.example.org/picture/{number}.jpg",
        image_alt="",
        dated=app.now(),
        also=tuple((100 + n, f"https://news.example.org/more/{number}/{n}", prose[: 60 + n]) for n in range(3)),
        score=1.0,
        parts={"popularity": 1.0},
        pinned=False,
    )
