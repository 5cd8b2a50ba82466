"""All commands have help, exit codes, one JSON document, and a fast start."""

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import click
import make
import pytest
from admin import Deployment, articles_file, call, deployment, environ, program

from mailer.cli import cli

# Words that make a command's arguments complete, where it needs some.
WORDS = {
    "subscribers add": ("a@example.org",),
    "subscribers import": ("nobody.csv",),
    "subscribers show": ("a@example.org",),
    "subscribers unsubscribe": ("a@example.org",),
    "articles import": ("nothing.xml",),
    "articles show": ("1",),
    "issue test": ("a@example.org",),
}
NOT_ON_A_CONFIG = ("demo", "init")  # they make one


def commands(group: click.Group = cli, before: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], click.Command]]:
    """Every command below a group: its words and itself."""
    context = click.Context(group)
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        assert command is not None
        yield (*before, name), command
        if isinstance(command, click.Group):
            yield from commands(command, (*before, name))


ALL = list(commands())
LEAVES = [(words, command) for words, command in ALL if not isinstance(command, click.Group)]
WITH_JSON = [words for words, command in LEAVES if any("--json" in option.opts for option in command.params)]


def test_every_command_of_the_contract_is_here() -> None:
    there = {" ".join(words) for words, _ in LEAVES}
    issue = "draft list show explain preview hold release approve pause resume cancel test send status"
    wanted = {"demo", "init", "run", "health", "unsubscribes", "config check", "config show", "db upgrade"}
    wanted |= {f"issue {name}" for name in issue.split()}
    wanted |= {f"subscribers {name}" for name in ("add", "import", "list", "show", "unsubscribe")}
    wanted |= {f"articles {name}" for name in ("import", "list", "show")}
    assert wanted <= there


@pytest.mark.parametrize("words", [words for words, _ in ALL], ids=" ".join)
def test_every_command_has_help(words: tuple[str, ...]) -> None:
    answer = call(*words, "--help")
    assert (answer.code, answer.err) == (0, "")
    assert answer.out.startswith(f"Usage: mailer {' '.join(words)}")
    assert call(*words, "-h").out == answer.out


@pytest.mark.parametrize(("words", "command"), ALL, ids=lambda each: " ".join(each) if isinstance(each, tuple) else "")
def test_every_option_has_help_and_no_line_of_help_is_cut_off(words: tuple[str, ...], command: click.Command) -> None:
    silent = [option.name for option in command.params if isinstance(option, click.Option) and not option.help]
    assert set(silent) <= {"limit"}, words
    if len(words) > 1:  # the first list has lines of its own
        assert not command.get_short_help_str(limit=85).endswith("..."), "the line in the list of commands is cut off"


def test_the_list_of_commands_names_each_command() -> None:
    top = call("--help").out
    for words, command in ALL:
        if len(words) == 1:
            assert words[0] in top
            assert command.help


@pytest.mark.parametrize(
    ("words", "meant"),
    [(("isue",), "issue"), (("issue", "prewiew"), "preview"), (("subscriber", "add"), "subscribers")],
)
def test_did_you_mean(words: tuple[str, ...], meant: str) -> None:
    answer = call(*words)
    assert answer.code == 2
    assert "Did you mean" in answer.err
    assert f"'{meant}'" in answer.err
    assert call(*words, "--json").error["code"] == "usage_error"


def test_an_unknown_option_is_reported_with_a_similar_one() -> None:
    answer = call("issue", "send", "--nwo")
    assert answer.code == 2
    assert "--now" in answer.err


def test_only_the_service_itself_has_no_json() -> None:
    assert {" ".join(words) for words, _ in LEAVES} - {" ".join(words) for words in WITH_JSON} == {"run"}


