"""A service whose policy says that its releases are drawn: rounds open by themselves, are settled, and leave the rest to all."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from services.booking.commands.catalogue_cache import CatalogueCache
from services.booking.commands.desk import Desk
from services.booking.commands.draw_by_policy import open_rounds
from services.booking.commands.drawing import Drawing
from services.booking.commands.draws import NewRequest, enter
from services.booking.domain.draw_round import ANNOUNCED_AHEAD, Round, Stage, Stored, releases_to_draw
from services.booking.domain.policy import Draw, PartyKind
from services.booking.domain.slot import Slot
from services.booking.store.draws import read_round
from shared.clock import SettableClock
from shared.db import create_engine
from shared.ids import new_id
from tests import make, world
from tests.booking.api.town import at
from tests.booking.test_desk import render, wish
from tests.world import Resident

GATHER = timedelta(hours=2)
TERMS = Draw(gather_minutes=120)
RELEASED = make.NOW + timedelta(days=1, hours=1)
CATALOGUE = make.catalogue(make.policy(draw=TERMS))


@dataclass
class City:
    engine: AsyncEngine
    clock: SettableClock
    desk: Desk
    cache: CatalogueCache

    async def open_rounds(self) -> int:
        return await open_rounds(self.engine, self.cache, self.clock)

    async def rounds(self) -> list[Round]:
        async with self.engine.connect() as connection:
            ids = (await connection.execute(text("SELECT id FROM draw_rounds ORDER BY closes_at"))).scalars().all()
            found = [await read_round(connection, one) for one in ids]
        return [one for one in found if one is not None]

    async def enter(self, drawn: Round, resident: Resident) -> None:
        new = NewRequest(
            id=new_id(),
            booking_id=new_id(),
            round_id=drawn.id,
            account_id=resident.account_id,
            person_ids=(resident.person_id,),
            party_kind=PartyKind.ONE_PERSON,
            declarations={},
            slot_ids=drawn.slot_ids[:1],
            salt=b"salt",
        )
        async with self.engine.begin() as tx:
            await enter(tx, new, CATALOGUE, self.clock())


@pytest.fixture
async def city(booking_url: str) -> AsyncIterator[City]:
    engine = create_engine(booking_url, application_name="test", pool_size=10)
    await world.put_catalogue(engine, CATALOGUE)
    clock, cache = SettableClock(make.NOW), CatalogueCache(CATALOGUE)
    desk = Desk(engine, cache, clock)
    yield City(engine, clock, desk, cache)
    await desk.close()
    await engine.dispose()


def a_slot(released: datetime = RELEASED, *, days: int = 2, capacity: int = 2) -> Slot:
    first = at(make.slot(capacity=capacity), days=days)
    return replace(first, id=new_id(), bookable_from=released)


async def test_a_release_is_announced_gathered_drawn_and_what_is_left_is_everybodys(city: City) -> None:
    slots = [a_slot(days=2), a_slot(days=3), a_slot(RELEASED + timedelta(days=9), days=9)]
    await world.put_slots(city.engine, *slots)
    await asyncio.gather(*(city.open_rounds() for _ in range(4)))  # as many workers as there may be
    assert await city.open_rounds() == 0, "once"
    [drawn] = await city.rounds()
    assert set(drawn.slot_ids) == {slots[0].id, slots[1].id}
    assert (drawn.opens_at, drawn.closes_at) == (RELEASED - GATHER, RELEASED)
    assert drawn.stage(city.clock()) is Stage.ANNOUNCED
    assert drawn.commitment
    residents = await world.put_residents(city.engine, 4)
    city.clock.set(RELEASED - timedelta(minutes=30))
    for resident in residents[:3]:
        await city.enter(drawn, resident)
    city.clock.set(RELEASED)
    late = await city.desk.ask(wish(residents[3], slots[0]), render)
    assert late.body == b"slot_drawn", "nobody is quicker than the draw"
    assert await Drawing(city.engine, city.desk, city.clock).settle_due() == 1
    [settled] = await city.rounds()
    assert settled.stored is Stored.SETTLED
    assert (await city.desk.ask(wish(residents[3], slots[0]), render)).body == b"slot_full", "two of three were drawn"
    assert (await city.desk.ask(wish(residents[3], slots[1]), render)).status == 201, "nobody had asked for it"
    assert await city.open_rounds() == 0, "what was drawn is not drawn again"


async def test_a_service_without_such_a_policy_has_no_round(city: City) -> None:
    await world.put_slots(city.engine, a_slot())
    plain = CatalogueCache(make.catalogue())
    async with city.engine.begin() as tx:
        await tx.execute(text("UPDATE policies SET document = document || '{\"draw\": null}'"))
    assert await open_rounds(city.engine, plain, city.clock) == 0


def test_a_round_is_there_a_day_before_it_gathers_and_not_where_there_is_no_time() -> None:
    slot = a_slot()
    announced = RELEASED - GATHER - ANNOUNCED_AHEAD
    assert releases_to_draw(TERMS, [slot], announced - timedelta(seconds=1)) == []
    [release] = releases_to_draw(TERMS, [slot], announced)
    assert release.slot_ids == (slot.id,)
    last = RELEASED - timedelta(minutes=10)
    assert len(releases_to_draw(TERMS, [slot], last)) == 1
    assert releases_to_draw(TERMS, [slot], last + timedelta(seconds=1)) == [], "nobody could hear of it"
    for unfit in (
        replace(slot, closed=True),
        replace(slot, drawn=True),
        replace(slot, bookable_until=RELEASED + timedelta(minutes=59)),
    ):
        assert releases_to_draw(TERMS, [unfit], announced) == []
