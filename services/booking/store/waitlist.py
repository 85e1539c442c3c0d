"""Entries of the waiting list in their rows: joining, leaving, and what an entry's account and anybody may see of them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Row, delete, func, insert, select, text, update
from sqlalchemy.dialects.postgresql import insert as insert_or_not

from services.booking.domain.policy import PartyKind
from services.booking.domain.slot import Slot
from services.booking.domain.waitlist_entry import LIVE_ENTRY, Band, EntryState
from services.booking.domain.zone import VENUE_ZONE
from services.booking.store.database import Connection
from services.booking.store.gathering import SLOT_COLUMNS, slot_of
from services.booking.store.waitlist_line import COVERS, LOCAL_TIME, leave_line
from services.booking.tables import (
    waitlist_entries,
    waitlist_numbers,
    waitlist_offers,
    waitlist_people,
    waitlist_skips,
    waitlist_wishes,
)

_LIVE = [state.value for state in LIVE_ENTRY]
_LOCAL = f"timezone('{VENUE_ZONE.key}', starts_at)"
_IN_BAND = text(
    f"SELECT {SLOT_COLUMNS} FROM slots WHERE service_id = ANY(CAST(:service_ids AS text[])) AND closed IS NULL"  # noqa: S608
    " AND starts_at > :now"
    f" AND starts_at >= timezone('{VENUE_ZONE.key}', CAST(CAST(:first AS date) AS timestamp))"
    f" AND starts_at < timezone('{VENUE_ZONE.key}', CAST(CAST(:last AS date) + 1 AS timestamp))"
    f" AND CAST(extract(isodow FROM {_LOCAL}) AS smallint) = ANY(CAST(:weekdays AS smallint[]))"
    f" AND CAST({_LOCAL} AS time) BETWEEN :since AND :until ORDER BY starts_at, id LIMIT :limit"
)
_AHEAD = text(
    "SELECT w.entry_id, count(DISTINCT b.number) AS ahead FROM waitlist_wishes w"
    " JOIN waitlist_wishes b ON b.service_id = w.service_id AND b.number < w.number"
    " WHERE w.entry_id = ANY(CAST(:ids AS uuid[])) GROUP BY w.entry_id"
)
_WAITING_FOR = text(
    "SELECT s.id, count(e.id) AS parties FROM slots s JOIN waitlist_wishes w ON w.service_id = s.service_id"  # noqa: S608
    f" {LOCAL_TIME} JOIN waitlist_entries e ON e.id = w.entry_id AND {COVERS}"
    " WHERE s.id = ANY(CAST(:slot_ids AS uuid[])) GROUP BY s.id"
)
_LINE_OF_SERVICE = text(
    "SELECT e.number, e.joined_at, e.places, e.state, e.passed_over, e.first_day, e.last_day FROM waitlist_wishes w"
    " JOIN waitlist_entries e ON e.id = w.entry_id WHERE w.service_id = :service_id AND w.number > :after"
    " ORDER BY w.number LIMIT :limit"
)
_OVER = text(
    "UPDATE waitlist_entries SET state = 'ended', ended_at = :now, ended_because = 'band_over' WHERE id = ANY(ARRAY("
    "SELECT id FROM waitlist_entries WHERE state = 'waiting' AND over_at <= :now ORDER BY over_at LIMIT :limit"
    " FOR NO KEY UPDATE SKIP LOCKED)) RETURNING id"
)
_OFFERED_TO_WHO_LEFT = text(
    "SELECT o.booking_id FROM waitlist_offers o JOIN waitlist_entries e ON e.id = o.entry_id"
    " WHERE o.outcome IS NULL AND e.state NOT IN ('waiting', 'offered') LIMIT :limit"
)
_TO_HEAR = text(
    "SELECT booking_id, delivered_at FROM waitlist_offers"
    " WHERE outcome IS NULL AND delivered_at IS NOT NULL AND heard IS NULL ORDER BY delivered_at LIMIT :limit"
)

_AGREED = text(
    "SELECT o.booking_id, e.account_id FROM waitlist_offers o JOIN waitlist_entries e ON e.id = o.entry_id"
    " WHERE o.outcome IS NULL AND o.agreed_at IS NOT NULL AND o.agreement_taken_at IS NULL"
    " ORDER BY o.agreed_at LIMIT :limit"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class OfferMade:
    """An offer of an entry, open where it has no outcome."""

    booking_id: UUID
    slot_id: UUID
    made_at: datetime
    until: datetime
    delivered_at: datetime | None
    outcome: str | None
    ended_at: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class SkipMade:
    """Why an entry was not offered a slot; `starts_at` is None where the slot is no longer there."""

    slot_id: UUID
    starts_at: datetime | None
    reason: str
    first_at: datetime
    last_at: datetime
    times: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """An entry as it is written down."""

    id: UUID
    kind: str
    number: int
    account_id: UUID
    service_ids: tuple[str, ...]
    band: Band
    party_kind: PartyKind
    person_ids: tuple[UUID, ...]
    declarations: Mapping[str, str]
    places: int
    joined_at: datetime
    over_at: datetime
    state: EntryState = EntryState.WAITING
    passed_over: int = 0
    missed: int = 0
    collecting_slot: UUID | None = None
    collecting_until: datetime | None = None
    ended_at: datetime | None = None
    ended_because: str | None = None


async def slots_in_band(
    tx: Connection, service_ids: Sequence[str], band: Band, now: datetime, limit: int
) -> list[Slot]:
    """Return the slots to come that somebody in this band waits for, in order of time; closed ones left out."""
    asked = {
        "service_ids": list(service_ids),
        "first": band.first,
        "last": band.last,
        "weekdays": sorted(band.weekdays),
        "since": band.since,
        "until": band.until,
        "now": now,
        "limit": limit,
    }
    return [slot_of(row) for row in await tx.execute(_IN_BAND, asked)]


async def next_number(tx: Connection, kind: str) -> int:
    """Return the next number of a kind of service, and hold its row until the transaction ends."""
    first = insert_or_not(waitlist_numbers).values(kind=kind, last=1)
    following = first.on_conflict_do_update(index_elements=["kind"], set_={"last": waitlist_numbers.c.last + 1})
    return int((await tx.execute(following.returning(waitlist_numbers.c.last))).scalar_one())


async def count_live(tx: Connection, account_id: UUID) -> int:
    """Return how many live entries an account has."""
    query = select(func.count()).select_from(waitlist_entries)
    counted = await tx.execute(
        query.where(waitlist_entries.c.account_id == account_id, waitlist_entries.c.state.in_(_LIVE))
    )
    return counted.scalar_one()


async def add_entry(tx: Connection, made: Entry) -> frozenset[UUID]:
    """Write an entry into its lines; return those of its people who wait for one of its services already: then roll back."""
    await tx.execute(
        insert(waitlist_entries).values(
            id=made.id,
            kind=made.kind,
            number=made.number,
            account_id=made.account_id,
            service_ids=list(made.service_ids),
            first_day=made.band.first,
            last_day=made.band.last,
            weekdays=sorted(made.band.weekdays),
            since=made.band.since,
            until=made.band.until,
            party_kind=made.party_kind.value,
            person_ids=list(made.person_ids),
            declarations=dict(made.declarations),
            places=made.places,
            joined_at=made.joined_at,
            over_at=made.over_at,
            state=made.state.value,
        )
    )
    wishes = [{"service_id": one, "number": made.number, "entry_id": made.id} for one in made.service_ids]
    await tx.execute(insert(waitlist_wishes), wishes)
    wanted = [  # in one order, so that two parties that overlap wait in a line
        (service_id, person_id) for service_id in sorted(made.service_ids) for person_id in sorted(made.person_ids)
    ]
    rows = [{"service_id": one, "person_id": person_id, "entry_id": made.id} for one, person_id in wanted]
    added = insert_or_not(waitlist_people).values(rows).on_conflict_do_nothing()
    there = await tx.execute(added.returning(waitlist_people.c.service_id, waitlist_people.c.person_id))
    new = {(row.service_id, row.person_id) for row in there}
    return frozenset(person_id for service_id, person_id in wanted if (service_id, person_id) not in new)


async def leave(tx: Connection, entry_id: UUID, account_id: UUID, now: datetime) -> bool:
    """Take an account's live entry out of the line; return False where there is none."""
    left = (
        update(waitlist_entries)
        .where(
            waitlist_entries.c.id == entry_id,
            waitlist_entries.c.account_id == account_id,
            waitlist_entries.c.state.in_(_LIVE),
        )
        .values(state=EntryState.LEFT.value, ended_at=now)
    )
    if (await tx.execute(left)).rowcount == 0:
        return False
    await leave_line(tx, [entry_id])
    return True


