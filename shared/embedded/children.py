"""Starting child processes so that their words are kept and none outlives its parent.

Each child has a session of its own: Ctrl-C in the terminal reaches the supervisor alone, which then stops the children
in order. What a child prints goes, line by line, to a bounded file and to whoever listens.
"""

import asyncio
import contextlib
import os
import signal
import sys
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self

from shared.embedded import records
from shared.embedded.account import Account

LOG_BYTES = 5_000_000
"""A log file that has grown to this size becomes NAME.log.1 (replacing the one before) and a new one begins."""
TAIL_LINES = 20
LINE_BYTES = 1 << 20

Listener = Callable[[str, str], None]
"""Called with a child's name and one line that it printed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Program:
    """A program to run as a child. `environment` is all that it gets.

    A `patient` one that is woken waits for its turn, where Linux would rather have it push aside whoever runs
    (`SCHED_BATCH`, sched(7)); so do the processes that it starts.
    """

    name: str
    command: tuple[str, ...]
    environment: Mapping[str, str]
    stop_signal: signal.Signals = signal.SIGTERM
    stop_seconds: float = 10.0
    account: Account | None = None
    pass_fds: tuple[int, ...] = ()
    patient: bool = False


@dataclass(slots=True, kw_only=True)
class Child:
    """A program that was started: `tail` holds the last lines it printed."""

    program: Program
    process: asyncio.subprocess.Process
    entry: records.Running
    tail: deque[str] = field(default_factory=lambda: deque(maxlen=TAIL_LINES))
    reader: asyncio.Task[None] | None = None

    async def wait(self) -> int:
        """Wait for the child's end and for its last line; return its exit status (negative: the signal that ended it)."""
        status = await self.process.wait()
        if self.reader is not None:
            await asyncio.wait([self.reader], timeout=2)  # a grandchild may hold the pipe open: do not wait for it
        return status


class Children:
    """The children of this process, on record in `folder`/run and heard in `folder`/log.

    Use it as an asynchronous context manager: on entering, what a killed supervisor has left running is ended; on
    leaving, whatever still runs is stopped, the last started first.
    """

    def __init__(self, folder: Path, listener: Listener | None = None) -> None:
        self._run = folder / "run"
        self._log = folder / "log"
        self._record = self._run / f"children.{os.getpid()}.json"
        self._listener = listener
        self._running: dict[int, Child] = {}
        self._guard: asyncio.Task[None] | None = None
        self.ended_at_start: list[str] = []

    async def __aenter__(self) -> Self:
        for folder in (self._run, self._log):
            folder.mkdir(parents=True, exist_ok=True)
        for left in sorted(self._run.glob("children.*.json")):
            self.ended_at_start += await asyncio.to_thread(records.end_recorded, left)
        self._write()
        watching = asyncio.Event()
        self._guard = asyncio.create_task(self._keep_watchdog(watching))
        await watching.wait()
        return self

    async def __aexit__(self, *_: object) -> None:
        for child in reversed(self._running.copy().values()):
            await self.stop(child)
        self._record.unlink(missing_ok=True)
        if self._guard is not None:
            self._guard.cancel()
            await asyncio.wait([self._guard])

    async def start(self, program: Program) -> Child:
        """Start `program`.

        Raises:
            OSError: it could not be started.
        """
        user = program.account
        process = await asyncio.create_subprocess_exec(
            *program.command,
            env=dict(program.environment),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
            limit=LINE_BYTES,
            start_new_session=True,
            pass_fds=program.pass_fds,
            **({"user": user.uid, "group": user.gid, "extra_groups": []} if user else {}),  # type: ignore[arg-type]
        )
        if program.patient:
            _make_patient(process.pid)
        begun = records.started(process.pid) or 0.0
        entry = records.Running(program.name, process.pid, begun, program.stop_signal)
        child = Child(program=program, process=process, entry=entry)
        self._running[process.pid] = child
        self._write()
        child.reader = asyncio.create_task(self._listen(child))
        return child

    async def stop(self, child: Child) -> int:
        """Ask `child` to end, kill it once its `stop_seconds` have passed, and return its exit status."""
        if child.process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                child.process.send_signal(child.program.stop_signal)
            try:
                await asyncio.wait_for(child.process.wait(), child.program.stop_seconds)
            except TimeoutError:
                with contextlib.suppress(ProcessLookupError):
                    child.process.kill()
        status = await child.wait()
        self.forget(child)
        return status

    def forget(self, child: Child) -> None:
        """Take a child that has ended off the record."""
        if self._running.pop(child.process.pid, None) is not None:
            self._write()

    def _write(self) -> None:
        records.write(self._record, [child.entry for child in self._running.values()])

    async def _listen(self, child: Child) -> None:
        assert child.process.stdout is not None
        path = self._log / f"{child.program.name}.log"
        while True:
            try:
                line = await child.process.stdout.readline()
            except ValueError:  # a line longer than LINE_BYTES was dropped
                continue
            if not line:
                return
            _append(path, line)
            text = line.decode("utf-8", "replace").rstrip()
            child.tail.append(text)
            if self._listener is not None:
                self._listener(child.program.name, text)

    async def _keep_watchdog(self, watching: asyncio.Event) -> None:
        """Keep one watchdog running. Its standard input is never written to: that it stays open is the message."""
        command = (sys.executable, "-m", "shared.embedded.watchdog", str(self._record))
        while True:
            reading, writing = os.pipe()
            process = await asyncio.create_subprocess_exec(*command, stdin=reading, start_new_session=True)
            os.close(reading)
            watching.set()
            try:
                await process.wait()
            finally:
                os.close(writing)
                await process.wait()
            await asyncio.sleep(0.2)


def _make_patient(pid: int) -> None:
    """Do so where there is such a thing (Linux) and it is allowed; it is a matter of speed alone."""
    if hasattr(os, "SCHED_BATCH"):
        with contextlib.suppress(OSError):
            os.sched_setscheduler(pid, os.SCHED_BATCH, os.sched_param(0))


def _append(path: Path, line: bytes) -> None:
    with path.open("ab") as file:
        file.write(line)
        grown = file.tell() > LOG_BYTES
    if grown:
        path.replace(path.with_name(path.name + ".1"))
