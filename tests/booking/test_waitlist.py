"""The waiting list over the real database: desks that race, sweeps, a worker that dies, and the line in SQL and in Python."""

import asyncio
import random
from collections.abc import AsyncIterator, Sequence
from dataclasses import replace
from datetime import date, time, timedelta
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import text

from services.booking.commands import desk as desk_module
from services.booking.commands import line
from services.booking.commands.catalogue_cache import CatalogueCache
from services.booking.commands.desk import Desk
from services.booking.commands.waiting import WaitingList
from services.booking.commands.waitlist import NewEntry, join, leave
from services.booking.domain.booking import Action
from services.booking.domain.policy import Cooling, PartyKind, Waiting
from services.booking.domain.reason import Reason
from services.booking.domain.request import Actor, Alter
from services.booking.domain.slot import Slot
from services.booking.domain.waitlist_entry import Band
from services.booking.store import waitlist_line
from services.booking.store.waitlist import Entry, ahead_of, read_entry, skips_of, waiting_for
from services.booking.store.waitlist_line import Offers, read_candidates, slots_to_serve
from services.booking.sweeps import Sweeps
from shared.clock import SettableClock
from shared.db import create_engine
from shared.ids import new_id
from shared.refusal import Refused
from shared.web import Answer
from tests import make, world
from tests.booking.test_cooling import listed
from tests.booking.test_desk import CLEAN, City, alter, render, wish
from tests.world import Resident

TERMS = Waiting(offer_minutes=30, most_minutes=60, react_minutes=15, lead_minutes=60, collect_minutes=1440)
CATALOGUE = make.catalogue(make.policy(waiting=TERMS))
BAND = Band(first=date(2026, 11, 23), last=date(2026, 11, 30))
MINUTE = timedelta(minutes=1)


@pytest.fixture
async def city(booking_url: str) -> AsyncIterator[City]:
    engine = create_engine(booking_url, application_name="test", pool_size=20)
    await world.put_catalogue(engine, CATALOGUE)
    clock = SettableClock(make.NOW)
    desk = Desk(engine, CatalogueCache(CATALOGUE), clock)
    yield City(engine, clock, desk)
    await desk.close()
    await engine.dispose()


def another_desk(city: City) -> Desk:
    return Desk(city.engine, CatalogueCache(CATALOGUE), city.clock)


def tending(city: City) -> WaitingList:
    return WaitingList(city.engine, city.desk, city.clock)


async def waits(city: City, *people: Resident, band: Band = BAND) -> Entry:
    """Let a party, booked for by the first of them, join the line."""
    account_id = people[0].account_id
    new = NewEntry(
        id=new_id(),
        account_id=account_id,
        service_ids=("timed-entry",),
        band=band,
        party_kind=PartyKind.ONE_PERSON if len(people) == 1 else PartyKind.GROUP,
        person_ids=tuple(one.person_id for one in people),
        declarations={},
    )
    async with city.engine.begin() as tx:
        for one in people[1:]:
            await tx.execute(
                text(
                    "INSERT INTO account_people SELECT :account_id, person_id, 'friend', name_sealed, name_masked,"
                    " document_masked, created_at FROM account_people WHERE account_id = :of ON CONFLICT DO NOTHING"
                ),
                {"account_id": account_id, "of": one.account_id},
            )
        return await join(tx, new, CATALOGUE, city.clock())


async def filled(
    city: City, capacity: int, waiting: int, **changes: Any
) -> tuple[Slot, list[tuple[Resident, Answer]], list[Resident]]:
    """A full slot, who is booked into it, and residents who are not."""
    slot = make.slot(capacity=capacity, **changes)
    await world.put_slots(city.engine, slot)
    residents = await world.put_residents(city.engine, capacity + waiting)
    answers = [await city.desk.ask(wish(one, slot), render) for one in residents[:capacity]]
    return slot, list(zip(residents, answers, strict=False)), residents[capacity:]


async def give_back(city: City, booked: tuple[Resident, Answer], desk: Desk | None = None) -> Answer:
    """Cancel a booking."""
    resident, made = booked
    return await (desk or city.desk).ask(alter(resident, made, Action.CANCEL), render)


