"""The feed of this service: how well messages about bookings are known to have arrived, for whoever waits for it."""

from typing import Annotated, Any

from fastapi import Query
from starlette.requests import Request
from starlette.responses import Response

from services.notify.api.deps import BEARER, Container
from services.notify.api.problems import problems
from services.notify.domain.reason import Reason
from services.notify.store.evidence import read_events
from shared.codec import BATCH_MEDIA_TYPE, to_batch
from shared.contracts import NOTIFY_SOURCE, EventType
from shared.feed import PAGE_MOST
from shared.refusal import Refused
from shared.sealing import same_secret
from shared.web import Visit, strict_router

router = strict_router(prefix="/api/v1", tags=["events"])

_BOOKING = "01936f2e-7c1a-7def-8a3b-5d4c3b2a1907"
_EVENT = {
    "specversion": "1.0",
    "id": "01936f2e-7c1a-7def-8a3b-5d4c3b2a1909",
    "source": NOTIFY_SOURCE,
    "type": EventType.MESSAGE_EVIDENCE.value,
    "subject": _BOOKING,
    "time": "2026-11-27T08:30:04Z",
    "datacontenttype": "application/json",
    "sequence": "0000000000000000007",
    "data": {
        "message_id": "01936f2e-7c1a-7def-8a3b-5d4c3b2a1908",
        "booking_id": _BOOKING,
        "booking_version": 2,
        "kind": "reminder",
        "channel": "sms",
        "evidence": "delivered",
        "at": "2026-11-27T08:30:04Z",
    },
}
_CLOUD_EVENT = {
    "type": "object",
    "description": "CloudEvents 1.0 in JSON; `sequence` is the event's number in this feed, padded to 19 digits.",
    "required": ["specversion", "id", "source", "type", "subject", "time", "sequence", "data"],
    "properties": {
        "specversion": {"const": "1.0"},
        "id": {"type": "string", "format": "uuid"},
        "source": {"const": NOTIFY_SOURCE},
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
    request: Request,
    after: Annotated[
        int, Query(ge=0, le=2**63 - 1, description="The last number that you have; 0 for the beginning.")
    ] = 0,
    limit: Annotated[int, Query(ge=1, le=PAGE_MOST, description="Events wanted, at most.")] = 500,
) -> Batch:
    """For the booking service: what became of each message about a booking. The bearer token is the feed token."""
    parts: Container = request.app.state.container
    visit: Visit = request.scope["visit"]
    scheme, _, token = visit.headers.get(b"authorization", "").partition(" ")
    if scheme.lower() != "bearer" or not same_secret(token, parts.feed_token):
        raise Refused(Reason.NOT_SIGNED_IN)
    async with parts.engine.connect() as connection:
        page = await read_events(connection, after, limit)
    return Batch(to_batch(page, NOTIFY_SOURCE))
