"""Partner endpoints and what they are to be told: one row is schedule and queue, as with messages.

A delivery is claimed under a lease and every later write asks for its token. A worker that dies leaves the lease to run
out; the next attempt bears the same id, by which the receiver knows it.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Select, select, text
from sqlalchemy.engine import Row
from sqlalchemy.ext.asyncio import AsyncConnection

from services.notify.domain.webhook import USEFUL, Reply, Secret, Verdict, WebhookState, WebhookWhy
from services.notify.tables import webhook_deliveries, webhook_endpoints
from shared.ids import new_id
from shared.strongbox import Strongbox

AT_ONCE_EACH = 8
"""Deliveries claimed of one endpoint at a time: one that hangs holds up itself alone."""

MOST_SHOWN = 100
_CONTEXT = "webhook_endpoint.secrets"

_QUEUE = text("""
    INSERT INTO webhook_deliveries (id, endpoint_id, event_id, event_type, body, visible_at, expires_at, state, why,
                                    created_at, changed_at)
    SELECT gen_random_uuid(), id, :event_id, :type, :body, :now, :expires_at, :state, :why, :now, :now
    FROM webhook_endpoints WHERE active AND :type = ANY(types)
    ON CONFLICT ON CONSTRAINT uq_webhook_deliveries_once DO NOTHING
""")

_CLAIM = text("""
    UPDATE webhook_deliveries w
    SET lease_token = :token, visible_at = :lease_until, attempt = w.attempt + 1, changed_at = :now
    FROM (
      SELECT d.id, e.url, e.secrets, e.failing_since FROM webhook_endpoints e CROSS JOIN LATERAL (
        SELECT id FROM webhook_deliveries
        WHERE endpoint_id = e.id AND state = 'pending' AND visible_at <= :now
        ORDER BY visible_at, id LIMIT :each FOR UPDATE SKIP LOCKED
      ) d WHERE e.active
    ) found
    WHERE w.id = found.id
    RETURNING w.id, w.endpoint_id, w.event_id, w.body, w.attempt, w.expires_at, found.url, found.secrets,
              found.failing_since
""")

_SETTLE = text("""
    UPDATE webhook_deliveries SET state = :state, why = :why, status = :status, lease_token = NULL,
           visible_at = coalesce(:visible_at, visible_at), changed_at = :now
    WHERE id = :id AND lease_token = :token
    RETURNING endpoint_id
""")

_FAILING = text("""
    UPDATE webhook_endpoints SET failing_since = CASE WHEN :well THEN NULL ELSE coalesce(failing_since, :now) END
    WHERE id = :id AND (failing_since IS NULL) <> :well
""")

_UNWANTED = text("""
    UPDATE webhook_deliveries SET state = 'dead', why = :why, lease_token = NULL, changed_at = :now
    WHERE endpoint_id = :id AND state = 'pending' AND NOT event_type = ANY(CAST(:types AS text[]))
""")

_REPLAY = text("""
    UPDATE webhook_deliveries SET state = 'pending', why = :why, attempt = 0, visible_at = :now, expires_at = :expires_at,
           changed_at = :now
    WHERE endpoint_id = :endpoint_id AND event_id = :event_id AND state = 'dead'
""")

_FORGET = text("""
    DELETE FROM webhook_deliveries WHERE id IN (
      SELECT id FROM webhook_deliveries WHERE state <> 'pending' AND changed_at < :before
      ORDER BY changed_at LIMIT :limit FOR UPDATE SKIP LOCKED
    )
""")

_DISABLE = text("""
    WITH off AS (
      UPDATE webhook_endpoints SET active = false, why = :why, version = version + 1 WHERE id = :id AND active
      RETURNING id
    )
    UPDATE webhook_deliveries SET state = 'dead', why = :why, lease_token = NULL, changed_at = :now
    WHERE endpoint_id IN (SELECT id FROM off) AND state = 'pending'
""")


@dataclass(frozen=True, slots=True, kw_only=True)
class Endpoint:
    """A partner's endpoint, without its secrets."""

    id: UUID
    version: int
    name: str
    url: str
    types: tuple[str, ...]
    active: bool
    why: str | None
    created_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Claimed:
    """A delivery under a lease, with what it takes to make it."""

    id: UUID
    endpoint_id: UUID
    event_id: UUID
    body: bytes
    attempt: int
    expires_at: datetime
    url: str
    secrets: tuple[Secret, ...]
    failing_since: datetime | None


