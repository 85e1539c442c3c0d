"""An itinerary is booked whole or not at all: each step by the rules of every booking, and the steps among themselves."""

from dataclasses import replace
from datetime import date, time, timedelta
from typing import Any
from uuid import uuid4

import pytest

from services.booking.domain.booking import Action, Booking, State
from services.booking.domain.course import admit_course
from services.booking.domain.decision import Decisions
from services.booking.domain.event import event_of
from services.booking.domain.facts import Facts
from services.booking.domain.itinerary import DayWindow, Misfit
from services.booking.domain.policy import Declaration, Limit, LimitScope, LimitWindow, PartyKind, SeatUnit
from services.booking.domain.reason import Reason
from services.booking.domain.request import Actor, Alter, Move
from services.booking.domain.slot import Slot
from shared.contracts import BookingChanged, EventType
from shared.ids import new_id
from shared.refusal import Refused
from tests import make
from tests.booking.itineraries import (
    BOTH,
    HER,
    HIM,
    at,
    booked,
    catalogue,
    couple,
    decided,
    facts_of,
    named,
    step,
    wish,
)

STAFF = Actor(new_id(), "staff", frozenset({make.VENUE}))


def slots(her: Any = (9, 0), him: Any = (9, 0), both: Any = (10, 0)) -> dict[str, Slot]:
    return {HER: at(HER, *her), HIM: at(HIM, *him), BOTH: at(BOTH, *both)}


def world(of: dict[str, Slot], **known: Any) -> tuple[Facts, Any, Any]:
    facts = facts_of(*of.values(), **known)
    return facts, make.companion(facts), make.companion(facts)


def refused(outcome: object) -> Refused:
    assert isinstance(outcome, Refused), outcome
    return outcome


def taken(facts: Facts, of: dict[str, Slot]) -> list[int]:
    return [facts.slots[slot.id].taken for slot in of.values()]


def alter(booking: Booking, action: Action, **changes: Any) -> Alter:
    actor = Actor(make.RESIDENT, "resident")
    return replace(Alter(actor=actor, key=None, booking_id=booking.id, action=action), **changes)


def test_a_couple_gets_three_places_for_two_people_in_one_booking() -> None:
    of = slots(her=(9, 30), him=(8, 0), both=(10, 30))
    facts, woman, man = world(of)
    decisions = Decisions(facts)
    booking = decisions.decide(wish(of, woman, man))
    assert isinstance(booking, Booking)
    assert booking.course is not None
    assert [one.key for one in booking.course.steps] == [HIM, HER, BOTH], "in order of time"
    assert [one.person_ids for one in booking.course.steps] == [(man,), (woman,), (woman, man)]
    assert (booking.slot_id, booking.starts_at, booking.ends_at) == (
        of[HIM].id,
        of[HIM].starts_at,
        of[BOTH].ends_at,
    )
    assert (booking.party_kind, booking.state, booking.seats) == ("couple", State.CONFIRMED, 3)
    assert taken(facts, of) == [1, 1, 1]
    assert {len(facts.claims[one]) for one in (woman, man)} == {2}
    event = event_of(decisions.changes[0], facts, new_id())
    assert isinstance(event.data, BookingChanged)
    assert event.data.party_size == 2
    assert [(one.local_start, one.party_size) for one in event.data.steps] == [
        ("2026-11-25 08:00", 1),
        ("2026-11-25 09:30", 1),
        ("2026-11-25 10:30", 2),
    ]


def test_one_full_step_refuses_the_whole_and_takes_nothing() -> None:
    of = slots()
    of[BOTH] = replace(of[BOTH], taken=1)
    facts, woman, man = world(of)
    no = refused(decided(facts, wish(of, woman, man)))
    assert (no.reason, no.field, no.facts["step"]) == (Reason.SLOT_FULL, "/steps/2/slot_id", BOTH)
    assert no.facts["slot_id"] == of[BOTH].id, "so that the nearest free times can be named"
    assert (taken(facts, of), facts.claims, facts.bookings) == ([0, 0, 1], {}, {})


def test_a_refusal_names_the_step_as_it_was_asked_for_not_as_it_comes_in_time() -> None:
    of = slots()
    asked = {BOTH: of[BOTH], HIM: replace(of[HIM], closed=True), HER: of[HER]}
    facts, woman, man = world(asked)
    no = refused(decided(facts, wish(asked, woman, man)))
    assert (no.reason, no.field) == (Reason.SLOT_CLOSED, "/steps/1/slot_id")


