"""From a plan of open hours to days and slots.

The law of this file: what is listed as open and what slots exist come from the same hours, so nobody is shown a day on
which nothing can be booked. A slot lies wholly inside its hours, starts no later than the last entry, and overlaps
neither another slot of the plan nor a closure. A date in a year without official calendar has no answer.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta

from services.booking.domain.plan import (
    AdjustedWorkdayRule,
    Charge,
    Closure,
    DateRange,
    DayException,
    Days,
    HolidayRule,
    Hours,
    MonthDay,
    Plan,
    Season,
    SlotPattern,
    Window,
    hours_on,
    minute_of,
    starts_of,
    time_of,
    with_windows,
)
from services.booking.domain.plan_rules import validate_plan
from services.booking.domain.reason import Reason
from services.booking.domain.zone import at_local
from shared.contracts import Words
from shared.refusal import Refused

__all__ = [
    "MOST_DAYS",
    "AdjustedWorkdayRule",
    "Charge",
    "Closure",
    "DateRange",
    "DayException",
    "Days",
    "Difference",
    "HolidayRule",
    "Hours",
    "MonthDay",
    "OpenDay",
    "Plan",
    "PlannedSlot",
    "Season",
    "SlotChange",
    "SlotPattern",
    "Window",
    "difference",
    "open_days",
    "slots_of",
    "validate_plan",
    "with_windows",
]

MOST_DAYS = 400
"""The longest range that is worked out at once: a year and its horizon."""

_MINUTES_A_DAY = 24 * 60


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenDay:
    """Hours of one day that are open, or planned but closed: then `closure` says why. A day may have several."""

    date: date
    opens: time
    closes: time
    last_entry: time | None
    label: Words
    closure: Closure | None
    charge: Charge

    @property
    def starts_at(self) -> datetime:
        return at_local(self.date, self.opens)

    @property
    def ends_at(self) -> datetime:
        return at_local(self.date, self.closes)


@dataclass(frozen=True, slots=True, kw_only=True)
class PlannedSlot:
    """A slot as the plan has it; `starts_at` and `ends_at` are aware, Asia/Shanghai."""

    service_id: str
    starts_at: datetime
    ends_at: datetime
    capacity: int
    charge: Charge
    label: Words


@dataclass(frozen=True, slots=True)
class SlotChange:
    """A slot that stays at its start but is not what it was."""

    before: PlannedSlot
    after: PlannedSlot


@dataclass(frozen=True, slots=True)
class Difference:
    """What a new version of a plan does to the slots of the old one, each in order of time."""

    added: tuple[PlannedSlot, ...]
    removed: tuple[PlannedSlot, ...]
    changed: tuple[SlotChange, ...]


def open_days(plan: Plan, first: date, last: date) -> list[OpenDay]:
    """Return the hours from `first` to `last`, both included, in order of time, closed ones with their closure.

    Raises:
        Refused: `invalid_request` for a range that is reversed or longer than `MOST_DAYS`; `no_official_calendar` for
            one that touches a year without known notice.
    """
    return [
        piece
        for wanted in _days(first, last)
        for _, hours in hours_on(plan, wanted)
        for piece in _pieces(wanted, hours, _closures_on(plan, wanted))
    ]


def slots_of(plan: Plan, first: date, last: date) -> list[PlannedSlot]:
    """Return the slots that start from `first` to `last`, both included, in order of time.

    Raises:
        Refused: as for `open_days`.
    """
    return [slot for wanted in _days(first, last) for slot in _slots_on(plan, wanted)]


def difference(old: Iterable[PlannedSlot], new: Iterable[PlannedSlot]) -> Difference:
    """Return what turns `old` into `new`. A slot is known by its service and its start."""
    before = {(slot.service_id, slot.starts_at): slot for slot in old}
    after = {(slot.service_id, slot.starts_at): slot for slot in new}
    return Difference(
        added=tuple(after[key] for key in _by_time(after.keys() - before.keys())),
        removed=tuple(before[key] for key in _by_time(before.keys() - after.keys())),
        changed=tuple(
            SlotChange(before[key], after[key])
            for key in _by_time(before.keys() & after.keys())
            if before[key] != after[key]
        ),
    )


def _days(first: date, last: date) -> list[date]:
    if last < first:
        raise Refused(Reason.INVALID_REQUEST, why="range_reversed", first=first, last=last)
    count = (last - first).days + 1
    if count > MOST_DAYS:
        raise Refused(Reason.INVALID_REQUEST, why="range_too_long", most_days=MOST_DAYS)
    return [first + timedelta(days=passed) for passed in range(count)]


def _slots_on(plan: Plan, wanted: date) -> Iterator[PlannedSlot]:
    closed = [_closed_minutes(closure) for closure in _closures_on(plan, wanted)]
    for _, hours in hours_on(plan, wanted):
        pattern = hours.timed or plan.timed
        for start in starts_of(hours, pattern):
            begin = minute_of(start)
            end = begin + pattern.minutes
            if any(begin < until and since < end for since, until in closed):
                continue
            yield PlannedSlot(
                service_id=plan.service_id,
                starts_at=at_local(wanted, start),
                ends_at=at_local(wanted, time_of(end)),
                capacity=pattern.capacity,
                charge=hours.charge,
                label=hours.label,
            )


def _closures_on(plan: Plan, wanted: date) -> list[Closure]:
    return [closure for closure in plan.closures if closure.covers(wanted)]


def _closed_minutes(closure: Closure) -> tuple[int, int]:
    since = minute_of(closure.from_time) if closure.from_time else 0
    until = minute_of(closure.until_time) if closure.until_time else _MINUTES_A_DAY
    return since, until


def _pieces(wanted: date, hours: Hours, closures: list[Closure]) -> Iterator[OpenDay]:
    """Cut the hours of one day where closures begin and end; where two overlap, the earlier one gives the reason."""
    at, closes = minute_of(hours.opens), minute_of(hours.closes)
    for closure in sorted(closures, key=_closed_minutes):
        since, until = _closed_minutes(closure)
        since, until = max(since, at), min(until, closes)
        if since >= until:
            continue
        yield from _piece(wanted, hours, (at, since), None)
        yield from _piece(wanted, hours, (since, until), closure)
        at = until
    yield from _piece(wanted, hours, (at, closes), None)


def _piece(wanted: date, hours: Hours, span: tuple[int, int], closure: Closure | None) -> Iterator[OpenDay]:
    since, until = span
    last = hours.last_entry if hours.last_entry is None else min(hours.last_entry, time_of(until))
    too_late_to_enter = closure is None and last is not None and minute_of(last) < since
    if since < until and not too_late_to_enter:
        yield OpenDay(
            date=wanted,
            opens=time_of(since),
            closes=time_of(until),
            last_entry=last,
            label=hours.label,
            closure=closure,
            charge=hours.charge,
        )


def _by_time(keys: Iterable[tuple[str, datetime]]) -> list[tuple[str, datetime]]:
    return sorted(keys, key=lambda key: (key[1], key[0]))