async def end_what_is_over(tx: Connection, now: datetime, limit: int) -> int:
    """End entries of whose band nothing is still to come; return how many."""
    over = list((await tx.execute(_OVER, {"now": now, "limit": limit})).scalars())
    if over:
        await leave_line(tx, over)
    return len(over)


async def entries_of(tx: Connection, account_id: UUID, before: UUID, limit: int) -> list[Entry]:
    """Return an account's entries, the newest first, from before the one with the id `before`."""
    query = (
        select(waitlist_entries)
        .where(waitlist_entries.c.account_id == account_id, waitlist_entries.c.id < before)
        .order_by(waitlist_entries.c.id.desc())
        .limit(limit)
    )
    return [_entry(row) for row in await tx.execute(query)]


async def read_entry(tx: Connection, entry_id: UUID) -> Entry | None:
    """Return an entry, or None."""
    row = (await tx.execute(select(waitlist_entries).where(waitlist_entries.c.id == entry_id))).one_or_none()
    return None if row is None else _entry(row)


async def ahead_of(tx: Connection, entry_ids: Sequence[UUID]) -> dict[UUID, int]:
    """Return how many live entries with a lower number share a service with each of these; none where nobody does."""
    return {row.entry_id: row.ahead for row in await tx.execute(_AHEAD, {"ids": list(entry_ids)})}


