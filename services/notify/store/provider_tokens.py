"""Access tokens that all workers share, and the lease of whoever asks for the next one.

One asks, the others wait for what it gets: two who ask at the same time would put out each other's token.
"""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from shared.sealing import CannotOpen
from shared.strongbox import Strongbox

_CONTEXT = "provider_token"

_READ = text("SELECT sealed, expires_at FROM provider_tokens WHERE provider = :provider")

_LEASE = text("""
    INSERT INTO provider_tokens AS t (provider, lease_token, lease_until) VALUES (:provider, :token, :until)
    ON CONFLICT (provider) DO UPDATE SET lease_token = excluded.lease_token, lease_until = excluded.lease_until
      WHERE t.lease_until IS NULL OR t.lease_until <= :now
    RETURNING provider
""")

_KEEP = text("""
    UPDATE provider_tokens SET sealed = coalesce(:sealed, sealed), expires_at = coalesce(:expires_at, expires_at),
           lease_token = NULL, lease_until = NULL
    WHERE provider = :provider AND lease_token = :token
""")


@dataclass(frozen=True, slots=True)
class Stored:
    token: str
    expires_at: datetime


async def read(connection: AsyncConnection, box: Strongbox, provider: str) -> Stored | None:
    """Return the token that is stored, good or not."""
    row = (await connection.execute(_READ, {"provider": provider})).one_or_none()
    if row is None or row.sealed is None:
        return None
    try:
        return Stored(box.open(row.sealed, _CONTEXT), row.expires_at)
    except CannotOpen:
        return None


async def lease(tx: AsyncConnection, provider: str, token: UUID, until: datetime, now: datetime) -> bool:
    """Take the lease; return whether nobody else has it."""
    facts = {"provider": provider, "token": token, "until": until, "now": now}
    return (await tx.execute(_LEASE, facts)).one_or_none() is not None


async def keep(tx: AsyncConnection, box: Strongbox, provider: str, lease_token: UUID, fetched: Stored | None) -> None:
    """Store what was fetched (None: nothing was) and end the lease, for whoever still holds it."""
    facts = {
        "provider": provider,
        "token": lease_token,
        "sealed": None if fetched is None else box.seal(fetched.token, _CONTEXT),
        "expires_at": None if fetched is None else fetched.expires_at,
    }
    await tx.execute(_KEEP, facts)
