"""The model: what the engine promises, written as simply as it can be said, with nothing of the engine in it.

It keeps bookings in a list and works everything out anew each time it is asked: who lives, what is taken, what is free,
who is barred. Only what has no other trace is remembered: since when a place cools off, and who was struck.
"""

from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from tests import make
from tests.model import town
from tests.model.intent import FAMILIES, Act, Detour, Door, Intent, Shift, Visit, Who, Wish

GONE = {"cancelled", "lapsed"}
INSTANT = timedelta(microseconds=1)


@dataclass(slots=True)
class Place:
    """A slot as the model knows it."""

    service: str
    starts: datetime
    ends: datetime
    released: datetime
    online_until: datetime
    capacity: int
    for_counter: int
    for_walk_ins: int
    walked_in: int = 0
    closed: bool = False
    cooling: list[datetime] = field(default_factory=list)

    @property
    def is_scarce(self) -> bool:
        """Whether what comes free in it cools off, and who is late to cancel is struck."""
        return self.service == town.TOUR


@dataclass(slots=True, eq=False)
class Stay:
    """A booking as the model knows it: in which slots, in order of time, and who comes to each."""

    account: int
    spots: list[tuple[int, list[int]]]
    state: str
    counter: bool
    until: datetime | None
    extended: int = 0
    met: set[int] = field(default_factory=set)

    @property
    def people(self) -> list[int]:
        return self.spots[0][1]

    @property
    def slot(self) -> int:
        return self.spots[0][0]

    @property
    def is_visit(self) -> bool:
        return len(self.spots) > 1

    @property
    def slots(self) -> set[int]:
        return {slot for slot, _ in self.spots}

    def seats(self, slot: int) -> int:
        return sum(len(people) for spot, people in self.spots if spot == slot)


@dataclass(slots=True)
class Strike:
    """Somebody did not come, or was late to say so."""

    person: int
    at: datetime
    stay: Stay
    absent: bool


