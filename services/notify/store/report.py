"""How messages fared, by channel and provider: one pass over the messages that were due in a span of time."""

from datetime import datetime

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from services.notify.domain.cost import Reached
from services.notify.domain.message import Channel, Evidence

_REACH = text("""
    SELECT m.channel, coalesce(a.provider, m.channel) AS provider, count(*) AS messages,
           count(*) FILTER (WHERE m.state = 'sent') AS sent,
           count(*) FILTER (WHERE m.state IN ('unknown', 'unproven')) AS doubtful,
           count(*) FILTER (WHERE m.state IN ('dead', 'expired') OR m.why = 'not_delivered') AS failed,
           count(*) FILTER (WHERE m.evidence >= 1) AS accepted,
           count(*) FILTER (WHERE m.evidence >= 2) AS delivered,
           count(*) FILTER (WHERE m.evidence >= 3) AS shown,
           count(*) FILTER (WHERE m.evidence >= 4) AS read,
           count(*) FILTER (WHERE m.evidence >= 5) AS acted,
           percentile_cont(0.5) WITHIN GROUP (ORDER BY d.delay) AS delay_median,
           percentile_cont(0.99) WITHIN GROUP (ORDER BY d.delay) AS delay_p99,
           percentile_cont(0.5) WITHIN GROUP (ORDER BY d.arrival) AS arrival_median
    FROM messages m
    LEFT JOIN attempts a ON a.message_id = m.id AND a.number = m.attempt
    LEFT JOIN inbox_messages i ON i.id = m.id
    CROSS JOIN LATERAL (
      SELECT CASE WHEN m.state = 'sent' THEN
               extract(epoch FROM coalesce(i.created_at, a.finished_at) - m.due_at) END AS delay,
             extract(epoch FROM a.received_at - a.finished_at) AS arrival
    ) d
    WHERE m.due_at >= :since AND m.due_at < :until AND m.state NOT IN ('planned', 'suppressed', 'superseded')
    GROUP BY 1, 2 ORDER BY 1, 2
""")


async def reach(connection: AsyncConnection, since: datetime, until: datetime) -> list[Reached]:
    """Return how the messages fared that were due from `since` until before `until`."""
    return [
        Reached(
            channel=Channel(row.channel),
            provider=row.provider,
            messages=row.messages,
            sent=row.sent,
            doubtful=row.doubtful,
            failed=row.failed,
            proved={level: getattr(row, level.name.lower()) for level in Evidence if level > Evidence.NONE},
            delay_median=_seconds(row.delay_median),
            delay_p99=_seconds(row.delay_p99),
            arrival_median=_seconds(row.arrival_median),
        )
        for row in await connection.execute(_REACH, {"since": since, "until": until})
    ]


def _seconds(found: float | None) -> float | None:
    return None if found is None else round(max(float(found), 0.0), 3)
