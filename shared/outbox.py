"""The outbox: an event is written with the row it tells of, in one transaction, and published afterwards.

The law of numbers. Readers of the feed and of the bus rely on one thing: if they have seen number n, then nothing with
a smaller number will ever appear. Numbers are therefore given by the relay after the commit and not by the writer
before it: a transaction that takes a sequence value early and commits late would otherwise appear behind readers that
have already gone past. The relay numbers, 1, 2, 3 … without a gap, whatever committed rows it finds without a number,
in the order of their insertion, and one relay at a time does so (it holds the lock on the one row of the relay table
until its commit). Two events of one booking keep their order because their writers hold the same slot's lock.

The relay may be killed at any step, and any number of relays may run. What is numbered and not yet marked as published
is published again; the broker drops the repeat by its `Nats-Msg-Id`, and after the broker's window the reader's inbox
does. Nothing is published inside a transaction.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final, Protocol

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    Column,
    DateTime,
    Identity,
    Index,
    MetaData,
    SmallInteger,
    Table,
    Text,
    Uuid,
    bindparam,
    cast,
    delete,
    exists,
    func,
    or_,
    select,
    update,
)
from sqlalchemy.dialects.postgresql import ARRAY, JSON, Insert, insert
from sqlalchemy.engine import Row
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine
from sqlalchemy.types import TypeEngine

from shared.codec import data_from_json, data_json
from shared.contracts import Event, EventType

OUTBOX: Final = "outbox"
RELAY: Final = "relay"


class Publisher(Protocol):
    """Where a relay publishes to; `shared.bus.Bus` is one."""

    async def publish(self, events: Sequence[Event]) -> None:
        """Publish in the given order and return when every event is safely stored; raise otherwise."""
        ...


def outbox_table(metadata: MetaData) -> Table:
    """Return the table of events: `sequence` is the order of insertion, `number` the place in the feed."""
    table = Table(
        OUTBOX,
        metadata,
        Column("id", Uuid, primary_key=True),
        Column("sequence", BigInteger, Identity(always=True), nullable=False),
        Column("type", Text, nullable=False),
        Column("subject", Uuid, nullable=False),
        Column("occurred_at", DateTime(timezone=True), nullable=False),
        Column("data", JSON, nullable=False, comment="As it was written; JSONB would be taken apart to be stored."),
        Column("number", BigInteger),
    )
    Index("outbox_numbered", table.c.number, unique=True, postgresql_where=table.c.number.is_not(None))
    Index("ix_outbox_unnumbered", table.c.sequence, postgresql_where=table.c.number.is_(None))
    return table


def relay_table(metadata: MetaData) -> Table:
    """Return the table of one row that says how far the relay is; whoever numbers holds its lock."""
    return Table(
        RELAY,
        metadata,
        Column("id", SmallInteger, CheckConstraint("id = 1", name="one_row"), primary_key=True, autoincrement=False),
        Column("last_number", BigInteger, nullable=False, server_default="0"),
        Column("last_published", BigInteger, nullable=False, server_default="0"),
        CheckConstraint("last_published <= last_number", name="published_is_numbered"),
    )


def event_row(event: Event) -> dict[str, Any]:
    """Return `event` as values for the outbox; `data` is JSON text, to be cast to JSON by the statement."""
    return {
        "id": event.id,
        "type": event.type.value,
        "subject": event.subject,
        "occurred_at": event.time,
        "data": data_json(event).decode(),
    }


async def add_events(tx: AsyncConnection, table: Table, events: Sequence[Event]) -> None:
    """Write `events` in their order with one statement, in the caller's transaction."""
    if not events:
        return
    rows = [event_row(event) for event in events]
    arrays = {f"{name}s": [row[name] for row in rows] for name in rows[0]}
    await tx.execute(_insert(table), arrays)


def _insert(table: Table) -> Insert:
    """One text for any number of events, so that PostgreSQL plans it once."""
    kinds: dict[str, TypeEngine[Any]] = {
        "id": Uuid(),
        "type": Text(),
        "subject": Uuid(),
        "occurred_at": DateTime(timezone=True),
        "data": Text(),
    }
    arrays = [cast(bindparam(f"{name}s"), ARRAY(kind)) for name, kind in kinds.items()]
    given = func.unnest(*arrays).table_valued(*kinds, with_ordinality="n", name="given").render_derived()
    values = [cast(given.c[name], table.c[name].type) for name in kinds]
    return insert(table).from_select(list(kinds), select(*values).order_by(given.c.n))


