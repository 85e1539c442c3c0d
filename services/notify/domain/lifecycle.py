"""The life of a message, as a table. A missing key is the refusal; a state without actions is the end.

    planned -> claimed -> sending -> sent
       ^          |          |
       +----------+----------+   put back: the worker stops, or a failure that may pass
       |          |          |
       |          |          +-> dead -> planned, by hand
       |          |          +-> unknown -> sent, planned, dead, expired, unproven
       +----------+----------+-> superseded, expired, suppressed

`claimed` is a short lease without consequence: nothing has left the house, so anybody may take the message over when it
ends. `sending` is written before the provider is called; its lease is longer than any letter may take, and one that runs
out means that nobody knows whether the message left. Not knowing is a state of its own: `unknown` is neither success nor
failure and is never sent again blindly. Evidence moves it: a receipt, a bounce, or proof that the provider never had it.
Where there is none to be had, it is settled by another channel or by a reason that is said (`doubt.py`) and ends as
`unproven`, which a late receipt still turns into fact. The in-app inbox knows no such doubt: it is written in one
transaction with the message's state, from `planned` to `sent` at once.
"""

from collections.abc import Mapping
from enum import StrEnum
from types import MappingProxyType


class State(StrEnum):
    PLANNED = "planned"
    CLAIMED = "claimed"
    SENDING = "sending"
    SENT = "sent"
    UNKNOWN = "unknown"
    UNPROVEN = "unproven"
    DEAD = "dead"
    SUPERSEDED = "superseded"
    EXPIRED = "expired"
    SUPPRESSED = "suppressed"


class Action(StrEnum):
    CLAIM = "claim"
    """A worker takes the message, for as long as getting to the attempt may take."""
    RELEASE = "release"
    """A worker that is about to stop gives it back."""
    START = "start"
    """The attempt is on record; the call to the provider follows."""
    ACCEPT = "accept"
    """There is evidence that the provider, or the inbox, has it."""
    RETRY = "retry"
    """It did not leave, and another try is worth while."""
    DOUBT = "doubt"
    """It may have left: the answer never came."""
    FAIL = "fail"
    """It will never leave: the provider, or our own template, refuses it for good."""
    SETTLE = "settle"
    """Nothing can be learned of it: another channel, the inbox or a reason that is said takes its place."""
    HOLD = "hold"
    """It would ring at night and is not late in the morning: it waits for that."""
    REPLAY = "replay"
    """Somebody has looked into why it is dead, and has it sent after all."""
    SUPERSEDE = "supersede"
    """The world has moved on to a newer version of what it speaks of."""
    EXPIRE = "expire"
    """It is no longer of use to the reader."""
    SUPPRESS = "suppress"
    """There is nobody to send it to, or a rule says not to."""


_GIVEN_UP: Mapping[Action, State] = {
    Action.SUPERSEDE: State.SUPERSEDED,
    Action.EXPIRE: State.EXPIRED,
    Action.SUPPRESS: State.SUPPRESSED,
}

LIFECYCLE: Mapping[State, Mapping[Action, State]] = MappingProxyType(
    {
        State.PLANNED: {
            Action.CLAIM: State.CLAIMED,
            Action.ACCEPT: State.SENT,  # the in-app inbox alone: written and accepted in one transaction
            Action.FAIL: State.DEAD,
            Action.HOLD: State.PLANNED,
            **_GIVEN_UP,
        },
        State.CLAIMED: {
            Action.CLAIM: State.CLAIMED,
            Action.RELEASE: State.PLANNED,
            Action.START: State.SENDING,
            Action.FAIL: State.DEAD,
            Action.HOLD: State.PLANNED,
            **_GIVEN_UP,
        },
        State.SENDING: {
            Action.ACCEPT: State.SENT,
            Action.RETRY: State.PLANNED,
            Action.DOUBT: State.UNKNOWN,
            Action.FAIL: State.DEAD,
            Action.EXPIRE: State.EXPIRED,
        },
        State.UNKNOWN: {
            Action.ACCEPT: State.SENT,
            Action.RETRY: State.PLANNED,
            Action.FAIL: State.DEAD,
            Action.EXPIRE: State.EXPIRED,
            Action.SETTLE: State.UNPROVEN,
        },
        State.UNPROVEN: {
            Action.ACCEPT: State.SENT,
            Action.FAIL: State.DEAD,
        },
        State.SENT: {},
        State.DEAD: {Action.REPLAY: State.PLANNED},
        State.SUPERSEDED: {},
        State.EXPIRED: {},
        State.SUPPRESSED: {},
    }
)

OPEN: frozenset[State] = frozenset({State.PLANNED, State.CLAIMED, State.SENDING})
"""States that a worker must come back to."""

KEEPS_SEALED: frozenset[State] = OPEN | {State.UNKNOWN}
"""States in which the content that came with the event may still be needed; in any other it is gone."""

RECALLABLE: frozenset[State] = frozenset({State.PLANNED, State.CLAIMED})
"""States in which a message can still be stopped: the rows of the index that is both schedule and queue. From `sending` on
it is too late."""


class WrongAction(Exception):  # noqa: N818 - it names the answer, as `Refused` does
    """The table has no such action in this state: a fault in the programme, not an answer to anybody."""


def next_state(state: State, action: Action) -> State:
    """Return the state that `action` leads to.

    Raises:
        WrongAction: where the table has no such action.
    """
    following = LIFECYCLE[state].get(action)
    if following is None:
        raise WrongAction(f"a message that is {state.value} cannot {action.value}")
    return following
