"""Keep: the only way to save a booking. Rows, history, events and idempotency answers go in one statement, or not at all.

Every part takes arrays and reads them with `unnest`, so that the statement's text never changes: PostgreSQL plans it
once, and a batch of five hundred costs little more than a batch of one.
"""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from services.booking.domain.booking import LIVE, Booking
from services.booking.domain.facts import Change
from services.booking.domain.request import Key, WalkIns
from services.booking.domain.slot import Slot
from services.booking.store.courses import give_up_steps, keep_steps, meet_steps
from services.booking.store.database import Collided
from shared.codec import data_json
from shared.contracts import Event
from shared.db import dump_json, fetch, prepared
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
_PUBLISHED = {"id": "UUID", "type": "TEXT", "subject": "UUID", "data": "JSONB"}
_ANSWERED = {
    "account_id": "UUID",
    "key": "TEXT",
    "fingerprint": "BYTEA",
    "status": "SMALLINT",
    "headers": "JSONB",
    "body": "BYTEA",
}
"""The columns of each part, with their types in PostgreSQL: what the statement is given, and nothing that it can find."""


def _given(part: str, columns: Mapping[str, str]) -> str:
    """Return the rows of a part as a FROM item called `given`, in their order."""
    arrays = ", ".join(f"CAST(:{part}_{column} AS {kind}[])" for column, kind in columns.items())
    return f"unnest({arrays}) WITH ORDINALITY AS given({_names(columns)}, n)"


def _names(columns: Iterable[str], prefix: str = "") -> str:
    return ", ".join(f"{prefix}{column}" for column in columns)


KEEP = prepared(
    f"""
    WITH given_booking AS MATERIALIZED (
        SELECT given.*, s.service_id, s.venue_id, s.kind, s.starts_at, s.ends_at
        FROM {_given("made", _MADE)} JOIN slots s ON s.id = given.slot_id
    ),
    made AS (
        INSERT INTO bookings ({_names(_MADE)}, service_id, starts_at, ends_at, created_at, changed_at)
        SELECT {_names(_MADE)}, service_id, starts_at, ends_at, :now, :now FROM given_booking
    ),
    altered AS (
        UPDATE bookings b
        SET version = given.version, state = given.state, hold_until = given.hold_until, extensions = given.extensions,
            reason = given.reason, changed_at = :now
        FROM {_given("altered", _ALTERED)}
        WHERE b.id = given.id AND b.version = given.version_before
        RETURNING b.id
    ),
    claimed AS (
        INSERT INTO claims ({_names(_CLAIMED)}, slot_id, service_id, venue_id, kind, starts_at, ends_at)
        SELECT {_names(_CLAIMED, "given.")}, b.slot_id, b.service_id, b.venue_id, b.kind, b.starts_at, b.ends_at
        FROM {_given("claimed", _CLAIMED)} JOIN given_booking b ON b.id = given.booking_id
    ),
    counted AS (
        UPDATE slots s
        SET taken = s.taken + given.taken, taken_counter = s.taken_counter + given.taken_counter,
            taken_walk_in = s.taken_walk_in + given.taken_walk_in
        FROM {_given("counted", _COUNTED)} WHERE s.id = given.id
    ),
    told AS (
        INSERT INTO history ({_names(_TOLD)}, at) SELECT {_names(_TOLD)}, :now FROM {_given("told", _TOLD)}
    ),
    walked_in AS (
        INSERT INTO walk_ins ({_names(_WALKED_IN)}, admitted_at)
        SELECT {_names(_WALKED_IN)}, :now FROM {_given("walked_in", _WALKED_IN)}
    ),
    published AS (
        INSERT INTO outbox ({_names(_PUBLISHED)}, occurred_at)
        SELECT {_names(_PUBLISHED)}, :now FROM {_given("published", _PUBLISHED)} ORDER BY n
    ),
    answered AS (
        INSERT INTO idempotency ({_names(_ANSWERED)}, created_at)
        SELECT {_names(_ANSWERED)}, :now FROM {_given("answered", _ANSWERED)}
    )
    SELECT count(*) FROM altered
    """  # noqa: S608 - names of our own tables and columns
)

