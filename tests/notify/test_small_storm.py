"""The storm of `make chaos` in small: a wall of messages, four workers who die at any step, three in ten answers missing.

A worker here is no process but has a life of so many steps: transactions, commits, and calls of a provider. When it is over,
nothing that it began goes any further, as after kill -9, and another takes its place. What a person would have seen is
counted by the mail server and the SMS provider.
"""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from random import Random
from typing import Any

import pytest
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from services.notify.channels.carrier import Carrier, Send
from services.notify.compose import Composer
from services.notify.deliver import Delivery, Pace, Route
from services.notify.domain.message import Channel
from services.notify.domain.outcome import Outcome
from services.notify.doubts import Doubts
from services.sink.faults import Fault, Plan
from tests.notify.mailbox import Fault as MailFault
from tests.notify.sinks import Providers, providers
from tests.notify.storm import Storm
from tests.notify.town import TEMPLATES, Town

EACH = 30
WORKERS = 3
MOST_STEPS = 60
TICK = timedelta(seconds=10)
ROUNDS = 120
LEASE = timedelta(seconds=30)
MAIL = ("cancellation", 0, "email")
PHONE = ("reminder", 1440, "sms")
MAIL_FAULTS = [MailFault.DROPPED_AFTER_CONTENT, MailFault.DROPPED_AFTER_CONTENT, MailFault.DROPPED_BEFORE_CONTENT]
SMS_FAULTS = dict.fromkeys([Fault.SILENT, Fault.DROPPED_AFTER, Fault.DROPPED_BEFORE], 0.1)
OPEN = "SELECT count(*) AS n FROM messages WHERE state IN ('planned', 'claimed', 'sending', 'unknown')"


class Killed(BaseException):
    """What no code of ours catches: the process is gone."""


@dataclass(slots=True)
class Life:
    """So many steps, and not one more. `busy`: statements and calls that the outside world is still at."""

    steps: int
    busy: int = 0
    over: asyncio.Event = field(default_factory=asyncio.Event)

    async def step(self) -> None:
        """Take a step; the one after the last never ends."""
        if self._ends():
            await asyncio.Event().wait()

    def step_to_commit(self) -> None:
        """Take the step before a commit, which is not reached after the last."""
        if self._ends():
            raise Killed

    def _ends(self) -> bool:
        self.steps -= 1
        if self.steps < 0:
            self.over.set()
        return self.steps < 0

    @contextmanager
    def at_work(self) -> Iterator[None]:
        self.busy += 1
        try:
            yield
        finally:
            self.busy -= 1


@dataclass(slots=True)
class MortalEngine:
    """A database in the hands of a worker that may die before a transaction, or before its commit."""

    engine: AsyncEngine
    life: Life

    @asynccontextmanager
    async def begin(self) -> AsyncIterator[AsyncConnection]:
        await self.life.step()
        with self.life.at_work():
            async with self.engine.begin() as tx:
                yield tx
                self.life.step_to_commit()


@dataclass(slots=True)
class Mortal:
    """A carrier in the hands of a worker that may die before a call, or before its answer is heard."""

    carrier: Carrier[Any]
    life: Life

    @property
    def provider(self) -> str:
        return self.carrier.provider

    @asynccontextmanager
    async def open(self) -> AsyncIterator[Send[Any]]:
        async with self.carrier.open() as send:

            async def mortal(letter: Any) -> Outcome:
                await self.life.step()
                with self.life.at_work():
                    outcome = await send(letter)
                await self.life.step()
                return outcome

            yield mortal


