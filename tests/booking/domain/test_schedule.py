from dataclasses import replace
from datetime import date, datetime, time, timedelta, timezone
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import TypeAdapter

from services.booking.domain.calendar import Festival
from services.booking.domain.reason import Reason
from services.booking.domain.schedule import (
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
    difference,
    open_days,
    slots_of,
    validate_plan,
    with_windows,
)
from shared.contracts import Words
from shared.refusal import Refused

EXTENDED = Words("延时开放", "Extended hours")
WORKING_DAYS = (1, 2, 3, 4, 5)
FIRST, LAST = date(2025, 1, 1), date(2025, 12, 31)
SHANGHAI = timezone(timedelta(hours=8))


def hours(opens: str, closes: str, last_entry: str | None = None, **more: Any) -> Hours:
    return Hours(
        opens=time.fromisoformat(opens),
        closes=time.fromisoformat(closes),
        last_entry=None if last_entry is None else time.fromisoformat(last_entry),
        charge=more.get("charge", Charge.FREE),
        label=more.get("label", EXTENDED),
        timed=more.get("timed"),
    )


def window(days: Days, *of_day: Hours, **rules: Any) -> Window:
    return Window(days=(days,), hours=of_day or (hours("09:00", "11:00"),), **rules)


def plan(*windows: Window, **more: Any) -> Plan:
    values: dict[str, Any] = {
        "service_id": "dalian-museum-entry",
        "version": 1,
        "valid_from": FIRST,
        "valid_until": LAST,
        "windows": windows,
        "timed": SlotPattern(minutes=30, capacity=100),
    }
    return Plan(**(values | more))


EVERY_DAY = window(Days(weekdays=(1, 2, 3, 4, 5, 6, 7)))

MUSEUM = plan(
    Window(
        days=(
            Days(weekdays=(6, 7), within=(Season(first=MonthDay(7, 1), last=MonthDay(9, 30)),)),
            Days(festivals=(Festival.LABOUR_DAY, Festival.NATIONAL_DAY)),
        ),
        hours=(hours("16:30", "18:30", "18:00"),),
    )
)
"""The extended hours of the six municipal museums, 2025 [001]."""


def dates(checked: Plan, first: date = FIRST, last: date = LAST) -> list[date]:
    return sorted({day.date for day in open_days(checked, first, last) if day.closure is None})


def starts(checked: Plan, day: date) -> list[str]:
    return [slot.starts_at.strftime("%H:%M") for slot in slots_of(checked, day, day)]


def refused(checked: Plan) -> tuple[str | None, str]:
    with pytest.raises(Refused) as caught:
        validate_plan(checked)
    assert caught.value.reason is Reason.PLAN_INVALID
    return caught.value.field, str(caught.value.facts["why"])


# the museums' extended days of 2025


def test_the_extended_museum_days_of_2025_are_exactly_those_announced() -> None:
    validate_plan(MUSEUM)
    day, summer = date(2025, 7, 1), []
    while day <= date(2025, 9, 30):
        if day.weekday() in {5, 6}:
            summer.append(day)
        day += timedelta(days=1)
    may = [date(2025, 5, day) for day in range(1, 6)]
    october = [date(2025, 10, day) for day in range(1, 9)]
    assert len(summer) == 26
    assert dates(MUSEUM) == may + summer + october
    assert date(2025, 9, 28) in summer  # made a workday by exchange, and still a Sunday
    for one in open_days(MUSEUM, FIRST, LAST):
        assert (one.opens, one.closes, one.last_entry) == (time(16, 30), time(18, 30), time(18, 0))
        assert (one.label, one.charge, one.closure) == (EXTENDED, Charge.FREE, None)


