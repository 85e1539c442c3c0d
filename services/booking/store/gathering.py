"""Gather: everything that a batch's decisions depend on, read under the locks of whatever it may change.

What is locked and why is `store.locking`'s; here it is read, and always in a later statement, so that what is read is what
the holders before have committed. A booking may have been moved between the look at its slots and the lock, so that the
wrong slots are locked: that is found out here, and the request is taken up again by itself. So it is where an itinerary's
hold runs out in between and would give back a place that is asked for.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, fields
from datetime import datetime
from operator import attrgetter
from typing import Any
from uuid import UUID

from sqlalchemy import Row, text
from sqlalchemy.ext.asyncio import AsyncConnection

from services.booking.domain.booking import Booking, Channel, State
from services.booking.domain.facts import Companion, Facts
from services.booking.domain.request import Key
from services.booking.domain.slot import Slot
from services.booking.domain.zone import VENUE_ZONE
from services.booking.store.courses import (
    COURSE_COLUMNS,
    claims_and_course,
    itineraries_run_out,
)
from services.booking.store.database import Collided, begin_and_fetch
from services.booking.store.idempotency import ANSWER_COLUMNS, ANSWERS_UNDER_KEYS, answered_of, keys_binds
from services.booking.store.keeping import Answered
from services.booking.store.locking import LOCK, LOCKED, Lock, Wanted, locking
from services.booking.store.rows import CLAIM, COMPANION, claim_in, companion_in, slot_in
from shared.db import Prepared, array_literal, fetch, prepared

_SLOT_VALUES: Mapping[str, str] = {name: name for name in (one.name for one in fields(Slot)) if name != "waited"} | {
    "closed": "closed IS NOT NULL",
    "drawn": "drawn_in IS NOT NULL",
}
SLOT_COLUMNS = ", ".join(name if name == column else f"{column} AS {name}" for name, column in _SLOT_VALUES.items())

BOOKING_COLUMNS = (
    "b.id, b.reference, b.state, b.version, b.service_id, b.slot_id, b.starts_at, b.ends_at, b.account_id, b.channel,"
    " b.party_kind, b.declarations, b.hold_until, b.extensions, b.created_at, b.changed_at, b.reason,"
    f" c.person_ids, c.seats, {COURSE_COLUMNS}"
)

CLAIMS_OF_BOOKING = (
    "CROSS JOIN LATERAL (SELECT array_agg(person_id ORDER BY position) AS person_ids,"
    " array_agg(seats ORDER BY position) AS seats FROM claims WHERE booking_id = b.id"
    " AND position >= 0) c"
)

_WAITED = "EXISTS (SELECT FROM waitlist_wishes w WHERE w.service_id = slots.service_id) AS waited"
_READ_LOCKED = f"SELECT {SLOT_COLUMNS}, {_WAITED} FROM slots WHERE id = ANY({LOCKED}) ORDER BY id"  # noqa: S608 - constants
_LOCKED_SLOTS = prepared(f"SELECT ARRAY(SELECT ROW(slot.*) FROM ({_READ_LOCKED}) slot)")  # noqa: S608 - constants

_UUIDS = "CAST(CAST(:{} AS text) AS uuid[])"
"""UUIDs that come as a literal; see `shared.db.array_literal`."""

_BOOKINGS = text(
    f"SELECT {BOOKING_COLUMNS} FROM bookings b {CLAIMS_OF_BOOKING} WHERE b.id = ANY(CAST(:booking_ids AS uuid[]))"  # noqa: S608
)

_COMPANIONS = (
    f"FROM unnest({_UUIDS.format('account_ids')}, {_UUIDS.format('person_ids')}) AS asked(account_id, person_id)"
    " JOIN account_people a USING (account_id, person_id) JOIN persons p ON p.id = a.person_id"
    f" WHERE a.removed_at IS NULL OR asked.account_id = ANY({_UUIDS.format('owner_ids')})"
)
_READ_COMPANIONS = text(f"SELECT {COMPANION} {_COMPANIONS}")


def _facts(slots: str, slot: str, read: str) -> Prepared:
    """Return the statement that finds the facts about some slots.

    Args:
        slots: an expression, the ids of the slots.
        slot: a query of the slots, for `read` and for their times.
        read: what of `slot` goes into the answer.
    """
    return prepared(f"""
    WITH slot AS MATERIALIZED ({slot}), span AS MATERIALIZED (
        SELECT date_trunc('week', min(starts_at), '{VENUE_ZONE.key}') AS since,
            date_trunc('week', max(starts_at), '{VENUE_ZONE.key}') + interval '7 days' AS until
        FROM slot
    )
    SELECT
        {read} AS slots,
        (SELECT version FROM catalogue_version) AS catalogue_version,
        ARRAY(
            SELECT id FROM bookings
            WHERE slot_id = ANY({slots}) AND state = 'held' AND hold_until <= :now
                AND itinerary_id IS NULL AND id <> ALL({_UUIDS.format("booking_ids")})
            UNION {itineraries_run_out(slots)} AND h.id <> ALL({_UUIDS.format("booking_ids")})
        ) AS ran_out,
        ARRAY(SELECT ROW({COMPANION}) {_COMPANIONS}) AS companions,
        ARRAY(
            SELECT ROW({CLAIM}) FROM claims c JOIN bookings b ON b.id = c.booking_id
            WHERE c.live AND c.person_id = ANY({_UUIDS.format("claimant_ids")})
                AND c.starts_at >= (SELECT since FROM span) AND c.starts_at < (SELECT until FROM span)
                AND NOT (b.state = 'held' AND b.hold_until <= :now)
        ) AS claims,
        ARRAY(
            SELECT ROW(a.id, a.contact, (
                SELECT count(*) FROM bookings h
                WHERE h.account_id = a.id AND h.state = 'held' AND h.hold_until > :now
            ))
            FROM accounts a WHERE a.id = ANY({_UUIDS.format("account_ids")})
        ) AS accounts,
        ARRAY(SELECT ROW({ANSWER_COLUMNS}) {ANSWERS_UNDER_KEYS}) AS answers
    """)  # noqa: S608 - constants


_NAMED = _UUIDS.format("slot_ids")
FACTS = _facts(_NAMED, f"SELECT starts_at FROM slots WHERE id = ANY({_NAMED})", "NULL")  # noqa: S608 - constants
FACTS_OF_LOCKED = _facts(LOCKED, _READ_LOCKED, "ARRAY(SELECT ROW(slot.*) FROM slot)")
"""One round trip for all that nearly every batch needs: each part is a list of rows, and costs little where it is empty."""
_SLOT_LIST = "slots record[]"
_FACT_LISTS = (
    f"{_SLOT_LIST}, catalogue_version bigint, ran_out uuid[], companions record[], claims record[], accounts record[],"
    " answers record[]"
)
"""The columns of their answers, for `begin_and_fetch`."""

ONLINE_FREE = "capacity - taken - greatest(0, kept_counter - taken_counter) - greatest(0, kept_walk_in - taken_walk_in)"
RELEASED_LATER = (
    "(SELECT coalesce(sum(CAST(portion ->> 1 AS integer)), 0) FROM jsonb_array_elements(later) AS portions(portion)"
    " WHERE CAST(portion ->> 0 AS timestamptz) > :now)"
)
WARM = (
    f"(cooling IS NULL AND later IS NULL OR {ONLINE_FREE}"  # noqa: S608
    " - (SELECT count(*) FROM unnest(cooling) AS back(at) WHERE back.at > :now)"
    f" - {RELEASED_LATER} >= {{places}})"
)
"""Whether places are left beside those that cool off or are released later. Nearly no slot has any of the former."""

_NEAREST = text(
    f"SELECT asked.id AS full_slot_id, free.* FROM slots asked CROSS JOIN LATERAL (SELECT {SLOT_COLUMNS} FROM slots s"  # noqa: S608
    f" WHERE s.service_id = asked.service_id AND s.is_open AND s.drawn_in IS NULL AND {WARM.format(places=1)}"
    " AND s.starts_at > :now AND s.bookable_from <= :now"
    " AND s.bookable_until > :now AND s.id <> asked.id"
    " AND s.starts_at BETWEEN asked.starts_at - interval '14 days' AND asked.starts_at + interval '14 days'"
    " ORDER BY abs(extract(epoch FROM s.starts_at - asked.starts_at)), s.starts_at LIMIT 3) free"
    " WHERE asked.id = ANY(CAST(:slot_ids AS uuid[]))"
)


@dataclass(frozen=True, slots=True)
class Gathered:
    """What was found beside the facts: the catalogue's version (0 where none was loaded), and earlier answers by key."""

    catalogue_version: int
    answers: Mapping[tuple[UUID, str], Answered]


