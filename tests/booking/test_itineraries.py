"""Itineraries over the real database: all or nothing, whoever else is at it; and what it looks like without the lock."""

import asyncio
import random
from collections import Counter
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from services.booking.commands import desk as desk_module
from services.booking.commands.catalogue_cache import CatalogueCache
from services.booking.commands.desk import Desk
from services.booking.domain.booking import Action
from services.booking.domain.facts import Facts
from services.booking.domain.reason import Reason
from services.booking.domain.reference import RANDOM_BYTES, new_reference
from services.booking.domain.request import Actor, Alter, Book, Move
from services.booking.domain.slot import Slot
from services.booking.store.bookings import read_booking, read_bookings_at, read_history
from services.booking.store.catalogue import read_catalogue
from services.booking.store.database import Connection
from services.booking.store.gathering import lock_and_gather
from services.booking.store.keeping import keep_and_commit
from services.booking.store.locking import LOCK, LOCK_NOTHING, Wanted
from services.booking.sweeps import Sweeps
from services.booking.views.availability import read_free
from shared.clock import SettableClock
from shared.db import create_engine
from shared.ids import new_id
from shared.refusal import Refused
from shared.web import Answer
from tests import make, world
from tests.booking import itineraries
from tests.booking.itineraries import BOTH, DAY, HER, HIM
from tests.booking.test_desk import CLEAN, City, alter, render
from tests.booking.test_moving import Severed
from tests.world import Resident

Slots = dict[str, Slot]

_HALVES = text(
    "SELECT count(*) FROM bookings b WHERE b.itinerary_id IS NOT NULL AND NOT ("
    " (SELECT count(*) FROM claims c WHERE c.booking_id = b.id AND c.live)"
    "  = CASE WHEN b.state IN ('cancelled', 'lapsed') THEN 0 ELSE 4 END"
    " AND (SELECT count(DISTINCT c.step) FROM claims c WHERE c.booking_id = b.id) = 3"
    " AND (SELECT (min(c.starts_at), max(c.ends_at)) = (b.starts_at, b.ends_at) FROM claims c WHERE c.booking_id = b.id)"
    " AND NOT EXISTS (SELECT FROM claims c JOIN slots s ON s.id = c.slot_id WHERE c.booking_id = b.id"
    "  AND (c.service_id, c.starts_at, c.ends_at) <> (s.service_id, s.starts_at, s.ends_at)))"
)
"""Bookings of the couple's itinerary that have not exactly its four places in three steps, or none where they are over."""

SOUND = {**CLEAN, "halves": 0}


@pytest.fixture
async def city(booking_url: str) -> AsyncIterator[City]:
    engine = create_engine(booking_url, application_name="test", pool_size=20)
    await world.put_catalogue(engine, itineraries.catalogue())
    clock = SettableClock(make.NOW)
    desk = Desk(engine, CatalogueCache(itineraries.catalogue()), clock)
    yield City(engine, clock, desk)
    await desk.close()
    await engine.dispose()


def another(city: City, *, locked: bool = True) -> Desk:
    """Another process's desk; `locked` False for the control."""
    lock = LOCK if locked else LOCK_NOTHING
    return Desk(city.engine, CatalogueCache(itineraries.catalogue()), city.clock, lock=lock)


async def audit(engine: AsyncEngine) -> dict[str, int]:
    async with engine.connect() as connection:
        halves = (await connection.execute(_HALVES)).scalar_one()
    return {**await world.audit(engine), "halves": halves}


async def couples(engine: AsyncEngine, count: int) -> list[tuple[Resident, UUID]]:
    """Accounts with a person of their own, and a partner who is saved too."""
    residents = await world.put_residents(engine, 2 * count)
    async with engine.begin() as tx:
        for one, other in zip(residents[::2], residents[1::2], strict=True):
            await tx.execute(
                text("UPDATE account_people SET account_id = :account WHERE person_id = :person"),
                {"account": one.account_id, "person": other.person_id},
            )
    return [(one, other.person_id) for one, other in zip(residents[::2], residents[1::2], strict=True)]


