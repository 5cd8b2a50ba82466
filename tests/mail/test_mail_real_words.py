"""Real texts of newsrooms come through unharmed. Skipped without the folder of real data."""

import gzip
import json
import os
from email.header import decode_header, make_header
from pathlib import Path

import html5lib
import mail_samples as samples
import pytest

from mailer.mail import header_encoding, view
from mailer.model import ChosenStory
from mailer.text.clean import clean, shorten
from mailer.text.locales import FA


def real_stories() -> list[ChosenStory]:
    folder = os.environ.get("KHABARNAMEH_DATA")
    if not folder:
        pytest.skip("KHABARNAMEH_DATA is not set: no real articles to read")
    records = []
    for name in ("tabnak-2023-views.jsonl.gz", "hamshahri-rss-2020.jsonl.gz"):
        with gzip.open(Path(folder) / "articles" / name, "rt", encoding="utf-8") as lines:
            records += [json.loads(line) for line in lines]
    return [
        samples.story(n, title=record["title"], lead=record.get("lead") or "", url=record.get("url") or "")
        for n, record in enumerate(records, start=1)
    ]


def test_real_titles_make_subjects_that_come_back_exactly() -> None:
    for story in real_stories():
        for text in (view.subject([story]), story.title):
            value = header_encoding.encode("Subject", text)
            back = str(make_header(decode_header(value.decode("ascii").replace("\r\n", ""))))
            assert back == header_encoding.sanitise(text)
            assert max(map(len, (b"Subject: " + value).split(b"\r\n"))) <= 76


def test_real_weeks_make_whole_mails_of_modest_size() -> None:
    stories = real_stories()
    for start in range(0, 240, 12):
        sample = samples.issue(tuple(stories[start : start + 12]))
        mail = samples.rendered(sample)
        assert len(mail.html.encode()) * 4 / 3 < 90_000
        parser = html5lib.HTMLParser()
        tree = parser.parse(samples.merged(mail)[0])
        assert parser.errors == []
        preheader = str(samples.values(sample)["preheader"])
        assert 90 <= len(preheader) <= 130
        shown = {"".join(each.itertext()).strip() for each in tree.iter() if str(each.tag)[-2:] in ("h2", "h3")}
        assert {shorten(FA.one_script(clean(story.title)), view.TITLE_LENGTH) for story in sample.stories} <= shown