async def lock_and_gather(tx: AsyncConnection, wanted: Wanted, facts: Facts, lock: Lock = LOCK) -> Gathered:
    """Begin the transaction, lock what is named, and fill `facts` with the slots that are locked and what `gather` finds.

    Raises:
        Collided: as `gather`.
    """
    first = locking(wanted, lock)
    if wanted.booking_ids:  # whether they still stand in these slots is asked before anything else
        _put_slots(facts, (await begin_and_fetch(tx, first, (_LOCKED_SLOTS, {}), _SLOT_LIST))["slots"])
        return await gather(tx, wanted, facts)
    asked = _Asked((), wanted.people, {person_id for _, person_id in wanted.people}, wanted.keys)
    found = await begin_and_fetch(tx, first, (FACTS_OF_LOCKED, _binds(asked, facts)), _FACT_LISTS)
    _put_slots(facts, found["slots"])
    return await _complete(tx, wanted, facts, found)


async def gather(tx: AsyncConnection, wanted: Wanted, facts: Facts) -> Gathered:
    """Fill `facts`, whose slots are there already: bookings, people, their other claims, accounts.

    Raises:
        Collided: a booking was moved away while its slots' locks were waited for, or an itinerary's hold ran out.
    """
    named = await _read_bookings(tx, wanted.booking_ids) if wanted.booking_ids else []
    bookings = _standing(named, wanted, facts.slots)
    facts.bookings = {booking.id: booking for booking in bookings}
    moving = {
        claim.person_id for one in wanted.moving_ids if one in facts.bookings for claim in facts.bookings[one].claims
    }
    asked = _Asked(bookings, wanted.people, moving.union(person_id for _, person_id in wanted.people), wanted.keys)
    return await _complete(tx, wanted, facts, await _read_facts(tx, asked, facts))


