"""The feed of this service: every published event in order, for the notify service and partner systems."""

from collections.abc import Sequence

from starlette.requests import Request

from services.booking.api.deps import Container
from services.booking.api.problems import DOCS
from services.booking.store.events import read_events
from shared.contracts import BOOKING_SOURCE, Event, EventType
from shared.web.event_feed import Feed, feed_router


async def _read(request: Request, after: int, limit: int) -> Sequence[Event]:
    parts: Container = request.app.state.container
    return await read_events(parts.engine, after, limit)


def _secret(request: Request) -> str:
    parts: Container = request.app.state.container
    return parts.feed_token


_FEED = Feed(
    source=BOOKING_SOURCE,
    description="For the notify service and partner systems.",
    type=EventType.BOOKING_LAPSED.value,
    number=42,
    data={"booking_id": "01936f2e-7c1a-7def-8a3b-5d4c3b2a1907", "version": 2, "state": "lapsed"},
    secret=_secret,
    read=_read,
)

router = feed_router(_FEED, DOCS)
