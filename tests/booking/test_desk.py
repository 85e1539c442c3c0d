"""The desk against the real database: races, batches, keys, holds; and what holds when the lock is taken out."""

import asyncio
import secrets
import time
from collections import Counter
from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any
from unittest.mock import AsyncMock
from uuid import UUID

import asyncpg
import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from services.booking.commands import desk as desk_module
from services.booking.commands.catalogue_cache import CatalogueCache
from services.booking.commands.desk import Desk
from services.booking.commands.queue import Limits
from services.booking.domain.booking import Action
from services.booking.domain.decision import Outcome
from services.booking.domain.facts import Facts
from services.booking.domain.reason import Reason
from services.booking.domain.reference import RANDOM_BYTES, new_reference
from services.booking.domain.request import Actor, Alter, Book, Key
from services.booking.domain.slot import Slot
from services.booking.store.gathering import lock_and_gather
from services.booking.store.keeping import keep_and_commit
from services.booking.store.locking import LOCK_NOTHING, Wanted
from services.booking.sweeps import Sweeps
from shared.clock import SettableClock
from shared.db import create_engine
from shared.ids import new_id
from shared.refusal import Refused
from shared.web import Answer
from tests import make, world
from tests.world import Resident


@dataclass
class City:
    """A desk in a world of its own."""

    engine: AsyncEngine
    clock: SettableClock
    desk: Desk

    def another(self, **options: Any) -> Desk:
        return Desk(self.engine, CatalogueCache(make.catalogue()), self.clock, **options)


@pytest.fixture
async def city(booking_url: str) -> AsyncIterator[City]:
    engine = create_engine(booking_url, application_name="test", pool_size=20)
    await world.put_catalogue(engine, make.catalogue())
    clock = SettableClock(make.NOW)
    desk = Desk(engine, CatalogueCache(make.catalogue()), clock)
    yield City(engine, clock, desk)
    await desk.close()
    await engine.dispose()


def render(outcome: Outcome, _facts: Facts) -> Answer:
    """Answer with what a test wants to know."""
    if isinstance(outcome, Refused):
        return Answer(409, {}, outcome.reason.value.encode())
    return Answer(201, {}, str(outcome.id).encode())


def wish(resident: Resident, slot: Slot, *, key: str | None = None, **changes: Any) -> Book:
    booking_id = new_id()
    return make.book(
        slot,
        resident.person_id,
        **{
            "actor": Actor(resident.account_id, "resident"),
            "key": Key(resident.account_id, key or str(booking_id), b"the same body"),
            "booking_id": booking_id,
            "reference": new_reference(secrets.token_bytes(RANDOM_BYTES)),
            "account_id": resident.account_id,
            **changes,
        },
    )


async def states(engine: AsyncEngine) -> Counter[str]:
    async with engine.connect() as connection:
        return Counter((await connection.execute(text("SELECT state FROM bookings"))).scalars())


CLEAN = {"oversold": 0, "miscounted": 0, "eventless": 0}


async def test_a_rush_sells_exactly_what_there_is(city: City) -> None:
    slot = make.slot(capacity=50)
    await world.put_slots(city.engine, slot)
    residents = await world.put_residents(city.engine, 600)
    answers = await asyncio.gather(*(city.desk.ask(wish(one, slot), render) for one in residents))
    assert Counter(answer.status for answer in answers) == {201: 50, 409: 550}
    assert await world.audit(city.engine) == CLEAN
    assert await states(city.engine) == {"confirmed": 50}


def slots_apart(count: int) -> list[Slot]:
    """Return slots of half an hour, an hour apart, with five places each."""
    slots = [make.slot(starts_at=make.slot().starts_at + timedelta(hours=n), capacity=5) for n in range(count)]
    return [replace(one, ends_at=one.starts_at + timedelta(minutes=30), bookable_from=make.NOW) for one in slots]