@pytest.mark.parametrize("words", WITH_JSON, ids=" ".join)
def test_json_holds_for_errors_too(words: tuple[str, ...], tmp_path: Path) -> None:
    if words[0] in NOT_ON_A_CONFIG:
        (tmp_path / "config.toml").write_text("", "utf-8")
        demo = words == ("demo",)
        more = ("--once", "--out", str(tmp_path)) if demo else (str(tmp_path / "config.toml" / "deeper"),)
        answer, code = call(*words, *more, "--json"), 3 if demo else 4
    else:
        missing = str(tmp_path / "config.toml")
        answer, code = call("--config", missing, *words, *WORDS.get(" ".join(words), ()), "--json"), 2
    assert answer.code == code
    assert set(answer.error) == {"code", "message", "fix"}
    assert answer.error["message"]
    assert "Traceback" not in answer.err


@pytest.mark.parametrize("words", [words for words in WITH_JSON if words != ("demo",)], ids=" ".join)
def test_an_unknown_option_is_one_json_error(words: tuple[str, ...]) -> None:
    answer = call(*words, "--no-such-option", "--json")
    assert (answer.code, answer.error["code"]) == (2, "usage_error")


# Libraries that are slow to import; the commands below need none of them.
HEAVY = {
    "aiosmtpd", "aiosmtplib", "alembic", "apscheduler", "babel", "cryptography", "css_inline", "dns", "email_validator",
    "httpx", "jinja2", "nh3", "PIL", "prometheus_client", "psycopg", "rich", "starlette", "uvicorn",
}  # fmt: skip


def imported_by(config: str, *words: str) -> set[str]:
    """The top-level modules that a command imports, in a process of its own."""
    code = (
        "import sys; before = set(sys.modules)  # coverage, for example, imports modules of its own\n"
        "from mailer.cli import run\n"
        "code = run(sys.argv[1:])\n"
        "print('imported', *sorted({name.partition('.')[0] for name in sys.modules.keys() - before}))\n"
        "sys.exit(code)"
    )
    command = [sys.executable, "-c", code, "--config", config, *words]
    answer = subprocess.run(command, capture_output=True, text=True, check=True, env=environ())
    return set(answer.stdout.splitlines()[-1].split())


def test_help_imports_nothing_heavy(tmp_path: Path) -> None:
    found = imported_by(str(tmp_path / "config.toml"), "--help")
    assert "click" in found
    assert found & (HEAVY | {"sqlalchemy", "pydantic", "asyncio", "tomllib"}) == set()


@pytest.mark.parametrize(
    "words",
    [
        ("subscribers", "list"),
        ("issue", "show"),
        ("issue", "list"),
        ("articles", "list", "--json"),
        ("health", "--store"),
    ],
    ids=" ".join,
)
def test_short_commands_import_nothing_heavy(planned: Deployment, words: tuple[str, ...]) -> None:
    assert imported_by(planned.config, *words) & HEAVY == set()


@pytest.fixture(scope="module")
def planned(tmp_path_factory: pytest.TempPathFactory) -> Deployment:
    """A deployment with an issue to show."""
    made = deployment(tmp_path_factory.mktemp("planned"))
    assert made.call("issue", "draft").code == 0
    return made


@pytest.fixture(scope="module")
def stocked(tmp_path_factory: pytest.TempPathFactory) -> Deployment:
    """A deployment with more articles than a pipe holds."""
    folder = tmp_path_factory.mktemp("stocked")
    made = deployment(folder)
    assert made.call("articles", "import", str(articles_file(folder, 600))).code == 0
    return made


@pytest.mark.slow
@pytest.mark.parametrize("words", [("--json",), ()])
def test_a_reader_that_goes_away_is_no_error(stocked: Deployment, words: tuple[str, ...]) -> None:
    command = [sys.executable, "-m", "mailer", "--config", stocked.config, "articles", "list", "--limit", "600", *words]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=environ()) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.read(10)
        process.stdout.close()
        assert (process.wait(20), process.stderr.read()) == (0, b"")


@pytest.mark.slow
@pytest.mark.skipif(not Path("/dev/full").exists(), reason="this system has no /dev/full")
def test_output_that_cannot_be_written_is_reported(stocked: Deployment) -> None:
    with open(os.devnull.replace("null", "full"), "w") as full:  # noqa: PTH123 - a device
        answer = stocked.program("articles", "list", capture_output=False, stdout=full, stderr=subprocess.PIPE)
    assert answer.returncode == 4
    assert answer.stderr == "mailer: The output cannot be written: No space left on device.\n"


