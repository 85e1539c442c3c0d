from collections import Counter
from collections.abc import Iterator
from datetime import date, timedelta

import chinese_calendar
import pytest

from services.booking.domain import calendar
from services.booking.domain.calendar import DayKind, Festival, HolidayPeriod, OfficialDay
from services.booking.domain.reason import Reason
from shared.contracts import Words
from shared.refusal import Refused

KNOWN = (2020, 2021, 2022, 2023, 2024, 2025, 2026)

NOTICES = {
    # year: (days off, days worked in exchange), read from the State Council's notices themselves; where the one of 2024
    # says only "joined with the weekend" (元旦, 端午节), the weekend is in or out as chinesecalendar has it
    2024: (
        (
            "元旦 2023-12-30/2024-01-01, 春节 2024-02-10/2024-02-17, 清明节 2024-04-04/2024-04-06, 劳动节 2024-05-01/2024-05-05, "
            "端午节 2024-06-10/2024-06-10, 中秋节 2024-09-15/2024-09-17, 国庆节 2024-10-01/2024-10-07"
        ),
        "02-04 02-18 04-07 04-28 05-11 09-14 09-29 10-12",
    ),
    2025: (
        (
            "元旦 2025-01-01/2025-01-01, 春节 2025-01-28/2025-02-04, 清明节 2025-04-04/2025-04-06, 劳动节 2025-05-01/2025-05-05, "
            "端午节 2025-05-31/2025-06-02, 国庆节、中秋节 2025-10-01/2025-10-08"
        ),
        "01-26 02-08 04-27 09-28 10-11",
    ),
    2026: (
        (
            "元旦 2026-01-01/2026-01-03, 春节 2026-02-15/2026-02-23, 清明节 2026-04-04/2026-04-06, 劳动节 2026-05-01/2026-05-05, "
            "端午节 2026-06-19/2026-06-21, 中秋节 2026-09-25/2026-09-27, 国庆节 2026-10-01/2026-10-07"
        ),
        "01-04 02-14 02-28 05-09 09-20 10-10",
    ),
}


def days_of(year: int) -> list[date]:
    first = date(year, 1, 1)
    return [first + timedelta(days=passed) for passed in range(366) if (first + timedelta(days=passed)).year == year]


def test_known_years() -> None:
    assert calendar.known_years() == KNOWN
    assert [year for year in range(1990, 2050) if calendar.is_known(year)] == list(KNOWN)


@pytest.mark.parametrize("year", range(2004, 2027))
def test_both_sources_agree_on_every_day_of_every_year_that_both_know(year: int) -> None:
    expected = (date(2005, 12, 31),) if year == 2005 else ()
    assert calendar.disagreements(year) == expected


@pytest.fixture
def fresh() -> Iterator[None]:
    """Forget what was worked out, before and after: the test changes what the sources say."""
    cached = (
        calendar.is_known,
        calendar.known_years,
        calendar._periods,
        calendar._other_source,
        calendar._known_day,
    )
    for function in cached:
        function.cache_clear()
    yield
    for function in cached:
        function.cache_clear()


def test_a_year_on_which_the_sources_disagree_is_not_known(monkeypatch: pytest.MonkeyPatch, fresh: None) -> None:
    monkeypatch.delitem(chinese_calendar.constants.workdays, date(2026, 9, 20))
    assert calendar.disagreements(2026) == (date(2026, 9, 20),)
    with pytest.raises(Refused) as caught:
        calendar.day(date(2026, 6, 1))
    assert caught.value.reason is Reason.NO_OFFICIAL_CALENDAR
    assert calendar.known_years() == KNOWN[:-1]


def test_data_that_ends_in_january_is_no_calendar_of_the_year(monkeypatch: pytest.MonkeyPatch, fresh: None) -> None:
    """A package may carry the first days of a year whose notice it does not have."""
    monkeypatch.setitem(chinese_calendar.constants.holidays, date(2027, 1, 1), "New Year's Day")
    assert not chinese_calendar.is_holiday(date(2027, 10, 5))  # which it would be: the package guesses
    assert not calendar.is_known(2027)
    calendar.is_known.cache_clear()
    monkeypatch.setattr(calendar, "disagreements", lambda _year: ())  # even if the other source knew no better
    assert not calendar.is_known(2027)
    assert calendar.known_years() == KNOWN


