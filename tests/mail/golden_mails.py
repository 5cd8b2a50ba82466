"""Renders the mails of tests/golden: `python tests/mail/golden_mails.py` writes them, the test compares them.

A folder is a case; its case.toml names the sample issue and the language.
"""

import tomllib
from pathlib import Path

from mailer.mail.render import Renderer
from mailer.mail.template_check import sample_issues, trial

ROOT = Path(__file__).parents[2]
FOLDERS = sorted(file.parent for file in (ROOT / "tests" / "golden").glob("*/case.toml"))


def made(folder: Path) -> dict[str, str]:
    """Returns the content that each file must have."""
    case = tomllib.loads((folder / "case.toml").read_text("utf-8"))
    renderer = Renderer(None, ROOT / "templates", case["language"], sample_issues.THEME)
    mail = trial.mail(renderer, case["issue"])
    return {"subject.txt": mail.subject + "\n", "mail.txt": mail.text, "mail.html": mail.html}


if __name__ == "__main__":
    for each in FOLDERS:
        for name, content in made(each).items():
            (each / name).write_text(content, "utf-8")
