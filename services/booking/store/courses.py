"""Bookings with several steps, in their rows: an itinerary's claims name their step, and its booking the itinerary.

Every other booking has neither, and pays for none of this: what is read here is asked for where the booking says so, and
what is written goes in statements of its own.
"""

from collections.abc import Iterable, Mapping, Sequence
from datetime import date, datetime
from itertools import groupby
from typing import Any, Final
from uuid import UUID

from sqlalchemy import Row, text
from sqlalchemy.ext.asyncio import AsyncConnection

from services.booking.domain.booking import LIVE, Booking, Claim, Course, Step
from services.booking.domain.facts import Change
from shared.db import dump_json

COURSE_COLUMNS: Final = (
    "b.itinerary_id, b.itinerary_dates, CASE WHEN b.itinerary_id IS NOT NULL THEN"
    " (SELECT json_agg(json_build_array(k.step, k.slot_id, k.service_id, k.starts_at, k.ends_at, k.met_at) ORDER BY k.position)"
    " FROM claims k WHERE k.booking_id = b.id AND k.position >= 0) END AS step_claims"
)
"""Of `bookings b`: what `claims_and_course` reads beside the people and their seats."""


def itineraries_run_out(slots: str) -> str:
    """Return a query of the itineraries whose hold has run out and that take a place in one of `slots`, an expression."""
    return (
        f"SELECT h.id FROM bookings h JOIN claims t ON t.booking_id = h.id AND t.slot_id = ANY({slots})"  # noqa: S608
        " WHERE h.state = 'held' AND h.itinerary_id IS NOT NULL AND h.hold_until <= :now"
    )


def slots_of_itineraries_run_out(slots: str) -> str:
    """Return a query of all their slots: to give back the place in the one, all of them have to be locked."""
    return f"SELECT slot_id FROM claims WHERE booking_id IN ({itineraries_run_out(slots)})"  # noqa: S608 - constants


_STEPS: Final = {
    "booking_id": "uuid",
    "slot_id": "uuid",
    "person_id": "uuid",
    "position": "smallint",
    "seats": "smallint",
    "live": "boolean",
    "step": "text",
}
_GIVEN: Final = ", ".join(f"CAST(:{column} AS {kind}[])" for column, kind in _STEPS.items())
_NAMES: Final = ", ".join(_STEPS)

_CLAIM = text(
    f"INSERT INTO claims ({_NAMES}, service_id, venue_id, kind, starts_at, ends_at)"  # noqa: S608 - our own columns
    f" SELECT {', '.join(f'given.{column}' for column in _STEPS)}, s.service_id, s.venue_id, s.kind, s.starts_at, s.ends_at"
    f" FROM unnest({_GIVEN}) AS given({_NAMES}) JOIN slots s ON s.id = given.slot_id"
)
_SPAN = text(
    "UPDATE bookings b SET itinerary_id = given.itinerary_id, itinerary_dates = given.dates, slot_id = given.slot_id,"
    " service_id = given.service_id, starts_at = given.starts_at, ends_at = given.ends_at"
    " FROM unnest(CAST(:id AS uuid[]), CAST(:itinerary_id AS text[]), CAST(:dates AS jsonb[]), CAST(:slot_id AS uuid[]),"
    " CAST(:service_id AS text[]), CAST(:starts_at AS timestamptz[]), CAST(:ends_at AS timestamptz[]))"
    " AS given(id, itinerary_id, dates, slot_id, service_id, starts_at, ends_at) WHERE b.id = given.id"
)
_MET: Final = {"booking_id": "uuid", "version": "integer", "step": "text", "at": "timestamptz", "last": "boolean"}
_MEET = text(
    "WITH given AS MATERIALIZED (SELECT * FROM unnest("  # noqa: S608 - our own columns
    f"{', '.join(f'CAST(:{column} AS {kind}[])' for column, kind in _MET.items())}) AS given({', '.join(_MET)})),"
    " met AS (UPDATE claims c SET met_at = given.at FROM given"
    " WHERE given.last AND c.booking_id = given.booking_id AND c.step = given.step)"
    " UPDATE history h SET step = given.step FROM given WHERE h.booking_id = given.booking_id AND h.version = given.version"
)
_GIVE_UP = text("DELETE FROM claims WHERE booking_id = ANY(CAST(:booking_ids AS uuid[]))")


