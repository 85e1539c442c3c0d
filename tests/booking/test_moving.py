"""Moving a booking over the real database: races, a booking that moved meanwhile, and a connection lost at every step."""

import asyncio
import random
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import replace
from datetime import timedelta
from types import SimpleNamespace
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from services.booking.commands import desk as desk_module
from services.booking.commands.catalogue_cache import CatalogueCache
from services.booking.commands.desk import Desk
from services.booking.domain.booking import Action
from services.booking.domain.decision import Outcome
from services.booking.domain.facts import Facts
from services.booking.domain.reason import Reason
from services.booking.domain.request import Actor, Move
from services.booking.domain.slot import Slot
from services.booking.store.keeping import keep_and_commit
from shared.clock import SettableClock
from shared.db import create_engine, driver_of
from shared.refusal import Refused
from shared.web import Answer
from tests import make, world
from tests.booking.test_desk import CLEAN, City, alter, render, wish
from tests.world import Resident

_ASTRAY = text(
    "SELECT count(*) FROM bookings b WHERE b.state NOT IN ('cancelled', 'lapsed') AND 1 <> (SELECT count(*)"
    " FROM claims c WHERE c.booking_id = b.id AND c.live AND c.slot_id = b.slot_id AND c.starts_at = b.starts_at"
    " AND c.ends_at = b.ends_at AND c.service_id = b.service_id)"
)
_PLACES = text("SELECT c.slot_id FROM claims c WHERE c.booking_id = :id AND c.live")


@pytest.fixture
async def city(booking_url: str) -> AsyncIterator[City]:
    engine = create_engine(booking_url, application_name="test", pool_size=20)
    await world.put_catalogue(engine, make.catalogue())
    clock = SettableClock(make.NOW)
    desk = Desk(engine, CatalogueCache(make.catalogue()), clock)
    yield City(engine, clock, desk)
    await desk.close()
    await engine.dispose()


def slots(count: int, **changes: Any) -> list[Slot]:
    """Slots of one service, an hour apart; their ids in the order of their times."""
    first = make.slot(**changes)
    hours = [timedelta(hours=number) for number in range(count)]
    return [
        replace(
            first,
            id=UUID(int=number + 1),
            starts_at=first.starts_at + shift,
            ends_at=first.ends_at + shift,
            bookable_until=first.bookable_until + shift,
        )
        for number, shift in enumerate(hours)
    ]


def to(resident: Resident, booked: Answer, slot: Slot) -> Move:
    actor = Actor(resident.account_id, "resident")
    return Move(actor=actor, key=None, booking_id=UUID(booked.body.decode()), slot_id=slot.id)


async def audit(engine: AsyncEngine) -> dict[str, int]:
    """Count what must never be, bookings that have not exactly the one place that they say among them."""
    async with engine.connect() as connection:
        astray = (await connection.execute(_ASTRAY)).scalar_one()
    return {**await world.audit(engine), "astray": astray}


SOUND = {**CLEAN, "astray": 0}


async def places(engine: AsyncEngine, booked: Answer) -> list[UUID]:
    async with engine.connect() as connection:
        return list((await connection.execute(_PLACES, {"id": UUID(booked.body.decode())})).scalars())


async def test_a_move_takes_the_new_place_and_gives_the_old_one_to_whoever_asks_next(city: City) -> None:
    old, new = slots(2, capacity=1)
    await world.put_slots(city.engine, old, new)
    first, second = await world.put_residents(city.engine, 2)
    booked = await city.desk.ask(wish(first, old), render)
    moved, taken_over = await asyncio.gather(
        city.desk.ask(to(first, booked, new), render), city.desk.ask(wish(second, old), render)
    )
    assert (moved.status, moved.body, taken_over.status) == (201, booked.body, 201)
    assert await places(city.engine, booked) == [new.id]
    assert await audit(city.engine) == SOUND


async def test_there_and_back_again_and_cancelled(city: City) -> None:
    old, new = slots(2, capacity=1)
    await world.put_slots(city.engine, old, new)
    (resident,) = await world.put_residents(city.engine, 1)
    booked = await city.desk.ask(wish(resident, old), render)
    for slot in (new, old, new):
        assert (await city.desk.ask(to(resident, booked, slot), render)).status == 201
        assert await places(city.engine, booked) == [slot.id]
    assert (await city.desk.ask(alter(resident, booked, Action.CANCEL), render)).status == 201
    assert (await places(city.engine, booked), await audit(city.engine)) == ([], SOUND)


