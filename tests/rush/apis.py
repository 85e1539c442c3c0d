"""Booking API processes on one database, each as `yuyue up` starts it, and `kill -9` for any of them.

Their listening sockets are this process's, as they are the supervisor's: who connects while a process is dead waits for
its successor, and who was connected hears of the death at once.
"""

import asyncio
import os
import socket
import sys
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import ExitStack, asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from services.processes import listen
from shared.http import Client, HttpError

REAL = ("-m", "services.processes", "booking-api", "--fd")
"""What Python runs, before the number of the socket."""

READY_SECONDS = 60.0


@dataclass(slots=True)
class Api:
    """One place at which the API answers, whichever process does."""

    listener: socket.socket
    command: Sequence[str]
    environment: Mapping[str, str]
    log: Path
    process: asyncio.subprocess.Process | None = None
    deaths: int = 0

    @property
    def port(self) -> int:
        port: int = self.listener.getsockname()[1]
        return port

    async def start(self) -> None:
        """Start a process; it may not answer yet."""
        with self.log.open("ab") as out:
            self.process = await asyncio.create_subprocess_exec(
                *(sys.executable, *self.command, str(self.listener.fileno())),
                env={**os.environ, **self.environment},
                pass_fds=[self.listener.fileno()],
                stdin=asyncio.subprocess.DEVNULL,
                stdout=out,
                stderr=out,
            )

    async def kill(self) -> None:
        """`kill -9` the process, and return when it is dead."""
        assert self.process is not None
        with suppress(ProcessLookupError):
            self.process.kill()
        await self.process.wait()
        self.deaths += 1

    async def until_ready(self) -> None:
        """Return when it says that it is ready."""
        deadline = asyncio.get_running_loop().time() + READY_SECONDS
        async with Client(base_url=f"http://127.0.0.1:{self.port}", timeout=3.0) as client:
            while True:
                with suppress(HttpError):
                    if (await client.get("/readyz")).status_code == 200:
                        return
                ended = self.process is None or self.process.returncode is not None
                assert not ended, self.log.read_text()[-4000:]
                assert asyncio.get_running_loop().time() < deadline, self.log.read_text()[-4000:]
                await asyncio.sleep(0.05)

    async def end(self) -> None:
        if self.process is not None and self.process.returncode is None:
            self.process.terminate()
            await asyncio.wait_for(self.process.wait(), 30)


async def keep_killing(apis: Sequence[Api], every: float) -> None:
    """Until this is cancelled, kill one after the other, one in `every` seconds, and start each again at once.

    The next one is spared until the last one is back: two of two dead would only be a pause.
    """
    loop = asyncio.get_running_loop()
    due, turn = loop.time() + every, 0
    while True:
        victim = apis[turn % len(apis)]
        await asyncio.sleep(max(0.0, due - loop.time()))
        due = loop.time() + every
        await victim.kill()
        await victim.start()
        await victim.until_ready()
        turn += 1


@asynccontextmanager
async def serving(
    count: int, environment: Mapping[str, str], folder: Path, command: Sequence[str] = REAL
) -> AsyncIterator[list[Api]]:
    """Run `count` API processes until the block ends."""
    with ExitStack() as stack:
        apis = [
            Api(stack.enter_context(listen("127.0.0.1", 0)), command, environment, folder / f"api-{number}.log")
            for number in range(count)
        ]
        try:
            for api in apis:
                await api.start()
            for api in apis:
                await api.until_ready()
            yield apis
        finally:
            for api in apis:
                await api.end()
