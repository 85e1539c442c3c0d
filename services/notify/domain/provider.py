"""Which of a channel's providers carries what: weights by errors and by slowness, and a breaker. Pure.

The law: a provider is judged by what it did in the last minute, failing and being slow alike: an answer, or a receipt,
that does not come in time is as bad as a refusal. The first of a channel's providers carries everything while it is
well; what it loses of its weight goes to the next. At half of its attempts bad it is left alone (`open`), after a while
given a single message (`half_open`), and only that one's success brings it back, a quarter of the traffic at a time.

Where nobody could take over, the breaker slows and never stops. It opens only when nothing at all gets through; however
much is bad, what does get through is better than none. It is tried again after seconds, with one message and
then with two, and the first of them that gets through brings everything back. A trial of which nothing is heard,
because its messages were withdrawn or their worker died, is begun anew: no trial holds a channel up.
Every change is a row with its reason and the figures it was decided on.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum


class Breaker(StrEnum):
    CLOSED = "closed"
    OPEN = "open"
    HALF_OPEN = "half_open"


class Reason(StrEnum):
    """Why a provider's share was changed."""

    FAILING = "failing"
    SLOW = "slow"
    DEGRADED = "degraded"
    COOLED = "cooled"
    PROBE_PASSED = "probe_passed"
    PROBE_FAILED = "probe_failed"
    PROBE_UNHEARD = "probe_unheard"
    RECOVERING = "recovering"


@dataclass(frozen=True, slots=True, kw_only=True)
class Measures:
    """What counts as bad, how much of it is too much, and how a provider is tried that was left alone.

    `pause_alone` and `largest_trial` are for a provider for which nobody could take over; `patience` is for how long a
    trial is waited for.
    """

    window: timedelta = timedelta(seconds=60)
    slow_answer: timedelta = timedelta(seconds=5)
    slow_receipt: timedelta = timedelta(seconds=20)
    least_attempts: int = 10
    open_at: float = 0.5
    notice_at: float = 0.1
    first_pause: timedelta = timedelta(seconds=20)
    longest_pause: timedelta = timedelta(minutes=5)
    pause_alone: timedelta = timedelta(seconds=5)
    largest_trial: int = 2
    patience: timedelta = timedelta(seconds=30)
    step: float = 0.25
    step_every: timedelta = timedelta(seconds=10)


@dataclass(frozen=True, slots=True, kw_only=True)
class Health:
    """How a provider stands.

    `since`: when that last changed; `probed_at`: when its trial was begun, before which nothing counts any more once it
    has passed; `trial`: how many messages its trial has; `given`: how many of those it was given already.
    """

    provider: str
    channel: str
    breaker: Breaker
    weight: float
    since: datetime
    pause: timedelta
    probed_at: datetime | None = None
    trial: int = 1
    given: int = 0

    @property
    def awaits_trial(self) -> bool:
        """Whether it may be given messages of a trial."""
        return self.breaker is Breaker.HALF_OPEN and self.given < self.trial


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """Attempts of the window that can be judged already, and how many of them failed or were slow.

    `pending` were taken, and it is too early to say whether their receipts are late.
    """

    attempts: int = 0
    failed: int = 0
    slow: int = 0
    pending: int = 0

    @property
    def through(self) -> int:
        """How many were answered, however slowly."""
        return self.attempts - self.failed + self.pending

    @property
    def bad(self) -> float:
        """The share that was bad."""
        return min(1.0, (self.failed + self.slow) / self.attempts) if self.attempts else 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """One change of a provider's standing, as it is kept."""

    before: Health
    after: Health
    why: Reason
    measured: Measured


def well(provider: str, channel: str, now: datetime) -> Health:
    """Return how a provider stands of which nothing is known yet."""
    return Health(
        provider=provider,
        channel=channel,
        breaker=Breaker.CLOSED,
        weight=1.0,
        since=now,
        pause=Measures().first_pause,
    )