def claims_and_course(row: Row[Any]) -> tuple[tuple[Claim, ...], Course | None]:
    """Return the claims of a booking, and how it goes through an itinerary, if it does."""
    if row.itinerary_id is None:
        slot_id = row.slot_id
        pairs = zip(row.person_ids, row.seats, strict=True)
        return tuple(Claim(slot_id=slot_id, person_id=person_id, seats=seats) for person_id, seats in pairs), None
    parts = [
        (
            *(key, UUID(slot_id), service_id, datetime.fromisoformat(starts_at), datetime.fromisoformat(ends_at)),
            None if met_at is None else datetime.fromisoformat(met_at),
        )
        for key, slot_id, service_id, starts_at, ends_at, met_at in row.step_claims
    ]
    claims = tuple(
        Claim(slot_id=part[1], person_id=person_id, seats=seats)
        for part, person_id, seats in zip(parts, row.person_ids, row.seats, strict=True)
    )
    steps = []
    for part, of_step in groupby(zip(parts, claims, strict=True), key=lambda pair: pair[0]):
        key, slot_id, service_id, starts_at, ends_at, met_at = part
        steps.append(
            Step(
                key=key,
                slot_id=slot_id,
                service_id=service_id,
                starts_at=starts_at,
                ends_at=ends_at,
                person_ids=tuple(claim.person_id for _, claim in of_step),
                met_at=met_at,
            )
        )
    return claims, Course(itinerary_id=row.itinerary_id, dates=_dates(row.itinerary_dates), steps=tuple(steps))


async def give_up_steps(tx: AsyncConnection, booking_ids: Sequence[UUID]) -> None:
    """Take away the claims of itineraries that are about to get others, in the same transaction."""
    await tx.execute(_GIVE_UP, {"booking_ids": booking_ids})


async def keep_steps(tx: AsyncConnection, bookings: Sequence[Booking]) -> None:
    """Write the claims and the span of itineraries whose rows are there already."""
    rows = [row for booking in bookings for row in _claim_rows(booking)]
    await tx.execute(_CLAIM, dict(zip(_STEPS, zip(*rows, strict=True), strict=True)))
    await tx.execute(_SPAN, _span_binds(bookings))


async def meet_steps(tx: AsyncConnection, changes: Iterable[Change]) -> None:
    """Write down, in the claims and in the history that is there already, which steps were met or taken back by these changes.

    A claim is written once, as it ends.
    """
    rows = [row for change in changes for row in _met_rows(change)]
    if not rows:
        return
    last = {(booking_id, step): version for booking_id, version, step, _ in rows}
    given = [(*row, last[row[0], row[2]] == row[1]) for row in rows]
    await tx.execute(_MEET, dict(zip(_MET, zip(*given, strict=True), strict=True)))


def _met_rows(change: Change) -> list[tuple[Any, ...]]:
    before, after = change.before, change.after
    if before is None or before.course is None or after.course is None or before.claims != after.claims:
        return []
    return [
        (after.id, after.version, step.key, step.met_at)
        for was, step in zip(before.course.steps, after.course.steps, strict=True)
        if step.met_at != was.met_at
    ]


def _claim_rows(booking: Booking) -> list[tuple[Any, ...]]:
    assert booking.course is not None
    keys = [step.key for step in booking.course.steps for _ in step.person_ids]
    live = booking.state in LIVE
    return [
        (booking.id, claim.slot_id, claim.person_id, position, claim.seats, live, key)
        for position, (claim, key) in enumerate(zip(booking.claims, keys, strict=True))
    ]


def _span_binds(bookings: Sequence[Booking]) -> dict[str, list[Any]]:
    binds: dict[str, list[Any]] = {
        name: [getattr(booking, name) for booking in bookings]
        for name in ("id", "slot_id", "service_id", "starts_at", "ends_at")
    }
    courses = [booking.course for booking in bookings if booking.course is not None]
    binds["itinerary_id"] = [course.itinerary_id for course in courses]
    binds["dates"] = [dump_json(dict(course.dates)) for course in courses]
    return binds


def _dates(stored: Mapping[str, str]) -> dict[str, date]:
    return {name: date.fromisoformat(day) for name, day in stored.items()}
