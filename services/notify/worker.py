"""The notify worker: hears what happens, plans what to say, and says it when it is due.

Any number of workers may run on one database. Everything due lives in tables, so one that is killed loses nothing. The
bus brings events at once; the feed, asked every two seconds, brings whatever the bus did not.
"""

import contextlib
import logging
import secrets
from typing import Any

from services.notify import tables
from services.notify.channels.carrier import Carrier, TextMessage
from services.notify.channels.email import MailServer, Smtp
from services.notify.channels.sms_aliyun import AliyunAccount, AliyunSms
from services.notify.channels.sms_tencent import TencentAccount, TencentSms
from services.notify.compose import Composer, Unsubscribing
from services.notify.consume import Planner
from services.notify.deliver import Delivery, Route
from services.notify.domain.message import Channel
from services.notify.domain.planning import Rules
from services.notify.renderer import load_templates
from services.notify.settings import NotifySettings
from shared.bus import Bus
from shared.clock import Clock, system_clock
from shared.contracts import BOOKING_STREAM, BOOKING_SUBJECTS
from shared.db import assert_durable, create_engine, wait_until_ready
from shared.feed import feed_reader
from shared.http import Client
from shared.inbox import Consumer
from shared.links import LinkSigner
from shared.sealing import FEED_TOKEN, Opener, load_secret
from shared.ticker import Ticker

_log = logging.getLogger(__name__)

SOURCE = "booking"
DURABLE = "notify"
FEED_PATH = "/api/v1/events"
EVENTS_AT_ONCE = 200
DELIVER_SECONDS = 0.25
CATCH_UP_SECONDS = 2.0
READY_SECONDS = 60.0


async def run(settings: NotifySettings, clock: Clock = system_clock) -> None:
    """Work until cancelled.

    Raises:
        shared.db.NotDurable, shared.broker.BrokerNotDurable: PostgreSQL or NATS may lose what they acknowledge; the
            message says what to change.
        services.notify.renderer.TemplateFault: a template is not fit to be used.
        shared.sealing.KeysMissing: the key folder lacks a key.
    """
    templates = load_templates(sms_codes=settings.sms_template_codes)
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
            handle=Planner(opener, clock, Rules(sms_kinds=settings.sms_kinds)).handle,
            catch_up=feed_reader(client, f"{settings.booking_url}{FEED_PATH}", feed_token),
            clock=clock,
        )
        unsubscribing = Unsubscribing(LinkSigner(settings.key_folder), settings.public_url)
        composer = Composer(templates, opener, unsubscribing)
        delivery = Delivery(
            engine=engine,
            composer=composer,
            routes=routes(settings, composer, client, clock),
            clock=clock,
            chance=secrets.SystemRandom().random,
        )
        ticker = ticks(consumer, delivery, clock)
        ticker.start()
        stack.push_async_callback(ticker.stop)
        stack.callback(delivery.stop)
        await bus.consume(DURABLE, EVENTS_AT_ONCE, consumer.accept)


def ticks(consumer: Consumer, delivery: Delivery, clock: Clock) -> Ticker:
    """Return the metronome: each channel delivers by its own tick, so that one that hangs holds up no other."""
    ticker = Ticker(clock)
    for channel in Channel:
        ticker.every(DELIVER_SECONDS, _drain(delivery, channel), f"deliver_{channel.value}")
    ticker.every(CATCH_UP_SECONDS, consumer.catch_up_once, "catch_up")
    return ticker


def _drain(delivery: Delivery, channel: Channel) -> Any:
    async def drain() -> int:
        return await delivery.drain(channel)

    return drain


def routes(settings: NotifySettings, composer: Composer, client: Client, clock: Clock) -> dict[Channel, Route[Any]]:
    """Return the ways out that are set up; a message of another channel ends as `channel_not_set_up`."""
    found: dict[Channel, Route[Any]] = {}
    if settings.smtp_host is None:
        _log.warning("mail_not_set_up: NOTIFY_SMTP_HOST is not set")
    else:
        found[Channel.EMAIL] = Route(composer.mail, Smtp(_mail_server(settings, settings.smtp_host)))
    if settings.sms_url is None:
        _log.warning("sms_not_set_up: NOTIFY_SMS_URL is not set, so nobody can sign in by phone")
    else:
        carrier = _sms_carrier(settings, settings.sms_url, client, clock)
        found[Channel.SMS] = Route(composer.text_message, carrier)
    return found


def _sms_carrier(settings: NotifySettings, url: str, client: Client, clock: Clock) -> Carrier[TextMessage]:
    key_id, secret = settings.sms_access_key_id, settings.sms_access_key_secret.get_secret_value()
    if settings.sms_provider == "tencent":
        tencent = TencentAccount(
            url=url,
            secret_id=key_id,
            secret_key=secret,
            app_id=settings.sms_app_id,
            region=settings.sms_region,
            sign_name=settings.sms_sign_name,
        )
        return TencentSms(tencent, client, clock)
    aliyun = AliyunAccount(url=url, access_key_id=key_id, access_key_secret=secret, sign_name=settings.sms_sign_name)
    return AliyunSms(aliyun, client, clock)


def _mail_server(settings: NotifySettings, host: str) -> MailServer:
    password = settings.smtp_password
    return MailServer(
        host=host,
        port=settings.smtp_port,
        sender=settings.mail_from,
        sender_name=settings.mail_from_name,
        starttls=settings.smtp_starttls,
        user=settings.smtp_user,
        password=None if password is None else password.get_secret_value(),
        seconds=settings.smtp_seconds,
        connections=settings.smtp_connections,
    )
