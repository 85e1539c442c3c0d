"""Slots as rows: opened ahead from plans, changed when a plan or a policy changes, never while it strands a booking.

The law of this file: a slot that has begun is never touched, and one that people are booked into keeps its time, its
place and room for them. What is already as it should be is neither locked nor written, so opening the whole city again
disturbs nobody. Slots to change are locked in one statement, in id order, as the desk locks them.
"""

from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any, TypeVar
from uuid import UUID

from sqlalchemy import Row, text
from sqlalchemy.ext.asyncio import AsyncConnection

from services.booking.domain.opening import OpenedSlot
from shared.contracts import Words
from shared.db import dump_json
from shared.ids import new_id

_Any = TypeVar("_Any")

ROWS_AT_A_TIME = 5_000
"""Rows that one statement writes: each stays far below the session's statement timeout."""

HOURS_CHANGED = Words("开放时间已调整", "The opening hours have changed")
"""Why a slot is closed that the plan no longer has, where no closure of the plan gives a better reason."""

Because = Callable[[str, datetime, datetime], Words | None]
"""Given service, start and end: the reason of the closure that stops this time, or None."""


class Why(StrEnum):
    """How a change would strand who is booked."""

    TIME_GONE = "time_gone"
    END_CHANGED = "end_changed"
    PLACE_CHANGED = "place_changed"
    CAPACITY_BELOW_TAKEN = "capacity_below_taken"


@dataclass(frozen=True, slots=True, kw_only=True)
class Stranded:
    """A slot that cannot become what was asked for: `bookings` are live in it, `taken` places are in use."""

    service_id: str
    starts_at: datetime
    why: Why
    bookings: int
    taken: int


@dataclass(slots=True)
class SlotReport:
    """What became of the slots. Where anything is stranded the rest is written: refuse it by rolling back."""

    added: int = 0
    changed: int = 0
    removed: int = 0
    closed: int = 0
    stranded: list[Stranded] = field(default_factory=list)

    def add(self, other: "SlotReport") -> None:
        """Count `other` in."""
        self.added += other.added
        self.changed += other.changed
        self.removed += other.removed
        self.closed += other.closed
        self.stranded += other.stranded


@dataclass(slots=True)
class _Work:
    """What a comparison found: by id, what a slot shall become; None where the plan no longer has it."""

    new: list[OpenedSlot] = field(default_factory=list)
    wanted: dict[UUID, OpenedSlot | None] = field(default_factory=dict)


_TYPES = {
    "service_id": "text",
    "venue_id": "text",
    "kind": "text",
    "district_id": "text",
    "starts_at": "timestamptz",
    "ends_at": "timestamptz",
    "bookable_from": "timestamptz",
    "bookable_until": "timestamptz",
    "capacity": "integer",
    "kept_counter": "integer",
    "kept_walk_in": "integer",
    "later": "jsonb",
    "charge": "text",
    "label": "jsonb",
}
_COLUMNS = ", ".join(_TYPES)
_GIVEN = ", ".join(f"CAST(:{column} AS {kind}[])" for column, kind in _TYPES.items())
_SET = ", ".join(f"{column} = given.{column}" for column in _TYPES)

