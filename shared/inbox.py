"""The inbox: events arrive at least once, in any order, and are handled exactly once, in the order of their numbers.

The law. For each source there is one row that holds the number up to which everything is settled, and one transaction
at a time holds its lock. In that transaction an event's id is written to the inbox, its handler does its work, and the
position moves: all of it or nothing. An id that is in the inbox is never handled again, however late the repeat comes
and whatever its number. A number beyond the next one means that something was missed: the gap is filled from the
publisher's feed first, between transactions, because no transaction stays open across the network.

An event whose handler fails for a reason that does not pass must not block all others for ever. It is tried again after
1, 2, 4 … seconds; when its attempts are used up it is put aside in `dead_event`, with its reason and its content, and
said aloud; `replay` hands it to the handler again. Failures that pass by themselves (the database is away, a deadlock)
are never counted.
"""

import logging
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final
from uuid import UUID

from sqlalchemy import (
    BigInteger,
    Column,
    DateTime,
    Integer,
    MetaData,
    Table,
    Text,
    Uuid,
    cast,
    delete,
    func,
    literal,
    select,
    update,
)
from sqlalchemy.dialects.postgresql import ARRAY, JSONB, insert
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from shared.clock import Clock, system_clock
from shared.codec import Received, UnknownEvent, data_from_json, data_json
from shared.contracts import Event, EventType
from shared.db import is_being_ended
from shared.log import redact_text

logger = logging.getLogger(__name__)

Handle = Callable[[AsyncConnection, Event], Awaitable[None]]
"""Does an event's work in the given transaction and nowhere else: it may be rolled back and called again."""

CatchUp = Callable[[int], Awaitable[Sequence[Received]]]
"""Returns the page of the publisher's feed after a number, ascending; an empty page is the end of the feed."""

ATTEMPTS: Final = 5
REASON_MOST: Final = 500
PASSING_CLASSES: Final = frozenset({"08", "40", "53", "55", "57", "58"})
"""SQLSTATE classes of faults that pass: connection, rollback, resources, locks, operator and system faults."""


class GapRemains(Exception):  # noqa: N818 - a state of the other side
    """The feed does not yet have an event that the bus says exists. Deliver again later."""


class Failing(Exception):  # noqa: N818 - a state of the event
    """An event's handler failed and will be tried again; nothing after it is handled before that."""


class _HandlerFailed(Exception):  # noqa: N818 - carries an error out of a transaction that must be rolled back
    def __init__(self, event: Event, error: Exception) -> None:
        super().__init__(str(error))
        self.event = event
        self.error = error


def inbox_table(metadata: MetaData) -> Table:
    """Return the table of every event id that is settled, kept for ever."""
    return Table(
        "inbox",
        metadata,
        Column("event_id", Uuid, primary_key=True),
        Column("source", Text, nullable=False),
        Column("number", BigInteger, nullable=False),
        Column("received_at", DateTime(timezone=True), nullable=False, server_default=func.now()),
    )


def position_table(metadata: MetaData) -> Table:
    """Return the table that holds, for each source, the number up to which everything is settled."""
    return Table(
        "position",
        metadata,
        Column("source", Text, primary_key=True),
        Column("number", BigInteger, nullable=False, server_default="0"),
    )


def dead_event_table(metadata: MetaData) -> Table:
    """Return the table of events whose handler fails.

    `died_at` is null while it is still being tried (next at `retry_at`), `resolved_at` once a replay went well.
    """
    return Table(
        "dead_event",
        metadata,
        Column("event_id", Uuid, primary_key=True),
        Column("source", Text, nullable=False),
        Column("number", BigInteger, nullable=False),
        Column("type", Text, nullable=False),
        Column("subject", Uuid, nullable=False),
        Column("occurred_at", DateTime(timezone=True), nullable=False),
        Column("data", JSONB, nullable=False),
        Column("reason", Text, nullable=False),
        Column("attempts", Integer, nullable=False),
        Column("failed_at", DateTime(timezone=True), nullable=False),
        Column("retry_at", DateTime(timezone=True), nullable=False),
        Column("died_at", DateTime(timezone=True)),
        Column("resolved_at", DateTime(timezone=True)),
    )


def passes(error: Exception) -> bool:
    """Tell whether `error` is of a kind that goes away by itself."""
    if isinstance(error, DBAPIError):
        state = str(getattr(error.orig, "sqlstate", None) or "")
        return error.connection_invalidated or state[:2] in PASSING_CLASSES or is_being_ended(error)
    return isinstance(error, OSError | TimeoutError | PoolTimeout) or is_being_ended(error)


