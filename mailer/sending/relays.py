"""A circuit breaker for each relay: one that fails is left alone for 30 s, 1, 2, 5 and then 10 minutes.

Kept in memory: another process finds out for itself. Costs no delivery an attempt.
"""

import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from mailer.errors import RelayDown
from mailer.model import Accepted, Deferred, NotSent, Outcome, Rejected, Reply, Unknown
from mailer.replies import answered
from mailer.smtp.relay import Relay
from mailer.smtp.session import Session

_WORDS: Mapping[type, str] = {
    Accepted: "accepted",
    Deferred: "deferred",
    Rejected: "rejected",
    Unknown: "unknown",
    NotSent: "not_sent",
}
PAUSES_S = (30.0, 60.0, 120.0, 300.0, 600.0)


@dataclass
class _Circuit:
    failures: int = 0
    closed_at: float = 0.0  # monotonic time from which on the relay may be tried again
    since: float | None = None  # when the trouble began
    error: RelayDown | None = None
    refused: bool = False  # it takes our connections, but not our sender
    lines: int = 0  # open just now
    heard: Counter[str] = field(default_factory=Counter)  # what became of mails, in this process


@dataclass
class Circuits:
    """The relays' circuits, shared by all connections of a process."""

    clock: Callable[[], float] = time.monotonic  # must not jump with the wall clock
    _of: dict[str, _Circuit] = field(default_factory=dict)
    weights: Mapping[str, int] = field(default_factory=dict)  # of the relays by name; 1 where none is given
    _credit: dict[str, float] = field(default_factory=dict)

    async def connect(self, relays: Sequence[Relay]) -> tuple[str, Session]:
        """A line to the first relay that takes us: its name and the session, to be ended with `part`. RelayDown: none
        does."""
        last: RelayDown | None = None
        for relay in self._in_turn(relays):
            circuit = self._of.setdefault(relay.name, _Circuit())
            if self.clock() < circuit.closed_at:
                last = circuit.error or last
                continue
            try:
                session = await relay.connect()
            except RelayDown as error:
                last = error
                # A relay that we talk with on other lines is not down: it takes fewer of them than we would like.
                if not circuit.lines:
                    self._open(circuit, error)
            else:
                circuit.lines += 1
                if not circuit.refused:
                    circuit.closed_at = 0.0  # others may have failed while we got through
                return relay.name, session
        raise last or RelayDown("No relay is configured.", "Add one as [[smtp]].")

    async def part(self, relay: str, session: Session) -> None:
        """Ends a line."""
        self._of[relay].lines -= 1
        await session.close()

    def heard(self, relay: str, result: Outcome) -> None:
        """What became of a mail: counted, and an answer shows that the relay is well."""
        self._of[relay].heard[_WORDS[type(result)]] += 1
        if answered(result):
            self.well(relay)

    def heard_of(self, relay: str) -> dict[str, int]:
        """How many mails of this process ended in which way; every way is there."""
        heard = self._circuit(relay).heard
        return {word: heard[word] for word in _WORDS.values()}

    def lines(self, relay: str) -> int:
        """Connections that are open just now."""
        return self._circuit(relay).lines

    def _circuit(self, relay: str) -> _Circuit:
        return self._of.get(relay) or _Circuit()  # not kept: a relay that was never tried is in no count

    def well(self, relay: str) -> None:
        """The relay dealt with a mail: whatever was wrong with it is over. A connection alone does not prove that."""
        circuit = self._of[relay]
        circuit.failures, circuit.closed_at, circuit.since = 0, 0.0, None
        circuit.error, circuit.refused = None, False

    def fault(self, relay: str, reply: Reply) -> RelayDown | None:
        """The relay refused *us* in the middle of a session (MAIL 5xx). None: that was known already."""
        error = RelayDown(
            f"The relay {relay} refuses our sender at {reply.phase}: {reply.code} {reply.text.rstrip('. ')}.",
            "Check [newsletter] from, and whether this relay may be used for it.",
        )
        circuit = self._of.setdefault(relay, _Circuit())
        known, circuit.refused = circuit.refused, True
        self._open(circuit, error)
        return None if known else error

    def open(self, relay: str) -> bool:
        """Whether the relay is left alone just now."""
        circuit = self._of.get(relay)
        return circuit is not None and self.clock() < circuit.closed_at

    def wait_s(self) -> float:
        """Seconds until some relay may be tried; 0: now."""
        now = self.clock()
        return max(0.0, min((circuit.closed_at - now for circuit in self._of.values()), default=0.0))

    def down_s(self) -> float:
        """Seconds for which no relay has taken anything; 0: one does."""
        now = self.clock()
        return min((now - c.since if c.since is not None else 0.0 for c in self._of.values()), default=0.0)

    def _in_turn(self, relays: Sequence[Relay]) -> list[Relay]:
        """The relays in the order in which the next line is tried: of those that may be tried, each has its turn as
        often as its weight says; one that weighs nothing comes only after all others.

        Each of them gains its weight, and the one whose turn it is pays for all. So the turns are spread evenly, and a
        relay that comes back after an outage has nothing to catch up.
        """
        able = [relay for relay in relays if self._weight(relay) and not self.open(relay.name)]
        for relay in able:
            self._credit[relay.name] = self._credit.get(relay.name, 0) + self._weight(relay)
        order = sorted(able, key=lambda relay: -self._credit[relay.name])
        if order:
            self._credit[order[0].name] -= sum(map(self._weight, able))
        others = [relay for relay in relays if relay not in order]
        return order + sorted(others, key=lambda relay: not self._weight(relay))

    def _weight(self, relay: Relay) -> int:
        return self.weights.get(relay.name, 1)

    def _open(self, circuit: _Circuit, error: RelayDown) -> None:
        now = self.clock()
        if now < circuit.closed_at:
            return  # the other connections fail together with the first: that is one failure, not ten
        circuit.closed_at = now + PAUSES_S[min(circuit.failures, len(PAUSES_S) - 1)]
        circuit.failures += 1
        circuit.since = now if circuit.since is None else circuit.since
        circuit.error = error
