"""The days of one service with their times, and for every time that cannot be had the reason, by the rule of claiming."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from typing import Final

from sqlalchemy.ext.asyncio import AsyncConnection

from services.booking.domain.booking import Channel
from services.booking.domain.plan import Plan
from services.booking.domain.reason import Reason
from services.booking.domain.schedule import OpenDay, open_days
from services.booking.domain.slot import Slot, free_places, next_release, why_not
from services.booking.domain.zone import at_local, local, local_day
from services.booking.views.availability import Bounds, SlotSeen, read_bounds, read_days, read_free

_TAKEABLE = frozenset({None, Reason.NOT_RELEASED, Reason.COOLING_OFF, Reason.SLOT_FULL})
"""Where places that are free are worth a word: they can be had now, later, or by a smaller party."""

_HOPE_FIRST: Final = (
    Reason.SLOT_DRAWN,
    Reason.NOT_RELEASED,
    Reason.COOLING_OFF,
    Reason.SLOT_FULL,
    Reason.BOOKING_CLOSED,
    Reason.SLOT_CLOSED,
    Reason.SLOT_PAST,
)
"""What one would want to hear first of several times none of which can be had: where there is hope, and when."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """What is asked of one service.

    Args:
        service_id: the service.
        since: the first day that may be shown.
        earliest_since: the first day on which the earliest free time may be; a later page keeps that of the first.
        until: the last day for which slots are opened (`domain.opening.last_day`).
        places: how many places somebody needs at one time.
        dates: how many days to show.
    """

    service_id: str
    since: date
    earliest_since: date
    until: date
    places: int
    dates: int


@dataclass(frozen=True, slots=True, kw_only=True)
class TimeSeen:
    """A time: `why` it cannot be had online now (None where it can), the places that are left, and what is still to come."""

    seen: SlotSeen
    why: Reason | None
    places_left: int
    to_come: tuple[tuple[datetime, int], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Fullness:
    """How full the hour that begins at `hour` is: places taken, walk-ins included, of the capacity of its times."""

    hour: datetime
    taken: int
    capacity: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Summary:
    """A day, or a service, in one line. `why` and `bookable_from` (the next release) only where nothing can be had."""

    times: int
    places_left: int
    why: Reason | None
    bookable_from: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class DaySeen:
    """One day. `closed` are hours that a closure stopped before their times were opened."""

    date: date
    times: tuple[TimeSeen, ...]
    closed: tuple[OpenDay, ...]
    summary: Summary


@dataclass(frozen=True, slots=True, kw_only=True)
class Availability:
    """What one service has to show. `following` is the first day of the next page."""

    days: list[DaySeen]
    earliest: Slot | None
    bounds: Bounds
    following: date | None


async def read_availability(connection: AsyncConnection, asked: Asked, now: datetime) -> Availability:
    """Return the first days from `asked.since` on that have something to show: a time to come, or closed hours."""
    bounds = await read_bounds(connection, asked.service_id, now)
    seen = await read_days(connection, asked.service_id, at_local(asked.since, time()), asked.dates + 1, now)
    days = _merged(seen, _closed_days(bounds, asked, now), asked.places, now)
    candidates = await read_free(
        connection, asked.service_id, at_local(asked.earliest_since, time()), asked.places, now
    )
    return Availability(
        days=days[: asked.dates],
        earliest=first_free(candidates, asked.places, now),
        bounds=bounds,
        following=days[asked.dates].date if len(days) > asked.dates else None,
    )


def first_free(slots: Iterable[Slot], places: int, now: datetime) -> Slot | None:
    """Return the first of `slots` that the rule lets somebody book online now."""
    return next((slot for slot in slots if why_not(slot, Channel.ONLINE, now, places) is None), None)


def summary_of(slots: Sequence[Slot], places: int, now: datetime) -> Summary:
    """Return what `slots` come to for somebody who needs `places`."""
    reasons = [(why_not(slot, Channel.ONLINE, now, places), slot) for slot in slots]
    free = [slot for why, slot in reasons if why is None]
    if free:
        left = sum(free_places(slot, Channel.ONLINE, now) for slot in free)
        return Summary(times=len(free), places_left=left, why=None, bookable_from=None)
    why = min((why for why, _ in reasons if why is not None), key=_HOPE_FIRST.index, default=Reason.SLOT_CLOSED)
    releases = [next_release(slot, now) for reason, slot in reasons if reason is Reason.NOT_RELEASED]
    return Summary(times=0, places_left=0, why=why, bookable_from=min(releases, default=None))


def fullness_of(times: Sequence[TimeSeen]) -> list[Fullness]:
    """Return how full each hour of a day is, in order; a time counts in the hour in which it begins."""
    hours: dict[datetime, list[Slot]] = {}
    for one in times:
        slot = one.seen.slot
        hours.setdefault(local(slot.starts_at).replace(minute=0), []).append(slot)
    return [
        Fullness(hour=hour, taken=sum(slot.taken for slot in slots), capacity=sum(slot.capacity for slot in slots))
        for hour, slots in hours.items()
    ]


def _closed_days(bounds: Bounds, asked: Asked, now: datetime) -> list[OpenDay]:
    """Return the hours to come that a closure of the plan stops, as far as slots are opened."""
    plan = bounds.closing
    if plan is None:
        return []
    spans = [
        (max(closure.first, asked.since, plan.valid_from), min(closure.last, asked.until, plan.valid_until))
        for closure in plan.closures
    ]
    days = sorted({day for first, last in spans for day in _dates(first, last)})
    return [piece for day in days for piece in _closed_on(plan, day) if piece.ends_at > now]


def _dates(first: date, last: date) -> list[date]:
    return [first + timedelta(days=passed) for passed in range((last - first).days + 1)]


def _closed_on(plan: Plan, day: date) -> list[OpenDay]:
    return [piece for piece in open_days(plan, day, day) if piece.closure is not None]


def _merged(seen: Sequence[SlotSeen], closed: Sequence[OpenDay], places: int, now: datetime) -> list[DaySeen]:
    by_day: dict[date, tuple[list[SlotSeen], list[OpenDay]]] = {}
    for one in seen:
        by_day.setdefault(local_day(one.slot.starts_at), ([], []))[0].append(one)
    for piece in closed:
        by_day.setdefault(piece.date, ([], []))[1].append(piece)
    return [_day(day, *found, places, now) for day, found in sorted(by_day.items())]


def _day(day: date, seen: list[SlotSeen], closed: list[OpenDay], places: int, now: datetime) -> DaySeen:
    """A closed stretch whose times were opened before it was closed is told by those times alone."""
    without_times = [
        piece
        for piece in closed
        if not any(one.slot.starts_at < piece.ends_at and piece.starts_at < one.slot.ends_at for one in seen)
    ]
    return DaySeen(
        date=day,
        times=tuple(_time(one, places, now) for one in seen),
        closed=tuple(without_times),
        summary=summary_of([one.slot for one in seen], places, now),
    )


def _time(seen: SlotSeen, places: int, now: datetime) -> TimeSeen:
    why = why_not(seen.slot, Channel.ONLINE, now, places)
    left = free_places(seen.slot, Channel.ONLINE, now) if why in _TAKEABLE else 0
    to_come = tuple((at, places) for at, places in seen.slot.later if at > now)
    return TimeSeen(seen=seen, why=why, places_left=left, to_come=to_come)