def test_extended_slots_end_with_the_last_entry() -> None:
    slots = slots_of(MUSEUM, FIRST, LAST)
    assert len(slots) == 39 * 4
    assert starts(MUSEUM, date(2025, 9, 28)) == ["16:30", "17:00", "17:30", "18:00"]
    last = slots_of(MUSEUM, date(2025, 10, 8), date(2025, 10, 8))[-1]
    assert last.starts_at == datetime(2025, 10, 8, 18, 0, tzinfo=SHANGHAI)
    assert last.ends_at == datetime(2025, 10, 8, 18, 30, tzinfo=SHANGHAI)
    assert str(last.starts_at.tzinfo) == "Asia/Shanghai"
    assert (last.capacity, last.service_id) == (100, "dalian-museum-entry")


@pytest.mark.parametrize(
    ("first", "last"),
    [
        (date(2027, 1, 1), date(2027, 1, 1)),
        (date(2026, 12, 1), date(2027, 1, 1)),
        (date(2019, 12, 31), date(2020, 1, 1)),
    ],
)
def test_a_year_without_official_calendar_is_refused_for_days_slots_and_plans(first: date, last: date) -> None:
    for ask in (open_days, slots_of):
        with pytest.raises(Refused) as caught:
            ask(MUSEUM, first, last)
        assert caught.value.reason is Reason.NO_OFFICIAL_CALENDAR
    with pytest.raises(Refused) as caught:
        validate_plan(replace(MUSEUM, valid_from=first, valid_until=last))
    assert caught.value.reason is Reason.NO_OFFICIAL_CALENDAR


def test_the_same_plan_in_2026_follows_the_notice_of_2026() -> None:
    moved = replace(MUSEUM, valid_from=date(2026, 1, 1), valid_until=date(2026, 12, 31))
    found = dates(moved, date(2026, 1, 1), date(2026, 12, 31))
    assert [day for day in found if day.month == 10] == [date(2026, 10, day) for day in range(1, 8)]
    assert [day for day in found if day.month == 5] == [date(2026, 5, day) for day in range(1, 6)]
    assert date(2026, 9, 25) not in found  # a Friday of the Mid-Autumn break, which the announcement does not name


# holidays and exchanged workdays


def test_a_hospital_works_on_exchanged_sundays_and_not_on_holidays() -> None:
    weekday_clinic = window(
        Days(weekdays=WORKING_DAYS),
        hours("08:00", "11:30"),
        hours("13:00", "16:30"),
        on_holidays=HolidayRule.CLOSED,
        on_adjusted_workdays=AdjustedWorkdayRule.OPEN,
    )
    weekend_clinic = window(
        Days(weekdays=(6, 7)),
        hours("08:00", "11:30"),
        on_holidays=HolidayRule.CLOSED,
        on_adjusted_workdays=AdjustedWorkdayRule.CLOSED,
    )
    hospital = plan(weekday_clinic, weekend_clinic)
    validate_plan(hospital)
    assert starts(hospital, date(2025, 9, 28))[-1] == "16:00"  # Sunday, worked
    assert starts(hospital, date(2025, 9, 21))[-1] == "11:00"  # an ordinary Sunday
    assert starts(hospital, date(2025, 10, 8)) == []  # Wednesday, off in exchange
    assert starts(hospital, date(2025, 10, 4)) == []  # Saturday inside the holiday
    assert starts(hospital, date(2025, 10, 9))[0] == "08:00"


def test_a_doctors_own_weekday_is_the_calendars() -> None:
    tuesdays = plan(window(Days(weekdays=(2,)), on_holidays=HolidayRule.CLOSED))
    assert dates(tuesdays, date(2025, 9, 22), date(2025, 10, 14)) == [
        date(2025, 9, 23),
        date(2025, 9, 30),
        date(2025, 10, 14),
    ]


def test_a_window_for_holidays_only() -> None:
    mondays = plan(
        window(Days(weekdays=(2, 3, 4, 5, 6, 7))),
        window(Days(weekdays=(1,)), on_holidays=HolidayRule.ONLY),
    )
    validate_plan(mondays)
    found = [day for day in dates(mondays) if day.isoweekday() == 1]
    assert found == [date(2025, 2, 3), date(2025, 5, 5), date(2025, 6, 2), date(2025, 10, 6)]


