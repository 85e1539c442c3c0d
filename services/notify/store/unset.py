"""What waits on a channel that is not set up: ended in bulk, by one statement a batch, and nothing of it is loaded.

It says of each message what the long way would say: in its row, in the log, and to the world where it was about a booking.
"""

from datetime import datetime

from sqlalchemy.ext.asyncio import AsyncConnection

from services.notify.domain.evidence import FAILED
from services.notify.domain.message import Channel, Evidence, Urgency, Why
from shared.contracts import EventType
from shared.db import dump_json, fetch, prepared
from shared.ids import COUNTED_FROM, new_run

# LATERAL with LIMIT, ANY(ARRAY(…)): a look at an index for each message, however many there are of everything. What is
# locked stays at its place (`ctid`), so it is written there without being looked for again; what moved just before it was
# locked is not found there, and is left to the next batch.
# The events are written as text of known words and ids: to have PostgreSQL build each as an object, under an id that it
# asks the system's randomness for, takes as long as ending the message.
_END = prepared(f"""
    WITH due AS MATERIALIZED (
      SELECT ctid AS place, id, subject_id, subject_version, recipient_id, expires_at FROM messages
      WHERE channel = :channel AND urgency = ANY(CAST(:lanes AS smallint[])) AND visible_at <= :now
        AND state IN ('planned', 'claimed')
      ORDER BY urgency, visible_at, id LIMIT :limit FOR UPDATE SKIP LOCKED
    ), judged AS MATERIALIZED (
      SELECT due.id, k.account_id IS NOT DISTINCT FROM due.recipient_id AS booked,
             CASE WHEN coalesce(k.version, n.version) <> due.subject_version THEN CAST(:newer AS text)
                  WHEN due.expires_at <= :now THEN CAST(:useless AS text) ELSE CAST(:why AS text) END AS why
      FROM due
      LEFT JOIN LATERAL (SELECT version, account_id FROM known_bookings WHERE booking_id = due.subject_id LIMIT 1) k ON true
      LEFT JOIN LATERAL (SELECT version FROM known_notices
                         WHERE subject_id = due.subject_id AND k.version IS NULL LIMIT 1) n ON true
    ), ended AS (
      UPDATE messages m SET why = judged.why, lease_token = NULL, sealed = NULL, changed_at = :now,
             state = CASE judged.why WHEN :newer THEN 'superseded' WHEN :useless THEN 'expired' ELSE 'suppressed' END
      FROM judged WHERE m.id = judged.id AND m.ctid = ANY(ARRAY(SELECT place FROM due)) AND m.state IN ('planned', 'claimed')
      RETURNING m.id, m.subject_id, m.subject_version, m.kind, m.state, m.why,
                judged.booked AND m.state <> 'superseded' AND m.evidence < :delivered AS news
    ), noted AS (
      INSERT INTO decisions (at, subject_id, subject_version, message_id, state, why)
      SELECT :now, subject_id, subject_version, id, state, why FROM ended
    ), told AS (
      INSERT INTO outbox (id, type, subject, occurred_at, data)
      SELECT CAST(CAST(:run AS text) || to_hex({COUNTED_FROM} + row_number() OVER ()) AS uuid), :type, subject_id, :now,
             CAST(CAST(:data AS text) || '"booking_version": ' || subject_version || ', "kind": "' || kind || '", "booking_id": "'
                  || subject_id || '", "message_id": "' || id || '"}}' AS json)
      FROM ended WHERE news
    )
    SELECT count(*) AS ended FROM ended
""")  # noqa: S608 - of constants alone


async def end(tx: AsyncConnection, channel: Channel, now: datetime, limit: int) -> int:
    """End up to `limit` messages whose time has come and that were not begun; return how many there were."""
    alike = {"channel": channel.value, "evidence": FAILED, "at": now, "answer": None}
    facts = {
        "channel": channel.value,
        "lanes": [urgency.value for urgency in Urgency],
        "now": now,
        "limit": limit,
        "newer": Why.NEWER_VERSION.value,
        "useless": Why.NO_LONGER_USEFUL.value,
        "why": Why.CHANNEL_NOT_SET_UP.value,
        "delivered": Evidence.DELIVERED.value,
        "run": new_run(),
        "type": EventType.MESSAGE_EVIDENCE.value,
        "data": dump_json(alike).removesuffix("}") + ", ",
    }
    (row,) = await fetch(tx, _END, facts)
    return int(row["ended"])
