"""Writes the sample week as a mail for a mail program: `python docs/sample-mail.py FILE.eml`."""

import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT / "tests" / "gates"))

from gates_message import message  # noqa: E402

from mailer.mail.render import Renderer  # noqa: E402
from mailer.mail.template_check import sample_issues, trial  # noqa: E402

if __name__ == "__main__":
    week = trial.mail(Renderer(None, ROOT / "templates", "fa", sample_issues.THEME), "week")
    Path(sys.argv[1]).write_bytes(message(week))
