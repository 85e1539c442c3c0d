"""The core decides a batch in order: who gets a place, who does not and why, and what changes by it."""

from collections.abc import Callable
from dataclasses import replace
from datetime import date, time, timedelta
from typing import Any

import pytest

from services.booking.domain.alteration import cancel_deadline
from services.booking.domain.booking import LIFECYCLE, Action, Booking, Channel, State, next_state
from services.booking.domain.catalogue import ServiceKind
from services.booking.domain.decision import Decisions
from services.booking.domain.event import event_of
from services.booking.domain.facts import Facts, LiveClaim
from services.booking.domain.policy import (
    CancelBy,
    Declaration,
    Limit,
    LimitScope,
    LimitWindow,
    PartyKind,
    SeatUnit,
)
from services.booking.domain.reason import Reason
from services.booking.domain.request import SYSTEM, Actor, AdmitWalkIns, Alter, WalkIns
from services.booking.domain.slot import Slot, free_places
from shared.contracts import EventType
from shared.ids import new_id
from shared.refusal import Refused
from tests import make

STAFF = Actor(new_id(), "staff", frozenset({make.VENUE}))


def decided(outcome: object) -> Booking:
    assert isinstance(outcome, Booking), outcome
    return outcome


def refused(outcome: object) -> Refused:
    assert isinstance(outcome, Refused), outcome
    return outcome


def alter(booking: Booking, action: Action, **changes: Any) -> Alter:
    return replace(
        Alter(actor=Actor(make.RESIDENT, "resident"), key=None, booking_id=booking.id, action=action), **changes
    )


def test_two_ask_for_the_last_place_of_one_batch_and_the_first_has_it() -> None:
    slot = make.slot(capacity=1)
    facts = make.facts(slot)
    first, second = make.companion(facts), make.companion(facts)
    decisions = Decisions(facts)
    assert decided(decisions.decide(make.book(slot, first))).state is State.CONFIRMED
    no = refused(decisions.decide(make.book(slot, second)))
    assert no.reason is Reason.SLOT_FULL
    assert no.facts["places_left"] == 0
    assert facts.slots[slot.id].taken == 1
    assert len(decisions.changes) == 1


def test_a_hold_that_ran_out_gives_its_place_to_whoever_asks_now() -> None:
    slot = make.slot(capacity=1, taken=1)
    facts = make.facts(slot)
    person = make.companion(facts)
    old = make.booking(slot, state=State.HELD, hold_until=make.NOW)
    facts.bookings[old.id] = old
    decisions = Decisions(facts)
    decisions.lapse_what_ran_out()
    assert decided(decisions.decide(make.book(slot, person))).state is State.CONFIRMED
    assert [change.after.state for change in decisions.changes] == [State.LAPSED, State.CONFIRMED]
    assert facts.slots[slot.id].taken == 1


def test_a_hold_still_running_keeps_its_place() -> None:
    slot = make.slot(capacity=1, taken=1)
    facts = make.facts(slot)
    person = make.companion(facts)
    running = make.booking(slot, state=State.HELD, hold_until=make.NOW + timedelta(seconds=1))
    facts.bookings[running.id] = running
    decisions = Decisions(facts)
    decisions.lapse_what_ran_out()
    assert refused(decisions.decide(make.book(slot, person))).reason is Reason.SLOT_FULL


def test_a_party_takes_one_place_each_or_one_for_all_as_the_policy_says() -> None:
    for unit, taken in ((SeatUnit.PERSON, 3), (SeatUnit.PARTY, 1)):
        slot = make.slot(capacity=3)
        facts = make.facts(slot, of_policy=make.policy(seat_unit=unit))
        people = [make.companion(facts) for _ in range(3)]
        assert decided(Decisions(facts).decide(make.book(slot, *people))).seats == taken
        assert facts.slots[slot.id].taken == taken


