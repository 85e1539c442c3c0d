"""Steps put right over the real database: claims, history, events and the ledger of strikes follow, every time anew."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import select

from services.booking import tables
from services.booking.commands.catalogue_cache import CatalogueCache
from services.booking.commands.desk import Desk
from services.booking.domain.booking import Action, Booking
from services.booking.domain.penalty_rule import Cause, Length, PenaltyRule, PenaltyScope, Span, Window
from services.booking.domain.policy import SeatUnit
from services.booking.domain.request import Actor, Alter
from services.booking.store.bookings import read_booking, read_history
from services.booking.sweeps import Sweeps
from shared.clock import SettableClock
from shared.db import create_engine
from shared.ids import new_id
from tests import make, world
from tests.booking import itineraries
from tests.booking.itineraries import BOTH, HER, HIM
from tests.booking.test_desk import City, render
from tests.booking.test_itineraries import SOUND, audit, couples, day, wish

RULE = PenaltyRule(
    counts=(Cause.NO_SHOW,),
    threshold=1,
    window=Window(span=Span.ROLLING_DAYS, count=90),
    length=Length(days=(30,)),
    scope=PenaltyScope.KIND,
)
STRICT = itineraries.catalogue(of_policy=make.policy(seat_unit=SeatUnit.PARTY, penalties=(RULE,)))
STAFF = Actor(new_id(), "staff", frozenset({make.VENUE}))


@pytest.fixture
async def city(booking_url: str) -> AsyncIterator[City]:
    engine = create_engine(booking_url, application_name="test", pool_size=20)
    await world.put_catalogue(engine, STRICT)
    clock = SettableClock(make.NOW)
    desk = Desk(engine, CatalogueCache(STRICT), clock)
    yield City(engine, clock, desk)
    await desk.close()
    await engine.dispose()


class Missed:
    """A couple's visit that nobody came to, and an hour has passed."""

    def __init__(self, city: City, booking_id: UUID) -> None:
        self.city = city
        self.id = booking_id

    @classmethod
    async def of(cls, city: City) -> "Missed":
        slots = day()
        await world.put_slots(city.engine, *slots.values())
        [couple] = await couples(city.engine, 1)
        missed = cls(city, UUID((await city.desk.ask(wish(couple, slots), render)).body.decode()))
        city.clock.set(slots[BOTH].ends_at + timedelta(hours=1))
        await missed.sweep()
        return missed

    def staff_say(self, key: str, *, attended: bool) -> Alter:
        action = Action.CORRECT_STEP if attended else Action.TAKE_BACK_STEP
        return Alter(actor=STAFF, key=None, booking_id=self.id, action=action, step=key, reason="核实")

    async def ask(self, *requests: Alter) -> None:
        """Ask all at once: they ride in one batch."""
        answers = await asyncio.gather(*(self.city.desk.ask(one, render) for one in requests))
        assert [one.status for one in answers] == [201] * len(requests), answers

    async def sweep(self) -> None:
        await Sweeps(self.city.engine, self.city.desk, self.city.clock).end_visits()

    async def now(self) -> tuple[Booking, dict[str, bool]]:
        async with self.city.engine.connect() as connection:
            booking = await read_booking(connection, self.id)
        assert booking is not None
        assert booking.course is not None
        return booking, {one.key: one.met_at is not None for one in booking.course.steps}

    async def rows(self, name: str) -> list[Any]:
        async with self.city.engine.connect() as connection:
            return list(await connection.execute(select(tables.metadata.tables[name])))

    async def standing(self) -> tuple[int, set[str]]:
        """Return how many strikes stand, and in which state both people's penalties are."""
        annulled = {row.strike_id for row in await self.rows("strike_annulments")}
        strikes = [row for row in await self.rows("strikes") if row.id not in annulled]
        return len(strikes), {row.state for row in await self.rows("penalties")}


async def test_strikes_go_with_the_first_step_that_was_met_and_come_back_with_the_last(city: City) -> None:
    missed = await Missed.of(city)
    assert await missed.standing() == (2, {"barred"})
    for key in (HIM, HER):
        await missed.ask(missed.staff_say(key, attended=True))
        assert await missed.standing() == (0, {"lifted"})
        await missed.sweep()
        booking, met = await missed.now()
        assert (booking.state, met) == ("completed", {HER: key == HER, HIM: key == HIM, BOTH: False})
        await missed.ask(missed.staff_say(key, attended=False))
        assert (await missed.now())[0].state == "confirmed"
        await missed.sweep()
        assert await missed.standing() == (2, {"barred"})
    async with city.engine.connect() as connection:
        entries = await read_history(connection, missed.id)
    again = [
        ("correct", "checked_in"),
        ("complete", "completed"),
        ("take_back", "confirmed"),
        ("mark_no_show", "no_show"),
    ]
    assert [(one.action, one.state) for one in entries[2:]] == again * 2
    assert [(one.step, one.actor_role, one.reason) for one in entries[2:5:2]] == [(HIM, "staff", "核实")] * 2
    told = sorted((row.data["version"], row.type) for row in await missed.rows("outbox") if row.subject == missed.id)
    assert [version for version, _ in told] == list(range(1, len(entries) + 1))
    assert told[4][1] == "yuyue.booking.step_corrected.v1"
    assert await audit(city.engine) == SOUND


async def test_what_is_corrected_twice_in_one_batch_ends_as_it_was_said_last(city: City) -> None:
    missed = await Missed.of(city)
    await missed.ask(missed.staff_say(HER, attended=True))
    await missed.ask(missed.staff_say(BOTH, attended=True), missed.staff_say(BOTH, attended=False))
    booking, met = await missed.now()
    assert (booking.version, met) == (5, {HER: True, HIM: False, BOTH: False})
    await missed.ask(
        *(missed.staff_say(HIM, attended=attended) for attended in (True, False, True)),
        replace(missed.staff_say(BOTH, attended=True), expected_version=8),
    )
    assert (await missed.now())[1] == {HER: True, HIM: True, BOTH: True}
    async with city.engine.connect() as connection:
        entries = await read_history(connection, missed.id)
    assert [one.step for one in entries[2:]] == [HER, BOTH, BOTH, HIM, HIM, HIM, BOTH]
    assert await audit(city.engine) == SOUND
