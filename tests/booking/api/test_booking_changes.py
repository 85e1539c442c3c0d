"""Changing a booking that stands, over HTTP: another time."""

from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

from services.booking.api.booking_body import BookingShown
from services.booking.domain.slot import Slot
from shared.http import Response
from tests import make, world
from tests.booking.api.caller import Caller, problem
from tests.booking.api.town import at, book, person, read


async def ask(caller: Caller, path: str, body: Any, **headers: str) -> Response:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    sent = caller.headers | {"idempotency-key": f'"{uuid4()}"'} | named
    return await caller.client.post(path, json=body, headers=sent)


async def booked(api: Caller, *slots: Slot) -> tuple[Caller, dict[str, Any]]:
    """A resident with a booking of the first slot."""
    await world.put_slots(api.engine, *slots)
    resident = await api.sign_in()
    answer = await book(resident, await person(resident), str(slots[0].id))
    assert answer.status_code == 201, answer.text
    shown: dict[str, Any] = answer.json()
    return resident, shown


async def test_a_booking_moves_under_its_id_and_reference(api: Caller) -> None:
    old = make.slot(capacity=1)
    new = at(old, days=1)
    resident, before = await booked(api, old, new)
    assert before["actions"] == ["move", "cancel"]
    path = f"/api/v1/bookings/{before['id']}"
    key = f'"{uuid4()}"'
    answer = await ask(resident, f"{path}/move", {"slot_id": str(new.id)}, if_match='"1"', idempotency_key=key)
    shown = read(BookingShown, answer)
    assert (str(shown.id), shown.reference, shown.version) == (before["id"], before["reference"], 2)
    assert (shown.slot_id, shown.local_start, answer.headers["etag"]) == (new.id, "2026-11-26 16:30", '"2"')
    again = await ask(resident, f"{path}/move", {"slot_id": str(new.id)}, if_match='"1"', idempotency_key=key)
    assert again.content == answer.content, "a repeat moves nothing"
    assert (await resident.get(path)).json() == answer.json()
    entries = (await resident.get(f"{path}/history")).json()["items"]
    assert [(one["action"], one["version"]) for one in entries] == [("confirm", 1), ("move", 2)]
    types = [row["type"] for row in await api.rows("outbox")]
    assert types[-2:] == ["yuyue.booking.confirmed.v1", "yuyue.booking.moved.v1"]


async def test_a_refused_move_says_why_and_where_else_and_leaves_the_booking(api: Caller) -> None:
    old = make.slot(capacity=1)
    full, free = at(old, days=1), at(old, days=2)
    resident, before = await booked(api, old, full, free)
    neighbour = await api.sign_in("13900005678")
    answer = await book(neighbour, await person(neighbour, "210202198001011238"), str(full.id))
    path = f"/api/v1/bookings/{before['id']}"
    refused = problem(await ask(resident, f"{path}/move", {"slot_id": str(full.id)}), 409, "slot_full")
    assert answer.status_code == 201
    assert [UUID(one["slot_id"]) for one in refused["alternatives"]] == [free.id]
    assert (await resident.get(path)).json() == before
    problem(await ask(resident, f"{path}/move", {"slot_id": str(old.id)}), 409, "slot_unchanged")
    problem(await ask(resident, f"{path}/move", {"slot_id": str(uuid4())}), 404, "slot_unknown")
    problem(await ask(resident, f"{path}/move", {"slot_id": str(free.id)}, if_match='"7"'), 412, "stale_version")
    problem(await ask(neighbour, f"{path}/move", {"slot_id": str(free.id)}), 404, "booking_unknown")
    problem(await ask(resident, f"{path}/move", {"slot_id": str(free.id), "people": []}), 422, "invalid_request")
    assert (await resident.get(path)).json() == before


async def test_after_the_last_moment_the_time_stands(api: Caller) -> None:
    old = make.slot()
    resident, before = await booked(api, old, new := at(old, days=1))
    api.clock.set(old.starts_at - timedelta(minutes=59))
    resident = await api.sign_in()
    path = f"/api/v1/bookings/{before['id']}"
    problem(await ask(resident, f"{path}/move", {"slot_id": str(new.id)}), 409, "too_late_to_move")
    assert (await resident.get(path)).json()["actions"] == []
