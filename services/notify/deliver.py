"""Delivery: what is due is claimed, looked at again, sent with no transaction open, and its outcome recorded.

The law, step by step, each one transaction unless it says otherwise:

1. Claim a batch, skipping what others have locked. What has expired, or speaks of an older version than is known, ends
   here; what was found half sent becomes `unknown`.
2. For as many as are sent together: look at version, expiry and lease once more and record the attempt as started.
3. Call the provider. No transaction is open.
4. Record the outcome and what follows from it, for whoever still holds the lease.

A worker may be killed between any two of them. Before 2 nothing has left, and another worker takes over when the lease
runs out. Between 2 and 4 nobody knows, and the message says so. The in-app inbox needs none of this: it is written in
the transaction of step 1.
"""

import asyncio
import logging
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any, Generic, TypeVar

from services.notify.channels.carrier import Carrier, Letter, Send
from services.notify.compose import Composer, Unsendable
from services.notify.domain.dispatch import Due, Lease, Move, Said, on_claim, on_outcome
from services.notify.domain.lifecycle import LIFECYCLE, Action, State
from services.notify.domain.message import Channel, Evidence, Urgency, Why
from services.notify.domain.outcome import Outcome, unknown
from services.notify.store import inbox, messages
from services.notify.store.database import Connection, Engine, is_unavailable
from shared.clock import Clock
from shared.ids import new_id

_log = logging.getLogger(__name__)

AnyLetter = TypeVar("AnyLetter", bound=Letter)


@dataclass(frozen=True, slots=True, kw_only=True)
class Pace:
    """How much is done at once.

    `batch`: messages claimed in one transaction; `together`: sent between two looks at the version; `lease`: for how
    long a claim holds, longer than `together` sends may take; `record_seconds`: for how long an outcome is kept in
    memory while the database is away.
    """

    batch: int = 200
    together: int = 32
    lease: timedelta = timedelta(seconds=120)
    record_seconds: float = 60.0


@dataclass(frozen=True, slots=True)
class Route(Generic[AnyLetter]):
    """How messages of a channel become letters, and who carries them."""

    compose: Callable[[Due, datetime], tuple[AnyLetter, Said]]
    carrier: Carrier[AnyLetter]


