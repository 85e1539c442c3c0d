"""The clock of an offer, over the real bus: it begins when the notify service says that the message arrived."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from uuid import UUID, uuid4

import pytest
from sqlalchemy import text

from services.booking import worker
from services.booking.commands.catalogue_cache import CatalogueCache
from services.booking.commands.desk import Desk
from services.booking.consume import handle
from services.booking.settings import BookingSettings
from shared.bus import Bus
from shared.clock import SettableClock
from shared.contracts import NOTIFY_SOURCE, NOTIFY_STREAM, NOTIFY_SUBJECTS, Event, EventType, MessageEvidence
from shared.db import create_engine
from shared.sealing import generate_keys
from tests import make, world
from tests.booking.test_desk import City
from tests.booking.test_waitlist import CATALOGUE, MINUTE, filled, give_back, offer_of, waits
from tests.shared.servers import Broker


def evidence(
    booking_id: UUID,
    at: datetime,
    number: int,
    *,
    said: str = "delivered",
    channel: str = "sms",
    answer: str | None = None,
) -> Event:
    data = MessageEvidence(
        message_id=uuid4(),
        booking_id=booking_id,
        booking_version=1,
        kind="waitlist_offer",
        channel=channel,
        evidence=said,
        at=at,
        answer=answer,
    )
    return Event(id=uuid4(), type=EventType.MESSAGE_EVIDENCE, subject=booking_id, time=at, data=data, number=number)


async def hold_until(city: City, booking_id: UUID) -> datetime:
    async with city.engine.connect() as connection:
        found = text("SELECT hold_until FROM bookings WHERE id = :id")
        until: datetime = (await connection.execute(found, {"id": booking_id})).scalar_one()
        return until


@dataclass(slots=True)
class Offered:
    """A city whose worker runs, somebody in it to whom a place is offered, and the bus on which notify speaks."""

    city: City
    clock: SettableClock
    offer: UUID
    bus: Bus
    running: "asyncio.Task[None]"

    async def becomes(self, wanted: Callable[[], Awaitable[bool]]) -> bool:
        """Return whether `wanted` becomes true while the worker runs."""
        for _ in range(400):
            if await wanted():
                return True
            if self.running.done():
                break
            await asyncio.sleep(0.05)
        return False

    async def state(self) -> str:
        async with self.city.engine.connect() as connection:
            found = await connection.execute(text("SELECT state FROM bookings WHERE id = :id"), {"id": self.offer})
            state: str = found.scalar_one()
            return state


@pytest.fixture
async def offered(booking_url: str, tmp_path: Path) -> AsyncIterator[Offered]:
    broker = Broker(tmp_path / "nats")
    await broker.start()
    generate_keys(tmp_path / "keys")
    settings = BookingSettings(
        database_url=booking_url,
        key_folder=tmp_path / "keys",
        nats_url=broker.url,
        nats_monitor_url=broker.monitor_url,
        notify_url="http://127.0.0.1:9",
    )
    engine = create_engine(booking_url, application_name="test", pool_size=5)
    await world.put_catalogue(engine, CATALOGUE)
    clock = SettableClock(make.NOW)
    city = City(engine, clock, Desk(engine, CatalogueCache(CATALOGUE), clock))
    _, booked, (one,) = await filled(city, 1, 1)
    entry = await waits(city, one)
    await give_back(city, booked[0])
    offer = await offer_of(city, entry)
    running = asyncio.create_task(worker.run(settings, clock))
    bus = await Bus.connect(broker.url, name="notify", source=NOTIFY_SOURCE)
    try:
        await bus.ensure_stream(NOTIFY_STREAM, NOTIFY_SUBJECTS)
        yield Offered(city, clock, offer, bus, running)
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
        await bus.close()
        await city.desk.close()
        await engine.dispose()
        await broker.kill()


async def test_evidence_that_arrives_over_the_bus_makes_an_offer_longer(offered: Offered) -> None:
    city, clock, offer = offered.city, offered.clock, offered.offer
    assert await hold_until(city, offer) == make.NOW + 30 * MINUTE
    clock.advance(20 * MINUTE)
    await offered.bus.publish([evidence(offer, clock(), 1), evidence(offer, clock() + 5 * MINUTE, 2)])

    async def longer() -> bool:
        return await hold_until(city, offer) == make.NOW + 50 * MINUTE

    assert await offered.becomes(longer)


async def test_a_yes_by_text_message_takes_the_offer_and_looking_at_it_does_not(offered: Offered) -> None:
    """The reply came in at the notify service, which says so on the bus; nobody touches the booking service's API."""
    offer, bus = offered.offer, offered.bus
    await bus.publish([evidence(offer, offered.clock(), 1, said="acted", channel="web_push")])

    async def heard() -> bool:
        async with offered.city.engine.connect() as connection:
            found = await connection.execute(text("SELECT heard IS NOT NULL FROM waitlist_offers"))
            return bool(found.scalar_one())

    assert await offered.becomes(heard)
    assert await offered.state() == "held", "whoever follows a link has not agreed to anything"
    await bus.publish([evidence(offer, offered.clock(), 2, said="acted", answer="yes")] * 2)

    async def confirmed() -> bool:
        return await offered.state() == "confirmed"

    assert await offered.becomes(confirmed)
    async with offered.city.engine.connect() as connection:
        query = text(
            "SELECT w.outcome, h.actor_role, h.actor_id = e.account_id AS theirs FROM waitlist_offers w"
            " JOIN waitlist_entries e ON e.id = w.entry_id"
            " JOIN history h ON h.booking_id = w.booking_id AND h.state = 'confirmed'"
        )
        assert [tuple(row) for row in await connection.execute(query)] == [("accepted", "resident", True)]


async def test_a_yes_that_comes_too_late_is_asked_for_once_and_takes_nothing(offered: Offered) -> None:
    offered.clock.advance(2 * 60 * MINUTE)
    await offered.bus.publish([evidence(offered.offer, offered.clock(), 1, said="acted", answer="yes")])

    async def over() -> bool:
        return await offered.state() not in {"held", "confirmed"}

    assert await offered.becomes(over)


@pytest.mark.parametrize(
    ("said", "channel", "counts"),
    [
        ("accepted", "sms", False),
        ("delivered", "sms", True),
        ("delivered", "in_app", False),
        ("shown", "in_app", True),
        ("failed", "email", False),
    ],
)
async def test_what_says_that_a_message_arrived(booking_url: str, said: str, channel: str, counts: bool) -> None:
    engine = create_engine(booking_url, application_name="test", pool_size=2)
    booking_id, heard_at = uuid4(), make.NOW + timedelta(minutes=3)
    offers = text(
        "INSERT INTO waitlist_offers (booking_id, entry_id, slot_id, made_at, until) VALUES (:id, :id, :id, :now, :now)"
    )
    async with engine.begin() as tx:
        await tx.execute(
            text("ALTER TABLE waitlist_offers DROP CONSTRAINT fk_waitlist_offers_entry_id_waitlist_entries")
        )
        await tx.execute(offers, {"id": booking_id, "now": make.NOW})
        await handle(tx, evidence(booking_id, heard_at, 1, said=said, channel=channel))
        await handle(tx, evidence(uuid4(), heard_at, 2, said=said, channel=channel))
        found = (await tx.execute(text("SELECT delivered_at FROM waitlist_offers"))).scalar_one()
    assert found == (heard_at if counts else None)
    await engine.dispose()
