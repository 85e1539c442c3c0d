"""A season to be played on: two courts, two rounds over them; the core alone, or commands, desk and worker over PostgreSQL.

The town plays on Tuesdays to Thursdays of two weeks, less a day that is closed; what is opened when, and for whom, is the
town's own. A slot is opened three days before it begins and released to the public a day before.
"""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, datetime, timedelta
from typing import Protocol, TypeVar
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncConnection

from services.booking.commands import seasons
from services.booking.commands.allocating import Allocating
from services.booking.commands.seasons import By
from services.booking.domain import season
from services.booking.domain.booking import Booking
from services.booking.domain.catalogue import Catalogue
from services.booking.domain.plan import Plan
from services.booking.domain.policy import Limit, LimitScope, LimitWindow, PartyKind, SeatUnit
from services.booking.domain.reason import Reason
from services.booking.domain.request import Actor, Book
from services.booking.domain.schedule import slots_of
from services.booking.domain.season import ALLOCATION, Fate, Hour, Occurrence, Ruling, SeasonRound, Step
from services.booking.domain.slot import Slot
from services.booking.store.plan_document import PlanDocument
from services.booking.store.plans import write_plans
from services.booking.store.seasons import SeasonRequest, occurrences_of_round
from shared.refusal import Refused
from tests import make, world
from tests.booking.api.town import closure, plan
from tests.model import town
from tests.model.line import InDatabase, InMemory, LineEngine
from tests.model.queueing import TERMS

COURTS = {"court-1": 1, "court-2": 2}
"""The courts, and how often each is there at one hour."""
FIRST, LAST = date(2026, 11, 24), date(2026, 12, 3)
CLOSED = date(2026, 12, 2)
CLOSES = make.NOW + timedelta(hours=2)
OPENED, RELEASED = timedelta(days=3), timedelta(days=1)
HOURS_A_DAY = 2
"""Of one person, at the venue: another rule that a club's hour may meet."""

ROUNDS = [
    SeasonRound(
        id=UUID(int=70 + number),
        venue_id=make.VENUE,
        service_ids=courts,
        first=FIRST,
        last=LAST,
        opens_at=make.NOW,
        closes_at=CLOSES,
    )
    for number, courts in enumerate([tuple(COURTS), ("court-2",)])
]
"""Two rounds that share a court: an hour given in the one is given."""
STAFF = By(
    actor=Actor(town.account_id(0), "scheduler", frozenset({make.VENUE})), account_id=town.account_id(0), now=make.NOW
)


def plan_of(court: str) -> Plan:
    timed = {"minutes": 30, "capacity": COURTS[court], "starts": ["16:30", "17:00"]}
    window = plan()["windows"][0] | {"days": [{"weekdays": [2, 3, 4]}]}
    document = plan(timed=timed, windows=[window], closures=[closure(CLOSED, CLOSED)])
    return PlanDocument.model_validate(document).plan(court, 1)


def catalogue() -> Catalogue:
    limit = Limit(scope=LimitScope.VENUE, window=LimitWindow.DAY, most=HOURS_A_DAY)
    base = make.catalogue(make.policy(limits=(limit,), waiting=TERMS, seat_unit=SeatUnit.PARTY))
    of_court = base.services["timed-entry"]
    return replace(base, services={court: replace(of_court, id=court) for court in COURTS})


def slots() -> list[Slot]:
    """Every slot of the season, in order of time, as it will be opened."""
    planned = [(court, one) for court in COURTS for one in slots_of(plan_of(court), FIRST, LAST)]
    return [
        replace(
            make.slot(capacity=one.capacity, service_id=court),
            id=UUID(int=300 + number),
            starts_at=one.starts_at,
            ends_at=one.ends_at,
            bookable_from=one.starts_at - RELEASED,
            bookable_until=one.starts_at,
        )
        for number, (court, one) in enumerate(sorted(planned, key=lambda pair: (pair[1].starts_at, pair[0])))
    ]


class SeasonEngine(LineEngine, Protocol):
    """What the machine needs of an engine with request rounds; each of these raises what it refuses."""

    def open_slots(self, opened: Sequence[Slot]) -> None: ...

    def put_rounds(self) -> None: ...

    def ask_for(self, made: SeasonRequest, now: datetime) -> list[Occurrence]: ...

    def rule(self, round_id: UUID, rulings: Mapping[UUID, Ruling], now: datetime) -> None: ...

    def reply(self, round_id: UUID, of: Occurrence, step: Step, now: datetime) -> None: ...

    def commit(self, round_id: UUID, now: datetime) -> None: ...

    def book_due(self, now: datetime) -> None: ...

    def occurrences(self, round_id: UUID) -> list[Occurrence]:
        """Return what there is of a round, who asked first going first."""
        ...


_T = TypeVar("_T")


