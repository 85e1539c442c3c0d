"""Loading the city's files into a real database: once, again, changed, and where somebody is booked."""

import asyncio
from dataclasses import replace
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import insert, select, text
from sqlalchemy.ext.asyncio import AsyncEngine

from services.booking import tables
from services.booking.catalogue import CatalogueInvalid, read_city
from services.booking.commands.catalogue import FROM_FILES, LoadRefused, load, open_slots
from services.booking.domain.calendar import known_years
from services.booking.domain.zone import at_local
from services.booking.store.catalogue import read_catalogue
from services.booking.store.plans import read_plan, write_plan
from shared.ids import new_id
from tests import world
from tests.booking.catalogue.conftest import Files

NOW = datetime(2026, 11, 23, 2, 0, tzinfo=UTC)
"""Monday, 10:00 in Asia/Shanghai; the next evening of a museum is Saturday 28 November."""

EVENING = "dalian-museum-evening-entry"
SATURDAY = date(2026, 11, 28)
TABLES = (tables.districts, tables.venues, tables.policies, tables.services, tables.plans, tables.slots)


@pytest.fixture
def museums(files: Files) -> Files:
    """The city with its museums only: the same rules, loaded in a moment."""
    files.keep("museums")
    plans = files.folder / "plans.yaml"
    text = plans.read_text(encoding="utf-8")
    plans.write_text(text[: text.index("  # 室内场地")], encoding="utf-8")
    return files


async def snapshot(engine: AsyncEngine) -> dict[str, list[tuple[Any, ...]]]:
    """Everything that a load may write, row versions of PostgreSQL included: an update to the same values shows."""
    async with engine.connect() as connection:
        found = {}
        for table in (*TABLES, tables.catalogue_version):
            order = ", ".join(f'"{column.name}"' for column in table.primary_key)
            rows = await connection.execute(text(f"SELECT ctid::text, t.* FROM {table.name} t ORDER BY {order}"))
            found[table.name] = [tuple(row) for row in rows]
        return found


async def slots_on(engine: AsyncEngine, service_id: str, day: date) -> list[Any]:
    query = select(tables.slots).where(
        tables.slots.c.service_id == service_id,
        tables.slots.c.starts_at >= at_local(day, time()),
        tables.slots.c.starts_at < at_local(day + timedelta(days=1), time()),
    )
    async with engine.connect() as connection:
        return list((await connection.execute(query.order_by(tables.slots.c.starts_at))).all())


async def book(engine: AsyncEngine, slot: Any, state: str = "confirmed", hold_until: datetime | None = None) -> None:
    """Write a booking of one person as the desk would."""
    [resident] = await world.put_residents(engine, 1)
    live = state in {"held", "confirmed", "checked_in"}
    booking_id = new_id()
    when = {"starts_at": slot.starts_at, "ends_at": slot.ends_at, "service_id": slot.service_id, "slot_id": slot.id}
    async with engine.begin() as tx:
        await tx.execute(
            insert(tables.bookings).values(
                **when,
                id=booking_id,
                reference=str(booking_id),
                state=state,
                version=1,
                account_id=resident.account_id,
                channel="online",
                party_kind="one_person",
                declarations={},
                hold_until=hold_until,
                extensions=0,
                created_at=NOW,
                changed_at=NOW,
            )
        )
        await tx.execute(
            insert(tables.claims).values(
                **when,
                booking_id=booking_id,
                person_id=resident.person_id,
                position=0,
                seats=1,
                live=live,
                venue_id=slot.venue_id,
                kind=slot.kind,
            )
        )
        if live:
            await tx.execute(text("UPDATE slots SET taken = taken + 1 WHERE id = :id"), {"id": slot.id})


async def refused(engine: AsyncEngine, folder: Path) -> tuple[str, ...]:
    """Load, expecting a refusal that changes nothing; return its reasons."""
    before = await snapshot(engine)
    with pytest.raises(LoadRefused) as raised:
        await load(engine, NOW, folder=folder)
    assert await snapshot(engine) == before
    return raised.value.reasons


