"""A plan of open hours as a document: the one vocabulary of the city's files, of the API, and of the plans that are stored.

Times of day are `HH:MM`, dates `YYYY-MM-DD`, days of every year `MM-DD`; weekdays are ISO, 1 Monday to 7 Sunday.
What a document means, and whether it may be published, is the plan's own matter (`domain.plan`, `domain.plan_rules`);
here only its form is checked.
"""

import re
from datetime import date, time
from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, PlainSerializer, WithJsonSchema, model_validator
from pydantic_core import PydanticCustomError

from services.booking.domain.calendar import Festival
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
)
from shared.contracts import Words

_CLOCK = re.compile(r"([01][0-9]|2[0-3]):[0-5][0-9]")
_MONTH_DAY = re.compile(r"(0[1-9]|1[0-2])-(0[1-9]|[12][0-9]|3[01])")
_DATE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_DATE_FIRST = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}(T|$)")


def _clock_time(value: Any) -> time:
    if isinstance(value, time):
        return value
    if not isinstance(value, str) or _CLOCK.fullmatch(value) is None:
        raise PydanticCustomError("time_parsing", "write a time of day as HH:MM, such as 16:30")
    return time.fromisoformat(value)


def _date(value: Any) -> date:
    if type(value) is date:
        return value
    try:
        if isinstance(value, str) and _DATE.fullmatch(value):
            return date.fromisoformat(value)
    except ValueError:
        pass
    raise PydanticCustomError("date_parsing", "write a date as YYYY-MM-DD, such as 2026-10-01")


def _month_day(value: Any) -> MonthDay:
    if isinstance(value, MonthDay):
        return value
    if not isinstance(value, str) or _MONTH_DAY.fullmatch(value) is None:
        raise PydanticCustomError("month_day_parsing", "write a day of every year as MM-DD, such as 08-08")
    return MonthDay(int(value[:2]), int(value[3:]))


def _day(value: Any) -> date | MonthDay:
    if type(value) is date or (isinstance(value, str) and _DATE_FIRST.match(value)):
        return _date(value)
    return _month_day(value)


def _written(value: date | MonthDay) -> str:
    return value.isoformat() if isinstance(value, date) else f"{value.month:02}-{value.day:02}"


ClockTime = Annotated[
    time,
    BeforeValidator(_clock_time),
    PlainSerializer(lambda value: f"{value:%H:%M}"),
    WithJsonSchema({"type": "string", "pattern": "^([01][0-9]|2[0-3]):[0-5][0-9]$", "examples": ["16:30"]}),
]
Day = Annotated[
    date, BeforeValidator(_date), WithJsonSchema({"type": "string", "format": "date", "examples": ["2026-10-01"]})
]
YearlyDay = Annotated[
    MonthDay,
    BeforeValidator(_month_day),
    PlainSerializer(_written),
    WithJsonSchema({"type": "string", "pattern": f"^{_MONTH_DAY.pattern}$", "examples": ["08-08"]}),
]
AnyDay = Annotated[
    date | MonthDay,
    BeforeValidator(_day),
    PlainSerializer(_written),
    WithJsonSchema(
        {"type": "string", "pattern": "^([0-9]{4}-)?[0-9]{2}-[0-9]{2}$", "examples": ["2026-10-01", "08-08"]}
    ),
]
Text = Annotated[str, Field(min_length=1, max_length=200)]


class Document(BaseModel):
    """A part of a document: what it does not know it refuses."""

    model_config = ConfigDict(extra="forbid", frozen=True, str_strip_whitespace=True)


class WordsDocument(Document):
    """The same words in Chinese and in English."""

    zh: Text
    en: Text

    def words(self) -> Words:
        return Words(self.zh, self.en)


class PatternDocument(Document):
    """How hours are cut into slots."""

    minutes: Annotated[int, Field(description="Length of a slot in minutes.")]
    capacity: Annotated[int, Field(description="Places in each slot.")]
    every: Annotated[
        int | None, Field(description="Minutes from one start to the next; the length where not given.")
    ] = None
    starts: Annotated[list[ClockTime], Field(description="Starting times, in place of `every`.")] = Field(
        default_factory=list
    )

    def pattern(self) -> SlotPattern:
        return SlotPattern(minutes=self.minutes, capacity=self.capacity, every=self.every, starts=tuple(self.starts))


