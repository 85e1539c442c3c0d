"""Who is there, and for what: when a door checks in, which step of an itinerary that is, and what came out of order.

The law: an ordinary booking is checked in once. An itinerary is checked in step by step, each at its own door and within
the window of its own service; with the first of them, whichever that is, its party counts as come. A step that is met is
met once. One whose window has closed is missed: that is no state of its own, for it follows from the time, and it is no
strike where the party came to something (`striking`).

A party may come to a step before one that belongs first. That is told, not refused: whoever stands at the door knows
whether it matters, and the record says what was.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from services.booking.domain.booking import Booking, Course, Step
from services.booking.domain.catalogue import Catalogue
from services.booking.domain.itinerary import Itinerary
from services.booking.domain.policy import Policy
from services.booking.domain.reason import Reason
from services.booking.domain.zone import local_day
from shared.refusal import Refused

Window = tuple[datetime, datetime]
"""The first and the last instant at which a door checks in."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Door:
    """A venue where staff stand, and the step that they name there, if they do."""

    venue_id: str
    step: str | None = None


def visit_window(booking: Booking, catalogue: Catalogue) -> Window:
    """Return when the party may be checked in: of an itinerary, from its first step's opening to the last closing."""
    if booking.course is None:
        return _around(_policy(booking.service_id, catalogue), booking.starts_at)
    windows = [step_window(step, catalogue) for step in booking.course.steps]
    return min(opens for opens, _ in windows), max(closes for _, closes in windows)


def step_window(step: Step, catalogue: Catalogue) -> Window:
    """Return when the door of one step checks in."""
    return _around(_policy(step.service_id, catalogue), step.starts_at)


def in_window(window: Window, now: datetime) -> None:
    """Refuse whoever is too early, or too late.

    Raises:
        Refused: `check_in_early`, `check_in_late`.
    """
    opens, closes = window
    if now < opens:
        raise Refused(Reason.CHECK_IN_EARLY, opens_at=opens)
    if now > closes:
        raise Refused(Reason.CHECK_IN_LATE, closed_at=closes)


def meet(booking: Booking, door: Door, catalogue: Catalogue, now: datetime) -> Booking:
    """Return the itinerary with one more step met: the one that is named, or the next one of this venue.

    Raises:
        Refused: `step_unknown`, `wrong_venue`, `step_met`, `check_in_early`, `check_in_late`.
    """
    assert booking.course is not None
    step = _at_this_door(booking.course, door, catalogue, now)
    if step.met_at is not None:
        raise Refused(Reason.STEP_MET, step=step.key, met_at=step.met_at)
    in_window(step_window(step, catalogue), now)
    return with_step(booking, replace(step, met_at=now))


def step_named(booking: Booking, key: str | None) -> Step:
    """Return a step of an itinerary by its name.

    Raises:
        Refused: `step_unknown`; an ordinary booking has none.
    """
    if booking.course is None:
        raise Refused(Reason.STEP_UNKNOWN)
    return _among(booking.course.steps, key, field=None)


def with_step(booking: Booking, changed: Step) -> Booking:
    """Return the itinerary with this step in the place of the one of its name."""
    assert booking.course is not None
    steps = tuple(changed if one.key == changed.key else one for one in booking.course.steps)
    return replace(booking, course=replace(booking.course, steps=steps))


def is_missed(step: Step, catalogue: Catalogue, now: datetime) -> bool:
    """Say whether nobody came to a step, and nobody can any more."""
    return step.met_at is None and now > step_window(step, catalogue)[1]


def out_of_order(step: Step, course: Course, itinerary: Itinerary | None) -> tuple[str, ...]:
    """Return the steps that belong before `step` and had not been met when it was; none where it was not met."""
    if step.met_at is None or itinerary is None:
        return ()
    first = _before(step, course, itinerary)
    return tuple(
        one.key for one in course.steps if one.key in first and (one.met_at is None or one.met_at > step.met_at)
    )


def _before(step: Step, course: Course, itinerary: Itinerary) -> frozenset[str]:
    """Return what belongs before a step: what it comes after, and what its people must do first because it asks for fasting."""
    definition = itinerary.step(step.key)
    if definition is None:
        return frozenset()
    found = {after.step for after in definition.after}
    if not definition.fasting:
        fasting = {one.key for one in itinerary.steps if one.fasting}
        found |= {
            one.key
            for one in course.steps
            if one.key in fasting
            and not set(one.person_ids).isdisjoint(step.person_ids)
            and local_day(one.starts_at) == local_day(step.starts_at)
        }
    return frozenset(found)


def _at_this_door(course: Course, door: Door, catalogue: Catalogue, now: datetime) -> Step:
    """Return the step that a party is at this door for: one that can be met now, else the next, else the last one."""
    here = [step for step in course.steps if _venue_id(step, catalogue) == door.venue_id]
    if door.step is not None:
        return _named(door.step, course.steps, here, catalogue)
    if not here:
        raise _elsewhere(course.steps, catalogue, now)
    waiting = [step for step in here if step.met_at is None] or here[-1:]
    open_now = [step for step in waiting if _is_open(step, catalogue, now)]
    to_come = [step for step in waiting if now < step_window(step, catalogue)[0]]
    return (open_now or to_come or waiting[-1:])[0]


def _named(key: str, steps: Sequence[Step], here: Sequence[Step], catalogue: Catalogue) -> Step:
    found = _among(steps, key, field="/step")
    if found not in here:
        raise _wrong_venue(found, catalogue)
    return found


def _among(steps: Sequence[Step], key: str | None, *, field: str | None) -> Step:
    found = next((step for step in steps if step.key == key), None)
    if found is None:
        raise Refused(Reason.STEP_UNKNOWN, field=field, steps=", ".join(step.key for step in steps))
    return found


def _elsewhere(steps: Sequence[Step], catalogue: Catalogue, now: datetime) -> Refused:
    """Return the refusal that names where the party is due: at the next step that nobody has met."""
    waiting = [step for step in steps if step.met_at is None and not is_missed(step, catalogue, now)]
    return _wrong_venue((waiting or list(steps))[0], catalogue)


def _wrong_venue(step: Step, catalogue: Catalogue) -> Refused:
    venue = catalogue.venues[_venue_id(step, catalogue)]
    return Refused(Reason.WRONG_VENUE, venue_id=venue.id, venue_zh=venue.name.zh, venue_en=venue.name.en)


def _is_open(step: Step, catalogue: Catalogue, now: datetime) -> bool:
    opens, closes = step_window(step, catalogue)
    return opens <= now <= closes


def _around(policy: Policy, starts_at: datetime) -> Window:
    return (
        starts_at - timedelta(minutes=policy.check_in.opens_minutes_before),
        starts_at + timedelta(minutes=policy.check_in.closes_minutes_after),
    )


def _venue_id(step: Step, catalogue: Catalogue) -> str:
    return catalogue.services[step.service_id].venue_id


def _policy(service_id: str, catalogue: Catalogue) -> Policy:
    policies: Mapping[str, Policy] = catalogue.policies
    return policies[catalogue.services[service_id].policy_id]
