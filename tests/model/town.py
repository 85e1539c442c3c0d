"""The town in which the model and the engine play the same game: eight small slots, five people, four accounts.

Two slots overlap, one is not released yet, one keeps places for the counter and for walk-ins. Two accounts book for
themselves, one for a family, and one for a neighbour whom the family has saved as well.

Three slots are of a scarce service: what comes free in them cools off, and late cancellations are taken and count. Who was
struck twice is barred from the whole venue for a day. A couple may book a visit in two steps: entry together, then one
of them takes the tour.
"""

from dataclasses import dataclass, replace
from datetime import timedelta
from uuid import UUID

from services.booking.domain.catalogue import Catalogue
from services.booking.domain.itinerary import After, Itinerary, ItineraryStep, Named, Walking
from services.booking.domain.penalty_rule import Cause, LateCancel, Length, PenaltyRule, PenaltyScope, Span, Window
from services.booking.domain.policy import Cooling, Limit, LimitScope, LimitWindow, PartyKind
from services.booking.domain.request import Actor
from services.booking.domain.slot import Slot
from shared.contracts import Words
from tests import make

LIMIT = 2
"""Bookings of one person in the service on one day."""
HOLD = timedelta(minutes=5)
EXTENSIONS = 1
CANCEL_BEFORE = timedelta(minutes=60)
CHECK_IN_AROUND = timedelta(minutes=30)
CORRECTED_WITHIN = timedelta(days=7)
HOLDS = 3
"""Holds of one account at a time."""

ENTRY, TOUR = "timed-entry", "tour"
"""The services; the second is the scarce one."""

COOLS = (10, 30)
"""A place that came free in a tour comes back after so many minutes at least, and at most."""
CHANCE = 0.5
"""What chance draws in this town, always."""

STRIKES = 2
BARRED_FOR = timedelta(days=1)

VISIT = "visit"
VISIT_GAP = (10, 180)
"""The tour begins so many minutes after the entry ends, at least and at most, and on the same day."""

STAFF = Actor(UUID(int=900), "staff", frozenset({make.VENUE}))
STRANGER = Actor(UUID(int=901), "resident")


def account_id(number: int) -> UUID:
    return UUID(int=100 + number)


def person_id(number: int) -> UUID:
    return UUID(int=200 + number)


def catalogue() -> Catalogue:
    limit = Limit(scope=LimitScope.SERVICE, window=LimitWindow.DAY, most=LIMIT)
    terms = make.policy(limits=(limit,), hold_minutes=5, hold_extensions=EXTENSIONS)
    rule = PenaltyRule(
        counts=(Cause.NO_SHOW, Cause.LATE_CANCEL),
        threshold=STRIKES,
        window=Window(span=Span.ROLLING_DAYS, count=30),
        length=Length(days=(BARRED_FOR.days,)),
        scope=PenaltyScope.VENUE,
    )
    scarce = replace(
        terms,
        id="scarce",
        cooling=Cooling(least_minutes=COOLS[0], most_minutes=COOLS[1]),
        late_cancel=LateCancel.STRIKE,
        penalties=(rule,),
    )
    base = make.catalogue(terms)
    tour = replace(base.services[ENTRY], id=TOUR, policy_id=scarce.id)
    return replace(
        base,
        policies={**base.policies, scarce.id: scarce},
        services={**base.services, TOUR: tour},
        itineraries={VISIT: _visit()},
    )


def _visit() -> Itinerary:
    after = After(step=ENTRY, least=VISIT_GAP[0], most=VISIT_GAP[1])
    return Itinerary(
        id=VISIT,
        venue_id=make.VENUE,
        name=Words("参观", "A visit"),
        party=PartyKind.COUPLE,
        roles=(Named(key="guide", name=Words("甲", "One")), Named(key="guest", name=Words("乙", "The other"))),
        steps=(
            ItineraryStep(key=ENTRY, name=Words("入场", "Entry"), services=(ENTRY,), who=("guide", "guest")),
            ItineraryStep(key=TOUR, name=Words("讲解", "Tour"), services=(TOUR,), who=("guide",), after=(after,)),
        ),
        within_days=1,
        walking=Walking(same_venue=5, between_venues=40),
        meal_minutes=0,
        sample=True,
        source="[001]",
    )


@dataclass(frozen=True, slots=True)
class _Plan:
    """A slot by its minutes after `make.NOW`."""

    begins: int
    capacity: int
    counter: int = 0
    walk_in: int = 0
    released: int = -600
    closes_before: int = 0
    service: str = ENTRY


_PLANS = (
    _Plan(begins=90, capacity=2),
    _Plan(begins=105, capacity=1),
    _Plan(begins=120, capacity=4, counter=1, walk_in=1),
    _Plan(begins=150, capacity=3, closes_before=20),
    _Plan(begins=24 * 60, capacity=2, released=20),
    _Plan(begins=75, capacity=1, service=TOUR),
    _Plan(begins=180, capacity=2, walk_in=1, service=TOUR),
    _Plan(begins=90 + 24 * 60, capacity=1, service=TOUR),
)
"""The last one begins to the instant when whoever was struck at the first one may come again."""


def slots() -> list[Slot]:
    return [_slot(number, plan) for number, plan in enumerate(_PLANS)]


def _slot(number: int, plan: _Plan) -> Slot:
    starts_at = make.NOW + timedelta(minutes=plan.begins)
    return replace(
        make.slot(),
        id=UUID(int=300 + number),
        service_id=plan.service,
        starts_at=starts_at,
        ends_at=starts_at + timedelta(minutes=30),
        bookable_from=make.NOW + timedelta(minutes=plan.released),
        bookable_until=starts_at - timedelta(minutes=plan.closes_before),
        capacity=plan.capacity,
        kept_counter=plan.counter,
        kept_walk_in=plan.walk_in,
    )
