"""Drawing and giving places, on the real database: in the order of the draw, once, whenever a worker dies."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import select, text
from sqlalchemy.ext.asyncio import AsyncEngine

from services.booking import tables, worker
from services.booking.commands import drawing, leased
from services.booking.commands.catalogue_cache import CatalogueCache
from services.booking.commands.desk import Desk
from services.booking.commands.drawing import Drawing
from services.booking.commands.draws import NewRequest, NewRound, enter, gathering_round, open_round
from services.booking.commands.leased import LEASE
from services.booking.domain.draw import digest_of, order_of
from services.booking.domain.draw_round import Stored
from services.booking.domain.policy import PartyKind
from services.booking.domain.reason import Reason
from services.booking.domain.slot import Slot
from services.booking.settings import BookingSettings
from services.booking.store.draws import DrawRequest, read_round, requests_of_round
from shared.clock import SettableClock
from shared.db import create_engine
from shared.ids import new_id
from shared.refusal import Refused
from shared.sealing import generate_keys
from tests import make, world
from tests.shared.servers import Broker
from tests.world import Resident

SEED = bytes(range(32))
CLOSES = make.NOW + timedelta(hours=1)


class Killed(Exception):  # noqa: N818 - it happened to the worker
    """The worker dies here."""


@dataclass
class Urn:
    """A round over three slots of two places each, which are otherwise not released before tomorrow."""

    engine: AsyncEngine
    clock: SettableClock
    desk: Desk
    slots: list[Slot]
    round_id: UUID

    def wish(self, resident: Resident, *wishes: int) -> NewRequest:
        return NewRequest(
            id=new_id(),
            booking_id=new_id(),
            round_id=self.round_id,
            account_id=resident.account_id,
            person_ids=(resident.person_id,),
            party_kind=PartyKind.ONE_PERSON,
            declarations={},
            slot_ids=tuple(self.slots[number].id for number in wishes),
            salt=b"salt",
        )

    async def enter(self, resident: Resident, *wishes: int) -> DrawRequest:
        async with self.engine.begin() as tx:
            return await enter(tx, self.wish(resident, *wishes), make.catalogue(), self.clock())

    async def filled(self, count: int = 12) -> list[Resident]:
        """Let residents enter, who wish for the slots in different orders."""
        residents = await world.put_residents(self.engine, count)
        wishes = [(0, 1, 2), (1, 0), (0, 2), (0,)]
        for number, resident in enumerate(residents):
            await self.enter(resident, *wishes[number % len(wishes)])
        return residents

    async def requests(self) -> list[DrawRequest]:
        async with self.engine.connect() as connection:
            return await requests_of_round(connection, self.round_id)

    def another(self) -> Drawing:
        return Drawing(self.engine, self.desk, self.clock)

    async def drawn_in(self) -> set[UUID | None]:
        async with self.engine.connect() as connection:
            return set((await connection.execute(select(tables.slots.c.drawn_in))).scalars())


@pytest.fixture
async def urn(booking_url: str) -> AsyncIterator[Urn]:
    engine = create_engine(booking_url, application_name="test", pool_size=20)
    await world.put_catalogue(engine, make.catalogue())
    clock = SettableClock(make.NOW)
    first = make.slot(bookable_from=make.NOW + timedelta(days=1))
    slots = [
        replace(first, id=new_id(), starts_at=first.starts_at + late, ends_at=first.ends_at + late)
        for late in (timedelta(hours=number) for number in range(3))
    ]
    await world.put_slots(engine, *slots)
    new = NewRound(
        id=new_id(),
        service_id="timed-entry",
        slot_ids=tuple(slot.id for slot in slots),
        opens_at=make.NOW,
        closes_at=CLOSES,
        seed=SEED,
        opened_by=new_id(),
    )
    async with engine.begin() as tx:
        await open_round(tx, new, clock())
    desk = Desk(engine, CatalogueCache(make.catalogue()), clock)
    yield Urn(engine, clock, desk, slots, new.id)
    await desk.close()
    await engine.dispose()


def by_hand(requests: list[DrawRequest], places: int) -> dict[UUID, UUID | None]:
    """Give the places as the law says, with pencil and paper."""
    left: Counter[UUID] = Counter({slot_id: places for request in requests for slot_id in request.slot_ids})
    entries = {request.id: request for request in requests}
    given: dict[UUID, UUID | None] = {}
    for request_id in order_of(SEED, [request.entry for request in requests]):
        first_left = next((one for one in entries[request_id].slot_ids if left[one]), None)
        given[request_id] = first_left
        if first_left is not None:
            left[first_left] -= 1
    return given


async def must_be_whole(urn: Urn) -> None:
    """What must hold of a settled round, however often its worker died."""
    requests = await urn.requests()
    assert {request.id: request.slot_id for request in requests} == by_hand(requests, places=2)
    assert [request.id for request in requests] == order_of(SEED, [request.entry for request in requests])
    for request in requests:
        passed = [slot_id for slot_id, _ in request.passed]
        assert request.outcome == ("passed_over" if request.slot_id is None else "booked")
        assert [*passed, *([] if request.slot_id is None else [request.slot_id])] == list(
            request.slot_ids[: len(passed) + (request.slot_id is not None)]
        )
        assert {reason for _, reason in request.passed} <= {Reason.SLOT_FULL.value}
    async with urn.engine.connect() as connection:
        bookings = {row.id: row for row in await connection.execute(select(tables.bookings))}
        roles = set((await connection.execute(select(tables.history.c.actor_role))).scalars())
        found = await read_round(connection, urn.round_id)
    assert {one: row.slot_id for one, row in bookings.items()} == {
        request.booking_id: request.slot_id for request in requests if request.slot_id is not None
    }
    assert {row.state for row in bookings.values()} <= {"confirmed"}
    assert roles <= {"draw"}
    assert found is not None
    assert (found.stored, found.requests) == (Stored.SETTLED, len(requests))
    assert found.digest == digest_of(found.id, found.commitment, [request.entry for request in requests])
    assert await urn.drawn_in() == {None}
    assert await world.audit(urn.engine) == {"oversold": 0, "miscounted": 0, "eventless": 0}


async def test_places_are_given_in_the_order_of_the_draw(urn: Urn) -> None:
    await urn.filled()
    assert await urn.another().settle_due() == 0, "nothing is due before the close"
    urn.clock.set(CLOSES)
    assert await urn.another().settle_due() == 1
    await must_be_whole(urn)
    assert len([request for request in await urn.requests() if request.outcome == "booked"]) == 6
    assert await urn.another().settle_due() == 0
    await must_be_whole(urn)


async def test_a_round_without_requests_gives_its_slots_back(urn: Urn) -> None:
    assert await urn.drawn_in() == {urn.round_id}
    urn.clock.set(CLOSES)
    assert await urn.another().settle_due() == 1
    await must_be_whole(urn)


Step = Callable[..., Awaitable[Any]]


class Bomb:
    """Lets a number of steps be, and kills the worker at the next: just before it is written, or just after."""

    def __init__(self) -> None:
        self.fuse = 0

    def around(self, step: Step, *, after: bool) -> Step:
        async def stepping(*arguments: Any) -> Any:
            if not after:
                self.tick()
            answer = await step(*arguments)
            if after:
                self.tick()
            return answer

        return stepping

    def tick(self) -> None:
        self.fuse -= 1
        if self.fuse < 0:
            raise Killed


@pytest.mark.parametrize("fuse", [0, 1, 2, 3])
async def test_a_killed_worker_s_successor_goes_on_and_nobody_is_given_two(
    urn: Urn, monkeypatch: pytest.MonkeyPatch, fuse: int
) -> None:
    """Each worker takes `fuse` steps and dies; dying before a write is committed is dying with it undone."""
    await urn.filled()
    bomb = Bomb()
    for name in ("write_draw", "write_passed", "write_outcome", "write_settled"):
        monkeypatch.setattr(drawing, name, bomb.around(getattr(drawing, name), after=False))
    monkeypatch.setattr(urn.desk, "ask", bomb.around(urn.desk.ask, after=True))
    urn.clock.set(CLOSES)
    deaths, settled = 0, 0
    while not settled:
        bomb.fuse = fuse + deaths // 40  # where a step needs two in one life, sooner or later there is a longer life
        try:
            settled = await urn.another().settle_due()
        except Killed:
            deaths += 1
            assert await urn.another().settle_due() == 0, "the dead worker's lease still runs"
            urn.clock.set(urn.clock() + LEASE)
            assert await world.audit(urn.engine) == {"oversold": 0, "miscounted": 0, "eventless": 0}
    assert deaths >= 5
    await must_be_whole(urn)


async def test_many_workers_settle_a_round_once(urn: Urn) -> None:
    await urn.filled()
    urn.clock.set(CLOSES)
    settled = await asyncio.gather(*(urn.another().settle_due() for _ in range(6)))
    assert sum(settled) == 1
    await must_be_whole(urn)


async def test_workers_whose_leases_overlap_still_give_one_place_each(
    urn: Urn, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A lease that runs out under a worker that lives: two of them at one round."""
    for one in (drawing, leased):
        monkeypatch.setattr(one, "LEASE", timedelta(0))
    await urn.filled()
    urn.clock.set(CLOSES)
    for _ in range(50):
        answers = await asyncio.gather(*(urn.another().settle_due() for _ in range(3)), return_exceptions=True)
        assert all(isinstance(one, int | Refused) for one in answers), answers
        if 0 in answers and not any(isinstance(one, Refused) for one in answers):
            break
    requests = await urn.requests()
    async with urn.engine.connect() as connection:
        bookings = (await connection.execute(select(tables.bookings.c.id))).scalars().all()
    assert len(bookings) == 6
    assert sorted(bookings) == sorted(request.booking_id for request in requests if request.outcome == "booked")
    assert await world.audit(urn.engine) == {"oversold": 0, "miscounted": 0, "eventless": 0}