_RELEASE = text("UPDATE claims SET live = false WHERE booking_id = ANY(CAST(:booking_ids AS uuid[]))")
"""A statement of its own, and first: a person may take again, in the same batch, the place that a lapsed hold gives up."""

_MOVED = {"id": "UUID", "slot_id": "UUID", "live": "BOOLEAN"}
_MOVE = text(
    f"""
    WITH given_move AS MATERIALIZED (
        SELECT given.id, given.live, s.id AS slot_id, s.service_id, s.venue_id, s.kind, s.starts_at, s.ends_at
        FROM {_given("moved", _MOVED)} JOIN slots s ON s.id = given.slot_id
    ),
    moved AS (
        UPDATE bookings b
        SET slot_id = given.slot_id, service_id = given.service_id, starts_at = given.starts_at, ends_at = given.ends_at
        FROM given_move given WHERE b.id = given.id
    )
    UPDATE claims c
    SET slot_id = given.slot_id, service_id = given.service_id, venue_id = given.venue_id, kind = given.kind,
        starts_at = given.starts_at, ends_at = given.ends_at, live = given.live
    FROM given_move given WHERE c.booking_id = given.id AND c.position >= 0
    """  # noqa: S608 - names of our own tables and columns
)
"""Only for batches with a move, after what is given up and before the rest: a claim is one row that changes its slot, so
that no moment has two of it or none. The version is checked by the statement that follows, in the same transaction."""

_LEFT = {"booking_id": "UUID", "person_id": "UUID"}
_STAYED = {"booking_id": "UUID", "person_id": "UUID", "seats": "SMALLINT", "party_kind": "TEXT"}
_LEAVE = text(
    f"""
    WITH given_stay AS MATERIALIZED (SELECT given.* FROM {_given("stayed", _STAYED)}),
    became AS (
        UPDATE bookings b SET party_kind = given.party_kind
        FROM (SELECT DISTINCT booking_id, party_kind FROM given_stay) given WHERE b.id = given.booking_id
    ),
    stayed AS (
        UPDATE claims c SET seats = given.seats
        FROM given_stay given WHERE c.booking_id = given.booking_id AND c.person_id = given.person_id
    )
    UPDATE claims c SET live = false, position = -1 - c.position
    FROM {_given("left", _LEFT)} WHERE c.booking_id = given.booking_id AND c.person_id = given.person_id
    """  # noqa: S608 - names of our own tables and columns
)
"""Only for batches in which a member leaves a party: whoever leaves stays on record, below position 0, without a place."""


_COOLED = {"id": "UUID", "cooling": "TEXT"}
_COOL = text(
    "UPDATE slots s SET cooling = CAST(given.cooling AS timestamptz[])"  # noqa: S608 - names of our own columns
    f" FROM {_given('cooled', _COOLED)} WHERE s.id = given.id"
)
"""Only for batches in which a place begins to cool off, or one that did is taken."""


