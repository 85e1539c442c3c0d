"""Doors of an itinerary: which step a party is there for, what came out of order, what was missed."""

from dataclasses import replace
from datetime import timedelta

import pytest

from services.booking.domain.attendance import is_missed, out_of_order, step_window
from services.booking.domain.booking import Action, Booking, Course, State, Step
from services.booking.domain.decision import Decisions
from services.booking.domain.event import event_of
from services.booking.domain.facts import Facts
from services.booking.domain.policy import CheckInWindow
from services.booking.domain.reason import Reason
from services.booking.domain.request import Actor, Alter
from shared.contracts import BookingChanged, EventType
from shared.ids import new_id
from shared.refusal import Refused
from tests import make
from tests.booking import itineraries
from tests.booking.domain.test_course import alter, refused, slots, world
from tests.booking.itineraries import BOTH, HER, HIM, booked, couple, step, wish

LAB, HALL = "the-lab", make.VENUE
STAFF = Actor(new_id(), "staff", frozenset({LAB, HALL}))
MINUTE = timedelta(minutes=1)


class Visit:
    """A couple's visit: her at 9:00 and both at 11:00 in the hall, him at 9:30 in the lab."""

    def __init__(self) -> None:
        self.of = slots(her=(9, 0), him=(9, 30), both=(11, 0))
        self.facts, woman, man = world(self.of)
        base = self.facts.catalogue
        lab = replace(base.venues[HALL], id=LAB)
        services = {**base.services, HIM: replace(base.services[HIM], venue_id=LAB)}
        self.facts = replace(self.facts, catalogue=replace(base, venues={**base.venues, LAB: lab}, services=services))
        self.booking = booked(self.facts, wish(self.of, woman, man))
        self.decisions = Decisions(self.facts)

    def at(self, key: str, minutes: int = 0) -> None:
        self.facts.now = self.of[key].starts_at + minutes * MINUTE

    def door(self, venue_id: str, named: str | None = None) -> Booking | Refused:
        request = alter(self.booking, Action.CHECK_IN, actor=STAFF, venue_id=venue_id)
        outcome = self.decisions.decide(replace(request, step=named))
        assert isinstance(outcome, Booking | Refused)
        if isinstance(outcome, Booking):
            self.booking = outcome
        return outcome

    @property
    def met(self) -> list[str]:
        return [one.key for one in self.course.steps if one.met_at is not None]

    @property
    def course(self) -> Course:
        assert self.booking.course is not None
        return self.booking.course

    def step(self, key: str) -> Step:
        return next(one for one in self.course.steps if one.key == key)


def why(outcome: Booking | Refused) -> Reason:
    return Reason(refused(outcome).reason)


def test_each_door_checks_in_its_own_step_and_the_first_of_them_is_when_they_came() -> None:
    visit = Visit()
    visit.at(HER, -5)
    visit.door(HALL)
    assert (visit.booking.state, visit.booking.version, visit.met) == (State.CHECKED_IN, 2, [HER])
    visit.at(HIM, 3)
    visit.door(LAB)
    visit.at(BOTH)
    visit.door(HALL)
    assert (visit.booking.state, visit.booking.version, visit.met) == (State.CHECKED_IN, 4, [HER, HIM, BOTH])
    assert visit.step(HIM).met_at == visit.of[HIM].starts_at + 3 * MINUTE
    assert [change.action for change in visit.decisions.changes] == ["check_in", "check_in_step", "check_in_step"]
    told = [event_of(change, visit.facts, new_id()) for change in visit.decisions.changes]
    assert [one.type for one in told] == [EventType.BOOKING_CHECKED_IN] + [EventType.BOOKING_STEP_MET] * 2
    assert isinstance(told[1].data, BookingChanged)
    assert [(one.key, one.met_at is not None) for one in told[1].data.steps] == [
        (HER, True),
        (HIM, True),
        (BOTH, False),
    ]


def test_a_step_is_met_once_and_within_its_own_window() -> None:
    visit = Visit()
    visit.at(HER, -31)
    early = refused(visit.door(HALL))
    assert (early.reason, early.facts["opens_at"]) == (Reason.CHECK_IN_EARLY, visit.of[HER].starts_at - 30 * MINUTE)
    visit.at(HER)
    visit.door(HALL)
    again = refused(visit.door(HALL, HER))
    assert (again.reason, again.facts["met_at"]) == (Reason.STEP_MET, visit.facts.now)
    assert why(visit.door(HALL)) is Reason.CHECK_IN_EARLY, "the next one here is that of both"
    visit.at(HIM, 31)
    assert why(visit.door(LAB)) is Reason.CHECK_IN_LATE
    visit.at(BOTH)
    visit.door(HALL)
    assert why(visit.door(HALL)) is Reason.STEP_MET
    assert visit.met == [HER, BOTH]