def wish(couple: tuple[Resident, UUID], of: Slots, *, confirm: bool = True) -> Book:
    resident, partner = couple
    return replace(
        itineraries.wish(of, resident.person_id, partner, confirm=confirm),
        actor=Actor(resident.account_id, "resident"),
        account_id=resident.account_id,
        booking_id=new_id(),
        reference=new_reference(random.randbytes(RANDOM_BYTES)),
    )


def day(number: int = 0, *, capacity: int = 1) -> Slots:
    """Slots of one day for all three steps; the joint consultation's sorts first, last or between by its id."""
    when = DAY + timedelta(days=number)
    times = {HER: (9, 0), HIM: (9, 0), BOTH: (10, 0)}
    return {key: itineraries.at(key, *clock, day=when, capacity=capacity) for key, clock in times.items()}


async def places(engine: AsyncEngine, answer: Answer) -> set[UUID]:
    async with engine.connect() as connection:
        statement = text("SELECT slot_id FROM claims WHERE booking_id = :id AND live")
        return set((await connection.execute(statement, {"id": UUID(answer.body.decode())})).scalars())


async def test_it_is_kept_whole_and_read_back_as_it_was_decided(city: City) -> None:
    of = day()
    await world.put_slots(city.engine, *of.values())
    ((resident, partner),) = await couples(city.engine, 1)
    answer = await city.desk.ask(wish((resident, partner), of), render)
    assert answer.status == 201
    async with city.engine.connect() as connection:
        booking = await read_booking(connection, UUID(answer.body.decode()))
        expected = await read_bookings_at(connection, make.VENUE, (of[BOTH].starts_at, of[BOTH].ends_at), 10)
    assert booking is not None
    assert booking.course is not None
    assert [one.key for one in booking.course.steps] == [HER, HIM, BOTH]
    assert booking.course.steps[2].person_ids == (resident.person_id, partner)
    assert (booking.starts_at, booking.ends_at, booking.seats) == (of[HER].starts_at, of[BOTH].ends_at, 3)
    assert expected == [booking], "who is expected at a step of theirs is on the list"
    assert await audit(city.engine) == SOUND
    assert (await city.desk.ask(alter(resident, answer, Action.CANCEL), render)).status == 201
    assert (await places(city.engine, answer), await audit(city.engine)) == (set(), SOUND)


async def test_a_step_that_is_met_is_in_its_claims_and_in_the_history(city: City) -> None:
    """Two doors ask at one instant: both steps are met, and one of them is when the party came."""
    of = day()
    await world.put_slots(city.engine, *of.values())
    ((resident, partner),) = await couples(city.engine, 1)
    booking_id = UUID((await city.desk.ask(wish((resident, partner), of), render)).body.decode())
    staff = Actor(new_id(), "staff", frozenset({make.VENUE}))
    door = Alter(actor=staff, key=None, booking_id=booking_id, action=Action.CHECK_IN, venue_id=make.VENUE)
    city.clock.set(of[HER].starts_at)
    other = another(city)
    asked = [desk.ask(replace(door, step=step), render) for desk, step in ((city.desk, HER), (other, HIM))]
    assert [one.status for one in await asyncio.gather(*asked)] == [201, 201]
    assert (await city.desk.ask(replace(door, step=HER), render)).body == Reason.STEP_MET.value.encode()
    async with city.engine.connect() as connection:
        booking = await read_booking(connection, booking_id)
        entries = await read_history(connection, booking_id)
        rows = await connection.execute(
            text("SELECT step, met_at FROM claims WHERE booking_id = :id"), {"id": booking_id}
        )
        met = sorted((row.step, row.met_at) for row in rows if row.met_at is not None)
    await other.close()
    assert booking is not None
    assert booking.course is not None
    now = city.clock()
    assert [(one.key, one.met_at) for one in booking.course.steps] == [(HER, now), (HIM, now), (BOTH, None)]
    assert met == [(HIM, now), (HER, now)]
    assert [(one.version, one.action, one.actor_role) for one in entries] == [
        (1, "confirm", "resident"),
        (2, "check_in", "staff"),
        (3, "check_in_step", "staff"),
    ]
    assert {one.step for one in entries[1:]} == {HER, HIM}
    assert await audit(city.engine) == SOUND


