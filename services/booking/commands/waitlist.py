"""Join the waiting list and leave it. Each is the work of one transaction under one Idempotency-Key."""

from dataclasses import dataclass
from datetime import datetime, time, timedelta
from uuid import UUID

from services.booking.domain.admission import party_of
from services.booking.domain.catalogue import Catalogue
from services.booking.domain.facts import Facts
from services.booking.domain.party import seats_of
from services.booking.domain.policy import PartyKind
from services.booking.domain.reason import Reason
from services.booking.domain.request import Actor, Book
from services.booking.domain.waitlist_entry import ENTRIES_MOST, Band
from services.booking.domain.waitlist_joining import check_band, check_joining, terms_of
from services.booking.domain.zone import at_local
from services.booking.store.database import Connection
from services.booking.store.gathering import gather_people
from services.booking.store.waitlist import Entry, add_entry, count_live, next_number, slots_in_band
from services.booking.store.waitlist import leave as leave_line
from shared.refusal import Refused

SLOTS_MOST = 3000
"""Times in one band; a wider one has to be narrowed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NewEntry:
    """What somebody asks for who wants to wait."""

    id: UUID
    account_id: UUID
    service_ids: tuple[str, ...]
    band: Band
    party_kind: PartyKind
    person_ids: tuple[UUID, ...]
    declarations: dict[str, str]


async def join(tx: Connection, new: NewEntry, catalogue: Catalogue, now: datetime) -> Entry:
    """Put a party at the end of the line.

    Raises:
        Refused: what `waitlist_joining` refuses; `waitlist_too_wide`; `waiting_already` with the first person who waits
            for one of the services; `waitlist_limit_reached` for one account.
    """
    check_band(new.band)
    services, terms = terms_of(new.service_ids, catalogue)
    slots = await slots_in_band(tx, new.service_ids, new.band, now, SLOTS_MOST + 1)
    if len(slots) > SLOTS_MOST:
        raise Refused(Reason.WAITLIST_TOO_WIDE, field="/last_day", most=SLOTS_MOST)
    facts = Facts(now=now, catalogue=catalogue, slots={slot.id: slot for slot in slots})
    await gather_people(tx, {(new.account_id, person_id) for person_id in new.person_ids}, facts)
    book = _looked_at(new)
    places = sum(seats_of(party_of(book, facts), catalogue.policies[services[0].policy_id]))
    check_joining(book, places, terms, facts)
    if await count_live(tx, new.account_id) >= ENTRIES_MOST:
        raise Refused(Reason.WAITLIST_LIMIT_REACHED, most=ENTRIES_MOST)
    kind = services[0].kind.value
    made = Entry(
        id=new.id,
        kind=kind,
        number=await next_number(tx, kind),  # last of all: from here on nobody else joins before this is committed
        account_id=new.account_id,
        service_ids=new.service_ids,
        band=new.band,
        party_kind=new.party_kind,
        person_ids=new.person_ids,
        declarations=new.declarations,
        places=places,
        joined_at=now,
        over_at=at_local(new.band.last + timedelta(days=1), time()),
    )
    there_already = await add_entry(tx, made)
    for position, person_id in enumerate(new.person_ids):
        if person_id in there_already:
            raise Refused(Reason.WAITING_ALREADY, field=f"/people/{position}")
    return made


async def leave(tx: Connection, entry_id: UUID, account_id: UUID, now: datetime) -> None:
    """Leave the line at any time; an offer that is still open is then given back (`waiting.give_back`).

    Raises:
        Refused: `waitlist_entry_unknown`, also where it is somebody else's, or over.
    """
    if not await leave_line(tx, entry_id, account_id, now):
        raise Refused(Reason.WAITLIST_ENTRY_UNKNOWN)


def _looked_at(new: NewEntry) -> Book:
    """Return the booking that the party would make; it is only looked at."""
    return Book(
        actor=Actor(new.account_id, "resident"),
        key=None,
        booking_id=new.id,
        reference="",
        account_id=new.account_id,
        slot_id=new.id,
        party_kind=new.party_kind,
        person_ids=new.person_ids,
        declarations=new.declarations,
        confirm=True,
    )
