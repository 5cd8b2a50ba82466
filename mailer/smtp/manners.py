"""What a relay copes with: learned from how sessions went, shared by all sessions with it.

A relay may offer PIPELINING and throw away what came with the first command, or do so only behind the final dot. Such
a relay is found out by what it costs, and from then on asked one thing after the other. Kept in memory: a new process
finds it out again. It knows no mail and no socket.
"""

import logging
from dataclasses import dataclass

log = logging.getLogger(__name__)
DOUBTS = 3  # groups in a row that broke for a reason that may also be the net's


@dataclass
class Manners:
    """`pipelining`: several commands in one group. `overlap`: the next mail's group rides with the final dot."""

    name: str
    pipelining: bool = True
    overlap: bool = False
    doubts: int = 0

    def kept(self) -> None:
        """A group was answered as it should."""
        self.doubts = 0

    def broke(self, *, overlapped: bool, surely: bool, why: str) -> None:
        """A group was not. `surely`: it cannot have been the net. The boldest thing is given up first."""
        self.doubts += 1
        if not surely and self.doubts < DOUBTS:
            return
        self.doubts = 0
        if overlapped:
            self.overlap = False
        else:
            self.pipelining = False
        given_up = "the next mail with the final dot" if overlapped else "several commands at once"
        log.warning("the relay %s does not cope with %s (%s); it is spared that from now on", self.name, given_up, why)
