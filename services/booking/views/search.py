"""Many services at once: for each the earliest free time and the number of free days, or what is in the way."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy.ext.asyncio import AsyncConnection

from services.booking.domain.booking import Channel
from services.booking.domain.slot import Slot, why_not
from services.booking.domain.zone import local_day
from services.booking.views.availability import Search, read_free_days, read_obstacles
from services.booking.views.days import Summary, summary_of


@dataclass(frozen=True, slots=True, kw_only=True)
class ServiceSeen:
    """What a search finds of one service: `obstacle` only where nothing is free, None where it has no time at all."""

    earliest: Slot | None
    free_dates: int
    obstacle: Summary | None


async def read_search(connection: AsyncConnection, search: Search, now: datetime) -> dict[str, ServiceSeen]:
    """Return what is found of every service of `search`, by service."""
    free = _by_service(
        slot
        for slot in await read_free_days(connection, search, now)
        if why_not(slot, Channel.ONLINE, now, search.places) is None
    )
    without = [service_id for service_id in search.service_ids if service_id not in free]
    in_the_way = _by_service(await read_obstacles(connection, search, without, now)) if without else {}
    return {
        service_id: ServiceSeen(
            earliest=next(iter(free.get(service_id, ())), None),
            free_dates=len({local_day(slot.starts_at) for slot in free.get(service_id, ())}),
            obstacle=summary_of(in_the_way[service_id], search.places, now) if service_id in in_the_way else None,
        )
        for service_id in search.service_ids
    }


def _by_service(slots: Iterable[Slot]) -> dict[str, list[Slot]]:
    by_service: dict[str, list[Slot]] = {}
    for slot in slots:
        by_service.setdefault(slot.service_id, []).append(slot)
    return by_service