async def ask_in_turn(desk: Desk, residents: list[Resident], slots: list[Slot], seconds: float) -> list[int]:
    """Have each resident ask for their slot, `seconds` after the one before; return the answers' statuses, in that order."""
    asked = []
    for one, slot in zip(residents, slots, strict=True):
        asked.append(asyncio.create_task(desk.ask(wish(one, slot), render)))
        await asyncio.sleep(seconds)
    return [answer.status for answer in await asyncio.gather(*asked)]


async def test_two_batches_are_in_flight_and_the_one_that_asked_first_has_its_locks_first(
    city: City, monkeypatch: pytest.MonkeyPatch
) -> None:
    slots = slots_apart(6)
    await world.put_slots(city.engine, *slots)
    residents = await world.put_residents(city.engine, 40)
    locking, at_once, flights = 0, 0, 0

    async def gather(*given: Any) -> Any:
        nonlocal locking, at_once, flights
        locking += 1
        at_once, flights = max(at_once, locking), max(flights, len(desk._flights))
        found = await lock_and_gather(*given)
        locking -= 1
        return found

    monkeypatch.setattr(desk_module, "lock_and_gather", gather)
    desk = city.another()
    for slot in slots:
        statuses = await ask_in_turn(desk, residents, [slot] * len(residents), 0.001)
        assert statuses == [201] * 5 + [409] * 35, "first come, first served"
    assert (at_once, flights) == (1, 2)
    await desk.close()


async def test_a_third_batch_is_in_flight_where_it_waits_for_no_slot_of_the_others(
    city: City, monkeypatch: pytest.MonkeyPatch
) -> None:
    apart = slots_apart(60)
    await world.put_slots(city.engine, *apart)
    residents = await world.put_residents(city.engine, 60)
    flights, until = 0, 0.0

    async def keep(*given: Any, **options: Any) -> None:
        nonlocal flights
        while flights < 3 and time.monotonic() < until:
            flights = max(flights, len(desk._flights))
            await asyncio.sleep(0.002)
        await keep_and_commit(*given, **options)

    monkeypatch.setattr(desk_module, "keep_and_commit", keep)
    desk = city.another()
    for slots, most, booked in ((apart, 3, 60), (apart[:1] * 60, 2, 4)):  # the first one's fifth place is taken by then
        flights, until = 0, time.monotonic() + 1
        statuses = await ask_in_turn(desk, residents, slots, 0.0005)
        assert Counter(statuses) == Counter({201: booked, 409: 60 - booked})
        assert flights == most
    assert await world.audit(city.engine) == CLEAN
    await desk.close()


async def test_batches_beside_each_other_are_of_even_size(city: City, monkeypatch: pytest.MonkeyPatch) -> None:
    """Half of whoever is here rides in each; three who come late do not fly alone beside twenty."""
    slot = make.slot(capacity=50)
    await world.put_slots(city.engine, slot)
    residents = await world.put_residents(city.engine, 43)
    sizes: list[int] = []
    late: list[asyncio.Task[Answer]] = []

    async def gather(tx: AsyncConnection, wanted: Wanted, *given: Any) -> Any:
        sizes.append(len(wanted.people))
        found = await lock_and_gather(tx, wanted, *given)
        if len(sizes) == 2:  # the second batch has waited for the first one's locks, and is alone now
            late.extend(asyncio.create_task(desk.ask(wish(one, slot), render)) for one in residents[40:])
            await asyncio.sleep(0)
        return found

    monkeypatch.setattr(desk_module, "lock_and_gather", gather)
    desk = city.another()
    answers = await asyncio.gather(*(desk.ask(wish(one, slot), render) for one in residents[:40]))
    answers += await asyncio.gather(*late)
    assert [answer.status for answer in answers] == [201] * 43
    assert sizes == [20, 20, 3]
    assert await world.audit(city.engine) == CLEAN
    await desk.close()


