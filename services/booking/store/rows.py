"""Rows that are gathered come without the names of their columns: each is taken apart in its order and made a fact.

Written out, because in a rush every booking has one of each: a dictionary of the fields in between takes twice as long.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from services.booking.domain.facts import Companion, LiveClaim
from services.booking.domain.policy import DocumentType
from services.booking.domain.slot import Slot
from services.booking.store.barred import BARS_OF_PERSON, bars_of

COMPANION = f"a.account_id, p.id, p.document_type, p.birth_date, a.relation, a.name_masked, {BARS_OF_PERSON}"
CLAIM = (
    "c.person_id, c.booking_id, b.reference, b.account_id, c.slot_id, c.service_id, c.venue_id, c.kind, c.starts_at,"
    " c.ends_at"
)

_DOCUMENT_TYPES: Mapping[str, DocumentType] = {one.value: one for one in DocumentType}


def slot_in(row: Sequence[Any]) -> Slot:
    """Make a slot of a row that has `store.gathering.SLOT_COLUMNS` and `waited`: the order is that of the fields of `Slot`."""
    (
        slot_id,
        service_id,
        venue_id,
        kind,
        district_id,
        starts_at,
        ends_at,
        bookable_from,
        bookable_until,
        capacity,
        taken,
        kept_counter,
        taken_counter,
        kept_walk_in,
        taken_walk_in,
        closed,
        drawn,
        cooling,
        later,
        waited,
    ) = row
    return Slot(
        id=slot_id,
        service_id=service_id,
        venue_id=venue_id,
        kind=kind,
        district_id=district_id,
        starts_at=starts_at,
        ends_at=ends_at,
        bookable_from=bookable_from,
        bookable_until=bookable_until,
        capacity=capacity,
        taken=taken,
        kept_counter=kept_counter,
        taken_counter=taken_counter,
        kept_walk_in=kept_walk_in,
        taken_walk_in=taken_walk_in,
        closed=closed,
        drawn=drawn,
        cooling=tuple(cooling) if cooling else (),
        later=_portions(later) if later else (),
        waited=waited,
    )


def _portions(document: Sequence[tuple[str, int]]) -> tuple[tuple[datetime, int], ...]:
    """Return the portions that are released later, as `store.slots.portions_document` wrote them."""
    return tuple((datetime.fromisoformat(at), places) for at, places in document)


def companion_in(row: Sequence[Any]) -> tuple[UUID, Companion]:
    """Return an account and one of its people, of a row that has `COMPANION`."""
    account_id, person_id, document_type, birth_date, relation, name_masked, bars = row
    return account_id, Companion(
        person_id=person_id,
        document_type=_DOCUMENT_TYPES[document_type],
        birth_date=birth_date,
        relation=relation,
        name_masked=name_masked,
        bars=() if bars is None else bars_of(bars),
    )


def claim_in(row: Sequence[Any]) -> tuple[UUID, LiveClaim]:
    """Return a person and what they have, of a row that has `CLAIM`."""
    person_id, booking_id, reference, account_id, slot_id, service_id, venue_id, kind, starts_at, ends_at = row
    return person_id, LiveClaim(
        booking_id=booking_id,
        reference=reference,
        account_id=account_id,
        slot_id=slot_id,
        service_id=service_id,
        venue_id=venue_id,
        kind=kind,
        starts_at=starts_at,
        ends_at=ends_at,
    )