REFUSALS: list[tuple[Reason, dict[str, Any], Callable[[Slot, Facts], dict[str, Any]]]] = [
    (Reason.SLOT_PAST, {"starts_at": make.NOW - timedelta(hours=1)}, lambda _s, _f: {}),
    (Reason.BOOKING_CLOSED, {"bookable_until": make.NOW}, lambda _s, _f: {}),
    (Reason.NOT_RELEASED, {"bookable_from": make.NOW + timedelta(seconds=1)}, lambda _s, _f: {}),
    (Reason.SLOT_CLOSED, {"closed": True}, lambda _s, _f: {}),
    (Reason.SLOT_FULL, {"taken": 2}, lambda _s, _f: {}),
    (Reason.SLOT_FULL, {"kept_walk_in": 1, "kept_counter": 1}, lambda _s, _f: {}),
    (Reason.PERSON_UNKNOWN, {}, lambda _s, _f: {"person_ids": (new_id(),)}),
    (Reason.PARTY_WRONG_SIZE, {}, lambda _s, _f: {"party_kind": PartyKind.COUPLE}),
    (Reason.DECLARATION_INVALID, {}, lambda _s, _f: {"declarations": {"unasked": "x"}}),
    (Reason.NOT_ALLOWED, {}, lambda _s, _f: {"channel": Channel.COUNTER}),
]


@pytest.mark.parametrize(("reason", "of_slot", "of_book"), REFUSALS)
def test_refusals_name_their_reason_and_change_nothing(
    reason: Reason, of_slot: dict[str, Any], of_book: Callable[[Slot, Facts], dict[str, Any]]
) -> None:
    slot = make.slot(**of_slot)
    facts = make.facts(slot)
    person = make.companion(facts)
    decisions = Decisions(facts)
    outcome = decisions.decide(replace(make.book(slot, person), **of_book(slot, facts)))
    assert refused(outcome).reason is reason
    assert decisions.changes == []
    assert facts.slots[slot.id] == slot


def elsewhere(slot: Slot, person: Any, facts: Facts, **changes: Any) -> None:
    claim = LiveClaim(
        booking_id=new_id(),
        reference="WXYZ-2345-6",
        account_id=make.RESIDENT,
        slot_id=new_id(),
        service_id=slot.service_id,
        venue_id=slot.venue_id,
        kind=slot.kind,
        starts_at=slot.starts_at,
        ends_at=slot.ends_at,
    )
    facts.claims.setdefault(person, []).append(replace(claim, **changes))


def test_a_clash_is_named_to_whoever_made_it_and_hidden_from_others() -> None:
    slot = make.slot()
    for account_id, named in ((make.RESIDENT, True), (new_id(), False)):
        facts = make.facts(slot, of_policy=make.policy(sensitive=True))
        person = make.companion(facts)
        elsewhere(slot, person, facts, account_id=account_id, starts_at=slot.starts_at - timedelta(minutes=15))
        no = refused(Decisions(facts).decide(make.book(slot, person)))
        assert no.reason is Reason.CLASHES
        assert ("reference" in no.facts) is named
        assert ("大连博物馆" in no.facts["clash_zh"]) is named


def test_visits_that_touch_do_not_clash() -> None:
    slot = make.slot()
    facts = make.facts(slot)
    person = make.companion(facts)
    elsewhere(slot, person, facts, starts_at=slot.starts_at - timedelta(hours=1), ends_at=slot.starts_at)
    assert decided(Decisions(facts).decide(make.book(slot, person))).state is State.CONFIRMED


