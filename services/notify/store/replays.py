"""Dead messages: listed with their reasons, and sent again by hand, which is written down."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import select, text
from sqlalchemy.ext.asyncio import AsyncConnection

from services.notify.domain.lifecycle import State
from services.notify.domain.message import Why
from services.notify.tables import messages, replays

MOST_SHOWN = 200

_REPLAY = text("""
    WITH again AS (
      UPDATE messages SET state = 'planned', why = :why, visible_at = :now, changed_at = :now
      WHERE id = :id AND state = 'dead' AND expires_at > :now
      RETURNING id, subject_id, subject_version, state, why
    )
    INSERT INTO decisions (at, subject_id, subject_version, message_id, state, why)
    SELECT :now, subject_id, subject_version, id, state, why FROM again
    RETURNING message_id
""")


class NotReplayed(Exception):  # noqa: N818 - an answer
    """The message is not sent again; the text says why."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Dead:
    """A message that will not leave by itself, and until when it would be of use."""

    id: UUID
    kind: str
    channel: str
    why: str
    died_at: datetime
    expires_at: datetime


async def dead(connection: AsyncConnection, limit: int = MOST_SHOWN) -> Sequence[Dead]:
    """Return the messages that died last."""
    table = messages.c
    query = select(messages).where(table.state == State.DEAD.value).order_by(table.changed_at.desc()).limit(limit)
    return [
        Dead(
            id=row.id,
            kind=row.kind,
            channel=row.channel,
            why=row.why,
            died_at=row.changed_at,
            expires_at=row.expires_at,
        )
        for row in await connection.execute(query)
    ]


async def replay(tx: AsyncConnection, message_id: UUID, by: str, reason: str, now: datetime) -> None:
    """Have a dead message sent again, at once; version, preferences and the night are looked at as ever.

    Raises:
        NotReplayed: it is not dead, or of no use any more.
    """
    table = messages.c
    query = select(table.state, table.why, table.expires_at).where(table.id == message_id).with_for_update()
    row = (await tx.execute(query)).one_or_none()
    if row is None:
        raise NotReplayed("there is no such message")
    if row.state != State.DEAD.value:
        raise NotReplayed(f"it is not dead but {row.state}")
    if row.expires_at <= now:
        raise NotReplayed(f"it has been of no use since {row.expires_at.isoformat()}")
    await tx.execute(_REPLAY, {"id": message_id, "why": Why.REPLAYED.value, "now": now})
    await tx.execute(replays.insert().values(at=now, message_id=message_id, why_dead=row.why, by=by, reason=reason))
