"""One of a party cannot come; cancelling shown before the act; a no-show corrected."""

from dataclasses import replace
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.booking.domain.alteration import CORRECTED_WITHIN, why_not_cancel
from services.booking.domain.booking import LIVE, Action, Booking, Channel, State
from services.booking.domain.decision import Decisions
from services.booking.domain.event import event_of
from services.booking.domain.facts import Facts
from services.booking.domain.policy import PartyKind, Policy, SeatUnit
from services.booking.domain.reason import Reason
from services.booking.domain.request import SYSTEM, Actor, Alter, Move
from shared.contracts import BookingChanged, EventType
from shared.ids import new_id
from shared.refusal import Refused
from tests import make

RESIDENT = Actor(make.RESIDENT, "resident")
STAFF = Actor(new_id(), "staff", frozenset({make.VENUE}))


def alter(booking: Booking, action: Action, **changes: Any) -> Alter:
    return replace(Alter(actor=RESIDENT, key=None, booking_id=booking.id, action=action), **changes)


def party(size: int, terms: Policy | None = None, **changes: Any) -> tuple[Facts, Decisions, Booking]:
    slot = make.slot(capacity=5)
    facts = make.facts(slot, of_policy=terms)
    decisions = Decisions(facts)
    booking = decisions.decide(make.book(slot, *(make.companion(facts) for _ in range(size)), **changes))
    assert isinstance(booking, Booking), booking
    return facts, decisions, booking


def leave(decisions: Decisions, booking: Booking, person_id: UUID, **changes: Any) -> Any:
    return decisions.decide(alter(booking, Action.CANCEL_MEMBER, person_id=person_id, **changes))


def test_a_member_leaves_and_the_seat_comes_back() -> None:
    facts, decisions, booking = party(3)
    first, second, third = (claim.person_id for claim in booking.claims)
    left = leave(decisions, booking, second)
    assert (left.state, left.version, left.seats) == (State.CONFIRMED, 2, 2)
    assert [claim.person_id for claim in left.claims] == [first, third]
    assert facts.slots[booking.slot_id].taken == 2
    assert facts.claims[second] == []
    event = event_of(decisions.changes[-1], facts, new_id())
    assert isinstance(event.data, BookingChanged)
    assert (event.type, event.data.party_size) == (EventType.BOOKING_PARTY_CHANGED, 2)
    assert leave(decisions, left, second).reason is Reason.NOT_IN_PARTY


def test_the_last_ones_leaving_cancels_the_booking() -> None:
    facts, decisions, booking = party(2)
    first, second = (claim.person_id for claim in booking.claims)
    alone = leave(decisions, booking, first)
    assert alone.party_kind == PartyKind.ONE_PERSON
    gone = leave(decisions, alone, second)
    assert (gone.state, facts.slots[booking.slot_id].taken) == (State.CANCELLED, 0)
    assert event_of(decisions.changes[-1], facts, new_id()).type is EventType.BOOKING_CANCELLED


def test_where_the_party_shares_a_place_the_place_stays_until_the_last_one_leaves() -> None:
    facts, decisions, booking = party(3, make.policy(seat_unit=SeatUnit.PARTY))
    for claim in booking.claims[:2]:
        booking = leave(decisions, booking, claim.person_id)
        assert [one.seats for one in booking.claims] == [1] + [0] * (len(booking.claims) - 1)
        assert facts.slots[booking.slot_id].taken == 1
    assert leave(decisions, booking, booking.claims[0].person_id).state is State.CANCELLED
    assert facts.slots[booking.slot_id].taken == 0


def test_a_couple_needs_both_and_a_group_that_must_be_one_stays_one() -> None:
    for terms, kind, reason in (
        (make.policy(), PartyKind.COUPLE, Reason.COUPLE_NEEDS_BOTH),
        (make.policy(parties=frozenset({PartyKind.GROUP})), PartyKind.GROUP, Reason.PARTY_WRONG_SIZE),
    ):
        facts, decisions, booking = party(2, terms, party_kind=kind)
        assert leave(decisions, booking, booking.claims[0].person_id).reason is reason
        assert (facts.bookings[booking.id], facts.slots[booking.slot_id].taken) == (booking, 2)


def test_a_member_leaves_until_the_last_moment_to_cancel_and_strangers_not_at_all() -> None:
    facts, decisions, booking = party(2)
    person = booking.claims[0].person_id
    stranger = Actor(new_id(), "resident")
    assert leave(decisions, booking, person, actor=stranger).reason is Reason.BOOKING_UNKNOWN
    assert leave(decisions, booking, person, expected_version=9).reason is Reason.STALE_VERSION
    facts.now = booking.starts_at - timedelta(minutes=59)
    assert leave(decisions, booking, person).reason is Reason.TOO_LATE_TO_CANCEL
    assert leave(decisions, booking, person, actor=STAFF).version == 2