@pytest.mark.parametrize(
    ("window", "days_apart", "reached"),
    [
        (LimitWindow.DAY, 0, True),
        (LimitWindow.DAY, 1, False),
        (LimitWindow.WEEK, 4, True),  # Wednesday to Sunday
        (LimitWindow.WEEK, 5, False),  # Wednesday to the next Monday
        (LimitWindow.WEEK, -3, False),  # Wednesday to the Sunday before
    ],
)
def test_limits_count_the_person_over_the_venues_day_or_week(
    window: LimitWindow, days_apart: int, reached: bool
) -> None:
    slot = make.slot()
    limit = Limit(scope=LimitScope.KIND, window=window, most=1)
    facts = make.facts(slot, of_policy=make.policy(limits=(limit,)))
    person = make.companion(facts)
    other = slot.starts_at + timedelta(days=days_apart, hours=2)
    elsewhere(slot, person, facts, starts_at=other, ends_at=other + timedelta(minutes=30))
    outcome = Decisions(facts).decide(make.book(slot, person))
    if reached:
        assert refused(outcome).reason is Reason.LIMIT_REACHED
    else:
        assert decided(outcome).state is State.CONFIRMED


def test_an_assessment_needs_the_registration_in_the_agencys_district() -> None:
    terms = make.policy(
        declarations=(Declaration(name="registered_subdistrict", question_zh="户籍", question_en="Registration"),)
    )
    slot = make.slot()
    facts = make.facts(slot, of_policy=terms, kind=ServiceKind.ASSESSMENT)
    person = make.companion(facts, birth_date=date(1950, 1, 1))
    decisions = Decisions(facts)
    outside = make.book(slot, person, declarations={"registered_subdistrict": "elsewhere"})
    assert refused(decisions.decide(outside)).reason is Reason.OUTSIDE_DISTRICT
    assert refused(decisions.decide(make.book(slot, person))).reason is Reason.DECLARATION_MISSING
    inside = make.book(slot, person, declarations={"registered_subdistrict": "taoyuan"})
    assert decided(decisions.decide(inside)).declarations == {"registered_subdistrict": "taoyuan"}


def test_holding_is_bounded_for_each_account() -> None:
    slots = [make.slot(starts_at=make.slot().starts_at + timedelta(days=day)) for day in range(4)]
    slots = [replace(slot, ends_at=slot.starts_at + timedelta(minutes=30)) for slot in slots]
    facts = make.facts(*slots)
    person = make.companion(facts)
    decisions = Decisions(facts)
    outcomes = [decisions.decide(make.book(slot, person, confirm=False)) for slot in slots]
    assert [decided(outcome).state for outcome in outcomes[:3]] == [State.HELD] * 3
    assert refused(outcomes[3]).reason is Reason.HOLDS_LIMIT_REACHED
    decided(decisions.decide(alter(decided(outcomes[0]), Action.CONFIRM)))
    assert decided(decisions.decide(make.book(slots[3], person, confirm=False))).state is State.HELD


def held(facts: Facts, slot: Slot, **changes: Any) -> Booking:
    booking = make.booking(slot, state=State.HELD, hold_until=make.NOW + timedelta(minutes=5), **changes)
    facts.bookings[booking.id] = booking
    return booking


def test_a_hold_is_extended_once_confirmed_and_cancelled() -> None:
    slot = make.slot(taken=1)
    facts = make.facts(slot)
    booking = held(facts, slot)
    facts.now += timedelta(minutes=4)
    decisions = Decisions(facts)
    longer = decided(decisions.decide(alter(booking, Action.EXTEND)))
    assert longer.hold_until == facts.now + timedelta(minutes=5)
    assert refused(decisions.decide(alter(booking, Action.EXTEND))).reason is Reason.EXTENSIONS_USED
    confirmed = decided(decisions.decide(alter(booking, Action.CONFIRM, expected_version=2)))
    assert (confirmed.state, confirmed.version, confirmed.hold_until) == (State.CONFIRMED, 3, None)
    stale = refused(decisions.decide(alter(booking, Action.CANCEL, expected_version=2)))
    assert (stale.reason, stale.facts["current_version"]) == (Reason.STALE_VERSION, 3)
    assert decided(decisions.decide(alter(booking, Action.CANCEL))).state is State.CANCELLED
    assert facts.slots[slot.id].taken == 0


