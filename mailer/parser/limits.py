"""The limits for reading one document. The operating system enforces the limits on CPU time and memory."""

import contextlib
import resource
import signal
from dataclasses import dataclass

_MB = 1_000_000
_QUICK_S = 10.0  # every document may use at least this many seconds of CPU time
_SECONDS_PER_MB = 2.0  # a larger document may use this many seconds for each megabyte
_WAITING = 3.0  # wall-clock limit / limit on CPU time; more than 1, because other programs run, too
_MEMORY, _MEMORY_PER_BYTE = 400 * _MB, 24
_ANSWER, _ANSWER_PER_BYTE = 10 * _MB, 4


@dataclass(frozen=True, slots=True)
class Limits:
    """The largest amounts of time, memory and output that reading one document may take."""

    cpu_s: float
    wall_s: float
    memory: int  # bytes
    answer: int  # bytes


def limits_for(size: int) -> Limits:
    """Return the limits for a document of `size` bytes after decompression."""
    cpu_s = max(_QUICK_S, _SECONDS_PER_MB * size / _MB)
    return Limits(cpu_s, cpu_s * _WAITING, _MEMORY + _MEMORY_PER_BYTE * size, _ANSWER + _ANSWER_PER_BYTE * size)


def apply(limits: Limits) -> None:
    """Limit the CPU time and the memory of this process from now on.

    If the process uses more CPU time, the system ends it with SIGPROF. If it needs more memory, MemoryError is raised.

    A timer measures the time of each document. RLIMIT_CPU would count from the start of the process, and the errors of
    the system's clock ticks would add up. RLIMIT_DATA limits only the process's own data, because shared libraries make
    the address space large.
    """
    signal.setitimer(signal.ITIMER_PROF, limits.cpu_s)
    _limit(resource.RLIMIT_DATA, limits.memory)


def stop() -> None:
    """Stop measuring the time until the next document arrives."""
    signal.setitimer(signal.ITIMER_PROF, 0)


def _limit(what: int, soft: int) -> None:
    _, hard = resource.getrlimit(what)
    if hard != resource.RLIM_INFINITY:
        soft = min(soft, hard)
    with contextlib.suppress(ValueError, OSError):  # a system that does not know this limit
        resource.setrlimit(what, (soft, hard))
