"""Every mail was reviewed by a person. After a change on purpose: `make golden`, look at the difference, commit it."""

from pathlib import Path

import golden_mails
import pytest

from mailer.mail.template_check import sample_issues
from mailer.text.locales import CODES


@pytest.mark.parametrize("folder", golden_mails.FOLDERS, ids=lambda folder: folder.name)
def test_the_mail_is_the_reviewed_one(folder: Path) -> None:
    for name, content in golden_mails.made(folder).items():
        same = (folder / name).read_text("utf-8") == content
        assert same, f"{folder.name}/{name} has changed: run `make golden` and look at the difference"


def test_every_case_kind_and_language_has_its_folder() -> None:
    names = {folder.name for folder in golden_mails.FOLDERS}
    translated = {f"week-{code}" for code in CODES if code != "fa"}
    assert names >= {*sample_issues.CASES, *sample_issues.SERVICE_MAILS, *translated}