async def waiting_for(tx: Connection, slot_ids: Sequence[UUID]) -> dict[UUID, int]:
    """Return how many parties wait for each of these slots; slots that nobody waits for are left out."""
    return {row.id: row.parties for row in await tx.execute(_WAITING_FOR, {"slot_ids": list(slot_ids)})}


async def line_of_service(tx: Connection, service_id: str, after: int, limit: int) -> list[Row[Any]]:
    """Return the line of a service behind a number, in order: number, joined_at, places, state, passed_over, days."""
    asked = {"service_id": service_id, "after": after, "limit": limit}
    return list(await tx.execute(_LINE_OF_SERVICE, asked))


async def offers_of(tx: Connection, entry_id: UUID) -> list[OfferMade]:
    """Return the offers that an entry had, oldest first."""
    o = waitlist_offers.c
    query = select(o.booking_id, o.slot_id, o.made_at, o.until, o.delivered_at, o.outcome, o.ended_at)
    rows = await tx.execute(query.where(o.entry_id == entry_id).order_by(o.made_at))
    return [OfferMade(**row._mapping) for row in rows]  # noqa: SLF001 - public, by its documentation


async def skips_of(tx: Connection, entry_id: UUID, limit: int) -> list[SkipMade]:
    """Return why an entry was passed over, the latest first."""
    found = text(
        "SELECT k.slot_id, s.starts_at, k.reason, k.first_at, k.last_at, k.times FROM waitlist_skips k"
        " LEFT JOIN slots s ON s.id = k.slot_id WHERE k.entry_id = :id ORDER BY k.last_at DESC, k.slot_id LIMIT :limit"
    )
    rows = await tx.execute(found, {"id": entry_id, "limit": limit})
    return [SkipMade(**row._mapping) for row in rows]  # noqa: SLF001 - public, by its documentation


