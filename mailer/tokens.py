"""Makes signed tokens for links, hashes of addresses, and Message-IDs. Making any of these needs the secret keys.

Tokens need no table: a token contains the ids of a subscriber and an issue, and a MAC. The MAC proves that this
deployment made the token for one purpose. The caller reads the key file and builds the URLs, and also decides how long
a token is valid.
"""

import base64
import binascii
import hashlib
import hmac
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import StrEnum

from mailer.errors import BadToken, ConfigError


class Purpose(StrEnum):
    """The purpose of a token. Each purpose has its own derived key, so a token is valid for its own purpose only."""

    UNSUBSCRIBE = "unsubscribe"
    PREFERENCES = "preferences"
    CONFIRM = "confirm"
    UNDO = "undo"
    REASON = "reason"  # lets a reader give the reason for an unsubscription, within an hour
    FORM = "form"  # proves when the sign-up form was served
    EDITOR = "editor"
    BOUNCE = "bounce"
    MESSAGE = "message"


@dataclass(frozen=True, slots=True)
class Claim:
    """The content of a token. An id is 0 if there is no subscriber or issue; `stamp` is a Unix time or a counter."""

    subscriber_id: int
    issue_id: int
    stamp: int


_VERSION = b"\x01"
_MAC_BYTES = 16
_BODY_BYTES = 1 + 6 + 4 + 4  # version, subscriber, issue, stamp
_URL_SAFE = bytes.maketrans(b"+/", b"-_")
_TOKEN_LENGTH = 42  # the length of 31 bytes in base64 without padding
_KEY_BYTES = 32
_DOMAIN = re.compile(r"[A-Za-z0-9-]+(\.[A-Za-z0-9-]+)*")
_ATOM = re.compile(r"[A-Za-z0-9_-]+(\.[A-Za-z0-9_-]+)*")
_LONGEST_NAME = 100


class _Mac:
    """HMAC-SHA-256 (RFC 2104) with one key. Threads may share an instance.

    The two padded key blocks are hashed only once, when the instance is created. `hmac.digest` would spend most of its
    time on hashing them again for each of the three MACs that a mail needs.
    """

    __slots__ = ("_inner", "_outer")

    def __init__(self, key: bytes) -> None:
        padded = key.ljust(64, b"\0")  # a derived key is never longer than the block
        self._inner = hashlib.sha256(bytes(each ^ 0x36 for each in padded))
        self._outer = hashlib.sha256(bytes(each ^ 0x5C for each in padded))

    def of(self, message: bytes) -> bytes:
        inner, outer = self._inner.copy(), self._outer.copy()
        inner.update(message)
        outer.update(inner.digest())
        return outer.digest()