def test_who_is_not_taken_is_named_by_role() -> None:
    of = slots()
    facts = facts_of(*of.values(), of_catalogue=catalogue(of_policy=make.policy(age_least=18)))
    woman, man = make.companion(facts), make.companion(facts, date(2012, 1, 1))
    no = refused(decided(facts, wish(of, woman, man)))
    assert (no.reason, no.field) == (Reason.TOO_YOUNG, "/people/man")
    no = refused(decided(facts, wish(of, woman, woman)))
    assert (no.reason, no.field) == (Reason.PERSON_TWICE, "/people/man")
    no = refused(decided(facts, wish(of, woman, uuid4())))
    assert (no.reason, no.field) == (Reason.PERSON_UNKNOWN, "/people/man")


def test_a_step_clashes_with_what_one_of_the_two_has_elsewhere() -> None:
    of = slots()
    other = at("timed-entry", 10, 15)
    facts, woman, man = world(of | {"elsewhere": other})
    booked(facts, make.book(other, man))
    no = refused(decided(facts, wish(of, woman, man)))
    assert (no.reason, no.field, no.facts["step"]) == (Reason.CLASHES, "/people/man", BOTH)


def test_limits_count_the_steps_of_the_itinerary_itself() -> None:
    limit = Limit(scope=LimitScope.KIND, window=LimitWindow.DAY, most=1)
    of = slots()
    strict = catalogue(of_policy=make.policy(seat_unit=SeatUnit.PARTY, limits=(limit,)))
    facts, woman, man = world(of, of_catalogue=strict)
    no = refused(decided(facts, wish(of, woman, man)))
    assert (no.reason, no.facts["step"]) == (Reason.LIMIT_REACHED, BOTH)


def test_two_of_its_steps_may_share_a_slot_and_count_in_it() -> None:
    """She and he are seen in one slot, each by a place of their own."""
    alike = couple(steps=(step(HER, "woman"), step(HIM, "man", services=(HER,))))
    known = catalogue(alike)
    for capacity, fits in ((2, True), (1, False)):
        shared = at(HER, 9, capacity=capacity)
        of = {HER: shared, HIM: shared}
        facts, woman, man = world(of, of_catalogue=known)
        outcome = decided(facts, wish(of, woman, man))
        assert isinstance(outcome, Booking) is fits, outcome
        assert facts.slots[shared.id].taken == (2 if fits else 0)


UNFIT = {
    "after the joint one": (slots(her=(10, 30)), Misfit.ORDER, HER),
    "too soon after": (slots(both=(9, 40)), Misfit.TOO_SOON, BOTH),
    "too long after": (slots(both=(13, 31)), Misfit.TOO_LATE, BOTH),
    "another day": (
        {HER: at(HER, 9, day=date(2026, 11, 24)), HIM: at(HIM, 9), BOTH: at(BOTH, 10)},
        Misfit.TOO_FAR_APART,
        HIM,
    ),
    "another service": ({HER: at(HIM, 9), HIM: at(HIM, 9, 30), BOTH: at(BOTH, 11)}, Misfit.SERVICE, HER),
}


@pytest.mark.parametrize("name", list(UNFIT))
def test_what_the_definition_does_not_allow_is_refused_with_the_step(name: str) -> None:
    of, misfit, at_fault = UNFIT[name]
    facts, woman, man = world(of)
    no = refused(decided(facts, wish(of, woman, man)))
    assert (no.reason, no.facts["why"]) == (Reason.STEP_UNFIT, misfit.value)
    if misfit is not Misfit.ORDER:
        assert no.facts["step"] == at_fault


def test_days_are_counted_from_the_date_that_she_gives_and_hours_are_the_venue_s() -> None:
    days = DayWindow(counted_from="first_day", first=2, last=5)
    definition = couple(
        dates=(named("first_day"),),
        steps=(step(HER, "woman", days=days, latest=time(9, 0)), *couple().steps[1:]),
    )
    of = slots()
    facts, woman, man = world(of, of_catalogue=catalogue(definition))
    base = wish(of, woman, man)
    assert base.course is not None
    no = refused(decided(facts, base))
    assert (no.reason, no.field) == (Reason.ITINERARY_INCOMPLETE, "/dates/first_day")
    outcomes = {}
    for before in range(6):
        dates = {"first_day": date(2026, 11, 25) - timedelta(days=before)}
        try:
            admit_course(replace(base, course=replace(base.course, dates=dates)), facts)
            outcomes[before + 1] = "fits"
        except Refused as no_day:
            outcomes[before + 1] = no_day.facts["why"]
    assert outcomes == {1: "step_days", 2: "fits", 3: "fits", 4: "fits", 5: "fits", 6: "step_days"}
    late = {**of, HER: at(HER, 9, 1)}
    facts, woman, man = world(late, of_catalogue=catalogue(definition))
    base = wish(late, woman, man)
    assert base.course is not None
    dated = replace(base, course=replace(base.course, dates={"first_day": date(2026, 11, 23)}))
    assert refused(decided(facts, dated)).facts["why"] == Misfit.HOURS.value