@dataclass(slots=True)
class Model:
    now: datetime = make.NOW
    places: list[Place] = field(default_factory=list)
    stays: list[Stay] = field(default_factory=list)
    strikes: list[Strike] = field(default_factory=list)
    barred: dict[int, datetime] = field(default_factory=dict)
    reach: int = 0

    @classmethod
    def of_the_town(cls) -> "Model":
        return cls(
            places=[
                Place(
                    service=slot.service_id,
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

    # -- what there is ----------------------------------------------------------------------------------------------

    def state(self, stay: Stay) -> str:
        """Return the state as everybody sees it now."""
        return "lapsed" if stay.state == "held" and stay.until is not None and stay.until <= self.now else stay.state

    def living(self) -> list[Stay]:
        return [stay for stay in self.stays if self.state(stay) not in GONE]

    def starts(self, stay: Stay) -> datetime:
        return self.places[stay.slot].starts

    def ends(self, stay: Stay) -> datetime:
        return max(self.places[slot].ends for slot in stay.slots)

    def last_start(self, stay: Stay) -> datetime:
        return max(self.places[slot].starts for slot in stay.slots)

    def taken(self, slot: int) -> int:
        """Return the places that are not to be had: those of a hold that ran out, too, until somebody looks at it."""
        return sum(stay.seats(slot) for stay in self.stays if stay.state not in GONE) + self.places[slot].walked_in

    def free(self, slot: int, channel: str) -> int:
        """Return the places that a channel may take: what others have been promised and not taken is not free."""
        place = self.places[slot]
        at_counter = sum(stay.seats(slot) for stay in self.stays if stay.state not in GONE and stay.counter)
        free = place.capacity - self.taken(slot)
        if channel != "walk_in":
            free -= sum(instant > self.now for instant in place.cooling)
        if channel != "counter":
            free -= max(0, place.for_counter - at_counter)
        if channel != "walk_in":
            free -= max(0, place.for_walk_ins - place.walked_in)
        return max(0, free)

    def bars(self) -> dict[int, datetime]:
        """Return until when people are barred: each second strike, in order of time, bars for a day from itself."""
        ends: dict[int, datetime] = {}
        for person in {strike.person for strike in self.strikes}:
            moments = sorted(strike.at for strike in self.strikes if strike.person == person)
            imposing = moments[town.STRIKES - 1 :: town.STRIKES]
            if imposing:
                ends[person] = imposing[-1] + town.BARRED_FOR
        return ends

    # -- a batch ----------------------------------------------------------------------------------------------------

    def begin(self, batch: list[Intent]) -> list[Intent]:
        """Begin a batch: whatever ran out where it looks is over, and nobody in it meets a bar that it imposes itself."""
        self.reach = len(self.stays)
        self.barred = self.bars()
        batch = [self._named(intent) for intent in batch]
        asked, touched = set[int](), set[int]()
        for intent in batch:
            if isinstance(intent, Wish | Shift | Door):
                asked.add(intent.slot)
            elif isinstance(intent, Visit | Detour):
                asked.update(intent.slots)
            if isinstance(intent, Act | Shift | Detour) and (stay := self.pick(intent.which)) is not None:
                touched |= stay.slots
        self.notice(asked, touched)
        return batch

    def notice(self, asked: set[int], touched: set[int]) -> None:
        """End what ran out in these slots, and all of a visit that ran out and has a place in one that is asked for."""
        over = [stay for stay in self.stays if stay.state == "held" and self.state(stay) == "lapsed"]
        seen = asked | touched
        for stay in over:
            if stay.is_visit and stay.slots & asked:
                seen = seen | stay.slots
        for stay in over:
            if stay.slots <= seen:
                self._gives_back(stay, "lapsed")

    def pick(self, which: int) -> Stay | None:
        """Return a booking, counted from the newest that there was when the batch began."""
        return self.stays[self.reach - 1 - which] if which < self.reach else None

    def _named(self, intent: Intent) -> Intent:
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
            spots = [(intent.slot, list(intent.people))]
            return self._books(intent, spots, counter=intent.counter)
        if isinstance(intent, Visit):
            spots = [(intent.slots[0], list(intent.people)), (intent.slots[1], [intent.people[0]])]
            return self._fits(intent.slots) and self._books(intent, spots, counter=False)
        if isinstance(intent, Door):
            return self._door(intent)
        return self._act(intent) if isinstance(intent, Act) else self._moves(intent)

    # -- places taken -----------------------------------------------------------------------------------------------

    def _books(self, wish: Wish | Visit, spots: list[tuple[int, list[int]]], *, counter: bool) -> bool:
        stay = Stay(
            account=wish.account,
            spots=spots,
            state="confirmed" if wish.confirm else "held",
            counter=counter,
            until=None if wish.confirm else self.now + town.HOLD,
        )
        if not set(wish.people) <= FAMILIES[wish.account] or not self._admits(stay, heeding_bars=True):
            return False
        self.stays.append(stay)
        return True

    def _fits(self, slots: tuple[int, int]) -> bool:
        """Say whether a visit may go through these slots."""
        entry, tour = (self.places[slot] for slot in slots)
        least, most = (timedelta(minutes=minutes) for minutes in town.VISIT_GAP)
        of_its_kind = (entry.service, tour.service) == (town.ENTRY, town.TOUR)
        same_day = entry.starts.date() == tour.starts.date()
        return of_its_kind and same_day and least <= tour.starts - entry.ends <= most

    def _admits(self, stay: Stay, *, heeding_bars: bool) -> bool:
        """Say whether a booking that is not among `stays` can be: step by step, each beside those before it."""
        holds = [one for one in self.living() if one.state == "held" and one.account == stay.account]
        if stay.state == "held" and len(holds) >= town.HOLDS:
            return False
        before = replace(stay, spots=[])
        self.stays.append(before)
        try:
            for slot, people in stay.spots:
                if not self._admits_to(slot, people, stay, heeding_bars=heeding_bars):
                    return False
                before.spots.append((slot, people))
        finally:
            self.stays.remove(before)
        return True

    def _admits_to(self, slot: int, people: list[int], stay: Stay, *, heeding_bars: bool) -> bool:
        place = self.places[slot]
        last = place.starts if stay.counter else min(place.starts, place.online_until)
        if place.closed or not place.released <= self.now < last:
            return False
        for person in people:
            if heeding_bars and not stay.counter and place.starts < self.barred.get(person, self.now):
                return False
            theirs = [self.places[at] for one in self.living() for at, company in one.spots if person in company]
            if any(one.starts < place.ends and place.starts < one.ends for one in theirs):
                return False
            counted = [one for one in theirs if one.service == place.service]
            if sum(one.starts.date() == place.starts.date() for one in counted) >= town.LIMIT:
                return False
        return self.free(slot, "counter" if stay.counter else "online") >= len(people)

    def _door(self, door: Door) -> bool:
        place = self.places[door.slot]
        if place.closed or not place.released <= self.now < place.ends or self.free(door.slot, "walk_in") < door.people:
            return False
        place.walked_in += door.people
        return True

    def _moves(self, shift: Shift | Detour) -> bool:
        stay = self.pick(shift.which)
        if stay is None or shift.who is Who.STRANGER or self.state(stay) not in {"held", "confirmed"}:
            return False
        by_booker = shift.who is Who.BOOKER
        if self.now >= self.starts(stay) or (by_booker and stay.counter):
            return False
        if by_booker and stay.state == "confirmed" and self.now > self.starts(stay) - town.CANCEL_BEFORE:
            return False
        spots = self._elsewhere(stay, shift)
        if spots is None:
            return False
        moved = replace(stay, spots=spots)
        position = self.stays.index(stay)
        del self.stays[position]  # what it has is not counted against it
        admitted = self._admits(moved, heeding_bars=False)
        self.stays.insert(position, stay)
        if admitted:
            self._becomes_so(stay, spots=spots)
        return admitted

    def _elsewhere(self, stay: Stay, shift: Shift | Detour) -> list[tuple[int, list[int]]] | None:
        """Return where a booking would go, or None: a visit goes from way to way, any other from slot to slot of its service."""
        if isinstance(shift, Shift):
            same = self.places[shift.slot].service == self.places[stay.slot].service
            fits = not stay.is_visit and shift.slot != stay.slot and same
            return [(shift.slot, list(stay.people))] if fits else None
        spots = [(slot, people) for slot, (_, people) in zip(shift.slots, stay.spots, strict=False)]
        return spots if stay.is_visit and self._fits(shift.slots) and spots != stay.spots else None

    # -- places given back ------------------------------------------------------------------------------------------

    def _gives_back(self, stay: Stay, state: str) -> None:
        self._becomes_so(stay, state=state)

    def _becomes_so(
        self, stay: Stay, *, state: str | None = None, spots: list[tuple[int, list[int]]] | None = None
    ) -> None:
        """Change a booking; what comes free by it in a scarce slot that the public found full cools off."""
        before = {slot: (stay.seats(slot), self.free(slot, "online")) for slot in stay.slots}
        stay.state, stay.spots = state or stay.state, stay.spots if spots is None else spots
        if stay.state != "held":
            stay.until = None
        for slot, (seats, free) in before.items():
            place = self.places[slot]
            given = seats - (0 if stay.state in GONE else stay.seats(slot))
            least, most = (self.now + timedelta(minutes=minutes) for minutes in town.COOLS)
            last = min(most, place.online_until)
            if place.is_scarce and given > 0 and free == 0 and least < last:
                place.cooling = [one for one in place.cooling if one > self.now]
                place.cooling += [least + (last - least) * town.CHANCE] * self.free(slot, "online")

    # -- what happens to a booking ----------------------------------------------------------------------------------

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
        return self.now < self.starts(stay) and self._becomes(stay, "held", "confirmed")

    def _cancel(self, stay: Stay, act: Act) -> bool:
        if not self._can_go(stay, act):
            return False
        self._is_late(stay, stay.people, act)
        self._gives_back(stay, "cancelled")
        return True

    def _cancel_member(self, stay: Stay, act: Act) -> bool:
        if act.person not in stay.people or not self._can_go(stay, act):
            return False
        if stay.people == [act.person]:
            return self._cancel(stay, act)
        if stay.is_visit:
            return False
        self._is_late(stay, [act.person], act)
        self._becomes_so(stay, spots=[(stay.slot, [one for one in stay.people if one != act.person])])
        return True

    def _can_go(self, stay: Stay, act: Act) -> bool:
        if self.state(stay) not in {"held", "confirmed"}:
            return False
        if act.who is not Who.BOOKER or stay.state == "held":
            return True
        if self.places[stay.slot].is_scarce:
            return self.now < self.starts(stay)
        return self.now <= self.starts(stay) - town.CANCEL_BEFORE

    def _is_late(self, stay: Stay, people: list[int], act: Act) -> None:
        """Strike whoever gives up late what they had confirmed."""
        late = self.now > self.starts(stay) - town.CANCEL_BEFORE
        if late and act.who is Who.BOOKER and stay.state == "confirmed":
            self.strikes += [Strike(person, self.now, stay, absent=False) for person in people]

    def _check_in(self, stay: Stay, act: Act) -> bool:
        """The first step of which the door is open is met, or the one that is named; with one of them the party has come."""
        around = town.CHECK_IN_AROUND
        if act.step is not None and not stay.is_visit:
            return False
        due = [
            slot
            for number, (slot, _) in enumerate(stay.spots)
            if act.step in {None, number}
            and slot not in stay.met
            and abs(self.places[slot].starts - self.now) <= around
        ]
        again = stay.is_visit and self.state(stay) == "checked_in"
        if not due or not (again or self._becomes(stay, "confirmed", "checked_in")):
            return False
        stay.met.add(due[0])
        return True

    def _check_in_step(self, _stay: Stay, _act: Act) -> bool:
        raise AssertionError("doors check in; that it is a further step is for the house to know")

    def _mark_no_show(self, stay: Stay, _act: Act) -> bool:
        over = self.now > self.last_start(stay) + town.CHECK_IN_AROUND
        if not over or not self._becomes(stay, "confirmed", "no_show"):
            return False
        self.strikes += [Strike(person, self.starts(stay), stay, absent=True) for person in stay.people]
        return True

    def _complete(self, stay: Stay, _act: Act) -> bool:
        return self.now >= self.ends(stay) and self._becomes(stay, "checked_in", "completed")

    def _correct(self, stay: Stay, _act: Act) -> bool:
        in_time = self.now <= self.ends(stay) + town.CORRECTED_WITHIN
        if not in_time or not self._becomes(stay, "no_show", "checked_in"):
            return False
        self.strikes = [one for one in self.strikes if not (one.stay is stay and one.absent)]
        return True

    def _correct_step(self, stay: Stay, act: Act) -> bool:
        """Who was at one step has come; whether anybody was is only asked when the door has closed."""
        slot = self._step_on_record(stay, act)
        if slot is None or slot in stay.met or self.now <= self.places[slot].starts + town.CHECK_IN_AROUND:
            return False
        stay.met.add(slot)
        self.strikes = [one for one in self.strikes if not (one.stay is stay and one.absent)]
        if self.state(stay) != "completed":
            self._becomes_so(stay, state="checked_in")
        return True

    def _take_back_step(self, stay: Stay, act: Act) -> bool:
        """Nobody was at it; if they were at none, they have not come."""
        slot = self._step_on_record(stay, act)
        if slot not in stay.met:
            return False
        stay.met -= {slot}
        if not stay.met:
            self._becomes_so(stay, state="confirmed")
        return True

    def _step_on_record(self, stay: Stay, act: Act) -> int | None:
        """Return the slot of a step that can still be corrected."""
        in_time = self.now <= self.ends(stay) + town.CORRECTED_WITHIN
        was_to_come = self.state(stay) in {"confirmed", "checked_in", "completed", "no_show"}
        named = stay.is_visit and act.step is not None and in_time and was_to_come
        return stay.spots[act.step][0] if named and act.step is not None else None

    def _take_back(self, _stay: Stay, _act: Act) -> bool:
        raise AssertionError("that the last step is taken back is for the house to know")

    def _lapse(self, _stay: Stay, _act: Act) -> bool:
        return False  # time has done it already, and it is not done twice

    def _becomes(self, stay: Stay, before: str, after: str) -> bool:
        if self.state(stay) != before:
            return False
        self._becomes_so(stay, state=after)
        return True

    # -- what is done to a slot -------------------------------------------------------------------------------------

    def publish(self, slot: int, capacity: int, *, closed: bool) -> bool:
        """Change a slot that has not begun, unless it would leave somebody without a place."""
        place = self.places[slot]
        booked = any(slot in stay.slots for stay in self.living())
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
                *place.cooling,
            )
        ]
        around += [place.starts + town.CHECK_IN_AROUND for place in self.places]
        around += [stay.until for stay in self.living() if stay.until is not None]
        return sorted(moment for moment in set(around) if moment > self.now)
