"""What somebody probably meant by an address: slips in well-known domains, and names that only look like another.

For the sign-up form alone, where the person is there to be asked. Nothing is corrected silently, nothing is looked up.
"""

import unicodedata

import idna

from mailer.address import Address

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