async def test_a_chain_of_moves_and_a_cancellation_in_one_batch(city: City) -> None:
    """Each makes room for the next; the first two requests of one person even use one place after the other."""
    one, two, three = slots(3, capacity=1)
    await world.put_slots(city.engine, one, two, three)
    (resident,) = await world.put_residents(city.engine, 1)
    first = await city.desk.ask(wish(resident, one), render)
    second = await city.desk.ask(wish(resident, two), render)
    answers = await asyncio.gather(
        city.desk.ask(to(resident, second, three), render),
        city.desk.ask(to(resident, first, two), render),
        city.desk.ask(wish(resident, one), render),
        city.desk.ask(alter(resident, second, Action.CANCEL), render),
    )
    assert [answer.status for answer in answers] == [201] * 4
    assert await places(city.engine, first) == [two.id]
    assert await audit(city.engine) == SOUND


async def test_a_refused_move_names_the_nearest_free_times_and_changes_nothing(city: City) -> None:
    old, full, free = slots(3, capacity=1)
    await world.put_slots(city.engine, old, full, free)
    first, second = await world.put_residents(city.engine, 2)
    booked = await city.desk.ask(wish(first, old), render)
    await city.desk.ask(wish(second, full), render)
    seen: list[Refused] = []

    def look(outcome: Outcome, facts: Facts) -> Answer:
        assert isinstance(outcome, Refused)
        seen.append(outcome)
        return render(outcome, facts)

    await city.desk.ask(to(first, booked, full), look)
    assert seen[0].reason is Reason.SLOT_FULL
    assert [one["slot_id"] for one in seen[0].facts["alternatives"]] == [free.id]
    assert (await places(city.engine, booked), await audit(city.engine)) == ([old.id], SOUND)


async def test_two_swap_into_each_others_last_places_and_neither_is_lost(city: City) -> None:
    """Over two desks, as two processes: no deadlock, nobody oversold, each with the one place that stays certain."""
    one, two = slots(2, capacity=1)
    await world.put_slots(city.engine, one, two)
    first, second = await world.put_residents(city.engine, 2)
    booked = [await city.desk.ask(wish(first, one), render), await city.desk.ask(wish(second, two), render)]
    desks = city.another(), city.another()
    for _ in range(40):
        answers = await asyncio.gather(
            desks[0].ask(to(first, booked[0], two), render), desks[1].ask(to(second, booked[1], one), render)
        )
        assert [answer.body.decode() for answer in answers] == [Reason.SLOT_FULL.value] * 2
    assert [await places(city.engine, answer) for answer in booked] == [[one.id], [two.id]]
    assert await audit(city.engine) == SOUND


async def test_two_move_to_one_last_place_and_one_gets_it(city: City) -> None:
    first_slot, second_slot, *targets = slots(22, capacity=1)
    await world.put_slots(city.engine, first_slot, second_slot, *targets)
    residents = await world.put_residents(city.engine, 2)
    desks = city.another(), city.another()
    homes = (first_slot, second_slot)
    booked = [await city.desk.ask(wish(*pair), render) for pair in zip(residents, homes, strict=True)]
    for target in targets:
        asked = (
            desk.ask(to(*who, target), render)
            for desk, who in zip(desks, zip(residents, booked, strict=True), strict=True)
        )
        assert sorted(answer.status for answer in await asyncio.gather(*asked)) == [201, 409]
    assert await audit(city.engine) == SOUND


async def test_a_booking_that_moved_while_its_slot_was_waited_for_is_taken_up_again(city: City) -> None:
    """The third slot is locked by somebody, and comes first: so the request waits there, with an old slot in mind."""
    third, old, new = slots(3)
    await world.put_slots(city.engine, third, old, new)
    (resident,) = await world.put_residents(city.engine, 1)
    booked = await city.desk.ask(wish(resident, old), render)
    async with city.engine.begin() as somebody:
        await somebody.execute(text("SELECT FROM slots WHERE id = :id FOR UPDATE"), {"id": third.id})
        waiting = asyncio.create_task(city.another().ask(to(resident, booked, third), render))
        await _until_somebody_waits(city.engine)
        assert (await city.another().ask(to(resident, booked, new), render)).status == 201
    assert (await waiting).status == 201
    assert (await places(city.engine, booked), await audit(city.engine)) == ([third.id], SOUND)


async def _until_somebody_waits(engine: AsyncEngine) -> None:
    waits = text(
        "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()"
    )
    for _ in range(500):
        async with engine.connect() as connection:
            if (await connection.execute(waits)).scalar_one():
                return
        await asyncio.sleep(0.01)
    raise AssertionError("nobody waits for the lock")


Step = Callable[..., Awaitable[Any]]