_READ = text(
    f"SELECT id, {_COLUMNS}, closed FROM slots"  # noqa: S608 - names of our own columns
    " WHERE service_id = ANY(CAST(:service_ids AS text[])) AND starts_at > :now"
)
_LAST = text(
    "SELECT service_id, max(starts_at) AS last FROM slots"
    " WHERE service_id = ANY(CAST(:service_ids AS text[])) AND starts_at > :now GROUP BY service_id"
)
_LOCK = text("SELECT id FROM slots WHERE id = ANY(CAST(:ids AS uuid[])) ORDER BY id FOR NO KEY UPDATE")
_STATE = text(
    "SELECT s.id, s.service_id, s.venue_id, s.kind, s.starts_at, s.ends_at, s.taken, coalesce(live.bookings, 0) AS bookings,"
    " booked.slot_id IS NOT NULL OR s.taken > 0 OR EXISTS (SELECT FROM walk_ins w WHERE w.slot_id = s.id) AS on_record"
    " FROM slots s"
    " LEFT JOIN (SELECT slot_id FROM bookings WHERE slot_id = ANY(CAST(:ids AS uuid[]))"
    " UNION SELECT slot_id FROM claims WHERE step IS NOT NULL AND slot_id = ANY(CAST(:ids AS uuid[]))) booked"
    " ON booked.slot_id = s.id"
    " LEFT JOIN (SELECT c.slot_id, count(DISTINCT c.booking_id) AS bookings FROM claims c"
    " JOIN bookings b ON b.id = c.booking_id WHERE c.live AND c.slot_id = ANY(CAST(:ids AS uuid[]))"
    " AND NOT (b.state = 'held' AND b.hold_until <= :now) GROUP BY c.slot_id) live ON live.slot_id = s.id"
    " WHERE s.id = ANY(CAST(:ids AS uuid[])) AND s.starts_at > :now ORDER BY s.starts_at, s.service_id"
)
_INSERT = text(
    f"INSERT INTO slots (id, {_COLUMNS})"  # noqa: S608 - names of our own columns
    f" SELECT * FROM unnest(CAST(:id AS uuid[]), {_GIVEN}) ON CONFLICT (service_id, starts_at) DO NOTHING"
)
_UPDATE = text(
    f"UPDATE slots s SET {_SET}, closed = NULL"  # noqa: S608 - names of our own columns
    f" FROM unnest(CAST(:id AS uuid[]), {_GIVEN}) AS given(id, {_COLUMNS}) WHERE s.id = given.id"
)
_CLOSE = text(
    "UPDATE slots s SET closed = given.closed"
    " FROM unnest(CAST(:id AS uuid[]), CAST(:closed AS jsonb[])) AS given(id, closed) WHERE s.id = given.id"
)
_DELETE = text("DELETE FROM slots WHERE id = ANY(CAST(:ids AS uuid[]))")


async def replace_slots(
    tx: AsyncConnection, service_ids: Collection[str], wanted: Sequence[OpenedSlot], because: Because, now: datetime
) -> SlotReport:
    """Make the slots of these services that start after `now` what `wanted` says.

    A slot that is no longer wanted goes; it stays, closed with its reason, where a closure stops it or where anybody was
    ever booked into it. One that people are booked into stays as it is and is reported as stranded.

    The caller holds the services' rows (`store.plans.lock_services`) and commits. `wanted` is what
    `domain.opening.opened_ahead` gives and reaches to `last_opened` of each service; services that are not named are
    not looked at. `because` says why a time that is no longer wanted is closed. What starts at `now` is past.
    """
    work = await _compare(tx, service_ids, wanted, now)
    report = SlotReport()
    if work.wanted:
        await _apply(tx, work.wanted, because, now, report)
    report.added = await _insert(tx, work.new)
    return report


async def last_opened(connection: AsyncConnection, service_ids: Collection[str], now: datetime) -> dict[str, datetime]:
    """Return the start of each service's last slot after `now`; services without any are left out."""
    rows = await connection.execute(_LAST, {"service_ids": list(service_ids), "now": now})
    return {row.service_id: row.last for row in rows}


async def _compare(
    tx: AsyncConnection, service_ids: Collection[str], wanted: Sequence[OpenedSlot], now: datetime
) -> _Work:
    after = {(slot.service_id, slot.starts_at): slot for slot in wanted if slot.starts_at > now}
    work = _Work()
    for row in await tx.execute(_READ, {"service_ids": list(service_ids), "now": now}):
        slot = after.pop((row.service_id, row.starts_at), None)
        if slot is None:
            if row.closed is None:
                work.wanted[row.id] = None
        elif row.closed is not None or tuple(row[1:-1]) != _values(slot):
            work.wanted[row.id] = slot
    work.new = list(after.values())
    return work


