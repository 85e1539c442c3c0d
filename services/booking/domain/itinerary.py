"""What an itinerary is: several things done by one party in one booking, with what must come before what, and when.

The law, held by `unfit_alone` and `unfit_together`, which planning and claiming both ask:

- a step is in one of its services, on a day of its window, within its hours;
- all steps lie within `within_days` calendar days of the venue;
- nobody is in two places at once, and everybody has the minutes to walk from one to the next;
- a step comes `after` others by at least, and at most, so many minutes, counted from their end;
- who must fast does that first on its day: what needs no fasting comes after, with the minutes of a meal in between.

Whether the party may have each single place is not said here, but by the rules of every booking.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, time, timedelta
from enum import StrEnum

from services.booking.domain.policy import PartyKind
from services.booking.domain.slot import Slot
from services.booking.domain.zone import local, local_day
from shared.contracts import Words


class Misfit(StrEnum):
    """Why a slot, or two slots together, cannot be part of an itinerary."""

    SERVICE = "step_service"
    HOURS = "step_hours"
    DAYS = "step_days"
    TOO_FAR_APART = "step_too_far_apart"
    OVERLAP = "step_overlap"
    WALKING = "step_walking"
    ORDER = "step_order"
    TOO_SOON = "step_too_soon"
    TOO_LATE = "step_too_late"
    FASTING = "step_fasting"


@dataclass(frozen=True, slots=True, kw_only=True)
class Named:
    """A role that somebody has, or a date that the booker gives: its key, and what to call it."""

    key: str
    name: Words


@dataclass(frozen=True, slots=True, kw_only=True)
class After:
    """This step begins at least, and at most, so many minutes after `step` has ended."""

    step: str
    least: int = 0
    most: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class DayWindow:
    """Days counted from a date that the booker gives; that date itself is day 1."""

    counted_from: str
    first: int
    last: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ItineraryStep:
    """One thing to do: by `who` (roles), in any of `services`."""

    key: str
    name: Words
    services: tuple[str, ...]
    who: tuple[str, ...]
    after: tuple[After, ...] = ()
    fasting: bool = False
    earliest: time | None = None
    latest: time | None = None
    days: DayWindow | None = None
    preparation: Words | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Walk:
    """Minutes from one step to another, in either direction, where they differ from the usual."""

    between: tuple[str, str]
    minutes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Walking:
    """Minutes to walk between two steps at one venue, and to get from one venue to another."""

    same_venue: int
    between_venues: int
    pairs: tuple[Walk, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Itinerary:
    """The definition of an itinerary. `dates` are what the booker must say; `sample` marks what no document states."""

    id: str
    venue_id: str
    name: Words
    party: PartyKind
    roles: tuple[Named, ...]
    steps: tuple[ItineraryStep, ...]
    within_days: int
    walking: Walking
    meal_minutes: int
    sample: bool
    source: str
    dates: tuple[Named, ...] = field(default=())

    def step(self, key: str) -> ItineraryStep | None:
        """Return the step of this name, or None."""
        return next((step for step in self.steps if step.key == key), None)

    def walk_minutes(self, one: str, other: str, *, same_venue: bool) -> int:
        """Return the minutes that it takes from one step to the other."""
        for walk in self.walking.pairs:
            if {one, other} == set(walk.between):
                return walk.minutes
        return self.walking.same_venue if same_venue else self.walking.between_venues


def unfit_alone(step: ItineraryStep, slot: Slot, dates: Mapping[str, date]) -> Misfit | None:
    """Return why `slot` is not for `step`, whatever the other steps are, or None."""
    if slot.service_id not in step.services:
        return Misfit.SERVICE
    starts = local(slot.starts_at)
    clock = starts.time()
    if (step.earliest is not None and clock < step.earliest) or (step.latest is not None and clock > step.latest):
        return Misfit.HOURS
    if step.days is not None:
        number = (starts.date() - dates[step.days.counted_from]).days + 1
        if not step.days.first <= number <= step.days.last:
            return Misfit.DAYS
    return None


def unfit_together(
    itinerary: Itinerary, one: tuple[ItineraryStep, Slot], other: tuple[ItineraryStep, Slot]
) -> Misfit | None:
    """Return why two steps cannot be at these times in one itinerary, or None; which is named first does not matter."""
    (first, slot), (second, following) = (one, other) if one[1].starts_at <= other[1].starts_at else (other, one)
    if (local_day(following.starts_at) - local_day(slot.starts_at)).days >= itinerary.within_days:
        return Misfit.TOO_FAR_APART
    misfit = _order(first, slot, second, following) or _order(second, following, first, slot)
    if misfit is None and not set(first.who).isdisjoint(second.who):
        misfit = _for_one_person(itinerary, (first, slot), (second, following))
    return misfit


def _order(before: ItineraryStep, slot: Slot, step: ItineraryStep, following: Slot) -> Misfit | None:
    """Ask what `step` says of `before`."""
    for after in step.after:
        if after.step != before.key:
            continue
        gap = following.starts_at - slot.ends_at
        if gap < timedelta(0):
            return Misfit.ORDER
        if gap < timedelta(minutes=after.least):
            return Misfit.TOO_SOON
        if after.most is not None and gap > timedelta(minutes=after.most):
            return Misfit.TOO_LATE
    return None


def _for_one_person(
    itinerary: Itinerary, one: tuple[ItineraryStep, Slot], other: tuple[ItineraryStep, Slot]
) -> Misfit | None:
    """Ask what somebody who takes part in both needs: to be in one place, to get to the next, to fast and to eat."""
    (first, slot), (second, following) = one, other
    gap = following.starts_at - slot.ends_at
    if gap < timedelta(0):
        return Misfit.OVERLAP
    walk = itinerary.walk_minutes(first.key, second.key, same_venue=slot.venue_id == following.venue_id)
    if gap < timedelta(minutes=walk):
        return Misfit.WALKING
    if first.fasting != second.fasting and local_day(slot.starts_at) == local_day(following.starts_at):
        if second.fasting:
            return Misfit.FASTING
        if gap < timedelta(minutes=itinerary.meal_minutes):
            return Misfit.TOO_SOON
    return None
