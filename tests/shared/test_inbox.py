"""The law of the inbox: at least once in, once handled, in order; nothing blocks for ever and nothing is lost."""

import asyncio
import logging
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import timedelta
from random import Random

import pytest
from sqlalchemy import Column, Integer, MetaData, Table, Uuid, insert, text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from shared.clock import SettableClock
from shared.codec import Received, UnknownEvent
from shared.contracts import Event
from shared.ids import new_id
from shared.inbox import Consumer, Failing, GapRemains, passes
from tests.shared.conftest import Rows, dead_event, inbox, position
from tests.shared.samples import NOW, event

# what a handler does, in the same transaction: no unique key, so that doing it twice shows
deeds = Table("deeds", MetaData(), Column("event_id", Uuid), Column("number", Integer))


@dataclass
class Reader:
    """A consumer, the feed it catches up from, and a handler that writes down what it does."""

    engine: AsyncEngine
    feed: list[Received] = field(default_factory=list)
    page: int = 3
    takes: float = 0
    faults: dict[int, Exception] = field(default_factory=dict)
    asked: list[int] = field(default_factory=list)
    clock: SettableClock = field(default_factory=lambda: SettableClock(NOW))

    async def handle(self, tx: AsyncConnection, happened: Event) -> None:
        await asyncio.sleep(self.takes)
        await tx.execute(insert(deeds).values(event_id=happened.id, number=happened.number))
        if happened.number in self.faults:
            raise self.faults[happened.number]

    async def catch_up(self, after: int) -> Sequence[Received]:
        self.asked.append(after)
        return [e for e in self.feed if (e.number or 0) > after][: self.page]

    def consumer(self) -> Consumer:
        return Consumer(
            self.engine,
            inbox,
            position,
            dead_event,
            "booking",
            self.handle,
            self.catch_up,
            attempts=3,
            clock=self.clock,
        )

    async def done(self) -> list[int]:
        async with self.engine.connect() as connection:
            return [row.number for row in await connection.execute(text("SELECT number FROM deeds ORDER BY ctid"))]


@pytest.fixture
async def reader(engine: AsyncEngine) -> Reader:
    async with engine.begin() as tx:
        await tx.run_sync(deeds.metadata.drop_all)
        await tx.run_sync(deeds.metadata.create_all)
    return Reader(engine)


def events(first: int, last: int) -> list[Event]:
    return [event(number) for number in range(first, last + 1)]


async def test_each_event_is_handled_once_and_in_order(reader: Reader) -> None:
    batch = events(1, 5)
    await reader.consumer().accept(batch)
    await reader.consumer().accept(batch)
    await reader.consumer().accept([*batch[2:], *batch[2:]])

    assert await reader.done() == [1, 2, 3, 4, 5]
    assert reader.asked == []


async def test_a_repeat_inside_one_delivery_is_handled_once(reader: Reader) -> None:
    one, two = events(1, 2)
    await reader.consumer().accept([one, one, two, one])

    assert await reader.done() == [1, 2]


async def test_reordered_deliveries_are_handled_in_order(reader: Reader) -> None:
    reader.feed = [*events(1, 40)]
    shuffled = [*reader.feed, *reader.feed]
    Random(7).shuffle(shuffled)
    consumer = reader.consumer()
    for start in range(0, len(shuffled), 4):
        await consumer.accept(shuffled[start : start + 4])

    assert await reader.done() == list(range(1, 41))


async def test_one_delivery_in_the_wrong_order_needs_no_feed(reader: Reader) -> None:
    await reader.consumer().accept(events(1, 5)[::-1])

    assert await reader.done() == [1, 2, 3, 4, 5]
    assert reader.asked == []


async def test_two_consumers_at_once_handle_each_event_once(reader: Reader) -> None:
    reader.feed = [*events(1, 60)]
    await reader.consumer().accept(reader.feed[:1])
    reader.takes = 0.002  # so that they meet
    halves = [reader.feed[:30], reader.feed[30:], reader.feed[10:50]]
    await asyncio.gather(*(reader.consumer().accept(half) for half in halves), reader.consumer().catch_up_once())

    assert await reader.done() == list(range(1, 61))


