"""The feed of a service over HTTP: every published event in order, for whoever missed some or met an empty broker."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any

from fastapi import APIRouter, Query
from starlette.requests import Request
from starlette.responses import Response

from shared.codec import BATCH_MEDIA_TYPE, to_batch
from shared.contracts import Event
from shared.feed import PAGE_MOST
from shared.refusal import Refused
from shared.sealing import same_secret
from shared.web.openapi import ProblemDocs
from shared.web.reason import EdgeReason
from shared.web.routes import strict_router, visit_of

BEARER = "bearer"


@dataclass(frozen=True, slots=True, kw_only=True)
class Feed:
    """A service's feed: its `source`, what it is for, an example, how pages are read, and the secret of its readers.

    `type`, `number` and `data` are those of the example.
    """

    source: str
    description: str
    type: str
    number: int
    data: Mapping[str, Any]
    secret: Callable[[Request], str]
    read: Callable[[Request, int, int], Awaitable[Sequence[Event]]]


class Batch(Response):
    """A CloudEvents batch."""

    media_type = BATCH_MEDIA_TYPE


def feed_router(feed: Feed, docs: ProblemDocs) -> APIRouter:
    """Return the router with the one address of a feed."""
    router = strict_router(prefix="/api/v1", tags=["events"])

    @router.get(
        "/events",
        summary="事件流 The feed of events",
        description=f"{feed.description} The bearer token is the installation's feed token, not an account's.",
        response_class=Batch,
        responses={**_page(feed), **docs.responses(EdgeReason.NOT_SIGNED_IN)},
        openapi_extra={"security": [{BEARER: []}]},
    )
    async def events(
        request: Request,
        after: Annotated[
            int, Query(ge=0, le=2**63 - 1, description="The last number that you have; 0 for the beginning.")
        ] = 0,
        limit: Annotated[int, Query(ge=1, le=PAGE_MOST, description="Events wanted, at most.")] = 500,
    ) -> Batch:
        """Read a page."""
        scheme, _, token = visit_of(request).headers.get(b"authorization", "").partition(" ")
        if scheme.lower() != BEARER or not same_secret(token, feed.secret(request)):
            raise Refused(EdgeReason.NOT_SIGNED_IN)
        return Batch(to_batch(await feed.read(request, after, limit), feed.source))

    return router


def _page(feed: Feed) -> dict[int | str, dict[str, Any]]:
    event = {
        "specversion": "1.0",
        "id": "01936f2e-7c1a-7def-8a3b-5d4c3b2a1909",
        "source": feed.source,
        "type": feed.type,
        "subject": feed.data["booking_id"],
        "time": "2026-11-27T08:30:04Z",
        "datacontenttype": "application/json",
        "sequence": f"{feed.number:019d}",
        "data": dict(feed.data),
    }
    schema = {"type": "array", "items": _cloud_event(feed.source), "maxItems": PAGE_MOST}
    return {
        200: {
            "description": "Events with numbers above `after`, ascending and without a gap; an empty page is the end.",
            "content": {BATCH_MEDIA_TYPE: {"schema": schema, "example": [event]}},
        }
    }


def _cloud_event(source: str) -> dict[str, Any]:
    return {
        "type": "object",
        "description": "CloudEvents 1.0 in JSON; `sequence` is the event's number in this feed, padded to 19 digits.",
        "required": ["specversion", "id", "source", "type", "subject", "time", "sequence", "data"],
        "properties": {
            "specversion": {"const": "1.0"},
            "id": {"type": "string", "format": "uuid"},
            "source": {"const": source},
            "type": {"type": "string"},
            "subject": {"type": "string", "format": "uuid"},
            "time": {"type": "string", "format": "date-time"},
            "datacontenttype": {"const": "application/json"},
            "sequence": {"type": "string", "pattern": "^[0-9]{19}$"},
            "data": {"type": "object"},
        },
    }
