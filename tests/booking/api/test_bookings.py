"""Bookings over HTTP: held, extended, confirmed, cancelled, looked up; at the door; and seen by nobody else."""

from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import text

from services.booking.domain.account import Role
from services.booking.domain.slot import Slot
from shared.ids import new_id
from tests import make, world
from tests.booking.api.caller import IDENTITY_CARD, Caller, problem

BOOKINGS = "/api/v1/bookings"
DOOR = f"/api/v1/venues/{make.VENUE}"


@dataclass(frozen=True)
class Desk:
    """A signed-in resident with one saved person, and two slots on one afternoon."""

    resident: Caller
    person_id: str
    slot: Slot
    later: Slot

    async def book(self, slot: Slot | None = None, **wish: Any) -> dict[str, Any]:
        answer = await self.resident.post(BOOKINGS, self.wish(slot, **wish))
        assert answer.status_code == 201, answer.text
        body: dict[str, Any] = answer.json()
        assert answer.headers["location"] == f"{BOOKINGS}/{body['id']}"
        assert answer.headers["etag"] == f'"{body["version"]}"'
        return body

    def wish(self, slot: Slot | None = None, **wish: Any) -> dict[str, Any]:
        return {"slot_id": str((slot or self.slot).id), "people": [self.person_id], **wish}


@pytest.fixture
async def desk(api: Caller) -> Desk:
    slot = make.slot(capacity=3, kept_walk_in=1)
    shift = timedelta(hours=1)
    later = replace(slot, id=new_id(), starts_at=slot.starts_at + shift, ends_at=slot.ends_at + shift)
    later = replace(later, bookable_until=later.starts_at)
    await world.put_slots(api.engine, slot, later)
    resident = await api.sign_in()
    document = {"type": "resident_identity_card", "number": IDENTITY_CARD}
    added = await resident.post("/api/v1/people", {"name": "王小明", "relation": "self", "document": document})
    assert added.status_code == 201, added.text
    return Desk(resident, added.json()["id"], slot, later)


async def test_a_place_is_held_extended_confirmed_and_given_back(desk: Desk) -> None:
    held = await desk.book()
    assert (held["state"], held["actions"]) == ("held", ["extend", "confirm", "move", "cancel"])
    assert held["hold_until"] == "2026-11-23T10:05:00+08:00"
    assert (held["local_start"], held["cancel_by"]) == ("2026-11-25 16:30", "2026-11-25T15:30:00+08:00")
    assert held["people"] == [{"person_id": desk.person_id, "name": "王**", "relation": "self"}]
    path = f"{BOOKINGS}/{held['id']}"
    desk.resident.clock.advance(timedelta(minutes=4))
    longer = (await desk.resident.post(f"{path}/extension")).json()
    assert longer["hold_until"] == "2026-11-23T10:09:00+08:00"
    problem(await desk.resident.post(f"{path}/extension"), 409, "extensions_used")
    confirmed = (await desk.resident.post(f"{path}/confirmation")).json()
    assert (confirmed["state"], confirmed["version"], confirmed["hold_until"]) == ("confirmed", 3, None)
    cancelled = (await desk.resident.post(f"{path}/cancellation", {"reason": "下雨"})).json()
    assert (cancelled["state"], cancelled["reason"], cancelled["actions"]) == ("cancelled", "下雨", [])
    history = (await desk.resident.get(f"{path}/history")).json()["items"]
    assert [(one["version"], one["action"], one["by"]) for one in history] == [
        (1, "hold", "resident"),
        (2, "extend", "resident"),
        (3, "confirm", "resident"),
        (4, "cancel", "resident"),
    ]
    assert await world.audit(desk.resident.engine) == {"oversold": 0, "miscounted": 0, "eventless": 0}


async def test_a_hold_that_ran_out_is_shown_as_lapsed_before_any_sweep(desk: Desk) -> None:
    held = await desk.book()
    desk.resident.clock.advance(timedelta(minutes=5))
    shown = (await desk.resident.get(f"{BOOKINGS}/{held['id']}")).json()
    assert (shown["state"], shown["hold_until"], shown["actions"]) == ("lapsed", None, [])
    problem(await desk.resident.post(f"{BOOKINGS}/{held['id']}/confirmation"), 409, "hold_expired")


async def test_a_repeat_gets_the_same_bytes_and_makes_no_second_booking(desk: Desk) -> None:
    body = desk.wish(confirm=True)
    first, again = [await desk.resident.post(BOOKINGS, body, key="one wish") for _ in range(2)]
    assert (first.status_code, first.content) == (again.status_code, again.content)
    problem(await desk.resident.post(BOOKINGS, desk.wish(desk.later), key="one wish"), 422, "idempotency_key_reused")
    assert len(await desk.resident.rows("bookings")) == 1


async def test_versions_guard_against_overwriting(desk: Desk) -> None:
    booked = await desk.book(confirm=True)
    path = f"{BOOKINGS}/{booked['id']}"
    assert (await desk.resident.get(path, if_none_match='"1"')).status_code == 304
    stale = desk.resident.speaking(**{"if-match": '"7"'})
    assert problem(await stale.post(f"{path}/cancellation"), 412, "stale_version")["current_version"] == 1
    assert (await desk.resident.speaking(**{"if-match": '"1"'}).post(f"{path}/cancellation")).status_code == 200


