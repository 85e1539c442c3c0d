"""The machine: it tries whatever comes to its mind on the engine and on the model, and compares them after each step.

The invariants are looked at in the engine alone; that what is refused is what must be refused, and nothing else, comes
from the model.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from itertools import pairwise
from typing import Any
from uuid import UUID

from hypothesis import note
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from services.booking.domain.booking import LIVE, Action, Booking, Channel
from services.booking.domain.decision import Outcome
from services.booking.domain.policy import PartyKind
from services.booking.domain.request import (
    SYSTEM,
    Actor,
    AdmitWalkIns,
    Alter,
    Book,
    CourseWish,
    Move,
    Request,
    StepWish,
)
from shared.refusal import Refused
from tests.model import town
from tests.model.engine import Engine, Memory, Picture
from tests.model.intent import (
    FAMILIES,
    PEOPLE,
    Act,
    Detour,
    Door,
    Intent,
    Said,
    Shift,
    Visit,
    Who,
    Wish,
    acts,
    detours,
    doors,
    house_acts,
    intents,
    said,
    shifts,
    visits,
    wishes,
)
from tests.model.model import INSTANT, Model

SLOTS = town.slots()
UNKNOWN = UUID(int=999)
MINUTE = timedelta(minutes=1)
CAME = {"confirmed", "checked_in", "completed", "no_show"}
AROUND = [off + sign * town.CHECK_IN_AROUND for off in (-INSTANT, timedelta(), INSTANT) for sign in (-1, 1)]
BUSY = 5
"""So many bookings are made before the clock makes leaps; a game that is over before it began shows nothing."""


@dataclass(slots=True)
class Requests:
    """Makes requests of intents; `made` are the bookings that there are, the newest last."""

    made: list[UUID]
    number: int = 0

    def of(self, intent: Intent, picture: Picture) -> Request:
        self.number += 1
        if isinstance(intent, Wish):
            return self._book(intent)
        if isinstance(intent, Visit):
            return self._visit(intent)
        if isinstance(intent, Door):
            id_ = UUID(int=50_000 + self.number)
            slot_id = SLOTS[intent.slot].id
            return AdmitWalkIns(actor=town.STAFF, key=None, walk_in_id=id_, slot_id=slot_id, people=intent.people)
        booking = picture.bookings.get(self.made[-1 - intent.which]) if intent.which < len(self.made) else None
        id_ = UNKNOWN if booking is None else booking.id
        actor = _actor(intent.who, booking)
        if isinstance(intent, Shift):
            return Move(actor=actor, key=None, booking_id=id_, slot_id=SLOTS[intent.slot].id)
        if isinstance(intent, Detour):
            people = () if booking is None else booking.person_ids
            course = _course(intent.slots, people)
            return Move(actor=actor, key=None, booking_id=id_, slot_id=SLOTS[intent.slots[0]].id, course=course)
        return Alter(
            actor=actor,
            key=None,
            booking_id=id_,
            action=intent.action,
            expected_version=77_777 if intent.stale else None,
            venue_id=next(iter(town.STAFF.venues)),
            person_id=town.person_id(intent.person),
            step=None if intent.step is None else (town.ENTRY, town.TOUR)[intent.step],
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

    def _visit(self, visit: Visit) -> Book:
        wish = Wish(visit.account, visit.people, visit.slots[0], visit.confirm, counter=False)
        book = self._book(wish)
        return replace(book, party_kind=PartyKind.COUPLE, course=_course(visit.slots, book.person_ids))


def _course(slots: tuple[int, int], people: tuple[UUID, ...]) -> CourseWish:
    """Return the way through a visit; the later step is named first."""
    ids = [SLOTS[slot].id for slot in slots]
    tour = StepWish(key=town.TOUR, slot_id=ids[1], person_ids=people[:1])
    return CourseWish(
        itinerary_id=town.VISIT, dates={}, steps=(tour, StepWish(key=town.ENTRY, slot_id=ids[0], person_ids=people))
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
        self._seen: Picture | None = None

    @property
    def picture(self) -> Picture:
        """What the engine has, looked at once after each time that it was asked for something."""
        if self._seen is None:
            self._seen = self.engine.look()
        return self._seen

    def ask(self, requests: Sequence[Request]) -> list[Outcome]:
        self._seen = None
        return self.engine.ask(requests, self.model.now)

    @rule(wish=wishes())
    def book(self, wish: Wish) -> None:
        self.play([wish])

    @rule(wish=wishes())
    def book_again(self, wish: Wish) -> None:
        self.play([wish])

    @rule(visit=visits())
    def visit(self, visit: Visit) -> None:
        self.play([visit])

    @rule(account=st.sampled_from([0, 1]), slots=st.permutations([0, 2, 3]))
    def want_everything(self, account: int, slots: list[int]) -> None:
        """Somebody books one time after the other."""
        person = (min(FAMILIES[account]),)
        self.play([Wish(account, person, slot, confirm=True, counter=False) for slot in slots])

    @rule(slots=st.permutations(range(5)), confirm=st.booleans())
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

    @rule(detour=detours())
    def move_visit(self, detour: Detour) -> None:
        self.play([detour])

    @rule(ways=st.sampled_from([(0, 6), (1, 6), (2, 6), (4, 7)]), who=st.sampled_from([Who.BOOKER, Who.STAFF]))
    def find_another_way(self, ways: tuple[int, int], who: Who) -> None:
        """The newest visit that stands is moved."""
        for which, stay in enumerate(reversed(self.model.stays)):
            if stay.is_visit and self.model.state(stay) in {"held", "confirmed"}:
                self.play([Detour(which, ways, who)])
                return

    @precondition(lambda self: len(self.model.stays) >= BUSY)
    @rule(corrected=st.lists(st.integers(0, 4), max_size=1), extra=st.sampled_from([MINUTE, INSTANT, timedelta()]))
    def nobody_comes(self, corrected: list[int], extra: timedelta) -> None:
        """Nobody is there; the sweep marks who should be, and staff may have to say that one was there after all."""
        stays = [stay for stay in self.model.stays if stay.state == "confirmed"]
        if stays:
            over = min(map(self.model.last_start, stays)) + town.CHECK_IN_AROUND + extra
            self.model.now = max(self.model.now, over)
        ways = [which for which, stay in enumerate(reversed(self.model.stays)) if stay in stays]
        self.play([Act(one, Action.MARK_NO_SHOW, Who.SYSTEM, person=1, stale=False) for one in ways])
        absent = [which for which, stay in enumerate(reversed(self.model.stays)) if stay.state == "no_show"]
        wrongly = [absent[one] for one in corrected if one < len(absent)]
        self.play([Act(one, Action.CORRECT, Who.STAFF, person=1, stale=False) for one in wrongly])

    @rule(late=st.booleans(), wrongly=st.booleans(), off=st.sampled_from([-INSTANT, INSTANT, MINUTE]))
    def is_never_there(self, late: bool, wrongly: bool, off: timedelta) -> None:
        """Somebody gives up a tour late, or does not come to it, nor to something else, and would book for the next day."""
        if late:
            self.is_late(1, 5, others=False)
        slots = (0,) if late else (0, 6)
        self.play([Wish(1, (1,), slot, confirm=True, counter=False) for slot in slots])
        for slot in slots:
            over = self.model.places[slot].starts + town.CHECK_IN_AROUND + off
            self.model.now = max(self.model.now, over)
            ways = range(min(2, len(self.model.stays)))
            self.play([Act(one, Action.MARK_NO_SHOW, Who.SYSTEM, person=1, stale=False) for one in ways])
        if wrongly:
            self.play([Act(0, Action.CORRECT, Who.STAFF, person=1, stale=False)])
        self.play([Wish(1, (1,), slot, confirm=True, counter=False) for slot in (4, 7)])

    @precondition(lambda self: len(self.model.stays) >= BUSY)
    @rule(nth=st.integers(0, 1), minutes=st.sampled_from([-30, 0, 30]), leave=st.booleans())
    def they_come(self, nth: int, minutes: int, leave: bool) -> None:
        """A party comes to its first slot, and to its last, and is through when that one ends."""
        stays = sorted((one for one in self.model.stays if one.state == "confirmed"), key=self.model.starts)
        if nth < len(stays):
            stay = stays[nth]
            which = len(self.model.stays) - 1 - self.model.stays.index(stay)
            self.model.now = max(self.model.now, self.model.starts(stay) + minutes * MINUTE)
            self.play([Act(which, Action.CHECK_IN, Who.STAFF, person=1, stale=False)])
            if stay.is_visit:
                self.model.now = max(self.model.now, self.model.last_start(stay) - minutes * MINUTE)
                self.play([Act(which, Action.CHECK_IN, Who.STAFF, person=1, stale=False)] * 2)
            self.model.now = max(self.model.now, self.model.ends(stay)) if leave else self.model.now
            self.play([Act(which, Action.COMPLETE, Who.SYSTEM, person=1, stale=False)])

    @precondition(lambda self: len(self.model.stays) >= BUSY)
    @rule(
        way=st.sampled_from([(0, 6), (1, 6), (4, 7)]),
        doors=st.lists(st.tuples(st.sampled_from(AROUND), said()), max_size=3),
        over=said(),
    )
    def go_through(self, way: tuple[int, int], doors: list[tuple[timedelta, Said]], over: Said) -> None:
        """Two make a visit: door by door somebody comes or not, and staff say who was there; when it is over, they say so again."""
        self.play([Visit(account, people, way, confirm=True) for account, people in ((2, (2, 3)), (3, (1, 4)))])
        visits = [stay for stay in self.model.stays if stay.is_visit and self.model.state(stay) in CAME]
        if not visits:
            return
        stay = visits[-1]
        which = len(self.model.stays) - 1 - self.model.stays.index(stay)
        for (slot, _), (off, there) in zip(stay.spots, doors, strict=False):
            self.model.now = max(self.model.now, self.model.places[slot].starts + off)
            self.play([Act(which, action, Who.STAFF, person=1, stale=False, step=step) for action, step in there])
        if len(doors) > len(stay.spots):
            self.model.now = max(self.model.now, self.model.last_start(stay) + town.CHECK_IN_AROUND + INSTANT)
            ends = (Action.COMPLETE, Action.MARK_NO_SHOW)
            self.play([Act(which, action, Who.SYSTEM, person=1, stale=False) for action in ends])
            self.play([Act(which, action, Who.STAFF, person=1, stale=False, step=step) for action, step in over])

    @rule(account=st.sampled_from([0, 1, 2]), slot=st.sampled_from([5, 6, 7]), others=st.booleans())
    def is_late(self, account: int, slot: int, others: bool) -> None:
        """Somebody books a tour, and gives it up when it is too late to do so without consequence; another wants it then."""
        person = min(FAMILIES[account])
        self.play([Wish(account, (person,), slot, confirm=True, counter=False)])
        late = self.model.places[slot].starts - town.CANCEL_BEFORE + INSTANT
        if late - self.model.now < 70 * MINUTE or len(self.model.stays) >= BUSY:
            self.model.now = max(self.model.now, late)
        self.play([Act(0, Action.CANCEL, Who.BOOKER, person=1, stale=False)])
        self.play([Wish(3, (4,), slot, confirm=True, counter=False)] if others else [])

    @rule(door=doors())
    def walk_in(self, door: Door) -> None:
        self.play([door])

    @rule(batch=st.lists(intents(), min_size=2, max_size=4))
    def together(self, batch: list[Intent]) -> None:
        self.play(batch)

    @rule(minutes=st.sampled_from([1, 2, 5, 15, 20]))
    def time_passes(self, minutes: int) -> None:
        self.model.now += timedelta(minutes=minutes)

    @precondition(lambda self: len(self.model.stays) >= BUSY)
    @rule(nth=st.integers(0, 3), off=st.sampled_from([-INSTANT, timedelta(), timedelta(), INSTANT]))
    def time_comes(self, nth: int, off: timedelta) -> None:
        """The clock comes to just when something changes by itself, or to the instant before or after."""
        moments = self.model.moments()
        if nth < len(moments):
            self.model.now = max(self.model.now, moments[nth] + off)

    @precondition(lambda self: len(self.model.stays) >= BUSY)
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
        self._seen = None
        done = self.engine.publish(replace(SLOTS[slot], capacity=capacity, closed=closed), self.model.now)
        assert done == expected, f"published {done}, should be {expected}"

    def sweep(self) -> None:
        """Lapse what has run out, as the worker would."""
        over = [one for one in self.picture.bookings.values() if one.state_at(self.model.now) is not one.state]
        if over:
            self.model.notice(set(), set(range(len(SLOTS))))
            self.ask([_lapse(one.id) for one in over])

    def play(self, batch: list[Intent]) -> None:
        """Try a batch on both, and compare what came of each."""
        if not batch:
            return
        note(f"{self.model.now:%d %H:%M:%S.%f} {batch}")
        picture = self.picture
        batch = self.model.begin(batch)
        requests = [self.requests.of(intent, picture) for intent in batch]
        outcomes = self.ask(requests)
        for intent, request, outcome in zip(batch, requests, outcomes, strict=True):
            expected = self.model.expect(intent)
            came_to_pass = not isinstance(outcome, Refused)
            assert came_to_pass == expected, f"{intent}: {outcome}, should {'' if expected else 'not '}come to pass"
            if came_to_pass and isinstance(request, Book):
                self.requests.made.append(request.booking_id)

    @invariant()
    def the_engine_has_what_the_model_has(self) -> None:
        bookings = self.picture.bookings
        assert len(bookings) == len(self.model.stays)
        for id_, stay in zip(self.requests.made, self.model.stays, strict=True):
            booking = bookings[id_]
            assert booking.state_at(self.model.now).value == self.model.state(stay)
            has = [(claim.slot_id, claim.person_id) for claim in booking.claims]
            assert has == [(SLOTS[slot].id, town.person_id(one)) for slot, people in stay.spots for one in people]
            steps = () if booking.course is None else booking.course.steps
            met = {step.slot_id for step in steps if step.met_at is not None}
            assert met == ({SLOTS[slot].id for slot in stay.met} if stay.is_visit else set())

    @invariant()
    def taken_is_what_live_claims_and_walk_ins_take(self) -> None:
        picture = self.picture
        for slot, place in zip(SLOTS, self.model.places, strict=True):
            now = picture.slots[slot.id]
            live = [one for one in picture.bookings.values() if one.state in LIVE]
            assert now.taken == sum(dict(one.places).get(slot.id, 0) for one in live) + now.taken_walk_in
            assert now.taken_walk_in == place.walked_in
            counter = [one for one in live if one.channel is Channel.COUNTER]
            assert now.taken_counter == sum(dict(one.places).get(slot.id, 0) for one in counter)
            cooling = sorted(one for one in now.cooling if one > self.model.now)
            assert cooling == sorted(one for one in place.cooling if one > self.model.now)
            assert (now.capacity, now.closed) == (place.capacity, place.closed)
            assert 0 <= now.taken <= now.capacity

    @invariant()
    def who_is_struck_is_who_did_not_come_or_was_late(self) -> None:
        struck = [(town.person_id(one.person), "no_show" if one.absent else "cancel") for one in self.model.strikes]
        assert sorted(self.picture.struck) == sorted(struck)

    @invariant()
    def nobody_is_in_two_places_at_once(self) -> None:
        times = {slot.id: (slot.starts_at, slot.ends_at) for slot in SLOTS}
        for person in map(town.person_id, range(PEOPLE)):
            theirs = [
                times[claim.slot_id]
                for one in self.picture.bookings.values()
                for claim in one.claims
                if claim.person_id == person and one.state_at(self.model.now) in LIVE
            ]
            assert all(one[1] <= other[0] for one, other in pairwise(sorted(theirs)))

    @invariant()
    def every_version_was_told_without_a_gap(self) -> None:
        picture = self.picture
        assert picture.told.keys() == picture.bookings.keys()
        for id_, told in picture.told.items():
            assert [version for version, _ in told] == list(range(1, len(told) + 1))
            assert told[-1] == (picture.bookings[id_].version, picture.bookings[id_].state.value)


def machine_on(engine_of: Callable[[], Engine]) -> Any:
    """Return the machine, to be played on engines that `engine_of` makes."""
    return type("MachineOn", (Machine,), {"engine_of": staticmethod(engine_of)})