async def test_the_whole_city_loads_in_seconds_and_only_once(engine: AsyncEngine) -> None:
    said: list[str] = []
    first = await load(engine, NOW, said.append)
    print(f"\nfirst load: {first.seconds:.1f} s for {first.slots.added} slots")
    assert first.seconds < 10
    assert 20_000 <= first.slots.added <= 60_000
    assert first.catalogue.version == 1
    assert len(said) >= 5
    assert first.warnings == ()
    before = await snapshot(engine)
    again = await load(engine, NOW)
    opened = await open_slots(engine, NOW)
    print(f"again: {again.seconds:.1f} s")
    assert not again.changed
    assert (opened.slots.added, opened.slots.changed, opened.slots.closed, opened.slots.removed) == (0, 0, 0, 0)
    assert await snapshot(engine) == before


async def test_what_is_read_back_is_what_the_files_say(engine: AsyncEngine) -> None:
    city = read_city()
    await load(engine, NOW)
    async with engine.connect() as connection:
        catalogue = await read_catalogue(connection)
        plan = await read_plan(connection, EVENING)
    assert list(catalogue.districts) == list(city.districts)
    assert catalogue.districts == city.districts
    assert list(catalogue.venues.items()) == list(city.venues.items())
    assert list(catalogue.services.items()) == list(city.services.items())
    assert catalogue.policies == city.policies
    assert plan == (city.plans[EVENING], 1)


async def test_slots_carry_what_the_policy_says(engine: AsyncEngine, museums: Files) -> None:
    await load(engine, NOW, folder=museums.folder)
    slots = await slots_on(engine, EVENING, SATURDAY)
    assert [slot.starts_at for slot in slots] == [
        at_local(SATURDAY, time(16, 30)),
        at_local(SATURDAY, time(17, 0)),
        at_local(SATURDAY, time(17, 30)),
    ]
    for slot in slots:
        assert slot.bookable_from == at_local(SATURDAY - timedelta(days=7), time(7, 0))
        assert slot.bookable_until == slot.starts_at
        assert (slot.capacity, slot.kept_walk_in, slot.kept_counter) == (200, 60, 0)
        assert (slot.venue_id, slot.kind, slot.district_id) == ("dalian-museum", "museum", "shahekou")
        assert (slot.charge, slot.closed, slot.is_open) == ("free", None, True)


async def test_faulty_files_change_nothing(engine: AsyncEngine, museums: Files) -> None:
    await load(engine, NOW, folder=museums.folder)
    before = await snapshot(engine)
    museums.edit("museums.yaml", "capacity: 200", "capacity: 0")
    museums.edit("museums.yaml", "大连汉墓博物馆", "大连汉墓")
    with pytest.raises(CatalogueInvalid):
        await load(engine, NOW, folder=museums.folder)
    assert await snapshot(engine) == before


async def test_a_new_name_raises_the_version_and_touches_nothing_else(engine: AsyncEngine, museums: Files) -> None:
    await load(engine, NOW, folder=museums.folder)
    before = await snapshot(engine)
    museums.edit("museums.yaml", "en: Dalian Museum}", "en: The Dalian Museum}")
    report = await load(engine, NOW, folder=museums.folder)
    assert (report.catalogue.version, report.catalogue.venues.changed) == (2, 1)
    after = await snapshot(engine)
    assert {name for name in after if after[name] != before[name]} == {"venues", "catalogue_version"}


async def test_a_changed_policy_gets_a_new_version_and_reaches_its_slots(engine: AsyncEngine, museums: Files) -> None:
    await load(engine, NOW, folder=museums.folder)
    museums.edit("policies.yaml", "shares: {walk_in: 30}", "shares: {walk_in: 51}")
    museums.edit("policies.yaml", "closes_minutes_before: 0", "closes_minutes_before: 10")
    museums.edit("policies.yaml", 'at: "07:00"', 'at: "08:00"')
    report = await load(engine, NOW, folder=museums.folder)
    assert (report.catalogue.policies.changed, report.catalogue.version) == (1, 2)
    assert (report.slots.added, report.slots.changed > 0) == (0, True)
    slot = (await slots_on(engine, EVENING, SATURDAY))[0]
    assert slot.kept_walk_in == 102
    assert slot.bookable_from == at_local(SATURDAY - timedelta(days=7), time(8, 0))
    assert slot.bookable_until == slot.starts_at - timedelta(minutes=10)
    async with engine.connect() as connection:
        policies = (await read_catalogue(connection)).policies
    assert (policies["museum_timed_entry"].version, policies["museum_guided_tour"].version) == (2, 1)