@dataclass(slots=True)
class Consumer:
    """Handles the events of one source exactly once and in order; run as many as you like.

    Attributes:
        engine: the reader's database.
        inbox: its `inbox_table`.
        position: its `position_table`.
        dead_event: its `dead_event_table`.
        source: a name for the publisher whose numbers these are (`booking`).
        handle: does an event's work.
        catch_up: asks the publisher's feed.
        attempts: tries before an event is put aside.
        clock: decides when a failing event is due again.
    """

    engine: AsyncEngine
    inbox: Table
    position: Table
    dead_event: Table
    source: str
    handle: Handle
    catch_up: CatchUp
    attempts: int = ATTEMPTS
    clock: Clock = system_clock

    async def accept(self, events: Sequence[Received]) -> None:
        """Settle `events` and whatever the feed has before them. When this returns, they are settled for good.

        Raises:
            Failing: if a handler failed; the events before that one are settled, the rest is to be delivered again.
            GapRemains: if the feed lacks what is missing; deliver again later.
            Exception: whatever passing fault the database or the feed met; nothing is lost, deliver again later.
        """
        waiting = _in_order(events)
        while waiting:
            reached = await self._settle(waiting, gap_allowed=False)
            waiting = [event for event in waiting if _number(event) > reached]
            if waiting and _number(waiting[0]) > reached + 1:
                page = await self._page_after(reached)
                if not page:
                    raise GapRemains(f"{self.source}: {reached + 1} to {_number(waiting[0]) - 1} are not in the feed")
                await self._settle(page, gap_allowed=True)

    async def catch_up_once(self) -> int:
        """Settle everything that the feed has and this reader has not; return how many events that was.

        Raises:
            Exception: as `accept`.
        """
        settled = 0
        reached = await self.reached()
        while page := await self._page_after(reached):
            reached = await self._settle(page, gap_allowed=True)
            settled += sum(_number(event) <= reached for event in page)
        return settled

    async def reached(self) -> int:
        """Return the number up to which everything is settled, 0 at the beginning."""
        query = select(self.position.c.number).where(self.position.c.source == self.source)
        async with self.engine.connect() as connection:
            return (await connection.execute(query)).scalar_one_or_none() or 0

    async def replay(self, event_id: UUID) -> None:
        """Hand an event that was put aside to the handler once more; if that goes well, it is resolved.

        Raises:
            LookupError: if there is no such event, or it is resolved.
            Exception: whatever the handler raises; the event then stays aside.
        """
        table = self.dead_event
        waiting = (table.c.died_at.is_not(None), table.c.resolved_at.is_(None))
        columns = (*(c for c in table.c if c.name != "data"), cast(table.c.data, Text).label("data"))
        query = select(*columns).where(table.c.event_id == event_id, *waiting).with_for_update()
        async with self.engine.begin() as tx:
            row = (await tx.execute(query)).one_or_none()
            if row is None:
                raise LookupError(f"no event {event_id} is waiting for a replay")
            kind = EventType(row.type)
            data = data_from_json(kind, row.data)
            await self.handle(
                tx,
                Event(
                    id=row.event_id, type=kind, subject=row.subject, time=row.occurred_at, data=data, number=row.number
                ),
            )
            await tx.execute(update(table).where(table.c.event_id == event_id).values(resolved_at=self.clock()))
        logger.info("event_replayed", extra={"event_id": event_id, "source": self.source})

    async def _page_after(self, reached: int) -> list[Received]:
        return [event for event in _in_order(await self.catch_up(reached)) if _number(event) > reached]

    async def _settle(self, events: Sequence[Received], *, gap_allowed: bool) -> int:
        """Settle events from the position on, one transaction for all; return the position then.

        Where a handler fails, those before it are settled in a transaction of their own, and the failure is recorded.
        """
        try:
            return await self._settle_all(events, gap_allowed=gap_allowed)
        except _HandlerFailed as failure:
            if passes(failure.error):
                raise failure.error from None
            failed = failure
        before = [event for event in events if _number(event) < _number(failed.event)]
        if before:
            await self._settle(before, gap_allowed=gap_allowed)
        return await self._record(failed.event, failed.error)

    async def _settle_all(self, events: Sequence[Received], *, gap_allowed: bool) -> int:
        held: Received | None = None
        now = self.clock()
        async with self.engine.begin() as tx:
            reached = await self._lock(tx)
            handled, failing = await self._known(tx, events)
            settled: list[Received] = []
            for event in events:
                number = _number(event)
                if number > reached + 1 and not gap_allowed:
                    break
                if event.id not in handled:
                    if failing.get(event.id, now) > now:
                        held = event
                        break
                    self._tell_oddities(event, reached)
                    await self._handle_one(tx, event)
                    settled.append(event)
                    handled.add(event.id)
                reached = max(reached, number)
            await self._keep(tx, settled, reached)
            if failing:
                await self._forget(tx, settled)
        if held is not None:
            raise Failing(f"event {held.id} failed before and is not due again yet")
        return reached

    def _tell_oddities(self, event: Received, reached: int) -> None:
        number = _number(event)
        facts = {"source": self.source, "event_id": event.id, "event_number": number, "reached": reached}
        if number > reached + 1:
            logger.error("events_lost: the feed no longer has what this reader missed", extra=facts)
        if number <= reached:
            logger.error("number_reused: the publisher's numbers began again; handled all the same", extra=facts)

    async def _handle_one(self, tx: AsyncConnection, event: Received) -> None:
        if isinstance(event, UnknownEvent):
            logger.warning("event_type_unknown", extra={"event_id": event.id, "type": event.type})
            return
        try:
            await self.handle(tx, event)
        except Exception as error:
            raise _HandlerFailed(event, error) from error

    async def _lock(self, tx: AsyncConnection) -> int:
        query = select(self.position.c.number).where(self.position.c.source == self.source).with_for_update()
        reached = (await tx.execute(query)).scalar_one_or_none()
        if reached is None:
            await tx.execute(insert(self.position).values(source=self.source).on_conflict_do_nothing())
            reached = (await tx.execute(query)).scalar_one()
        return int(reached)

    async def _known(self, tx: AsyncConnection, events: Sequence[Received]) -> tuple[set[UUID], dict[UUID, datetime]]:
        """Return the ids among `events` that are settled, and those that failed before with the time of the next try."""
        ids = cast([event.id for event in events], ARRAY(Uuid))
        inbox, dead = self.inbox.c, self.dead_event.c
        never = literal(None, DateTime(timezone=True))
        settled = select(inbox.event_id, never.label("retry_at")).where(inbox.event_id == func.any(ids))
        failing = select(dead.event_id, dead.retry_at).where(dead.event_id == func.any(ids), dead.died_at.is_(None))
        rows = (await tx.execute(settled.union_all(failing))).all()
        handled = {event_id for event_id, retry_at in rows if retry_at is None}
        return handled, {event_id: retry_at for event_id, retry_at in rows if retry_at is not None}

    async def _forget(self, tx: AsyncConnection, settled: Sequence[Received]) -> None:
        """Strike events that failed before and went well now off the list of failing ones."""
        ids = [event.id for event in settled]
        table = self.dead_event
        await tx.execute(delete(table).where(table.c.event_id.in_(ids), table.c.died_at.is_(None)))

    async def _keep(self, tx: AsyncConnection, settled: Sequence[Received], reached: int) -> None:
        if settled:
            rows = [{"event_id": event.id, "source": self.source, "number": _number(event)} for event in settled]
            await tx.execute(insert(self.inbox), rows)
        await tx.execute(update(self.position).where(self.position.c.source == self.source).values(number=reached))

    async def _record(self, event: Event, error: Exception) -> int:
        """Count a failure; return the position if that put the event aside, or raise `Failing` if it will be tried again."""
        async with self.engine.begin() as tx:
            reached = await self._lock(tx)
            handled, _ = await self._known(tx, [event])
            if event.id in handled:
                return reached
            attempts = await self._count(tx, event, error)
            dead = attempts >= self.attempts
            if dead:
                died = update(self.dead_event).where(self.dead_event.c.event_id == event.id)
                await tx.execute(died.values(died_at=self.clock()))
                reached = max(reached, _number(event))
                await self._keep(tx, [event], reached)
        facts = {"source": self.source, "event_id": event.id, "event_number": event.number, "attempts": attempts}
        if not dead:
            logger.warning("event_failed", extra=facts, exc_info=error)
            raise Failing(f"event {event.id} failed {attempts} times") from error
        logger.error("event_put_aside", extra=facts, exc_info=error)
        return reached

    async def _count(self, tx: AsyncConnection, event: Event, error: Exception) -> int:
        table, now = self.dead_event, self.clock()
        known = (
            await tx.execute(select(table.c.attempts).where(table.c.event_id == event.id))
        ).scalar_one_or_none() or 0
        failure: dict[str, Any] = {
            "reason": redact_text(f"{type(error).__name__}: {error}").replace("\0", "")[:REASON_MOST],
            "attempts": known + 1,
            "failed_at": now,
            "retry_at": now + timedelta(seconds=2.0**known),
        }
        content = {
            "event_id": event.id,
            "source": self.source,
            "number": _number(event),
            "type": event.type.value,
            "subject": event.subject,
            "occurred_at": event.time,
            "data": cast(literal(data_json(event).decode(), Text), JSONB),
        }
        keep = insert(table).values(**content, **failure)
        await tx.execute(keep.on_conflict_do_update(index_elements=[table.c.event_id], set_=failure))
        return known + 1


def _number(event: Received) -> int:
    assert event.number is not None, "events without a number are dropped by _in_order"
    return event.number


def _in_order(events: Sequence[Received]) -> list[Received]:
    """Sort by number. An event without one was never in a feed; nothing can be said about its place."""
    numbered = [event for event in events if event.number is not None]
    if len(numbered) < len(events):
        logger.error("events_without_number", extra={"count": len(events) - len(numbered)})
    return sorted(numbered, key=_number)