async def test_one_lost_step_loses_them_all_and_keeps_nothing(city: City) -> None:
    of = day()
    await world.put_slots(city.engine, *of.values())
    first, second = await couples(city.engine, 2)
    blocks = make.book(
        of[BOTH],
        first[0].person_id,
        actor=Actor(first[0].account_id, "resident"),
        account_id=first[0].account_id,
        reference=new_reference(random.randbytes(RANDOM_BYTES)),
    )
    assert (await city.desk.ask(blocks, render)).status == 201
    assert (await city.desk.ask(wish(second, of), render)).body == Reason.SLOT_FULL.value.encode()
    async with city.engine.connect() as connection:
        taken = await connection.execute(text("SELECT sum(taken) FROM slots"))
        assert taken.scalar_one() == 1
    assert await audit(city.engine) == SOUND


async def crossing(city: City, desks: tuple[Desk, Desk], rounds: int) -> Counter[int]:
    """Two desks ask for overlapping itineraries, the slots named in opposite orders, `rounds` times at once."""
    statuses: Counter[int] = Counter()
    two = await couples(city.engine, 2)
    for number in range(rounds):
        of = day(number % 20)
        spare = itineraries.at(HER, 8, 0, day=DAY + timedelta(days=number % 20))
        shift = timedelta(minutes=2 * (number // 20))
        of = {key: _shifted(slot, shift) for key, slot in of.items()}
        spare = _shifted(spare, shift)
        await world.put_slots(city.engine, *of.values(), spare)
        wishes = wish(two[0], of), wish(two[1], {BOTH: of[BOTH], HIM: of[HIM], HER: spare})
        answers = await asyncio.gather(*(desk.ask(one, render) for desk, one in zip(desks, wishes, strict=True)))
        statuses.update(answer.status for answer in answers)
        for who, answer in zip(two, answers, strict=True):
            if answer.status == 201:
                await city.desk.ask(alter(who[0], answer, Action.CANCEL), render)
    return statuses


def _shifted(slot: Slot, by: timedelta) -> Slot:
    return replace(
        slot, starts_at=slot.starts_at + by, ends_at=slot.ends_at + by, bookable_until=slot.bookable_until + by
    )


async def test_two_desks_cross_and_one_has_it_all_and_the_other_nothing(city: City) -> None:
    desks = another(city), another(city)
    assert await crossing(city, desks, 60) == {201: 60, 409: 60}
    assert await audit(city.engine) == SOUND


async def test_the_control_without_the_lock_gives_one_place_to_two(city: City) -> None:
    """So the race above can fail: with the lock and the constraint out, both get the joint consultation."""
    async with city.engine.begin() as tx:
        await tx.execute(text("ALTER TABLE slots DROP CONSTRAINT ck_slots_never_above_capacity"))
    desks = another(city, locked=False), another(city, locked=False)
    statuses = await crossing(city, desks, 40)
    assert statuses[201] > 40, statuses


async def test_the_audit_sees_half_an_itinerary(city: City) -> None:
    of = day()
    await world.put_slots(city.engine, *of.values())
    (couple,) = await couples(city.engine, 1)
    await city.desk.ask(wish(couple, of), render)
    async with city.engine.begin() as tx:
        await tx.execute(text("UPDATE claims SET live = false WHERE step = :step"), {"step": HIM})
    assert (await audit(city.engine))["halves"] == 1


async def test_a_hold_that_ran_out_frees_every_step_for_whoever_asks_for_one(city: City) -> None:
    """Nobody has swept: a plain booking of the last step's slot meets the hold, which is the first one's by its row."""
    of = day()
    await world.put_slots(city.engine, *of.values())
    first, second = await couples(city.engine, 2)
    held = await city.desk.ask(wish(first, of, confirm=False), render)
    assert held.status == 201
    plain = make.book(
        of[BOTH],
        second[0].person_id,
        actor=Actor(second[0].account_id, "resident"),
        account_id=second[0].account_id,
        reference=new_reference(random.randbytes(RANDOM_BYTES)),
    )
    assert (await city.desk.ask(plain, render)).body == Reason.SLOT_FULL.value.encode()
    city.clock.advance(timedelta(minutes=5))
    async with city.engine.connect() as connection:
        for key in (HER, HIM, BOTH):
            free = await read_free(connection, key, city.clock(), 1, city.clock())
            assert [(slot.id, slot.taken) for slot in free] == [(of[key].id, 0)], "shown as free before it is swept"
    assert (await city.desk.ask(replace(plain, booking_id=new_id()), render)).status == 201
    assert (await places(city.engine, held), await audit(city.engine)) == (set(), SOUND)
    assert await Sweeps(city.engine, city.desk, city.clock).lapse_holds() == 0, "it has lapsed already"


async def test_a_hold_that_has_run_out_when_it_is_locked_for_and_not_before_is_taken_up_again(
    city: City, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What was locked was looked up before the hold ran out, or by a clock that is behind: its slots were not all locked."""
    of = day()
    await world.put_slots(city.engine, *of.values())
    first, second = await couples(city.engine, 2)
    held = await city.desk.ask(wish(first, of, confirm=False), render)
    assert held.status == 201
    moments: list[datetime] = []

    async def gather(tx: Connection, wanted: Wanted, facts: Facts, *given: Any) -> Any:
        moments.append(wanted.now)
        look = wanted if len(moments) > 1 else replace(wanted, now=make.NOW)
        return await lock_and_gather(tx, look, facts, *given)

    monkeypatch.setattr(desk_module, "lock_and_gather", gather)
    late = make.NOW + timedelta(minutes=5)
    plain = make.book(
        of[BOTH],
        second[0].person_id,
        actor=Actor(second[0].account_id, "resident"),
        account_id=second[0].account_id,
        reference=new_reference(random.randbytes(RANDOM_BYTES)),
    )
    desk = Desk(city.engine, CatalogueCache(itineraries.catalogue()), SettableClock(late))
    assert (await desk.ask(plain, render)).status == 201
    assert moments == [late, late], "it was taken up again"
    assert await audit(city.engine) == SOUND
    await desk.close()


async def test_it_moves_whole_and_the_places_it_leaves_are_free(city: City) -> None:
    of, later = day(), day(1)
    await world.put_slots(city.engine, *of.values(), *later.values())
    first, second = await couples(city.engine, 2)
    booked = await city.desk.ask(wish(first, of), render)
    target = {**later, HER: later[HER]}
    move = Move(
        actor=Actor(first[0].account_id, "resident"),
        key=None,
        booking_id=UUID(booked.body.decode()),
        slot_id=target[HER].id,
        course=wish(first, target).course,
    )
    moved, taken_over = await asyncio.gather(city.desk.ask(move, render), city.desk.ask(wish(second, of), render))
    assert (moved.status, moved.body, taken_over.status) == (201, booked.body, 201)
    assert await places(city.engine, booked) == {slot.id for slot in later.values()}
    assert await audit(city.engine) == SOUND
    back = replace(move, course=wish(first, of).course, slot_id=of[HER].id)
    assert (await city.desk.ask(back, render)).body == Reason.SLOT_FULL.value.encode()
    assert await places(city.engine, booked) == {slot.id for slot in later.values()}


async def test_whatever_is_asked_at_once_over_two_desks_no_itinerary_is_ever_half(city: City) -> None:
    dice = random.Random(11)
    days = [day(number, capacity=3) for number in range(5)]
    await world.put_slots(city.engine, *(slot for of in days for slot in of.values()))
    everybody = await couples(city.engine, 8)
    desks = another(city), another(city)
    booked: list[tuple[tuple[Resident, UUID], Answer]] = []
    done: Counter[tuple[str, int]] = Counter()
    for _ in range(25):
        asked = []
        for _ in range(8):
            what = dice.choice(("book", "hold", "move", "cancel")) if booked else "book"
            desk, of = dice.choice(desks), dice.choice(days)
            who, answer = (dice.choice(everybody), None) if what in {"book", "hold"} else dice.choice(booked)
            if answer is None:
                asked.append((what, who, desk.ask(wish(who, of, confirm=what == "book"), render)))
            elif what == "cancel":
                asked.append((what, who, desk.ask(alter(who[0], answer, Action.CANCEL), render)))
            else:
                move = Move(
                    actor=Actor(who[0].account_id, "resident"),
                    key=None,
                    booking_id=UUID(answer.body.decode()),
                    slot_id=of[HER].id,
                    course=wish(who, of).course,
                )
                asked.append((what, who, desk.ask(move, render)))
        answers = await asyncio.gather(*(one for _, _, one in asked))
        for (what, who, _), answer in zip(asked, answers, strict=True):
            done[what, answer.status] += 1
            if what in {"book", "hold"} and answer.status == 201:
                booked.append((who, answer))
        city.clock.advance(timedelta(minutes=1))
    assert min(done[what, status] for what in ("book", "hold", "move", "cancel") for status in (201, 409)) > 2, done
    assert await audit(city.engine) == SOUND


async def test_the_definition_is_read_back_from_its_row(city: City) -> None:
    async with city.engine.connect() as connection:
        catalogue = await read_catalogue(connection)
    assert catalogue.itineraries == itineraries.catalogue().itineraries


BREAKS = {
    "before the first slot is let go": 1,
    "before the steps are given up": 2,
    "before the booking is altered": 3,
    "before the new steps are taken": 4,
    "before the span is written": 5,
}


@pytest.mark.parametrize("moment", list(BREAKS))
async def test_a_connection_lost_while_it_moves_leaves_the_old_plan_whole(
    city: City, monkeypatch: pytest.MonkeyPatch, moment: str
) -> None:
    of, later = day(), day(1)
    await world.put_slots(city.engine, *of.values(), *later.values())
    (couple,) = await couples(city.engine, 1)
    booked = await city.desk.ask(wish(couple, of), render)
    broken: list[Severed] = []

    async def breaking(tx: Any, *given: Any, **options: Any) -> None:
        broken.append(Severed(tx, BREAKS[moment], city.engine))
        connection: Any = broken[-1]
        await keep_and_commit(connection, *given, **options)

    monkeypatch.setattr(desk_module, "keep_and_commit", breaking)
    move = Move(
        actor=Actor(couple[0].account_id, "resident"),
        key=None,
        booking_id=UUID(booked.body.decode()),
        slot_id=later[HER].id,
        course=wish(couple, later).course,
    )
    outcome = (await asyncio.gather(another(city).ask(move, render), return_exceptions=True))[0]
    assert isinstance(outcome, Refused), outcome
    assert outcome.reason is Reason.BUSY
    assert broken[-1]._left == 0, "there is such a statement"
    assert await places(city.engine, booked) == {slot.id for slot in of.values()}
    assert await audit(city.engine) == SOUND
    monkeypatch.undo()
    assert (await city.desk.ask(move, render)).status == 201
    assert await places(city.engine, booked) == {slot.id for slot in later.values()}
    assert await audit(city.engine) == SOUND