async def test_capacity_may_grow_under_bookings_and_shrink_to_what_is_taken(
    engine: AsyncEngine, museums: Files
) -> None:
    await load(engine, NOW, folder=museums.folder)
    slot = (await slots_on(engine, EVENING, SATURDAY))[0]
    for _ in range(3):
        await book(engine, slot)
    museums.edit("museums.yaml", "capacity: 200", "capacity: 220")
    await load(engine, NOW, folder=museums.folder)
    assert (await slots_on(engine, EVENING, SATURDAY))[0].capacity == 220
    museums.edit("museums.yaml", "capacity: 220", "capacity: 3")
    report = await load(engine, NOW, folder=museums.folder)
    assert report.plans == 1
    kept = (await slots_on(engine, EVENING, SATURDAY))[0]
    assert (kept.id, kept.capacity, kept.taken) == (slot.id, 3, 3)
    museums.edit("museums.yaml", "capacity: 3}", "capacity: 2}")
    [reason] = await refused(engine, museums.folder)
    assert reason == (
        f"{EVENING}, 2026-11-28 16:30: the capacity would be below the places taken; 3 bookings, 3 places taken"
    )


async def test_a_new_service_gets_its_slots(engine: AsyncEngine, museums: Files) -> None:
    await load(engine, NOW, folder=museums.folder)
    museums.edit(
        "museums.yaml",
        "      guided-tour: {capacity: 25}\n      education",
        "      guided-tour: {capacity: 25}\n      interactive-session: {capacity: 20}\n      education",
    )
    report = await load(engine, NOW, folder=museums.folder)
    assert (report.catalogue.services.added, report.plans, report.slots.added > 0) == (1, 1, True)


async def test_a_service_goes_unless_somebody_was_ever_booked(engine: AsyncEngine, museums: Files) -> None:
    await load(engine, NOW, folder=museums.folder)
    slot = (await slots_on(engine, EVENING, SATURDAY))[0]
    museums.edit("museums.yaml", "      evening-entry: {capacity: 250}\n", "")
    report = await load(engine, NOW, folder=museums.folder)
    assert report.catalogue.services.removed == 1
    assert not await slots_on(engine, "dalian-natural-history-museum-evening-entry", SATURDAY)
    await book(engine, slot)
    await book(engine, slot, "cancelled")
    museums.edit("museums.yaml", "      evening-entry: {capacity: 200}\n", "")
    [reason] = await refused(engine, museums.folder)
    assert reason.startswith(
        f"{EVENING}: the files no longer have it, but 1 bookings are still to come, 2 bookings and 0"
    )


async def test_a_venue_goes_with_its_services_unless_somebody_is_booked(engine: AsyncEngine, museums: Files) -> None:
    await load(engine, NOW, folder=museums.folder)
    path = museums.folder / "museums.yaml"
    whole = path.read_text(encoding="utf-8")
    begin, end = whole.index("  dalian-museum:\n"), whole.index("  dalian-natural-history-museum:\n")
    path.write_text(whole[:begin] + whole[end:], encoding="utf-8")
    report = await load(engine, NOW, folder=museums.folder)
    assert (report.catalogue.venues.removed, report.catalogue.services.removed) == (1, 5)
    path.write_text(whole, encoding="utf-8")
    await load(engine, NOW, folder=museums.folder)
    await book(engine, (await slots_on(engine, EVENING, SATURDAY))[0])
    path.write_text(whole[:begin] + whole[end:], encoding="utf-8")
    assert len(await refused(engine, museums.folder)) == 1