async def queue(tx: AsyncConnection, payload: dict[str, Any], now: datetime) -> None:
    """Queue an event for every endpoint that wants its type, once for each."""
    facts = {
        "event_id": UUID(payload["id"]),
        "type": payload["type"],
        "body": json.dumps(payload, ensure_ascii=False, separators=(",", ":")),
        "now": now,
        "expires_at": now + USEFUL,
        "state": WebhookState.PENDING.value,
        "why": WebhookWhy.QUEUED.value,
    }
    await tx.execute(_QUEUE, facts)


async def claim(
    tx: AsyncConnection, box: Strongbox, token: UUID, lease_until: datetime, now: datetime
) -> list[Claimed]:
    """Return what is due, a few of each endpoint, under a lease; each counts one attempt more."""
    facts = {"token": token, "lease_until": lease_until, "now": now, "each": AT_ONCE_EACH}
    return [
        Claimed(
            id=row.id,
            endpoint_id=row.endpoint_id,
            event_id=row.event_id,
            body=row.body.encode(),
            attempt=row.attempt,
            expires_at=row.expires_at,
            url=row.url,
            secrets=_opened(box, row.secrets),
            failing_since=row.failing_since,
        )
        for row in await tx.execute(_CLAIM, facts)
    ]


async def settle(
    tx: AsyncConnection, claimed: Claimed, token: UUID, ended: tuple[Reply, Verdict], now: datetime
) -> None:
    """Write what an attempt came to, for whoever still holds the lease."""
    reply, verdict = ended
    facts = {
        "id": claimed.id,
        "token": token,
        "state": verdict.state.value,
        "why": verdict.why.value,
        "status": reply.status,
        "visible_at": verdict.visible_at,
        "now": now,
    }
    if (await tx.execute(_SETTLE, facts)).one_or_none() is None:
        return
    well = verdict.state is WebhookState.DELIVERED
    await tx.execute(_FAILING, {"id": claimed.endpoint_id, "well": well, "now": now})
    if verdict.disable:
        await disable(tx, claimed.endpoint_id, verdict.why, now)


async def disable(tx: AsyncConnection, endpoint_id: UUID, why: WebhookWhy, now: datetime) -> None:
    """Switch an endpoint off, and end what it has not been told yet."""
    await tx.execute(_DISABLE, {"id": endpoint_id, "why": why.value, "now": now})


async def add(
    tx: AsyncConnection, box: Strongbox, endpoint: Endpoint, secret: Secret, digest: bytes
) -> tuple[Endpoint, Secret]:
    """Add an endpoint, once for the request's digest; return it as it stands, with its newest secret."""
    await tx.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": int.from_bytes(digest[:8], signed=True)})
    table = webhook_endpoints
    row = (await tx.execute(select(table).where(table.c.key_digest == digest))).one_or_none()
    if row is not None:
        return _endpoint(row), _opened(box, row.secrets)[0]
    columns = {name: getattr(endpoint, name) for name in Endpoint.__dataclass_fields__} | {"types": [*endpoint.types]}
    await tx.execute(table.insert().values(**columns, secrets=_sealed(box, (secret,)), key_digest=digest))
    return endpoint, secret


async def all_endpoints(connection: AsyncConnection) -> list[Endpoint]:
    """Return every endpoint, the newest first."""
    query = select(webhook_endpoints).order_by(webhook_endpoints.c.created_at.desc(), webhook_endpoints.c.id.desc())
    return [_endpoint(row) for row in await connection.execute(query.limit(MOST_SHOWN))]


async def lock(tx: AsyncConnection, box: Strongbox, endpoint_id: UUID) -> tuple[Endpoint, tuple[Secret, ...]] | None:
    """Return an endpoint and its secrets, locked until the commit."""
    query = select(webhook_endpoints).where(webhook_endpoints.c.id == endpoint_id).with_for_update()
    row = (await tx.execute(query)).one_or_none()
    return None if row is None else (_endpoint(row), _opened(box, row.secrets))


