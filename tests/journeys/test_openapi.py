"""Both services over HTTP against their OpenAPI documents: no fault, and no answer that the document does not promise.

A resident, a scheduler and a stranger ask every operation. The notify service checks the same tokens with the keys
that it fetches from the booking service.
"""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from fastapi import FastAPI
from schemathesis.core.failures import FailureGroup
from starlette.responses import JSONResponse, PlainTextResponse, Response

from services.notify.main import create_app as create_notify
from services.notify.settings import NotifySettings
from shared.clock import SettableClock
from tests import make, world
from tests.booking.api import town
from tests.booking.api.caller import Caller
from tests.conftest import Databases
from tests.journeys.bad_input.stage import CITY, Stage, later, open_stage
from tests.journeys.exploring import Explorer, Found
from tests.serving import serving

EXAMPLES = 10


@dataclass(frozen=True)
class Services:
    """Where both run, and what exists there."""

    stage: Stage
    booking: str
    notify: str
    known: dict[str, list[str]]

    def explorer(self, who: Caller, **more: int) -> Explorer:
        return Explorer(who.headers, self.known, **({"examples": EXAMPLES} | more))


@pytest.fixture(scope="module")
async def services(databases: Databases, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Services]:
    booking_url, notify_url = await databases.create("booking"), await databases.create("notify")
    async with running(booking_url, notify_url, tmp_path_factory.mktemp("openapi")) as both:
        yield both
    for url in (booking_url, notify_url):
        await databases.drop(url)


@asynccontextmanager
async def running(booking_url: str, notify_url: str, folder: Path) -> AsyncIterator[Services]:
    async with open_stage(booking_url, folder) as stage:
        booking = str(stage.nobody.client.base_url).rstrip("/")
        settings = NotifySettings(
            database_url=notify_url,
            booking_url=booking,
            key_folder=folder / "keys",
            stream_seconds=0.02,
            stream_poll_seconds=0.01,
            rate_account=0,
            rate_address=0,
        )
        async with serving(create_notify(settings, SettableClock(make.NOW))) as notify:
            yield Services(stage, booking, notify, await small_world(stage))


async def small_world(stage: Stage) -> dict[str, list[str]]:
    """Open slots, save people, book; return what exists, by the names under which requests ask for it."""
    slots = [await stage.slot(capacity=40), await stage.slot_in(20, capacity=40)]
    slots += [await stage.slot(**later(make.slot(), days=days), capacity=40) for days in range(1, 4)]
    slots += [full := await stage.slot("lushun-entry", capacity=1)]
    await stage.booked(full)
    people = await stage.people(3)
    bookings = [await stage.booked(slots[0]), await stage.booked(slots[1]), await stage.held(slots[2])]
    hours = "/api/v1/services/guided-tour/hours"
    published = await stage.scheduler.write("PUT", hours, {"plan": town.plan()})
    assert published.status_code == 200, published.text
    return {
        "slot_id": [str(slot.id) for slot in slots],
        "people": people,
        "person_id": people,
        "booking_id": [one["id"] for one in bookings],
        "reference": [one["reference"] for one in bookings],
        "birth_date": ["1990-01-01"],
        "service_id": list(CITY.services),
        "venue_id": [make.VENUE, make.VENUE, make.VENUE, *CITY.venues],
        "code": ["not-signed-in", "slot-full"],
    }


def answered(found: Found) -> Counter[int]:
    """Count the statuses of all operations."""
    return sum(found.values(), Counter())


async def test_the_booking_service_answers_a_resident_as_its_document_promises(services: Services) -> None:
    wang = services.explorer(services.stage.wang, nonsense=6)
    found = await asyncio.to_thread(wang.explore, services.booking)
    assert len(found) >= 35
    for operation in (
        "POST /api/v1/bookings",
        "POST /api/v1/bookings/{booking_id}/cancellation",
        "GET /api/v1/bookings",
        "GET /api/v1/me",
    ):
        assert any(status < 300 for status in found[operation]), (operation, found[operation])
    assert {200, 201, 400, 403, 404, 409, 422} <= set(answered(found))
    assert await world.audit(services.stage.nobody.engine) == {"oversold": 0, "miscounted": 0, "eventless": 0}


async def test_the_booking_service_answers_a_scheduler_as_its_document_promises(services: Services) -> None:
    scheduler = services.explorer(services.stage.scheduler, examples=16)
    found = await asyncio.to_thread(scheduler.explore, services.booking)
    assert found["POST /api/v1/venues/{venue_id}/walk-ins"][201], found["POST /api/v1/venues/{venue_id}/walk-ins"]
    assert {200, 201, 400, 403, 404, 409, 422} <= set(answered(found))
    assert await world.audit(services.stage.nobody.engine) == {"oversold": 0, "miscounted": 0, "eventless": 0}


async def test_the_booking_service_answers_a_stranger_as_its_document_promises(services: Services) -> None:
    stranger = services.explorer(services.stage.nobody, examples=4)
    found = await asyncio.to_thread(stranger.explore, services.booking)
    assert 401 in found["GET /api/v1/me"]
    assert 200 in found["GET /api/v1/services"]


async def test_the_notify_service_answers_as_its_document_promises(services: Services) -> None:
    wang = services.explorer(services.stage.wang, examples=16)
    found = await asyncio.to_thread(wang.explore, services.notify)
    assert len(found) >= 7
    assert {200, 404, 422} <= set(answered(found))
    stranger = services.explorer(services.stage.nobody, examples=4)
    assert 401 in answered(await asyncio.to_thread(stranger.explore, services.notify))


PLANTED: dict[str, Any] = {
    "an undocumented status": lambda: JSONResponse({"value": 1}, 418),
    "an undocumented content type": lambda: PlainTextResponse("1"),
    "a body of another form": lambda: JSONResponse({"value": "one"}),
    "a fault of the server": lambda: JSONResponse({"value": 1}, 500),
}


def application(answer: Any) -> FastAPI:
    """An application whose one operation promises a number."""
    app = FastAPI()
    schema = {"type": "object", "required": ["value"], "properties": {"value": {"type": "integer"}}}
    promised: dict[int | str, Any] = {200: {"content": {"application/json": {"schema": schema}}}}

    @app.get("/planted", responses=promised, response_class=JSONResponse)
    async def planted() -> Response:
        response: Response = answer()
        return response

    return app


@pytest.mark.parametrize("fault", PLANTED)
async def test_a_planted_fault_is_found(fault: str) -> None:
    """The control: the same exploration fails where an answer is not as promised."""
    async with serving(application(PLANTED[fault])) as address:
        with pytest.raises(FailureGroup):
            await asyncio.to_thread(Explorer(examples=2).explore, address)


async def test_without_a_fault_nothing_is_found() -> None:
    async with serving(application(lambda: JSONResponse({"value": 1}))) as address:
        assert await asyncio.to_thread(Explorer(examples=2).explore, address) == {"GET /planted": {200: 1}}
