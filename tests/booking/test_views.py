"""How availability is read: by index, without a lock, from a table as large as a city's."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import TextClause, text
from sqlalchemy.ext.asyncio import AsyncEngine

from services.booking.domain.zone import VENUE_ZONE
from services.booking.views import availability
from services.booking.views.availability import Search
from services.booking.views.days import Asked, read_availability
from services.booking.views.search import read_search
from shared.db import create_engine
from tests import make, world
from tests.conftest import Databases

SERVICES = 100
_SERVICES = (
    "INSERT INTO services (id, position, venue_id, kind, policy_id, name_zh, name_en, attributes, sample, source)"
    " SELECT 'service-' || n, n, 'dalian-museum', 'museum', 'open', '', '', '{}', true, '' FROM generate_series(1, :services) n"
)
_SLOTS = (
    "INSERT INTO slots (id, service_id, venue_id, kind, district_id, starts_at, ends_at, bookable_from, bookable_until,"
    " capacity, taken, charge)"
    " SELECT gen_random_uuid(), 'service-' || n, 'dalian-museum', 'museum', 'zhongshan', at, at + interval '30 minutes',"
    " CAST(:now AS timestamptz) - interval '1 day', at, 4, CASE WHEN (n + day) % 10 < 7 THEN 4 ELSE 1 END, 'free'"
    " FROM generate_series(1, :services) n, generate_series(0, 27) day, generate_series(0, 9) hour,"
    " LATERAL (SELECT CAST(:now AS timestamptz) + day * interval '1 day' + hour * interval '45 minutes' AS at) start"
)


@pytest.fixture(scope="module")
async def city(databases: Databases) -> AsyncIterator[AsyncEngine]:
    """28,000 slots, of which three in ten have room. Nobody changes them here."""
    url = await databases.create("booking")
    engine = create_engine(url, application_name="test")
    await world.put_catalogue(engine, make.catalogue())
    async with engine.begin() as tx:
        await tx.execute(text(_SERVICES), {"services": SERVICES})
        await tx.execute(text(_SLOTS), {"services": SERVICES, "now": make.NOW})
        await tx.execute(text("ANALYZE slots"))
    yield engine
    await engine.dispose()
    await databases.drop(url)


def a_search() -> Search:
    return Search(
        kind="museum",
        district_ids=["zhongshan"],
        service_ids=[f"service-{number}" for number in range(1, 21)],
        since=make.NOW,
        until=make.NOW + timedelta(days=7),
        places=1,
    )


def an_ask() -> Asked:
    today = make.NOW.astimezone(VENUE_ZONE).date()
    return Asked(
        service_id="service-1",
        since=today,
        earliest_since=today,
        until=today + timedelta(days=30),
        places=1,
        dates=10,
    )


async def plan_of(engine: AsyncEngine, statement: TextClause, parameters: dict[str, Any]) -> list[dict[str, Any]]:
    """Return every node of the plan that PostgreSQL makes for a statement."""
    async with engine.connect() as connection:
        explained = await connection.execute(text(f"EXPLAIN (FORMAT JSON) {statement.text}"), parameters)
        return list(_nodes(explained.scalar_one()[0]["Plan"]))


def _nodes(node: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield node
    for child in node.get("Plans", ()):
        yield from _nodes(child)


async def test_every_read_of_slots_goes_by_an_index(city: AsyncEngine) -> None:
    asked = {"service_id": "service-1", "now": make.NOW}
    since = {"since": make.NOW}
    searched = a_search().asked(make.NOW)
    statements = {
        "bounds": (availability.BOUNDS, asked),
        "days": (availability.DAYS, asked | since | {"dates": 11}),
        "first free": (availability.FIRST_FREE, asked | since | {"places": 1}),
        "free days": (availability.FREE_DAYS, searched),
        "obstacles": (availability.OBSTACLES, {name: searched[name] for name in searched if name != "places"}),
    }
    for name, (statement, parameters) in statements.items():
        nodes = await plan_of(city, statement, parameters)
        of_slots = [node for node in nodes if node.get("Relation Name") == "slots"]
        assert of_slots, name
        assert {node["Node Type"] for node in of_slots} <= {"Index Scan", "Index Only Scan", "Bitmap Heap Scan"}, name
        assert "LockRows" not in {node["Node Type"] for node in nodes}, name


async def test_a_search_looks_once_for_each_service_and_day(city: AsyncEngine) -> None:
    """However many times a day has, or how many of a kind there are: what is looked at follows what is shown."""
    everything = a_search().asked(make.NOW) | {"service_ids": [f"service-{number}" for number in range(1, SERVICES)]}
    narrow = everything | {"until": make.NOW + timedelta(days=1)}
    nodes = await plan_of(city, availability.FREE_DAYS, narrow)
    assert "slots_by_service" in {node.get("Index Name") for node in nodes}


async def test_reading_waits_for_nobody(city: AsyncEngine) -> None:
    """Every slot is locked by a booking that does not end; who only looks is answered at once."""
    async with city.connect() as booking:
        await booking.execute(text("SELECT id FROM slots FOR UPDATE"))
        async with city.connect() as connection, asyncio.timeout(2):
            seen = await read_availability(connection, an_ask(), make.NOW)
            found = await read_search(connection, a_search(), make.NOW)
        await booking.rollback()
    assert len(seen.days) == 10
    assert len(found) == 20


async def test_the_first_ten_dates_are_read_and_no_more(city: AsyncEngine) -> None:
    async with city.connect() as connection:
        seen = await read_availability(connection, an_ask(), make.NOW)
    assert [len(day.times) for day in seen.days] == [10] * 10
    assert seen.following is not None
    assert (seen.following - seen.days[0].date).days == 10
