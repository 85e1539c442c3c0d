"""Receipts: what a provider, a mail server or a reader's own device says about a message afterwards. Pure.

The law: a receipt may come early, late, twice, out of order, and for a message whose attempt has no outcome yet. Each
counts once; evidence only rises. A receipt settles doubt: it moves `unknown` and `unproven`, and no other state. That a
message could not be delivered after all is written down and told, unless there is proof that it was.
"""

import re
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from uuid import UUID

from services.notify.domain.dispatch import Due, Move
from services.notify.domain.lifecycle import Action, State
from services.notify.domain.message import Evidence, Kind, Why

_DOUBTFUL = frozenset({State.UNKNOWN, State.UNPROVEN})

LONGEST_CODE = 64


@dataclass(frozen=True, slots=True, kw_only=True)
class Receipt:
    """One thing said about one message. `evidence` None: it could not be delivered.

    It names the message by our id, or by the provider's own reference. `code` is the provider's word, never its text.
    """

    provider: str
    message_id: UUID | None
    reference: str | None
    evidence: Evidence | None
    code: str = ""

    @property
    def key(self) -> str:
        """What makes two receipts the same one."""
        what = "failed" if self.evidence is None else self.evidence.name.lower()
        return f"{self.provider}/{self.message_id or self.reference}/{what}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Effect:
    """What a receipt does to its message: a move, a proof of `evidence`, or the news that it was `lost`."""

    move: Move | None = None
    evidence: Evidence = Evidence.NONE
    lost: bool = False


def effect(due: Due, known: Evidence, receipt: Receipt) -> Effect:
    """Return what `receipt` does to `due`, of which `known` is known."""
    if receipt.evidence is None:
        if due.state in _DOUBTFUL:
            return Effect(move=Move(due=due, action=Action.FAIL, why=Why.NOT_DELIVERED))
        return Effect(lost=due.state is State.SENT and known < Evidence.DELIVERED)
    if due.state in _DOUBTFUL:
        accept = Move(due=due, action=Action.ACCEPT, why=Why.LATE_EVIDENCE, evidence=receipt.evidence)
        return Effect(move=accept)
    return Effect(evidence=receipt.evidence)


class Reply(StrEnum):
    """What a reply by text message asks for."""

    REFUSE = "refuse"
    CONFIRM = "confirm"
    DECLINE = "decline"
    """No to what was asked, and to nothing else."""


_REFUSALS = frozenset({"r", "t", "td", "n", "stop", "退订", "拒收"})
_CONFIRMATIONS = frozenset({"y", "yes", "是", "确认", "同意"})
_DECLINES = frozenset({"no", "不同意"})
ASKS: frozenset[Kind] = frozenset({Kind.WAITLIST_OFFER, Kind.CONSENT_REQUEST})
"""Kinds that ask for a yes."""


def meaning_of(text: str) -> Reply | None:
    """Return what the words of a reply ask for; None where they are no answer to anything of ours."""
    word = re.sub(r"[\s。．.!！'\"“”]", "", text[:40]).lower()
    if word in _REFUSALS:
        return Reply.REFUSE
    if word in _DECLINES:
        return Reply.DECLINE
    return Reply.CONFIRM if word in _CONFIRMATIONS else None


@dataclass(frozen=True, slots=True, kw_only=True)
class TextReply:
    """A reply by text message: whose number, what it says; `key` is the provider's own for it."""

    provider: str
    number: str
    text: str
    key: str


@dataclass(frozen=True, slots=True, kw_only=True)
class LastText:
    """The newest text message that a reply may be an answer to."""

    message_id: UUID
    subject: tuple[UUID, int]
    account_id: UUID
    kind: Kind
    expires_at: datetime

    def asks_for_consent(self, now: datetime) -> bool:
        """Whether it is a request for consent that may still be answered."""
        return self.kind is Kind.CONSENT_REQUEST and now < self.expires_at
