"""The bus against a real NATS server that is killed, restarted, wiped, and asked whether it syncs."""

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from pathlib import Path

import nats.errors
import pytest
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

import shared.bus
import shared.pull
from shared.broker import BrokerNotDurable, BusUnavailable
from shared.bus import Bus, StreamLimits
from shared.codec import Received, from_cloudevent
from shared.contracts import BOOKING_SOURCE, BOOKING_STREAM, BOOKING_SUBJECTS, NOTIFY_SUBJECTS, Event, EventType
from shared.feed import read_feed
from shared.inbox import Consumer
from shared.outbox import Relay, add_events
from tests.shared.conftest import Rows, dead_event, inbox, outbox, position, relay
from tests.shared.samples import event
from tests.shared.servers import Broker


@pytest.fixture
async def bus(broker: Broker) -> AsyncIterator[Bus]:
    connected = await Bus.connect(broker.url, name="tests", source=BOOKING_SOURCE, monitor_url=broker.monitor_url)
    await connected.ensure_stream(BOOKING_STREAM, BOOKING_SUBJECTS)
    yield connected
    await connected.close()


@pytest.fixture(autouse=True)
def brisk(monkeypatch: pytest.MonkeyPatch) -> None:
    """Notice a silent server sooner than in production."""
    monkeypatch.setattr(shared.bus, "ACKNOWLEDGE_SECONDS", 1.5)
    monkeypatch.setattr(shared.pull, "ACKNOWLEDGE_SECONDS", 1.5)
    monkeypatch.setattr(shared.pull, "HEARTBEAT_SECONDS", 0.3)


class Listener:
    """Consumes in the background and keeps what it was handed."""

    def __init__(self, bus: Bus, batch: int = 10) -> None:
        self.batches: list[list[Received]] = []
        self.fails = 0
        self._task = asyncio.create_task(bus.consume("tests", batch, self._take))

    async def _take(self, events: Sequence[Received]) -> None:
        if self.fails:
            self.fails -= 1
            raise RuntimeError("not now")
        self.batches.append(list(events))

    @property
    def numbers(self) -> list[int | None]:
        return [e.number for batch in self.batches for e in batch]

    async def hears(self, count: int) -> list[int | None]:
        await until(lambda: len(self.numbers) >= count)
        return self.numbers

    async def stop(self) -> None:
        self._task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await self._task


@pytest.fixture
async def listener(bus: Bus) -> AsyncIterator[Listener]:
    one = Listener(bus)
    yield one
    await one.stop()


async def until(condition: Callable[[], bool] | Callable[[], Awaitable[bool]], seconds: float = 15) -> None:
    async with asyncio.timeout(seconds):
        while True:
            met = condition()
            if met if isinstance(met, bool) else await met:
                return
            await asyncio.sleep(0.02)


def numbered(first: int, last: int) -> list[Event]:
    return [event(number) for number in range(first, last + 1)]


def test_every_event_type_has_a_place_in_the_stream() -> None:
    prefixes = tuple(subject.removesuffix(">") for subject in (*BOOKING_SUBJECTS, *NOTIFY_SUBJECTS))
    assert all(event_type.value.startswith(prefixes) for event_type in EventType)


async def test_what_is_published_arrives_whole_and_in_order(bus: Bus, listener: Listener) -> None:
    events = numbered(1, 250)
    await bus.publish(events)
    await listener.hears(250)

    assert [e for batch in listener.batches for e in batch] == events
    assert max(len(batch) for batch in listener.batches) <= 10


async def test_a_lone_event_arrives_at_once_although_batches_are_larger(bus: Bus, listener: Listener) -> None:
    await bus.publish(numbered(1, 1))
    await listener.hears(1)
    await asyncio.sleep(0.3)  # the listener now waits for the next message
    started = asyncio.get_running_loop().time()
    await bus.publish(numbered(2, 2))
    await listener.hears(2)

    assert asyncio.get_running_loop().time() - started < 0.5


