"""How well messages are known to have arrived: raised in their rows, and told by the same transaction through the outbox.

There is no other way to raise it, so there is no proof that the booking service does not hear of.
"""

from collections.abc import Iterable, Sequence
from datetime import datetime
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from services.notify.domain.dispatch import Move
from services.notify.domain.evidence import level, proved_by, told
from services.notify.domain.message import BusinessKey, Channel, Evidence, Kind
from services.notify.tables import outbox
from shared.contracts import Event, EventType, MessageEvidence
from shared.feed import read_feed
from shared.ids import new_id
from shared.outbox import add_events

_RAISE = text("""
    UPDATE messages m SET evidence = :evidence, changed_at = :now
    WHERE m.id = :id AND m.evidence < :evidence
    RETURNING m.id, m.subject_id, m.subject_version, m.kind, m.lead_minutes, m.recipient_id, m.channel,
              EXISTS (SELECT FROM known_bookings k
                      WHERE k.booking_id = m.subject_id AND k.account_id = m.recipient_id) AS of_booking
""")


async def tell_of_moves(tx: AsyncConnection, moved: Sequence[tuple[Move, Evidence]], now: datetime) -> None:
    """Tell what these moves, which were applied, prove; each with what is now known of its message."""
    await tell(tx, [proof for move, known in moved if (proof := proved_by(move, known, now)) is not None])


async def tell(tx: AsyncConnection, proofs: Iterable[MessageEvidence]) -> None:
    """Write an event for each proof."""
    events = [
        Event(id=new_id(), type=EventType.MESSAGE_EVIDENCE, subject=proof.booking_id, time=proof.at, data=proof)
        for proof in proofs
    ]
    await add_events(tx, outbox, events)


async def raise_to(
    tx: AsyncConnection, message_id: UUID, evidence: Evidence, now: datetime, answer: str | None = None
) -> bool:
    """Raise what is known of a message to `evidence`; return whether that was more than was known.

    `answer` is told with it: what its reader replied.
    """
    facts = {"id": message_id, "evidence": evidence.value, "now": now}
    row = (await tx.execute(_RAISE, facts)).one_or_none()
    if row is None:
        return False
    if row.of_booking:
        key = BusinessKey(
            subject_id=row.subject_id,
            subject_version=row.subject_version,
            kind=Kind(row.kind),
            lead_minutes=row.lead_minutes,
            recipient_id=row.recipient_id,
            channel=Channel(row.channel),
        )
        await tell(tx, [told(message_id, key, level(evidence), now, answer)])
    return True


async def read_events(connection: AsyncConnection, after: int, limit: int) -> list[Event]:
    """Return up to `limit` events with numbers above `after`, ascending and without a gap."""
    return await read_feed(connection, outbox, after, limit)
