"""Does a domain take mail? Asked of a real DNS server on loopback whose answers the test sets."""

import socket
import threading
import time
from collections.abc import Iterator

import dns.flags
import dns.message
import dns.rcode
import dns.resolver
import dns.rrset
import pytest

from mailer.domains import Domains

ZONE = {
    ("good.example.", "MX"): "10 mx.good.example.",
    ("null.example.", "MX"): "0 .",
    ("plain.example.", "A"): "192.0.2.1",
    ("six.example.", "AAAA"): "2001:db8::1",
    ("empty.example.", "TXT"): '"nothing"',
}


@pytest.fixture(scope="module")
def resolver() -> Iterator[dns.resolver.Resolver]:
    """Answers from ZONE; a name that begins with "slow" is never answered, "broken" is SERVFAIL."""
    server = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    server.bind(("127.0.0.1", 0))

    def serve() -> None:
        while True:
            data, peer = server.recvfrom(4096)
            if not data:
                return
            query = dns.message.from_wire(data)
            name, kind = str(query.question[0].name), dns.rdatatype.to_text(query.question[0].rdtype)
            if name.startswith("slow"):
                continue
            answer = dns.message.make_response(query)
            answer.flags |= dns.flags.RA
            if name.startswith("broken"):
                answer.set_rcode(dns.rcode.SERVFAIL)
            elif (name, kind) in ZONE:
                answer.answer.append(dns.rrset.from_text(name, 60, "IN", kind, ZONE[name, kind]))
            elif name not in {known for known, _ in ZONE}:
                answer.set_rcode(dns.rcode.NXDOMAIN)
            server.sendto(answer.to_wire(), peer)

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    asking = dns.resolver.Resolver(configure=False)
    asking.nameservers = ["127.0.0.1"]
    asking.port = server.getsockname()[1]
    yield asking
    server.sendto(b"", server.getsockname())
    thread.join()
    server.close()


@pytest.mark.parametrize(
    ("domain", "takes"),
    [
        ("good.example", True),
        ("null.example", False),  # RFC 7505
        ("plain.example", True),  # RFC 5321 §5.1
        ("six.example", True),
        ("empty.example", False),
        ("nobody.example", False),
        ("broken.example", None),
    ],
)
def test_the_answers_of_a_domain(resolver: dns.resolver.Resolver, domain: str, takes: bool | None) -> None:
    assert Domains(resolver).takes_mail(domain) is takes


@pytest.mark.slow
def test_no_answer_does_not_mean_no_and_is_waited_for_only_once(resolver: dns.resolver.Resolver) -> None:
    now = 0.0

    def clock() -> float:
        return now

    domains = Domains(resolver, clock)
    assert domains.takes_mail("slow.example") is None
    domains.resolver = None  # a second question would have to use the resolver of this machine
    assert domains.takes_mail("slow.example") is None
    assert domains._known == {"slow.example": (3600.0, None)}


@pytest.mark.slow
def test_many_slow_domains_do_not_make_other_readers_wait(resolver: dns.resolver.Resolver) -> None:
    domains = Domains(resolver)
    asking = [threading.Thread(target=domains.takes_mail, args=(f"slow{n}.example",)) for n in range(2)]
    for thread in asking:
        thread.start()
    while domains._free._value:
        time.sleep(0.01)
    assert domains.takes_mail("null.example") is None  # not known now …
    assert all(thread.is_alive() for thread in asking), "it waited for the others"
    for thread in asking:
        thread.join()
    assert domains.takes_mail("null.example") is False  # … and not kept as such
