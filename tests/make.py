"""Small makers of domain values: a test says only what it is about."""

from dataclasses import replace
from datetime import UTC, date, datetime, time, timedelta
from typing import Any
from uuid import UUID, uuid4

from services.booking.domain.booking import Booking, Channel, Claim, State
from services.booking.domain.catalogue import Catalogue, District, Service, ServiceKind, Venue
from services.booking.domain.facts import Companion, Facts
from services.booking.domain.policy import (
    CancelBy,
    CheckInWindow,
    DocumentType,
    PartyKind,
    Policy,
    Release,
    SeatUnit,
)
from services.booking.domain.request import Actor, Book
from services.booking.domain.slot import Slot
from services.booking.domain.zone import at_local
from shared.contracts import Words

NOW = datetime(2026, 11, 23, 2, 0, tzinfo=UTC)
"""Monday 23 November 2026, 10:00 in Asia/Shanghai."""

RESIDENT = UUID("01930000-0000-7000-8000-000000000001")
VENUE = "dalian-museum"


def policy(**changes: Any) -> Policy:
    """A policy that accepts nearly everything."""
    return replace(
        Policy(
            id="open",
            version=1,
            documents=frozenset(DocumentType),
            parties=frozenset(PartyKind),
            party_most=5,
            seat_unit=SeatUnit.PERSON,
            release=Release(days_before=7, at=time(7, 0)),
            horizon_days=14,
            hold_minutes=5,
            hold_extensions=1,
            closes_minutes_before=0,
            cancel_by=CancelBy(minutes_before=60),
            check_in=CheckInWindow(opens_minutes_before=30, closes_minutes_after=30),
            reminders=(1440, 120),
        ),
        **changes,
    )


def catalogue(of_policy: Policy | None = None, kind: ServiceKind = ServiceKind.MUSEUM) -> Catalogue:
    """One district with one sub-district, one venue, one service `timed-entry`."""
    terms = of_policy or policy()
    district = District(
        id="zhongshan", name=Words("中山区", "Zhongshan"), subdistricts={"taoyuan": Words("桃源街道", "Taoyuan")}
    )
    venue = Venue(
        id=VENUE,
        kind=kind,
        district_id=district.id,
        name=Words("大连博物馆", "Dalian Museum"),
        address=Words("示例路1号", "1 Sample Road"),
        step_free=True,
        sample=True,
        source="[001]",
    )
    service = Service(
        id="timed-entry",
        venue_id=venue.id,
        kind=kind,
        policy_id=terms.id,
        name=Words("延时入场", "Evening entry"),
        attributes={},
        sample=True,
        source="[001]",
    )
    return Catalogue(
        version=1,
        districts={district.id: district},
        venues={venue.id: venue},
        services={service.id: service},
        policies={terms.id: terms},
    )


def slot(**changes: Any) -> Slot:
    """Wednesday 25 November 2026, 16:30 to 17:00 local time, two places, released."""
    starts_at = at_local(date(2026, 11, 25), time(16, 30))
    return replace(
        Slot(
            id=uuid4(),
            service_id="timed-entry",
            venue_id=VENUE,
            kind="museum",
            district_id="zhongshan",
            starts_at=starts_at,
            ends_at=starts_at + timedelta(minutes=30),
            bookable_from=starts_at - timedelta(days=7),
            bookable_until=starts_at,
            capacity=2,
            taken=0,
            kept_counter=0,
            taken_counter=0,
            kept_walk_in=0,
            taken_walk_in=0,
            closed=False,
        ),
        **changes,
    )


def facts(*slots: Slot, of_policy: Policy | None = None, kind: ServiceKind = ServiceKind.MUSEUM) -> Facts:
    """Facts at `NOW` with these slots."""
    return Facts(now=NOW, catalogue=catalogue(of_policy, kind), slots={one.id: one for one in slots})


def companion(in_facts: Facts, birth_date: date = date(1990, 1, 1), account_id: UUID = RESIDENT) -> UUID:
    """Add somebody whom the account may book for; return their id."""
    person_id = uuid4()
    in_facts.companions[account_id, person_id] = Companion(
        person_id=person_id,
        document_type=DocumentType.RESIDENT_IDENTITY_CARD,
        birth_date=birth_date,
        relation="self",
        name_masked="王*",
    )
    return person_id


def book(of_slot: Slot, *person_ids: UUID, **changes: Any) -> Book:
    """A resident's request to book at once."""
    return replace(
        Book(
            actor=Actor(RESIDENT, "resident"),
            key=None,
            booking_id=uuid4(),
            reference="ABCD-EFGH-J",
            account_id=RESIDENT,
            slot_id=of_slot.id,
            party_kind=PartyKind.ONE_PERSON if len(person_ids) == 1 else PartyKind.GROUP,
            person_ids=person_ids,
            declarations={},
            confirm=True,
        ),
        **changes,
    )


def booking(of_slot: Slot, **changes: Any) -> Booking:
    """A confirmed booking of one person, made at `NOW`."""
    return replace(
        Booking(
            id=uuid4(),
            reference="ABCD-EFGH-J",
            state=State.CONFIRMED,
            version=1,
            service_id=of_slot.service_id,
            slot_id=of_slot.id,
            starts_at=of_slot.starts_at,
            ends_at=of_slot.ends_at,
            account_id=RESIDENT,
            channel=Channel.ONLINE,
            party_kind=PartyKind.ONE_PERSON.value,
            claims=(Claim(slot_id=of_slot.id, person_id=uuid4(), seats=1),),
            declarations={},
            hold_until=None,
            extensions=0,
            created_at=NOW,
            changed_at=NOW,
        ),
        **changes,
    )
