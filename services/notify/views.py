"""What the API reads, by the short road: rows as values, no rules. Every query is bound to an account or to a scope."""

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, Select, func, select, union_all
from sqlalchemy.engine import Row

from services.notify.domain.lifecycle import State
from services.notify.domain.message import Channel, Evidence, Kind, Why
from services.notify.domain.scope import Scope
from services.notify.store.database import Connection
from services.notify.tables import (
    copies,
    decisions,
    inbox_heads,
    inbox_messages,
    known_bookings,
    known_notices,
    messages,
)
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
    subject_id: UUID
    copied: bool = False
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


async def of_booking(connection: Connection, scope: Scope, booking_id: UUID) -> list[Planned] | None:
    """Return every message about a booking, in the order planned; None where there is none such in `scope`."""
    known = select(known_bookings.c.account_id).where(known_bookings.c.booking_id == booking_id, *_within(scope))
    owner = (await connection.execute(known)).scalar_one_or_none()
    if owner is None:
        return None
    table = messages.c
    query = (
        select(messages)
        .where(table.subject_id == booking_id)
        .order_by(table.subject_version, table.due_at, table.channel)
        .limit(MOST_OF_A_BOOKING)
    )
    found = (await connection.execute(query)).all()
    log = await _decisions(connection, {booking_id})
    return [_planned(row, log.get(row.id, ()), copied=row.recipient_id != owner) for row in found]


async def of_person(
    connection: Connection, scope: Scope, account_id: UUID, *, before: UUID | None, limit: int
) -> list[Planned]:
    """Return up to `limit` messages to a person, the last planned first, as far as `scope` goes."""
    others = select(known_notices.c.subject_id).where(known_notices.c.account_id == account_id)
    subjects = select(known_bookings.c.booking_id).where(known_bookings.c.account_id == account_id, *_within(scope))
    about = subjects.scalar_subquery()
    if scope.venues is None:
        about = union_all(subjects, others).scalar_subquery()
    if scope.account_id == account_id:
        whose = select(copies.c.account_id).where(copies.c.reader_id == account_id)
        copied = select(known_bookings.c.booking_id).where(known_bookings.c.account_id.in_(whose))
        about = union_all(subjects, others, copied).scalar_subquery()
    table = messages.c
    query = (
        select(messages, known_bookings.c.account_id.label("owner"))
        .outerjoin(known_bookings, known_bookings.c.booking_id == table.subject_id)
        .where(table.subject_id.in_(about), table.recipient_id == account_id)
    )
    if before is not None:
        query = query.where(table.id < before)
    found = (await connection.execute(query.order_by(table.id.desc()).limit(limit))).all()
    log = await _decisions(connection, {row.subject_id for row in found})
    return [_planned(row, log.get(row.id, ()), copied=row.owner not in {None, account_id}) for row in found]


def _within(scope: Scope) -> Iterator[ColumnElement[bool]]:
    """Return what a row of `known_bookings` must satisfy to lie in `scope`."""
    if scope.account_id is not None:
        yield known_bookings.c.account_id == scope.account_id
    if scope.venues is not None:
        yield known_bookings.c.venue_digest.in_(scope.venues)


@dataclass(frozen=True, slots=True, kw_only=True)
class Campaign:
    """How far the news of a closure has come: messages by state, the last one due, and how fast they went lately."""

    bookings: int
    planned: int
    sent: int
    given_up: int
    in_doubt: int
    first_at: datetime | None
    last_due_at: datetime | None
    sent_lately: int


LATELY = timedelta(minutes=5)


async def campaign(connection: Connection, venue: bytes, since: datetime, now: datetime) -> Campaign:
    """Return how far the news of what the house cancelled at `venue` since then has come."""
    known, table = known_bookings.c, messages.c

    def counted(*conditions: ColumnElement[bool]) -> Any:
        return func.count().filter(*conditions)

    query = (
        select(
            func.count(known.booking_id.distinct()).label("bookings"),
            counted(table.state.in_(["planned", "claimed", "sending"])).label("planned"),
            counted(table.state == "sent").label("sent"),
            counted(table.state.in_(["dead", "expired", "suppressed", "superseded"])).label("given_up"),
            counted(table.state.in_(["unknown", "unproven"])).label("in_doubt"),
            func.min(table.created_at).label("first_at"),
            func.max(table.due_at).filter(table.state.in_(["planned", "claimed", "sending"])).label("last_due_at"),
            counted(table.state == "sent", table.changed_at > now - LATELY).label("sent_lately"),
        )
        .select_from(known_bookings.join(messages, table.subject_id == known.booking_id))
        .where(known.venue_digest == venue, known.heard_at >= since, table.kind == Kind.CLOSURE.value)
    )
    row = (await connection.execute(query)).one()
    return Campaign(**row._asdict())


async def _decisions(connection: Connection, subject_ids: Collection[UUID]) -> dict[UUID, tuple[Decided, ...]]:
    table = decisions.c
    query = (
        select(table.message_id, table.at, table.state, table.why)
        .where(table.subject_id.in_(subject_ids), table.message_id.is_not(None))
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


def _planned(row: Row[tuple[object, ...]], log: tuple[Decided, ...], *, copied: bool) -> Planned:
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
        subject_id=row.subject_id,
        copied=copied,
        decisions=log,
    )
