"""By which channels a message goes, in which order, and when the next one may be left out. Pure.

The law: the in-app inbox is the record and always has it at once; an e-mail makes no sound, costs next to nothing and
brings the calendar file, so it goes with it. The cheapest of the channels that reach the person goes first, at the
message's time. Each further one that rings is planned at the same moment, timed backwards from where the message would
be late, by what that channel needs to arrive; it goes only if nothing shows by then that another channel has reached
the person. What shows it differs: a text message on the phone has rung; an e-mail in a mailbox has
reached somebody who need not hurry, and for news that would cost a journey or a place only its having been read counts,
as in the inbox. Nobody hears a thing twice because we were impatient, and nobody loses a place because we were thrifty.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from types import MappingProxyType

from services.notify.domain.message import Channel, Evidence
from services.notify.domain.quiet_hours import Harm


@dataclass(frozen=True, slots=True, kw_only=True)
class Way:
    """What a channel is like.

    `cost`: for one message, in hundredths of a fen. `loud`: it makes a sound where the reader sleeps. `latency`: what it
    commonly needs to arrive. `reaches`: the evidence that shows that its reader has it; `reaches_in_need` where being
    late would cost them a journey or more.
    """

    cost: int
    loud: bool
    latency: timedelta
    reaches: Evidence
    reaches_in_need: Evidence


_WECHAT = Way(
    cost=0,
    loud=True,
    latency=timedelta(seconds=30),
    reaches=Evidence.DELIVERED,
    reaches_in_need=Evidence.DELIVERED,
)

WAYS: Mapping[Channel, Way] = MappingProxyType(
    {
        Channel.IN_APP: Way(
            cost=0,
            loud=False,
            latency=timedelta(seconds=1),
            reaches=Evidence.READ,
            reaches_in_need=Evidence.READ,
        ),
        Channel.EMAIL: Way(
            cost=10,
            loud=False,
            latency=timedelta(minutes=5),
            reaches=Evidence.ACCEPTED,
            reaches_in_need=Evidence.READ,
        ),
        Channel.SMS: Way(
            cost=450,
            loud=True,
            latency=timedelta(minutes=1),
            reaches=Evidence.DELIVERED,
            reaches_in_need=Evidence.DELIVERED,
        ),
        Channel.WEB_PUSH: Way(
            cost=0,
            loud=True,
            latency=timedelta(seconds=30),
            reaches=Evidence.SHOWN,
            reaches_in_need=Evidence.SHOWN,
        ),
        Channel.WECHAT_MINI: _WECHAT,
        Channel.WECHAT_OFFICIAL: _WECHAT,
        Channel.WECOM: _WECHAT,
    }
)
"""Every channel has its row; the costs are those of an ordinary contract, in 2026."""

LOUD: frozenset[Channel] = frozenset(channel for channel, way in WAYS.items() if way.loud)
"""Channels that make a sound where the reader sleeps."""

RECORD = Channel.IN_APP

PATIENCE: Mapping[Harm, timedelta] = MappingProxyType(
    {
        Harm.NONE: timedelta(hours=4),
        Harm.FORGOTTEN: timedelta(days=14),
        Harm.JOURNEY: timedelta(hours=4),
        Harm.PLACE: timedelta(minutes=5),
        Harm.WAITING: timedelta(),
    }
)
"""For how long at most the next channel waits, however far away the deadline is.

A reminder waits until it would be late; whoever could make other plans must hear of a closure the same day.
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One channel of a cascade: due when, and whether only for whoever was not reached before."""

    channel: Channel
    due_at: datetime
    only_without_evidence: bool


def steps(channels: Iterable[Channel], due_at: datetime, late_from: datetime, harm: Harm) -> tuple[Step, ...]:
    """Return the cascade over `channels`, all of which reach the person, the cheapest first."""
    by_cost = sorted(set(channels), key=lambda one: (one is not RECORD, WAYS[one].cost, one.value))
    first = next((one for one in by_cost if one is not RECORD), None)
    found: list[Step] = []
    further = 0
    for channel in by_cost:
        if channel is first or not WAYS[channel].loud or harm is Harm.WAITING:
            found.append(Step(channel=channel, due_at=due_at, only_without_evidence=False))
            continue
        further += 1
        latest = min(late_from - WAYS[channel].latency, due_at + further * PATIENCE[harm])
        found.append(Step(channel=channel, due_at=max(due_at, latest), only_without_evidence=True))
    return tuple(found)


def reached(harm: Harm, evidence: Iterable[tuple[Channel, Evidence]]) -> bool:
    """Return whether what is known of the same message on other channels shows that its reader has it."""
    in_need = harm >= Harm.JOURNEY
    return any(
        found >= (WAYS[channel].reaches_in_need if in_need else WAYS[channel].reaches) for channel, found in evidence
    )
