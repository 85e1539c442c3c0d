"""What the API reads, by the short road: rows as values, no rules. Every query is bound to one account."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import Select, and_, func, select
from sqlalchemy.engine import Row

from services.notify.domain.lifecycle import State
from services.notify.domain.message import Channel, Evidence, Kind, Why
from services.notify.store.database import Connection
from services.notify.tables import decisions, inbox_heads, inbox_messages, known_bookings, messages
from shared.contracts import Words

MOST_OF_A_BOOKING = 200
"""Messages shown of one booking; a booking has a handful for each of its versions."""

MOST_DECISIONS = 1000
"""Decisions shown with them, the first ones; a message has one for its planning, one for its end, few in between."""


@dataclass(frozen=True, slots=True, kw_only=True)
class InboxMessage:
    """A message as it lies in its reader's inbox."""

    id: UUID
    sequence: int
    kind: Kind
    subject_id: UUID
    sensitive: bool
    title: Words
    body: Words
    created_at: datetime
    read_at: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Inbox:
    """The state of an inbox as a whole: the number of its last message (0 where there is none), and how many are unread."""

    last: int
    unread: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Decided:
    """One line of the decision log: the state that a message was put in, and why."""

    at: datetime
    state: State
    why: Why


@dataclass(frozen=True, slots=True, kw_only=True)
class Planned:
    """What became of a message about a booking, and why: as it stands, and every decision in its order."""

    id: UUID
    kind: Kind
    channel: Channel
    booking_version: int
    lead_minutes: int
    due_at: datetime
    state: State
    why: Why
    attempts: int
    evidence: Evidence
    changed_at: datetime
    decisions: tuple[Decided, ...] = ()


async def page(
    connection: Connection, account_id: UUID, *, before: int | None, limit: int, unread: bool
) -> list[InboxMessage]:
    """Return up to `limit` messages of an account, the newest first, older than number `before`."""
    table = inbox_messages.c
    query = _messages_of(account_id).order_by(table.sequence.desc()).limit(limit)
    if before is not None:
        query = query.where(table.sequence < before)
    if unread:
        query = query.where(table.read_at.is_(None))
    return [_message(row) for row in await connection.execute(query)]


async def after(connection: Connection, account_id: UUID, sequence: int, limit: int) -> list[InboxMessage]:
    """Return up to `limit` messages of an account after number `sequence`, in order and without a gap."""
    table = inbox_messages.c
    query = _messages_of(account_id).where(table.sequence > sequence).order_by(table.sequence).limit(limit)
    return [_message(row) for row in await connection.execute(query)]


async def one(connection: Connection, account_id: UUID, message_id: UUID) -> InboxMessage | None:
    """Return one message of an account."""
    row = (await connection.execute(_messages_of(account_id).where(inbox_messages.c.id == message_id))).one_or_none()
    return None if row is None else _message(row)


async def state_of(connection: Connection, account_id: UUID) -> Inbox:
    """Return the state of an account's inbox."""
    last = select(inbox_heads.c.last).where(inbox_heads.c.account_id == account_id).scalar_subquery()
    unread = (
        select(func.count())
        .select_from(inbox_messages)
        .where(inbox_messages.c.account_id == account_id, inbox_messages.c.read_at.is_(None))
        .scalar_subquery()
    )
    row = (await connection.execute(select(func.coalesce(last, 0).label("last"), unread.label("unread")))).one()
    return Inbox(last=row.last, unread=row.unread)


async def last_numbers(connection: Connection, account_ids: Sequence[UUID]) -> dict[UUID, int]:
    """Return the number of the last message of each of these accounts that has any."""
    query = select(inbox_heads.c.account_id, inbox_heads.c.last).where(inbox_heads.c.account_id.in_(account_ids))
    return {row.account_id: row.last for row in await connection.execute(query)}


async def of_booking(connection: Connection, account_id: UUID, booking_id: UUID) -> list[Planned] | None:
    """Return every message about a booking of an account, in the order planned; None where there is no such booking."""
    owner = select(known_bookings.c.account_id).where(known_bookings.c.booking_id == booking_id)
    if (await connection.execute(owner)).scalar_one_or_none() != account_id:
        return None
    table = messages.c
    query = (
        select(messages)
        .where(and_(table.subject_id == booking_id, table.recipient_id == account_id))
        .order_by(table.subject_version, table.due_at, table.channel)
        .limit(MOST_OF_A_BOOKING)
    )
    found = (await connection.execute(query)).all()
    log = await _decisions(connection, booking_id)
    return [_planned(row, log.get(row.id, ())) for row in found]


async def _decisions(connection: Connection, booking_id: UUID) -> dict[UUID, tuple[Decided, ...]]:
    table = decisions.c
    query = (
        select(table.message_id, table.at, table.state, table.why)
        .where(table.subject_id == booking_id, table.message_id.is_not(None))
        .order_by(table.id)
        .limit(MOST_DECISIONS)
    )
    log: dict[UUID, tuple[Decided, ...]] = {}
    for row in await connection.execute(query):
        decided = Decided(at=row.at, state=State(row.state), why=Why(row.why))
        log[row.message_id] = (*log.get(row.message_id, ()), decided)
    return log


def _messages_of(account_id: UUID) -> Select[tuple[object, ...]]:
    return select(inbox_messages).where(inbox_messages.c.account_id == account_id)


def _message(row: Row[tuple[object, ...]]) -> InboxMessage:
    return InboxMessage(
        id=row.id,
        sequence=row.sequence,
        kind=Kind(row.kind),
        subject_id=row.subject_id,
        sensitive=row.sensitive,
        title=Words(zh=row.title_zh, en=row.title_en),
        body=Words(zh=row.body_zh, en=row.body_en),
        created_at=row.created_at,
        read_at=row.read_at,
    )


def _planned(row: Row[tuple[object, ...]], log: tuple[Decided, ...]) -> Planned:
    return Planned(
        id=row.id,
        kind=Kind(row.kind),
        channel=Channel(row.channel),
        booking_version=row.subject_version,
        lead_minutes=row.lead_minutes,
        due_at=row.due_at,
        state=State(row.state),
        why=Why(row.why),
        attempts=row.attempt,
        evidence=Evidence(row.evidence),
        changed_at=row.changed_at,
        decisions=log,
    )
