"""The real system as `make run` starts it, on a data folder and ports of a test's own."""

import asyncio
import json
import os
import signal
import socket
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from shared.http import Client, HttpError

READY_SECONDS = 90.0


@dataclass(slots=True)
class System:
    """A running `yuyue up`: where it answers, which process is which, and how to be cruel to it."""

    data: Path
    process: asyncio.subprocess.Process

    @property
    def run(self) -> dict[str, Any]:
        """What `yuyue up` says of itself in run.json."""
        document: dict[str, Any] = json.loads((self.data / "run.json").read_text())
        return document

    @property
    def urls(self) -> dict[str, str]:
        """Where everything answers."""
        urls: dict[str, str] = self.run["urls"]
        return urls

    def kill(self, name: str) -> int:
        """`kill -9` one process by its name; return its process id."""
        pid: int = self.run["processes"][name]
        os.kill(pid, signal.SIGKILL)
        return pid

    async def until_ready(self) -> None:
        """Return when both APIs say that they are ready; they are asked as anybody would."""
        until = time.monotonic() + READY_SECONDS
        async with Client(timeout=3.0) as client:
            while not await self._is_ready(client):
                assert time.monotonic() < until, f"not ready:\n{(self.data / 'up.log').read_text()[-4000:]}"
                assert self.process.returncode is None, (self.data / "up.log").read_text()[-4000:]
                await asyncio.sleep(0.1)

    async def until_replaced(self, name: str, pid: int) -> None:
        """Return when `name` runs again under another process id, and everything is ready."""
        until = time.monotonic() + READY_SECONDS
        while self.run["processes"].get(name, pid) == pid:
            assert time.monotonic() < until, f"{name} was not started again"
            await asyncio.sleep(0.05)
        await self.until_ready()

    async def _is_ready(self, client: Client) -> bool:
        try:
            urls = self.urls
            answers = [await client.get(f"{urls[name]}/readyz") for name in ("booking", "notify")]
        except (OSError, HttpError, ValueError, KeyError):
            return False
        return all(answer.status_code == 200 for answer in answers)


def _four_free_ports() -> int:
    """Return a port that is free with the three after it."""
    for port in range(20_000 + os.getpid() % 20_000, 60_000, 4):
        try:
            for one in range(port, port + 4):
                with closing(socket.create_server(("127.0.0.1", one))):
                    pass
        except OSError:
            continue
        return port
    raise AssertionError("no four free ports")


async def start(data: Path, *options: str) -> System:
    """Start the system on `data`, and return without waiting until it is ready."""
    data.mkdir(mode=0o711, parents=True, exist_ok=True)
    with (data / "up.log").open("ab") as log:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "services", "up", "--data", str(data), "--port", str(_four_free_ports()), *options),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
    return System(data, process)


@asynccontextmanager
async def running(data: Path, *options: str) -> AsyncIterator[System]:
    """Run the system until the block ends; it must then stop cleanly."""
    system = await start(data, *options)
    try:
        await system.until_ready()
        yield system
    finally:
        if system.process.returncode is None:
            system.process.send_signal(signal.SIGTERM)
        status = await asyncio.wait_for(system.process.wait(), 60)
    assert status == 0, (data / "up.log").read_text()[-4000:]
