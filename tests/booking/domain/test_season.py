"""Seasons: a series taken apart, what may happen to an hour, the fair order, and never the past."""

from contextlib import nullcontext
from dataclasses import replace
from datetime import date, datetime, time, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.booking.domain.reason import Reason
from services.booking.domain.season import (
    GIVEN,
    LIFE,
    Fate,
    Occurrence,
    Ruling,
    SeasonRound,
    SeasonStage,
    Series,
    Step,
    check_round,
    check_series,
    fair_order,
    rivals,
    ruled,
)
from services.booking.domain.zone import at_local
from shared.ids import new_id
from shared.refusal import Refused
from tests import make

ROUND = SeasonRound(
    id=new_id(),
    venue_id=make.VENUE,
    service_ids=("court-1", "court-2"),
    first=date(2026, 12, 1),
    last=date(2027, 2, 28),
    opens_at=make.NOW,
    closes_at=make.NOW + timedelta(days=2),
)
WEDNESDAYS = Series(
    service_id="court-1",
    weekday=3,
    at=time(18),
    first=date(2026, 12, 1),
    last=date(2026, 12, 31),
    excluded=(date(2026, 12, 23),),
)
SOON = at_local(date(2026, 12, 2), time(18))


def hour(**changes: Any) -> Occurrence:
    made = Occurrence(
        id=new_id(),
        request_id=new_id(),
        account_id=new_id(),
        service_id="court-1",
        starts_at=SOON,
        asked_service_id="court-1",
        asked_starts_at=SOON,
        booking_id=new_id(),
    )
    return replace(made, **changes)


def test_a_series_is_its_days_less_the_excluded_ones() -> None:
    assert [one.isoformat() for one in WEDNESDAYS.starts()] == [
        f"2026-12-{day:02}T18:00:00+08:00" for day in (2, 9, 16, 30)
    ]
    assert check_series(WEDNESDAYS, ROUND) == WEDNESDAYS.starts()


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"service_id": "court-3"}, "season_court"),
        ({"first": date(2026, 11, 30)}, "season_days"),
        ({"last": date(2027, 3, 1)}, "season_days"),
        ({"last": date(2026, 11, 30)}, "season_days"),
        ({"first": date(2026, 12, 3), "last": date(2026, 12, 8)}, "season_no_day"),
    ],
)
def test_a_series_that_cannot_be(changes: dict[str, Any], why: str) -> None:
    with pytest.raises(Refused) as caught:
        check_series(replace(WEDNESDAYS, **changes), ROUND)
    assert (caught.value.reason, caught.value.facts["why"]) == (Reason.SEASON_REQUEST_INVALID, why)


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"closes_at": make.NOW + timedelta(minutes=59)}, "season_window"),
        ({"opens_at": make.NOW - timedelta(days=9), "closes_at": make.NOW}, "season_window"),
        ({"first": date(2026, 11, 25)}, "season_days"),
        ({"last": date(2026, 11, 30)}, "season_days"),
        ({"last": date(2027, 12, 1)}, "range_too_long"),
    ],
)
def test_a_round_that_cannot_be(changes: dict[str, Any], why: str) -> None:
    with pytest.raises(Refused) as caught:
        check_round(replace(ROUND, **changes), make.NOW)
    assert (caught.value.reason, caught.value.facts["why"]) == (Reason.SEASON_ROUND_INVALID, why)


def test_the_stages_of_a_round() -> None:
    moment = timedelta(microseconds=1)
    stages = [ROUND.stage(now) for now in (make.NOW - moment, make.NOW, ROUND.closes_at - moment, ROUND.closes_at)]
    assert stages == [SeasonStage.ANNOUNCED, SeasonStage.GATHERING, SeasonStage.GATHERING, SeasonStage.ALLOCATING]
    assert replace(ROUND, committed_at=make.NOW).stage(make.NOW) is SeasonStage.COMMITTED


