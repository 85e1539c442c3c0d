"""Strikes and bars over the real database: written with the decision that brings them, met by the next one, told once."""

import asyncio
from collections.abc import AsyncIterator, Collection
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import insert, select

from services.booking import tables
from services.booking.commands import strikes
from services.booking.commands.catalogue_cache import CatalogueCache
from services.booking.commands.desk import Desk
from services.booking.domain.booking import Action, Channel
from services.booking.domain.penalty_rule import Cause, LateCancel, Length, PenaltyRule, PenaltyScope, Span, Window
from services.booking.domain.policy import CancelBy, PartyKind
from services.booking.domain.request import SYSTEM, Actor, Alter, Move
from services.booking.domain.slot import Slot
from services.booking.store.database import Connection
from services.booking.store.locking import LOCK, LOCK_SLOTS_ALONE
from services.booking.store.penalties import read_ledger
from services.booking.sweeps import Sweeps
from shared.clock import SettableClock
from shared.db import create_engine
from shared.ids import new_id
from shared.web import Answer
from tests import make, world
from tests.booking.api.town import at
from tests.booking.test_desk import CLEAN, City, render, wish
from tests.world import Resident

RULE = PenaltyRule(
    counts=(Cause.NO_SHOW, Cause.LATE_CANCEL),
    threshold=2,
    window=Window(span=Span.ROLLING_DAYS, count=90),
    length=Length(days=(30,)),
    scope=PenaltyScope.KIND,
)
CITY = make.catalogue(
    make.policy(penalties=(RULE,), late_cancel=LateCancel.STRIKE, cancel_by=CancelBy(minutes_before=60))
)
STAFF = Actor(new_id(), "staff", frozenset({make.VENUE}))


@pytest.fixture
async def city(booking_url: str) -> AsyncIterator[City]:
    engine = create_engine(booking_url, application_name="test", pool_size=20)
    await world.put_catalogue(engine, CITY)
    clock = SettableClock(make.NOW)
    desk = Desk(engine, CatalogueCache(CITY), clock)
    yield City(engine, clock, desk)
    await desk.close()
    await engine.dispose()


async def slots_of(city: City, *, count: int = 4, days: int = 1) -> list[Slot]:
    """Slots a day or more apart, the first on Wednesday 16:30, all released."""
    first = make.slot(bookable_from=make.NOW - timedelta(days=1))
    slots = [replace(at(first, days=number * days), bookable_from=first.bookable_from) for number in range(count)]
    await world.put_slots(city.engine, *slots)
    return slots


async def booked(city: City, resident: Resident, slot: Slot, **changes: Any) -> Answer:
    return await city.desk.ask(wish(resident, slot, **changes), render)


async def alter(city: City, answer: Answer, action: Action, actor: Actor, **changes: Any) -> Answer:
    request = Alter(actor=actor, key=None, booking_id=UUID(answer.body.decode()), action=action, **changes)
    return await city.desk.ask(request, render)


async def absent(city: City, resident: Resident, slot: Slot) -> Answer:
    """Book, and do not come; the sweep finds it when the visit is over."""
    answer = await booked(city, resident, slot)
    assert answer.status == 201, answer
    city.clock.set(slot.ends_at + timedelta(minutes=1))
    await Sweeps(city.engine, city.desk, city.clock).end_visits()
    return answer


async def rows(city: City, name: str) -> list[Any]:
    async with city.engine.connect() as connection:
        return list(await connection.execute(select(tables.metadata.tables[name])))


async def news(city: City) -> list[tuple[str, int, int, str | None]]:
    """What was told, in order: state, version, count, and until when in local words."""
    return [
        (row.data["state"], row.data["version"], row.data["count"], row.data["local_until"])
        for row in sorted(await rows(city, "outbox"), key=lambda row: row.sequence)
        if row.type == "yuyue.penalty.changed.v1"
    ]


def himself(resident: Resident) -> Actor:
    return Actor(resident.account_id, "resident")


