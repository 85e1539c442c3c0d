"""A booking changes its time: admitted as a new one would be, its own places not counted against it, or left as it was."""

from dataclasses import replace
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest

from services.booking.domain.booking import Booking, Channel, State
from services.booking.domain.catalogue import Catalogue
from services.booking.domain.decision import Decisions
from services.booking.domain.event import event_of
from services.booking.domain.facts import Facts
from services.booking.domain.policy import Limit, LimitScope, LimitWindow, Policy
from services.booking.domain.reason import Reason
from services.booking.domain.request import Actor, Move
from services.booking.domain.slot import Slot
from shared.contracts import BookingChanged, EventType
from shared.ids import new_id
from shared.refusal import Refused
from tests import make

STAFF = Actor(new_id(), "staff", frozenset({make.VENUE}))


def later(slot: Slot, **by: int) -> Slot:
    shift = timedelta(**by)
    return replace(slot, id=new_id(), starts_at=slot.starts_at + shift, ends_at=slot.ends_at + shift,
                   bookable_until=slot.bookable_until + shift)  # fmt: skip


def to(slot: Slot, booking: Booking, **changes: Any) -> Move:
    return replace(
        Move(actor=Actor(make.RESIDENT, "resident"), key=None, booking_id=booking.id, slot_id=slot.id), **changes
    )


def booked(facts: Facts, slot: Slot, *people: UUID, **changes: Any) -> Booking:
    outcome = Decisions(facts).decide(make.book(slot, *(people or (make.companion(facts),)), **changes))
    assert isinstance(outcome, Booking), outcome
    return outcome


def refused(outcome: object) -> Refused:
    assert isinstance(outcome, Refused), outcome
    return outcome


def test_a_move_keeps_id_and_reference_and_swaps_the_places() -> None:
    old = make.slot()
    new = later(old, days=1)
    facts = make.facts(old, new)
    booking = booked(facts, old)
    decisions = Decisions(facts)
    moved = decisions.decide(to(new, booking, expected_version=1))
    assert isinstance(moved, Booking)
    assert (moved.id, moved.reference, moved.state) == (booking.id, booking.reference, State.CONFIRMED)
    assert (moved.version, moved.slot_id, moved.starts_at) == (2, new.id, new.starts_at)
    assert {claim.slot_id for claim in moved.claims} == {new.id}
    assert (facts.slots[old.id].taken, facts.slots[new.id].taken) == (0, 1)
    (claim,) = facts.claims[booking.claims[0].person_id]
    assert claim.slot_id == new.id
    event = event_of(decisions.changes[0], facts, new_id())
    assert event.type is EventType.BOOKING_MOVED
    assert isinstance(event.data, BookingChanged)
    assert (event.data.local_start, event.data.local_start_before) == ("2026-11-26 16:30", "2026-11-25 16:30")


def test_a_hold_that_moves_stays_a_hold_until_the_same_moment() -> None:
    old = make.slot()
    new = later(old, hours=1)
    facts = make.facts(old, new)
    held = booked(facts, old, confirm=False)
    facts.now += timedelta(minutes=1)
    moved = Decisions(facts).decide(to(new, held))
    assert isinstance(moved, Booking)
    assert (moved.state, moved.hold_until) == (State.HELD, held.hold_until)
    assert facts.held[make.RESIDENT] == 1


def test_a_counter_booking_gives_its_counter_place_back() -> None:
    old = make.slot(kept_counter=1)
    new = later(old, hours=1)
    facts = make.facts(old, new)
    booking = booked(facts, old, actor=STAFF, channel=Channel.COUNTER)
    assert isinstance(Decisions(facts).decide(to(new, booking, actor=STAFF)), Booking)
    assert (facts.slots[old.id].taken_counter, facts.slots[new.id].taken_counter) == (0, 1)


@pytest.mark.parametrize("window", list(LimitWindow))
def test_its_own_place_counts_neither_as_a_clash_nor_against_a_limit_nor_a_hold(window: LimitWindow) -> None:
    old = make.slot()
    overlapping = later(old, minutes=15)
    limit = Limit(scope=LimitScope.KIND, window=window, most=1)
    facts = make.facts(old, overlapping, of_policy=make.policy(limits=(limit,)))
    facts.held[make.RESIDENT] = 2
    held = booked(facts, old, confirm=False)
    assert isinstance(Decisions(facts).decide(to(overlapping, held)), Booking)


def test_what_else_the_party_has_does_count() -> None:
    old = make.slot()
    middle, far = later(old, hours=2), later(old, days=1)
    limit = Limit(scope=LimitScope.KIND, window=LimitWindow.DAY, most=1)
    facts = make.facts(old, middle, far, of_policy=make.policy(limits=(limit,)))
    person = make.companion(facts)
    booking, other = booked(facts, old, person), booked(facts, far, person)
    assert refused(Decisions(facts).decide(to(far, booking))).reason is Reason.ALREADY_BOOKED
    assert refused(Decisions(facts).decide(to(middle, other))).reason is Reason.LIMIT_REACHED


