"""Keeping children running: one that ends by itself is started again, later and later, and said aloud.

The law of this file: nothing ends in silence. Whoever watches the terminal sees what ended, how, its last words, and when
it will be tried again.
"""

import asyncio
import json
import signal
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from shared.embedded.children import Child, Children, Program

FIRST_DELAY = 0.2
LONGEST_DELAY = 10.0
HEALTHY_SECONDS = 60.0
"""A child that has run for so long counts as healthy: its next fall begins with the first delay again."""
LAST_WORDS = 6
ECHOED = 20
ECHO_SECONDS = 10.0
"""At most `ECHOED` lines of one child are echoed in so many seconds; the log file has them all."""

Say = Callable[[str], None]


@dataclass(slots=True)
class Backoff:
    """How long to wait before the next start: twice as long each time, within bounds, until a start has proved healthy."""

    delay: float = 0.0

    def after(self, ran_seconds: float) -> float:
        """Return the seconds to wait after a run of `ran_seconds`."""
        fresh = self.delay == 0.0 or ran_seconds >= HEALTHY_SECONDS
        self.delay = FIRST_DELAY if fresh else min(self.delay * 2, LONGEST_DELAY)
        return self.delay


@dataclass(slots=True)
class Window:
    """How many lines of one child were echoed since a moment."""

    since: float
    lines: int = 0


@dataclass(slots=True)
class Echo:
    """Decides which lines of the children's logs deserve the terminal: warnings and worse, and never a flood."""

    say: Say
    quiet: bool = False
    _windows: dict[str, Window] = field(default_factory=dict)

    def heard(self, name: str, line: str) -> None:
        """Take one line of a child's log."""
        told = None if self.quiet else _worth_telling(line)
        if told is None:
            return
        now = time.monotonic()
        window = self._windows.setdefault(name, Window(now))
        if now - window.since > ECHO_SECONDS:
            window.since, window.lines = now, 0
        window.lines += 1
        if window.lines <= ECHOED:
            self.say(f"{name}: {told}")
        elif window.lines == ECHOED + 1:
            self.say(f"{name}: … and more, in its log")


def _worth_telling(line: str) -> str | None:
    """Return what of a line to tell, or None: JSON lines by their level, PostgreSQL's and NATS's by their words."""
    if line.startswith("{"):
        try:
            entry = json.loads(line)
        except ValueError:
            return line
        level = str(entry.get("level", ""))
        return f"{level}: {entry.get('message', line)}" if level in {"warning", "error", "critical"} else None
    if any(word in line for word in (" FATAL: ", " PANIC: ", " WARNING: ", "[FTL]", "[ERR]")):
        return line
    return None


class Supervisor:
    """Runs programs by name until `stop`."""

    def __init__(self, children: Children, say: Say, changed: Callable[[dict[str, int]], None]) -> None:
        self._children = children
        self._say = say
        self._changed = changed
        self._running: dict[str, Child] = {}
        self._keepers: dict[str, asyncio.Task[None]] = {}

    @property
    def pids(self) -> dict[str, int]:
        """Process numbers by name, of those that run now."""
        return {name: child.process.pid for name, child in self._running.items()}

    async def start(self, program: Program) -> Child:
        """Start a program and keep it running.

        Raises:
            OSError: it cannot be started at all.
        """
        child = await self._children.start(program)
        self._note(child)
        self._keepers[program.name] = asyncio.create_task(self._keep(child))
        return child

    async def stop(self, name: str) -> None:
        """Stop a program for good; a name that does not run is no fault."""
        keeper = self._keepers.pop(name, None)
        if keeper is not None:
            keeper.cancel()
            await asyncio.wait([keeper])
        child = self._running.pop(name, None)
        if child is not None:
            await self._children.stop(child)

    async def stop_together(self, names: Sequence[str]) -> None:
        """Stop several programs at the same time."""
        await asyncio.gather(*(self.stop(name) for name in names))

    async def _keep(self, child: Child) -> None:
        program, backoff = child.program, Backoff()
        while True:
            begun = time.monotonic()
            status = await child.wait()
            ran = time.monotonic() - begun
            self._running.pop(program.name, None)
            self._children.forget(child)
            delay = backoff.after(ran)
            self._say(f"{program.name} ended by {describe(status)} after {ran:.1f} s; starting it again in {delay:g} s")
            for line in list(child.tail)[-LAST_WORDS:] if status > 0 else []:
                self._say(f"    {line}")
            await asyncio.sleep(delay)
            child = await self._again(program)
            self._note(child)

    async def _again(self, program: Program) -> Child:
        while True:
            try:
                return await self._children.start(program)
            except OSError as refusal:
                self._say(f"{program.name} cannot be started: {refusal}")
                await asyncio.sleep(LONGEST_DELAY)

    def _note(self, child: Child) -> None:
        self._running[child.program.name] = child
        self._changed(self.pids)


def describe(status: int) -> str:
    """Return an exit status in words: `status 1`, or `signal 9 (SIGKILL)` for a negative one."""
    if status >= 0:
        return f"status {status}"
    try:
        return f"signal {-status} ({signal.Signals(-status).name})"
    except ValueError:
        return f"signal {-status}"
