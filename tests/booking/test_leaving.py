"""A member leaves a party, over the real database: seats, claims and what is read of the booking afterwards."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import timedelta
from uuid import UUID

import pytest
from sqlalchemy import insert, text

from services.booking import tables
from services.booking.commands.catalogue_cache import CatalogueCache
from services.booking.commands.desk import Desk
from services.booking.domain.booking import Action, Booking, State
from services.booking.domain.policy import PartyKind
from services.booking.domain.request import Actor, Alter, Move
from services.booking.domain.slot import Slot
from services.booking.store.bookings import read_booking, read_by_reference_and_birth_date, read_history
from services.booking.sweeps import Sweeps
from shared.clock import SettableClock
from shared.db import create_engine
from shared.ids import new_id
from shared.web import Answer
from tests import make, world
from tests.booking.test_desk import CLEAN, City, render, wish
from tests.world import Resident


@pytest.fixture
async def city(booking_url: str) -> AsyncIterator[City]:
    engine = create_engine(booking_url, application_name="test", pool_size=20)
    await world.put_catalogue(engine, make.catalogue())
    clock = SettableClock(make.NOW)
    desk = Desk(engine, CatalogueCache(make.catalogue()), clock)
    yield City(engine, clock, desk)
    await desk.close()
    await engine.dispose()


async def family(city: City, slot: Slot) -> tuple[Resident, list[UUID], Answer]:
    """One resident's booking for three people."""
    residents = await world.put_residents(city.engine, 3)
    first, people = residents[0], [one.person_id for one in residents]
    rows = [
        {
            "account_id": first.account_id,
            "person_id": person,
            "relation": "child",
            "name_sealed": "sealed",
            "name_masked": "王*",
            "document_masked": "210***********123X",
            "created_at": make.NOW,
        }
        for person in people[1:]
    ]
    async with city.engine.begin() as tx:
        await tx.execute(insert(tables.account_people), rows)
    booked = await city.desk.ask(wish(first, slot, person_ids=tuple(people), party_kind=PartyKind.GROUP), render)
    assert booked.status == 201
    return first, people, booked


def leave(resident: Resident, booked: Answer, person_id: UUID) -> Alter:
    return Alter(
        actor=Actor(resident.account_id, "resident"),
        key=None,
        booking_id=UUID(booked.body.decode()),
        action=Action.CANCEL_MEMBER,
        person_id=person_id,
    )


async def stored(city: City, booked: Answer) -> Booking:
    async with city.engine.connect() as connection:
        booking = await read_booking(connection, UUID(booked.body.decode()))
    assert booking is not None
    return booking


async def test_a_seat_comes_back_and_whoever_left_stays_on_record_alone(city: City) -> None:
    slot = make.slot(capacity=3)
    await world.put_slots(city.engine, slot)
    resident, people, booked = await family(city, slot)
    (neighbour,) = await world.put_residents(city.engine, 1)
    async with city.engine.begin() as tx:
        await tx.execute(text("UPDATE persons SET birth_date = '2015-05-05' WHERE id = :id"), {"id": people[1]})
    left, taken = await asyncio.gather(
        city.desk.ask(leave(resident, booked, people[1]), render), city.desk.ask(wish(neighbour, slot), render)
    )
    assert (left.status, taken.status) == (201, 201)
    booking = await stored(city, booked)
    assert [claim.person_id for claim in booking.claims] == [people[0], people[2]]
    assert (booking.version, booking.seats, booking.party_kind) == (2, 2, "group")
    async with city.engine.connect() as connection:
        gone = {"id": booking.id, "person": people[1]}
        claims = text("SELECT live, position FROM claims WHERE booking_id = :id AND person_id = :person")
        assert (await connection.execute(claims, gone)).one() == (False, -2)
        (entry,) = (await read_history(connection, booking.id))[1:]
        born = (await stored(city, booked)).reference, make.NOW.date().replace(2015, 5, 5)
        assert await read_by_reference_and_birth_date(connection, *born) is None, "whoever left is no key to it"
    assert (entry.action, entry.state) == ("cancel_member", "confirmed")
    assert await world.audit(city.engine) == CLEAN


async def test_leaving_moving_and_the_last_ones_leaving_cross_without_losing_a_place(city: City) -> None:
    slot = make.slot(capacity=3)
    shift = timedelta(hours=1)
    other = replace(
        slot,
        id=new_id(),
        starts_at=slot.starts_at + shift,
        ends_at=slot.ends_at + shift,
        bookable_until=slot.bookable_until + shift,
    )
    await world.put_slots(city.engine, slot, other)
    resident, people, booked = await family(city, slot)
    actor = Actor(resident.account_id, "resident")
    move = Move(actor=actor, key=None, booking_id=UUID(booked.body.decode()), slot_id=other.id)
    answers = await asyncio.gather(
        city.desk.ask(leave(resident, booked, people[0]), render),
        city.desk.ask(move, render),
        city.desk.ask(leave(resident, booked, people[1]), render),
    )
    assert [answer.status for answer in answers] == [201] * 3
    booking = await stored(city, booked)
    assert (booking.slot_id, booking.party_kind, booking.seats) == (other.id, "one_person", 1)
    assert await world.audit(city.engine) == CLEAN
    assert (await city.desk.ask(leave(resident, booked, people[2]), render)).status == 201
    booking = await stored(city, booked)
    assert (booking.state, [claim.person_id for claim in booking.claims]) == (State.CANCELLED, [people[2]])
    assert await world.audit(city.engine) == CLEAN


async def test_a_corrected_no_show_is_completed_by_the_sweep(city: City) -> None:
    slot = make.slot()
    await world.put_slots(city.engine, slot)
    (resident,) = await world.put_residents(city.engine, 1)
    booked = await city.desk.ask(wish(resident, slot), render)
    sweeps = Sweeps(city.engine, city.desk, city.clock)
    city.clock.set(slot.ends_at + timedelta(hours=1))
    await sweeps.end_visits()
    assert (await stored(city, booked)).state is State.NO_SHOW
    staff = Actor(new_id(), "staff", frozenset({make.VENUE}))
    correct = Alter(
        actor=staff, key=None, booking_id=UUID(booked.body.decode()), action=Action.CORRECT, reason="gate failed"
    )
    assert (await city.desk.ask(correct, render)).status == 201
    await sweeps.end_visits()
    async with city.engine.connect() as connection:
        told = [(one.action, one.reason) for one in await read_history(connection, UUID(booked.body.decode()))]
    assert told == [("confirm", None), ("mark_no_show", None), ("correct", "gate failed"), ("complete", None)]
    assert await world.audit(city.engine) == CLEAN