@pytest.mark.parametrize(
    ("shared", "order"), [(False, ["begin", "begin", "keep", "keep"]), (True, ["begin", "keep", "begin", "keep"])]
)
async def test_the_next_batch_begins_before_this_one_is_kept(
    city: City, monkeypatch: pytest.MonkeyPatch, shared: bool, order: list[str]
) -> None:
    """It begins though more are being read, and asks first; where it wants the same slot it must wait, and is not waited for."""
    starts_at = make.slot().starts_at + timedelta(hours=1)
    slots = [
        make.slot(capacity=50),
        make.slot(capacity=50, starts_at=starts_at, ends_at=starts_at + timedelta(minutes=30)),
    ]
    await world.put_slots(city.engine, *slots)
    first, *others = await world.put_residents(city.engine, 3)
    happened: list[str] = []
    served = Desk._serve
    late: list[asyncio.Task[Answer]] = []

    async def serve(desk: Desk, batch: Any) -> None:
        happened.append("begin")  # and then it takes a connection, which need not be here yet
        await served(desk, batch)

    async def gather(*given: Any) -> Any:
        found = await lock_and_gather(*given)
        if not late:
            late.extend(asyncio.create_task(desk.ask(wish(one, slots[not shared]), render)) for one in others)
            await asyncio.sleep(0)
        return found

    async def keep(*given: Any, **options: Any) -> None:
        happened.append("keep")
        await keep_and_commit(*given, **options)

    monkeypatch.setattr(desk_module, "lock_and_gather", gather)
    monkeypatch.setattr(desk_module, "keep_and_commit", keep)
    monkeypatch.setattr(Desk, "_serve", serve)
    desk = city.another()
    answers = [await desk.ask(wish(first, slots[0]), render), *await asyncio.gather(*late)]
    assert [answer.status for answer in answers] == [201] * 3
    assert happened == order
    assert await world.audit(city.engine) == CLEAN
    await desk.close()


