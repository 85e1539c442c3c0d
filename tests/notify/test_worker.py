"""The whole worker, on real servers: through the bus, through the feed, through deaths of everything around it."""

import asyncio
import contextlib
import os
import signal
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text

from services.notify import worker
from services.notify.domain.message import Channel, Kind
from services.notify.settings import NotifySettings
from services.notify.ways import Means, ways_out
from shared.broker import BrokerNotDurable
from shared.bus import Bus
from shared.codec import BATCH_MEDIA_TYPE, to_batch
from shared.contracts import BOOKING_SOURCE, BOOKING_STREAM, BOOKING_SUBJECTS, Event, EventType
from shared.db import create_engine
from shared.sealing import FEED_TOKEN, load_secret
from tests.conftest import Databases
from tests.notify.make import booking, event
from tests.notify.serving import serving
from tests.notify.town import Town
from tests.shared.servers import Broker

SOON = timedelta(days=3)


@dataclass(slots=True)
class Feed:
    """The part of the booking service that the worker needs: its feed, for whoever has the token."""

    token: str
    events: list[Event] = field(default_factory=list)

    def tell(self, about: Event) -> Event:
        numbered = replace(about, number=len(self.events) + 1)
        self.events.append(numbered)
        return numbered

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "lifespan":
            while (message := await receive())["type"] != "lifespan.shutdown":
                await send({"type": f"{message['type']}.complete"})
            await send({"type": "lifespan.shutdown.complete"})
            return
        authorized = dict(scope["headers"]).get(b"authorization") == f"Bearer {self.token}".encode()
        right = authorized and scope["path"] == "/api/v1/events"
        after = int(scope["query_string"].decode().partition("after=")[2].partition("&")[0] or 0)
        page = to_batch([one for one in self.events if (one.number or 0) > after], BOOKING_SOURCE)
        headers = [(b"content-type", BATCH_MEDIA_TYPE.encode())]
        await send({"type": "http.response.start", "status": 200 if right else 401, "headers": headers})
        await send({"type": "http.response.body", "body": page if right else b""})


@dataclass(slots=True)
class Stage:
    """A worker's surroundings."""

    settings: NotifySettings
    feed: Feed
    broker: Broker
    town: Town

    def booked(self) -> Event:
        starts_at = datetime.now(UTC) + SOON
        contact = self.town.keys.contact()
        return event(EventType.BOOKING_CONFIRMED, booking(starts_at=starts_at, contact=contact))

    async def publish(self, *events: Event) -> None:
        bus = await Bus.connect(self.broker.url, name="publisher", source=BOOKING_SOURCE)
        try:
            await bus.ensure_stream(BOOKING_STREAM, BOOKING_SUBJECTS)
            await bus.publish(events)
        finally:
            await bus.close()

    async def until(self, met: Callable[[], bool] | Callable[[], Awaitable[bool]], seconds: float = 15) -> None:
        async with asyncio.timeout(seconds):
            while True:
                answer = met()
                if answer if isinstance(answer, bool) else await answer:
                    return
                await asyncio.sleep(0.02)

    async def mails(self, count: int) -> None:
        """Wait for so many mails, and see that there are no more."""
        await self.until(lambda: len(self.town.mailbox.seen) >= count)
        assert len(self.town.mailbox.seen) == count

    async def entries(self, count: int) -> None:
        """Wait for so many messages in the inboxes: each channel goes at its own pace."""
        for _ in range(200):
            if len(await self.town.inbox()) >= count:
                return
            await asyncio.sleep(0.05)


@pytest.fixture
async def stage(town: Town, key_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Stage]:
    broker = Broker(tmp_path / "nats")
    await broker.start()
    feed = Feed(load_secret(key_folder, FEED_TOKEN))
    async with serving(feed) as booking_url:
        settings = NotifySettings(
            database_url=town.engine.url.render_as_string(hide_password=False),
            key_folder=key_folder,
            booking_url=booking_url,
            smtp_host="127.0.0.1",
            smtp_port=town.mailbox.port,
            smtp_starttls=False,
            nats_url=broker.url,
            nats_monitor_url=broker.monitor_url,
        )
        try:
            yield Stage(settings, feed, broker, town)
        finally:
            await broker.kill()