async def test_absences_warn_then_bar_within_scope_and_period_and_the_counter_still_books(city: City) -> None:
    [resident, neighbour] = await world.put_residents(city.engine, 2)
    first, second, _ = await slots_of(city, count=3)
    await absent(city, resident, first)
    assert await news(city) == [("warned", 1, 1, None)]
    await absent(city, resident, second)
    assert await news(city) == [("warned", 1, 1, None), ("barred", 2, 2, "2026-12-26 16:30")]
    until = second.starts_at + timedelta(days=30)
    last = replace(at(second, days=30, minutes=-30), bookable_from=make.NOW)
    free = replace(at(second, days=30), bookable_from=make.NOW)
    assert (last.ends_at, free.starts_at) == (until, until)
    await world.put_slots(city.engine, last, free)
    refused = await booked(city, resident, last)
    assert (refused.status, refused.body) == (409, b"barred")
    counter = await booked(city, resident, last, channel=Channel.COUNTER, actor=STAFF)
    assert counter.status == 201, "the counter books for everybody"
    assert (await booked(city, neighbour, last)).status == 201
    assert (await booked(city, resident, free)).status == 201, "a visit from the very end on can be booked at once"
    struck = await rows(city, "strikes")
    assert [(row.act, row.at, row.person_id) for row in struck] == [
        ("no_show", one.starts_at, resident.person_id) for one in (first, second)
    ]
    assert await world.audit(city.engine) == CLEAN


async def test_a_correction_takes_the_strike_away_and_lifts_the_bar(city: City) -> None:
    [resident] = await world.put_residents(city.engine, 1)
    first, second, third, _ = await slots_of(city)
    await absent(city, resident, first)
    marked = await absent(city, resident, second)
    assert (await booked(city, resident, third)).body == b"barred"
    corrected = await alter(city, marked, Action.CORRECT, STAFF, reason="闸机故障")
    assert corrected.status == 201
    assert [one[0] for one in await news(city)] == ["warned", "barred", "lifted"]
    assert (await booked(city, resident, third)).status == 201
    [annulled] = await rows(city, "strike_annulments")
    assert (annulled.cause, annulled.reason, annulled.actor_id) == ("corrected", "闸机故障", STAFF.account_id)
    assert len(await rows(city, "strikes")) == 2, "what was written stays on record"


async def test_only_what_the_booker_promised_and_took_back_late_is_a_strike(city: City) -> None:
    [resident] = await world.put_residents(city.engine, 1)
    [slot, *_] = await slots_of(city, count=2, days=8)
    me, deadline = himself(resident), slot.starts_at - timedelta(minutes=60)
    in_time = await booked(city, resident, slot)
    city.clock.set(deadline)
    assert (await alter(city, in_time, Action.CANCEL, me)).status == 201, "at the deadline it is not late"
    city.clock.set(deadline + timedelta(seconds=1))
    held = await booked(city, resident, slot, confirm=False)
    assert (await alter(city, held, Action.CANCEL, me)).status == 201
    by_staff = await booked(city, resident, slot)
    assert (await alter(city, by_staff, Action.CANCEL, STAFF)).status == 201
    assert await rows(city, "strikes") == []
    late = await booked(city, resident, slot)
    city.clock.set(slot.starts_at - timedelta(microseconds=1))
    assert (await alter(city, late, Action.CANCEL, me)).status == 201
    [struck] = await rows(city, "strikes")
    assert (struck.act, struck.late, struck.same_day, struck.version) == ("cancel", True, True, 2)
    assert [one[:3] for one in await news(city)] == [("warned", 1, 1)]


async def test_from_the_start_on_nobody_cancels(city: City) -> None:
    [resident] = await world.put_residents(city.engine, 1)
    [slot] = await slots_of(city, count=1)
    answer = await booked(city, resident, slot)
    city.clock.set(slot.starts_at)
    assert (await alter(city, answer, Action.CANCEL, himself(resident))).body == b"too_late_to_cancel"
    assert await rows(city, "strikes") == []


async def test_whoever_is_barred_keeps_what_they_have_and_may_move_it(city: City) -> None:
    [resident] = await world.put_residents(city.engine, 1)
    first, second, third, fourth = await slots_of(city)
    kept = await booked(city, resident, third)
    await absent(city, resident, first)
    await absent(city, resident, second)
    assert (await booked(city, resident, fourth)).body == b"barred"
    request = Move(
        actor=himself(resident), key=None, booking_id=UUID(kept.body.decode()), slot_id=fourth.id, expected_version=1
    )
    assert (await city.desk.ask(request, render)).status == 201


