"""Faults are planted in the core, one at a time, and the machine must find each: else it proves nothing."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis.stateful import run_state_machine_as_test

from services.booking.domain import (
    admission,
    alteration,
    attendance,
    course,
    decision,
    penalty,
    rescheduling,
    slot,
    step_correction,
)
from services.booking.domain.admission import rules
from services.booking.domain.booking import Action, Booking, State
from services.booking.domain.decision import Decisions
from services.booking.domain.facts import Change, Facts
from services.booking.domain.penalty_rule import Cause
from services.booking.domain.request import Alter, Book
from services.booking.domain.rescheduling import move
from services.booking.domain.slot import free_places
from services.booking.domain.striking import corrected_by
from tests.model import engine
from tests.model.engine import Memory
from tests.model.machine import machine_on

GAMES = 2000
MANY_GAMES = 8000
Plant = Callable[[pytest.MonkeyPatch], None]


def unasked_rule(plant: pytest.MonkeyPatch, rule: Callable[[rules.Case], None]) -> None:
    """Ask every rule but this one."""
    others = {kind: tuple(one for one in found if one is not rule) for kind, found in admission._RULES.items()}
    assert others != admission._RULES
    plant.setattr(admission, "_RULES", others)


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
    unasked_rule(plant, rules.no_clash)


def limits_are_not_counted(plant: pytest.MonkeyPatch) -> None:
    unasked_rule(plant, rules.within_limits)


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


def nothing_cools_off(plant: pytest.MonkeyPatch) -> None:
    plant.setattr(decision, "cool", lambda _facts, _slot: None)


def it_cools_off_for_the_door_too(plant: pytest.MonkeyPatch) -> None:
    plant.setattr(slot, "_WARM", frozenset())


def bars_are_not_seen(plant: pytest.MonkeyPatch) -> None:
    unasked_rule(plant, rules.not_barred)


def a_bar_lasts_an_instant_too_long(plant: pytest.MonkeyPatch) -> None:
    plant.setattr(penalty.Barred, "covers", lambda self, _service, starts_at: self.since <= starts_at <= self.until)


def late_cancels_do_not_count(plant: pytest.MonkeyPatch) -> None:
    plant.setattr(penalty.Strike, "causes", property(lambda self: frozenset({self.act.value} & {Cause.NO_SHOW.value})))


def a_correction_takes_nothing_back(plant: pytest.MonkeyPatch) -> None:
    plant.setattr(engine, "corrected_by", lambda _changes: [])


def the_order_of_steps_is_not_asked(plant: pytest.MonkeyPatch) -> None:
    plant.setattr(course, "unfit_together", lambda *_asked: None)


def a_step_is_met_whenever_somebody_comes(plant: pytest.MonkeyPatch) -> None:
    plant.setattr(attendance, "in_window", lambda _window, _now: None)


def a_step_is_corrected_while_its_door_is_open(plant: pytest.MonkeyPatch) -> None:
    plant.setattr(step_correction, "is_missed", lambda *_asked: True)


def who_was_at_one_step_is_struck_all_the_same(plant: pytest.MonkeyPatch) -> None:
    def corrected(changes: Sequence[Change]) -> list[Change]:
        return [one for one in corrected_by(changes) if one.after.course is None or not has_come(one.after)]

    plant.setattr(engine, "corrected_by", corrected)


def has_come(booking: Booking) -> bool:
    return booking.course is not None and any(step.met_at is not None for step in booking.course.steps)


def the_last_step_is_taken_back_and_they_still_came(plant: pytest.MonkeyPatch) -> None:
    plant.setattr(alteration, "correction_of", kept)


def kept(booking: Booking, key: str | None, action: Action) -> Action:
    found = step_correction.correction_of(booking, key, action)
    return Action.TAKE_BACK_STEP if found is Action.TAKE_BACK else found


def half_a_visit_is_booked(plant: pytest.MonkeyPatch) -> None:
    def half(book: Book, facts: Facts) -> Change:
        change = course.admit_course(book, facts)
        return replace(change, after=replace(change.after, claims=change.after.claims[:-1]))

    plant.setattr(decision, "admit_course", half)


def a_visit_moves_to_a_place_that_is_taken(plant: pytest.MonkeyPatch) -> None:
    plant.setattr(rescheduling, "admit_course", lambda book, facts: course.admit_course(book, facts, unasked))


def unasked(book: Book, facts: Facts) -> Change:
    """Admit whatever is asked for, with no rule asked but that there is such a slot."""
    roomy = {key: replace(one, capacity=99, closed=False, taken=0) for key, one in facts.slots.items()}
    return admission.admit(book, replace(facts, slots=roomy))


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
    nothing_cools_off,
    it_cools_off_for_the_door_too,
    bars_are_not_seen,
    a_bar_lasts_an_instant_too_long,
    late_cancels_do_not_count,
    a_correction_takes_nothing_back,
    the_order_of_steps_is_not_asked,
    a_step_is_met_whenever_somebody_comes,
    a_step_is_corrected_while_its_door_is_open,
    who_was_at_one_step_is_struck_all_the_same,
    the_last_step_is_taken_back_and_they_still_came,
    half_a_visit_is_booked,
    a_visit_moves_to_a_place_that_is_taken,
)


SLOWLY_FOUND = {
    a_hold_is_extended_for_ever,
    nobody_is_too_late_to_cancel,
    who_leaves_a_party_keeps_the_place,
    holds_last_an_instant_too_long,
    a_step_is_corrected_while_its_door_is_open,
    who_was_at_one_step_is_struck_all_the_same,
    the_last_step_is_taken_back_and_they_still_came,
}
"""Faults that take `MANY_GAMES`: `make chaos` plays them."""


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
        max_examples=MANY_GAMES if fault in SLOWLY_FOUND else GAMES,
        stateful_step_count=30,
        derandomize=True,
        database=None,
        deadline=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    with pytest.raises(AssertionError):
        run_state_machine_as_test(machine_on(Memory), settings=options)
