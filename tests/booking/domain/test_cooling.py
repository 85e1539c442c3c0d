"""Cooling off, purely: what comes free in a full slot, when it is the public's again, and the attack that it ends."""

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta
from uuid import uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.booking.domain.booking import Action, Booking, Channel, State
from services.booking.domain.cooling import back_at, cool_off
from services.booking.domain.decision import Decisions
from services.booking.domain.facts import Facts
from services.booking.domain.policy import Cooling, Policy
from services.booking.domain.reason import Reason
from services.booking.domain.request import SYSTEM, Actor, Alter, Move
from services.booking.domain.slot import Slot, free_places, why_not
from shared.refusal import Refused
from tests import make

COOLING = Cooling(least_minutes=30, most_minutes=120)
MINUTE = timedelta(minutes=1)


def facts_of(*slots: Slot, of_policy: Policy | None = None, chance: float = 0.5) -> Facts:
    facts = make.facts(*slots, of_policy=of_policy or make.policy(cooling=COOLING))
    facts.chance = lambda: chance
    return facts


def booked(decisions: Decisions, slot: Slot, people: int = 1, **changes: object) -> Booking:
    facts = decisions.facts
    wish = make.book(slot, *(make.companion(facts) for _ in range(people)), **changes)
    outcome = decisions.decide(wish)
    assert isinstance(outcome, Booking), outcome
    return outcome


def alter(booking: Booking, action: Action) -> Alter:
    return Alter(actor=Actor(make.RESIDENT, "resident"), key=None, booking_id=booking.id, action=action)


def refusal(decisions: Decisions, slot: Slot) -> Reason | None:
    """What a stranger who asks for one place is told."""
    outcome = decisions.decide(make.book(slot, make.companion(decisions.facts)))
    return Reason(outcome.reason) if isinstance(outcome, Refused) else None


def test_book_as_one_cancel_and_book_as_another_at_once_does_not_work() -> None:
    slot = make.slot(capacity=2)
    decisions = Decisions(facts_of(slot))
    booked(decisions, slot)
    mine = booked(decisions, slot)
    assert isinstance(decisions.decide(alter(mine, Action.CANCEL)), Booking)
    assert refusal(decisions, slot) is Reason.COOLING_OFF
    decisions.facts.now += 74 * MINUTE
    assert refusal(decisions, slot) is Reason.COOLING_OFF
    decisions.facts.now += MINUTE
    assert refusal(decisions, slot) is None, "half way through the window it is anybody's"


def test_without_the_policy_the_attack_works_which_is_why_there_is_one() -> None:
    slot = make.slot(capacity=1)
    decisions = Decisions(facts_of(slot, of_policy=make.policy()))
    decisions.decide(alter(booked(decisions, slot), Action.CANCEL))
    assert refusal(decisions, slot) is None


def lapse(decisions: Decisions, booking: Booking) -> None:
    decisions.facts.now += 5 * MINUTE
    decisions.lapse_what_ran_out()
    assert decisions.facts.bookings[booking.id].state is State.LAPSED


def cancel(decisions: Decisions, booking: Booking) -> None:
    decisions.decide(alter(booking, Action.CANCEL))


def move_away(decisions: Decisions, booking: Booking) -> None:
    other = next(slot for slot in decisions.facts.slots.values() if slot.id != booking.slot_id)
    request = Move(actor=Actor(make.RESIDENT, "resident"), key=None, booking_id=booking.id, slot_id=other.id)
    assert isinstance(decisions.decide(request), Booking)


@pytest.mark.parametrize("give_back", [lapse, cancel, move_away])
def test_it_does_not_matter_how_a_place_came_free(give_back: Callable[[Decisions, Booking], None]) -> None:
    slot = make.slot(capacity=1)
    starts_at = slot.starts_at + timedelta(hours=2)
    later = make.slot(starts_at=starts_at, ends_at=starts_at + 30 * MINUTE, bookable_until=starts_at)
    decisions = Decisions(facts_of(slot, later))
    give_back(decisions, booked(decisions, slot, confirm=give_back is not lapse))
    assert refusal(decisions, slot) is Reason.COOLING_OFF


