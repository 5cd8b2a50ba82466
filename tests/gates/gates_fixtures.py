"""Fixtures of the gates: one browser, the mails to judge, and a report that CI keeps."""

from collections.abc import Callable, Iterator
from pathlib import Path

import gates_browser
import pytest
from playwright.sync_api import Browser

from mailer.mail.render import Renderer
from mailer.mail.template_check import sample_issues, trial
from mailer.mail.template_check.trial import Trial

ROOT = Path(__file__).parents[2]
REPORT = ROOT / "build" / "gates.txt"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.gates)


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    try:
        with gates_browser.chromium() as running:
            yield running
    except gates_browser.NoBrowser as reason:
        pytest.skip(str(reason))


@pytest.fixture(scope="session")
def report() -> Iterator[Callable[[str], None]]:
    """Adds a line to build/gates.txt, which `make gates` prints at its end."""
    lines: list[str] = []
    yield lines.append
    REPORT.parent.mkdir(exist_ok=True)
    REPORT.write_text("".join(f"{line}\n" for line in lines), "utf-8")


@pytest.fixture(scope="session")
def tried() -> Callable[..., Trial]:
    """Renders a sample issue with the built-in templates."""
    made: dict[tuple[str, str], Trial] = {}

    def try_(case: str = "week", language: str = "fa") -> Trial:
        if (case, language) not in made:
            renderer = Renderer(None, ROOT / "templates", language, sample_issues.THEME)
            made[case, language] = trial.mail(renderer, case)
        return made[case, language]

    return try_
