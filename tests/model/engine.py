"""The engine as the machine plays it: asked for a batch of requests, and looked at afterwards.

`Memory` is the core alone, decisions over facts: what the desk gathers and keeps with SQL, it gathers and keeps in
dictionaries. `tests/model/database.py` has the same over PostgreSQL.
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, datetime
from functools import cache
from itertools import count
from typing import Protocol
from uuid import UUID

from services.booking.domain.booking import LIVE, Booking, State
from services.booking.domain.catalogue import Catalogue
from services.booking.domain.decision import Decisions, Outcome
from services.booking.domain.event import event_of
from services.booking.domain.facts import Companion, Facts, LiveClaim
from services.booking.domain.penalty import Act, Barred, Strike, regime_of, standings_of
from services.booking.domain.policy import DocumentType
from services.booking.domain.request import Alter, Book, Move, Request
from services.booking.domain.slot import Slot
from services.booking.domain.striking import corrected_by, strikes_of
from shared.contracts import BookingChanged
from tests.model import town
from tests.model.intent import FAMILIES


@dataclass(slots=True)
class Picture:
    """Everything that the engine has: slots and bookings by id; by booking, the versions and states that were told.

    `struck` are the strikes that stand: who, and for what.
    """

    slots: dict[UUID, Slot]
    bookings: dict[UUID, Booking]
    told: dict[UUID, list[tuple[int, str]]]
    struck: list[tuple[UUID, str]]


class Engine(Protocol):
    """What the machine needs of an engine."""

    def ask(self, requests: Sequence[Request], now: datetime) -> list[Outcome]:
        """Decide `requests` as one batch, or as whatever batches they make."""
        ...

    def publish(self, slot: Slot, now: datetime) -> bool:
        """Make a slot what it should be: its capacity, or closed. Say whether it was done."""
        ...

    def look(self) -> Picture:
        """Return what there is."""
        ...


@cache
def companions() -> Mapping[tuple[UUID, UUID], Companion]:
    """Return the people whom each account of the town has saved."""
    return {
        (town.account_id(account), town.person_id(person)): Companion(
            person_id=town.person_id(person),
            document_type=DocumentType.RESIDENT_IDENTITY_CARD,
            birth_date=date(1990, 1, 1),
            relation="self",
            name_masked="王*",
        )
        for account, family in enumerate(FAMILIES)
        for person in family
    }


@dataclass(slots=True)
class Memory:
    """The core alone."""

    slots: dict[UUID, Slot] = field(default_factory=lambda: {slot.id: slot for slot in town.slots()})
    bookings: dict[UUID, Booking] = field(default_factory=dict)
    strikes: list[Strike] = field(default_factory=list)
    told: dict[UUID, list[tuple[int, str]]] = field(default_factory=dict)
    numbers: "count[int]" = field(default_factory=lambda: count(1))
    catalogue: Catalogue = field(default_factory=town.catalogue)

    def ask(self, requests: Sequence[Request], now: datetime) -> list[Outcome]:
        decisions = Decisions(self.gathered(requests, now))
        decisions.lapse_what_ran_out()
        outcomes = [decisions.decide(request) for request in requests]
        self.keep(decisions)
        return outcomes

    def keep(self, decisions: Decisions) -> None:
        """Make what was decided what there is."""
        facts = decisions.facts
        for change in decisions.changes:
            event = event_of(change, facts, self.new_id())
            assert isinstance(event.data, BookingChanged)
            self.told.setdefault(event.subject, []).append((event.data.version, event.data.state))
            self.strikes += strikes_of(change, self.catalogue, regime_of(self.catalogue), self.new_id)
        for corrected in corrected_by(decisions.changes):
            came = corrected.after.id
            self.strikes = [one for one in self.strikes if (one.booking_id, one.act) != (came, Act.NO_SHOW)]
        self.slots.update(facts.slots)
        self.bookings.update(facts.bookings)

    def publish(self, slot: Slot, now: datetime) -> bool:
        booked = any(self._is_live(one, now) and slot.id in dict(one.places) for one in self.bookings.values())
        before = self.slots[slot.id]
        if booked if slot.closed else slot.capacity < before.taken:
            return False
        self.slots[slot.id] = replace(
            before, closed=slot.closed, capacity=before.capacity if slot.closed else slot.capacity
        )
        return True

    def look(self) -> Picture:
        struck = [(one.person_id, one.act.value) for one in self.strikes]
        return Picture(self.slots, self.bookings, self.told, struck)

    def new_id(self) -> UUID:
        return UUID(int=next(self.numbers))

    def _is_live(self, booking: Booking, now: datetime) -> bool:
        return booking.state_at(now) in LIVE

    def gathered(self, requests: Sequence[Request], now: datetime) -> Facts:
        """Return what the desk would gather: the slots and bookings named, and what has run out in those slots."""
        named = {request.booking_id for request in requests if isinstance(request, Alter | Move)} & self.bookings.keys()
        over = [one for one in self.bookings.values() if one.state_at(now) is not one.state]
        asked = slots_asked_for(requests)
        locked = asked.union(*(dict(self.bookings[one].places) for one in named))
        locked = locked.union(*(dict(one.places) for one in over if one.course and asked & dict(one.places).keys()))
        ran_out = {one.id for one in over if dict(one.places).keys() <= locked}
        living = [one for one in self.bookings.values() if self._is_live(one, now)]
        gathered = {one: self.bookings[one] for one in sorted(named | ran_out)}
        return Facts(
            now=now,
            catalogue=self.catalogue,
            slots={one: self.slots[one] for one in sorted(locked)},
            companions=self._companions(now),
            claims=self._claims(living),
            bookings=gathered,
            chance=lambda: town.CHANCE,
            held=Counter(
                one.account_id
                for one in self.bookings.values()
                if one.state is State.HELD and (one.id in gathered or self._is_live(one, now))
            ),
        )

    def _companions(self, now: datetime) -> dict[tuple[UUID, UUID], Companion]:
        bars = {}
        for person_id in {strike.person_id for strike in self.strikes}:
            theirs = [strike for strike in self.strikes if strike.person_id == person_id]
            standings = standings_of(theirs, self.catalogue, regime_of(self.catalogue))
            running = [(standing, bar) for standing in standings if (bar := standing.running(now)) is not None]
            bars[person_id] = tuple(
                Barred(
                    penalty_id=person_id,
                    scope=standing.scope,
                    since=bar.since,
                    until=bar.until,
                    threshold=standing.rule.threshold,
                )
                for standing, bar in running
            )
        barred = {key: replace(one, bars=bars[key[1]]) for key, one in companions().items() if bars.get(key[1])}
        return {**companions(), **barred}

    def _claims(self, living: Iterable[Booking]) -> dict[UUID, list[LiveClaim]]:
        claims: dict[UUID, list[LiveClaim]] = {}
        for booking in living:
            for claim in booking.claims:
                slot = self.slots[claim.slot_id]
                claims.setdefault(claim.person_id, []).append(
                    LiveClaim(
                        booking_id=booking.id,
                        reference=booking.reference,
                        account_id=booking.account_id,
                        slot_id=slot.id,
                        service_id=slot.service_id,
                        venue_id=slot.venue_id,
                        kind=slot.kind,
                        starts_at=slot.starts_at,
                        ends_at=slot.ends_at,
                    )
                )
        return claims


def slots_asked_for(requests: Iterable[Request]) -> set[UUID]:
    """Return the slots in which places are asked for."""
    asked = {request.slot_id for request in requests if not isinstance(request, Alter)}
    for request in requests:
        if isinstance(request, Book | Move) and request.course is not None:
            asked |= {step.slot_id for step in request.course.steps}
    return asked
