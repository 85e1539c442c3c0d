"""The engine over PostgreSQL: the same game, through the desk and the publication of hours, on one database."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from uuid import UUID

from sqlalchemy import insert, text
from sqlalchemy.ext.asyncio import AsyncEngine

from services.booking import tables
from services.booking.commands.catalogue_cache import CatalogueCache
from services.booking.commands.desk import Desk
from services.booking.domain.booking import Booking
from services.booking.domain.catalogue import Catalogue
from services.booking.domain.decision import Outcome
from services.booking.domain.facts import Facts
from services.booking.domain.opening import OpenedSlot
from services.booking.domain.plan import Charge
from services.booking.domain.request import Request
from services.booking.domain.slot import Slot
from services.booking.store.gathering import BOOKING_COLUMNS, CLAIMS_OF_BOOKING, SLOT_COLUMNS, booking_of, slot_of
from services.booking.store.slots import replace_slots
from shared.clock import SettableClock
from shared.contracts import Words
from shared.web import Answer
from tests import make, world
from tests.model import town
from tests.model.engine import Picture
from tests.model.intent import FAMILIES

_CLEAR = (
    "season_occurrences",
    "season_requests",
    "season_rounds",
    "plans",
    "penalties",
    "strike_annulments",
    "strikes",
    "waitlist_skips",
    "waitlist_offers",
    "waitlist_people",
    "waitlist_wishes",
    "waitlist_entries",
    "waitlist_numbers",
    "history",
    "outbox",
    "walk_ins",
    "claims",
    "bookings",
    "slots",
)
_TOLD = text(
    "SELECT h.booking_id, h.version, h.state FROM history h JOIN outbox o ON o.subject = h.booking_id"
    " AND (o.data ->> 'version')::int = h.version AND o.data ->> 'state' = h.state ORDER BY h.booking_id, h.version"
)

_STRUCK = text(
    "SELECT person_id, act FROM strikes s WHERE NOT EXISTS (SELECT FROM strike_annulments n WHERE n.strike_id = s.id)"
)


@dataclass(slots=True)
class Database:
    """The desk on a database of its own; everything runs in `runner`'s loop."""

    runner: asyncio.Runner
    engine: AsyncEngine
    catalogue: Catalogue = field(default_factory=town.catalogue)
    slots: list[Slot] = field(default_factory=town.slots)
    clock: SettableClock = field(default_factory=lambda: SettableClock(make.NOW))
    published: dict[UUID, Slot] = field(default_factory=dict)
    _desk: Desk | None = None

    @property
    def desk(self) -> Desk:
        if self._desk is None:
            self._desk = Desk(self.engine, CatalogueCache(self.catalogue), self.clock)
            self._desk.chance = lambda: town.CHANCE
        return self._desk

    def settle_in(self) -> None:
        """Write the city and the people."""
        self.runner.run(self._settle_in())

    def begin(self) -> "Database":
        """Begin a new game."""
        self.runner.run(self._begin())
        return self

    def ask(self, requests: Sequence[Request], now: datetime) -> list[Outcome]:
        self.clock.set(now)
        return self.runner.run(self._ask(requests))

    def publish(self, slot: Slot, now: datetime) -> bool:
        return self.runner.run(self._publish(slot, now))

    def look(self) -> Picture:
        return self.runner.run(self.look_now())

    async def _settle_in(self) -> None:
        await world.put_catalogue(self.engine, self.catalogue)
        accounts = [
            {
                "id": town.account_id(number),
                "role": "resident",
                "phone_fingerprint": town.account_id(number).bytes,
                "language": "zh-CN",
                "created_at": make.NOW,
            }
            for number in range(len(FAMILIES))
        ]
        people = [
            {
                "id": town.person_id(number),
                "document_type": "resident_identity_card",
                "document_fingerprint": town.person_id(number).bytes,
                "document_sealed": "sealed",
                "birth_date": date(1990, 1, 1),
                "created_at": make.NOW,
            }
            for number in sorted(set().union(*FAMILIES))
        ]
        families = [
            {
                "account_id": town.account_id(account),
                "person_id": town.person_id(person),
                "relation": "self",
                "name_sealed": "sealed",
                "name_masked": "王*",
                "document_masked": "210***********123X",
                "created_at": make.NOW,
            }
            for account, family in enumerate(FAMILIES)
            for person in sorted(family)
        ]
        async with self.engine.begin() as tx:
            await tx.execute(insert(tables.accounts), accounts)
            await tx.execute(insert(tables.persons), people)
            await tx.execute(insert(tables.account_people), families)

    async def _begin(self) -> None:
        async with self.engine.begin() as tx:
            for name in _CLEAR:
                await tx.execute(text(f"DELETE FROM {name}"))
        self.published = {slot.id: slot for slot in self.slots}
        await world.put_slots(self.engine, *self.published.values())

    async def _ask(self, requests: Sequence[Request]) -> list[Outcome]:
        return await asyncio.gather(*(self._ask_one(request) for request in requests))

    async def _ask_one(self, request: Request) -> Outcome:
        heard: list[Outcome] = []

        def render(outcome: Outcome, _facts: Facts) -> Answer:
            heard.append(outcome)
            return Answer(200, {}, b"")

        await self.desk.ask(request, render)
        return heard[-1]

    async def _publish(self, slot: Slot, now: datetime) -> bool:
        wanted = self.published | {slot.id: slot}
        opened = [_opened(one) for one in wanted.values() if one.service_id == slot.service_id and not one.closed]
        async with self.engine.connect() as tx:
            report = await replace_slots(tx, [slot.service_id], opened, lambda *_: Words("关闭", "Closed"), now)
            if report.stranded:
                await tx.rollback()
                return False
            await tx.commit()
        self.published = wanted
        return True

    async def look_now(self) -> Picture:
        """Return what there is, within the loop."""
        async with self.engine.connect() as connection:
            slots = await connection.execute(text(f"SELECT {SLOT_COLUMNS} FROM slots"))
            bookings = await connection.execute(text(f"SELECT {BOOKING_COLUMNS} FROM bookings b {CLAIMS_OF_BOOKING}"))
            told: dict[UUID, list[tuple[int, str]]] = {}
            for row in await connection.execute(_TOLD):
                told.setdefault(row.booking_id, []).append((row.version, row.state))
            struck = [(row.person_id, row.act) for row in await connection.execute(_STRUCK)]
        found: list[Booking] = [booking_of(row) for row in bookings]
        return Picture({row.id: slot_of(row) for row in slots}, {one.id: one for one in found}, told, struck)


def _opened(slot: Slot) -> OpenedSlot:
    return OpenedSlot(
        service_id=slot.service_id,
        venue_id=slot.venue_id,
        kind=slot.kind,
        district_id=slot.district_id,
        starts_at=slot.starts_at,
        ends_at=slot.ends_at,
        bookable_from=slot.bookable_from,
        bookable_until=slot.bookable_until,
        capacity=slot.capacity,
        kept_counter=slot.kept_counter,
        kept_walk_in=slot.kept_walk_in,
        charge=Charge.FREE,
        label=Words("", ""),
    )