@pytest.mark.parametrize("year", [2003, 2019, 2027, 2100, 1, 9999])
def test_a_year_without_official_calendar_is_refused(year: int) -> None:
    for ask in (calendar.day, calendar.period_of, lambda day: calendar.holiday_periods(day.year)):
        with pytest.raises(Refused) as caught:
            ask(date(year, 5, 1))
        assert caught.value.reason is Reason.NO_OFFICIAL_CALENDAR
        assert caught.value.facts == {"year": year, "known_years": list(KNOWN)}


@pytest.mark.parametrize("year", NOTICES)
def test_holiday_periods_and_adjusted_workdays_are_those_of_the_notice(year: int) -> None:
    periods, worked = NOTICES[year]
    assert ", ".join(f"{p.name.zh} {p.first}/{p.last}" for p in calendar.holiday_periods(year)) == periods
    adjusted = [str(day)[5:] for day in days_of(year) if calendar.day(day).kind is DayKind.ADJUSTED_WORKDAY]
    assert " ".join(adjusted) == worked


def test_two_festivals_in_one_run_are_one_period_that_carries_both() -> None:
    autumn = calendar.period_of(date(2025, 10, 8))
    assert autumn == HolidayPeriod(
        Words("国庆节、中秋节", "National Day and Mid-Autumn Festival"),
        date(2025, 10, 1),
        date(2025, 10, 8),
        (Festival.NATIONAL_DAY, Festival.MID_AUTUMN),
    )
    assert [p.festivals for p in calendar.holiday_periods(2023)][-1] == (Festival.MID_AUTUMN, Festival.NATIONAL_DAY)
    # in 2020 both fell on 1 October itself, where chinesecalendar names only one of them
    assert [p.festivals for p in calendar.holiday_periods(2020)][-1] == (Festival.NATIONAL_DAY, Festival.MID_AUTUMN)


def test_days() -> None:
    labour, national = Words("劳动节", "Labour Day"), Words("国庆节", "National Day")
    for wanted, kind, name in [
        (date(2025, 4, 27), DayKind.ADJUSTED_WORKDAY, labour),
        (date(2025, 4, 30), DayKind.WORKDAY, None),
        (date(2025, 5, 1), DayKind.HOLIDAY, labour),
        (date(2025, 5, 4), DayKind.HOLIDAY, labour),  # a Sunday inside the period
        (date(2025, 5, 5), DayKind.HOLIDAY, labour),  # off in exchange
        (date(2025, 5, 10), DayKind.WEEKEND, None),
        (date(2025, 9, 28), DayKind.ADJUSTED_WORKDAY, national),
        (date(2025, 10, 6), DayKind.HOLIDAY, Words("中秋节", "Mid-Autumn Festival")),
    ]:
        assert calendar.day(wanted) == OfficialDay(wanted, kind, name)


@pytest.mark.parametrize("year", KNOWN)
def test_every_day_is_of_one_kind_and_periods_are_exactly_the_holidays(year: int) -> None:
    days = [calendar.day(wanted) for wanted in days_of(year)]
    for one in days:
        assert (one.kind in {DayKind.HOLIDAY, DayKind.ADJUSTED_WORKDAY}) == (one.name is not None)
        assert (calendar.period_of(one.date) is not None) == (one.kind is DayKind.HOLIDAY)
        if one.kind in {DayKind.WEEKEND, DayKind.ADJUSTED_WORKDAY}:
            assert one.date.isoweekday() >= 6
    assert Counter(festival for p in calendar.holiday_periods(year) for festival in p.festivals) == Counter(Festival)


def test_new_year_that_begins_in_december_belongs_to_the_year_it_ends_in() -> None:
    assert calendar.period_of(date(2022, 12, 31)) == calendar.holiday_periods(2023)[0]
    assert calendar.day(date(2022, 12, 31)).kind is DayKind.HOLIDAY


def test_a_day_off_given_once_keeps_its_own_name(monkeypatch: pytest.MonkeyPatch, fresh: None) -> None:
    """As on 3 September 2015: the package names it with a word that is no yearly festival."""
    once = chinese_calendar.Holiday.anti_fascist_70th_day
    monkeypatch.setitem(chinese_calendar.constants.holidays, date(2026, 11, 7), once.value)  # a Saturday
    assert calendar.day(date(2026, 11, 7)).name == Words(once.chinese, once.value)
    period = calendar.period_of(date(2026, 11, 7))
    assert period is not None
    assert (period.festivals, period.name.zh) == ((), once.chinese)
