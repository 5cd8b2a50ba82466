"""The checks find nothing wrong with the built-in mails, and find every one of these faults."""

import re
from collections.abc import Callable
from pathlib import Path

import mail_samples as samples
import pytest

from mailer.mail import bidi
from mailer.mail.render import Renderer
from mailer.mail.template_check import rules, sample_issues, trial
from mailer.mail.template_check.markup import as_word_sees_it, read, text
from mailer.text import headlines
from mailer.text.locales import CODES, FA

RENDERER = Renderer(None, samples.TEMPLATES, "fa", sample_issues.THEME)
WEEK = trial.mail(RENDERER, "week")


@pytest.mark.parametrize("code", CODES)
def test_the_built_in_templates_keep_every_rule(code: str) -> None:
    assert trial.findings(Renderer(None, samples.TEMPLATES, code, sample_issues.THEME)) == {}


def test_a_mail_without_a_theme_keeps_them_too() -> None:
    assert trial.findings(samples.renderer()) == {}


@pytest.mark.parametrize(
    ("markup", "problem"),
    [
        ("<p><table></table></p>", "<table> must not be in <p>"),
        ("<table>سلام<tr></tr></table>", "must not be directly in <table>"),
        ("<tr><td></td></tr>", "<tr> must not be in <>"),
        ("<div><p></div>", "</div> closes <p>"),
        ("<div>", "<div> is never closed"),
        ("<a><b><a></a></b></a>", "a link is inside a link"),
        ('<p id="x"></p><p id="x"></p>', "two elements have the id x"),
        ('<p class="a" class="b"></p>', "has an attribute twice"),
        ("<p/>", "closes nothing"),
    ],
)
def test_what_a_parser_would_repair_is_reported(markup: str, problem: str) -> None:
    _, problems = read(markup)
    assert any(problem in each for each in problems), problems


def test_the_tree_reads_as_it_was_written() -> None:
    tree, problems = read('<div lang="fa">یک<p title="&lt;a&gt;">دو</p>سه<style>p{}</style></div>')
    assert problems == []
    assert text(tree) == "یکدوسه"
    paragraph = tree.find("./div/p")
    assert paragraph is not None
    assert paragraph.get("title") == "<a>"


def test_conditional_comments_are_applied() -> None:
    assert as_word_sees_it("<!--[if mso]><p><![endif]-->x<!--[if !mso]><!-->y<!--<![endif]-->") == "<p>x"


Fault = Callable[[str], str]


def replaced(old: str, new: str, times: int = 1) -> Fault:
    return lambda html: html.replace(old, new, times)


@pytest.mark.parametrize(
    ("rule", "fault"),
    [
        ("text", lambda text: text.replace("\u200f\u202b", "", 1)),
        ("text", replaced("\nhttps://www", " https://www")),
        ("parts", replaced("https://www.irannemoone.example/news/818301", "https://elsewhere.example/1")),
        ("spelling", replaced("ی", "ي")),
        ("spelling", replaced("۴۷", "47")),
        ("spelling", replaced("\u200c", " ", 40)),
        ("leftover", replaced("ایران نمونه", "None")),
        ("characters", replaced("ایران", "ایر\x80ان")),
        ("size", lambda text: text + "x" * 90_000),
    ],
)
def test_faults_of_the_text_part_are_found(rule: str, fault: Fault) -> None:
    assert fault(WEEK.text) != WEEK.text
    found = rules.mail(WEEK.html, fault(WEEK.text), raw=WEEK.raw)
    assert rule in {finding.rule for finding in found}, found


def test_a_fault_that_inlining_repairs_is_found_in_the_raw_markup() -> None:
    raw = re.sub("</h2>", "", WEEK.raw, count=1)
    assert {finding.rule for finding in rules.mail(WEEK.html, WEEK.text, raw=raw)} == {"nesting"}


