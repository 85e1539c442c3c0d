"""Delivery: what is due is claimed, looked at again, sent with no transaction open, and its outcome recorded.

The law, step by step, each one transaction unless it says otherwise:

1. Claim a batch, skipping what others have locked. What has expired, or speaks of an older version than is known, ends
   here; what was found half sent becomes `unknown`.
2. For as many as are sent together: look at version, expiry and lease once more and record the attempt as started.
3. Call the provider. No transaction is open.
4. Record the outcome and what follows from it, for whoever still holds the lease.

A worker may be killed between any two of them. Before 2 nothing has left, and another worker takes over when the claim
ends, within seconds. Between 2 and 4 nobody knows, and the message says so when the lease runs out, which step 2 made
longer than any letter may take. The in-app inbox needs none of this: it is written in the transaction of step 1.
"""

import asyncio
import logging
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from types import MappingProxyType
from typing import Any, Generic
from uuid import UUID

from services.notify.channels.carrier import Carrier
from services.notify.closed import Closed
from services.notify.commands.assign import Limit, Providers, deal, judge_all
from services.notify.commands.receive import match_early
from services.notify.compose import Composer, Unsendable
from services.notify.domain.dispatch import Due, Lease, Move, Said, on_claim, on_outcome
from services.notify.domain.lifecycle import LIFECYCLE, Action, State
from services.notify.domain.merging import all_of, gathered
from services.notify.domain.message import Channel, Evidence, Why
from services.notify.domain.outcome import Outcome, temporary, unknown
from services.notify.domain.provider import Measures
from services.notify.flow import AnyLetter, Ended, Flow
from services.notify.store import inbox, messages
from services.notify.store.database import Engine, is_unavailable
from shared.clock import Clock
from shared.ids import new_id

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Pace:
    """How much is done at once.

    `places`: how many letters may be under way at a time; `batch`: messages claimed in one transaction, at most, and never
    more than there are places for; `gather_seconds`: for how long outcomes are collected before they are written down
    together; `poll_seconds`: how long nothing is looked for once nothing more was due; `claim`: for how long a message is
    kept from others before its attempt is on record; `lease`: for how long from then on, longer than any letter may take;
    `record_seconds`: for how long an outcome is kept in memory while the database is away.

    Nothing has left before the attempt is on record, so `claim` is only as long as getting that far may take where PostgreSQL
    answers: two waits for a connection, of five seconds each, and one for a lock, of three. Who is slower sends nothing that
    another has taken meanwhile: `messages.start` asks for the token.
    """

    batch: int = 200
    places: int = 50
    gather_seconds: float = 0.02
    poll_seconds: float = 0.25
    claim: timedelta = timedelta(seconds=15)
    lease: timedelta = timedelta(seconds=120)
    record_seconds: float = 60.0


@dataclass(frozen=True, slots=True)
class Route(Generic[AnyLetter]):
    """How messages of a channel become letters, and who carries them.

    `others` are further carriers, in the order in which they take over what the ones before them lose; `limits` what
    each may be given, by the provider's name.
    """

    compose: Callable[[Due, datetime], tuple[AnyLetter, Said]]
    carrier: Carrier[AnyLetter]
    others: tuple[Carrier[AnyLetter], ...] = ()
    limits: Mapping[str, Limit] = field(default_factory=lambda: MappingProxyType({}))
    pace: Pace | None = None

    @property
    def carriers(self) -> dict[str, Carrier[AnyLetter]]:
        """All of them by their provider's name, the preferred first."""
        return {carrier.provider: carrier for carrier in (self.carrier, *self.others)}

    def providers(self, channel: Channel) -> Providers:
        """Return the providers as those who deal messages to them know them."""
        return Providers(channel=channel, names=tuple(self.carriers), limits=self.limits)


