"""Doubt, ended: what `deliver` could not learn is found out from the provider, or a remedy takes its place.

Each step one transaction, none open while a provider is asked: take a few messages in doubt, ask, apply what follows.
Whoever asks needs no lease: a move holds only for the state and the attempt that it was decided for, so two who ask
about the same message learn the same and act once.
"""

import asyncio
import logging
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any

from services.notify.channels.enquiry import Asked, Question
from services.notify.compose import Unsendable
from services.notify.deliver import Route
from services.notify.domain.doubt import Doubt, Ending, Finding, on_finding
from services.notify.domain.message import Channel
from services.notify.store import doubts, messages
from services.notify.store.database import Engine
from shared.clock import Clock

_log = logging.getLogger(__name__)

AT_ONCE = 50
LEASE = timedelta(seconds=20)
"""For so long nobody else asks about what one worker is asking about, dead or alive."""


@dataclass(frozen=True, slots=True)
class Doubts:
    """Ends doubt, with the routes of the delivery that leaves it; run as many as you like."""

    engine: Engine
    routes: Mapping[Channel, Route[Any]]
    clock: Clock

    async def resolve(self, channel: Channel) -> int:
        """Ask about what is to be asked about on `channel`, until no more is; return how often it was asked."""
        total = 0
        while True:
            count = await self._resolve_some(channel)
            total += count
            if count < AT_ONCE:
                return total

    async def _resolve_some(self, channel: Channel) -> int:
        async with self.engine.begin() as tx:
            found = await doubts.take(tx, channel, AT_ONCE, self.clock(), LEASE)
        if not found:
            return 0
        answers = await asyncio.gather(*(self._ask(doubt) for doubt in found))
        now = self.clock()
        endings = [
            (doubt, finding, on_finding(doubt, finding, now)) for doubt, finding in zip(found, answers, strict=True)
        ]
        async with self.engine.begin() as tx:
            moved = await messages.move(tx, [ending.move for _, _, ending in endings if ending.move], now)
            arrived = [(doubt.due.id, doubt.due.attempt) for doubt, finding, _ in endings if finding is Finding.ARRIVED]
            await doubts.note_arrival(tx, arrived, now)
            instead = [ending.instead for doubt, _, ending in endings if ending.instead and doubt.due.id in moved]
            await messages.plan(tx, instead, None, now)
            await doubts.put_off(tx, [(doubt.due.id, ending.ask_at) for doubt, _, ending in endings if ending.ask_at])
        for doubt, _, ending in endings:
            _tell(doubt, ending)
        return len(found)

    async def _ask(self, doubt: Doubt) -> Finding:
        route = self.routes.get(doubt.due.key.channel)
        carrier: object = route.carriers.get(doubt.provider) if route is not None else None
        if route is None or not isinstance(carrier, Asked):
            return Finding.MUTE
        if doubt.letter_absent:
            return Finding.ABSENT
        try:
            composed, _ = route.compose(doubt.due, self.clock())
            letter = replace(composed, message_id=doubt.letter)
            return await carrier.ask(letter, Question(started_at=doubt.started_at, reference=doubt.reference))
        except Unsendable:
            return Finding.NOTHING
        except Exception:  # noqa: BLE001 - one message's fault must not hold up the others
            _log.exception("enquiry_failed", extra={"message_id": doubt.due.id})
            return Finding.NOTHING


def _tell(doubt: Doubt, ending: Ending) -> None:
    if ending.move is not None:
        facts = {"message_id": doubt.due.id, "provider": doubt.provider, "why": ending.move.why.value}
        _log.info("doubt_ended_%s", ending.move.after.value, extra=facts)
