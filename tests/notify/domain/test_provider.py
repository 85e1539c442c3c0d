"""The breaker and the shares: what a provider did in the last minute decides what it is given in the next.

What is promised for every history: a channel of which any provider gets anything through is never stopped, a channel of
which none does is not hammered, and whoever is well again has the traffic again within seconds.
"""

import itertools
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

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


def change(health: Health, measured: Measured, *, alone: bool = False) -> Change:
    found = judge(health, measured, NOW, MEASURES, alone=alone)
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
    assert judge(WELL, Measured(attempts=9, failed=9), NOW, MEASURES, alone=False) is None


def test_a_little_bad_takes_a_little_weight_and_getting_well_gives_it_back_by_steps() -> None:
    found = change(WELL, Measured(attempts=100, slow=20))
    assert (found.after.weight, found.why) == (0.6, Reason.DEGRADED)
    health = replace(found.after, since=NOW - MEASURES.step_every)
    assert change(health, GOOD).after.weight == 0.85
    assert judge(found.after, GOOD, NOW, MEASURES, alone=False) is None, "not at once"


def test_an_open_breaker_cools_is_tried_once_and_comes_back_by_a_quarter() -> None:
    opened = replace(WELL, breaker=Breaker.OPEN, weight=0.0, since=NOW - MEASURES.first_pause)
    assert judge(replace(opened, since=NOW), GOOD, NOW, MEASURES, alone=False) is None
    trial = change(opened, Measured())
    assert (trial.after.breaker, trial.why) == (Breaker.HALF_OPEN, Reason.COOLED)
    assert judge(trial.after, GOOD, NOW, MEASURES, alone=False) is None, "its one message was not given yet"
    begun = replace(trial.after, given=1, probed_at=NOW)
    assert (trial.after.awaits_trial, begun.awaits_trial) == (True, False)
    assert judge(begun, Measured(), NOW, MEASURES, alone=False) is None, "its one message has not ended yet"
    passed = change(begun, Measured(attempts=1))
    assert (passed.after.breaker, passed.after.weight, passed.why) == (Breaker.CLOSED, 0.25, Reason.PROBE_PASSED)
    failed = change(begun, Measured(attempts=1, slow=1))
    assert (failed.after.breaker, failed.why) == (Breaker.OPEN, Reason.PROBE_FAILED)
    assert failed.after.pause == 2 * MEASURES.first_pause


def test_the_pause_doubles_up_to_its_bound() -> None:
    health = replace(WELL, breaker=Breaker.HALF_OPEN, pause=MEASURES.longest_pause, given=1, probed_at=NOW)
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


def test_a_trial_of_which_nothing_is_heard_is_begun_anew() -> None:
    begun = replace(WELL, breaker=Breaker.HALF_OPEN, given=1, probed_at=NOW - MEASURES.patience)
    for alone in (False, True):
        found = change(begun, Measured(), alone=alone)
        assert (found.after.breaker, found.after.awaits_trial, found.why) == (
            Breaker.HALF_OPEN,
            True,
            Reason.PROBE_UNHEARD,
        )
        assert found.after.probed_at is None


@given(failed=st.integers(0, 500), slow=st.integers(0, 500), through=st.integers(1, 500), pending=st.integers(0, 500))
def test_a_provider_for_which_nobody_can_take_over_is_never_left_alone_while_anything_gets_through(
    failed: int, slow: int, through: int, pending: int
) -> None:
    measured = Measured(attempts=failed + slow + through, failed=failed, slow=slow, pending=pending)
    found = judge(WELL, measured, NOW, MEASURES, alone=True)
    assert found is None or found.after.breaker is Breaker.CLOSED


TICK = timedelta(seconds=5)
A_TICK = 40
"""Messages that are due between two looks at the providers: more than any trial has."""
MOST_QUIET = 10
"""Ticks without anything given: a trial of which nothing is heard is waited for, and begun anew."""
BACK_WITHIN = 3
"""Ticks from the first good answer: the pause, the trial, and what its judgement brings."""
PATIENCE = 6
"""Ticks for which a trial is waited for of which nothing is heard."""


