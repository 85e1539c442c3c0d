"""Changing a booking that stands, over HTTP: another time, a smaller party, a look before cancelling, a correction."""

from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

from services.booking.api.booking_body import BookingShown
from services.booking.api.booking_changes import CancellationPreview
from services.booking.domain.account import Role
from services.booking.domain.slot import Slot
from services.booking.sweeps import Sweeps
from shared.http import Response
from tests import make, world
from tests.booking.api.caller import Caller, problem
from tests.booking.api.town import at, book, person, read

SECOND = "210202198001011238"


async def ask(caller: Caller, path: str, body: Any, **headers: str) -> Response:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    sent = caller.headers | {"idempotency-key": f'"{uuid4()}"'} | named
    return await caller.client.post(path, json=body, headers=sent)


async def book_group(resident: Caller, slot: Slot, people: list[str], **changes: Any) -> Response:
    wish = {"slot_id": str(slot.id), "people": people, "party": "group", "confirm": True} | changes
    return await resident.post("/api/v1/bookings", wish)


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
    answer = await book(neighbour, await person(neighbour, SECOND), str(full.id))
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


async def test_one_of_two_leaves_and_then_the_other(api: Caller) -> None:
    slot = make.slot()
    await world.put_slots(api.engine, slot)
    resident = await api.sign_in()
    people = [await person(resident), await person(resident, SECOND)]
    before = (await book_group(resident, slot, people)).json()
    assert before["actions"] == ["move", "cancel", "cancel_member"]
    path = f"/api/v1/bookings/{before['id']}"
    wish = {"reason": "孩子生病了"}
    problem(await ask(resident, f"{path}/members/{uuid4()}/cancellation", wish), 404, "not_in_party")
    stale = await ask(resident, f"{path}/members/{people[0]}/cancellation", wish, if_match='"9"')
    problem(stale, 412, "stale_version")
    shown = read(BookingShown, await ask(resident, f"{path}/members/{people[0]}/cancellation", wish, if_match='"1"'))
    assert ([str(one.person_id) for one in shown.people], shown.seats, shown.reason) == ([people[1]], 1, "孩子生病了")
    assert (shown.party, shown.version, [one.value for one in shown.actions]) == ("one_person", 2, ["move", "cancel"])
    shown = read(BookingShown, await ask(resident, f"{path}/members/{people[1]}/cancellation", None))
    assert (shown.state, shown.version) == ("cancelled", 3)
    types = [row["type"] for row in await api.rows("outbox")]
    assert types[-2:] == ["yuyue.booking.party_changed.v1", "yuyue.booking.cancelled.v1"]


async def test_who_left_a_hold_gives_nothing_back_again_when_it_runs_out(api: Caller) -> None:
    slot = make.slot(capacity=3)
    await world.put_slots(api.engine, slot)
    resident = await api.sign_in()
    people = [await person(resident), await person(resident, SECOND)]
    held = (await book_group(resident, slot, people, confirm=False)).json()
    left = await ask(resident, f"/api/v1/bookings/{held['id']}/members/{people[0]}/cancellation", None)
    assert (left.json()["state"], left.json()["hold_until"]) == ("held", held["hold_until"])
    assert (await book(resident, people[0], str(slot.id))).status_code == 201, "they may come by themselves"
    api.clock.advance(timedelta(minutes=6))
    shown = (await api.get("/api/v1/availability?service_id=timed-entry")).json()
    assert [one["places_left"] for day in shown["days"] for one in day["times"]] == [2]


async def test_a_couple_needs_both(api: Caller) -> None:
    slot = make.slot()
    await world.put_slots(api.engine, slot)
    resident = await api.sign_in()
    people = [await person(resident), await person(resident, SECOND)]
    couple = {"slot_id": str(slot.id), "people": people, "party": "couple", "confirm": True}
    before = (await resident.post("/api/v1/bookings", couple)).json()
    path = f"/api/v1/bookings/{before['id']}"
    assert before["actions"] == ["move", "cancel"]
    problem(await ask(resident, f"{path}/members/{people[0]}/cancellation", None), 409, "couple_needs_both")
    assert (await resident.get(path)).json() == before