def _elsewhere(catalogue: Catalogue, **changes: Any) -> Catalogue:
    """The catalogue with a second service, `other`."""
    other = replace(catalogue.services["timed-entry"], id="other", **changes)
    return replace(catalogue, services={**catalogue.services, "other": other})


def test_a_like_service_of_the_venue_under_the_same_policy_will_do_and_no_other() -> None:
    old = make.slot()
    new = replace(later(old, hours=1), service_id="other")
    facts = make.facts(old, new)
    booking = booked(facts, old)
    like = facts.catalogue
    strict = make.policy(id="strict")
    facts.catalogue = replace(_elsewhere(like, policy_id="strict"), policies={**like.policies, "strict": strict})
    assert refused(Decisions(facts).decide(to(new, booking))).reason is Reason.NOT_INTERCHANGEABLE
    facts.catalogue = _elsewhere(like)
    moved = Decisions(facts).decide(to(new, booking))
    assert isinstance(moved, Booking)
    assert moved.service_id == "other"


REFUSALS: list[tuple[Reason, dict[str, Any], dict[str, Any], Policy]] = [
    (Reason.SLOT_FULL, {"taken": 2}, {}, make.policy()),
    (Reason.SLOT_CLOSED, {"closed": True}, {}, make.policy()),
    (Reason.NOT_RELEASED, {"bookable_from": make.NOW + timedelta(hours=1)}, {}, make.policy()),
    (Reason.SLOT_UNKNOWN, {}, {"slot_id": new_id()}, make.policy()),
    (Reason.STALE_VERSION, {}, {"expected_version": 7}, make.policy()),
    (Reason.BOOKING_UNKNOWN, {}, {"actor": Actor(new_id(), "resident")}, make.policy()),
]


@pytest.mark.parametrize(("reason", "of_slot", "of_move", "terms"), REFUSALS)
def test_a_refused_move_leaves_everything_as_it_was(
    reason: Reason, of_slot: dict[str, Any], of_move: dict[str, Any], terms: Policy
) -> None:
    old = make.slot()
    new = replace(later(old, days=1), **of_slot)
    facts = make.facts(old, new, of_policy=terms)
    booking = booked(facts, old)
    before = (dict(facts.slots), dict(facts.bookings), {key: list(value) for key, value in facts.claims.items()})
    decisions = Decisions(facts)
    assert refused(decisions.decide(to(new, booking, **of_move))).reason is reason
    assert decisions.changes == []
    assert (facts.slots, facts.bookings, facts.claims) == before


def test_two_who_want_each_others_last_places_both_keep_their_own() -> None:
    """The old place is kept until the new one is certain, and nobody gives one up for a hope."""
    old = make.slot(capacity=1)
    new = replace(later(old, days=1), capacity=1)
    facts = make.facts(old, new)
    first, second = booked(facts, old), booked(facts, new)
    decisions = Decisions(facts)
    outcomes = [decisions.decide(to(new, first)), decisions.decide(to(old, second))]
    assert [refused(one).reason for one in outcomes] == [Reason.SLOT_FULL] * 2
    assert refused(decisions.decide(to(old, first))).reason is Reason.SLOT_UNCHANGED


def test_the_booker_may_move_until_the_last_moment_to_cancel_and_staff_until_the_visit() -> None:
    old = make.slot()
    new = later(old, days=1)
    facts = make.facts(old, new)
    booking = booked(facts, old)
    facts.now = old.starts_at - timedelta(minutes=60) + timedelta(seconds=1)
    assert refused(Decisions(facts).decide(to(new, booking))).reason is Reason.TOO_LATE_TO_MOVE
    moved = Decisions(facts).decide(to(new, booking, actor=STAFF))
    assert isinstance(moved, Booking)
    facts.now = new.starts_at
    assert refused(Decisions(facts).decide(to(old, moved, actor=STAFF))).reason is Reason.SLOT_PAST


def test_a_time_that_the_venue_approved_is_the_venues_to_change() -> None:
    old = make.slot()
    new = later(old, days=1)
    facts = make.facts(old, new, of_policy=make.policy(approval=True))
    booking = replace(booked(facts, old), state=State.CONFIRMED, hold_until=None)
    facts.bookings[booking.id] = booking
    assert refused(Decisions(facts).decide(to(new, booking))).reason is Reason.WAITS_FOR_APPROVAL


@pytest.mark.parametrize("state", [State.CANCELLED, State.CHECKED_IN, State.COMPLETED, State.NO_SHOW, State.LAPSED])
def test_only_what_is_still_to_come_can_move(state: State) -> None:
    old = make.slot(taken=1)
    new = later(old, days=1)
    facts = make.facts(old, new)
    booking = make.booking(old, state=state)
    facts.bookings[booking.id] = booking
    assert refused(Decisions(facts).decide(to(new, booking))).reason is (
        Reason.HOLD_EXPIRED if state is State.LAPSED else Reason.WRONG_STATE
    )