def test_what_belongs_before_is_told_and_not_refused() -> None:
    visit = Visit()
    visit.at(HER, 10)
    visit.door(HALL)
    visit.at(BOTH, -30)
    visit.door(HALL)
    assert out_of_order(visit.step(BOTH), visit.course, couple()) == (HIM,), "he has not been seen before"
    assert out_of_order(visit.step(HER), visit.course, couple()) == ()
    assert out_of_order(visit.step(BOTH), visit.course, None) == (), "no longer offered: nothing is known of its order"
    late = replace(visit.step(HIM), met_at=visit.facts.now + MINUTE)
    steps = tuple(late if one.key == HIM else one for one in visit.course.steps)
    assert out_of_order(visit.step(BOTH), replace(visit.course, steps=steps), couple()) == (HIM,), "he was, but later"


def test_what_asks_for_fasting_belongs_before_what_the_same_person_does_that_day() -> None:
    visit = Visit()
    fasting = couple(steps=(step(HER, "woman", fasting=True), step(HIM, "man"), step(BOTH, "woman", "man")))
    for key, ahead in ((BOTH, (HER,)), (HIM, ())):
        met = replace(visit.step(key), met_at=visit.of[key].starts_at)
        assert out_of_order(met, visit.course, fasting) == ahead


def test_a_wrong_door_says_where_they_are_due() -> None:
    visit = Visit()
    visit.at(HIM)
    elsewhere = refused(visit.door(HALL, HIM))
    assert (elsewhere.reason, elsewhere.facts["venue_id"]) == (Reason.WRONG_VENUE, LAB)
    unknown = refused(visit.door(HALL, "dentist"))
    assert (unknown.reason, unknown.facts["steps"]) == (Reason.STEP_UNKNOWN, f"{HER}, {HIM}, {BOTH}")
    stranger = replace(alter(visit.booking, Action.CHECK_IN, actor=STAFF, venue_id="the-gym"), actor=STAFF)
    assert refused(visit.decisions.decide(stranger)).reason is Reason.WRONG_VENUE


def test_whose_door_it_is_not_checks_nobody_in() -> None:
    visit = Visit()
    visit.at(HIM)
    only_hall = Actor(new_id(), "staff", frozenset({HALL}))
    request = alter(visit.booking, Action.CHECK_IN, actor=only_hall, venue_id=LAB)
    assert refused(visit.decisions.decide(request)).reason is Reason.NOT_ALLOWED


def test_nobody_is_absent_while_a_door_is_open_and_what_was_not_met_is_missed() -> None:
    visit = Visit()
    wider = replace(make.policy(), id="wider", check_in=CheckInWindow(opens_minutes_before=5, closes_minutes_after=90))
    base = visit.facts.catalogue
    both = replace(base.services[BOTH], policy_id=wider.id)
    wide = replace(base, policies={**base.policies, wider.id: wider}, services={**base.services, BOTH: both})
    visit.facts.catalogue = wide
    absent = alter(visit.booking, Action.MARK_NO_SHOW, actor=Actor(None, "system"))
    visit.at(BOTH, 90)
    assert refused(visit.decisions.decide(absent)).reason is Reason.WRONG_STATE
    assert [is_missed(one, wide, visit.facts.now) for one in visit.course.steps] == [True, True, False]
    visit.door(HALL)
    assert visit.met == [BOTH]
    visit.at(BOTH, 91)
    assert [is_missed(one, wide, visit.facts.now) for one in visit.course.steps] == [True, True, False]
    assert step_window(visit.step(BOTH), wide)[0] == visit.of[BOTH].starts_at - 5 * MINUTE


@pytest.mark.parametrize("named", [None, HER])
def test_an_ordinary_booking_has_no_steps(named: str | None) -> None:
    slot = make.slot()
    facts = Facts(now=make.NOW, catalogue=itineraries.catalogue(), slots={slot.id: slot})
    person = make.companion(facts)
    booking = booked(facts, make.book(slot, person))
    facts.now = slot.starts_at
    door = Alter(actor=STAFF, key=None, booking_id=booking.id, action=Action.CHECK_IN, venue_id=HALL, step=named)
    outcome = Decisions(facts).decide(door)
    if named is not None:
        assert refused(outcome).reason is Reason.STEP_UNKNOWN
        return
    assert isinstance(outcome, Booking)
    for action in (Action.CHECK_IN, Action.CHECK_IN_STEP):
        assert refused(Decisions(facts).decide(replace(door, action=action))).reason is Reason.WRONG_STATE