async def test_a_time_goes_unless_somebody_is_booked(engine: AsyncEngine, museums: Files) -> None:
    await load(engine, NOW, folder=museums.folder)
    first, second, third = await slots_on(engine, EVENING, SATURDAY)
    await book(engine, first)
    await book(engine, second, "cancelled")
    await book(engine, third, "held", hold_until=NOW - timedelta(seconds=1))
    line = 'starts: ["16:30", "17:00", "17:30"]'
    museums.edit("plans.yaml", line, 'starts: ["17:15", "17:45"]')
    [reason] = await refused(engine, museums.folder)
    assert reason == f"{EVENING}, 2026-11-28 16:30: the plan no longer has this time; 1 bookings, 1 places taken"
    museums.edit("plans.yaml", 'starts: ["17:15", "17:45"]', 'starts: ["16:30", "17:15"]')
    await load(engine, NOW, folder=museums.folder)
    found = {(slot.starts_at, slot.closed is None) for slot in await slots_on(engine, EVENING, SATURDAY)}
    assert found == {
        (first.starts_at, True),
        (second.starts_at, False),  # on record, so it stays: closed, with words
        (third.starts_at, False),
        (at_local(SATURDAY, time(17, 15)), True),
    }
    sunday = await slots_on(engine, EVENING, SATURDAY + timedelta(days=1))
    assert [slot.starts_at.minute for slot in sunday] == [30, 15]  # nobody was booked: replaced without a trace


async def test_a_longer_slot_would_change_what_people_booked(engine: AsyncEngine, museums: Files) -> None:
    await load(engine, NOW, folder=museums.folder)
    await book(engine, (await slots_on(engine, EVENING, SATURDAY))[2])
    museums.edit("plans.yaml", "timed: {minutes: 30, capacity: 100", "timed: {minutes: 20, capacity: 100")
    [reason] = await refused(engine, museums.folder)
    assert "2026-11-28 17:30: it would end at another time; 1 bookings" in reason


async def test_a_closure_closes_with_its_reason_and_opens_again(engine: AsyncEngine, museums: Files) -> None:
    await load(engine, NOW, folder=museums.folder)
    before = await slots_on(engine, EVENING, SATURDAY)
    closure = (
        "    closures:\n      - {first: 2026-11-28, last: 2026-11-28, until_time: '17:00',"
        " reason: {zh: 设备检修, en: Maintenance}}\n"
    )
    mark = '    timed: {minutes: 30, capacity: 100, starts: ["16:30", "17:00", "17:30"]}\n'
    museums.edit("plans.yaml", mark, mark + closure)
    report = await load(engine, NOW, folder=museums.folder)
    closed = await slots_on(engine, EVENING, SATURDAY)
    assert report.slots.closed == 6
    assert [slot.closed for slot in closed] == [{"zh": "设备检修", "en": "Maintenance"}, None, None]
    assert [slot.is_open for slot in closed] == [False, True, True]
    museums.edit("plans.yaml", closure, "")
    await load(engine, NOW, folder=museums.folder)
    again = await slots_on(engine, EVENING, SATURDAY)
    assert [(slot.id, slot.closed, slot.is_open) for slot in again] == [(slot.id, None, True) for slot in before]


async def test_what_has_begun_is_never_touched(engine: AsyncEngine, museums: Files) -> None:
    await load(engine, NOW, folder=museums.folder)
    [first, second, _] = before = await slots_on(engine, EVENING, SATURDAY)
    museums.edit("plans.yaml", '"16:30", "17:00", "17:30"', '"16:45", "17:15"')
    await load(engine, second.starts_at, folder=museums.folder)
    after = await slots_on(engine, EVENING, SATURDAY)
    assert after[:2] == [first, second] == before[:2]
    assert [slot.starts_at for slot in after[2:]] == [at_local(SATURDAY, time(17, 15))]


