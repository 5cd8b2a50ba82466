"""Encodes and decodes the messages between the service and the process that reads documents.

A request consists of two lengths, those of its header and its content, and then the header and the content. An answer
consists of the length of its text and then the text, which has one JSON value on each line. Each length is four bytes,
the most significant first.
"""

import json
import struct
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, BinaryIO

_REQUEST, _ANSWER = struct.Struct(">II"), struct.Struct(">I")
ANSWER_HEAD = _ANSWER.size  # bytes before the text of an answer


class AnswerTooLarge(Exception):
    """Raised if an answer has more bytes than its limit."""


def request(header: Mapping[str, Any], content: bytes) -> bytes:
    head = json.dumps(header).encode()
    return _REQUEST.pack(len(head), len(content)) + head + content


def read_request(source: BinaryIO) -> tuple[dict[str, Any], bytes] | None:
    """Return the next header and content. Returns None if the other side has closed the pipe."""
    lengths = source.read(_REQUEST.size)
    if len(lengths) < _REQUEST.size:
        return None
    head, content = _REQUEST.unpack(lengths)
    header, rest = source.read(head), source.read(content)
    return None if len(rest) < content else (json.loads(header), rest)


def answer(values: Iterable[Any], most: int) -> bytes:
    """Return the bytes of an answer. Raises AnswerTooLarge if that would be more than `most` bytes."""
    text = bytearray()
    for value in values:
        text += json.dumps(value, ensure_ascii=False).encode("utf-8", "surrogatepass") + b"\n"
        if len(text) > most:
            raise AnswerTooLarge
    return _ANSWER.pack(len(text)) + text


def answer_length(head: bytes) -> int:
    length: int = _ANSWER.unpack(head)[0]
    return length


def values(text: bytes) -> Iterator[Any]:
    """Yield the values of an answer. Each value is decoded separately, so that other threads can run in between."""
    for line in text.split(b"\n"):
        if line:
            yield json.loads(line.decode("utf-8", "surrogatepass"))
