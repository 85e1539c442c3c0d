"""What becomes of a message of which nobody knows whether it left. Pure.

The law: doubt ends with evidence, with another channel, or with a reason that is said; never by itself, and never by
sending again blindly. In this order:

1. The provider is asked, where it can be, soon and then more seldom; a receipt may come before.
2. What it has is sent. What it provably never had, which only the absence from its list some time after the attempt
   shows, is sent again while it is of use.
3. Where nothing can be learned, a remedy ends the doubt, by what the reader would lose: news that costs a place or a
   journey goes by another channel, whose reader may hear it twice in two ways; what the in-app inbox holds for certain
   stays silent; a sign-in code can be asked for again.

`unproven` is not quite an end: a receipt that comes late still settles it.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from uuid import UUID

from services.notify.domain.dispatch import Due, Move
from services.notify.domain.lifecycle import Action, State
from services.notify.domain.message import BEARS_A_CODE, BusinessKey, Channel, Evidence, Kind, Planned, Why
from services.notify.domain.preference import CHANNELS

PROOF = timedelta(seconds=30)
"""So long after the attempt a provider that does not list a message never took it: its own calls have ended by then. It is
three times as long as an answer is waited for, and longer than it can ever be (`settings.sms_seconds`)."""

SHORT_PATIENCE = timedelta(minutes=2)
LONG_PATIENCE = timedelta(minutes=10)
LEAST_PAUSE = timedelta(seconds=5)
URGENT_LEAD_MINUTES = 180
"""A reminder this near to the start is the last one; an earlier one has a successor."""


class Remedy(StrEnum):
    """What is done where nothing can be learned."""

    OTHER_CHANNEL = "other_channel"
    INBOX = "inbox"
    ASK_AGAIN = "ask_again"


_SILENT = frozenset({Kind.CONFIRMATION, Kind.REMINDER, Kind.HOLD_LAPSED})
"""Kinds of which the inbox's copy is enough; of a kind that is not named here, it is not."""

_SUBSTITUTES = (Channel.SMS, Channel.EMAIL)
"""Where a message goes instead, the first that its kind knows."""


