"""Arrangements for copies of messages: a row each, found by either side."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, Row, func, insert, select, update

from services.booking.domain.family_copy import LIVE, FamilyCopy, State
from services.booking.domain.one_time_code import DAY
from services.booking.store.database import Connection
from services.booking.tables import family_copies

MOST_SHOWN = 100
_LIVE = sorted(state.value for state in LIVE)
_table = family_copies.c


@dataclass(frozen=True, slots=True)
class Kept:
    """An arrangement with the number that was named, sealed."""

    copy: FamilyCopy
    reader_sealed: str


async def add_copy(tx: Connection, copy: FamilyCopy, reader_sealed: str) -> None:
    """Write a new one."""
    await tx.execute(
        insert(family_copies).values(
            id=copy.id,
            version=copy.version,
            state=copy.state.value,
            account_id=copy.account_id,
            reader_fingerprint=copy.reader_fingerprint,
            reader_sealed=reader_sealed,
            kinds=list(copy.kinds),
            sensitive=copy.sensitive,
            asked_at=copy.asked_at,
            changed_at=copy.changed_at,
        )
    )


async def keep_copy(tx: Connection, copy: FamilyCopy) -> None:
    """Write what became of it."""
    await tx.execute(
        update(family_copies)
        .where(_table.id == copy.id)
        .values(version=copy.version, state=copy.state.value, changed_at=copy.changed_at)
    )


async def lock_copy(tx: Connection, copy_id: UUID, reader_id: UUID | None = None) -> Kept | None:
    """Return an arrangement, locked; `reader_id` is who has the number that it names, where somebody does."""
    row = (await tx.execute(select(family_copies).where(_table.id == copy_id).with_for_update())).first()
    return None if row is None else _kept(row, reader_id)


async def given_by(tx: Connection, account_id: UUID, *, live: bool = False) -> list[Kept]:
    """Return the arrangements that an account has asked for, the newest first; `live`: those that are not over."""
    return await _read(tx, _table.account_id == account_id, live=live)


async def named(tx: Connection, fingerprint: bytes, *, live: bool = False) -> list[Kept]:
    """Return the arrangements that name a telephone number, the newest first; `live`: those that are not over."""
    return await _read(tx, _table.reader_fingerprint == fingerprint, live=live)


async def count_agreed(tx: Connection, fingerprint: bytes) -> int:
    """Return how many accounts' copies the holder of a number gets."""
    agreed = (_table.reader_fingerprint == fingerprint) & (_table.state == State.AGREED.value)
    return (await tx.execute(select(func.count()).select_from(family_copies).where(agreed))).scalar_one()


async def asked_by(tx: Connection, account_id: UUID, now: datetime) -> Sequence[datetime]:
    """Return when an account has asked within a day, the oldest first."""
    return await _asked(tx, _table.account_id == account_id, now)


async def asked_of(tx: Connection, fingerprint: bytes, now: datetime) -> Sequence[datetime]:
    """Return when the holder of a number was asked within a day, the oldest first."""
    return await _asked(tx, _table.reader_fingerprint == fingerprint, now)


async def _asked(tx: Connection, whose: ColumnElement[bool], now: datetime) -> Sequence[datetime]:
    query = select(_table.asked_at).where(whose, _table.asked_at > now - DAY).order_by(_table.asked_at)
    return list((await tx.execute(query)).scalars())


async def _read(tx: Connection, which: ColumnElement[bool], *, live: bool) -> list[Kept]:
    query = select(family_copies).where(which).order_by(_table.asked_at.desc(), _table.id.desc()).limit(MOST_SHOWN)
    rows = await tx.execute(query.where(_table.state.in_(_LIVE)) if live else query)
    return [_kept(row) for row in rows]


def _kept(row: Row[Any], reader_id: UUID | None = None) -> Kept:
    copy = FamilyCopy(
        id=row.id,
        version=row.version,
        state=State(row.state),
        account_id=row.account_id,
        reader_fingerprint=row.reader_fingerprint,
        reader_id=reader_id,
        kinds=tuple(row.kinds),
        sensitive=row.sensitive,
        asked_at=row.asked_at,
        changed_at=row.changed_at,
    )
    return Kept(copy, row.reader_sealed)
