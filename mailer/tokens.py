"""Links and names that only we can make: tokens, the hash of a suppressed address, Message-IDs.

A token needs no table: it carries who and which issue, and a MAC that proves we made it for one purpose. This room does
not read the key file, knows no URL, and does not say for how long a token counts: the verb that reads it decides.
"""

import base64
import binascii
import hashlib
import hmac
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import StrEnum
from functools import lru_cache

from mailer.errors import BadToken, ConfigError


class Purpose(StrEnum):
    """What a token is for. Each has its own derived key, so that no token can be used for anything else."""

    UNSUBSCRIBE = "unsubscribe"
    PREFERENCES = "preferences"
    CONFIRM = "confirm"
    UNDO = "undo"
    REASON = "reason"  # to say why one left, for an hour
    FORM = "form"  # when the sign-up form was handed out
    EDITOR = "editor"
    BOUNCE = "bounce"
    MESSAGE = "message"


@dataclass(frozen=True, slots=True)
class Claim:
    """What a token says: subscriber and issue numbers (0: none) and a stamp, seconds since 1970 or a counter."""

    subscriber_id: int
    issue_id: int
    stamp: int


_VERSION = b"\x01"
_MAC_BYTES = 16
_BODY_BYTES = 1 + 6 + 4 + 4  # version, subscriber, issue, stamp
_URL_SAFE = bytes.maketrans(b"+/", b"-_")
_TOKEN_LETTERS = 42  # base64 of 31 bytes without padding
_KEY_BYTES = 32
_DOMAIN = re.compile(r"[A-Za-z0-9-]+(\.[A-Za-z0-9-]+)*")
_ATOM = re.compile(r"[A-Za-z0-9_-]+(\.[A-Za-z0-9_-]+)*")
_LONGEST_NAME = 100


class _Mac:
    """HMAC-SHA-256 (RFC 2104) under one key, whose two padded blocks are hashed once: every mail asks for three, and
    most of the time of `hmac.digest` is its beginning. May be used by several threads at once."""

    __slots__ = ("_inner", "_outer")

    def __init__(self, key: bytes) -> None:
        padded = key.ljust(64, b"\0")  # never longer than the block: it is derived
        self._inner = hashlib.sha256(bytes(each ^ 0x36 for each in padded))
        self._outer = hashlib.sha256(bytes(each ^ 0x5C for each in padded))

    def of(self, message: bytes) -> bytes:
        inner, outer = self._inner.copy(), self._outer.copy()
        inner.update(message)
        outer.update(inner.digest())
        return outer.digest()


@dataclass(frozen=True, slots=True)
class Keyring:
    """The secrets. `signing` makes tokens; it and `verifying` (older keys) are believed; `suppression` never rotates.

    Its repr shows nothing, so that no log line or traceback can.
    """

    signing: bytes = field(repr=False)
    verifying: tuple[bytes, ...] = field(repr=False)
    suppression: bytes = field(repr=False)
    _derived: "dict[Purpose, tuple[_Mac, ...]]" = field(init=False, repr=False, compare=False)
    _message: "_Mac" = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        # Derived once: a mail needs its token in microseconds.
        believed = tuple(dict.fromkeys((self.signing, *self.verifying)))
        derived = {purpose: tuple(_Mac(_derive(secret, purpose)) for secret in believed) for purpose in Purpose}
        object.__setattr__(self, "_derived", derived)
        # A mail that is sent again after a rotation must keep its Message-ID, hence the key that never rotates.
        object.__setattr__(self, "_message", _Mac(_derive(self.suppression, Purpose.MESSAGE)))

    @classmethod
    def parse(cls, text: str) -> "Keyring":
        """Reads a key file: lines of `sign`, `verify` or `suppress` and a key in hex; `#` begins a comment.

        Raises ConfigError with every problem and its line number; no key is ever shown.
        """
        found: dict[str, list[bytes]] = {"sign": [], "verify": [], "suppress": []}
        problems: list[str] = []
        for number, line in enumerate(text.removeprefix("\ufeff").splitlines(), 1):
            words = line.partition("#")[0].split()
            if not words:
                continue
            secret, problem = _key_of(words)
            if problem:
                problems.append(f"key file, line {number}: {problem}")
            elif any(secret in others for name, others in found.items() if name != words[0]):
                problems.append(f"key file, line {number}: this key stands in the file for another purpose already")
            else:
                found[words[0]].append(secret)
        for name in ("sign", "suppress"):
            if not problems and len(found[name]) != 1:
                problems.append(f"key file: {len(found[name])} lines begin with «{name}», exactly one is needed")
        if problems:
            raise ConfigError(
                problems, "Put the file back from your backup; `mailer init` makes one for a new deployment."
            )
        return cls(found["sign"][0], tuple(found["verify"]), found["suppress"][0])