async def test_the_broker_drops_a_repeat_by_its_id(bus: Bus, listener: Listener) -> None:
    events = numbered(1, 3)
    await bus.publish(events)
    await bus.publish([*events, event(4)])

    assert await listener.hears(4) == [1, 2, 3, 4]


async def stored(bus: Bus) -> int:
    return (await bus._jetstream.stream_info(BOOKING_STREAM)).state.messages


@pytest.mark.parametrize("atomic", [True, False])
async def test_a_repeat_of_many_adds_only_what_is_new(bus: Bus, listener: Listener, *, atomic: bool) -> None:
    assert bus._atomic
    bus._atomic = atomic  # a server before 2.12 has no batches
    events = numbered(1, 150)
    await bus.publish(events[:100])
    await bus.publish(events[50:])
    await bus.publish(events)

    assert await stored(bus) == 150
    await listener.hears(150)
    assert [e for batch in listener.batches for e in batch] == events


async def test_more_events_than_fit_into_a_batch_keep_their_order(bus: Bus) -> None:
    events = numbered(1, 2050)
    await bus.publish(events)

    assert await stored(bus) == 2050
    last = await bus._jetstream.get_msg(BOOKING_STREAM, 2050)
    assert from_cloudevent(last.data or b"") == events[-1]


async def test_many_events_find_a_stream_that_is_gone(bus: Bus) -> None:
    await bus._jetstream.delete_stream(BOOKING_STREAM)
    await bus.publish(numbered(1, 100))
    assert await stored(bus) == 100


async def test_a_batch_is_delivered_again_until_the_handler_returns(bus: Bus) -> None:
    one = Listener(bus)
    one.fails = 2
    await bus.publish(numbered(1, 3))
    assert sorted(n or 0 for n in await one.hears(3)) == [1, 2, 3]
    await one.stop()

    again = Listener(bus)  # the durable consumer knows that they were acknowledged
    await bus.publish(numbered(4, 4))
    assert await again.hears(1) == [4]
    await again.stop()


async def test_what_was_handed_out_but_not_acknowledged_is_not_lost_when_the_reader_dies(
    bus: Bus, broker: Broker, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shared.bus, "REDELIVER_SECONDS", 1.0)
    other = await Bus.connect(broker.url, name="dies", source="")
    await other.ensure_stream(BOOKING_STREAM, BOOKING_SUBJECTS)
    taken = asyncio.Event()

    async def hang(events: Sequence[Received]) -> None:
        taken.set()
        await asyncio.sleep(3600)

    dying = asyncio.create_task(other.consume("tests", 10, hang))
    await bus.publish(numbered(1, 2))
    await taken.wait()
    dying.cancel()
    await other.close()

    heir = Listener(bus)
    assert sorted(n or 0 for n in await heir.hears(2)) == [1, 2]
    await heir.stop()


async def test_it_stops_when_cancelled_even_if_a_library_swallows_the_cancellation(bus: Bus) -> None:
    at_work = asyncio.Event()

    async def stubborn(events: Sequence[Received]) -> None:
        at_work.set()
        with contextlib.suppress(asyncio.CancelledError):  # as asyncio.wait_for of Python 3.11 may
            await asyncio.sleep(3600)

    await bus.publish(numbered(1, 1))
    consuming = asyncio.create_task(bus.consume("tests", 10, stubborn))
    await at_work.wait()
    consuming.cancel()
    done, _ = await asyncio.wait([consuming], timeout=1)
    assert done == {consuming}
    assert consuming.cancelled()


async def test_an_unreadable_message_is_dropped_and_said_aloud(
    bus: Bus, listener: Listener, caplog: pytest.LogCaptureFixture
) -> None:
    await bus._jetstream.publish("yuyue.booking.confirmed.v1", b'{"specversion": "1.0"}')
    await bus.publish(numbered(1, 1))

    assert await listener.hears(1) == [1]
    assert [r.message for r in caplog.records if r.levelno == logging.ERROR] == ["event_malformed"]

    async def nothing_is_pending() -> bool:
        return not (await bus._jetstream.consumer_info(BOOKING_STREAM, "tests")).num_ack_pending

    await until(nothing_is_pending)


