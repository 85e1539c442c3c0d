"""The metronome: APScheduler ticks and remembers nothing. What is due lives in tables.

A tick is a short coroutine that looks for due work, does it, and may be called at any time, any number of times, by any
number of processes. So the jobs live in memory, a tick that is still running is not started a second time, ticks missed
meanwhile collapse into one, and none is dropped for being late.
"""

import asyncio
import functools
import inspect
import logging
import math
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from apscheduler.executors.asyncio import AsyncIOExecutor
from apscheduler.jobstores.memory import MemoryJobStore
from apscheduler.schedulers.asyncio import AsyncIOScheduler

from shared.clock import Clock, system_clock
from shared.log import log_context

logger = logging.getLogger(__name__)

Tick = Callable[[], Awaitable[Any]]

STOP_SECONDS = 30.0

logging.getLogger("apscheduler.scheduler").setLevel(logging.ERROR)
"""A tick that is left out because the last one still runs is how a metronome works here, and no warning."""
TELL_AGAIN_SECONDS = 30.0


class Ticker:
    """Calls coroutine functions at intervals, each by itself, from `start` to `stop`.

    A tick that raises is logged, and the next comes as if nothing had happened. One that keeps failing is logged when it
    begins to, then every 30 seconds, and when it is over: a broker that is away must not drown the log.
    """

    def __init__(self, clock: Clock = system_clock) -> None:
        self._clock = clock
        self._scheduler = AsyncIOScheduler(
            jobstores={"default": MemoryJobStore()},
            executors={"default": AsyncIOExecutor()},
            job_defaults={"coalesce": True, "max_instances": 1, "misfire_grace_time": None},
            timezone=UTC,
        )
        self._running: set[asyncio.Task[Any]] = set()
        self._last_success: dict[str, datetime | None] = {}
        self._failures: dict[str, _Failures] = {}

    @property
    def last_success(self) -> dict[str, datetime | None]:
        """When each tick last ended well, by its name; None where it never has. Readiness looks at this."""
        return dict(self._last_success)

    def every(self, seconds: float, tick: Tick, name: str) -> None:
        """Call `tick` at once when started, and then every `seconds`.

        Raises:
            ValueError: if the name is taken.
            TypeError: if `tick` is no coroutine function: it would run in a thread, outside the loop.
        """
        if name in self._last_success:
            raise ValueError(f"there is a tick {name!r} already")
        if not inspect.iscoroutinefunction(tick):
            raise TypeError(f"the tick {name!r} is not a coroutine function")
        self._last_success[name] = None
        call = functools.partial(self._run, tick, name)
        self._scheduler.add_job(call, "interval", seconds=seconds, id=name, name=name, next_run_time=datetime.now(UTC))

    def start(self) -> None:
        """Begin; to be called inside the running event loop."""
        self._scheduler.start()

    async def stop(self, seconds: float = STOP_SECONDS) -> None:
        """Begin no further tick, and wait for those that run; after `seconds` they are cancelled."""
        if not self._scheduler.running:
            return
        self._scheduler.pause()
        if self._running:
            await asyncio.wait(self._running, timeout=seconds)
        self._scheduler.shutdown(wait=False)  # cancels what still runs, in the next turn of the loop
        await asyncio.sleep(0)
        await asyncio.gather(*self._running, return_exceptions=True)

    async def _run(self, tick: Tick, name: str) -> None:
        task = asyncio.current_task()
        assert task is not None, "APScheduler runs coroutine functions in tasks"
        self._running.add(task)
        try:
            with log_context(tick_name=name):
                await self._call(tick, name)
        finally:
            self._running.discard(task)

    async def _call(self, tick: Tick, name: str) -> None:
        try:
            await tick()
        except Exception as error:  # noqa: BLE001 - whatever it was, the next tick comes
            self._tell_failure(name, error)
        else:
            self._last_success[name] = self._clock()
            failures = self._failures.pop(name, None)
            if failures:
                logger.info("tick_recovered", extra={"failures": failures.count})

    def _tell_failure(self, name: str, error: Exception) -> None:
        failures = self._failures.setdefault(name, _Failures())
        failures.count += 1
        if time.monotonic() - failures.told_at >= TELL_AGAIN_SECONDS:
            failures.told_at = time.monotonic()
            logger.error("tick_failed", extra={"failures": failures.count}, exc_info=error)


@dataclass(slots=True)
class _Failures:
    """Of one tick, since it last ended well."""

    count: int = 0
    told_at: float = -math.inf
