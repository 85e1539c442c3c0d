"""The applications that are measured, each as a uvicorn factory; what they need comes from the environment.

`empty` is what the framework costs; `stub` is the booking API with everything but the database; `real` is the booking
API; `naive` is the same booking as most would write it first, one ORM session and one transaction a request.
"""

import os
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import date, datetime
from typing import Annotated, Any

from fastapi import FastAPI, Header, HTTPException
from pydantic import BaseModel
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker
from sqlalchemy.orm import registry

from services.booking import tables
from services.booking.api.deps import Container
from services.booking.commands.answer import Render
from services.booking.domain.decision import Decisions
from services.booking.domain.event import event_of
from services.booking.domain.facts import Companion, Facts
from services.booking.domain.policy import DocumentType
from services.booking.domain.request import Book, Request
from services.booking.main import create_app
from services.booking.settings import BookingSettings
from services.booking.store.gathering import SLOT_COLUMNS, slot_of
from shared.clock import SettableClock
from shared.db import create_engine
from shared.ids import new_id
from shared.outbox import event_row
from shared.web import Answer
from tests import make

HeaderText = Annotated[str, Header()]


def _settings() -> BookingSettings:
    return BookingSettings(rate_account=0, rate_address=0, rate_sign_in=0)  # the rest from the environment


class _Wish(BaseModel):
    slot_id: uuid.UUID
    people: list[uuid.UUID]
    confirm: bool = False


class _Told(BaseModel):
    id: uuid.UUID
    slot_id: uuid.UUID
    people: list[uuid.UUID]
    state: str
    reference: str
    starts_at: datetime


def empty() -> FastAPI:
    """An idiomatic endpoint with a body, a header and a typed answer, that does nothing."""
    app = FastAPI()

    @app.post("/api/v1/bookings", status_code=201)
    async def book(wish: _Wish, authorization: HeaderText, idempotency_key: HeaderText) -> _Told:
        assert authorization
        assert idempotency_key
        return _Told(
            id=new_id(),
            slot_id=wish.slot_id,
            people=wish.people,
            state="confirmed",
            reference="7Q2M-K4ZD-C",
            starts_at=make.NOW,
        )

    return app


class StubDesk:
    """Decides and renders as the desk does, on facts that it makes up; nothing is gathered and nothing is kept."""

    def __init__(self, parts: Container, slots: dict[uuid.UUID, Any]) -> None:
        self._parts = parts
        self._slots = slots

    async def ask(self, request: Request, render: Render) -> Answer:
        assert isinstance(request, Book)
        slot = self._slots[request.slot_id]
        facts = Facts(now=self._parts.clock(), catalogue=self._parts.catalogue.current, slots={slot.id: slot})
        for person_id in request.person_ids:
            facts.companions[request.account_id, person_id] = Companion(
                person_id=person_id,
                document_type=DocumentType.RESIDENT_IDENTITY_CARD,
                birth_date=date(1990, 1, 1),
                relation="self",
                name_masked="王*",
            )
        decisions = Decisions(facts)
        outcome = decisions.decide(request)
        for change in decisions.changes:
            event_row(event_of(change, facts, new_id()))
        return render(outcome, facts)

    async def close(self) -> None:
        """Nothing waits."""


def real() -> FastAPI:
    """The booking API, at the moment that the world of the measurement stands still at."""
    return create_app(_settings(), SettableClock(make.NOW))


def stub() -> FastAPI:
    """The booking API with the stub for its desk."""
    app = real()
    inner = app.router.lifespan_context

    @asynccontextmanager
    async def lifespan(application: FastAPI) -> AsyncIterator[None]:
        async with inner(application):
            parts: Container = application.state.container
            async with parts.engine.connect() as connection:
                rows = await connection.exec_driver_sql(f"SELECT {SLOT_COLUMNS} FROM slots")
                slots = {row.id: replace(slot_of(row), capacity=1 << 30) for row in rows}
            parts.desk = StubDesk(parts, slots)  # type: ignore[assignment]
            yield

    app.router.lifespan_context = lifespan
    return app


_mapper = registry()


class _Slot:
    """A slot as an ORM entity."""


class _Booking:
    """A booking as an ORM entity."""


class _Claim:
    """A claim as an ORM entity."""


class _Event:
    """An outbox row as an ORM entity."""


_mapper.map_imperatively(_Slot, tables.slots)
_mapper.map_imperatively(_Booking, tables.bookings)
_mapper.map_imperatively(_Claim, tables.claims)
_mapper.map_imperatively(_Event, tables.outbox)


def naive() -> FastAPI:
    """A booking as most would write it first: load the slot FOR UPDATE, check, add, commit; one session a request."""
    engine = create_engine(os.environ["BOOKING_DATABASE_URL"], application_name="naive", pool_size=20)
    session_of = async_sessionmaker(engine, expire_on_commit=False)
    app = FastAPI()

    @app.post("/api/v1/bookings", status_code=201)
    async def book(wish: _Wish, authorization: HeaderText, idempotency_key: HeaderText) -> _Told:
        assert authorization
        assert idempotency_key
        async with session_of() as session, session.begin():
            return await _book(session, wish)

    return app


async def _book(session: AsyncSession, wish: _Wish) -> _Told:
    slot: Any = await session.get(_Slot, wish.slot_id, with_for_update=True)
    if slot.taken >= slot.capacity:
        raise HTTPException(409, "full")
    person_id = wish.people[0]
    query = select(_Claim).where(tables.claims.c.slot_id == slot.id, tables.claims.c.person_id == person_id)
    if (await session.execute(query)).first() is not None:
        raise HTTPException(409, "already booked")
    booking: Any = _Booking()
    booking.id, booking.reference, booking.state, booking.version = new_id(), uuid.uuid4().hex, "confirmed", 1
    booking.service_id, booking.slot_id = slot.service_id, slot.id
    booking.starts_at, booking.ends_at = slot.starts_at, slot.ends_at
    booking.account_id, booking.channel, booking.party_kind = make.RESIDENT, "online", "one_person"
    booking.declarations, booking.extensions = {}, 0
    booking.created_at = booking.changed_at = make.NOW
    claim: Any = _Claim()
    claim.booking_id, claim.slot_id, claim.person_id = booking.id, slot.id, person_id
    claim.position, claim.seats, claim.live = 0, 1, True
    claim.service_id, claim.venue_id, claim.kind = slot.service_id, slot.venue_id, slot.kind
    claim.starts_at, claim.ends_at = slot.starts_at, slot.ends_at
    event: Any = _Event()
    event.id, event.type, event.subject, event.occurred_at = new_id(), "booked", booking.id, make.NOW
    event.data = {"booking_id": str(booking.id), "slot_id": str(slot.id), "version": 1}
    slot.taken += 1
    session.add(booking)
    await session.flush()
    session.add_all([claim, event])
    return _Told(
        id=booking.id,
        slot_id=slot.id,
        people=wish.people,
        state="confirmed",
        reference=booking.reference,
        starts_at=slot.starts_at,
    )
