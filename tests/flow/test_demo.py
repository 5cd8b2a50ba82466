"""`mailer demo --once --out DIR`, and the service that then serves its mails' links: real programs and sockets."""

import email
import email.policy
import json
import re
import signal
import time
from collections.abc import Iterator
from email.message import EmailMessage
from subprocess import Popen

import html5lib
import pytest
from admin import Deployment, environ, fetch, free_port, program, until

pytestmark = pytest.mark.slow
ONE_CLICK = b"List-Unsubscribe=One-Click"
FORM = {"Content-Type": "application/x-www-form-urlencoded"}
JALALI = re.compile("[۰-۹]{1,2} (?:فروردین|اردیبهشت|خرداد|تیر|مرداد|شهریور|مهر|آبان|آذر|دی|بهمن|اسفند) ۱[۴۵][۰-۹]{2}")


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Deployment:
    """The folder that the demo leaves behind, although the environment has settings of a real deployment."""
    folder = tmp_path_factory.mktemp("demo") / "out"
    env = environ(MAILER_WEB__PORT="1", MAILER_NEWSLETTER__NAME="دیگری")
    done = program("demo", "--once", "--out", str(folder), "--port", str(free_port()), "--json", env=env)
    assert (done.returncode, done.stderr) == (0, "")
    said = json.loads(done.stdout)
    assert said["state"] == "sent"
    assert said["articles"] >= 40
    assert len(said["files"]) == 3
    return Deployment(folder)


@pytest.fixture(scope="module")
def mails(demo: Deployment) -> list[EmailMessage]:
    files = sorted(demo.folder.glob("*.eml"))
    assert [path.name for path in files] == [
        "01-narges@example.org.eml",
        "02-arash@example.org.eml",
        "03-leila@example.org.eml",
    ]
    found = [email.message_from_bytes(path.read_bytes(), policy=email.policy.default) for path in files]
    return [mail for mail in found if isinstance(mail, EmailMessage)]


@pytest.fixture(scope="module")
def service(demo: Deployment, mails: list[EmailMessage]) -> Iterator["Popen[str]"]:
    with demo.running("--only", "web") as process:
        until(unsubscribe_url(mails[0]), process)
        yield process


def part(mail: EmailMessage, kind: str) -> str:
    body = mail.get_body((kind,))
    assert body is not None
    content = body.get_content()
    assert isinstance(content, str)
    return content


def unsubscribe_url(mail: EmailMessage) -> str:
    return str(mail["List-Unsubscribe"]).strip("<>")


def links(mail: EmailMessage) -> set[str]:
    return set(re.findall(r'(?:href|src)="([^"]+)"', part(mail, "html")))


def test_each_mail_parses_back_whole(mails: list[EmailMessage]) -> None:
    assert len(mails) == 3
    for mail in mails:
        assert mail.defects == []
        assert mail.get_content_type() == "multipart/alternative"
        assert [each.get_content_type() for each in mail.iter_parts()] == ["text/plain", "text/html"]
        assert mail["Subject"].strip()
        assert mail["Content-Language"] == "fa"
        assert mail["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"
        assert mail["List-Id"]
        assert JALALI.search(part(mail, "html"))
        assert JALALI.search(part(mail, "plain"))
    assert len({mail["Message-ID"] for mail in mails}) == 3
    assert len({unsubscribe_url(mail) for mail in mails}) == 3


def test_the_html_is_right_to_left(mails: list[EmailMessage]) -> None:
    for mail in mails:
        tree = html5lib.parse(part(mail, "html"), namespaceHTMLElements=False)
        assert (tree.get("lang"), tree.get("dir")) == ("fa", "rtl")
        (body,) = tree.iter("body")
        assert any(each.get("dir") == "rtl" for each in body.iter())
    assert "نرگس" in part(mails[0], "html")


def test_no_url_but_the_newsletters_own_and_the_stories(demo: Deployment, mails: list[EmailMessage]) -> None:
    base = demo.json("config", "show")["newsletter"]["base_url"]
    for mail in mails:
        assert {link for link in links(mail) if not link.startswith(base + "/")} == set()


def test_every_link_of_the_mails_works(service: "Popen[str]", mails: list[EmailMessage]) -> None:
    seen = {link for mail in mails for link in links(mail)} | {str(mails[0]["List-Archive"]).strip("<>")}
    seen |= {unsubscribe_url(mail) for mail in mails}
    assert any("/media/news/" in link for link in seen)
    assert any("/media/images/" in link for link in seen)
    assert any("/archive/" in link for link in seen)
    assert {link: status for link in seen if (status := fetch(link)[0]) != 200} == {}


def test_viewing_a_page_unsubscribes_no_reader(
    demo: Deployment, service: "Popen[str]", mails: list[EmailMessage]
) -> None:
    for mail in mails:
        for method in ("GET", "HEAD"):
            status, _, headers = fetch(unsubscribe_url(mail), method, Purpose="prefetch")
            assert (status, "Set-Cookie" in headers) == (200, False)
    assert {each["status"] for each in demo.json("subscribers", "list")} == {"active"}


@pytest.mark.parametrize(
    ("place", "body", "headers", "method"),
    [
        (0, ONE_CLICK, FORM, "one_click"),
        (
            1,
            b'--b\r\nContent-Disposition: form-data; name="List-Unsubscribe"\r\n\r\nOne-Click\r\n--b--\r\n',
            {"Content-Type": "multipart/form-data; boundary=b"},
            "one_click",
        ),
        (2, b"leave=yes", FORM, "page"),
    ],
    ids=["urlencoded", "multipart", "button"],
)
def test_leaving_and_coming_back(
    demo: Deployment,
    service: "Popen[str]",
    mails: list[EmailMessage],
    place: int,
    body: bytes,
    headers: dict[str, str],
    method: str,
) -> None:
    mail = mails[place]
    address, slot = str(mail["To"]), demo.json("issue", "show")["slot"]
    status, page, said = fetch(unsubscribe_url(mail), "POST", body, **headers)
    assert (status, {"Set-Cookie", "Location"} & set(said)) == (200, set())
    shown = demo.json("subscribers", "show", address)
    assert shown["status"] == "unsubscribed"
    event = shown["events"][-1]
    assert (event["kind"], event["method"], event["slot"]) == ("unsubscribed", method, slot)
    assert address in {each["email"] for each in demo.json("unsubscribes", "--issue", slot)}
    # An admin cannot restore a reader who unsubscribed; the reader can, by the undo button.
    assert demo.call("subscribers", "add", address).code == 3
    undo = re.search(r'action="(/unsubscribe/undo/[^"]+)"', page)
    assert undo is not None
    base = unsubscribe_url(mail).partition("/unsubscribe/")[0]
    assert fetch(base + undo[1], "POST", b"", **FORM)[0] == 200
    assert demo.json("subscribers", "show", address)["status"] == "active"


def test_a_second_send_sends_nothing(demo: Deployment) -> None:
    answer = demo.call("issue", "send", "--now", "--yes")
    assert answer.code == 0
    assert answer.out.startswith("Nothing to do.")


def test_sigterm_ends_it_at_once(demo: Deployment, service: "Popen[str]") -> None:
    begun = time.monotonic()
    service.send_signal(signal.SIGTERM)
    assert service.wait(10) == 0
    assert time.monotonic() - begun < 10
