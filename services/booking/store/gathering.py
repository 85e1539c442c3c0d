"""Gather: everything that a batch's decisions depend on, read under the locks of whatever it may change.

The law: slots are locked first, in id order; then people, in id order; and only then is anything read that depends on
them, in a later statement. So no two processes can wait for each other in a circle, and what is read after the lock is
what the holders before it have committed.

A slot's lock guards its places: all changes of a booking go through the locks of all its slots, bookings themselves need
none. A booking that is moved goes through the locks of its old slots and its new ones. If it was moved between the look
at its slots and the lock, the wrong slots are locked: that is found out after the lock, and the request is taken up
again by itself. So it is where an itinerary's hold runs out in between and would give back a place that is asked for.

A person's lock guards what is counted over slots: clashes and limits. Nobody takes a place for a person, by a booking or
by a move, without it; without it two processes would book one person into two slots at one time, each under the lock of
its own slot. Only giving a place back (a hold that runs out) does without: it makes room and takes none.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import Row, text
from sqlalchemy.ext.asyncio import AsyncConnection

from services.booking.domain.booking import Booking, Channel, State
from services.booking.domain.facts import Companion, Facts, LiveClaim
from services.booking.domain.policy import DocumentType
from services.booking.domain.request import Key
from services.booking.domain.slot import Slot
from services.booking.domain.zone import at_local, local_day, week_of
from services.booking.store.barred import BARS_OF_PERSON, bars_of
from services.booking.store.courses import (
    COURSE_COLUMNS,
    ITINERARIES_RUN_OUT,
    SLOTS_OF_ITINERARIES_RUN_OUT,
    claims_and_course,
)
from services.booking.store.database import Collided
from services.booking.store.idempotency import ANSWER_COLUMNS, ANSWERS_UNDER_KEYS, answered_of, keys_binds
from services.booking.store.keeping import Answered
from shared.db import Prepared, fetch, prepared

SLOT_COLUMNS = (
    "id, service_id, venue_id, kind, district_id, starts_at, ends_at, bookable_from, bookable_until, capacity, taken,"
    " kept_counter, taken_counter, kept_walk_in, taken_walk_in, closed IS NOT NULL AS closed, drawn_in IS NOT NULL AS drawn,"
    " cooling, later"
)

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

_TOUCHED = (
    "ARRAY(SELECT unnest(CAST(:slot_ids AS uuid[]))"  # noqa: S608 - constants
    " UNION SELECT slot_id FROM claims WHERE booking_id = ANY(CAST(:booking_ids AS uuid[])) AND position >= 0"
    f" UNION {SLOTS_OF_ITINERARIES_RUN_OUT})"
)
_WAITED = "EXISTS (SELECT FROM waitlist_wishes w WHERE w.service_id = slots.service_id) AS waited"
_SLOTS = f"SELECT {SLOT_COLUMNS}, {_WAITED} FROM slots WHERE id = ANY({_TOUCHED}) ORDER BY id"  # noqa: S608 - constants
_PEOPLE = (
    "SELECT id FROM persons WHERE id = ANY(ARRAY(SELECT unnest(CAST(:person_ids AS uuid[]))"
    " UNION SELECT person_id FROM claims WHERE booking_id = ANY(CAST(:booking_ids AS uuid[]))))"
    # a condition on all of the slots holds back the first person until the last slot is locked
    " AND (SELECT count(*) FROM slot) > 0 ORDER BY id"
)
LOCK = prepared(
    f"WITH slot AS MATERIALIZED ({_SLOTS} FOR NO KEY UPDATE), person AS MATERIALIZED ({_PEOPLE} FOR NO KEY UPDATE)"  # noqa: S608 - constants
    " SELECT * FROM slot WHERE (SELECT count(*) FROM person) >= 0 ORDER BY id"
)
"""Rows are locked, not numbers (`pg_advisory_xact_lock`): of those PostgreSQL holds so many and no more."""

LOCK_SLOTS_ALONE = prepared(f"{_SLOTS} FOR NO KEY UPDATE")
READ_SLOTS_UNLOCKED = prepared(_SLOTS)
"""Only for the controls of the race tests: they show what happens when a lock is taken out."""

_BOOKINGS = text(
    f"SELECT {BOOKING_COLUMNS} FROM bookings b {CLAIMS_OF_BOOKING} WHERE b.id = ANY(CAST(:booking_ids AS uuid[]))"  # noqa: S608
)

_COMPANIONS = (
    "FROM unnest(CAST(:account_ids AS uuid[]), CAST(:person_ids AS uuid[])) AS asked(account_id, person_id)"
    " JOIN account_people a USING (account_id, person_id) JOIN persons p ON p.id = a.person_id"
    " WHERE a.removed_at IS NULL OR asked.account_id = ANY(CAST(:owner_ids AS uuid[]))"
)
_COMPANION = f"a.account_id, p.id, p.document_type, p.birth_date, a.relation, a.name_masked, {BARS_OF_PERSON}"
_READ_COMPANIONS = text(f"SELECT {_COMPANION} {_COMPANIONS}")

_CLAIM = (
    "c.person_id, c.booking_id, b.reference, b.account_id, c.slot_id, c.service_id, c.venue_id, c.kind, c.starts_at,"
    " c.ends_at"
)

FACTS = prepared(
    f"""
    SELECT
        (SELECT version FROM catalogue_version) AS catalogue_version,
        ARRAY(
            SELECT id FROM bookings
            WHERE slot_id = ANY(CAST(:slot_ids AS uuid[])) AND state = 'held' AND hold_until <= :now
                AND itinerary_id IS NULL AND id <> ALL(CAST(:booking_ids AS uuid[]))
            UNION {ITINERARIES_RUN_OUT} AND h.id <> ALL(CAST(:booking_ids AS uuid[]))
        ) AS ran_out,
        ARRAY(SELECT ROW({_COMPANION}) {_COMPANIONS}) AS companions,
        ARRAY(
            SELECT ROW({_CLAIM}) FROM claims c JOIN bookings b ON b.id = c.booking_id
            WHERE c.live AND c.person_id = ANY(CAST(:claimant_ids AS uuid[])) AND c.starts_at >= :since
                AND c.starts_at < :until AND NOT (b.state = 'held' AND b.hold_until <= :now)
        ) AS claims,
        ARRAY(
            SELECT ROW(a.id, a.contact, (
                SELECT count(*) FROM bookings h
                WHERE h.account_id = a.id AND h.state = 'held' AND h.hold_until > :now
            ))
            FROM accounts a WHERE a.id = ANY(CAST(:account_ids AS uuid[]))
        ) AS accounts,
        ARRAY(SELECT ROW({ANSWER_COLUMNS}) {ANSWERS_UNDER_KEYS}) AS answers
    """  # noqa: S608 - constants
)
"""One round trip for all that nearly every batch needs: each part is a list of rows, and costs little where it is empty."""

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
class Wanted:
    """What a batch names: slots to claim, bookings to alter, the people whom accounts want to bring, idempotency keys.

    `moving_ids` are those of the bookings to alter whose people take new places: what else they have is asked, too.
    """

    slot_ids: Collection[UUID]
    booking_ids: Collection[UUID]
    people: Collection[tuple[UUID, UUID]]
    now: datetime
    moving_ids: Collection[UUID] = ()
    keys: Sequence[Key] = ()


@dataclass(frozen=True, slots=True)
class Gathered:
    """What was found beside the facts: the catalogue's version (0 where none was loaded), and earlier answers by key."""

    catalogue_version: int
    answers: Mapping[tuple[UUID, str], Answered]


