"""The town in which the model and the engine play the same game: five small slots, five people, four accounts.

Two slots overlap, one is not released yet, one keeps places for the counter and for walk-ins. Two accounts book for
themselves, one for a family, and one for a neighbour whom the family has saved as well.
"""

from dataclasses import dataclass, replace
from datetime import timedelta
from uuid import UUID

from services.booking.domain.catalogue import Catalogue
from services.booking.domain.policy import Limit, LimitScope, LimitWindow
from services.booking.domain.request import Actor
from services.booking.domain.slot import Slot
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

STAFF = Actor(UUID(int=900), "staff", frozenset({make.VENUE}))
STRANGER = Actor(UUID(int=901), "resident")


def account_id(number: int) -> UUID:
    return UUID(int=100 + number)


def person_id(number: int) -> UUID:
    return UUID(int=200 + number)


def catalogue() -> Catalogue:
    limit = Limit(scope=LimitScope.SERVICE, window=LimitWindow.DAY, most=LIMIT)
    return make.catalogue(make.policy(limits=(limit,), hold_minutes=5, hold_extensions=EXTENSIONS))


@dataclass(frozen=True, slots=True)
class _Plan:
    """A slot by its minutes after `make.NOW`."""

    begins: int
    capacity: int
    counter: int = 0
    walk_in: int = 0
    released: int = -600
    closes_before: int = 0


_PLANS = (
    _Plan(begins=90, capacity=2),
    _Plan(begins=105, capacity=1),
    _Plan(begins=120, capacity=4, counter=1, walk_in=1),
    _Plan(begins=150, capacity=3, closes_before=20),
    _Plan(begins=24 * 60, capacity=2, released=20),
)


def slots() -> list[Slot]:
    return [_slot(number, plan) for number, plan in enumerate(_PLANS)]


def _slot(number: int, plan: _Plan) -> Slot:
    starts_at = make.NOW + timedelta(minutes=plan.begins)
    return replace(
        make.slot(),
        id=UUID(int=300 + number),
        starts_at=starts_at,
        ends_at=starts_at + timedelta(minutes=30),
        bookable_from=make.NOW + timedelta(minutes=plan.released),
        bookable_until=starts_at - timedelta(minutes=plan.closes_before),
        capacity=plan.capacity,
        kept_counter=plan.counter,
        kept_walk_in=plan.walk_in,
    )
