"""`mailer run` as a program: it ticks at once, reports its health, drains on SIGTERM, and reports a port in use."""

import signal
import socket
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from urllib.request import urlopen

import pytest
from admin import Deployment, articles_file, deployment, environ, free_port, until
from prometheus_client.parser import text_string_to_metric_families
from sqlalchemy import text
from web_server import rss, web_server

from mailer.demo.inbox import Inbox

pytestmark = pytest.mark.slow


@pytest.fixture
def here(tmp_path: Path, inbox: Inbox) -> Deployment:
    made = deployment(tmp_path, smtp=inbox.port, web=free_port())
    made.json("articles", "import", str(articles_file(tmp_path)))
    for name in ("a", "b"):
        made.json("subscribers", "add", f"{name}@example.org")
    return made


def base(here: Deployment) -> str:
    return str(here.json("config", "show")["newsletter"]["base_url"])


def healthy(here: Deployment, seconds: float = 60) -> bool:
    """True once it is healthy, within `seconds`: the pages answer shortly before the first tick is done."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if here.call("health", "--json").code == 0:
            return True
        time.sleep(0.1)
    return False


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_it_cleanly(here: Deployment, number: signal.Signals) -> None:
    with here.running() as process:
        until(base(here) + "/healthz", process)
        assert healthy(here)
        begun = time.monotonic()
        process.send_signal(number)
        out, err = process.communicate(timeout=10)
        assert time.monotonic() - begun < 10
    assert (process.returncode, out) == (0, "")
    assert "mailer runs: scheduler, collector, sender, web" in err
    assert "mailer stopped" in err
    assert "Traceback" not in err
    assert "@example.org" not in err, "no address in the log"
    assert here.call("health").code == 4


def test_a_taken_port_is_one_sentence(here: Deployment) -> None:
    with socket.create_server(("127.0.0.1", free_port())) as other:
        port = other.getsockname()[1]
        done = here.program("run", env=environ(MAILER_WEB__PORT=str(port)))
    assert done.returncode == 4
    assert f"mailer: The pages cannot listen on 127.0.0.1:{port}: another program uses it." in done.stderr
    assert "Traceback" not in done.stderr


def test_the_log_can_be_read_by_machines(here: Deployment) -> None:
    with here.running("--only", "web", env=environ(MAILER_LOG__FORMAT="json")) as process:
        until(base(here) + "/healthz", process)
        process.terminate()
        _, err = process.communicate(timeout=10)
    lines = err.splitlines()
    assert lines
    assert all(line.startswith("{") and line.endswith("}") for line in lines)


def test_the_log_does_not_show_the_keys_in_addresses(here: Deployment) -> None:
    """httpx would log the address of each request."""
    with web_server() as server:
        server.pages["/rss?key=secret"] = (200, {}, rss("خبر نخست هفته"))
        with (here.folder / "config.toml").open("a", encoding="utf-8") as config:
            config.write(f'[[articles.feeds]]\nurl = "{server.url("/rss?key=secret")}"\n')
        with here.running("--only", "collector") as process:
            end = time.monotonic() + 60
            while not here.json("articles", "sources")[0]["fetched_at"] and time.monotonic() < end:
                time.sleep(0.1)
            process.terminate()
            _, err = process.communicate(timeout=10)
    assert "mailer runs: collector" in err
    assert len(server.asked) == 1
    assert "secret" not in err


def test_an_unknown_part_is_refused(here: Deployment) -> None:
    answer = here.call("run", "--only", "web,sendr")
    assert answer.code == 2
    assert "the service has no part 'sendr'" in answer.err


def test_what_is_frozen_goes_out_by_itself_and_once(here: Deployment, inbox: Inbox) -> None:
    """The first tick of two processes at once starts an issue whose time has come."""
    slot = here.json("issue", "draft")["slot"]
    # As if its time had come while no process ran; no setting changes the clock.
    with here.app() as app:
        now = datetime.now(UTC)
        late = "UPDATE issues SET send_at = :at WHERE slot = :slot"
        values = {"at": (now - timedelta(minutes=5)).strftime("%Y-%m-%d %H:%M:%S.%f"), "slot": slot}
        app.store.write(lambda tx: tx.execute(text(late), values))
    with here.running("--only", "scheduler,sender"), here.running("--only", "scheduler,sender"):
        end = time.monotonic() + 120
        while here.json("issue", "status")["state"] != "sent" and time.monotonic() < end:
            time.sleep(0.2)
    status = here.json("issue", "status")
    assert (status["slot"], status["state"], status["accepted"]) == (slot, "sent", 2)
    assert sorted(mail.recipient for mail in inbox.mails) == ["a@example.org", "b@example.org"]


def test_a_sender_alone_shows_its_metrics(here: Deployment) -> None:
    port = free_port()
    with here.running("--only", "sender", env=environ(MAILER_WEB__METRICS_PORT=str(port))) as process:
        until(f"http://127.0.0.1:{port}/metrics", process)
        with urlopen(f"http://127.0.0.1:{port}/metrics") as answer:
            families = {family.name for family in text_string_to_metric_families(answer.read().decode())}
        assert {"mailer_mails", "mailer_queue_mails", "mailer_database_up"} <= families
        with socket.create_server(("127.0.0.1", free_port())) as other:
            taken = str(other.getsockname()[1])
            second = here.program("run", "--only", "sender", env=environ(MAILER_WEB__METRICS_PORT=taken))
        assert second.returncode == 4
        assert f"The metrics cannot listen on 127.0.0.1:{taken}: another program uses it." in second.stderr
        assert "MAILER_WEB__METRICS_PORT" in second.stderr
        process.terminate()
        process.communicate(timeout=10)
    assert process.returncode == 0
