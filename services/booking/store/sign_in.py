"""One-time codes, by the fingerprint of a phone number; neither number nor code is ever in clear text."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Row, delete, func, insert, select, text, update

from services.booking.domain.one_time_code import DAY
from services.booking.store.database import Connection
from services.booking.tables import sign_in_codes

COUNTED_FOR = DAY
"""Codes count against a phone number's limit for so long."""

_LOCK = text("SELECT pg_advisory_xact_lock(hashtextextended(encode(CAST(:fingerprint AS bytea), 'hex'), 0))")


@dataclass(frozen=True, slots=True, kw_only=True)
class SignInCode:
    """A code that was sent."""

    id: UUID
    phone_fingerprint: bytes
    phone_sealed: str
    language: str
    code_fingerprint: bytes
    created_at: datetime
    expires_at: datetime
    tries: int = 0


async def lock_fingerprint(tx: Connection, fingerprint: bytes) -> None:
    """Let one transaction at a time deal with this number or address, so that a limit of one cannot be passed by two at once."""
    await tx.execute(_LOCK, {"fingerprint": fingerprint})


async def codes_sent(tx: Connection, phone_fingerprint: bytes, now: datetime) -> list[datetime]:
    """Return when codes were sent to this number, within `COUNTED_FOR`, the oldest first."""
    query = (
        select(sign_in_codes.c.created_at)
        .where(sign_in_codes.c.phone_fingerprint == phone_fingerprint, sign_in_codes.c.created_at > now - COUNTED_FOR)
        .order_by(sign_in_codes.c.created_at)
    )
    return list((await tx.execute(query)).scalars())


async def add_code(tx: Connection, code: SignInCode) -> None:
    """Write a new code."""
    await tx.execute(
        insert(sign_in_codes).values(
            id=code.id,
            phone_fingerprint=code.phone_fingerprint,
            phone_sealed=code.phone_sealed,
            language=code.language,
            code_fingerprint=code.code_fingerprint,
            created_at=code.created_at,
            expires_at=code.expires_at,
        )
    )


async def newest_code(tx: Connection, phone_fingerprint: bytes, now: datetime) -> SignInCode | None:
    """Return the newest code of this number if it still counts, and lock it: an older one is worth nothing."""
    query = (
        select(sign_in_codes)
        .where(sign_in_codes.c.phone_fingerprint == phone_fingerprint)
        .order_by(sign_in_codes.c.created_at.desc(), sign_in_codes.c.id.desc())
        .limit(1)
        .with_for_update()
    )
    row = (await tx.execute(query)).first()
    return None if row is None or row.used_at is not None or row.expires_at <= now else _code(row)


async def count_try(tx: Connection, code_id: UUID) -> None:
    """Count one wrong try."""
    await tx.execute(update(sign_in_codes).where(sign_in_codes.c.id == code_id).values(tries=sign_in_codes.c.tries + 1))


async def use_code(tx: Connection, code_id: UUID, now: datetime) -> None:
    """Mark a code as used: it opens nothing twice."""
    await tx.execute(update(sign_in_codes).where(sign_in_codes.c.id == code_id).values(used_at=now))


async def forget_codes(tx: Connection, now: datetime) -> int:
    """Delete codes that neither open anything nor count any more; return how many."""
    over = func.greatest(sign_in_codes.c.expires_at, sign_in_codes.c.created_at + COUNTED_FOR)
    return (await tx.execute(delete(sign_in_codes).where(over < now))).rowcount


def _code(row: Row[Any]) -> SignInCode:
    return SignInCode(
        id=row.id,
        phone_fingerprint=row.phone_fingerprint,
        phone_sealed=row.phone_sealed,
        language=row.language,
        code_fingerprint=row.code_fingerprint,
        created_at=row.created_at,
        expires_at=row.expires_at,
        tries=row.tries,
    )