async def test_what_cancelling_comes_to_is_shown_before_and_changes_nothing(api: Caller) -> None:
    slot = make.slot()
    resident, before = await booked(api, slot)
    path = f"/api/v1/bookings/{before['id']}"
    shown = read(CancellationPreview, await resident.get(f"{path}/cancellation"))
    assert (shown.possible, shown.why_not, shown.places_given_back, shown.told) == (True, None, 1, ["booker"])
    assert (shown.slot_id, shown.cancel_by) == (slot.id, slot.starts_at - timedelta(minutes=60))
    assert "costs nothing" in shown.consequence.en
    assert (await resident.get(path)).json() == before
    stranger = await api.sign_in("13900005678")
    problem(await stranger.get(f"{path}/cancellation"), 404, "booking_unknown")
    api.clock.set(slot.starts_at - timedelta(minutes=59))
    resident = await api.sign_in()
    shown = read(CancellationPreview, await resident.get(f"{path}/cancellation"))
    assert (shown.possible, shown.why_not, shown.places_given_back) == (False, "too_late_to_cancel", 0)
    assert (shown.told, "未到" in shown.consequence.zh) == ([], True)
    problem(await ask(resident, f"{path}/cancellation", None), 409, "too_late_to_cancel")


async def test_a_hold_is_given_up_and_an_end_is_an_end(api: Caller) -> None:
    slot = make.slot()
    await world.put_slots(api.engine, slot)
    resident = await api.sign_in()
    held = (await book(resident, await person(resident), str(slot.id), confirm=False)).json()
    path = f"/api/v1/bookings/{held['id']}/cancellation"
    shown = read(CancellationPreview, await resident.get(path))
    assert (shown.possible, shown.told) == (True, []), "whoever gives up a hold is told nothing"
    assert (await ask(resident, path, None)).status_code == 200
    shown = read(CancellationPreview, await resident.get(path))
    assert (shown.possible, shown.why_not) == (False, "wrong_state")
    assert "ended" in shown.consequence.en


async def test_staff_correct_a_no_show_with_a_reason_and_it_stands_in_the_history(api: Caller) -> None:
    slot = make.slot()
    resident, before = await booked(api, slot)
    path = f"/api/v1/bookings/{before['id']}"
    api.clock.set(slot.ends_at + timedelta(hours=1))
    sweeps = Sweeps(api.engine, api.parts.desk, api.clock)
    await sweeps.end_visits()
    staff = await api.at_work(Role.STAFF, "gate")
    resident = await api.sign_in()
    wish = {"reason": "闸机故障"}
    problem(await ask(resident, f"{path}/correction", wish), 403, "not_allowed")
    problem(await ask(staff, f"{path}/correction", {"reason": ""}), 422, "invalid_request")
    shown = read(BookingShown, await ask(staff, f"{path}/correction", wish, if_match='"2"'))
    assert (shown.state, shown.version) == ("checked_in", 3)
    problem(await ask(staff, f"{path}/correction", wish), 409, "wrong_state")
    entries = (await resident.get(f"{path}/history")).json()["items"]
    assert (entries[-1]["action"], entries[-1]["by"], entries[-1]["reason"]) == ("correct", "staff", "闸机故障")


async def test_after_a_week_a_no_show_stands(api: Caller) -> None:
    slot = make.slot()
    _, before = await booked(api, slot)
    api.clock.set(slot.ends_at + timedelta(days=7, seconds=1))
    await Sweeps(api.engine, api.parts.desk, api.clock).end_visits()
    staff = await api.at_work(Role.STAFF, "gate")
    refused = await ask(staff, f"/api/v1/bookings/{before['id']}/correction", {"reason": "late"})
    problem(refused, 409, "too_late_to_correct")