def test_exchanged_workdays_open_only_within_the_season() -> None:
    winter = Season(first=MonthDay(11, 1), last=MonthDay(2, 28))
    clinic = plan(window(Days(weekdays=WORKING_DAYS, within=(winter,)), on_adjusted_workdays=AdjustedWorkdayRule.OPEN))
    found = dates(clinic)
    assert date(2025, 1, 26) in found
    assert date(2025, 9, 28) not in found
    assert {day.month for day in found} == {1, 2, 11, 12}


def test_other_ways_to_name_days() -> None:
    second_saturdays = plan(window(Days(rule="FREQ=MONTHLY;BYDAY=2SA")), valid_from=date(2025, 3, 9))
    assert dates(second_saturdays)[:2] == [date(2025, 4, 12), date(2025, 5, 10)]
    fortnightly = plan(window(Days(rule="FREQ=WEEKLY;BYDAY=MO;INTERVAL=2")), valid_from=date(2025, 1, 6))
    validate_plan(fortnightly)
    assert dates(fortnightly)[:3] == [date(2025, 1, 6), date(2025, 1, 20), date(2025, 2, 3)]
    exam_month = plan(window(Days(dates=(DateRange(first=date(2025, 5, 20), last=date(2025, 5, 22)),))))
    assert dates(exam_month) == [date(2025, 5, 20), date(2025, 5, 21), date(2025, 5, 22)]
    holidays = plan(window(Days(official_holidays=True)))
    assert len(dates(holidays)) == 28
    assert date(2025, 6, 1) in dates(holidays)
    leap = plan(window(Days(yearly=(MonthDay(2, 29),))), valid_from=date(2024, 1, 1))
    validate_plan(leap)
    assert dates(leap, date(2024, 1, 1), date(2024, 12, 31)) == [date(2024, 2, 29)]


# exceptions and closures

SPORTS = plan(
    window(Days(weekdays=(1, 2, 3, 4, 5)), hours("08:00", "17:00"), hours("17:00", "21:00", charge=Charge.LOW_CHARGE)),
    window(Days(weekdays=(6, 7)), hours("08:00", "21:00", charge=Charge.CHARGED)),
    exceptions=(
        DayException(on=MonthDay(8, 8), hours=(hours("06:00", "21:00", label=Words("全民健身日", "Fitness Day")),)),
    ),
    timed=SlotPattern(minutes=60, capacity=1),
)


@pytest.mark.parametrize("year", [2025, 2026])
def test_national_fitness_day_is_free_all_day_whatever_the_weekday(year: int) -> None:
    """8 August 2025 is a Friday, 8 August 2026 a Saturday [004]."""
    checked = replace(SPORTS, valid_from=date(2025, 1, 1), valid_until=date(2026, 12, 31))
    validate_plan(checked)
    day = date(year, 8, 8)
    [open_day] = open_days(checked, day, day)
    assert (open_day.opens, open_day.closes, open_day.charge) == (time(6), time(21), Charge.FREE)
    slots = slots_of(checked, day, day)
    assert len(slots) == 15
    assert {slot.charge for slot in slots} == {Charge.FREE}
    assert Charge.FREE not in {slot.charge for slot in slots_of(checked, date(2026, 8, 9), date(2026, 8, 9))}


def test_exceptions_and_closures_survive_an_edit_of_the_series() -> None:
    closure = Closure(first=date(2025, 8, 7), last=date(2025, 8, 7), reason=Words("比赛", "Competition"))
    before = replace(SPORTS, closures=(closure,))
    after = with_windows(before, (window(Days(weekdays=(4, 5)), hours("10:00", "12:00")),))
    validate_plan(after)
    assert after.version == 2
    assert slots_of(after, date(2025, 8, 8), date(2025, 8, 8)) == slots_of(before, date(2025, 8, 8), date(2025, 8, 8))
    [closed] = open_days(after, date(2025, 8, 7), date(2025, 8, 7))
    assert closed.closure == closure
    assert starts(after, date(2025, 8, 14)) == ["10:00", "11:00"]


