"""Describes the machine, and runs the C programs for comparison: Postfix's smtp-sink and smtp-source."""

import contextlib
import os
import platform
import resource
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Tools:
    """The paths of the two programs."""

    sink: str
    source: str


def tools() -> Tools | None:
    """Returns the programs that the variables SMTP_SINK and SMTP_SOURCE name, or else the programs in PATH. Returns
    None if a program is missing."""
    path = os.environ.get("PATH", "") + os.pathsep + "/usr/sbin"
    sink = os.environ.get("SMTP_SINK") or shutil.which("smtp-sink", path=path)
    source = os.environ.get("SMTP_SOURCE") or shutil.which("smtp-source", path=path)
    return Tools(sink, source) if sink and source else None


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        return int(probe.getsockname()[1])


@contextlib.contextmanager
def sink(tool: Tools, *options: str) -> Iterator[int]:
    """Runs smtp-sink on a free port of 127.0.0.1 until the `with` block ends, and yields the port."""
    port = free_port()
    user = ["-u", "nobody"] if os.geteuid() == 0 else []
    process = subprocess.Popen(
        [tool.sink, *user, *options, f"127.0.0.1:{port}", "1000"],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        _wait(port)
        yield port
    finally:
        process.terminate()
        process.wait(10)


def _wait(port: int) -> None:
    for _ in range(100):
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
            return
        time.sleep(0.05)
    raise RuntimeError("smtp-sink does not listen")


@dataclass(frozen=True)
class Source:
    """The figures of `smtp-source`: its messages per second, and its CPU time in ms per message."""

    rate: float
    cpu_ms: float


def source(tool: Tools, port: int, *, connections: int, count: int, size: int) -> Source:
    """Runs the C client `smtp-source -d`, which keeps its connections open, and returns its figures."""
    begun, used = time.perf_counter(), cpu_of_children()
    subprocess.run(
        [
            *(tool.source, "-d", "-s", str(connections), "-m", str(count), "-l", str(size)),
            *("-f", "a@example.org", "-t", "b@example.org", f"127.0.0.1:{port}"),
        ],
        check=True,
        stdout=subprocess.DEVNULL,
    )
    return Source(count / (time.perf_counter() - begun), (cpu_of_children() - used) / count * 1e3)


def cpu_of_children() -> float:
    """Returns the CPU seconds of the child processes that have ended."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def peak_mb(pid: int) -> float:
    """Returns the peak memory of a running process (VmHWM) in MB, or 0 if the process has ended."""
    with contextlib.suppress(OSError, ProcessLookupError):
        for line in Path(f"/proc/{pid}/status").read_text().splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) / 1024
    return 0.0


def described() -> str:
    """Returns one line that describes the machine."""
    model = platform.processor() or platform.machine()
    with contextlib.suppress(OSError):
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                model = line.partition(":")[2].strip()
                break
    return f"{os.cpu_count()} × {model}, {platform.system()} {platform.release()}, Python {platform.python_version()}"
