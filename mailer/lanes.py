"""Defines the lanes. A lane is a group of recipient domains that share a pace, because one provider counts all mail to
these domains together.

The lane of an address depends only on the domain in the address; the DNS is not asked. So the domain of a company is in
the lane "default", even if a large provider hosts the company's mailboxes.
"""

from collections.abc import Iterable, Mapping
from datetime import timedelta

DEFAULT = "default"
_PROVIDERS = {
    "gmail": "gmail.com googlemail.com",
    "outlook": "outlook.com outlook.de outlook.es outlook.fr hotmail.com hotmail.co.uk hotmail.de hotmail.es "
    "hotmail.fr hotmail.it live.com live.co.uk live.de live.fr live.nl live.se msn.com passport.com windowslive.com",
    "yahoo": "yahoo.com yahoo.ca yahoo.co.in yahoo.co.uk yahoo.com.au yahoo.com.tr yahoo.de yahoo.es yahoo.fr "
    "yahoo.in yahoo.it yahoo.se ymail.com rocketmail.com myyahoo.com aol.com aim.com",
    "apple": "icloud.com me.com mac.com",
    "yandex": "yandex.com yandex.ru ya.ru yandex.by yandex.com.tr yandex.kz narod.ru",
    "mailru": "mail.ru inbox.ru list.ru bk.ru internet.ru",
    "proton": "proton.me protonmail.com protonmail.ch pm.me",
    "gmx": "gmx.com gmx.de gmx.net gmx.at gmx.ch web.de mail.com",
    "zoho": "zoho.com zohomail.com zoho.eu zohomail.eu",
    "chmail": "chmail.ir",
    "mailfa": "mailfa.com",
}
DOMAINS = {lane: domains.split() for lane, domains in _PROVIDERS.items()}
LANES = (*DOMAINS, DEFAULT)  # the lanes that exist even if the settings define none

# --- when a lane is paused -------------------------------------------------------------------------------------------
# A lane is paused if at least LEAST_BLOCKED answers refused this sender, and if these are at least BLOCKED_SHARE of all
# answers in the lane.
LEAST_BLOCKED, BLOCKED_SHARE = 10, 0.05
# Above this number of answers, the counts of a lane are halved. Otherwise, if a provider began to refuse this sender
# after many accepted mails, the refusals would reach BLOCKED_SHARE only after hours.
COUNTED_ANSWERS = 1000
# The length of a pause. When a pause ends, the provider probably accepts this sender again, or an admin has acted.
PAUSE = timedelta(hours=24)


def table(own: Iterable[str] = ()) -> Mapping[str, str]:
    """Returns the lane of every domain that is not in the lane "default".

    `own` contains the names under `[delivery] lanes`. A domain in `own` becomes a separate lane, even if that domain
    otherwise belongs to the lane of a provider.
    """
    built_in = {domain: lane for lane, domains in DOMAINS.items() for domain in domains}
    return built_in | {name: name for name in own if name not in LANES}


BUILT_IN = table()


def lane_of(address: str, lanes: Mapping[str, str] = BUILT_IN) -> str:
    """Returns the lane of an address whose domain is in A-labels (xn--…) and lower case. `lanes` is the mapping that
    `table` returns."""
    return lanes.get(address.rpartition("@")[2], DEFAULT)


def refuses_sender(answered: int, blocked: int) -> bool:
    """Returns whether a lane must be paused because the provider refuses this sender. A few refusals may come from the
    spam filters of single readers, but many refusals come from the provider."""
    return blocked >= LEAST_BLOCKED and blocked >= BLOCKED_SHARE * answered
