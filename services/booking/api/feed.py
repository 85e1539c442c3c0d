"""The feed: every published event in order, for a reader that missed some or met an empty broker."""

from typing import Annotated, Any

from fastapi import Query
from starlette.responses import Response

from services.booking.api.deps import BEARER, ReaderDep
from services.booking.api.problems import problems
from services.booking.domain.reason import Reason
from services.booking.store.events import read_events
from shared.codec import BATCH_MEDIA_TYPE, to_batch
from shared.contracts import BOOKING_SOURCE
from shared.feed import PAGE_MOST
from shared.refusal import Refused
from shared.sealing import same_secret
from shared.web import strict_router

router = strict_router(prefix="/api/v1", tags=["events"])

_EVENT = {
    "specversion": "1.0",
    "id": "01936f2e-7c1a-7def-8a3b-5d4c3b2a1908",
    "source": BOOKING_SOURCE,
    "type": "yuyue.booking.lapsed.v1",
    "subject": "01936f2e-7c1a-7def-8a3b-5d4c3b2a1907",
    "time": "2026-11-28T08:30:00Z",
    "datacontenttype": "application/json",
    "sequence": "0000000000000000042",
    "data": {"booking_id": "01936f2e-7c1a-7def-8a3b-5d4c3b2a1907", "version": 2, "state": "lapsed"},
}
_CLOUD_EVENT = {
    "type": "object",
    "description": "CloudEvents 1.0 in JSON; `sequence` is the event's number in this feed, padded to 19 digits.",
    "required": ["specversion", "id", "source", "type", "subject", "time", "sequence", "data"],
    "properties": {
        "specversion": {"const": "1.0"},
        "id": {"type": "string", "format": "uuid"},
        "source": {"type": "string", "format": "uri-reference"},
        "type": {"type": "string"},
        "subject": {"type": "string", "format": "uuid"},
        "time": {"type": "string", "format": "date-time"},
        "datacontenttype": {"const": "application/json"},
        "sequence": {"type": "string", "pattern": "^[0-9]{19}$"},
        "data": {"type": "object"},
    },
}
_PAGE: dict[int | str, dict[str, Any]] = {
    200: {
        "description": "Events with numbers above `after`, ascending and without a gap; an empty page is the end.",
        "content": {
            BATCH_MEDIA_TYPE: {
                "schema": {"type": "array", "items": _CLOUD_EVENT, "maxItems": PAGE_MOST},
                "example": [_EVENT],
            }
        },
    }
}


class Batch(Response):
    """A CloudEvents batch."""

    media_type = BATCH_MEDIA_TYPE


@router.get(
    "/events",
    summary="事件流 The feed of events",
    response_class=Batch,
    responses={**_PAGE, **problems(Reason.NOT_SIGNED_IN)},
    openapi_extra={"security": [{BEARER: []}]},
)
async def events(
    reader: ReaderDep,
    after: Annotated[
        int, Query(ge=0, le=2**63 - 1, description="The last number that you have; 0 for the beginning.")
    ] = 0,
    limit: Annotated[int, Query(ge=1, le=PAGE_MOST, description="Events wanted, at most.")] = 500,
) -> Batch:
    """For the notify service and partner systems. The bearer token is the installation's feed token, not an account's."""
    scheme, _, token = reader.visit.headers.get(b"authorization", "").partition(" ")
    if scheme.lower() != "bearer" or not same_secret(token, reader.parts.feed_token):
        raise Refused(Reason.NOT_SIGNED_IN)
    page = await read_events(reader.parts.engine, after, limit)
    return Batch(to_batch(page, BOOKING_SOURCE))
