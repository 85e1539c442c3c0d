"""The feed's page, read from the outbox without a lock."""

from services.booking.store.database import Engine
from services.booking.tables import outbox
from shared.contracts import Event
from shared.feed import read_feed


async def read_events(engine: Engine, after: int, limit: int) -> list[Event]:
    """Return up to `limit` events with numbers above `after`, ascending and without a gap."""
    async with engine.connect() as connection:
        return await read_feed(connection, outbox, after, limit)
