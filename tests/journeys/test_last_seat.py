"""Two people, one last seat, 200 rounds over HTTP against two API servers; and the control that must oversell."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path
from uuid import UUID, uuid4

import pytest
from fastapi import FastAPI
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from services.booking.api.deps import Container
from services.booking.commands.catalogue_cache import CatalogueCache
from services.booking.commands.desk import Desk
from services.booking.main import create_app
from services.booking.settings import BookingSettings
from services.booking.store.locking import LOCK_NOTHING
from shared.clock import SettableClock
from shared.db import create_engine
from shared.http import Client
from shared.sealing import generate_keys
from shared.tokens import Principal
from tests import make, world
from tests.serving import serving

ROUNDS = 200
CONTROL_ROUNDS = 60


@dataclass(frozen=True)
class Rivals:
    """Two residents, each with a connection to an API server of their own."""

    engine: AsyncEngine
    apps: tuple[FastAPI, FastAPI]
    residents: list[world.Resident]
    clients: list[Client]

    async def press(self, which: int, slot_id: UUID) -> int:
        body = {"slot_id": str(slot_id), "people": [str(self.residents[which].person_id)], "confirm": True}
        headers = {"idempotency-key": f'"{uuid4()}"'}
        answer = await self.clients[which].post("/api/v1/bookings", json=body, headers=headers)
        assert answer.status_code in {201, 409}, answer.text
        if answer.status_code == 409:
            assert answer.json()["code"] == "slot_full"
        return answer.status_code

    async def fight(self, rounds: int) -> Counter[tuple[int, ...]]:
        """Count how the rounds ended: the two statuses, sorted."""
        first = make.slot(capacity=1)
        slots = [
            replace(
                make.slot(capacity=1),
                starts_at=first.starts_at + timedelta(hours=number),
                ends_at=first.ends_at + timedelta(hours=number),
                bookable_from=make.NOW,
                bookable_until=first.starts_at + timedelta(hours=number),
            )
            for number in range(rounds)
        ]
        await world.put_slots(self.engine, *slots)
        ends: Counter[tuple[int, ...]] = Counter()
        for slot in slots:
            ends[tuple(sorted(await asyncio.gather(self.press(0, slot.id), self.press(1, slot.id))))] += 1
        return ends


@pytest.fixture
async def rivals(booking_url: str, tmp_path: Path) -> AsyncIterator[Rivals]:
    generate_keys(tmp_path)
    settings = BookingSettings(database_url=booking_url, key_folder=tmp_path, rate_account=0, rate_address=0)
    clock = SettableClock(make.NOW)
    async with AsyncExitStack() as stack:
        engine = create_engine(booking_url, application_name="test")
        stack.push_async_callback(engine.dispose)
        await world.put_catalogue(engine, make.catalogue())
        residents = await world.put_residents(engine, 2)
        apps = create_app(settings, clock), create_app(settings, clock)
        clients = []
        for app, resident in zip(apps, residents, strict=True):
            address = await stack.enter_async_context(serving(app))
            client = await stack.enter_async_context(Client(base_url=address))
            parts: Container = app.state.container
            until = make.NOW + timedelta(hours=1)
            principal = Principal(subject=resident.account_id, role="resident", venues=frozenset(), expires_at=until)
            token = parts.signer.issue(principal, make.NOW, timedelta(hours=1))
            client.headers["authorization"] = f"Bearer {token}"
            clients.append(client)
        yield Rivals(engine, apps, residents, clients)


async def test_exactly_one_is_confirmed_each_time(rivals: Rivals) -> None:
    assert await rivals.fight(ROUNDS) == {(201, 409): ROUNDS}
    assert await world.audit(rivals.engine) == {"oversold": 0, "miscounted": 0, "eventless": 0}


async def test_the_control_oversells_with_the_lock_taken_out(rivals: Rivals) -> None:
    """With neither the lock nor the constraint behind it, the same fight must go wrong: else it proves nothing."""
    async with rivals.engine.begin() as tx:
        await tx.execute(text("ALTER TABLE slots DROP CONSTRAINT ck_slots_never_above_capacity"))
    for app in rivals.apps:
        parts: Container = app.state.container
        parts.desk = Desk(rivals.engine, CatalogueCache(make.catalogue()), parts.clock, lock=LOCK_NOTHING)
    ends = await rivals.fight(CONTROL_ROUNDS)
    assert ends[201, 201] > 0, "without any guard both should have been confirmed at least once"
    assert (await world.audit(rivals.engine))["oversold"] == ends[201, 201]