def judge(health: Health, measured: Measured, now: datetime, measures: Measures, *, alone: bool) -> Change | None:
    """Return how a provider's standing changes, or None.

    `alone`: no other of its channel takes messages. In `half_open`, `measured` is of its trial.
    """
    match health.breaker:
        case Breaker.CLOSED:
            return _closed(health, measured, now, measures, alone=alone)
        case Breaker.OPEN if now - health.since >= (min(health.pause, measures.pause_alone) if alone else health.pause):
            return Change(before=health, after=_tried(health, now), why=Reason.COOLED, measured=measured)
        case Breaker.HALF_OPEN if health.probed_at is not None:
            return _on_trial(health, measured, now, measures, alone=alone)
    return None


def _tried(health: Health, now: datetime) -> Health:
    return replace(health, breaker=Breaker.HALF_OPEN, since=now, probed_at=None, given=0)


def _closed(health: Health, measured: Measured, now: datetime, measures: Measures, *, alone: bool) -> Change | None:
    enough = measured.attempts >= measures.least_attempts
    if enough and (not measured.through if alone else measured.bad >= measures.open_at):
        why = Reason.FAILING if measured.failed >= measured.slow else Reason.SLOW
        after = replace(health, breaker=Breaker.OPEN, weight=0.0, since=now, probed_at=None, trial=1)
        return Change(before=health, after=after, why=why, measured=measured)
    target = round((1 - measured.bad) ** 2, 1) if enough and measured.bad >= measures.notice_at else 1.0
    if target <= health.weight - measures.notice_at:
        after = replace(health, weight=target, since=now)
        return Change(before=health, after=after, why=Reason.DEGRADED, measured=measured)
    if health.weight < target and now - health.since >= measures.step_every:
        weight = min(target, health.weight + measures.step)
        pause = measures.first_pause if weight >= 1.0 else health.pause
        after = replace(health, weight=weight, since=now, pause=pause)
        return Change(before=health, after=after, why=Reason.RECOVERING, measured=measured)
    return None


def _on_trial(health: Health, measured: Measured, now: datetime, measures: Measures, *, alone: bool) -> Change | None:
    assert health.probed_at is not None, "asked only of a trial that was begun"
    waited = now - health.probed_at >= measures.patience
    passed = measured.through > 0 if alone else measured.attempts > 0 and not measured.bad
    failed = measured.failed > 0 and (waited or measured.failed >= health.given) if alone else measured.bad > 0
    larger = min(2 * health.trial, measures.largest_trial) if alone else 1
    if passed:
        after = replace(health, breaker=Breaker.CLOSED, weight=measures.step, since=now, trial=1, given=0)
        return Change(before=health, after=after, why=Reason.PROBE_PASSED, measured=measured)
    if failed:
        pause = health.pause if alone else min(health.pause * 2, measures.longest_pause)
        after = replace(health, breaker=Breaker.OPEN, since=now, pause=pause, probed_at=None, trial=larger, given=0)
        return Change(before=health, after=after, why=Reason.PROBE_FAILED, measured=measured)
    if waited:
        after = replace(_tried(health, now), trial=larger)
        return Change(before=health, after=after, why=Reason.PROBE_UNHEARD, measured=measured)
    return None


def shares(in_order: Sequence[str], healths: Mapping[str, Health]) -> dict[str, float]:
    """Return each provider's share of the traffic: what the ones before it leave, by its weight.

    Empty where nobody may be given anything. Where all that may be given something would leave a rest, they share it.
    """
    left, found = 1.0, {}
    for name in in_order:
        health = healths.get(name)
        if health is not None and health.breaker is not Breaker.CLOSED:
            continue
        found[name] = left * (1.0 if health is None else health.weight)
        left -= found[name]
    total = sum(found.values())
    if not total:
        return dict.fromkeys(found, 1 / len(found)) if found else {}
    return {name: share / total for name, share in found.items() if share}


def choose(shares_of: Mapping[str, float], chance: float) -> str:
    """Return the provider that `chance`, from 0 to 1, falls on."""
    reached = 0.0
    for name, share in shares_of.items():
        reached += share
        if chance < reached:
            return name
    return next(reversed(list(shares_of)))
