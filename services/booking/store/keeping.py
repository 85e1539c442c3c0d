"""Keep: the only way to save a booking. Rows, history, events and idempotency answers go in one statement, or not at all.

Every part takes arrays and reads them with `unnest`, so that the statement's text never changes: PostgreSQL plans it
once, and a batch of five hundred costs little more than a batch of one.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Table, text
from sqlalchemy.dialects import postgresql
from sqlalchemy.ext.asyncio import AsyncConnection

from services.booking import tables
from services.booking.domain.booking import LIVE, Booking
from services.booking.domain.facts import Change
from services.booking.domain.request import Key, WalkIns
from services.booking.domain.slot import Slot
from shared.contracts import Event
from shared.db import dump_json
from shared.outbox import event_row

_DIALECT = postgresql.dialect()  # type: ignore[no-untyped-call]  # SQLAlchemy leaves it untyped


class Collided(Exception):  # noqa: N818 - it happened to us; the desk takes it up again
    """A booking was not at the version that was gathered: something changed it without its slot's lock."""


@dataclass(frozen=True, slots=True)
class Answered:
    """What was answered to a request that came with a key: the same bytes go out whenever it comes again."""

    key: Key
    status: int
    headers: Mapping[str, str]
    body: bytes


@dataclass(frozen=True, slots=True)
class Ledger:
    """Everything that a batch decided. `slots_before` and `slots_after` differ in the places taken."""

    now: datetime
    changes: Sequence[Change]
    walk_ins: Sequence[WalkIns]
    events: Sequence[Event]
    answers: Sequence[Answered]
    slots_before: Mapping[Any, Slot]
    slots_after: Mapping[Any, Slot]

    def is_empty(self) -> bool:
        """Say whether there is nothing to write."""
        return not (self.changes or self.walk_ins or self.answers)


_BOOKING = ["id", "reference", "state", "version", "service_id", "slot_id", "starts_at", "ends_at", "account_id", "channel", "party_kind", "declarations", "hold_until", "extensions", "reason", "created_at", "changed_at"]
_CLAIM = ["booking_id", "slot_id", "person_id", "position", "seats", "live", "service_id", "venue_id", "kind", "starts_at", "ends_at"]
_HISTORY = ["booking_id", "version", "at", "action", "state", "actor_id", "actor_role", "reason"]
_WALK_IN = ["id", "slot_id", "people", "admitted_at", "admitted_by"]
_OUTBOX = ["id", "type", "subject", "occurred_at", "data"]
_IDEMPOTENCY = ["account_id", "key", "fingerprint", "status", "headers", "body", "created_at"]
_ALTERED = ["id", "version", "version_before", "state", "hold_until", "extensions", "reason", "changed_at"]
_TAKEN = ["id", "taken", "taken_counter", "taken_walk_in"]


def _arrays(part: str, types: Mapping[str, str]) -> str:
    return ", ".join(f"CAST(:{part}_{column} AS {kind}[])" for column, kind in types.items())


def _types(table: Table, columns: Iterable[str]) -> dict[str, str]:
    return {column: table.c[column].type.compile(_DIALECT) for column in columns}


def _insert(table: Table, columns: Sequence[str]) -> str:
    types = _types(table, columns)
    names = ", ".join(f'"{column}"' for column in columns)
    return (
        f"INSERT INTO {table.name} ({names})"  # noqa: S608 - names of our own tables
        f" SELECT {names} FROM unnest({_arrays(table.name, types)}) WITH ORDINALITY AS given({names}, n) ORDER BY n"
    )


_ALTERED_TYPES = _types(tables.bookings, [column for column in _ALTERED if column != "version_before"])
_ALTERED_TYPES = {column: _ALTERED_TYPES.get(column, "INTEGER") for column in _ALTERED}

KEEP = text(
    f"""
    WITH made AS ({_insert(tables.bookings, _BOOKING)}),
    altered AS (
        UPDATE bookings b
        SET version = given.version, state = given.state, hold_until = given.hold_until, extensions = given.extensions,
            reason = given.reason, changed_at = given.changed_at
        FROM unnest({_arrays("altered", _ALTERED_TYPES)}) AS given({", ".join(_ALTERED)})
        WHERE b.id = given.id AND b.version = given.version_before
        RETURNING b.id
    ),
    claimed AS ({_insert(tables.claims, _CLAIM)}),
    counted AS (
        UPDATE slots s
        SET taken = s.taken + given.taken, taken_counter = s.taken_counter + given.taken_counter,
            taken_walk_in = s.taken_walk_in + given.taken_walk_in
        FROM unnest({_arrays("taken", {"id": "UUID", "taken": "INTEGER", "taken_counter": "INTEGER", "taken_walk_in": "INTEGER"})})
            AS given({", ".join(_TAKEN)})
        WHERE s.id = given.id
    ),
    told AS ({_insert(tables.history, _HISTORY)}),
    walked_in AS ({_insert(tables.walk_ins, _WALK_IN)}),
    published AS ({_insert(tables.outbox, _OUTBOX)}),
    answered AS ({_insert(tables.idempotency, _IDEMPOTENCY)})
    SELECT count(*) FROM altered
    """  # noqa: S608 - names of our own tables and columns
)


