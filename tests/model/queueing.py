"""The waiting list, played at random: after each step and the worker's next ticks, no seat is free for somebody who waits.

Who could have a seat is worked out here anew, from what there is and with nothing of the engine: that is the model. Nor may
a seat have gone to somebody while another, with a lower number and no larger party, could have had it; nor to the public
while it cools off.
"""

from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from hypothesis import note
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule

from services.booking.commands.waitlist import NewEntry
from services.booking.domain import waitlist
from services.booking.domain.booking import LIVE, Action, Booking, Channel, State
from services.booking.domain.catalogue import Catalogue
from services.booking.domain.decision import Outcome
from services.booking.domain.policy import Cooling, Limit, LimitScope, LimitWindow, PartyKind, Waiting
from services.booking.domain.request import Actor, Alter, Book
from services.booking.domain.slot import Slot
from services.booking.domain.waitlist_entry import Band
from services.booking.domain.zone import local
from shared.refusal import Refused
from tests import make
from tests.model import town
from tests.model.engine import Picture
from tests.model.intent import FAMILIES
from tests.model.line import LineEngine, Past

TERMS = Waiting(offer_minutes=30, most_minutes=60, react_minutes=15, lead_minutes=60, collect_minutes=600)
COOLING = Cooling(least_minutes=7, most_minutes=21)
STEPS = 25


def catalogue() -> Catalogue:
    limit = Limit(scope=LimitScope.SERVICE, window=LimitWindow.DAY, most=town.LIMIT)
    return make.catalogue(make.policy(limits=(limit,), waiting=TERMS, cooling=COOLING))


def slots() -> list[Slot]:
    """Tomorrow: two that overlap, and one with a place kept for walk-ins."""
    return [
        replace(
            make.slot(capacity=capacity, kept_walk_in=kept),
            id=UUID(int=300 + number),
            starts_at=make.NOW + timedelta(days=1, minutes=begins),
            ends_at=make.NOW + timedelta(days=1, minutes=begins + 30),
            bookable_from=make.NOW - timedelta(days=1),
            bookable_until=make.NOW + timedelta(days=1, minutes=begins),
        )
        for number, (begins, capacity, kept) in enumerate([(0, 2, 0), (15, 1, 0), (60, 3, 1)])
    ]


def parties() -> list[tuple[int, tuple[int, ...]]]:
    """Accounts, and whom they would bring."""
    alone = [(account, (person,)) for account, family in enumerate(FAMILIES) for person in sorted(family)]
    return [*alone, (2, (2, 3)), (2, (3, 4)), (2, (2, 3, 4)), (3, (1, 4))]


@dataclass(frozen=True, slots=True)
class Scene:
    """What is looked at after a tick."""

    past: Past
    now: datetime

    @property
    def entries(self) -> Sequence[Any]:
        return self.past.entries

    @property
    def offers(self) -> Sequence[Any]:
        return self.past.offers

    @property
    def picture(self) -> Picture:
        return self.past.picture

    def living(self) -> list[Booking]:
        return [one for one in self.picture.bookings.values() if one.state_at(self.now) in LIVE]

    def taken(self, slot: Slot) -> int:
        return sum(one.seats for one in self.living() if one.slot_id == slot.id) + slot.taken_walk_in

    def free(self, slot: Slot) -> int:
        """Places that are nobody's and not promised to another channel."""
        return slot.capacity - self.taken(slot) - max(0, slot.kept_walk_in - slot.taken_walk_in)

    def cooling(self, slot: Slot) -> int:
        return sum(one > self.now for one in self.picture.slots[slot.id].cooling)

    def is_in_time(self, slot: Slot) -> bool:
        """Say whether an offer made now would leave enough time, at an hour at which people are awake."""
        last = slot.starts_at - timedelta(minutes=TERMS.lead_minutes)
        return 8 <= local(self.now).hour < 22 and last - self.now >= timedelta(minutes=TERMS.react_minutes)

    def could_have(self, entry: Any, slot: Slot) -> bool:
        """Say whether an entry that waits could have this slot, if there is room for it."""
        refused = {"declined", "lapsed"}
        if any((one.entry_id, one.slot_id) == (entry.id, slot.id) and one.outcome in refused for one in self.offers):
            return False  # it was offered, and not taken
        for person in entry.person_ids:
            theirs = [one for one in self.living() if person in one.person_ids]
            if len(theirs) >= town.LIMIT:
                return False
            if any(one.starts_at < slot.ends_at and slot.starts_at < one.ends_at for one in theirs):
                return False
        holds = [one for one in self.living() if one.state is State.HELD and one.account_id == entry.account_id]
        return len(holds) < town.HOLDS

    def is_collecting(self, slot: Slot) -> bool:
        """Say whether seats of the slot are kept for a large party."""
        return any(one.collecting_slot == slot.id and one.collecting_until > self.now for one in self.waiting())

    def waiting(self) -> list[Any]:
        return [one for one in self.entries if one.state == "waiting"]

    def check(self, offered_before: set[UUID]) -> None:
        """Nobody waits for a seat that is free; nobody was passed over who could have had it."""
        entry_of = {one.id: one for one in self.entries}
        for slot in self.picture.slots.values():
            if slot.closed or not self.is_in_time(slot):
                continue
            able = [one for one in self.waiting() if self.could_have(one, slot)]
            if not self.is_collecting(slot):
                left = [one.number for one in able if one.places <= self.free(slot)]
                assert not left, f"{self.free(slot)} free in {slot.starts_at}, and {left} wait"
            for offer in self.offers:
                if offer.slot_id == slot.id and offer.booking_id not in offered_before:
                    served = entry_of[offer.entry_id]
                    before = [one.number for one in able if one.number < served.number and one.places <= served.places]
                    assert not before, f"{served.number} was served before {before}"


