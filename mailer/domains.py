"""Asks the DNS whether a domain takes mail; an answer that does not come means "not known".

In a restricted network the DNS may be slow, forged or missing. No reader is refused because of that.
"""

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field

import dns.exception
import dns.resolver

_TIMEOUT_S = 2.0  # a reader waits for the answer
_KEPT_S = 3600.0
_MOST_KEPT = 2000  # answers
_AT_ONCE = 2  # questions: the slow name server of one domain must not keep other readers from leaving


@dataclass
class Domains:
    """Knows for an hour what the DNS answered about a domain."""

    resolver: dns.resolver.Resolver | None = None
    clock: Callable[[], float] = time.monotonic
    _known: dict[str, tuple[float, bool | None]] = field(default_factory=dict)
    _free: threading.Semaphore = field(default_factory=lambda: threading.Semaphore(_AT_ONCE))

    def takes_mail(self, domain: str) -> bool | None:
        """Return whether a domain (in ASCII form) takes mail; None if that is not known.

        False means that it says so itself (RFC 7505), does not exist, or has no address.
        """
        kept = self._known.get(domain)
        if kept and self.clock() < kept[0]:
            return kept[1]
        if not self._free.acquire(blocking=False):
            return None  # not kept: the next reader may ask
        try:
            found = self._ask(domain)
        finally:
            self._free.release()
        if len(self._known) >= _MOST_KEPT:
            self._known.clear()
        self._known[domain] = (self.clock() + _KEPT_S, found)
        return found

    def _ask(self, domain: str) -> bool | None:
        try:
            resolver = self.resolver or dns.resolver.Resolver()
            until = self.clock() + _TIMEOUT_S
            try:
                answer = resolver.resolve(domain, "MX", lifetime=_TIMEOUT_S, search=False)
            except dns.resolver.NoAnswer:
                return self._has_address(resolver, domain, until)  # RFC 5321 §5.1: then the domain itself is the host
            return any(str(record.exchange) != "." for record in answer)  # RFC 7505: "." means none
        except dns.resolver.NXDOMAIN:
            return False
        except (dns.exception.DNSException, OSError):
            return None

    def _has_address(self, resolver: dns.resolver.Resolver, domain: str, until: float) -> bool:
        for kind in ("A", "AAAA"):
            try:
                resolver.resolve(domain, kind, lifetime=max(0.1, until - self.clock()), search=False)
            except dns.resolver.NoAnswer:
                continue
            return True
        return False
