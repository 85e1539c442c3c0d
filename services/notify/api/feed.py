"""The feed of this service: how well messages about bookings are known to have arrived, for whoever waits for it."""

from collections.abc import Sequence

from starlette.requests import Request

from services.notify.api.deps import Container
from services.notify.api.problems import DOCS
from services.notify.store.evidence import read_events
from shared.contracts import NOTIFY_SOURCE, Event, EventType
from shared.web.event_feed import Feed, feed_router


async def _read(request: Request, after: int, limit: int) -> Sequence[Event]:
    parts: Container = request.app.state.container
    async with parts.engine.connect() as connection:
        return await read_events(connection, after, limit)


def _secret(request: Request) -> str:
    parts: Container = request.app.state.container
    return parts.feed_token


_FEED = Feed(
    source=NOTIFY_SOURCE,
    description="For the booking service: what became of each message about a booking.",
    type=EventType.MESSAGE_EVIDENCE.value,
    number=7,
    data={
        "message_id": "01936f2e-7c1a-7def-8a3b-5d4c3b2a1908",
        "booking_id": "01936f2e-7c1a-7def-8a3b-5d4c3b2a1907",
        "booking_version": 2,
        "kind": "reminder",
        "channel": "sms",
        "evidence": "delivered",
        "at": "2026-11-27T08:30:04Z",
    },
    secret=_secret,
    read=_read,
)

router = feed_router(_FEED, DOCS)
