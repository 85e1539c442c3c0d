"""The in-app inbox of each account, numbered 1, 2, 3 … in the order of commit.

A reader that has seen number n has seen everything below it: an account's next number is given under the lock of its
row in `inbox_heads`, which is held until the commit. Locks are taken in the order of accounts, so two writers cannot
wait for each other.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from services.notify.domain.dispatch import Due
from services.notify.domain.message import Evidence
from services.notify.store import evidence
from shared.contracts import Words

_WRITE = text("""
    WITH given AS (
      SELECT *, row_number() OVER (PARTITION BY account_id ORDER BY place) AS nth,
             count(*) OVER (PARTITION BY account_id) AS of_account
      FROM unnest(CAST(:ids AS uuid[]), CAST(:account_ids AS uuid[]), CAST(:kinds AS text[]),
                  CAST(:subject_ids AS uuid[]), CAST(:sensitives AS boolean[]), CAST(:titles_zh AS text[]),
                  CAST(:titles_en AS text[]), CAST(:bodies_zh AS text[]), CAST(:bodies_en AS text[]))
        WITH ORDINALITY
        AS v(id, account_id, kind, subject_id, sensitive, title_zh, title_en, body_zh, body_en, place)
    ), head AS (
      INSERT INTO inbox_heads AS h (account_id, last)
      SELECT account_id, count(*) FROM given GROUP BY account_id ORDER BY account_id
      ON CONFLICT (account_id) DO UPDATE SET last = h.last + excluded.last
      RETURNING account_id, last
    )
    INSERT INTO inbox_messages (id, account_id, sequence, kind, subject_id, sensitive,
                                title_zh, title_en, body_zh, body_en, created_at)
    SELECT g.id, g.account_id, head.last - g.of_account + g.nth, g.kind, g.subject_id, g.sensitive,
           g.title_zh, g.title_en, g.body_zh, g.body_en, :now
    FROM given g JOIN head USING (account_id)
""")

_READ = text("""
    UPDATE inbox_messages SET read_at = coalesce(read_at, :now)
    WHERE id = :id AND account_id = :account_id
    RETURNING id
""")


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """A message as it will lie in the inbox, in both languages of the house."""

    due: Due
    sensitive: bool
    title: Words
    body: Words


async def write(tx: AsyncConnection, entries: Sequence[Entry], now: datetime) -> None:
    """Lay `entries` into their accounts' inboxes, in the given order."""
    if not entries:
        return
    facts = {
        "ids": [entry.due.id for entry in entries],
        "account_ids": [entry.due.key.recipient_id for entry in entries],
        "kinds": [entry.due.key.kind.value for entry in entries],
        "subject_ids": [entry.due.key.subject_id for entry in entries],
        "sensitives": [entry.sensitive for entry in entries],
        "titles_zh": [entry.title.zh for entry in entries],
        "titles_en": [entry.title.en for entry in entries],
        "bodies_zh": [entry.body.zh for entry in entries],
        "bodies_en": [entry.body.en for entry in entries],
        "now": now,
    }
    await tx.execute(_WRITE, facts)


async def mark_read(tx: AsyncConnection, message_id: UUID, account_id: UUID, now: datetime) -> bool:
    """Mark a message of `account_id` as read, once and for all; return whether the account has such a message."""
    if (await tx.execute(_READ, {"id": message_id, "account_id": account_id, "now": now})).one_or_none() is None:
        return False
    await evidence.raise_to(tx, message_id, Evidence.READ, now)
    return True