async def test_a_gap_is_filled_from_the_feed_page_by_page(reader: Reader) -> None:
    reader.feed = [*events(1, 12)]
    await reader.consumer().accept([reader.feed[11]])

    assert await reader.done() == list(range(1, 13))
    assert reader.asked == [0, 3, 6, 9]


async def test_a_gap_that_the_feed_cannot_fill_yet_leaves_the_event_for_later(reader: Reader) -> None:
    all_of_them = events(1, 4)
    with pytest.raises(GapRemains):
        await reader.consumer().accept([all_of_them[0], all_of_them[3]])
    assert await reader.done() == [1]

    reader.feed = [*all_of_them]
    await reader.consumer().accept([all_of_them[3]])
    assert await reader.done() == [1, 2, 3, 4]


async def test_an_empty_broker_is_no_loss_because_the_feed_is_polled(reader: Reader) -> None:
    reader.feed = [*events(1, 7)]
    assert await reader.consumer().catch_up_once() == 7
    assert await reader.consumer().catch_up_once() == 0
    assert await reader.done() == list(range(1, 8))


async def test_events_that_the_feed_no_longer_has_are_said_aloud_and_do_not_block(
    reader: Reader, caplog: pytest.LogCaptureFixture
) -> None:
    reader.feed = [*events(5, 6)]  # 1 to 4 were pruned
    with caplog.at_level(logging.ERROR):
        await reader.consumer().catch_up_once()

    assert await reader.done() == [5, 6]
    assert [record.message.split(":")[0] for record in caplog.records] == ["events_lost"]


async def test_numbers_that_begin_again_are_said_aloud_and_nothing_is_swallowed(
    reader: Reader, caplog: pytest.LogCaptureFixture
) -> None:
    old = events(1, 3)
    await reader.consumer().accept(old)
    with caplog.at_level(logging.ERROR):
        await reader.consumer().accept([event(2), old[2]])

    assert await reader.done() == [1, 2, 3, 2]
    assert [record.message.split(":")[0] for record in caplog.records] == ["number_reused"]


async def test_an_id_is_never_handled_again_even_if_the_position_was_set_back(reader: Reader) -> None:
    batch = events(1, 4)
    await reader.consumer().accept(batch)
    async with reader.engine.begin() as tx:
        await tx.execute(position.update().values(number=0))
    await reader.consumer().accept([*batch, event(5)])

    assert await reader.done() == [1, 2, 3, 4, 5]
    assert await reader.consumer().reached() == 5


async def test_an_unknown_type_is_stepped_over_and_its_number_counts(reader: Reader) -> None:
    one, three = event(1), event(3)
    await reader.consumer().accept([one, UnknownEvent(new_id(), "yuyue.booking.moved.v9", 2), three])

    assert await reader.done() == [1, 3]
    assert await reader.consumer().reached() == 3


async def test_a_handler_that_fails_undoes_its_work_and_is_tried_again_when_due(reader: Reader) -> None:
    batch = events(1, 4)
    reader.faults[3] = ValueError("cannot")
    with pytest.raises(Failing):
        await reader.consumer().accept(batch)
    assert await reader.done() == [1, 2]

    del reader.faults[3]
    with pytest.raises(Failing, match="not due"):
        await reader.consumer().accept(batch[2:])
    assert await reader.done() == [1, 2]

    reader.clock.advance(timedelta(seconds=1))
    await reader.consumer().accept(batch[2:])
    assert await reader.done() == [1, 2, 3, 4]


