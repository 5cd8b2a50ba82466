"""`mailer dkim keygen`: keys that only their owner can read, never overwritten, with records for verifiers."""

import json
from datetime import UTC, datetime
from pathlib import Path

import dkim as oracle
import idna
import pytest

from mailer import config
from mailer.cli import run
from mailer.config import dkim as keys
from mailer.errors import ConfigError

AT = datetime(2020, 11, 1, tzinfo=UTC)  # long ago: the verifier refuses signatures from the future
CONFIG = """\
[newsletter]
from = "خبرنامه <news@ایران-نمونه.example>"
[dkim]
domain = "iran.example"
selector = "s2026"
second_key_file = "ed.key"
"""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "config.toml"
    path.write_text(CONFIG, "utf-8")
    return path


def keygen(file: Path, capsys: pytest.CaptureFixture[str], *words: str) -> str:
    assert run(["--config", str(file), "dkim", "keygen", *words]) == 0
    return capsys.readouterr().out


def test_keys_are_made_once_and_readable_by_their_owner_only(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    first = json.loads(keygen(file, capsys, "--json"))
    paths = [Path(key["file"]) for key in first["keys"]]
    assert [path.name for path in paths] == ["dkim.key", "ed.key"]
    assert {path.stat().st_mode & 0o777 for path in paths} == {0o600}
    before = [path.read_bytes() for path in paths]
    second = json.loads(keygen(file, capsys, "--json"))
    assert [path.read_bytes() for path in paths] == before
    assert [key.pop("made") for key in first["keys"]] == [True, True]
    assert [key.pop("made") for key in second["keys"]] == [False, False]
    assert first == second


def test_the_published_record_verifies_signed_mails(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    shown = json.loads(keygen(file, capsys, "--json"))
    dns = {f"{key['name']}.".encode(): key["value"].encode() for key in shown["keys"]}
    assert set(dns) == {b"s2026._domainkey.iran.example.", b"mailer-second._domainkey.iran.example."}
    signer = keys.signer(config.load(file, {"MAILER_DELIVERY__DKIM": "self"}))
    assert signer is not None
    head, body = b"From: news@iran.example\r\n", b"x\r\n"
    mail = signer.sign(head, [body], AT) + head + b"\r\n" + body
    for index in (0, 1):
        assert oracle.DKIM(mail).verify(idx=index, dnsfunc=lambda name, timeout=5: dns[name])


def test_the_record_can_be_pasted(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = keygen(file, capsys)
    assert "made " in out
    assert 's2026._domainkey.iran.example. IN TXT ( "v=DKIM1; k=rsa; p=MIIB' in out
    assert 'dkim = "self"' in out  # what is left to do
    file.write_text('[delivery]\ndkim = "self"\n' + CONFIG, "utf-8")
    out = keygen(file, capsys)
    assert "kept " in out
    assert 'dkim = "self"' not in out


def test_the_domain_is_the_senders_when_none_is_named(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file.write_text(CONFIG.replace('domain = "iran.example"', ""), "utf-8")
    assert json.loads(keygen(file, capsys, "--json"))["domain"] == idna.encode("ایران-نمونه.example").decode()


def test_a_missing_or_wrong_key_is_reported_before_anything_is_sent(
    file: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = config.load(file, {"MAILER_DELIVERY__DKIM": "self"})
    assert keys.signer(config.load(file, {})) is None
    with pytest.raises(ConfigError, match=r"there is no DKIM key.*keygen"):
        keys.signer(settings)
    keygen(file, capsys)
    rsa, ed = (each.path for each in keys.key_files(settings))
    for content, match in (
        (ed.read_bytes(), "kind ed25519, not rsa"),
        (b"x", "is not a DKIM key: it holds no private"),
    ):
        rsa.write_bytes(content)
        with pytest.raises(ConfigError, match=match):
            keys.signer(settings)
    (file.parent / "secret.key").write_text(f"sign {'1' * 64}\nsuppress {'2' * 64}\n", "utf-8")
    monkeypatch.setenv("MAILER_DELIVERY__DKIM", "self")
    assert run(["--config", str(file), "config", "check"]) == 2
    assert str(rsa) in capsys.readouterr().err


def test_a_folder_in_place_of_a_key_is_reported(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (file.parent / "dkim.key").mkdir()
    assert run(["--config", str(file), "dkim", "keygen"]) == 2
    assert "dkim.key: cannot be read" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("line", "match"),
    [
        ('domain = "ایران.example"', "dkim.domain: .*ASCII"),
        ('domain = "Iran.example"', "dkim.domain: .*in lower case"),
        ('selector = "a.b;c"', "dkim.selector: .*hyphens"),
        ('second_selector = "mailer"\nsecond_key_file = "e"', "dkim: selector and second_selector are the same"),
    ],
)
def test_names_the_dns_cannot_have_are_found_in_the_settings(file: Path, line: str, match: str) -> None:
    file.write_text(f"[dkim]\n{line}\n", "utf-8")
    with pytest.raises(ConfigError, match=match):
        config.load(file, {})