async def _complete(tx: AsyncConnection, wanted: Wanted, facts: Facts, found: Mapping[str, Any]) -> Gathered:
    """Put what was `found` into `facts`, and the holds that have run out with it."""
    _put(facts, found)
    if found["ran_out"]:
        await _add_holds_that_ran_out(tx, found["ran_out"], wanted, facts)
    for booking in facts.bookings.values():
        if booking.state is State.HELD and booking.state_at(facts.now) is State.LAPSED:
            facts.held[booking.account_id] += 1  # it is not counted any more, and is taken off when it lapses
    answers = {(one[0], one[1]): answered_of(one) for one in found["answers"]}
    return Gathered(found["catalogue_version"] or 0, answers)


@dataclass(frozen=True, slots=True)
class _Asked:
    """Whose facts are read: the parties of `bookings`, and `people`; what `claimants` have elsewhere; answers to `keys`."""

    bookings: Sequence[Booking]
    people: Collection[tuple[UUID, UUID]] = ()
    claimants: Collection[UUID] = ()
    keys: Sequence[Key] = ()


async def _read_facts(tx: AsyncConnection, asked: _Asked, facts: Facts) -> Mapping[str, Any]:
    found: Mapping[str, Any] = (await fetch(tx, FACTS, _binds(asked, facts)))[0]
    return found


def _binds(asked: _Asked, facts: Facts) -> Mapping[str, Any]:
    owners = {booking.account_id for booking in asked.bookings}
    pairs = {(booking.account_id, claim.person_id) for booking in asked.bookings for claim in booking.claims}
    pairs.update(asked.people)
    return {
        "slot_ids": array_literal(list(facts.slots)),
        "booking_ids": array_literal(list(facts.bookings)),
        "account_ids": array_literal([account_id for account_id, _ in pairs]),
        "person_ids": array_literal([person_id for _, person_id in pairs]),
        "owner_ids": array_literal(list(owners)),
        "claimant_ids": array_literal(list(asked.claimants)),
        "now": facts.now,
        **keys_binds(asked.keys),
    }


def _put(facts: Facts, found: Mapping[str, Any]) -> None:
    """Add to `facts` who was found, what they have elsewhere, and their accounts."""
    for row in found["companions"]:
        account_id, companion = companion_in(row)
        facts.companions[account_id, companion.person_id] = companion
    for row in found["claims"]:
        person_id, claim = claim_in(row)
        facts.claims.setdefault(person_id, []).append(claim)
    for account_id, contact, held in found["accounts"]:
        facts.contacts[account_id], facts.held[account_id] = contact, held


