from datetime import date, time, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.booking.domain.hours_ledger import REQUIRED_MINUTES, WeekLedger, weekly_open_minutes
from services.booking.domain.schedule import (
    Charge,
    Closure,
    Days,
    Hours,
    OpenDay,
    Plan,
    PlannedSlot,
    SlotPattern,
    Window,
    open_days,
    slots_of,
)
from services.booking.domain.zone import at_local
from shared.contracts import Words

MONDAY = date(2026, 11, 23)
LABEL = Words("惠民开放", "Open to the public")


def opening(day: int, opens: int, closes: int, charge: Charge = Charge.FREE, closure: Closure | None = None) -> OpenDay:
    """Hours in minutes after midnight, `day` days after Monday."""
    return OpenDay(
        date=MONDAY + timedelta(days=day),
        opens=time(opens // 60, opens % 60),
        closes=time(closes // 60, closes % 60),
        last_entry=None,
        label=LABEL,
        closure=closure,
        charge=charge,
    )


def ledger(*courts: list[OpenDay]) -> WeekLedger:
    return weekly_open_minutes({f"court-{number}": court for number, court in enumerate(courts)}, "xigang-gym", MONDAY)


def test_two_courts_open_at_once_are_one_hour() -> None:
    both = ledger([opening(0, 480, 600)], [opening(0, 480, 600)])
    assert both.open_minutes == 120
    assert ledger([opening(0, 480, 600)], [opening(0, 540, 660)]).open_minutes == 180
    assert ledger([opening(0, 480, 540)], [opening(0, 600, 660)]).open_minutes == 120
    assert ledger([opening(0, 480, 720)], [opening(0, 540, 600), opening(0, 600, 660)]).open_minutes == 240


def test_met_exactly_and_short_by_a_minute() -> None:
    week = [opening(day, 480, 480 + 300) for day in range(7)]
    kept = ledger(week)
    assert (kept.open_minutes, kept.met, kept.short_by) == (35 * 60, True, 0)
    assert kept.by_day == (300,) * 7
    short = ledger([*week[:6], opening(6, 480, 779)])
    assert (short.open_minutes, short.met, short.short_by) == (2099, False, 1)
    assert REQUIRED_MINUTES == 2100


def test_what_is_charged_in_full_or_closed_does_not_count() -> None:
    closure = Closure(first=MONDAY, last=MONDAY, reason=Words("维修", "Repairs"))
    found = ledger(
        [
            opening(0, 480, 540),
            opening(1, 480, 540, Charge.LOW_CHARGE),
            opening(2, 480, 540, Charge.CHARGED),
            opening(3, 480, 540, closure=closure),
        ]
    )
    assert (found.open_minutes, found.free_minutes, found.by_day) == (120, 60, (60, 60, 0, 0, 0, 0, 0))


def test_a_charged_court_does_not_take_away_from_a_free_one() -> None:
    assert ledger([opening(0, 480, 600)], [opening(0, 480, 600, Charge.CHARGED)]).open_minutes == 120


def test_free_and_low_charge_at_once_are_free_hours() -> None:
    found = ledger([opening(0, 480, 600)], [opening(0, 540, 660, Charge.LOW_CHARGE)])
    assert (found.open_minutes, found.free_minutes) == (180, 120)


def test_only_this_week_counts_and_any_day_of_it_names_it() -> None:
    openings = {"court": [opening(-1, 480, 540), opening(0, 480, 540), opening(6, 480, 540), opening(7, 480, 540)]}
    by_monday = weekly_open_minutes(openings, "xigang-gym", MONDAY)
    by_sunday = weekly_open_minutes(openings, "xigang-gym", MONDAY + timedelta(days=6))
    assert by_monday == by_sunday
    assert (by_monday.monday, by_monday.open_minutes, by_monday.free_minutes) == (MONDAY, 120, 120)


def test_an_empty_week_is_short_by_all_of_it() -> None:
    assert weekly_open_minutes({}, "xigang-gym", MONDAY).short_by == REQUIRED_MINUTES


def test_days_and_slots_of_one_plan_agree_where_slots_fill_the_hours() -> None:
    courts = {
        service: Plan(
            service_id=service,
            version=1,
            valid_from=date(2026, 1, 1),
            valid_until=date(2026, 12, 31),
            windows=(
                Window(
                    days=(Days(weekdays=weekdays),),
                    hours=(Hours(opens=opens, closes=time(21), charge=Charge.LOW_CHARGE, label=LABEL),),
                ),
            ),
            timed=SlotPattern(minutes=60, capacity=1),
        )
        for service, weekdays, opens in [("one", (1, 2, 3), time(18)), ("two", (3, 4), time(15))]
    }
    sunday = MONDAY + timedelta(days=6)
    by_days = weekly_open_minutes({name: open_days(p, MONDAY, sunday) for name, p in courts.items()}, "v", MONDAY)
    by_slots = weekly_open_minutes({name: slots_of(p, MONDAY, sunday) for name, p in courts.items()}, "v", MONDAY)
    assert by_days == by_slots
    assert by_days.by_day == (180, 180, 360, 360, 0, 0, 0)


minutes = st.integers(0, 23 * 60)
spans = st.lists(st.tuples(st.integers(0, 6), minutes, minutes).filter(lambda span: span[1] < span[2]), max_size=12)


@given(spans)
def test_the_union_is_what_counting_each_minute_gives(found: list[tuple[int, int, int]]) -> None:
    counted = {(day, minute) for day, opens, closes in found for minute in range(opens, closes)}
    result = ledger([opening(*span) for span in found])
    assert result.open_minutes == len(counted) == result.free_minutes


@pytest.mark.parametrize("count", [1, 2, 40])
def test_more_courts_never_make_more_hours(count: int) -> None:
    slot = PlannedSlot(
        service_id="court",
        starts_at=at_local(MONDAY, time(9)),
        ends_at=at_local(MONDAY, time(10)),
        capacity=1,
        charge=Charge.FREE,
        label=LABEL,
    )
    assert weekly_open_minutes({str(court): [slot] for court in range(count)}, "v", MONDAY).open_minutes == 60