def test_an_exception_for_one_date_stands_before_one_for_every_year() -> None:
    dated = DayException(on=date(2025, 8, 8), hours=(hours("10:00", "12:00"),))
    checked = replace(SPORTS, exceptions=(*SPORTS.exceptions, dated))
    validate_plan(checked)
    assert starts(checked, date(2025, 8, 8)) == ["10:00", "11:00"]


def test_a_closure_stands_before_everything_and_says_why() -> None:
    reason = Words("台风停馆", "Closed for the typhoon")
    closed = replace(SPORTS, closures=(Closure(first=date(2025, 8, 8), last=date(2025, 8, 9), reason=reason),))
    validate_plan(closed)
    assert slots_of(closed, date(2025, 8, 8), date(2025, 8, 9)) == []
    found = open_days(closed, date(2025, 8, 7), date(2025, 8, 10))
    assert [(day.date.day, day.closure.reason if day.closure else None) for day in found] == [
        (7, None),
        (7, None),
        (8, reason),
        (9, reason),
        (10, None),
    ]


def test_a_closure_of_some_hours_cuts_the_day_and_takes_every_slot_that_it_touches() -> None:
    reason = Words("消防演练", "Fire drill")
    day = date(2025, 9, 28)
    drill = Closure(first=day, last=day, reason=reason, from_time=time(17, 15), until_time=time(17, 45))
    cut = replace(MUSEUM, closures=(drill,))
    validate_plan(cut)
    assert starts(cut, day) == ["16:30", "18:00"]
    found = [(str(d.opens)[:5], str(d.closes)[:5], str(d.last_entry)[:5], d.closure) for d in open_days(cut, day, day)]
    assert found == [
        ("16:30", "17:15", "17:15", None),
        ("17:15", "17:45", "17:45", drill),
        ("17:45", "18:30", "18:00", None),
    ]
    late = replace(drill, from_time=time(17, 45), until_time=time(18, 10))
    found_late = open_days(replace(MUSEUM, closures=(late,)), day, day)
    assert [d.closure for d in found_late] == [None, late]  # after 18:10 nobody may enter: that is not open


def test_overlapping_closures_are_told_once_each_and_never_twice_for_one_minute() -> None:
    day, reason = date(2025, 9, 28), Words("维修", "Repairs")
    one = Closure(first=day, last=day, reason=reason, from_time=time(16, 0), until_time=time(17, 30))
    two = Closure(first=day, last=day, reason=reason, from_time=time(17, 0), until_time=time(18, 0))
    found = open_days(replace(MUSEUM, closures=(two, one)), day, day)
    assert [(d.opens, d.closes, d.closure) for d in found] == [
        (time(16, 30), time(17, 30), one),
        (time(17, 30), time(18, 0), two),
        (time(18, 0), time(18, 30), None),
    ]


# slots


def test_patterns() -> None:
    day = date(2025, 3, 3)
    tours = SlotPattern(minutes=45, capacity=20, starts=(time(9, 30), time(10, 15), time(13, 30), time(14, 30)))
    guided = plan(window(Days(weekdays=(1,)), hours("09:00", "16:30", timed=tours)))
    validate_plan(guided)
    assert starts(guided, day) == ["09:30", "10:15", "13:30", "14:30"]
    assert slots_of(guided, day, day)[0].capacity == 20
    cleaned = SlotPattern(minutes=50, capacity=1, every=60)
    assert starts(plan(window(Days(weekdays=(1,)), hours("09:00", "11:50", timed=cleaned))), day) == [
        "09:00",
        "10:00",
        "11:00",
    ]
    assert starts(plan(window(Days(weekdays=(1,)), hours("09:00", "11:49", timed=cleaned))), day) == ["09:00", "10:00"]


def test_no_slot_starts_after_the_last_entry_however_long_the_house_stays_open() -> None:
    day = date(2025, 3, 3)
    early = plan(window(Days(weekdays=(1,)), hours("15:00", "18:30", "16:40")))
    assert starts(early, day) == ["15:00", "15:30", "16:00", "16:30"]
    exact = plan(window(Days(weekdays=(1,)), hours("15:00", "18:30", "16:30")))
    assert starts(exact, day) == ["15:00", "15:30", "16:00", "16:30"]


