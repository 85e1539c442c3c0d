"""`make bench`, the queue of messages: how fast one worker is, what two million waiting ones cost it, and the yardstick.

Like is compared with like: what one worker of ours claims and marks as ended with what one scheduler takes up, runs and
removes, with nothing to send on either side, in turns.
"""

import asyncio
import gc
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from statistics import median

import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from services.notify.channels.carrier import Send, TextMessage
from services.notify.compose import Composer
from services.notify.deliver import Delivery, Pace, Route
from services.notify.domain import outcome as outcomes
from services.notify.domain.message import Channel
from services.notify.domain.outcome import Outcome
from shared.clock import SettableClock
from shared.db import create_engine
from tests.bench import jobs as yardstick
from tests.conftest import Databases
from tests.notify.make import NOW
from tests.notify.storm import Storm
from tests.notify.town import TEMPLATES, Keys

pytestmark = pytest.mark.bench

DUE = 20_000
FEW, MANY = 20_000, 2_000_000
LEAST_A_SECOND = 2_000
LEAST_OF_FEW = 0.8
TIMES_THE_YARDSTICK = 40
"""Reached where nothing else runs: each of our messages keeps its row, its reason in the log and its keys, and takes both cores."""
JOBS = 2_000
ROUNDS = 3
PAIRS = 5
REMINDER = ("reminder", 1440, "sms")


@dataclass(slots=True)
class Instant:
    """A provider that takes everything at once."""

    provider: str = "instant"
    seen: int = 0

    @asynccontextmanager
    async def open(self) -> AsyncIterator[Send[TextMessage]]:
        yield self._send

    async def _send(self, _letter: TextMessage) -> Outcome:
        self.seen += 1
        return outcomes.accepted("OK")


@asynccontextmanager
async def storm_over(databases: Databases, folder: Path) -> AsyncIterator[Storm]:
    url = await databases.create("notify")
    engine = create_engine(url, application_name="notify-bench", pool_size=10)
    yield Storm.over(engine, Keys.make(folder))
    await engine.dispose()
    await databases.drop(url)


@pytest.fixture
async def storm(databases: Databases, tmp_path: Path) -> AsyncIterator[Storm]:
    async with storm_over(databases, tmp_path) as made:
        yield made


@pytest.fixture
async def storms(databases: Databases, tmp_path: Path) -> AsyncIterator[tuple[Storm, Storm]]:
    """Two towns side by side, so that few and many waiting messages are measured in turns."""
    async with storm_over(databases, tmp_path / "few") as few, storm_over(databases, tmp_path / "many") as many:
        yield few, many


def worker(storm: Storm, clock: SettableClock, carrier: Instant) -> Delivery:
    composer = Composer(TEMPLATES, storm.keys.opener)
    pace = Pace(batch=500, places=500)
    routes = {Channel.SMS: Route(composer.text_message, carrier, pace=pace)}
    return Delivery(engine=storm.engine, composer=composer, routes=routes, clock=clock, chance=lambda: 0.5, pace=pace)


async def claims_a_second(storm: Storm, clock: SettableClock, databases: Databases) -> float:
    """Claim a second's wall of messages batch by batch, and nothing else; afterwards nothing is due any more."""
    await storm.due(DUE, clock(), REMINDER, clock())
    await settle(storm, databases)
    clock.advance(timedelta(seconds=2))
    delivery = worker(storm, clock, Instant())
    began, claimed = time.perf_counter(), 0
    while count := (await delivery._claim(Channel.SMS, 200))[0]:
        claimed += count
    seconds = time.perf_counter() - began
    assert claimed == DUE
    await _clear(storm.engine)
    return claimed / seconds


async def settle(storm: Storm, databases: Databases) -> None:
    """Let statistics and the log be as after a quiet hour: what was written to prepare is no part of what is measured."""
    await storm.settle()
    connection = await databases.server.connect()
    try:
        await connection.execute("CHECKPOINT")
    finally:
        await connection.close()


async def _clear(engine: AsyncEngine) -> None:
    async with engine.begin() as tx:
        await tx.execute(text("DELETE FROM messages WHERE state = 'claimed'"))


async def retired_a_second(storm: Storm, clock: SettableClock) -> float:
    """Claim, start, render, hand over and record a second's wall of messages, by one worker."""
    await storm.due(DUE, clock(), REMINDER, clock())
    await storm.settle()
    clock.advance(timedelta(seconds=2))
    carrier = Instant()
    delivery = worker(storm, clock, carrier)
    began = time.perf_counter()
    await delivery.drain(Channel.SMS)
    seconds = time.perf_counter() - began
    async with storm.engine.connect() as connection:
        query = text("SELECT count(*) FROM messages WHERE state = 'sent' AND changed_at = :now")
        sent = (await connection.execute(query, {"now": clock()})).scalar_one()
    assert (sent, carrier.seen) == (DUE, DUE)
    return DUE / seconds


async def ended_a_second(storm: Storm, clock: SettableClock) -> float:
    """Claim a second's wall of messages and mark each as ended, with its reason in the log, by one worker; send nothing.

    It is what the product does with a channel that is not set up.
    """
    await storm.due(DUE, clock(), REMINDER, clock())
    await storm.settle()
    clock.advance(timedelta(seconds=2))
    delivery = worker(storm, clock, Instant())
    delivery.routes = {}
    began = time.perf_counter()
    ended = await delivery.drain(Channel.SMS)
    seconds = time.perf_counter() - began
    assert ended == DUE
    return DUE / seconds


async def test_what_waits_in_the_queue_costs_nothing(storms: tuple[Storm, Storm], databases: Databases) -> None:
    few, many = storms
    clock = SettableClock(NOW)
    gc.freeze()  # as the worker's process does
    began = time.perf_counter()
    await few.pending(FEW, clock())
    await many.pending(MANY, clock())
    print(f"\n  planned {FEW + MANY:,} in {time.perf_counter() - began:.0f} s")
    pairs = [
        (await claims_a_second(few, clock, databases), await claims_a_second(many, clock, databases))
        for _ in range(PAIRS)
    ]
    ratio = median(of_many / of_few for of_few, of_many in pairs)
    print(
        f"  claimed a second, in turns: {median(one for one, _ in pairs):,.0f} with {FEW:,} pending,"
        f" {median(one for _, one in pairs):,.0f} with {MANY:,}: x {ratio:.2f}"
        f" ({', '.join(f'{of_many / of_few:.2f}' for of_few, of_many in pairs)})"
    )
    assert ratio >= LEAST_OF_FEW


async def test_the_queue_is_fast(storm: Storm) -> None:
    clock = SettableClock(NOW)
    gc.freeze()
    await storm.pending(FEW, clock())
    retired = median([await retired_a_second(storm, clock) for _ in range(ROUNDS)])
    url = storm.engine.url.render_as_string(hide_password=False)
    pairs = [
        (await ended_a_second(storm, clock), await asyncio.to_thread(yardstick.retired_a_second, url, JOBS))
        for _ in range(ROUNDS)
    ]
    times = median([ours / jobs for ours, jobs in pairs])
    print(f"\n  claimed, sent and recorded a second by one worker, median: {retired:,.0f}")
    print(f"  claimed and ended a second by one worker: {median(ours for ours, _ in pairs):,.0f}")
    print(f"  one APScheduler job a reminder: {median(jobs for _, jobs in pairs):,.0f} a second; ours is x {times:.1f}")
    assert retired >= LEAST_A_SECOND
    assert times >= TIMES_THE_YARDSTICK
