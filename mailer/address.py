"""Parses e-mail addresses that people typed, and refuses text that is not an address to which mail can be sent.

This module does not ask the DNS, so it does not know whether a domain takes mail. An address that is almost right is
refused with the reason and never corrected, because a wrong guess would send mail to a stranger.
"""

import re
import unicodedata
from contextlib import suppress
from dataclasses import dataclass
from functools import lru_cache

from mailer.errors import BadAddress
from mailer.text.characters import JOINERS, is_invisible
from mailer.text.clean import shorten

# A blank or an angle bracket would end the path in a MAIL or RCPT command; a CR or LF would end the whole command.
_UNSAFE = re.compile(r"[\s<>\x00-\x1f\x7f-\x9f]")


SAMPLES = ("example.org", "example.com", "example.net")
# Domains reserved for examples and tests (RFC 2606 and 6761). No mail to them or to their subdomains reaches a person.
RESERVED = ("example", "test", "invalid", "localhost", *SAMPLES)


@dataclass(frozen=True, slots=True)
class Address:
    """An e-mail address. `written` is the form for SMTP; two spellings of one address have the same `key`.

    RFC 5321 §2.4 lets a host treat `Ali` and `ali` as two mailboxes, but real hosts do not. So the key ignores case,
    which avoids sending two mails to one person.
    """

    written: str  # "Reader@xn--….ir": the local part as typed, the domain in ASCII and lower case
    local: str
    domain: str
    key: str

    @property
    def needs_smtputf8(self) -> bool:
        """Return True if the local part is not ASCII.

        Only a relay that offers SMTPUTF8 (RFC 6531) accepts such an address.
        """
        return not self.local.isascii()


_LONGEST = 254  # octets: RFC 5321 §4.5.3.1.3 limits a path to 256, which includes two angle brackets
_LONGEST_LOCAL = 64
_LONGEST_DOMAIN = 253

# Top-level domains that mail cannot reach. The reserved domains test, example and invalid (RFC 2606) are allowed,
# because trials and demos use them.
_NO_MAIL = frozenset({"localhost", "local", "onion", "arpa", "alt", "internal"})

