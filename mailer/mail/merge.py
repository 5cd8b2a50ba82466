"""One mail for many: what all readers share is encoded once, and a reader's own values are merged in.

A rendered mail is compiled to constant bytes and *regions*: the whole base64 lines that hold a slot. For a reader only
the regions are encoded. So that a name of any length moves nothing behind it, its last line is filled up with blanks at
the next place where blanks mean nothing: in HTML within an end tag (`</p   >`), in text at the end of the line. The
bytes are final: nothing behind this encodes them again, so that a signature holds and no relay needs 8BITMIME.

Which fields a mail has is decided in `mime`, what makes a value harmless in `slots`. Does not sign and does not send.
"""

import re
from binascii import b2a_base64
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from mailer.mail import headers, placeholders

LINE = 57  # bytes that make one base64 line of 76 letters (RFC 2045 §6.8)

Part = Literal["html", "text"]
Slot = tuple[str, Part]  # the name of a value, and what it is made harmless for

_SUBTYPE: Mapping[Part, bytes] = {"text": b"plain", "html": b"html"}
# Behind which bytes blanks mean nothing. HTML §13.1.2.2 allows them in an end tag, and no client draws them there.
_BLANKS_MEAN_NOTHING: Mapping[Part, re.Pattern[bytes]] = {
    "html": re.compile(rb"</[A-Za-z][A-Za-z0-9]*(?=>)"),
    "text": re.compile(rb"(?=\r\n)"),
}
_BOUNDARY = re.compile(r"=_[A-Za-z0-9]{8,60}")  # «=_» never begins, and is never within, a base64 line


@dataclass(frozen=True, slots=True)
class Region:
    """Whole base64 lines with slots in them: constant bytes, and numbers of slots, in turn. `padded`: filled up with
    blanks to the end of the last line; only what ends with its part is not."""

    pieces: tuple[bytes | int, ...]
    padded: bool

    def merge(self, ready: Sequence[bytes]) -> bytes:
        """The lines for a reader whose values, harmless, are `ready`."""
        raw = b"".join([piece if isinstance(piece, bytes) else ready[piece] for piece in self.pieces])
        return _encoded(raw + b" " * (-len(raw) % LINE) if self.padded else raw)


@dataclass(frozen=True, slots=True)
class Template:
    """A compiled mail. It holds nothing of any reader, and may be used by several threads at once."""

    fields: tuple[bytes | str, ...]  # constant bytes, and the names of fields whose value a reader brings, in turn
    pieces: tuple[bytes | Region, ...]
    needs: tuple[Slot, ...]  # what the numbers in regions stand for
    names: tuple[str, ...]  # the values in them

    def head(self, fields: Mapping[str, bytes]) -> bytes:
        """The header block without the empty line behind it; `fields` are this reader's own, written by `headers`.

        ValueError: one is missing, or its value could end its field early.
        """
        try:
            return b"".join(
                [each if isinstance(each, bytes) else headers.sound(each, fields[each]) for each in self.fields]
            )
        except KeyError as missing:
            raise ValueError(f"no value for the field {missing.args[0]}") from None

    def body(self, values: Mapping[str, str]) -> list[bytes]:
        """What comes behind the empty line, in pieces to be joined. Values without a slot are no error.

        ValueError: a slot has no value, or an `…_url` is not an http(s) address.
        """
        try:
            checked = {name: placeholders.checked(name, values[name]) for name in self.names}
        except KeyError as missing:
            raise ValueError(f"no value for the slot {missing.args[0]!r}") from None
        ready = [placeholders.written(checked[name], part).encode() for name, part in self.needs]
        return [piece if isinstance(piece, bytes) else piece.merge(ready) for piece in self.pieces]

    def merge(self, fields: Mapping[str, bytes], values: Mapping[str, str]) -> bytes:
        """The whole mail for one reader: CRLF, 7-bit, and no line begins with a dot, so that it can be written behind
        DATA as it is (RFC 5321 §4.5.2)."""
        return b"".join([self.head(fields), b"\r\n", *self.body(values)])


def compile(fields: Sequence[tuple[str, bytes]], own: Collection[str], text: str, html: str, boundary: str) -> Template:
    """Compiles a rendered mail. `fields` are those of any one reader, in order, as `mime` makes them; those named in
    `own` every reader brings. The parts may hold slots; text comes first (RFC 2046 §5.1.4: the better one last).

    ValueError: the fields do not parse back, the boundary is not that of the fields or not one of ours, a slot mark is
    broken.
    """
    written = headers.block(fields)
    if not _BOUNDARY.fullmatch(boundary) or f'boundary="{boundary}"'.encode() not in written:
        raise ValueError("the boundary is not the one of the headers")
    numbers: dict[Slot, int] = {}
    mark = b"--" + boundary.encode("ascii")
    pieces = [*_part(mark, "text", text, numbers), *_part(mark, "html", html, numbers), mark + b"--\r\n"]
    names = tuple(dict.fromkeys(name for name, _ in numbers))
    return Template(tuple(_head(fields, own)), tuple(_joined(pieces)), tuple(numbers), names)


def _head(fields: Sequence[tuple[str, bytes]], own: Collection[str]) -> Iterator[bytes | str]:
    constant = b""
    for name, value in fields:
        if name in own:
            yield constant + name.encode("ascii") + b": "
            yield name
            constant = b"\r\n"
        else:
            constant += headers.field(name, value)
    yield constant


def _part(mark: bytes, part: Part, content: str, numbers: dict[Slot, int]) -> Iterator[bytes | Region]:
    """One part, its head included. Slots not met before get the next number."""
    yield b"%s\r\nContent-Type: text/%s; charset=utf-8\r\nContent-Transfer-Encoding: base64\r\n\r\n" % (
        mark,
        _SUBTYPE[part],
    )
    region: list[bytes | int] = []
    constant = b""  # behind the last region; begins where a base64 line does
    for piece in placeholders.split(_canonical(content)):
        raw = piece.encode()
        if names := placeholders.names(piece):
            if not region:
                whole = len(constant) // LINE * LINE
                yield _encoded(constant[:whole])
                region.append(constant[whole:])
            region += [numbers.setdefault((name, part), len(numbers)) for name in names]
        elif b"\x02" in raw or b"\x03" in raw:
            raise ValueError("a broken slot mark is left in the text")
        elif not region:
            constant = raw
        elif place := _BLANKS_MEAN_NOTHING[part].search(raw):
            yield Region((*region, raw[: place.end()]), padded=True)
            region, constant = [], raw[place.end() :]
        else:
            region.append(raw)
    yield Region(tuple(region), padded=False) if region else _encoded(constant)


def _canonical(content: str) -> str:
    # Line ends become CRLF before base64 (RFC 2045 §6.8), so that decoded text is the same everywhere.
    return content.replace("\r\n", "\n").replace("\r", "\n").replace("\n", "\r\n")


def _encoded(raw: bytes) -> bytes:
    letters = b2a_base64(raw, newline=False)
    if 0 < len(letters) <= 76:  # as most regions are: one line or two
        return letters + b"\r\n"
    if 76 < len(letters) <= 152:
        return b"%b\r\n%b\r\n" % (letters[:76], letters[76:])
    return b"".join([letters[at : at + 76] + b"\r\n" for at in range(0, len(letters), 76)])


def _joined(pieces: Iterable[bytes | Region]) -> Iterator[bytes | Region]:
    """The same with neighbouring constants made one."""
    constant = b""
    for piece in pieces:
        if isinstance(piece, bytes):
            constant += piece
        else:
            yield constant
            yield piece
            constant = b""
    yield constant
