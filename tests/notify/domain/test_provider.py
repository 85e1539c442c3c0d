"""The breaker and the shares: what a provider did in the last minute decides what it is given in the next."""

from dataclasses import replace
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.notify.domain.provider import (
    Breaker,
    Change,
    Health,
    Measured,
    Measures,
    Reason,
    choose,
    judge,
    shares,
    well,
)
from tests.notify.make import NOW

MEASURES = Measures()
WELL = well("a", "sms", NOW - timedelta(minutes=5))
GOOD = Measured(attempts=100)


def change(health: Health, measured: Measured) -> Change:
    found = judge(health, measured, NOW, MEASURES)
    assert found is not None
    return found


def test_half_of_its_attempts_bad_opens_the_breaker_whether_they_failed_or_were_slow() -> None:
    for measured, why in (
        (Measured(attempts=20, failed=10), Reason.FAILING),
        (Measured(attempts=20, slow=10), Reason.SLOW),
        (Measured(attempts=20, failed=4, slow=6), Reason.SLOW),
    ):
        found = change(WELL, measured)
        assert (found.after.breaker, found.after.weight, found.why) == (Breaker.OPEN, 0.0, why)


def test_a_few_attempts_prove_nothing() -> None:
    assert judge(WELL, Measured(attempts=9, failed=9), NOW, MEASURES) is None


def test_a_little_bad_takes_a_little_weight_and_getting_well_gives_it_back_by_steps() -> None:
    found = change(WELL, Measured(attempts=100, slow=20))
    assert (found.after.weight, found.why) == (0.6, Reason.DEGRADED)
    health = replace(found.after, since=NOW - MEASURES.step_every)
    assert change(health, GOOD).after.weight == 0.85
    assert judge(found.after, GOOD, NOW, MEASURES) is None, "not at once"


def test_an_open_breaker_cools_is_tried_once_and_comes_back_by_a_quarter() -> None:
    opened = replace(WELL, breaker=Breaker.OPEN, weight=0.0, since=NOW - MEASURES.first_pause)
    assert judge(replace(opened, since=NOW), GOOD, NOW, MEASURES) is None
    trial = change(opened, Measured())
    assert (trial.after.breaker, trial.why) == (Breaker.HALF_OPEN, Reason.COOLED)
    assert judge(trial.after, Measured(), NOW, MEASURES) is None, "its one message has not ended yet"
    passed = change(trial.after, Measured(attempts=1))
    assert (passed.after.breaker, passed.after.weight, passed.why) == (Breaker.CLOSED, 0.25, Reason.PROBE_PASSED)
    failed = change(trial.after, Measured(attempts=1, slow=1))
    assert (failed.after.breaker, failed.why) == (Breaker.OPEN, Reason.PROBE_FAILED)
    assert failed.after.pause == 2 * MEASURES.first_pause


def test_the_pause_doubles_up_to_its_bound() -> None:
    health = replace(WELL, breaker=Breaker.HALF_OPEN, pause=MEASURES.longest_pause)
    assert change(health, Measured(attempts=1, failed=1)).after.pause == MEASURES.longest_pause


@pytest.mark.parametrize(
    ("healths", "expected"),
    [
        ({}, {"a": 1.0}),
        ({"a": replace(WELL, weight=0.6)}, {"a": 0.6, "b": 0.4}),
        ({"a": replace(WELL, breaker=Breaker.OPEN, weight=0.0)}, {"b": 1.0}),
        ({"a": replace(WELL, breaker=Breaker.HALF_OPEN, weight=0.0)}, {"b": 1.0}),
        ({name: replace(WELL, breaker=Breaker.OPEN, weight=0.0) for name in "ab"}, {}),
    ],
)
def test_what_one_loses_the_next_gets(healths: dict[str, Health], expected: dict[str, float]) -> None:
    assert shares(("a", "b"), healths) == pytest.approx(expected)


@given(st.lists(st.floats(0, 1), min_size=1, max_size=4), st.floats(0, 1, exclude_max=True))
def test_all_of_the_traffic_is_dealt_out_and_nobody_left_alone_gets_any(weights: list[float], chance: float) -> None:
    names = tuple(f"p{place}" for place in range(len(weights)))
    healths = {name: replace(WELL, weight=weight) for name, weight in zip(names, weights, strict=True)}
    found = shares(names, healths)
    assert sum(found.values()) == pytest.approx(1.0)
    assert choose(found, chance) in found
