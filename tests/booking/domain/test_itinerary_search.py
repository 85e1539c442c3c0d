"""The three best plans are the best there are, compared with looking at all of them; and whatever is asked, the work ends."""

import random
import time
from collections.abc import Mapping
from dataclasses import replace
from datetime import date, timedelta
from itertools import combinations, product
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.booking.domain.itinerary import After, Itinerary, Walking, unfit_together
from services.booking.domain.itinerary_search import WORK, Aim, Ways, cost_of, search
from services.booking.domain.slot import Slot
from tests.booking.itineraries import BOTH, DAY, HER, HIM, at, couple, named, step

KEYS = ("one", "two", "three", "four")
DAYS = 3


def anything(_ways: Ways) -> bool:
    return True


def every_way(itinerary: Itinerary, options: Mapping[str, list[Slot]]) -> list[Ways]:
    """All of them, by trying."""
    keys = [one.key for one in itinerary.steps]
    found: list[Ways] = []
    for slots in product(*(options[key] for key in keys)):
        ways = dict(zip(keys, slots, strict=True))
        pairs = combinations(itinerary.steps, 2)
        if all(unfit_together(itinerary, (a, ways[a.key]), (b, ways[b.key])) is None for a, b in pairs):
            found.append(ways)
    return found


@st.composite
def problems(draw: Any) -> tuple[Itinerary, dict[str, list[Slot]], frozenset[UUID]]:
    """Up to four steps of up to two people with up to six slots each, on up to three days; some plans are not allowed."""
    count = draw(st.integers(3, 4))
    steps = []
    for place in range(count):
        who = draw(st.sampled_from([("woman",), ("woman",), ("man",), ("woman", "man")]))
        after = []
        if place and draw(st.integers(0, 3)) == 0:
            most = draw(st.sampled_from([None, 60, 180, 2000]))
            after = [
                After(step=KEYS[draw(st.integers(0, place - 1))], least=draw(st.sampled_from([0, 15, 60])), most=most)
            ]
        steps.append(step(KEYS[place], *who, after=tuple(after), fasting=draw(st.integers(0, 4)) == 0))
    itinerary = couple(steps=tuple(steps), within_days=draw(st.integers(1, DAYS)))
    moment = st.tuples(st.sampled_from([0, 0, 0, 1, 2]), st.integers(8, 12), st.sampled_from([0, 10, 30, 45]))
    options = {}
    for place in range(count):
        moments = draw(st.lists(moment, min_size=2, max_size=6, unique=True))
        options[KEYS[place]] = [
            at(KEYS[place], hour, minute, day=DAY + timedelta(days=day)) for day, hour, minute in moments
        ]
    barred = draw(st.sets(st.sampled_from([slot.id for slots in options.values() for slot in slots]), max_size=2))
    return itinerary, options, frozenset(barred)


@settings(max_examples=200, deadline=None)
@given(problems())
def test_the_three_plans_are_the_best_there_are_and_differ(
    problem: tuple[Itinerary, dict[str, list[Slot]], frozenset[UUID]],
) -> None:
    itinerary, options, barred = problem

    def may_have(ways: Ways) -> bool:
        """Stands for a limit that only a whole plan breaks: two barred slots together."""
        return len(barred.intersection(slot.id for slot in ways.values())) < 2

    left = [ways for ways in every_way(itinerary, options) if may_have(ways)]
    found = search(itinerary, options, may_have)
    assert found.whole
    assert len(found.plans) == min(len(left), 3)
    for plan, aim in zip(found.plans, Aim, strict=False):
        assert plan.best_for is aim
        assert plan.slots in left
        assert cost_of(itinerary, aim, plan.slots) == min(cost_of(itinerary, aim, ways) for ways in left)
        left.remove(plan.slots)