async def test_my_bookings_come_in_pages_upcoming_first(desk: Desk) -> None:
    first, second = await desk.book(confirm=True), await desk.book(desk.later, confirm=True)
    page = (await desk.resident.get(f"{BOOKINGS}?limit=1")).json()
    assert [one["id"] for one in page["items"]] == [first["id"]]
    rest = await desk.resident.get(page["next"])
    assert [one["id"] for one in rest.json()["items"]] == [second["id"]]
    assert rest.json()["next"] is None
    desk.resident.clock.set(desk.later.ends_at + timedelta(seconds=1))
    assert (await desk.resident.get(BOOKINGS)).status_code == 401  # the token has ended meanwhile
    returned = await desk.resident.speaking().sign_in()
    past = (await returned.get(f"{BOOKINGS}?when=past")).json()["items"]
    assert [one["id"] for one in past] == [second["id"], first["id"]]


async def test_reference_and_birth_date_find_a_booking_without_an_account(desk: Desk, api: Caller) -> None:
    booked = await desk.book(confirm=True)
    typed = booked["reference"].lower().replace("-", " ")
    found = await api.post(f"{BOOKINGS}/lookup", {"reference": typed, "birth_date": "1950-01-01"})
    assert found.json()["id"] == booked["id"], found.text
    wrong = {"reference": booked["reference"], "birth_date": "1950-01-02"}
    problem(await api.post(f"{BOOKINGS}/lookup", wrong), 404, "booking_unknown")
    for _ in range(28):
        await api.post(f"{BOOKINGS}/lookup", wrong)
    refused = await api.post(f"{BOOKINGS}/lookup", wrong)
    assert problem(refused, 429, "too_many_requests")["retry_after_seconds"] > 0


async def test_nobody_else_sees_or_changes_a_booking(desk: Desk, api: Caller) -> None:
    booked = await desk.book(confirm=True)
    stranger = await api.sign_in("13900005678")
    async with api.engine.begin() as tx:
        await tx.execute(
            text(
                "INSERT INTO venues SELECT 'another-museum', 9, kind, district_id, name_zh, name_en, address_zh, address_en,"
                " step_free, sample, source FROM venues"
            )
        )
    elsewhere = await api.at_work(Role.STAFF, "elsewhere", frozenset({"another-museum"}))
    for other in (stranger, elsewhere):
        problem(await other.get(f"{BOOKINGS}/{booked['id']}"), 404, "booking_unknown")
        problem(await other.post(f"{BOOKINGS}/{booked['id']}/cancellation"), 404, "booking_unknown")
        problem(await other.get(f"{BOOKINGS}/{booked['id']}/history"), 404, "booking_unknown")


async def test_the_door_checks_in_lets_walk_ins_in_and_knows_who_is_expected(desk: Desk, api: Caller) -> None:
    booked = await desk.book(confirm=True)
    problem(await desk.resident.post(f"{DOOR}/check-ins", {"reference": booked["reference"]}), 403, "not_allowed")
    early = await api.at_work(Role.STAFF, "early-door")
    refused = problem(await early.post(f"{DOOR}/check-ins", {"reference": booked["reference"]}), 409, "check_in_early")
    assert refused["opens_at"] == "2026-11-25T16:00:00+08:00"
    api.clock.set(desk.slot.starts_at)
    door = await api.at_work(Role.STAFF, "the-door")
    expected = (await door.get(f"{DOOR}/expected")).json()
    assert [one["reference"] for one in expected["items"]] == [booked["reference"]]
    arrived = await door.post(f"{DOOR}/check-ins", {"reference": booked["reference"]})
    assert arrived.json()["state"] == "checked_in", arrived.text
    again = problem(await door.post(f"{DOOR}/check-ins", {"reference": booked["reference"]}), 409, "wrong_state")
    assert again["state"] == "checked_in"
    let_in = await door.post(f"{DOOR}/walk-ins", {"slot_id": str(desk.slot.id), "people": 2})
    assert let_in.json()["places_left"] == 0, let_in.text
    problem(await door.post(f"{DOOR}/walk-ins", {"slot_id": str(desk.slot.id), "people": 1}), 409, "slot_full")


async def test_the_counter_books_for_whoever_has_no_telephone(desk: Desk, api: Caller) -> None:
    counter = await api.at_work(Role.STAFF, "the-counter")
    document = {"type": "passport", "number": "E12345678"}
    added = await counter.post(
        "/api/v1/people",
        {"name": "Ann Lee", "relation": "client", "document": document, "birth_date": "1948-05-06"},
    )
    wish = {"slot_id": str(desk.slot.id), "people": [added.json()["id"]], "confirm": True, "channel": "counter"}
    booked = await counter.post(BOOKINGS, wish)
    assert booked.json()["channel"] == "counter", booked.text
    problem(await desk.resident.post(BOOKINGS, desk.wish(confirm=True, channel="counter")), 403, "not_allowed")
