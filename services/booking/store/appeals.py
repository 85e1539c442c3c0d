"""Appeals against bars, and exemptions of people, in their rows: who, when, why, and what came of it."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Row, func, select, text, update
from sqlalchemy.dialects.postgresql import insert

from services.booking.store.database import Connection
from services.booking.tables import penalty_appeals, penalty_exemptions, persons

_IS_SAVED = text(
    "SELECT 1 FROM account_people WHERE account_id = :account_id AND person_id = :person_id AND removed_at IS NULL"
)
_OF_PENALTIES = text("SELECT * FROM penalty_appeals WHERE penalty_id = ANY(CAST(:ids AS uuid[])) ORDER BY made_at")
_EXEMPTIONS = text(
    "SELECT * FROM penalty_exemptions WHERE venue_id = :venue_id AND id < :before ORDER BY id DESC LIMIT :limit"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Appeal:
    """What somebody says against a bar, and what staff of the venue of its last strike answered."""

    id: UUID
    penalty_id: UUID
    strike_id: UUID
    account_id: UUID
    venue_id: str
    words: str
    made_at: datetime
    granted: bool | None = None
    decided_at: datetime | None = None
    answer: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Exemption:
    """A person whose strikes at a venue do not count, while it lasts."""

    id: UUID
    person_id: UUID
    venue_id: str
    reason: str
    made_at: datetime
    ended_at: datetime | None = None


async def is_saved(tx: Connection, account_id: UUID, person_id: UUID) -> bool:
    """Say whether an account has this person among its saved people."""
    found = await tx.execute(_IS_SAVED, {"account_id": account_id, "person_id": person_id})
    return found.first() is not None


async def person_exists(tx: Connection, person_id: UUID) -> bool:
    """Say whether anybody has this id."""
    return (await tx.execute(select(persons.c.id).where(persons.c.id == person_id))).first() is not None


async def add_appeal(tx: Connection, appeal: Appeal) -> bool:
    """Write an appeal; say whether it is the first against this bar."""
    row = insert(penalty_appeals).values(
        id=appeal.id,
        penalty_id=appeal.penalty_id,
        strike_id=appeal.strike_id,
        account_id=appeal.account_id,
        venue_id=appeal.venue_id,
        words=appeal.words,
        made_at=appeal.made_at,
    )
    made = await tx.execute(row.on_conflict_do_nothing().returning(penalty_appeals.c.id))
    return made.first() is not None


async def hold_appeal(tx: Connection, appeal_id: UUID) -> Appeal | None:
    """Return an appeal, which nobody else decides before the transaction ends; or None."""
    query = select(penalty_appeals).where(penalty_appeals.c.id == appeal_id).with_for_update()
    row = (await tx.execute(query)).one_or_none()
    return None if row is None else _appeal_of(row)


async def write_decision(tx: Connection, appeal: Appeal, decided_by: UUID) -> None:
    """Write how an appeal was decided."""
    decided = {"granted": appeal.granted, "decided_at": appeal.decided_at, "answer": appeal.answer}
    await tx.execute(
        update(penalty_appeals).where(penalty_appeals.c.id == appeal.id).values(**decided, decided_by=decided_by)
    )


async def appeals_of_penalties(tx: Connection, penalty_ids: list[UUID]) -> list[Appeal]:
    """Return the appeals against these penalties, the oldest first."""
    return [_appeal_of(row) for row in await tx.execute(_OF_PENALTIES, {"ids": penalty_ids})]


async def appeals_at(tx: Connection, venue_id: str, *, undecided: bool, after: UUID, limit: int) -> list[Appeal]:
    """Return the appeals that a venue decides, the oldest first, from after the one with the id `after`."""
    table = penalty_appeals
    query = select(table).where(table.c.venue_id == venue_id, table.c.id > after)
    if undecided:
        query = query.where(table.c.granted.is_(None))
    return [_appeal_of(row) for row in await tx.execute(query.order_by(table.c.id).limit(limit))]


async def add_exemption(tx: Connection, exemption: Exemption, made_by: UUID) -> bool:
    """Write an exemption; say whether the person was not exempt there already."""
    row = insert(penalty_exemptions).values(
        id=exemption.id,
        person_id=exemption.person_id,
        venue_id=exemption.venue_id,
        reason=exemption.reason,
        made_at=exemption.made_at,
        made_by=made_by,
    )
    made = await tx.execute(row.on_conflict_do_nothing().returning(penalty_exemptions.c.id))
    return made.first() is not None


async def end_exemption(
    tx: Connection, venue_id: str, exemption_id: UUID, ended_by: UUID, now: datetime
) -> UUID | None:
    """End an exemption and return its person; None where there is none that lasts."""
    table = penalty_exemptions
    ended = (
        update(table)
        .where(table.c.id == exemption_id, table.c.venue_id == venue_id, table.c.ended_at.is_(None))
        .values(ended_at=func.greatest(table.c.made_at, now), ended_by=ended_by)
        .returning(table.c.person_id)
    )
    row = (await tx.execute(ended)).one_or_none()
    return None if row is None else row.person_id


async def exemptions_at(tx: Connection, venue_id: str, before: UUID, limit: int) -> list[Exemption]:
    """Return a venue's exemptions, the newest first, from before the one with the id `before`."""
    rows = await tx.execute(_EXEMPTIONS, {"venue_id": venue_id, "before": before, "limit": limit})
    return [
        Exemption(
            id=row.id,
            person_id=row.person_id,
            venue_id=row.venue_id,
            reason=row.reason,
            made_at=row.made_at,
            ended_at=row.ended_at,
        )
        for row in rows
    ]


def _appeal_of(row: Row[Any]) -> Appeal:
    return Appeal(
        id=row.id,
        penalty_id=row.penalty_id,
        strike_id=row.strike_id,
        account_id=row.account_id,
        venue_id=row.venue_id,
        words=row.words,
        made_at=row.made_at,
        granted=row.granted,
        decided_at=row.decided_at,
        answer=row.answer,
    )
