"""Gather: everything that a batch's decisions depend on, read under the locks of every slot it may change.

The law: slots are locked first, in id order, before anything that depends on them is read. So no two processes can
wait for each other in a circle, and each statement after the lock sees what the holders before it have committed.
All changes of a booking go through the lock of its slot; bookings themselves need none. A booking that is moved goes
through the locks of both its slots. If it was moved between the look at its slot and the lock, the wrong slot is
locked: that is found out after the lock, and the request is taken up again by itself.
"""

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import Row, TextClause, text
from sqlalchemy.ext.asyncio import AsyncConnection

from services.booking.domain.booking import Booking, Channel, Claim, State
from services.booking.domain.facts import Companion, Facts, LiveClaim
from services.booking.domain.policy import DocumentType
from services.booking.domain.slot import Slot
from services.booking.domain.zone import at_local, local_day, week_of
from services.booking.store.database import Collided

SLOT_COLUMNS = (
    "id, service_id, venue_id, kind, district_id, starts_at, ends_at, bookable_from, bookable_until, capacity, taken,"
    " kept_counter, taken_counter, kept_walk_in, taken_walk_in, closed IS NOT NULL AS closed, drawn_in IS NOT NULL AS drawn"
)

BOOKING_COLUMNS = (
    "b.id, b.reference, b.state, b.version, b.service_id, b.slot_id, b.starts_at, b.ends_at, b.account_id, b.channel,"
    " b.party_kind, b.declarations, b.hold_until, b.extensions, b.created_at, b.changed_at, b.reason,"
    " c.person_ids, c.seats"
)

CLAIMS_OF_BOOKING = (
    "CROSS JOIN LATERAL (SELECT array_agg(person_id ORDER BY position) AS person_ids,"
    " array_agg(seats ORDER BY position) AS seats FROM claims WHERE booking_id = b.id"
    " AND position >= 0) c"
)

_TOUCHED = (
    "ARRAY(SELECT unnest(CAST(:slot_ids AS uuid[]))"
    " UNION SELECT slot_id FROM bookings WHERE id = ANY(CAST(:booking_ids AS uuid[])))"
)
_SELECT_SLOTS = (
    f"SELECT {SLOT_COLUMNS}, (SELECT version FROM catalogue_version) AS catalogue_version"  # noqa: S608 - constants
    f" FROM slots WHERE id = ANY({_TOUCHED}) ORDER BY id"
)
LOCK_SLOTS = text(f"{_SELECT_SLOTS} FOR NO KEY UPDATE")
READ_SLOTS_UNLOCKED = text(_SELECT_SLOTS)
"""Only for the control of the race tests: it shows what happens when the lock is taken out."""

_BOOKINGS = text(
    f"SELECT {BOOKING_COLUMNS} FROM bookings b {CLAIMS_OF_BOOKING} WHERE b.id = ANY(CAST(:booking_ids AS uuid[]))"  # noqa: S608
    f" UNION ALL SELECT {BOOKING_COLUMNS} FROM bookings b {CLAIMS_OF_BOOKING}"
    " WHERE b.slot_id = ANY(CAST(:slot_ids AS uuid[])) AND b.state = 'held' AND b.hold_until <= :now"
    " AND b.id <> ALL(CAST(:booking_ids AS uuid[]))"
)

_COMPANIONS = text(
    "SELECT a.account_id, a.person_id, p.document_type, p.birth_date, a.relation, a.name_masked"
    " FROM unnest(CAST(:account_ids AS uuid[]), CAST(:person_ids AS uuid[])) AS asked(account_id, person_id)"
    " JOIN account_people a USING (account_id, person_id) JOIN persons p ON p.id = a.person_id"
    " WHERE a.removed_at IS NULL OR asked.account_id = ANY(CAST(:owner_ids AS uuid[]))"
)

_CLAIMS = text(
    "SELECT c.person_id, c.booking_id, b.reference, b.account_id, c.slot_id, c.service_id, c.venue_id, c.kind,"
    " c.starts_at, c.ends_at FROM claims c JOIN bookings b ON b.id = c.booking_id"
    " WHERE c.live AND c.person_id = ANY(CAST(:person_ids AS uuid[])) AND c.starts_at >= :since AND c.starts_at < :until"
    " AND NOT (b.state = 'held' AND b.hold_until <= :now)"
)

_ACCOUNTS = text(
    "SELECT a.id, a.contact, (SELECT count(*) FROM bookings h WHERE h.account_id = a.id AND h.state = 'held'"
    " AND h.hold_until > :now) AS held FROM accounts a WHERE a.id = ANY(CAST(:account_ids AS uuid[]))"
)

_NEAREST = text(
    f"SELECT asked.id AS full_slot_id, free.* FROM slots asked CROSS JOIN LATERAL (SELECT {SLOT_COLUMNS} FROM slots s"  # noqa: S608
    " WHERE s.service_id = asked.service_id AND s.is_open AND s.drawn_in IS NULL AND s.starts_at > :now AND s.bookable_from <= :now"
    " AND s.bookable_until > :now AND s.id <> asked.id"
    " AND s.starts_at BETWEEN asked.starts_at - interval '14 days' AND asked.starts_at + interval '14 days'"
    " ORDER BY abs(extract(epoch FROM s.starts_at - asked.starts_at)), s.starts_at LIMIT 3) free"
    " WHERE asked.id = ANY(CAST(:slot_ids AS uuid[]))"
)


