"""Letters on their way out: as many at a time as there are places, each filled again as soon as it is free.

An answer that comes waits for none that does not: whatever has ended is handed back to be written down, and new letters
take its places, while the silent ones wait for as long as they may. Carriers are opened when they are first needed and
stay open for as long as anything flows, so that connections are made once and not for every batch.
"""

import asyncio
import logging
from collections.abc import Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from types import TracebackType
from typing import Generic, Self, TypeVar

from services.notify.channels.carrier import Carrier, Letter, Send
from services.notify.domain.dispatch import Due, Said
from services.notify.domain.outcome import Outcome, unknown

_log = logging.getLogger(__name__)

AnyLetter = TypeVar("AnyLetter", bound=Letter)

Ended = tuple[Due, Outcome, Said | None]
"""A message that was handed over, what became of it, and the words that it bore."""


@dataclass(slots=True)
class Flow(Generic[AnyLetter]):
    """The letters of one channel that are under way; `carriers` by their provider's name. Use as a context manager."""

    carriers: Mapping[str, Carrier[AnyLetter]]
    places: int
    _open: AsyncExitStack = field(default_factory=AsyncExitStack)
    _sends: dict[str, Send[AnyLetter]] = field(default_factory=dict)
    _under_way: dict[asyncio.Task[Outcome], tuple[Due, Said]] = field(default_factory=dict)

    async def __aenter__(self) -> Self:
        await self._open.__aenter__()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for task in self._under_way:
            task.cancel()
        if kind is GeneratorExit:
            return  # the loop is gone: nothing can be waited for any more
        await asyncio.gather(*self._under_way, return_exceptions=True)  # each lets go of its connection first
        await self._open.__aexit__(kind, error, trace)

    @property
    def under_way(self) -> int:
        """How many letters are under way, or have come back and were not yet asked for."""
        return len(self._under_way)

    @property
    def room(self) -> int:
        """How many more may be put in."""
        return max(0, self.places - len(self._under_way))

    async def put(self, provider: str, letter: AnyLetter, due: Due, said: Said) -> None:
        """Begin to hand over a letter, whose attempt is on record."""
        send = self._sends.get(provider)
        if send is None:
            send = self._sends[provider] = await self._open.enter_async_context(self.carriers[provider].open())
        self._under_way[asyncio.create_task(_send(send, letter))] = (due, said)

    async def ended(self, seconds: float | None, gather: float) -> list[Ended]:
        """Return what has ended, as soon as anything has, and what ends within `gather` of it.

        Nothing, where nothing ends within `seconds`.
        """
        done, waiting = await asyncio.wait(self._under_way, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
        if done and waiting:
            more, _ = await asyncio.wait(waiting, timeout=gather)
            done |= more
        result: list[Ended] = []
        for task in done:
            due, said = self._under_way.pop(task)
            result.append((due, task.result(), said))
        return result


async def _send(send: Send[AnyLetter], letter: AnyLetter) -> Outcome:
    """Send, and take a fault of our own for what it is: nobody knows how far the call had come."""
    try:
        return await send(letter)
    except Exception as fault:  # noqa: BLE001 - see above: an outcome, whatever it was
        _log.exception("carrier_failed", extra={"message_id": letter.message_id})
        return unknown(type(fault).__name__)
