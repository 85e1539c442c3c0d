"""The key of each person, and their erasure.

The law: of a person's addresses only what is sealed with their own key is kept. Erasing destroys the key, and whatever
copy of a row is left anywhere, in a backup or on a replica, is noise from then on. What needs no key to be read is
deleted in the same transaction: their inbox, preferences and devices, the events that were put aside, the names of what
they booked, arrangements for copies of either side, and what others read of theirs. Counts, decisions and proofs stay: they name nobody.
"""

from collections.abc import Callable
from datetime import datetime
from uuid import UUID

from sqlalchemy import Text, cast, delete, func, select, text, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncConnection

from services.notify.domain.message import Why
from services.notify.tables import copies, dead_events, known_bookings, known_notices, metadata, recipient_keys

_KEPT = frozenset({"known_bookings", "known_notices", "recipient_keys"})
"""Tables with a person's id whose rows stay, with what is personal in them blanked."""

_STOP = text("""
    WITH stopped AS (
      UPDATE messages SET state = 'suppressed', why = :why, lease_token = NULL, sealed = NULL, changed_at = :now
      WHERE (recipient_id = :account_id
             OR subject_id IN (SELECT booking_id FROM known_bookings WHERE account_id = :account_id))
        AND state IN ('planned', 'claimed')
      RETURNING id, subject_id, subject_version, state, why
    )
    INSERT INTO decisions (at, subject_id, subject_version, message_id, state, why)
    SELECT :now, subject_id, subject_version, id, state, why FROM stopped
    RETURNING message_id
""")

_NAMELESS = text("""
    UPDATE known_bookings
    SET contact = NULL,
        appointment = appointment || '{"service": null, "venue": null, "address": null, "sensitive": true}'
    WHERE account_id = :account_id
""")


_UNTOLD = text("""
    DELETE FROM inbox_messages i USING known_bookings k
    WHERE k.booking_id = i.subject_id AND k.account_id = :account_id AND i.account_id <> :account_id
""")
"""What others were told of their bookings as a copy. That it was, and when, stays."""


async def key_of(tx: AsyncConnection, account_id: UUID, new: Callable[[], str], now: datetime) -> str | None:
    """Return a person's wrapped key, made by `new` where there is none yet; None where it was erased."""
    table = recipient_keys.c
    query = select(table.wrapped, table.erased_at).where(table.account_id == account_id)
    row = (await tx.execute(query)).one_or_none()
    if row is not None:
        return None if row.wrapped is None else str(row.wrapped)
    made = insert(recipient_keys).values(account_id=account_id, wrapped=new(), made_at=now)
    await tx.execute(made.on_conflict_do_nothing())
    return (await tx.execute(query)).one().wrapped  # type: ignore[no-any-return]


async def erase(tx: AsyncConnection, account_id: UUID, now: datetime) -> int:
    """Destroy a person's key and delete whatever can be read without it; return how many messages that stopped."""
    gone = insert(recipient_keys).values(account_id=account_id, wrapped=None, made_at=now, erased_at=now)
    await tx.execute(
        gone.on_conflict_do_update(
            index_elements=["account_id"],
            set_={"wrapped": None, "erased_at": func.coalesce(recipient_keys.c.erased_at, now)},
        )
    )
    stopped = (await tx.execute(_STOP, {"account_id": account_id, "why": Why.ERASED.value, "now": now})).all()
    await tx.execute(_NAMELESS, {"account_id": account_id})
    await tx.execute(_UNTOLD, {"account_id": account_id})
    await tx.execute(delete(copies).where(copies.c.reader_id == account_id))
    notice = known_notices.c
    await tx.execute(delete(known_notices).where(notice.account_id == account_id))
    await tx.execute(delete(dead_events).where(cast(dead_events.c.data, Text).contains(str(account_id))))
    for table in reversed(metadata.sorted_tables):
        if "account_id" in table.c and table.name not in _KEPT:
            await tx.execute(delete(table).where(table.c.account_id == account_id))
    await tx.execute(update(known_bookings).where(known_bookings.c.account_id == account_id).values(contact=None))
    return len(stopped)
