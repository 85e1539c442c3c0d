"""What is forgotten, and when: addresses first, then words, then the rows, of which the counts stay.

The law: nothing that may still be sent is touched, however long ago it was planned. Only rows at their end, whose use is
over, are counted into `message_statistics` and deleted, a bounded batch a transaction. Whoever runs beside another takes
other rows.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

BATCH = 500


@dataclass(frozen=True, slots=True, kw_only=True)
class Keep:
    """How long each thing is kept after it was last of use."""

    contacts: timedelta = timedelta(days=30)
    words: timedelta = timedelta(days=180)
    rows: timedelta = timedelta(days=400)
    deliveries: timedelta = timedelta(days=30)
    """What partner systems were told, from its end."""


_CONTACTS = text("""
    WITH found AS (
      SELECT k.booking_id FROM known_bookings k
      WHERE k.contact IS NOT NULL AND k.heard_at < :before
        AND CAST(k.appointment ->> 'ends_at' AS timestamptz) < :before
        AND NOT EXISTS (SELECT FROM messages m WHERE m.subject_id = k.booking_id
                        AND m.state IN ('planned', 'claimed', 'sending', 'unknown'))
      LIMIT :limit FOR UPDATE SKIP LOCKED
    )
    UPDATE known_bookings k SET contact = NULL FROM found WHERE k.booking_id = found.booking_id
    RETURNING k.booking_id
""")

_NOTICE_CONTACTS = text("""
    WITH found AS (
      SELECT n.subject_id FROM known_notices n
      WHERE n.contact IS NOT NULL AND n.heard_at < :before
        AND NOT EXISTS (SELECT FROM messages m WHERE m.subject_id = n.subject_id
                        AND m.state IN ('planned', 'claimed', 'sending', 'unknown'))
      LIMIT :limit FOR UPDATE SKIP LOCKED
    )
    UPDATE known_notices n SET contact = NULL FROM found WHERE n.subject_id = found.subject_id
    RETURNING n.subject_id
""")

_NOTICES = text("""
    WITH found AS (
      SELECT n.subject_id FROM known_notices n
      WHERE n.heard_at < :before AND NOT EXISTS (SELECT FROM messages m WHERE m.subject_id = n.subject_id)
      LIMIT :limit FOR UPDATE SKIP LOCKED
    ), silences AS (
      DELETE FROM decisions d USING found WHERE d.subject_id = found.subject_id
    )
    DELETE FROM known_notices n USING found WHERE n.subject_id = found.subject_id
    RETURNING n.subject_id
""")

_WORDS = text("""
    WITH found AS (
      SELECT i.id FROM inbox_messages i JOIN messages m USING (id)
      WHERE i.created_at < :before AND m.expires_at < :before
      LIMIT :limit FOR UPDATE OF i SKIP LOCKED
    )
    DELETE FROM inbox_messages i USING found WHERE i.id = found.id
    RETURNING i.id
""")

_FINAL = text("""
    SELECT m.id FROM messages m
    WHERE m.expires_at < :before AND m.changed_at < :before
      AND m.state NOT IN ('planned', 'claimed', 'sending', 'unknown')
      AND NOT EXISTS (SELECT FROM inbox_messages i WHERE i.id = m.id)
    ORDER BY m.id LIMIT :limit FOR UPDATE SKIP LOCKED
""")

_COUNT = text("""
    INSERT INTO message_statistics AS s (month, kind, channel, state, why, messages, attempts)
    SELECT CAST(date_trunc('month', m.due_at AT TIME ZONE 'Asia/Shanghai') AS date), m.kind, m.channel, m.state, m.why,
           count(*), sum(m.attempt)
    FROM messages m WHERE m.id = ANY(CAST(:ids AS uuid[]))
    GROUP BY 1, 2, 3, 4, 5
    ON CONFLICT (month, kind, channel, state, why)
      DO UPDATE SET messages = s.messages + excluded.messages, attempts = s.attempts + excluded.attempts
""")

_DELETE = tuple(
    text(statement)
    for statement in (
        "DELETE FROM attempts WHERE message_id = ANY(CAST(:ids AS uuid[]))",
        """
        DELETE FROM decisions d USING messages m
        WHERE m.id = ANY(CAST(:ids AS uuid[])) AND d.subject_id = m.subject_id AND d.message_id = m.id
        """,
        "DELETE FROM messages WHERE id = ANY(CAST(:ids AS uuid[]))",
    )
)

_BOOKINGS = text("""
    WITH found AS (
      SELECT k.booking_id FROM known_bookings k
      WHERE k.heard_at < :before AND CAST(k.appointment ->> 'ends_at' AS timestamptz) < :before
        AND NOT EXISTS (SELECT FROM messages m WHERE m.subject_id = k.booking_id)
      LIMIT :limit FOR UPDATE SKIP LOCKED
    ), silences AS (
      DELETE FROM decisions d USING found WHERE d.subject_id = found.booking_id
    )
    DELETE FROM known_bookings k USING found WHERE k.booking_id = found.booking_id
    RETURNING k.booking_id
""")


async def forget_contacts(tx: AsyncConnection, before: datetime, limit: int = BATCH) -> int:
    """Blank the addresses of bookings that were over by `before`, of which nothing is to be said any more."""
    return len((await tx.execute(_CONTACTS, {"before": before, "limit": limit})).all())


async def forget_notice_contacts(tx: AsyncConnection, before: datetime, limit: int = BATCH) -> int:
    """Blank the addresses of what was last heard of before `before`, of which nothing is to be said any more."""
    return len((await tx.execute(_NOTICE_CONTACTS, {"before": before, "limit": limit})).all())


async def forget_notices(tx: AsyncConnection, before: datetime, limit: int = BATCH) -> int:
    """Delete what was last heard of before `before`, once no message about it is left."""
    return len((await tx.execute(_NOTICES, {"before": before, "limit": limit})).all())


async def forget_words(tx: AsyncConnection, before: datetime, limit: int = BATCH) -> int:
    """Delete from the in-app inboxes what was written and of use before `before`."""
    return len((await tx.execute(_WORDS, {"before": before, "limit": limit})).all())


async def forget_messages(tx: AsyncConnection, before: datetime, limit: int = BATCH) -> int:
    """Count messages that were at their end by `before`, and delete them with their attempts and decisions."""
    ids = list((await tx.execute(_FINAL, {"before": before, "limit": limit})).scalars())
    if ids:
        await tx.execute(_COUNT, {"ids": ids})
        for statement in _DELETE:
            await tx.execute(statement, {"ids": ids})
    return len(ids)


async def forget_bookings(tx: AsyncConnection, before: datetime, limit: int = BATCH) -> int:
    """Delete what is known of bookings that were over by `before`, once no message about them is left."""
    return len((await tx.execute(_BOOKINGS, {"before": before, "limit": limit})).all())