def test_a_closure_leaves_the_slots_that_only_touch_it() -> None:
    day = date(2025, 9, 28)
    meeting = Closure(first=day, last=day, reason=EXTENDED, from_time=time(17), until_time=time(18))
    assert starts(replace(MUSEUM, closures=(meeting,)), day) == ["16:30", "18:00"]


def test_ranges_are_bounded_and_clipped_to_the_plan() -> None:
    assert len(dates(plan(EVERY_DAY), date(2024, 12, 1), date(2025, 12, 31))) == 365
    slots_of(MUSEUM, date(2025, 1, 1), date(2025, 1, 1) + timedelta(days=399))
    for first, last, why in [
        (date(2025, 1, 1), date(2025, 1, 1) + timedelta(days=400), "range_too_long"),
        (date(2025, 1, 2), date(2025, 1, 1), "range_reversed"),
    ]:
        for ask in (open_days, slots_of):
            with pytest.raises(Refused) as caught:
                ask(MUSEUM, first, last)
            assert (caught.value.reason, caught.value.facts["why"]) == (Reason.INVALID_REQUEST, why)


def test_difference() -> None:
    old = slots_of(SPORTS, date(2025, 3, 3), date(2025, 3, 3))
    wider = replace(SPORTS, timed=SlotPattern(minutes=60, capacity=2), windows=SPORTS.windows[:1])
    edited = with_windows(wider, (window(Days(weekdays=(1,)), hours("09:00", "18:00")),))
    new = slots_of(edited, date(2025, 3, 3), date(2025, 3, 3))
    found = difference(old, new)
    assert found.added == ()
    assert [slot.starts_at.hour for slot in found.removed] == [8, 18, 19, 20]
    assert [(change.before.capacity, change.after.capacity) for change in found.changed] == [(1, 2)] * 9
    back = difference(new, old)
    assert back.added == found.removed
    assert back.removed == ()
    assert difference(old, list(reversed(old))) == difference([], [])


# validation


