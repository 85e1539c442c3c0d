"""How the waiting list is read: by index, however many wait, have waited, and were passed over."""

from collections.abc import AsyncIterator
from datetime import time, timedelta
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import TextClause, text
from sqlalchemy.ext.asyncio import AsyncEngine

from services.booking.store import waitlist, waitlist_line
from shared.db import create_engine
from tests import make, world
from tests.booking.test_views import plan_of
from tests.conftest import Databases

SERVICES = 60
_TOWN = (
    (
        "INSERT INTO services (id, position, venue_id, kind, policy_id, name_zh, name_en, attributes, sample, source)"
        " SELECT 'service-' || n, n, 'dalian-museum', 'museum', 'open', '', '', '{}', true, '' FROM generate_series(1, :services) n"
    ),
    (
        "INSERT INTO slots (id, service_id, venue_id, kind, district_id, starts_at, ends_at, bookable_from, bookable_until,"
        " capacity, taken, charge)"
        " SELECT gen_random_uuid(), 'service-' || n, 'dalian-museum', 'museum', 'zhongshan', at, at + interval '30 minutes',"
        " CAST(:now AS timestamptz) - interval '1 day', at, 4, 4, 'free'"
        " FROM generate_series(1, :services) n, generate_series(0, 27) day, generate_series(0, 5) hour,"
        " LATERAL (SELECT CAST(:now AS timestamptz) + day * interval '1 day' + hour * interval '45 minutes' AS at) start"
    ),
    (
        "INSERT INTO waitlist_entries (id, kind, number, account_id, service_ids, first_day, last_day, weekdays, since, until,"
        " party_kind, person_ids, declarations, places, joined_at, over_at, state, ended_at)"
        " SELECT gen_random_uuid(), 'museum', n, :account_id, ARRAY['service-' || (1 + n % :services)],"
        " CAST(:now AS date), CAST(:now AS date) + 20, ARRAY[1,2,3,4,5,6,7], '00:00', '23:59', 'one_person', ARRAY[]::uuid[],"
        " '{}', 1, :now, CAST(:now AS timestamptz) + interval '21 days', CASE WHEN n % 3 = 0 THEN 'waiting' ELSE 'left' END,"
        " CASE WHEN n % 3 = 0 THEN NULL ELSE CAST(:now AS timestamptz) END FROM generate_series(1, 12000) n"
    ),
    (
        "INSERT INTO waitlist_wishes (service_id, number, entry_id)"
        " SELECT service_ids[1], number, id FROM waitlist_entries WHERE state = 'waiting'"
    ),
    (
        "INSERT INTO waitlist_offers (booking_id, entry_id, slot_id, made_at, until, outcome, ended_at)"
        " SELECT gen_random_uuid(), id, gen_random_uuid(), :now, :now, 'lapsed', :now FROM waitlist_entries"
    ),
    (
        "INSERT INTO waitlist_skips (entry_id, slot_id, reason, first_at, last_at)"
        " SELECT id, gen_random_uuid(), 'clashes', :now, :now FROM waitlist_entries"
    ),
    "ANALYZE slots, waitlist_entries, waitlist_wishes, waitlist_offers, waitlist_skips",
)


@pytest.fixture(scope="module")
async def city(databases: Databases) -> AsyncIterator[AsyncEngine]:
    """4,000 parties wait, 8,000 have waited; everybody was made an offer and passed over. Nobody changes them here."""
    url = await databases.create("booking")
    engine = create_engine(url, application_name="test")
    await world.put_catalogue(engine, make.catalogue())
    [resident] = await world.put_residents(engine, 1)
    given = {"services": SERVICES, "now": make.NOW, "account_id": resident.account_id}
    async with engine.begin() as tx:
        for statement in _TOWN:
            await tx.execute(text(statement), given)
    yield engine
    await engine.dispose()
    await databases.drop(url)


async def one_of(city: AsyncEngine, table: str) -> UUID:
    async with city.connect() as connection:
        found: UUID = (await connection.execute(text(f"SELECT id FROM {table} ORDER BY id LIMIT 1"))).scalar_one()
    return found


async def statements(city: AsyncEngine) -> dict[str, tuple[TextClause, dict[str, Any]]]:
    now, entry, slot = make.NOW, await one_of(city, "waitlist_entries"), await one_of(city, "slots")
    band = {"first": now.date(), "last": now.date() + timedelta(days=7), "weekdays": [1, 2, 3]}
    hours = {"since": time(8), "until": time(20), "service_ids": ["service-1"], "now": now, "limit": 100}
    due = {"service_ids": [f"service-{n}" for n in range(1, 11)], "now": now, "again": now, "limit": 200}
    return {
        "who comes next for a slot": (
            waitlist_line._CANDIDATES,
            {"slot_ids": [slot], "afters": [0], "now": now, "ran_out": [entry]},
        ),
        "their entries": (waitlist_line._LOCK_ENTRIES, {"ids": [entry], "offer_ids": [entry]}),
        "slots to serve at a tick": (waitlist_line._TO_SERVE, due),
        "out of the line": (waitlist_line._LEAVE_LINE, {"ids": [entry]}),
        "times in a band": (waitlist._IN_BAND, band | hours),
        "how many are ahead": (waitlist._AHEAD, {"ids": [entry]}),
        "how many wait for a time": (waitlist._WAITING_FOR, {"slot_ids": [slot]}),
        "the line of a service": (waitlist._LINE_OF_SERVICE, {"service_id": "service-1", "after": 0, "limit": 20}),
        "what is over": (waitlist._OVER, {"now": now, "limit": 200}),
        "offers to who left": (waitlist._OFFERED_TO_WHO_LEFT, {"limit": 200}),
        "offers to hear of": (waitlist._TO_HEAR, {"limit": 200}),
    }


async def test_nothing_of_the_line_is_read_from_end_to_end(city: AsyncEngine) -> None:
    read: dict[str, set[str]] = {}
    for name, (statement, parameters) in (await statements(city)).items():
        nodes = await plan_of(city, statement, parameters)
        tables = {node["Relation Name"] for node in nodes if "Relation Name" in node}
        assert tables, name
        read[name] = {node["Relation Name"] for node in nodes if node["Node Type"] == "Seq Scan"}
    assert {name: tables for name, tables in read.items() if tables} == {}


async def test_the_look_would_be_seen_without_its_index(city: AsyncEngine) -> None:
    """The control: without the index of wishes the line is read from end to end, and this is how it shows."""
    asked = (await statements(city))["the line of a service"]
    async with city.begin() as tx:
        await tx.execute(text("ALTER TABLE waitlist_wishes DROP CONSTRAINT pk_waitlist_wishes"))
    nodes = await plan_of(city, *asked)
    assert "Seq Scan" in {node["Node Type"] for node in nodes if node.get("Relation Name") == "waitlist_wishes"}
