"""The official days of China: which days are off, and which weekend days are worked in exchange (调休).

The law of this file: a year is known when the State Council's notice for it is known, from two sources that agree on
every day; about any other year there is no answer, never a guess. The sources are the packages chinesecalendar (the
notices as data) and holidays (statutory days with the exchanged days of each notice).

Years before 2020 are nobody's business here. (In 2005 the two disagree: chinesecalendar leaves out that Saturday,
31 December 2005, was worked for the New Year of 2006.)

New Year's days off may begin in the last days of December by the notice of the year that follows, as on 31 December
2022. Until that notice is known those days stand as the ordinary week has them; publish them again when it is.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from enum import StrEnum
from functools import cache
from types import MappingProxyType

import chinese_calendar
import holidays

from services.booking.domain.reason import Reason
from shared.contracts import Words
from shared.refusal import Refused

FIRST_YEAR = 2020
"""The service began later; what older notices said is of no use to it."""


class DayKind(StrEnum):
    """A day as the notice has it. A weekend day inside a holiday period is `holiday`."""

    WORKDAY = "workday"
    WEEKEND = "weekend"
    HOLIDAY = "holiday"
    ADJUSTED_WORKDAY = "adjusted_workday"


class Festival(StrEnum):
    """The holidays of the Regulation on Public Holidays for National Annual Festivals and Memorial Days."""

    NEW_YEAR = "new_year"
    SPRING_FESTIVAL = "spring_festival"
    QINGMING = "qingming"
    LABOUR_DAY = "labour_day"
    DRAGON_BOAT = "dragon_boat"
    NATIONAL_DAY = "national_day"
    MID_AUTUMN = "mid_autumn"


NAME_OF: Mapping[Festival, Words] = MappingProxyType(
    {
        Festival.NEW_YEAR: Words("元旦", "New Year's Day"),
        Festival.SPRING_FESTIVAL: Words("春节", "Spring Festival"),
        Festival.QINGMING: Words("清明节", "Qingming Festival"),
        Festival.LABOUR_DAY: Words("劳动节", "Labour Day"),
        Festival.DRAGON_BOAT: Words("端午节", "Dragon Boat Festival"),
        Festival.NATIONAL_DAY: Words("国庆节", "National Day"),
        Festival.MID_AUTUMN: Words("中秋节", "Mid-Autumn Festival"),
    }
)

_OF_CHINESECALENDAR = {
    chinese_calendar.Holiday.new_years_day.value: Festival.NEW_YEAR,
    chinese_calendar.Holiday.spring_festival.value: Festival.SPRING_FESTIVAL,
    chinese_calendar.Holiday.tomb_sweeping_day.value: Festival.QINGMING,
    chinese_calendar.Holiday.labour_day.value: Festival.LABOUR_DAY,
    chinese_calendar.Holiday.dragon_boat_festival.value: Festival.DRAGON_BOAT,
    chinese_calendar.Holiday.national_day.value: Festival.NATIONAL_DAY,
    chinese_calendar.Holiday.mid_autumn_festival.value: Festival.MID_AUTUMN,
}
_OF_HOLIDAYS = {
    "元旦": Festival.NEW_YEAR,
    "农历除夕": Festival.SPRING_FESTIVAL,
    "春节": Festival.SPRING_FESTIVAL,
    "清明节": Festival.QINGMING,
    "劳动节": Festival.LABOUR_DAY,
    "端午节": Festival.DRAGON_BOAT,
    "国庆节": Festival.NATIONAL_DAY,
    "中秋节": Festival.MID_AUTUMN,
}


@dataclass(frozen=True, slots=True)
class OfficialDay:
    """One day. `name` is the holiday's, on its days off and on the days worked in exchange for them."""

    date: date
    kind: DayKind
    name: Words | None


@dataclass(frozen=True, slots=True)
class HolidayPeriod:
    """A run of days off, `first` to `last`, as the notice gives it: exchanged days off included.

    Where two festivals fall into one run (国庆节、中秋节 in 2025) the run is one period and carries both. It belongs to
    the year in which it ends.
    """

    name: Words
    first: date
    last: date
    festivals: tuple[Festival, ...]


def day(wanted: date) -> OfficialDay:
    """Return what `wanted` officially is.

    Raises:
        Refused: `no_official_calendar` for a year without known notice.
    """
    require(wanted.year)
    return _known_day(wanted)


@cache  # plans ask for the same few hundred days hundreds of times; there are no others than those of the known years
def _known_day(wanted: date) -> OfficialDay:
    working, name = not chinese_calendar.is_holiday(wanted), _name_of(wanted)
    if working:
        kind = DayKind.WORKDAY if wanted.isoweekday() <= 5 else DayKind.ADJUSTED_WORKDAY
        return OfficialDay(wanted, kind, name)
    return OfficialDay(wanted, DayKind.HOLIDAY if name else DayKind.WEEKEND, name)