@dataclass(slots=True)
class Delivery:
    """Delivers what is due; run as many as you like. `chance` is the die that spreads retries, from 0 to 1."""

    engine: Engine
    composer: Composer
    routes: Mapping[Channel, Route[Any]]
    clock: Clock
    chance: Callable[[], float]
    pace: Pace = field(default_factory=Pace)
    measures: Measures = field(default_factory=Measures)
    _closed: Closed = field(init=False)
    _stopping: bool = False

    def __post_init__(self) -> None:
        """Share the database with what ends the messages of channels that are not set up."""
        self._closed = Closed(self.engine, self.clock)

    def stop(self) -> None:
        """Begin nothing further: what is being sent is finished, what is claimed is given back."""
        self._stopping = True

    async def drain(self, channel: Channel) -> int:
        """Deliver until nothing more is due on `channel` and all that was begun has ended; return how many messages."""
        route = self.routes.get(channel)
        if channel is not Channel.IN_APP and route is not None:
            return await self._keep_full(channel, route)
        total, batch = 0, self._pace(channel).batch
        if channel is not Channel.IN_APP:
            total = await self._closed.end_all(channel, lambda: not self._stopping)
        while not self._stopping:
            count = await self._at_once(channel, batch)
            total += count
            if count < batch:
                break
        return total

    async def _keep_full(self, channel: Channel, route: Route[Any]) -> int:
        """Send, claiming more whenever half the places are free: only as much as can be sent at once."""
        async with Flow(route.carriers, self._pace(channel).places) as flow:
            try:
                total = await self._fill(channel, route, flow)
            except (Exception, asyncio.CancelledError):
                await self._end(flow)
                raise
            await self._end(flow)
        return total

    async def _fill(self, channel: Channel, route: Route[Any], flow: Flow[Any]) -> int:
        total, pace, rested, dry_at = 0, self._pace(channel), True, 0.0
        while not self._stopping:
            if rested and 2 * flow.room >= pace.places:
                wanted = min(pace.batch, flow.room)
                count, claimed = await self._claim(channel, wanted)
                await self._begin(route, claimed, flow)
                total += count
                rested, dry_at = count >= wanted, time.monotonic()
            if flow.under_way:
                await self._record(await flow.ended(pace.poll_seconds, pace.gather_seconds))
            elif not rested:
                break
            rested = rested or time.monotonic() - dry_at >= pace.poll_seconds
        return total

    async def _end(self, flow: Flow[Any]) -> None:
        """Begin nothing more, and write down what is still under way as it ends."""
        while flow.under_way:
            await self._record(await flow.ended(None, self.pace.gather_seconds))

    async def _at_once(self, channel: Channel, wanted: int) -> int:
        """Deal with up to `wanted` messages for which nobody is called; return how many there were."""
        if channel is Channel.IN_APP:
            return await self._write_inbox(wanted)
        worked_on, claimed = await self._claim(channel, wanted)  # what a dead worker has left half sent, too
        await self._settle([_suppress(due, Why.CHANNEL_NOT_SET_UP) for due in claimed])
        return worked_on

    async def deliver(self, channel: Channel) -> int:
        """Deliver one batch of what is due on `channel`; return how many messages were worked on."""
        pace, route = self._pace(channel), self.routes.get(channel)
        if channel is Channel.IN_APP or route is None:
            return await self._at_once(channel, pace.batch)
        worked_on, claimed = await self._claim(channel, pace.places)
        await self._send_together(route, claimed)
        return worked_on

    async def judge(self, channel: Channel) -> int:
        """Look at how the providers of `channel` did lately, and deal out anew; return how many changes that made."""
        async with self.engine.begin() as tx:
            return await judge_all(tx, self.routes[channel].providers(channel), self.clock(), self.measures)

    def _pace(self, channel: Channel) -> Pace:
        route = self.routes.get(channel)
        return route.pace if route is not None and route.pace is not None else self.pace

    # -- step 1

    async def _claim(self, channel: Channel, wanted: int = 200) -> tuple[int, list[Due]]:
        now = self.clock()
        lease = Lease(token=new_id(), until=now + self._pace(channel).claim)
        async with self.engine.begin() as tx:
            dues = await messages.claim(tx, channel, lease, now, wanted)
            moves = [on_claim(due, lease, now) for due in dues]
            half_sent = [move.due for move in moves if move.action is Action.DOUBT]
            in_doubt = [(due, unknown(Why.LEASE_RAN_OUT.value)) for due in half_sent]
            await messages.finish(tx, in_doubt, now)
            await messages.move(tx, [move for move in moves if move.action is not Action.CLAIM], now)
            await match_early(tx, in_doubt, now)
        for due in half_sent:
            _log.error(
                "outcome_unknown", extra={"message_id": due.id, "channel": channel.value, "why": "lease_ran_out"}
            )
        return len(dues), [move.due for move in moves if move.action is Action.CLAIM]

    async def _write_inbox(self, wanted: int) -> int:
        now = self.clock()
        async with self.engine.begin() as tx:
            dues = await messages.due(tx, Channel.IN_APP, now, wanted)
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
        """Send what was claimed, and return when all of it has ended."""
        async with Flow(route.carriers, len(claimed)) as flow:
            await self._begin(route, claimed, flow)
            await self._end(flow)

    async def _begin(self, route: Route[AnyLetter], claimed: Sequence[Due], flow: Flow[AnyLetter]) -> None:
        """Write the letters, record the attempts, and put the letters on their way."""
        now = self.clock()
        if self._stopping:
            await self._settle([_release(due, now) for due in claimed])
            return
        letters: dict[Any, tuple[AnyLetter, Said]] = {}
        ready, given_up = [], []
        for due in gathered(claimed):
            composed = _compose(route, due, now)
            if isinstance(composed, Move):
                given_up += _for_all(composed)
            else:
                letters[due.id] = composed
                ready.append(due)
        for due, provider in await self._start(route, ready, given_up):
            letter, said = letters[due.id]
            await flow.put(provider, letter, due, said)

    async def _start(
        self, route: Route[AnyLetter], ready: Sequence[Due], given_up: Sequence[Move]
    ) -> list[tuple[Due, str]]:
        """Record that these are about to be sent; return those that may be, each with the provider that carries it."""
        now = self.clock()
        async with self.engine.begin() as tx:
            await messages.move(tx, given_up, now)
            if not ready:
                return []
            token = ready[0].lease_token
            assert token is not None, "what is ready was claimed under a lease"
            lease = Lease(token=token, until=now + self._pace(ready[0].key.channel).lease)
            dealt = await deal(tx, route.providers(ready[0].key.channel), ready, now, self.chance)
            await messages.move(tx, [move for one in dealt.waiting for move in _for_all(one)], now)
            if not dealt.given:
                return []
            dues, names = zip(*dealt.given, strict=True)
            numbers = await messages.start(tx, dues, lease, names, now)
        return await self._whole(dealt.given, numbers)

    async def _whole(self, given: Sequence[tuple[Due, str]], numbers: Mapping[UUID, int]) -> list[tuple[Due, str]]:
        """Return those of which every part was started; the parts of the others did not leave, and are put back."""
        whole: list[tuple[Due, str]] = []
        broken: list[Ended] = []
        for due, name in given:
            parts = [_started(one, numbers[one.id]) for one in all_of(due) if one.id in numbers]
            if len(parts) == 1 + len(due.together):
                whole.append((replace(parts[0], together=tuple(parts[1:])) if parts[1:] else parts[0], name))
            else:
                broken += [(one, temporary(Why.NOT_TOGETHER, "not_sent"), None) for one in parts]
        if broken:
            await self._record(broken)
        return whole

    async def _record(self, ended: Sequence[Ended]) -> None:
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

    async def _record_once(self, letters: Sequence[Ended]) -> None:
        now = self.clock()
        ended = [(one, outcome) for due, outcome, _ in letters for one in all_of(due)]
        moves = [move for due, outcome, said in letters for move in _ends(due, outcome, said, now, self.chance())]
        async with self.engine.begin() as tx:
            await messages.finish(tx, ended, now)
            moved = await messages.move(tx, moves, now)
            lost = [move for move in moves if move.due.id not in moved]
            for state in (State.UNKNOWN, State.UNPROVEN):
                await messages.move(tx, [late for move in lost if (late := _late(move, state))], now)
            await match_early(tx, ended, now)
        for move in moves:
            if move.action in {Action.DOUBT, Action.FAIL, Action.EXPIRE}:
                facts = {"message_id": move.due.id, "channel": move.due.key.channel.value, "why": move.why.value}
                _log.warning("message_%s", move.after.value, extra=facts)

    async def _settle(self, moves: Sequence[Move]) -> None:
        async with self.engine.begin() as tx:
            await messages.move(tx, moves, self.clock())


def _late(move: Move, state: State) -> Move | None:
    """Return what an outcome still proves after its lease ran out and the message was put down as unknown."""
    doubted = replace(move.due, state=state, lease_token=None)
    if move.action not in LIFECYCLE[state] or move.action is Action.EXPIRE:
        return None
    return replace(move, due=doubted, why=Why.LATE_EVIDENCE)


def _release(due: Due, now: datetime) -> Move:
    return Move(due=due, action=Action.RELEASE, why=Why.WORKER_STOPPED, visible_at=now)


def _started(due: Due, attempt: int) -> Due:
    return replace(due, state=State.SENDING, attempt=attempt)


def _ends(due: Due, outcome: Outcome, said: Said | None, now: datetime, chance: float) -> list[Move]:
    """Return what follows for the message and whatever was told with it: one throw of the die, so that they stay together."""
    moves = [on_outcome(one, outcome, said, now, chance) for one in all_of(due)]
    return [
        replace(move, why=Why.SAID_TOGETHER) if place and move.action is Action.ACCEPT else move
        for place, move in enumerate(moves)
    ]


def _for_all(move: Move) -> list[Move]:
    """Return `move` for the message and for whatever was to be told together with it."""
    return [replace(move, due=one) for one in all_of(move.due)]


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