async def _apply(
    tx: AsyncConnection,
    wanted: dict[UUID, OpenedSlot | None],
    because: Because,
    now: datetime,
    report: SlotReport,
) -> None:
    await tx.execute(_LOCK, {"ids": sorted(wanted)})
    changed: list[tuple[UUID, OpenedSlot]] = []
    closed: list[tuple[UUID, Words]] = []
    removed: list[UUID] = []
    for row in await tx.execute(_STATE, {"ids": list(wanted), "now": now}):
        slot = wanted[row.id]
        why = _stranded(row, slot)
        if why is not None:
            report.stranded.append(_named(row, why))
        elif slot is not None:
            changed.append((row.id, slot))
        else:
            reason = because(row.service_id, row.starts_at, row.ends_at)
            if reason is None and not row.on_record:
                removed.append(row.id)
            else:
                closed.append((row.id, reason or HOURS_CHANGED))
    report.changed, report.closed, report.removed = len(changed), len(closed), len(removed)
    await _update(tx, changed)
    await _close(tx, closed)
    for some in _batches(removed):
        await tx.execute(_DELETE, {"ids": some})


def _stranded(row: Row[Any], slot: OpenedSlot | None) -> Why | None:
    if slot is not None and slot.capacity < row.taken:
        return Why.CAPACITY_BELOW_TAKEN
    if not row.bookings:
        return None
    if slot is None:
        return Why.TIME_GONE
    if slot.ends_at != row.ends_at:
        return Why.END_CHANGED
    if (slot.venue_id, slot.kind) != (row.venue_id, row.kind):
        return Why.PLACE_CHANGED
    return None


def _named(row: Row[Any], why: Why) -> Stranded:
    return Stranded(service_id=row.service_id, starts_at=row.starts_at, why=why, bookings=row.bookings, taken=row.taken)


async def _insert(tx: AsyncConnection, new: Sequence[OpenedSlot]) -> int:
    added = 0
    for some in _batches(new):
        result = await tx.execute(_INSERT, {"id": [new_id() for _ in some], **_arrays(some)})
        added += result.rowcount
    return added


async def _update(tx: AsyncConnection, changed: Sequence[tuple[UUID, OpenedSlot]]) -> None:
    for some in _batches(changed):
        await tx.execute(_UPDATE, {"id": [slot_id for slot_id, _ in some], **_arrays(slot for _, slot in some)})


async def _close(tx: AsyncConnection, closed: Sequence[tuple[UUID, Words]]) -> None:
    for some in _batches(closed):
        reasons = [dump_json({"zh": reason.zh, "en": reason.en}) for _, reason in some]
        await tx.execute(_CLOSE, {"id": [slot_id for slot_id, _ in some], "closed": reasons})


def _values(slot: OpenedSlot) -> tuple[Any, ...]:
    """Return what stands in the row, in the order of its columns."""
    return (
        slot.service_id,
        slot.venue_id,
        slot.kind,
        slot.district_id,
        slot.starts_at,
        slot.ends_at,
        slot.bookable_from,
        slot.bookable_until,
        slot.capacity,
        slot.kept_counter,
        slot.kept_walk_in,
        portions_document(slot.later),
        slot.charge.value,
        {"zh": slot.label.zh, "en": slot.label.en},
    )


def _arrays(slots: Iterable[OpenedSlot]) -> dict[str, list[Any]]:
    """Return one array for each column."""
    columns = dict(zip(_TYPES, map(list, zip(*map(_values, slots), strict=True)), strict=True))
    later = [None if one is None else dump_json(one) for one in columns["later"]]
    return {**columns, "label": [dump_json(label) for label in columns["label"]], "later": later}


def portions_document(later: Iterable[tuple[datetime, int]]) -> list[list[Any]] | None:
    """Return portions as they stand in a slot's row; None where everything is released at once."""
    return [[released_at.astimezone(UTC).isoformat(), places] for released_at, places in later] or None


def _batches(rows: Sequence[_Any]) -> Iterable[Sequence[_Any]]:
    return (rows[start : start + ROWS_AT_A_TIME] for start in range(0, len(rows), ROWS_AT_A_TIME))