@dataclass(slots=True)
class Delivery:
    """Delivers what is due; run as many as you like. `chance` is the die that spreads retries, from 0 to 1."""

    engine: Engine
    composer: Composer
    routes: Mapping[Channel, Route[Any]]
    clock: Clock
    chance: Callable[[], float]
    pace: Pace = field(default_factory=Pace)
    _stopping: bool = False

    def stop(self) -> None:
        """Begin nothing further: what is being sent is finished, what is claimed is given back."""
        self._stopping = True

    async def drain(self, channel: Channel) -> int:
        """Deliver until nothing more is due on `channel`; return how many messages were worked on."""
        total = 0
        while not self._stopping:
            count = await self.deliver(channel)
            total += count
            if count < self.pace.batch:
                break
        return total

    async def deliver(self, channel: Channel) -> int:
        """Deliver one batch of what is due on `channel`; return how many messages were worked on."""
        if channel is Channel.IN_APP:
            return await self._write_inbox()
        worked_on, claimed = await self._claim(channel)
        route = self.routes.get(channel)
        if route is None:
            await self._settle([_suppress(due, Why.CHANNEL_NOT_SET_UP) for due in claimed])
            return worked_on
        for first in range(0, len(claimed), self.pace.together):
            if self._stopping:
                await self._settle([_release(due, self.clock()) for due in claimed[first:]])
                break
            await self._send_together(route, claimed[first : first + self.pace.together])
        return worked_on

    # -- step 1

    async def _claim(self, channel: Channel) -> tuple[int, list[Due]]:
        now = self.clock()
        lease = Lease(token=new_id(), until=now + self.pace.lease)
        async with self.engine.begin() as tx:
            dues = await self._due(tx, channel, now)
            moves = [on_claim(due, lease, now) for due in dues]
            half_sent = [move.due for move in moves if move.action is Action.DOUBT]
            await messages.finish(tx, [(due, unknown(Why.LEASE_RAN_OUT.value)) for due in half_sent], now)
            moved = await messages.move(tx, moves, now)
        for due in half_sent:
            _log.error(
                "outcome_unknown", extra={"message_id": due.id, "channel": channel.value, "why": "lease_ran_out"}
            )
        claimed = [
            replace(move.due, state=State.CLAIMED, lease_token=lease.token)
            for move in moves
            if move.action is Action.CLAIM and move.due.id in moved
        ]
        return len(dues), claimed

    async def _due(self, tx: Connection, channel: Channel, now: datetime) -> list[Due]:
        """Return a batch, the most urgent lane first: a wall of reminders never stands before a sign-in code."""
        dues: list[Due] = []
        for lane in Urgency:
            room = self.pace.batch - len(dues)
            if room:
                dues += await messages.due(tx, channel, lane, now, room)
        return dues

    async def _write_inbox(self) -> int:
        now = self.clock()
        async with self.engine.begin() as tx:
            dues = await self._due(tx, Channel.IN_APP, now)
            moves, entries = [], []
            for due in dues:
                move = on_claim(due, Lease(token=new_id(), until=now), now)
                if move.action is Action.CLAIM:
                    move, entry = self._entry(due)
                    entries += [entry] if entry else []
                moves.append(move)
            await inbox.write(tx, entries, now)
            await messages.move(tx, moves, now)
        return len(dues)

    def _entry(self, due: Due) -> tuple[Move, inbox.Entry | None]:
        try:
            entry, said = self.composer.entry(due)
        except Exception:  # noqa: BLE001 - one message's fault must not hold up the batch
            _log.exception("template_failed", extra={"message_id": due.id, "kind": due.key.kind.value})
            return Move(due=due, action=Action.FAIL, why=Why.TEMPLATE_FAILED), None
        written = Move(due=due, action=Action.ACCEPT, why=Why.WRITTEN, evidence=Evidence.DELIVERED, said=said)
        return written, entry

    # -- steps 2 to 4

    async def _send_together(self, route: Route[AnyLetter], claimed: Sequence[Due]) -> None:
        now = self.clock()
        letters: dict[Any, tuple[AnyLetter, Said]] = {}
        given_up = []
        for due in claimed:
            composed = _compose(route, due, now)
            if isinstance(composed, Move):
                given_up.append(composed)
            else:
                letters[due.id] = composed
        ready = [due for due in claimed if due.id in letters]
        started = await self._start(route.carrier.provider, ready, given_up)
        if not started:
            return
        async with route.carrier.open() as send:
            outcomes = await asyncio.gather(*(_send(send, letters[due.id][0]) for due in started))
        ended = [(due, outcome, letters[due.id][1]) for due, outcome in zip(started, outcomes, strict=True)]
        await self._record(ended)

    async def _start(self, provider: str, ready: Sequence[Due], given_up: Sequence[Move]) -> list[Due]:
        now = self.clock()
        async with self.engine.begin() as tx:
            await messages.move(tx, given_up, now)
            if not ready:
                return []
            token = ready[0].lease_token
            assert token is not None, "what is ready was claimed under a lease"
            lease = Lease(token=token, until=now + self.pace.lease)
            numbers = await messages.start(tx, ready, lease, provider, now)
        return [replace(due, state=State.SENDING, attempt=numbers[due.id]) for due in ready if due.id in numbers]

    async def _record(self, ended: Sequence[tuple[Due, Outcome, Said]]) -> None:
        """Write down what happened, for as long as it takes: while the database is away, only this process knows."""
        patience = time.monotonic() + self.pace.record_seconds
        while True:
            try:
                await self._record_once(ended)
            except Exception as error:
                if not is_unavailable(error) or time.monotonic() >= patience:
                    raise
                await asyncio.sleep(0.2)
            else:
                return

    async def _record_once(self, ended: Sequence[tuple[Due, Outcome, Said]]) -> None:
        now = self.clock()
        moves = [on_outcome(due, outcome, said, now, self.chance()) for due, outcome, said in ended]
        async with self.engine.begin() as tx:
            await messages.finish(tx, [(due, outcome) for due, outcome, _ in ended], now)
            moved = await messages.move(tx, moves, now)
            lost = [move for move in moves if move.due.id not in moved]
            await messages.move(tx, [late for move in lost if (late := _late(move))], now)
        for move in moves:
            if move.action in {Action.DOUBT, Action.FAIL, Action.EXPIRE}:
                facts = {"message_id": move.due.id, "channel": move.due.key.channel.value, "why": move.why.value}
                _log.warning("message_%s", move.after.value, extra=facts)

    async def _settle(self, moves: Sequence[Move]) -> None:
        async with self.engine.begin() as tx:
            await messages.move(tx, moves, self.clock())


def _late(move: Move) -> Move | None:
    """Return what an outcome still proves after its lease ran out and the message was put down as unknown."""
    doubted = replace(move.due, state=State.UNKNOWN, lease_token=None)
    if move.action not in LIFECYCLE[State.UNKNOWN]:
        return None
    return replace(move, due=doubted, why=Why.LATE_EVIDENCE)


def _release(due: Due, now: datetime) -> Move:
    return Move(due=due, action=Action.RELEASE, why=Why.WORKER_STOPPED, visible_at=now)


def _suppress(due: Due, why: Why) -> Move:
    return Move(due=due, action=Action.SUPPRESS, why=why)


def _compose(route: Route[AnyLetter], due: Due, now: datetime) -> tuple[AnyLetter, Said] | Move:
    try:
        return route.compose(due, now)
    except Unsendable as unsendable:
        return _suppress(due, unsendable.why)
    except Exception:  # noqa: BLE001 - one message's fault must not hold up the batch
        _log.exception("template_failed", extra={"message_id": due.id, "kind": due.key.kind.value})
        return Move(due=due, action=Action.FAIL, why=Why.TEMPLATE_FAILED)


async def _send(send: Send[AnyLetter], letter: AnyLetter) -> Outcome:
    """Send, and take a fault of our own for what it is: nobody knows how far the call had come."""
    try:
        return await send(letter)
    except Exception as fault:  # noqa: BLE001 - see above: an outcome, whatever it was
        _log.exception("carrier_failed", extra={"message_id": letter.message_id})
        return unknown(type(fault).__name__)
