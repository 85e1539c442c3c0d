"""A waiting list to be played on: the core alone with its line in dictionaries, or the desk and the worker over PostgreSQL."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Protocol
from uuid import UUID

from sqlalchemy import text

from services.booking.commands.waiting import WaitingList
from services.booking.commands.waitlist import NewEntry, join, leave
from services.booking.domain.booking import Action, Channel, State
from services.booking.domain.decision import Decisions, Outcome
from services.booking.domain.facts import Facts
from services.booking.domain.reason import Reason
from services.booking.domain.request import SYSTEM, Actor, Alter, Book, Request, ServeLine
from services.booking.domain.slot import Slot, free_places
from services.booking.domain.waitlist_entry import MISSED_MOST, Collecting, OfferOutcome, Waiting
from services.booking.domain.waitlist_joining import check_joining, terms_of
from services.booking.sweeps import Sweeps
from shared.refusal import Refused
from tests import world
from tests.model.database import Database
from tests.model.engine import Memory, Picture
from tests.rush.city import CLEAN

_ENTRIES = text("SELECT * FROM waitlist_entries ORDER BY number")
_OFFERS = text("SELECT booking_id, entry_id, slot_id, outcome FROM waitlist_offers")
REFUSED_OFFERS = {OfferOutcome.DECLINED, OfferOutcome.LAPSED}


@dataclass(frozen=True, slots=True)
class Past:
    """What there is after a tick."""

    picture: Picture
    entries: Sequence[Any]
    offers: Sequence[Any]


class LineEngine(Protocol):
    """What the machine needs of an engine with a waiting list."""

    def ask(self, requests: Sequence[Request], now: datetime) -> list[Outcome]: ...

    def publish(self, slot: Slot, now: datetime) -> bool: ...

    def join(self, new: NewEntry, now: datetime) -> None: ...

    def leave(self, entry: Any, now: datetime) -> None: ...

    def tick(self, now: datetime) -> None:
        """Do what the worker does every second."""
        ...

    def look(self) -> Picture: ...

    def look_back(self) -> Past: ...

    def audit(self) -> None: ...


@dataclass(slots=True)
class InDatabase:
    """The desk and the worker over PostgreSQL."""

    database: Database

    def ask(self, requests: Sequence[Request], now: datetime) -> list[Outcome]:
        return self.database.ask(requests, now)

    def publish(self, slot: Slot, now: datetime) -> bool:
        return self.database.publish(slot, now)

    def join(self, new: NewEntry, now: datetime) -> None:
        async def work() -> None:
            async with self.database.engine.begin() as tx:
                await join(tx, new, self.database.catalogue, now)

        self.database.runner.run(work())

    def leave(self, entry: Any, now: datetime) -> None:
        async def work() -> None:
            async with self.database.engine.begin() as tx:
                await leave(tx, entry.id, entry.account_id, now)

        self.database.runner.run(work())

    def tick(self, now: datetime) -> None:
        async def work() -> None:
            base = self.database
            base.clock.set(now)
            await Sweeps(base.engine, base.desk, base.clock).lapse_holds()
            await WaitingList(base.engine, base.desk, base.clock).tend()

        self.database.runner.run(work())

    def look(self) -> Picture:
        return self.database.look()

    def look_back(self) -> Past:
        async def work() -> Past:
            picture = await self.database.look_now()
            async with self.database.engine.connect() as connection:
                entries = (await connection.execute(_ENTRIES)).all()
                offers = (await connection.execute(_OFFERS)).all()
            return Past(picture, entries, offers)

        return self.database.runner.run(work())

    def audit(self) -> None:
        assert self.database.runner.run(world.audit(self.database.engine)) == CLEAN


@dataclass(slots=True)
class Entry:
    """Somebody who waits, or did."""

    number: int
    new: NewEntry
    places: int
    state: str = "waiting"
    passed_over: int = 0
    missed: int = 0
    collecting: Collecting | None = None

    @property
    def id(self) -> UUID:
        return self.new.id

    @property
    def account_id(self) -> UUID:
        return self.new.account_id

    @property
    def person_ids(self) -> tuple[UUID, ...]:
        return self.new.person_ids

    @property
    def collecting_slot(self) -> UUID | None:
        return None if self.collecting is None else self.collecting.slot_id

    @property
    def collecting_until(self) -> datetime | None:
        return None if self.collecting is None else self.collecting.until


@dataclass(slots=True)
class Offer:
    booking_id: UUID
    entry_id: UUID
    slot_id: UUID
    outcome: OfferOutcome | None = None


@dataclass(slots=True)
class InMemory(Memory):
    """The core alone: what the store does with entries and offers is done to objects."""

    entries: dict[UUID, Entry] = field(default_factory=dict)
    offers: dict[UUID, Offer] = field(default_factory=dict)

    def join(self, new: NewEntry, now: datetime) -> None:
        _, terms = terms_of(new.service_ids, self.catalogue)
        coming = sorted((one for one in self.slots.values() if one.starts_at > now), key=lambda one: one.starts_at)
        facts = self.gathered((), now)
        facts.slots = {one.id: one for one in coming if not one.closed and new.band.covers(one.starts_at)}
        check_joining(_looked_at(new), len(new.person_ids), terms, facts)
        live = [one for one in self.entries.values() if one.state in {"waiting", "offered"}]
        if any(set(one.person_ids) & set(new.person_ids) for one in live):
            raise Refused(Reason.WAITING_ALREADY)
        self.entries[new.id] = Entry(number=len(self.entries) + 1, new=new, places=len(new.person_ids))

    def leave(self, entry: Entry, now: datetime) -> None:
        entry.state = "left"

    def tick(self, now: datetime) -> None:
        over = [one.id for one in self.bookings.values() if one.state_at(now) is not one.state]
        self.ask([_by_system(one, Action.LAPSE) for one in over], now)
        gone = {one.id for one in self.entries.values() if one.state not in {"waiting", "offered"}}
        open_ = [one.booking_id for one in self.offers.values() if one.outcome is None and one.entry_id in gone]
        self.ask([_by_system(one, Action.CANCEL) for one in open_], now)
        kept = [one for one in self.entries.values() if one.collecting is not None and one.state != "waiting"]
        self._serve({one.collecting.slot_id for one in kept if one.collecting is not None}, now)
        for one in kept:
            one.collecting = None
        self._serve({one.id for one in self.slots.values() if self._may_serve(one, now)}, now)

    def look_back(self) -> Past:
        entries = sorted(self.entries.values(), key=lambda one: one.number)
        return Past(self.look(), entries, list(self.offers.values()))

    def audit(self) -> None:
        """Nothing to count beside what the machine counts."""

    def gathered(self, requests: Sequence[Request], now: datetime) -> Facts:
        facts = super(InMemory, self).gathered(requests, now)
        asked = {request.slot_id for request in requests if isinstance(request, ServeLine)}
        giving = {slot_id for booking in facts.bookings.values() for slot_id, _ in booking.places}
        for slot in facts.slots.values():
            gives = slot.id in giving or free_places(slot, Channel.WAITING_LIST, now) > 0
            if slot.id in asked or (
                gives and any(one.state in {"waiting", "offered"} for one in self.entries.values())
            ):
                facts.waiting[slot.id] = [self._waiting(one) for one in self._line(slot, facts)]
        return facts

    def keep(self, decisions: Decisions) -> None:
        super(InMemory, self).keep(decisions)
        line = decisions.line
        for booking_id, outcome in line.settled:
            self._settle(self.offers[booking_id], outcome)
        for entry_id, passed_over in line.passed_over.items():
            self.entries[entry_id].passed_over = passed_over
        for entry_id, collecting in line.collecting.items():
            self.entries[entry_id].collecting = collecting
        for offered in line.offered.values():
            entry = self.entries[offered.entry_id]
            entry.state, entry.passed_over, entry.collecting = "offered", 0, None
            self.offers[offered.booking_id] = Offer(offered.booking_id, entry.id, offered.slot_id)

    def _settle(self, offer: Offer, outcome: OfferOutcome) -> None:
        offer.outcome = outcome
        entry = self.entries[offer.entry_id]
        if entry.state != "offered":
            return
        entry.missed += outcome is OfferOutcome.LAPSED
        unanswered = outcome is OfferOutcome.LAPSED and entry.missed >= MISSED_MOST
        entry.state = "ended" if unanswered else "waiting"
        if outcome is OfferOutcome.ACCEPTED:
            entry.state = "served"

    def _line(self, slot: Slot, facts: Facts | None = None) -> list[Entry]:
        gathered = {} if facts is None else facts.bookings
        returning = {
            one.entry_id
            for one in self.offers.values()
            if one.outcome is None
            and one.slot_id != slot.id
            and one.booking_id in gathered
            and facts is not None
            and gathered[one.booking_id].state_at(facts.now) is State.LAPSED
        }
        refused = {
            one.entry_id for one in self.offers.values() if one.slot_id == slot.id and one.outcome in REFUSED_OFFERS
        }
        return [
            one
            for one in sorted(self.entries.values(), key=lambda one: one.number)
            if (one.state == "waiting" or (one.id in returning and one.missed + 1 < MISSED_MOST))
            and one.id not in refused
            and one.new.band.covers(slot.starts_at)
        ]

    def _waiting(self, one: Entry) -> Waiting:
        return Waiting(
            id=one.id,
            number=one.number,
            account_id=one.account_id,
            party_kind=one.new.party_kind,
            person_ids=one.person_ids,
            declarations={},
            places=one.places,
            service_ids=frozenset(one.new.service_ids),
            band=one.new.band,
            offer_id=self.new_id(),
            reference="",
            passed_over=one.passed_over,
            collecting=one.collecting,
        )

    def _may_serve(self, slot: Slot, now: datetime) -> bool:
        return slot.starts_at > now and not slot.closed and bool(self._line(slot))

    def _serve(self, slot_ids: set[UUID], now: datetime) -> None:
        for slot_id in sorted(slot_ids):
            self.ask([ServeLine(actor=SYSTEM, key=None, slot_id=slot_id)], now)


def _by_system(booking_id: UUID, action: Action) -> Alter:
    return Alter(actor=SYSTEM, key=None, booking_id=booking_id, action=action)


def _looked_at(new: NewEntry) -> Book:
    return Book(
        actor=Actor(new.account_id, "resident"),
        key=None,
        booking_id=new.id,
        reference="",
        account_id=new.account_id,
        slot_id=new.id,
        party_kind=new.party_kind,
        person_ids=new.person_ids,
        declarations={},
        confirm=True,
    )
