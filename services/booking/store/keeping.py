"""Keep: the only way to save a booking. Rows, history, events and idempotency answers go in one statement, or not at all.

Every part takes arrays and reads them with `unnest`, so that the statement's text never changes: PostgreSQL plans it
once, and a batch of five hundred costs little more than a batch of one.
"""

from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncConnection

from services.booking.domain.booking import LIVE, Booking
from services.booking.domain.facts import Change
from services.booking.domain.request import Key, WalkIns
from services.booking.domain.slot import Slot
from services.booking.store.courses import keep_steps, meet_steps
from services.booking.store.database import Call, commit, run, run_and_commit
from services.booking.store.parts import DOCUMENT, columns, given, names
from services.booking.store.rearranging import Altered, other_course, rearrange
from shared.codec import data_json
from shared.contracts import Event
from shared.db import Prepared, prepared
from shared.plain_json import write_json
from shared.value import value


@value(frozen=True, slots=True)
class Answered:
    """What was answered to a request that came with a key: the same bytes go out whenever it comes again."""

    key: Key
    status: int
    headers: Mapping[str, str]
    body: bytes


@value(frozen=True, slots=True)
class Ledger:
    """Everything that a batch decided. `slots_before` and `slots_after` differ in the places taken."""

    now: datetime
    changes: Sequence[Change]
    walk_ins: Sequence[WalkIns]
    events: Sequence[Event]
    answers: Sequence[Answered]
    slots_before: Mapping[UUID, Slot]
    slots_after: Mapping[UUID, Slot]

    def is_empty(self) -> bool:
        """Say whether there is nothing to write."""
        if self.changes or self.walk_ins or self.answers:
            return False
        return all(after is self.slots_before[slot_id] for slot_id, after in self.slots_after.items())


_MADE = {
    "id": "UUID",
    "slot_id": "UUID",
    "reference": "TEXT",
    "state": "TEXT",
    "version": "INTEGER",
    "account_id": "UUID",
    "channel": "TEXT",
    "party_kind": "TEXT",
    "declarations": "JSONB",
    "hold_until": "TIMESTAMPTZ",
    "extensions": "SMALLINT",
    "reason": "TEXT",
}
_ALTERED = {
    "id": "UUID",
    "version": "INTEGER",
    "version_before": "INTEGER",
    "state": "TEXT",
    "hold_until": "TIMESTAMPTZ",
    "extensions": "SMALLINT",
    "reason": "TEXT",
}
_CLAIMED = {"booking_id": "UUID", "person_id": "UUID", "position": "SMALLINT", "seats": "SMALLINT", "live": "BOOLEAN"}
_COUNTED = {"id": "UUID", "taken": "INTEGER", "taken_counter": "INTEGER", "taken_walk_in": "INTEGER"}
_TOLD = {
    "booking_id": "UUID",
    "version": "INTEGER",
    "action": "TEXT",
    "state": "TEXT",
    "actor_id": "UUID",
    "actor_role": "TEXT",
    "reason": "TEXT",
}
_WALKED_IN = {"id": "UUID", "slot_id": "UUID", "people": "SMALLINT", "admitted_by": "UUID"}
_PUBLISHED = {"id": "UUID", "type": "TEXT", "subject": "UUID", "data": "JSON"}
_ANSWERED = {
    "account_id": "UUID",
    "key": "TEXT",
    "fingerprint": "BYTEA",
    "status": "SMALLINT",
    "headers": "JSON",
    "body": DOCUMENT,
}
"""The columns of each part, with their types in PostgreSQL: what the statement is given, and nothing that it can find."""


_RARE = f"""altered AS (
        UPDATE bookings b
        SET version = given.version, state = given.state, hold_until = given.hold_until, extensions = given.extensions,
            reason = given.reason, changed_at = :now
        FROM {given("altered", _ALTERED)}
        WHERE b.id = given.id AND b.version = given.version_before
        RETURNING b.id
    ),
    walked_in AS (
        INSERT INTO walk_ins ({names(_WALKED_IN)}, admitted_at)
        SELECT {names(_WALKED_IN)}, :now FROM {given("walked_in", _WALKED_IN)}
    ),"""  # noqa: S608 - names of our own tables and columns