async def test_a_schedulers_plan_stands(engine: AsyncEngine, museums: Files) -> None:
    await load(engine, NOW, folder=museums.folder)
    async with engine.begin() as tx:
        found = await read_plan(tx, EVENING)
        assert found is not None
        assert await write_plan(tx, EVENING, found[0], "scheduler-1", NOW) == 2
    museums.edit("museums.yaml", "capacity: 200", "capacity: 180")
    report = await load(engine, NOW, folder=museums.folder)
    assert (report.plans, report.kept) == (0, (EVENING,))
    assert EVENING in report.warnings[0]
    assert (await slots_on(engine, EVENING, SATURDAY))[0].capacity == 200
    async with engine.connect() as connection:
        published = (await connection.execute(select(tables.plans.c.published_by).distinct())).scalars().all()
    assert set(published) == {FROM_FILES, "scheduler-1"}


async def test_slots_go_on_day_by_day(engine: AsyncEngine, museums: Files) -> None:
    await load(engine, NOW, folder=museums.folder)
    later = NOW + timedelta(days=7)
    opened = await open_slots(engine, later)
    assert opened.slots.added > 0
    assert (opened.slots.changed, opened.slots.removed, opened.slots.closed) == (0, 0, 0)
    assert len(await slots_on(engine, EVENING, SATURDAY + timedelta(days=21))) == 3


async def test_the_end_of_the_known_calendar_is_said_and_does_no_harm(engine: AsyncEngine, museums: Files) -> None:
    year = known_years()[-1]
    december = at_local(date(year, 12, 28), time(9))
    loaded = await load(engine, december, folder=museums.folder)
    opened = await open_slots(engine, december + timedelta(hours=1))
    for warnings in (loaded.warnings, opened.warnings):
        assert any("chinesecalendar" in warning and str(year + 1) in warning for warning in warnings)
    assert not opened.slots.added
    async with engine.connect() as connection:
        last = (await connection.execute(text("SELECT max(starts_at) FROM slots"))).scalar_one()
    assert last < at_local(date(year + 1, 1, 1), time())
    after = await open_slots(engine, at_local(date(year + 1, 1, 2), time(9)))
    assert (after.slots.added, bool(after.warnings)) == (0, True)


async def test_a_plan_that_goes_beyond_the_known_calendar_is_opened_as_far_as_that(
    engine: AsyncEngine, museums: Files
) -> None:
    """As after a downgrade of the calendar: what was published stays, and nothing is guessed."""
    year = known_years()[-1]
    december = at_local(date(year, 12, 28), time(9))
    await load(engine, december, folder=museums.folder)
    async with engine.begin() as tx:
        found = await read_plan(tx, EVENING)
        assert found is not None
        longer = replace(found[0], valid_until=date(year + 1, 6, 30))
        await write_plan(tx, EVENING, longer, "scheduler-1", december)
    opened = await open_slots(engine, december)
    assert (opened.slots.added, opened.slots.removed) == (0, 0)


async def test_two_workers_and_a_load_at_once(engine: AsyncEngine, museums: Files) -> None:
    await load(engine, NOW, folder=museums.folder)
    later = NOW + timedelta(days=3)
    museums.edit("museums.yaml", "capacity: 200", "capacity: 210")
    both = await asyncio.gather(
        open_slots(engine, later), open_slots(engine, later), load(engine, later, folder=museums.folder)
    )
    assert sum(one.slots.added for one in both) > 0
    before = await snapshot(engine)
    assert not (await load(engine, later, folder=museums.folder)).changed
    assert await snapshot(engine) == before


async def test_slots_that_need_no_change_are_not_waited_for(engine: AsyncEngine, museums: Files) -> None:
    """Somebody is booking the first evening while the tours change: the load must not stand in line behind them."""
    await load(engine, NOW, folder=museums.folder)
    slot = (await slots_on(engine, EVENING, SATURDAY))[0]
    museums.edit("museums.yaml", "guided-tour: {capacity: 30}", "guided-tour: {capacity: 31}")
    async with engine.begin() as booking:
        await booking.execute(text("SELECT id FROM slots WHERE id = :id FOR NO KEY UPDATE"), {"id": slot.id})
        report = await asyncio.wait_for(load(engine, NOW, folder=museums.folder), 2.5)
    assert report.slots.changed > 0
