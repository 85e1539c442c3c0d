"""What the house cancels is told with other times; what a resident cancels is not."""

from collections.abc import AsyncIterator
from datetime import timedelta
from uuid import UUID

import pytest
from sqlalchemy import text

from services.booking.commands.catalogue_cache import CatalogueCache
from services.booking.commands.desk import Desk
from services.booking.domain.booking import Action
from services.booking.domain.request import Actor, Alter
from services.booking.domain.zone import in_words
from shared.clock import SettableClock
from shared.db import create_engine
from shared.ids import new_id
from shared.web import Answer
from tests import make, world
from tests.booking.test_desk import City, render, wish
from tests.world import Resident

STAFF = Actor(new_id(), "staff", frozenset({make.VENUE}))


@pytest.fixture
async def city(booking_url: str) -> AsyncIterator[City]:
    engine = create_engine(booking_url, application_name="test")
    await world.put_catalogue(engine, make.catalogue())
    clock = SettableClock(make.NOW)
    desk = Desk(engine, CatalogueCache(make.catalogue()), clock)
    yield City(engine, clock, desk)
    await desk.close()
    await engine.dispose()


async def told(city: City, answer: Answer) -> tuple[str, ...]:
    """Return the other times in the last event of a booking."""
    query = text("SELECT data -> 'alternatives' FROM outbox WHERE subject = :id ORDER BY sequence DESC LIMIT 1")
    async with city.engine.connect() as connection:
        return tuple((await connection.execute(query, {"id": UUID(answer.body.decode())})).scalar_one())


async def booked(city: City) -> tuple[Resident, Answer]:
    """Book a court; the same court is free an hour later and a day later, and full two hours later."""
    slot = make.slot(capacity=2)
    later = [
        make.slot(
            starts_at=slot.starts_at + timedelta(hours=hours),
            ends_at=slot.ends_at + timedelta(hours=hours),
            capacity=1,
        )
        for hours in (1, 2, 24)
    ]
    await world.put_slots(city.engine, slot, *later)
    one, other = await world.put_residents(city.engine, 2)
    assert (await city.desk.ask(wish(other, later[1]), render)).status == 201
    answer = await city.desk.ask(wish(one, slot), render)
    assert answer.status == 201, answer.body
    return one, answer


async def test_the_house_names_the_nearest_free_times(city: City) -> None:
    _, answer = await booked(city)
    await city.desk.ask(
        Alter(actor=STAFF, key=None, booking_id=UUID(answer.body.decode()), action=Action.CANCEL), render
    )
    start = make.slot().starts_at
    assert await told(city, answer) == (
        in_words(start + timedelta(hours=1)),
        in_words(start + timedelta(hours=24)),
    )


async def test_a_resident_who_cancels_is_told_of_none(city: City) -> None:
    one, answer = await booked(city)
    assert await told(city, answer) == ()
    actor = Actor(one.account_id, "resident")
    await city.desk.ask(
        Alter(actor=actor, key=None, booking_id=UUID(answer.body.decode()), action=Action.CANCEL), render
    )
    assert await told(city, answer) == ()