async def keep_secrets(tx: AsyncConnection, box: Strongbox, endpoint_id: UUID, secrets: Sequence[Secret]) -> None:
    """Store an endpoint's secrets, which `lock` has made room for."""
    table = webhook_endpoints
    values = {"secrets": _sealed(box, secrets), "version": table.c.version + 1}
    await tx.execute(table.update().where(table.c.id == endpoint_id).values(**values))


async def change(tx: AsyncConnection, changed: Endpoint, now: datetime) -> None:
    """Store an endpoint's name, address and types, which `lock` has made room for.

    What waits goes to the new address; of what is no longer wanted, what waits is dropped.
    """
    table = webhook_endpoints
    values = {"name": changed.name, "url": changed.url, "types": [*changed.types], "version": changed.version}
    await tx.execute(table.update().where(table.c.id == changed.id).values(**values, failing_since=None))
    facts = {"id": changed.id, "types": [*changed.types], "why": WebhookWhy.NOT_WANTED.value, "now": now}
    await tx.execute(_UNWANTED, facts)


async def replay(tx: AsyncConnection, endpoint_id: UUID, event_id: UUID, now: datetime) -> bool:
    """Have a dead delivery made again, at once and for as long as a new one; return whether it was dead."""
    facts = {
        "endpoint_id": endpoint_id,
        "event_id": event_id,
        "why": WebhookWhy.REPLAYED.value,
        "now": now,
        "expires_at": now + USEFUL,
    }
    return (await tx.execute(_REPLAY, facts)).rowcount > 0


async def delivery(connection: AsyncConnection, endpoint_id: UUID, event_id: UUID) -> Any:
    """Return what became of one event for an endpoint; None where it was never to be told of it."""
    table = webhook_deliveries.c
    query = _deliveries_of(endpoint_id).where(table.event_id == event_id)
    return (await connection.execute(query)).one_or_none()


async def forget(tx: AsyncConnection, before: datetime, limit: int) -> int:
    """Delete what partners were told, or could not be, before `before`; return how many that were."""
    return (await tx.execute(_FORGET, {"before": before, "limit": limit})).rowcount


async def enable(tx: AsyncConnection, endpoint_id: UUID) -> None:
    """Switch an endpoint on again; it is told of what happens from now on."""
    table = webhook_endpoints
    off = table.update().where(table.c.id == endpoint_id, ~table.c.active)
    await tx.execute(off.values(active=True, why=None, failing_since=None, version=table.c.version + 1))


async def remove(tx: AsyncConnection, endpoint_id: UUID) -> bool:
    """Remove an endpoint and what it was to be told; return whether there was one."""
    query = webhook_endpoints.delete().where(webhook_endpoints.c.id == endpoint_id)
    return (await tx.execute(query)).rowcount > 0


async def deliveries(connection: AsyncConnection, endpoint_id: UUID) -> Sequence[Any]:
    """Return the newest deliveries of an endpoint, without their bodies."""
    table = webhook_deliveries.c
    query = _deliveries_of(endpoint_id).order_by(table.created_at.desc(), table.id)
    return list(await connection.execute(query.limit(MOST_SHOWN)))


def _deliveries_of(endpoint_id: UUID) -> Select[Any]:
    table = webhook_deliveries.c
    columns = (table.event_id, table.event_type, table.state, table.why, table.attempt, table.status)
    return select(*columns, table.created_at, table.changed_at).where(table.endpoint_id == endpoint_id)


def new_endpoint(name: str, url: str, types: Sequence[str], now: datetime) -> Endpoint:
    """Return an endpoint to be added."""
    return Endpoint(
        id=new_id(), version=1, name=name, url=url, types=tuple(types), active=True, why=None, created_at=now
    )


def _endpoint(row: Row[Any]) -> Endpoint:
    return Endpoint(
        id=row.id,
        version=row.version,
        name=row.name,
        url=row.url,
        types=tuple(row.types),
        active=row.active,
        why=row.why,
        created_at=row.created_at,
    )


def _sealed(box: Strongbox, secrets: Sequence[Secret]) -> str:
    documents = [{"value": one.value, "until": one.until.isoformat() if one.until else None} for one in secrets]
    return box.seal(json.dumps(documents), _CONTEXT)


def _opened(box: Strongbox, sealed: str) -> tuple[Secret, ...]:
    return tuple(
        Secret(value=one["value"], until=datetime.fromisoformat(one["until"]) if one["until"] else None)
        for one in json.loads(box.open(sealed, _CONTEXT))
    )
