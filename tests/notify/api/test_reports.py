"""The report of reach, delay and cost: counted from what was really delivered, for administrators alone."""

from datetime import timedelta
from decimal import Decimal
from typing import Any
from urllib.parse import quote
from uuid import UUID

import pytest

from services.notify.domain.message import Channel, Evidence, Kind
from services.notify.domain.planning import Rules
from services.notify.store import evidence
from shared.contracts import EventType
from shared.http import Response
from shared.tokens import Principal
from tests.notify.api.conftest import HOUR, Caller
from tests.notify.gateway import Answer
from tests.notify.make import NOW, booking, event
from tests.notify.town import Town


async def ask(api: Caller, since: str, until: str, role: str = "administrator") -> Response:
    token = api.signer.issue(Principal(subject=UUID(int=77), role=role), api.clock(), HOUR)
    path = f"/api/v1/reports/channels?since={quote(since)}&until={quote(until)}"
    return await api.client.get(path, headers={"authorization": f"Bearer {token}"})


async def test_it_counts_reach_delay_and_cost(api: Caller, town: Town) -> None:
    town.rules = Rules(sms_kinds=frozenset(Kind))
    town.gateway.plan = [Answer.SILENT_AFTER_TAKING, Answer.BAD_NUMBER]
    contact = town.keys.contact(email=None)
    await town.hear(*(event(EventType.BOOKING_CONFIRMED, booking(contact=contact, reminders=())) for _ in range(5)))
    town.clock.advance(timedelta(seconds=7))
    await town.delivery().drain(Channel.IN_APP)
    await town.delivery().drain(Channel.SMS)
    [row, *_] = await town.rows("SELECT id FROM messages WHERE channel = 'sms' AND state = 'sent'")
    async with town.engine.begin() as tx:
        await evidence.raise_to(tx, row.id, Evidence.READ, town.clock())
    api.parts.settings = api.parts.settings.model_copy(update={"provider_prices": {"aliyun": Decimal("4.2")}})
    since, until = NOW - timedelta(hours=1), NOW + timedelta(hours=1)
    answer = (await ask(api, since.isoformat(), until.isoformat())).json()
    found: dict[str, dict[str, Any]] = {one["channel"]: one for one in answer["items"]}
    sms = found["sms"]
    assert (sms["provider"], sms["messages"], sms["sent"], sms["doubtful"], sms["failed"]) == ("aliyun", 5, 3, 1, 1)
    assert sms["proved"] == {"accepted": 3, "delivered": 1, "shown": 1, "read": 1, "acted": 0}
    assert (sms["delay_median"], sms["delay_p99"]) == (7.0, 7.0)
    assert (sms["price_fen"], sms["cost_fen"]) == (4.2, 16.8)
    assert found["in_app"]["proved"]["delivered"] == 5
    assert answer["cost_fen"] == 16.8
    later = (await ask(api, until.isoformat(), (until + timedelta(days=1)).isoformat())).json()
    assert later["items"] == []


@pytest.mark.parametrize(
    ("since", "until", "status", "code"),
    [
        ("2026-11-02T00:00:00Z", "2026-11-01T00:00:00Z", 422, "span_invalid"),
        ("2026-11-01T00:00:00Z", "2026-11-01T00:00:00Z", 422, "span_invalid"),
        ("2026-11-01T00:00:00Z", "2026-12-03T00:00:00Z", 422, "span_invalid"),
        ("2026-11-01T00:00:00", "2026-11-02T00:00:00", 422, "invalid_request"),
    ],
)
async def test_a_span_that_is_none_is_refused(api: Caller, since: str, until: str, status: int, code: str) -> None:
    answer = await ask(api, since, until)
    assert (answer.status_code, answer.json()["code"]) == (status, code)


async def test_it_is_for_administrators_alone(api: Caller) -> None:
    answer = await ask(api, "2026-11-01T00:00:00Z", "2026-11-02T00:00:00Z", role="staff")
    assert (answer.status_code, answer.json()["code"]) == (403, "not_allowed")
