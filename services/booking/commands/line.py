"""Gather the line: who waits for the slots of a batch, with everything that offering them a seat depends on.

It is asked only where somebody waits and the batch may give seats: all others pay one look into the index of wishes.
"""

import secrets
from collections.abc import Mapping
from typing import Any
from uuid import UUID

from services.booking.domain.booking import Channel, State
from services.booking.domain.facts import Facts
from services.booking.domain.policy import PartyKind
from services.booking.domain.reference import RANDOM_BYTES, new_reference
from services.booking.domain.slot import free_places
from services.booking.domain.waitlist_entry import Band, Collecting, Waiting
from services.booking.store.database import Connection
from services.booking.store.gathering import gather_people
from services.booking.store.waitlist_line import Offers, lock_people, read_candidates
from shared.ids import new_id


async def gather_line(tx: Connection, facts: Facts, asked: Mapping[UUID, int]) -> None:
    """Fill `facts.waiting` for the slots that are `asked` about, from behind a number, and for those with seats to give."""
    giving = {slot_id for booking in facts.bookings.values() for slot_id, _ in booking.places}
    after = {
        slot.id: asked.get(slot.id, 0)
        for slot in facts.slots.values()
        if slot.id in asked
        or (slot.waited and (slot.id in giving or free_places(slot, Channel.WAITING_LIST, facts.now) > 0))
    }
    if not after:
        return
    offered = [booking for booking in facts.bookings.values() if booking.is_offer]
    ran_out = [booking.id for booking in offered if booking.state_at(facts.now) is State.LAPSED]
    offers = Offers([booking.id for booking in offered], ran_out)
    line, entries = await read_candidates(tx, after, offers, facts.now)
    people = {person_id for entry in entries.values() for person_id in entry.person_ids}
    ours = await lock_people(tx, people)
    waiting = {entry_id: _waiting(row, ours) for entry_id, row in entries.items()}
    await gather_people(tx, {(one.account_id, person) for one in waiting.values() for person in one.person_ids}, facts)
    facts.waiting = {slot_id: [waiting[one] for one in ids if one in waiting] for slot_id, ids in line.items()}


def _waiting(row: Any, ours: frozenset[UUID]) -> Waiting:
    collecting = row.collecting_slot is not None
    return Waiting(
        id=row.id,
        number=row.number,
        account_id=row.account_id,
        party_kind=PartyKind(row.party_kind),
        person_ids=tuple(row.person_ids),
        declarations=row.declarations,
        places=row.places,
        service_ids=frozenset(row.service_ids),
        band=Band(
            first=row.first_day,
            last=row.last_day,
            weekdays=frozenset(row.weekdays),
            since=row.since,
            until=row.until,
        ),
        offer_id=new_id(),
        reference=new_reference(secrets.token_bytes(RANDOM_BYTES)),
        passed_over=row.passed_over,
        collecting=Collecting(slot_id=row.collecting_slot, until=row.collecting_until) if collecting else None,
        busy=not ours.issuperset(row.person_ids),
    )
