"""The hours of a service as its schedulers publish them: read by anybody, previewed and published by who is bound there."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from typing import Annotated, Any

from fastapi import Depends
from pydantic import ConfigDict, Field
from starlette.responses import Response

from services.booking.api.deps import (
    IF_MATCH,
    PUBLISHERS,
    ReaderDep,
    SignedIn,
    Write,
    documented_signed_in,
    documented_write,
    must_serve,
    remember,
    signed_in,
    writing,
)
from services.booking.api.offered import ServiceId, answer, catalogue_of, service_of
from services.booking.api.problems import problems
from services.booking.commands.hours import NO_PLAN, Publication, Published, preview, publish
from services.booking.domain.plan import Plan
from services.booking.domain.reason import Reason
from services.booking.domain.schedule import PlannedSlot
from services.booking.domain.zone import in_words, local
from services.booking.store.database import Connection
from services.booking.store.plan_document import PlanDocument, document_of
from services.booking.store.slots import Stranded
from services.booking.views.hours import read_published
from shared.contracts import Words
from shared.refusal import Refused
from shared.web import Answer, Shown, Strict, etag, expected_version, strict_router

router = strict_router(prefix="/api/v1/services/{service_id}/hours", tags=["hours"])

SchedulerDep = Annotated[SignedIn, Depends(signed_in(*PUBLISHERS))]
SchedulerWriteDep = Annotated[Write, Depends(writing(*PUBLISHERS))]

TIMES_MOST = 200
"""Times that a preview names of each sort; all of them are counted."""

_NOT_CHANGED: dict[str, Any] = {"description": "没有变化 Not changed since the version in If-None-Match"}
_IF_NONE_MATCH: dict[str, Any] = {
    "name": "If-None-Match",
    "in": "header",
    "required": False,
    "description": "The ETag that you last read: the plan is sent only if there is a newer one. 您最后读到的 ETag。",
    "schema": {"type": "string"},
    "example": '"2"',
}

_PLAN: dict[str, Any] = {
    "valid_from": "2026-07-01",
    "valid_until": "2026-12-31",
    "timed": {"minutes": 30, "capacity": 100, "every": None, "starts": ["16:30", "17:00", "17:30"]},
    "windows": [
        {
            "days": [
                {
                    "weekdays": [6, 7],
                    "festivals": ["national_day"],
                    "official_holidays": False,
                    "dates": [],
                    "yearly": [],
                    "rule": None,
                    "within": [{"first": "07-01", "last": "10-08"}],
                }
            ],
            "hours": [
                {
                    "opens": "16:30",
                    "closes": "18:30",
                    "last_entry": "18:00",
                    "charge": "free",
                    "label": {"zh": "延时开放", "en": "Extended hours"},
                    "timed": None,
                }
            ],
            "on_holidays": "open",
            "on_adjusted_workdays": "by_weekday",
        }
    ],
    "exceptions": [],
    "closures": [
        {
            "first": "2026-08-15",
            "last": "2026-08-16",
            "reason": {"zh": "设备检修", "en": "Maintenance"},
            "from_time": None,
            "until_time": None,
        }
    ],
}
_STRANDED: dict[str, Any] = {
    "starts_at": "2026-08-15T16:30:00+08:00",
    "local_start": "2026-08-15 16:30",
    "bookings": 3,
    "places": 5,
    "why": "time_gone",
}


class HoursShown(Shown):
    """The plan in force. Its version is also its ETag."""

    service_id: str
    version: int
    published_at: datetime
    plan: PlanDocument

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "service_id": "dalian-museum-evening-entry",
                    "version": 2,
                    "published_at": "2026-06-20T09:30:00+08:00",
                    "plan": _PLAN,
                }
            ]
        }
    )


class HoursToPublish(Strict):
    """A whole plan: it takes the place of the one in force from now on. What has begun is not touched."""

    plan: PlanDocument
    keep_booked: Annotated[
        bool,
        Field(
            description="A closure stops new bookings where people are booked already, and their bookings stand"
            " (停止新预约，保留已约). Without it, such a closure is refused."
        ),
    ] = False

    model_config = ConfigDict(json_schema_extra={"examples": [{"plan": _PLAN, "keep_booked": True}]})


class BookedTime(Shown):
    """A time that people are booked into and that the plan would change under them."""

    starts_at: datetime
    local_start: str
    bookings: int
    places: Annotated[int, Field(description="Places taken, walk-ins included.")]
    why: Annotated[str, Field(description="`time_gone`, `end_changed`, `place_changed` or `capacity_below_taken`.")]


class PlannedTime(Shown):
    """A time as the plan has it, and what it was before, where it changes."""

    starts_at: datetime
    ends_at: datetime
    local_start: str
    capacity: int
    capacity_before: int | None = None
    ends_at_before: datetime | None = None


class ClosedTime(Shown):
    """A time that closes, and why."""

    starts_at: datetime
    local_start: str
    reason: Words


class Changes(Shown):
    """What a plan changes among the times to come that are opened by now; of each sort at most 200 are named."""

    version: Annotated[int, Field(description="The version that the plan gets.")]
    publishable: Annotated[
        bool, Field(description="Whether it can be published so; `stranded` says what stands in its way.")
    ]
    added: int
    removed: Annotated[int, Field(description="Times that are no longer offered, closed ones among them.")]
    changed: int
    closed: int
    bookings_affected: Annotated[int, Field(description="Bookings in `stranded` and `kept`.")]
    added_times: list[PlannedTime]
    removed_times: list[PlannedTime]
    changed_times: list[PlannedTime]
    closed_times: list[ClosedTime]
    stranded: Annotated[list[BookedTime], Field(description="People booked there would lose what they booked.")]
    kept: Annotated[
        list[BookedTime], Field(description="Closed to new bookings; those who are booked keep their places.")
    ]

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "version": 3,
                    "publishable": False,
                    "added": 0,
                    "removed": 1,
                    "changed": 0,
                    "closed": 0,
                    "bookings_affected": 3,
                    "added_times": [],
                    "removed_times": [
                        {
                            "starts_at": "2026-08-15T17:00:00+08:00",
                            "ends_at": "2026-08-15T17:30:00+08:00",
                            "local_start": "2026-08-15 17:00",
                            "capacity": 100,
                            "capacity_before": None,
                            "ends_at_before": None,
                        }
                    ],
                    "changed_times": [],
                    "closed_times": [],
                    "stranded": [_STRANDED],
                    "kept": [],
                }
            ]
        }
    )


@router.get(
    "",
    summary="现行开放计划 The plan in force",
    response_model=HoursShown,
    responses={304: _NOT_CHANGED, **problems(Reason.SERVICE_UNKNOWN, Reason.NOT_FOUND)},
    openapi_extra={"parameters": [_IF_NONE_MATCH]},
)
async def read_hours(service_id: ServiceId, asker: ReaderDep) -> Response:
    """The hours that a service has published, as they were published; `open-days` has them worked out by day."""
    service = service_of(await catalogue_of(asker), service_id)
    async with asker.parts.engine.connect() as connection:
        published = await read_published(connection, service.id)
    if published is None:
        raise Refused(Reason.NOT_FOUND)
    tag = etag(published.plan.version)
    if asker.visit.headers.get(b"if-none-match") == tag:
        return Response(status_code=304, headers={"etag": tag})
    return answer(_hours(published.plan, published.published_at), "no-cache", {"etag": tag})


_REFUSALS = (Reason.SERVICE_UNKNOWN, Reason.PLAN_INVALID, Reason.NO_OFFICIAL_CALENDAR)


@router.put(
    "",
    summary="发布开放计划 Publish hours",
    response_model=HoursShown,
    **documented_write(*_REFUSALS, Reason.PLAN_STRANDS_BOOKINGS, if_match=True),
)
async def publish_hours(service_id: ServiceId, wish: HoursToPublish, asker: SchedulerWriteDep) -> Response:
    """Publish the whole plan of a service, as its scheduler or an administrator. Its times open at once.

    Refused, with the times and how many are booked, where it would strand somebody: look at the preview first.
    """
    await _must_schedule(asker, service_id)
    now = asker.parts.clock()
    wanted = _wanted(asker, service_id, wish, asker.expected_version)

    async def work(tx: Connection) -> Answer:
        with _placed():
            published = await publish(tx, asker.parts.catalogue, wanted, now)
        headers = {"content-type": "application/json", "etag": etag(published.plan.version)}
        return Answer(200, headers, _hours(published.plan, now).model_dump_json().encode())

    return await remember(asker, work)


@router.post(
    "/preview",
    summary="预览开放计划的影响 What publishing would change",
    response_model=Changes,
    **(
        documented_signed_in(*_REFUSALS, Reason.IF_MATCH_INVALID, Reason.STALE_VERSION)
        | {"openapi_extra": {"security": [{"bearer": []}], "parameters": [IF_MATCH]}}
    ),
)
async def preview_hours(service_id: ServiceId, wish: HoursToPublish, asker: SchedulerDep) -> Response:
    """What the plan would add, take away and change, and whom it would strand. Changes nothing, and needs no key."""
    await _must_schedule(asker, service_id)
    wanted = _wanted(asker, service_id, wish, expected_version(asker.visit.headers.get(b"if-match")))
    with _placed():
        changes = await preview(asker.parts.engine, asker.parts.catalogue, wanted, asker.parts.clock())
    return answer(_changes(changes), "no-store")


async def _must_schedule(asker: SignedIn, service_id: str) -> None:
    """Let pass only who may publish the hours of a service.

    Raises:
        Refused: `service_unknown`; `not_allowed` where the asker does not work at its venue.
    """
    must_serve(asker, service_of(await catalogue_of(asker), service_id).venue_id)


def _wanted(asker: SignedIn, service_id: str, wish: HoursToPublish, version: int | None) -> Publication:
    return Publication(
        plan=wish.plan.plan(service_id, NO_PLAN),
        keep_booked=wish.keep_booked,
        published_by=str(asker.principal.subject),
        expected_version=version,
    )


@contextmanager
def _placed() -> Iterator[None]:
    """Have a refusal of the plan point into the request's body, where the plan is one member."""
    try:
        yield
    except Refused as refused:
        if refused.reason is Reason.PLAN_INVALID:
            raise Refused(refused.reason, field=f"/plan{refused.field or ''}", **refused.facts) from None
        raise


