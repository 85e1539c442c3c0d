"""Bookings as they stand, read without a lock."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from services.booking.domain.booking import Booking, State
from services.booking.domain.facts import Companion
from services.booking.store.gathering import BOOKING_COLUMNS, CLAIMS_OF_BOOKING, booking_of, read_companions

_SELECT = f"SELECT {BOOKING_COLUMNS} FROM bookings b {CLAIMS_OF_BOOKING}"  # noqa: S608 - constants

_BY_ID = text(f"{_SELECT} WHERE b.id = :id")
_BY_REFERENCE = text(f"{_SELECT} WHERE b.reference = :reference")
_BY_REFERENCE_AND_BIRTH_DATE = text(
    f"{_SELECT} WHERE b.reference = :reference AND EXISTS (SELECT FROM claims o JOIN persons p ON p.id = o.person_id"
    " WHERE o.booking_id = b.id AND o.position >= 0 AND p.birth_date = :birth_date)"
)
_OF_ACCOUNT_UPCOMING = text(
    f"{_SELECT} WHERE b.account_id = :account_id AND b.ends_at >= :now"
    " AND (b.starts_at, b.id) > (:starts_at, :id) ORDER BY b.starts_at, b.id LIMIT :limit"
)
_OF_ACCOUNT_PAST = text(
    f"{_SELECT} WHERE b.account_id = :account_id AND b.ends_at < :now"
    " AND (b.starts_at, b.id) < (:starts_at, :id) ORDER BY b.starts_at DESC, b.id DESC LIMIT :limit"
)
_OF_SLOTS = text(
    f"{_SELECT} WHERE b.id IN (SELECT k.booking_id FROM slots s JOIN claims k ON k.slot_id = s.id AND k.live"  # noqa: S608 - constants
    " WHERE s.venue_id = :venue_id AND s.starts_at >= :since AND s.starts_at < :until)"
    " AND b.state NOT IN ('cancelled', 'lapsed') ORDER BY b.starts_at, b.id LIMIT :limit"
)
_HISTORY = text(
    "SELECT version, at, action, state, actor_role, reason, step FROM history WHERE booking_id = :id ORDER BY version"
)
_RAN_OUT = text("SELECT id FROM bookings WHERE state = 'held' AND hold_until <= :now ORDER BY hold_until LIMIT :limit")
_TO_END = text(
    "SELECT id, state, ends_at FROM bookings WHERE state IN ('confirmed', 'checked_in') AND ends_at <= :now"
    " AND (ends_at, id) > (:ends_at, :id) ORDER BY ends_at, id LIMIT :limit"
)

Companions = Mapping[tuple[UUID, UUID], Companion]


@dataclass(frozen=True, slots=True)
class HistoryEntry:
    """One change of a booking: what was done, by which role, when and why."""

    version: int
    at: datetime
    action: str
    state: str
    actor_role: str
    reason: str | None
    step: str | None


@dataclass(frozen=True, slots=True)
class Ending:
    """A booking whose time is over and whose life is not."""

    id: UUID
    state: State
    ends_at: datetime


@dataclass(frozen=True, slots=True)
class Window:
    """Which part of an account's list: after the booking that starts at `after_starts_at` and has `after_id`."""

    past: bool
    after_starts_at: datetime
    after_id: UUID
    limit: int


async def read_booking(connection: AsyncConnection, booking_id: UUID) -> Booking | None:
    """Return the booking, or None."""
    return await _one(connection, _BY_ID, {"id": booking_id})


async def read_by_reference(connection: AsyncConnection, reference: str) -> Booking | None:
    """Return the booking with this reference, or None."""
    return await _one(connection, _BY_REFERENCE, {"reference": reference})


async def read_by_reference_and_birth_date(
    connection: AsyncConnection, reference: str, birth_date: date
) -> Booking | None:
    """Return the booking with this reference if one of its party was born on `birth_date`, or None."""
    return await _one(connection, _BY_REFERENCE_AND_BIRTH_DATE, {"reference": reference, "birth_date": birth_date})


async def read_bookings_of(
    connection: AsyncConnection, account_id: UUID, now: datetime, window: Window
) -> list[Booking]:
    """Return an account's bookings: upcoming ones soonest first, past ones latest first."""
    rows = await connection.execute(
        _OF_ACCOUNT_PAST if window.past else _OF_ACCOUNT_UPCOMING,
        {
            "account_id": account_id,
            "now": now,
            "starts_at": window.after_starts_at,
            "id": window.after_id,
            "limit": window.limit,
        },
    )
    return [booking_of(row) for row in rows]


async def read_bookings_at(
    connection: AsyncConnection, venue_id: str, span: tuple[datetime, datetime], limit: int
) -> list[Booking]:
    """Return the live bookings that have a place at a venue in `span` (from, before), in order of time."""
    rows = await connection.execute(
        _OF_SLOTS, {"venue_id": venue_id, "since": span[0], "until": span[1], "limit": limit}
    )
    return [booking_of(row) for row in rows]


async def companions_of(connection: AsyncConnection, bookings: list[Booking]) -> Companions:
    """Return the people of `bookings`, under the names that their accounts gave them."""
    pairs = {(booking.account_id, claim.person_id) for booking in bookings for claim in booking.claims}
    return await read_companions(connection, pairs, {account_id for account_id, _ in pairs}) if pairs else {}


async def read_history(connection: AsyncConnection, booking_id: UUID) -> list[HistoryEntry]:
    """Return every change of a booking, oldest first."""
    return [HistoryEntry(*row) for row in await connection.execute(_HISTORY, {"id": booking_id})]


async def holds_that_ran_out(connection: AsyncConnection, now: datetime, limit: int) -> list[UUID]:
    """Return bookings that are held beyond their time, longest first."""
    return list((await connection.execute(_RAN_OUT, {"now": now, "limit": limit})).scalars())


async def bookings_to_end(connection: AsyncConnection, now: datetime, after: Ending, limit: int) -> list[Ending]:
    """Return confirmed and checked-in bookings whose time is over, in order, after `after`."""
    rows = await connection.execute(_TO_END, {"now": now, "ends_at": after.ends_at, "id": after.id, "limit": limit})
    return [Ending(row.id, State(row.state), row.ends_at) for row in rows]


async def _one(connection: AsyncConnection, statement: Any, binds: dict[str, Any]) -> Booking | None:
    row = (await connection.execute(statement, binds)).one_or_none()
    return None if row is None else booking_of(row)
