"""Messages in doubt: taken to be asked about, put off until the next question, and followed by what takes their place."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from services.notify.domain.dispatch import Due
from services.notify.domain.doubt import Doubt
from services.notify.domain.message import Channel
from services.notify.store.messages import read_due

_TAKE = text("""
    WITH found AS (
      SELECT id FROM messages
      WHERE channel = :channel AND state = 'unknown' AND visible_at <= :now
      ORDER BY visible_at, id LIMIT :limit FOR UPDATE SKIP LOCKED
    )
    UPDATE messages m SET visible_at = :until FROM found WHERE m.id = found.id
    RETURNING m.id
""")

_READ = text("""
    SELECT m.*, coalesce(k.version, n.version) AS known_version, k.appointment, n.notice,
           CASE WHEN w.contact LIKE 'c1.%' THEN r.wrapped || '~' || w.contact ELSE w.contact END AS contact,
           coalesce(k.account_id <> m.recipient_id, false) AS copied, c.copy_id IS NOT NULL AS copy_stands,
           CAST(NULL AS jsonb) AS elsewhere, false AS over_cap,
           p.version, p.language, p.quiet_begins, p.quiet_ends, p.switched_off, p.reminders_off, p.plain_words,
           p.names_sensitive,
           a.provider, a.started_at, a.reference, coalesce(a.told_in, m.id) AS letter,
           EXISTS (SELECT FROM attempts l WHERE l.message_id = a.told_in AND l.started_at > a.started_at) AS letter_absent,
           EXISTS (SELECT FROM messages twin
                   WHERE twin.subject_id = m.subject_id AND twin.subject_version = m.subject_version
                     AND twin.kind = m.kind AND twin.lead_minutes = m.lead_minutes
                     AND twin.recipient_id = m.recipient_id AND twin.channel = 'in_app' AND twin.state = 'sent')
             AS in_inbox
    FROM messages m
    JOIN attempts a ON a.message_id = m.id AND a.number = m.attempt
    LEFT JOIN known_bookings k ON k.booking_id = m.subject_id
    LEFT JOIN known_notices n ON n.subject_id = m.subject_id
    LEFT JOIN preferences p ON p.account_id = m.recipient_id
    LEFT JOIN copies c ON c.account_id = k.account_id AND c.reader_id = m.recipient_id AND c.state = 'agreed'
    LEFT JOIN recipient_keys r ON r.account_id = m.recipient_id
    CROSS JOIN LATERAL (SELECT CASE WHEN k.account_id <> m.recipient_id THEN c.contact
                                    ELSE coalesce(k.contact, n.contact) END AS contact) w
    WHERE m.id = ANY(CAST(:ids AS uuid[]))
    ORDER BY m.id
""")

_PUT_OFF = text("""
    UPDATE messages m SET visible_at = v.at
    FROM unnest(CAST(:ids AS uuid[]), CAST(:ats AS timestamptz[])) AS v(id, at)
    WHERE m.id = v.id AND m.state = 'unknown'
""")

_RECEIVED = text("""
    UPDATE attempts a SET received_at = coalesce(a.received_at, :now)
    FROM unnest(CAST(:ids AS uuid[]), CAST(:numbers AS smallint[])) AS v(id, number)
    WHERE a.message_id = v.id AND a.number = v.number
""")


async def take(tx: AsyncConnection, channel: Channel, limit: int, now: datetime, lease: timedelta) -> list[Doubt]:
    """Return up to `limit` messages in doubt whose time has come; nobody else is given them for the length of `lease`."""
    facts = {"channel": channel.value, "now": now, "limit": limit, "until": now + lease}
    ids = [row.id for row in await tx.execute(_TAKE, facts)]
    if not ids:
        return []
    return [
        Doubt(
            due=read_due(row),
            provider=row.provider,
            started_at=row.started_at,
            reference=row.reference,
            in_inbox=row.in_inbox,
            letter=row.letter,
            letter_absent=row.letter_absent,
        )
        for row in await tx.execute(_READ, {"ids": ids})
    ]


async def look(tx: AsyncConnection, message_id: UUID) -> Due | None:
    """Return a message that was begun to be sent, as it stands."""
    row = (await tx.execute(_READ, {"ids": [message_id]})).one_or_none()
    return None if row is None else read_due(row)


async def put_off(tx: AsyncConnection, until: Sequence[tuple[UUID, datetime]]) -> None:
    """Have each of these asked about again at its time, if it is still in doubt."""
    if until:
        await tx.execute(_PUT_OFF, {"ids": [one for one, _ in until], "ats": [at for _, at in until]})


async def note_arrival(tx: AsyncConnection, attempts: Sequence[tuple[UUID, int]], now: datetime) -> None:
    """Write down that these attempts, by message and number, are known to have arrived."""
    if attempts:
        facts = {"ids": [one for one, _ in attempts], "numbers": [number for _, number in attempts], "now": now}
        await tx.execute(_RECEIVED, facts)