async def state(city: City, entry: Entry) -> str:
    async with city.engine.connect() as connection:
        found = await read_entry(connection, entry.id)
    assert found is not None
    return found.state.value


async def offer_of(city: City, entry: Entry) -> UUID:
    async with city.engine.connect() as connection:
        found = text("SELECT booking_id FROM waitlist_offers WHERE entry_id = :id AND outcome IS NULL")
        return UUID(str((await connection.execute(found, {"id": entry.id})).scalar_one()))


async def answer(city: City, entry: Entry, action: Action) -> Answer:
    request = Alter(
        actor=Actor(entry.account_id, "resident"),
        key=None,
        booking_id=await offer_of(city, entry),
        action=action,
    )
    return await city.desk.ask(request, render)


async def states(city: City, entries: Sequence[Entry]) -> list[str]:
    return [await state(city, one) for one in entries]


async def test_from_joining_to_accepting(city: City) -> None:
    slot, booked, (one, two, three, stranger) = await filled(city, 1, 4)
    entries = [await waits(city, resident) for resident in (one, two, three)]
    assert [entry.number for entry in entries] == [1, 2, 3]
    async with city.engine.connect() as connection:
        assert await ahead_of(connection, [entry.id for entry in entries]) == {entries[1].id: 1, entries[2].id: 2}
        assert await waiting_for(connection, [slot.id]) == {slot.id: 3}
    cancelled, refused = await asyncio.gather(
        give_back(city, booked[0]),
        city.desk.ask(wish(stranger, slot), render),
    )
    assert cancelled.status == 201
    assert refused.body == Reason.SLOT_FULL.value.encode(), "in the same batch, after the cancellation"
    assert await states(city, entries) == ["offered", "waiting", "waiting"]
    await answer(city, entries[0], Action.CANCEL)
    assert await states(city, entries) == ["waiting", "offered", "waiting"]
    city.clock.advance(30 * MINUTE)
    assert await Sweeps(city.engine, city.desk, city.clock).lapse_holds() == 1
    assert await states(city, entries) == ["waiting", "waiting", "offered"], "nobody is offered one time twice"
    assert (await answer(city, entries[2], Action.CONFIRM)).status == 201
    assert await states(city, entries) == ["waiting", "waiting", "served"]
    async with city.engine.connect() as connection:
        told = (await connection.execute(text("SELECT type FROM outbox ORDER BY sequence"))).scalars().all()
    assert [kind.split(".", 1)[1] for kind in told].count("waitlist.offered.v1") == 3
    assert await world.audit(city.engine) == CLEAN


async def test_a_hold_that_ran_out_is_not_listed_as_free_while_somebody_waits(city: City) -> None:
    slot = make.slot(capacity=1)
    await world.put_slots(city.engine, slot)
    holder, one = await world.put_residents(city.engine, 2)
    await city.desk.ask(wish(holder, slot, confirm=False), render)
    entry = await waits(city, one)
    city.clock.advance(5 * MINUTE)
    assert (await listed(city, slot)).why is Reason.COOLING_OFF, "though nobody has swept yet"
    await Sweeps(city.engine, city.desk, city.clock).lapse_holds()
    assert await state(city, entry) == "offered"
    assert (await listed(city, slot)).why is Reason.SLOT_FULL


async def test_two_desks_give_one_seat_to_the_first_in_line_whatever_they_do_at_once(city: City) -> None:
    slot, booked, others = await filled(city, 10, 30)
    entries = [await waits(city, one) for one in others[:15]]
    desks = another_desk(city), another_desk(city)
    cancels = [desks[n % 2].ask(alter(one, made, Action.CANCEL), render) for n, (one, made) in enumerate(booked)]
    wishes = [desks[n % 2].ask(wish(one, slot), render) for n, one in enumerate(others[15:])]
    answers = await asyncio.gather(*cancels, *wishes)
    assert [one.status for one in answers[10:]] == [409] * 15, "nobody cuts in"
    assert await states(city, entries) == ["offered"] * 10 + ["waiting"] * 5
    assert await world.audit(city.engine) == CLEAN


