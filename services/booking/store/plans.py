"""Plans of open hours in their rows: every version stays, the highest is in force."""

from collections.abc import Collection, Iterable
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from sqlalchemy import Row, insert, select, text
from sqlalchemy.dialects.postgresql import distinct_on
from sqlalchemy.ext.asyncio import AsyncConnection

from services.booking import tables
from services.booking.domain.plan import Plan
from services.booking.store.plan_document import PlanDocument, document_of

LOCK_SERVICES = text("SELECT id FROM services WHERE id = ANY(CAST(:ids AS text[])) ORDER BY id FOR NO KEY UPDATE")
"""Whoever changes a service's plan or opens its slots holds the service's row first, and its slots only then."""

_CURRENT = (
    select(tables.plans)
    .ext(distinct_on(tables.plans.c.service_id))
    .order_by(tables.plans.c.service_id, tables.plans.c.version.desc())
)


@dataclass(frozen=True, slots=True, kw_only=True)
class PublishedPlan:
    """A plan in force, and who published it when."""

    plan: Plan
    published_by: str
    published_at: datetime


def plan_document(plan: Plan) -> dict[str, Any]:
    """Return the plan as a JSON document, its service and version included; equal plans give equal documents."""
    return {"service_id": plan.service_id, "version": plan.version, **document_of(plan)}


def plan_of(document: dict[str, Any]) -> Plan:
    """Return the plan that `plan_document` wrote."""
    form = {name: value for name, value in document.items() if name not in {"service_id", "version"}}
    return PlanDocument.model_validate(form).plan(document["service_id"], document["version"])


async def lock_services(tx: AsyncConnection, service_ids: Iterable[str]) -> None:
    """Hold the rows of these services, in id order, until the transaction ends; booking goes on meanwhile."""
    await tx.execute(LOCK_SERVICES, {"ids": sorted(service_ids)})


async def read_plan(connection: AsyncConnection, service_id: str) -> tuple[Plan, int] | None:
    """Return the plan in force with its version, or None where none was published."""
    row = (await connection.execute(_CURRENT.where(tables.plans.c.service_id == service_id))).one_or_none()
    return None if row is None else (plan_of(row.document), row.version)


async def read_plans(
    connection: AsyncConnection, service_ids: Collection[str] | None = None
) -> dict[str, PublishedPlan]:
    """Return the plan in force of every service that has one, or of these services only, by service."""
    query = _CURRENT if service_ids is None else _CURRENT.where(tables.plans.c.service_id.in_(service_ids))
    return {row.service_id: _published(row) for row in await connection.execute(query)}


async def write_plan(tx: AsyncConnection, service_id: str, plan: Plan, published_by: str, now: datetime) -> int:
    """Publish the next version of a service's plan and return that version; the caller has validated it."""
    await lock_services(tx, [service_id])
    current = await read_plan(tx, service_id)
    version = current[1] + 1 if current else 1
    await write_plans(tx, [replace(plan, service_id=service_id, version=version)], published_by, now)
    return version


async def write_plans(tx: AsyncConnection, plans: Iterable[Plan], published_by: str, now: datetime) -> None:
    """Write plans as they are, each with its own service and version; the caller holds the services' rows."""
    rows = [
        {
            "service_id": plan.service_id,
            "version": plan.version,
            "document": plan_document(plan),
            "published_by": published_by,
            "published_at": now,
        }
        for plan in plans
    ]
    if rows:
        await tx.execute(insert(tables.plans), rows)


def _published(row: Row[Any]) -> PublishedPlan:
    return PublishedPlan(plan=plan_of(row.document), published_by=row.published_by, published_at=row.published_at)