class HoursDocument(Document):
    """Open from `opens` to `closes`; no slot starts after `last_entry`."""

    opens: ClockTime
    closes: ClockTime
    last_entry: ClockTime | None = None
    charge: Annotated[Charge, Field(description="What the public pays.")]
    label: Annotated[WordsDocument, Field(description="What these hours are called.")]
    timed: Annotated[PatternDocument | None, Field(description="In place of the plan's own pattern.")] = None

    def hours(self) -> Hours:
        return Hours(
            opens=self.opens,
            closes=self.closes,
            last_entry=self.last_entry,
            charge=self.charge,
            label=self.label.words(),
            timed=None if self.timed is None else self.timed.pattern(),
        )


class RangeDocument(Document):
    """From `first` to `last`, both included."""

    first: Day
    last: Day

    def dates(self) -> DateRange:
        return DateRange(first=self.first, last=self.last)


class SpanDocument(Document):
    """From `first` to `last`, both included: two dates, or two days of every year (a season)."""

    first: AnyDay
    last: AnyDay

    def span(self) -> Season | DateRange:
        first, last = self.first, self.last
        if isinstance(first, MonthDay) and isinstance(last, MonthDay):
            return Season(first=first, last=last)
        if isinstance(first, date) and isinstance(last, date):
            return DateRange(first=first, last=last)
        raise AssertionError("the validator lets no mixture pass")

    @model_validator(mode="after")
    def _of_one_kind(self) -> "SpanDocument":
        if isinstance(self.first, MonthDay) != isinstance(self.last, MonthDay):
            raise PydanticCustomError("span_mixed", "write both ends as dates, or both as days of every year")
        return self


class DaysDocument(Document):
    """Which days: any of those named, as long as they lie within one of `within` (where there is any)."""

    weekdays: Annotated[list[int], Field(description="1 Monday to 7 Sunday.")] = Field(default_factory=list)
    festivals: Annotated[
        list[Festival], Field(description="Whole official holiday periods, days off by exchange included.")
    ] = Field(default_factory=list)
    official_holidays: Annotated[bool, Field(description="Every official holiday.")] = False
    dates: list[RangeDocument] = Field(default_factory=list)
    yearly: list[YearlyDay] = Field(default_factory=list)
    rule: Annotated[
        str | None,
        Field(
            max_length=200, description="RFC 5545 recurrence: FREQ=WEEKLY or MONTHLY with INTERVAL, BYDAY, BYMONTHDAY."
        ),
    ] = None
    within: list[SpanDocument] = Field(default_factory=list)

    def days(self) -> Days:
        return Days(
            weekdays=tuple(sorted(set(self.weekdays))),
            festivals=tuple(sorted(set(self.festivals))),
            official_holidays=self.official_holidays,
            dates=tuple(one.dates() for one in self.dates),
            yearly=tuple(self.yearly),
            rule=self.rule,
            within=tuple(one.span() for one in self.within),
        )


class WindowDocument(Document):
    """The same hours on each of the days named."""

    days: list[DaysDocument]
    hours: list[HoursDocument]
    on_holidays: Annotated[HolidayRule, Field(description="What an official holiday does to these hours.")] = (
        HolidayRule.OPEN
    )
    on_adjusted_workdays: Annotated[
        AdjustedWorkdayRule, Field(description="What a weekend day does that is worked in exchange (调休上班日).")
    ] = AdjustedWorkdayRule.BY_WEEKDAY

    def window(self) -> Window:
        return Window(
            days=tuple(one.days() for one in self.days),
            hours=tuple(one.hours() for one in self.hours),
            on_holidays=self.on_holidays,
            on_adjusted_workdays=self.on_adjusted_workdays,
        )