async def gather_people(tx: AsyncConnection, people: Collection[tuple[UUID, UUID]], facts: Facts) -> None:
    """Add to `facts` others who may be given a place: who they are, what they have elsewhere, how to reach their accounts.

    Nothing may be decided before; whose places another process must not give meanwhile is locked by the caller.
    """
    if not people:
        return
    claimants = {person_id for _, person_id in people}
    for person_id in claimants:
        facts.claims.pop(person_id, None)
    held = dict(facts.held)
    _put(facts, await _read_facts(tx, _Asked((), people, claimants), facts))
    facts.held |= held


async def _add_holds_that_ran_out(
    tx: AsyncConnection, booking_ids: Collection[UUID], wanted: Wanted, facts: Facts
) -> None:
    """Add to `facts` the holds on locked slots that have run out, with whom they belong to."""
    bookings = _standing(await _read_bookings(tx, booking_ids), wanted, facts.slots)
    facts.bookings |= {booking.id: booking for booking in bookings}
    _put(facts, await _read_facts(tx, _Asked(bookings), facts))


async def _read_bookings(tx: AsyncConnection, booking_ids: Collection[UUID]) -> list[Booking]:
    return [booking_of(row) for row in await tx.execute(_BOOKINGS, {"booking_ids": list(booking_ids)})]


async def read_companions(
    connection: AsyncConnection, pairs: Iterable[tuple[UUID, UUID]], owners: Collection[UUID] = ()
) -> dict[tuple[UUID, UUID], Companion]:
    """Read the people of accounts, by (account, person). Someone removed from the list still belongs to the bookings of `owners`."""
    account_ids, person_ids = zip(*pairs, strict=True)
    binds = {"account_ids": account_ids, "person_ids": person_ids, "owner_ids": list(owners)}
    rows = await connection.execute(_READ_COMPANIONS, {name: array_literal(ids) for name, ids in binds.items()})
    return {(account_id, one.person_id): one for account_id, one in map(companion_in, rows)}


async def nearest_free(tx: AsyncConnection, slot_ids: Collection[UUID], now: datetime) -> dict[UUID, list[Slot]]:
    """Return, for each slot, up to three slots of its service that can be booked now, nearest in time first."""
    nearest: dict[UUID, list[Slot]] = {slot_id: [] for slot_id in slot_ids}
    rows = await tx.execute(_NEAREST, {"slot_ids": list(slot_ids), "now": now})
    for row in rows:
        nearest[row.full_slot_id].append(slot_of(row))
    return nearest


def _standing(bookings: Iterable[Booking], wanted: Wanted, locked: Mapping[UUID, Slot]) -> list[Booking]:
    """Return the bookings whose slots are all locked, and leave out an itinerary that ran out and is in nobody's way.

    Raises:
        Collided: a booking that is named, or a hold that ran out in a slot that is asked for, has slots not locked.
    """
    standing = []
    for booking in bookings:
        if all(slot_id in locked for slot_id, _ in booking.places):
            standing.append(booking)
        elif booking.id in wanted.booking_ids or any(slot_id in wanted.slot_ids for slot_id, _ in booking.places):
            raise Collided
    return standing


def _put_slots(facts: Facts, rows: Iterable[Sequence[Any]]) -> None:
    for row in rows:
        facts.slots[row[0]] = slot_in(row)


_values_of_slot = attrgetter(*_SLOT_VALUES)


def slot_of(row: Row[Any]) -> Slot:
    """Make a slot of a row that has `SLOT_COLUMNS`."""
    return slot_in((*_values_of_slot(row), False))


def booking_of(row: Row[Any]) -> Booking:
    """Make a booking of a row that has `BOOKING_COLUMNS`."""
    claims, course = claims_and_course(row)
    return Booking(
        id=row.id,
        reference=row.reference,
        state=State(row.state),
        version=row.version,
        service_id=row.service_id,
        slot_id=row.slot_id,
        starts_at=row.starts_at,
        ends_at=row.ends_at,
        account_id=row.account_id,
        channel=Channel(row.channel),
        party_kind=row.party_kind,
        claims=claims,
        declarations=row.declarations if isinstance(row.declarations, dict) else {},
        hold_until=row.hold_until,
        extensions=row.extensions,
        created_at=row.created_at,
        changed_at=row.changed_at,
        reason=row.reason,
        course=course,
    )
