"""What can be booked: found by kind, place, name and attribute; each with the rules that will apply."""

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
    ServiceId,
    answer,
    catalogue_of,
    is_called,
    page_answer,
    page_of,
    service_of,
)
from services.booking.api.policy_body import PolicyShown, policy_shown
from services.booking.api.venues import Kind
from services.booking.domain.catalogue import Catalogue, Service, ServiceKind
from services.booking.domain.reason import Reason
from shared.contracts import Words
from shared.web import Page, Shown, strict_router

router = strict_router(prefix="/api/v1/services", tags=["services"])

_COURT: dict[str, Any] = {
    "id": "zhongshan-fitness-badminton-1",
    "kind": "sports",
    "name": {"zh": "羽毛球1号场", "en": "Badminton court 1"},
    "attributes": {
        "zone": {"zh": "室内", "en": "Indoor"},
        "activity": {"zh": "羽毛球", "en": "Badminton"},
    },
    "venue": {
        "id": "zhongshan-fitness",
        "name": {"zh": "中山区市民健身中心", "en": "Zhongshan Citizens' Fitness Centre"},
        "address": {"zh": "示例地址", "en": "Sample address"},
        "district_id": "zhongshan",
        "district": {"zh": "中山区", "en": "Zhongshan District"},
        "step_free": True,
    },
    "sample": True,
    "source": "[004]",
}
_POLICY: dict[str, Any] = {
    "id": "sports-court",
    "version": 1,
    "parties": ["one_person", "group"],
    "party_most": 4,
    "seat_unit": "party",
    "documents": ["resident_identity_card", "passport"],
    "age_least": None,
    "age_most": None,
    "release": {
        "days_before": 7,
        "at": "07:00",
        "later": [{"percent": 40, "days_before": 1, "at": "15:00"}],
    },
    "horizon_days": 14,
    "closes_minutes_before": 0,
    "hold_minutes": 5,
    "hold_extensions": 1,
    "approval": False,
    "cancel_by": {"minutes_before": 60, "days_before": None, "at": None},
    "check_in": {"opens_minutes_before": 15, "closes_minutes_after": 15},
    "late_cancel": "strike",
    "penalties": [
        {
            "counts": ["no_show", "late_cancel"],
            "threshold": 3,
            "window": "rolling_days",
            "window_count": 90,
            "bars_days": [30],
            "bars_months": None,
            "bars_rest_of_window": False,
            "counted_from": "act",
            "scope": "kind",
        }
    ],
    "limits": [{"scope": "kind", "window": "day", "most": 1}],
    "shares": {"walk_in": 0, "counter": 0},
    "declarations": [],
    "reminders": [1440, 120],
    "preparations": [],
    "waiting": {
        "offer_minutes": 30,
        "most_minutes": 60,
        "react_minutes": 15,
        "lead_minutes": 60,
        "collect_minutes": 1440,
    },
    "cooling": {"least_minutes": 30, "most_minutes": 120},
    "sensitive": False,
}

Attribute = Annotated[str, Field(min_length=3, max_length=80, pattern="^[a-z_]+:.+$")]


@dataclass(frozen=True, slots=True, kw_only=True)
class ServiceSearch:
    """Which services; what is not given finds all."""

    kind: Kind = None
    district_id: DistrictId = None
    venue_id: Annotated[str | None, Query(max_length=80, description="Only at this venue. 场馆。")] = None
    name: Annotated[
        str | None,
        Query(min_length=1, max_length=60, description="Part of the service's or the venue's name. 服务或场馆名称。"),
    ] = None
    attribute: Annotated[
        list[Attribute] | None,
        Query(
            max_length=5,
            description="An attribute and its value in Chinese or English, such as `activity:羽毛球` or"
            " `department:Psychology`; may be repeated, and then each must hold. 按属性筛选。",
        ),
    ] = None
    cursor: Cursor = None
    limit: Limit = 20


class ServicePlace(Shown):
    """Where a service is."""

    id: str
    name: Words
    address: Words
    district_id: str
    district: Words
    step_free: bool


class ServiceListed(Shown):
    """One bookable thing at one venue."""

    id: str
    kind: ServiceKind
    name: Words
    attributes: Annotated[
        dict[str, Words],
        Field(description="What one chooses by: zone, activity, court, discipline, department …, as the kind has it."),
    ]
    venue: ServicePlace
    sample: Annotated[bool, Field(description="Whether something here is sample data that no announcement states.")]
    source: Annotated[str, Field(description="The city's announcement that it rests on, such as [004].")]

    model_config = ConfigDict(json_schema_extra={"examples": [_COURT]})


class ServiceWithPolicy(ServiceListed):
    """One bookable thing, with the rules that will apply."""

    policy: PolicyShown

    model_config = ConfigDict(json_schema_extra={"examples": [{**_COURT, "policy": _POLICY}]})


@router.get(
    "", summary="查找服务 Find services", response_model=Page[ServiceListed], **documented(Reason.INVALID_CURSOR)
)
async def read_services(request: Request, asker: ReaderDep, search: Annotated[ServiceSearch, Depends()]) -> Response:
    """Services by kind, district, venue, name and attribute, in the city's own order. Free times are under availability."""
    catalogue = await catalogue_of(asker)
    page, following = page_of(found(catalogue, search), search.cursor, search.limit)
    items = [ServiceListed(**_members(service, catalogue)) for service in page]
    return page_answer(request, Page[ServiceListed], items, following, A_MINUTE)


@router.get(
    "/{service_id}",
    summary="服务及其规则 One service and its rules",
    response_model=ServiceWithPolicy,
    **documented(Reason.SERVICE_UNKNOWN),
)
async def read_service(service_id: ServiceId, asker: ReaderDep) -> Response:
    """One service with its policy: who may book, which documents, how many, until when, and what is asked."""
    catalogue = await catalogue_of(asker)
    service = service_of(catalogue, service_id)
    policy = policy_shown(catalogue.policies[service.policy_id])
    return answer(ServiceWithPolicy(**_members(service, catalogue), policy=policy), A_MINUTE)


def found(catalogue: Catalogue, search: ServiceSearch) -> list[Service]:
    """Return the services that `search` asks for, in the catalogue's order."""
    wanted = [one.split(":", 1) for one in search.attribute or ()]
    return [
        service
        for service in catalogue.services.values()
        if search.kind in {None, service.kind}
        and search.venue_id in {None, service.venue_id}
        and search.district_id in {None, catalogue.venues[service.venue_id].district_id}
        and is_called(search.name, service.name, catalogue.venues[service.venue_id].name)
        and all(_has(service, name, value) for name, value in wanted)
    ]


def _has(service: Service, name: str, value: str) -> bool:
    words = service.attributes.get(name)
    return words is not None and value.strip().casefold() in {words.zh.casefold(), words.en.casefold()}


def _members(service: Service, catalogue: Catalogue) -> dict[str, Any]:
    return {
        "id": service.id,
        "kind": service.kind,
        "name": service.name,
        "attributes": dict(service.attributes),
        "venue": place_of(service, catalogue),
        "sample": service.sample,
        "source": service.source,
    }


def place_of(service: Service, catalogue: Catalogue) -> ServicePlace:
    """Return where `service` is."""
    venue = catalogue.venues[service.venue_id]
    return ServicePlace(
        id=venue.id,
        name=venue.name,
        address=venue.address,
        district_id=venue.district_id,
        district=catalogue.districts[venue.district_id].name,
        step_free=venue.step_free,
    )