def test_what_is_still_to_come_may_fill_a_wait() -> None:
    """One person and many close times, where the last step that is chosen often goes between the others."""
    dice = random.Random(3)
    steps = tuple(step(key, "patient") for key in KEYS[:3])
    itinerary = couple(
        roles=(named("patient"),), steps=steps, walking=Walking(same_venue=0, between_venues=0), within_days=1
    )
    for _ in range(60):
        options = {
            key: [at(key, 8 + ten // 6, ten % 6 * 10) for ten in dice.sample(range(24), 3 + place)]
            for place, key in enumerate(KEYS[:3])
        }
        ways = every_way(itinerary, options)
        found = search(itinerary, options, anything)
        for plan in found.plans[:2]:
            ways.remove(plan.slots)
        best = min((cost_of(itinerary, Aim.LEAST_WAITING, one) for one in ways), default=None)
        if best is not None:
            assert cost_of(itinerary, Aim.LEAST_WAITING, found.plans[2].slots) == best


def test_each_aim_finds_its_own() -> None:
    options = {
        HER: [at(HER, 8), at(HER, 10), at(HER, 13)],
        HIM: [at(HIM, 8, 15), at(HIM, 13)],
        BOTH: [at(BOTH, 11), at(BOTH, 13, 45)],
    }
    found = search(couple(), options, anything)
    starts = [[(key, slot.starts_at.hour) for key, slot in plan.slots.items()] for plan in found.plans]
    assert [plan.best_for for plan in found.plans] == list(Aim)
    assert starts[0] == [(HER, 13), (HIM, 13), (BOTH, 13)], "the shortest stay is in the afternoon"
    assert starts[1] == [(HIM, 8), (HER, 10), (BOTH, 11)], "the earliest is done before noon, and then the shortest"
    assert starts[2] == [(HER, 10), (HIM, 13), (BOTH, 13)], "the least waiting is taken: the next best of it"
    assert [plan.waiting_minutes for plan in found.plans] == [15 + 15, 30 + 135, 195 + 15]


def test_no_slot_for_one_step_is_no_plan_at_once() -> None:
    found = search(couple(), {HER: [at(HER, 8)], HIM: [], BOTH: [at(BOTH, 9)]}, anything)
    assert (found.plans, found.whole, found.work) == ((), True, 0)


def _many(key: str, days: int = 60) -> list[Slot]:
    """A slot every quarter of an hour from 8 to 20, for two months."""
    return [
        at(key, 8 + quarter // 4, 15 * (quarter % 4), day=DAY + timedelta(days=day))
        for day in range(days)
        for quarter in range(48)
    ]


def _chain(count: int, **changes: Any) -> Itinerary:
    """Steps of one person, each at most as long after the one before as can just not be."""
    steps = tuple(step(f"s{place}", "patient") for place in range(count))
    return couple(**{"roles": (named("patient"),), "steps": steps, **changes})


IN_VAIN = {
    "nothing can be booked after all": (_chain(5, within_days=30), lambda _ways: False),
    "a circle of what must come after what": (
        _chain(6, within_days=30, steps=tuple(
            step(f"s{place}", "patient", after=(After(step=f"s{(place + 1) % 6}", most=10_000),)) for place in range(6)
        )),
        anything,
    ),
    "eight steps that pairwise fit and never together": (_chain(8, within_days=1), lambda _ways: False),
    "all of it allowed": (_chain(8, within_days=60), anything),
}  # fmt: skip


@pytest.mark.parametrize("name", list(IN_VAIN))
def test_the_work_is_bounded_whatever_is_asked(name: str) -> None:
    itinerary, may_have = IN_VAIN[name]
    options = {one.key: _many(one.key) for one in itinerary.steps}
    began = time.monotonic()
    found = search(itinerary, options, may_have)
    took = time.monotonic() - began
    assert found.work <= WORK
    assert took < 5, "a second at most, and this machine may be busy"
    if name == "all of it allowed":
        assert len(found.plans) == 3, "whoever can be helped is, though not everything was looked at"
    elif name != "a circle of what must come after what":
        assert (found.plans, found.whole) == ((), False)
    print(f"{name}: {found.work} looks, {took * 1000:.0f} ms, whole: {found.whole}")


def test_the_same_question_has_the_same_answer() -> None:
    options = {key: _many(key, 5) for key in (HER, HIM, BOTH)}
    assert search(couple(), options, anything) == search(couple(), options, anything)


def test_the_comparison_would_see_a_worse_plan() -> None:
    """The control: another way through is told apart from the best one."""
    itinerary = couple()
    options = {HER: [at(HER, 8), at(HER, 9)], HIM: [at(HIM, 9)], BOTH: [at(BOTH, 10)]}
    best = search(itinerary, options, anything).plans[0]
    worse = next(ways for ways in every_way(itinerary, options) if ways != best.slots)
    assert cost_of(itinerary, Aim.SHORTEST_STAY, worse) > cost_of(itinerary, Aim.SHORTEST_STAY, best.slots)
    late = replace(options[BOTH][0], starts_at=at(BOTH, 10, day=date(2026, 11, 26)).starts_at)
    assert unfit_together(itinerary, (itinerary.steps[0], options[HER][0]), (itinerary.steps[2], late)) is not None
