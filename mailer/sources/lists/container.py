"""Opens the file that an admin gives: a text file, an Excel workbook, or a ZIP archive with one of these in it.

A file of another kind is refused, with an error that names the kind and says how to turn the file into a list. Nothing
is written to the disk, so malicious file names in an archive do no harm.
"""

import io
import re
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import IO

from mailer.errors import UnreadableInput

_MOST_MEMBERS = 2000  # maximum number of files in an archive
_LARGEST = 1 << 30  # maximum number of bytes of a member after decompression
_FREE = 20 << 20  # any member may have this many bytes after decompression, however small it is before
_MOST_TIMES = 100  # bytes beyond _FREE that a member may have for each compressed byte; real lists have about ten
_LARGEST_WORKBOOK = 64 << 20  # maximum number of bytes of a workbook in an archive; it is read into memory
# The exceptions that reading a damaged or hostile archive can raise.
DAMAGED = (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError, ValueError, OverflowError)

_SAVE_AS_CSV = "Open it in a spreadsheet program and save it as CSV (UTF-8) or .xlsx."
# Kinds of files that are not lists: the first bytes, the name of the kind, and advice for the admin.
_OTHER_KINDS = (
    (b"%PDF", "a PDF document", "Export the list as CSV from where the PDF was made."),
    (b"\x1f\x8b", "a gzip archive", "Unpack it first: gunzip FILE."),
    (b"BZh", "a bzip2 archive", "Unpack it first."),
    (b"\xfd7zXZ", "an xz archive", "Unpack it first."),
    (b"(\xb5/\xfd", "a Zstandard archive", "Unpack it first."),
    (b"7z\xbc\xaf", "a 7-Zip archive", "Unpack it first."),
    (b"Rar!", "a RAR archive", "Unpack it first."),
    (b"SQLite format 3\0", "an SQLite database", "Export its table of people as CSV."),
    (b"{\\rtf", "a rich text document", "Save the list as CSV."),
    (b"\x89PNG", "a picture", "Give the list as CSV or .xlsx."),
    (b"\xff\xd8\xff", "a picture", "Give the list as CSV or .xlsx."),
    (b"GIF8", "a picture", "Give the list as CSV or .xlsx."),
    (b"\x7fELF", "a program", "Give the list as CSV or .xlsx."),
    (b"MZ\x90\0", "a program", "Give the list as CSV or .xlsx."),
)
_OTHER_TEXTS = (
    (re.compile(r"<(?:!doctype html|html|head|body|table|meta)\b", re.I), "an HTML page", _SAVE_AS_CSV),
    (
        re.compile(r"<\?mso-application|<\?xml[^>]{0,200}\?>\s*<\?mso-application", re.I),
        "an Excel XML file",
        _SAVE_AS_CSV,
    ),
    (re.compile(r"<(?:\?xml|[a-z][\w:.-]{0,40}[\s>/])", re.I), "an XML document", "Export the list as CSV."),
    (re.compile(r"BEGIN:VCARD", re.I), "a file of vCards", "Export the contacts as CSV."),
    (re.compile(r"dn:\s", re.I), "an LDIF directory", "Export the people as CSV."),
    (re.compile(r"MIME-Version:|From \S{1,64}@\S{1,200} ", re.I), "a mail", "Export the list as CSV."),
    (
        re.compile(r"(?:--[^\n]{0,200}\n\s*)*(?:CREATE TABLE|INSERT INTO|/\*!\d)", re.I),
        "an SQL dump",
        "Export the table as CSV.",
    ),
    (
        re.compile(r"\[\s*(?:\{|\[|\"|\d|\]|$)"),
        "a JSON array",
        "Write one JSON object on each line (JSON Lines): jq -c '.[]' FILE.",
    ),
    (
        re.compile(r"\{\s*\n"),
        "a JSON document over several lines",
        "Write one JSON object on each line (JSON Lines).",
    ),
)
_OLE = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"  # Microsoft Office files before 2007, and newer encrypted files
_LISTS = (".csv", ".tsv", ".tab", ".txt", ".jsonl", ".ndjson", ".json", ".xlsx")


@dataclass(frozen=True, slots=True)
class Content:
    """The bytes of a list, which can be read several times."""

    path: Path
    name: str  # the name of the file, or of the member of the archive
    archived: bool = False  # True if the list is a member of the ZIP archive at `path`
    workbook: bool = False

    @contextmanager
    def opened(self) -> Iterator[IO[bytes]]:
        """Open the bytes as a binary file. Raises UnreadableInput if they cannot be read to the end."""
        try:
            if self.archived:
                with self._member() as member:
                    yield member
            else:
                with self.path.open("rb") as file:
                    yield file
        except OSError as error:
            raise UnreadableInput(f"{self.path}: it cannot be read ({error.strerror or error}).") from error

    @contextmanager
    def _member(self) -> Iterator[IO[bytes]]:
        try:
            with zipfile.ZipFile(self.path) as archive, archive.open(self.name) as member:
                yield io.BytesIO(member.read(_LARGEST_WORKBOOK)) if self.workbook else member
        except DAMAGED as error:
            raise damaged(self.path, error) from error

    @property
    def shown(self) -> str:
        """The name of the list in messages."""
        return f"{self.path} ({self.name!r})" if self.archived else str(self.path)


def damaged(path: Path, error: Exception) -> UnreadableInput:
    return UnreadableInput(
        f"{path}: the archive is damaged ({str(error)[:100] or type(error).__name__}).", "Export it again."
    )


