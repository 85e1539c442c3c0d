"""Wishes to be reminded of releases, and which of them are to be told of one now."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import func, select, text
from sqlalchemy.dialects.postgresql import insert

from services.booking.store.database import Connection
from services.booking.tables import release_watches
from shared.ids import new_id

_table = release_watches.c

_NEAR = text("""
    WITH near AS (
      SELECT w.id, opening.opens_at FROM release_watches w CROSS JOIN LATERAL (
        SELECT min(s.bookable_from) AS opens_at FROM slots s
        WHERE s.service_id = w.service_id AND s.is_open AND s.bookable_from > :now AND s.bookable_from <= :until
      ) opening
      WHERE opening.opens_at IS NOT NULL AND w.told_for IS DISTINCT FROM opening.opens_at
      ORDER BY w.id LIMIT :limit FOR UPDATE OF w SKIP LOCKED
    )
    UPDATE release_watches w SET told_for = near.opens_at, version = w.version + 1
    FROM near, accounts a WHERE w.id = near.id AND a.id = w.account_id
    RETURNING w.id, w.account_id, w.service_id, w.version, w.told_for, a.contact
""")

_END = text("""
    DELETE FROM release_watches w USING accounts a
    WHERE w.account_id = :account_id AND w.service_id = :service_id AND a.id = w.account_id
    RETURNING w.id, w.account_id, w.service_id, w.version + 1 AS version, w.told_for, a.contact
""")


@dataclass(frozen=True, slots=True, kw_only=True)
class Watch:
    """A wish at `version`; `told_for` is the release that it was told of, None where of none yet."""

    id: UUID
    account_id: UUID
    service_id: str
    version: int
    told_for: datetime | None
    contact: str | None


async def add_watch(tx: Connection, account_id: UUID, service_id: str, now: datetime) -> None:
    """Write a wish down, once."""
    row = insert(release_watches).values(id=new_id(), account_id=account_id, service_id=service_id, created_at=now)
    await tx.execute(row.on_conflict_do_nothing(constraint="uq_release_watches_once"))


async def count_watches(tx: Connection, account_id: UUID, but: str) -> int:
    """Return how many services an account watches beside `but`."""
    query = select(func.count()).select_from(release_watches)
    return (await tx.execute(query.where(_table.account_id == account_id, _table.service_id != but))).scalar_one()


async def end_watch(tx: Connection, account_id: UUID, service_id: str) -> Watch | None:
    """Delete a wish and return it as it was, a version further; None where there was none."""
    row = (await tx.execute(_END, {"account_id": account_id, "service_id": service_id})).one_or_none()
    return None if row is None else Watch(**row._mapping)  # noqa: SLF001 - SQLAlchemy's public way to a row's names


async def watched_by(connection: Connection, account_id: UUID) -> Sequence[str]:
    """Return the services that an account watches, the oldest wish first."""
    query = select(_table.service_id).where(_table.account_id == account_id).order_by(_table.created_at, _table.id)
    return list((await connection.execute(query)).scalars())


async def near_release(tx: Connection, now: datetime, until: datetime, limit: int) -> list[Watch]:
    """Return up to `limit` wishes to be told of a release by `until`, each once for each release."""
    rows = await tx.execute(_NEAR, {"now": now, "until": until, "limit": limit})
    return [Watch(**row._mapping) for row in rows]  # noqa: SLF001 - as above
