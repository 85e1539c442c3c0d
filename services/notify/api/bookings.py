"""Of one booking: every message planned, sent or dropped, and why."""

from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

from fastapi import Path
from pydantic import ConfigDict, Field
from starlette.responses import JSONResponse

from services.notify import views
from services.notify.api.deps import SignedInDep, documented
from services.notify.api.words import WORDS
from services.notify.domain.lifecycle import State
from services.notify.domain.message import Channel, Evidence, Kind, Why
from services.notify.domain.proof import published
from services.notify.domain.reason import Reason
from services.notify.store import proofs
from shared.clock import SHANGHAI
from shared.contracts import Words
from shared.refusal import Refused
from shared.web import Shown, strict_router

router = strict_router(prefix="/api/v1/bookings", tags=["bookings"])

EXAMPLE: dict[str, Any] = {
    "id": "01936f2e-7c1a-7def-8a3b-5d4c3b2a1908",
    "kind": "reminder",
    "channel": "email",
    "booking_version": 2,
    "lead_minutes": 1440,
    "to_family": False,
    "due_at": "2026-11-27T16:30:00+08:00",
    "state": "superseded",
    "why": "booking_cancelled",
    "explanation": {"zh": "预约已取消，此消息作废。", "en": "The booking was cancelled first, so this was dropped."},
    "attempts": 0,
    "evidence": "none",
    "changed_at": "2026-11-25T09:12:03+08:00",
    "decisions": [
        {
            "at": "2026-11-20T10:00:00+08:00",
            "state": "planned",
            "why": "due_before_start",
            "explanation": {"zh": "将按时发送。", "en": "It will be sent at its time."},
        },
        {
            "at": "2026-11-25T09:12:03+08:00",
            "state": "superseded",
            "why": "booking_cancelled",
            "explanation": {
                "zh": "预约已取消，此消息作废。",
                "en": "The booking was cancelled first, so this was dropped.",
            },
        },
    ],
}


_PROOF: dict[str, Any] = {
    "booking_id": "01936f2e-7c1a-7def-8a3b-5d4c3b2a1907",
    "records": [],
    "head": "0" * 64,
}


class DecisionShown(Shown):
    """One decision about a message, and why, in words."""

    at: datetime
    state: State
    why: Why
    explanation: Annotated[Words, Field(description="`why` in words.")]


class PlannedShown(Shown):
    """What became of one message. Times carry the venue's offset, +08:00."""

    id: UUID
    kind: Kind
    channel: Channel
    booking_version: Annotated[int, Field(description="The version of the booking that it speaks of.")]
    lead_minutes: Annotated[int, Field(description="Of a reminder: minutes before the start; else 0.")]
    to_family: Annotated[bool, Field(description="It went, or goes, to a family member as a copy. 发给家人的副本。")]
    due_at: datetime
    state: State
    why: Why
    explanation: Annotated[Words, Field(description="`why` in words.")]
    attempts: Annotated[int, Field(description="How often a provider was called.")]
    evidence: Annotated[
        str, Field(description="How much is known of its arrival: none, accepted, delivered, shown, read, acted.")
    ]
    changed_at: datetime
    decisions: Annotated[
        list[DecisionShown],
        Field(
            description="What was decided about it, in order: planned, held back or brought forward for the night, sent …"
        ),
    ]

    model_config = ConfigDict(json_schema_extra={"examples": [EXAMPLE]})


class PlannedMessages(Shown):
    """Every message about a booking, the oldest version first, then by due time."""

    items: list[PlannedShown]

    model_config = ConfigDict(json_schema_extra={"examples": [{"items": [EXAMPLE]}]})


@router.get(
    "/{booking_id}/messages",
    summary="这项预约的全部通知 Every message about a booking",
    response_model=PlannedMessages,
    **documented(Reason.BOOKING_UNKNOWN),
)
async def messages_of_booking(
    asker: SignedInDep, booking_id: Annotated[UUID, Path(examples=["01936f2e-7c1a-7def-8a3b-5d4c3b2a1907"])]
) -> PlannedMessages:
    """What was planned and sent for a booking, what was not, and why. 为什么收到或没有收到通知。

    Residents ask about their own bookings, those who work at a venue about the bookings there.
    """
    async with asker.parts.engine.connect() as connection:
        found = await views.of_booking(connection, asker.scope, booking_id)
    if found is None:
        raise Refused(Reason.BOOKING_UNKNOWN)
    return PlannedMessages(items=[planned_shown(message) for message in found])


def planned_shown(message: views.Planned) -> PlannedShown:
    """Return what became of `message`, in words."""
    return PlannedShown(
        id=message.id,
        kind=message.kind,
        channel=message.channel,
        booking_version=message.booking_version,
        lead_minutes=message.lead_minutes,
        to_family=message.copied,
        due_at=message.due_at.astimezone(SHANGHAI),
        state=message.state,
        why=message.why,
        explanation=WORDS[message.why],
        attempts=message.attempts,
        evidence=Evidence(message.evidence).name.lower(),
        changed_at=message.changed_at.astimezone(SHANGHAI),
        decisions=[
            DecisionShown(
                at=decided.at.astimezone(SHANGHAI),
                state=decided.state,
                why=decided.why,
                explanation=WORDS[decided.why],
            )
            for decided in message.decisions
        ],
    )


class ProofRecord(Shown):
    """One step of what was decided and done: no name, no address, no words."""

    booking_id: UUID
    sequence: int
    at: Annotated[str, Field(description="In UTC, as the digest is taken over it.")]
    facts: Annotated[dict[str, Any], Field(description="What was decided, tried, answered or proved.")]
    previous: Annotated[str, Field(description="Digest of the record before; zeros before the first.")]
    digest: Annotated[str, Field(description="SHA-256 of the record without it, as JSON with its keys in order.")]


class ProofOfNotice(Shown):
    """The chain of a booking's notices: change, take out or move anything, and it breaks."""

    booking_id: UUID
    records: list[ProofRecord]
    head: Annotated[str, Field(description="Digest of the last record.")]

    model_config = ConfigDict(json_schema_extra={"examples": [_PROOF]})


@router.get(
    "/{booking_id}/proof",
    summary="通知证明 Proof of notice",
    response_model=ProofOfNotice,
    **documented(Reason.BOOKING_UNKNOWN),
)
async def proof_of_notice(
    asker: SignedInDep, booking_id: Annotated[UUID, Path(examples=["01936f2e-7c1a-7def-8a3b-5d4c3b2a1907"])]
) -> JSONResponse:
    """What was decided, sent and received about a booking of yours, as a chain that `yuyue verify-notice` checks."""
    async with asker.parts.engine.connect() as connection:
        if await views.of_booking(connection, asker.scope, booking_id) is None:
            raise Refused(Reason.BOOKING_UNKNOWN)
        records = await proofs.of_booking(connection, booking_id)
    return JSONResponse(published(booking_id, records))