@dataclass(frozen=True, slots=True)
class Wanted:
    """What a batch names: slots to claim, bookings to alter, and the people whom accounts want to bring.

    `moving_ids` are those of the bookings to alter whose people take new places: what else they have is asked, too.
    """

    slot_ids: Collection[UUID]
    booking_ids: Collection[UUID]
    people: Collection[tuple[UUID, UUID]]
    moving_ids: Collection[UUID] = ()


async def lock_slots(tx: AsyncConnection, wanted: Wanted, statement: TextClause = LOCK_SLOTS) -> tuple[list[Slot], int]:
    """Lock the slots that are named, and those of the bookings that are named, in id order.

    Returns:
        The slots, and the catalogue's version (0 where no slot was found).
    """
    rows = (
        await tx.execute(statement, {"slot_ids": list(wanted.slot_ids), "booking_ids": list(wanted.booking_ids)})
    ).all()
    return [slot_of(row) for row in rows], rows[0].catalogue_version if rows else 0


async def gather(tx: AsyncConnection, wanted: Wanted, facts: Facts) -> None:
    """Fill `facts`, whose slots are already locked: bookings, people, their other claims, accounts.

    Raises:
        Collided: a booking was moved away while its slot's lock was waited for.
    """
    bookings = await _read_bookings(tx, wanted.booking_ids, facts)
    facts.bookings = {booking.id: booking for booking in bookings}
    if any(booking.slot_id not in facts.slots for booking in bookings):
        raise Collided
    of_bookings = {(booking.account_id, claim.person_id) for booking in bookings for claim in booking.claims}
    owners = {booking.account_id for booking in bookings}
    pairs = of_bookings.union(wanted.people)
    if pairs:
        facts.companions = await read_companions(tx, pairs, owners)
    moving = {
        claim.person_id for one in wanted.moving_ids if one in facts.bookings for claim in facts.bookings[one].claims
    }
    claimants = moving.union(person_id for _, person_id in wanted.people)
    if claimants:
        facts.claims = await _read_claims(tx, claimants, facts)
    accounts = owners | {account_id for account_id, _ in wanted.people}
    if accounts:
        rows = await tx.execute(_ACCOUNTS, {"account_ids": list(accounts), "now": facts.now})
        for row in rows:
            facts.contacts[row.id] = row.contact
            facts.held[row.id] = row.held


async def _read_bookings(tx: AsyncConnection, booking_ids: Collection[UUID], facts: Facts) -> list[Booking]:
    """Read the bookings that are named, and the holds on locked slots that have run out."""
    if not facts.slots:
        return []
    rows = await tx.execute(
        _BOOKINGS, {"booking_ids": list(booking_ids), "slot_ids": list(facts.slots), "now": facts.now}
    )
    return [booking_of(row) for row in rows]


async def read_companions(
    connection: AsyncConnection, pairs: Iterable[tuple[UUID, UUID]], owners: Collection[UUID] = ()
) -> dict[tuple[UUID, UUID], Companion]:
    """Read the people of accounts, by (account, person). Someone removed from the list still belongs to the bookings of `owners`."""
    account_ids, person_ids = zip(*pairs, strict=True)
    rows = await connection.execute(
        _COMPANIONS, {"account_ids": account_ids, "person_ids": person_ids, "owner_ids": list(owners)}
    )
    return {
        (row.account_id, row.person_id): Companion(
            person_id=row.person_id,
            document_type=DocumentType(row.document_type),
            birth_date=row.birth_date,
            relation=row.relation,
            name_masked=row.name_masked,
        )
        for row in rows
    }


async def _read_claims(tx: AsyncConnection, person_ids: Collection[UUID], facts: Facts) -> dict[UUID, list[LiveClaim]]:
    """Read what these people have in the weeks of the batch's slots: enough for clashes and for day and week limits."""
    if not facts.slots:
        return {}
    since, until = _weeks(slot.starts_at for slot in facts.slots.values())
    rows = await tx.execute(_CLAIMS, {"person_ids": list(person_ids), "since": since, "until": until, "now": facts.now})
    claims: dict[UUID, list[LiveClaim]] = {}
    for row in rows:
        person_id, *rest = row
        claims.setdefault(person_id, []).append(LiveClaim(**dict(zip(_CLAIM_FIELDS, rest, strict=True))))
    return claims


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
    )


def booking_of(row: Row[Any]) -> Booking:
    """Make a booking of a row that has `BOOKING_COLUMNS`."""
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
        claims=tuple(
            Claim(slot_id=row.slot_id, person_id=person_id, seats=seats)
            for person_id, seats in zip(row.person_ids, row.seats, strict=True)
        ),
        declarations=row.declarations if isinstance(row.declarations, dict) else {},
        hold_until=row.hold_until,
        extensions=row.extensions,
        created_at=row.created_at,
        changed_at=row.changed_at,
        reason=row.reason,
    )
