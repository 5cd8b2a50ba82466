"""`mailer issue …`: the shapes other tools rely on, what is refused, and a relay that is not there."""

import json
import os
import pty
import subprocess
import sys
from pathlib import Path

import pytest
from admin import Deployment, articles_file, deployment, drafted, due_in, environ
from make import parsed

from mailer import week
from mailer.context import App
from mailer.demo.inbox import Inbox
from mailer.model import DeliveryState
from mailer.settings import Newsletter, Schedule
from mailer.text.locales import FA

STATUS = ["slot", "state", "recipients", *map(str, DeliveryState)]
ACTING = ("hold", "release", "approve", "pause", "resume", "cancel")


def test_no_issue_yet(tmp_path: Path) -> None:
    here = deployment(tmp_path)
    for verb in ("show", "explain", "preview", "send", "status", *ACTING):
        answer = here.call("issue", verb, "--json")
        assert (answer.code, answer.error["code"]) == (3, "no_such_issue")
        assert answer.error["fix"] == "Make one with `mailer issue draft`."
    assert here.call("issue", "test", "a@example.org").code == 3
    assert here.json("issue", "list") == []


def test_an_issue_without_stories_is_held_and_not_sent(tmp_path: Path) -> None:
    here = deployment(tmp_path)
    here.json("subscribers", "add", "a@example.org")
    drafted_ = here.json("issue", "draft")
    assert (drafted_["state"], drafted_["stories"]) == ("held", [])
    assert "too few stories" in drafted_["reason"]
    assert drafted_["reason_code"] == "too_few_stories"
    assert set(drafted_["reason_args"]) == {"found", "least"}
    for words in (("send",), ("send", "--now", "--yes"), ("release",), ("preview",), ("test", "b@example.org")):
        answer = here.call("issue", *words)
        assert answer.code == 3, words
        assert answer.err.startswith("mailer: The issue ")
        assert answer.err.count("\n") == 1
    assert here.json("issue", "status")["recipients"] == 0
    assert here.call("issue", "status").out.endswith("is held; no mail was sent.\n")


@pytest.mark.parametrize("slot", ["foo", "1405-W99", "", "../x", "1405-W"])
def test_wrong_slots(tmp_path: Path, slot: str) -> None:
    here = deployment(tmp_path)
    for verb in ("show", "send", "draft"):
        answer = here.call("issue", verb, slot, "--json")
        assert answer.code in (2, 3)
        assert "Traceback" not in answer.err


def test_an_issue_that_is_not_there_names_the_newest(tmp_path: Path) -> None:
    here = drafted(tmp_path)
    newest = here.json("issue", "show")["slot"]
    answer = here.call("issue", "show", "1400-W10")
    assert answer.code == 3
    assert f"The newest is {newest}." in answer.err


def test_a_draft_in_every_view(tmp_path: Path) -> None:
    here = drafted(tmp_path)
    shown = here.json("issue", "show")
    assert {"slot", "state", "subject", "stories"} <= set(shown)
    for position, story in enumerate(shown["stories"], 1):
        wanted = {"position", "url", "title", "section", "article", "also", "score", "parts", "why", "pinned"}
        assert (set(story), story["position"]) == (wanted, position)
        assert len(story["why"]) >= len(story["parts"])
        assert story["score"] == pytest.approx(sum(story["parts"].values()), abs=0.01)
    explained = here.json("issue", "explain")
    assert {key: explained[key] for key in shown} == shown
    assert isinstance(explained["rejected"], list)
    assert here.json("issue", "list")[0]["slot"] == shown["slot"]
    status = here.json("issue", "status")
    assert list(status) == [*STATUS, "started_at", "finished_at", "rate"]
    assert (status["state"], status["recipients"], status["rate"]) == ("draft", 0, 0.0)
    for verb in ("show", "explain", "list", "status"):
        answer = here.call("issue", verb)
        assert (answer.code, answer.err) == (0, "")
        assert shown["slot"] in answer.out
    # Run again, the same command chooses the same issue again.
    assert here.json("issue", "draft")["slot"] == shown["slot"]


