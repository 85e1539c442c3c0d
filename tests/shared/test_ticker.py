"""The metronome: ticks come, never pile up, survive failures, and end before the process does."""

import asyncio
import logging
from collections.abc import AsyncIterator
from datetime import timedelta

import pytest

from shared.clock import SettableClock
from shared.ticker import Ticker
from tests.shared.samples import NOW


@pytest.fixture
async def ticker() -> AsyncIterator[Ticker]:
    one = Ticker(SettableClock(NOW))
    yield one
    await one.stop()


async def test_a_tick_comes_at_once_and_then_again_and_again(ticker: Ticker) -> None:
    ticks = []
    thrice = asyncio.Event()

    async def tick() -> None:
        ticks.append(asyncio.get_running_loop().time())
        if len(ticks) == 3:
            thrice.set()

    ticker.every(0.05, tick, "tick")
    started = asyncio.get_running_loop().time()
    ticker.start()
    await asyncio.wait_for(thrice.wait(), 5)

    assert ticks[0] - started < 0.05
    assert 0.02 < ticks[2] - ticks[1] < 0.3


async def test_a_tick_that_takes_long_is_not_started_twice_and_does_not_hold_up_others(ticker: Ticker) -> None:
    running, most, others = 0, 0, 0

    async def long() -> None:
        nonlocal running, most
        running += 1
        most = max(most, running)
        await asyncio.sleep(0.2)
        running -= 1

    async def other() -> None:
        nonlocal others
        others += 1

    ticker.every(0.02, long, "long")
    ticker.every(0.02, other, "other")
    ticker.start()
    await asyncio.sleep(0.3)

    assert most == 1
    assert others >= 5


async def test_ticks_missed_while_the_process_was_busy_collapse_into_one(ticker: Ticker) -> None:
    ticks = 0

    async def tick() -> None:
        nonlocal ticks
        ticks += 1

    ticker.every(0.05, tick, "tick")
    ticker.start()
    await asyncio.sleep(0.01)
    loop = asyncio.get_running_loop()
    until = loop.time() + 0.5
    while loop.time() < until:  # the loop stands still
        pass
    before = ticks
    await asyncio.sleep(0.02)

    assert ticks - before == 1


async def test_a_tick_that_fails_is_said_once_and_the_next_one_comes(
    ticker: Ticker, caplog: pytest.LogCaptureFixture
) -> None:
    calls = 0
    well = asyncio.Event()

    async def tick() -> None:
        nonlocal calls
        calls += 1
        if calls < 4:
            raise RuntimeError("not today")
        well.set()

    ticker.every(0.01, tick, "tick")
    assert ticker.last_success == {"tick": None}
    with caplog.at_level(logging.INFO, "shared.ticker"):
        ticker.start()
        await asyncio.wait_for(well.wait(), 5)
        await asyncio.sleep(0)

    assert [record.message for record in caplog.records] == ["tick_failed", "tick_recovered"]
    assert caplog.records[1].__dict__["failures"] == 3
    assert ticker.last_success == {"tick": NOW}


async def test_the_last_success_is_told_for_each_tick(ticker: Ticker) -> None:
    clock = SettableClock(NOW)
    told = Ticker(clock)
    told.every(3600, asyncio.Event().wait, "never_ends")

    async def tick() -> None:
        clock.advance(timedelta(minutes=1))

    told.every(3600, tick, "well")
    told.start()
    await asyncio.sleep(0.05)
    assert told.last_success == {"never_ends": None, "well": NOW + timedelta(minutes=1)}
    await told.stop(seconds=0.01)


async def test_stopping_waits_for_the_tick_that_runs_and_begins_no_other(ticker: Ticker) -> None:
    began, ended = 0, 0
    under_way = asyncio.Event()

    async def tick() -> None:
        nonlocal began, ended
        began += 1
        under_way.set()
        await asyncio.sleep(0.1)
        ended += 1

    ticker.every(0.01, tick, "tick")
    ticker.start()
    await under_way.wait()
    await ticker.stop()
    assert (began, ended) == (1, 1)
    await asyncio.sleep(0.05)
    assert began == 1


async def test_a_tick_that_never_ends_is_cancelled_when_stopping_takes_too_long(ticker: Ticker) -> None:
    cancelled = asyncio.Event()

    async def tick() -> None:
        try:
            await asyncio.sleep(3600)
        except asyncio.CancelledError:
            cancelled.set()
            raise

    ticker.every(1, tick, "tick")
    ticker.start()
    await asyncio.sleep(0.02)
    await ticker.stop(seconds=0.05)
    assert cancelled.is_set()


def test_what_cannot_tick_is_refused(ticker: Ticker) -> None:
    async def tick() -> None: ...

    ticker.every(1, tick, "tick")
    with pytest.raises(ValueError, match="already"):
        ticker.every(1, tick, "tick")
    with pytest.raises(TypeError, match="coroutine function"):
        ticker.every(1, lambda: asyncio.sleep(0), "lambda")
