"""What was answered under which Idempotency-Key. A row stands from the commit of the work it answers, or not at all.

Rows live until the sweep takes them away, after at least 24 hours: whether one still counts is decided by its being
there and by nothing else, so that two readers never disagree.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Select, and_, delete, select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.exc import DBAPIError

from services.booking.domain.request import Key
from services.booking.store.database import Connection, sqlstate
from services.booking.store.keeping import Answered
from services.booking.tables import idempotency
from shared.db import array_literal

_LOCK_NOT_AVAILABLE = "55P03"
_UNFINISHED = 0
"""The status of a row whose work is being done in the same transaction: nobody else ever sees it."""

ANSWER_COLUMNS = "i.account_id, i.key, i.fingerprint, i.status, i.headers, i.body"
ANSWERS_UNDER_KEYS = (
    "FROM unnest(CAST(CAST(:key_account_ids AS text) AS uuid[]), CAST(CAST(:keys AS text) AS text[])) AS asked(account_id, key)"
    " CROSS JOIN LATERAL (SELECT account_id, key, fingerprint, status, headers, body FROM idempotency"
    # OFFSET 0 keeps the planner from turning this into one join over the whole table: each key is one index look-up
    " WHERE account_id = asked.account_id AND key = asked.key OFFSET 0) i"
)
"""What was answered before under several keys, for whoever reads it together with other things (`store.gathering`)."""


def keys_binds(keys: Sequence[Key]) -> dict[str, Any]:
    """Return what `ANSWERS_UNDER_KEYS` is given."""
    return {
        "key_account_ids": array_literal([key.account_id for key in keys]),
        "keys": array_literal([key.key for key in keys]),
    }


def answered_of(row: Sequence[Any]) -> Answered:
    """Make an answer of a row that has `ANSWER_COLUMNS`."""
    account_id, key, fingerprint, status, headers, body = row
    return Answered(Key(account_id, key, fingerprint), status, headers, body)


class StillAtWork(Exception):  # noqa: N818 - a state of the key
    """Another transaction has held the key for as long as a statement may wait."""


async def claim_key(tx: Connection, key: Key, now: datetime) -> Answered | None:
    """Make `key` this transaction's own, or return what it was answered with.

    While another transaction holds the same key, this waits for its end: if it commits, its answer is returned; if it
    fails, the key is this transaction's after all.

    Raises:
        StillAtWork: if the other one takes longer than a lock is waited for.
    """
    row = insert(idempotency).values(
        account_id=key.account_id,
        key=key.key,
        fingerprint=key.fingerprint,
        status=_UNFINISHED,
        headers={},
        body=b"",
        created_at=now,
    )
    while True:
        try:
            claimed = await tx.execute(row.on_conflict_do_nothing().returning(idempotency.c.key))
        except DBAPIError as error:
            if sqlstate(error) == _LOCK_NOT_AVAILABLE:
                raise StillAtWork from error
            raise
        if claimed.first() is not None:
            return None
        found = (await tx.execute(_read(key))).first()
        if found is not None:  # else the sweep took it away in between
            return answered_of(found)


async def finish_key(tx: Connection, answered: Answered) -> None:
    """Write the answer under a key that `claim_key` made this transaction's own."""
    await tx.execute(
        update(idempotency)
        .where(_is(answered.key))
        .values(status=answered.status, headers=dict(answered.headers), body=answered.body)
    )


async def forget_answers(tx: Connection, before: datetime) -> int:
    """Delete answers that are older than `before`; return how many."""
    return (await tx.execute(delete(idempotency).where(idempotency.c.created_at < before))).rowcount


def _is(key: Key) -> ColumnElement[bool]:
    return and_(idempotency.c.account_id == key.account_id, idempotency.c.key == key.key)


def _read(key: Key) -> Select[Any]:
    table = idempotency.c
    columns = (table.account_id, table.key, table.fingerprint, table.status, table.headers, table.body)
    return select(*columns).where(_is(key))