def test_preview_writes_the_very_bytes(tmp_path: Path) -> None:
    here = drafted(tmp_path)
    html, text, eml = (tmp_path / name for name in ("p.html", "p.txt", "p.eml"))
    done = here.json("issue", "preview", "--html", str(html), "--text", str(text), "--eml", str(eml))
    assert done["files"] == [str(html), str(text), str(eml)]
    mail = parsed(eml.read_bytes())
    bodies = [mail.get_body((kind,)) for kind in ("html", "plain")]
    assert [body and body.get_content().replace("\r\n", "\n").rstrip("\n") for body in bodies] == [
        path.read_bytes().decode().replace("\r\n", "\n").rstrip("\n") for path in (html, text)
    ]
    assert here.call("issue", "preview").out.startswith(done["subject"])
    nowhere = here.call("issue", "preview", "--html", str(tmp_path / "none" / "p.html"))
    assert nowhere.code == 4
    assert nowhere.err.endswith("No such file or directory.\n")


def test_every_change_prints_the_new_state_or_why_it_failed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in due_in(1).items():
        monkeypatch.setenv(name, value)
    here = drafted(tmp_path)
    assert here.json("issue", "hold")["state"] == "held"
    refused = here.call("issue", "send", "--now", "--yes")
    assert refused.code == 3
    assert "held by an editor" in refused.err
    assert here.json("issue", "release")["state"] == "draft"
    assert here.call("issue", "pause").code == here.call("issue", "resume").code == 3
    assert here.json("issue", "approve")["state"] == "draft"
    assert "is cancelled. The clock leaves that week out" in here.call("issue", "cancel").out
    for verb in ACTING:
        answer = here.call("issue", verb, "--json")
        assert (answer.code, answer.error["code"]) == (3, "wrong_state")
    done = here.call("issue", "send", "--now", "--yes")
    assert done.code == 0
    assert done.out.startswith("Nothing to do.")


