"""Cooling off over the real database: two desks, what is listed, and holds that nobody has swept."""

from collections.abc import AsyncIterator
from datetime import timedelta

import pytest
from sqlalchemy import text

from services.booking.commands.catalogue_cache import CatalogueCache
from services.booking.commands.desk import Desk
from services.booking.domain.booking import Action
from services.booking.domain.decision import Outcome
from services.booking.domain.facts import Facts
from services.booking.domain.policy import Cooling
from services.booking.domain.reason import Reason
from services.booking.domain.slot import Slot
from services.booking.domain.zone import local_day
from services.booking.views.days import Asked, TimeSeen, read_availability
from shared.clock import SettableClock
from shared.db import create_engine
from shared.refusal import Refused
from shared.web import Answer
from tests import make, world
from tests.booking.test_desk import CLEAN, City, alter, render, wish

CATALOGUE = make.catalogue(make.policy(cooling=Cooling(least_minutes=30, most_minutes=120)))


@pytest.fixture
async def city(booking_url: str) -> AsyncIterator[City]:
    engine = create_engine(booking_url, application_name="test", pool_size=20)
    await world.put_catalogue(engine, CATALOGUE)
    clock = SettableClock(make.NOW)
    desk = Desk(engine, CatalogueCache(CATALOGUE), clock)
    desk.chance = lambda: 0.5
    yield City(engine, clock, desk)
    await desk.close()
    await engine.dispose()


async def listed(city: City, slot: Slot) -> TimeSeen:
    """The slot as availability lists it."""
    day = local_day(slot.starts_at)
    asked = Asked(
        service_id=slot.service_id, since=day, earliest_since=day, until=day + timedelta(days=1), places=1, dates=1
    )
    async with city.engine.connect() as connection:
        seen = await read_availability(connection, asked, city.clock())
    (one,) = [time for time in seen.days[0].times if time.seen.slot.id == slot.id]
    assert (seen.earliest is not None and seen.earliest.id == slot.id) == (one.why is None)
    return one


async def test_a_cancelled_place_is_nobody_s_until_its_instant_on_whichever_desk(city: City) -> None:
    slot = make.slot(capacity=1)
    await world.put_slots(city.engine, slot)
    scalper, accomplice = await world.put_residents(city.engine, 2)
    mine = await city.desk.ask(wish(scalper, slot), render)
    other_desk = Desk(city.engine, CatalogueCache(CATALOGUE), city.clock)
    await other_desk.ask(alter(scalper, mine, Action.CANCEL), render)
    async with city.engine.connect() as connection:
        (instants,) = (await connection.execute(text("SELECT cooling FROM slots"))).scalars()
    assert len(instants) == 1, "drawn when it came free, and written down"
    for desk in (city.desk, other_desk):
        refused = await desk.ask(wish(accomplice, slot), render)
        assert refused.body == Reason.COOLING_OFF.value.encode()
    one = await listed(city, slot)
    assert (one.why, one.places_left) == (Reason.COOLING_OFF, 0)
    city.clock.set(instants[0])
    assert (await listed(city, slot)).places_left == 1
    assert (await city.desk.ask(wish(accomplice, slot), render)).status == 201
    assert await world.audit(city.engine) == CLEAN


async def test_a_hold_that_ran_out_is_listed_as_the_desk_will_find_it(city: City) -> None:
    slot = make.slot(capacity=1)
    await world.put_slots(city.engine, slot)
    first, second = await world.put_residents(city.engine, 2)
    await city.desk.ask(wish(first, slot, confirm=False), render)
    city.clock.advance(timedelta(minutes=5))
    before = await listed(city, slot)
    assert (before.why, before.places_left) == (Reason.COOLING_OFF, 0)
    assert (await city.desk.ask(wish(second, slot), render)).body == Reason.COOLING_OFF.value.encode()
    after = await listed(city, slot)
    assert (after.why, after.places_left) == (before.why, before.places_left)


async def test_a_full_slot_does_not_name_one_that_cools_off_as_the_nearest(city: City) -> None:
    slot = make.slot(capacity=1)
    starts_at = slot.starts_at + timedelta(hours=1)
    later = make.slot(
        capacity=1, starts_at=starts_at, ends_at=starts_at + timedelta(minutes=30), bookable_until=starts_at
    )
    await world.put_slots(city.engine, slot, later)
    first, second, third = await world.put_residents(city.engine, 3)
    await city.desk.ask(wish(first, slot), render)
    await city.desk.ask(alter(second, await city.desk.ask(wish(second, later), render), Action.CANCEL), render)
    heard: list[Outcome] = []

    def look(outcome: Outcome, facts: Facts) -> Answer:
        heard.append(outcome)
        return render(outcome, facts)

    await city.desk.ask(wish(third, slot), look)
    assert isinstance(heard[0], Refused)
    assert heard[0].facts["alternatives"] == []
