"""Tells open streams that their account has new messages: one look at the database for all streams of a process.

It rings for what is committed, never more than an interval late, and asks only for accounts that somebody listens to.
A notification by the database itself would serialise the commits of everybody; a look costs a fraction of a
millisecond and costs nothing while nobody listens.
"""

import asyncio
import logging
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from uuid import UUID

from services.notify import views
from services.notify.domain.reason import Reason
from services.notify.store.database import Engine, is_unavailable
from shared.refusal import Refused

_log = logging.getLogger(__name__)

COME_AGAIN_SECONDS = 30


@dataclass(eq=False, slots=True)
class Bell:
    """What one stream listens to. It may ring for nothing; it never stays silent for a new message."""

    _rung: asyncio.Event = field(default_factory=asyncio.Event)

    def quiet(self) -> None:
        """Forget what has rung so far; to be called before looking, so that nothing is missed after."""
        self._rung.clear()

    def ring(self) -> None:
        """Wake whoever waits."""
        self._rung.set()

    async def wait(self, seconds: float) -> bool:
        """Wait until it rings; return False after `seconds` of silence."""
        try:
            async with asyncio.timeout(max(seconds, 0)):
                await self._rung.wait()
        except TimeoutError:
            return False
        return True


@dataclass(slots=True)
class Doorbell:
    """All the bells of a process.

    Attributes:
        engine: the notify database.
        interval: seconds between looks.
        most: bells at a time.
        most_per_account: of one account.
    """

    engine: Engine
    interval: float
    most: int
    most_per_account: int
    _bells: dict[UUID, set[Bell]] = field(default_factory=lambda: defaultdict(set))
    _known: dict[UUID, int] = field(default_factory=dict)

    @property
    def listening(self) -> int:
        """How many streams listen."""
        return sum(len(bells) for bells in self._bells.values())

    @contextmanager
    def listen(self, account_id: UUID) -> Iterator[Bell]:
        """Give a bell of `account_id`'s for as long as the block lasts.

        Raises:
            Refused: `too_many_streams`.
        """
        if self.listening >= self.most or len(self._bells[account_id]) >= self.most_per_account:
            if not self._bells[account_id]:
                del self._bells[account_id]
            raise Refused(Reason.TOO_MANY_STREAMS, retry_after_seconds=COME_AGAIN_SECONDS)
        bell = Bell()
        self._bells[account_id].add(bell)
        try:
            yield bell
        finally:
            self._bells[account_id].discard(bell)
            if not self._bells[account_id]:
                del self._bells[account_id]
                self._known.pop(account_id, None)

    async def run(self) -> None:
        """Look again and again, until cancelled. Whatever a look meets, the next one comes: streams depend on it."""
        silent = False
        while True:
            await asyncio.sleep(self.interval)
            try:
                await self.look()
            except Exception as error:  # noqa: BLE001 - as above
                if not silent:
                    _log.warning("doorbell_silent", exc_info=None if is_unavailable(error) else error)
                silent = True
            else:
                silent = False

    async def look(self) -> None:
        """Ring for every account whose last number has changed since the last look."""
        if not self._bells:
            return
        async with self.engine.connect() as connection:
            last = await views.last_numbers(connection, list(self._bells))
        for account_id, number in last.items():
            if self._known.get(account_id) != number and account_id in self._bells:
                self._known[account_id] = number
                for bell in self._bells[account_id]:
                    bell.ring()