async def test_an_event_that_failed_and_then_went_well_leaves_no_trace_of_failure(reader: Reader, rows: Rows) -> None:
    batch = events(1, 2)
    reader.faults[1] = ValueError("cannot")
    with pytest.raises(Failing):
        await reader.consumer().accept(batch)
    assert [row["attempts"] for row in await rows(dead_event)] == [1]

    reader.faults.clear()
    reader.clock.advance(timedelta(seconds=1))
    await reader.consumer().accept(batch)
    assert await rows(dead_event) == []


async def poison(reader: Reader, number: int) -> list[Event]:
    """Have event `number` of five fail until it is put aside."""
    batch = events(1, 5)
    reader.faults[number] = ValueError("no such venue, ask 13800138000")
    for attempt in range(2):
        with pytest.raises(Failing):
            await reader.consumer().accept(batch)
        reader.clock.advance(timedelta(seconds=2.0**attempt))
    await reader.consumer().accept(batch)
    return batch


async def test_a_poison_event_is_put_aside_with_its_reason_and_the_others_go_on(
    reader: Reader, rows: Rows, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.ERROR):
        batch = await poison(reader, 3)
    await reader.consumer().accept(batch)

    assert await reader.done() == [1, 2, 4, 5]
    (aside,) = await rows(dead_event)
    assert (aside["event_id"], aside["attempts"]) == (batch[2].id, 3)
    assert aside["died_at"] == reader.clock()
    assert aside["reason"] == "ValueError: no such venue, ask [redacted]"
    assert [record.message for record in caplog.records] == ["event_put_aside"]


async def test_a_poison_event_can_be_replayed(reader: Reader, rows: Rows) -> None:
    batch = await poison(reader, 3)
    with pytest.raises(ValueError, match="no such venue"):
        await reader.consumer().replay(batch[2].id)
    assert (await rows(dead_event))[0]["resolved_at"] is None

    reader.faults.clear()
    await reader.consumer().replay(batch[2].id)
    assert await reader.done() == [1, 2, 4, 5, 3]
    assert (await rows(dead_event))[0]["resolved_at"] == reader.clock()
    with pytest.raises(LookupError):
        await reader.consumer().replay(batch[2].id)


async def test_a_poison_event_in_the_feed_does_not_block_the_feed(reader: Reader) -> None:
    reader.feed = [*events(1, 5)]
    reader.faults[2] = ValueError("cannot")
    for _ in range(2):
        with pytest.raises(Failing):
            await reader.consumer().catch_up_once()
        reader.clock.advance(timedelta(minutes=1))
    await reader.consumer().catch_up_once()

    assert await reader.done() == [1, 3, 4, 5]


async def test_a_failure_that_passes_is_never_counted(reader: Reader, rows: Rows) -> None:
    reader.faults[1] = ConnectionError("the database is away")
    for _ in range(10):
        with pytest.raises(ConnectionError):
            await reader.consumer().accept(events(1, 1))
    assert await rows(dead_event) == []


async def test_a_session_that_the_server_ends_is_a_failure_that_passes(reader: Reader, rows: Rows) -> None:
    async def handle(tx: AsyncConnection, happened: Event) -> None:
        await tx.execute(text("SELECT pg_terminate_backend(pg_backend_pid())"))

    broken = replace(reader.consumer(), handle=handle)
    with pytest.raises(DBAPIError) as caught:
        await broken.accept(events(1, 1))
    assert passes(caught.value)
    assert await rows(dead_event) == []
    assert await reader.consumer().reached() == 0


async def test_a_fault_in_the_data_does_not_pass(reader: Reader, rows: Rows) -> None:
    async def handle(tx: AsyncConnection, happened: Event) -> None:
        await tx.execute(text("SELECT 1 / 0"))

    with pytest.raises(Failing):
        await replace(reader.consumer(), handle=handle).accept(events(1, 1))
    assert [row["attempts"] for row in await rows(dead_event)] == [1]


async def test_an_event_without_a_number_is_said_aloud(reader: Reader, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.ERROR):
        await reader.consumer().accept([event(None), event(1)])
    assert await reader.done() == [1]
    assert [record.message for record in caplog.records] == ["events_without_number"]
