"""How many places were kept for the counter and for walk-ins, and how many of them were used: for whoever schedules."""

from dataclasses import asdict
from datetime import date, timedelta
from typing import Annotated, Any

from fastapi import Depends, Query
from pydantic import ConfigDict, Field
from starlette.responses import Response

from services.booking.api.deps import AT_WORK, SignedIn, documented_signed_in, must_serve, signed_in
from services.booking.api.offered import NO_STORE, ServiceId, answer, catalogue_of, service_of
from services.booking.domain.reason import Reason
from services.booking.domain.zone import local_day
from services.booking.views.channels import ChannelDay, read_channel_days
from shared.refusal import Refused
from shared.web import Shown, strict_router

router = strict_router(prefix="/api/v1/services/{service_id}", tags=["hours"])

DAYS_MOST = 92
_USUAL = timedelta(days=30)

StaffDep = Annotated[SignedIn, Depends(signed_in(*AT_WORK))]

_PLACES: dict[str, Any] = {
    "capacity": 300,
    "taken": 220,
    "kept_counter": 60,
    "taken_counter": 41,
    "used_counter": 38,
    "kept_walk_in": 90,
    "taken_walk_in": 77,
    "used_walk_in": 70,
}


class PlacesShown(Shown):
    """Places by channel. `used` are those of the kept ones that were taken; `taken` has also what came beyond them."""

    capacity: int
    taken: Annotated[int, Field(description="Over every channel.")]
    kept_counter: Annotated[int, Field(description="Guaranteed to the counter and the telephone.")]
    taken_counter: int
    used_counter: int
    kept_walk_in: Annotated[int, Field(description="Guaranteed to those who simply come.")]
    taken_walk_in: int
    used_walk_in: int


class PlacesOfDay(PlacesShown):
    """The same, of one day."""

    day: date


class ChannelReport(Shown):
    """What was kept and used in a range of days."""

    first: date
    last: date
    total: PlacesShown
    days: list[PlacesOfDay]

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "first": "2026-11-28",
                    "last": "2026-11-28",
                    "total": _PLACES,
                    "days": [{"day": "2026-11-28", **_PLACES}],
                }
            ]
        }
    )


@router.get(
    "/channels",
    summary="窗口与现场名额的保留和使用 Places kept for counter and walk-ins, and used",
    response_model=ChannelReport,
    **documented_signed_in(Reason.SERVICE_UNKNOWN, Reason.INVALID_REQUEST),
)
async def channels(
    service_id: ServiceId,
    asker: StaffDep,
    first: Annotated[date | None, Query(description="The first day; 30 days before the last where not given.")] = None,
    last: Annotated[date | None, Query(description="The last day; today where not given.")] = None,
) -> Response:
    """What this service guaranteed to those without a smartphone, and what they took of it, day by day. 渠道名额统计。"""
    must_serve(asker, service_of(await catalogue_of(asker), service_id).venue_id)
    until = last or local_day(asker.parts.clock())
    since = first or max(until, date.min + _USUAL) - _USUAL
    if since > until:
        raise Refused(Reason.INVALID_REQUEST, field="/first", why="range_reversed")
    if (until - since).days >= DAYS_MOST or until == date.max:
        raise Refused(Reason.INVALID_REQUEST, field="/last", why="range_too_long")
    async with asker.parts.engine.connect() as connection:
        found = await read_channel_days(connection, service_id, since, until)
    names = PlacesShown.model_fields
    total = PlacesShown(**{name: sum(getattr(one, name) for one in found) for name in names})
    return answer(ChannelReport(first=since, last=until, total=total, days=[_day(one) for one in found]), NO_STORE)


def _day(one: ChannelDay) -> PlacesOfDay:
    return PlacesOfDay(**asdict(one))
