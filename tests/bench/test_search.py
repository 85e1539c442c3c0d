"""`make bench`, the search: a million slots must be searched as fast as ten thousand, by an index."""

from collections.abc import AsyncIterator
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from services.booking.views.availability import FREE_DAYS, Search
from shared.db import create_engine
from shared.embedded.servers import Servers
from shared.sealing import generate_keys
from tests import make
from tests.bench.city_world import build_city
from tests.bench.measuring import Load, Run, Server, compile_load, median, serving, write_requests
from tests.bench.targets import Table
from tests.conftest import Databases

pytestmark = pytest.mark.bench

SIZES = (10_000, 1_000_000)
ROUNDS, SECONDS, CONNECTIONS = 7, 2.0, 4
ROADS = {
    "availability search": "/api/v1/availability?kind=museum&from={day}&places={places}",
    "availability service": "/api/v1/availability?service_id=service-{number}&from={day}&places={places}",
}


@dataclass(slots=True)
class City:
    """One size of city, and the API that searches in it."""

    engine: AsyncEngine
    server: Server


@pytest.fixture(scope="module")
async def cities(
    embedded: Servers, databases: Databases, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[tuple[dict[int, City], Load, Path]]:
    folder = tmp_path_factory.mktemp("search")
    generate_keys(folder / "keys")
    postmaster = int((embedded.postgres.cluster / "postmaster.pid").read_text().split()[0])
    cities: dict[int, City] = {}
    with ExitStack() as stack:
        for size in SIZES:
            url = await databases.create("booking")
            engine = create_engine(url, application_name="bench")
            print(f"\n  a city of {await build_city(engine, size)} slots")
            environment = {"BOOKING_DATABASE_URL": url, "YUYUE_KEY_FOLDER": str(folder / "keys")}
            cities[size] = City(engine, stack.enter_context(serving("real", environment, folder / f"{size}.log")))
        yield cities, Load(compile_load(folder), postmaster), folder
    for city in cities.values():
        await city.engine.dispose()


def requests(road: str) -> list[bytes]:
    """Return searches from different days on, for different numbers of places and services."""
    first = (make.NOW + timedelta(days=2)).date()
    return [
        f"GET {path} HTTP/1.1\r\nhost: booking.example\r\naccept-language: en\r\n\r\n".encode()
        for n in range(20_000)
        for path in [road.format(day=first + timedelta(days=n % 40), places=1 + n % 3, number=1 + n * 17 % 399)]
    ]


async def test_a_million_slots_are_searched_as_fast_as_ten_thousand(
    cities: tuple[dict[int, City], Load, Path], table: Table
) -> None:
    by_size, load, folder = cities
    for name, road in ROADS.items():
        file = write_requests(folder / "searches", requests(road))
        runs: dict[int, list[Run]] = {size: [] for size in SIZES}
        for turn in range(ROUNDS + 1):
            for size, city in by_size.items():
                run = load.on(city.server, file, CONNECTIONS, SECONDS)
                assert set(run.statuses) == {"200"}, run.statuses
                if turn:  # the first turn makes the plans
                    runs[size].append(run)
                    print(
                        f"  {name:22} {size:9,} slots: {run.rate:6.0f}/s  p50 {run.p50 / 1000:5.1f} ms"
                        f"  p99 {run.p99 / 1000:5.1f} ms  CPU: API {run.api_cpu:5.0f} us, PostgreSQL {run.postgres_cpu:5.0f} us"
                    )
        small, large = (runs[size] for size in SIZES)
        table.measured[name] = median(one.p99 / other.p99 for one, other in zip(large, small, strict=True))


async def test_the_plan_uses_an_index(cities: tuple[dict[int, City], Load, Path], table: Table) -> None:
    engine = cities[0][SIZES[-1]].engine
    since = make.NOW + timedelta(days=10)
    search = Search(
        kind="museum",
        district_ids=[make.slot().district_id],
        service_ids=[f"service-{number}" for number in range(1, 21)],
        since=since,
        until=since + timedelta(days=7),
        places=1,
    )
    async with engine.connect() as connection:
        explain = text(f"EXPLAIN (ANALYZE, COSTS OFF, TIMING OFF, BUFFERS OFF) {FREE_DAYS.text}")
        plan = list((await connection.execute(explain, search.asked(make.NOW))).scalars())
    print("\n  the plan of a search in a million slots:", *plan, sep="\n    ")
    if not any("Index" in line and "slots" in line for line in plan) or any(
        "Seq Scan on slots" in line for line in plan
    ):
        table.faults.append("the search does not use an index")
