"""Real names: a place cannot be handed to somebody else. Whatever is done to a booking, nobody comes into it."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from services.booking.domain.booking import Action, Booking
from services.booking.domain.decision import Decisions
from services.booking.domain.request import SYSTEM, Actor, Alter, Move
from shared.ids import new_id
from tests import make

RESIDENT = Actor(make.RESIDENT, "resident")
STAFF = Actor(new_id(), "staff", frozenset({make.VENUE}))
ADMINISTRATOR = Actor(new_id(), "administrator")

steps = st.tuples(
    st.sampled_from([*Action]),
    st.sampled_from([RESIDENT, STAFF, ADMINISTRATOR, SYSTEM]),
    st.integers(0, 3),
    st.integers(0, 90),
)


def test_no_request_but_the_first_names_people() -> None:
    """The only request that brings people is the one that makes the booking; to alter one is to name who leaves."""
    assert "person_ids" not in Move.__dataclass_fields__
    assert {name for name in Alter.__dataclass_fields__ if "person" in name} == {"person_id"}


@given(st.lists(steps, max_size=12))
def test_whatever_is_done_people_only_leave_and_only_by_leaving(done: list[Any]) -> None:
    first = make.slot(capacity=9)
    slots = [
        make.slot(capacity=9, starts_at=first.starts_at + later, ends_at=first.ends_at + later)
        for later in (timedelta(days=number) for number in range(4))
    ]
    facts = make.facts(*slots)
    people = [make.companion(facts) for _ in range(4)]
    stranger = make.companion(facts)
    decisions = Decisions(facts)
    booking = decisions.decide(make.book(slots[0], *people[:3]))
    assert isinstance(booking, Booking)
    for action, actor, number, minutes in done:
        facts.now += timedelta(minutes=minutes)
        if action is Action.MOVE:
            decisions.decide(Move(actor=actor, key=None, booking_id=booking.id, slot_id=slots[number].id))
            continue
        person = (*people, stranger)[number]
        request = Alter(actor=actor, key=None, booking_id=booking.id, action=action, venue_id=make.VENUE)
        decisions.decide(replace(request, person_id=person if action is Action.CANCEL_MEMBER else None))
    for change in decisions.changes[1:]:
        assert change.before is not None
        before, after = set(change.before.person_ids), set(change.after.person_ids)
        assert after <= before
        assert after == before or change.action == Action.CANCEL_MEMBER.value
        assert change.after.account_id == change.before.account_id == make.RESIDENT