@dataclass(slots=True)
class SeasonsInDatabase(InDatabase):
    """The commands, the desk and the worker over PostgreSQL."""

    def open_slots(self, opened: Sequence[Slot]) -> None:
        self.database.runner.run(world.put_slots(self.database.engine, *opened))

    def put_rounds(self) -> None:
        async def work(tx: AsyncConnection) -> None:
            await write_plans(tx, map(plan_of, COURTS), "town", make.NOW)
            for one in ROUNDS:
                await seasons.open_round(tx, one, STAFF, self.database.catalogue)

        self._in_one(work)

    def ask_for(self, made: SeasonRequest, now: datetime) -> list[Occurrence]:
        return self._in_one(lambda tx: seasons.ask(tx, made, now))

    def rule(self, round_id: UUID, rulings: Mapping[UUID, Ruling], now: datetime) -> None:
        self._in_one(lambda tx: seasons.rule(tx, round_id, rulings, replace(STAFF, now=now)))

    def reply(self, round_id: UUID, of: Occurrence, step: Step, now: datetime) -> None:
        by = By(actor=Actor(of.account_id, "resident"), account_id=of.account_id, now=now)
        self._in_one(lambda tx: seasons.reply(tx, round_id, of.id, step, by))

    def commit(self, round_id: UUID, now: datetime) -> None:
        self._in_one(lambda tx: seasons.commit(tx, round_id, replace(STAFF, now=now), self.database.catalogue))

    def book_due(self, now: datetime) -> None:
        base = self.database
        base.clock.set(now)
        base.runner.run(Allocating(base.engine, base.desk, base.clock).book_due())

    def occurrences(self, round_id: UUID) -> list[Occurrence]:
        return self._in_one(lambda tx: occurrences_of_round(tx, round_id))

    def _in_one(self, work: Callable[[AsyncConnection], Awaitable[_T]]) -> _T:
        async def transaction() -> _T:
            async with self.database.engine.begin() as tx:
                return await work(tx)

        return self.database.runner.run(transaction())


@dataclass(slots=True)
class SeasonsInMemory(InMemory):
    """The core alone: what the store does with rounds is done to objects."""

    rounds: dict[UUID, SeasonRound] = field(default_factory=dict)
    people: dict[UUID, UUID] = field(default_factory=dict)
    hours: dict[UUID, dict[UUID, Occurrence]] = field(default_factory=dict)
    planned: Mapping[Hour, int] = field(
        default_factory=lambda: {(one.service_id, one.starts_at): one.capacity for one in slots()}
    )

    def open_slots(self, opened: Sequence[Slot]) -> None:
        self.slots.update({one.id: one for one in opened})

    def put_rounds(self) -> None:
        for one in ROUNDS:
            season.check_round(one, make.NOW)
            self.rounds[one.id], self.hours[one.id] = one, {}

    def ask_for(self, made: SeasonRequest, now: datetime) -> list[Occurrence]:
        found = self.rounds[made.round_id]
        found.must_gather(now)
        asked = [(made.series.service_id, starts_at) for starts_at in season.check_series(made.series, found)]
        occurrences = [
            season.asked_for(hour, made.id, made.account_id, self.new_id, is_planned=hour in self.planned)
            for hour in asked
        ]
        mine = {one.request_id for one in self.hours[found.id].values() if one.account_id == made.account_id}
        if len(mine) >= seasons.REQUESTS_MOST:
            raise Refused(Reason.SEASON_REQUEST_INVALID)
        self.people[made.id] = made.person_id
        self.hours[found.id] |= {one.id: one for one in occurrences}
        return occurrences

    def rule(self, round_id: UUID, rulings: Mapping[UUID, Ruling], now: datetime) -> None:
        self.rounds[round_id].must_be_closed(now)
        before = dict(self.hours[round_id])
        try:
            for occurrence_id, ruling in rulings.items():
                self._rule(round_id, season.ruled(self.hours[round_id][occurrence_id], ruling, now))
        except Refused:
            self.hours[round_id] = before
            raise

    def reply(self, round_id: UUID, of: Occurrence, step: Step, now: datetime) -> None:
        reason = season.DECLINED if step is Step.DECLINE else None
        self._rule(round_id, season.ruled(self.hours[round_id][of.id], Ruling(step=step, reason=reason), now))

    def commit(self, round_id: UUID, now: datetime) -> None:
        self.rounds[round_id].must_be_closed(now)
        if self.rounds[round_id].committed_at is None:
            self.hours[round_id] = {key: season.at_commitment(one) for key, one in self.hours[round_id].items()}
            self.rounds[round_id] = replace(self.rounds[round_id], committed_at=now)

    def book_due(self, now: datetime) -> None:
        slot_of = {(one.service_id, one.starts_at): one for one in self.slots.values()}
        due = [
            (one.starts_at, one.id, of_round)
            for of_round, hours in self.hours.items()
            for one in hours.values()
            if one.fate is Fate.ACCEPTED and self.rounds[of_round].committed_at is not None
            if (one.service_id, one.starts_at) in slot_of or one.starts_at <= now
        ]
        for _, occurrence_id, of_round in sorted(due):
            one = self.hours[of_round][occurrence_id]
            self.hours[of_round][occurrence_id] = self._booked(one, slot_of.get((one.service_id, one.starts_at)), now)

    def occurrences(self, round_id: UUID) -> list[Occurrence]:
        return list(self.hours[round_id].values())

    def _rule(self, round_id: UUID, after: Occurrence) -> None:
        in_round = after.hour[0] in self.rounds[round_id].service_ids
        given = sum(
            one.id != after.id and one.fate in season.GIVEN and one.hour == after.hour
            for hours in self.hours.values()
            for one in hours.values()
        )
        season.must_have_room(after, self.planned.get(after.hour, 0) if in_round else 0, given)
        self.hours[round_id][after.id] = after

    def _booked(self, one: Occurrence, slot: Slot | None, now: datetime) -> Occurrence:
        if slot is None:
            return replace(one, fate=Fate.REFUSED, reason=Reason.SLOT_UNKNOWN.value)
        book = Book(
            actor=ALLOCATION,
            key=None,
            booking_id=one.booking_id,
            reference=f"S{one.booking_id.int}",
            account_id=one.account_id,
            slot_id=slot.id,
            party_kind=PartyKind.ONE_PERSON,
            person_ids=(self.people[one.request_id],),
            declarations={},
            confirm=True,
        )
        [outcome] = self.ask([book], now)
        if isinstance(outcome, Booking):
            return replace(one, fate=Fate.BOOKED, reason=None)
        assert isinstance(outcome, Refused)
        return replace(one, fate=Fate.REFUSED, reason=outcome.reason)