_RELEASE = text("UPDATE claims SET live = false WHERE booking_id = ANY(CAST(:booking_ids AS uuid[]))")
"""A statement of its own, and first: a person may take again, in the same batch, the place that a lapsed hold gives up."""


async def keep(tx: AsyncConnection, ledger: Ledger) -> None:
    """Write everything that the batch decided; the caller commits.

    Raises:
        Collided: a booking had changed since it was gathered.
        sqlalchemy.exc.IntegrityError: a constraint refuses it (a reference or a key that was just used elsewhere).
    """
    made, altered = _settle(ledger.changes)
    released = [after.id for _, after in altered if after.state not in LIVE]
    if released:
        await tx.execute(_RELEASE, {"booking_ids": released})
    binds: dict[str, Any] = {}
    binds |= _columns("bookings", _BOOKING, [_booking_row(booking) for booking in made])
    binds |= _columns("altered", _ALTERED, [_altered_row(before, after) for before, after in altered])
    binds |= _columns("claims", _CLAIM, [row for booking in made for row in _claim_rows(booking, ledger)])
    binds |= _columns("taken", _TAKEN, _taken_rows(ledger))
    binds |= _columns("history", _HISTORY, [_history_row(change) for change in ledger.changes])
    binds |= _columns("walk_ins", _WALK_IN, [_walk_in_row(walk_in) for walk_in in ledger.walk_ins])
    binds |= _columns("outbox", _OUTBOX, [tuple(event_row(event).values()) for event in ledger.events])
    binds |= _columns("idempotency", _IDEMPOTENCY, [_answer_row(answer, ledger) for answer in ledger.answers])
    count = (await tx.execute(KEEP, binds)).scalar_one()
    if count != len(altered):
        raise Collided


def _columns(part: str, columns: Sequence[str], rows: Sequence[tuple[Any, ...]]) -> dict[str, list[Any]]:
    transposed = [list(values) for values in zip(*rows, strict=True)] if rows else [[] for _ in columns]
    return {f"{part}_{column}": values for column, values in zip(columns, transposed, strict=True)}


def _settle(changes: Sequence[Change]) -> tuple[list[Booking], list[tuple[Booking, Booking]]]:
    """Return the bookings to insert and those to update: a booking changed twice in a batch is written once, as it ends."""
    first: dict[Any, Booking | None] = {}
    last: dict[Any, Booking] = {}
    for change in changes:
        first.setdefault(change.after.id, change.before)
        last[change.after.id] = change.after
    made = [last[booking_id] for booking_id, before in first.items() if before is None]
    altered = [(before, last[booking_id]) for booking_id, before in first.items() if before is not None]
    return made, altered


def _booking_row(booking: Booking) -> tuple[Any, ...]:
    return (
        booking.id,
        booking.reference,
        booking.state.value,
        booking.version,
        booking.service_id,
        booking.slot_id,
        booking.starts_at,
        booking.ends_at,
        booking.account_id,
        booking.channel.value,
        booking.party_kind,
        dump_json(booking.declarations) if booking.declarations else "{}",
        booking.hold_until,
        booking.extensions,
        booking.reason,
        booking.created_at,
        booking.changed_at,
    )


def _altered_row(before: Booking, after: Booking) -> tuple[Any, ...]:
    return (
        after.id,
        after.version,
        before.version,
        after.state.value,
        after.hold_until,
        after.extensions,
        after.reason,
        after.changed_at,
    )


def _claim_rows(booking: Booking, ledger: Ledger) -> list[tuple[Any, ...]]:
    slot = ledger.slots_after[booking.slot_id]
    live = booking.state in LIVE
    return [
        (
            booking.id,
            slot.id,
            claim.person_id,
            position,
            claim.seats,
            live,
            slot.service_id,
            slot.venue_id,
            slot.kind,
            slot.starts_at,
            slot.ends_at,
        )
        for position, claim in enumerate(booking.claims)
    ]


def _taken_rows(ledger: Ledger) -> list[tuple[Any, ...]]:
    rows = []
    for slot_id, after in ledger.slots_after.items():
        before = ledger.slots_before[slot_id]
        if after is not before and after != before:
            rows.append(
                (
                    slot_id,
                    after.taken - before.taken,
                    after.taken_counter - before.taken_counter,
                    after.taken_walk_in - before.taken_walk_in,
                )
            )
    return rows


def _history_row(change: Change) -> tuple[Any, ...]:
    after, actor = change.after, change.actor
    return (
        after.id,
        after.version,
        after.changed_at,
        change.action,
        after.state.value,
        actor.account_id,
        actor.role,
        after.reason,
    )


def _walk_in_row(walk_in: WalkIns) -> tuple[Any, ...]:
    return (walk_in.id, walk_in.slot_id, walk_in.people, walk_in.admitted_at, walk_in.admitted_by)


def _answer_row(answer: Answered, ledger: Ledger) -> tuple[Any, ...]:
    key = answer.key
    return (
        key.account_id,
        key.key,
        key.fingerprint,
        answer.status,
        dump_json(answer.headers),
        answer.body,
        ledger.now,
    )