async def test_kill_9_of_the_broker_loses_nothing_acknowledged_and_both_sides_go_on(
    bus: Bus, broker: Broker, listener: Listener
) -> None:
    await bus.publish(numbered(1, 5))
    await listener.hears(5)
    await broker.kill()
    with pytest.raises(BusUnavailable):
        await bus.publish(numbered(6, 6))
    await broker.start()
    await until(lambda: bus.is_connected)
    await bus.publish(numbered(6, 9))

    assert (await listener.hears(9))[-4:] == [6, 7, 8, 9]


async def test_a_wiped_broker_gets_its_stream_and_consumer_back(bus: Bus, broker: Broker, listener: Listener) -> None:
    await bus.publish(numbered(1, 3))
    await listener.hears(3)
    await broker.kill()
    broker.wipe()
    await broker.start()
    await until(lambda: bus.is_connected)
    await bus.publish(numbered(4, 6))

    assert await listener.hears(6) == [1, 2, 3, 4, 5, 6]


async def test_a_reader_alone_makes_stream_and_consumer_again(bus: Bus, broker: Broker, listener: Listener) -> None:
    await bus.publish(numbered(1, 1))
    await listener.hears(1)
    await broker.kill()
    broker.wipe()
    await broker.start()

    async def is_back() -> bool:
        with contextlib.suppress(nats.errors.Error):
            return bool(await bus._jetstream.consumer_info(BOOKING_STREAM, "tests"))
        return False

    await until(is_back)


async def test_closing_while_the_broker_is_away_leaves_nothing_running(broker: Broker) -> None:
    before = asyncio.all_tasks()
    bus = await Bus.connect(broker.url, name="tests")
    await bus.ensure_stream(BOOKING_STREAM, BOOKING_SUBJECTS)
    reader = Listener(bus)
    await broker.kill()
    await until(lambda: not bus.is_connected)
    await bus._connection.publish("yuyue.booking.held.v1", b"never sent")
    await reader.stop()
    await bus.close()
    await asyncio.sleep(0.05)

    assert asyncio.all_tasks() <= before


async def test_a_deleted_stream_or_consumer_is_made_again(bus: Bus, listener: Listener) -> None:
    await bus.publish(numbered(1, 1))
    await listener.hears(1)
    await bus._jetstream.delete_consumer(BOOKING_STREAM, "tests")
    await bus.publish(numbered(2, 2))
    await until(lambda: 2 in listener.numbers)
    await bus._jetstream.delete_stream(BOOKING_STREAM)
    await bus.publish(numbered(3, 3))
    await until(lambda: 3 in listener.numbers)


async def test_a_stream_with_other_limits_is_brought_up_to_date(bus: Bus) -> None:
    await bus.ensure_stream(BOOKING_STREAM, BOOKING_SUBJECTS, StreamLimits(max_age_seconds=3600))
    config = (await bus._jetstream.stream_info(BOOKING_STREAM)).config
    assert (config.max_age, config.storage) == (3600, "file")


async def test_without_a_broker_connecting_ends_in_a_sentence(tmp_path: Path) -> None:
    with pytest.raises(
        BusUnavailable, match=r"NATS_URL leads to no broker within 0\.5 s: .*refused|Connect call failed"
    ):
        await Bus.connect(Broker(tmp_path).url, name="tests", seconds=0.5)


async def test_a_wrong_password_is_named(nats_url: str) -> None:
    with pytest.raises(BusUnavailable, match="Authorization Violation"):
        await Bus.connect(nats_url.replace("yuyue:", "yuyue:wrong"), name="tests", seconds=2.5)


async def test_a_broker_that_always_syncs_is_accepted(bus: Bus) -> None:
    await bus.assert_durable()