async def test_one_entry_gets_one_offer_though_two_desks_have_a_seat_for_it(city: City) -> None:
    first, booked, (one, two) = await filled(city, 1, 2)
    starts_at = first.starts_at + timedelta(hours=2)
    later = make.slot(capacity=1, starts_at=starts_at, ends_at=starts_at + 30 * MINUTE, bookable_until=starts_at)
    await world.put_slots(city.engine, later)
    made = await city.desk.ask(wish(booked[0][0], later), render)
    entries = [await waits(city, one), await waits(city, two)]
    desks = another_desk(city), another_desk(city)
    await asyncio.gather(
        give_back(city, booked[0], desks[0]),
        give_back(city, (booked[0][0], made), desks[1]),
    )
    await tending(city).tend()
    assert await states(city, entries) == ["offered", "offered"]
    async with city.engine.connect() as connection:
        offers = (await connection.execute(text("SELECT count(DISTINCT slot_id), count(*) FROM waitlist_offers"))).one()
    assert tuple(offers) == (2, 2)
    assert await world.audit(city.engine) == CLEAN


async def test_a_raised_capacity_is_offered_to_the_line_by_the_next_tick_or_the_next_who_asks(city: City) -> None:
    slot, _, (one, two, stranger) = await filled(city, 1, 3)
    entries = [await waits(city, one), await waits(city, two)]
    async with city.engine.begin() as tx:
        await tx.execute(text("UPDATE slots SET capacity = 2"))
    assert (await city.desk.ask(wish(stranger, slot), render)).body == Reason.SLOT_FULL.value.encode()
    assert await states(city, entries) == ["offered", "waiting"]
    async with city.engine.begin() as tx:
        await tx.execute(text("UPDATE slots SET capacity = 3"))
    await tending(city).tend()
    assert await states(city, entries) == ["offered", "offered"]
    assert await tending(city).tend() == 0, "and then there is nothing more to do"


async def test_a_portion_released_later_goes_to_the_line_when_it_is_released_and_not_before(city: City) -> None:
    released = make.NOW + timedelta(hours=3)
    slot = make.slot(capacity=2, later=((released, 1),))
    await world.put_slots(city.engine, slot)
    booked, one, stranger = await world.put_residents(city.engine, 3)
    assert (await city.desk.ask(wish(booked, slot), render)).status == 201
    entry = await waits(city, one)
    assert await tending(city).tend() == 0, "there is nothing yet to ask about"
    city.clock.set(released)
    assert (await city.desk.ask(wish(stranger, slot), render)).body == Reason.SLOT_FULL.value.encode()
    assert await state(city, entry) == "offered"


async def test_whoever_leaves_is_out_and_their_open_offer_goes_on(city: City) -> None:
    _, booked, (one, two) = await filled(city, 1, 2)
    entries = [await waits(city, one), await waits(city, two)]
    await give_back(city, booked[0])
    async with city.engine.begin() as tx:
        await leave(tx, entries[0].id, one.account_id, city.clock())
    await tending(city).tend()
    assert await states(city, entries) == ["left", "offered"]
    again = await waits(city, one)
    assert again.number == 3


async def test_an_entry_ends_with_its_band_or_after_two_offers_without_an_answer(city: City) -> None:
    slot, booked, (one, two) = await filled(city, 2, 2)
    entry = await waits(city, one)
    brief = await waits(city, two, band=replace(BAND, last=date(2026, 11, 25)))
    for pair in booked[:1]:
        await give_back(city, pair)
    city.clock.advance(30 * MINUTE)
    await Sweeps(city.engine, city.desk, city.clock).lapse_holds()
    assert await states(city, [entry, brief]) == ["waiting", "offered"]
    starts_at = slot.starts_at + timedelta(days=1)
    tomorrow = make.slot(starts_at=starts_at, ends_at=starts_at + 30 * MINUTE, bookable_until=starts_at)
    await world.put_slots(city.engine, tomorrow)
    await tending(city).tend()
    assert await states(city, [entry]) == ["offered"]
    city.clock.advance(30 * MINUTE)
    await Sweeps(city.engine, city.desk, city.clock).lapse_holds()
    assert await states(city, [entry, brief]) == ["ended", "waiting"]
    city.clock.advance(timedelta(days=3))
    await tending(city).tend()
    async with city.engine.connect() as connection:
        found = [await read_entry(connection, one.id) for one in (entry, brief)]
        left = (await connection.execute(text("SELECT count(*) FROM waitlist_wishes"))).scalar_one()
    assert [one.ended_because for one in found if one] == ["unanswered", "band_over"]
    assert left == 0