@pytest.mark.slow
def test_the_program_answers_as_the_process_does(stocked: Deployment) -> None:
    found = stocked.program("articles", "list", "--json")
    assert (found.returncode, found.stderr) == (0, "")
    assert json.loads(found.stdout) == stocked.json("articles", "list")
    assert program("--version").stdout.startswith("mailer ")
    assert program("--config", "/nowhere/config.toml", "issue", "show").returncode == 2


@pytest.fixture
def here(tmp_path: Path) -> Deployment:
    return deployment(tmp_path)


def in_shell(here: Deployment, words: str) -> "subprocess.CompletedProcess[str]":
    command = f'"{sys.executable}" -m mailer --config "{here.config}" {words}'
    return subprocess.run(["sh", "-c", command], text=True, capture_output=True, timeout=60, env=environ(), check=False)


@pytest.mark.parametrize(
    ("words", "code"),
    [
        ("subscribers list >&-", 0),
        ("issue show 1405-W01 2>&-", 3),
        ("issue show 1405-W01 2>/dev/full", 3),
        ("issue show 1405-W01 --json >/dev/full", 3),
        ("issue show 1405-W01 --json | true; exit 0", 0),
        ("subscribers list --json >/dev/full", 4),
    ],
)
@pytest.mark.skipif(not Path("/dev/full").exists(), reason="this system has no /dev/full")
def test_the_exit_code_is_right_when_output_is_impossible(here: Deployment, words: str, code: int) -> None:
    ended = in_shell(here, words)
    assert ended.returncode == code, ended.stderr
    assert "Traceback" not in ended.stderr
    assert "bug" not in ended.stderr


def test_text_that_is_no_utf8_is_refused_and_wipes_nothing(here: Deployment) -> None:
    with here.app() as app:
        make.week_of_articles(app.store, now=datetime.now(UTC))
    here.json("issue", "draft")
    subject = here.json("issue", "subject", "موضوع ویراستار")["subject"]
    assert "موضوع ویراستار" in subject
    for words in (["subject", "a\udcff"], ["intro", "a\udcff"], ["title", "1", "a\udcff"]):
        assert here.call("issue", *words).code == 2
    assert here.json("issue", "show")["subject"] == subject


def test_parts_that_are_named_by_nothing_start_nothing(here: Deployment) -> None:
    for words in ("", ",", " "):
        answer = here.call("run", "--only", words)
        assert answer.code == 2
        assert "no part is named" in answer.err


def test_init_uses_the_names_in_the_environment(tmp_path: Path) -> None:
    named = environ(MAILER_KEYS__FILE="other.key", MAILER_DATABASE__URL="sqlite:///other.db")
    assert program("init", str(tmp_path), env=named).returncode == 0
    assert (tmp_path / "other.key").exists()
    assert (tmp_path / "other.db").exists()
    assert not (tmp_path / "subscribers.db").exists()
    assert program("--config", str(tmp_path / "config.toml"), "config", "check", env=named).returncode == 0


def test_a_templates_folder_that_cannot_be_read_is_a_problem_and_not_passed_over() -> None:
    root = os.geteuid() == 0
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        folder.chmod(0o755)
        for part in ("templates", "templates/mail"):
            (folder / part).mkdir()
        (folder / "config.toml").write_text('templates = "templates"\n', "utf-8")
        (folder / "templates" / "mail").chmod(0o000)
        code = (
            "import os, sys; from pathlib import Path\n"
            "from mailer.config import load; from mailer.errors import ConfigError\n"
            "try:\n"
            " load(Path(sys.argv[1]), {})\n"
            + (" os.setuid(65534)\n" if root else "")  # root may look into everything
            + " load(Path(sys.argv[1]), {})\n"
            "except ConfigError as error:\n print(error)"
        )
        told = subprocess.run(
            [sys.executable, "-c", code, str(folder / "config.toml")], text=True, capture_output=True, check=False
        )
        (folder / "templates" / "mail").chmod(0o700)
    assert "cannot be read by this user" in told.stdout, told.stderr
