"""A plan of open hours (惠民开放计划, 延时开放, 出诊时间), as a scheduler publishes it: pure values, and which hours a day has.

The law of this file, strongest first: a closure, an exception for one date, an exception for a day of every year, the
windows. What is stronger stands whatever happens to what is weaker, so editing the series never loses an exception.

Times of day are Asia/Shanghai, to the minute, and hours end before midnight. Weekdays are ISO: 1 Monday to 7 Sunday.
"""

from dataclasses import dataclass, field, replace
from datetime import date, datetime, time
from enum import StrEnum
from functools import lru_cache

from dateutil.rrule import rrulestr

from services.booking.domain import calendar
from services.booking.domain.calendar import DayKind, Festival, OfficialDay
from shared.contracts import Words


class Charge(StrEnum):
    """What the public pays: nothing, a reduced price (低收费), or the ordinary one."""

    FREE = "free"
    LOW_CHARGE = "low_charge"
    CHARGED = "charged"


class HolidayRule(StrEnum):
    """What an official holiday does to a window: nothing, closes it, or is the only time that it is for."""

    OPEN = "open"
    CLOSED = "closed"
    ONLY = "only"


class AdjustedWorkdayRule(StrEnum):
    """What a weekend day does that is worked in exchange (调休上班日).

    For a museum it is still the Sunday that it is (`by_weekday`). A hospital's working-day clinic opens (`open`) and
    its weekend clinic does not (`closed`).
    """

    BY_WEEKDAY = "by_weekday"
    OPEN = "open"
    CLOSED = "closed"


@dataclass(frozen=True, slots=True, order=True)
class MonthDay:
    """A day of every year, such as 8 August (全民健身日)."""

    month: int
    day: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Season:
    """`first` to `last` of every year, both included; over New Year where `last` comes before `first`."""

    first: MonthDay
    last: MonthDay

    def covers(self, wanted: date) -> bool:
        today = MonthDay(wanted.month, wanted.day)
        if self.first <= self.last:
            return self.first <= today <= self.last
        return today >= self.first or today <= self.last


@dataclass(frozen=True, slots=True, kw_only=True)
class DateRange:
    """`first` to `last`, both included."""

    first: date
    last: date

    def covers(self, wanted: date) -> bool:
        return self.first <= wanted <= self.last


