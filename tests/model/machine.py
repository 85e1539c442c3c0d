"""The machine: it tries whatever comes to its mind on the engine and on the model, and compares them after each step.

The invariants are looked at in the engine alone; that what is refused is what must be refused, and nothing else, comes
from the model.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from itertools import combinations
from typing import Any
from uuid import UUID

from hypothesis import note
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from services.booking.domain.booking import LIVE, Action, Booking, Channel
from services.booking.domain.policy import PartyKind
from services.booking.domain.request import SYSTEM, Actor, AdmitWalkIns, Alter, Book, Move, Request
from shared.refusal import Refused
from tests.model import town
from tests.model.engine import Engine, Memory, Picture
from tests.model.intent import Act, Door, Intent, Shift, Who, Wish, acts, doors, house_acts, intents, shifts, wishes
from tests.model.model import INSTANT, Model

SLOTS = town.slots()
UNKNOWN = UUID(int=999)


@dataclass(slots=True)
class Requests:
    """Makes requests of intents; `made` are the bookings that there are, the newest last."""

    made: list[UUID]
    number: int = 0

    def of(self, intent: Intent, picture: Picture) -> Request:
        self.number += 1
        if isinstance(intent, Wish):
            return self._book(intent)
        if isinstance(intent, Door):
            id_ = UUID(int=50_000 + self.number)
            slot_id = SLOTS[intent.slot].id
            return AdmitWalkIns(actor=town.STAFF, key=None, walk_in_id=id_, slot_id=slot_id, people=intent.people)
        booking = picture.bookings.get(self.made[-1 - intent.which]) if intent.which < len(self.made) else None
        id_ = UNKNOWN if booking is None else booking.id
        actor = _actor(intent.who, booking)
        if isinstance(intent, Shift):
            return Move(actor=actor, key=None, booking_id=id_, slot_id=SLOTS[intent.slot].id)
        return Alter(
            actor=actor,
            key=None,
            booking_id=id_,
            action=intent.action,
            expected_version=77_777 if intent.stale else None,
            venue_id=next(iter(town.STAFF.venues)),
            person_id=town.person_id(intent.person),
        )

    def _book(self, wish: Wish) -> Book:
        account = town.account_id(wish.account)
        return Book(
            actor=town.STAFF if wish.counter else Actor(account, "resident"),
            key=None,
            booking_id=UUID(int=1000 + self.number),
            reference=f"R{self.number}",
            account_id=account,
            slot_id=SLOTS[wish.slot].id,
            party_kind=PartyKind.ONE_PERSON if len(wish.people) == 1 else PartyKind.GROUP,
            person_ids=tuple(town.person_id(person) for person in wish.people),
            declarations={},
            confirm=wish.confirm,
            channel=Channel.COUNTER if wish.counter else Channel.ONLINE,
        )


def _lapse(booking_id: UUID) -> Alter:
    return Alter(actor=SYSTEM, key=None, booking_id=booking_id, action=Action.LAPSE)


def _actor(who: Who, booking: Booking | None) -> Actor:
    if who is Who.BOOKER and booking is not None:
        return Actor(booking.account_id, "resident")
    return {Who.STAFF: town.STAFF, Who.SYSTEM: SYSTEM}.get(who, town.STRANGER)


class Machine(RuleBasedStateMachine):
    """Plays the town's game on an engine."""

    engine_of: Callable[[], Engine] = Memory

    def __init__(self) -> None:
        super().__init__()
        self.engine = type(self).engine_of()
        self.model = Model.of_the_town()
        self.requests = Requests([])

    @rule(wish=wishes())
    def book(self, wish: Wish) -> None:
        self.play([wish])

    @rule(wish=wishes())
    def book_again(self, wish: Wish) -> None:
        self.play([wish])

    @rule(slots=st.permutations(range(len(SLOTS))), confirm=st.booleans())
    def keep_many(self, slots: list[int], confirm: bool) -> None:
        """A family fills in more forms than it may."""
        who = [(2,), (3,), (4,), (2,)]
        self.play([Wish(2, people, slot, confirm, counter=False) for people, slot in zip(who, slots, strict=False)])

    @rule(act=acts())
    def act(self, act: Act) -> None:
        self.play([act])

    @rule(act=acts())
    def act_again(self, act: Act) -> None:
        self.play([act])

    @rule(which=st.integers(0, 3), action=st.sampled_from([Action.CANCEL, Action.CANCEL_MEMBER]))
    def think_better_of_it(self, which: int, action: Action) -> None:
        self.play([Act(which, action, Who.BOOKER, person=1, stale=False)])

    @rule(act=house_acts())
    def house_acts(self, act: Act) -> None:
        self.play([act])

    @rule(shift=shifts())
    def move(self, shift: Shift) -> None:
        self.play([shift])

    @rule(door=doors())
    def walk_in(self, door: Door) -> None:
        self.play([door])

    @rule(batch=st.lists(intents(), min_size=2, max_size=4))
    def together(self, batch: list[Intent]) -> None:
        self.play(batch)

    @rule(minutes=st.sampled_from([1, 2, 5, 15, 30, 45]))
    def time_passes(self, minutes: int) -> None:
        self.model.now += timedelta(minutes=minutes)

    @rule(nth=st.integers(0, 3), off=st.sampled_from([-INSTANT, timedelta(), timedelta(), INSTANT]))
    def time_comes(self, nth: int, off: timedelta) -> None:
        """The clock comes to just when something changes by itself, or to the instant before or after."""
        moments = self.model.moments()
        if nth < len(moments):
            self.model.now = max(self.model.now, moments[nth] + off)

    @rule(nth=st.integers(0, 2), minutes=st.sampled_from([-70, -50, -20, 0, 10, 30, 31, 40]))
    def visits_come(self, nth: int, minutes: int) -> None:
        """The clock comes to around a visit of somebody's."""
        starts = sorted({self.model.places[stay.slot].starts for stay in self.model.living()})
        if nth < len(starts):
            self.model.now = max(self.model.now, starts[nth] + timedelta(minutes=minutes))

    @rule(slot=st.integers(0, len(SLOTS) - 1), capacity=st.integers(2, 4), closed=st.booleans())
    def publish(self, slot: int, capacity: int, closed: bool) -> None:
        """A scheduler changes a slot; the sweep has been by."""
        self.sweep()
        if self.model.now >= self.model.places[slot].starts:
            return
        expected = self.model.publish(slot, capacity, closed=closed)
        done = self.engine.publish(replace(SLOTS[slot], capacity=capacity, closed=closed), self.model.now)
        assert done == expected, f"published {done}, should be {expected}"

    def sweep(self) -> None:
        """Lapse what has run out, as the worker would."""
        over = [one for one in self.engine.look().bookings.values() if one.state_at(self.model.now) is not one.state]
        if over:
            self.engine.ask([_lapse(one.id) for one in over], self.model.now)

    def play(self, batch: Sequence[Intent]) -> None:
        """Try a batch on both, and compare what came of each."""
        note(f"{self.model.now:%d %H:%M:%S.%f} {batch}")
        picture = self.engine.look()
        self.model.reach = len(self.model.stays)
        batch = [self.model.named(intent) for intent in batch]
        requests = [self.requests.of(intent, picture) for intent in batch]
        outcomes = self.engine.ask(requests, self.model.now)
        for intent, request, outcome in zip(batch, requests, outcomes, strict=True):
            expected = self.model.expect(intent)
            came_to_pass = not isinstance(outcome, Refused)
            assert came_to_pass == expected, f"{intent}: {outcome}, should {'' if expected else 'not '}come to pass"
            if came_to_pass and isinstance(request, Book):
                self.requests.made.append(request.booking_id)

    @invariant()
    def the_engine_has_what_the_model_has(self) -> None:
        bookings = self.engine.look().bookings
        assert len(bookings) == len(self.model.stays)
        for id_, stay in zip(self.requests.made, self.model.stays, strict=True):
            booking = bookings[id_]
            assert booking.state_at(self.model.now).value == self.model.state(stay)
            assert booking.slot_id == SLOTS[stay.slot].id
            people = [town.person_id(person) for person in stay.people]
            assert [claim.person_id for claim in booking.claims] == people

    @invariant()
    def taken_is_what_live_claims_and_walk_ins_take(self) -> None:
        picture = self.engine.look()
        for slot, place in zip(SLOTS, self.model.places, strict=True):
            now = picture.slots[slot.id]
            live = [one for one in picture.bookings.values() if one.slot_id == slot.id and one.state in LIVE]
            assert now.taken == sum(one.seats for one in live) + now.taken_walk_in
            assert now.taken_walk_in == place.walked_in
            assert now.taken_counter == sum(one.seats for one in live if one.channel is Channel.COUNTER)
            assert (now.capacity, now.closed) == (place.capacity, place.closed)
            assert 0 <= now.taken <= now.capacity

    @invariant()
    def nobody_is_in_two_places_at_once(self) -> None:
        living = [one for one in self.engine.look().bookings.values() if one.state_at(self.model.now) in LIVE]
        for one, other in combinations(living, 2):
            if one.starts_at < other.ends_at and other.starts_at < one.ends_at:
                assert not {claim.person_id for claim in one.claims} & {claim.person_id for claim in other.claims}

    @invariant()
    def every_version_was_told_without_a_gap(self) -> None:
        picture = self.engine.look()
        assert picture.told.keys() == picture.bookings.keys()
        for id_, told in picture.told.items():
            assert [version for version, _ in told] == list(range(1, len(told) + 1))
            assert told[-1] == (picture.bookings[id_].version, picture.bookings[id_].state.value)


def machine_on(engine_of: Callable[[], Engine]) -> Any:
    """Return the machine, to be played on engines that `engine_of` makes."""
    return type("MachineOn", (Machine,), {"engine_of": staticmethod(engine_of)})
