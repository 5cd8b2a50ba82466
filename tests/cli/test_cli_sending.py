"""Watching and repairing a sending: `issue send --wait`, `status`, `retry`, `resume`; for terminals and programs."""

import json
import os
import pty
import subprocess
import sys
from pathlib import Path

import pytest
from admin import Deployment, drafted, environ
from sqlalchemy import Connection, update

from mailer.context import find_issue
from mailer.demo.inbox import Inbox
from mailer.issues import delivery, draft
from mailer.lifecycle import IssueEvent
from mailer.model import DeliveryState, IssueState
from mailer.reasons import Reason, ReasonCode
from mailer.store import issues, lanes
from mailer.store.schema import deliveries
from mailer.store.schema import issues as table

STATUS = ["slot", "state", "recipients", *map(str, DeliveryState), "started_at", "finished_at", "rate"]


@pytest.fixture
def here(tmp_path: Path, inbox: Inbox) -> Deployment:
    made = drafted(tmp_path, smtp=inbox.port)
    public(made)
    for name in ("a", "b", "c"):
        made.json("subscribers", "add", f"{name}@gmail.com")
    return made


def public(here: Deployment) -> None:
    """Gives the deployment a public base_url, without which no issue is sent to real addresses."""
    text = Path(here.config).read_text("utf-8").replace("http://127.0.0.1:8080", "https://news.iran.example")
    Path(here.config).write_text(text, "utf-8")


def spoil(here: Deployment, **columns: object) -> None:
    """As if one mail had ended otherwise, and the issue with it as partial."""

    def work(tx: Connection) -> None:
        tx.execute(update(deliveries).where(deliveries.c.id == 1).values(**columns))
        tx.execute(update(table).values(state=IssueState.PARTIAL))

    with here.app() as app:
        app.store.write(work)


def test_retry_reports_what_it_queued_and_left(here: Deployment) -> None:
    sent = here.json("issue", "send", "--now", "--yes", "--wait")
    slot = sent["slot"]
    answer = here.call("issue", "retry")
    assert (answer.code, answer.out) == (0, f"{slot} is sent: there is nothing to retry.\n")
    spoil(here, state="unknown", unknowns=2)
    answer = here.call("issue", "retry")
    assert (answer.code, answer.err) == (0, "")
    assert answer.out.splitlines() == [
        f"{slot} is partial: there is nothing to retry.",
        "Not sent again: 1 unknown; `mailer issue status --failed` lists them with the reasons.",
        "Those that are unknown may have arrived; `--unknown` sends them once more.",
    ]
    found = here.json("issue", "retry", "--unknown")
    assert list(found) == [*STATUS, "retried", "left"]
    assert (found["state"], found["retried"], found["left"], found["queued"]) == ("sending", 1, {}, 1)
    refused = here.call("issue", "retry", "--json")
    assert (refused.code, refused.error["code"]) == (3, "wrong_state")
    assert here.call("issue", "send", "--now", "--yes", "--wait").code == 0
    assert here.json("issue", "status")["accepted"] == 3


def test_status_lists_failed_addresses_with_reasons(here: Deployment) -> None:
    here.json("issue", "send", "--now", "--yes", "--wait")
    spoil(here, state="rejected", reason="soft", code=552, reply="5.2.2 mailbox full")
    lines = here.call("issue", "status", "--failed").out.splitlines()
    assert lines[1:] == ["  a@gmail.com · rejected · soft · 5.2.2 mailbox full"]
    found = here.json("issue", "status", "--failed")
    assert list(found) == [*STATUS, "failed"]
    assert found["failed"][0]["email"] == "a@gmail.com"
    answer = here.call("issue", "retry")
    assert answer.out == (
        f"{found['slot']}: 1 mail is queued again. `mailer run` sends them, or `mailer issue send --now --wait`.\n"
    )


def test_a_paused_lane_is_shown_and_resumed(here: Deployment) -> None:
    with here.app() as app:
        issue = here.json("issue", "status")["slot"]

        def work(tx: Connection) -> None:
            lanes.add(tx, "gmail", 1, lanes.Tally(10, 10), 1000, app.now())
            lanes.pause(tx, "gmail", app.now().replace(year=2099), "550 5.7.1 unsolicited")

        app.store.write(work)
    answer = here.call("issue", "send", "--now", "--yes", "--wait")
    assert answer.code == 5, "only what is paused is left"
    assert f"{issue} is sending: 3 readers – 3 queued" in answer.out
    assert "The lane gmail is paused until 2099-" in answer.out
    assert "3 mails wait: 550 5.7.1 unsolicited (`mailer issue resume` continues at once)" in answer.out
    found = here.json("issue", "status")
    assert list(found) == [*STATUS, "paused_lanes"]
    assert [(each["lane"], each["waiting"]) for each in found["paused_lanes"]] == [("gmail", 3)]
    assert here.call("issue", "resume").out == f"{issue} is sending.\n"
    assert list(here.json("issue", "status")) == STATUS
    assert here.call("issue", "send", "--now", "--yes", "--wait").code == 0