def event_columns(table: Table) -> tuple[Any, ...]:
    """Return what `read_event_row` needs to be selected."""
    return (
        table.c.id,
        table.c.type,
        table.c.subject,
        table.c.occurred_at,
        cast(table.c.data, Text).label("data"),
        table.c.number,
    )


def read_event_row(row: Row[Any]) -> Event:
    """Return the event in a row of `event_columns`."""
    event_type = EventType(row.type)
    return Event(
        id=row.id,
        type=event_type,
        subject=row.subject,
        time=row.occurred_at,
        data=data_from_json(event_type, row.data),
        number=row.number,
    )


async def numbered_after(connection: AsyncConnection, table: Table, after: int, limit: int) -> list[Event]:
    """Return up to `limit` events with numbers above `after`, in the order of their numbers."""
    query = select(*event_columns(table)).where(table.c.number > after).order_by(table.c.number).limit(limit)
    return [read_event_row(row) for row in await connection.execute(query)]


class Relay:
    """Numbers what was committed and publishes it in order; run as many as you like.

    Args:
        engine: the publisher's database.
        table: the outbox.
        relay: the table of one row beside it.
        bus: where to publish to.
        batch: events numbered and published in one step.
    """

    def __init__(self, engine: AsyncEngine, table: Table, relay: Table, bus: Publisher, batch: int = 500) -> None:
        self._engine = engine
        self._reading = engine.execution_options(isolation_level="AUTOCOMMIT")
        self._table = table
        self._relay = relay
        self._bus = bus
        self._batch = batch

    async def run_once(self) -> int:
        """Number and publish one batch; return how many events were published.

        An event that could not be published stays due: the error is raised, and the next run takes it up again. Its
        number stands from then on, so the feed has it although the bus has not.
        """
        if not await self._work_waits():
            return 0
        await self._number()
        events = await self._unpublished()
        if events:
            await self._bus.publish(events)
            await self._mark_published(events[-1])
        return len(events)

    async def drain(self) -> int:
        """Run until nothing is left to publish; return how many events were published."""
        total = 0
        while published := await self.run_once():
            total += published
        return total

    async def prune(self, before: datetime) -> int:
        """Delete published events that occurred before `before`; return how many.

        Afterwards the feed begins later, and a reader that is further behind cannot catch up completely: keep events
        longer than any reader may be away.
        """
        done = select(self._relay.c.last_published).scalar_subquery()
        old = delete(self._table).where(self._table.c.occurred_at < before, self._table.c.number <= done)
        async with self._engine.begin() as tx:
            return (await tx.execute(old)).rowcount

    async def _work_waits(self) -> bool:
        """Look without a lock: most looks find nothing, and they come many times a second."""
        relay, outbox = self._relay.c, self._table.c
        unnumbered = exists(select(outbox.id).where(outbox.number.is_(None)))
        query = select(or_(relay.last_published < relay.last_number, unnumbered))
        async with self._reading.connect() as connection:
            waits = (await connection.execute(query)).scalar_one_or_none()
        if waits is None:
            await self._make_row()
            return True
        return waits

    async def _make_row(self) -> None:
        async with self._engine.begin() as tx:
            await tx.execute(insert(self._relay).values(id=1).on_conflict_do_nothing())

    async def _number(self) -> None:
        """Give numbers to committed events, unless another relay is doing so.

        Two statements and not one: the second must see what the lock's last holder committed, and a statement sees
        only what was committed before it began.
        """
        relay, outbox = self._relay, self._table
        async with self._engine.begin() as tx:
            lock = select(relay.c.last_number).with_for_update(skip_locked=True)
            last = (await tx.execute(lock)).scalar_one_or_none()
            if last is None:
                return
            place = func.row_number().over(order_by=outbox.c.sequence).label("place")
            fresh = select(outbox.c.id, place).where(outbox.c.number.is_(None)).order_by(outbox.c.sequence)
            batch = fresh.limit(self._batch).subquery("fresh")
            numbering = update(outbox).values(number=last + batch.c.place).where(outbox.c.id == batch.c.id)
            count = (await tx.execute(numbering)).rowcount
            if count:
                await tx.execute(update(relay).values(last_number=last + count))

    async def _unpublished(self) -> list[Event]:
        async with self._reading.connect() as connection:
            after = (await connection.execute(select(self._relay.c.last_published))).scalar_one()
            return await numbered_after(connection, self._table, after, self._batch)

    async def _mark_published(self, last: Event) -> None:
        """Never move backwards: a slower relay may have published less."""
        published = func.greatest(self._relay.c.last_published, last.number)
        async with self._engine.begin() as tx:
            await tx.execute(update(self._relay).values(last_published=published))
