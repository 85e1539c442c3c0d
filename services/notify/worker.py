"""The notify worker: hears what happens, plans what to say, and says it when it is due.

Any number of workers may run on one database. Everything due lives in tables, so one that is killed loses nothing. The
bus brings events at once; the feed, asked every two seconds, brings whatever the bus did not.
"""

import contextlib
import functools
import logging
import secrets
from datetime import timedelta
from typing import Any

from services.notify import tables
from services.notify.channels.webhook import WebhookCall
from services.notify.compose import Composer, Unsubscribing
from services.notify.consume import Planner
from services.notify.deliver import Delivery, Pace
from services.notify.domain.message import Channel
from services.notify.domain.planning import Rules
from services.notify.doubts import Doubts
from services.notify.partners import Partners
from services.notify.renderer import load_templates
from services.notify.settings import NotifySettings
from services.notify.store import receipts
from services.notify.store.database import Engine
from services.notify.store.retention import Keep
from services.notify.sweeps import Notary, Retention
from services.notify.watch import Watch
from services.notify.ways import Means, lease, ways_out
from shared.bus import Bus
from shared.clock import Clock, system_clock
from shared.contracts import BOOKING_STREAM, BOOKING_SUBJECTS, NOTIFY_SOURCE, NOTIFY_STREAM, NOTIFY_SUBJECTS
from shared.db import assert_durable, create_engine, wait_until_ready
from shared.feed import feed_reader
from shared.http import Client
from shared.inbox import Consumer
from shared.links import LinkSigner
from shared.outbox import Relay
from shared.sealing import FEED_TOKEN, Opener, load_secret
from shared.strongbox import Strongbox
from shared.ticker import Ticker

_log = logging.getLogger(__name__)

SOURCE = "booking"
DURABLE = "notify"
FEED_PATH = "/api/v1/events"
EVENTS_AT_ONCE = 200
DELIVER_SECONDS = 0.25
CATCH_UP_SECONDS = 2.0
RELAY_SECONDS = 0.1
HOURLY_SECONDS = 3600.0
DOUBT_SECONDS = 1.0
PARTNER_SECONDS = 0.5
JUDGE_SECONDS = 5.0
RETENTION_SECONDS = 600.0
NOTARY_SECONDS = 2.0
READY_SECONDS = 60.0

KEEP_RECEIPTS = timedelta(days=7)
"""For so long a receipt is known as a repetition, and waits for the outcome that it belongs to."""

KEEP_EVENTS = timedelta(days=90)
"""For so long our own feed can be read back; no reader may be away for longer."""


async def run(settings: NotifySettings, clock: Clock = system_clock) -> None:
    """Work until cancelled.

    Raises:
        shared.db.NotDurable, shared.broker.BrokerNotDurable: PostgreSQL or NATS may lose what they acknowledge; the
            message says what to change.
        services.notify.renderer.TemplateFault: a template is not fit to be used.
        shared.sealing.KeysMissing: the key folder lacks a key.
    """
    opener = Opener(settings.key_folder)
    feed_token = load_secret(settings.key_folder, FEED_TOKEN)
    async with contextlib.AsyncExitStack() as stack:
        engine = create_engine(
            settings.database_url, application_name="notify-worker", pool_size=settings.database_connections
        )
        stack.push_async_callback(engine.dispose)
        await wait_until_ready(engine, READY_SECONDS)
        await assert_durable(engine)
        bus = await Bus.connect(settings.nats_url, name="notify-worker", monitor_url=settings.nats_monitor_url)
        stack.push_async_callback(bus.close)
        await bus.ensure_stream(BOOKING_STREAM, BOOKING_SUBJECTS)
        await bus.assert_durable()
        client = await stack.enter_async_context(Client())
        consumer = Consumer(
            engine=engine,
            inbox=tables.inbox,
            position=tables.position,
            dead_event=tables.dead_events,
            source=SOURCE,
            handle=_planner(settings, opener, clock).handle,
            catch_up=feed_reader(client, f"{settings.booking_url}{FEED_PATH}", feed_token),
            clock=clock,
        )
        delivery = _delivery(settings, opener, engine, client, clock)
        ticker = ticks(consumer, delivery, clock)
        tell(ticker, await _relay(stack, settings, engine), engine, clock)
        tell_partners(ticker, settings, delivery, client)
        keep_house(ticker, delivery, settings)
        ticker.start()
        stack.push_async_callback(ticker.stop)
        stack.callback(delivery.stop)
        await bus.consume(DURABLE, EVENTS_AT_ONCE, consumer.accept)


