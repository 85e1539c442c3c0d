"""The city's own itineraries can really be booked: its hours leave plans on an ordinary day, for every one of them."""

from datetime import date, datetime, time, timedelta
from uuid import UUID

import pytest

from services.booking.catalogue import City
from services.booking.domain.catalogue import Catalogue
from services.booking.domain.facts import Companion, Facts
from services.booking.domain.itinerary import Itinerary
from services.booking.domain.itinerary_plans import Proposal, Traveller, propose
from services.booking.domain.itinerary_search import Aim
from services.booking.domain.opening import Offer, OpenedSlot, opened
from services.booking.domain.policy import DocumentType
from services.booking.domain.request import Actor
from services.booking.domain.schedule import slots_of
from services.booking.domain.slot import Slot
from services.booking.domain.zone import at_local
from shared.ids import new_id
from tests import make

FIRST, DAYS = date(2026, 11, 24), 7
NOW = at_local(FIRST, time(6, 0))


def slot(of: OpenedSlot) -> Slot:
    """A slot that nobody has booked yet, and that is released already."""
    return make.slot(
        id=new_id(),
        service_id=of.service_id,
        venue_id=of.venue_id,
        kind=of.kind,
        district_id=of.district_id,
        starts_at=of.starts_at,
        ends_at=of.ends_at,
        bookable_from=NOW - timedelta(days=1),
        bookable_until=of.bookable_until,
        capacity=of.capacity,
        kept_counter=of.kept_counter,
        kept_walk_in=of.kept_walk_in,
    )


def facts_of(city: City, itinerary: Itinerary, people: dict[str, UUID]) -> Facts:
    catalogue = Catalogue(
        version=1,
        districts=city.districts,
        venues=city.venues,
        services=city.services,
        policies=city.policies,
        itineraries=city.itineraries,
    )
    slots = []
    for service_id in {one for step in itinerary.steps for one in step.services}:
        service = city.services[service_id]
        offer = Offer(service=service, venue=city.venues[service.venue_id], policy=city.policies[service.policy_id])
        planned = slots_of(city.plans[service_id], FIRST, FIRST + timedelta(days=DAYS - 1))
        slots += [slot(opened(one, offer)) for one in planned]
    facts = Facts(now=NOW, catalogue=catalogue, slots={one.id: one for one in slots})
    for person_id in people.values():
        facts.companions[make.RESIDENT, person_id] = Companion(
            person_id=person_id,
            document_type=DocumentType.RESIDENT_IDENTITY_CARD,
            birth_date=date(1990, 1, 1),
            relation="self",
            name_masked="王*",
        )
    return facts


def proposal(city: City, itinerary: Itinerary) -> Proposal:
    people = {role.key: new_id() for role in itinerary.roles}
    traveller = Traveller(
        actor=Actor(make.RESIDENT, "resident"),
        account_id=make.RESIDENT,
        itinerary=itinerary,
        people=people,
        party_kind=itinerary.party,
        dates={named.key: FIRST for named in itinerary.dates},
    )
    return propose(traveller, facts_of(city, itinerary, people))


def local_hours(begins: datetime, ends: datetime) -> float:
    return (ends - begins).total_seconds() / 3600


@pytest.mark.parametrize("ending", ["-couple-evaluation", "-examination-bundle"])
def test_every_itinerary_of_the_city_has_three_plans_in_an_ordinary_week(city: City, ending: str) -> None:
    of = [one for key, one in city.itineraries.items() if key.endswith(ending)]
    assert of
    for itinerary in of:
        found = proposal(city, itinerary)
        assert not found.obstacles, (itinerary.id, found.obstacles)
        plans = found.found.plans
        assert [plan.best_for for plan in plans] == list(Aim), itinerary.id
        assert found.found.whole, f"{itinerary.id}: {found.found.work} looks were too few"
        assert local_hours(plans[0].starts_at, plans[0].ends_at) <= 4, "nobody spends the day there"
        fasting = [step.key for step in itinerary.steps if step.fasting]
        for plan in plans:
            assert set(list(plan.slots)[: len(fasting)]) == set(fasting) if fasting else True
        print(f"{itinerary.id}: {found.found.work} looks; {[str(plan.starts_at) for plan in plans]}")