class Severed:
    """A connection that PostgreSQL ends just before its n-th statement."""

    def __init__(self, tx: Any, number: int, engine: AsyncEngine) -> None:
        self._tx, self._left, self._engine = tx, number, engine

    async def execute(self, statement: Any, binds: Any = None) -> Any:
        if isinstance(statement, str) and statement.startswith("PREPARE"):
            return await driver_of(self._tx).execute(statement)
        self._left -= 1
        if self._left == 0:
            await sever(self._tx, self._engine)
        if isinstance(statement, str):
            return await driver_of(self._tx).execute(statement)
        return await self._tx.execute(statement, binds)

    async def fetch(self, sql: str, *binds: Any) -> Any:
        self._left -= 1
        if self._left == 0:
            await sever(self._tx, self._engine)
        return await driver_of(self._tx).fetch(sql, *binds)

    @property
    def sync_connection(self) -> Any:
        """Lead to this instead of the driver, for whoever goes straight to it."""
        return SimpleNamespace(connection=SimpleNamespace(driver_connection=self), info=self._tx.sync_connection.info)


async def sever(tx: Any, engine: AsyncEngine) -> None:
    """Have PostgreSQL end the session of `tx`, as it would if the process or the network died."""
    pid = (await tx.execute(text("SELECT pg_backend_pid()"))).scalar_one()
    async with engine.connect() as other:
        await other.execute(text("SELECT pg_terminate_backend(:pid, 5000)"), {"pid": pid})


BREAKS = {
    "before anything": ("lock_and_gather", 1, Reason.BUSY),
    "before the lock": ("lock_and_gather", 2, Reason.BUSY),
    "after the lock": ("lock_and_gather", 3, Reason.BUSY),
    "within gathering": ("lock_and_gather", 4, Reason.BUSY),
    "before the old place is released": ("keep_and_commit", 1, Reason.BUSY),
    "before the new place is taken": ("keep_and_commit", 2, Reason.BUSY),
    "before the rest is kept and committed": ("keep_and_commit", 3, Reason.UNCERTAIN),
    "after the commit": ("committed", 0, None),
}


@pytest.mark.parametrize("moment", list(BREAKS))
async def test_a_connection_lost_at_any_step_leaves_the_old_place_or_the_new_one(
    city: City, monkeypatch: pytest.MonkeyPatch, moment: str
) -> None:
    name, statement, reason = BREAKS[moment]
    old, new = slots(2, capacity=1)
    await world.put_slots(city.engine, old, new)
    (resident,) = await world.put_residents(city.engine, 1)
    booked = await city.desk.ask(wish(resident, old), render)
    if name in {"lock_and_gather", "keep_and_commit"}:
        step: Step = getattr(desk_module, name)

        async def breaking(tx: Any, *given: Any, **options: Any) -> Any:
            return await step(Severed(tx, statement, city.engine), *given, **options)

        monkeypatch.setattr(desk_module, name, breaking)
    else:
        kept: Step = keep_and_commit

        async def around(tx: Any, *given: Any, **options: Any) -> None:
            await kept(tx, *given, **options)
            await sever(tx, city.engine)

        monkeypatch.setattr(desk_module, "keep_and_commit", around)
    outcome = (await asyncio.gather(city.another().ask(to(resident, booked, new), render), return_exceptions=True))[0]
    assert reason is None or (isinstance(outcome, Refused) and outcome.reason is reason), outcome
    expected = new if name == "committed" else old
    assert (await places(city.engine, booked), await audit(city.engine)) == ([expected.id], SOUND)
    monkeypatch.undo()
    again = new if expected is old else old
    assert (await city.desk.ask(to(resident, booked, again), render)).status == 201
    assert (await places(city.engine, booked), await audit(city.engine)) == ([again.id], SOUND)


async def test_whatever_is_booked_moved_and_cancelled_at_once_every_place_is_accounted_for(city: City) -> None:
    dice = random.Random(7)
    of_city = slots(5, capacity=3)
    await world.put_slots(city.engine, *of_city)
    residents = await world.put_residents(city.engine, 12)
    desks = city.another(), city.another()
    booked: list[tuple[Resident, Answer]] = []
    done: Counter[tuple[str, int]] = Counter()
    for _ in range(30):
        asked: list[tuple[str, Resident, Awaitable[Answer]]] = []
        for _ in range(10):
            slot, desk = dice.choice(of_city), dice.choice(desks)
            what = dice.choice(("book", "move", "move", "cancel")) if booked else "book"
            who, answer = (dice.choice(residents), None) if what == "book" else dice.choice(booked)
            if answer is None:
                asked.append((what, who, desk.ask(wish(who, slot), render)))
            elif what == "move":
                asked.append((what, who, desk.ask(to(who, answer, slot), render)))
            else:
                asked.append((what, who, desk.ask(alter(who, answer, Action.CANCEL), render)))
        answers = await asyncio.gather(*(one for _, _, one in asked))
        for (what, who, _), answer in zip(asked, answers, strict=True):
            done[what, answer.status] += 1
            if what == "book" and answer.status == 201:
                booked.append((who, answer))
    assert min(done[what, status] for what in ("book", "move", "cancel") for status in (201, 409)) > 3, done
    assert await audit(city.engine) == SOUND
