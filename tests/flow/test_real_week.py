"""The main job on inputs that this project did not write. KHABARNAMEH_DATA names their folder."""

import os
import re
from email.message import EmailMessage
from pathlib import Path

import html5lib
import pytest
from admin import Deployment, deployment
from make import parsed

from mailer.demo.inbox import Inbox

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def data() -> Path:
    folder = os.environ.get("KHABARNAMEH_DATA")
    if not folder:
        pytest.skip("KHABARNAMEH_DATA is not set: the real inputs are not here")
    return Path(folder)


@pytest.fixture(scope="module")
def here(data: Path, tmp_path_factory: pytest.TempPathFactory) -> Deployment:
    """A deployment with all articles imported, and two readers."""
    made = deployment(tmp_path_factory.mktemp("real"))
    feeds = sorted(str(path) for path in (data / "feeds").rglob("*.xml"))
    records = [str(data / "articles" / f"{name}.jsonl.gz") for name in ("tabnak-2023-views", "hamshahri-rss-2020")]
    first = made.json("articles", "import", *feeds, *records)
    assert first["failed"] == []
    assert first["added"] > 2200
    again = made.json("articles", "import", *feeds, *records)
    assert (again["added"], again["updated"]) == (0, 0)
    assert again["unchanged"] == first["added"] + first["updated"] + first["unchanged"]
    for name in ("narges", "arash"):
        made.json("subscribers", "add", f"{name}@example.org", "--name", "خواننده")
    return made


def test_a_saved_page_becomes_an_issue(here: Deployment, data: Path) -> None:
    file = str(data / "seed-article.txt")
    words = ("--url", "https://news.example/fa/news/4400001", "--published", "1404/11/07 12:30")
    assert here.json("articles", "import", file, *words)["added"] == 1
    (article,) = [each for each in here.json("articles", "list", "--limit", "3000") if "4400001" in each["url"]]
    assert article["category"]
    assert article["dated"] == "2026-01-27T09:00:00Z"
    shown = here.json("articles", "show", str(article["id"]))
    assert shown["lead"]
    assert len(shown["body"]) > 500


def test_the_week_of_tabnak_goes_out(here: Deployment, tmp_path: Path, inbox: Inbox) -> None:
    text = Path(here.config).read_text("utf-8").replace("port = 9\n", f"port = {inbox.port}\n")
    Path(here.config).write_text(text, "utf-8")
    draft = here.json("issue", "draft", "--as-of", "2023-09-27")
    assert draft["state"] == "draft", draft["reason"]
    assert len(draft["stories"]) >= 5
    assert len({story["url"] for story in draft["stories"]}) == len(draft["stories"])
    assert "tabnak.ir" in draft["stories"][0]["url"]
    eml = tmp_path / "preview.eml"
    here.json("issue", "preview", "--eml", str(eml))
    sent = here.json("issue", "send", "--now", "--yes")
    assert (sent["state"], sent["accepted"], sent["recipients"]) == ("sent", 2, 2)
    assert len(inbox.mails) == 2
    preview = parsed(eml.read_bytes())
    for mail in inbox.mails:
        found = parsed(mail.raw)
        assert found.defects == []
        assert found["Subject"] == preview["Subject"]
        assert found["To"] == mail.recipient
        assert all(len(line) <= 998 for line in mail.raw.split(b"\r\n"))
        assert mail.raw.isascii()
        html, plain = (content(found, kind) for kind in ("html", "plain"))
        assert len(html.encode()) < 90_000
        for story in draft["stories"]:
            assert story["title"][:20] in re.sub(r"[\u2066-\u2069\u200e\u200f]", "", plain)
        tree = html5lib.parse(html, namespaceHTMLElements=False)
        assert (tree.get("lang"), tree.get("dir")) == ("fa", "rtl")
        assert re.search("[۰-۹]{1,2} [آ-ی]+ ۱۴[۰-۹]{2}", plain)


def content(mail: EmailMessage, kind: str) -> str:
    body = mail.get_body((kind,))
    assert body is not None
    return str(body.get_content())
