"""Measuring: a server process, the load on it, and what both cost; ratios are made of runs that alternate.

Figures of one run on a shared machine move by half, and within seconds. Ratios of runs beside each other move less, and the
median of many of them least: no single pair says anything.

What is measured has a core of its own, PostgreSQL and the load share another, as if each stood on a machine of its own.
Left to the scheduler, on two cores the three push each other about, and what is measured is mostly that. It is the same for
every side of a ratio; `BENCH_APART=no` leaves it to the scheduler. Where there are two API processes, they run anywhere.
"""

import json
import os
import shutil
import socket
import statistics
import struct
import subprocess
import sys
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
TICKS = os.sysconf("SC_CLK_TCK")
APART = hasattr(os, "sched_setaffinity") and os.environ.get("BENCH_APART") != "no"
_ALL = sorted(os.sched_getaffinity(0)) if APART else []


def keep_apart(measured: Iterable[int], others: Iterable[int], *, apart: bool = True) -> None:
    """Give the processes that are `measured` one core, and the others another; or let all run anywhere."""
    if len(_ALL) < 2:
        return
    ours, theirs = (_ALL[:1], _ALL[1:2]) if apart else (_ALL, _ALL)
    for pid in measured:
        os.sched_setaffinity(pid, ours)
    for pid in others:
        with suppress(ProcessLookupError):  # a session that has just ended
            os.sched_setaffinity(pid, theirs)


def tree(root: int) -> list[int]:
    """Return a process and its children."""
    return [root, *_children(root)]


@dataclass(frozen=True, slots=True)
class Run:
    """What one run of load came to. Times in microseconds; CPU is of the API's processes and of PostgreSQL's."""

    answered: int
    seconds: float
    p50: int
    p99: int
    statuses: dict[str, int]
    api_cpu: float
    postgres_cpu: float

    @property
    def rate(self) -> float:
        """Answers a second."""
        return self.answered / self.seconds


def compile_load(folder: Path) -> Path:
    """Compile the load generator; a C compiler is what `make bench` needs beside the project itself."""
    compiler = shutil.which("cc") or shutil.which("gcc")
    assert compiler, "make bench needs a C compiler for its load generator: install gcc or clang"
    program = folder / "load"
    subprocess.run([compiler, "-O2", "-o", program, HERE / "load.c"], check=True)
    return program


def write_requests(path: Path, requests: Iterable[bytes]) -> Path:
    """Write finished requests as the load generator reads them."""
    with path.open("wb") as file:
        for request in requests:
            file.write(struct.pack("<I", len(request)) + request)
    return path


@dataclass(slots=True)
class Server:
    """A uvicorn with one or more processes on one socket."""

    processes: list[subprocess.Popen[bytes]]
    port: int

    def cpu(self) -> float:
        """CPU seconds that its processes have used."""
        return sum(_cpu(process.pid) for process in self.processes)


@contextmanager
def serving(app: str, environment: dict[str, str], log: Path, processes: int = 1) -> Iterator[Server]:
    """Serve `tests.bench.apps:<app>` until the block ends."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP) as listener, log.open("ab") as out:
        listener.bind(("127.0.0.1", 0))
        listener.listen(4096)
        port = listener.getsockname()[1]
        command = [sys.executable, "-m", "tests.bench.serve", app, str(listener.fileno())]
        running = [
            subprocess.Popen(
                command, env={**os.environ, **environment}, pass_fds=[listener.fileno()], stdout=out, stderr=out
            )
            for _ in range(processes)
        ]
        try:
            _wait_until_answering(port, log)
            yield Server(running, port)
        finally:
            for process in running:
                process.terminate()
            for process in running:
                process.wait(30)


def _wait_until_answering(port: int, log: Path) -> None:
    for _ in range(300):
        try:
            with socket.create_connection(("127.0.0.1", port), 1) as probe:
                probe.sendall(b"GET /openapi.json HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n")
                if probe.recv(12).startswith(b"HTTP/1.1"):
                    return
        except OSError:
            pass
        time.sleep(0.1)
    raise AssertionError(log.read_text()[-4000:])


@dataclass(frozen=True, slots=True)
class Load:
    """The compiled generator and the postmaster whose children's CPU counts."""

    program: Path
    postmaster: int

    def on(self, server: Server, requests: Path, connections: int, seconds: float) -> Run:
        """Send `requests` over `connections` for `seconds`, and count what it cost."""
        api, postgres = server.cpu(), tree_cpu(self.postmaster)
        command = [str(self.program), "127.0.0.1", str(server.port), str(connections), str(seconds), str(requests)]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as load:
            processes = [process.pid for process in server.processes]
            keep_apart(processes, [load.pid, *tree(self.postmaster)], apart=len(processes) == 1)
            output, _ = load.communicate()
        assert load.returncode == 0, f"the load generator ended with {load.returncode}"
        result: dict[str, Any] = json.loads(output)
        assert result["errors"] == 0, result
        answered = result["answered"]
        return Run(
            answered=answered,
            seconds=result["seconds"],
            p50=result["p50"],
            p99=result["p99"],
            statuses=result["statuses"],
            api_cpu=(server.cpu() - api) / answered * 1e6,
            postgres_cpu=(tree_cpu(self.postmaster) - postgres) / answered * 1e6,
        )


def _cpu(pid: int) -> float:
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return 0.0
    return (int(fields[11]) + int(fields[12])) / TICKS


def tree_cpu(root: int) -> float:
    """CPU seconds of a process and its children, ended ones included."""
    fields = Path(f"/proc/{root}/stat").read_text().rpartition(")")[2].split()
    total = sum(int(fields[n]) for n in (11, 12, 13, 14)) / TICKS
    return total + sum(_cpu(child) for child in _children(root))


def _children(root: int) -> list[int]:
    return [int(child) for child in Path(f"/proc/{root}/task/{root}/children").read_text().split()]


def median(values: Iterable[float]) -> float:
    """The middle one."""
    return statistics.median(values)
