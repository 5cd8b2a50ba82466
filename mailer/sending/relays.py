"""The connections to the relays, with a circuit breaker for each relay. After a failure, a relay is not tried for 30
seconds; if the relay keeps failing, this pause grows to 1, 2, 5 and finally 10 minutes.

The breakers are in memory, so every process finds out for itself that a relay is down. The failure of a relay does not
count as an attempt to send any mail.
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

_OUTCOME_NAMES: Mapping[type, str] = {
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
    open_until: float = 0.0  # monotonic time at which the relay may be tried again
    failing_since: float | None = None
    error: RelayDown | None = None
    refuses_sender: bool = False  # whether the relay accepts connections, but not this sender
    connections: int = 0  # number of connections that are open now
    outcomes: Counter[str] = field(default_factory=Counter)  # number of this process's mails with each outcome


@dataclass
class Circuits:
    """The circuits of the relays, shared by all connections of a process."""

    clock: Callable[[], float] = time.monotonic  # monotonic, because the wall clock may jump
    _circuits: dict[str, _Circuit] = field(default_factory=dict)
    weights: Mapping[str, int] = field(default_factory=dict)  # relay name → weight; the default is 1
    _credit: dict[str, float] = field(default_factory=dict)

    async def connect(self, relays: Sequence[Relay]) -> tuple[str, Session]:
        """Connects to the first relay that accepts a connection. Returns the relay's name and the session; the caller
        must end the session with `disconnect`. Raises RelayDown if no relay accepts."""
        last: RelayDown | None = None
        for relay in self._in_turn(relays):
            circuit = self._circuits.setdefault(relay.name, _Circuit())
            if self.clock() < circuit.open_until:
                last = circuit.error or last
                continue
            try:
                session = await relay.connect()
            except RelayDown as error:
                last = error
                # If other connections to the relay are open, the relay is not down; it only accepts fewer connections
                # than configured.
                if not circuit.connections:
                    self._open(circuit, error)
            else:
                circuit.connections += 1
                if not circuit.refuses_sender:
                    circuit.open_until = 0.0  # other attempts may have failed while this connection was opened
                return relay.name, session
        raise last or RelayDown("No relay is configured.", "Add one as [[smtp]].")

    async def disconnect(self, relay: str, session: Session) -> None:
        self._circuits[relay].connections -= 1
        await session.close()

    def heard(self, relay: str, outcome: Outcome) -> None:
        """Counts the outcome of a mail. If the relay gave an answer about the mail, ends the relay's pause: such an
        answer shows that the relay works, and an open connection alone does not."""
        circuit = self._circuits[relay]
        circuit.outcomes[_OUTCOME_NAMES[type(outcome)]] += 1
        if answered(outcome):
            circuit.failures, circuit.open_until, circuit.failing_since = 0, 0.0, None
            circuit.error, circuit.refuses_sender = None, False

    def outcomes(self, relay: str) -> dict[str, int]:
        """Returns how many of this process's mails had each outcome. An outcome that did not occur has the number 0."""
        counted = self._circuit(relay).outcomes
        return {name: counted[name] for name in _OUTCOME_NAMES.values()}

    def connections(self, relay: str) -> int:
        """Returns the number of connections to the relay that are open now."""
        return self._circuit(relay).connections

    def open(self, relay: str) -> bool:
        """Returns whether the relay's circuit is open, which means that the relay must not be tried now."""
        return self.clock() < self._circuit(relay).open_until

    def _circuit(self, relay: str) -> _Circuit:
        # A new circuit is not stored, so that `wait_s` and `down_s` ignore relays that were never tried.
        return self._circuits.get(relay) or _Circuit()

    def open_for_sender(self, relay: str, reply: Reply) -> RelayDown | None:
        """Opens the circuit of a relay that refused this sender in the middle of a session (MAIL 5xx). Returns the
        error to report, or None if the refusal was known already."""
        error = RelayDown(
            f"The relay {relay} refuses our sender at {reply.phase}: {reply.code} {reply.text.rstrip('. ')}.",
            "Check [newsletter] from, and whether this relay may be used for it.",
        )
        circuit = self._circuits.setdefault(relay, _Circuit())
        known, circuit.refuses_sender = circuit.refuses_sender, True
        self._open(circuit, error)
        return None if known else error

    def wait_s(self) -> float:
        """Returns the number of seconds until some relay may be tried again, or 0 if a relay may be tried now."""
        now = self.clock()
        return max(0.0, min((circuit.open_until - now for circuit in self._circuits.values()), default=0.0))

    def down_s(self) -> float:
        """Returns the number of seconds for which all relays have been failing, or 0 if any relay works."""
        since = [circuit.failing_since for circuit in self._circuits.values()]
        return min((self.clock() - begun if begun is not None else 0.0 for begun in since), default=0.0)

    def _in_turn(self, relays: Sequence[Relay]) -> list[Relay]:
        """Returns the relays in the order in which the next connection tries them. Over many connections, each relay
        with a closed circuit comes first in proportion to its weight. Relays with an open circuit follow, and relays of
        weight 0 come last.

        At each call, every relay with a closed circuit gains its weight as credit. The relay with the most credit comes
        first and loses the sum of the gained credits. This spreads the turns evenly, and a relay that returns after an
        outage gets no extra turns.
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
        if now < circuit.open_until:
            return  # connections that fail at the same time count as one failure
        circuit.open_until = now + PAUSES_S[min(circuit.failures, len(PAUSES_S) - 1)]
        circuit.failures += 1
        circuit.failing_since = now if circuit.failing_since is None else circuit.failing_since
        circuit.error = error