def test_a_slot_that_had_room_takes_places_back_at_once() -> None:
    slot = make.slot(capacity=3)
    decisions = Decisions(facts_of(slot))
    one = booked(decisions, slot)
    booked(decisions, slot)
    decisions.decide(alter(one, Action.CANCEL))
    assert decisions.facts.slots[slot.id].cooling == ()


def test_a_member_who_leaves_gives_one_place_that_cools_off_and_a_second_one_its_own_instant() -> None:
    slot = make.slot(capacity=3)
    decisions = Decisions(facts_of(slot, chance=0.0))
    party = booked(decisions, slot, people=3)
    leave = replace(alter(party, Action.CANCEL_MEMBER), person_id=party.claims[2].person_id)
    decisions.decide(leave)
    decisions.facts.now += 10 * MINUTE
    decisions.facts.chance = lambda: 1.0
    decisions.decide(replace(leave, person_id=party.claims[1].person_id))
    start = make.NOW
    assert decisions.facts.slots[slot.id].cooling == (start + 30 * MINUTE, start + 130 * MINUTE)
    decisions.facts.now = start + 30 * MINUTE
    assert free_places(decisions.facts.slots[slot.id], Channel.ONLINE, decisions.facts.now) == 1


def test_what_returns_to_the_counter_does_not_cool_off() -> None:
    slot = make.slot(capacity=2, kept_counter=1)
    decisions = Decisions(facts_of(slot))
    staff = Actor(uuid4(), "staff", frozenset({make.VENUE}))
    at_the_counter = booked(decisions, slot, actor=staff, channel=Channel.COUNTER)
    booked(decisions, slot)
    decisions.decide(replace(alter(at_the_counter, Action.CANCEL), actor=SYSTEM))
    assert decisions.facts.slots[slot.id].cooling == ()
    assert why_not(decisions.facts.slots[slot.id], Channel.COUNTER, make.NOW) is None


def test_places_that_cool_off_are_there_for_the_door_and_for_whoever_waits() -> None:
    slot = make.slot(capacity=2, taken=1, cooling=(make.NOW + MINUTE,))
    free = {channel: free_places(slot, channel, make.NOW) for channel in Channel}
    assert free == {Channel.ONLINE: 0, Channel.COUNTER: 0, Channel.WALK_IN: 1, Channel.WAITING_LIST: 1}
    assert why_not(slot, Channel.ONLINE, make.NOW) is Reason.COOLING_OFF
    assert why_not(slot, Channel.ONLINE, make.NOW, seats=2) is Reason.SLOT_FULL
    assert why_not(slot, Channel.ONLINE, make.NOW + MINUTE) is None, "from the instant itself"


@given(chance=st.floats(0, 1), minutes_left=st.integers(0, 300), least=st.integers(1, 100), longer=st.integers(1, 100))
def test_the_instant_lies_in_the_window_and_before_booking_closes(
    chance: float, minutes_left: int, least: int, longer: int
) -> None:
    slot = make.slot(bookable_until=make.NOW + minutes_left * MINUTE)
    cooling = Cooling(least_minutes=least, most_minutes=least + longer)
    instant = back_at(cooling, slot, make.NOW, chance)
    if minutes_left <= least:
        assert instant is None
    else:
        assert instant is not None
        assert make.NOW + least * MINUTE <= instant <= make.NOW + (least + longer) * MINUTE
        assert instant <= slot.bookable_until


def test_what_has_cooled_off_is_forgotten_when_the_next_place_does() -> None:
    past, coming = make.NOW - MINUTE, make.NOW + MINUTE
    before = make.slot(capacity=3, taken=2, cooling=(past, coming))
    assert free_places(before, Channel.ONLINE, make.NOW) == 0
    instant = datetime.max.replace(tzinfo=make.NOW.tzinfo)
    after = cool_off(before, replace(before, taken=1), make.NOW, instant)
    assert after.cooling == (coming, instant)
