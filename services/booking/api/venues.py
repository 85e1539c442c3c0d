"""Places: found by kind, district and name."""

from dataclasses import dataclass
from typing import Annotated, Any

from fastapi import Depends, Query, Request
from pydantic import ConfigDict, Field
from starlette.responses import Response

from services.booking.api.deps import ReaderDep, documented
from services.booking.api.offered import (
    A_MINUTE,
    Cursor,
    DistrictId,
    Limit,
    Name,
    VenueId,
    answer,
    catalogue_of,
    is_called,
    page_answer,
    page_of,
    venue_of,
)
from services.booking.domain.catalogue import Catalogue, ServiceKind, Venue
from services.booking.domain.reason import Reason
from shared.contracts import Words
from shared.web import Page, Shown, strict_router

router = strict_router(prefix="/api/v1/venues", tags=["venues"])

Kind = Annotated[ServiceKind | None, Query(description="Only of this kind. 服务类别。")]

_MUSEUM: dict[str, Any] = {
    "id": "dalian-museum",
    "kind": "museum",
    "name": {"zh": "大连博物馆", "en": "Dalian Museum"},
    "address": {"zh": "示例地址", "en": "Sample address"},
    "district_id": "shahekou",
    "district": {"zh": "沙河口区", "en": "Shahekou District"},
    "step_free": True,
    "services": 3,
    "sample": True,
    "source": "[001]",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class VenueSearch:
    """Which venues; what is not given finds all."""

    kind: Kind = None
    district_id: DistrictId = None
    name: Name = None
    cursor: Cursor = None
    limit: Limit = 20


class VenueListed(Shown):
    """A place that people come to, or an agency that comes to them."""

    id: str
    kind: ServiceKind
    name: Words
    address: Words
    district_id: str
    district: Annotated[Words, Field(description="The district's name.")]
    step_free: Annotated[bool, Field(description="Whether one gets in without steps. 无障碍通行。")]
    services: Annotated[int, Field(description="How many things can be booked here.")]
    sample: Annotated[bool, Field(description="Whether something here is sample data that no announcement states.")]
    source: Annotated[str, Field(description="The city's announcement that names it, such as [001].")]

    model_config = ConfigDict(json_schema_extra={"examples": [_MUSEUM]})


@router.get("", summary="查找场馆 Find venues", response_model=Page[VenueListed], **documented(Reason.INVALID_CURSOR))
async def read_venues(request: Request, asker: ReaderDep, search: Annotated[VenueSearch, Depends()]) -> Response:
    """Venues of a kind, in a district, or by part of their name; all of them where nothing is asked."""
    catalogue = await catalogue_of(asker)
    found = [
        venue
        for venue in catalogue.venues.values()
        if search.kind in {None, venue.kind}
        and search.district_id in {None, venue.district_id}
        and is_called(search.name, venue.name)
    ]
    page, following = page_of(found, search.cursor, search.limit)
    items = [_shown(venue, catalogue) for venue in page]
    return page_answer(request, Page[VenueListed], items, following, A_MINUTE)


@router.get("/{venue_id}", summary="场馆 One venue", response_model=VenueListed, **documented(Reason.VENUE_UNKNOWN))
async def read_venue(venue_id: VenueId, asker: ReaderDep) -> Response:
    """One venue; what can be booked there is under `/api/v1/services?venue_id=`."""
    catalogue = await catalogue_of(asker)
    return answer(_shown(venue_of(catalogue, venue_id), catalogue), A_MINUTE)


def _shown(venue: Venue, catalogue: Catalogue) -> VenueListed:
    return VenueListed(
        id=venue.id,
        kind=venue.kind,
        name=venue.name,
        address=venue.address,
        district_id=venue.district_id,
        district=catalogue.districts[venue.district_id].name,
        step_free=venue.step_free,
        services=sum(service.venue_id == venue.id for service in catalogue.services.values()),
        sample=venue.sample,
        source=venue.source,
    )