async def take_locks(tx: AsyncConnection, wanted: Wanted, statement: Prepared = LOCK) -> list[Slot]:
    """Lock what is named and return the slots: them and those of the bookings, then all the people, each in id order."""
    binds = {
        "slot_ids": list(wanted.slot_ids),
        "booking_ids": list(wanted.booking_ids),
        "person_ids": [person_id for _, person_id in wanted.people],
        "now": wanted.now,
    }
    return [_slot_of_record(record) for record in await fetch(tx, statement, binds)]


async def gather(tx: AsyncConnection, wanted: Wanted, facts: Facts) -> Gathered:
    """Fill `facts`, whose slots are already locked: bookings, people, their other claims, accounts.

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
    found = await _read_facts(tx, asked, facts)
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
    """Add to `facts` what `FACTS` finds, and return its record."""
    owners = {booking.account_id for booking in asked.bookings}
    pairs = {(booking.account_id, claim.person_id) for booking in asked.bookings for claim in booking.claims}
    pairs.update(asked.people)
    since, until = _weeks(slot.starts_at for slot in facts.slots.values()) if facts.slots else (facts.now, facts.now)
    binds = {
        "slot_ids": list(facts.slots),
        "booking_ids": list(facts.bookings),
        "account_ids": [account_id for account_id, _ in pairs],
        "person_ids": [person_id for _, person_id in pairs],
        "owner_ids": list(owners),
        "claimant_ids": list(asked.claimants),
        "since": since,
        "until": until,
        "now": facts.now,
        **keys_binds(asked.keys),
    }
    found: Mapping[str, Any] = (await fetch(tx, FACTS, binds))[0]
    for account_id, *companion in found["companions"]:
        facts.companions[account_id, companion[0]] = _companion(companion)
    for person_id, *claim in found["claims"]:
        facts.claims.setdefault(person_id, []).append(LiveClaim(**dict(zip(_CLAIM_FIELDS, claim, strict=True))))
    for account_id, contact, held in found["accounts"]:
        facts.contacts[account_id], facts.held[account_id] = contact, held
    return found


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
    await _read_facts(tx, _Asked((), people, claimants), facts)
    facts.held |= held


async def _add_holds_that_ran_out(
    tx: AsyncConnection, booking_ids: Collection[UUID], wanted: Wanted, facts: Facts
) -> None:
    """Add to `facts` the holds on locked slots that have run out, with whom they belong to."""
    bookings = _standing(await _read_bookings(tx, booking_ids), wanted, facts.slots)
    facts.bookings |= {booking.id: booking for booking in bookings}
    await _read_facts(tx, _Asked(bookings), facts)


async def _read_bookings(tx: AsyncConnection, booking_ids: Collection[UUID]) -> list[Booking]:
    return [booking_of(row) for row in await tx.execute(_BOOKINGS, {"booking_ids": list(booking_ids)})]


async def read_companions(
    connection: AsyncConnection, pairs: Iterable[tuple[UUID, UUID]], owners: Collection[UUID] = ()
) -> dict[tuple[UUID, UUID], Companion]:
    """Read the people of accounts, by (account, person). Someone removed from the list still belongs to the bookings of `owners`."""
    account_ids, person_ids = zip(*pairs, strict=True)
    rows = await connection.execute(
        _READ_COMPANIONS, {"account_ids": account_ids, "person_ids": person_ids, "owner_ids": list(owners)}
    )
    return {(account_id, companion[0]): _companion(companion) for account_id, *companion in rows}


def _companion(row: Sequence[Any]) -> Companion:
    person_id, document_type, birth_date, relation, name_masked, bars = row
    return Companion(
        person_id=person_id,
        document_type=DocumentType(document_type),
        birth_date=birth_date,
        relation=relation,
        name_masked=name_masked,
        bars=() if bars is None else bars_of(bars),
    )


_CLAIM_FIELDS = tuple(LiveClaim.__dataclass_fields__)


def _weeks(moments: Iterable[datetime]) -> tuple[datetime, datetime]:
    days = sorted({local_day(moment) for moment in moments})
    midnight = datetime.min.time()
    return (
        at_local(week_of(days[0])[0], midnight),
        at_local(week_of(days[-1])[1] + timedelta(days=1), midnight),
    )


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


def _slot_of_record(record: Mapping[str, Any]) -> Slot:
    values = dict(record)
    values["cooling"] = tuple(values["cooling"] or ())
    values["later"] = _portions(values["later"])
    return Slot(**values)


def _portions(document: Sequence[tuple[str, int]] | None) -> tuple[tuple[datetime, int], ...]:
    """Return the portions that are released later, as `store.slots.portions_document` wrote them."""
    return tuple((datetime.fromisoformat(at), places) for at, places in document) if document else ()


def slot_of(row: Row[Any]) -> Slot:
    """Make a slot of a row that has `SLOT_COLUMNS`."""
    return Slot(
        id=row.id,
        service_id=row.service_id,
        venue_id=row.venue_id,
        kind=row.kind,
        district_id=row.district_id,
        starts_at=row.starts_at,
        ends_at=row.ends_at,
        bookable_from=row.bookable_from,
        bookable_until=row.bookable_until,
        capacity=row.capacity,
        taken=row.taken,
        kept_counter=row.kept_counter,
        taken_counter=row.taken_counter,
        kept_walk_in=row.kept_walk_in,
        taken_walk_in=row.taken_walk_in,
        closed=row.closed,
        drawn=row.drawn,
        cooling=tuple(row.cooling) if row.cooling else (),
        later=_portions(row.later),
    )


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
