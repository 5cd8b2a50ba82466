"""The limits of reading one document, which the operating system enforces."""

import contextlib
import math
import resource
import time
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
    """Limit this process from now on. The system ends it with SIGXCPU if it uses more CPU time.

    The memory is that of its own data (RLIMIT_DATA), because shared libraries make the address space large. More raises
    MemoryError.
    """
    used = time.process_time()
    _limit(resource.RLIMIT_CPU, math.ceil(used + limits.cpu_s))
    _limit(resource.RLIMIT_DATA, limits.memory)
    _limit(resource.RLIMIT_CORE, 0)  # otherwise SIGXCPU writes the memory to a file


def _limit(what: int, soft: int) -> None:
    _, hard = resource.getrlimit(what)
    if hard != resource.RLIM_INFINITY:
        soft = min(soft, hard)
    with contextlib.suppress(ValueError, OSError):  # a system that does not know this limit
        resource.setrlimit(what, (soft, hard))
