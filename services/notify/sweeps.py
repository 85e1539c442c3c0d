"""Housekeeping: what was decided is chained into proofs, and what has been kept long enough is forgotten, in batches."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import datetime

from services.notify.store import proofs, retention, webhooks
from services.notify.store.database import Connection, Engine
from services.notify.store.retention import BATCH, Keep
from shared.clock import Clock

MOST_BATCHES = 200
"""In one sweep: what is left waits for the next, so that nothing else waits for this."""

Forget = Callable[[Connection, datetime], Awaitable[int]]


async def _forget_deliveries(tx: Connection, before: datetime) -> int:
    return await webhooks.forget(tx, before, BATCH)


@dataclass(frozen=True, slots=True)
class Retention:
    """Forgets; run as many as you like."""

    engine: Engine
    clock: Clock
    keep: Keep = field(default_factory=Keep)

    async def sweep(self) -> int:
        """Forget what is due to be forgotten; return how many things that were."""
        now, keep = self.clock(), self.keep
        steps: tuple[tuple[Forget, datetime], ...] = (
            (retention.forget_contacts, now - keep.contacts),
            (retention.forget_notice_contacts, now - keep.contacts),
            (retention.forget_words, now - keep.words),
            (retention.forget_messages, now - keep.rows),
            (retention.forget_bookings, now - keep.rows),
            (retention.forget_notices, now - keep.rows),
            (_forget_deliveries, now - keep.deliveries),
        )
        return sum([await self._batches(forget, before) for forget, before in steps])

    async def _batches(self, forget: Forget, before: datetime) -> int:
        total = 0
        for _ in range(MOST_BATCHES):
            async with self.engine.begin() as tx:
                count = await forget(tx, before)
            total += count
            if count < BATCH:
                break
        return total


@dataclass(frozen=True, slots=True)
class Notary:
    """Chains what was decided; run as many as you like, one writes at a time."""

    engine: Engine

    async def chain(self) -> int:
        """Chain all there is; return how many records that made."""
        total = 0
        for _ in range(MOST_BATCHES):
            async with self.engine.begin() as tx:
                count = await proofs.chain(tx)
            total += count
            if not count:
                break
        return total
