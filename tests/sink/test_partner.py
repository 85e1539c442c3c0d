"""The partner that the sink plays believes a signature that our sender makes, and no other."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import uuid4

import pytest
from standardwebhooks.webhooks import Webhook

from services.notify.domain.webhook import Secret, signatures
from services.sink.main import Sink
from shared.http import ASGITransport, Client

SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
BODY = b'{"type":"yuyue.booking.confirmed.v1","data":{"booking_id":"x"}}'


@dataclass(slots=True)
class Stage:
    sink: Sink
    client: Client

    async def tell(self, headers: dict[str, str]) -> int:
        return (await self.client.post("/partner", headers=headers, content=BODY)).status_code


@pytest.fixture
async def stage(tmp_path: Path) -> AsyncIterator[Stage]:
    sink = Sink.at(tmp_path, "key", "secret")
    async with Client(transport=ASGITransport(app=sink.app()), base_url="http://sink.test") as client:
        yield Stage(sink, client)


async def test_it_shows_each_event_once_and_believes_only_what_is_signed(stage: Stage) -> None:
    now, event_id = datetime.now(UTC), uuid4()
    headers = signatures([Secret(value=SECRET, until=None)], event_id, now, BODY)
    assert await stage.tell(headers) == 401, "it knows no secret yet"
    assert (await stage.client.put("/partner", json={"secret": SECRET})).status_code == 204
    assert [await stage.tell(headers) for _ in range(2)] == [204, 204]
    [shown] = stage.sink.apps.shelf.newest(5)
    assert (shown.channel, shown.title, shown.reference) == ("webhook", "yuyue.booking.confirmed.v1", str(event_id))
    assert await stage.tell({**headers, "webhook-id": "other"}) == 401
    late = signatures([Secret(value=SECRET, until=None)], event_id, now - timedelta(minutes=6), BODY)
    assert await stage.tell(late) == 401
    theirs = Webhook(SECRET).sign("e2", now, BODY.decode())
    stamp = str(int(now.timestamp()))
    signed = {"webhook-id": "e2", "webhook-timestamp": stamp, "webhook-signature": theirs}
    assert await stage.tell(signed) == 204, "and what the independent library signs"
    assert (await stage.client.put("/partner", json=[])).status_code == 422
