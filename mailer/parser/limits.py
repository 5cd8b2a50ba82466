"""The limits of reading one document, which the operating system enforces."""

import contextlib
import resource
import signal
from dataclasses import dataclass

_MB = 1_000_000
_QUICK_S = 10.0  # seconds of CPU time for every document …
_SECONDS_PER_MB = 2.0  # … or this for each megabyte of a large one
_WAITING = 3.0  # how much longer reading may take if other programs use the processors
_MEMORY, _MEMORY_PER_BYTE = 400 * _MB, 24
_ANSWER, _ANSWER_PER_BYTE = 10 * _MB, 4


@dataclass(frozen=True, slots=True)
class Limits:
    """The most that reading one document may need."""

    cpu_s: float
    wall_s: float
    memory: int  # bytes
    answer: int  # bytes


def limits_for(size: int) -> Limits:
    """Return the limits for a document of `size` bytes after decompression."""
    cpu_s = max(_QUICK_S, _SECONDS_PER_MB * size / _MB)
    return Limits(cpu_s, cpu_s * _WAITING, _MEMORY + _MEMORY_PER_BYTE * size, _ANSWER + _ANSWER_PER_BYTE * size)


def apply(limits: Limits) -> None:
    """Limit this process from now on. The system ends it with SIGPROF if it uses more CPU time.

    A timer measures each document alone. RLIMIT_CPU counts from the start of the process, in which the system's clock
    ticks add up to a wrong time. The memory is that of the process's own data (RLIMIT_DATA), because shared libraries
    make the address space large. More raises MemoryError.
    """
    signal.setitimer(signal.ITIMER_PROF, limits.cpu_s)
    _limit(resource.RLIMIT_DATA, limits.memory)


def stop() -> None:
    """Stop measuring the time, while the process waits for the next document."""
    signal.setitimer(signal.ITIMER_PROF, 0)


def _limit(what: int, soft: int) -> None:
    _, hard = resource.getrlimit(what)
    if hard != resource.RLIM_INFINITY:
        soft = min(soft, hard)
    with contextlib.suppress(ValueError, OSError):  # a system that does not know this limit
        resource.setrlimit(what, (soft, hard))
