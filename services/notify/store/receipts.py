"""Receipts as they came, each once; those that name a message we cannot tell yet wait until its outcome is known."""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.engine import Row
from sqlalchemy.ext.asyncio import AsyncConnection

from services.notify.domain.message import Channel, Evidence, Kind
from services.notify.domain.receipt import LONGEST_CODE, LastText, Receipt

_KEEP = text("""
    INSERT INTO receipts (key, provider, message_id, reference, evidence, code, received_at)
    VALUES (:key, :provider,
            coalesce((SELECT id FROM messages WHERE id = :message_id),
                     (SELECT message_id FROM attempts
                      WHERE provider = :provider AND reference = :reference ORDER BY started_at DESC LIMIT 1)),
            :reference, :evidence, :code, :now)
    ON CONFLICT (key) DO NOTHING
    RETURNING message_id
""")

_NAME = text("""
    UPDATE receipts r SET message_id = a.message_id
    FROM attempts a JOIN unnest(CAST(:ids AS uuid[]), CAST(:numbers AS smallint[])) AS v(id, number)
      ON a.message_id = v.id AND a.number = v.number
    WHERE r.message_id IS NULL AND r.provider = a.provider AND r.reference = a.reference
    RETURNING r.message_id, r.provider, r.reference, r.evidence, r.code
""")

_OF_MESSAGES = text("""
    SELECT message_id, provider, reference, evidence, code FROM receipts
    WHERE message_id = ANY(CAST(:ids AS uuid[]))
       OR message_id IN (SELECT told_in FROM attempts
                         WHERE message_id = ANY(CAST(:ids AS uuid[])) AND told_in IS NOT NULL)
    ORDER BY received_at, key
""")

_TOLD_WITH = text("""
    WITH letter AS (
      SELECT coalesce(a.told_in, m.id) AS id, a.started_at FROM messages m
      LEFT JOIN attempts a ON a.message_id = m.id AND a.number = m.attempt WHERE m.id = :id
    )
    SELECT id FROM letter
    UNION SELECT m.id FROM letter JOIN attempts a ON a.told_in = letter.id AND a.started_at = letter.started_at
                                  JOIN messages m ON m.id = a.message_id AND m.attempt = a.number
    ORDER BY id
""")

_LOCK = text("SELECT evidence FROM messages WHERE id = :id FOR UPDATE")

_LOST = text("""
    WITH lost AS (
      UPDATE messages SET why = :why, changed_at = :now
      WHERE id = :id AND state = 'sent' AND evidence < :delivered AND why <> :why
      RETURNING id, subject_id, subject_version, state, why
    )
    INSERT INTO decisions (at, subject_id, subject_version, message_id, state, why)
    SELECT :now, subject_id, subject_version, id, state, why FROM lost RETURNING message_id
""")

_ARRIVED = text("""
    UPDATE attempts a SET received_at = coalesce(a.received_at, :now)
    FROM messages m WHERE m.id = :id AND a.message_id = m.id AND a.number = m.attempt
""")

_FORGET = text("DELETE FROM receipts WHERE received_at < :before")

_NOTE_PHONE = text("""
    INSERT INTO phones AS p (fingerprint, account_id, heard_at) VALUES (:fingerprint, :account_id, :now)
    ON CONFLICT (fingerprint) DO UPDATE SET account_id = excluded.account_id, heard_at = excluded.heard_at
      WHERE p.account_id <> excluded.account_id
""")

_LAST_TEXT = text("""
    SELECT m.id, m.subject_id, m.subject_version, m.recipient_id, m.kind, m.expires_at FROM messages m
    WHERE m.recipient_id = (SELECT account_id FROM phones WHERE fingerprint = :fingerprint)
      AND m.channel = :sms AND m.state IN ('sent', 'unknown', 'unproven') AND m.changed_at >= :since
      AND (NOT :asking OR (m.kind = ANY(CAST(:kinds AS text[])) AND m.expires_at > :now))
    ORDER BY m.changed_at DESC LIMIT 1
""")


