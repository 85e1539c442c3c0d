"""What is running, on disk: who reads it later can end exactly those processes, and no others.

A process is named by its number *and* the instant it started, for numbers are used again. The supervisor writes the
record at every change; the watchdog reads it when the supervisor is gone, and the next supervisor reads it before it
starts anything.
"""

import json
import os
import signal
import time
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path

import psutil

SAME_START_SECONDS = 0.05
"""Two readings of one process's start may differ by a rounding; two processes with one number cannot start this close."""


@dataclass(frozen=True, slots=True)
class Running:
    """A process that runs: `started` in seconds since 1970, `stop_signal` the signal that asks it to end well."""

    name: str
    pid: int
    started: float
    stop_signal: int


def started(pid: int) -> float | None:
    """Return when the process with this number started, or None where there is none (or only its remains)."""
    try:
        process = psutil.Process(pid)
        if process.status() == psutil.STATUS_ZOMBIE:
            return None
        return float(process.create_time())
    except psutil.NoSuchProcess:
        return None


def is_running(entry: Running) -> bool:
    """Tell whether that very process still runs."""
    now = started(entry.pid)
    return now is not None and abs(now - entry.started) < SAME_START_SECONDS


def write(path: Path, entries: Iterable[Running]) -> None:
    """Replace the record, whole or not at all."""
    fresh = path.with_name(f"{path.name}.{os.getpid()}")
    fresh.write_text(json.dumps([asdict(entry) for entry in entries], indent=1), encoding="utf-8")
    fresh.replace(path)


def read(path: Path) -> list[Running]:
    """Return the record; no file is an empty one."""
    try:
        entries = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return []
    return [Running(**entry) for entry in entries]


def end_recorded(path: Path, *, patience: float = 8.0) -> list[str]:
    """End what the record names, the last started first, and return the names of those that were still running.

    Each is asked by its own signal and has `patience` seconds, then it is killed.
    """
    ended = []
    for entry in reversed(read(path)):
        if not is_running(entry):
            continue
        ended.append(entry.name)
        _send(entry, entry.stop_signal)
        if not _gone(entry, patience):
            _send(entry, signal.SIGKILL)
            _gone(entry, patience)
    path.unlink(missing_ok=True)
    return ended


def _send(entry: Running, number: int) -> None:
    try:
        os.kill(entry.pid, number)
    except ProcessLookupError:
        return


def _gone(entry: Running, seconds: float) -> bool:
    until = time.monotonic() + seconds
    while is_running(entry):
        if time.monotonic() > until:
            return False
        time.sleep(0.02)
    return True