async def test_who_asks_while_the_session_is_being_ended_is_told_to_ask_again(
    city: City, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Seen when PostgreSQL was killed: the end is announced, the socket still open, and the driver at a loss."""
    slot = make.slot(capacity=50)
    await world.put_slots(city.engine, slot)
    (resident,) = await world.put_residents(city.engine, 1)
    with monkeypatch.context() as patch:
        announced = asyncpg.InternalClientError("cannot switch to state 15; another operation (2) is in progress")
        patch.setattr(asyncpg.Connection, "execute", AsyncMock(side_effect=announced))
        with pytest.raises(Refused) as refused:
            await city.desk.ask(wish(resident, slot), render)
    assert refused.value.reason is Reason.BUSY
    assert (await city.desk.ask(wish(resident, slot), render)).status == 201


async def race(city: City, desks: tuple[Desk, Desk], rounds: int) -> list[tuple[int, int]]:
    """Let two desks, as two processes would have, fight for one last place, `rounds` times."""
    residents = await world.put_residents(city.engine, 2)
    results = []
    for number in range(rounds):
        starts_at = make.slot().starts_at + timedelta(hours=number)
        slot = make.slot(capacity=1, starts_at=starts_at, ends_at=starts_at + timedelta(minutes=30))
        slot = replace(slot, bookable_from=make.NOW, bookable_until=starts_at)
        await world.put_slots(city.engine, slot)
        asked = (desk.ask(wish(one, slot), render) for desk, one in zip(desks, residents, strict=True))
        statuses = [answer.status for answer in await asyncio.gather(*asked)]
        results.append((statuses.count(201), statuses.count(409)))
    return results


async def test_two_desks_and_one_last_place(city: City) -> None:
    desks = city.another(), city.another()
    assert await race(city, desks, 100) == [(1, 1)] * 100
    assert await world.audit(city.engine) == CLEAN


async def test_without_the_lock_the_database_still_refuses_to_oversell(city: City) -> None:
    """The first control: with the lock out, only the constraint stands between two desks and one place."""
    desks = city.another(lock=LOCK_NOTHING), city.another(lock=LOCK_NOTHING)
    assert await race(city, desks, 40) == [(1, 1)] * 40
    assert await world.audit(city.engine) == CLEAN


async def test_the_control_oversells_without_lock_and_constraint(city: City) -> None:
    """The second control: this is what the race looks like when nothing guards it, so the race test can fail."""
    async with city.engine.begin() as tx:
        await tx.execute(text("ALTER TABLE slots DROP CONSTRAINT ck_slots_never_above_capacity"))
    desks = city.another(lock=LOCK_NOTHING), city.another(lock=LOCK_NOTHING)
    results = await race(city, desks, 100)
    assert (2, 0) in results
    assert (await world.audit(city.engine))["oversold"] > 0


async def test_one_key_makes_one_booking_and_one_answer(city: City) -> None:
    slot = make.slot(capacity=50)
    await world.put_slots(city.engine, slot)
    (resident,) = await world.put_residents(city.engine, 1)
    desks = city.another(), city.another()
    asked = (desks[n % 2].ask(wish(resident, slot, key="one"), render) for n in range(50))
    answers = await asyncio.gather(*asked)
    assert len({(answer.status, answer.body) for answer in answers}) == 1
    assert answers[0].status == 201
    assert await states(city.engine) == {"confirmed": 1}
    other = replace(wish(resident, slot), key=Key(resident.account_id, "one", b"another body"))
    refused = await city.desk.ask(other, render)
    assert refused.body == Reason.IDEMPOTENCY_KEY_REUSED.value.encode()


async def test_a_request_sent_again_is_told_the_same_though_the_first_has_gone_away(city: City) -> None:
    slot = make.slot(capacity=50)
    await world.put_slots(city.engine, slot)
    resident, neighbour = await world.put_residents(city.engine, 2)
    first = wish(resident, slot, key="one")
    tasks = [
        asyncio.create_task(city.desk.ask(one, render))
        for one in (
            first,
            replace(first, booking_id=new_id()),
            wish(neighbour, slot),
            replace(first, key=Key(resident.account_id, "one", b"another body")),
        )
    ]
    await asyncio.sleep(0)
    tasks[0].cancel()
    gone, *told = await asyncio.gather(*tasks, return_exceptions=True)
    assert isinstance(gone, asyncio.CancelledError)
    answers = [one for one in told if isinstance(one, Answer)]
    assert [one.status for one in answers] == [201, 201, 409]
    assert answers[2].body == Reason.IDEMPOTENCY_KEY_REUSED.value.encode()
    assert await states(city.engine) == {"confirmed": 2}


async def test_one_poisoned_request_does_not_fail_its_neighbours(city: City) -> None:
    slot = make.slot(capacity=50)
    await world.put_slots(city.engine, slot)
    residents = await world.put_residents(city.engine, 21)
    wishes = [wish(one, slot) for one in residents]
    wishes[10] = replace(wishes[10], reference=wishes[0].reference)  # a unique key will refuse it
    results = await asyncio.gather(*(city.desk.ask(one, render) for one in wishes), return_exceptions=True)
    refused = [one for one in results if isinstance(one, Refused)]
    assert [one.reason for one in refused] == [Reason.BUSY]
    assert sum(isinstance(one, Answer) and one.status == 201 for one in results) == 20
    assert await world.audit(city.engine) == CLEAN


async def test_a_hold_ends_the_instant_it_runs_out_without_any_sweep(city: City) -> None:
    slot = make.slot(capacity=1)
    await world.put_slots(city.engine, slot)
    first, second = await world.put_residents(city.engine, 2)
    held = await city.desk.ask(wish(first, slot, confirm=False), render)
    assert (await city.desk.ask(wish(second, slot), render)).body == Reason.SLOT_FULL.value.encode()
    city.clock.advance(timedelta(minutes=5))
    assert (await city.desk.ask(wish(second, slot), render)).status == 201
    late = alter(first, held, Action.CONFIRM)
    assert (await city.desk.ask(late, render)).body == Reason.HOLD_EXPIRED.value.encode()
    assert await states(city.engine) == {"lapsed": 1, "confirmed": 1}
    assert await world.audit(city.engine) == CLEAN


async def test_the_same_person_takes_back_the_place_of_a_lapsed_hold(city: City) -> None:
    slot = make.slot(capacity=1)
    await world.put_slots(city.engine, slot)
    (resident,) = await world.put_residents(city.engine, 1)
    await city.desk.ask(wish(resident, slot, confirm=False), render)
    city.clock.advance(timedelta(minutes=5))
    assert (await city.desk.ask(wish(resident, slot), render)).status == 201
    assert await world.audit(city.engine) == CLEAN


async def test_a_hold_that_ran_out_makes_room_for_one_more_and_not_for_two(city: City) -> None:
    (slot, *others) = (
        make.slot(capacity=9, starts_at=make.slot().starts_at + shift, ends_at=make.slot().ends_at + shift)
        for shift in (timedelta(hours=number) for number in range(4))
    )
    await world.put_slots(city.engine, slot, *others)
    (resident,) = await world.put_residents(city.engine, 1)
    await city.desk.ask(wish(resident, slot, confirm=False), render)
    city.clock.advance(timedelta(minutes=4))
    for other in others[:2]:
        assert (await city.desk.ask(wish(resident, other, confirm=False), render)).status == 201
    city.clock.advance(timedelta(minutes=1))  # the first one is over
    asked = (city.desk.ask(wish(resident, one, confirm=False), render) for one in (slot, others[2]))
    answers = await asyncio.gather(*asked)
    assert [answer.status for answer in answers] == [201, 409]
    assert answers[1].body == Reason.HOLDS_LIMIT_REACHED.value.encode()


def alter(resident: Resident, answer: Answer, action: Action) -> Alter:
    actor = Actor(resident.account_id, "resident")
    return Alter(actor=actor, key=None, booking_id=UUID(answer.body.decode()), action=action)


async def test_cancelling_and_booking_cross_without_losing_a_place(city: City) -> None:
    slot = make.slot(capacity=10)
    await world.put_slots(city.engine, slot)
    residents = await world.put_residents(city.engine, 30)
    booked = await asyncio.gather(*(city.desk.ask(wish(one, slot), render) for one in residents[:10]))
    desks = city.another(), city.another()
    cancels = [desks[0].ask(alter(*pair, Action.CANCEL), render) for pair in zip(residents, booked, strict=False)]
    wishes = [desks[1].ask(wish(one, slot), render) for one in residents[10:]]
    await asyncio.gather(*cancels, *wishes)
    assert await world.audit(city.engine) == CLEAN
    for one in residents[10:]:
        await city.desk.ask(wish(one, slot), render)
    assert (await states(city.engine))["confirmed"] == 10


async def test_a_full_slot_is_answered_with_the_nearest_free_times(city: City) -> None:
    slot = make.slot(capacity=1)
    later = [
        replace(slot, id=new_id(), starts_at=slot.starts_at + shift, ends_at=slot.ends_at + shift)
        for shift in (timedelta(hours=3), timedelta(hours=1), -timedelta(hours=2), timedelta(hours=9))
    ]
    later = [replace(one, bookable_until=one.starts_at) for one in later]
    await world.put_slots(city.engine, slot, *later)
    first, second = await world.put_residents(city.engine, 2)
    await city.desk.ask(wish(first, slot), render)
    seen: list[Refused] = []

    def look(outcome: Outcome, facts: Facts) -> Answer:
        assert isinstance(outcome, Refused)
        seen.append(outcome)
        return render(outcome, facts)

    await city.desk.ask(wish(second, slot), look)
    named = [one["slot_id"] for one in seen[0].facts["alternatives"]]
    assert named == [later[1].id, later[2].id, later[0].id]


async def test_the_queue_is_bounded_and_says_so(city: City) -> None:
    slot = make.slot(capacity=50)
    await world.put_slots(city.engine, slot)
    residents = await world.put_residents(city.engine, 10)
    desk = city.another(limits=Limits(batch=1, bound=3))
    asked = [desk.ask(wish(one, slot), render) for one in residents]
    results = await asyncio.gather(*asked, return_exceptions=True)
    busy = [one for one in results if isinstance(one, Refused)]
    assert len(busy) == 7
    assert {one.reason for one in busy} == {Reason.BUSY}
    assert busy[0].facts["retry_after_seconds"] == 1


async def test_the_sweeps_lapse_complete_and_mark(city: City) -> None:
    slot = make.slot(capacity=3)
    other = make.slot(starts_at=slot.starts_at + timedelta(hours=1), ends_at=slot.ends_at + timedelta(hours=1))
    await world.put_slots(city.engine, slot, other)
    residents = await world.put_residents(city.engine, 3)
    await city.desk.ask(wish(residents[0], other, confirm=False), render)
    missed = await city.desk.ask(wish(residents[1], slot), render)
    came = await city.desk.ask(wish(residents[2], slot), render)
    city.clock.set(slot.starts_at)
    staff = Actor(new_id(), "staff", frozenset({make.VENUE}))
    door = replace(alter(residents[2], came, Action.CHECK_IN), actor=staff, venue_id=make.VENUE)
    assert (await city.desk.ask(door, render)).status == 201
    sweeps = Sweeps(city.engine, city.desk, city.clock)
    assert await sweeps.lapse_holds() == 1
    assert await sweeps.end_visits() == 0
    city.clock.set(slot.ends_at + timedelta(minutes=31))
    assert await sweeps.end_visits() == 2
    assert await states(city.engine) == {"lapsed": 1, "no_show": 1, "completed": 1}
    assert missed.status == 201
    assert await world.audit(city.engine) == CLEAN


async def test_who_is_read_while_a_batch_is_in_flight_rides_in_one_batch(
    city: City, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One turn of the loop after the other brings somebody: nobody of them is served by himself."""
    slot = make.slot(capacity=50)
    await world.put_slots(city.engine, slot)
    residents = await world.put_residents(city.engine, 5)
    sizes: list[int] = []
    flying, goes_on = asyncio.Event(), asyncio.Event()

    async def gather(tx: AsyncConnection, wanted: Wanted, *given: Any) -> Any:
        sizes.append(len(wanted.people))
        found = await lock_and_gather(tx, wanted, *given)
        flying.set()
        await goes_on.wait()
        return found

    monkeypatch.setattr(desk_module, "lock_and_gather", gather)
    desk = city.another()
    asked = [asyncio.create_task(desk.ask(wish(residents[0], slot), render))]
    await flying.wait()
    for one in residents[1:]:
        asked.append(asyncio.create_task(desk.ask(wish(one, slot), render)))
        await asyncio.sleep(0)
    goes_on.set()
    assert [answer.status for answer in await asyncio.gather(*asked)] == [201] * 5
    assert sizes == [1, 4]
    await desk.close()


async def test_where_a_booking_has_changed_meanwhile_each_of_the_batch_is_served_alone(
    city: City, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever found its way past the locks: what the statement counts is not what was decided, and nothing of it stays."""
    slot = make.slot(capacity=50)
    await world.put_slots(city.engine, slot)
    residents = await world.put_residents(city.engine, 2)
    booked = [await city.desk.ask(wish(one, slot), render) for one in residents]
    ids = [UUID(answer.body.decode()) for answer in booked]
    sizes: list[int] = []

    async def gather(tx: AsyncConnection, wanted: Wanted, *given: Any) -> Any:
        sizes.append(len(wanted.booking_ids))
        found = await lock_and_gather(tx, wanted, *given)
        if len(sizes) == 1:
            async with city.engine.begin() as other:
                await other.execute(text("UPDATE bookings SET version = version + 1 WHERE id = :id"), {"id": ids[0]})
        return found

    monkeypatch.setattr(desk_module, "lock_and_gather", gather)
    cancels = [
        Alter(actor=Actor(one.account_id, "resident"), key=None, booking_id=booking_id, action=Action.CANCEL)
        for one, booking_id in zip(residents, ids, strict=True)
    ]
    answers = await asyncio.gather(*(city.desk.ask(one, render) for one in cancels))
    assert [answer.status for answer in answers] == [201] * 2
    assert sizes == [2, 1, 1]
