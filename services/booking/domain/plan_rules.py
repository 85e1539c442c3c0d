"""What a plan must be before it is published. Each rule looks at one thing and names the place at fault.

A plan that passes gives, on every day of its validity, hours that do not overlap and slots inside them: nothing is
dropped in silence later.
"""

import re
from collections.abc import Iterator
from datetime import date, time, timedelta
from itertools import pairwise
from typing import Any

from services.booking.domain.plan import (
    Closure,
    DateRange,
    DayException,
    Days,
    HolidayRule,
    Hours,
    MonthDay,
    Plan,
    SlotPattern,
    Window,
    hours_on,
    minute_of,
    rule_days,
    starts_of,
)
from services.booking.domain.reason import Reason
from shared.refusal import Refused

MOST_VALID_DAYS = 3 * 366
MOST_WINDOWS = 50
MOST_ENTRIES = 400
"""Of exceptions, of closures, and of each list inside a window."""

LEAST_SLOT_MINUTES = 5
MOST_CAPACITY = 10_000

_RULE_PARTS = {
    "FREQ": "WEEKLY|MONTHLY",
    "INTERVAL": "[1-9]|[1-4][0-9]|5[0-2]",
    "BYDAY": r"(-?[1-5])?(MO|TU|WE|TH|FR|SA|SU)(,(-?[1-5])?(MO|TU|WE|TH|FR|SA|SU)){0,6}",
    "BYMONTHDAY": r"(-1|[1-9]|[12][0-9]|3[01])(,(-1|[1-9]|[12][0-9]|3[01])){0,30}",
}
"""The parts of RFC 5545 that a plan may use. Each of them comes true within the calendar, so working one out ends."""


def validate_plan(plan: Plan) -> None:
    """Say no to a plan that must not be published.

    Raises:
        Refused: `plan_invalid` with the place at fault (a JSON pointer into the plan) and `why`;
            `no_official_calendar` where it would be valid in a year without known notice.
    """
    _check_validity(plan)
    _check_pattern("/timed", plan.timed)
    for position, window in enumerate(plan.windows):
        _check_window(f"/windows/{position}", window, plan)
    for position, exception in enumerate(plan.exceptions):
        _check_exception(f"/exceptions/{position}", exception, plan)
    _check_exceptions_differ(plan)
    for position, closure in enumerate(plan.closures):
        _check_closure(f"/closures/{position}", closure, plan)
    _check_overlaps(plan)


def _must(holds: bool, pointer: str, why: str, **facts: Any) -> None:
    if not holds:
        raise Refused(Reason.PLAN_INVALID, field=pointer, why=why, **facts)


def _check_validity(plan: Plan) -> None:
    _must(plan.version >= 1, "/version", "version")
    _must(plan.valid_from <= plan.valid_until, "/valid_until", "validity")
    _must((plan.valid_until - plan.valid_from).days < MOST_VALID_DAYS, "/valid_until", "validity", most=MOST_VALID_DAYS)
    _must(len(plan.windows) + len(plan.exceptions) >= 1, "/windows", "empty")
    _must(len(plan.windows) <= MOST_WINDOWS, "/windows", "too_many", most=MOST_WINDOWS)
    _must(len(plan.exceptions) <= MOST_ENTRIES, "/exceptions", "too_many", most=MOST_ENTRIES)
    _must(len(plan.closures) <= MOST_ENTRIES, "/closures", "too_many", most=MOST_ENTRIES)


def _check_pattern(pointer: str, pattern: SlotPattern) -> None:
    _must(
        LEAST_SLOT_MINUTES <= pattern.minutes < 24 * 60, f"{pointer}/minutes", "slot_minutes", least=LEAST_SLOT_MINUTES
    )
    _must(1 <= pattern.capacity <= MOST_CAPACITY, f"{pointer}/capacity", "capacity", most=MOST_CAPACITY)
    if pattern.every is not None:
        _must(not pattern.starts, f"{pointer}/every", "every_and_starts")
        _must(pattern.minutes <= pattern.every < 24 * 60, f"{pointer}/every", "slots_overlap")
    for position, start in enumerate(pattern.starts):
        _check_time(f"{pointer}/starts/{position}", start)
    for position, (start, following) in enumerate(pairwise(pattern.starts), start=1):
        _must(
            minute_of(start) + pattern.minutes <= minute_of(following), f"{pointer}/starts/{position}", "slots_overlap"
        )


def _check_time(pointer: str, clock_time: time) -> None:
    _must(clock_time.tzinfo is None and clock_time == clock_time.replace(second=0, microsecond=0), pointer, "time")


def _check_hours(pointer: str, hours: Hours, plan: Plan) -> None:
    _check_time(f"{pointer}/opens", hours.opens)
    _check_time(f"{pointer}/closes", hours.closes)
    _must(hours.opens < hours.closes, f"{pointer}/closes", "closes_before_opens")
    if hours.last_entry is not None:
        _check_time(f"{pointer}/last_entry", hours.last_entry)
        _must(hours.opens <= hours.last_entry <= hours.closes, f"{pointer}/last_entry", "last_entry_outside")
    if hours.timed is not None:
        _check_pattern(f"{pointer}/timed", hours.timed)
    pattern = hours.timed or plan.timed
    starts = starts_of(hours, pattern)
    _must(bool(starts), pointer, "no_slots", minutes=pattern.minutes)
    if hours.timed is not None:
        outside = sorted(set(pattern.starts) - set(starts))
        _must(not outside, f"{pointer}/timed/starts", "starts_outside", starts=[str(start) for start in outside])


