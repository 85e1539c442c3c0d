"""Cancelled or moved five seconds before a reminder is due, or at any moment after: nothing of the old version leaves once
the change is acknowledged. `make chaos` tries it 5,000 times, `make test` a hundred and fifty.

Two workers deliver all the while. What leaves carries the moment at which it left; what is acknowledged, the moment at
which its transaction had ended.
"""

import asyncio
import itertools
from collections import defaultdict
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import timedelta
from random import Random
from uuid import UUID

import pytest

from services.notify.channels.carrier import Mail, Send
from services.notify.compose import Composer
from services.notify.deliver import Delivery, Pace, Route
from services.notify.domain import outcome as outcomes
from services.notify.domain.message import Channel
from services.notify.domain.outcome import Outcome
from shared.contracts import BookingChanged, Event, EventType
from tests.notify.make import booking, event
from tests.notify.town import TEMPLATES, Town

STEP = timedelta(milliseconds=500)
EARLIEST = 10
"""Steps before the due moment at which the first are changed: five seconds."""
WALL = 60
"""Reminders that fall due together."""


@dataclass(slots=True)
class Ledger:
    """What left, each with its place in the order of everything that happened."""

    order: "itertools.count[int]" = field(default_factory=itertools.count)
    left: list[tuple[int, UUID]] = field(default_factory=list)
    provider: str = "ledger"

    @asynccontextmanager
    async def open(self) -> AsyncIterator[Send[Mail]]:
        yield self._send

    async def _send(self, mail: Mail) -> Outcome:
        self.left.append((next(self.order), mail.message_id))
        await asyncio.sleep(0)
        return outcomes.accepted("250")


@dataclass(slots=True)
class Trial:
    """One wall of reminders, and the changes that meet it."""

    town: Town
    random: Random
    ledger: Ledger = field(default_factory=Ledger)
    acknowledged: dict[UUID, int] = field(default_factory=dict)
    early: set[UUID] = field(default_factory=set)

    async def live(self) -> None:
        town = self.town
        starts_at = town.clock() + timedelta(hours=2, seconds=8)
        contact = town.keys.contact()
        told_of = [booking(contact=contact, starts_at=starts_at, reminders=(120,)) for _ in range(WALL)]
        await town.hear(*(event(EventType.BOOKING_CONFIRMED, one) for one in told_of))
        workers = [self._worker(), self._worker()]
        await workers[0].drain(Channel.EMAIL)
        changes: dict[int, list[BookingChanged]] = defaultdict(list)
        due = 16
        for one in told_of:
            changes[due - EARLIEST + self.random.randint(0, EARLIEST + 2)].append(one)
        for step in range(1, due + 6):
            town.clock.advance(STEP)
            delivering = [asyncio.create_task(worker.drain(Channel.EMAIL)) for worker in workers]
            for one in changes[step]:
                await self._change(one, early=step <= due - EARLIEST)
            await asyncio.gather(*delivering)

    def _worker(self) -> Delivery:
        composer = Composer(TEMPLATES, self.town.keys.opener)
        routes = {Channel.EMAIL: Route(composer.mail, self.ledger)}
        return self.town.delivery(Pace(batch=20, places=14, poll_seconds=0.005), routes)

    async def _change(self, one: BookingChanged, *, early: bool) -> None:
        await self.town.hear(self._event(one))
        self.acknowledged[one.booking_id] = next(self.ledger.order)
        if early:
            self.early.add(one.booking_id)

    def _event(self, one: BookingChanged) -> Event:
        if self.random.random() < 0.5:
            return event(EventType.BOOKING_CANCELLED, replace(one, version=2))
        later = one.starts_at + timedelta(days=1)
        moved = replace(one, version=2, starts_at=later, ends_at=later + timedelta(hours=1))
        return event(EventType.BOOKING_MOVED, replace(moved, local_start_before=one.local_start))

    async def stale(self) -> tuple[int, int]:
        """Return how many reminders of an old version left after their change, and of those changed five seconds before."""
        rows = await self.town.rows(
            "SELECT id, subject_id FROM messages WHERE kind = 'reminder' AND subject_version = 1"
        )
        subject = {row.id: row.subject_id for row in rows}
        left = [(place, subject[one]) for place, one in self.ledger.left if one in subject]
        late = sum(place > self.acknowledged[of] for place, of in left)
        return late, sum(of in self.early for _, of in left)


async def try_it(town: Town, times: int) -> None:
    changed = before = left = 0
    for seed in range(-(-times // WALL)):
        trial = Trial(town, Random(seed))
        await trial.live()
        assert await trial.stale() == (0, 0)
        changed += len(trial.acknowledged)
        before += len(trial.early)
        left += len(trial.ledger.left)
    print(
        f"\n  changed {changed:,}, of them {before:,} five seconds before; {left:,} messages left, none of them stale"
    )
    assert changed >= times


async def test_nothing_stale_leaves_after_a_change_is_acknowledged(town: Town) -> None:
    await try_it(town, 120)


@pytest.mark.chaos
async def test_five_thousand_times(town: Town) -> None:
    await try_it(town, 5_000)
