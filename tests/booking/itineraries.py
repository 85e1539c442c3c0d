"""A clinic for two, as itinerary tests need it: what must come after what, its slots, and wishes to go through it."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import date, time, timedelta
from typing import Any
from uuid import UUID

from services.booking.domain.booking import Booking
from services.booking.domain.catalogue import Catalogue
from services.booking.domain.decision import Decisions, Outcome
from services.booking.domain.facts import Facts
from services.booking.domain.itinerary import After, Itinerary, ItineraryStep, Named, Walking
from services.booking.domain.policy import PartyKind, Policy, SeatUnit
from services.booking.domain.request import Book, CourseWish, StepWish
from services.booking.domain.slot import Slot
from services.booking.domain.zone import at_local
from shared.contracts import Words
from shared.ids import new_id
from tests import make

COUPLE = "couple-visit"
DAY = date(2026, 11, 25)
HER, HIM, BOTH = "gynaecology", "andrology", "consultation"


def named(key: str) -> Named:
    return Named(key=key, name=Words("名称", key))


def step(key: str, *who: str, **changes: Any) -> ItineraryStep:
    return replace(ItineraryStep(key=key, name=Words("步骤", key), services=(key,), who=who), **changes)


def couple(**changes: Any) -> Itinerary:
    """One discipline for each of the two, in whatever order, then both together; all on one day."""
    after = (After(step=HER, least=15, most=240), After(step=HIM, least=15, most=240))
    return replace(
        Itinerary(
            id=COUPLE,
            venue_id=make.VENUE,
            name=Words("夫妇同诊", "A couple's visit"),
            party=PartyKind.COUPLE,
            roles=(named("woman"), named("man")),
            steps=(step(HER, "woman"), step(HIM, "man"), step(BOTH, "woman", "man", after=after)),
            within_days=1,
            walking=Walking(same_venue=10, between_venues=40),
            meal_minutes=30,
            sample=True,
            source="[001]",
        ),
        **changes,
    )


def catalogue(itinerary: Itinerary | None = None, of_policy: Policy | None = None) -> Catalogue:
    """The museum's catalogue with a service for each step: one place for the party."""
    definition = itinerary or couple()
    base = make.catalogue(of_policy or make.policy(seat_unit=SeatUnit.PARTY))
    model = base.services["timed-entry"]
    names = {service_id for one in definition.steps for service_id in one.services}
    services = {**base.services, **{name: replace(model, id=name) for name in sorted(names)}}
    return replace(base, services=services, itineraries={definition.id: definition})


def at(service_id: str, hour: int, minute: int = 0, *, day: date = DAY, **changes: Any) -> Slot:
    """A slot of half an hour on Wednesday 25 November 2026, with one place."""
    starts_at = at_local(day, time(hour, minute))
    times = {"starts_at": starts_at, "ends_at": starts_at + timedelta(minutes=30), "bookable_until": starts_at}
    released = {"bookable_from": make.NOW - timedelta(days=1)}
    return make.slot(id=new_id(), service_id=service_id, **{"capacity": 1, **times, **released, **changes})


def facts_of(*slots: Slot, of_catalogue: Catalogue | None = None) -> Facts:
    known = of_catalogue or catalogue()
    return Facts(now=make.NOW, catalogue=known, slots={slot.id: slot for slot in slots})


def wish(slots: Mapping[str, Slot], woman: UUID, man: UUID, **changes: Any) -> Book:
    """The couple's wish for these slots, by step."""
    who = {HER: (woman,), HIM: (man,), BOTH: (woman, man)}
    steps = tuple(StepWish(key=key, slot_id=slot.id, person_ids=who[key]) for key, slot in slots.items())
    course = CourseWish(itinerary_id=COUPLE, dates={}, steps=steps)
    any_slot = next(iter(slots.values()))
    return make.book(any_slot, woman, man, party_kind=PartyKind.COUPLE, course=course, **changes)


def decided(facts: Facts, book: Book) -> Outcome:
    return Decisions(facts).decide(book)


def booked(facts: Facts, book: Book) -> Booking:
    outcome = decided(facts, book)
    assert isinstance(outcome, Booking), outcome
    return outcome