class Queueing(RuleBasedStateMachine):
    """Plays on what `engine_of` makes; `queueing_on` sets it."""

    engine_of: Callable[[], LineEngine]

    def __init__(self) -> None:
        super().__init__()
        self.number = 0
        self.now = make.NOW
        self.offered: set[UUID] = set()
        self.engine = type(self).engine_of()
        self.slots = slots()
        self.scene = Scene(self.engine.look_back(), self.now)

    @initialize()
    def begin(self) -> None:
        """The town has been quicker: everything is full."""
        for slot, account, person in [(0, 0, 0), (0, 1, 1), (1, 2, 2), (2, 0, 0), (2, 1, 1)]:
            self.ask_for((account, (person,)), slot)
        self.tick()

    @rule(party=st.sampled_from(parties()), slot=st.integers(0, 2))
    def book(self, party: tuple[int, tuple[int, ...]], slot: int) -> None:
        """One of the public books; what cools off, and what is kept for a large party, is not theirs."""
        here = self.slots[slot]
        known = self.scene.picture.slots[here.id]
        public = self.scene.free(known) - self.scene.cooling(known)
        outcome = self.ask_for(party, slot)
        assert isinstance(outcome, Refused) or public >= len(party[1]), f"{party} had places that cool off"
        self.tick()

    def ask_for(self, party: tuple[int, tuple[int, ...]], slot: int) -> Outcome:
        account, people = party
        request = Book(
            actor=Actor(town.account_id(account), "resident"),
            key=None,
            booking_id=self._new_id(),
            reference=f"R{self.number}",
            account_id=town.account_id(account),
            slot_id=self.slots[slot].id,
            party_kind=PartyKind.ONE_PERSON if len(people) == 1 else PartyKind.GROUP,
            person_ids=tuple(town.person_id(person) for person in people),
            declarations={},
            confirm=True,
        )
        [outcome] = self.engine.ask([request], self.now)
        note(f"{party} books {slot}: {outcome}")
        return outcome

    @rule(several=st.lists(st.sampled_from(parties()), min_size=1, max_size=4))
    def queue(self, several: list[tuple[int, tuple[int, ...]]]) -> None:
        for account, people in several:
            day = local(self.slots[0].starts_at).date()
            new = NewEntry(
                id=self._new_id(),
                account_id=town.account_id(account),
                service_ids=("timed-entry",),
                band=Band(first=day, last=day),
                party_kind=PartyKind.ONE_PERSON if len(people) == 1 else PartyKind.GROUP,
                person_ids=tuple(town.person_id(person) for person in people),
                declarations={},
            )
            with suppress(Refused):  # there is room, or they wait already
                self.engine.join(new, self.now)
                note(f"{account} {people} waits")
        self.tick()

    @rule(nth=st.integers(0, 2))
    def leave(self, nth: int) -> None:
        live = [one for one in self.scene.entries if one.state in {"waiting", "offered"}]
        if nth < len(live):
            note(f"{live[nth].number} leaves")
            self.engine.leave(live[nth], self.now)
        self.tick()

    @rule(nth=st.integers(0, 4))
    def cancel(self, nth: int) -> None:
        """Somebody gives a place back, or declines one."""
        self._answer(nth, Action.CANCEL, self.scene.living())

    @rule(nth=st.integers(0, 2), action=st.sampled_from([Action.CONFIRM, Action.CONFIRM, Action.CANCEL]))
    def answer(self, nth: int, action: Action) -> None:
        """Somebody accepts an offer, or declines it."""
        self._answer(nth, action, [one for one in self.scene.living() if one.state is State.HELD])

    def _answer(self, nth: int, action: Action, bookings: list[Booking]) -> None:
        open_ = sorted((one for one in bookings if one.state in {State.HELD, State.CONFIRMED}), key=lambda one: one.id)
        if nth < len(open_):
            booking = open_[nth]
            by = Actor(booking.account_id, "resident")
            [outcome] = self.engine.ask([Alter(actor=by, key=None, booking_id=booking.id, action=action)], self.now)
            note(f"{action} {booking.channel} {booking.slot_id}: {type(outcome).__name__}")
        self.tick()

    @rule(minutes=st.sampled_from([1, 10, 31, 61]))
    def time_passes(self, minutes: int) -> None:
        self.now += timedelta(minutes=minutes)
        self.tick()

    @rule(slot=st.integers(0, 2), capacity=st.integers(1, 4), closed=st.sampled_from([False, False, True]))
    def publish(self, slot: int, capacity: int, closed: bool) -> None:
        """A scheduler gives a slot more places, or fewer, closes it where nobody is booked, or opens it again."""
        known = self.slots[slot]
        changed = replace(known, capacity=max(capacity, known.kept_walk_in + 1), closed=closed)
        note(f"publish {slot} {capacity} {closed}: {self.engine.publish(changed, self.now)}")
        self.tick()

    def tick(self) -> None:
        """The worker's ticks until whoever was just looked at is looked at again; then everything must be right."""
        self.now += waitlist.LOOK_AGAIN
        self.engine.tick(self.now)
        self.scene = Scene(self.engine.look_back(), self.now)
        self.scene.check(self.offered)
        self.offered = {one.booking_id for one in self.scene.offers}
        for booking in self.scene.living():
            assert booking.channel is not Channel.WAITING_LIST or booking.id in self.offered
        for slot in self.scene.picture.slots.values():
            assert self.scene.taken(slot) == slot.taken <= slot.capacity

    def teardown(self) -> None:
        self.engine.audit()

    def _new_id(self) -> UUID:
        self.number += 1
        return UUID(int=1000 + self.number)
