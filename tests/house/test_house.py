"""Rules that no linter knows: what every error, every module and every kind of mail must have."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from mailer import errors
from mailer.cli.exit_codes import exit_code
from mailer.errors import MailerError
from mailer.model import DeliveryKind
from mailer.web.guard import status_of

ROOT = Path(__file__).parents[2]
MODULES = sorted(path for path in (ROOT / "mailer").rglob("*.py"))
EMPTY = ("store/migrations/__init__.py", "store/migrations/versions/__init__.py", "mailer/__init__.py")
# Their imports are slow and seldom needed; a short command must not wait for the libraries of all others.
MAY_IMPORT_LATE = (
    "mailer/cli/",
    "mailer/wiring.py",
    "mailer/address.py",
    "mailer/config/problems.py",
    "mailer/readers/admin.py",
    "mailer/store/database.py",
    "mailer/store/upgrade.py",
    "mailer/text/calendar.py",
    "mailer/text/links.py",
    "mailer/text/locales.py",
)


def kinds(of: type[MailerError] = MailerError) -> Iterator[type[MailerError]]:
    """Yields a type of error and all types below it."""
    yield of
    for kind in of.__subclasses__():
        yield from kinds(kind)


def leaves() -> list[type[MailerError]]:
    return [kind for kind in kinds() if not kind.__subclasses__()]


def made(kind: type[MailerError]) -> MailerError:
    return errors.ConfigError(["it is wrong"]) if kind is errors.ConfigError else kind("it is wrong", "Fix it.")


def test_the_tree_of_errors_is_the_one_in_errors() -> None:
    there = {each for each in vars(errors).values() if isinstance(each, type) and issubclass(each, MailerError)}
    assert set(kinds()) == there


@pytest.mark.parametrize("kind", leaves(), ids=lambda kind: kind.__name__)
def test_every_error_has_an_exit_code(kind: type[MailerError]) -> None:
    wanted = {errors.ConfigError: 2, errors.UsageError: 2, errors.AskError: 3, errors.OutsideError: 4}
    family = next(each for each in kind.__mro__ if each in wanted)
    assert exit_code(made(kind)) == wanted[family]


@pytest.mark.parametrize("kind", leaves(), ids=lambda kind: kind.__name__)
def test_every_error_has_a_status(kind: type[MailerError]) -> None:
    status = status_of(made(kind))
    assert 400 <= status < 600
    assert (status == 503) == issubclass(kind, errors.OutsideError)


@pytest.mark.parametrize("kind", leaves(), ids=lambda kind: kind.__name__)
def test_every_error_is_a_sentence_with_a_way_out(kind: type[MailerError]) -> None:
    assert str(made(kind)).startswith("it is wrong")
    assert kind.__doc__


@pytest.mark.parametrize("module", MODULES, ids=lambda path: str(path.relative_to(ROOT)))
def test_every_module_says_its_job(module: Path) -> None:
    if not str(module).endswith(EMPTY):
        assert ast.get_docstring(ast.parse(module.read_text("utf-8"))), "a module begins with its purpose"


@pytest.mark.parametrize("module", MODULES, ids=lambda path: str(path.relative_to(ROOT)))
def test_imports_are_at_the_top(module: Path) -> None:
    if str(module.relative_to(ROOT)).startswith(MAY_IMPORT_LATE):
        return
    functions = (ast.FunctionDef, ast.AsyncFunctionDef)
    inside = [
        each.lineno
        for function in ast.walk(ast.parse(module.read_text("utf-8")))
        if isinstance(function, functions)
        for each in ast.walk(function)
        if isinstance(each, ast.Import | ast.ImportFrom)
    ]
    assert inside == []


def test_functions_are_short() -> None:
    long = {}
    for module in MODULES:
        if "migrations" in module.parts:
            continue
        for node in ast.walk(ast.parse(module.read_text("utf-8"))):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                length = (node.end_lineno or node.lineno) - node.lineno + 1
                if length > 70:
                    long[f"{module.name}:{node.name}"] = length
    assert long == {}


def test_modules_are_named_after_their_subject() -> None:
    assert [module for module in MODULES if re.search("util|helper|manager|common|misc", module.stem)] == []


def test_every_kind_of_mail_in_use_has_its_three_templates() -> None:
    text = "\n".join(module.read_text("utf-8") for module in MODULES)
    rendered = {kind for kind in DeliveryKind if f"renderer.mail(DeliveryKind.{kind.name}" in text}
    assert DeliveryKind.ISSUE in rendered
    for kind in rendered:
        for ending in ("subject.txt", "txt", "html"):
            assert (ROOT / "templates" / "mail" / f"{kind}.{ending}").is_file()


def test_every_page_that_is_shown_has_a_template_and_none_is_left_over() -> None:
    web = "\n".join(path.read_text("utf-8") for path in (ROOT / "mailer" / "web").glob("*.py"))
    shown = set(re.findall(r'render\(\s*(?:self\.)?app,\s*"([a-z-]+)"', web))
    there = {path.stem for path in (ROOT / "templates" / "page").glob("*.html")} - {"layout"}
    assert shown == there


def test_no_file_names_this_machine() -> None:
    files = [*MODULES, *(ROOT / "templates").rglob("*.*"), *(ROOT / "docs").rglob("*.md"), ROOT / "config.toml"]
    for path in files:
        found = re.search(r"/work/|/root/|/home/\w", path.read_text("utf-8"))
        assert found is None, (path, found)


def test_the_image_has_a_driver_for_each_database_of_a_newsroom() -> None:
    lock = (ROOT / "requirements-run.lock").read_text("utf-8")
    assert {"psycopg", "pymysql"} <= set(re.findall(r"^([a-z0-9-]+)==", lock, re.MULTILINE))