async def forget_skips(tx: Connection, before: datetime) -> None:
    """Delete why entries that are over were passed over, where that was before a moment."""
    over = select(waitlist_entries.c.id).where(waitlist_entries.c.ended_at < before)
    await tx.execute(delete(waitlist_skips).where(waitlist_skips.c.entry_id.in_(over)))


async def offered_to_who_left(tx: Connection, limit: int) -> list[UUID]:
    """Return offers that are still open though their entry has left the line."""
    return list((await tx.execute(_OFFERED_TO_WHO_LEFT, {"limit": limit})).scalars())


async def open_offers_of(tx: Connection, entry_id: UUID) -> list[UUID]:
    """Return the bookings that are offered to an entry and not answered."""
    o = waitlist_offers.c
    return list((await tx.execute(select(o.booking_id).where(o.entry_id == entry_id, o.outcome.is_(None)))).scalars())


async def hear(tx: Connection, booking_id: UUID, at: datetime) -> None:
    """Write down when the message of an offer is first known to have arrived; of other bookings nothing."""
    o = waitlist_offers.c
    heard = update(waitlist_offers).where(o.booking_id == booking_id, o.delivered_at.is_(None), o.outcome.is_(None))
    await tx.execute(heard.values(delivered_at=at))


async def agree(tx: Connection, booking_id: UUID, at: datetime) -> None:
    """Write down when whoever was made an offer first answered yes; of other bookings nothing."""
    o = waitlist_offers.c
    agreed = update(waitlist_offers).where(o.booking_id == booking_id, o.agreed_at.is_(None), o.outcome.is_(None))
    await tx.execute(agreed.values(agreed_at=at))


async def offers_agreed_to(tx: Connection, limit: int) -> list[tuple[UUID, UUID]]:
    """Return open offers that were answered with yes, and the accounts they were made to; each until `take_agreement`."""
    return [(row.booking_id, row.account_id) for row in await tx.execute(_AGREED, {"limit": limit})]


async def take_agreement(tx: Connection, booking_id: UUID, now: datetime) -> None:
    """Write down that the desk was asked because of a yes."""
    offer = update(waitlist_offers).where(waitlist_offers.c.booking_id == booking_id)
    await tx.execute(offer.values(agreement_taken_at=now))


async def offers_to_hear(tx: Connection, limit: int) -> list[tuple[UUID, datetime]]:
    """Return open offers of whose arrival no account was taken yet, and when they arrived."""
    return [(row.booking_id, row.delivered_at) for row in await tx.execute(_TO_HEAR, {"limit": limit})]


async def write_heard(tx: Connection, booking_id: UUID, now: datetime) -> None:
    """Write down that account was taken of an offer's arrival."""
    await tx.execute(update(waitlist_offers).where(waitlist_offers.c.booking_id == booking_id).values(heard=now))


def _entry(row: Row[Any]) -> Entry:
    return Entry(
        id=row.id,
        kind=row.kind,
        number=row.number,
        account_id=row.account_id,
        service_ids=tuple(row.service_ids),
        band=Band(
            first=row.first_day,
            last=row.last_day,
            weekdays=frozenset(row.weekdays),
            since=row.since,
            until=row.until,
        ),
        party_kind=PartyKind(row.party_kind),
        person_ids=tuple(row.person_ids),
        declarations=row.declarations,
        places=row.places,
        joined_at=row.joined_at,
        over_at=row.over_at,
        state=EntryState(row.state),
        passed_over=row.passed_over,
        missed=row.missed,
        collecting_slot=row.collecting_slot,
        collecting_until=row.collecting_until,
        ended_at=row.ended_at,
        ended_because=row.ended_because,
    )
