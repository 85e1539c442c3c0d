"""The waiting list over PostgreSQL, played at random: after each step and the worker's next ticks, no seat is free for somebody who waits.

Who could have a seat is worked out here anew, from the rows and with nothing of the engine: that is the model. Nor may a
seat have gone to somebody while another, with a lower number and no larger party, could have had it.
"""

import asyncio
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from hypothesis import HealthCheck, Phase, note, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule, run_state_machine_as_test
from sqlalchemy import text

from services.booking.commands.waiting import WaitingList
from services.booking.commands.waitlist import NewEntry, join, leave
from services.booking.domain import waitlist
from services.booking.domain.booking import LIVE, Action, Booking, Channel, State
from services.booking.domain.catalogue import Catalogue
from services.booking.domain.policy import Limit, LimitScope, LimitWindow, PartyKind, Waiting
from services.booking.domain.request import Actor, Alter, Book
from services.booking.domain.slot import Slot
from services.booking.domain.waitlist_entry import Band
from services.booking.domain.zone import local
from services.booking.sweeps import Sweeps
from shared.db import create_engine
from shared.refusal import Refused
from tests import make, world
from tests.model import town
from tests.model.database import Database
from tests.model.engine import Picture
from tests.model.intent import FAMILIES
from tests.model.playing import games
from tests.rush.city import CLEAN

TERMS = Waiting(offer_minutes=30, most_minutes=60, react_minutes=15, lead_minutes=60, collect_minutes=600)
STEPS = 25
_ENTRIES = text("SELECT * FROM waitlist_entries ORDER BY number")
_OFFERS = text("SELECT booking_id, entry_id, slot_id, outcome FROM waitlist_offers")


def catalogue() -> Catalogue:
    limit = Limit(scope=LimitScope.SERVICE, window=LimitWindow.DAY, most=town.LIMIT)
    return make.catalogue(make.policy(limits=(limit,), waiting=TERMS))


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

    picture: Picture
    entries: Sequence[Any]
    offers: Sequence[Any]
    now: datetime

    def living(self) -> list[Booking]:
        return [one for one in self.picture.bookings.values() if one.state_at(self.now) in LIVE]

    def free(self, slot: Slot) -> int:
        """Places that are nobody's and not promised to another channel."""
        taken = sum(one.seats for one in self.living() if one.slot_id == slot.id) + slot.taken_walk_in
        return slot.capacity - taken - max(0, slot.kept_walk_in - slot.taken_walk_in)

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
    """Plays on `database`, which is set by `queueing_on`."""

    database: Database

    def __init__(self) -> None:
        super().__init__()
        self.number = 0
        self.now = make.NOW
        self.offered: set[UUID] = set()

    @initialize()
    def begin(self) -> None:
        self.database.begin()
        for slot in range(len(self.database.slots)):  # two of the town have been quicker
            self.book((slot % 2, (slot % 2,)), slot)

    @rule(party=st.sampled_from(parties()), slot=st.integers(0, 2))
    def book(self, party: tuple[int, tuple[int, ...]], slot: int) -> None:
        account, people = party
        request = Book(
            actor=Actor(town.account_id(account), "resident"),
            key=None,
            booking_id=self._new_id(),
            reference=f"R{self.number}",
            account_id=town.account_id(account),
            slot_id=self.database.slots[slot].id,
            party_kind=PartyKind.ONE_PERSON if len(people) == 1 else PartyKind.GROUP,
            person_ids=tuple(town.person_id(person) for person in people),
            declarations={},
            confirm=True,
        )
        note(f"{party} books {slot}: {self.database.ask([request], self.now)}")
        self.tick()

    @rule(party=st.sampled_from(parties()))
    def queue(self, party: tuple[int, tuple[int, ...]]) -> None:
        account, people = party
        day = local(self.database.slots[0].starts_at).date()
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
            self.database.runner.run(self._join(new))
            note(f"{party} waits")
        self.tick()

    @rule(nth=st.integers(0, 2))
    def leave(self, nth: int) -> None:
        live = [one for one in self.scene().entries if one.state in {"waiting", "offered"}]
        if nth < len(live):
            note(f"{live[nth].number} leaves")
            self.database.runner.run(self._leave(live[nth]))
        self.tick()

    @rule(nth=st.integers(0, 4))
    def cancel(self, nth: int) -> None:
        """Somebody gives a place back, or declines one."""
        self._answer(nth, Action.CANCEL, self.scene().living())

    @rule(nth=st.integers(0, 2), action=st.sampled_from([Action.CONFIRM, Action.CONFIRM, Action.CANCEL]))
    def answer(self, nth: int, action: Action) -> None:
        """Somebody accepts an offer, or declines it."""
        self._answer(nth, action, [one for one in self.scene().living() if one.state is State.HELD])

    def _answer(self, nth: int, action: Action, bookings: list[Booking]) -> None:
        open_ = sorted((one for one in bookings if one.state in {State.HELD, State.CONFIRMED}), key=lambda one: one.id)
        if nth < len(open_):
            booking = open_[nth]
            by = Actor(booking.account_id, "resident")
            [outcome] = self.database.ask([Alter(actor=by, key=None, booking_id=booking.id, action=action)], self.now)
            note(f"{action} {booking.channel} {booking.slot_id}: {type(outcome).__name__}")
        self.tick()

    @rule(minutes=st.sampled_from([1, 10, 31, 61]))
    def time_passes(self, minutes: int) -> None:
        self.now += timedelta(minutes=minutes)
        self.tick()

    @rule(slot=st.integers(0, 2), capacity=st.integers(1, 4))
    def publish(self, slot: int, capacity: int) -> None:
        """A scheduler gives a slot more places, or fewer."""
        known = self.database.slots[slot]
        changed = replace(known, capacity=max(capacity, known.kept_walk_in + 1))
        note(f"publish {slot} {capacity}: {self.database.publish(changed, self.now)}")
        self.tick()

    def tick(self) -> None:
        """The worker's ticks until whoever was just looked at is looked at again; then everything must be right."""
        self.now += waitlist.LOOK_AGAIN
        self.database.clock.set(self.now)
        self.database.runner.run(self._tick())
        scene = self.scene()
        scene.check(self.offered)
        self.offered = {one.booking_id for one in scene.offers}
        for booking in scene.living():
            assert booking.channel is not Channel.WAITING_LIST or booking.id in self.offered
        assert self.database.runner.run(world.audit(self.database.engine)) == CLEAN

    def scene(self) -> Scene:
        return self.database.runner.run(self._scene())

    def _new_id(self) -> UUID:
        self.number += 1
        return UUID(int=1000 + self.number)

    async def _tick(self) -> None:
        database = self.database
        await Sweeps(database.engine, database.desk, database.clock).lapse_holds()
        await WaitingList(database.engine, database.desk, database.clock).tend()

    async def _join(self, new: NewEntry) -> None:
        async with self.database.engine.begin() as tx:
            await join(tx, new, self.database.catalogue, self.now)

    async def _leave(self, entry: Any) -> None:
        async with self.database.engine.begin() as tx:
            await leave(tx, entry.id, entry.account_id, self.now)

    async def _scene(self) -> Scene:
        picture = await self.database.look_now()
        async with self.database.engine.connect() as connection:
            entries = (await connection.execute(_ENTRIES)).all()
            offers = (await connection.execute(_OFFERS)).all()
        return Scene(picture, entries, offers, self.now)


