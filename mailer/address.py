"""E-mail addresses: what a person typed becomes one address that we can write to, or a clear refusal.

Nothing is looked up: whether the domain takes mail is found out by sending. Nothing is guessed either; an address that
is almost right is refused with the reason, because a wrong guess writes to a stranger.
"""

import re
import unicodedata
from dataclasses import dataclass
from functools import lru_cache

import idna
from email_validator import EmailNotValidError, validate_email

from mailer.errors import BadAddress

# A blank or an angle bracket would end the path of MAIL or RCPT, CR or LF the command itself.
_UNSAFE = re.compile(r"[\s<>\x00-\x1f\x7f-\x9f]")


@dataclass(frozen=True, slots=True)
class Address:
    """`written` is what goes to SMTP; `key` is the same for two ways of writing one address, and is for comparing only.

    RFC 5321 §2.4 lets a host tell `Ali` from `ali`; none does, and two mails to one person would be worse.
    """

    written: str  # "Reader@xn--….ir": the local part as typed, the domain in ASCII and lower case
    local: str
    domain: str
    key: str

    @property
    def needs_smtputf8(self) -> bool:
        """The local part is not ASCII: only a relay with SMTPUTF8 (RFC 6531) can take it."""
        return not self.local.isascii()


_LONGEST = 254  # octets; RFC 5321 §4.5.3.1.3 less the angle brackets
_LONGEST_LOCAL = 64
_LONGEST_DOMAIN = 253

# Names that never reach a mailbox. The others that RFC 2606 sets aside (test, example, invalid) stay usable: trials and
# demos are made with them.
_NO_MAIL = frozenset({"localhost", "local", "onion", "arpa", "alt", "internal"})

