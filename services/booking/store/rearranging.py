"""Rearrange: what has to stand before a batch is kept, and what nearly no batch has. Who gives up, leaves, moves, cools off.

Each is a statement of its own, in the transaction of `store.keeping`, and runs only where there is something for it.
"""

from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncConnection

from services.booking.domain.booking import LIVE, Booking
from services.booking.domain.slot import Slot
from services.booking.store.courses import give_up_steps
from services.booking.store.database import run
from services.booking.store.parts import columns, given
from shared.db import array_literal, prepared

Altered = Sequence[tuple[Booking, Booking]]
"""Bookings as they were and as they are to be."""

Slots = Mapping[UUID, Slot]


_RELEASE = prepared("UPDATE claims SET live = false WHERE booking_id = ANY(CAST(:booking_ids AS uuid[]))")
"""A statement of its own, and first: a person may take again, in the same batch, the place that a lapsed hold gives up."""

_MOVED = {"id": "UUID", "slot_id": "UUID", "live": "BOOLEAN"}
_MOVE = prepared(
    f"""
    WITH given_move AS MATERIALIZED (
        SELECT given.id, given.live, s.id AS slot_id, s.service_id, s.venue_id, s.kind, s.starts_at, s.ends_at
        FROM {given("moved", _MOVED)} JOIN slots s ON s.id = given.slot_id
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
_LEAVE = prepared(
    f"""
    WITH given_stay AS MATERIALIZED (SELECT given.* FROM {given("stayed", _STAYED)}),
    became AS (
        UPDATE bookings b SET party_kind = given.party_kind
        FROM (SELECT DISTINCT booking_id, party_kind FROM given_stay) given WHERE b.id = given.booking_id
    ),
    stayed AS (
        UPDATE claims c SET seats = given.seats
        FROM given_stay given WHERE c.booking_id = given.booking_id AND c.person_id = given.person_id
    )
    UPDATE claims c SET live = false, position = -1 - c.position
    FROM {given("left", _LEFT)} WHERE c.booking_id = given.booking_id AND c.person_id = given.person_id
    """  # noqa: S608 - names of our own tables and columns
)
"""Only for batches in which a member leaves a party: whoever leaves stays on record, below position 0, without a place."""


_COOLED = {"id": "UUID", "cooling": "TEXT"}
_COOL = prepared(
    "UPDATE slots s SET cooling = CAST(given.cooling AS timestamptz[])"  # noqa: S608 - names of our own columns
    f" FROM {given('cooled', _COOLED)} WHERE s.id = given.id"
)
"""Only for batches in which a place begins to cool off, or one that did is taken."""


def other_course(altered: Altered) -> list[Booking]:
    """Return the bookings whose itinerary takes other places than before."""
    return [after for before, after in altered if after.course is not None and after.claims != before.claims]


async def rearrange(tx: AsyncConnection, altered: Altered, slots_before: Slots, slots_after: Slots) -> None:
    """Write what has to stand before the rest: what is given up, who leaves, who moves, what cools off."""
    released = [after.id for before, after in altered if after.state not in LIVE or after.slot_id != before.slot_id]
    if released:
        await run(tx, _RELEASE, {"booking_ids": array_literal(released)})
    replanned = other_course(altered)
    if replanned:
        await give_up_steps(tx, [one.id for one in replanned])
    shrunk = [
        (before, after) for before, after in altered if after.course is None and len(after.claims) < len(before.claims)
    ]
    if shrunk:
        await run(tx, _LEAVE, _leave_binds(shrunk))
    moved = [after for before, after in altered if after.course is None and after.slot_id != before.slot_id]
    if moved:
        await run(tx, _MOVE, columns("moved", _MOVED, [(one.id, one.slot_id, one.state in LIVE) for one in moved]))
    cooled = _cooled_rows(slots_before, slots_after)
    if cooled:
        await run(tx, _COOL, columns("cooled", _COOLED, cooled))


def _leave_binds(shrunk: Sequence[tuple[Booking, Booking]]) -> dict[str, Any]:
    left, stayed = [], []
    for before, after in shrunk:
        staying = {claim.person_id for claim in after.claims}
        left += [(after.id, claim.person_id) for claim in before.claims if claim.person_id not in staying]
        stayed += [(after.id, claim.person_id, claim.seats, after.party_kind) for claim in after.claims]
    return {**columns("left", _LEFT, left), **columns("stayed", _STAYED, stayed)}


def _cooled_rows(slots_before: Slots, slots_after: Slots) -> list[tuple[UUID, str | None]]:
    rows = []
    for slot_id, after in slots_after.items():
        before = slots_before[slot_id]
        if after is not before and after.cooling != before.cooling:
            written = ",".join(back_at.isoformat() for back_at in after.cooling)
            rows.append((slot_id, f"{{{written}}}" if written else None))
    return rows