@dataclass(frozen=True, slots=True, kw_only=True)
class Days:
    """Which days: those that any of the first six names, as long as they lie in one of `within` (where there is any).

    `festivals` are whole official holiday periods, days off by exchange included; `official_holidays` is all of them.
    `rule` is an RFC 5545 recurrence that begins with the plan: FREQ=WEEKLY or MONTHLY with INTERVAL, BYDAY and
    BYMONTHDAY ("the second Saturday of each month" is `FREQ=MONTHLY;BYDAY=2SA`).
    """

    weekdays: tuple[int, ...] = ()
    festivals: tuple[Festival, ...] = ()
    official_holidays: bool = False
    dates: tuple[DateRange, ...] = ()
    yearly: tuple[MonthDay, ...] = ()
    rule: str | None = None
    within: tuple[Season | DateRange, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class SlotPattern:
    """How hours are cut into slots of `minutes` with `capacity` places.

    They start every `every` minutes (`minutes` where not given) from the opening on, or at `starts` where given.
    """

    minutes: int
    capacity: int
    every: int | None = None
    starts: tuple[time, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Hours:
    """Open from `opens` to `closes`. No slot starts after `last_entry`. `timed` stands before the plan's own pattern."""

    opens: time
    closes: time
    charge: Charge
    label: Words
    last_entry: time | None = None
    timed: SlotPattern | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Window:
    """The same hours on each of the days that any of `days` names."""

    days: tuple[Days, ...]
    hours: tuple[Hours, ...]
    on_holidays: HolidayRule = HolidayRule.OPEN
    on_adjusted_workdays: AdjustedWorkdayRule = AdjustedWorkdayRule.BY_WEEKDAY


@dataclass(frozen=True, slots=True, kw_only=True)
class DayException:
    """The hours of one date, or of one day of every year, in place of whatever the windows say."""

    on: date | MonthDay
    hours: tuple[Hours, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Closure:
    """Closed from `first` to `last`, both included, for a reason in words: all day, or each day between two times."""

    first: date
    last: date
    reason: Words
    from_time: time | None = None
    until_time: time | None = None

    def covers(self, wanted: date) -> bool:
        return self.first <= wanted <= self.last


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """The open hours of one service from `valid_from` to `valid_until`, both included. Each edit is a new version."""

    service_id: str
    version: int
    valid_from: date
    valid_until: date
    windows: tuple[Window, ...]
    timed: SlotPattern
    exceptions: tuple[DayException, ...] = field(default=())
    closures: tuple[Closure, ...] = field(default=())

    def is_valid_on(self, wanted: date) -> bool:
        return self.valid_from <= wanted <= self.valid_until


def with_windows(plan: Plan, windows: tuple[Window, ...]) -> Plan:
    """Return the next version of `plan` with another series; exceptions and closures stand as they are."""
    return replace(plan, windows=windows, version=plan.version + 1)


def hours_on(plan: Plan, wanted: date) -> list[tuple[str, Hours]]:
    """Return the hours planned on `wanted`, by opening time, each with its place in the plan as a JSON pointer.

    Closures are not looked at: closed hours are still planned, and whoever asks must hear why they are closed.

    Raises:
        Refused: `no_official_calendar` for a year without known notice.
    """
    official = calendar.day(wanted)
    if not plan.is_valid_on(wanted):
        return []
    source = _exception_on(plan, wanted)
    if source is not None:
        found = _pointed(f"/exceptions/{source}", plan.exceptions[source].hours)
    else:
        found = [
            hours
            for position, window in enumerate(plan.windows)
            if applies(window, plan, official)
            for hours in _pointed(f"/windows/{position}", window.hours)
        ]
    return sorted(found, key=lambda pointed: (pointed[1].opens, pointed[1].closes))


def applies(window: Window, plan: Plan, official: OfficialDay) -> bool:
    """Say whether `window` is open on that official day, its holiday rules included."""
    if official.kind is DayKind.HOLIDAY:
        if window.on_holidays is HolidayRule.CLOSED:
            return False
    elif window.on_holidays is HolidayRule.ONLY:
        return False
    if official.kind is DayKind.ADJUSTED_WORKDAY:
        if window.on_adjusted_workdays is AdjustedWorkdayRule.CLOSED:
            return False
        if window.on_adjusted_workdays is AdjustedWorkdayRule.OPEN and any(
            days.weekdays and _within(days, official.date) for days in window.days
        ):
            return True
    return any(_within(days, official.date) and _names(days, plan, official) for days in window.days)


def starts_of(hours: Hours, pattern: SlotPattern) -> list[time]:
    """Return when slots start within `hours`: each ends by the close and none starts after the last entry."""
    opens, closes = minute_of(hours.opens), minute_of(hours.closes)
    last = closes - pattern.minutes
    if hours.last_entry is not None:
        last = min(last, minute_of(hours.last_entry))
    if pattern.starts:
        return sorted(start for start in pattern.starts if opens <= minute_of(start) <= last)
    return [time_of(minute) for minute in range(opens, last + 1, pattern.every or pattern.minutes)]


def minute_of(clock_time: time) -> int:
    """Return the minutes since midnight."""
    return clock_time.hour * 60 + clock_time.minute


def time_of(minute: int) -> time:
    """Return the time of day that is `minute` minutes after midnight."""
    return time(minute // 60, minute % 60)


@lru_cache(maxsize=512)
def rule_days(rule: str, first: date, last: date) -> frozenset[date]:
    """Return the days from `first` to `last` of an RFC 5545 recurrence that begins on `first`.

    Raises:
        ValueError: the text is no recurrence.
    """
    recurrence = rrulestr(rule, dtstart=datetime.combine(first, time()))
    return frozenset(
        moment.date()
        for moment in recurrence.between(datetime.combine(first, time()), datetime.combine(last, time()), inc=True)
    )


def _pointed(pointer: str, hours: tuple[Hours, ...]) -> list[tuple[str, Hours]]:
    return [(f"{pointer}/hours/{position}", one) for position, one in enumerate(hours)]


def _exception_on(plan: Plan, wanted: date) -> int | None:
    """Return the position of the exception for `wanted`; one for the very date comes before one for every year."""
    for key in (wanted, MonthDay(wanted.month, wanted.day)):
        for position, exception in enumerate(plan.exceptions):
            if exception.on == key:
                return position
    return None


def _within(days: Days, wanted: date) -> bool:
    return not days.within or any(span.covers(wanted) for span in days.within)


def _names(days: Days, plan: Plan, official: OfficialDay) -> bool:
    wanted = official.date
    return (
        wanted.isoweekday() in days.weekdays
        or (days.official_holidays and official.kind is DayKind.HOLIDAY)
        or (bool(days.festivals) and _is_festival(days.festivals, wanted))
        or any(span.covers(wanted) for span in days.dates)
        or MonthDay(wanted.month, wanted.day) in days.yearly
        or (days.rule is not None and wanted in rule_days(days.rule, plan.valid_from, plan.valid_until))
    )


def _is_festival(festivals: tuple[Festival, ...], wanted: date) -> bool:
    period = calendar.period_of(wanted)
    return period is not None and not set(festivals).isdisjoint(period.festivals)
