"""Plans as they are published: each edit is a new version, and the newest one stands.

Whoever publishes for a service holds the lock on its row until the commit, and so does whoever opens its slots: a plan
and the slots that follow from it never belong to different versions.
"""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Row, text
from sqlalchemy.ext.asyncio import AsyncConnection

from services.booking.domain.plan import Plan
from services.booking.store.plan_document import PlanDocument, document_of
from shared.db import dump_json

BY_FILES = "catalogue"
"""Who published a plan that came from the city's files; otherwise it is the id of an account."""

_SELECT = (
    "SELECT DISTINCT ON (service_id) service_id, version, document, published_by, published_at FROM plans"
    " WHERE service_id = ANY(CAST(:service_ids AS text[])) ORDER BY service_id, version DESC"
)
_CURRENT = text(_SELECT)
_LOCK = text(
    "SELECT id FROM services WHERE id = ANY(CAST(:service_ids AS text[])) AND NOT withdrawn ORDER BY id FOR NO KEY UPDATE"
)
_OFFERED = text("SELECT id FROM services WHERE NOT withdrawn ORDER BY id")
_OF_VENUE = text("SELECT id FROM services WHERE venue_id = :venue_id AND NOT withdrawn ORDER BY id")
_INSERT = text(
    "INSERT INTO plans (service_id, version, document, published_by, published_at)"
    " VALUES (:service_id, :version, CAST(:document AS jsonb), :published_by, :published_at)"
)


@dataclass(frozen=True, slots=True)
class Published:
    """A plan that stands, and who published it when."""

    plan: Plan
    published_by: str
    published_at: datetime


async def read_plans(connection: AsyncConnection, service_ids: Collection[str]) -> dict[str, Published]:
    """Return the plan that stands for each of these services, as far as they have one."""
    rows = await connection.execute(_CURRENT, {"service_ids": list(service_ids)})
    return {row.service_id: _published(row) for row in rows}


async def read_plan(connection: AsyncConnection, service_id: str) -> Published | None:
    """Return the plan that stands for a service."""
    return (await read_plans(connection, [service_id])).get(service_id)


async def lock_services(tx: AsyncConnection, service_ids: Collection[str]) -> list[str]:
    """Lock these services for publishing, in the order of their ids; return those that are offered."""
    return list((await tx.execute(_LOCK, {"service_ids": list(service_ids)})).scalars())


async def offered_services(connection: AsyncConnection) -> list[str]:
    """Return the services that are offered, by id."""
    return list((await connection.execute(_OFFERED)).scalars())


async def services_of_venue(connection: AsyncConnection, venue_id: str) -> list[str]:
    """Return the services that a venue offers, by id."""
    return list((await connection.execute(_OF_VENUE, {"venue_id": venue_id})).scalars())


async def add_plan(tx: AsyncConnection, plan: Plan, published_by: str, now: datetime) -> None:
    """Publish `plan` at its version; the service is locked."""
    values: dict[str, Any] = {
        "service_id": plan.service_id,
        "version": plan.version,
        "document": dump_json(document_of(plan)),
        "published_by": published_by,
        "published_at": now,
    }
    await tx.execute(_INSERT, values)


def _published(row: Row[Any]) -> Published:
    plan = PlanDocument.model_validate(row.document).plan(row.service_id, row.version)
    return Published(plan, row.published_by, row.published_at)
