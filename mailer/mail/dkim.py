"""DKIM signatures (RFC 6376): who sent a mail, and that nobody changed it, provable by a key in the DNS.

An own signer, because the libraries there are need ten milliseconds a mail and leave List-Unsubscribe-Post out. Signs
with RSA-SHA256 and, beside it, Ed25519 (RFC 8463); headers canonicalised relaxed, the body simple: it is base64 in
CRLF lines, which nothing on the way has a reason to touch. Reads no key file, makes no key and verifies nothing.
"""

import re
from base64 import b64encode
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from hashlib import sha256

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey

PrivateKey = RSAPrivateKey | Ed25519PrivateKey

# What is signed. RFC 8058 §4 asks for List-Unsubscribe-Post, or no client shows its button.
SIGNED = (
    *("From", "To", "Subject", "Date", "Message-ID", "Reply-To", "MIME-Version", "Content-Type"),
    *("List-Id", "List-Unsubscribe", "List-Unsubscribe-Post", "Feedback-ID"),
)
_KNOWN = tuple(name.lower().encode() for name in SIGNED)
WEAKEST = 1024  # bits of an RSA key that any verifier takes (RFC 8301 §3.2)
_STRING = 255  # octets in one string of a TXT record (RFC 1035 §3.3.14)
_LINE = 72

_NAME = re.compile(r"[a-z0-9_]([a-z0-9_-]*[a-z0-9_])?(\.[a-z0-9_]([a-z0-9_-]*[a-z0-9_])?)*")
_BLANKS = re.compile(rb"(?:(?:\r\n)?[ \t])+")
_FIELD_END = re.compile(rb"\r\n(?![ \t])")
_PADDING, _SHA256 = padding.PKCS1v15(), hashes.SHA256()


@dataclass(frozen=True, slots=True)
class Key:
    """A private key and its selector: the name under which the DNS has its other half."""

    selector: str
    private: PrivateKey

    @property
    def algorithm(self) -> str:
        """`rsa` or `ed25519`, as `k=` of the record says it."""
        return "rsa" if isinstance(self.private, RSAPrivateKey) else "ed25519"


class Signer:
    """Signs for one domain with one or more keys. Several threads may use it at once; hashing and signing, nine tenths
    of the work, do not hold the interpreter's lock."""

    def __init__(self, domain: str, keys: Sequence[Key]) -> None:
        """ValueError: there is no key, or a name that cannot stand in the DNS. `domain` is in ASCII form."""
        for name in (domain, *(key.selector for key in keys)):
            if not _NAME.fullmatch(name):
                raise ValueError(f"not a name for the DNS: {name!r}")
        if not keys:
            raise ValueError("a signer without a key")
        self._keys = [
            (
                key.private,
                f"v=1; a={key.algorithm}-sha256; c=relaxed/simple; d={domain};\r\n s={key.selector};".encode(),
            )
            for key in keys
        ]

    def sign(self, head: bytes, body: Sequence[bytes], at: datetime) -> bytes:
        """The DKIM-Signature fields, one for each key in their order, to be written in front of `head`.

        `head` is the header block without the empty line; the pieces of `body`, joined, are what comes behind it.
        `at` is the time of signing. ValueError: there is not exactly one From.
        """
        found = _relaxed(head)
        if len(found.get(b"from", ())) != 1:
            raise ValueError("a mail to be signed has exactly one From")
        names = _listed(tuple(len(found.get(name, ())) for name in _KNOWN))
        # RFC 6376 §5.4.2: of a field that is there several times, the last one is signed first.
        signed = b"".join([line for name in _KNOWN for line in reversed(found.get(name, ()))])
        body_hash = b64encode(sha256(_simple(b"".join(body))).digest())
        fields = []
        for private, constant in self._keys:
            field = b"%s t=%d;\r\n bh=%s;\r\n h=%s;\r\n b=" % (constant, at.timestamp(), body_hash, names)
            # Its own canonical form: folds are single blanks, and the value of b= is empty (RFC 6376 §3.7).
            raw = _signature(private, signed + b"dkim-signature:" + field.replace(b"\r\n", b""))
            fields.append(b"DKIM-Signature: %s%s\r\n" % (field, raw))
        return b"".join(fields)


