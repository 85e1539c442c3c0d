"""What was kept for those without a smartphone, and what came of it: places by channel, a day at a time."""

from dataclasses import dataclass
from datetime import date, time, timedelta

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from services.booking.domain.zone import VENUE_ZONE, at_local

_DAYS = text(
    f"SELECT CAST(timezone('{VENUE_ZONE.key}', starts_at) AS date) AS day, sum(capacity) AS capacity, sum(taken) AS taken,"  # noqa: S608
    " sum(kept_counter) AS kept_counter, sum(taken_counter) AS taken_counter,"
    " sum(least(kept_counter, taken_counter)) AS used_counter, sum(kept_walk_in) AS kept_walk_in,"
    " sum(taken_walk_in) AS taken_walk_in, sum(least(kept_walk_in, taken_walk_in)) AS used_walk_in"
    " FROM slots WHERE service_id = :service_id AND starts_at >= :since AND starts_at < :until GROUP BY 1 ORDER BY 1"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class ChannelDay:
    """One day of a service. `used` are places of those kept; who came over a channel beyond them is in `taken`."""

    day: date
    capacity: int
    taken: int
    kept_counter: int
    taken_counter: int
    used_counter: int
    kept_walk_in: int
    taken_walk_in: int
    used_walk_in: int


async def read_channel_days(connection: AsyncConnection, service_id: str, first: date, last: date) -> list[ChannelDay]:
    """Return the days from `first` to `last`, both included, on which the service has slots."""
    span = {"since": at_local(first, time()), "until": at_local(last + timedelta(days=1), time())}
    rows = await connection.execute(_DAYS, {"service_id": service_id, **span})
    return [ChannelDay(**row._mapping) for row in rows]  # noqa: SLF001 - its documented name
