"""The record of one step is put right: who may, until when, and what it is to the whole visit."""

from dataclasses import replace
from datetime import timedelta

import pytest

from services.booking.domain.attendance import is_missed
from services.booking.domain.booking import Action, Booking, State
from services.booking.domain.event import event_of
from services.booking.domain.facts import Change
from services.booking.domain.penalty import Act, regime_of
from services.booking.domain.penalty_rule import Cause, Length, PenaltyRule, PenaltyScope, Span, Window
from services.booking.domain.reason import Reason
from services.booking.domain.request import SYSTEM, Actor
from services.booking.domain.striking import corrected_by, strikes_of
from shared.contracts import BookingChanged, EventType
from shared.ids import new_id
from shared.refusal import Refused
from tests import make
from tests.booking.domain.test_attendance import HALL, LAB, MINUTE, STAFF, Visit, why
from tests.booking.domain.test_course import alter, refused
from tests.booking.itineraries import BOTH, HER, HIM

AT_LAB = Actor(new_id(), "staff", frozenset({LAB}))


def correct(visit: Visit, key: str, action: Action = Action.CORRECT_STEP, actor: Actor = STAFF) -> Booking | Refused:
    """Have staff say that the people of a step were there, or were not."""
    request = alter(visit.booking, action, actor=actor, step=key, reason="扫码枪故障")
    outcome = visit.decisions.decide(request)
    assert isinstance(outcome, Booking | Refused)
    if isinstance(outcome, Booking):
        visit.booking = outcome
    return outcome


def by_time(visit: Visit, action: Action) -> None:
    outcome = visit.decisions.decide(alter(visit.booking, action, actor=SYSTEM))
    assert isinstance(outcome, Booking), outcome
    visit.booking = outcome


def seen_at(*keys: str) -> Visit:
    """A visit whose people were checked in to these steps, an hour after its end."""
    visit = Visit()
    for key, venue_id in ((HER, HALL), (HIM, LAB), (BOTH, HALL)):
        if key in keys:
            visit.at(key)
            assert isinstance(visit.door(venue_id), Booking)
    visit.at(BOTH, 90)
    return visit


def last_change(visit: Visit) -> tuple[Change, EventType]:
    change = visit.decisions.changes[-1]
    event = event_of(change, visit.facts, new_id())
    assert isinstance(event.data, BookingChanged)
    return change, event.type


@pytest.mark.parametrize("over", [False, True])
def test_a_step_that_was_missed_on_record_only_counts_as_met_at_its_time(over: bool) -> None:
    visit = seen_at(HER, BOTH)
    if over:
        by_time(visit, Action.COMPLETE)
    state, version = visit.booking.state, visit.booking.version
    assert is_missed(visit.step(HIM), visit.facts.catalogue, visit.facts.now)
    correct(visit, HIM)
    assert (visit.booking.state, visit.booking.version, visit.met) == (state, version + 1, [HER, HIM, BOTH])
    assert visit.step(HIM).met_at == visit.of[HIM].starts_at
    assert visit.booking.reason == "扫码枪故障"
    change, told = last_change(visit)
    assert (change.action, told) == ("correct_step", EventType.BOOKING_STEP_CORRECTED)
    assert why(correct(visit, HIM)) is Reason.STEP_MET


@pytest.mark.parametrize("over", [False, True])
def test_of_several_steps_one_is_taken_back_and_the_party_still_came(over: bool) -> None:
    visit = seen_at(HER, HIM)
    if over:
        by_time(visit, Action.COMPLETE)
    state = visit.booking.state
    correct(visit, HIM, Action.TAKE_BACK_STEP)
    assert (visit.booking.state, visit.met) == (state, [HER])
    change, told = last_change(visit)
    assert (change.action, told) == ("take_back_step", EventType.BOOKING_STEP_CORRECTED)
    assert why(correct(visit, HIM, Action.TAKE_BACK_STEP)) is Reason.STEP_NOT_MET


def test_who_was_at_one_step_is_no_no_show() -> None:
    visit = seen_at()
    by_time(visit, Action.MARK_NO_SHOW)
    assert why(correct(visit, HIM, Action.TAKE_BACK_STEP)) is Reason.STEP_NOT_MET
    correct(visit, HIM)
    assert (visit.booking.state, visit.met) == (State.CHECKED_IN, [HIM])
    change, told = last_change(visit)
    assert (change.action, told) == ("correct", EventType.BOOKING_CHECKED_IN)
    assert corrected_by(visit.decisions.changes) == [change], "its strikes are annulled"


