"""Channels that are not set up: what waits on them ends in bulk, two statements at a time.

While one statement is being flushed to the disk the other works, and where PostgreSQL has a second core they share the
work; what one has locked the other skips. More than two there never are, however many channels are closed and however much
waits on them: what is to be sent must not stand behind what is not.
"""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field

from services.notify.domain.message import Channel
from services.notify.store.database import Engine
from services.notify.store.unset import end
from shared.clock import Clock

AT_ONCE = 2
BATCH = 1000
"""Ended by one statement: some twenty milliseconds."""


@dataclass(slots=True)
class Closed:
    """Ends what waits on channels that are not set up."""

    engine: Engine
    clock: Clock
    _places: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(AT_ONCE))

    async def end_all(self, channel: Channel, goes_on: Callable[[], bool]) -> int:
        """End what is due on `channel` and was not begun, for as long as `goes_on`; return how many messages there were."""
        async with asyncio.TaskGroup() as group:
            lanes = [group.create_task(self._lane(channel, goes_on)) for _ in range(AT_ONCE)]
        return sum(lane.result() for lane in lanes)

    async def _lane(self, channel: Channel, goes_on: Callable[[], bool]) -> int:
        total = 0
        while goes_on():
            async with self._places, self.engine.connect() as connection:  # one statement is its own transaction
                ended = await end(connection, channel, self.clock(), BATCH)
            total += ended
            if ended < BATCH:
                break
        return total
