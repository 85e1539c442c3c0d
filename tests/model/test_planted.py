"""Faults are planted in the core, one at a time, and the machine must find each: else it proves nothing."""

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis.stateful import run_state_machine_as_test

from services.booking.domain import admission, alteration, decision
from services.booking.domain.admission import rules
from services.booking.domain.booking import Action, Booking, State
from services.booking.domain.decision import Decisions
from services.booking.domain.facts import Change, Facts
from services.booking.domain.request import Alter
from services.booking.domain.rescheduling import move
from services.booking.domain.slot import free_places
from tests.model.engine import Memory
from tests.model.machine import machine_on

GAMES = 2000
Plant = Callable[[pytest.MonkeyPatch], None]


def one_place_too_many(plant: pytest.MonkeyPatch) -> None:
    plant.setattr(rules, "free_places", lambda *asked: free_places(*asked) + 1)


def one_place_too_few(plant: pytest.MonkeyPatch) -> None:
    plant.setattr(rules, "free_places", lambda *asked: free_places(*asked) - 1)


def holds_last_an_instant_too_long(plant: pytest.MonkeyPatch) -> None:
    def state_at(self: Booking, now: datetime) -> State:
        over = self.state is State.HELD and self.hold_until is not None and self.hold_until < now
        return State.LAPSED if over else self.state

    plant.setattr(Booking, "state_at", state_at)


def what_ran_out_keeps_its_place(plant: pytest.MonkeyPatch) -> None:
    plant.setattr(Decisions, "lapse_what_ran_out", lambda _self: None)


def a_move_gives_nothing_back(plant: pytest.MonkeyPatch) -> None:
    plant.setattr(decision, "move", lambda request, facts: replace(move(request, facts), before=None))


def a_move_is_in_its_own_way(plant: pytest.MonkeyPatch) -> None:
    plant.setattr(Facts, "without", lambda self, _booking: self)


def clashes_are_not_seen(plant: pytest.MonkeyPatch) -> None:
    plant.setattr(admission, "SHARED_RULES", tuple(one for one in rules.SHARED_RULES if one is not rules.no_clash))


def limits_are_not_counted(plant: pytest.MonkeyPatch) -> None:
    plant.setattr(admission, "SHARED_RULES", tuple(one for one in rules.SHARED_RULES if one is not rules.within_limits))


def holds_are_not_capped(plant: pytest.MonkeyPatch) -> None:
    plant.setattr(rules, "HOLDS_MOST", 100)


def walk_ins_take_nothing(plant: pytest.MonkeyPatch) -> None:
    plant.setattr(Facts, "apply_walk_ins", lambda _self, _walk_ins: None)


def a_hold_is_extended_for_ever(plant: pytest.MonkeyPatch) -> None:
    def extend(case: Any) -> Booking:
        until = case.now + timedelta(minutes=case.policy.hold_minutes)
        extended: Booking = replace(case.booking, hold_until=until)
        return extended

    plant.setattr(alteration, "_RULE_OF", {**alteration._RULE_OF, Action.EXTEND: extend})


def nobody_is_too_late_to_cancel(plant: pytest.MonkeyPatch) -> None:
    plant.setattr(alteration, "cancel_deadline", lambda _cancel_by, starts_at: starts_at)


def who_leaves_a_party_keeps_the_place(plant: pytest.MonkeyPatch) -> None:
    plant.setattr(alteration, "without_member", lambda booking, _person_id, _policy: booking)


def a_version_is_told_twice(plant: pytest.MonkeyPatch) -> None:
    def told_twice(request: Alter, facts: Facts) -> Change:
        change = alteration.alter(request, facts)
        return replace(change, after=replace(change.after, version=change.after.version - 1))

    plant.setattr(decision, "alter", told_twice)


FAULTS: tuple[Plant, ...] = (
    one_place_too_many,
    one_place_too_few,
    holds_last_an_instant_too_long,
    what_ran_out_keeps_its_place,
    a_move_gives_nothing_back,
    a_move_is_in_its_own_way,
    clashes_are_not_seen,
    limits_are_not_counted,
    holds_are_not_capped,
    walk_ins_take_nothing,
    a_hold_is_extended_for_ever,
    nobody_is_too_late_to_cancel,
    who_leaves_a_party_keeps_the_place,
    a_version_is_told_twice,
)


SLOWLY_FOUND = {a_hold_is_extended_for_ever, nobody_is_too_late_to_cancel, who_leaves_a_party_keeps_the_place}
"""Faults that take many games: `make chaos` plays them."""


@pytest.mark.parametrize(
    "fault",
    [
        pytest.param(fault, id=fault.__name__, marks=[pytest.mark.chaos] if fault in SLOWLY_FOUND else [])
        for fault in FAULTS
    ],
)
def test_the_machine_finds(fault: Plant, monkeypatch: pytest.MonkeyPatch) -> None:
    fault(monkeypatch)
    options = settings(
        max_examples=GAMES,
        stateful_step_count=30,
        derandomize=True,
        database=None,
        deadline=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    with pytest.raises(AssertionError):
        run_state_machine_as_test(machine_on(Memory), settings=options)
