"""What is told of a message's arrival to whoever made it necessary: which proof is news, and in which words. Pure.

The law: evidence only rises, and is told once for each step. It is told of messages about a booking alone, to whoever booked it (a copy proves nothing of them), and says
which message, of which kind, on which channel: never to whom. That a message will not arrive is told too, as `failed`,
so that a clock that waits for its delivery does not wait for ever; a message that the world has overtaken has not
failed, and nothing is told of it.
"""

from datetime import datetime
from uuid import UUID

from services.notify.domain.dispatch import Move
from services.notify.domain.lifecycle import Action
from services.notify.domain.message import BusinessKey, Evidence
from shared.contracts import MessageEvidence

FAILED = "failed"
YES = "yes"
"""The answer of a reader who agreed to what the message asked."""

_WILL_NOT_ARRIVE = frozenset({Action.FAIL, Action.EXPIRE, Action.SUPPRESS})


def proved_by(move: Move, known: Evidence, now: datetime) -> MessageEvidence | None:
    """Return what `move` proves of its message, or None where it proves nothing new or is about no booking.

    `known` is what is known after it: a receipt may have overtaken the answer, and then the answer is no news.
    """
    if move.due.appointment is None or move.due.copied:
        return None
    if move.action in _WILL_NOT_ARRIVE and known < Evidence.DELIVERED:
        return told(move.due.id, move.due.key, FAILED, now)
    if Evidence.NONE < move.evidence == known:
        return told(move.due.id, move.due.key, level(move.evidence), now)
    return None


def told(
    message_id: UUID, key: BusinessKey, evidence: str, now: datetime, answer: str | None = None
) -> MessageEvidence:
    """Return the data of the event; `answer`: what its reader replied."""
    return MessageEvidence(
        message_id=message_id,
        booking_id=key.subject_id,
        booking_version=key.subject_version,
        kind=key.kind.value,
        channel=key.channel.value,
        evidence=evidence,
        at=now,
        answer=answer,
    )


def level(evidence: Evidence) -> str:
    """Return the word for it that other services know."""
    return evidence.name.lower()
