"""Lanes: which recipient domains share a pace, because one provider counts our mails to all of them together.

By the domain of the address alone: nothing is looked up, so a domain that a provider hosts under the customer's own
name is in the lane «default». It keeps no rate and counts nothing; it says when what was counted is
enough to pause a lane.
"""

from collections.abc import Iterable, Mapping
from datetime import timedelta
from types import MappingProxyType

DEFAULT = "default"
LEAST_BLOCKED, BLOCKED_SHARE = 10, 0.05
WINDOW = 1000  # answers that count; in a lane of a million, 5 % of all would be refusals for hours
PAUSE = timedelta(hours=24)  # by then a provider's memory is over, or an admin was there

DOMAINS: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "gmail": ("gmail.com", "googlemail.com"),
        "outlook": (
            "outlook.com",
            "hotmail.com",
            "live.com",
            "msn.com",
            "passport.com",
            "windowslive.com",
            "hotmail.co.uk",
            "hotmail.de",
            "hotmail.es",
            "hotmail.fr",
            "hotmail.it",
            "live.co.uk",
            "live.de",
            "live.fr",
            "live.nl",
            "live.se",
            "outlook.de",
            "outlook.es",
            "outlook.fr",
        ),
        "yahoo": (
            "yahoo.com",
            "ymail.com",
            "rocketmail.com",
            "myyahoo.com",
            "yahoo.ca",
            "yahoo.co.in",
            "yahoo.co.uk",
            "yahoo.com.au",
            "yahoo.com.tr",
            "yahoo.de",
            "yahoo.es",
            "yahoo.fr",
            "yahoo.in",
            "yahoo.it",
            "yahoo.se",
            "aol.com",
            "aim.com",
        ),
        "apple": ("icloud.com", "me.com", "mac.com"),
        "yandex": ("yandex.com", "yandex.ru", "ya.ru", "yandex.by", "yandex.com.tr", "yandex.kz", "narod.ru"),
        "mailru": ("mail.ru", "inbox.ru", "list.ru", "bk.ru", "internet.ru"),
        "proton": ("proton.me", "protonmail.com", "protonmail.ch", "pm.me"),
        "gmx": ("gmx.com", "gmx.de", "gmx.net", "gmx.at", "gmx.ch", "web.de", "mail.com"),
        "zoho": ("zoho.com", "zohomail.com", "zoho.eu", "zohomail.eu"),
        "chmail": ("chmail.ir",),
        "mailfa": ("mailfa.com",),
    }
)


def table(own: Iterable[str] = ()) -> dict[str, str]:
    """Domain → lane, for every domain that is not in the lane «default». `own`: the names under `[delivery] lanes`; a
    domain among them is a lane of itself, also when a provider's lane had it before."""
    known = {domain: lane for lane, domains in DOMAINS.items() for domain in domains}
    return known | {name: name for name in own if name != DEFAULT and name not in DOMAINS}


def lane_of(address: str, known: Mapping[str, str]) -> str:
    """The lane of an address (its domain in A-labels, lower case) by a `table`."""
    return known.get(address.rpartition("@")[2], DEFAULT)


def refuses_us(answered: int, blocked: int) -> bool:
    """Whether a lane is to be paused: a few refusals as spam are the readers' own filters, many are about us."""
    return blocked >= LEAST_BLOCKED and blocked >= BLOCKED_SHARE * answered
