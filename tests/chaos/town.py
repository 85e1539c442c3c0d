"""Residents of the running city who book, come what may, and what is known of it afterwards."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

from sqlalchemy import text, update
from sqlalchemy.ext.asyncio import AsyncEngine

from services.booking import tables
from shared.contracts import Contact
from shared.db import create_engine
from shared.http import Client, HttpError
from shared.sealing import Vault
from shared.tokens import Principal, Signer
from tests import world
from tests.running import System
from tests.world import Resident

_FREE = text(
    "SELECT s.id FROM slots s JOIN services v ON v.id = s.service_id WHERE s.kind = 'museum' AND s.is_open"
    " AND s.bookable_from <= now() AND s.bookable_until > now() + interval '1 hour' AND s.capacity >= 10"
    " ORDER BY s.starts_at, s.id LIMIT 200"
)


@dataclass(slots=True)
class Town:
    """People with accounts and mailboxes, and the answers that they were given."""

    system: System
    booking: AsyncEngine
    notify: AsyncEngine
    residents: list[Resident]
    signer: Signer
    slots: list[UUID]
    acknowledged: dict[UUID, dict[str, Any]] = field(default_factory=dict)
    """Bookings that the API has said to be confirmed, by account."""

    async def book(self, client: Client, resident: Resident, slot_id: UUID) -> None:
        """Ask until there is an answer, always with the same key: what a good client does when nothing comes back."""
        now = datetime.now(UTC)
        principal = Principal(subject=resident.account_id, role="resident")
        headers = {
            "authorization": f"Bearer {self.signer.issue(principal, now, timedelta(hours=2))}",
            "idempotency-key": f'"{uuid4()}"',
        }
        body = {"slot_id": str(slot_id), "people": [str(resident.person_id)], "confirm": True}
        for _ in range(600):
            try:
                answer = await client.post("/api/v1/bookings", json=body, headers=headers)
            except HttpError:
                await asyncio.sleep(0.1)
                continue
            if answer.status_code == 201:
                self.acknowledged[resident.account_id] = answer.json()
                return
            assert answer.status_code == 503, answer.text
            await asyncio.sleep(0.1)
        raise AssertionError("no answer in a minute")

    async def keep_booking(self, residents: list[Resident], every: float) -> None:
        """Let one resident after another begin to book, `every` seconds."""
        async with Client(base_url=self.system.urls["booking"], timeout=5.0) as client, asyncio.TaskGroup() as group:
            for number, resident in enumerate(residents):
                group.create_task(self.book(client, resident, self.slots[number % len(self.slots)]))
                await asyncio.sleep(every)

    async def counts(self, engine: AsyncEngine, query: str) -> dict[UUID, int]:
        """Return what a query counts, by its first column."""
        async with engine.connect() as connection:
            return {row[0]: row[1] for row in await connection.execute(text(query))}

    async def until_told(self, kind: str, accounts: set[UUID], seconds: float) -> None:
        """Return when every account has a message of `kind` in its inbox."""
        query = f"SELECT account_id, count(*) FROM inbox_messages WHERE kind = '{kind}' GROUP BY 1"
        missing = accounts
        for _ in range(int(seconds * 5)):
            missing = accounts - set(await self.counts(self.notify, query))
            if not missing:
                return
            await asyncio.sleep(0.2)
        raise AssertionError(f"{len(missing)} of {len(accounts)} never had their {kind}")

    def mails(self) -> list[str]:
        """Return the mails in the sink, headers and all."""
        return [path.read_text(errors="replace") for path in sorted((self.system.data / "mail").glob("*.eml"))]


@asynccontextmanager
async def town(system: System, people: int) -> AsyncIterator[Town]:
    """Move `people` residents into the running city, each with a mailbox."""
    keys: Path = system.data / "keys"
    booking = create_engine(system.urls["booking_database"], application_name="chaos")
    notify = create_engine(system.urls["notify_database"], application_name="chaos")
    residents = await world.put_residents(booking, people)
    vault = Vault(keys)
    async with booking.begin() as tx:
        for number, resident in enumerate(residents):
            contact = Contact(phone=None, email=f"resident-{number}@dalian.test", name=None, language="zh-CN")
            account = tables.accounts.c.id == resident.account_id
            await tx.execute(update(tables.accounts).where(account).values(contact=vault.seal_for_notify(contact)))
        slots = list((await tx.execute(_FREE)).scalars())
    assert slots, "nothing can be booked now"
    yield Town(system, booking, notify, residents, Signer(keys), slots)
    await booking.dispose()
    await notify.dispose()
