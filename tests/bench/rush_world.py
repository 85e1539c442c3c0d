"""The world that is measured in: slots and residents in a real database, and finished requests to book them."""

import json
import random
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path
from uuid import UUID, uuid4

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from services.booking.domain.slot import Slot
from shared.tokens import Principal, Signer
from tests import make, world
from tests.world import Resident

SLOTS = 10_000
ACCOUNTS = 2_000
PEOPLE_OF_EACH = 10
"""Residents book for their families; a token is verified when it is first seen and remembered until it ends."""


@dataclass(frozen=True, slots=True)
class Town:
    """What there is to book, and who books it."""

    engine: AsyncEngine
    slots: list[Slot]
    residents: list[Resident]
    tokens: list[str]

    def requests(self, count: int, slots: list[Slot], seed: int) -> Iterator[bytes]:
        """Return finished requests: resident after resident, each for one of `slots`, never the same pair twice."""
        order = random.Random(seed).sample(range(len(self.residents)), len(self.residents))
        stride = random.Random(seed).randrange(len(slots))
        for number in range(count):
            resident = order[number % len(order)]
            slot = slots[(number // len(order) + resident * 7 + stride) % len(slots)]
            yield self._request(resident, slot.id)

    def _request(self, resident: int, slot_id: UUID) -> bytes:
        one = self.residents[resident]
        body = json.dumps({"slot_id": str(slot_id), "people": [str(one.person_id)], "confirm": True}).encode()
        head = (
            "POST /api/v1/bookings HTTP/1.1\r\nhost: booking.example\r\ncontent-type: application/json\r\n"
            f'authorization: Bearer {self.tokens[resident]}\r\nidempotency-key: "{uuid4()}"\r\n'
            f"content-length: {len(body)}\r\n\r\n"
        )
        return head.encode() + body

    async def new_slot(self, capacity: int) -> Slot:
        """Add one slot at a time of its own."""
        last = max(self.slots, key=lambda slot: slot.starts_at)
        slot = _slot_at(last, minutes=1 + random.randrange(10_000), capacity=capacity)
        await world.put_slots(self.engine, slot)
        return slot

    async def count_bookings(self) -> int:
        """Return how many bookings there are."""
        async with self.engine.connect() as connection:
            count: int = (await connection.execute(text("SELECT count(*) FROM bookings"))).scalar_one()
        return count

    async def deadlocks(self) -> int:
        """Return how often transactions of this database have waited for each other in a circle."""
        query = text("SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()")
        async with self.engine.connect() as connection:
            count: int = (await connection.execute(query)).scalar_one()
        return count

    async def reset(self) -> None:
        """Take every booking back, so that each run begins with the same tables, and without what this leaves behind."""
        async with self.engine.begin() as tx:
            await tx.execute(text("TRUNCATE history, outbox, idempotency, claims, bookings CASCADE"))
            await tx.execute(text("UPDATE slots SET taken = 0 WHERE taken > 0"))
        async with self.engine.connect() as connection:
            alone = await connection.execution_options(isolation_level="AUTOCOMMIT")
            await alone.execute(text("VACUUM slots"))


def _slot_at(first: Slot, minutes: int, capacity: int) -> Slot:
    starts_at = first.starts_at + timedelta(minutes=minutes)
    return replace(
        first,
        id=uuid4(),
        starts_at=starts_at,
        ends_at=starts_at + timedelta(minutes=1),
        bookable_from=make.NOW - timedelta(days=1),
        bookable_until=starts_at,
        capacity=capacity,
    )


async def _families(engine: AsyncEngine) -> list[Resident]:
    """Put accounts that book for several people each."""
    heads = await world.put_residents(engine, ACCOUNTS)
    others = await world.put_residents(engine, ACCOUNTS * (PEOPLE_OF_EACH - 1))
    async with engine.begin() as tx:
        for number, head in enumerate(heads):
            family = others[number :: len(heads)]
            await tx.execute(
                text("UPDATE account_people SET account_id = :head WHERE person_id = ANY(:people)"),
                {"head": head.account_id, "people": [one.person_id for one in family]},
            )
    moved = [Resident(heads[number % len(heads)].account_id, one.person_id) for number, one in enumerate(others)]
    return [*heads, *moved]


async def build(engine: AsyncEngine, key_folder: Path) -> Town:
    """Fill the database: slots of a minute each, residents with one person each, tokens."""
    await world.put_catalogue(engine, make.catalogue())
    first = make.slot()
    slots = [_slot_at(first, minutes=number, capacity=1 << 20) for number in range(SLOTS)]
    await world.put_slots(engine, *slots)
    residents = await _families(engine)
    signer = Signer(key_folder)
    token_of = {
        account_id: signer.issue(Principal(subject=account_id, role="resident"), make.NOW, timedelta(hours=12))
        for account_id in dict.fromkeys(one.account_id for one in residents)
    }
    tokens = [token_of[one.account_id] for one in residents]
    async with engine.connect() as connection:
        await connection.execution_options(isolation_level="AUTOCOMMIT")
        await connection.execute(text("VACUUM ANALYZE"))
    return Town(engine, slots, residents, tokens)
