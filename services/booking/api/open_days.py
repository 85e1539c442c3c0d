"""Which days a service is open, from its published plan: a calendar to show, and what a venue promises a week."""

from datetime import date, timedelta
from typing import Annotated, Any

from fastapi import Query
from pydantic import ConfigDict, Field
from starlette.responses import Response

from services.booking.api.deps import ReaderDep, documented
from services.booking.api.offered import A_MINUTE, ServiceId, VenueId, answer, catalogue_of, service_of, venue_of
from services.booking.domain import calendar
from services.booking.domain.catalogue import ServiceKind
from services.booking.domain.hours_ledger import REQUIRED_MINUTES, weekly_open_minutes
from services.booking.domain.plan import Charge, Plan, SlotPattern
from services.booking.domain.reason import Reason
from services.booking.domain.schedule import MOST_DAYS, OpenDay, open_days
from services.booking.domain.zone import local_day, week_of
from services.booking.store.plan_document import ClockTime
from services.booking.views.hours import read_plans_of, read_published
from shared.contracts import Words
from shared.web import Shown, strict_router

router = strict_router(prefix="/api/v1", tags=["hours"])

DAYS_UNASKED = 31
"""Days that are shown where nobody says until when."""

_TOO_FAR = date(2100, 1, 1)

_DAY: dict[str, Any] = {
    "date": "2025-07-05",
    "weekday": 6,
    "holiday": None,
    "opens": "16:30",
    "closes": "18:30",
    "last_entry": "18:00",
    "label": {"zh": "延时开放", "en": "Extended hours"},
    "charge": "free",
    "closure": None,
}
_WEEK: dict[str, Any] = {
    "venue_id": "zhongshan-fitness",
    "monday": "2026-11-23",
    "sunday": "2026-11-29",
    "required_minutes": 2100,
    "open_minutes": 2520,
    "free_minutes": 840,
    "by_day": [360, 360, 360, 360, 360, 360, 360],
    "met": True,
    "short_by_minutes": 0,
    "services": 4,
    "without_plan": 0,
}


class OpenDayShown(Shown):
    """Hours of one day; a day with a pause, or with two charges, has several."""

    date: date
    weekday: Annotated[int, Field(description="1 Monday to 7 Sunday.")]
    holiday: Annotated[Words | None, Field(description="The official holiday that it is off for, or worked for.")]
    opens: ClockTime
    closes: ClockTime
    last_entry: Annotated[ClockTime | None, Field(description="Nobody is let in after it.")]
    label: Words
    charge: Charge
    closure: Annotated[
        Words | None, Field(description="Why these hours are closed after all; null where they are open.")
    ]

    model_config = ConfigDict(json_schema_extra={"examples": [_DAY]})


class OpenDaysShown(Shown):
    """Every open day of a range, from the plan in force."""

    service_id: str
    first: date
    last: date
    version: Annotated[int | None, Field(description="Of the plan in force; null where none is published.")]
    valid_from: date | None
    valid_until: date | None
    days: list[OpenDayShown]

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "service_id": "dalian-museum-evening-entry",
                    "first": "2025-07-01",
                    "last": "2025-07-06",
                    "version": 1,
                    "valid_from": "2025-05-01",
                    "valid_until": "2026-12-31",
                    "days": [_DAY, {**_DAY, "date": "2025-07-06", "weekday": 7}],
                }
            ]
        }
    )


class WeeklyHours(Shown):
    """A venue's week, counted as the city promises it: free or low-charge, two courts open at once are one hour."""

    venue_id: str
    monday: date
    sunday: date
    required_minutes: Annotated[int, Field(description="35 hours at a sports venue [000] [004]; 0 elsewhere.")]
    open_minutes: Annotated[int, Field(description="Minutes open free or at low charge.")]
    free_minutes: Annotated[int, Field(description="Those of them that cost nothing.")]
    by_day: Annotated[list[int], Field(description="Minutes from Monday to Sunday.")]
    met: bool
    short_by_minutes: Annotated[int, Field(description="What is missing to the promise.")]
    services: Annotated[int, Field(description="Services of the venue that were counted.")]
    without_plan: Annotated[int, Field(description="Services that have published no hours, and count as closed.")]

    model_config = ConfigDict(json_schema_extra={"examples": [_WEEK]})