async def test_a_closure_outweighs_the_draw_and_is_named(urn: Urn) -> None:
    [resident] = await world.put_residents(urn.engine, 1)
    request = await urn.enter(resident, 0, 1)
    async with urn.engine.begin() as tx:
        await tx.execute(
            text('UPDATE slots SET closed = \'{"zh": "检修", "en": "Works"}\' WHERE id = :id'), {"id": urn.slots[0].id}
        )
    urn.clock.set(CLOSES)
    await urn.another().settle_due()
    [seen] = await urn.requests()
    assert seen.id == request.id
    assert (seen.outcome, seen.slot_id) == ("booked", urn.slots[1].id)
    assert seen.passed == ((urn.slots[0].id, Reason.SLOT_CLOSED.value),)


async def test_entering_and_drawing_cross_without_losing_a_request(urn: Urn) -> None:
    """Whoever is let in is drawn; whoever is not is told. The clocks of two machines do not matter."""
    residents = await world.put_residents(urn.engine, 30)
    late = SettableClock(CLOSES)
    closing = Drawing(urn.engine, Desk(urn.engine, CatalogueCache(make.catalogue()), late), late)

    async def attempt(resident: Resident) -> bool:
        try:
            await urn.enter(resident, 0)
        except Refused as refused:
            return refused.reason is not Reason.DRAW_NOT_OPEN
        return True

    async def close() -> None:
        for _ in range(1000):  # whoever is just entering has the round for a moment
            if await closing.settle_due():
                return
            await asyncio.sleep(0.001)

    entered, _ = await asyncio.gather(asyncio.gather(*map(attempt, residents)), close())
    requests = await urn.requests()
    assert len(requests) == sum(entered)
    assert all(request.outcome is not None for request in requests)