def test_who_fasts_does_that_first_and_eats_before_the_rest() -> None:
    exams = couple(
        roles=(named("patient"),),
        party=PartyKind.ONE_PERSON,
        steps=(step("blood", "patient", fasting=True), step("heart", "patient")),
    )
    known = catalogue(exams)
    for blood, heart, why in (
        ((9, 0), (8, 0), "step_fasting"),
        ((8, 0), (8, 45), "step_too_soon"),
        ((8, 0), (9, 0), None),
    ):
        of = {"blood": at("blood", *blood), "heart": at("heart", *heart)}
        facts = facts_of(*of.values(), of_catalogue=known)
        patient = make.companion(facts)
        book = exam_wish(of, patient)
        outcome = decided(facts, book)
        assert (outcome.facts["why"] if isinstance(outcome, Refused) else None) == why


def exam_wish(of: dict[str, Slot], patient: Any) -> Any:
    base = wish({HER: next(iter(of.values()))}, patient, patient)
    assert base.course is not None
    steps = tuple(
        replace(base.course.steps[0], key=key, slot_id=slot.id, person_ids=(patient,)) for key, slot in of.items()
    )
    return replace(
        base, person_ids=(patient,), party_kind=PartyKind.ONE_PERSON, course=replace(base.course, steps=steps)
    )


def test_an_unknown_itinerary_and_steps_left_out_named_twice_or_unknown() -> None:
    of = slots()
    facts, woman, man = world(of)
    base = wish(of, woman, man)
    assert base.course is not None
    course = base.course
    gone = replace(base, course=replace(course, itinerary_id="no-such"))
    assert refused(decided(facts, gone)).reason is Reason.ITINERARY_UNKNOWN
    short = refused(decided(facts, replace(base, course=replace(course, steps=course.steps[:2]))))
    assert (short.reason, short.facts["missing"]) == (Reason.ITINERARY_INCOMPLETE, BOTH)
    for extra in (course.steps[0], replace(course.steps[0], key="no-such")):
        more = refused(decided(facts, replace(base, course=replace(course, steps=(*course.steps, extra)))))
        assert (more.reason, more.field) == (Reason.ITINERARY_INCOMPLETE, "/steps/3/step")
    nowhere = replace(course.steps[1], slot_id=uuid4())
    lost = refused(
        decided(facts, replace(base, course=replace(course, steps=(course.steps[0], nowhere, course.steps[2]))))
    )
    assert (lost.reason, lost.field) == (Reason.SLOT_UNKNOWN, "/steps/1/slot_id")


def test_each_policy_is_given_its_own_answers_and_an_answer_nobody_asked_for_is_refused() -> None:
    asks = Declaration(name="abstinence", question_zh="几天？", question_en="How many days?", options=("2-7",))
    of = slots()
    facts, woman, man = world(
        of, of_catalogue=catalogue(of_policy=make.policy(seat_unit=SeatUnit.PARTY, declarations=(asks,)))
    )
    no = refused(decided(facts, wish(of, woman, man)))
    assert (no.reason, no.field) == (Reason.DECLARATION_MISSING, "/declarations/abstinence")
    answered = {"abstinence": "2-7"}
    no = refused(decided(facts, wish(of, woman, man, declarations={**answered, "other": "x"})))
    assert (no.reason, no.field) == (Reason.DECLARATION_INVALID, "/declarations/other")
    assert booked(facts, wish(of, woman, man, declarations=answered)).declarations == answered


@pytest.mark.parametrize("action", [Action.CANCEL, Action.LAPSE])
def test_whatever_ends_it_gives_every_place_back(action: Action) -> None:
    of = slots()
    facts, woman, man = world(of)
    booking = booked(facts, wish(of, woman, man, confirm=False))
    assert (booking.state, facts.held[make.RESIDENT], taken(facts, of)) == (State.HELD, 1, [1, 1, 1])
    if action is Action.LAPSE:
        facts.now += timedelta(minutes=6)
        Decisions(facts).lapse_what_ran_out()
    else:
        Decisions(facts).decide(alter(booking, action))
    assert (facts.held[make.RESIDENT], taken(facts, of)) == (0, [0, 0, 0])
    assert facts.claims == {woman: [], man: []}