class Finding(StrEnum):
    """What the provider said about a message."""

    ARRIVED = "arrived"
    TAKEN = "taken"
    REFUSED = "refused"
    """It had it, and could not deliver it."""
    ABSENT = "absent"
    """It lists everything it took, and this is not in it."""
    NOTHING = "nothing"
    """It did not say."""
    MUTE = "mute"
    """It cannot be asked: a mail server knows no such question."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Doubt:
    """A message in doubt: its last attempt, and whether the inbox holds the same words for certain.

    `letter`: the message under whose id the provider has it, another's where several were told as one. `letter_absent`:
    that one was sent again since, which it only is if the provider never had it.
    """

    due: Due
    provider: str
    started_at: datetime
    reference: str | None
    in_inbox: bool
    letter: UUID
    letter_absent: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Ending:
    """What is decided: a move, with the message that takes its place, if one does; or a time to ask again."""

    move: Move | None = None
    instead: Planned | None = None
    ask_at: datetime | None = None


def remedy(kind: Kind, lead_minutes: int) -> Remedy:
    """Return what is done for a message of `kind` of which nothing can be learned."""
    if kind in BEARS_A_CODE:
        return Remedy.ASK_AGAIN
    last_reminder = kind is Kind.REMINDER and lead_minutes <= URGENT_LEAD_MINUTES
    return Remedy.INBOX if kind in _SILENT and not last_reminder else Remedy.OTHER_CHANNEL


def on_finding(doubt: Doubt, finding: Finding, now: datetime) -> Ending:
    """Return what follows from what the provider said."""
    due = doubt.due
    match finding:
        case Finding.ARRIVED:
            return Ending(move=_move(due, Action.ACCEPT, Why.FOUND_AT_PROVIDER, Evidence.DELIVERED))
        case Finding.TAKEN:
            return Ending(move=_move(due, Action.ACCEPT, Why.FOUND_AT_PROVIDER, Evidence.ACCEPTED))
        case Finding.REFUSED:
            return Ending(move=_move(due, Action.FAIL, Why.NOT_DELIVERED), instead=_instead(doubt, now))
        case Finding.ABSENT if now - doubt.started_at >= PROOF:
            action = Action.EXPIRE if due.expires_at <= now else Action.RETRY
            return Ending(move=Move(due=due, action=action, why=Why.PROVEN_ABSENT, visible_at=now))
    return Ending(ask_at=_next_question(doubt, now)) if now < patience_ends(doubt, finding) else _give_up(doubt, now)


def patience_ends(doubt: Doubt, finding: Finding) -> datetime:
    """Return when asking is given up: soon for what another channel must bring, and never after half its use is gone.

    Where the provider has answered that it does not have the message, its proof is waited for in any case. Where it cannot be
    asked, waiting for longer than a late answer may take brings nothing.
    """
    due = doubt.due
    if finding is Finding.ABSENT:
        return doubt.started_at + PROOF
    needs_another = remedy(due.key.kind, due.key.lead_minutes) is Remedy.OTHER_CHANNEL or not doubt.in_inbox
    short = PROOF if finding is Finding.MUTE else SHORT_PATIENCE
    longest = doubt.started_at + (short if needs_another else LONG_PATIENCE)
    return min(longest, doubt.started_at + max(timedelta(), due.expires_at - doubt.started_at) / 2)


def _give_up(doubt: Doubt, now: datetime) -> Ending:
    due = doubt.due
    if due.expires_at <= now and not doubt.in_inbox:
        return Ending(move=_move(due, Action.SETTLE, Why.NO_LONGER_USEFUL))
    chosen = remedy(due.key.kind, due.key.lead_minutes)
    if chosen is Remedy.ASK_AGAIN:
        return Ending(move=_move(due, Action.SETTLE, Why.CODE_CAN_BE_ASKED_AGAIN))
    if chosen is Remedy.INBOX and doubt.in_inbox:
        return Ending(move=_move(due, Action.SETTLE, Why.INBOX_HAS_IT))
    instead = _instead(doubt, now)
    if instead is not None:
        return Ending(move=_move(due, Action.SETTLE, Why.OTHER_CHANNEL), instead=instead)
    why = Why.INBOX_HAS_IT if doubt.in_inbox else Why.NO_OTHER_CHANNEL
    return Ending(move=_move(due, Action.SETTLE, why))


def _instead(doubt: Doubt, now: datetime) -> Planned | None:
    """Return the same message for another channel; None where its kind has none, or it is of no use any more."""
    due = doubt.due
    key = due.key
    kind_has = CHANNELS[key.kind]
    others = (channel for channel in _SUBSTITUTES if channel in kind_has and channel is not key.channel)
    channel = next(others, None)
    if channel is None or due.expires_at <= now:
        return None
    return Planned(
        key=BusinessKey(
            subject_id=key.subject_id,
            subject_version=key.subject_version,
            kind=key.kind,
            lead_minutes=key.lead_minutes,
            recipient_id=key.recipient_id,
            channel=channel,
        ),
        due_at=now,
        expires_at=due.expires_at,
        urgency=due.urgency,
        state=State.PLANNED,
        why=Why.INSTEAD,
    )


def _next_question(doubt: Doubt, now: datetime) -> datetime:
    """Return when to ask again: half as long again after the attempt, and once at the end of the patience."""
    later = now + max(LEAST_PAUSE, (now - doubt.started_at) / 2)
    if now - doubt.started_at < PROOF:
        later = min(later, doubt.started_at + PROOF)
    return max(now + timedelta(seconds=1), later)


def _move(due: Due, action: Action, why: Why, evidence: Evidence = Evidence.NONE) -> Move:
    return Move(due=due, action=action, why=why, evidence=evidence)