async def test_whoever_is_just_entering_is_waited_for(urn: Urn) -> None:
    """Whoever was let in when the round fell due, and has written nothing yet, is drawn with the others."""
    [resident] = await world.put_residents(urn.engine, 1)
    late = SettableClock(CLOSES)
    closing = Drawing(urn.engine, urn.desk, late)
    async with urn.engine.begin() as tx:
        await gathering_round(tx, urn.round_id, urn.clock())
        assert await closing.settle_due() == 0, "the round is held by who enters it"
        made = await enter(tx, urn.wish(resident, 0), make.catalogue(), urn.clock())
    urn.clock.set(CLOSES)
    assert await closing.settle_due() == 1
    assert [(one.id, one.outcome) for one in await urn.requests()] == [(made.id, "booked")]


async def test_a_person_is_in_one_request_whoever_asks_at_once(urn: Urn) -> None:
    [resident] = await world.put_residents(urn.engine, 1)

    async def attempt() -> str:
        try:
            return (await urn.enter(resident, 0)).party_kind.value
        except Refused as refused:
            return refused.reason.value

    answers = Counter(await asyncio.gather(*(attempt() for _ in range(10))))
    assert answers == {"one_person": 1, "draw_entered_already": 9}
    assert len(await urn.requests()) == 1


async def test_the_worker_settles_what_is_due(urn: Urn, booking_url: str, tmp_path: Path) -> None:
    """The whole worker, on real servers."""
    await urn.filled()
    broker = Broker(tmp_path / "nats")
    await broker.start()
    generate_keys(tmp_path)
    settings = BookingSettings(
        database_url=booking_url, nats_url=broker.url, nats_monitor_url=broker.monitor_url, key_folder=tmp_path
    )
    urn.clock.set(CLOSES)
    running = asyncio.create_task(worker.run(settings, urn.clock))
    try:
        for _ in range(200):
            await asyncio.sleep(0.1)
            if running.done() or await urn.drawn_in() == {None}:
                break
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
        await broker.kill()
    await must_be_whole(urn)