@pytest.mark.parametrize(
    ("broken", "pointer", "why"),
    [
        (plan(), "/windows", "empty"),
        (plan(EVERY_DAY, version=0), "/version", "version"),
        (plan(EVERY_DAY, valid_from=date(2025, 2, 1), valid_until=date(2025, 1, 1)), "/valid_until", "validity"),
        (plan(EVERY_DAY, valid_from=date(2022, 1, 1)), "/valid_until", "validity"),
        (plan(*[EVERY_DAY] * 51), "/windows", "too_many"),
        (plan(EVERY_DAY, timed=SlotPattern(minutes=0, capacity=1)), "/timed/minutes", "slot_minutes"),
        (plan(EVERY_DAY, timed=SlotPattern(minutes=30, capacity=0)), "/timed/capacity", "capacity"),
        (plan(EVERY_DAY, timed=SlotPattern(minutes=30, capacity=1, every=20)), "/timed/every", "slots_overlap"),
        (plan(window(Days())), "/windows/0/days/0", "no_days"),
        (plan(Window(days=(), hours=(hours("09:00", "11:00"),))), "/windows/0/days", "no_days"),
        (plan(Window(days=(Days(weekdays=(1,)),), hours=())), "/windows/0/hours", "no_hours"),
        (plan(window(Days(weekdays=(0,)))), "/windows/0/days/0/weekdays", "weekday"),
        (plan(window(Days(yearly=(MonthDay(2, 30),)))), "/windows/0/days/0/yearly/0", "month_day"),
        (
            plan(window(Days(weekdays=(1,), within=(Season(first=MonthDay(13, 1), last=MonthDay(1, 1)),)))),
            "/windows/0/days/0/within/0/first",
            "month_day",
        ),
        (
            plan(window(Days(dates=(DateRange(first=date(2025, 2, 2), last=date(2025, 2, 1)),)))),
            "/windows/0/days/0/dates/0/last",
            "range_reversed",
        ),
        (
            plan(window(Days(official_holidays=True), on_holidays=HolidayRule.CLOSED)),
            "/windows/0/days/0",
            "holidays_closed",
        ),
        (
            plan(window(Days(weekdays=(1,)), hours("11:00", "09:00"))),
            "/windows/0/hours/0/closes",
            "closes_before_opens",
        ),
        (plan(window(Days(weekdays=(1,)), hours("09:00:30", "11:00"))), "/windows/0/hours/0/opens", "time"),
        (
            plan(window(Days(weekdays=(1,)), hours("09:00", "11:00", "11:30"))),
            "/windows/0/hours/0/last_entry",
            "last_entry_outside",
        ),
        (plan(window(Days(weekdays=(1,)), hours("09:00", "09:20"))), "/windows/0/hours/0", "no_slots"),
        (
            plan(
                window(
                    Days(weekdays=(1,)),
                    hours("09:00", "11:00", timed=SlotPattern(minutes=60, capacity=1, starts=(time(9), time(10, 30)))),
                )
            ),
            "/windows/0/hours/0/timed/starts",
            "starts_outside",
        ),
        (
            plan(
                window(
                    Days(weekdays=(1,)),
                    hours("09:00", "11:00", timed=SlotPattern(minutes=60, capacity=1, starts=(time(9), time(9, 30)))),
                )
            ),
            "/windows/0/hours/0/timed/starts/1",
            "slots_overlap",
        ),
        (
            plan(EVERY_DAY, exceptions=(DayException(on=date(2026, 1, 1), hours=(hours("09:00", "11:00"),)),)),
            "/exceptions/0/on",
            "outside_validity",
        ),
        (plan(EVERY_DAY, exceptions=(DayException(on=MonthDay(8, 8), hours=()),)), "/exceptions/0/hours", "no_hours"),
        (plan(EVERY_DAY, exceptions=SPORTS.exceptions * 2), "/exceptions/1/on", "twice"),
        (
            plan(EVERY_DAY, closures=(Closure(first=date(2025, 2, 2), last=date(2025, 2, 1), reason=EXTENDED),)),
            "/closures/0/last",
            "range_reversed",
        ),
        (
            plan(EVERY_DAY, closures=(Closure(first=date(2026, 2, 2), last=date(2026, 2, 2), reason=EXTENDED),)),
            "/closures/0/first",
            "outside_validity",
        ),
        (
            plan(EVERY_DAY, closures=(Closure(first=FIRST, last=FIRST, reason=Words("  ", "Repairs")),)),
            "/closures/0/reason",
            "no_reason",
        ),
        (
            plan(
                EVERY_DAY,
                closures=(Closure(first=FIRST, last=FIRST, reason=EXTENDED, from_time=time(12), until_time=time(12)),),
            ),
            "/closures/0/until_time",
            "closure_times",
        ),
    ],
)
def test_what_must_not_be_published(broken: Plan, pointer: str, why: str) -> None:
    assert refused(broken) == (pointer, why)


@pytest.mark.parametrize(
    "rule",
    [
        "",
        "every second Tuesday",
        "FREQ=DAILY;BYMONTHDAY=30;BYMONTH=2",  # never true: working it out would walk to the year 9999
        "FREQ=SECONDLY",
        "FREQ=WEEKLY",
        "FREQ=WEEKLY;BYDAY=2SA",
        "FREQ=MONTHLY;BYDAY=6SA",
        "FREQ=MONTHLY;BYDAY=2SA;BYMONTHDAY=31",
        "FREQ=WEEKLY;BYDAY=MO;BYDAY=TU",
        "FREQ=WEEKLY;BYDAY=MO;UNTIL=20250601T000000Z",
        "FREQ=WEEKLY;BYDAY=MO\nDTSTART:19000101T000000",
        "BYDAY=MO",
    ],
)
def test_rules_that_are_not_taken(rule: str) -> None:
    where = "/windows/0/days/0" if not rule else "/windows/0/days/0/rule"
    assert refused(plan(window(Days(rule=rule)))) == (where, "rule" if rule else "no_days")


