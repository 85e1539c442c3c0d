"""Plans of open hours, read for whoever asks: hours are public."""

from collections.abc import Iterable

from sqlalchemy.ext.asyncio import AsyncConnection

from services.booking.domain.plan import Plan
from services.booking.store.plans import PublishedPlan, read_plans


async def read_published(connection: AsyncConnection, service_id: str) -> PublishedPlan | None:
    """Return the plan in force, with when it was published; None where none was."""
    return (await read_plans(connection, [service_id])).get(service_id)


async def read_plans_of(connection: AsyncConnection, service_ids: Iterable[str]) -> dict[str, Plan]:
    """Return the plans in force of these services, by service; one without a plan is left out."""
    return {service_id: one.plan for service_id, one in (await read_plans(connection, list(service_ids))).items()}
