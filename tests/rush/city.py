"""A city under a rush: a real database, API processes in front of it, residents with tokens, and their requests."""

import json
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from services.booking.domain.slot import Slot
from shared.db import create_engine
from shared.ids import new_id
from shared.sealing import generate_keys
from shared.tokens import Principal, Signer
from tests import make, world
from tests.rush import apis
from tests.rush.apis import REAL, Api
from tests.world import Resident

CLEAN = {"oversold": 0, "miscounted": 0, "eventless": 0}


@dataclass(slots=True)
class City:
    """What there is; `tokens` by account."""

    engine: AsyncEngine
    apis: list[Api]
    residents: list[Resident]
    tokens: dict[UUID, str]
    slots: int = 0

    @property
    def ports(self) -> list[int]:
        return [api.port for api in self.apis]

    async def new_slot(self, capacity: int) -> Slot:
        """Add a released slot at a time of its own."""
        starts_at = datetime.now(UTC).replace(microsecond=0) + timedelta(days=1, hours=self.slots)
        self.slots += 1
        slot = replace(
            make.slot(capacity=capacity),
            id=new_id(),
            starts_at=starts_at,
            ends_at=starts_at + timedelta(minutes=30),
            bookable_from=starts_at - timedelta(days=30),
            bookable_until=starts_at,
        )
        await world.put_slots(self.engine, slot)
        return slot

    def wish(self, resident: Resident, slot: Slot, *, key: str | None = None, confirm: bool = True) -> bytes:
        """Return a finished request to book."""
        body = {"slot_id": str(slot.id), "people": [str(resident.person_id)], "confirm": confirm}
        return self.request(resident.account_id, "POST", "/api/v1/bookings", body, key=key)

    def request(
        self, account_id: UUID, method: str, path: str, body: dict[str, Any], *, key: str | None = None
    ) -> bytes:
        """Return a finished request of one account."""
        content = json.dumps(body).encode()
        head = (
            f"{method} {path} HTTP/1.1\r\nhost: booking.example\r\ncontent-type: application/json\r\n"
            f'authorization: Bearer {self.tokens[account_id]}\r\nidempotency-key: "{key or uuid4()}"\r\n'
            f"content-length: {len(content)}\r\n\r\n"
        )
        return head.encode() + content

    async def kept(self, slot: Slot) -> set[UUID]:
        """Return the bookings that stand confirmed in a slot."""
        query = text("SELECT id FROM bookings WHERE slot_id = :slot_id AND state = 'confirmed'")
        async with self.engine.connect() as connection:
            return set((await connection.execute(query, {"slot_id": slot.id})).scalars())

    async def accounts_in(self, slot: Slot) -> Counter[UUID]:
        """Count the bookings in a slot, whatever their state, by account."""
        query = text("SELECT account_id FROM bookings WHERE slot_id = :slot_id")
        async with self.engine.connect() as connection:
            return Counter((await connection.execute(query, {"slot_id": slot.id})).scalars())


@asynccontextmanager
async def city(
    url: str, folder: Path, *, people: int, processes: int = 2, which: str = REAL, **settings: str
) -> AsyncIterator[City]:
    """Build it, and run `processes` API processes in front of it; `settings` are environment variables."""
    keys = folder / "keys"
    generate_keys(keys)
    engine = create_engine(url, application_name="test")
    await world.put_catalogue(engine, make.catalogue())
    residents = await world.put_residents(engine, people)
    signer, now = Signer(keys), datetime.now(UTC)
    tokens = {
        one.account_id: signer.issue(Principal(subject=one.account_id, role="resident"), now, timedelta(hours=2))
        for one in residents
    }
    environment = {"BOOKING_DATABASE_URL": url, "YUYUE_KEY_FOLDER": str(keys), **settings}
    async with apis.serving(processes, environment, folder, which) as running:
        yield City(engine, running, residents, tokens)
    await engine.dispose()
