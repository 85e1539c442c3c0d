"""The law of numbers: committed events get 1, 2, 3 … after the commit, whatever the order and whoever dies."""

import asyncio
from collections.abc import Sequence
from datetime import timedelta

import pytest
from sqlalchemy import update
from sqlalchemy.ext.asyncio import AsyncEngine

from shared.contracts import Event
from shared.feed import read_feed
from shared.outbox import Relay, add_events
from tests.shared.conftest import Rows, outbox, relay
from tests.shared.samples import NOW, event, sign_in_event


class Paper:
    """A bus that writes down what it is given; it can fail before or after that."""

    def __init__(self) -> None:
        self.published: list[Event] = []
        self.fails_before: Exception | None = None
        self.fails_after: Exception | None = None

    async def publish(self, events: Sequence[Event]) -> None:
        if self.fails_before:
            raise self.fails_before
        self.published.extend(events)
        await asyncio.sleep(0)
        if self.fails_after:
            raise self.fails_after

    @property
    def numbers(self) -> list[int | None]:
        return [event.number for event in self.published]


async def write(engine: AsyncEngine, *events: Event) -> None:
    async with engine.begin() as tx:
        await add_events(tx, outbox, events)


async def feed(engine: AsyncEngine, after: int = 0) -> list[Event]:
    async with engine.connect() as connection:
        return await read_feed(connection, outbox, after, 1000)


async def test_what_was_written_is_published_once_numbered_and_in_order(engine: AsyncEngine) -> None:
    events = [event(), sign_in_event(), event()]
    await write(engine, *events)
    paper = Paper()

    assert await Relay(engine, outbox, relay, paper).run_once() == 3
    assert await Relay(engine, outbox, relay, paper).run_once() == 0

    assert [e.id for e in paper.published] == [e.id for e in events]
    assert paper.numbers == [1, 2, 3]
    assert [e.data for e in paper.published] == [e.data for e in events]
    assert await feed(engine) == paper.published


async def test_what_is_rolled_back_is_never_published_and_leaves_no_gap(engine: AsyncEngine) -> None:
    await write(engine, event())
    async with engine.connect() as connection:
        await add_events(connection, outbox, [event(), event()])
        await connection.rollback()
    await write(engine, event())
    paper = Paper()

    await Relay(engine, outbox, relay, paper).drain()

    assert paper.numbers == [1, 2]


async def test_a_transaction_that_commits_late_is_not_skipped(engine: AsyncEngine) -> None:
    late, early = event(), event()
    paper = Paper()
    async with engine.begin() as slow:
        await add_events(slow, outbox, [late])  # takes the lower sequence …
        await write(engine, early)
        await Relay(engine, outbox, relay, paper).drain()
        seen = await feed(engine)
    await Relay(engine, outbox, relay, paper).drain()  # … and commits after the other was read

    assert [e.id for e in seen] == [early.id]
    assert [e.id for e in await feed(engine, after=seen[-1].number or 0)] == [late.id]
    assert [e.id for e in paper.published] == [early.id, late.id]
    assert paper.numbers == [1, 2]


async def test_events_of_one_transaction_keep_the_order_they_were_given_in(engine: AsyncEngine) -> None:
    events = [event(party_size=n) for n in range(1, 301)]
    await write(engine, *events)

    await Relay(engine, outbox, relay, Paper(), batch=70).drain()

    assert [e.data for e in await feed(engine)] == [e.data for e in events]


async def test_two_relays_at_once_give_each_event_one_number(engine: AsyncEngine) -> None:
    papers = [Paper(), Paper(), Paper()]
    relays = [Relay(engine, outbox, relay, paper, batch=7) for paper in papers]
    writing = asyncio.gather(*(write(engine, event(), event(), event()) for _ in range(40)))
    while not writing.done():
        await asyncio.gather(*(one.run_once() for one in relays))
    for one in relays:
        await one.drain()

    numbers = [e.number for e in await feed(engine)]
    assert numbers == list(range(1, 121))
    for paper in papers:  # a repeat is allowed; a step over something that was not published yet is not
        assert paper.numbers == sorted(paper.numbers, key=lambda number: number or 0)
    assert {number for paper in papers for number in paper.numbers} == set(numbers)


async def test_only_one_relay_numbers_at_a_time(engine: AsyncEngine, rows: Rows) -> None:
    await write(engine, event())
    await Relay(engine, outbox, relay, Paper()).drain()
    await write(engine, event())
    async with engine.begin() as other:  # a relay that numbers and has not committed yet
        await other.execute(relay.select().with_for_update())
        assert await Relay(engine, outbox, relay, Paper()).run_once() == 0
    assert [row["number"] for row in await rows(outbox)] == [1, None]


async def test_a_broker_that_is_away_delays_the_bus_and_not_the_feed(engine: AsyncEngine) -> None:
    await write(engine, event(), event())
    paper = Paper()
    paper.fails_before = OSError("away")
    with pytest.raises(OSError, match="away"):
        await Relay(engine, outbox, relay, paper).run_once()
    assert [e.number for e in await feed(engine)] == [1, 2]

    paper.fails_before = None
    await Relay(engine, outbox, relay, paper).drain()
    assert paper.numbers == [1, 2]


async def test_killed_between_publishing_and_marking_it_publishes_the_same_events_again(
    engine: AsyncEngine, rows: Rows
) -> None:
    await write(engine, event(), event())
    paper = Paper()
    paper.fails_after = OSError("killed")
    with pytest.raises(OSError, match="killed"):
        await Relay(engine, outbox, relay, paper).run_once()
    paper.fails_after = None
    await Relay(engine, outbox, relay, paper).drain()

    assert paper.numbers == [1, 2, 1, 2]
    assert paper.published[0].id == paper.published[2].id  # the id by which the broker drops the repeat
    assert (await rows(relay))[0]["last_published"] == 2


async def test_a_slow_relay_never_marks_backwards(engine: AsyncEngine, rows: Rows) -> None:
    await write(engine, event(), event(), event())
    slow = Relay(engine, outbox, relay, Paper(), batch=1)
    await slow._make_row()
    await slow._number()
    first = (await slow._unpublished())[-1]
    await Relay(engine, outbox, relay, Paper()).drain()
    await slow._mark_published(first)

    assert (await rows(relay))[0]["last_published"] == 3


async def test_pruning_keeps_what_is_young_or_not_yet_published(engine: AsyncEngine) -> None:
    await write(engine, event(), event())
    paper = Paper()
    work = Relay(engine, outbox, relay, paper)
    await work.drain()
    async with engine.begin() as tx:
        await tx.execute(update(outbox).where(outbox.c.number == 2).values(occurred_at=NOW + timedelta(days=2)))
    await write(engine, event())
    paper.fails_before = OSError("away")
    with pytest.raises(OSError, match="away"):
        await work.drain()  # the third is old, and has its number, but is not published

    assert await work.prune(NOW + timedelta(days=1)) == 1
    paper.fails_before = None
    await work.drain()

    assert [e.number for e in await feed(engine)] == [2, 3]
    assert paper.numbers == [1, 2, 3]


async def test_the_feed_is_bounded_whatever_is_asked(engine: AsyncEngine) -> None:
    await write(engine, *(event() for _ in range(1100)))
    await Relay(engine, outbox, relay, Paper()).drain()
    async with engine.connect() as connection:
        assert len(await read_feed(connection, outbox, 0, 1_000_000)) == 1000
        assert [e.number for e in await read_feed(connection, outbox, -5, 0)] == [1]
        assert await read_feed(connection, outbox, 1100, 10) == []
