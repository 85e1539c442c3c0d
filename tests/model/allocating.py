"""Request rounds, played at random beside the public and the waiting list: who is given what, and what comes of it.

What may happen to an hour, who comes first, and whether an hour can be booked when its time is opened is said here anew,
with nothing of the engine: that is the model. Whoever has a place keeps it; no slot is ever given away more than once over.
"""

from collections import Counter
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from typing import Any
from uuid import UUID

from hypothesis import note
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule

from services.booking.commands.waitlist import NewEntry
from services.booking.domain import season
from services.booking.domain.booking import LIVE, Action, Booking, State
from services.booking.domain.policy import PartyKind
from services.booking.domain.request import Actor, Alter, Book
from services.booking.domain.season import Occurrence, Ruling, Series, Step
from services.booking.domain.slot import Slot
from services.booking.domain.waitlist_entry import Band
from services.booking.domain.zone import at_local, local, local_day
from services.booking.store.seasons import SeasonRequest
from shared.refusal import Refused
from tests import make
from tests.model import town
from tests.model.engine import Picture
from tests.model.seasons import (
    CLOSED,
    CLOSES,
    COURTS,
    FIRST,
    HOURS_A_DAY,
    LAST,
    OPENED,
    RELEASED,
    ROUNDS,
    SeasonEngine,
    slots,
)

STEPS = 30
CLUBS = [(0, 0), (1, 1), (2, 2), (3, 4)]
"""Accounts, and who answers for the club."""
REQUESTS_MOST = 20
"""Of one club in one round."""
TIMES = [time(16, 30), time(17), time(18)]
"""At the last one no court is open."""

MAY = {
    "requested": {"accept": "accepted", "reject": "rejected", "propose": "proposed", "withdraw": "withdrawn"},
    "proposed": {
        "accept": "accepted",
        "reject": "rejected",
        "propose": "proposed",
        "withdraw": "withdrawn",
        "agree": "accepted",
        "decline": "rejected",
    },
    "accepted": {"reject": "rejected", "propose": "proposed", "withdraw": "withdrawn"},
    "rejected": {"accept": "accepted", "propose": "proposed"},
}


Wish = tuple[int, int, str, int, time, bool]
"""Which club asks, in which round, for which court, weekday and time, and whether without the second week."""


def wishes() -> st.SearchStrategy[Wish]:
    return st.tuples(
        st.integers(0, 3),
        st.sampled_from([0, 0, 1]),
        st.sampled_from([*COURTS]),
        st.sampled_from([2, 3, 3, 4]),
        st.sampled_from([*TIMES[:2], *TIMES]),
        st.booleans(),
    )


@dataclass(slots=True)
class Hour:
    """An hour that somebody asked for, as the model knows it."""

    number: int
    of_round: int
    club: int
    court: str
    at: datetime
    fate: str
    instead: tuple[str, datetime] | None = None

    @property
    def wanted(self) -> tuple[str, datetime]:
        return self.instead if self.fate == "proposed" and self.instead is not None else (self.court, self.at)


def is_planned(court: str, at: datetime) -> bool:
    """Say whether the court is open at an hour."""
    day, clock = local(at).date(), local(at).time()
    on = day.isoweekday() in {2, 3, 4} and FIRST <= day <= LAST and day != CLOSED
    return on and court in COURTS and clock in TIMES[:2]