def content(path: Path) -> Content:
    """Return the list in a file. If the file is of another kind, raises UnreadableInput with the name of that kind."""
    plain = Content(path, path.name)
    with plain.opened() as raw:
        head = raw.read(64 * 1024)
    if head.startswith((b"PK\x03\x04", b"PK\x05\x06")):
        return _in_archive(path)
    if head.startswith(_OLE):
        raise _old_office(plain)
    for beginning, kind, fix in _OTHER_KINDS:
        if head.startswith(beginning):
            raise UnreadableInput(f"{path}: this is {kind}, not a list.", fix)
    return plain


def check_text(shown: str, begins: str) -> None:
    """Raises UnreadableInput if the beginning of a text shows that it is not a list but, for example, an HTML page."""
    begins = begins.lstrip("\ufeff \t\r\n")
    for pattern, kind, fix in _OTHER_TEXTS:
        if pattern.match(begins):
            raise UnreadableInput(f"{shown}: this is {kind}, not a list.", fix)


def _old_office(plain: Content) -> UnreadableInput:
    """Return the error for a file of Microsoft Office before 2007, or for an encrypted new one."""
    kinds = (("Workbook", "an Excel 97 file"), ("Book", "an Excel 5 file"), ("WordDocument", "a Word file"))
    streams = ["EncryptedPackage", *(stream for stream, _ in kinds)]
    found = {stream for stream in streams if _holds(plain, stream.encode("utf-16-le"))}
    if "EncryptedPackage" in found:
        return UnreadableInput(f"{plain.path}: this file is protected by a password.", "Save it without a password.")
    kind = next((kind for stream, kind in kinds if stream in found), "an old Microsoft Office file")
    return UnreadableInput(f"{plain.path}: this is {kind}, which cannot be read.", _SAVE_AS_CSV)


def _holds(plain: Content, name: bytes) -> bool:
    """Return True if the file contains the name of a stream. Reads the whole file: the name may be near the end."""
    with plain.opened() as raw:
        before = b""
        while chunk := raw.read(1 << 20):
            if name in before + chunk:
                return True
            before = chunk[-len(name) :]
    return False


# --- archives --------------------------------------------------------------------------------------------------------
_INSIDE = (
    ("xl/workbook.bin", "an Excel binary workbook (.xlsb)"),
    ("content.xml", "an OpenDocument file"),
    ("word/document.xml", "a Word file"),
    ("ppt/presentation.xml", "a PowerPoint file"),
    ("Index/Document.iwa", "a Numbers or Pages document"),
    ("Index.zip", "a Numbers or Pages document"),
)


def _in_archive(path: Path) -> Content:
    try:
        with zipfile.ZipFile(path) as archive:
            members = archive.infolist()
    except (*DAMAGED, OSError) as error:
        raise damaged(path, error) from error
    if len(members) > _MOST_MEMBERS:
        raise UnreadableInput(f"{path}: the archive has {len(members):,} files.", "Unpack it and give the list alone.")
    names = {member.filename for member in members}
    if "xl/workbook.bin" not in names and any(name.endswith("xl/workbook.xml") for name in names):
        return Content(path, path.name, workbook=True)
    for inside, kind in _INSIDE:
        if inside in names:
            raise UnreadableInput(f"{path}: this is {kind}, which cannot be read.", _SAVE_AS_CSV)
    # `is_dir` is not used, because it fails on members without a name, which occur in damaged archives.
    files = [each for each in members if not each.filename.endswith("/") and not _is_hidden(each.filename)]
    member = _only_list(path, files)
    check_member(path, member)
    return Content(path, member.filename, archived=True, workbook=_is_workbook(path, member))


def _is_hidden(name: str) -> bool:
    parts = PurePosixPath(name).parts
    return "__MACOSX" in parts or any(part.startswith(".") and part != ".." for part in parts)


def _only_list(path: Path, members: list[zipfile.ZipInfo]) -> zipfile.ZipInfo:
    lists = [each for each in members if each.filename.lower().endswith(_LISTS)]
    if len(lists) == 1:
        return lists[0]
    named = ", ".join(repr(each.filename[:100]) for each in (lists or members)[:10])
    if lists:
        raise UnreadableInput(
            f"{path}: the archive holds {len(lists)} lists: {named}.", "Unpack it and import them one by one."
        )
    raise UnreadableInput(
        f"{path}: the archive holds no list{f', but {named}' if named else ''}.", "Give a CSV or .xlsx file."
    )


def check_member(path: Path | str, member: zipfile.ZipInfo) -> None:
    """Raises UnreadableInput if a member needs a password, has an unknown compression, or would become too large."""
    if member.flag_bits & 1:
        raise UnreadableInput(
            f"{path}: the archive is protected by a password.", "Unpack it and import the list in it."
        )
    if member.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        raise UnreadableInput(f"{path}: the archive is compressed in a way that cannot be read.", "Unpack it first.")
    if member.file_size > _LARGEST or member.file_size > _FREE + _MOST_TIMES * member.compress_size:
        raise UnreadableInput(
            f"{path}: {member.filename[:100]!r} would have {member.file_size:,} bytes, too many for a list.",
            "Unpack it and look what is in it.",
        )


def _is_workbook(path: Path, member: zipfile.ZipInfo) -> bool:
    """Return True if the member is a workbook. Raises UnreadableInput if it is another archive or not a list."""
    content_ = Content(path, member.filename, archived=True)
    with content_.opened() as raw:
        head = raw.read(4096)
    if head.startswith(b"PK"):
        if not member.filename.lower().endswith(".xlsx") or member.file_size > _LARGEST_WORKBOOK:
            raise UnreadableInput(f"{path}: the archive holds another archive.", "Unpack it and give the list alone.")
        return True
    for beginning, kind, fix in (*_OTHER_KINDS, (_OLE, "an old Microsoft Office file", _SAVE_AS_CSV)):
        if head.startswith(beginning):
            raise UnreadableInput(f"{content_.shown}: this is {kind}, not a list.", fix)
    return False