def test_a_hold_is_over_the_instant_it_runs_out() -> None:
    slot = make.slot(taken=1)
    facts = make.facts(slot)
    booking = held(facts, slot)
    facts.now += timedelta(minutes=5)
    no = refused(Decisions(facts).decide(alter(booking, Action.CONFIRM)))
    assert no.reason is Reason.HOLD_EXPIRED


def test_strangers_hear_that_a_booking_is_unknown() -> None:
    slot = make.slot(taken=1)
    facts = make.facts(slot)
    booking = held(facts, slot)
    stranger = alter(booking, Action.CANCEL, actor=Actor(new_id(), "resident"))
    assert refused(Decisions(facts).decide(stranger)).reason is Reason.BOOKING_UNKNOWN


def test_cancelling_closes_at_the_earlier_of_the_two_deadlines() -> None:
    starts_at = make.slot().starts_at
    day_before = cancel_deadline(CancelBy(minutes_before=60, days_before=1, at=time(17, 0)), starts_at)
    assert day_before.isoformat() == "2026-11-24T17:00:00+08:00"
    slot = make.slot(taken=1)
    facts = make.facts(slot)
    booking = make.booking(slot)
    facts.bookings[booking.id] = booking
    facts.now = slot.starts_at - timedelta(minutes=60) + timedelta(seconds=1)
    decisions = Decisions(facts)
    assert refused(decisions.decide(alter(booking, Action.CANCEL))).reason is Reason.TOO_LATE_TO_CANCEL
    by_staff = alter(booking, Action.CANCEL, actor=STAFF, reason="venue closes early")
    assert decided(decisions.decide(by_staff)).reason == "venue closes early"


def check_in(booking: Booking, **changes: Any) -> Alter:
    return alter(booking, Action.CHECK_IN, **({"actor": STAFF, "venue_id": make.VENUE} | changes))


def test_the_door_checks_in_within_the_window_here_and_once() -> None:
    slot = make.slot(taken=1)
    facts = make.facts(slot)
    booking = make.booking(slot)
    facts.bookings[booking.id] = booking
    decisions = Decisions(facts)
    facts.now = slot.starts_at - timedelta(minutes=31)
    assert refused(decisions.decide(check_in(booking))).reason is Reason.CHECK_IN_EARLY
    facts.now = slot.starts_at + timedelta(minutes=31)
    assert refused(decisions.decide(check_in(booking))).reason is Reason.CHECK_IN_LATE
    facts.now = slot.starts_at
    wrong = check_in(booking, venue_id="elsewhere", actor=Actor(new_id(), "staff", frozenset({"elsewhere"})))
    assert refused(decisions.decide(wrong)).reason is Reason.WRONG_VENUE
    assert decided(decisions.decide(check_in(booking))).state is State.CHECKED_IN
    again = refused(decisions.decide(check_in(booking)))
    assert (again.reason, again.facts["state"]) == (Reason.WRONG_STATE, "checked_in")


def test_another_door_learns_nothing_of_a_sensitive_booking() -> None:
    slot = make.slot(taken=1)
    facts = make.facts(slot, of_policy=make.policy(sensitive=True))
    booking = make.booking(slot)
    facts.bookings[booking.id] = booking
    wrong = check_in(booking, venue_id="elsewhere", actor=Actor(new_id(), "staff", frozenset({"elsewhere"})))
    assert refused(Decisions(facts).decide(wrong)).reason is Reason.BOOKING_UNKNOWN


def test_approval_is_the_venues_to_give() -> None:
    slot = make.slot()
    facts = make.facts(slot, of_policy=make.policy(approval=True))
    person = make.companion(facts)
    decisions = Decisions(facts)
    waiting = decided(decisions.decide(make.book(slot, person)))
    assert waiting.state is State.HELD
    assert refused(decisions.decide(alter(waiting, Action.CONFIRM))).reason is Reason.WAITS_FOR_APPROVAL
    assert decided(decisions.decide(alter(waiting, Action.CONFIRM, actor=STAFF))).state is State.CONFIRMED