def new_key_file(random: Callable[[int], bytes]) -> str:
    """The text of a fresh key file. `random(n)` gives n unpredictable bytes."""
    return (
        "# The secrets of this newsletter. Keep this file private, and keep a copy of it in a safe place:\n"
        "# without it every link in every mail already sent stops working.\n"
        "#\n"
        "# sign      makes the links. To rotate, call it «verify» and add a new «sign» line.\n"
        "# verify    links made with it still work. Remove such a line only when that key has leaked.\n"
        "# suppress  remembers who must never be mailed again. Never change or remove it.\n"
        f"sign {random(_KEY_BYTES).hex()}\n"
        f"suppress {random(_KEY_BYTES).hex()}\n"
    )


def make(keys: Keyring, purpose: Purpose, subscriber_id: int, issue_id: int = 0, stamp: int = 0) -> str:
    """A token of 42 letters that are safe in a URL path. Numbers out of range raise OverflowError (a bug)."""
    body = _VERSION + subscriber_id.to_bytes(6, "big") + issue_id.to_bytes(4, "big") + stamp.to_bytes(4, "big")
    raw = body + keys._derived[purpose][0].of(body)[:_MAC_BYTES]
    return binascii.b2a_base64(raw, newline=False).translate(_URL_SAFE)[:_TOKEN_LETTERS].decode("ascii")


def read(keys: Keyring, purpose: Purpose, token: str) -> Claim:
    """What the token says, when we made it for this purpose. Raises BadToken for all else, whatever it is.

    Every believed key is tried, in constant time each, so that the time taken tells nothing about the keys.
    """
    raw = _decoded(token)
    body, mac = raw[:_BODY_BYTES], raw[_BODY_BYTES:]
    good = False
    for derived in keys._derived[purpose]:
        good |= hmac.compare_digest(mac, derived.of(body)[:_MAC_BYTES])
    if not good or body[:1] != _VERSION:
        raise _bad()
    return Claim(
        int.from_bytes(body[1:7], "big"), int.from_bytes(body[7:11], "big"), int.from_bytes(body[11:15], "big")
    )


def address_hash(keys: Keyring, address_key: str) -> str:
    """What is kept of an address that must never be mailed: it can be recognised, not read. 64 hex digits."""
    return hmac.digest(keys.suppression, address_key.encode(), "sha256").hex()


def message_id(keys: Keyring, key: str, domain: str) -> str:
    """The Message-ID of the delivery `key`, angle brackets included: always the same one, and nobody can guess it.

    RFC 5322 §3.6.4 wants a dot-atom on the left; whatever does not fit is written as «-», and the MAC of the whole key
    keeps two such names apart. `domain` is in ASCII form.
    """
    _check_domain(domain)
    if _ATOM.fullmatch(key) and len(key) <= _LONGEST_NAME:
        name = key
    else:
        parts = (re.sub(r"[^A-Za-z0-9_-]+", "-", part) for part in key.split("."))
        name = ".".join(part for part in parts if part)[:_LONGEST_NAME].rstrip(".")
    mac = keys._message.of(key.encode())[:8].hex()
    return f"<{name}.{mac}@{domain}>" if name else f"<{mac}@{domain}>"


@lru_cache(8)  # each mail asks, and always for the same
def _check_domain(domain: str) -> None:
    if not _DOMAIN.fullmatch(domain):
        raise ValueError(f"not a domain in ASCII form: {domain!r}")


def _derive(secret: bytes, purpose: Purpose) -> bytes:
    return hmac.digest(secret, b"mailer/" + purpose.value.encode("ascii"), "sha256")


def _decoded(token: str) -> bytes:
    if len(token) != _TOKEN_LETTERS or not token.isascii():
        raise _bad()
    try:
        raw = base64.b64decode(token + "==", altchars=b"-_", validate=True)
    except (binascii.Error, ValueError):
        raise _bad() from None
    # The last letter holds four bits that mean nothing: only one spelling of a token may count.
    if base64.urlsafe_b64encode(raw).decode("ascii").rstrip("=") != token:
        raise _bad()
    return raw


def _bad() -> BadToken:
    return BadToken("This link was not made by us, or it is damaged.")


def _key_of(words: list[str]) -> tuple[bytes, str]:
    """The key on a line, or what is wrong with the line."""
    if words[0] not in ("sign", "verify", "suppress"):
        return b"", "it should begin with sign, verify or suppress"
    if len(words) != 2:
        return b"", f"after «{words[0]}» there should be exactly one key"
    try:
        secret = bytes.fromhex(words[1])
    except ValueError:
        return b"", "the key is not hexadecimal"
    if len(secret) < _KEY_BYTES:
        return b"", f"the key has {len(secret)} bytes, at least {_KEY_BYTES} are needed"
    return secret, ""