async def test_a_large_party_gets_its_seats_collected_across_batches(city: City) -> None:
    slot, booked, others = await filled(city, 8, 11)
    trio = await waits(city, *others[:3])
    singles = [await waits(city, one) for one in others[3:9]]
    stranger = others[9]
    for pair in booked[:5]:
        await give_back(city, pair)
    assert await state(city, trio) == "waiting"
    assert await states(city, singles) == ["offered"] * 3 + ["waiting"] * 3
    assert (await city.desk.ask(wish(stranger, slot), render)).body == Reason.COOLING_OFF.value.encode()
    await tending(city).tend()
    assert await states(city, singles) == ["offered"] * 3 + ["waiting"] * 3, "the tick keeps them too"
    async with city.engine.connect() as connection:
        reasons = {one.reason for one in await skips_of(connection, trio.id, 10)}
    assert reasons == {"more_places_needed", "collecting"}
    await give_back(city, booked[5])
    assert await state(city, trio) == "offered"
    assert await world.audit(city.engine) == CLEAN


async def test_why_somebody_was_passed_over_is_forgotten_long_after_it_is_over(city: City) -> None:
    _, booked, others = await filled(city, 2, 2)
    pair = await waits(city, *others)
    await give_back(city, booked[0])
    count = text("SELECT count(*) FROM waitlist_skips")
    async with city.engine.begin() as tx:
        await leave(tx, pair.id, pair.account_id, city.clock())
    for days, left in ((89, 1), (2, 0)):
        city.clock.advance(timedelta(days=days))
        await tending(city).forget()
        async with city.engine.connect() as connection:
            assert (await connection.execute(count)).scalar_one() == left


async def test_what_was_collected_for_a_party_that_leaves_goes_to_the_next(city: City) -> None:
    slot, booked, others = await filled(city, 8, 8)
    trio = await waits(city, *others[:3])
    singles = [await waits(city, one) for one in others[3:7]]
    for pair in booked[:4]:
        await give_back(city, pair)
    async with city.engine.begin() as tx:
        await leave(tx, trio.id, trio.account_id, city.clock())
    await tending(city).tend()
    assert await states(city, singles) == ["offered"] * 4
    await give_back(city, booked[4])
    assert (await city.desk.ask(wish(others[7], slot), render)).status == 201, "nobody waits: it is the public's"


async def test_a_desk_that_dies_before_the_commit_gives_nothing_away(
    city: City, monkeypatch: pytest.MonkeyPatch
) -> None:
    slot, booked, (one, stranger) = await filled(city, 1, 2)
    entry = await waits(city, one)

    async def killed(*_: Any) -> None:
        raise ConnectionResetError

    with monkeypatch.context() as dying:
        dying.setattr(desk_module, "commit", killed)
        with pytest.raises(Refused):
            await give_back(city, booked[0], another_desk(city))
    assert await state(city, entry) == "waiting"
    assert await tending(city).tend() == 0, "nothing was freed"
    await give_back(city, booked[0])
    assert await state(city, entry) == "offered"
    assert (await city.desk.ask(wish(stranger, slot), render)).status == 409


_ASTRAY = text(
    "SELECT count(*) FROM waitlist_offers o FULL JOIN (SELECT id FROM bookings WHERE channel = 'waiting_list' AND state = 'held') b"
    " ON b.id = o.booking_id LEFT JOIN waitlist_entries e ON e.id = o.entry_id"
    " WHERE o.booking_id IS NULL OR b.id IS NULL OR e.state <> 'offered'"
)
_KILL = text("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'dying'")