class Allocation(RuleBasedStateMachine):
    """Plays on what `engine_of` makes."""

    engine_of: Callable[[], SeasonEngine]

    def __init__(self) -> None:
        super().__init__()
        self.now = make.NOW
        self.number = 0
        self.engine = type(self).engine_of()
        self.engine.put_rounds()
        self.slots = slots()
        self.opened: list[Slot] = []
        self.hours: dict[UUID, Hour] = {}
        self.committed: set[int] = set()
        self.requests: Counter[tuple[int, int]] = Counter()
        self.tick()

    # -- clubs ------------------------------------------------------------------------------------------------------

    @initialize(all_of_them=st.lists(wishes(), min_size=2, max_size=5))
    def begin(self, all_of_them: list[Wish]) -> None:
        """Requests have come in already."""
        for wish in all_of_them:
            self.ask(wish)

    @rule(wish=wishes())
    def ask_again(self, wish: Wish) -> None:
        self.ask(wish)

    def ask(self, wish: Wish) -> None:
        """A club asks for one hour of every week."""
        club, of_round, court, weekday, at, excluded = wish
        days = list(map(date.fromordinal, range(FIRST.toordinal(), LAST.toordinal() + 1)))
        series = Series(
            service_id=court,
            weekday=weekday,
            at=at,
            first=FIRST,
            last=LAST,
            excluded=(date(2026, 12, 1), date(2026, 12, 3)) if excluded else (),
        )
        account, person = CLUBS[club]
        made = SeasonRequest(
            id=self.new_id(),
            round_id=ROUNDS[of_round].id,
            account_id=town.account_id(account),
            person_id=town.person_id(person),
            series=series,
            words="",
            created_at=self.now + timedelta(microseconds=self.number),
        )
        wanted = [at_local(day, at) for day in days if day.isoweekday() == weekday and day not in series.excluded]
        asked = self.requests[club, of_round]
        expected = self.now < CLOSES and court in ROUNDS[of_round].service_ids and asked < REQUESTS_MOST
        self.requests[club, of_round] += expected
        found = self.tried(lambda: self.engine.ask_for(made, self.now), expected)
        for one in found or []:
            fate = "requested" if is_planned(court, one.starts_at) else "rejected"
            self.hours[one.id] = Hour(len(self.hours), of_round, club, court, one.starts_at, fate)
        assert [one.starts_at for one in found or []] == (wanted if expected else [])
        self.look()

    @rule(
        nth=st.integers(0, 11),
        step=st.sampled_from([Step.AGREE, Step.AGREE, Step.DECLINE, Step.WITHDRAW]),
        late=st.sampled_from([False] * 5 + [True]),
    )
    def reply(self, nth: int, step: Step, late: bool) -> None:
        """A club answers; `late`, when what was proposed has just begun."""
        proposed = [id_ for id_, one in self.hours.items() if one.fate == "proposed"]
        known = proposed if proposed and step is not Step.WITHDRAW else list(self.hours)
        if known:
            id_ = known[nth % len(known)]
            if late and self.now >= CLOSES:
                self.now = max(self.now, self.hours[id_].wanted[1])
                self.tick()
            of_round = ROUNDS[self.hours[id_].of_round].id
            occurrence = self.found()[id_]
            expected = self.expects(id_, step.value, None)
            self.tried(lambda: self.engine.reply(of_round, occurrence, step, self.now), expected)
            self.becomes(id_, step.value, None, expected)

    # -- staff ------------------------------------------------------------------------------------------------------

    @precondition(lambda self: self.hours)
    @rule(
        nth=st.integers(0, 11),
        step=st.sampled_from([Step.ACCEPT, Step.ACCEPT, Step.ACCEPT, Step.REJECT, Step.PROPOSE, Step.PROPOSE]),
        slot=st.integers(0, 19),
    )
    def decide(self, nth: int, step: Step, slot: int) -> None:
        """Staff decide one hour; another one is proposed for it from those of the plan, or one that nobody plans."""
        id_ = list(self.hours)[nth % len(self.hours)]
        instead = None
        if step is Step.PROPOSE:
            other = self.slots[slot % len(self.slots)]
            instead = (other.service_id, other.starts_at + timedelta(hours=slot // 18))
        self.decides(id_, step, instead)

    @precondition(lambda self: self.now >= CLOSES and self.hours)
    @rule(of_round=st.integers(0, 1), most=st.integers(1, 4))
    def allocate(self, of_round: int, most: int) -> None:
        """Staff give an hour to whoever is first in the fair order, or none where it is gone, and look at the order again."""
        for _ in range(most):
            order = season.fair_order(self.engine.occurrences(ROUNDS[of_round].id))
            requests = {id_: one.request_id for id_, one in self.found().items()}
            assert order == self.fair_order(of_round, requests), "that is not the fair order"
            wanting = [
                (order.index(requests[id_]), one.number, id_)
                for id_, one in self.hours.items()
                if one.of_round == of_round and one.fate == "requested"
            ]
            if not wanting:
                return
            first = min(wanting)[2]
            self.decides(first, Step.ACCEPT)
            if self.hours[first].fate == "requested":  # it was given to others, or has begun
                self.decides(first, Step.REJECT)

    def fair_order(self, of_round: int, requests: dict[UUID, UUID]) -> list[UUID]:
        """Fewest hours given first, then who asked first."""
        mine = [(id_, one) for id_, one in self.hours.items() if one.of_round == of_round]
        given = Counter(one.club for _, one in mine if one.fate in {"accepted", "booked"})
        places = {requests[id_]: (given[one.club], one.number) for id_, one in reversed(mine)}
        return sorted(places, key=lambda request: places[request])

    @precondition(lambda self: self.now >= CLOSES)
    @rule(of_round=st.integers(0, 1))
    def commit(self, of_round: int) -> None:
        self.engine.commit(ROUNDS[of_round].id, self.now)
        if of_round not in self.committed:
            self.committed.add(of_round)
            for one in self.hours.values():
                if one.of_round == of_round and one.fate == "requested":
                    one.fate = "rejected"
        self.tick()

    def decides(self, id_: UUID, step: Step, instead: tuple[str, datetime] | None = None) -> None:
        expected = self.now >= CLOSES and self.expects(id_, step.value, instead)
        rulings = {id_: Ruling(step=step, reason="staff say so" if step is Step.REJECT else None, hour=instead)}
        of_round = ROUNDS[self.hours[id_].of_round].id
        self.tried(lambda: self.engine.rule(of_round, rulings, self.now), expected)
        self.becomes(id_, step.value, instead, expected)

    def expects(self, id_: UUID, step: str, instead: tuple[str, datetime] | None) -> bool:
        """Say whether an hour may go this way: what has begun stands, and nothing is given that is not there."""
        one = self.hours[id_]
        following = MAY.get(one.fate, {}).get(step)
        court, at = one.wanted if step == "agree" else (instead or (one.court, one.at))
        if following is None or one.at <= self.now or at <= self.now:
            return False
        if following not in {"accepted", "proposed"}:
            return True
        if not is_planned(court, at) or court not in ROUNDS[one.of_round].service_ids:
            return False
        return following == "proposed" or self.given(court, at, id_) < COURTS[court]

    def given(self, court: str, at: datetime, but: UUID | None = None) -> int:
        return sum(
            one.fate in {"accepted", "booked"} and (one.court, one.at) == (court, at) and id_ != but
            for id_, one in self.hours.items()
        )

    def becomes(self, id_: UUID, step: str, instead: tuple[str, datetime] | None, expected: bool) -> None:
        one = self.hours[id_]
        if expected:
            if step == "agree":
                one.court, one.at = one.wanted
            one.fate = MAY[one.fate][step]
            one.instead = instead
        self.tick()

    # -- everybody else ---------------------------------------------------------------------------------------------

    @precondition(lambda self: self.opened)
    @rule(club=st.integers(0, 3), nth=st.integers(0, 7), confirm=st.booleans())
    def book(self, club: int, nth: int, confirm: bool) -> None:
        self.books(club, self.opened[-1 - nth % len(self.opened)], confirm=confirm)
        self.tick()

    @precondition(lambda self: self.now >= CLOSES)
    @rule(nth=st.integers(0, 7))
    def the_public_is_first(self, nth: int) -> None:
        """An hour that nobody was given is released, and the others are quicker than the staff who would give it then."""
        left = [id_ for id_, one in self.hours.items() if one.fate in {"requested", "rejected"} and one.at > self.now]
        if not left:
            return
        id_ = left[nth % len(left)]
        hour = self.hours[id_]
        self.now = max(self.now, hour.at - RELEASED)
        self.tick()
        for slot in self.opened:
            if (slot.service_id, slot.starts_at) == (hour.court, hour.at):
                for club in {*range(len(CLUBS))} - {hour.club}:
                    self.books(club, slot, confirm=True)
        self.commit(hour.of_round)
        self.decides(id_, Step.ACCEPT)

    def books(self, club: int, slot: Slot, *, confirm: bool) -> None:
        """One of the public books; before the release nobody of them does."""
        account, person = CLUBS[club]
        request = Book(
            actor=Actor(town.account_id(account), "resident"),
            key=None,
            booking_id=self.new_id(),
            reference=f"R{self.number}",
            account_id=town.account_id(account),
            slot_id=slot.id,
            party_kind=PartyKind.ONE_PERSON,
            person_ids=(town.person_id(person),),
            declarations={},
            confirm=confirm,
        )
        [outcome] = self.engine.ask([request], self.now)
        note(f"{club} books {slot.service_id} {slot.starts_at}: {outcome}")
        assert isinstance(outcome, Refused) or self.now >= slot.starts_at - RELEASED

    @precondition(lambda self: self.opened)
    @rule(club=st.integers(0, 3))
    def wait(self, club: int) -> None:
        account, person = CLUBS[club]
        new = NewEntry(
            id=self.new_id(),
            account_id=town.account_id(account),
            service_ids=tuple(COURTS),
            band=Band(first=FIRST, last=LAST),
            party_kind=PartyKind.ONE_PERSON,
            person_ids=(town.person_id(person),),
            declarations={},
        )
        with suppress(Refused):  # there is room, or they wait already
            self.engine.join(new, self.now)
        self.tick()

    @precondition(lambda self: self.opened)
    @rule(nth=st.integers(0, 5))
    def cancel(self, nth: int) -> None:
        """Somebody gives up a booking, a club's hour maybe."""
        mine = [one for one in self.living(self.engine.look()) if one.state in {State.HELD, State.CONFIRMED}]
        if mine:
            one = sorted(mine, key=lambda booking: booking.id)[nth % len(mine)]
            by = Actor(one.account_id, "resident")
            self.engine.ask([Alter(actor=by, key=None, booking_id=one.id, action=Action.CANCEL)], self.now)
        self.tick()

    @rule(hours=st.sampled_from([1, 2, 6, 22, 26, 48]))
    def time_passes(self, hours: int) -> None:
        self.now += timedelta(hours=hours)
        self.tick()

    # -- what must hold ---------------------------------------------------------------------------------------------

    def tick(self) -> None:
        """Slots are opened whose time it is; the worker serves who waits, and books what was allocated."""
        known = {slot.id for slot in self.opened}
        soon = [slot for slot in self.slots if slot.starts_at - OPENED <= self.now < slot.starts_at]
        coming = [slot for slot in soon if slot.id not in known]
        self.opened += coming
        self.engine.open_slots(coming)
        self.engine.tick(self.now)
        slot_at = {(slot.service_id, slot.starts_at): slot for slot in self.opened}
        due = [
            (one.at, id_)
            for id_, one in self.hours.items()
            if one.fate == "accepted" and one.of_round in self.committed
            if (one.court, one.at) in slot_at or one.at <= self.now
        ]
        before = list(self.living(self.engine.look())) if due else []
        expected = self.works_out(sorted(due), before, slot_at)
        self.engine.book_due(self.now)
        after = self.engine.look()
        for id_, comes_to_pass in expected.items():
            self.hours[id_].fate = "booked" if comes_to_pass else "refused"
        kept = {one.id for one in self.living(after)}
        assert {one.id for one in before} <= kept, "an allocation pushed somebody out"
        self.look(after)

    def works_out(
        self, due: list[tuple[datetime, UUID]], before: list[Booking], slot_at: dict[tuple[str, datetime], Slot]
    ) -> dict[UUID, bool]:
        """Return whether each of these hours gets its place, in this order, beside those who have one."""
        living = [(one.slot_id, one.person_ids[0], one.starts_at, one.ends_at) for one in before]
        outcome = {}
        for at, id_ in due:
            one = self.hours[id_]
            slot, person = slot_at.get((one.court, one.at)), town.person_id(CLUBS[one.club][1])
            theirs = [(starts, ends) for _, who, starts, ends in living if who == person]
            outcome[id_] = (
                slot is not None
                and self.now < at
                and sum(where == slot.id for where, *_ in living) < COURTS[one.court]
                and not any(starts < slot.ends_at and at < ends for starts, ends in theirs)
                and sum(local_day(starts) == local_day(at) for starts, _ in theirs) < HOURS_A_DAY
            )
            if outcome[id_] and slot is not None:
                living.append((slot.id, person, slot.starts_at, slot.ends_at))
        return outcome

    def look(self, picture: Picture | None = None) -> None:
        """Compare: each hour has the one fate that the model says, and a booking exactly where it is booked."""
        now = picture or self.engine.look()
        found = self.found()
        assert found.keys() == self.hours.keys()
        for id_, one in found.items():
            hour = self.hours[id_]
            assert one.fate.value == hour.fate, f"{hour}: {one.fate} {one.reason}"
            assert one.hour == hour.wanted
            assert (one.booking_id in now.bookings) == (one.fate.value == "booked")
            assert (one.reason is not None) == (one.fate.value in {"rejected", "refused"}), "why not is always said"
        for court, at in {(one.court, one.at) for one in self.hours.values()}:
            assert self.given(court, at) <= COURTS[court]
        for slot in now.slots.values():
            live = [one for one in now.bookings.values() if one.state in LIVE and one.slot_id == slot.id]
            assert len(live) == slot.taken <= slot.capacity

    def living(self, picture: Picture) -> Iterable[Booking]:
        return [one for one in picture.bookings.values() if one.state_at(self.now) in LIVE]

    def found(self) -> dict[UUID, Occurrence]:
        return {one.id: one for of_round in ROUNDS for one in self.engine.occurrences(of_round.id)}

    def tried(self, do: Callable[[], Any], expected: bool) -> Any:
        """Do it; whether it is refused must be as it was expected."""
        refused: Refused | None = None
        done = None
        try:
            done = do()
        except Refused as error:
            refused = error
        assert (refused is None) == expected, f"{refused}, should {'' if expected else 'not '}come to pass"
        return done

    def teardown(self) -> None:
        self.engine.audit()

    def new_id(self) -> UUID:
        self.number += 1
        return UUID(int=100_000 + self.number)
