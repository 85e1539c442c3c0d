"""What is erased of an account, in its rows: addresses, names, documents, answers, words. Ids, times and counts stay.

People are locked first, in id order, as whoever takes a place for one does: so a booking is either there when it is looked
for, or finds its people gone.
"""

from datetime import datetime
from uuid import UUID

from sqlalchemy import text

from services.booking.domain.erasure import Unfinished
from services.booking.domain.request import Key
from services.booking.store.database import Connection

_LOCK_PEOPLE = text("""
    SELECT id FROM persons WHERE id IN (SELECT person_id FROM account_people WHERE account_id = :account_id)
    ORDER BY id FOR NO KEY UPDATE
""")

_UNFINISHED = text("""
    SELECT
      (SELECT count(*) FROM bookings WHERE account_id = :account_id
         AND (state IN ('confirmed', 'checked_in') OR state = 'held' AND hold_until > :now)) AS bookings,
      (SELECT count(*) FROM waitlist_entries WHERE account_id = :account_id AND state IN ('waiting', 'offered')) AS lines,
      (SELECT count(*) FROM draw_requests q JOIN draw_rounds r ON r.id = q.round_id
         WHERE q.account_id = :account_id AND q.withdrawn_at IS NULL AND r.state <> 'settled') AS draws,
      (SELECT count(*) FROM season_occurrences o JOIN season_requests q ON q.id = o.request_id
         WHERE q.account_id = :account_id AND o.fate IN ('requested', 'proposed', 'accepted') AND o.starts_at > :now)
         AS seasons,
      (SELECT count(*) FROM penalty_appeals WHERE account_id = :account_id AND granted IS NULL) AS appeals
""")

_NOBODYS = "decode(replace(gen_random_uuid()::text, '-', ''), 'hex')"
"""A fingerprint of nothing: it is unique, and nobody's."""

_BLANK = tuple(
    text(statement)
    for statement in (
        "UPDATE bookings SET declarations = '{}', reason = NULL WHERE account_id = :account_id",
        (
            "UPDATE history SET reason = NULL WHERE reason IS NOT NULL"
            " AND booking_id IN (SELECT id FROM bookings WHERE account_id = :account_id)"
        ),
        "UPDATE waitlist_entries SET declarations = '{}' WHERE account_id = :account_id",
        "UPDATE draw_requests SET declarations = '{}' WHERE account_id = :account_id",
        "UPDATE season_requests SET words = '' WHERE account_id = :account_id",
        "UPDATE penalty_appeals SET words = '', answer = '' WHERE account_id = :account_id",
        "DELETE FROM release_watches WHERE account_id = :account_id",
        "DELETE FROM contact_proofs WHERE account_id = :account_id",
        "DELETE FROM sign_in_codes WHERE phone_fingerprint = (SELECT phone_fingerprint FROM accounts WHERE id = :account_id)",
        (
            "UPDATE family_copies SET version = version + 1, state = 'withdrawn', changed_at = :now"
            " WHERE state IN ('asked', 'agreed') AND (account_id = :account_id"
            " OR reader_fingerprint = (SELECT phone_fingerprint FROM accounts WHERE id = :account_id))"
        ),
        (
            f"UPDATE family_copies SET reader_sealed = '', reader_fingerprint = {_NOBODYS}"  # noqa: S608 - a constant
            " WHERE account_id = :account_id"
            " OR reader_fingerprint = (SELECT phone_fingerprint FROM accounts WHERE id = :account_id)"
        ),
        (
            "UPDATE persons p SET document_sealed = '', let_go_at = :now"
            " WHERE id IN (SELECT person_id FROM account_people WHERE account_id = :account_id)"
            " AND NOT EXISTS (SELECT FROM account_people a WHERE a.person_id = p.id AND a.account_id <> :account_id"
            " AND a.removed_at IS NULL)"
        ),
        (
            "UPDATE account_people SET name_sealed = '', name_masked = '*', document_masked = '*',"
            " removed_at = coalesce(removed_at, :now) WHERE account_id = :account_id"
        ),
        "DELETE FROM idempotency WHERE account_id = :account_id AND key <> :key",
        (
            "UPDATE accounts SET phone_fingerprint = NULL, phone_sealed = NULL, email_sealed = NULL, name_sealed = NULL,"
            " contact = NULL, erased_at = :now, disabled_at = coalesce(disabled_at, :now) WHERE id = :account_id"
        ),
    )
)

_FORGET_DOCUMENTS = text(
    f"UPDATE persons p SET document_fingerprint = {_NOBODYS}, birth_date = date_trunc('year', birth_date),"  # noqa: S608 - a constant
    " let_go_at = NULL WHERE let_go_at IS NOT NULL"
    " AND NOT EXISTS (SELECT FROM strikes s WHERE s.person_id = p.id AND s.at >= :struck_since)"
    " AND NOT EXISTS (SELECT FROM penalties e WHERE e.person_id = p.id AND e.barred_until > :now)"
)

_UNTELL = text("""
    UPDATE outbox
    SET data = CAST(data AS jsonb) || '{"contact": null}'
        || CASE WHEN data ->> 'reason' IS NOT NULL THEN '{"reason": null}' ELSE '{}' END::jsonb
    WHERE (data ->> 'contact' IS NOT NULL OR data ->> 'reason' IS NOT NULL) AND number IS NOT NULL
      AND data ->> 'account_id' = ANY(CAST(:accounts AS text[]))
""")
_ERASED_LATELY = text("SELECT id::text FROM accounts WHERE erased_at >= :since")


async def unfinished(tx: Connection, account_id: UUID, now: datetime) -> Unfinished:
    """Return what an account has that is not over, its people locked until the commit."""
    await tx.execute(_LOCK_PEOPLE, {"account_id": account_id})
    row = (await tx.execute(_UNFINISHED, {"account_id": account_id, "now": now})).one()
    return Unfinished(**row._mapping)  # noqa: SLF001 - SQLAlchemy's public way to a row's names


async def blank(tx: Connection, under: Key, now: datetime) -> None:
    """Take out of every row of an account whatever is personal; `under` is the key of the request for it."""
    facts = {"account_id": under.account_id, "key": under.key, "now": now}
    for statement in _BLANK:
        await tx.execute(statement, {name: value for name, value in facts.items() if f":{name}" in statement.text})


async def forget_documents(tx: Connection, now: datetime, struck_since: datetime) -> int:
    """Forget whose documents those were whom no account has any more, unless a strike since then still counts."""
    return (await tx.execute(_FORGET_DOCUMENTS, {"now": now, "struck_since": struck_since})).rowcount


async def untell(tx: Connection, since: datetime) -> int:
    """Take the sealed contact, and words, out of the feed's events of accounts that were erased since `since`; return of how many."""
    accounts = list((await tx.execute(_ERASED_LATELY, {"since": since})).scalars())
    return (await tx.execute(_UNTELL, {"accounts": accounts})).rowcount if accounts else 0
