"""A copy of one's messages for a family member: who may do what about it, and how many there may be. Pure.

The law: nobody gets a copy who has not agreed to it, and either side ends it at any time, without a reason. What is over
stays over: whoever wants it again asks again. Whoever is asked too often, or asks too much, is protected by bounds.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum
from types import MappingProxyType
from typing import Final
from uuid import UUID

from services.booking.domain.one_time_code import Allowance
from services.booking.domain.reason import Reason
from shared.refusal import Refused

MOST_READERS: Final = 3
"""People who get copies of one account's messages, or are asked to."""

MOST_GIVERS: Final = 10
"""Accounts whose messages one person gets copies of."""

ASKED: Final = Allowance(lifetime=timedelta(), between=timedelta(), an_hour=5, a_day=5)
"""Requests of one account."""

ASKED_OF_ONE: Final = Allowance(lifetime=timedelta(), between=timedelta(), an_hour=2, a_day=3)
"""Requests to one telephone number, whoever makes them."""


class State(StrEnum):
    ASKED = "asked"
    AGREED = "agreed"
    REFUSED = "refused"
    WITHDRAWN = "withdrawn"


class Action(StrEnum):
    AGREE = "agree"
    REFUSE = "refuse"
    WITHDRAW = "withdraw"


LIFECYCLE: Mapping[State, Mapping[Action, State]] = MappingProxyType(
    {
        State.ASKED: {
            Action.AGREE: State.AGREED,
            Action.REFUSE: State.REFUSED,
            Action.WITHDRAW: State.WITHDRAWN,
        },
        State.AGREED: {Action.WITHDRAW: State.WITHDRAWN},
        State.REFUSED: {},
        State.WITHDRAWN: {},
    }
)

LIVE: frozenset[State] = frozenset({State.ASKED, State.AGREED})


@dataclass(frozen=True, slots=True, kw_only=True)
class FamilyCopy:
    """An arrangement at `version`. `reader_id` is None while nobody with the number that was named has signed in."""

    id: UUID
    version: int
    state: State
    account_id: UUID
    reader_fingerprint: bytes
    reader_id: UUID | None
    kinds: tuple[str, ...]
    sensitive: bool
    asked_at: datetime
    changed_at: datetime


def acted(copy: FamilyCopy, action: Action, by: UUID, now: datetime) -> FamilyCopy:
    """Return the arrangement after `by` (its giver, or its reader) did `action`; done again, it is as it was.

    Raises:
        Refused: `copy_unknown` to whoever may not; `copy_decided` where it is too late.
    """
    if action is not Action.WITHDRAW and by == copy.account_id:
        raise Refused(Reason.COPY_UNKNOWN)
    after = LIFECYCLE[copy.state].get(action)
    if after is None:
        if copy.state in _DONE[action]:
            return copy
        raise Refused(Reason.COPY_DECIDED, state=copy.state.value)
    return replace(copy, state=after, version=copy.version + 1, changed_at=now)


_DONE: Mapping[Action, frozenset[State]] = MappingProxyType(
    {
        Action.AGREE: frozenset({State.AGREED}),
        Action.REFUSE: frozenset({State.REFUSED}),
        Action.WITHDRAW: frozenset({State.WITHDRAWN, State.REFUSED}),
    }
)
