"""Compiles a mail once for all readers, and merges each reader's own values into it.

A rendered mail is compiled to constant bytes and *regions*. A region consists of the whole base64 lines that contain a
placeholder. For each reader, only the regions are encoded. The length of a value must not shift the lines after a
region, so a region is padded with blanks to the end of its last line. The blanks are put where they have no effect: in
HTML inside the next end tag (`</p   >`), in text at the end of the line. All bytes are 7-bit, so that no relay has to
encode the mail again, which would break its signature.

`headers` decides which fields a mail has, `placeholders` escapes the values, and `dkim` signs.
"""

import re
from binascii import b2a_base64
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from mailer.mail import header_encoding, placeholders

LINE = 57  # how many bytes make one base64 line of 76 characters (RFC 2045 §6.8)

Part = Literal["html", "text"]
Use = tuple[str, Part]  # the name of a placeholder, and the part of the mail in which it occurs

_SUBTYPE: Mapping[Part, bytes] = {"text": b"plain", "html": b"html"}
# Blanks after a match have no effect: HTML §13.1.2.2 allows them in an end tag, and mail programs do not show them at
# the end of a line.
_BLANKS_MEAN_NOTHING: Mapping[Part, re.Pattern[bytes]] = {
    "html": re.compile(rb"</[A-Za-z][A-Za-z0-9]*(?=>)"),
    "text": re.compile(rb"(?=\r\n)"),
}
_BOUNDARY = re.compile(r"=_[A-Za-z0-9]{8,60}")  # a base64 line never contains "=_"


@dataclass(frozen=True, slots=True)
class Region:
    """Whole base64 lines that contain placeholders.

    `pieces` has the content in order: constant bytes, and each placeholder as an index into `Template.needs`. `padded`
    is True if the last line must be filled with blanks, and False if the region is at the end of its part.
    """

    pieces: tuple[bytes | int, ...]
    padded: bool

    def merge(self, ready: Sequence[bytes]) -> bytes:
        """Returns the base64 lines for one reader. `ready` has the escaped values in the order of `Template.needs`."""
        raw = b"".join([piece if isinstance(piece, bytes) else ready[piece] for piece in self.pieces])
        return _encoded(raw + b" " * (-len(raw) % LINE) if self.padded else raw)


@dataclass(frozen=True, slots=True)
class Template:
    """A compiled mail, which contains no data of a reader. Several threads may share a template."""

    fields: tuple[bytes | str, ...]  # constant bytes, and the names of fields that differ for each reader, in order
    pieces: tuple[bytes | Region, ...]
    needs: tuple[Use, ...]  # the values to fill in; regions refer to them by index
    names: tuple[str, ...]  # the names in `needs`, without repetition

    def head(self, fields: Mapping[str, bytes]) -> bytes:
        """Returns the header block without the empty line after it.

        `fields` has one reader's values, made by `headers.reader_fields`. Raises ValueError if a value is missing or
        could end its field early.
        """
        try:
            return b"".join(
                [each if isinstance(each, bytes) else header_encoding.sound(each, fields[each]) for each in self.fields]
            )
        except KeyError as missing:
            raise ValueError(f"no value for the field {missing.args[0]}") from None

    def body(self, values: Mapping[str, str]) -> list[bytes]:
        """Returns the body of the mail for one reader, in pieces to be joined.

        Values without a placeholder are ignored. Raises ValueError if a placeholder has no value, or the value of an
        `…_url` is not an http(s) address.
        """
        try:
            checked = {name: placeholders.checked(name, values[name]) for name in self.names}
        except KeyError as missing:
            raise ValueError(f"no value for the placeholder {missing.args[0]!r}") from None
        ready = [placeholders.escaped(checked[name], part).encode() for name, part in self.needs]
        return [piece if isinstance(piece, bytes) else piece.merge(ready) for piece in self.pieces]

    def merge(self, fields: Mapping[str, bytes], values: Mapping[str, str]) -> bytes:
        """Returns the whole mail for one reader, as 7-bit lines that end with CRLF.

        No line begins with a dot, so the mail needs no dot-stuffing after DATA (RFC 5321 §4.5.2).
        """
        return b"".join([self.head(fields), b"\r\n", *self.body(values)])


