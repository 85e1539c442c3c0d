"""When something is free: one service with its days and times, or many services with their earliest free time.

Nothing here takes a lock or is kept for later: an answer is what the desk would have found when it was written, and
booking decides.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from typing import Annotated

from fastapi import Depends, Query, Request
from starlette.responses import Response

from services.booking.api.availability_body import (
    AvailabilityShown,
    NothingShown,
    ServiceFree,
    ServiceNamed,
    day_shown,
    free_time,
    words_of,
)
from services.booking.api.deps import Reader, ReaderDep, documented
from services.booking.api.offered import (
    NO_STORE,
    Cursor,
    DistrictId,
    answer,
    catalogue_of,
    page_answer,
    page_of,
    service_of,
    venue_of,
)
from services.booking.api.services import ServiceSearch, found, place_of
from services.booking.api.venues import Kind
from services.booking.domain.catalogue import Catalogue, Service
from services.booking.domain.opening import Offer, last_day
from services.booking.domain.reason import Reason
from services.booking.domain.zone import at_local, local, local_day
from services.booking.views.availability import Search
from services.booking.views.days import Asked, Availability, read_availability
from services.booking.views.search import ServiceSeen, read_search
from shared.contracts import Words
from shared.refusal import Refused
from shared.web import Page, decode_cursor, encode_cursor, link_header, next_link, strict_router
from shared.web.faults import fault

router = strict_router(prefix="/api/v1/availability", tags=["availability"])

DATES = 10
"""Days on a page of one service."""

SEARCH_DAYS, MOST_SEARCH_DAYS = 7, 31
"""Days that a search looks ahead, and the most it may."""

_TOO_FAR = date(2100, 1, 1)
_ONLY_IN_SEARCH = ("kind", "district_id", "venue_id", "days", "limit")

_NOTHING = {
    "not_published": Words("尚未公布开放时间。", "No opening hours have been published yet."),
    "hours_end": Words(
        "开放时间公布至 {until}，之后的安排尚未公布。",
        "Opening hours are published until {until}; what follows has not been announced yet.",
    ),
    "not_listed_yet": Words(
        "目前可查询至 {until} 的时段，之后的时段将逐日列出。",
        "Times are listed until {until} for now; each day adds another.",
    ),
    "no_hours": Words(
        "近期没有开放安排（开放时间公布至 {until}）。", "There are no opening hours soon (published until {until})."
    ),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """One service by `service_id`; or a search by `kind`, which the other filters narrow down."""

    service_id: Annotated[
        str | None,
        Query(max_length=80, description="One service with its days and times. 服务。", examples=["timed-entry"]),
    ] = None
    kind: Kind = None
    district_id: DistrictId = None
    venue_id: Annotated[str | None, Query(max_length=80, description="Only at this venue. 场馆。")] = None
    since: Annotated[
        date | None,
        Query(
            alias="from",
            lt=_TOO_FAR,
            description="The first day; today where not given, or where it lies before today. 起始日期。",
        ),
    ] = None
    days: Annotated[
        int | None,
        Query(ge=1, le=MOST_SEARCH_DAYS, description="How many days a search looks ahead; 7 where not given."),
    ] = None
    places: Annotated[int, Query(ge=1, le=20, description="Places needed at one time, such as 2 for a couple.")] = 1
    cursor: Cursor = None
    limit: Annotated[
        int | None, Query(ge=1, le=100, description="How many services on a page; 20 where not given. 每页条数。")
    ] = None


@router.get(
    "",
    summary="查询可预约时段 What is free, and when",
    response_model=AvailabilityShown | Page[ServiceFree],
    **documented(Reason.SERVICE_UNKNOWN, Reason.VENUE_UNKNOWN, Reason.INVALID_CURSOR),
)
async def read_free(request: Request, asker: ReaderDep, wish: Annotated[Wish, Depends()]) -> Response:
    """Days, times and places left of one service; or, for a kind of service, who is free earliest.

    With `service_id`: ten days a page, from the first that has something to show; every time that cannot be booked says
    why, by the rule that booking asks. Where no day is shown, `nothing` says why and until when hours are published.
    Without it, `kind` is needed: each service with its earliest free time and the number of free days, or why not.
    按服务查询：每页十个日期，逐个时段给出余量或不可约的原因。按类别查询：各服务最早可约时间与可约天数。
    """
    _refuse_mixture(asker, wish)
    if wish.service_id is not None:
        return await _one_service(request, asker, wish)
    return await _search(request, asker, wish)


def _refuse_mixture(asker: Reader, wish: Wish) -> None:
    """Refuse a wish for both at once, or for neither.

    Raises:
        Refused: `invalid_request`.
    """
    if wish.service_id is None:
        faults = [] if wish.kind is not None else [("missing", "service_id"), ("missing", "kind")]
    else:
        faults = [("not_together", name) for name in _ONLY_IN_SEARCH if getattr(wish, name) is not None]
    if faults:
        errors = [fault(code, {"parameter": name}, asker.language, {}) for code, name in faults]
        raise Refused(Reason.INVALID_REQUEST, errors=errors)


# -- one service ----------------------------------------------------------------------------------------------------


async def _one_service(request: Request, asker: Reader, wish: Wish) -> Response:
    catalogue = await catalogue_of(asker)
    service = service_of(catalogue, wish.service_id or "")
    policy = catalogue.policies[service.policy_id]
    now = asker.parts.clock()
    first = max(wish.since or local_day(now), local_day(now))
    asked = Asked(
        service_id=service.id,
        since=first if wish.cursor is None else max(first, _day_of(wish.cursor)),
        earliest_since=first,
        until=last_day(Offer(service=service, venue=catalogue.venues[service.venue_id], policy=policy), now),
        places=wish.places,
        dates=DATES,
    )
    async with asker.parts.engine.connect() as connection:
        seen = await read_availability(connection, asked, now)
    url = None if seen.following is None else next_link(request, encode_cursor(seen.following.isoformat()))
    shown = AvailabilityShown(
        service=_named(service, catalogue),
        as_of=local(now),
        places=wish.places,
        earliest=None if seen.earliest is None else free_time(seen.earliest, now),
        days=[day_shown(day, service.kind) for day in seen.days],
        nothing=None if seen.days else _nothing(seen, asked),
        listed_until=seen.bounds.listed_until,
        published_until=seen.bounds.published_until,
        next=url,
    )
    return answer(shown, NO_STORE, {} if url is None else {"link": link_header(url)})


def _day_of(cursor: str) -> date:
    (written,) = decode_cursor(cursor, str)
    try:
        return date.fromisoformat(written)
    except ValueError:
        raise Refused(Reason.INVALID_CURSOR, field="/cursor") from None


def _nothing(seen: Availability, asked: Asked) -> NothingShown:
    """Say why no day is shown; the words name the day that the reason is about."""
    published = seen.bounds.published_until
    if published is None:
        code, until = "not_published", None
    elif asked.since > published:
        code, until = "hours_end", published
    elif asked.since > asked.until:
        code, until = "not_listed_yet", asked.until
    else:
        code, until = "no_hours", published
    words = _NOTHING[code]
    return NothingShown(code=code, words=Words(words.zh.format(until=until), words.en.format(until=until)))


# -- the search -----------------------------------------------------------------------------------------------------


async def _search(request: Request, asker: Reader, wish: Wish) -> Response:
    catalogue = await catalogue_of(asker)
    if wish.venue_id is not None:
        venue_of(catalogue, wish.venue_id)
    filters = ServiceSearch(kind=wish.kind, district_id=wish.district_id, venue_id=wish.venue_id)
    page, following = page_of(found(catalogue, filters), wish.cursor, wish.limit or 20)
    now = asker.parts.clock()
    async with asker.parts.engine.connect() as connection:
        seen = await read_search(connection, _asked_of(page, catalogue, wish, local_day(now)), now)
    items = [_listed(service, seen[service.id], catalogue, now) for service in page]
    return page_answer(request, Page[ServiceFree], items, following, NO_STORE)


def _asked_of(page: Sequence[Service], catalogue: Catalogue, wish: Wish, today: date) -> Search:
    assert wish.kind is not None
    first = max(wish.since or today, today)
    return Search(
        kind=wish.kind.value,
        district_ids=sorted({catalogue.venues[service.venue_id].district_id for service in page}),
        service_ids=[service.id for service in page],
        since=at_local(first, time()),
        until=at_local(first + timedelta(days=wish.days or SEARCH_DAYS), time()),
        places=wish.places,
    )


def _listed(service: Service, seen: ServiceSeen, catalogue: Catalogue, now: datetime) -> ServiceFree:
    obstacle = seen.obstacle
    return ServiceFree(
        service=_named(service, catalogue),
        attributes=dict(service.attributes),
        venue=place_of(service, catalogue),
        earliest=None if seen.earliest is None else free_time(seen.earliest, now),
        free_dates=seen.free_dates,
        reason=obstacle.why if obstacle else None,
        words=words_of(obstacle.why) if obstacle else None,
        opens_at=local(obstacle.bookable_from) if obstacle and obstacle.bookable_from else None,
    )


def _named(service: Service, catalogue: Catalogue) -> ServiceNamed:
    unit = catalogue.policies[service.policy_id].seat_unit
    return ServiceNamed(id=service.id, kind=service.kind, name=service.name, seat_unit=unit)