async def test_a_worker_that_is_killed_at_any_moment_leaves_whole_offers_in_order(city: City, booking_url: str) -> None:
    """Its connections are cut while it works; whatever it had not committed, the next worker does."""
    chance = random.Random(7)
    _, _, others = await filled(city, 1, 12)
    entries = [await waits(city, one) for one in others]
    for freed in range(1, 13):
        async with city.engine.begin() as tx:
            await tx.execute(text("UPDATE slots SET capacity = capacity + 1"))
        engine = create_engine(booking_url, application_name="dying", pool_size=3)
        desk = Desk(engine, CatalogueCache(CATALOGUE), city.clock)
        dying = asyncio.create_task(WaitingList(engine, desk, city.clock).tend())
        await asyncio.sleep(chance.uniform(0, 0.06))
        async with city.engine.begin() as tx:
            await tx.execute(_KILL)
        await asyncio.gather(dying, return_exceptions=True)
        await desk.close()
        await engine.dispose()
        await tending(city).tend()
        assert await states(city, entries) == ["offered"] * freed + ["waiting"] * (12 - freed)
        async with city.engine.connect() as connection:
            assert (await connection.execute(_ASTRAY)).scalar_one() == 0
    assert await world.audit(city.engine) == CLEAN


async def test_numbers_have_no_gaps_whoever_joins_at_once_or_fails_to(city: City) -> None:
    _, _, others = await filled(city, 1, 12)
    joined: list[Entry | BaseException] = []
    for some in (others[:4], others[4:8], others[8:]):  # each lot twice over, and all of it at once
        joined += await asyncio.gather(*(waits(city, one) for one in (*some, *some[:2])), return_exceptions=True)
    entries = [one for one in joined if isinstance(one, Entry)]
    twice = [one.reason for one in joined if isinstance(one, Refused)]
    assert sorted(one.number for one in entries) == list(range(1, 13)), joined
    assert twice == [Reason.WAITING_ALREADY] * 6


async def test_the_line_of_a_slot_is_the_same_in_sql_as_in_the_core(city: City) -> None:
    chance = random.Random(20261125)
    _, _, others = await filled(city, 1, 40)
    days = [date(2026, 11, 23 + n) for n in range(4)]
    slots = []
    for number in range(24):
        starts_at = make.slot().starts_at + timedelta(hours=2 * number + 1)
        slots.append(
            make.slot(
                capacity=1, taken=0, starts_at=starts_at, ends_at=starts_at + 30 * MINUTE, bookable_until=starts_at
            )
        )
    await world.put_slots(city.engine, *slots)
    async with city.engine.begin() as tx:
        await tx.execute(text("UPDATE slots SET taken = capacity"))
    entries = []
    for one in others:
        first = chance.choice(days)
        since = chance.randrange(16)
        band = Band(
            first=first,
            last=first + timedelta(days=3),
            weekdays=frozenset({3, *chance.sample(range(1, 8), chance.randint(1, 6))}),
            since=time(since),
            until=time(chance.randrange(17, 24), chance.choice([0, 30, 59])),
        )
        entries.append(await waits(city, one, band=band))
    async with city.engine.connect() as connection:
        found, _ = await read_candidates(connection, {slot.id: 0 for slot in slots}, Offers(), make.NOW)
        await connection.rollback()
    for slot in slots:
        assert found[slot.id] == [one.id for one in entries if one.band.covers(slot.starts_at)], slot.starts_at
    assert any(found.values())


