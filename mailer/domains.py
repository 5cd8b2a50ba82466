"""Asks the DNS whether a domain takes mail. Without an answer, the result is "not known".

In a restricted network the DNS may be slow, forged or missing. No reader is refused because an answer is missing.
"""

import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field

import dns.exception
import dns.resolver

_TIMEOUT_S = 2.0  # seconds: a reader who signs up waits for the answer
_KEPT_S = 3600.0  # seconds for which an answer is kept
_MOST_KEPT = 2000  # how many answers are kept at most
_AT_ONCE = 2  # look-ups at the same time: if every thread waited for a slow name server, no reader could unsubscribe


@dataclass
class Domains:
    """Remembers for an hour what the DNS answered about each domain."""

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
            return None  # not remembered, so the next request may ask the DNS
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
            for kind in ("MX", "A", "AAAA"):  # without MX records, the domain itself is the host (RFC 5321 §5.1)
                with suppress(dns.resolver.NoAnswer):
                    answer = resolver.resolve(domain, kind, lifetime=max(0.1, until - self.clock()), search=False)
                    # The host "." means that the domain takes no mail (RFC 7505).
                    return kind != "MX" or any(str(record.exchange) != "." for record in answer)
        except dns.resolver.NXDOMAIN:
            return False
        except (dns.exception.DNSException, OSError):
            return None
        return False
