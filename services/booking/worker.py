"""The booking worker: publishes what was written, and does what becomes due.

Any number of workers may run on one database. Everything due lives in tables, so one that is killed loses nothing, and
another, or its successor, goes on where it stopped.
"""

import asyncio
import contextlib
from datetime import timedelta

from services.booking import tables
from services.booking.commands import strikes
from services.booking.commands.catalogue import open_slots
from services.booking.commands.catalogue_cache import CatalogueCache
from services.booking.commands.desk import Desk
from services.booking.commands.drawing import Drawing
from services.booking.commands.waiting import WaitingList
from services.booking.settings import BookingSettings
from services.booking.store.catalogue import read_catalogue
from services.booking.sweeps import Sweeps
from shared.bus import Bus
from shared.clock import Clock, system_clock
from shared.contracts import BOOKING_SOURCE, BOOKING_STREAM, BOOKING_SUBJECTS
from shared.db import assert_durable, create_engine, wait_until_ready
from shared.outbox import Relay
from shared.ticker import Ticker

RELAY_SECONDS = 0.1
LAPSE_SECONDS = 1.0
END_SECONDS = 60.0
DRAW_SECONDS = 1.0
LINE_SECONDS = 1.0
HOURLY_SECONDS = 3600.0
READY_SECONDS = 60.0

KEEP_EVENTS = timedelta(days=90)
"""For so long the feed can be read back; no reader may be away for longer."""


async def run(settings: BookingSettings, clock: Clock = system_clock) -> None:
    """Work until cancelled.

    Raises:
        shared.db.NotDurable, shared.broker.BrokerNotDurable: PostgreSQL or NATS may lose what they acknowledge; the
            message says what to change.
    """
    async with contextlib.AsyncExitStack() as stack:
        engine = create_engine(settings.database_url, application_name="booking-worker")
        stack.push_async_callback(engine.dispose)
        await wait_until_ready(engine, READY_SECONDS)
        await assert_durable(engine)
        bus = await Bus.connect(
            settings.nats_url, name="booking-worker", source=BOOKING_SOURCE, monitor_url=settings.nats_monitor_url
        )
        stack.push_async_callback(bus.close)
        await bus.ensure_stream(BOOKING_STREAM, BOOKING_SUBJECTS)
        await bus.assert_durable()
        async with engine.connect() as connection:
            cache = CatalogueCache(await read_catalogue(connection))
        desk = Desk(engine, cache, clock)
        stack.push_async_callback(desk.close)
        sweeps, relay = Sweeps(engine, desk, clock), Relay(engine, tables.outbox, tables.relay, bus)

        drawing, waiting = Drawing(engine, desk, clock), WaitingList(engine, desk, clock)

        async def tell_of_ended_bars() -> None:
            await strikes.tell_of_ended_bars(engine, cache, clock)

        async def open_ahead() -> None:
            await open_slots(engine, clock())

        async def prune_events() -> None:
            await relay.prune(clock() - KEEP_EVENTS)

        ticker = Ticker(clock)
        ticker.every(RELAY_SECONDS, relay.drain, "relay")
        ticker.every(LAPSE_SECONDS, sweeps.lapse_holds, "lapse_holds")
        ticker.every(END_SECONDS, sweeps.end_visits, "end_visits")
        ticker.every(DRAW_SECONDS, drawing.settle_due, "settle_draws")
        ticker.every(END_SECONDS, tell_of_ended_bars, "tell_of_ended_bars")
        ticker.every(LINE_SECONDS, waiting.tend, "tend_waiting_list")
        ticker.every(HOURLY_SECONDS, open_ahead, "open_slots")
        ticker.every(HOURLY_SECONDS, sweeps.forget, "forget")
        ticker.every(HOURLY_SECONDS, prune_events, "prune_events")
        ticker.start()
        stack.push_async_callback(ticker.stop)
        await asyncio.Event().wait()