def private_key(pem: bytes) -> PrivateKey:
    """The key in a PEM file (PKCS #1 or #8). ValueError says why it cannot sign mails; it never holds a key."""
    try:
        found = serialization.load_pem_private_key(pem, password=None)
    except TypeError:
        raise ValueError("it is protected by a password; the service could not open it by itself") from None
    except (ValueError, UnsupportedAlgorithm):
        raise ValueError("it holds no private key in PEM form") from None
    if isinstance(found, Ed25519PrivateKey):
        return found
    if not isinstance(found, RSAPrivateKey):
        raise ValueError("DKIM knows RSA and Ed25519 keys only")
    if found.key_size < WEAKEST:
        raise ValueError(f"an RSA key of {found.key_size} bits is too weak: nobody takes less than {WEAKEST}")
    return found


def private_pem(private: PrivateKey) -> bytes:
    """The text of a key file, PKCS #8."""
    return private.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )


def record_name(selector: str, domain: str) -> str:
    """Where the DNS has the public half (RFC 6376 §3.6.2.1)."""
    return f"{selector}._domainkey.{domain}"


def record(key: Key) -> str:
    """The value of the TXT record: `v=DKIM1; k=rsa; p=…` (RFC 6376 §3.6.1, RFC 8463 §4)."""
    if isinstance(key.private, RSAPrivateKey):
        public = key.private.public_key().public_bytes(
            serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
        )
    else:
        public = key.private.public_key().public_bytes(serialization.Encoding.Raw, serialization.PublicFormat.Raw)
    return f"v=DKIM1; k={key.algorithm}; p={b64encode(public).decode('ascii')}"


def zone_line(selector: str, domain: str, value: str) -> str:
    """The record as a zone file has it: a value longer than 255 letters in several strings, which the DNS joins."""
    strings = [value[at : at + _STRING] for at in range(0, len(value), _STRING)]
    quoted = " ".join(f'"{each}"' for each in strings)
    return f"{record_name(selector, domain)}. IN TXT " + (f"( {quoted} )" if len(strings) > 1 else quoted)


def _relaxed(head: bytes) -> Mapping[bytes, Sequence[bytes]]:
    """The fields by name in lower case, each unfolded, its blanks made one (RFC 6376 §3.4.2)."""
    found: dict[bytes, list[bytes]] = {}
    for line in _FIELD_END.split(head):
        name, written = _field(line)
        if name:
            found.setdefault(name, []).append(written)
    return found


@lru_cache(256)  # most fields are the same in all mails of an issue
def _field(line: bytes) -> tuple[bytes, bytes]:
    """The name of a field and its canonical form; no name: it is none."""
    name, colon, value = _BLANKS.sub(b" ", line).partition(b":")
    if not colon:
        return b"", b""
    name = name.rstrip(b" ").lower()
    return name, b"%s:%s\r\n" % (name, value.strip(b" "))


@lru_cache(maxsize=16)
def _listed(counts: tuple[int, ...]) -> bytes:
    """The value of h=. Each name once more than its field is there, so that adding another one breaks the signature
    (RFC 6376 §8.15); without that a second Subject could be put on top, and be what the reader sees."""
    lines = [""]
    for name in (name for name, count in zip(SIGNED, counts, strict=True) for _ in range(count + 1)):
        if len(lines[-1]) + len(name) > _LINE:
            lines.append("")
        lines[-1] += f"{name}:"
    return "\r\n ".join(lines).rstrip(":").encode("ascii")


def _simple(body: bytes) -> bytes:
    """RFC 6376 §3.4.3: empty lines at the end do not count, and a missing last CRLF does."""
    if not body.endswith(b"\r\n"):
        return body + b"\r\n"
    end = len(body)
    while body.endswith(b"\r\n\r\n", 0, end):
        end -= 2
    return body[:end]


def _signature(private: PrivateKey, data: bytes) -> bytes:
    if isinstance(private, RSAPrivateKey):
        raw = private.sign(data, _PADDING, _SHA256)
    else:
        raw = private.sign(sha256(data).digest())  # RFC 8463 §3: the hash is what is signed
    letters = b64encode(raw)
    return b"\r\n ".join([letters[at : at + _LINE] for at in range(0, len(letters), _LINE)])