def test_walk_ins_use_their_share_and_then_what_is_free() -> None:
    slot = make.slot(capacity=4, taken=1, kept_walk_in=2)
    facts = make.facts(slot)
    facts.now = slot.starts_at + timedelta(minutes=1)
    decisions = Decisions(facts)
    request = AdmitWalkIns(actor=STAFF, key=None, walk_in_id=new_id(), slot_id=slot.id, people=2)
    let_in = decisions.decide(request)
    assert isinstance(let_in, WalkIns)
    assert let_in.places_left == 1
    assert free_places(facts.slots[slot.id], Channel.ONLINE, facts.now) == 1
    assert refused(decisions.decide(request)).reason is Reason.SLOT_FULL
    resident = replace(request, actor=Actor(make.RESIDENT, "resident"))
    assert refused(decisions.decide(resident)).reason is Reason.NOT_ALLOWED


@pytest.mark.parametrize("state", list(State))
@pytest.mark.parametrize("action", [action for action in Action if action is not Action.LAPSE])
def test_the_lifecycle_table_is_the_law(state: State, action: Action) -> None:
    hold_until = make.NOW + timedelta(minutes=1) if state is State.HELD else None
    booking = make.booking(make.slot(), state=state, hold_until=hold_until)
    following = LIFECYCLE[state].get(action)
    if following is not None:
        assert next_state(booking, action, make.NOW) is following
    else:
        with pytest.raises(Refused) as no:
            next_state(booking, action, make.NOW)
        assert no.value.reason is (Reason.HOLD_EXPIRED if state is State.LAPSED else Reason.WRONG_STATE)


def test_only_a_hold_that_ran_out_lapses() -> None:
    running = make.booking(make.slot(), state=State.HELD, hold_until=make.NOW + timedelta(seconds=1))
    with pytest.raises(Refused):
        next_state(running, Action.LAPSE, make.NOW)
    assert next_state(replace(running, hold_until=make.NOW), Action.LAPSE, make.NOW) is State.LAPSED


def test_the_event_carries_the_picture_and_no_names() -> None:
    slot = make.slot()
    facts = make.facts(slot, of_policy=make.policy(sensitive=True))
    facts.contacts[make.RESIDENT] = "sealed"
    person = make.companion(facts)
    decisions = Decisions(facts)
    booking = decided(decisions.decide(make.book(slot, person)))
    event = event_of(decisions.changes[0], facts, new_id())
    assert (event.type, event.subject, event.data.version) == (EventType.BOOKING_CONFIRMED, booking.id, 1)  # type: ignore[union-attr]
    assert event.data.local_start == "2026-11-25 16:30"  # type: ignore[union-attr]
    assert (event.data.contact, event.data.sensitive) == ("sealed", True)  # type: ignore[union-attr]
    assert "王" not in repr(event)


def test_sweeps_complete_and_mark_only_when_the_time_has_come() -> None:
    slot = make.slot(taken=2)
    facts = make.facts(slot)
    came, missed = make.booking(slot, state=State.CHECKED_IN), make.booking(slot)
    facts.bookings |= {came.id: came, missed.id: missed}
    complete = Alter(actor=SYSTEM, key=None, booking_id=came.id, action=Action.COMPLETE)
    mark = Alter(actor=SYSTEM, key=None, booking_id=missed.id, action=Action.MARK_NO_SHOW)
    facts.now = slot.ends_at - timedelta(seconds=1)
    early = Decisions(facts)
    assert refused(early.decide(complete)).reason is Reason.WRONG_STATE
    assert refused(early.decide(mark)).reason is Reason.WRONG_STATE
    facts.now = slot.ends_at + timedelta(seconds=1)
    late = Decisions(facts)
    assert decided(late.decide(complete)).state is State.COMPLETED
    assert decided(late.decide(mark)).state is State.NO_SHOW
    assert facts.slots[slot.id].taken == 2
