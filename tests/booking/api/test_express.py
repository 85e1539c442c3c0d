"""The express road and the general one give the same answer to whatever is sent."""

import json
from typing import Any

import pytest

from services.booking.main import create_app
from services.booking.settings import BookingSettings
from shared.clock import SettableClock
from shared.http import ASGITransport, Client, Response
from shared.ids import new_id
from shared.web import Application
from tests import make, world
from tests.booking.api.caller import IDENTITY_CARD, Caller

PATH = "/api/v1/bookings"
JSON = {"content-type": "application/json"}
OWN = {"id", "reference", "instance", "booking_id", "location", "x-request-id", "content-length"}
"""What each answer has of its own."""


def _bodies(person_id: str, slot_id: str) -> dict[str, Any]:
    good = {"slot_id": slot_id, "people": [person_id]}
    return {
        "a hold": good,
        "a hold with a query": good,
        "no such slot": good | {"slot_id": str(new_id())},
        "not mine": good | {"people": [str(new_id())]},
        "a member unknown": good | {"colour": "red"},
        "a wrong type": good | {"people": "everybody", "confirm": "perhaps"},
        "nothing of it": {},
        "a list": [],
        "not JSON": b"{",
        "not UTF-8": b'{"slot_id": "\xff"}',
        "a name twice": b'{"slot_id": 1, "slot_id": 2}',
        "empty": b"",
        "too large": b" " * 70_000,
    }


ANOTHER = "another for each request"
HEADERS: dict[str, dict[str, str]] = {
    "as it should be": {"idempotency-key": ANOTHER} | JSON,
    "in English": {"idempotency-key": ANOTHER, "accept-language": "en"} | JSON,
    "without a key": JSON,
    "with a bad key": {"idempotency-key": "k"} | JSON,
    "as a form": {"idempotency-key": ANOTHER, "content-type": "application/x-www-form-urlencoded"},
    "not signed in": {"idempotency-key": ANOTHER, "authorization": "Bearer nobody"} | JSON,
}


@pytest.mark.parametrize("headers", list(HEADERS))
async def test_both_roads_answer_alike(api: Caller, settings: BookingSettings, headers: str) -> None:
    slot = make.slot(capacity=300)
    await world.put_slots(api.engine, slot)
    resident = await api.sign_in()
    document = {"type": "resident_identity_card", "number": IDENTITY_CARD}
    added = await resident.post("/api/v1/people", {"name": "王小明", "relation": "self", "document": document})
    bodies = _bodies(added.json()["id"], str(slot.id))
    answers: list[dict[str, Any]] = []
    for express in (True, False):
        app = create_app(settings, SettableClock(make.NOW))
        assert isinstance(app, Application)
        assert app._express
        if not express:
            app._express = {}
        async with (
            app.router.lifespan_context(app),
            Client(transport=ASGITransport(app), base_url="https://booking.example") as client,
        ):
            answers.append({})
            for name, body in bodies.items():
                content = body if isinstance(body, bytes) else json.dumps(body)
                sent = resident.headers | HEADERS[headers]
                if sent.get("idempotency-key") == ANOTHER:
                    sent["idempotency-key"] = f'"{new_id()}"'
                path = f"{PATH}?q=1" if name == "a hold with a query" else PATH
                answer = await client.post(path, content=content, headers=sent)
                answers[-1][name] = _seen(answer)
        async with api.engine.begin() as tx:
            await tx.exec_driver_sql("TRUNCATE bookings, claims, idempotency, history, outbox CASCADE")
    assert answers[0] == answers[1]


def _seen(answer: Response) -> tuple[Any, ...]:
    body = answer.json()
    shown = {name: value for name, value in body.items() if name not in OWN}
    kept = {name: value for name, value in answer.headers.items() if name not in OWN}
    return answer.status_code, kept, sorted(body), shown
