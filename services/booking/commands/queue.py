"""Whoever waits for the desk, in order: who rides in the next batch, who rides along, and who has waited too long."""

import asyncio
import time
from collections import deque
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from uuid import UUID

from services.booking.commands.answer import Render
from services.booking.domain.reason import Reason
from services.booking.domain.request import Request
from shared.refusal import Refused
from shared.web.problems import Answer

KeyName = tuple[UUID, str]


@dataclass(frozen=True, slots=True)
class Limits:
    """Bounds of the desk: requests in a batch, requests that wait, and seconds that one may wait."""

    batch: int = 256
    bound: int = 4096
    deadline_seconds: float = 5.0


@dataclass(slots=True)
class Asked:
    """A request that waits for its answer. `key_name` is the account and its key; None where the request has no key."""

    request: Request
    render: Render
    answer: asyncio.Future[Answer]
    since: float
    repeats: "list[Asked]" = field(default_factory=list)
    key_name: KeyName | None = field(init=False)

    def __post_init__(self) -> None:
        key = self.request.key
        self.key_name = None if key is None else (key.account_id, key.key)

    def is_repeat_of(self, other: "Asked") -> bool:
        """Say whether both are one request, sent more than once under one key."""
        return self.request.key is not None and self.request.key == other.request.key

    def settle(self, answer: Answer | Exception) -> None:
        """Answer whoever asked, and whoever asked the same again, unless they have gone away."""
        for repeat in self.repeats:
            repeat.settle(answer)
        if self.answer.done():
            return
        if isinstance(answer, Exception):
            self.answer.set_exception(answer)
        else:
            self.answer.set_result(answer)


class Queue:
    """The requests that wait; bounded by the desk and not by itself, so that the desk can say so."""

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._waiting: deque[Asked] = deque()

    def __len__(self) -> int:
        return len(self._waiting)

    def first(self) -> Request | None:
        """Return what is asked by whoever goes next."""
        return self._waiting[0].request if self._waiting else None

    def add(self, asked: Asked) -> None:
        """Put a request at the end."""
        self._waiting.append(asked)

    def next_batch(self, most: int, in_flight: AbstractSet[KeyName]) -> list[Asked]:
        """Take whoever waits, in order, `most` of them at the most.

        Whoever waited too long is told so, and whoever has gone away is dropped. A request that is sent again while it
        waits is told what the first one is told. Another request under its key, or under one in flight, is kept out of
        the batch, so that it finds the first one's answer.
        """
        batch: list[Asked] = []
        first_of: dict[tuple[UUID, str], Asked] = {}
        oldest = time.monotonic() - self._limits.deadline_seconds
        while self._waiting and len(batch) < most:
            name = self._waiting[0].key_name
            if name in in_flight:
                break
            first = None if name is None else first_of.get(name)
            if first is not None and not self._waiting[0].is_repeat_of(first):
                break
            asked = self._waiting.popleft()
            if asked.since < oldest:
                asked.settle(Refused(Reason.BUSY, retry_after_seconds=1))
            elif first is not None:
                first.repeats.append(asked)
            elif not asked.answer.done():
                batch.append(asked)
                if name is not None:
                    first_of[name] = asked
        return batch