class ExceptionDocument(Document):
    """The hours of one date, or of one day of every year, in place of whatever the windows say."""

    on: AnyDay
    hours: list[HoursDocument]

    def exception(self) -> DayException:
        return DayException(on=self.on, hours=tuple(one.hours() for one in self.hours))


class ClosureDocument(Document):
    """Closed from `first` to `last`, both included: all day, or each day between two times."""

    first: Day
    last: Day
    reason: Annotated[WordsDocument, Field(description="Why, as residents read it.")]
    from_time: ClockTime | None = None
    until_time: ClockTime | None = None

    def closure(self) -> Closure:
        return Closure(
            first=self.first,
            last=self.last,
            reason=self.reason.words(),
            from_time=self.from_time,
            until_time=self.until_time,
        )


class PlanDocument(Document):
    """The open hours of a service from `valid_from` to `valid_until`, both included."""

    valid_from: Day
    valid_until: Day
    timed: Annotated[PatternDocument, Field(description="How the hours are cut into slots, unless they say otherwise.")]
    windows: list[WindowDocument] = Field(default_factory=list)
    exceptions: list[ExceptionDocument] = Field(default_factory=list)
    closures: list[ClosureDocument] = Field(default_factory=list)

    def plan(self, service_id: str, version: int) -> Plan:
        """Return the plan that the document writes down; whether it may be published is not asked here."""
        return Plan(
            service_id=service_id,
            version=version,
            valid_from=self.valid_from,
            valid_until=self.valid_until,
            windows=tuple(one.window() for one in self.windows),
            timed=self.timed.pattern(),
            exceptions=tuple(one.exception() for one in self.exceptions),
            closures=tuple(one.closure() for one in self.closures),
        )


def document_of(plan: Plan) -> dict[str, Any]:
    """Return `plan` as a document in JSON values: two plans that mean the same write the same."""
    return {
        "valid_from": plan.valid_from.isoformat(),
        "valid_until": plan.valid_until.isoformat(),
        "timed": _pattern_of(plan.timed),
        "windows": [
            {
                "days": [_days_of(days) for days in window.days],
                "hours": [_hours_of(hours) for hours in window.hours],
                "on_holidays": window.on_holidays.value,
                "on_adjusted_workdays": window.on_adjusted_workdays.value,
            }
            for window in plan.windows
        ],
        "exceptions": [
            {"on": _written(exception.on), "hours": [_hours_of(hours) for hours in exception.hours]}
            for exception in plan.exceptions
        ],
        "closures": [
            {
                "first": closure.first.isoformat(),
                "last": closure.last.isoformat(),
                "reason": _words_of(closure.reason),
                "from_time": _time_of(closure.from_time),
                "until_time": _time_of(closure.until_time),
            }
            for closure in plan.closures
        ],
    }


def _words_of(words: Words) -> dict[str, str]:
    return {"zh": words.zh, "en": words.en}


def _time_of(clock_time: time | None) -> str | None:
    return None if clock_time is None else f"{clock_time:%H:%M}"


def _pattern_of(pattern: SlotPattern) -> dict[str, Any]:
    return {
        "minutes": pattern.minutes,
        "capacity": pattern.capacity,
        "every": pattern.every,
        "starts": [_time_of(start) for start in pattern.starts],
    }


def _hours_of(hours: Hours) -> dict[str, Any]:
    return {
        "opens": _time_of(hours.opens),
        "closes": _time_of(hours.closes),
        "last_entry": _time_of(hours.last_entry),
        "charge": hours.charge.value,
        "label": _words_of(hours.label),
        "timed": None if hours.timed is None else _pattern_of(hours.timed),
    }


def _days_of(days: Days) -> dict[str, Any]:
    return {
        "weekdays": sorted(days.weekdays),
        "festivals": sorted(festival.value for festival in days.festivals),
        "official_holidays": days.official_holidays,
        "dates": [{"first": span.first.isoformat(), "last": span.last.isoformat()} for span in days.dates],
        "yearly": [_written(day) for day in days.yearly],
        "rule": days.rule,
        "within": [{"first": _written(span.first), "last": _written(span.last)} for span in days.within],
    }