@dataclass(slots=True)
class Scene:
    town: Town
    world: Providers
    dice: Random
    killed: int = 0

    def worker(self, life: Life) -> Delivery:
        composer = Composer(TEMPLATES, self.town.keys.opener)
        sound = {**self.town.routes(composer), **self.world.routes}
        pace = Pace(batch=20, places=16, gather_seconds=0.001, lease=LEASE, record_seconds=0.0)
        routes = {channel: Route(one.compose, Mortal(one.carrier, life), pace=pace) for channel, one in sound.items()}
        engine: Any = MortalEngine(self.town.engine, life)
        return Delivery(engine, composer, routes, self.town.clock, self.dice.random, pace)

    async def live(self) -> None:
        """One worker's tick of every channel, or as much of it as it lives to see."""
        life = Life(self.dice.randrange(MOST_STEPS))
        ticking = asyncio.create_task(_tick(self.worker(life)))
        dying = asyncio.create_task(life.over.wait())
        await asyncio.wait({ticking, dying}, return_when=asyncio.FIRST_COMPLETED)
        self.killed += life.over.is_set()
        dying.cancel()
        while life.busy:  # noqa: ASYNC110 - what it has sent off is on its way
            await asyncio.sleep(0.001)
        while not ticking.done():  # whatever it waits for at its end never comes: it is dead
            ticking.cancel()
            await asyncio.wait({ticking}, timeout=0.01)
        (ended,) = await asyncio.gather(ticking, return_exceptions=True)
        if isinstance(ended, Exception):
            raise ended

    async def rows(self, query: str, **facts: Any) -> list[Any]:
        return await self.town.rows(query, **facts)


async def _tick(delivery: Delivery) -> None:
    async def tick(channel: Channel) -> None:
        await delivery.drain(channel)
        await delivery.judge(channel)

    ticks = [asyncio.create_task(tick(channel)) for channel in (Channel.EMAIL, Channel.SMS)]
    try:
        await asyncio.gather(*ticks)
    finally:
        while not all(one.done() for one in ticks):  # they die together
            for one in ticks:
                one.cancel()
            await asyncio.sleep(0.01)


@pytest.fixture
async def scene(town: Town, tmp_path: Path) -> AsyncIterator[Scene]:
    async with providers(town, tmp_path) as world:
        world.sink.faults.plans["aliyun"] = Plan(shares=SMS_FAULTS, silent_seconds=0.0, seed=1)
        yield Scene(town, world, Random(1))


async def storm(scene: Scene) -> None:
    """Have the wall fall due and live until nothing of it is open, killing all along."""
    town = scene.town
    storm = Storm.over(town.engine, town.keys, people=2 * EACH)
    for what in (MAIL, PHONE):
        await storm.due(EACH, town.clock() + TICK, what, town.clock())
    await scene.live()
    assert (scene.world.seen, town.mailbox.seen) == (0, []), "nothing comes early"
    doubts = Doubts(town.engine, {**town.delivery().routes, **scene.world.routes}, town.clock)
    for _ in range(ROUNDS):
        town.clock.advance(TICK)
        if len(town.mailbox.faults) < len(MAIL_FAULTS):
            town.mailbox.faults += scene.dice.choices(MAIL_FAULTS, k=len(MAIL_FAULTS))
        await asyncio.gather(*(scene.live() for _ in range(WORKERS)))
        for channel in (Channel.EMAIL, Channel.SMS):
            await doubts.resolve(channel)
        if not (await scene.rows(OPEN))[0].n:
            return
    raise AssertionError("the storm never ended")


async def test_a_small_storm_loses_nothing_and_tells_nobody_twice(scene: Scene) -> None:
    await storm(scene)
    by_mail = Counter(str(mail["Message-ID"]).strip("<>").partition("@")[0] for mail in scene.town.mailbox.seen)
    by_phone = Counter({seen.key: seen.times for seen in scene.world.sink.ledger})
    assert set((by_mail + by_phone).values()) == {1}, "nobody saw anything twice"
    rows = await scene.rows("SELECT id, subject_id, state, why FROM messages")
    told = {row.subject_id for row in rows if str(row.id) in by_mail or str(row.id) in by_phone}
    assert len({row.subject_id for row in rows}) == 2 * EACH
    assert not [row for row in rows if row.subject_id not in told], "nothing is lost"
    assert {row.state for row in rows} <= {"sent", "unproven"}
    assert scene.killed >= WORKERS, "or nothing was tried here"