def compile(fields: Sequence[tuple[str, bytes]], own: Collection[str], text: str, html: str, boundary: str) -> Template:
    """Compiles a rendered mail.

    `fields` has the header fields for any one reader, in order, as `headers.message_headers` returns them. `own` has
    the names of the fields that differ between readers. Both parts may contain placeholders. The mail has the text part
    first, because the preferred part must be last (RFC 2046 §5.1.4).

    Raises ValueError if a parser would not see exactly these fields, if the boundary is malformed or is not the one in
    Content-Type, or if a placeholder is broken.
    """
    written = header_encoding.block(fields)
    if not _BOUNDARY.fullmatch(boundary) or f'boundary="{boundary}"'.encode() not in written:
        raise ValueError("the boundary is not the one of the headers")
    indexes: dict[Use, int] = {}
    line = b"--" + boundary.encode("ascii")
    pieces = [*_part(line, "text", text, indexes), *_part(line, "html", html, indexes), line + b"--\r\n"]
    names = tuple(dict.fromkeys(name for name, _ in indexes))
    return Template(tuple(_head(fields, own)), tuple(_joined(pieces)), tuple(indexes), names)


def _head(fields: Sequence[tuple[str, bytes]], own: Collection[str]) -> Iterator[bytes | str]:
    constant = b""
    for name, value in fields:
        if name in own:
            yield constant + name.encode("ascii") + b": "
            yield name
            constant = b"\r\n"
        else:
            constant += header_encoding.field(name, value)
    yield constant


def _part(line: bytes, part: Part, content: str, indexes: dict[Use, int]) -> Iterator[bytes | Region]:
    """Yields the pieces of one part, beginning with its boundary line. Adds new placeholders to `indexes`."""
    head = b"%s\r\nContent-Type: text/%s; charset=utf-8\r\nContent-Transfer-Encoding: base64\r\n\r\n"
    yield head % (line, _SUBTYPE[part])
    region: list[bytes | int] = []
    constant = b""  # the bytes after the last region; the first byte begins a base64 line
    for piece in placeholders.split(_canonical(content)):
        raw = piece.encode()
        if names := placeholders.names(piece):
            if not region:
                whole = len(constant) // LINE * LINE
                yield _encoded(constant[:whole])
                region.append(constant[whole:])
            region += [indexes.setdefault((name, part), len(indexes)) for name in names]
        elif b"\x02" in raw or b"\x03" in raw:
            raise ValueError("a broken placeholder is left in the text")
        elif not region:
            constant = raw
        elif place := _BLANKS_MEAN_NOTHING[part].search(raw):
            yield Region((*region, raw[: place.end()]), padded=True)
            region, constant = [], raw[place.end() :]
        else:
            region.append(raw)
    yield Region(tuple(region), padded=False) if region else _encoded(constant)


def _canonical(content: str) -> str:
    # Text must have CRLF line ends before it is encoded as base64 (RFC 2045 §6.8).
    return content.replace("\r\n", "\n").replace("\r", "\n").replace("\n", "\r\n")


def _encoded(raw: bytes) -> bytes:
    written = b2a_base64(raw, newline=False)
    if 0 < len(written) <= 76:  # a fast path: most regions have one or two lines
        return written + b"\r\n"
    if 76 < len(written) <= 152:
        return b"%b\r\n%b\r\n" % (written[:76], written[76:])
    return b"".join([written[at : at + 76] + b"\r\n" for at in range(0, len(written), 76)])


def _joined(pieces: Iterable[bytes | Region]) -> Iterator[bytes | Region]:
    """Yields the pieces, with neighbouring constant pieces joined into one."""
    constant = b""
    for piece in pieces:
        if isinstance(piece, bytes):
            constant += piece
        else:
            yield constant
            yield piece
            constant = b""
    yield constant
