"""A NATS server of a test's own, to be killed and wiped."""

import asyncio
import shutil
import signal
import socket
import sysconfig
from asyncio.subprocess import Process
from dataclasses import dataclass, field
from pathlib import Path

PROGRAM = Path(sysconfig.get_path("scripts")) / "nats-server"


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@dataclass
class Broker:
    """A real nats-server with JetStream on 127.0.0.1."""

    folder: Path
    sync: str = "sync_interval: always"
    port: int = field(default_factory=free_port)
    monitor_port: int = field(default_factory=free_port)
    process: Process | None = None

    @property
    def url(self) -> str:
        return f"nats://127.0.0.1:{self.port}"

    @property
    def monitor_url(self) -> str:
        return f"http://127.0.0.1:{self.monitor_port}"

    async def start(self) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        config = self.folder / "nats.conf"
        store = self.folder / "store"
        config.write_text(
            f"listen: 127.0.0.1:{self.port}\nhttp: 127.0.0.1:{self.monitor_port}\n"
            f'jetstream {{ store_dir: "{store}"\n {self.sync} }}\n'
        )
        with (self.folder / "log").open("ab") as log:
            self.process = await asyncio.create_subprocess_exec(PROGRAM, "-c", config, stdout=log, stderr=log)
        await self._answers()

    async def _answers(self) -> None:
        for _ in range(100):
            try:
                _, writer = await asyncio.open_connection("127.0.0.1", self.port)
            except OSError:
                await asyncio.sleep(0.05)
            else:
                writer.close()
                return
        raise AssertionError((self.folder / "log").read_text())

    async def kill(self) -> None:
        """kill -9."""
        if self.process is not None:
            self.process.send_signal(signal.SIGKILL)
            await self.process.wait()
            self.process = None

    def wipe(self) -> None:
        """Delete everything it has stored; to be called while it is down."""
        assert self.process is None
        shutil.rmtree(self.folder / "store")