@dataclass(frozen=True, slots=True)
class Keyring:
    """The secret keys. `signing` makes tokens. Tokens that were made with the older keys in `verifying` are still
    accepted. `suppression`, which never changes, makes the hashes of addresses.

    The repr shows no key, so that no key appears in a log line or a traceback.
    """

    signing: bytes = field(repr=False)
    verifying: tuple[bytes, ...] = field(repr=False)
    suppression: bytes = field(repr=False)
    _derived: "dict[Purpose, tuple[_Mac, ...]]" = field(init=False, repr=False, compare=False)
    _message: "_Mac" = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        # All keys are derived here, once, because making a mail must take only microseconds.
        accepted = tuple(dict.fromkeys((self.signing, *self.verifying)))
        derived = {purpose: tuple(_Mac(_derive(secret, purpose)) for secret in accepted) for purpose in Purpose}
        object.__setattr__(self, "_derived", derived)
        # A mail that is sent again after the signing key changed must keep its Message-ID. So the key of Message-IDs is
        # derived from the key that never changes.
        object.__setattr__(self, "_message", _Mac(_derive(self.suppression, Purpose.MESSAGE)))

    @classmethod
    def parse(cls, text: str) -> "Keyring":
        """Parses the text of a key file. Each line has the word `sign`, `verify` or `suppress`, followed by a key in
        hex; `#` begins a comment.

        Raises ConfigError, which lists every problem with its line number but contains no key.
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
                problems.append(f"key file, line {number}: this key already has another purpose")
            else:
                found[words[0]].append(secret)
        for name in ("sign", "suppress"):
            if not problems and len(found[name]) != 1:
                problems.append(
                    f"key file: {len(found[name])} lines begin with '{name}', but there must be exactly one"
                )
        if problems:
            raise ConfigError(
                problems, "Put the file back from your backup; `mailer init` makes one for a new deployment."
            )
        return cls(found["sign"][0], tuple(found["verify"]), found["suppress"][0])


def new_key_file(random: Callable[[int], bytes]) -> str:
    """Returns the text of a new key file. `random(n)` must return n unpredictable bytes."""
    return (
        "# The secrets of this newsletter. Keep this file private, and keep a copy of it in a safe place:\n"
        "# without it every link in every mail already sent stops working.\n"
        "#\n"
        "# sign      makes the links. To rotate, rename it to 'verify' and add a new 'sign' line.\n"
        "# verify    keeps old links valid. Remove such a line only if that key has leaked.\n"
        "# suppress  recognises the addresses that must never be mailed again. Never change or remove it.\n"
        f"sign {random(_KEY_BYTES).hex()}\n"
        f"suppress {random(_KEY_BYTES).hex()}\n"
    )


def make(keys: Keyring, purpose: Purpose, subscriber_id: int, issue_id: int = 0, stamp: int = 0) -> str:
    """Returns a token of 42 characters, all safe in a URL path. Raises OverflowError if a number is out of range, which
    would be a bug."""
    body = _VERSION + subscriber_id.to_bytes(6, "big") + issue_id.to_bytes(4, "big") + stamp.to_bytes(4, "big")
    raw = body + keys._derived[purpose][0].of(body)[:_MAC_BYTES]
    return binascii.b2a_base64(raw, newline=False).translate(_URL_SAFE)[:_TOKEN_LENGTH].decode("ascii")


def read(keys: Keyring, purpose: Purpose, token: str) -> Claim:
    """Returns the content of a token that this deployment made for this purpose. Raises BadToken for any other text.

    Every accepted key is tried, even after one has matched, and each comparison takes constant time. So the time taken
    reveals nothing about the keys.
    """
    raw = _decoded(token)
    body, mac = raw[:_BODY_BYTES], raw[_BODY_BYTES:]
    good = False
    for derived in keys._derived[purpose]:
        good |= hmac.compare_digest(mac, derived.of(body)[:_MAC_BYTES])
    if not good or body[:1] != _VERSION:
        raise BadToken("This link is damaged, or it was not made here.")
    return Claim(int.from_bytes(body[1:7]), int.from_bytes(body[7:11]), int.from_bytes(body[11:15]))


def address_hash(keys: Keyring, address_key: str) -> str:
    """Returns a keyed hash of 64 hex digits, which identifies an address without revealing the address."""
    return hmac.digest(keys.suppression, address_key.encode(), "sha256").hex()


def message_id(keys: Keyring, key: str, domain: str) -> str:
    """Returns the Message-ID of the delivery with this key, in angle brackets. The same key always gives the same
    Message-ID, which cannot be guessed.

    RFC 5322 §3.6.4 requires a dot-atom before the @, so characters that a dot-atom cannot have become "-". If two keys
    become equal in this way, the MAC of the whole key still makes their Message-IDs different. Raises ValueError if
    `domain` is not in ASCII form.
    """
    if not _DOMAIN.fullmatch(domain):
        raise ValueError(f"not a domain in ASCII form: {domain!r}")
    if _ATOM.fullmatch(key) and len(key) <= _LONGEST_NAME:
        name = key
    else:
        parts = (re.sub(r"[^A-Za-z0-9_-]+", "-", part) for part in key.split("."))
        name = ".".join(part for part in parts if part)[:_LONGEST_NAME].rstrip(".")
    mac = keys._message.of(key.encode())[:8].hex()
    return f"<{name}.{mac}@{domain}>" if name else f"<{mac}@{domain}>"


def _derive(secret: bytes, purpose: Purpose) -> bytes:
    return hmac.digest(secret, b"mailer/" + purpose.value.encode("ascii"), "sha256")


def _decoded(token: str) -> bytes:
    """Returns the bytes of a token, or b"" if the text is not base64."""
    try:
        raw = base64.urlsafe_b64decode(token + "==")
    except ValueError:  # also binascii.Error
        return b""
    # Several texts decode to the same bytes: four bits of the last character carry no data, and the decoder skips
    # characters that are not base64. Accept only the text that `make` returns.
    return raw if base64.urlsafe_b64encode(raw).decode("ascii").rstrip("=") == token else b""


def _key_of(words: list[str]) -> tuple[bytes, str]:
    """Returns the key in a line of the key file, and the problem with the line ("" if there is none)."""
    if words[0] not in ("sign", "verify", "suppress"):
        return b"", "it must begin with sign, verify or suppress"
    if len(words) != 2:
        return b"", f"exactly one key must follow '{words[0]}'"
    try:
        secret = bytes.fromhex(words[1])
    except ValueError:
        return b"", "the key is not hexadecimal"
    if len(secret) < _KEY_BYTES:
        return b"", f"the key has {len(secret)} bytes; it needs at least {_KEY_BYTES}"
    return secret, ""
