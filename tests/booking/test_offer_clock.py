"""The clock of an offer, over the real bus: it begins when the notify service says that the message arrived."""

import asyncio
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


def evidence(booking_id: UUID, at: datetime, number: int, *, said: str = "delivered", channel: str = "sms") -> Event:
    data = MessageEvidence(
        message_id=uuid4(),
        booking_id=booking_id,
        booking_version=1,
        kind="waitlist_offer",
        channel=channel,
        evidence=said,
        at=at,
    )
    return Event(id=uuid4(), type=EventType.MESSAGE_EVIDENCE, subject=booking_id, time=at, data=data, number=number)


async def hold_until(city: City, booking_id: UUID) -> datetime:
    async with city.engine.connect() as connection:
        found = text("SELECT hold_until FROM bookings WHERE id = :id")
        until: datetime = (await connection.execute(found, {"id": booking_id})).scalar_one()
        return until


async def test_evidence_that_arrives_over_the_bus_makes_an_offer_longer(booking_url: str, tmp_path: Path) -> None:
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
    assert await hold_until(city, offer) == make.NOW + 30 * MINUTE
    clock.advance(20 * MINUTE)
    running = asyncio.create_task(worker.run(settings, clock))
    bus = await Bus.connect(broker.url, name="notify", source=NOTIFY_SOURCE)
    try:
        await bus.ensure_stream(NOTIFY_STREAM, NOTIFY_SUBJECTS)
        await bus.publish([evidence(offer, clock(), 1), evidence(offer, clock() + 5 * MINUTE, 2)])
        for _ in range(400):
            await asyncio.sleep(0.05)
            if running.done() or await hold_until(city, offer) == make.NOW + 50 * MINUTE:
                break
        assert await hold_until(city, offer) == make.NOW + 50 * MINUTE
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
        await bus.close()
        await city.desk.close()
        await engine.dispose()
        await broker.kill()


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