async def keep(tx: AsyncConnection, ledger: Ledger) -> None:
    """Write everything that the batch decided; the caller commits.

    Raises:
        Collided: a booking had changed since it was gathered.
        asyncpg.IntegrityConstraintViolationError: a constraint refuses it (a reference or a key that was just used elsewhere).
    """
    made, altered = _settle(ledger.changes)
    other_course = [after for before, after in altered if after.course is not None and after.claims != before.claims]
    moved = [after for before, after in altered if after.course is None and after.slot_id != before.slot_id]
    released = [after.id for before, after in altered if after.state not in LIVE or after.slot_id != before.slot_id]
    if released:
        await tx.execute(_RELEASE, {"booking_ids": released})
    if other_course:
        await give_up_steps(tx, [one.id for one in other_course])
    shrunk = [
        (before, after) for before, after in altered if after.course is None and len(after.claims) < len(before.claims)
    ]
    if shrunk:
        await tx.execute(_LEAVE, _leave_binds(shrunk))
    if moved:
        await tx.execute(_MOVE, _columns("moved", _MOVED, [(one.id, one.slot_id, one.state in LIVE) for one in moved]))
    binds: dict[str, Any] = {"now": ledger.now}
    binds |= _columns("made", _MADE, [_made_row(booking) for booking in made])
    binds |= _columns("altered", _ALTERED, [_altered_row(before, after) for before, after in altered])
    binds |= _columns(
        "claimed", _CLAIMED, [row for booking in made if booking.course is None for row in _claim_rows(booking)]
    )
    binds |= _columns("counted", _COUNTED, _counted_rows(ledger))
    binds |= _columns("told", _TOLD, [_told_row(change) for change in ledger.changes])
    binds |= _columns("walked_in", _WALKED_IN, [_walk_in_row(walk_in) for walk_in in ledger.walk_ins])
    binds |= _columns("published", _PUBLISHED, [_published_row(event) for event in ledger.events])
    binds |= _columns("answered", _ANSWERED, [_answered_row(answer) for answer in ledger.answers])
    count = (await fetch(tx, KEEP, binds))[0][0]
    if count != len(altered):
        raise Collided
    cooled = _cooled_rows(ledger)
    if cooled:
        await tx.execute(_COOL, _columns("cooled", _COOLED, cooled))
    courses = [one for one in made if one.course is not None] + other_course
    if courses:
        await keep_steps(tx, courses)
    if any(after.course is not None for _, after in altered):
        await meet_steps(tx, ledger.changes)


def _columns(part: str, columns: Iterable[str], rows: Sequence[tuple[Any, ...]]) -> dict[str, Sequence[Any]]:
    names = [f"{part}_{column}" for column in columns]
    if not rows:
        return dict.fromkeys(names, ())
    return dict(zip(names, zip(*rows, strict=True), strict=True))


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
        booking.state.value,
        booking.version,
        booking.account_id,
        booking.channel.value,
        booking.party_kind,
        dump_json(booking.declarations) if booking.declarations else "{}",
        booking.hold_until,
        booking.extensions,
        booking.reason,
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
    )


def _claim_rows(booking: Booking) -> list[tuple[Any, ...]]:
    live = booking.state in LIVE
    return [(booking.id, claim.person_id, position, claim.seats, live) for position, claim in enumerate(booking.claims)]


def _leave_binds(shrunk: Sequence[tuple[Booking, Booking]]) -> dict[str, Any]:
    left, stayed = [], []
    for before, after in shrunk:
        staying = {claim.person_id for claim in after.claims}
        left += [(after.id, claim.person_id) for claim in before.claims if claim.person_id not in staying]
        stayed += [(after.id, claim.person_id, claim.seats, after.party_kind) for claim in after.claims]
    return _columns("left", _LEFT, left) | _columns("stayed", _STAYED, stayed)


def _counted_rows(ledger: Ledger) -> list[tuple[Any, ...]]:
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


def _cooled_rows(ledger: Ledger) -> list[tuple[UUID, str | None]]:
    rows = []
    for slot_id, after in ledger.slots_after.items():
        before = ledger.slots_before[slot_id]
        if after is not before and after.cooling != before.cooling:
            written = ",".join(back_at.isoformat() for back_at in after.cooling)
            rows.append((slot_id, f"{{{written}}}" if written else None))
    return rows


def _told_row(change: Change) -> tuple[Any, ...]:
    after, actor = change.after, change.actor
    return (
        after.id,
        after.version,
        change.action,
        after.state.value,
        actor.account_id,
        actor.role,
        after.reason,
    )


def _walk_in_row(walk_in: WalkIns) -> tuple[Any, ...]:
    return (walk_in.id, walk_in.slot_id, walk_in.people, walk_in.admitted_by)


def _published_row(event: Event) -> tuple[Any, ...]:
    return (event.id, event.type.value, event.subject, data_json(event))


def _answered_row(answer: Answered) -> tuple[Any, ...]:
    key = answer.key
    return (key.account_id, key.key, key.fingerprint, answer.status, dump_json(dict(answer.headers)), answer.body)
