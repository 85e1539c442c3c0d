"""Events: written beside what they tell of, and read back as the feed's pages, without a lock."""

from services.booking.store.database import Connection, Engine
from services.booking.tables import outbox
from shared.contracts import Event
from shared.feed import read_feed
from shared.outbox import add_events


async def read_events(engine: Engine, after: int, limit: int) -> list[Event]:
    """Return up to `limit` events with numbers above `after`, ascending and without a gap."""
    async with engine.connect() as connection:
        return await read_feed(connection, outbox, after, limit)


async def add_event(tx: Connection, event: Event) -> None:
    """Write an event in the caller's transaction; the relay publishes it after the commit."""
    await add_events(tx, outbox, [event])