def _statement(*, rare: bool) -> Prepared:
    """Return the statement that keeps a batch: with what few batches need, bookings altered and walk-ins, or without."""
    return prepared(f"""
    WITH counted AS (
        UPDATE slots s
        SET taken = s.taken + given.taken, taken_counter = s.taken_counter + given.taken_counter,
            taken_walk_in = s.taken_walk_in + given.taken_walk_in
        FROM {given("counted", _COUNTED)} WHERE s.id = given.id
        RETURNING s.id, s.service_id, s.venue_id, s.kind, s.starts_at, s.ends_at
    ),
    given_booking AS MATERIALIZED (
        SELECT given.*, s.service_id, s.venue_id, s.kind, s.starts_at, s.ends_at
        FROM {given("made", _MADE)} JOIN counted s ON s.id = given.slot_id
    ),
    made AS (
        INSERT INTO bookings ({names(_MADE)}, service_id, starts_at, ends_at, created_at, changed_at)
        SELECT {names(_MADE)}, service_id, starts_at, ends_at, :now, :now FROM given_booking
        RETURNING id
    ),
    {_RARE if rare else ""}
    claimed AS (
        INSERT INTO claims ({names(_CLAIMED)}, slot_id, service_id, venue_id, kind, starts_at, ends_at)
        SELECT {names(_CLAIMED, "given.")}, b.slot_id, b.service_id, b.venue_id, b.kind, b.starts_at, b.ends_at
        FROM {given("claimed", _CLAIMED)} JOIN given_booking b ON b.id = given.booking_id
    ),
    told AS (
        INSERT INTO history ({names(_TOLD)}, at) SELECT {names(_TOLD)}, :now FROM {given("told", _TOLD)}
    ),
    published AS (
        INSERT INTO outbox ({names(_PUBLISHED)}, occurred_at)
        SELECT {names(_PUBLISHED)}, :now FROM {given("published", _PUBLISHED)} ORDER BY n
    ),
    answered AS (
        INSERT INTO idempotency ({names(_ANSWERED)}, created_at)
        SELECT account_id, key, fingerprint, status, headers, convert_to(body, 'UTF8'), :now
        FROM {given("answered", _ANSWERED)}
    )
    SELECT must_be((SELECT count(*) FROM made), :made){", must_be((SELECT count(*) FROM altered), :altered)" if rare else ""}
    """)  # noqa: S608 - names of our own tables and columns


KEEP, KEEP_NEW = _statement(rare=True), _statement(rare=False)
"""Every part of a statement is set up anew each time that it runs, whether or not there is something for it."""


async def keep(tx: AsyncConnection, ledger: Ledger) -> None:
    """Write everything that the batch decided; the caller commits.

    Raises:
        asyncpg.PostgresError: of `must_be`: a booking had changed since it was gathered, or a slot is gone.
        asyncpg.IntegrityConstraintViolationError: a constraint refuses it (a reference or a key that was just used elsewhere).
    """
    writing = _Writing.of(ledger)
    await rearrange(tx, writing.altered, ledger.slots_before, ledger.slots_after)
    await run(tx, *_call(writing, ledger))
    if writing.courses:
        await keep_steps(tx, writing.courses)
    if writing.may_meet:
        await meet_steps(tx, ledger.changes)


async def keep_and_commit(tx: AsyncConnection, ledger: Ledger, *, more_follows: bool = False) -> None:
    """Write everything that the batch decided, and commit; begin the next transaction where `more_follows`.

    Raises:
        Lost: the connection broke at the end; nobody knows what was kept.
        Exception: as `keep`; nothing was kept.
    """
    writing = _Writing.of(ledger)
    if writing.courses or writing.may_meet:  # steps come after the rest
        await keep(tx, ledger)
        await commit(tx)
        return
    await rearrange(tx, writing.altered, ledger.slots_before, ledger.slots_after)
    await run_and_commit(tx, *_call(writing, ledger), more_follows=more_follows)


@dataclass(frozen=True, slots=True)
class _Writing:
    """What is to be inserted, what updated (before and after), and which of both go through an itinerary anew."""

    made: Sequence[Booking]
    altered: Altered
    courses: Sequence[Booking]

    @classmethod
    def of(cls, ledger: Ledger) -> "_Writing":
        made, altered = _settle(ledger.changes)
        return cls(made, altered, [one for one in made if one.course is not None] + other_course(altered))

    @property
    def may_meet(self) -> bool:
        """Whether an itinerary is altered: a step of it may have been met."""
        return any(after.course is not None for _, after in self.altered)


