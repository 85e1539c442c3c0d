"""Real notify workers over one database, a sink that fails by plan, and a hand that kills."""

import asyncio
import contextlib
import json
import os
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from shared.embedded.nats_server import free_port
from shared.http import Client, HttpError

SINK_KEY = {"SINK_ACCESS_KEY_ID": "key", "SINK_ACCESS_KEY_SECRET": "secret"}


@dataclass(slots=True)
class Sink:
    """The sink as a process of its own."""

    url: str
    smtp_port: int
    client: Client

    async def plan(self, plans: dict[str, Any]) -> None:
        answer = await self.client.put(f"{self.url}/faults", content=json.dumps(plans).encode())
        assert answer.status_code == 204

    async def entries(self) -> list[dict[str, Any]]:
        """What people saw, each message once."""
        answer = await self.client.get(f"{self.url}/ledger.json?entries=1", timeout=60)
        entries: list[dict[str, Any]] = answer.json()["entries"]
        return entries


@asynccontextmanager
async def sink(folder: Path) -> AsyncIterator[Sink]:
    port, smtp_port = free_port(), free_port()
    command = ["-m", "services.processes", "sink", "--data", str(folder), "--port", str(port)]
    with (folder / "sink.log").open("ab") as log:
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            *command,
            "--smtp-port",
            str(smtp_port),
            env={**os.environ, **SINK_KEY},
            stdout=log,
            stderr=log,
        )
    async with Client() as client:
        running = Sink(f"http://127.0.0.1:{port}", smtp_port, client)
        for _ in range(300):
            try:
                await client.get(f"{running.url}/readyz")
                break
            except HttpError:
                await asyncio.sleep(0.05)
        yield running
    process.terminate()
    await process.wait()


@dataclass(slots=True)
class Workers:
    """Notify workers, each a process. `environment` is what they get beside the machine's own."""

    environment: dict[str, str]
    log: Path
    running: list[int] = field(default_factory=list)
    killed: int = 0
    _nursery: asyncio.subprocess.Process | None = None

    async def start(self, count: int) -> None:
        nursery = self._nursery or await self._open()
        assert nursery.stdin, "it was opened so"
        assert nursery.stdout, "it was opened so"
        for _ in range(count):
            nursery.stdin.write(b"\n")
            self.running.append(int(await nursery.stdout.readline()))

    async def _open(self) -> asyncio.subprocess.Process:
        with self.log.open("ab") as log:
            self._nursery = await asyncio.create_subprocess_exec(
                sys.executable,
                *("-m", "tests.chaos.nursery"),
                env={**os.environ, **self.environment},
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
                stderr=log,
            )
        return self._nursery

    async def kill_one(self) -> None:
        """`kill -9` the one that has lived longest, and start another."""
        victim = self.running.pop(0)
        os.kill(victim, signal.SIGKILL)  # one that had ended by itself is a failure of the test
        self.killed += 1
        await self.start(1)

    async def stop(self) -> None:
        """End them all, and wait until they have."""
        for one in self.running:
            with contextlib.suppress(ProcessLookupError):
                os.kill(one, signal.SIGTERM)
        for _ in range(100):
            if not any(Path(f"/proc/{one}").exists() for one in self.running):
                break
            await asyncio.sleep(0.1)
        if self._nursery is not None and self._nursery.stdin is not None:
            self._nursery.stdin.close()
            await self._nursery.wait()
        self.running.clear()