def test_windows_that_look_apart_but_meet_on_some_day_are_refused_with_the_day() -> None:
    overlapping = plan(
        window(Days(weekdays=(1,)), hours("09:00", "12:00")),
        window(Days(festivals=(Festival.DRAGON_BOAT,)), hours("11:30", "15:00")),
    )
    with pytest.raises(Refused) as caught:
        validate_plan(overlapping)
    assert caught.value.field == "/windows/1/hours/0"
    assert caught.value.facts == {"why": "overlap", "date": date(2025, 6, 2)}
    touching = replace(overlapping.windows[1], hours=(hours("12:00", "15:00"),))
    validate_plan(with_windows(overlapping, (overlapping.windows[0], touching)))


# properties

clock = st.integers(0, 23 * 60).map(lambda minute: time(minute // 60, minute % 60))


@st.composite
def valid_plans(draw: st.DrawFn) -> Plan:
    edges = sorted(draw(st.lists(clock, min_size=2, max_size=8, unique=True)))
    of_day = tuple(
        Hours(opens=a, closes=b, last_entry=draw(st.none() | st.just(b)), charge=Charge.FREE, label=EXTENDED)
        for a, b in zip(edges[::2], edges[1::2], strict=False)
    )
    closures = draw(
        st.lists(
            st.builds(
                lambda day, long, times: Closure(
                    first=day,
                    last=day + timedelta(days=long),
                    reason=EXTENDED,
                    from_time=times[0],
                    until_time=times[1],
                ),
                st.dates(date(2025, 9, 20), date(2025, 10, 10)),
                st.integers(0, 3),
                st.lists(clock, min_size=2, max_size=2, unique=True).map(sorted),
            ),
            max_size=4,
        )
    )
    return plan(
        Window(
            days=(Days(weekdays=tuple(draw(st.sets(st.integers(1, 7), min_size=1)))),),
            hours=of_day,
            on_holidays=draw(st.sampled_from(HolidayRule)),
            on_adjusted_workdays=draw(st.sampled_from(AdjustedWorkdayRule)),
        ),
        timed=SlotPattern(minutes=draw(st.integers(5, 60)), capacity=3),
        closures=tuple(closures),
        valid_from=date(2025, 9, 15),
        valid_until=date(2025, 10, 15),
    )


@settings(deadline=None, max_examples=60)
@given(valid_plans())
def test_slots_are_in_order_apart_from_each_other_and_inside_what_is_listed_as_open(checked: Plan) -> None:
    slots = slots_of(checked, date(2025, 9, 1), date(2025, 10, 31))
    spans = [
        (d.starts_at, d.ends_at) for d in open_days(checked, date(2025, 9, 1), date(2025, 10, 31)) if not d.closure
    ]
    for earlier, later in pairwise(slots):
        assert earlier.ends_at <= later.starts_at
    for slot in slots:
        assert slot.ends_at - slot.starts_at == timedelta(minutes=checked.timed.minutes)
        assert any(start <= slot.starts_at and slot.ends_at <= end for start, end in spans)
        assert checked.is_valid_on(slot.starts_at.date())


@settings(deadline=None, max_examples=40)
@given(valid_plans())
def test_working_out_day_by_day_gives_the_same(checked: Plan) -> None:
    first, last = date(2025, 9, 10), date(2025, 10, 20)
    days = [first + timedelta(days=passed) for passed in range((last - first).days + 1)]
    assert slots_of(checked, first, last) == [slot for day in days for slot in slots_of(checked, day, day)]
    assert open_days(checked, first, last) == [one for day in days for one in open_days(checked, day, day)]


@settings(deadline=None, max_examples=40)
@given(valid_plans() | st.just(MUSEUM) | st.just(SPORTS))
def test_a_plan_survives_its_way_through_json(checked: Plan) -> None:
    adapter = TypeAdapter(Plan)
    assert adapter.validate_json(adapter.dump_json(checked)) == checked