@contextmanager
def queueing_on(url: str) -> Iterator[Callable[[int], None]]:
    """Give what plays so many games on one database."""
    with asyncio.Runner() as runner:
        database = Database(runner, create_engine(url, application_name="test"), catalogue(), slots())
        database.settle_in()

        def play(games: int) -> None:
            options = settings(
                max_examples=games,
                stateful_step_count=STEPS,
                database=None,
                deadline=None,
                phases=[Phase.generate],
                suppress_health_check=list(HealthCheck),
            )
            run_state_machine_as_test(type("QueueingOn", (Queueing,), {"database": database}), settings=options)

        try:
            yield play
        finally:
            runner.run(database.engine.dispose())


@games(quick=4, whole=200, parts=4)
def test_no_seat_is_free_while_somebody_waits_who_could_have_it(games: int, booking_url: str) -> None:
    with queueing_on(booking_url) as play:
        play(games)


@pytest.mark.chaos
@pytest.mark.parametrize("fault", ["nobody_is_served", "the_line_is_turned_round"])
def test_the_machine_finds(fault: str, booking_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Faults planted in the line; the machine must find each."""
    right = waitlist._Walk.offer
    if fault == "nobody_is_served":
        monkeypatch.setattr(waitlist._Walk, "offer", lambda _self, _one: False)
    else:

        def turned_round(self: Any, one: Any) -> bool:
            line = self.facts.waiting[self.slot.id]
            last = next((other for other in reversed(line) if other.id not in self.line.offered), one)
            return right(self, last if last.places <= one.places else one)

        monkeypatch.setattr(waitlist._Walk, "offer", turned_round)
    with queueing_on(booking_url) as play, pytest.raises(AssertionError):
        play(200)