def test_when_the_only_step_is_taken_back_nobody_came_and_that_is_a_strike() -> None:
    visit = seen_at(HIM)
    by_time(visit, Action.COMPLETE)
    correct(visit, HIM, Action.TAKE_BACK_STEP)
    assert (visit.booking.state, visit.met) == (State.CONFIRMED, [])
    change, told = last_change(visit)
    assert (change.action, told) == ("take_back", EventType.BOOKING_STEP_CORRECTED)
    by_time(visit, Action.MARK_NO_SHOW)
    rule = PenaltyRule(
        counts=(Cause.NO_SHOW,),
        threshold=2,
        window=Window(span=Span.ROLLING_DAYS, count=30),
        length=Length(days=(1,)),
        scope=PenaltyScope.ALL,
    )
    base = visit.facts.catalogue
    policies = {key: replace(one, penalties=(rule,)) for key, one in base.policies.items()}
    strict = replace(base, policies=policies)
    struck = strikes_of(visit.decisions.changes[-1], strict, regime_of(strict), new_id)
    assert [(one.act, one.at, one.version) for one in struck] == [
        (Act.NO_SHOW, visit.booking.starts_at, visit.booking.version)
    ] * 2


def test_a_step_that_was_taken_back_is_met_again_while_its_door_is_open() -> None:
    visit = Visit()
    visit.at(HER)
    visit.door(HALL)
    correct(visit, HER, Action.TAKE_BACK_STEP)
    assert visit.booking.state is State.CONFIRMED
    visit.at(HER, 10)
    visit.door(HALL)
    assert (visit.booking.state, visit.met, visit.step(HER).met_at) == (State.CHECKED_IN, [HER], visit.facts.now)


@pytest.mark.parametrize("seen", [(), (HER,)])
def test_a_step_before_the_others_is_corrected_while_they_are_still_to_come(seen: tuple[str, ...]) -> None:
    visit = seen_at(*seen)
    visit.at(HIM, 31)
    correct(visit, HIM)
    assert (visit.booking.state, visit.met) == (State.CHECKED_IN, [*seen, HIM])


def test_what_the_door_can_still_do_is_not_corrected() -> None:
    visit = seen_at(HER)
    for minutes in (-120, -30, 0, 30):
        visit.at(HIM, minutes)
        refusal = refused(correct(visit, HIM))
        assert (refusal.reason, refusal.facts["over_at"]) == (
            Reason.STEP_NOT_OVER,
            visit.of[HIM].starts_at + 30 * MINUTE,
        )
    visit.facts.now += timedelta(microseconds=1)
    assert isinstance(correct(visit, HIM), Booking)


def test_only_who_works_where_the_step_is_knows_and_never_a_sweep() -> None:
    visit = seen_at(HER)
    assert why(correct(visit, BOTH, actor=AT_LAB)) is Reason.NOT_ALLOWED
    assert why(correct(visit, HER, Action.TAKE_BACK_STEP, AT_LAB)) is Reason.NOT_ALLOWED
    assert why(correct(visit, HIM, actor=SYSTEM)) is Reason.NOT_ALLOWED
    booker = Actor(visit.booking.account_id, "resident")
    assert why(correct(visit, HIM, actor=booker)) is Reason.NOT_ALLOWED
    stranger = Actor(new_id(), "staff", frozenset({"the-gym"}))
    assert why(correct(visit, HIM, actor=stranger)) is Reason.BOOKING_UNKNOWN
    assert isinstance(correct(visit, HIM, actor=AT_LAB), Booking)


@pytest.mark.parametrize("action", [Action.CORRECT_STEP, Action.TAKE_BACK_STEP])
def test_after_a_week_it_stands(action: Action) -> None:
    visit = seen_at(HER, BOTH)
    key = HIM if action is Action.CORRECT_STEP else HER
    visit.facts.now = visit.booking.ends_at + timedelta(days=7, microseconds=1)
    refusal = refused(correct(visit, key, action))
    assert (refusal.reason, refusal.facts["correctable_until"]) == (
        Reason.TOO_LATE_TO_CORRECT,
        visit.booking.ends_at + timedelta(days=7),
    )
    visit.facts.now = visit.booking.ends_at + timedelta(days=7)
    assert isinstance(correct(visit, key, action), Booking)


def test_what_is_no_step_or_no_visit_any_more_has_nothing_to_correct() -> None:
    visit = Visit()
    unknown = refused(correct(visit, "dentist"))
    assert (unknown.reason, unknown.facts["steps"]) == (Reason.STEP_UNKNOWN, f"{HER}, {HIM}, {BOTH}")
    assert why(correct(visit, HIM)) is Reason.STEP_NOT_OVER
    whole = alter(visit.booking, Action.CORRECT, actor=STAFF)
    assert refused(visit.decisions.decide(whole)).reason is Reason.WRONG_STATE, "nobody has marked them absent"
    cancelled = visit.decisions.decide(alter(visit.booking, Action.CANCEL))
    assert isinstance(cancelled, Booking)
    visit.booking = cancelled
    visit.at(BOTH, 90)
    assert why(correct(visit, HIM)) is Reason.WRONG_STATE
    slot = make.slot()
    visit.facts.slots[slot.id] = slot
    person = make.companion(visit.facts)
    plain = visit.decisions.decide(make.book(slot, person))
    assert isinstance(plain, Booking)
    visit.booking = plain
    assert why(correct(visit, HIM)) is Reason.STEP_UNKNOWN