def _delivery(settings: NotifySettings, opener: Opener, engine: Engine, client: Client, clock: Clock) -> Delivery:
    templates = load_templates(sms_codes=settings.sms_template_codes)
    unsubscribing = Unsubscribing(LinkSigner(settings.key_folder), settings.public_url)
    composer = Composer(templates, opener, unsubscribing, settings.help_phone)
    means = Means(settings=settings, composer=composer, engine=engine, client=client, clock=clock)
    return Delivery(
        engine=engine,
        composer=composer,
        routes=ways_out(means),
        clock=clock,
        chance=secrets.SystemRandom().random,
        pace=Pace(lease=lease(settings)),
    )


def ticks(consumer: Consumer, delivery: Delivery, clock: Clock) -> Ticker:
    """Return the metronome: each channel delivers by its own tick, so that one that hangs holds up no other."""
    ticker = Ticker(clock)
    watch = Watch(delivery.engine, clock, DELIVER_SECONDS / 2)
    for channel in Channel:
        ticker.every(DELIVER_SECONDS, _drain(delivery, watch, channel), f"deliver_{channel.value}")
    ticker.every(CATCH_UP_SECONDS, consumer.catch_up_once, "catch_up")
    return ticker


async def _relay(stack: contextlib.AsyncExitStack, settings: NotifySettings, engine: Engine) -> Relay:
    """Return what publishes our own events, over a connection of its own: a bus consumes from one stream only."""
    bus = await Bus.connect(settings.nats_url, name="notify-relay", source=NOTIFY_SOURCE)
    stack.push_async_callback(bus.close)
    await bus.ensure_stream(NOTIFY_STREAM, NOTIFY_SUBJECTS)
    return Relay(engine, tables.outbox, tables.relay, bus)


def tell(ticker: Ticker, relay: Relay, engine: Engine, clock: Clock) -> None:
    """Have what this service learns of its messages published, and forgotten when every reader has long had it."""

    async def prune() -> None:
        await relay.prune(clock() - KEEP_EVENTS)
        async with engine.begin() as tx:
            await receipts.forget(tx, clock() - KEEP_RECEIPTS)

    ticker.every(RELAY_SECONDS, relay.drain, "relay")
    ticker.every(HOURLY_SECONDS, prune, "prune_events")


def tell_partners(ticker: Ticker, settings: NotifySettings, delivery: Delivery, client: Client) -> None:
    """Have partner systems told of what they subscribed to."""
    call = WebhookCall(client, trial_hosts=settings.webhook_trial_hosts)
    partners = Partners(delivery.engine, Strongbox(settings.key_folder), call, delivery.clock, delivery.chance)
    ticker.every(PARTNER_SECONDS, partners.drain, "partners")


def _planner(settings: NotifySettings, opener: Opener, clock: Clock) -> Planner:
    rules = Rules(sms_kinds=settings.sms_kinds)
    return Planner(opener, clock, rules, Strongbox(settings.key_folder), spreads=True)


def _keep(settings: NotifySettings) -> Keep:
    return Keep(
        contacts=timedelta(days=settings.keep_contact_days),
        words=timedelta(days=settings.keep_words_days),
        rows=timedelta(days=settings.keep_rows_days),
        deliveries=timedelta(days=settings.keep_deliveries_days),
    )


def keep_house(ticker: Ticker, delivery: Delivery, settings: NotifySettings) -> None:
    """Have the providers judged, their silences asked about, each channel by itself, and forgotten what is to be."""
    doubts = Doubts(delivery.engine, delivery.routes, delivery.clock)
    for channel in delivery.routes:
        ticker.every(JUDGE_SECONDS, functools.partial(delivery.judge, channel), f"judge_{channel.value}")
        ticker.every(DOUBT_SECONDS, functools.partial(doubts.resolve, channel), f"doubts_{channel.value}")
    retention = Retention(delivery.engine, delivery.clock, _keep(settings))
    ticker.every(RETENTION_SECONDS, retention.sweep, "retention")
    ticker.every(NOTARY_SECONDS, Notary(delivery.engine).chain, "notary")


def _drain(delivery: Delivery, watch: Watch, channel: Channel) -> Any:
    async def drain() -> int:
        return await delivery.drain(channel) if await watch.calls(channel) else 0

    return drain
