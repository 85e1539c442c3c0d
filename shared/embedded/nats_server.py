"""The embedded NATS server: the wheel's program, JetStream on disk, every message synced before it is acknowledged.

With JetStream's default (`sync_interval` of minutes) an acknowledged message can be lost in a power cut; here none is.
"""

import asyncio
import json
import os
import signal
import socket
import sysconfig
from dataclasses import dataclass
from pathlib import Path

from shared.embedded.account import Account, reachable_programs
from shared.embedded.children import Program
from shared.embedded.passwords import Passwords

USER = "yuyue"

CONFIGURATION = """\
# Written anew at every start.
listen: "127.0.0.1:{port}"
http: "127.0.0.1:{monitor_port}"
server_name: "yuyue-embedded"
authorization {{ user: "{user}", password: "{password}" }}
jetstream {{
  store_dir: "{store}"
  sync_interval: always
}}
"""


class NatsFailedError(Exception):
    """The embedded NATS server could not be prepared or started; the message says why."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Nats:
    """An embedded NATS server on 127.0.0.1, its store in `folder`/nats/jetstream, run by `account` (None: by this user)."""

    folder: Path
    passwords: Passwords
    port: int
    monitor_port: int
    account: Account | None = None

    @property
    def store(self) -> Path:
        return self.folder / "nats" / "jetstream"

    @property
    def url(self) -> str:
        """The address for clients, with user and password."""
        return f"nats://{USER}:{self.passwords.nats}@127.0.0.1:{self.port}"

    @property
    def monitor_url(self) -> str:
        """The address of the monitoring port, where the server says how it is configured."""
        return f"http://127.0.0.1:{self.monitor_port}"

    def program(self) -> Program:
        """Return the server as a program to start."""
        scripts = Path(sysconfig.get_path("scripts"))
        if not (scripts / "nats-server").exists():
            raise NatsFailedError("nats-server is not installed: run `make run`, or install requirements/runtime.txt")
        programs = reachable_programs(self.account, scripts, [Path("nats-server")])
        return Program(
            name="nats",
            command=(str(programs / "nats-server"), "--config", str(self._configuration)),
            environment={name: os.environ[name] for name in ("PATH", "TMPDIR", "TZ") if name in os.environ},
            stop_signal=signal.SIGTERM,
            account=self.account,
        )

    @property
    def _configuration(self) -> Path:
        return self.folder / "nats" / "nats.conf"

    def prepare(self) -> None:
        """Write the configuration, 0600, and make the folder for the store, 0700."""
        for folder in (self.folder / "nats", self.store):
            folder.mkdir(mode=0o700, exist_ok=True)
            self._give(folder)
        self._configuration.unlink(missing_ok=True)
        with os.fdopen(os.open(self._configuration, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
            file.write(
                CONFIGURATION.format(
                    port=self.port,
                    monitor_port=self.monitor_port,
                    user=USER,
                    password=self.passwords.nats,
                    store=json.dumps(str(self.store.absolute()))[1:-1],
                )
            )
        self._give(self._configuration)

    def _give(self, path: Path) -> None:
        if self.account is not None:
            self.account.give(path)

    async def ready(self, seconds: float = 60.0) -> None:
        """Wait until the server greets clients and says that JetStream is on.

        Raises:
            NatsFailedError: it did not within `seconds`, or runs without JetStream.
        """
        until = asyncio.get_running_loop().time() + seconds
        while True:
            try:
                greeting = await asyncio.wait_for(self._greeting(), 2)
            except (OSError, TimeoutError, ValueError, asyncio.IncompleteReadError) as refusal:
                if asyncio.get_running_loop().time() > until:
                    raise NatsFailedError(
                        f"NATS does not answer on port {self.port} after {seconds:.0f} s"
                    ) from refusal
                await asyncio.sleep(0.03)
                continue
            if not greeting.get("jetstream"):
                raise NatsFailedError(f"the NATS server on port {self.port} runs without JetStream")
            return

    async def _greeting(self) -> dict[str, object]:
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        try:
            line = await reader.readline()
        finally:
            writer.close()
        fields: dict[str, object] = json.loads(line.removeprefix(b"INFO "))
        return fields


def free_port() -> int:
    """Return a TCP port of 127.0.0.1 that nobody uses now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