@dataclass(slots=True)
class Channel:
    """A channel with its providers, and what each has taken and lost of what it was given, in memory."""

    names: tuple[str, ...]
    now: int = 0
    given: int = 0
    healths: dict[str, Health] = field(default_factory=dict)
    done: list[tuple[int, str, bool]] = field(default_factory=list)

    @property
    def stopped(self) -> bool:
        return not shares(self.names, self.healths)

    def tick(self, failing: dict[str, int], *, unheard: bool = False) -> int:
        """Deal out a tick's messages and judge; of each provider's every `failing`th gets through, 0: none.

        `unheard`: of a trial that begins now nothing is ever heard. Return how many messages were given to anybody.
        """
        self.now += 1
        before = self.given
        left = A_TICK
        for name in self.names:
            health = self.healths.get(name, well(name, "sms", NOW))
            if health.awaits_trial:
                count = min(left, health.trial - health.given)
                left -= count
                self.healths[name] = replace(health, given=health.given + count, probed_at=health.probed_at or self.at)
                self._send(name, 0 if unheard else count, failing[name])
                self.given += count if unheard else 0
        for name, share in shares(self.names, self.healths).items():
            self._send(name, round(share * left), failing[name])
        for name in self.names:
            self._judge(name)
        return self.given - before

    @property
    def at(self) -> datetime:
        return NOW + TICK * self.now

    def _send(self, name: str, count: int, failing: int) -> None:
        for _ in range(count):
            self.given += 1
            self.done.append((self.now, name, bool(failing) and self.given % failing == 0))

    def _judge(self, name: str) -> None:
        health = self.healths.get(name, well(name, "sms", NOW))
        since = self.at - MEASURES.window
        if health.breaker is not Breaker.OPEN:
            since = max(since, health.probed_at or since)
        ended = [through for tick, by, through in self.done if by == name and NOW + TICK * tick >= since]
        others = [self.healths.get(other, well(other, "sms", NOW)) for other in self.names if other != name]
        alone = all(other.breaker is not Breaker.CLOSED for other in others)
        measured = Measured(attempts=len(ended), failed=ended.count(False))
        found = judge(health, measured, self.at, MEASURES, alone=alone)
        if found is not None:
            self.healths[name] = found.after


HISTORY = st.lists(
    st.tuples(st.sampled_from([0, 0, 1, 2, 10, 30]), st.sampled_from([0, 1, 2]), st.booleans()), max_size=30
)


@given(HISTORY, st.integers(1, 2))
def test_a_channel_is_never_stopped_for_long_and_flows_again_as_soon_as_one_of_its_providers_does(
    history: Sequence[tuple[int, int, bool]], providers: int
) -> None:
    channel = Channel(("a", "b")[:providers])
    given = [channel.tick({"a": first, "b": second}, unheard=unheard) for first, second, unheard in history]
    for before, after in itertools.pairwise(range(0, len(given) + 1, MOST_QUIET)):
        assert sum(given[before:after]) > 0, "something is always tried"
    for _ in range(BACK_WITHIN + (PATIENCE if any(unheard for *_, unheard in history) else 0)):
        channel.tick(dict.fromkeys(channel.names, 1))
    assert not channel.stopped
    assert channel.tick(dict.fromkeys(channel.names, 1)) == A_TICK


@given(st.integers(1, 2), st.integers(1, 100))
def test_a_channel_of_which_nothing_gets_through_is_not_hammered(providers: int, ticks: int) -> None:
    channel = Channel(("a", "b")[:providers])
    for _ in range(4):
        channel.tick({"a": 0, "b": 0})
    assert channel.stopped
    given = sum(channel.tick({"a": 0, "b": 0}) for _ in range(ticks))
    assert given <= providers * MEASURES.largest_trial * (1 + ticks / 2)
