"""Makes files that appear only once they are complete, so that no other process ever reads an incomplete file."""

import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


def write_new(file: Path, content: bytes) -> bool:
    """Writes a file that only this user can read, unless a file of that name exists. Returns False if it existed."""
    with unnamed(file) as part:
        # The file is created with these permissions, so that no other user can read it even for a moment.
        with os.fdopen(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as out:
            out.write(content)
            out.flush()
            os.fsync(out.fileno())
        return publish(part, file)


@contextmanager
def unnamed(file: Path) -> Iterator[Path]:
    """Yields a temporary path beside `file`, where its new content can be written. Removes that path at the end."""
    part = file.with_name(f".{file.name}.{secrets.token_hex(4)}.part")
    try:
        yield part
    finally:
        part.unlink(missing_ok=True)


def publish(part: Path, file: Path) -> bool:
    """Gives a finished file its name. Returns False, and changes nothing, if that name is taken."""
    try:
        os.link(part, file)
    except FileExistsError:
        return False
    except OSError:  # some file systems have no hard links
        if os.access(file, os.F_OK):
            return False
        part.rename(file)
    return True