# Invisible characters that make two addresses look alike. U+200C and U+200D are judged by IDNA 2008 in a domain.
_INVISIBLE = re.compile("[\u00ad\u061c\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f\ufeff]")
# What most addresses look like; then the thorough checks find nothing, and a million rows need not wait for them.
_PLAIN = re.compile(r"([A-Za-z0-9_-]+(?:[.+][A-Za-z0-9_-]+)*)@([A-Za-z0-9.-]+)")
_LABEL = re.compile(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?")


def parse(text: str) -> Address:
    """The address in `text`, blanks around it left out. Raises BadAddress with a sentence that says what is wrong."""
    plain = _PLAIN.fullmatch(text)
    if plain and len(plain[1]) <= _LONGEST_LOCAL and len(text) <= _LONGEST and (known := _known_domain(plain[2])):
        return Address(f"{plain[1]}@{known}", plain[1], known, f"{plain[1].lower()}@{known}")
    typed = unicodedata.normalize("NFC", text.strip(" \t\u00a0"))
    _check_letters(typed)
    local, _, given = typed.rpartition("@")
    if not local or not given:
        side = "after" if local else "before"
        raise BadAddress(f"{_short(typed)!r} is not an address: something is missing {side} the @.")
    if "@" in local:
        raise BadAddress(f"{_short(typed)!r} is not an address: there is more than one @ in it.")
    domain = _domain(given, typed)
    _check_local(local, domain, typed)
    written = f"{local}@{domain}"
    if len(written.encode()) > _LONGEST or len(domain) > _LONGEST_DOMAIN:
        raise BadAddress(f"{_short(typed)!r} is too long: an address has at most {_LONGEST} bytes (RFC 5321).")
    key = unicodedata.normalize("NFC", local.casefold()) + "@" + domain
    return Address(written, local, domain, key)


def mask(written: str) -> str:
    """The address for a page that strangers may see: "a***@example.org"."""
    local, at, domain = written.rpartition("@")
    return f"{local[:1]}***@{domain}" if at else "***"


def check_for_smtp(written: str) -> None:
    """ValueError: the address cannot be written in a command of SMTP."""
    # It stays out of the message, which ends up in a log.
    if not written or _UNSAFE.search(written):
        raise ValueError("an address for SMTP must not be empty or hold blanks, control characters or angle brackets")


def _check_letters(typed: str) -> None:
    """Refuses what no address may hold, before anything is made of it."""
    if not typed:
        raise BadAddress("The address is empty.")
    if any(unicodedata.category(letter) in ("Cc", "Cs", "Co", "Cn") for letter in typed):
        raise BadAddress(f"{_short(typed)!r} holds a line break or another control character.")
    if _INVISIBLE.search(typed):
        raise BadAddress(f"{_short(typed)!a} holds an invisible character (a direction mark, perhaps); type it anew.")
    named = re.fullmatch(r"[^<>]*<([^<>]*)>", typed)
    if named:
        raise BadAddress(f"{_short(typed)!r} holds more than an address.", f"Write only {_short(named[1])!r}.")
    wrong = re.search(r"[<>()\[\],;:\\\s]", typed)
    if typed.rpartition("@")[2].startswith("["):
        raise BadAddress(f"{_short(typed)!r} names a machine by its number, not by its domain.")
    if '"' in typed:
        raise BadAddress(f"{_short(typed)!r} holds quotation marks; quoted addresses are not supported.")
    if wrong:
        raise BadAddress(f"{_short(typed)!r} holds {wrong[0]!r}, which an address cannot.", "Give one address only.")
    if "=?" in typed:
        raise BadAddress(f"{_short(typed)!r} holds «=?», which mail programs take for an encoded word.")
    if unicodedata.normalize("NFKC", typed) != typed:
        raise BadAddress(f"{_short(typed)!r} holds letters of another width or shape; type it with plain letters.")
    if "@" not in typed:
        raise BadAddress(f"{_short(typed)!r} is not an address: there is no @ in it.")


def _domain(given: str, typed: str) -> str:
    """The domain in ASCII form and lower case.

    By IDNA 2008: what the standard library has (2003) drops ZWNJ, and so names another domain's mailbox.
    """
    try:
        ascii_form = given if given.isascii() else idna.encode(given, uts46=True, std3_rules=True).decode("ascii")
        ascii_form = ascii_form.lower()
        labels = ascii_form.split(".")
        for label in labels:
            if label.startswith("xn--"):
                idna.decode(label)
    except (idna.IDNAError, UnicodeError) as error:
        raise BadAddress(f"{_short(typed)!r}: {_short(given)!r} is not a domain ({error}).") from None
    if len(labels) < 2:
        raise BadAddress(f"{_short(typed)!r}: {_short(given)!r} is not a full domain, such as example.org.")
    if not all(_LABEL.fullmatch(label) for label in labels):
        raise BadAddress(f"{_short(typed)!r}: {_short(given)!r} is not a domain.")
    if labels[-1].isdigit():
        raise BadAddress(f"{_short(typed)!r} names a machine by its number, not by its domain.")
    if labels[-1] in _NO_MAIL:
        raise BadAddress(f"{_short(typed)!r}: no mail from outside reaches .{labels[-1]}.")
    return ascii_form


@lru_cache(maxsize=20_000)
def _known_domain(given: str) -> str | None:
    """The domain in ASCII form; None when there is something to say against it."""
    try:
        return _domain(given, given)
    except BadAddress:
        return None


def _check_local(local: str, domain: str, typed: str) -> None:
    if len(local.encode()) > _LONGEST_LOCAL:
        raise BadAddress(f"{_short(typed)!r}: the part before the @ has more than {_LONGEST_LOCAL} bytes (RFC 5321).")
    # The library refuses test domains and every ZWNJ; the domain is checked already, so it gets a plain one instead.
    plain = domain if domain.endswith((".org", ".com", ".net", ".ir")) and "xn--" not in domain else "example.org"
    try:
        validate_email(f"{local}@{plain}", check_deliverability=False, strict=True)
    except EmailNotValidError as error:
        raise BadAddress(f"{_short(typed)!r}: {error}") from None


def _short(text: str) -> str:
    return text if len(text) <= 80 else text[:79] + "…"


# --- likely typing mistakes ------------------------------------------------------------------------------------------
# For the sign-up form only, where the person can be asked. Nothing is corrected silently and nothing is looked up.
# Where most readers have their mailbox; a slip of one letter in these is far more likely than another such domain.
WELL_KNOWN = (
    *("gmail.com", "yahoo.com", "hotmail.com", "outlook.com", "icloud.com", "live.com", "msn.com", "aol.com"),
    *("ymail.com", "googlemail.com", "proton.me", "protonmail.com", "chmail.ir", "mail.ir", "iran.ir", "yandex.com"),
)
_TOO_NEAR = frozenset({"mail.com", "email.com", "gmx.com", "me.com", "ymail.com", "mail.ru"})  # exist themselves
_SUFFIXES = {"con": "com", "cmo": "com", "ocm": "com", "comm": "com", "vom": "com", "xom": "com", "cim": "com"}


def suggestion(found: Address) -> str | None:
    """The address that was probably meant; None when it looks right."""
    domain = found.domain
    if domain in WELL_KNOWN or domain in _TOO_NEAR:
        return None
    head, _, suffix = domain.rpartition(".")
    mended = f"{head}.{_SUFFIXES[suffix]}" if suffix in _SUFFIXES else domain
    near = next((known for known in WELL_KNOWN if _one_slip(mended, known)), mended)
    return f"{found.local}@{near}" if near != domain else None


def _one_slip(typed: str, meant: str) -> bool:
    """Whether one letter is missing, too many or wrong, or two neighbours are swapped; or nothing is wrong at all."""
    if typed == meant:
        return True
    at = next((i for i, (a, b) in enumerate(zip(typed, meant, strict=False)) if a != b), min(len(typed), len(meant)))
    rest, wanted = typed[at:], meant[at:]
    swapped = len(rest) > 1 and len(wanted) > 1 and rest[0] == wanted[1] and rest[1] == wanted[0]
    return (
        rest[1:] == wanted[1:]  # wrong
        or rest[1:] == wanted  # too many
        or rest == wanted[1:]  # missing
        or (swapped and rest[2:] == wanted[2:])
    )


def mixed_scripts(domain: str) -> bool:
    """Whether a label of the domain (in ASCII form) mixes letters of two scripts, as «gmаil» with a Cyrillic «а»."""
    return any(len(_scripts(label)) > 1 for label in domain.split(".") if label.startswith("xn--"))


def _scripts(label: str) -> set[str]:
    letters = (letter for letter in idna.decode(label) if unicodedata.category(letter).startswith("L"))
    names = {unicodedata.name(letter, "?").split(" ")[0] for letter in letters}
    return {"JAPANESE" if name in ("CJK", "HIRAGANA", "KATAKANA", "KATAKANA-HIRAGANA") else name for name in names}