def _check_all_hours(pointer: str, hours: tuple[Hours, ...], plan: Plan) -> None:
    _must(bool(hours), f"{pointer}/hours", "no_hours")
    _must(len(hours) <= MOST_ENTRIES, f"{pointer}/hours", "too_many", most=MOST_ENTRIES)
    for position, one in enumerate(hours):
        _check_hours(f"{pointer}/hours/{position}", one, plan)


def _check_window(pointer: str, window: Window, plan: Plan) -> None:
    _must(bool(window.days), f"{pointer}/days", "no_days")
    _must(len(window.days) <= MOST_ENTRIES, f"{pointer}/days", "too_many", most=MOST_ENTRIES)
    _check_all_hours(pointer, window.hours, plan)
    for position, days in enumerate(window.days):
        place = f"{pointer}/days/{position}"
        _check_days(place, days, plan)
        for_holidays = bool(days.festivals) or days.official_holidays
        _must(not (for_holidays and window.on_holidays is HolidayRule.CLOSED), place, "holidays_closed")


def _check_days(pointer: str, days: Days, plan: Plan) -> None:
    named = (days.weekdays, days.festivals, days.official_holidays, days.dates, days.yearly, days.rule)
    _must(any(named), pointer, "no_days")
    _must(set(days.weekdays) <= set(range(1, 8)), f"{pointer}/weekdays", "weekday")
    for name, entries in (("dates", days.dates), ("yearly", days.yearly), ("within", days.within)):
        _must(len(entries) <= MOST_ENTRIES, f"{pointer}/{name}", "too_many", most=MOST_ENTRIES)
    for position, yearly in enumerate(days.yearly):
        _check_month_day(f"{pointer}/yearly/{position}", yearly)
    spans = [("dates", position, span) for position, span in enumerate(days.dates)]
    for name, position, span in [*spans, *(("within", position, span) for position, span in enumerate(days.within))]:
        place = f"{pointer}/{name}/{position}"
        if isinstance(span, DateRange):
            _must(span.first <= span.last, f"{place}/last", "range_reversed")
        else:
            _check_month_day(f"{place}/first", span.first)
            _check_month_day(f"{place}/last", span.last)
    if days.rule is not None:
        _check_rule(f"{pointer}/rule", days.rule, plan)


def _check_month_day(pointer: str, yearly: MonthDay) -> None:
    try:
        date(2024, yearly.month, yearly.day)  # a leap year: 29 February is a day of every fourth year
    except ValueError:
        _must(False, pointer, "month_day")


def _check_rule(pointer: str, rule: str, plan: Plan) -> None:
    pairs = [part.partition("=") for part in rule.split(";")]
    parts = {name: value for name, _, value in pairs}
    _must(len(parts) == len(pairs), pointer, "rule")
    for name, value in parts.items():
        _must(name in _RULE_PARTS and re.fullmatch(_RULE_PARTS[name], value) is not None, pointer, "rule")
    _must("FREQ" in parts and ("BYDAY" in parts) != ("BYMONTHDAY" in parts), pointer, "rule")
    if parts["FREQ"] == "WEEKLY":
        _must(re.fullmatch("[A-Z,]+", parts.get("BYDAY", "")) is not None, pointer, "rule")
    try:
        rule_days(rule, plan.valid_from, plan.valid_until)
    except ValueError:
        _must(False, pointer, "rule")


def _check_exception(pointer: str, exception: DayException, plan: Plan) -> None:
    if isinstance(exception.on, MonthDay):
        _check_month_day(f"{pointer}/on", exception.on)
    else:
        _must(plan.is_valid_on(exception.on), f"{pointer}/on", "outside_validity")
    _check_all_hours(pointer, exception.hours, plan)


def _check_exceptions_differ(plan: Plan) -> None:
    seen: set[date | MonthDay] = set()
    for position, exception in enumerate(plan.exceptions):
        _must(exception.on not in seen, f"/exceptions/{position}/on", "twice")
        seen.add(exception.on)


def _check_closure(pointer: str, closure: Closure, plan: Plan) -> None:
    _must(closure.first <= closure.last, f"{pointer}/last", "range_reversed")
    _must(closure.first <= plan.valid_until and closure.last >= plan.valid_from, f"{pointer}/first", "outside_validity")
    _must(bool(closure.reason.zh.strip() and closure.reason.en.strip()), f"{pointer}/reason", "no_reason")
    for name, clock_time in (("from_time", closure.from_time), ("until_time", closure.until_time)):
        if clock_time is not None:
            _check_time(f"{pointer}/{name}", clock_time)
    if closure.until_time is not None:
        _must((closure.from_time or time()) < closure.until_time, f"{pointer}/until_time", "closure_times")


def _check_overlaps(plan: Plan) -> None:
    """Walk every day of the plan: holidays and rules may bring together windows that look apart.

    It is also where a year without official calendar is refused, since no day of it has an answer.
    """
    for wanted in _days_of(plan):
        for (_, earlier), (pointer, later) in pairwise(hours_on(plan, wanted)):
            _must(earlier.closes <= later.opens, pointer, "overlap", date=wanted)


def _days_of(plan: Plan) -> Iterator[date]:
    for passed in range((plan.valid_until - plan.valid_from).days + 1):
        yield plan.valid_from + timedelta(days=passed)
