"""What follows an attempt: a decision and a row, not a loop. Pure: the time and the die are arguments.

A failure that may pass is tried again after an exponential pause with full jitter (the pause is drawn evenly between
nothing and the exponential bound, so that a thousand messages that failed together do not come back together), at the
pace of its urgency, and for as long as it is of use: the limit is `expires_at`, not a count of attempts.

An attempt without an answer is never repeated blindly. Neither e-mail nor text messages have a key by which the
provider would know a repetition, so it is first found out whether the message left (`doubt.py`). The in-app inbox is
written in one transaction with its outcome and knows no doubt.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from types import MappingProxyType

from services.notify.domain.lifecycle import Action
from services.notify.domain.message import Evidence, Urgency, Why
from services.notify.domain.outcome import Outcome, Verdict

LEAST_PAUSE = timedelta(seconds=1)

FIRST_QUESTION = timedelta(seconds=5)
"""After an attempt without an answer the provider is first asked so much later: a receipt may settle it before."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Pace:
    """The bound of the first pause, doubled with each attempt, and the bound that it never passes."""

    first: timedelta
    most: timedelta


PACES: Mapping[Urgency, Pace] = MappingProxyType(
    {
        Urgency.NOW: Pace(first=timedelta(seconds=2), most=timedelta(seconds=15)),
        Urgency.SOON: Pace(first=timedelta(seconds=15), most=timedelta(minutes=10)),
        Urgency.ROUTINE: Pace(first=timedelta(seconds=30), most=timedelta(minutes=15)),
    }
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Tried:
    """A message as an attempt found it: the number of the attempt (1, 2, 3 …), its lane, and its end of use."""

    attempt: int
    urgency: Urgency
    expires_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Following:
    """What to do with a message after an attempt. `visible_at`: when it is tried again, or first asked about."""

    action: Action
    why: Why
    evidence: Evidence
    visible_at: datetime | None = None


def after(tried: Tried, outcome: Outcome, now: datetime, chance: float) -> Following:
    """Return what follows `outcome`. `chance` is the die, evenly between 0 and 1."""
    if outcome.verdict is Verdict.ACCEPTED:
        return Following(action=Action.ACCEPT, why=outcome.why, evidence=outcome.evidence)
    if outcome.verdict is Verdict.PERMANENT:
        return Following(action=Action.FAIL, why=outcome.why, evidence=Evidence.NONE)
    if outcome.verdict is Verdict.UNKNOWN:
        return Following(action=Action.DOUBT, why=outcome.why, evidence=Evidence.NONE, visible_at=now + FIRST_QUESTION)
    again_at = now + max(pause(tried.attempt, tried.urgency, chance), outcome.retry_after or timedelta())
    if again_at >= tried.expires_at:
        return Following(action=Action.EXPIRE, why=outcome.why, evidence=Evidence.NONE)
    return Following(action=Action.RETRY, why=outcome.why, evidence=Evidence.NONE, visible_at=again_at)


def pause(attempt: int, urgency: Urgency, chance: float) -> timedelta:
    """Return the pause after attempt number `attempt`: full jitter below the exponential bound, never under a second."""
    pace = PACES[urgency]
    doubled = pace.first * (1 << min(attempt - 1, 20))
    return max(LEAST_PAUSE, min(doubled, pace.most) * chance)
