"""`mailer init`, `config`, `db` and `health`, and the errors of an incomplete deployment."""

import fcntl
import os
import shlex
import shutil
import socket
import stat
import subprocess
import sys
from pathlib import Path

import crowd
import make
import pytest
from admin import Deployment, call, deployment, environ, free_port
from sqlalchemy import inspect, text

from mailer.config.reference import config_toml
from mailer.store.database import Store


@pytest.fixture
def here(tmp_path: Path) -> Deployment:
    return deployment(tmp_path / "deployment")


def test_init_makes_a_deployment_that_checks_out(tmp_path: Path) -> None:
    folder = tmp_path / "a" / "b"
    answer = call("init", str(folder))
    assert (answer.code, answer.err) == (0, "")
    expected = config_toml().replace('# templates = "templates"', 'templates = "templates"')
    assert (folder / "config.toml").read_text("utf-8") == expected != config_toml()
    assert (folder / "templates" / "mail" / "issue.html").is_file()
    assert stat.S_IMODE((folder / "secret.key").stat().st_mode) == 0o600
    assert (folder / "subscribers.db").is_file()
    assert f"cd {shlex.quote(str(folder))}" in answer.out
    checked = call("--config", str(folder / "config.toml"), "config", "check")
    assert checked.code == 0
    assert "no problem found. No database was opened, and no relay or site was asked." in checked.out


def test_init_keeps_existing_files(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("mine", "utf-8")
    first = call("init", str(tmp_path), "--json").json
    assert first == {"folder": str(tmp_path), "made": ["templates", "config.toml", "subscribers.db", "secret.key"]}
    (tmp_path / "config.toml").write_text('[newsletter]\nname = "روزنامه"\n', "utf-8")
    page = tmp_path / "templates" / "page" / "home.html"
    page.write_text("ours", "utf-8")
    before = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    again = call("init", str(tmp_path))
    assert again.code == 0
    assert "kept" in again.out
    assert "made" not in again.out
    assert {path: path.read_bytes() for path in before} == before


def test_init_makes_nothing_that_others_can_read(tmp_path: Path) -> None:
    assert call("init", str(tmp_path / "new")).code == 0
    here = Deployment(tmp_path / "new")
    with here.app() as app:
        app.store.write(lambda tx: tx.execute(text("UPDATE alembic_version SET version_num = version_num")))
        modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in here.folder.iterdir() if path.is_file()}
    names = (
        "config.toml",
        "secret.key",
        "secret.key.used",
        "subscribers.db",
        "subscribers.db-shm",
        "subscribers.db-wal",
    )
    assert modes == dict.fromkeys(names, 0o600)


def test_files_that_are_there_keep_their_rights(here: Deployment) -> None:
    for name in ("config.toml", "subscribers.db"):
        (here.folder / name).chmod(0o640)
    assert call("init", str(here.folder)).code == 0
    here.json("subscribers", "add", "a@example.org")
    for name in ("config.toml", "subscribers.db"):
        assert stat.S_IMODE((here.folder / name).stat().st_mode) == 0o640


def whole(folder: Path) -> None:
    """Asserts that a folder holds one complete deployment that uses its own templates."""
    names = {"config.toml", "secret.key", "subscribers.db", "templates"}
    after_use = {"subscribers.db-shm", "subscribers.db-wal", "secret.key.used"}
    assert {path.name for path in folder.iterdir()} - after_use == names
    assert 'templates = "templates"' in (folder / "config.toml").read_text("utf-8").splitlines()
    key = (folder / "secret.key").read_text("utf-8").splitlines()
    assert [line.split()[0] for line in key if line[:1] not in ("", "#")] == ["sign", "suppress"]
    built_in = {path.relative_to(make.TEMPLATES): path.read_bytes() for path in files(make.TEMPLATES)}
    assert {
        path.relative_to(folder / "templates"): path.read_bytes() for path in files(folder / "templates")
    } == built_in
    assert call("--config", str(folder / "config.toml"), "subscribers", "list", "--json").json == []


def files(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path.is_file()]