@pytest.mark.parametrize("fate", Fate)
@pytest.mark.parametrize("step", Step)
def test_only_the_table_and_never_the_past(fate: Fate, step: Step) -> None:
    one = hour(fate=fate, proposed_service_id="court-2", proposed_starts_at=SOON + timedelta(hours=1))
    ruling = Ruling(step=step, hour=("court-2", SOON + timedelta(hours=2)) if step is Step.PROPOSE else None)
    following = LIFE[fate].get(step)
    if following is not None:
        assert ruled(one, ruling, make.NOW).fate is following
    for now, leased in ((SOON, None), (make.NOW, make.NOW + timedelta(seconds=1))):
        with pytest.raises(Refused) as caught:
            ruled(replace(one, leased_until=leased), ruling, now)
        assert caught.value.reason is Reason.OCCURRENCE_FIXED
    if following is None:
        with pytest.raises(Refused):
            ruled(one, ruling, make.NOW)


def test_to_agree_is_to_take_what_was_proposed() -> None:
    later = SOON + timedelta(hours=1)
    proposed = ruled(hour(), Ruling(step=Step.PROPOSE, reason="校队", hour=("court-2", later)), make.NOW)
    assert (proposed.hour, proposed.starts_at, proposed.reason) == (("court-2", later), SOON, "校队")
    agreed = ruled(proposed, Ruling(step=Step.AGREE), make.NOW)
    assert (agreed.fate, agreed.hour, agreed.asked_starts_at) == (Fate.ACCEPTED, ("court-2", later), SOON)
    assert agreed.proposed_starts_at is None
    with pytest.raises(Refused):
        ruled(hour(), Ruling(step=Step.PROPOSE, hour=("court-2", make.NOW)), make.NOW)
    earlier = ruled(hour(), Ruling(step=Step.PROPOSE, hour=("court-2", SOON - timedelta(hours=1))), make.NOW)
    for step in (Step.AGREE, Step.DECLINE):
        with pytest.raises(Refused) if step is Step.AGREE else nullcontext():
            ruled(earlier, Ruling(step=step), SOON - timedelta(hours=1))


def test_who_was_given_least_comes_first_and_among_equals_who_asked_first() -> None:
    first, second, third = hour(), hour(), hour()
    more = replace(first, id=new_id(), starts_at=SOON + timedelta(days=7))
    assert fair_order([first, more, second, third]) == [first.request_id, second.request_id, third.request_id]
    given = [replace(first, fate=Fate.ACCEPTED), more, second, replace(third, fate=Fate.BOOKED)]
    assert fair_order(given) == [second.request_id, first.request_id, third.request_id]


def test_rivals_are_those_who_want_or_have_one_hour() -> None:
    one, other = hour(), hour(fate=Fate.BOOKED)
    gone = hour(fate=Fate.WITHDRAWN)
    moved = hour(fate=Fate.PROPOSED, proposed_service_id="court-2", proposed_starts_at=SOON)
    assert rivals([one, other, gone, moved]) == {("court-1", SOON): [one.id, other.id]}


@given(st.lists(st.tuples(st.sampled_from([*Step]), st.integers(0, 3)), max_size=12))
def test_whatever_is_ruled_what_was_asked_stays_and_an_end_is_an_end(steps: list[tuple[Step, int]]) -> None:
    one = hour()
    now: datetime = make.NOW
    for step, hours in steps:
        proposal = ("court-2", SOON + timedelta(hours=hours)) if step is Step.PROPOSE else None
        try:
            after = ruled(one, Ruling(step=step, hour=proposal), now)
        except Refused:
            continue
        assert LIFE[one.fate], "nothing leads out of an end"
        assert (after.asked_starts_at, after.asked_service_id, after.booking_id) == (SOON, "court-1", one.booking_id)
        assert (after.fate is Fate.PROPOSED) == (after.proposed_starts_at is not None)
        assert after.fate not in GIVEN or after.hour[1] > now
        one = after