async def keep(tx: AsyncConnection, receipt: Receipt, now: datetime) -> tuple[bool, UUID | None]:
    """Keep a receipt; return whether it is new, and the message that it speaks of where that can be told."""
    facts = {
        "key": receipt.key,
        "provider": receipt.provider,
        "message_id": receipt.message_id,
        "reference": receipt.reference,
        "evidence": None if receipt.evidence is None else receipt.evidence.value,
        "code": receipt.code[:LONGEST_CODE],
        "now": now,
    }
    row = (await tx.execute(_KEEP, facts)).one_or_none()
    return (False, None) if row is None else (True, row.message_id)


async def name(tx: AsyncConnection, attempts: Sequence[tuple[UUID, int]]) -> list[Receipt]:
    """Say which message the references of these attempts mean; return the receipts that have waited for that."""
    if not attempts:
        return []
    facts = {"ids": [one for one, _ in attempts], "numbers": [number for _, number in attempts]}
    return [_receipt(row) for row in await tx.execute(_NAME, facts)]


async def of_messages(tx: AsyncConnection, message_ids: Sequence[UUID]) -> list[Receipt]:
    """Return what was said about messages, in the order in which it came."""
    if not message_ids:
        return []
    return [_receipt(row) for row in await tx.execute(_OF_MESSAGES, {"ids": list(message_ids)})]


async def told_with(tx: AsyncConnection, message_id: UUID) -> list[UUID]:
    """Return every message whose last attempt was the letter of this one's, itself among them, in the order of locking."""
    return list((await tx.execute(_TOLD_WITH, {"id": message_id})).scalars())


async def lock(tx: AsyncConnection, message_id: UUID) -> Evidence:
    """Lock a message until the commit; return what is known of its arrival."""
    return Evidence((await tx.execute(_LOCK, {"id": message_id})).scalar_one())


async def lose(tx: AsyncConnection, message_id: UUID, why: str, now: datetime) -> bool:
    """Write down that what was sent was not delivered; return whether that is news."""
    facts = {"id": message_id, "why": why, "now": now, "delivered": Evidence.DELIVERED.value}
    return (await tx.execute(_LOST, facts)).one_or_none() is not None


async def arrived(tx: AsyncConnection, message_id: UUID, now: datetime) -> None:
    """Write down when the last attempt of a message is known to have arrived."""
    await tx.execute(_ARRIVED, {"id": message_id, "now": now})


async def forget(tx: AsyncConnection, before: datetime) -> int:
    """Forget receipts that came before `before`; return how many."""
    return (await tx.execute(_FORGET, {"before": before})).rowcount


async def note_phone(tx: AsyncConnection, fingerprint: bytes, account_id: UUID, now: datetime) -> None:
    """Remember whose number it is."""
    await tx.execute(_NOTE_PHONE, {"fingerprint": fingerprint, "account_id": account_id, "now": now})


async def last_text(
    tx: AsyncConnection, fingerprint: bytes, since: datetime, now: datetime, asking: frozenset[Kind]
) -> LastText | None:
    """Return the newest text message to a number since `since`; with `asking` kinds, one of them that is still open."""
    facts = {
        "fingerprint": fingerprint,
        "sms": Channel.SMS.value,
        "since": since,
        "now": now,
        "asking": bool(asking),
        "kinds": sorted(kind.value for kind in asking),
    }
    row = (await tx.execute(_LAST_TEXT, facts)).one_or_none()
    if row is None:
        return None
    return LastText(
        message_id=row.id,
        subject=(row.subject_id, row.subject_version),
        account_id=row.recipient_id,
        kind=Kind(row.kind),
        expires_at=row.expires_at,
    )


def _receipt(row: Row[tuple[object, ...]]) -> Receipt:
    return Receipt(
        provider=row.provider,
        message_id=row.message_id,
        reference=row.reference,
        evidence=None if row.evidence is None else Evidence(row.evidence),
        code=row.code,
    )