# Matches most addresses. An address that matches skips the slower checks, because an import may have a million rows.
_PLAIN = re.compile(r"([A-Za-z0-9_-]+(?:[.+][A-Za-z0-9_-]+)*)@([A-Za-z0-9.-]+)")
_LABEL = re.compile(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?")
_MAILBOX = re.compile(r"(?:(?P<name>.*)<)?(?P<address>[^<>\s]+@[^<>\s]+?)>?")
_LOOKS_LIKE_ONE = re.compile(r"[^\s@]+@[^\s@]+\.[^\s@]+")
_PART = r"[^\s@<>()\[\]\",;:،؛|/\\]"
_IN_TEXT = re.compile(rf"(?<!{_PART}){_PART}++@{_PART}+")  # looks only where a part begins, so the time is linear
_WITHOUT_JOINERS = str.maketrans("", "", JOINERS)
_ANYWHERE = re.compile(r"(?<![^\s@])[^\s@]*+@\S*")


def parse(text: str) -> Address:
    """Return the address in `text`, ignoring outer blanks.

    Raises BadAddress with a sentence that says what is wrong.
    """
    plain = _PLAIN.fullmatch(text)
    if plain and len(plain[1]) <= _LONGEST_LOCAL and len(text) <= _LONGEST and (known := _known_domain(plain[2])):
        return Address(f"{plain[1]}@{known}", plain[1], known, f"{plain[1].lower()}@{known}")
    typed = unicodedata.normalize("NFC", text.strip(" \t\u00a0"))
    _check_characters(typed)
    local, _, given = typed.rpartition("@")
    if not local or not given:
        raise _refused(typed, f"is not an address: something is missing {'after' if local else 'before'} the @.")
    if "@" in local:
        raise _refused(typed, "is not an address: there is more than one @ in it.")
    domain = _domain(given, typed)
    _check_local(local, domain, typed)
    written = f"{local}@{domain}"
    if len(written.encode()) > _LONGEST or len(domain) > _LONGEST_DOMAIN:
        raise _refused(typed, f"is too long: an address has at most {_LONGEST} bytes (RFC 5321).")
    key = unicodedata.normalize("NFC", local.casefold()) + "@" + domain
    return Address(written, local, domain, key)


def mailbox(written: str) -> tuple[str, str]:
    """Return the display name ("" if there is none) and the address of a mailbox.

    A mailbox is a bare address, or a name with an address in angle brackets, such as `ایران من <news@example.org>`.
    Raises ValueError if `written` is neither.
    """
    found = _MAILBOX.fullmatch(written.strip())
    if not found:
        raise ValueError(f"not a mailbox: {written!r}")
    return (found["name"] or "").strip().strip('"').strip(), found["address"]


def in_mailbox(written: str) -> Address:
    """Return the parsed address of a mailbox.

    Raises ValueError if `written` is not a mailbox, and BadAddress if the address in the mailbox is not valid.
    """
    return parse(mailbox(written)[1])


def look_alikes(text: str) -> list[Address]:
    """Return all addresses that a text may mean, even if `parse` would refuse the text.

    Invisible characters are removed, and also dots and apostrophes around an address. Digits become ASCII digits.
    The result is a guess, so use it only to decide which addresses get no mail.
    """
    visible = "".join(char for char in unicodedata.normalize("NFKC", text) if not is_invisible(char))
    plain = "".join(str(unicodedata.decimal(char)) if char.isdecimal() else char for char in visible)
    found = []
    for each in _IN_TEXT.findall(plain.translate(_WITHOUT_JOINERS)):
        with suppress(BadAddress):
            found.append(parse(each.strip(".'")))
    return found


def looks_like_one(text: str) -> bool:
    """Return True if the text has the form of an address, even if `parse` would refuse it."""
    # The length is bounded, because the pattern takes quadratic time for a long text of dots.
    return len(text) < 1000 and bool(_LOOKS_LIKE_ONE.fullmatch(text.strip()))


def is_sample(host: str) -> bool:
    """Return True if the host is example.org, example.com or example.net, or a subdomain of one of them."""
    name = host.lower().removesuffix(".")
    return any(f".{name}".endswith(f".{domain}") for domain in SAMPLES)


def without_addresses(text: str, replacement: str = "") -> str:
    """Return the text with `replacement` in place of each word that contains an @."""
    return _ANYWHERE.sub(replacement, text)


def mask(written: str) -> str:
    """Return the address as "a***@example.org", for a page that strangers may see."""
    local, at, domain = written.rpartition("@")
    return f"{local[:1]}***@{domain}" if at else "***"


def check_for_smtp(written: str) -> None:
    """Raise ValueError if the address cannot be written safely in an SMTP command."""
    # The message does not contain the address, because the message is logged.
    if not written or _UNSAFE.search(written):
        raise ValueError("an address for SMTP must not be empty or hold blanks, control characters or angle brackets")


def _refused(typed: str, problem: str, fix: str = "") -> BadAddress:
    return BadAddress(f"{shorten(typed, 80)!r} {problem}", fix)


def _check_characters(typed: str) -> None:
    """Raise BadAddress if the text has no @ or contains a character that no address may have."""
    if not typed:
        raise BadAddress("The address is empty.")
    if any(unicodedata.category(char) in ("Cc", "Cs", "Co", "Cn") for char in typed):
        raise _refused(typed, "holds a line break or another control character.")
    if any(map(is_invisible, typed)):  # never true for ZWNJ and ZWJ, which IDNA 2008 allows in some domains
        raise BadAddress(
            f"{shorten(typed, 80)!a} holds an invisible character (perhaps a direction mark); type it again."
        )
    if named := re.fullmatch(r"[^<>]*<([^<>]*)>", typed):
        raise _refused(typed, "holds more than an address.", f"Write only {shorten(named[1], 80)!r}.")
    if typed.rpartition("@")[2].startswith("["):
        raise _refused(typed, "names a machine by its number, not by its domain.")
    if '"' in typed:
        raise _refused(typed, "holds quotation marks; quoted addresses are not supported.")
    if wrong := re.search(r"[<>()\[\],;:\\\s]", typed):
        raise _refused(typed, f"holds {wrong[0]!r}, which an address cannot.", "Give one address only.")
    if "=?" in typed:
        raise _refused(typed, 'holds "=?", which mail programs take for an encoded word.')
    if unicodedata.normalize("NFKC", typed) != typed:
        raise _refused(typed, "holds characters of another width or shape; type it with plain ones.")
    if "@" not in typed:
        raise _refused(typed, "is not an address: there is no @ in it.")


def _domain(given: str, typed: str) -> str:
    """Return the domain in ASCII and lower case. Raises BadAddress if mail cannot reach the domain.

    Domains are encoded by IDNA 2008. The standard library's IDNA 2003 drops ZWNJ and so returns a different domain.
    """
    shown = repr(shorten(given, 80))
    try:
        ascii_form = _ascii_domain(given)
    except UnicodeError as error:  # includes idna.IDNAError
        raise _refused(typed, f"is not an address: {shown} is not a domain ({error}).") from None
    labels = ascii_form.split(".")
    if len(labels) < 2:
        raise _refused(typed, f"is not an address: {shown} is not a full domain, such as example.org.")
    if not all(_LABEL.fullmatch(label) for label in labels):
        raise _refused(typed, f"is not an address: {shown} is not a domain.")
    if labels[-1].isdigit():
        raise _refused(typed, "names a machine by its number, not by its domain.")
    if labels[-1] in _NO_MAIL:
        raise _refused(typed, f"cannot get mail: no mail from outside reaches .{labels[-1]}.")
    return ascii_form


def _ascii_domain(given: str) -> str:
    """Return the domain in ASCII and lower case. Raises UnicodeError if IDNA does not allow it."""
    if given.isascii() and "xn--" not in given.lower():
        return given.lower()
    import idna  # imported late, because most domains do not need its tables

    ascii_form = given.lower() if given.isascii() else idna.encode(given, uts46=True, std3_rules=True).decode("ascii")
    for label in ascii_form.split("."):
        if label.startswith("xn--"):
            idna.decode(label)
    return ascii_form


@lru_cache(maxsize=20_000)  # even a list of a million readers has few different domains
def _known_domain(given: str) -> str | None:
    """Return the domain in ASCII form, or None if `_domain` refuses it."""
    try:
        return _domain(given, given)
    except BadAddress:
        return None


def _check_local(local: str, domain: str, typed: str) -> None:
    """Raise BadAddress if the part before the @ is not allowed."""
    # Imported here, because few addresses need this check and the library takes 24 ms to load.
    from email_validator import EmailNotValidError, validate_email

    if len(local.encode()) > _LONGEST_LOCAL:
        raise _refused(typed, f"has more than {_LONGEST_LOCAL} bytes before the @ (RFC 5321).")
    # The library refuses test domains and domains with a ZWNJ. `_domain` has already checked the domain, so the library
    # gets a plain domain in place of an unusual one.
    plain = domain if domain.endswith((".org", ".com", ".net", ".ir")) and "xn--" not in domain else "example.org"
    try:
        validate_email(f"{local}@{plain}", check_deliverability=False, strict=True)
    except EmailNotValidError as error:
        raise _refused(typed, f"is not an address: {error}") from None


# --- likely typing mistakes ------------------------------------------------------------------------------------------
# Most readers have a mailbox at one of these domains. A domain that differs from one of these by one slip is far more
# likely a typing mistake than a real domain. No address is corrected silently: the sign-up form asks the person whether
# the suggested address is right, and an import reports the address.
WELL_KNOWN = (
    *("gmail.com", "yahoo.com", "hotmail.com", "outlook.com", "icloud.com", "live.com", "msn.com", "aol.com"),
    *("ymail.com", "googlemail.com", "proton.me", "protonmail.com", "chmail.ir", "mail.ir", "iran.ir", "yandex.com"),
)
_REAL_LOOK_ALIKES = frozenset({"mail.com", "email.com", "gmx.com", "me.com", "ymail.com", "mail.ru"})
_SUFFIXES = {"con": "com", "cmo": "com", "ocm": "com", "comm": "com", "vom": "com", "xom": "com", "cim": "com"}


def suspicion(found: Address) -> str | None:
    """Return the address that was probably meant, or None if `found` looks right.

    Unlike `suggestion`, this function also corrects Persian and Arabic digits before the @.
    """
    local = found.local
    if not local.isascii():
        local = "".join(str(unicodedata.decimal(char)) if char.isdecimal() else char for char in local)
    domain = _likely_domain(found.domain)
    return f"{local}@{domain or found.domain}" if domain or local != found.local else None


def suggestion(found: Address) -> str | None:
    """Return the address that was probably meant, or None if the domain of `found` looks right."""
    domain = _likely_domain(found.domain)
    return f"{found.local}@{domain}" if domain else None


@lru_cache(maxsize=20_000)
def _likely_domain(domain: str) -> str | None:
    """Return the domain that was probably meant, or None if this one looks right."""
    if domain in WELL_KNOWN or domain in _REAL_LOOK_ALIKES:
        return None
    head, _, suffix = domain.rpartition(".")
    corrected = f"{head}.{_SUFFIXES[suffix]}" if suffix in _SUFFIXES else domain
    near = next((known for known in WELL_KNOWN if _one_slip(corrected, known)), corrected)
    return near if near != domain else None


def _one_slip(typed: str, meant: str) -> bool:
    """Return True if the words are equal or differ by one slip.

    A slip is one missing, extra or wrong character, or two neighbouring characters that are swapped.
    """
    if typed == meant:
        return True
    at = next((i for i, (a, b) in enumerate(zip(typed, meant, strict=False)) if a != b), min(len(typed), len(meant)))
    rest, wanted = typed[at:], meant[at:]
    swapped = rest[1:2] + rest[:1] + rest[2:]
    return wanted in (rest[1:], swapped) or wanted[1:] in (rest, rest[1:])


def mixed_scripts(domain: str) -> bool:
    """Return True if a label of the domain mixes letters of two scripts, such as «gmаil» with a Cyrillic «а».

    The domain must be in ASCII form.
    """
    return any(len(_scripts(label)) > 1 for label in domain.split(".") if label.startswith("xn--"))


def _scripts(label: str) -> set[str]:
    import idna  # imported late, see `_ascii_domain`

    letters = (char for char in idna.decode(label) if unicodedata.category(char).startswith("L"))
    names = {unicodedata.name(letter, "?").split(" ")[0] for letter in letters}
    return {"JAPANESE" if name in ("CJK", "HIRAGANA", "KATAKANA", "KATAKANA-HIRAGANA") else name for name in names}
