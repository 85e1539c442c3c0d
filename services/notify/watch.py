"""Looks for what is due: one look for all channels of a process, and nothing is begun where there is nothing to do.

Each channel is drained by its own tick, several times a second. If each of those opened a transaction to find nothing, a
few idle workers would keep a processor busy; so they share a look that touches the index alone and takes no lock.
"""

import asyncio
import math
import time
from dataclasses import dataclass, field

from services.notify.domain.message import Channel
from services.notify.store import messages
from services.notify.store.database import Engine
from shared.clock import Clock


@dataclass(slots=True)
class Watch:
    """Tells which channels have something to do. A look serves for `seconds`."""

    engine: Engine
    clock: Clock
    seconds: float
    _looking: asyncio.Lock = field(default_factory=asyncio.Lock)
    _looked_at: float = -math.inf
    _found: frozenset[Channel] = frozenset()

    async def calls(self, channel: Channel) -> bool:
        """Return whether something is due on `channel`, or was at the last look."""
        async with self._looking:
            if time.monotonic() - self._looked_at >= self.seconds:
                async with self.engine.connect() as connection:
                    self._found = await messages.waiting(connection, self.clock())
                self._looked_at = time.monotonic()
        return channel in self._found