async def test_a_bar_ends_without_the_sweep_which_only_tells_of_it_and_once(city: City) -> None:
    [resident] = await world.put_residents(city.engine, 1)
    first, second, later = await slots_of(city, count=3)
    await absent(city, resident, first)
    await absent(city, resident, second)
    until = second.starts_at + timedelta(days=30)
    cache = CatalogueCache(CITY)
    city.clock.set(until - timedelta(microseconds=1))
    assert await strikes.tell_of_ended_bars(city.engine, cache, city.clock) == 0
    city.clock.set(until)
    after = at(later, days=30)
    await world.put_slots(city.engine, replace(after, bookable_from=make.NOW))
    assert (await booked(city, resident, after)).status == 201
    told = await asyncio.gather(*(strikes.tell_of_ended_bars(city.engine, cache, city.clock) for _ in range(3)))
    assert 1 in told
    assert [one[:2] for one in await news(city)] == [("warned", 1), ("barred", 2), ("lifted", 3)]
    assert await strikes.tell_of_ended_bars(city.engine, cache, city.clock) == 0


@pytest.mark.parametrize("locked", [True, False], ids=["locked", "the lock off"])
async def test_two_processes_that_strike_one_person_at_once_count_each_other(
    city: City, monkeypatch: pytest.MonkeyPatch, locked: bool
) -> None:
    """With the lock off both look before either is kept, and nobody is barred: the control."""
    [resident] = await world.put_residents(city.engine, 1)
    first, second, _ = await slots_of(city, count=3)
    answers = [await booked(city, resident, slot) for slot in (first, second)]
    city.clock.set(second.ends_at + timedelta(minutes=1))
    arrived: list[None] = []
    both = asyncio.Event()

    async def meeting(tx: Connection, people: Collection[UUID], since: datetime) -> Any:
        entries = await read_ledger(tx, people, since)
        arrived.append(None)
        if len(arrived) == 2:
            both.set()
        try:
            await asyncio.wait_for(both.wait(), 0.5)
        except TimeoutError:
            assert locked, "without the lock nobody waits for the other"
        return entries

    monkeypatch.setattr(strikes, "read_ledger", meeting)
    lock = LOCK if locked else LOCK_SLOTS_ALONE
    desks = [Desk(city.engine, CatalogueCache(CITY), city.clock, lock=lock) for _ in answers]
    requests = [
        Alter(actor=SYSTEM, key=None, booking_id=UUID(answer.body.decode()), action=Action.MARK_NO_SHOW)
        for answer in answers
    ]
    await asyncio.gather(*(desk.ask(request, render) for desk, request in zip(desks, requests, strict=True)))
    await asyncio.gather(*(desk.close() for desk in desks))
    assert len(await rows(city, "strikes")) == 2
    assert ("barred" in [one[0] for one in await news(city)]) is locked


async def test_who_left_late_stays_struck_when_the_others_are_found_to_have_come(city: City) -> None:
    """The correction is about who was marked absent, and says nothing of who had given up the day before."""
    [resident, friend] = await world.put_residents(city.engine, 2)
    async with city.engine.begin() as tx:
        row = dict((await tx.execute(select(tables.account_people))).mappings().all()[-1])
        await tx.execute(insert(tables.account_people).values(row | {"account_id": resident.account_id}))
    [slot] = await slots_of(city, count=1)
    party = replace(wish(resident, slot), person_ids=(resident.person_id, friend.person_id), party_kind=PartyKind.GROUP)
    answer = await city.desk.ask(party, render)
    assert answer.status == 201, answer
    city.clock.set(slot.starts_at - timedelta(minutes=1))
    left = await alter(city, answer, Action.CANCEL_MEMBER, himself(resident), person_id=friend.person_id)
    assert left.status == 201, left
    city.clock.set(slot.ends_at + timedelta(minutes=1))
    await Sweeps(city.engine, city.desk, city.clock).end_visits()
    assert (await alter(city, answer, Action.CORRECT, STAFF, reason="the scanner was broken")).status == 201
    struck = {row.id: row.person_id for row in await rows(city, "strikes")}
    assert set(struck.values()) == {resident.person_id, friend.person_id}
    assert [struck[row.strike_id] for row in await rows(city, "strike_annulments")] == [resident.person_id]
