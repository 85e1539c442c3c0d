"""What is offered, as lists show it: found by kind, place and name, in the catalogue's own order, page by page."""

from collections.abc import Sequence
from typing import Annotated, Any, Protocol, TypeVar
from uuid import UUID

from fastapi import Path, Query
from pydantic import BaseModel
from starlette.requests import Request
from starlette.responses import Response

from services.booking.api.deps import Reader
from services.booking.domain.catalogue import Catalogue, Service, Venue
from services.booking.domain.reason import Reason
from shared.contracts import Words
from shared.refusal import Refused
from shared.web import decode_cursor, encode_cursor, link_header, next_link

Limit = Annotated[int, Query(ge=1, le=100, description="How many on a page. 每页条数。")]
Cursor = Annotated[str | None, Query(max_length=512, description="From `next` of the page before. 翻页标记。")]
Name = Annotated[
    str | None,
    Query(min_length=1, max_length=60, description="Part of the name, in Chinese or English. 名称的一部分。"),
]
DistrictId = Annotated[
    str | None, Query(max_length=80, description="Only in this district. 区市县。", examples=["zhongshan"])
]
ServiceId = Annotated[
    str, Path(max_length=80, description="The service. 服务。", examples=["dalian-museum-evening-entry"])
]
VenueId = Annotated[str, Path(max_length=80, description="The venue. 场馆。", examples=["dalian-museum"])]

NO_STORE = "no-store"
"""Of whatever depends on the places that are left: true when it is sent, and not to be shown again later."""

A_MINUTE = "public, max-age=60"
"""Of what the catalogue says: it changes rarely, and a screen may be a minute behind."""


PARTY_REASONS = (
    Reason.PERSON_UNKNOWN,
    Reason.PARTY_KIND_NOT_ACCEPTED,
    Reason.PARTY_TOO_LARGE,
    Reason.PARTY_WRONG_SIZE,
    Reason.PERSON_TWICE,
    Reason.DOCUMENT_NOT_ACCEPTED,
    Reason.TOO_YOUNG,
    Reason.TOO_OLD,
    Reason.DECLARATION_MISSING,
    Reason.DECLARATION_INVALID,
    Reason.OUTSIDE_DISTRICT,
)
"""Why a party may not come to a service, whenever it would."""

_NEWEST = UUID(int=2**128 - 1)


class _Named(Protocol):
    @property
    def id(self) -> str: ...


class _Made(Protocol):
    @property
    def id(self) -> UUID: ...


Entry = TypeVar("Entry", bound=_Named)
Row = TypeVar("Row", bound=_Made)
Body = TypeVar("Body", bound=BaseModel)


async def catalogue_of(asker: Reader) -> Catalogue:
    """Return what is offered, a second or so behind the database at the most."""
    return await asker.parts.catalogue.fresh(asker.parts.engine)


def service_of(catalogue: Catalogue, service_id: str) -> Service:
    """Return the service.

    Raises:
        Refused: `service_unknown`.
    """
    service = catalogue.services.get(service_id)
    if service is None:
        raise Refused(Reason.SERVICE_UNKNOWN)
    return service


def venue_of(catalogue: Catalogue, venue_id: str) -> Venue:
    """Return the venue.

    Raises:
        Refused: `venue_unknown`.
    """
    venue = catalogue.venues.get(venue_id)
    if venue is None:
        raise Refused(Reason.VENUE_UNKNOWN)
    return venue


def is_called(wanted: str | None, *names: Words) -> bool:
    """Say whether one of `names` has `wanted` in it, in either language, whatever the case; None finds everything."""
    if wanted is None:
        return True
    part = wanted.strip().casefold()
    return any(part in name.zh.casefold() or part in name.en.casefold() for name in names)


def page_of(entries: Sequence[Entry], cursor: str | None, limit: int) -> tuple[Sequence[Entry], str | None]:
    """Return the page after the entry that `cursor` names, and the next page's cursor (None on the last page).

    Raises:
        Refused: `invalid_cursor`, also where the entry is no longer in the list.
    """
    begins = 0
    if cursor is not None:
        (last,) = decode_cursor(cursor, str)
        places = [position for position, entry in enumerate(entries) if entry.id == last]
        if not places:
            raise Refused(Reason.INVALID_CURSOR, field="/cursor")
        begins = places[0] + 1
    page = entries[begins : begins + limit]
    return page, encode_cursor(page[-1].id) if begins + limit < len(entries) else None


def before(cursor: str | None) -> UUID:
    """Return what the next page of a list by age comes before, its newest first.

    Raises:
        Refused: `invalid_cursor`.
    """
    return _NEWEST if cursor is None else decode_cursor(cursor, UUID)[0]


def page_of_rows(found: Sequence[Row], limit: int) -> tuple[Sequence[Row], str | None]:
    """Return the page, and the cursor of the next, of rows of which one more than `limit` was asked for."""
    page = found[:limit]
    return page, encode_cursor(page[-1].id) if len(found) > limit else None


def page_answer(request: Request, page_type: type[Body], items: list[Any], cursor: str | None, cache: str) -> Response:
    """Return a page of `items`, with where the next one is in `next` and in the Link header (RFC 8288)."""
    url = None if cursor is None else next_link(request, cursor)
    return answer(page_type(items=items, next=url), cache, {} if url is None else {"link": link_header(url)})


def answer(shown: BaseModel, cache: str, headers: dict[str, str] | None = None) -> Response:
    """Return `shown` as JSON."""
    named = {"content-type": "application/json", "cache-control": cache, **(headers or {})}
    return Response(shown.model_dump_json().encode(), 200, named)