def test_init_waits_for_another_one_in_the_same_folder(tmp_path: Path) -> None:
    folder = os.open(tmp_path, os.O_RDONLY)
    fcntl.flock(folder, fcntl.LOCK_EX)  # as the other one does until it is done
    with subprocess.Popen([sys.executable, "-m", "mailer", "init", str(tmp_path)], env=environ()) as waiting:
        with pytest.raises(subprocess.TimeoutExpired):
            waiting.wait(1.5)
        assert list(tmp_path.iterdir()) == []
        os.close(folder)
        assert waiting.wait(60) == 0
    whole(tmp_path)


@pytest.mark.slow
def test_init_may_be_run_eight_times_at_once(tmp_path: Path) -> None:
    for number in range(5):
        folder = tmp_path / str(number)
        command = [sys.executable, "-m", "mailer", "init", str(folder)]
        running = [subprocess.Popen(command, env=environ(), stdout=subprocess.DEVNULL) for _ in range(8)]
        assert [process.wait(120) for process in running] == [0] * 8
        whole(folder)


@pytest.mark.slow
def test_a_deployment_may_be_made_by_eight_processes_at_once_again_and_again(tmp_path: Path) -> None:
    with crowd.crowd(crowd.init, 8) as play:
        for number in range(25):
            folder = tmp_path / str(number)
            assert play(str(folder)) == []
            whole(folder)


def test_init_beside_settings_makes_no_templates_that_nothing_uses(tmp_path: Path) -> None:
    (tmp_path / "config.toml").write_text("", "utf-8")
    assert call("init", str(tmp_path), "--json").json["made"] == ["subscribers.db", "secret.key"]
    assert not (tmp_path / "templates").exists()


def test_init_names_templates_that_the_settings_do_not_use(tmp_path: Path) -> None:
    (tmp_path / "templates").mkdir()
    assert "is not used" in call("init", str(tmp_path)).out
    (tmp_path / "config.toml").write_text('templates = "templates"\n', "utf-8")
    assert "is not used" not in call("init", str(tmp_path)).out


