"""The booking worker: publishes what was written, and does what becomes due.

Any number of workers may run on one database. Everything due lives in tables, so one that is killed loses nothing, and
another, or its successor, goes on where it stopped.
"""

import contextlib
from datetime import timedelta

from services.booking import tables
from services.booking.commands import strikes
from services.booking.commands.allocating import Allocating
from services.booking.commands.catalogue import open_slots
from services.booking.commands.catalogue_cache import CatalogueCache
from services.booking.commands.desk import Desk
from services.booking.commands.draw_by_policy import open_rounds
from services.booking.commands.drawing import Drawing
from services.booking.commands.release_watches import Reminding
from services.booking.commands.waiting import WaitingList
from services.booking.consume import handle
from services.booking.settings import BookingSettings
from services.booking.store.catalogue import read_catalogue
from services.booking.store.database import Engine
from services.booking.sweeps import Sweeps
from shared.bus import Bus
from shared.clock import Clock, system_clock
from shared.contracts import BOOKING_SOURCE, BOOKING_STREAM, BOOKING_SUBJECTS, NOTIFY_STREAM, NOTIFY_SUBJECTS
from shared.db import assert_durable, create_engine, wait_until_ready
from shared.feed import feed_reader
from shared.http import Client
from shared.inbox import Consumer
from shared.outbox import Relay
from shared.sealing import FEED_TOKEN, load_secret
from shared.ticker import Ticker

RELAY_SECONDS = 0.1
LAPSE_SECONDS = 1.0
END_SECONDS = 60.0
DRAW_SECONDS = 1.0
ALLOCATE_SECONDS = 10.0
LINE_SECONDS = 1.0
CATCH_UP_SECONDS = 5.0
HOURLY_SECONDS = 3600.0
READY_SECONDS = 60.0
SOURCE = "notify"
DURABLE = "booking"
FEED_PATH = "/api/v1/events"
EVENTS_AT_ONCE = 200

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
        bus_of_notify, hearing = await _hearing(stack, settings, engine, clock)

        async def tell_of_ended_bars() -> None:
            await strikes.tell_of_ended_bars(engine, cache, clock)

        async def open_draws() -> None:
            await open_rounds(engine, cache, clock)

        ticker = Ticker(clock)
        ticker.every(RELAY_SECONDS, relay.drain, "relay")
        ticker.every(LAPSE_SECONDS, sweeps.lapse_holds, "lapse_holds")
        ticker.every(END_SECONDS, sweeps.end_visits, "end_visits")
        ticker.every(DRAW_SECONDS, drawing.settle_due, "settle_draws")
        ticker.every(END_SECONDS, open_draws, "open_draws")
        ticker.every(END_SECONDS, Reminding(engine, cache, clock).remind, "remind_of_releases")
        ticker.every(END_SECONDS, tell_of_ended_bars, "tell_of_ended_bars")
        ticker.every(LINE_SECONDS, waiting.tend, "tend_waiting_list")
        ticker.every(CATCH_UP_SECONDS, hearing.catch_up_once, "catch_up")
        ticker.every(ALLOCATE_SECONDS, Allocating(engine, desk, clock).book_due, "book_allocated_hours")
        ticker.every(HOURLY_SECONDS, sweeps.forget, "forget")
        ticker.every(HOURLY_SECONDS, waiting.forget, "forget_skips")
        _look_ahead_and_back(ticker, engine, relay, clock)
        ticker.start()
        stack.push_async_callback(ticker.stop)
        await bus_of_notify.consume(DURABLE, EVENTS_AT_ONCE, hearing.accept)


def _look_ahead_and_back(ticker: Ticker, engine: Engine, relay: Relay, clock: Clock) -> None:
    """Open slots as the horizon moves on, and forget events that every reader has long had."""

    async def open_ahead() -> None:
        await open_slots(engine, clock())

    async def prune_events() -> None:
        await relay.prune(clock() - KEEP_EVENTS)

    ticker.every(HOURLY_SECONDS, open_ahead, "open_slots")
    ticker.every(HOURLY_SECONDS, prune_events, "prune_events")


async def _hearing(
    stack: contextlib.AsyncExitStack, settings: BookingSettings, engine: Engine, clock: Clock
) -> tuple[Bus, Consumer]:
    """Return where the notify service is heard, over a connection of its own, and what hears it.

    The bus brings events at once; the feed, asked every few seconds, brings whatever the bus did not.
    """
    bus = await Bus.connect(settings.nats_url, name="booking-hearing", monitor_url=settings.nats_monitor_url)
    stack.push_async_callback(bus.close)
    await bus.ensure_stream(NOTIFY_STREAM, NOTIFY_SUBJECTS)
    client = await stack.enter_async_context(Client())
    feed_token = load_secret(settings.key_folder, FEED_TOKEN)
    consumer = Consumer(
        engine=engine,
        inbox=tables.inbox,
        position=tables.position,
        dead_event=tables.dead_events,
        source=SOURCE,
        handle=handle,
        catch_up=feed_reader(client, f"{settings.notify_url}{FEED_PATH}", feed_token),
        clock=clock,
    )
    return bus, consumer