def holiday_periods(year: int) -> tuple[HolidayPeriod, ...]:
    """Return the holiday periods that end in `year`, in order.

    Raises:
        Refused: `no_official_calendar` for a year without known notice.
    """
    require(year)
    return _periods(year)


def period_of(wanted: date) -> HolidayPeriod | None:
    """Return the holiday period that `wanted` lies in, or None.

    Raises:
        Refused: `no_official_calendar` for a year without known notice.
    """
    require(wanted.year)
    years = [wanted.year, wanted.year + 1] if is_known(wanted.year + 1) else [wanted.year]
    for period in (period for year in years for period in _periods(year)):
        if period.first <= wanted <= period.last:
            return period
    return None


@cache
def is_known(year: int) -> bool:
    """Say whether the notice for `year` is known in full and both sources agree on it."""
    return year >= FIRST_YEAR and _is_complete(year) and not disagreements(year)


@cache
def known_years() -> tuple[int, ...]:
    """Return the known years, in order."""
    newest = max(chinese_calendar.constants.holidays).year
    return tuple(year for year in range(FIRST_YEAR, newest + 1) if is_known(year))


def require(year: int) -> None:
    """Pass for a known year.

    Raises:
        Refused: `no_official_calendar` otherwise, with the years that are known.
    """
    if not is_known(year):
        raise Refused(Reason.NO_OFFICIAL_CALENDAR, year=year, known_years=list(known_years()))


def disagreements(year: int) -> tuple[date, ...]:
    """Return the days of `year` that one source has as worked and the other as off.

    Raises:
        Refused: `no_official_calendar` for a year that chinesecalendar does not have.
    """
    if not _has_data(year):
        raise Refused(Reason.NO_OFFICIAL_CALENDAR, year=year, known_years=list(known_years()))
    other = _other_source(year)
    return tuple(
        wanted for wanted in _days_of(year) if chinese_calendar.is_workday(wanted) != other.is_working_day(wanted)
    )


def _has_data(year: int) -> bool:
    dates = chinese_calendar.constants.holidays
    return bool(min(dates).year <= year <= max(dates).year)


def _is_complete(year: int) -> bool:
    """Say whether every festival of the year is there: data that ends in January is no calendar of the year."""
    return _has_data(year) and {one for wanted in _days_of(year) for one in _festivals_on(wanted)} == set(Festival)


def _days_of(year: int) -> list[date]:
    first = date(year, 1, 1)
    return [first + timedelta(days=passed) for passed in range((date(year + 1, 1, 1) - first).days)]


@cache
def _other_source(year: int) -> holidays.HolidayBase:
    """The year in the second source; its neighbours too, since their notices may exchange days of this one."""
    return holidays.country_holidays("CN", years=[year - 1, year, year + 1], language="zh_CN")


def _official_name(wanted: date) -> str | None:
    """Return chinesecalendar's name of the holiday that `wanted` is off for, or is worked for."""
    constants = chinese_calendar.constants
    name: str | None = constants.holidays.get(wanted) or constants.workdays.get(wanted)
    return name


def _name_of(wanted: date) -> Words | None:
    name = _official_name(wanted)
    if name is None:
        return None
    festival = _OF_CHINESECALENDAR.get(name)
    if festival is None:  # a day off given once, such as the one of 2015
        return Words(chinese_calendar.Holiday(name).chinese, name)
    return NAME_OF[festival]


def _festivals_on(wanted: date) -> list[Festival]:
    """Return the festivals that `wanted` is off for. Two may fall on one day, and then only the second source tells."""
    if wanted not in chinese_calendar.constants.holidays:
        return []
    first = _OF_CHINESECALENDAR.get(_official_name(wanted) or "")
    others = [_OF_HOLIDAYS[name] for name in _other_source(wanted.year).get_list(wanted) if name in _OF_HOLIDAYS]
    return sorted({*others, *([first] if first else [])}, key=list(Festival).index)


@cache
def _periods(year: int) -> tuple[HolidayPeriod, ...]:
    runs: list[list[date]] = []
    for wanted in sorted(chinese_calendar.constants.holidays):
        if runs and wanted - runs[-1][-1] == timedelta(days=1):
            runs[-1].append(wanted)
        else:
            runs.append([wanted])
    return tuple(_period(run) for run in runs if run[-1].year == year)


def _period(run: list[date]) -> HolidayPeriod:
    festivals = tuple(dict.fromkeys(one for wanted in run for one in _festivals_on(wanted)))
    names = [NAME_OF[one] for one in festivals] or [name for name in [_name_of(run[0])] if name]
    name = Words("、".join(one.zh for one in names), " and ".join(one.en for one in names))
    return HolidayPeriod(name, run[0], run[-1], festivals)
