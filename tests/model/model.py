"""The model: what the engine promises, written as simply as it can be said, with nothing of the engine in it.

It keeps bookings in a list and works everything out anew each time it is asked: who lives, what is taken, what is free.
"""

from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from tests import make
from tests.model import town
from tests.model.intent import FAMILIES, Act, Door, Intent, Shift, Who, Wish

GONE = {"cancelled", "lapsed"}


@dataclass(slots=True)
class Place:
    """A slot as the model knows it."""

    starts: datetime
    ends: datetime
    released: datetime
    online_until: datetime
    capacity: int
    for_counter: int
    for_walk_ins: int
    walked_in: int = 0
    closed: bool = False


@dataclass(slots=True, eq=False)
class Stay:
    """A booking as the model knows it."""

    account: int
    people: list[int]
    slot: int
    state: str
    counter: bool
    until: datetime | None
    extended: int = 0


@dataclass(slots=True)
class Model:
    now: datetime = make.NOW
    places: list[Place] = field(default_factory=list)
    stays: list[Stay] = field(default_factory=list)
    reach: int = 0

    @classmethod
    def of_the_town(cls) -> "Model":
        return cls(
            places=[
                Place(
                    starts=slot.starts_at,
                    ends=slot.ends_at,
                    released=slot.bookable_from,
                    online_until=slot.bookable_until,
                    capacity=slot.capacity,
                    for_counter=slot.kept_counter,
                    for_walk_ins=slot.kept_walk_in,
                )
                for slot in town.slots()
            ]
        )

    def state(self, stay: Stay) -> str:
        """Return the state as everybody sees it now."""
        return "lapsed" if stay.state == "held" and stay.until is not None and stay.until <= self.now else stay.state

    def living(self) -> list[Stay]:
        return [stay for stay in self.stays if self.state(stay) not in GONE]

    def taken(self, slot: int) -> int:
        return sum(len(stay.people) for stay in self.living() if stay.slot == slot) + self.places[slot].walked_in

    def free(self, slot: int, channel: str) -> int:
        """Return the places that a channel may take: what others have been promised and not taken is not free."""
        place = self.places[slot]
        at_counter = sum(len(stay.people) for stay in self.living() if stay.slot == slot and stay.counter)
        free = place.capacity - self.taken(slot)
        if channel != "counter":
            free -= max(0, place.for_counter - at_counter)
        if channel != "walk_in":
            free -= max(0, place.for_walk_ins - place.walked_in)
        return free

    def pick(self, which: int) -> Stay | None:
        """Return a booking, counted from the newest that there was when the batch began."""
        return self.stays[self.reach - 1 - which] if which < self.reach else None

    def named(self, intent: Intent) -> Intent:
        """Return `intent` with the person whom it is about by number."""
        if not isinstance(intent, Act):
            return intent
        stay = self.pick(intent.which)
        people = [] if stay is None else stay.people
        outside = next(person for person in range(len(people) + 1) if person not in people)
        person = people[(intent.person - 1) % len(people)] if intent.person and people else outside
        return replace(intent, person=person)

    def expect(self, intent: Intent) -> bool:
        """Play `intent`, and say whether it comes to pass."""
        if isinstance(intent, Wish):
            return self._wish(intent)
        if isinstance(intent, Door):
            return self._door(intent)
        return self._shift(intent) if isinstance(intent, Shift) else self._act(intent)

    def _wish(self, wish: Wish) -> bool:
        stay = Stay(
            account=wish.account,
            people=list(wish.people),
            slot=wish.slot,
            state="confirmed" if wish.confirm else "held",
            counter=wish.counter,
            until=None if wish.confirm else self.now + town.HOLD,
        )
        if not set(wish.people) <= FAMILIES[wish.account] or not self._admits(stay):
            return False
        self.stays.append(stay)
        return True

    def _admits(self, stay: Stay) -> bool:
        """Say whether a booking that is not among `stays` can be."""
        place = self.places[stay.slot]
        last = place.starts if stay.counter else min(place.starts, place.online_until)
        if place.closed or not place.released <= self.now < last:
            return False
        for person in stay.people:
            theirs = [self.places[one.slot] for one in self.living() if person in one.people]
            if any(one.starts < place.ends and place.starts < one.ends for one in theirs):
                return False
            if sum(one.starts.date() == place.starts.date() for one in theirs) >= town.LIMIT:
                return False
        holds = [one for one in self.living() if one.state == "held" and one.account == stay.account]
        if stay.state == "held" and len(holds) >= town.HOLDS:
            return False
        return self.free(stay.slot, "counter" if stay.counter else "online") >= len(stay.people)

    def _door(self, door: Door) -> bool:
        place = self.places[door.slot]
        if place.closed or not place.released <= self.now < place.ends or self.free(door.slot, "walk_in") < door.people:
            return False
        place.walked_in += door.people
        return True

    def _shift(self, shift: Shift) -> bool:
        stay = self.pick(shift.which)
        if stay is None or shift.who is Who.STRANGER or self.state(stay) not in {"held", "confirmed"}:
            return False
        by_booker = shift.who is Who.BOOKER
        starts = self.places[stay.slot].starts
        if shift.slot == stay.slot or self.now >= starts or (by_booker and stay.counter):
            return False
        if by_booker and stay.state == "confirmed" and self.now > starts - town.CANCEL_BEFORE:
            return False
        moved = replace(stay, slot=shift.slot)
        position = self.stays.index(stay)
        del self.stays[position]  # what it has is not counted against it
        admitted = self._admits(moved)
        self.stays.insert(position, moved if admitted else stay)
        return admitted

    def _act(self, act: Act) -> bool:
        stay = self.pick(act.which)
        if stay is None or act.who is Who.STRANGER or act.stale:
            return False
        rule = getattr(self, f"_{act.action.value}")
        done: bool = rule(stay, act)
        return done

    def _extend(self, stay: Stay, _act: Act) -> bool:
        if self.state(stay) != "held" or stay.extended >= town.EXTENSIONS:
            return False
        stay.until, stay.extended = self.now + town.HOLD, stay.extended + 1
        return True

    def _confirm(self, stay: Stay, _act: Act) -> bool:
        return self.now < self.places[stay.slot].starts and self._becomes(stay, "held", "confirmed")

    def _cancel(self, stay: Stay, act: Act) -> bool:
        if not self._can_go(stay, act):
            return False
        return self._becomes(stay, stay.state, "cancelled")

    def _cancel_member(self, stay: Stay, act: Act) -> bool:
        if act.person not in stay.people or not self._can_go(stay, act):
            return False
        if stay.people == [act.person]:
            return self._becomes(stay, stay.state, "cancelled")
        stay.people.remove(act.person)
        return True

    def _can_go(self, stay: Stay, act: Act) -> bool:
        late = self.now > self.places[stay.slot].starts - town.CANCEL_BEFORE
        if act.who is Who.BOOKER and stay.state == "confirmed" and late:
            return False
        return self.state(stay) in {"held", "confirmed"}

    def _check_in(self, stay: Stay, _act: Act) -> bool:
        starts = self.places[stay.slot].starts
        on_time = starts - town.CHECK_IN_AROUND <= self.now <= starts + town.CHECK_IN_AROUND
        return on_time and self._becomes(stay, "confirmed", "checked_in")

    def _mark_no_show(self, stay: Stay, _act: Act) -> bool:
        over = self.now > self.places[stay.slot].starts + town.CHECK_IN_AROUND
        return over and self._becomes(stay, "confirmed", "no_show")

    def _complete(self, stay: Stay, _act: Act) -> bool:
        return self.now >= self.places[stay.slot].ends and self._becomes(stay, "checked_in", "completed")

    def _correct(self, stay: Stay, _act: Act) -> bool:
        in_time = self.now <= self.places[stay.slot].ends + town.CORRECTED_WITHIN
        return in_time and self._becomes(stay, "no_show", "checked_in")

    def _lapse(self, _stay: Stay, _act: Act) -> bool:
        return False  # time has done it already, and it is not done twice

    def _becomes(self, stay: Stay, before: str, after: str) -> bool:
        if self.state(stay) != before:
            return False
        stay.state = after
        if after != "held":
            stay.until = None
        return True

    def publish(self, slot: int, capacity: int, *, closed: bool) -> bool:
        """Change a slot that has not begun, unless it would leave somebody without a place."""
        place = self.places[slot]
        booked = any(stay.slot == slot for stay in self.living())
        if self.now >= place.starts or (booked if closed else capacity < self.taken(slot)):
            return False
        place.closed = closed
        if not closed:
            place.capacity = capacity
        return True

    def moments(self) -> list[datetime]:
        """Return the instants at which something changes by itself, from now on."""
        around = [
            moment
            for place in self.places
            for moment in (
                place.starts,
                place.ends,
                place.online_until,
                place.released,
                place.starts - town.CANCEL_BEFORE,
            )
        ]
        around += [place.starts + town.CHECK_IN_AROUND for place in self.places]
        around += [stay.until for stay in self.living() if stay.until is not None]
        return sorted(moment for moment in set(around) if moment > self.now)


INSTANT = timedelta(microseconds=1)
