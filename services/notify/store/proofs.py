"""The chains of proof: written behind the decisions, in the order of their transactions, none left out.

The law: a decision is chained once, after every transaction that could still write an earlier one has ended, and never
before. Positions are therefore pairs of transaction and number, and only transactions older than all that run are read.
One notary writes at a time (it holds the lock on the one row that says how far it is); a killed one has written nothing.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import select, text
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.engine import Row
from sqlalchemy.ext.asyncio import AsyncConnection

from services.notify.domain.message import BEARS_A_CODE
from services.notify.domain.proof import Head, Record, follow
from services.notify.tables import proofs

BATCH = 500
MOST_RECORDS = 10_000

_BEGIN = text("INSERT INTO notary VALUES (1, 0, 0, 0) ON CONFLICT DO NOTHING")

_LOCK = text("SELECT transaction_id, decision_id, evidence_number FROM notary FOR UPDATE SKIP LOCKED")

_DECISIONS = text("""
    SELECT d.transaction_id, d.id, d.at, d.subject_id, d.subject_version, d.message_id, d.state, d.why,
           m.kind, m.channel, m.lead_minutes, m.due_at, m.template, m.template_version,
           encode(m.fingerprint, 'hex') AS fingerprint,
           coalesce(m.recipient_id <> k.account_id, false) AS copied,
           a.number, a.provider, a.verdict, a.code, a.reference, a.started_at, a.finished_at
    FROM (SELECT * FROM decisions
          WHERE (transaction_id, id) > (:transaction_id, :decision_id)
            AND transaction_id < CAST(CAST(pg_snapshot_xmin(pg_current_snapshot()) AS text) AS bigint)
          ORDER BY transaction_id, id LIMIT :limit) d
    LEFT JOIN messages m ON m.id = d.message_id
    LEFT JOIN known_bookings k ON k.booking_id = m.subject_id
    LEFT JOIN attempts a ON a.message_id = m.id AND a.number = m.attempt
                        AND d.state IN ('sent', 'unknown', 'unproven', 'dead', 'planned', 'expired')
    ORDER BY d.transaction_id, d.id
""")

_EVIDENCE = text("""
    SELECT number, occurred_at, subject, data FROM outbox
    WHERE number > :evidence_number AND type = 'yuyue.message.evidence.v1' ORDER BY number LIMIT :limit
""")

_HEADS = text("""
    SELECT DISTINCT ON (booking_id) booking_id, sequence, digest FROM proofs
    WHERE booking_id = ANY(CAST(:ids AS uuid[])) ORDER BY booking_id, sequence DESC
""")

_MOVE_ON = text("""
    UPDATE notary SET transaction_id = :transaction_id, decision_id = :decision_id, evidence_number = :evidence_number
""")


async def chain(tx: AsyncConnection) -> int:
    """Chain what has been decided and proved since; return how many records that made, 0 where another notary writes."""
    await tx.execute(_BEGIN)
    position = (await tx.execute(_LOCK)).one_or_none()
    if position is None:
        return 0
    facts: dict[str, Any] = dict(position._mapping) | {"limit": BATCH}  # noqa: SLF001 - SQLAlchemy's public name
    decided = (await tx.execute(_DECISIONS, facts)).all()
    proved = (await tx.execute(_EVIDENCE, facts)).all()
    # a copy to somebody else is no notice to whoever booked
    noticed = [row for row in decided if row.kind not in BEARS_A_CODE and not row.copied]
    steps = [(row.subject_id, row.at, _decision(row)) for row in noticed]
    steps += [(row.subject, row.occurred_at, _evidence(row.data)) for row in proved]
    await _append(tx, steps)
    if decided:
        facts |= {"transaction_id": decided[-1].transaction_id, "decision_id": decided[-1].id}
    if proved:
        facts |= {"evidence_number": proved[-1].number}
    await tx.execute(_MOVE_ON, facts)
    return len(steps)


async def _append(tx: AsyncConnection, steps: Sequence[tuple[UUID, datetime, Mapping[str, Any]]]) -> None:
    if not steps:
        return
    ids = list({booking_id for booking_id, _, _ in steps})
    heads = {
        row.booking_id: Head(sequence=row.sequence, digest=row.digest) for row in await tx.execute(_HEADS, {"ids": ids})
    }
    records = []
    for booking_id, at, facts in steps:
        record = follow(booking_id, heads.get(booking_id, Head()), at, facts)
        heads[booking_id] = Head(sequence=record.sequence, digest=record.digest)
        records.append(record)
    await tx.execute(
        insert(proofs),
        [
            {
                "booking_id": record.booking_id,
                "sequence": record.sequence,
                "at": record.at,
                "facts": dict(record.facts),
                "previous": record.previous,
                "digest": record.digest,
            }
            for record in records
        ],
    )


async def of_booking(connection: AsyncConnection, booking_id: UUID) -> list[Record]:
    """Return the chain of a booking from its beginning."""
    query = select(proofs).where(proofs.c.booking_id == booking_id).order_by(proofs.c.sequence).limit(MOST_RECORDS)
    return [
        Record(
            booking_id=row.booking_id,
            sequence=row.sequence,
            at=row.at,
            facts=row.facts,
            previous=row.previous,
            digest=row.digest,
        )
        for row in await connection.execute(query)
    ]


def _decision(row: Row[Any]) -> dict[str, Any]:
    """Return what was decided: no name, no address, no words."""
    facts = {
        "decision": row.why,
        "state": row.state,
        "booking_version": row.subject_version,
        "message_id": None if row.message_id is None else str(row.message_id),
        "kind": row.kind,
        "channel": row.channel,
        "lead_minutes": row.lead_minutes,
        "due_at": _moment(row.due_at),
        "template": row.template,
        "template_version": row.template_version,
        "words_sha256": row.fingerprint,
        "attempt": row.number,
        "provider": row.provider,
        "verdict": row.verdict,
        "code": row.code,
        "reference": row.reference,
        "started_at": _moment(row.started_at),
        "finished_at": _moment(row.finished_at),
    }
    return {name: value for name, value in facts.items() if value is not None}


def _evidence(data: Mapping[str, Any]) -> dict[str, Any]:
    kept = ("message_id", "booking_version", "kind", "channel", "evidence")
    return {name: data[name] for name in kept if name in data}


def _moment(at: datetime | None) -> str | None:
    return None if at is None else at.isoformat()