def test_a_staging_deployment_says_so(tmp_path: Path, inbox: Inbox) -> None:
    here = drafted(tmp_path, smtp=inbox.port)
    here.json("subscribers", "add", "a@example.org")
    env = environ(MAILER_DELIVERY__REDIRECT_ALL_TO="staging@iran.example")
    done = here.program("issue", "send", "--now", "--yes", "--wait", env=env)
    assert done.returncode == 0
    assert "no reader gets a mail, every mail goes to the address in [delivery] redirect_all_to" in done.stderr
    assert inbox.mails[-1].recipient == "staging@iran.example"


def test_status_gives_the_reason_of_a_pause(here: Deployment) -> None:
    with here.app() as app:
        slot = here.json("issue", "status")["slot"]
        frozen = draft.freeze(app, find_issue(app, slot))
        delivery.start(app, frozen)
        reason = Reason(ReasonCode.NOT_AUTHENTICATED, {"reply": "550 5.7.26 no"})
        app.store.write(lambda tx: issues.step(tx, frozen.id, IssueEvent.PAUSE, reason=reason))
    lines = here.call("issue", "status").out.splitlines()
    assert lines[1] == "It was paused: its mails are not authenticated: 550 5.7.26 no (`mailer issue resume` continues)"
    assert here.call("issue", "resume").code == 0
    assert len(here.call("issue", "status").out.splitlines()) == 1


@pytest.mark.slow
def test_programs_read_a_line_of_json_a_second(here: Deployment) -> None:
    done = here.program("issue", "send", "--now", "--yes", "--wait", "--json")
    assert done.returncode == 0
    assert json.loads(done.stdout)["state"] == "sent"
    lines = [json.loads(line) for line in done.stderr.splitlines()]
    assert lines
    for line in lines:
        assert {"slot", "done", "recipients", "rate"} <= set(line)
    assert [line["done"] for line in lines] == sorted(line["done"] for line in lines)


@pytest.mark.slow
def test_people_see_a_bar(here: Deployment) -> None:
    ours, theirs = pty.openpty()
    words = (sys.executable, "-m", "mailer", "--config", here.config, "issue", "send", "--now", "--yes", "--wait")
    env = environ(TERM="xterm", COLUMNS="100")
    with subprocess.Popen(words, stdout=subprocess.PIPE, stderr=theirs, env=env) as process:
        os.close(theirs)
        shown = b""
        try:
            while piece := os.read(ours, 4096):
                shown += piece
        except OSError:
            pass  # Linux says so when the other end is closed
        out = process.stdout.read().decode() if process.stdout else ""
    os.close(ours)
    slot = here.json("issue", "status")["slot"]
    for word in (slot, "/3", "/s", "-:--:--"):
        assert word.encode() in shown, word
    assert b'{"slot"' not in shown
    assert out.startswith(f"{slot} is sent: 3 readers – 3 accepted")


@pytest.mark.parametrize(
    ("setting", "value"),
    [
        ("MAILER_NEWSLETTER__BASE_URL", "http://127.0.0.1:8080"),
        ("MAILER_NEWSLETTER__BASE_URL", "https://news.example.com"),
        ("MAILER_NEWSLETTER__FROM", "ایران من <news@example.org>"),
    ],
)
def test_an_issue_with_sample_settings_goes_to_no_real_address(
    here: Deployment, monkeypatch: pytest.MonkeyPatch, inbox: Inbox, setting: str, value: str
) -> None:
    monkeypatch.setenv(setting, value)
    name = setting.removeprefix("MAILER_").replace("__", ".").lower()
    for words in (("send",), ("send", "--now", "--yes"), ("send", "--now", "--yes", "--json")):
        refused = here.call("issue", *words)
        assert refused.code == 2, words
        assert f"{name} is still {value}" in f"{refused.out}{refused.err}"
    assert (here.json("issue", "show")["state"], inbox.mails) == ("draft", [])
    for each in here.json("subscribers", "list"):
        here.json("subscribers", "unsubscribe", each["email"])
    for domain in ("iran.example", "x.test", "example.org", "news.example.com", "a.invalid"):
        here.json("subscribers", "add", f"reader@{domain}")
    assert here.json("issue", "send", "--now", "--yes")["accepted"] == 5, "reserved domains belong to testers"


def test_a_staging_deployment_needs_no_public_address(
    here: Deployment, monkeypatch: pytest.MonkeyPatch, inbox: Inbox
) -> None:
    monkeypatch.setenv("MAILER_NEWSLETTER__BASE_URL", "http://127.0.0.1:8080")
    monkeypatch.setenv("MAILER_DELIVERY__REDIRECT_ALL_TO", "me@gmail.com")
    assert here.json("issue", "send", "--now", "--yes")["accepted"] == 3
    assert {mail.recipient for mail in inbox.mails} == {"me@gmail.com"}