@asynccontextmanager
async def working(stage: Stage) -> AsyncIterator[asyncio.Task[None]]:
    running = asyncio.create_task(worker.run(stage.settings))
    try:
        yield running
        assert running.cancelling() or not running.done(), running.exception()
    finally:
        running.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await running


async def test_events_become_messages_whatever_dies_around_the_worker(stage: Stage, databases: Databases) -> None:
    async with working(stage):
        await stage.publish(stage.feed.tell(stage.booked()))
        await stage.mails(1)

        await stage.broker.kill()
        stage.broker.wipe()
        lost = stage.feed.tell(stage.booked())
        await stage.mails(2)  # by the feed, with no broker at all

        await stage.broker.start()
        third = stage.feed.tell(stage.booked())
        await stage.publish(lost, third)  # the relay publishes again what it is not sure of
        await stage.mails(3)

        admin = create_engine(databases.admin_url, application_name="test", isolation_level="AUTOCOMMIT")
        async with admin.connect() as connection:
            query = (
                "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE application_name = 'notify-worker'"
            )
            assert (await connection.execute(text(query))).scalar_one() > 0
        await admin.dispose()
        await stage.publish(stage.feed.tell(stage.booked()))
        await stage.mails(4)
        await stage.entries(4)

    states = await stage.town.rows("SELECT kind, state, count(*) FROM messages GROUP BY 1, 2 ORDER BY 1, 2")
    assert [tuple(row) for row in states] == [("confirmation", "sent", 8), ("reminder", "planned", 16)]
    assert len(await stage.town.inbox()) == 4
    message_ids = [mail["Message-ID"] for mail in stage.town.mailbox.seen]
    assert len(set(message_ids)) == 4


async def test_a_worker_that_is_asked_to_stop_finishes_what_it_has_begun_and_gives_back_the_rest(stage: Stage) -> None:
    for _ in range(64):
        stage.feed.tell(stage.booked())
    async with working(stage) as running:

        def ask_once() -> None:
            stage.town.mailbox.on_content = None
            running.cancel()

        stage.town.mailbox.on_content = ask_once
        with contextlib.suppress(asyncio.CancelledError):
            await asyncio.wait_for(asyncio.shield(running), 20)
    sent = len(stage.town.mailbox.seen)
    assert 0 < sent < 64
    query = (
        "SELECT state, count(*) FROM messages WHERE kind = 'confirmation' AND channel = 'email' GROUP BY 1 ORDER BY 1"
    )
    assert [tuple(row) for row in await stage.town.rows(query)] == [("planned", 64 - sent), ("sent", sent)]
    async with working(stage):
        await stage.mails(64)


async def test_killed_with_9_while_the_mail_server_has_the_mail_the_message_is_unknown_and_never_sent_again(
    stage: Stage,
) -> None:
    environment = {
        **os.environ,
        "NOTIFY_DATABASE_URL": stage.settings.database_url,
        "NOTIFY_KEY_FOLDER": str(stage.settings.key_folder),
        "NOTIFY_BOOKING_URL": stage.settings.booking_url,
        "NOTIFY_SMTP_HOST": "127.0.0.1",
        "NOTIFY_SMTP_PORT": str(stage.settings.smtp_port),
        "NOTIFY_SMTP_STARTTLS": "false",
        "NATS_URL": stage.settings.nats_url,
        "NATS_MONITOR_URL": str(stage.settings.nats_monitor_url),
    }
    code = (
        "import asyncio; from services.notify.worker import run; from services.notify.settings import NotifySettings;"
        "asyncio.run(run(NotifySettings()))"
    )
    process = await asyncio.create_subprocess_exec(sys.executable, "-c", code, env=environment)
    stage.town.mailbox.on_content = lambda: process.send_signal(signal.SIGKILL)
    stage.feed.tell(stage.booked())
    assert await asyncio.wait_for(process.wait(), 30) == -signal.SIGKILL
    assert len(stage.town.mailbox.seen) == 1, "the server has taken it; nobody heard the reply"
    stage.town.mailbox.on_content = None
    assert (await stage.town.states())["confirmation", 1, 0] == ("sending", "taken")

    stage.town.clock.set(datetime.now(UTC) + timedelta(minutes=3))  # the lease has run out
    await stage.town.deliver()
    assert (await stage.town.states())["confirmation", 1, 0] == ("unknown", "lease_ran_out")
    await stage.town.live_until(stage.town.clock() + timedelta(days=1), step=timedelta(hours=6))
    assert len(stage.town.mailbox.seen) == 1
    assert [row.kind for row in await stage.town.inbox()] == ["confirmation"]


