"""The browsers that take Web Push: registered, found, forgotten. Where they listen is sealed."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import delete, select, text, update
from sqlalchemy.ext.asyncio import AsyncConnection

from services.notify.tables import push_subscriptions
from shared.ids import new_id
from shared.sealing import CannotOpen
from shared.strongbox import Strongbox

MOST_PER_ACCOUNT = 10
"""Devices of one account; one more takes the place of the oldest."""

CONFIRMED_AFTER = timedelta(hours=1)
"""How long after a first 403 a second one proves that it is the device that is gone, not we who are misconfigured."""

_CONTEXT = "push_subscription"

_REGISTER = text("""
    INSERT INTO push_subscriptions (id, account_id, fingerprint, sealed, host, created_at)
    VALUES (:id, :account_id, :fingerprint, :sealed, :host, :now)
    ON CONFLICT (fingerprint) DO UPDATE
      SET account_id = excluded.account_id, sealed = excluded.sealed, refused_at = NULL
    RETURNING id, host, created_at
""")

_BOUND = text("""
    DELETE FROM push_subscriptions WHERE id IN (
      SELECT id FROM push_subscriptions WHERE account_id = :account_id
      ORDER BY created_at DESC, id DESC OFFSET :most)
""")


@dataclass(frozen=True, slots=True, kw_only=True)
class Endpoint:
    """What a browser gives out: where its push service listens, and its keys."""

    url: str
    p256dh: str
    auth: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Registered:
    """A device as its owner sees it."""

    id: UUID
    host: str
    created_at: datetime


async def register(
    tx: AsyncConnection, box: Strongbox, account_id: UUID, endpoint: Endpoint, now: datetime
) -> Registered:
    """Register a device for an account, once for its endpoint; a shared browser is of whoever signed in last."""
    content = json.dumps({"endpoint": endpoint.url, "p256dh": endpoint.p256dh, "auth": endpoint.auth})
    facts = {
        "id": new_id(),
        "account_id": account_id,
        "fingerprint": box.fingerprint(endpoint.url, _CONTEXT),
        "sealed": box.seal(content, _CONTEXT),
        "host": endpoint.url.split("/")[2],
        "now": now,
    }
    row = (await tx.execute(_REGISTER, facts)).one()
    await tx.execute(_BOUND, {"account_id": account_id, "most": MOST_PER_ACCOUNT})
    return Registered(id=row.id, host=row.host, created_at=row.created_at)


async def of_account(connection: AsyncConnection, account_id: UUID) -> list[Registered]:
    """Return the devices of an account, the newest first."""
    table = push_subscriptions.c
    query = (
        select(table.id, table.host, table.created_at)
        .where(table.account_id == account_id)
        .order_by(table.created_at.desc(), table.id.desc())
    )
    return [Registered(id=row.id, host=row.host, created_at=row.created_at) for row in await connection.execute(query)]


async def endpoints(connection: AsyncConnection, box: Strongbox, account_id: UUID) -> Sequence[tuple[UUID, Endpoint]]:
    """Return where to send to: the devices of an account whose seal opens."""
    table = push_subscriptions.c
    query = select(table.id, table.sealed).where(table.account_id == account_id).limit(MOST_PER_ACCOUNT)
    found = []
    for row in await connection.execute(query):
        try:
            content = json.loads(box.open(row.sealed, _CONTEXT))
        except CannotOpen:
            continue
        found.append((row.id, Endpoint(url=content["endpoint"], p256dh=content["p256dh"], auth=content["auth"])))
    return found


async def remove(tx: AsyncConnection, account_id: UUID, device_id: UUID) -> bool:
    """Remove a device of an account; return whether it has such a one."""
    table = push_subscriptions
    query = delete(table).where(table.c.id == device_id, table.c.account_id == account_id)
    return (await tx.execute(query)).rowcount > 0


async def forget(tx: AsyncConnection, device_id: UUID) -> None:
    """Forget a device that is gone."""
    await tx.execute(delete(push_subscriptions).where(push_subscriptions.c.id == device_id))


async def refused(tx: AsyncConnection, device_id: UUID, now: datetime) -> None:
    """Forget a device that was refused before, long enough ago; note the first time."""
    table = push_subscriptions
    before = table.c.refused_at <= now - CONFIRMED_AFTER
    await tx.execute(delete(table).where(table.c.id == device_id, before))
    await tx.execute(update(table).where(table.c.id == device_id, table.c.refused_at.is_(None)).values(refused_at=now))