def test_a_draft_is_sent_before_its_day_only_with_yes(
    tmp_path: Path, inbox: Inbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in due_in(2).items():
        monkeypatch.setenv(name, value)
    here = drafted(tmp_path, smtp=inbox.port, readers=["a@iran.example", "b@iran.example"])
    slot = here.json("issue", "show")["slot"]
    for words in (("--json",), ()):
        refused = here.call("issue", "send", "--now", *words)
        assert refused.code == 2
        assert f"{slot} is due in 2 days, on 20" in f"{refused.out}{refused.err}"
        assert "would go out to 2 readers now. " in refused.err or refused.error["fix"].startswith("--yes sends it now")
    assert here.json("issue", "status")["recipients"] == 0
    assert here.json("issue", "send", "--now", "--yes")["accepted"] == 2
    assert here.call("issue", "send", "--now").out.startswith("Nothing to do.")


def test_what_has_begun_to_go_out_is_continued_without_a_question(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in due_in(2).items():
        monkeypatch.setenv(name, value)
    here = drafted(tmp_path, readers=["a@iran.example"])
    for words in (("--yes",), (), ("--json",)):
        assert here.call("issue", "send", "--now", *words).code == 4, "no relay is there"
    assert here.json("issue", "pause")["state"] == "paused"
    assert here.json("issue", "status")["state"] == "paused"
    assert "is paused" in here.call("issue", "send", "--now").err


def test_a_person_types_the_slot(tmp_path: Path, inbox: Inbox, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in due_in(2).items():
        monkeypatch.setenv(name, value)
    here = drafted(tmp_path, smtp=inbox.port, readers=["a@iran.example"])
    slot = here.json("issue", "show")["slot"]
    words = (sys.executable, "-m", "mailer", "--config", here.config, "issue", "send", "--now")
    for typed, code in (("yes", 5), (slot.lower(), 0)):
        ours, theirs = pty.openpty()
        with subprocess.Popen(
            words, stdin=theirs, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=environ(**due_in(2)), text=True
        ) as process:
            os.close(theirs)
            os.write(ours, f"{typed}\n".encode())
            out, err = process.communicate(timeout=60)
        os.close(ours)
        assert f"{slot} is due in 2 days" in err
        assert "send it to 1 reader now? Type the slot" in err
        assert process.returncode == code, (out, err)
    assert len(inbox.mails) == 1


def test_a_later_slot_needs_ahead_and_a_mistake_does_not_block_its_week(tmp_path: Path) -> None:
    here = drafted(tmp_path)
    slot = here.json("issue", "show")["slot"]
    with here.app() as app:
        later = week.following(week.slot(slot, *newsroom(app)), *newsroom(app)).key
    refused = here.call("issue", "draft", later, "--json")
    assert (refused.code, refused.error["code"]) == (2, "usage_error")
    assert "--ahead" in refused.error["fix"]
    assert here.json("issue", "draft", later, "--ahead")["slot"] == later
    for verb in ("show", "hold", "release", "approve", "status"):
        assert here.json("issue", verb)["slot"] == slot
    several = here.call("issue", "cancel")
    assert (several.code, "2 issues are open" in several.err, slot in several.err) == (2, True, True)
    done = here.call("issue", "cancel", later)
    assert done.code == 0
    assert done.out.startswith(f"{later} is cancelled. The clock drafts that week as usual, at ")
    assert [each["slot"] for each in here.json("issue", "list")] == [slot]


def newsroom(app: App) -> tuple[Newsletter, Schedule]:
    return app.settings.newsletter, app.settings.schedule


def test_next_shows_the_slot_before_and_after_its_draft(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in due_in(2).items():
        monkeypatch.setenv(name, value)
    here = deployment(tmp_path)
    for reader in ("a", "b"):
        here.json("subscribers", "add", f"{reader}@iran.example")
    here.json("subscribers", "unsubscribe", "b@iran.example")
    coming = here.json("issue", "next")
    assert list(coming) == ["slot", "state", "draft_at", "planned_at", "send_at", "readers"]
    assert (coming["state"], coming["readers"], coming["send_at"]) == (None, 1, coming["planned_at"])
    said = here.call("issue", "list").out.splitlines()[-1]
    assert said == here.call("issue", "next").out.strip()
    assert said.startswith(f"next: {coming['slot']} (no draft yet, the clock makes it at ")
    assert said.endswith("; 1 reader expected")
    here.json("issue", "draft")
    assert here.json("issue", "next") == {**coming, "state": "held"}
    listed = here.call("issue", "list").out.splitlines()
    assert listed[0].split() == ["slot", "no.", "state", "planned", "went", "out", "readers", "subject"]
    (row,) = here.json("issue", "list")
    assert (row["slot"], row["started_at"], row["recipients"]) == (coming["slot"], None, 0)


def test_refusals_are_sentences(tmp_path: Path) -> None:
    here = drafted(tmp_path)
    slot = here.json("issue", "show")["slot"]
    for verb, sentence in (
        ("pause", "only an issue that is being sent can be paused."),
        ("resume", "only a paused issue can be resumed."),
        ("retry", "only an issue that has gone out can be retried."),
    ):
        assert f"The issue {slot} is draft: {sentence}" in here.call("issue", verb, slot).err
    assert "'abc' is not a valid integer: write a number of at least 1." in here.call("issue", "drop", "abc").err
    assert "write a number from 1 to 1,000,000." in here.call("issue", "list", "--limit", "many").err


def test_send_without_now_waits_for_its_time(tmp_path: Path) -> None:
    here = drafted(tmp_path, readers=["a@example.org"])
    answer = here.call("issue", "send")
    assert answer.code == 0
    assert f"{here.json('issue', 'show')['slot']} goes out at" in answer.out
    assert here.json("issue", "show")["state"] == "draft"
    assert here.json("issue", "status")["recipients"] == 0


def test_send_does_not_lift_an_editors_hold(tmp_path: Path) -> None:
    here = drafted(tmp_path)
    slot = here.json("issue", "hold")["slot"]
    refused = here.call("issue", "send", "--json")
    assert (refused.code, refused.error["code"]) == (3, "wrong_state")
    assert refused.error["message"] == f"The issue {slot} is held: held by an editor."
    assert refused.error["fix"] == "Use `mailer issue release`."
    assert here.json("issue", "show")["state"] == "held"


def test_send_says_that_it_releases_an_issue_with_few_stories(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MAILER_DIGEST__MIN_STORIES", "10")
    here = deployment(tmp_path)
    assert here.call("articles", "import", str(articles_file(tmp_path, 6))).code == 0
    assert here.json("issue", "draft")["reason_code"] == "too_few_stories"
    said = here.call("issue", "send")
    assert said.code == 0
    assert "is released (it was held: too few stories: 6 of at least 10) and goes out at" in said.out
    assert here.json("issue", "show")["state"] == "draft"


def test_a_slot_that_is_past_is_not_drafted_or_called_next(tmp_path: Path, inbox: Inbox) -> None:
    here = drafted(tmp_path, smtp=inbox.port, readers=["a@iran.example"])
    slot = here.json("issue", "show")["slot"]
    here.json("issue", "cancel", slot)
    with here.app() as app:
        this = week.slot(slot, *newsroom(app))
        for _ in range(2):
            this = week.preceding(this, *newsroom(app))
    refused = here.call("issue", "draft", this.key, "--json")
    assert (refused.code, refused.error["code"]) == (3, "wrong_state")
    assert f"{this.key} is past" in refused.error["message"]
    assert "drafts the next one, 1" in refused.error["fix"]
    trial = here.call("issue", "draft", this.key, "--as-of", this.at.isoformat())
    assert trial.code == 0
    assert "too late to go out by itself: it was due at" in trial.out
    late = here.call("issue", "send", this.key)
    assert late.code == 3
    assert f"The issue {this.key} is too late: it was due at" in late.err
    assert f"`mailer issue send --now {this.key}`" in late.err
    assert here.json("issue", "next")["slot"] > this.key
    sent = here.call("issue", "send", "--now", this.key)
    assert f"{this.key} was due at" in sent.err
    assert "longer ago than max_late; --now sends it all the same" in sent.err


@pytest.mark.slow
def test_no_reader_is_lost_when_the_relay_is_down(tmp_path: Path, inbox: Inbox) -> None:
    here = drafted(tmp_path, readers=["a@example.org", "b@example.org"])
    answer = here.call("issue", "send", "--now", "--yes")
    assert answer.code == 4
    assert "connection refused" in answer.err
    assert "2 of 2 mails wait" in answer.err
    status = here.json("issue", "status")
    assert (status["state"], status["queued"], status["recipients"]) == ("sending", 2, 2)
    document = here.call("issue", "send", "--now", "--yes", "--json")
    assert (document.code, document.error["code"]) == (4, "relay_down")
    assert here.call("issue", "test", "c@example.org", "--json").code == 4
    assert here.json("issue", "pause")["state"] == "paused"
    assert "is paused" in here.call("issue", "send", "--now", "--yes").err
    assert here.json("issue", "resume")["state"] == "sending"
    # Once the relay works again, the same command finishes the work.
    text = (tmp_path / "config.toml").read_text("utf-8").replace("port = 9\n", f"port = {inbox.port}\n")
    (tmp_path / "config.toml").write_text(text, "utf-8")
    finished = here.call("issue", "send", "--now", "--yes", "--json")
    done = finished.json
    assert (done["state"], done["accepted"], done["recipients"]) == ("sent", 2, 2)
    for line in finished.err.splitlines():  # how far it is, for machines
        assert {"slot", "done", "recipients", "rate"} <= set(json.loads(line))
    letters = {mail.recipient for mail in inbox.mails}
    assert {"a@example.org", "b@example.org"} <= letters
    assert here.call("issue", "send", "--now", "--yes").out.startswith("Nothing to do.")
    assert sum(mail.recipient == "a@example.org" for mail in inbox.mails) == 1
    show = here.json("subscribers", "show", "a@example.org")
    assert [(mail["kind"], mail["state"]) for mail in show["deliveries"]] == [("issue", "accepted")]


def test_a_test_mail_is_marked_inert_and_in_no_count(tmp_path: Path, inbox: Inbox) -> None:
    here = drafted(tmp_path, smtp=inbox.port, readers=["a@example.org"])
    (done,) = here.json("issue", "test", "editor@example.org")
    assert (done["email"], done["state"]) == ("editor@example.org", "accepted")
    (mail,) = inbox.mails
    found = parsed(mail.raw)
    assert "آزمایشی" in found["Subject"]
    assert found["List-Unsubscribe"] == "<http://127.0.0.1:8080/unsubscribe/test>"
    assert here.json("issue", "show")["state"] == "draft"
    assert here.json("issue", "status")["accepted"] == 0
    assert here.call("issue", "test", "editor").code == 3


TITLES = (
    "=?utf-8?b?eAp5?= گشایش کتابخانه",
    "برد تیم ملی\r\nBcc: evil@example.org",
    "نرخ \u202eتازهٔ\u202c ارز",
    "باران {{ 7*7 }} {% include 'x' %} در شمال",
    "جشنوارهٔ \x1b[31mفیلم \x02unsubscribe_url\x03",
    "قطار\u2028تندرو\x00 «آزاد»",
)


def test_titles_come_through_the_whole_chain_harmless(tmp_path: Path, inbox: Inbox) -> None:
    here = drafted(tmp_path, smtp=inbox.port, titles=TITLES, readers=["a@example.org"])
    here.json("subscribers", "add", "b@example.org", "--name", "=?utf-8?b?eAp5?=\r\nBcc: evil@example.org")
    assert here.json("issue", "send", "--now", "--yes")["accepted"] == 2
    for mail in inbox.mails:
        found = parsed(mail.raw)
        assert found.defects == []
        assert found["Bcc"] is None
        assert found["To"] == mail.recipient
        assert found["Subject"].lstrip("\u200f").startswith("=?utf-8?b?eAp5?= گشایش"), "told as it was written"
        head = mail.raw.partition(b"\r\n\r\n")[0]
        assert not [line for line in head.split(b"\r\n") if line.lower().startswith(b"bcc")]
        for kind in ("html", "plain"):
            body = found.get_body((kind,))
            assert body is not None
            content = body.get_content()
            assert set(content) & set("\x00\x02\x03\x1b\u202e\u2028") == set()
            assert "۷*۷" in content, "the digits are those of the language"
            assert "unsubscribe_url" in content, "the words of a title, not a slot"
    assert {mail.recipient for mail in inbox.mails} == {"a@example.org", "b@example.org"}


# --- the editor's window ---------------------------------------------------------------------------------------------
REASON = {"reason", "reason_code", "reason_args"}
SHOWN = {"slot", "state", "subject", "number", "send_at", "window", "approved", "stories", "blocks"}
SHOWN |= {"notes", "note_codes"} | REASON


def test_an_editors_hour(tmp_path: Path) -> None:
    """Every command of the window, as one editor gives them: each answers with the issue as it is then."""
    here = drafted(tmp_path)
    first = here.json("issue", "show")
    titles = [story["title"] for story in first["stories"]]
    moved = here.json("issue", "move", "4", "1")
    assert set(moved) == SHOWN
    assert [story["title"] for story in moved["stories"]] == [titles[3], *titles[:3], *titles[4:]]
    assert moved["subject"].startswith(FA.one_script(titles[3])), "the subject follows the lead"
    named = here.json("issue", "title", "2", "تیتر دیگر")
    assert named["stories"][1]["title"] == "تیتر دیگر"
    assert here.json("issue", "subject", "آنچه این هفته گذشت")["subject"] == "آنچه این هفته گذشت"
    assert here.json("issue", "intro", "سلام به همه")["state"] == "draft"
    assert "سلام به همه" in here.call("issue", "preview").out
    dropped = here.json("issue", "drop", "3")
    assert titles[1] not in {story["title"] for story in dropped["stories"]}
    gone = [turned for turned in here.json("issue", "explain")["rejected"] if turned["title"] == titles[1]]
    assert [set(turned) for turned in gone] == [{"url", "title", "score", "why"} | REASON]
    assert [gone[0][key] for key in sorted(REASON)] == ["dropped by an editor", {}, "dropped_by_editor"]
    assert here.json("issue", "draft")["stories"] == dropped["stories"], "the edits outlive a new choice"
    assert here.call("issue", "title", "1", "").out.splitlines()[0].endswith(": draft")


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (("drop", "99"), "no_such_article", "has no story 99: it has 6. `mailer issue show` shows their numbers."),
        (("move", "1", "99"), "no_such_article", "has no story 99"),
        (("title", "99", "x"), "no_such_article", "has no story 99"),
        (("subject", "خ" * 301), "usage_error", "This subject has 301 characters; at most 300 can be shown."),
        (("intro", "خ" * 601), "usage_error", "This intro has 601 characters; at most 600 can be shown."),
        (("drop", "1", "--slot", "1400-W10"), "no_such_issue", "There is no issue 1400-W10. The newest is"),
        (("drop", "0"), "usage_error", "0 is not in the range"),
        (("drop", "x"), "usage_error", "'x' is not a valid integer"),
    ],
)
def test_edits_that_are_refused(edited: Deployment, words: tuple[str, ...], code: str, said: str) -> None:
    before = edited.json("issue", "show")
    answer = edited.call("issue", *words, "--json")
    assert (answer.code, answer.error["code"]) == (2 if code == "usage_error" else 3, code)
    assert said in f"{answer.error['message']} {answer.error['fix']}"
    assert edited.json("issue", "show") == before


@pytest.fixture(scope="module")
def edited(tmp_path_factory: pytest.TempPathFactory) -> Deployment:
    return drafted(tmp_path_factory.mktemp("edited"))


def test_hold_release_and_approve_print_the_new_state(tmp_path: Path) -> None:
    here = drafted(tmp_path)
    slot = here.json("issue", "show")["slot"]
    for verb, state in (("hold", "held"), ("release", "draft"), ("approve", "draft, approved")):
        assert here.call("issue", verb).out == f"{slot} is {state}.\n"
    assert here.call("issue", "show").out.splitlines()[0] == f"{slot}: draft, approved"


def test_explain_shows_the_parts_and_the_rejected_stories(tmp_path: Path) -> None:
    here = deployment(tmp_path)
    assert here.call("articles", "import", str(articles_file(tmp_path, 18))).code == 0
    here.json("issue", "draft")
    explained = here.json("issue", "explain")
    assert 1 <= len(explained["rejected"]) <= 10
    assert all(turned["reason"] for turned in explained["rejected"])
    for story in explained["stories"]:
        assert story["score"] == pytest.approx(sum(story["parts"].values()), abs=0.01)
    said = here.call("issue", "explain").out
    assert "not chosen:" in said
    for story in explained["stories"]:
        assert f"{story['score']:.3f} = " in said


# --- blocks ----------------------------------------------------------------------------------------------------------
def test_blocks_are_added_listed_and_removed(tmp_path: Path) -> None:
    here = drafted(tmp_path)
    added = here.json("issue", "block", "add", "اصلاح", "--text", "درست سه است.", "--kind", "correction")
    expected = {
        **{"number": 1, "kind": "correction", "place": "end", "title": "اصلاح", "text": "درست سه است."},
        **{"url": "", "link_text": "", "picture": False, "standing": False},
    }
    assert added == [expected]
    assert here.json("issue", "block", "list") == here.json("issue", "show")["blocks"] == [expected]
    assert here.json("issue", "block", "remove", "1") == []
    answer = here.call("issue", "block", "remove", "1", "--json")
    assert (answer.code, answer.error["code"]) == (3, "no_such_block")


def test_a_block_with_markup_or_a_link_without_a_scheme_is_refused(tmp_path: Path) -> None:
    here = drafted(tmp_path)
    answer = here.call("issue", "block", "add", "<script>alert(1)</script>")
    assert (answer.code, answer.err) == (2, "mailer: --title should be plain text, without HTML such as <script>.\n")
    answer = here.call("issue", "block", "add", "نمایشگاه", "--url", "fair.example")
    assert answer.code == 2
    assert answer.err.startswith("mailer: --url should begin with https:// or http://")
    assert here.json("issue", "block", "list") == []
