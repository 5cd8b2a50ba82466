"""Asks the DNS whether a domain takes mail. Without an answer, the result is "not known".

In a restricted network, answers from the DNS may be slow, forged or missing. A reader is never refused because an
answer is missing.
"""

import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field

import dns.exception
import dns.resolver

_TIMEOUT_S = 2.0  # longest look-up in seconds, during which the reader who signs up has to wait
_KEPT_S = 3600.0  # the seconds for which an answer is kept
_MOST_KEPT = 2000  # maximum number of answers that are kept
# Maximum number of look-ups at one time. If every thread waited for a slow name server, no reader could unsubscribe.
_AT_ONCE = 2


@dataclass
class Domains:
    """Looks up domains in the DNS, and remembers each answer for an hour."""

    resolver: dns.resolver.Resolver | None = None
    clock: Callable[[], float] = time.monotonic
    _known: dict[str, tuple[float, bool | None]] = field(default_factory=dict)
    _free: threading.Semaphore = field(default_factory=lambda: threading.Semaphore(_AT_ONCE))

    def takes_mail(self, domain: str) -> bool | None:
        """Return whether a domain (in ASCII form) takes mail, or None if that is not known.

        Returns False if the domain does not exist, has a null MX record (RFC 7505), or has neither MX nor address
        records.
        """
        kept = self._known.get(domain)
        if kept and self.clock() < kept[0]:
            return kept[1]
        if not self._free.acquire(blocking=False):
            return None  # this result is not remembered, so the next request may ask the DNS
        try:
            found = self._ask(domain)
        finally:
            self._free.release()
        if len(self._known) >= _MOST_KEPT:
            self._known.clear()
        self._known[domain] = (self.clock() + _KEPT_S, found)
        return found

    def _ask(self, domain: str) -> bool | None:
        until = self.clock() + _TIMEOUT_S
        try:
            resolver = self.resolver or dns.resolver.Resolver()
            # Without an MX record, mail goes to the address of the domain itself (RFC 5321 §5.1).
            for kind in ("MX", "A", "AAAA"):
                with suppress(dns.resolver.NoAnswer):
                    answer = resolver.resolve(domain, kind, lifetime=max(0.1, until - self.clock()), search=False)
                    # An MX record with the host "." means that the domain takes no mail (RFC 7505).
                    return kind != "MX" or any(str(record.exchange) != "." for record in answer)
        except dns.resolver.NXDOMAIN:
            return False
        except (dns.exception.DNSException, OSError):
            return None
        return False