def _hours(plan: Plan, published_at: datetime) -> HoursShown:
    return HoursShown(
        service_id=plan.service_id,
        version=plan.version,
        published_at=local(published_at),
        plan=PlanDocument.model_validate(document_of(plan)),
    )


def _changes(published: Published) -> Changes:
    change = published.change
    affected = (*published.stranded, *published.kept)
    return Changes(
        version=published.plan.version,
        publishable=not published.stranded,
        added=len(change.added),
        removed=len(change.removed),
        changed=len(change.changed),
        closed=len(published.closed),
        bookings_affected=sum(one.bookings for one in affected),
        added_times=[_planned(slot) for slot in change.added[:TIMES_MOST]],
        removed_times=[_planned(slot) for slot in change.removed[:TIMES_MOST]],
        changed_times=[_planned(one.after, one.before) for one in change.changed[:TIMES_MOST]],
        closed_times=[
            ClosedTime(starts_at=local(starts_at), local_start=in_words(starts_at), reason=reason)
            for starts_at, reason in published.closed[:TIMES_MOST]
        ],
        stranded=[_booked(one) for one in published.stranded[:TIMES_MOST]],
        kept=[_booked(one) for one in published.kept[:TIMES_MOST]],
    )


def _planned(slot: PlannedSlot, before: PlannedSlot | None = None) -> PlannedTime:
    return PlannedTime(
        starts_at=slot.starts_at,
        ends_at=slot.ends_at,
        local_start=in_words(slot.starts_at),
        capacity=slot.capacity,
        capacity_before=before.capacity if before else None,
        ends_at_before=before.ends_at if before else None,
    )


def _booked(one: Stranded) -> BookedTime:
    return BookedTime(
        starts_at=local(one.starts_at),
        local_start=in_words(one.starts_at),
        bookings=one.bookings,
        places=one.taken,
        why=one.why.value,
    )
