"""The town, the servers beside each other and the table: one for the whole lane."""

from collections.abc import AsyncIterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from services.booking.domain.slot import Slot
from shared.db import create_engine
from shared.embedded.servers import Servers
from shared.sealing import generate_keys
from tests import world
from tests.bench.measuring import Load, Run, Server, compile_load, serving, write_requests
from tests.bench.rush_world import Town, build
from tests.bench.targets import Table
from tests.conftest import Databases

SECONDS = 2.0
WARM_SECONDS = 3.0
MOST_A_SECOND = 12_000
PROCESSES = {"real2": ("real", 2)}
"""Servers of more than one process, and of which application."""


@dataclass(slots=True)
class Bench:
    """The town, the servers side by side, and the load."""

    town: Town
    load: Load
    folder: Path
    url: str
    table: Table
    runs: int = 0
    environment: dict[str, str] = field(default_factory=dict)
    servers: dict[str, Server] = field(default_factory=dict)
    _stacks: dict[str, ExitStack] = field(default_factory=dict)

    async def serve(self, *names: str) -> None:
        """Start these servers, or start them anew, and warm them up: every token is seen once, every plan is made.

        Of two processes that are started alike, one may take a third more than the other for the same work, for as long as
        it lives: what is measured on one of them alone is partly its luck.
        """
        for name in names:
            stack = self._stacks.setdefault(name, ExitStack())
            stack.close()
            app, processes = PROCESSES.get(name, (name, 1))
            log = self.folder / f"{name}.log"
            self.servers[name] = stack.enter_context(serving(app, self.environment, log, processes))
            await self.run(name, self.town.slots, 64, WARM_SECONDS)

    def stop(self) -> None:
        """End all servers."""
        for stack in self._stacks.values():
            stack.close()

    async def run(self, name: str, slots: list[Slot], connections: int, seconds: float = SECONDS) -> Run:
        """Run one server under load with fresh tables and fresh requests, and look for what must never be."""
        self.runs += 1
        await self.town.reset()
        requests = self.town.requests(int(MOST_A_SECOND * seconds), slots, seed=self.runs)
        file = write_requests(self.folder / "requests", requests)
        run = self.load.on(self.servers[name], file, connections, seconds)
        where = "one slot" if len(slots) == 1 else "spread"
        print(
            f"  {name:6} {where:8} {connections:4} connections: {run.rate:7.0f}/s  p50 {run.p50 / 1000:6.1f} ms"
            f"  p99 {run.p99 / 1000:6.1f} ms  CPU a request: API {run.api_cpu:5.0f} us, PostgreSQL {run.postgres_cpu:5.0f} us"
            f"  {run.statuses}"
        )
        if name.startswith("real"):
            await self._audit(run)
        return run

    async def _audit(self, run: Run) -> None:
        found = await world.audit(self.town.engine)
        kept = await self.town.count_bookings()
        if any(found.values()) or kept != run.statuses.get("201", 0):
            self.table.faults.append(f"{found}, {kept} bookings kept of {run.statuses} answered")


@pytest.fixture(scope="package")
def table() -> Table:
    return Table()


@pytest.fixture(scope="package")
async def bench(
    embedded: Servers, databases: Databases, tmp_path_factory: pytest.TempPathFactory, table: Table
) -> AsyncIterator[Bench]:
    folder = tmp_path_factory.mktemp("bench")
    generate_keys(folder / "keys")
    url = await databases.create("booking")
    engine = create_engine(url, application_name="bench")
    town = await build(engine, folder / "keys")
    postmaster = int((embedded.postgres.cluster / "postmaster.pid").read_text().split()[0])
    environment = {"BOOKING_DATABASE_URL": url, "YUYUE_KEY_FOLDER": str(folder / "keys")}
    ready = Bench(town, Load(compile_load(folder), postmaster), folder, url, table, environment=environment)
    try:
        print("\n  warming up")
        await ready.serve("empty", "stub", "real", "naive", "real2")
        table.faults.clear()
        yield ready
    finally:
        ready.stop()
    await engine.dispose()
