"""`make bench`, the booking path: durable booking against the same endpoint without a database, and the yardsticks.

Every ratio is the median of `PAIRS` ratios of runs that alternate. What is printed is what was measured; what is asserted
is what the house promises.
"""

from collections.abc import AsyncIterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import pytest

from services.booking.domain.slot import Slot
from shared.db import create_engine
from shared.embedded.servers import Servers
from shared.sealing import generate_keys
from tests import world
from tests.bench.measuring import Load, Run, Server, compile_load, median, serving, write_requests
from tests.bench.rush_world import Town, build

pytestmark = pytest.mark.bench

PAIRS = 5
SECONDS = 3.0
MOST_A_SECOND = 16_000


@dataclass(slots=True)
class Bench:
    """The town, the servers side by side, and the load."""

    town: Town
    load: Load
    folder: Path
    servers: dict[str, Server]
    runs: int = 0

    async def run(self, name: str, slots: list[Slot], connections: int) -> Run:
        """Run one server under load with fresh tables and fresh requests."""
        self.runs += 1
        await self.town.reset()
        requests = self.town.requests(int(MOST_A_SECOND * SECONDS), slots, seed=self.runs)
        file = write_requests(self.folder / "requests", requests)
        run = self.load.on(self.servers[name], file, connections, SECONDS)
        print(
            f"  {name:6} {connections:4} connections: {run.rate:7.0f}/s  p50 {run.p50 / 1000:6.1f} ms"
            f"  p99 {run.p99 / 1000:6.1f} ms  CPU a request: API {run.api_cpu:5.0f} us, PostgreSQL {run.postgres_cpu:5.0f} us"
            f"  {run.statuses}"
        )
        return run

    async def pairs(self, one: str, other: str, slots: list[Slot], connections: int) -> list[tuple[Run, Run]]:
        """Run two servers by turns."""
        return [
            (await self.run(one, slots, connections), await self.run(other, slots, connections)) for _ in range(PAIRS)
        ]


@pytest.fixture(scope="module")
async def bench(embedded: Servers, databases: object, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Bench]:
    folder = tmp_path_factory.mktemp("bench")
    generate_keys(folder / "keys")
    url = await databases.create("booking")  # type: ignore[attr-defined]
    engine = create_engine(url, application_name="bench")
    town = await build(engine, folder / "keys")
    postmaster = int((embedded.postgres.cluster / "postmaster.pid").read_text().split()[0])
    environment = {"BOOKING_DATABASE_URL": url, "YUYUE_KEY_FOLDER": str(folder / "keys")}
    with ExitStack() as stack:
        servers = {
            name: stack.enter_context(serving(name, environment, folder / f"{name}.log"))
            for name in ("empty", "stub", "real", "naive")
        }
        ready = Bench(town, Load(compile_load(folder), postmaster), folder, servers)
        print("\n  warming up: every token is seen once, every plan is made")
        for name in servers:
            await ready.run(name, town.slots, 64)
        yield ready
    await engine.dispose()


def ratio(pairs: list[tuple[Run, Run]]) -> float:
    return median(one.rate / other.rate for one, other in pairs)


def p99_ratio(pairs: list[tuple[Run, Run]]) -> float:
    return median(one.p99 / other.p99 for one, other in pairs)


@pytest.mark.parametrize("hot", [False, True], ids=["spread", "hot"])
async def test_durable_booking_against_the_stub(bench: Bench, hot: bool) -> None:
    slots = bench.town.slots[:1] if hot else bench.town.slots
    print()
    pairs = await bench.pairs("real", "stub", slots, 64)
    assert await world.audit(bench.town.engine) == {"oversold": 0, "miscounted": 0, "eventless": 0}
    print(f"  (b)/(a), {'hot' if hot else 'spread'}: {ratio(pairs):.2f}")
    assert ratio(pairs) >= 0.75


async def test_durable_booking_against_an_empty_endpoint(bench: Bench) -> None:
    print()
    pairs = await bench.pairs("real", "empty", bench.town.slots, 64)
    print(f"  (b)/(a0): {ratio(pairs):.2f}")
    assert ratio(pairs) >= 0.6


async def test_durable_booking_against_the_naive_version(bench: Bench) -> None:
    print()
    pairs = await bench.pairs("real", "naive", bench.town.slots, 64)
    print(f"  (b)/(d): {ratio(pairs):.1f}")
    assert ratio(pairs) >= 8


async def test_a_rush_on_fifty_places(bench: Bench) -> None:
    print()
    pairs = []
    for _ in range(PAIRS):
        slot = await bench.town.new_slot(50)
        rush = await bench.run("real", [slot], 512)
        assert rush.statuses["201"] == 50
        assert await world.audit(bench.town.engine) == {"oversold": 0, "miscounted": 0, "eventless": 0}
        pairs.append((rush, await bench.run("stub", bench.town.slots, 512)))
    print(f"  rush p99 / stub p99 at 512 connections: {p99_ratio(pairs):.2f}")
    assert p99_ratio(pairs) <= 1.5
