"""Arrangements for copies: the newest version heard of each, its reader's contact, and the end of what is over."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import select, text, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncConnection

from services.notify.domain.family_copy import FamilyCopy
from services.notify.domain.message import Kind, Why
from services.notify.tables import copies
from shared.contracts import CopyChanged

AGREED = "agreed"
MOST_READERS = 10
"""Copies made of one message; the booking service lets nobody have nearly as many."""

_STOP = text("""
    WITH stopped AS (
      UPDATE messages m SET state = 'suppressed', why = :why, lease_token = NULL, sealed = NULL, changed_at = :now
      FROM known_bookings k
      WHERE k.booking_id = m.subject_id AND k.account_id = :account_id AND m.recipient_id = :reader_id
        AND m.state IN ('planned', 'claimed')
      RETURNING m.id, m.subject_id, m.subject_version, m.state, m.why
    )
    INSERT INTO decisions (at, subject_id, subject_version, message_id, state, why)
    SELECT :now, subject_id, subject_version, id, state, why FROM stopped ORDER BY id
    RETURNING message_id
""")


async def keep(tx: AsyncConnection, data: CopyChanged, contact: str | None, now: datetime) -> bool:
    """Remember an arrangement if it is newer than what is known, and return whether it is.

    One that is over stops what was planned for its reader.
    """
    agreed = data.state == AGREED
    table = copies.c
    pair = (table.account_id == data.account_id) & (table.reader_id == data.reader_id)
    if agreed:  # of two people at most one arrangement stands: the newest
        older = pair & (table.state == AGREED) & (table.copy_id != data.copy_id)
        await tx.execute(update(copies).where(older).values(state="withdrawn", contact=None))
    row = insert(copies).values(
        copy_id=data.copy_id,
        version=data.version,
        state=data.state,
        account_id=data.account_id,
        reader_id=data.reader_id,
        kinds=list(data.kinds),
        sensitive=data.sensitive,
        contact=contact if agreed else None,
        heard_at=now,
    )
    new = row.excluded
    names = ("version", "state", "kinds", "sensitive", "contact", "heard_at")
    newer = row.on_conflict_do_update(
        index_elements=[table.copy_id], set_={name: new[name] for name in names}, where=table.version < new.version
    )
    if not (await tx.execute(newer)).rowcount:
        return False
    if not agreed and data.state != "asked":
        facts = {"account_id": data.account_id, "reader_id": data.reader_id, "why": Why.COPY_ENDED.value, "now": now}
        await tx.execute(_STOP, facts)
    return True


async def of_account(tx: AsyncConnection, account_id: UUID) -> list[tuple[FamilyCopy, str | None]]:
    """Return who gets copies of an account's messages, each with their sealed contact."""
    table = copies.c
    query = (
        select(table.reader_id, table.kinds, table.sensitive, table.contact)
        .where(table.account_id == account_id, table.state == AGREED)
        .order_by(table.copy_id)
        .limit(MOST_READERS)
    )
    known = {kind.value for kind in Kind}
    return [
        (
            FamilyCopy(
                reader_id=row.reader_id,
                kinds=frozenset(Kind(kind) for kind in row.kinds if kind in known),
                sensitive=row.sensitive,
            ),
            row.contact,
        )
        for row in await tx.execute(query)
    ]