def test_faults_of_templates_are_reported_by_case(tmp_path: Path) -> None:
    (tmp_path / "mail").mkdir()
    layout = (samples.TEMPLATES / "mail" / "layout.html").read_text("utf-8")
    (tmp_path / "mail" / "layout.html").write_text(layout.replace('<div class="pre">', '<div class="shown">'), "utf-8")
    found = trial.findings(Renderer(tmp_path, samples.TEMPLATES))
    assert set(found) == {*sample_issues.CASES, *sample_issues.SERVICE_MAILS}
    assert all("preheader" in {finding.rule for finding in each} for each in found.values())


def test_broken_templates_are_reported_by_name(tmp_path: Path) -> None:
    (tmp_path / "mail").mkdir()
    (tmp_path / "mail" / "issue.txt").write_text("\n{% for %}", "utf-8")
    (found,) = trial.findings(Renderer(tmp_path, samples.TEMPLATES)).items()
    assert found[0] == "mail/issue.txt"
    assert "issue.txt:2" in str(found[1][0])


@pytest.mark.parametrize(("add", "what"), [("{{ nonsense }}", "undefined"), ("{{ unsubscribe_url }}\x02bad", "broken")])
def test_missing_values_are_reported(tmp_path: Path, add: str, what: str) -> None:
    (tmp_path / "mail").mkdir()
    text = (samples.TEMPLATES / "mail" / "issue.txt").read_text("utf-8")
    (tmp_path / "mail" / "issue.txt").write_text(text + add, "utf-8")
    found = trial.findings(Renderer(tmp_path, samples.TEMPLATES))
    assert all(what in str(each[0]) for each in found.values())
    assert set(found) == {*sample_issues.CASES, "test", "welcome", "greeting"}


@pytest.mark.parametrize(
    ("headline", "subject"),
    [
        ("علی‌اف: عملیات دیگری در قره‌باغ انجام نمی‌دهیم", "علی‌اف: عملیات دیگری در قره‌باغ انجام…\u200f"),
        ("علی‌اف: عملیات دیگری در قره‌باغ انجام نمی‌دهیم", "علی‌اف: عملیات دیگری در قره‌باغ انجام"),
        ("قالیباف: «نرخ ارز | و سود بانکی» بالا نمی‌رود", "قالیباف: «نرخ ارز"),
        ("قالیباف گفت: «نرخ ارز بالا نمی‌رود»", "قالیباف گفت: «نرخ ارز بالا نمی‌رود»"),  # without RLM behind
        ("Gemini فارسی شد", "Gemini فارسی شد"),  # without RLM in front
        ("خبر " * 60, ("خبر " * 60).strip()),
        ("خبر", ""),
    ],
)
def test_faults_of_the_subject_are_found(headline: str, subject: str) -> None:
    html = f"<html><head><title>{headline}</title></head></html>"
    assert [finding.rule for finding in rules.subject(subject, html, FA)] != []
    good = bidi.subject(headlines.subject(" ".join(headline.split())))
    assert rules.subject(good, html, FA) == []


def test_templates_that_lose_blocks_are_reported(tmp_path: Path) -> None:
    own = tmp_path / "mail" / "issue.txt"
    own.parent.mkdir()
    own.write_text(
        (samples.TEMPLATES / "mail" / "issue.txt").read_text("utf-8").replace("{{ boxes(blocks.end) }}", ""), "utf-8"
    )
    found = trial.findings(Renderer(tmp_path, samples.TEMPLATES, "fa", sample_issues.THEME))
    assert list(found) == ["blocks"]
    assert "blocks: the text part lacks the blocks with the place end" in map(str, found["blocks"])


def test_templates_whose_issue_has_no_opening_to_replace_are_reported(tmp_path: Path) -> None:
    own = tmp_path / "mail" / "issue.html"
    own.parent.mkdir()
    text = (samples.TEMPLATES / "mail" / "issue.html").read_text("utf-8")
    own.write_text(text.replace("{% block opening %}", "{% block opens %}"), "utf-8")
    found = trial.findings(Renderer(tmp_path, samples.TEMPLATES, "fa", sample_issues.THEME))
    assert {"welcome", "greeting"} == set(found)
    assert "mail/issue.html lacks the block `opening`" in str(found["welcome"][0])