def _call(writing: _Writing, ledger: Ledger) -> Call:
    """Return the statement that keeps this, with what it is given."""
    made, altered, walk_ins = writing.made, writing.altered, ledger.walk_ins
    claims = [row for booking in made if booking.course is None for row in _claim_rows(booking)]
    binds = {
        "now": ledger.now,
        "made": len(made),
        **columns("made", _MADE, [_made_row(booking) for booking in made]),
        **columns("claimed", _CLAIMED, claims),
        **columns("counted", _COUNTED, _counted_rows(ledger, {booking.slot_id for booking in made})),
        **columns("told", _TOLD, [_told_row(change) for change in ledger.changes]),
        **columns("published", _PUBLISHED, [_published_row(event) for event in ledger.events]),
        **columns("answered", _ANSWERED, [_answered_row(answer) for answer in ledger.answers]),
    }
    if not altered and not walk_ins:
        return KEEP_NEW, binds
    return KEEP, {
        **binds,
        "altered": len(altered),
        **columns("altered", _ALTERED, [_altered_row(before, after) for before, after in altered]),
        **columns("walked_in", _WALKED_IN, [_walk_in_row(walk_in) for walk_in in walk_ins]),
    }


def _settle(changes: Sequence[Change]) -> tuple[list[Booking], list[tuple[Booking, Booking]]]:
    """Return the bookings to insert and those to update: a booking changed twice in a batch is written once, as it ends."""
    first: dict[UUID, Booking | None] = {}
    last: dict[UUID, Booking] = {}
    for change in changes:
        first.setdefault(change.after.id, change.before)
        last[change.after.id] = change.after
    made = [last[booking_id] for booking_id, before in first.items() if before is None]
    altered = [(before, last[booking_id]) for booking_id, before in first.items() if before is not None]
    return made, altered


def _made_row(booking: Booking) -> tuple[Any, ...]:
    return (
        booking.id,
        booking.slot_id,
        booking.reference,
        booking.state,
        booking.version,
        booking.account_id,
        booking.channel,
        booking.party_kind,
        write_json(dict(booking.declarations)) if booking.declarations else b"{}",
        booking.hold_until,
        booking.extensions,
        booking.reason,
    )


def _altered_row(before: Booking, after: Booking) -> tuple[Any, ...]:
    return (
        after.id,
        after.version,
        before.version,
        after.state,
        after.hold_until,
        after.extensions,
        after.reason,
    )


def _claim_rows(booking: Booking) -> list[tuple[Any, ...]]:
    live = booking.state in LIVE
    return [(booking.id, claim.person_id, position, claim.seats, live) for position, claim in enumerate(booking.claims)]


def _counted_rows(ledger: Ledger, booked: AbstractSet[UUID]) -> list[tuple[Any, ...]]:
    """Return by how much each slot's counters change; those of `booked`, on which bookings stand, whether or not they do."""
    rows = []
    for slot_id, after in ledger.slots_after.items():
        before = ledger.slots_before[slot_id]
        if after is not before or slot_id in booked:
            more = (
                after.taken - before.taken,
                after.taken_counter - before.taken_counter,
                after.taken_walk_in - before.taken_walk_in,
            )
            if any(more) or slot_id in booked:
                rows.append((slot_id, *more))
    return rows


def _told_row(change: Change) -> tuple[Any, ...]:
    after, actor = change.after, change.actor
    return (
        after.id,
        after.version,
        change.action,
        after.state,
        actor.account_id,
        actor.role,
        after.reason,
    )


def _walk_in_row(walk_in: WalkIns) -> tuple[Any, ...]:
    return (walk_in.id, walk_in.slot_id, walk_in.people, walk_in.admitted_by)


def _published_row(event: Event) -> tuple[Any, ...]:
    return (event.id, event.type, event.subject, data_json(event))


def _answered_row(answer: Answered) -> tuple[Any, ...]:
    key = answer.key
    return (
        key.account_id,
        key.key,
        key.fingerprint,
        answer.status,
        write_json(dict(answer.headers)),
        answer.body,
    )
