"""`mailer subscribers import` with the lists of other systems: what it reports, when it stops, how it goes on."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from admin import Deployment, deployment, environ
from list_exports import EXPORTS

from mailer.store import subscribers


@pytest.fixture
def here(tmp_path: Path) -> Deployment:
    return deployment(tmp_path)


def write(here: Deployment, text: str, name: str = "people.csv") -> str:
    path = here.folder / name
    path.write_text(text, "utf-8", newline="")
    return str(path)


def statuses(here: Deployment) -> dict[str, str]:
    return {who["email"]: who["status"] for who in here.json("subscribers", "list", "--limit", "1000")}


def mailchimp(rows: int) -> str:
    heading, *_ = EXPORTS["Mailchimp, subscribed"].text.split("\n")
    place = "35.7,51.4,3.5,3.5,Asia/Tehran,ir,23"
    lines = [
        f'r{n}@example.org,Reader,{n},"{n} Main St\nShiraz",09,,3,2020-01-02 03:04:05,,2020-01-02 03:04:05,,{place},'
        f"2021-01-01 00:00:00,{n},eu{n},,"
        for n in range(rows)
    ]
    return "\n".join([heading, *lines, ""])


def test_a_mailchimp_audience_and_its_unsubscribed_list(here: Deployment) -> None:
    export = EXPORTS["Mailchimp, unsubscribed"]
    gone = export.text.replace("gone@example.org", "r7@example.org")
    audience = write(here, mailchimp(4000), "subscribed_email_audience_export_1a2b.csv")
    report = here.json("subscribers", "import", audience)
    assert (report["added"], report["refused"], report["suppressed"], report["encoding"]) == (4000, 0, 0, "utf-8")
    assert report["columns"]["Email Address"] == "email"
    assert report["columns"]["Address"] == "ignored"
    assert report["ignored"]["Address"] == 4000
    report = here.json("subscribers", "import", write(here, gone, export.file))
    assert (report["added"], report["suppressed"]) == (0, 1)
    shown = here.json("subscribers", "show", "r7@example.org")
    assert shown["status"] == "unsubscribed"
    left = shown["events"][-1]
    assert (left["kind"], left["method"], left["at"]) == ("unsubscribed", "import", "2024-05-06T07:08:09Z")
    assert left["reason"] == "UNSUB_TIME · NORMAL · Weekly 12", "the event has the date"
    assert shown["consent_at"] == "2020-01-02T03:04:05Z"
    assert "consent on 2020-01-02 06:34" in here.call("subscribers", "show", "r7@example.org").out
    again = here.json("subscribers", "import", audience)
    assert (again["added"], again["unchanged"], again["suppressed"]) == (0, 3999, 1)


def test_remarks_name_each_address_once(here: Deployment) -> None:
    here.json("subscribers", "add", "a@example.org")
    here.json("subscribers", "unsubscribe", "a@example.org")
    file = write(here, "email\na@example.org\nnarges\nb@example.org\n")
    gone, bad = here.call("subscribers", "import", file).err.splitlines()
    assert gone.startswith("people.csv:2: 'a@example.org': left on 20")
    assert bad == "people.csv:3: 'narges' is not an address: there is no @ in it."


@pytest.mark.parametrize("reason", ["SPAM", "abuse", "complaint", "Spam complaint", "شکایت"])
def test_a_reason_may_be_a_complaint(here: Deployment, reason: str) -> None:
    export = EXPORTS["Mailchimp, unsubscribed"]
    here.json("subscribers", "import", write(here, export.text.replace("NORMAL", reason), export.file))
    assert statuses(here) == {"gone@example.org": "complained"}
    (event,) = here.json("subscribers", "show", "gone@example.org")["events"]
    assert (event["kind"], event["at"]) == ("complained", "2024-05-06T07:08:09Z")


@pytest.mark.parametrize("consent", ["2020-01-02", "2025-01-02"])
@pytest.mark.parametrize("leavers_first", [True, False])
def test_the_order_of_files_matters_only_for_a_later_consent(
    here: Deployment, consent: str, leavers_first: bool
) -> None:
    files = [
        write(here, "email,unsubscribed at\na@example.org,2024-05-06\nb@example.org,\n", "left.csv"),
        write(here, f"email,status,consent date\na@example.org,active,{consent}\n", "active.csv"),
    ]
    for file in files if leavers_first else files[::-1]:
        here.json("subscribers", "import", file)
    stays = consent > "2024-05-06" and not leavers_first
    assert statuses(here)["a@example.org"] == ("active" if stays else "unsubscribed")


@pytest.mark.parametrize("system", EXPORTS)
def test_each_export_is_imported_as_the_table_says(here: Deployment, system: str) -> None:
    export = EXPORTS[system]
    options = [word for name in export.lists for word in ("--list", name)]
    answer = here.call("subscribers", "import", write(here, export.text, export.file), "--json", *options)
    assert answer.code in (0, 5), answer
    expected = {email: who.status for email, who in export.people.items() if email and who.status != "None"}
    assert statuses(here) == expected
    rows = sum(answer.json[name] for name in ("added", "refused", "suppressed", "pending", "passed_over", "unchanged"))
    assert rows == len(export.people)


def test_an_import_stops_before_it_writes_anything(here: Deployment) -> None:
    file = write(here, "email,Opt-out\na@example.org,summer\nb@example.org,\n")
    answer = here.call("subscribers", "import", file)
    assert answer.code == 2
    assert "'summer' (1)" in answer.err
    assert '--ignore-column "Opt-out"' in answer.err
    assert here.call("subscribers", "import", file, "--json").error["code"] == "undecided_list"
    assert statuses(here) == {}
    assert here.json("subscribers", "import", file, "--map", "Opt-out=unsubscribed")["suppressed"] == 1
    assert statuses(here) == {"a@example.org": "unsubscribed", "b@example.org": "active"}


@pytest.mark.parametrize(
    "words",
    [
        ("--map", "email"),
        ("--map", "=name"),
        ("--map", "email=nothing"),
        ("--ignore-column", "no such"),
        ("--encoding", "no such"),
        ("--list", "News"),
        ("--invite", "--suppress"),
    ],
)
def test_options_that_do_not_fit(here: Deployment, words: tuple[str, ...]) -> None:
    answer = here.call("subscribers", "import", write(here, "email\na@example.org\n"), *words)
    assert answer.code == 2
    assert statuses(here) == {}


def test_lists_are_shown_and_chosen(here: Deployment) -> None:
    file = write(here, "email,list\na@example.org,News\nb@example.org,Sport\n")
    answer = here.call("subscribers", "import", file)
    assert answer.code == 2
    assert "'News' (1)" in answer.err
    assert "--list" in answer.err
    answer = here.call("subscribers", "import", file, "--list", "News")
    assert answer.code == 0
    assert "1 of other lists" in answer.out
    assert statuses(here) == {"a@example.org": "active"}


def test_a_dry_run_shows_how_the_file_is_read(here: Deployment) -> None:
    text = "email;نام;شهر;unsubscribed_at\n" + "".join(f"r{n}@example.org;مینا;شیراز;\n" for n in range(5))
    file = write(here, text + "left@gmial.com;رضا;;2024-05-06\nnonsense;;;\n")
    answer = here.call("subscribers", "import", file, "--dry-run")
    assert answer.code == 5
    assert "Read as UTF-8, separated by semicolons." in answer.out
    assert "«نام» = name" in answer.out
    assert "«شهر» (5)" in answer.out
    assert [f"r{n}@example.org" in answer.out for n in range(5)] == [True, True, True, False, False]
    assert "nonsense" in answer.out
    assert "Would be: 5 added, 0 updated, 0 unchanged, 1 refused, 1 suppressed, 0 pending." in answer.out
    report = here.call("subscribers", "import", file, "--dry-run", "--json").json
    assert [each["email"] for each in report["samples"]] == ["r0@example.org", "r1@example.org", "r2@example.org"]
    assert statuses(here) == {}


def test_suspicious_addresses_are_reported(here: Deployment) -> None:
    answer = here.call("subscribers", "import", write(here, "email\nreader۹۹@example.org\nx@gmial.com\n"))
    assert answer.code == 0
    lines = answer.err.splitlines()
    assert "reader99@example.org" in lines[0]
    assert "x@gmail.com" in lines[1]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_import_says_how_far_it_came(here: Deployment, number: signal.Signals) -> None:
    rows = 40_000
    file = write(here, "email\n" + "".join(f"r{n}@example.org\n" for n in range(rows)))
    words = [sys.executable, "-m", "mailer", "--config", here.config, "subscribers", "import", file]
    with (
        here.app() as app,
        subprocess.Popen(words, env=environ(), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process,
    ):
        end = time.monotonic() + 60
        while not app.store.read(subscribers.counts) and time.monotonic() < end:
            time.sleep(0.02)
        os.kill(process.pid, number)
        out, err = process.communicate(timeout=60)
    assert process.returncode == 5, (out, err)
    kept = int(out.split("Stopped. ")[1].split(" of ")[0].replace(",", ""))
    assert 0 < kept < rows
    assert "Run the same command again" in out
    if number == signal.SIGTERM:  # going on is the same after both
        report = here.json("subscribers", "import", file)
        assert (report["added"], report["unchanged"]) == (rows - kept, kept)