@router.get(
    "/services/{service_id}/open-days",
    summary="开放日历 The days on which a service is open",
    response_model=OpenDaysShown,
    **documented(Reason.SERVICE_UNKNOWN, Reason.NO_OFFICIAL_CALENDAR),
)
async def read_open_days(
    service_id: ServiceId,
    asker: ReaderDep,
    since: Annotated[
        date | None, Query(alias="from", lt=_TOO_FAR, description="First day; today where not given. 起始日期。")
    ] = None,
    to: Annotated[
        date | None,
        Query(
            lt=_TOO_FAR, description=f"Last day, at most {MOST_DAYS} days in all; a month where not given. 截止日期。"
        ),
    ] = None,
) -> Response:
    """Open hours by day, as published; days without any are left out, closed ones say why.

    A range that touches a year without official holiday calendar is refused: nobody knows its working days yet.
    """
    service = service_of(await catalogue_of(asker), service_id)
    first = since or local_day(asker.parts.clock())
    async with asker.parts.engine.connect() as connection:
        published = await read_published(connection, service.id)
    plan = published.plan if published else None
    last = to or _unasked(first)
    shown = OpenDaysShown(
        service_id=service.id,
        first=first,
        last=last,
        version=plan.version if plan else None,
        valid_from=plan.valid_from if plan else None,
        valid_until=plan.valid_until if plan else None,
        days=[_shown(day) for day in open_days(plan or _nothing_published(service.id, first), first, last)],
    )
    return answer(shown, A_MINUTE)


@router.get(
    "/venues/{venue_id}/weekly-hours",
    summary="每周免费低收费开放时长 A venue's free and low-charge hours in a week",
    response_model=WeeklyHours,
    **documented(Reason.VENUE_UNKNOWN, Reason.NO_OFFICIAL_CALENDAR),
)
async def read_weekly_hours(
    venue_id: VenueId,
    asker: ReaderDep,
    week_of_day: Annotated[
        date | None,
        Query(
            alias="week_of", lt=_TOO_FAR, gt=date(1900, 1, 1), description="Any day of the week; today if not given."
        ),
    ] = None,
) -> Response:
    """Whether a venue keeps its promise of open hours in a week, Monday to Sunday: public oversight (公开接受社会监督 [004])."""
    catalogue = await catalogue_of(asker)
    venue = venue_of(catalogue, venue_id)
    week = week_of_day or local_day(asker.parts.clock())
    monday, sunday = week_of(week)
    service_ids = [service.id for service in catalogue.services.values() if service.venue_id == venue.id]
    async with asker.parts.engine.connect() as connection:
        plans = await read_plans_of(connection, service_ids)
    for year in (monday.year, sunday.year):
        calendar.require(year)
    ledger = weekly_open_minutes(
        {service_id: open_days(plan, monday, sunday) for service_id, plan in plans.items()},
        venue.id,
        week,
        REQUIRED_MINUTES if venue.kind is ServiceKind.SPORTS else 0,
    )
    shown = WeeklyHours(
        venue_id=venue.id,
        monday=monday,
        sunday=sunday,
        required_minutes=ledger.required_minutes,
        open_minutes=ledger.open_minutes,
        free_minutes=ledger.free_minutes,
        by_day=list(ledger.by_day),
        met=ledger.met,
        short_by_minutes=ledger.short_by,
        services=len(service_ids),
        without_plan=len(service_ids) - len(plans),
    )
    return answer(shown, A_MINUTE)


def _unasked(first: date) -> date:
    """Return where a range ends that nobody ended: it does not run into a year that nobody knows yet."""
    month = first + timedelta(days=DAYS_UNASKED - 1)
    if calendar.is_known(month.year) or not calendar.is_known(first.year):
        return month
    return date(first.year, 12, 31)


def _nothing_published(service_id: str, first: date) -> Plan:
    """Return a plan without hours: a range is then judged as it is judged for any other plan."""
    timed = SlotPattern(minutes=60, capacity=1)
    return Plan(service_id=service_id, version=1, valid_from=first, valid_until=first, windows=(), timed=timed)


def _shown(day: OpenDay) -> OpenDayShown:
    return OpenDayShown(
        date=day.date,
        weekday=day.date.isoweekday(),
        holiday=calendar.day(day.date).name,
        opens=day.opens,
        closes=day.closes,
        last_entry=day.last_entry,
        label=day.label,
        charge=day.charge,
        closure=day.closure.reason if day.closure else None,
    )