def test_a_third_hold_may_be_an_itinerary_and_a_fourth_may_not() -> None:
    of = slots()
    facts, woman, man = world(of)
    facts.held[make.RESIDENT] = 2
    assert booked(facts, wish(of, woman, man, confirm=False)).state is State.HELD
    again = slots(her=(14, 0), him=(14, 0), both=(15, 0))
    facts.slots |= {slot.id: slot for slot in again.values()}
    assert refused(decided(facts, wish(again, woman, man, confirm=False))).reason is Reason.HOLDS_LIMIT_REACHED


def test_one_door_checks_the_party_in_until_the_last_step_begins() -> None:
    of = slots(her=(9, 0), him=(9, 0), both=(11, 0))
    facts, woman, man = world(of)
    booking = booked(facts, wish(of, woman, man))
    facts.now = of[BOTH].starts_at + timedelta(minutes=31)
    door = alter(booking, Action.CHECK_IN, actor=STAFF, venue_id=make.VENUE)
    assert refused(Decisions(facts).decide(door)).reason is Reason.CHECK_IN_LATE
    facts.now = of[HER].starts_at + timedelta(minutes=45)
    absent = alter(booking, Action.MARK_NO_SHOW, actor=Actor(None, "system"))
    assert refused(Decisions(facts).decide(absent)).reason is Reason.WRONG_STATE, (
        "there is still time for the last step"
    )
    facts.now = of[HER].starts_at + timedelta(minutes=30)
    inside = Decisions(facts).decide(door)
    assert isinstance(inside, Booking)
    assert inside.state is State.CHECKED_IN


def test_it_moves_as_a_whole_and_nothing_of_it_alone() -> None:
    of = slots()
    later = {**of, BOTH: at(BOTH, 11)}
    facts, woman, man = world(of)
    facts.slots[later[BOTH].id] = later[BOTH]
    decisions = Decisions(facts)
    booking = decisions.decide(wish(of, woman, man))
    assert isinstance(booking, Booking)
    move = Move(actor=Actor(make.RESIDENT, "resident"), key=None, booking_id=booking.id, slot_id=later[BOTH].id)
    assert refused(decisions.decide(move)).reason is Reason.ITINERARY_WHOLE
    same, other = wish(of, woman, man).course, wish(later, woman, man).course
    assert refused(decisions.decide(replace(move, course=same))).reason is Reason.SLOT_UNCHANGED
    leaves = alter(booking, Action.CANCEL_MEMBER, person_id=woman)
    assert refused(decisions.decide(leaves)).reason in {Reason.COUPLE_NEEDS_BOTH, Reason.ITINERARY_WHOLE}
    moved = decisions.decide(replace(move, course=other))
    assert isinstance(moved, Booking)
    assert (moved.id, moved.version, moved.ends_at) == (booking.id, 2, later[BOTH].ends_at)
    assert [facts.slots[slot.id].taken for slot in (*of.values(), later[BOTH])] == [1, 1, 0, 1]
    assert event_of(decisions.changes[-1], facts, new_id()).type is EventType.BOOKING_MOVED
    plain = booked(facts, make.book(of[BOTH], woman, man, party_kind=PartyKind.COUPLE))
    assert refused(decisions.decide(replace(move, booking_id=plain.id, course=other))).reason is Reason.NO_ITINERARY


def test_a_move_that_is_refused_leaves_every_place_as_it_was() -> None:
    of = slots()
    full = {**of, BOTH: at(BOTH, 11, taken=1)}
    facts, woman, man = world(of)
    facts.slots[full[BOTH].id] = full[BOTH]
    booking = booked(facts, wish(of, woman, man))
    move = Move(
        actor=Actor(make.RESIDENT, "resident"),
        key=None,
        booking_id=booking.id,
        slot_id=full[BOTH].id,
        course=wish(full, woman, man).course,
    )
    no = refused(Decisions(facts).decide(move))
    assert (no.reason, no.field) == (Reason.SLOT_FULL, "/steps/2/slot_id")
    assert (taken(facts, of), facts.bookings[booking.id]) == ([1, 1, 1], booking)