def test_init_where_nothing_can_be_made(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("", "utf-8")
    answer = call("init", str(tmp_path / "file" / "deeper"))
    assert answer.code == 4
    assert answer.err.startswith(f"mailer: {tmp_path / 'file'}")
    assert "Traceback" not in answer.err


def test_no_settings(tmp_path: Path) -> None:
    answer = call("--config", str(tmp_path / "config.toml"), "issue", "show")
    assert answer.code == 2
    assert "There is no config.toml" in answer.err
    assert "mailer init" in answer.err


def test_every_problem_at_once(
    here: Deployment, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    Path(here.config).write_text('[web]\nprot = 1\nport = "x"\n[schedule]\nday = "thurzday"\n', "utf-8")
    monkeypatch.setenv("MAILER_SCHEDULE__TIM", "10:00")
    monkeypatch.setenv("MAILER_WEB__HOST", "127.0.0.1")
    answer = here.call("config", "check")
    assert answer.code == 2
    lines = answer.err.splitlines()
    assert len(lines) == 4
    assert "config.toml:2: web.prot: there is no such setting" in lines[0]
    assert 'did you mean "port"' in lines[0]
    assert "config.toml:3: web.port" in lines[1]
    assert 'config.toml:5: schedule.day: "thurzday"' in lines[2]
    assert 'MAILER_SCHEDULE__TIM: there is no such setting (did you mean "MAILER_SCHEDULE__TIME"?)' in lines[3]
    assert here.call("config", "check", "--json").error["message"].count("\n") == 3


def test_config_check_warns_of_values_left_from_the_template(tmp_path: Path) -> None:
    assert call("init", str(tmp_path)).code == 0
    here = Deployment(tmp_path)
    lines = here.call("config", "check").out.splitlines()
    stops = "No issue goes to real readers before that."
    assert [(line.split()[1], line.endswith(stops)) for line in lines[1:]] == [
        ("newsletter.from", True),
        ("newsletter.base_url", True),
        ("newsletter.postal_address", False),
    ]
    document = here.json("config", "check")
    assert document["ok"] is True
    assert [(each["setting"], each["stops"]) for each in document["warnings"]][1] == ("newsletter.base_url", True)


@pytest.mark.parametrize("name", ["none/subscribers.db", "."])
def test_config_check_finds_a_database_file_that_cannot_be(here: Deployment, name: str) -> None:
    Path(here.config).write_text(f'[database]\nurl = "sqlite:///{name}"\n', "utf-8")
    answer = here.call("config", "check")
    assert answer.code == 2
    assert "database.url: " in answer.err


def test_a_wrong_parameter_of_a_url_is_no_traceback(here: Deployment) -> None:
    Path(here.config).write_text('[database]\nurl = "postgresql://u:hunter2@127.0.0.1:9/n?foo=1"\n', "utf-8")
    answer = here.call("subscribers", "list")
    assert answer.code == 4
    assert "hunter2" not in answer.err
    assert "foo" in answer.err


def test_a_wrong_setting_stops_every_command_before_it_does_anything(here: Deployment) -> None:
    before = (here.folder / "subscribers.db").read_bytes()
    Path(here.config).write_text("[digest]\nstories = 0\n", "utf-8")
    for words in (("subscribers", "add", "a@example.org"), ("issue", "draft"), ("db", "upgrade"), ("health",)):
        assert here.call(*words).code == 2
    assert (here.folder / "subscribers.db").read_bytes() == before


def test_config_show_masks_secrets(here: Deployment) -> None:
    Path(here.config).write_text(
        '[[smtp]]\nhost = "127.0.0.1"\nusername = "u"\npassword = "hunter2"\n'
        '[database]\nurl = "postgresql://u:hunter2@db.example/x"\n',
        "utf-8",
    )
    shown = here.call("config", "show")
    assert shown.code == 0
    assert "hunter2" not in shown.out
    assert '  password = "***"' in shown.out
    assert "  reply_to = (not set)" in shown.out
    document = here.json("config", "show")
    assert document["smtp"][0]["password"] == "***"
    assert "hunter2" not in str(document)


def test_a_variable_wins_over_the_file(here: Deployment, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MAILER_DIGEST__STORIES", "7")
    assert here.json("config", "show")["digest"]["stories"] == 7


def test_the_config_can_be_named_by_a_variable(here: Deployment, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MAILER_CONFIG", here.config)
    assert call("subscribers", "list", "--json").json == []


def test_no_key(here: Deployment) -> None:
    (here.folder / "secret.key").unlink()
    answer = here.call("subscribers", "list")
    assert answer.code == 2
    assert "there is no key file" in answer.err
    assert answer.err.index("backup") < answer.err.index("`mailer init`")
    assert not (here.folder / "secret.key").exists()


@pytest.mark.parametrize("trace", ["stamp", "subscribers"])
def test_a_lost_key_is_not_replaced_by_init(here: Deployment, trace: str) -> None:
    here.json("subscribers", "add", "a@iran.example")
    if trace == "stamp":
        (here.folder / "subscribers.db").unlink()
    else:
        (here.folder / "secret.key.used").unlink()
    key = here.folder / "secret.key"
    key.unlink()
    answer = call("init", str(here.folder))
    assert (answer.code, answer.out) == (3, "")
    assert "Restore the key from a backup" in answer.err
    assert "`mailer init --new-key`" in answer.err
    assert not key.exists()
    new = ["--new-key", *(["--new-database"] if trace == "stamp" else [])]
    assert call("init", str(here.folder), *new, "--json").json["made"][-1] == "secret.key"
    assert len(here.json("subscribers", "list")) == (trace == "subscribers")


def test_a_new_key_never_replaces_one_that_is_there(here: Deployment) -> None:
    before = (here.folder / "secret.key").read_bytes()
    assert call("init", str(here.folder), "--new-key", "--json").json["made"] == []
    assert (here.folder / "secret.key").read_bytes() == before


def test_init_does_not_pass_over_a_key_that_is_none(here: Deployment) -> None:
    key = here.folder / "secret.key"
    key.unlink()
    key.mkdir()
    assert "cannot be read" in call("init", str(here.folder)).err
    key.rmdir()
    key.symlink_to(here.folder / "elsewhere.key")
    for more in ((), ("--new-key",)):
        answer = call("init", str(here.folder), *more)
        assert (answer.code, (here.folder / "elsewhere.key").exists()) == (2, False)


def test_a_damaged_key_is_never_shown(here: Deployment) -> None:
    key = here.folder / "secret.key"
    secret = key.read_text("utf-8").split("sign ")[-1].split()[0]
    key.write_text(f"sign {secret[:-2]}\n", "utf-8")
    answer = here.call("subscribers", "list")
    assert answer.code == 2
    assert secret[:20] not in answer.err + answer.out


def test_the_database_is_made_on_first_use_and_never_replaced(here: Deployment) -> None:
    database = here.folder / "subscribers.db"
    database.unlink()
    assert here.json("subscribers", "list") == []
    assert database.is_file()
    here.json("subscribers", "add", "a@iran.example")
    database.rename(here.folder / "subscriber.db")
    for words in (("subscribers", "list"), ("db", "upgrade"), ("health", "--store"), ("issue", "draft")):
        answer = here.call(*words)
        assert answer.code == 4, words
        assert f"The database {database} is missing" in answer.err
        assert "was it lost, or is the name mistyped?" in answer.err
        assert "mailer init --new-database" in answer.err
    again = call("init", str(here.folder), "--json")
    assert (again.code, again.error["code"]) == (4, "store_unavailable")
    assert not database.exists()
    (here.folder / "subscriber.db").rename(database)
    assert len(here.json("subscribers", "list")) == 1
    assert call("init", str(here.folder), "--new-database", "--json").json["made"] == [], "it is there"
    database.unlink()
    assert call("init", str(here.folder), "--new-database", "--json").json["made"] == ["subscribers.db"]
    assert here.json("subscribers", "list") == []


def test_a_name_mistyped_in_a_variable_makes_no_empty_list(here: Deployment, monkeypatch: pytest.MonkeyPatch) -> None:
    here.json("subscribers", "add", "a@iran.example")
    monkeypatch.setenv("MAILER_DATABASE__URL", "sqlite:///subscriber.db")
    assert here.call("subscribers", "list").code == 4
    assert not (here.folder / "subscriber.db").exists()


def others_table(url: str) -> None:
    store = Store(url)
    store.write(lambda tx: tx.execute(text("CREATE TABLE subscribers (id INTEGER)")))
    store.close()


def tables(url: str) -> list[str]:
    store = Store(url)
    found = store.read(lambda tx: sorted(inspect(tx).get_table_names()))
    store.close()
    return found


@pytest.mark.parametrize("server", [False, True])
def test_the_database_of_another_program_gets_no_tables(
    here: Deployment, server: bool, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> None:
    url = request.getfixturevalue("empty_postgresql_url") if server else f"sqlite:///{here.folder / 'other.db'}"
    others_table(url)
    monkeypatch.setenv("MAILER_DATABASE__URL", url)
    init = ("init", str(here.folder))
    for words in (("subscribers", "list"), ("db", "upgrade"), init, (*init, "--new-database")):
        answer = here.call(*words)
        assert answer.code == 4, words
        assert "belongs to another program" in answer.err
    assert tables(url) == ["subscribers"]


def test_tables_of_an_extension_do_not_make_a_database_foreign(
    tmp_path: Path, empty_postgresql_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """PostGIS, for example, has a table. The database may still be empty, and mailer's own."""
    store = Store(empty_postgresql_url)
    store.write(lambda tx: tx.execute(text("CREATE TABLE spatial_ref_sys (srid INTEGER)")))
    store.write(lambda tx: tx.execute(text("ALTER EXTENSION plpgsql ADD TABLE spatial_ref_sys")))
    store.close()
    monkeypatch.setenv("MAILER_DATABASE__URL", empty_postgresql_url)
    assert call("init", str(tmp_path), "--json").code == 0
    assert {"spatial_ref_sys", "subscribers"} <= set(tables(empty_postgresql_url))


@pytest.mark.parametrize("server", [False, True])
def test_an_empty_database_does_not_replace_the_one_of_a_used_key(
    here: Deployment, server: bool, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> None:
    here.json("subscribers", "add", "a@iran.example")
    url = request.getfixturevalue("empty_postgresql_url") if server else f"sqlite:///{here.folder / 'other.db'}"
    assert tables(url) == []
    monkeypatch.setenv("MAILER_DATABASE__URL", url)
    for words in (("subscribers", "list"), ("db", "upgrade"), ("init", str(here.folder))):
        answer = here.call(*words)
        assert answer.code == 4, words
        assert "was it lost, or is the name mistyped?" in answer.err
        assert "mailer init --new-database" in answer.err
    assert tables(url) == []
    assert len(call("init", str(here.folder), "--new-database", "--json").json["made"]) == 1
    assert here.json("subscribers", "list") == []


def test_a_database_in_memory_leaves_no_stamp(here: Deployment, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MAILER_DATABASE__URL", "sqlite:///:memory:")
    assert here.call("subscribers", "list").code == 4, "each connection would have a database of its own"
    assert not (here.folder / "secret.key.used").exists()
    answer = here.call("config", "check")
    assert answer.code == 2
    assert "a database in memory ends with each command" in answer.err


def test_the_target_of_a_link_is_made_private(here: Deployment) -> None:
    database, target = here.folder / "subscribers.db", here.folder / "target.db"
    database.unlink()
    database.symlink_to(target)
    assert here.json("subscribers", "list") == []
    assert stat.S_IMODE(target.stat().st_mode) == 0o600
    assert database.is_symlink()
    target.unlink()
    assert f"The database {target} is missing" in here.call("subscribers", "list").err


def test_what_is_left_of_a_lost_database_is_not_mixed_with_a_new_one(here: Deployment) -> None:
    (here.folder / "subscribers.db").unlink()
    (here.folder / "subscribers.db-wal").write_bytes(b"what was not yet written to the file")
    for words in (("subscribers", "list"),):
        assert "subscribers.db-wal is there" in here.call(*words).err
    assert "move subscribers.db-wal away first" in call("init", str(here.folder), "--new-database").err
    assert not (here.folder / "subscribers.db").exists()


def test_first_commands_at_once_all_succeed(tmp_path: Path) -> None:
    here = deployment(tmp_path)
    (here.folder / "subscribers.db").unlink()
    words = [sys.executable, "-m", "mailer", "--config", here.config, "subscribers"]
    commands = [[*words, "add", f"{number}@iran.example"] for number in range(3)] + [[*words, "list"]] * 3
    streams = {"stdout": subprocess.DEVNULL, "stderr": subprocess.PIPE}
    running = [subprocess.Popen(each, env=environ(), text=True, **streams) for each in commands]  # type: ignore[call-overload]
    assert [(process.communicate(timeout=120)[1], process.returncode) for process in running] == [("", 0)] * 6
    assert len(here.json("subscribers", "list")) == 3
    assert not list(here.folder.glob(".*"))


def test_upgrade(here: Deployment) -> None:
    done = here.json("db", "upgrade")
    assert done["before"] == done["after"] is not None
    assert "already" in here.call("db", "upgrade").out


def test_tables_of_another_version(here: Deployment) -> None:
    with here.app() as app:
        app.store.write(lambda tx: tx.execute(text("UPDATE alembic_version SET version_num = '9999'")))
    answer = here.call("subscribers", "list")
    assert answer.code == 4
    assert "newer mailer" in answer.err


def test_health_without_a_service(tmp_path: Path) -> None:
    here = deployment(tmp_path, web=free_port())
    answer = here.call("health")
    assert answer.code == 4
    assert "Connection refused" in answer.err
    assert "urlopen" not in answer.err
    assert here.call("health", "--json").error["code"] == "outside_error"


def test_health_of_a_part_without_pages_is_the_databases(here: Deployment) -> None:
    assert here.json("health", "--store") == {"status": "ok"}
    (here.folder / "subscribers.db").write_bytes(b"no database at all, but long enough to be looked at" * 50)
    assert here.call("health", "--store").code == 4


def test_demo_over_a_deployment(here: Deployment) -> None:
    before = {path.name: path.read_bytes() for path in here.folder.iterdir()}
    answer = call("demo", "--once", "--out", str(here.folder))
    assert answer.code == 3
    assert "Name another folder with --out." in answer.err
    assert {path.name: path.read_bytes() for path in here.folder.iterdir()} == before


def test_demo_on_a_port_that_is_taken(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        answer = call("demo", "--once", "--port", str(port), "--out", str(tmp_path / "out"), "--json")
    assert (answer.code, answer.error["code"]) == (4, "outside_error")
    assert str(port) in answer.error["message"]
    assert not (tmp_path / "out" / "config.toml").exists()


def test_a_deployment_can_be_moved(here: Deployment, tmp_path: Path) -> None:
    assert here.call("subscribers", "add", "a@example.org").code == 0
    shutil.move(here.folder, tmp_path / "moved")
    assert Deployment(tmp_path / "moved").json("subscribers", "list")[0]["email"] == "a@example.org"
