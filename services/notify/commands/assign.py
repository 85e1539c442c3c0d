"""Who carries what: the messages about to be sent are dealt to a channel's providers, in the transaction that starts them.

By each provider's share as it stands; to a provider on trial as many as its trial has; none beyond a provider's limit, of which the
urgent lane has a part to itself. Whoever gets no provider is given back and comes again by itself.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from types import MappingProxyType

from services.notify.domain.dispatch import Due, Move
from services.notify.domain.lifecycle import Action
from services.notify.domain.message import Channel, Urgency, Why
from services.notify.domain.provider import Breaker, Measures, choose, judge, shares, well
from services.notify.store import providers
from services.notify.store.database import Connection

REST = timedelta(seconds=5)
"""How long messages wait that no provider may be given."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Limit:
    """What a provider may be given: messages a second, the most at once, and how many of those only the urgent get."""

    per_second: float
    burst: float
    reserve: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Providers:
    """The providers of a channel, the preferred first, and their limits by name."""

    channel: Channel
    names: tuple[str, ...]
    limits: Mapping[str, Limit] = field(default_factory=lambda: MappingProxyType({}))


@dataclass(frozen=True, slots=True)
class Dealt:
    """Who carries each message, and the moves of those that wait."""

    given: Sequence[tuple[Due, str]]
    waiting: Sequence[Move]


async def deal(
    tx: Connection, of: Providers, ready: Sequence[Due], now: datetime, chance: Callable[[], float]
) -> Dealt:
    """Deal `ready`, claimed messages of one channel, to its providers."""
    healths = await providers.standing(tx, of.channel.value)
    given: list[tuple[Due, str]] = []
    rest = list(ready)
    for name in of.names:
        health = healths.get(name)
        if rest and health is not None and health.awaits_trial:
            count = await providers.take_trial(tx, health, len(rest), now)
            given += [(due, name) for due in rest[:count]]
            rest = rest[count:]
    shares_of = shares(of.names, healths)
    if not shares_of:
        return Dealt(given, [_wait(due, Why.PROVIDER_RESTS, now + REST) for due in rest])
    dealt = [(due, choose(shares_of, chance())) for due in rest]
    waiting: list[Move] = []
    for name, limit in of.limits.items():
        kept, held = await _within(tx, name, limit, [due for due, to in dealt if to == name], now)
        dealt = [(due, to) for due, to in dealt if to != name] + [(due, name) for due in kept]
        waiting += held
    return Dealt([*given, *dealt], waiting)


async def judge_all(tx: Connection, of: Providers, now: datetime, measures: Measures) -> int:
    """Look at each provider's last minute and change what must be changed; return how many changes there were."""
    if not await providers.lock(tx, of.channel.value):
        return 0
    known = await providers.standing(tx, of.channel.value)
    standing = {name: known.get(name) or well(name, of.channel.value, now - measures.step_every) for name in of.names}
    changed = 0
    for name, health in standing.items():
        since = now - measures.window
        if health.breaker is not Breaker.OPEN:
            since = max(since, health.probed_at or since)
        alone = all(one.breaker is not Breaker.CLOSED for other, one in standing.items() if other != name)
        measured = await providers.measure(tx, health, since, now, measures)
        change = judge(health, measured, now, measures, alone=alone)
        if change is not None:
            await providers.keep(tx, change, now)
            standing[name] = change.after
            changed += 1
    return changed


async def _within(
    tx: Connection, name: str, limit: Limit, dues: Sequence[Due], now: datetime
) -> tuple[list[Due], list[Move]]:
    """Return which of `dues` the provider may be given now, and the moves of the others: each at its place in the line."""
    urgent = [due for due in dues if due.urgency is Urgency.NOW]
    others = [due for due in dues if due.urgency is not Urgency.NOW]
    if not dues:
        return [], []
    rule = (limit.per_second, limit.burst, limit.reserve)
    first, second = await providers.take_tokens(tx, name, rule, (len(urgent), len(others)), now)
    late = [*urgent[first:], *others[second:]]
    held = [
        _wait(due, Why.PROVIDER_PACE, now + timedelta(seconds=place / limit.per_second))
        for place, due in enumerate(late, start=1)
    ]
    return [*urgent[:first], *others[:second]], held


def _wait(due: Due, why: Why, until: datetime) -> Move:
    return Move(due=due, action=Action.RELEASE, why=why, visible_at=until)