async def test_it_refuses_a_broker_that_may_lose_what_it_acknowledges(stage: Stage) -> None:
    await stage.broker.kill()
    stage.broker.sync = ""
    await stage.broker.start()
    with pytest.raises(BrokerNotDurable, match="sync_interval: always"):
        await asyncio.wait_for(worker.run(stage.settings), 20)


# -- settings


def means(town: Town, settings: NotifySettings) -> Means:
    composer = town.delivery().composer
    return Means(settings=settings, composer=composer, engine=town.engine, client=town.client, clock=town.clock)


def test_channels_are_set_up_by_the_settings_and_by_nothing_else(town: Town) -> None:
    bare = NotifySettings(database_url="postgresql://x/y")
    assert ways_out(means(town, bare)) == {}
    whole = NotifySettings(
        database_url="postgresql://x/y",
        smtp_host="mail.example",
        smtp_user="u",
        smtp_password="p",
        sms_url="https://sms.example",
        sms_access_key_id="i",
        sms_access_key_secret="s",
        sms_sign_name="预约",
    )
    found = ways_out(means(town, whole))
    assert set(found) == {Channel.EMAIL, Channel.SMS}


def test_the_lease_is_that_of_the_settings_on_every_channel(town: Town, key_folder: Path) -> None:
    settings = NotifySettings(
        database_url="postgresql://x/y",
        key_folder=key_folder,
        lease_seconds=30,
        smtp_host="localhost",
        wecom_corp_id="ww",
        wecom_secret="s",
    )
    delivery = worker._delivery(settings, town.keys.opener, town.engine, town.client, town.clock)
    assert set(delivery.routes) == {Channel.EMAIL, Channel.WECOM}
    assert {delivery._pace(channel).lease for channel in Channel} == {timedelta(seconds=30)}
    assert {delivery._pace(channel).claim for channel in Channel} == {timedelta(seconds=15)}


@pytest.mark.parametrize(
    ("changes", "fault"),
    [
        ({"smtp_host": "mail.example", "smtp_password": "p", "smtp_starttls": False}, "clear text"),
        ({"sms_url": "https://sms.example"}, "SMS_ACCESS_KEY_ID"),
        ({"booking_url": "http://127.0.0.1:8000/"}, "booking_url"),
        ({"mail_from": "not an address"}, "mail_from"),
        ({"sms_kinds": ["no_such_kind"]}, "sms_kinds"),
    ],
)
def test_settings_that_cannot_work_are_refused_at_start(changes: dict[str, Any], fault: str) -> None:
    with pytest.raises(ValueError, match=fault):
        NotifySettings(database_url="postgresql://x/y", **changes)


def test_settings_come_from_the_environment_and_secrets_stay_out_of_sight(monkeypatch: pytest.MonkeyPatch) -> None:
    given = {
        "NOTIFY_DATABASE_URL": "postgresql://notify:hidden1@db/notify",
        "NOTIFY_SMTP_HOST": "localhost",
        "NOTIFY_SMTP_STARTTLS": "false",
        "NOTIFY_SMTP_PASSWORD": "hidden2",
        "NOTIFY_SMS_KINDS": '["sign_in_code", "reminder"]',
        "NOTIFY_KEY_FOLDER": "keys",
        "NATS_URL": "nats://b:4222",
    }
    for name, value in given.items():
        monkeypatch.setenv(name, value)
    settings = NotifySettings()
    assert settings.sms_kinds == {Kind.SIGN_IN_CODE, Kind.REMINDER}
    assert (settings.key_folder, settings.nats_url) == (Path("keys"), "nats://b:4222")
    assert "hidden" not in repr(settings)
