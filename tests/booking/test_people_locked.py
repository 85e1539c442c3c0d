"""One person, two processes: what is counted over slots holds, since people are locked; without their lock it does not."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from datetime import timedelta

import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from services.booking.commands.catalogue_cache import CatalogueCache
from services.booking.commands.desk import Desk
from services.booking.domain.decision import Outcome
from services.booking.domain.facts import Facts
from services.booking.domain.policy import Limit, LimitScope, LimitWindow
from services.booking.domain.reason import Reason
from services.booking.domain.request import Actor, Move
from services.booking.domain.slot import Slot
from services.booking.store.locking import LOCK, LOCK_SLOTS_ALONE, Lock
from shared.clock import SettableClock
from shared.db import create_engine
from shared.ids import new_id
from shared.refusal import Refused
from shared.web import Answer
from tests import make, world
from tests.world import Resident

ROUNDS = 25
ONE_A_DAY = Limit(scope=LimitScope.SERVICE, window=LimitWindow.DAY, most=1)
BOOKED = "booked"


@dataclass
class Twins:
    """Two desks with an engine each, as two processes have, in a city where a person may visit once a day."""

    engine: AsyncEngine
    desks: list[Desk]

    async def ask(self, desk: int, request: object) -> str:
        answer = await self.desks[desk].ask(request, _render)  # type: ignore[arg-type]
        return answer.body.decode()


def _render(outcome: Outcome, _facts: Facts) -> Answer:
    return Answer(200, {}, (outcome.reason.value if isinstance(outcome, Refused) else BOOKED).encode())


@pytest.fixture
async def twins(booking_url: str, request: pytest.FixtureRequest) -> AsyncIterator[Twins]:
    lock: Lock = getattr(request, "param", LOCK)
    catalogue = make.catalogue(make.policy(limits=(ONE_A_DAY,)))
    engines = [create_engine(booking_url, application_name=f"test-{number}") for number in range(2)]
    await world.put_catalogue(engines[0], catalogue)
    clock = SettableClock(make.NOW)
    yield Twins(engines[0], [Desk(engine, CatalogueCache(catalogue), clock, lock=lock) for engine in engines])
    for engine in engines:
        await engine.dispose()


async def two_slots(twins: Twins, apart: timedelta, number: int = 0) -> tuple[Slot, Slot]:
    """Put two slots of one service on one day, `apart`, each pair on a day of its own."""
    first = make.slot()
    starts_at = first.starts_at + timedelta(days=number)
    one = replace(
        first, id=new_id(), starts_at=starts_at, ends_at=starts_at + timedelta(hours=2), bookable_from=make.NOW
    )
    one = replace(one, bookable_until=one.starts_at)
    other = replace(one, id=new_id(), starts_at=one.starts_at + apart, ends_at=one.ends_at + apart)
    await world.put_slots(twins.engine, one, other)
    return one, other


async def fight(twins: Twins, apart: timedelta) -> Counter[tuple[str, ...]]:
    """Have one person book two slots at one instant, each at another desk, on `ROUNDS` days."""
    [resident] = await world.put_residents(twins.engine, 1)
    ends: Counter[tuple[str, ...]] = Counter()
    for number in range(ROUNDS):
        slots = await two_slots(twins, apart, number)
        asked = (twins.ask(desk, wish(resident, slot)) for desk, slot in enumerate(slots))
        ends[tuple(sorted(await asyncio.gather(*asked)))] += 1
    return ends


def wish(resident: Resident, slot: Slot) -> object:
    return make.book(
        slot,
        resident.person_id,
        actor=Actor(resident.account_id, "resident"),
        account_id=resident.account_id,
        booking_id=(booking_id := new_id()),
        reference=booking_id.hex,
    )


OVERLAPPING, LATER = timedelta(minutes=30), timedelta(hours=3)


async def test_one_person_is_never_in_two_places_at_one_time(twins: Twins) -> None:
    assert await fight(twins, OVERLAPPING) == {(BOOKED, Reason.CLASHES.value): ROUNDS}


async def test_a_limit_holds_over_two_slots(twins: Twins) -> None:
    assert await fight(twins, LATER) == {(BOOKED, Reason.LIMIT_REACHED.value): ROUNDS}


@pytest.mark.parametrize("twins", [LOCK_SLOTS_ALONE], indirect=True)
@pytest.mark.parametrize("apart", [OVERLAPPING, LATER], ids=["clash", "limit"])
async def test_the_control_books_both_with_the_lock_of_people_taken_out(twins: Twins, apart: timedelta) -> None:
    assert (await fight(twins, apart))[BOOKED, BOOKED] > 0


async def test_a_move_locks_whoever_moves(twins: Twins) -> None:
    """A booking of the next day moves to a time at which the same person books, at one instant."""
    [resident] = await world.put_residents(twins.engine, 1)
    ends: Counter[tuple[str, ...]] = Counter()
    for number in range(0, 10, 2):
        one, other = await two_slots(twins, OVERLAPPING, number)
        away, _ = await two_slots(twins, OVERLAPPING, number + 1)
        assert await twins.ask(0, wish(resident, away)) == BOOKED
        async with twins.engine.connect() as connection:
            booked = (
                await connection.execute(text("SELECT id FROM bookings WHERE slot_id = :id"), {"id": away.id})
            ).scalar_one()
        actor = Actor(resident.account_id, "resident")
        move = Move(actor=actor, key=None, booking_id=booked, slot_id=one.id)
        ends[tuple(sorted(await asyncio.gather(twins.ask(0, move), twins.ask(1, wish(resident, other)))))] += 1
    assert ends == {(BOOKED, Reason.CLASHES.value): 5}


async def test_people_in_opposite_orders_do_not_block_each_other(twins: Twins) -> None:
    """Batches of two processes that share slots and people in every order: nobody waits in a circle."""
    residents = await world.put_residents(twins.engine, 12)
    slots = [slot for number in range(6) for slot in await two_slots(twins, LATER, number)]
    for turn in range(6):
        orders = (residents, list(reversed(residents)))
        wishes = [
            twins.ask(desk, wish(one, slots[(turn * 2 + desk + place) % len(slots)]))
            for desk, order in enumerate(orders)
            for place, one in enumerate(order)
        ]
        await asyncio.gather(*wishes)
    async with twins.engine.connect() as connection:
        deadlocks = text("SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()")
        assert (await connection.execute(deadlocks)).scalar_one() == 0
    assert await world.audit(twins.engine) == {"oversold": 0, "miscounted": 0, "eventless": 0}
