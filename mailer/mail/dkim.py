"""Makes DKIM signatures (RFC 6376). A signature proves which domain sent a mail, and that the mail was not changed.

The existing libraries need ten milliseconds a mail and do not sign List-Unsubscribe-Post, so this module has its own
signer. The signer uses RSA-SHA256, Ed25519 (RFC 8463) or both, depending on the keys. Header fields have the
canonicalization "relaxed". The body has the canonicalization "simple", because no server has a reason to change base64
in CRLF lines. `config.dkim` reads the key files. This module neither makes keys nor verifies signatures.
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

# The header fields that are signed. RFC 8058 §4 requires List-Unsubscribe-Post to be signed; otherwise mail programs
# show no unsubscribe button.
SIGNED = (
    *("From", "To", "Subject", "Date", "Message-ID", "Reply-To", "MIME-Version", "Content-Type"),
    *("List-Id", "List-Unsubscribe", "List-Unsubscribe-Post", "Feedback-ID"),
)
_KNOWN = tuple(name.lower().encode() for name in SIGNED)
WEAKEST = 1024  # bits in the shortest RSA key that verifiers accept (RFC 8301 §3.2)
_STRING = 255  # octets in one string of a TXT record (RFC 1035 §3.3.14)
_LINE = 72

_NAME = re.compile(r"[a-z0-9_]([a-z0-9_-]*[a-z0-9_])?(\.[a-z0-9_]([a-z0-9_-]*[a-z0-9_])?)*")
_BLANKS = re.compile(rb"(?:(?:\r\n)?[ \t])+")
_FIELD_END = re.compile(rb"\r\n(?![ \t])")
_PADDING, _SHA256 = padding.PKCS1v15(), hashes.SHA256()


@dataclass(frozen=True, slots=True)
class Key:
    """A private key, and the selector under which the DNS publishes the public key."""

    selector: str
    private: PrivateKey

    @property
    def algorithm(self) -> str:
        """Returns the value of `k=` in the DNS record: `rsa` or `ed25519`."""
        return "rsa" if isinstance(self.private, RSAPrivateKey) else "ed25519"


class Signer:
    """Signs mails for one domain with one or more keys.

    Several threads may share a signer, and then sign in parallel: nine tenths of the work is hashing and signing, which
    release Python's global interpreter lock.
    """

    def __init__(self, domain: str, keys: Sequence[Key]) -> None:
        """Makes a signer. `domain` must be in ASCII form.

        Raises ValueError if `keys` is empty, or if the domain or a selector is not a valid name in the DNS.
        """
        for name in (domain, *(key.selector for key in keys)):
            if not _NAME.fullmatch(name):
                raise ValueError(f"not a name for the DNS: {name!r}")
        if not keys:
            raise ValueError("a signer without a key")
        self._keys: list[tuple[PrivateKey, bytes]] = []
        for key in keys:
            constant = f"v=1; a={key.algorithm}-sha256; c=relaxed/simple; d={domain};\r\n s={key.selector};"
            self._keys.append((key.private, constant.encode()))

    def sign(self, head: bytes, body: Sequence[bytes], at: datetime) -> bytes:
        """Returns the DKIM-Signature fields to write before `head`, one for each key.

        `head` is the header block without the empty line after it, `body` has the pieces of the body, and `at` is the
        time of signing. Raises ValueError unless the header block has exactly one From.
        """
        found = _relaxed(head)
        if len(found.get(b"from", ())) != 1:
            raise ValueError("a mail to be signed has exactly one From")
        names = _listed(tuple(len(found.get(name, ())) for name in _KNOWN))
        # RFC 6376 §5.4.2: if a field occurs several times, the last one is signed first.
        signed = b"".join([line for name in _KNOWN for line in reversed(found.get(name, ()))])
        body_hash = b64encode(sha256(_simple(b"".join(body))).digest())
        fields = []
        for private, constant in self._keys:
            field = b"%s t=%d;\r\n bh=%s;\r\n h=%s;\r\n b=" % (constant, at.timestamp(), body_hash, names)
            # The signature also covers the DKIM-Signature field itself, unfolded and with an empty b= (RFC 6376 §3.7).
            raw = _signature(private, signed + b"dkim-signature:" + field.replace(b"\r\n", b""))
            fields.append(b"DKIM-Signature: %s%s\r\n" % (field, raw))
        return b"".join(fields)


def private_key(pem: bytes) -> PrivateKey:
    """Returns the private key in a PEM text (PKCS #1 or #8).

    Raises ValueError, with the reason, if the key cannot sign mails. The message never contains the key.
    """
    try:
        found = serialization.load_pem_private_key(pem, password=None)
    except TypeError:
        raise ValueError("it is protected by a password; the service could not open it by itself") from None
    except (ValueError, UnsupportedAlgorithm):
        raise ValueError("it holds no private key in PEM form") from None
    if isinstance(found, Ed25519PrivateKey):
        return found
    if not isinstance(found, RSAPrivateKey):
        raise ValueError("DKIM uses only RSA and Ed25519 keys")
    if found.key_size < WEAKEST:
        raise ValueError(f"an RSA key of {found.key_size} bits is too weak: verifiers need at least {WEAKEST}")
    return found


def private_pem(private: PrivateKey) -> bytes:
    """Returns the text of a key file: the private key in PEM form (PKCS #8)."""
    return private.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )


def record_name(selector: str, domain: str) -> str:
    """Returns the DNS name under which the public key is published (RFC 6376 §3.6.2.1)."""
    return f"{selector}._domainkey.{domain}"


def record(key: Key) -> str:
    """Returns the value of the TXT record: `v=DKIM1; k=rsa; p=…` (RFC 6376 §3.6.1, RFC 8463 §4)."""
    encoding, form = serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
    if isinstance(key.private, Ed25519PrivateKey):
        encoding, form = serialization.Encoding.Raw, serialization.PublicFormat.Raw
    public = key.private.public_key().public_bytes(encoding, form)
    return f"v=DKIM1; k={key.algorithm}; p={b64encode(public).decode('ascii')}"


def zone_line(selector: str, domain: str, value: str) -> str:
    """Returns the TXT record as a line of a zone file.

    A value longer than 255 characters is split into several strings, which verifiers join again.
    """
    strings = [value[at : at + _STRING] for at in range(0, len(value), _STRING)]
    quoted = " ".join(f'"{each}"' for each in strings)
    return f"{record_name(selector, domain)}. IN TXT " + (f"( {quoted} )" if len(strings) > 1 else quoted)


def _relaxed(head: bytes) -> Mapping[bytes, Sequence[bytes]]:
    """Maps each field name in a header block, in lower case, to the fields of that name.

    The fields are unfolded, and each run of blanks becomes one blank (RFC 6376 §3.4.2).
    """
    found: dict[bytes, list[bytes]] = {}
    for line in _FIELD_END.split(head):
        name, written = _field(line)
        if name:
            found.setdefault(name, []).append(written)
    return found


@lru_cache(256)  # most fields are the same in all mails of an issue
def _field(line: bytes) -> tuple[bytes, bytes]:
    """Returns the name of a field and its canonical form; the name is empty if the line is not a field."""
    name, colon, value = _BLANKS.sub(b" ", line).partition(b":")
    if not colon:
        return b"", b""
    name = name.rstrip(b" ").lower()
    return name, b"%s:%s\r\n" % (name, value.strip(b" "))


@lru_cache(maxsize=16)
def _listed(counts: tuple[int, ...]) -> bytes:
    """Returns the value of h=, the list of signed fields. `counts` says how often each field in SIGNED occurs.

    Each name is listed once more than its field occurs, so that adding a field breaks the signature (RFC 6376 §8.15).
    Otherwise an attacker could put a second Subject on top, and readers would see the forged Subject.
    """
    lines = [""]
    for name in (name for name, count in zip(SIGNED, counts, strict=True) for _ in range(count + 1)):
        if len(lines[-1]) + len(name) > _LINE:
            lines.append("")
        lines[-1] += f"{name}:"
    return "\r\n ".join(lines).rstrip(":").encode("ascii")


def _simple(body: bytes) -> bytes:
    """Returns the body without empty lines at its end, but always with a last CRLF (RFC 6376 §3.4.3)."""
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
        raw = private.sign(sha256(data).digest())  # RFC 8463 §3: Ed25519 signs the SHA-256 hash of the data
    written = b64encode(raw)
    return b"\r\n ".join([written[at : at + _LINE] for at in range(0, len(written), _LINE)])