async def test_the_sweep_reaches_everybody_behind_those_who_cannot_take_a_seat(
    city: City, monkeypatch: pytest.MonkeyPatch
) -> None:
    """More wait at the head than one batch looks at, all of them elsewhere at that time: the one behind gets the seat."""
    monkeypatch.setattr(
        waitlist_line, "_CANDIDATES", text(waitlist_line._CANDIDATES.text.replace("LIMIT 100", "LIMIT 3"))
    )
    slot, booked, others = await filled(city, 2, 6)
    starts_at = slot.starts_at + 15 * MINUTE
    beside = make.slot(capacity=9, starts_at=starts_at, ends_at=slot.ends_at, bookable_until=starts_at)
    await world.put_slots(city.engine, beside)
    only_then = replace(BAND, until=time(16, 30))
    entries = [await waits(city, one, band=only_then) for one in others]
    for one in others[:5]:
        assert (await city.desk.ask(wish(one, beside), render)).status == 201
    await give_back(city, booked[0])
    assert await states(city, entries) == ["waiting"] * 6
    await tending(city).tend()
    assert await states(city, entries) == ["waiting"] * 5 + ["offered"]


async def test_the_line_is_read_only_where_a_batch_may_give_seats(city: City, monkeypatch: pytest.MonkeyPatch) -> None:
    slot, booked, (one, stranger) = await filled(city, 1, 2)
    await waits(city, one)
    read: list[UUID] = []

    async def noted(tx: Any, after: Any, *rest: Any) -> Any:
        read.extend(after)
        return await read_candidates(tx, after, *rest)

    monkeypatch.setattr(line, "read_candidates", noted)
    assert (await city.desk.ask(wish(stranger, slot), render)).status == 409
    assert read == [], "the slot is full, and nobody gives anything back"
    await give_back(city, booked[0])
    assert read == [slot.id]


async def test_a_worker_asks_only_for_slots_that_may_have_a_seat(city: City) -> None:
    _, _, (one,) = await filled(city, 1, 1)
    await waits(city, one)
    async with city.engine.connect() as connection:
        assert await slots_to_serve(connection, ["timed-entry"], city.clock(), 10) == {}


async def test_cooling_and_waiting_together(booking_url: str) -> None:
    engine = create_engine(booking_url, application_name="test", pool_size=5)
    catalogue = make.catalogue(make.policy(waiting=TERMS, cooling=Cooling(least_minutes=30, most_minutes=120)))
    await world.put_catalogue(engine, catalogue)
    clock = SettableClock(make.NOW)
    city = City(engine, clock, Desk(engine, CatalogueCache(catalogue), clock))
    slot, booked, (one, accomplice) = await filled(city, 2, 2)
    entry = await waits(city, one)
    await give_back(city, booked[0])
    await give_back(city, booked[1])
    assert await state(city, entry) == "offered"
    refused = await city.desk.ask(wish(accomplice, slot), render)
    assert refused.body == Reason.COOLING_OFF.value.encode(), "one is offered, the other cools off"
    assert await world.audit(engine) == CLEAN
    await city.desk.close()
    await engine.dispose()


async def test_whose_offer_runs_out_is_before_those_behind_in_the_same_instant(city: City) -> None:
    """Two offers run out together: the seat of the one goes to whoever had the other, not to somebody behind them."""
    starts_at = make.slot().starts_at + timedelta(days=1)
    other = make.slot(capacity=1, starts_at=starts_at, ends_at=starts_at + 30 * MINUTE, bookable_until=starts_at)
    first, booked, (one, two, three) = await filled(city, 1, 3)
    await world.put_slots(city.engine, other)
    [holder] = await world.put_residents(city.engine, 1)
    made = await city.desk.ask(wish(holder, other), render)
    entries = [await waits(city, resident) for resident in (one, two, three)]
    await give_back(city, booked[0])
    await give_back(city, (holder, made))
    assert await states(city, entries) == ["offered", "offered", "waiting"]
    city.clock.advance(30 * MINUTE)
    await Sweeps(city.engine, city.desk, city.clock).lapse_holds()
    assert await states(city, entries) == ["offered", "offered", "waiting"], "each is offered the other's seat"
    async with city.engine.connect() as connection:
        query = text("SELECT entry_id, slot_id FROM waitlist_offers WHERE outcome IS NULL")
        offered = {row.entry_id: row.slot_id for row in await connection.execute(query)}
    assert offered == {entries[0].id: other.id, entries[1].id: first.id}