@pytest.mark.parametrize("sync", ["", "sync_interval: 10s"])
async def test_a_broker_that_syncs_now_and_then_is_refused(tmp_path: Path, sync: str) -> None:
    broker = Broker(tmp_path, sync=sync)
    await broker.start()
    bus = await Bus.connect(broker.url, name="tests", monitor_url=broker.monitor_url)
    with pytest.raises(BrokerNotDurable, match="set `sync_interval: always`"):
        await bus.assert_durable()
    await bus.close()
    await broker.kill()


async def test_a_broker_that_cannot_be_asked_is_refused(bus: Bus, broker: Broker, tmp_path: Path) -> None:
    other = Broker(tmp_path / "other")
    await other.start()
    for monitor_url, words in [
        (None, "set NATS_MONITOR_URL"),
        ("http://127.0.0.1:1", "does not answer"),
        (other.monitor_url, "does not lead to the server that NATS_URL leads to"),
    ]:
        bus.monitor_url = monitor_url
        with pytest.raises(BrokerNotDurable, match=words):
            await bus.assert_durable()
    bus.monitor_url = f"{other.monitor_url}, {broker.monitor_url}"
    await bus.assert_durable()
    await other.kill()


async def test_a_stream_that_is_kept_in_memory_is_refused(bus: Bus) -> None:
    await bus._jetstream.delete_stream(BOOKING_STREAM)
    await bus._jetstream.add_stream(name=BOOKING_STREAM, subjects=list(BOOKING_SUBJECTS), storage="memory")
    with pytest.raises(BrokerNotDurable, match="is not written through to files"):
        await bus.assert_durable()


async def test_kill_9_between_the_acknowledgement_and_its_mark_stores_no_event_twice(
    engine: AsyncEngine, broker: Broker, bus: Bus, rows: Rows
) -> None:
    class KilledOnce:
        killed = False

        async def publish(self, events: Sequence[Event]) -> None:
            await bus.publish(events)
            if not self.killed:
                self.killed = True
                await broker.kill()
                raise ConnectionError("killed after the acknowledgement")

    async with engine.begin() as tx:
        await add_events(tx, outbox, [event() for _ in range(50)])
    work = Relay(engine, outbox, relay, KilledOnce())
    with pytest.raises(ConnectionError):
        await work.drain()
    assert (await rows(relay))[0]["last_published"] == 0

    await broker.start()
    await until(lambda: bus.is_connected)
    assert await work.drain() == 50
    assert await stored(bus) == 50
    assert (await rows(relay))[0]["last_published"] == 50


async def test_from_outbox_to_inbox_nothing_is_lost_and_nothing_done_twice_while_the_broker_dies_and_forgets(
    engine: AsyncEngine, broker: Broker, bus: Bus, rows: Rows
) -> None:
    handled: list[int | None] = []

    async def handle(tx: AsyncConnection, happened: Event) -> None:
        handled.append(happened.number)

    async def catch_up(after: int) -> Sequence[Received]:
        async with engine.connect() as connection:
            return await read_feed(connection, outbox, after, 100)

    async def write() -> None:
        async with engine.begin() as tx:
            await add_events(tx, outbox, [event(), event()])

    work = Relay(engine, outbox, relay, bus)
    reader = Consumer(engine, inbox, position, dead_event, "booking", handle, catch_up)
    consuming = asyncio.create_task(bus.consume("notify", 10, reader.accept))
    for fate in ("lives", "dies", "forgets", "lives"):
        if fate != "lives":
            await broker.kill()
            if fate == "forgets":
                broker.wipe()
            await broker.start()
        for _ in range(5):
            await write()
            with contextlib.suppress(BusUnavailable):
                await work.drain()
    await broker.kill()
    broker.wipe()  # the last ones are in the feed alone
    await write()
    with contextlib.suppress(BusUnavailable):
        await work.drain()
    await reader.catch_up_once()
    consuming.cancel()

    written = await rows(outbox)
    assert sorted(row["number"] for row in written) == list(range(1, 43))
    assert {row["event_id"] for row in await rows(inbox)} == {row["id"] for row in written}
    assert handled == list(range(1, 43))
