"""Files that appear only once they are whole."""

import stat
from pathlib import Path

import pytest

from mailer.files import publish, unnamed, write_new


def test_a_new_file_is_whole_private_and_never_replaced(tmp_path: Path) -> None:
    file = tmp_path / "secret.key"
    assert write_new(file, b"first") is True
    assert write_new(file, b"second") is False
    assert file.read_bytes() == b"first"
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert list(tmp_path.iterdir()) == [file], "nothing else is left"


def test_what_was_not_finished_is_removed(tmp_path: Path) -> None:
    file = tmp_path / "subscribers.db"

    def fail() -> None:
        with unnamed(file) as part:
            part.write_bytes(b"half")
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fail()
    assert list(tmp_path.iterdir()) == []


def test_a_name_that_is_taken_meanwhile_stays(tmp_path: Path) -> None:
    file = tmp_path / "subscribers.db"
    with unnamed(file) as part:
        part.write_bytes(b"ours")
        file.write_bytes(b"theirs")
        assert publish(part, file) is False
    assert file.read_bytes() == b"theirs"