def test_what_is_shown_before_cancelling_is_what_cancelling_says() -> None:
    facts, decisions, booking = party(1)
    assert why_not_cancel(booking, RESIDENT, facts) is None
    assert facts.bookings[booking.id] == booking, "a look changes nothing"
    facts.now = booking.starts_at
    shown = why_not_cancel(booking, RESIDENT, facts)
    assert isinstance(shown, Refused)
    assert shown.reason is Reason.TOO_LATE_TO_CANCEL
    refused = decisions.decide(alter(booking, Action.CANCEL))
    assert isinstance(refused, Refused)
    assert refused.reason is shown.reason


def test_a_no_show_is_corrected_by_staff_of_the_venue_within_a_week() -> None:
    facts, decisions, booking = party(1)
    facts.now = booking.ends_at + timedelta(hours=1)
    absent = decisions.decide(alter(booking, Action.MARK_NO_SHOW, actor=SYSTEM))
    assert isinstance(absent, Booking)
    for actor, reason in (
        (RESIDENT, Reason.NOT_ALLOWED),
        (SYSTEM, Reason.NOT_ALLOWED),
        (Actor(new_id(), "staff", frozenset({"elsewhere"})), Reason.BOOKING_UNKNOWN),
    ):
        no = decisions.decide(alter(absent, Action.CORRECT, actor=actor, reason="gate failed"))
        assert isinstance(no, Refused)
        assert no.reason is reason
    facts.now = booking.ends_at + CORRECTED_WITHIN + timedelta(seconds=1)
    late = decisions.decide(alter(absent, Action.CORRECT, actor=STAFF, reason="gate failed"))
    assert isinstance(late, Refused)
    assert late.reason is Reason.TOO_LATE_TO_CORRECT
    facts.now -= timedelta(seconds=1)
    there = decisions.decide(alter(absent, Action.CORRECT, actor=STAFF, reason="gate failed"))
    assert isinstance(there, Booking)
    assert (there.state, there.reason, facts.slots[booking.slot_id].taken) == (State.CHECKED_IN, "gate failed", 1)
    assert event_of(decisions.changes[-1], facts, new_id()).type is EventType.BOOKING_CHECKED_IN
    completed = decisions.decide(alter(there, Action.COMPLETE, actor=SYSTEM))
    assert isinstance(completed, Booking)
    assert completed.state is State.COMPLETED


STEPS = st.lists(
    st.tuples(
        st.sampled_from(("book", "hold", "counter", "move", "cancel", "leave", "confirm")),
        st.integers(0, 5),
        st.integers(0, 3),
        st.integers(1, 3),
    ),
    max_size=40,
)


@pytest.mark.parametrize("unit", list(SeatUnit))
@given(steps=STEPS)
def test_whatever_happens_places_taken_are_places_of_live_claims(
    unit: SeatUnit, steps: list[tuple[str, int, int, int]]
) -> None:
    """Never oversold; one live place a person and slot; what limits and clashes are counted on agrees with the bookings."""
    first = make.slot(capacity=3, kept_counter=1)
    slots = [
        replace(first, id=new_id(), starts_at=first.starts_at + shift, ends_at=first.ends_at + shift)
        for shift in (timedelta(minutes=20) * number for number in range(4))
    ]
    facts = make.facts(*slots, of_policy=make.policy(seat_unit=unit, closes_minutes_before=0))
    people = [make.companion(facts) for _ in range(4)]
    decisions = Decisions(facts)
    made: list[UUID] = []
    for what, which, slot, size in steps:
        if what in {"book", "hold", "counter"}:
            counter = {"actor": STAFF, "channel": Channel.COUNTER} if what == "counter" else {}
            wish = make.book(slots[slot], *(people + people)[which % 4 :][:size], confirm=what != "hold", **counter)
            if isinstance(decisions.decide(wish), Booking):
                made.append(wish.booking_id)
        elif made:
            booking = facts.bookings[made[which % len(made)]]
            person = booking.claims[size % len(booking.claims)].person_id
            action = {"cancel": Action.CANCEL, "leave": Action.CANCEL_MEMBER, "confirm": Action.CONFIRM}.get(what)
            if action is None:
                decisions.decide(Move(actor=STAFF, key=None, booking_id=booking.id, slot_id=slots[slot].id))
            else:
                decisions.decide(alter(booking, action, person_id=person))
    live = [one for one in facts.bookings.values() if one.state in LIVE]
    for one in slots:
        there = [booking for booking in live if booking.slot_id == one.id]
        assert facts.slots[one.id].taken == sum(booking.seats for booking in there) <= one.capacity
        assert facts.slots[one.id].taken_counter == sum(b.seats for b in there if b.channel is Channel.COUNTER)
        persons = [claim.person_id for booking in there for claim in booking.claims]
        assert len(persons) == len(set(persons))
        assert all(claim.slot_id == one.id for booking in there for claim in booking.claims)
    for person in people:
        counted = {(claim.booking_id, claim.slot_id) for claim in facts.claims.get(person, ())}
        assert counted == {(b.id, b.slot_id) for b in live for claim in b.claims if claim.person_id == person}
    assert facts.held.get(make.RESIDENT, 0) == sum(booking.state is State.HELD for booking in live)
