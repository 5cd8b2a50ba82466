"""A session for tests that decide about a mail as a whole, in `send`."""

from collections.abc import Sequence

from mailer.model import Envelope, Outcome
from mailer.smtp.session import Session


class Whole(Session):
    """Combines the steps of a session into one call of `send` for each mail; subclasses decide the outcome."""

    spent = False
    _begun: Envelope
    _content: bytes
    _follow: Envelope | None

    def __init__(self) -> None:
        pass  # it has no connection

    async def send(self, sender: str, recipient: str, message: bytes) -> Outcome:
        raise NotImplementedError

    def begin(self, envelope: Envelope) -> None:
        self._begun = envelope

    async def ready(self) -> Outcome | None:
        return None

    def content(self, segments: Sequence[bytes], follow: Envelope | None = None) -> None:
        self._content, self._follow = b"".join(segments), follow

    async def outcome(self) -> Outcome:
        result = await self.send(self._begun.sender, self._begun.recipient, self._content)
        if self._follow:
            self._begun = self._follow
        return result
