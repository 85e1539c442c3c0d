"""Booking API processes on one database, each as `yuyue up` starts it, and `kill -9` for any of them.

Their listening sockets are this process's, as they are the supervisor's: who connects while a process is dead waits for
its successor, and who was connected hears of the death at once. Each is forked from one that has the program loaded
(`loaded`), so that a successor is there at once.
"""

import asyncio
import os
import signal
import socket
import sys
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import ExitStack, asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

from services.processes import listen
from shared.http import Client, HttpError

REAL, UNLOCKED = "real", "unlocked"
"""Which API is run: as it is, or the control without the desk's lock."""

READY_SECONDS = 60.0


@dataclass(slots=True)
class Loaded:
    """The process that the APIs are forked from."""

    process: asyncio.subprocess.Process
    _turn: asyncio.Lock = field(default_factory=asyncio.Lock)

    async def ask(self, line: str) -> str:
        """Return its answer to one line."""
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        async with self._turn:
            self.process.stdin.write(f"{line}\n".encode())
            answer = await self.process.stdout.readline()
        assert answer, "the process that the APIs are forked from has ended"
        return answer.decode().strip()


@dataclass(slots=True)
class Api:
    """One place at which the API answers, whichever process does."""

    listener: socket.socket
    loaded: Loaded
    log: Path
    pid: int | None = None
    deaths: int = 0

    @property
    def port(self) -> int:
        port: int = self.listener.getsockname()[1]
        return port

    async def start(self) -> None:
        """Start a process; it may not answer yet."""
        self.pid = int(await self.loaded.ask(f"start {self.listener.fileno()} {self.log}"))

    async def kill(self) -> None:
        """`kill -9` the process, and return when it is dead."""
        await self._end(signal.SIGKILL)
        self.deaths += 1

    async def is_running(self) -> bool:
        if self.pid is not None and await self.loaded.ask(f"poll {self.pid}") != "-":
            self.pid = None
        return self.pid is not None

    async def until_ready(self) -> None:
        """Return when it says that it is ready."""
        deadline = asyncio.get_running_loop().time() + READY_SECONDS
        async with Client(base_url=f"http://127.0.0.1:{self.port}", timeout=3.0) as client:
            while True:
                with suppress(HttpError):
                    if (await client.get("/readyz")).status_code == 200:
                        return
                assert await self.is_running(), self.log.read_text()[-4000:]
                assert asyncio.get_running_loop().time() < deadline, self.log.read_text()[-4000:]
                await asyncio.sleep(0.05)

    async def end(self) -> None:
        if await self.is_running():
            await asyncio.wait_for(self._end(signal.SIGTERM), 30)

    async def _end(self, by: signal.Signals) -> None:
        assert self.pid is not None
        pid, self.pid = self.pid, None
        os.kill(pid, by)  # nobody else waits for it, so the number is still its own
        while True:
            if await self.loaded.ask(f"poll {pid}") != "-":
                return
            await asyncio.sleep(0.005)


async def keep_killing(apis: Sequence[Api], every: float, over: asyncio.Event) -> None:
    """Until it is `over`, kill one after the other, one in `every` seconds (the first sooner), and start each again at once.

    The next one is spared until the last one is back: two of two dead would only be a pause. What is begun is ended: who
    would break off here might leave a process that nobody knows of.
    """
    loop = asyncio.get_running_loop()
    due, turn = loop.time() + every / 4, 0
    while not over.is_set():
        victim = apis[turn % len(apis)]
        with suppress(TimeoutError):
            await asyncio.wait_for(over.wait(), max(0.0, due - loop.time()))
            return
        due = max(due + every, loop.time())
        await victim.kill()
        await victim.start()
        await victim.until_ready()
        turn += 1


@asynccontextmanager
async def serving(
    count: int, environment: Mapping[str, str], folder: Path, which: str = REAL
) -> AsyncIterator[list[Api]]:
    """Run `count` API processes until the block ends."""
    with ExitStack() as stack:
        listeners = [stack.enter_context(listen("127.0.0.1", 0)) for _ in range(count)]
        log = stack.enter_context((folder / "loaded.log").open("ab"))
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "tests.rush.loaded", which),
            env={**os.environ, **environment},
            pass_fds=[listener.fileno() for listener in listeners],
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=log,
        )
        loaded = Loaded(process)
        apis = [Api(listener, loaded, folder / f"api-{number}.log") for number, listener in enumerate(listeners)]
        try:
            for api in apis:
                await api.start()
            for api in apis:
                await api.until_ready()
            yield apis
            for api in apis:
                await api.end()
        finally:
            assert process.stdin is not None
            process.stdin.close()
            await process.wait()
