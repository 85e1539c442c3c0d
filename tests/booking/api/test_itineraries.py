"""Itineraries over HTTP: what there is, plans, a plan booked whole, a plan that was lost, another plan, the door."""

from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import date, timedelta
from typing import Any
from uuid import uuid4

import pytest
from pydantic import TypeAdapter

from services.booking.api.booking_body import BookingShown
from services.booking.api.itinerary_body import ItineraryShown, PlansShown
from services.booking.domain.account import Role
from services.booking.domain.itinerary import DayWindow
from services.booking.domain.policy import Limit, LimitScope, LimitWindow, PartyKind, SeatUnit
from services.booking.domain.slot import Slot
from services.booking.main import create_app
from services.booking.settings import BookingSettings
from shared.clock import SettableClock
from shared.contracts import Words
from shared.db import create_engine
from shared.http import ASGITransport, Client, Response
from shared.sealing import Opener
from shared.web import Page
from tests import make, world
from tests.booking import itineraries
from tests.booking.api.caller import IDENTITY_CARD, Caller, problem
from tests.booking.api.town import book, person, read
from tests.booking.itineraries import BOTH, COUPLE, HER, HIM, at

SECOND = "210202198001011238"
NEIGHBOURS = ("210202197503031234", "210202197604041239")
PATH = f"/api/v1/itineraries/{COUPLE}"


def definition() -> Any:
    """The couple's visit; she is seen on days 1 to 3, counted from a date that she gives."""
    her, *others = itineraries.couple().steps
    days = DayWindow(counted_from="first_day", first=1, last=3)
    her = replace(her, days=days, preparation=Words("请带检查结果。", "Bring your results."))
    return itineraries.couple(dates=(itineraries.named("first_day"),), steps=(her, *others))


@pytest.fixture
async def api(settings: BookingSettings) -> AsyncIterator[Caller]:
    """Somebody who calls the API of a town that has the couple's visit."""
    engine = create_engine(settings.database_url, application_name="test")
    limit = Limit(scope=LimitScope.SERVICE, window=LimitWindow.DAY, most=1)
    policy = make.policy(seat_unit=SeatUnit.PARTY, limits=(limit,), horizon_days=28)
    await world.put_catalogue(engine, itineraries.catalogue(definition(), policy))
    clock = SettableClock(make.NOW)
    app = create_app(settings, clock)
    async with (
        app.router.lifespan_context(app),
        Client(transport=ASGITransport(app, client=("192.0.2.7", 4000)), base_url="https://booking.example") as client,
    ):
        parts = app.state.container
        yield Caller(client=client, engine=engine, clock=clock, parts=parts, opener=Opener(settings.key_folder))
    await engine.dispose()


async def a_morning(api: Caller, *, days: int = 1) -> dict[str, list[Slot]]:
    """Slots of Wednesday (and the days after it): her, him, and both at ten and at eleven."""
    hours = {HER: (8, 9), HIM: (8, 9), BOTH: (10, 11)}
    of = {
        key: [at(key, hour, day=itineraries.DAY + timedelta(days=day)) for day in range(days) for hour in when]
        for key, when in hours.items()
    }
    await world.put_slots(api.engine, *(slot for slots in of.values() for slot in slots))
    return of


async def two(api: Caller, phone: str = "13900001234", *numbers: str) -> tuple[Caller, dict[str, Any]]:
    """A resident, and what the two of them ask with."""
    resident = await api.sign_in(phone)
    woman, man = [await person(resident, number) for number in numbers or (IDENTITY_CARD, SECOND)]
    return resident, {"people": {"woman": woman, "man": man}, "dates": {"first_day": "2026-11-24"}}


def chosen(plan: dict[str, Any]) -> list[dict[str, Any]]:
    return [{"step": step["step"], "slot_id": step["slot_id"]} for step in plan["steps"]]


async def plans(resident: Caller, wish: dict[str, Any], **more: Any) -> dict[str, Any]:
    answer = await resident.post(f"{PATH}/plans", wish | more)
    read(PlansShown, answer)
    body: dict[str, Any] = answer.json()
    return body


async def book_plan(resident: Caller, wish: dict[str, Any], plan: dict[str, Any], **more: Any) -> Response:
    key = more.pop("key", None)
    body = {**wish, "steps": chosen(plan), "confirm": True} | more
    return await resident.post(f"{PATH}/bookings", body, key=key)


async def test_what_there_is_to_go_through(api: Caller) -> None:
    listed = read(Page[ItineraryShown], await api.get("/api/v1/itineraries"))
    assert [one.id for one in listed.items] == [COUPLE]
    assert not read(Page[ItineraryShown], await api.get("/api/v1/itineraries?venue_id=elsewhere")).items
    shown = read(ItineraryShown, await api.get(PATH))
    assert [(step.key, step.who) for step in shown.steps] == [
        (HER, ["woman"]),
        (HIM, ["man"]),
        (BOTH, ["woman", "man"]),
    ]
    assert shown.party is PartyKind.COUPLE
    assert [(one.step, one.least, one.most) for one in shown.steps[2].after] == [(HER, 15, 240), (HIM, 15, 240)]
    problem(await api.get("/api/v1/itineraries/no-such"), 404, "itinerary_unknown")


async def test_three_plans_of_which_one_is_booked_whole(api: Caller) -> None:
    of = await a_morning(api)
    resident, wish = await two(api)
    found = await plans(resident, wish)
    assert [plan["best_for"] for plan in found["plans"]] == ["shortest_stay", "earliest", "least_waiting"]
    assert found["whole"] is True
    assert found["obstacles"] == []
    assert (found["since"], found["until"]) == ("2026-11-23", "2026-12-20")
    best = found["plans"][0]
    assert [(step["step"], step["local_start"]) for step in best["steps"]] == [
        (HER, "2026-11-25 09:00"),
        (HIM, "2026-11-25 09:00"),
        (BOTH, "2026-11-25 10:00"),
    ]
    assert (best["stay_minutes"], best["waiting_minutes"]) == (90, 60)
    answer = await book_plan(resident, wish, best)
    assert answer.status_code == 201, answer.text
    shown = TypeAdapter(BookingShown).validate_json(answer.content)
    assert shown.itinerary is not None
    assert [(step.step, step.slot_id) for step in shown.itinerary.steps] == [
        (HER, of[HER][1].id),
        (HIM, of[HIM][1].id),
        (BOTH, of[BOTH][0].id),
    ]
    assert [str(one.person_id) for one in shown.people] == list(wish["people"].values())
    assert (shown.party, shown.seats, shown.ends_at) == (PartyKind.COUPLE, 3, of[BOTH][0].ends_at)
    assert shown.itinerary.steps[0].preparation == Words("请带检查结果。", "Bring your results.")
    assert (await resident.get(answer.headers["location"])).json() == answer.json()
    (told,) = [row["data"] for row in await api.rows("outbox") if row["type"] == "yuyue.booking.confirmed.v1"]
    assert [one["local_start"] for one in told["steps"]] == ["2026-11-25 09:00", "2026-11-25 09:00", "2026-11-25 10:00"]
    assert (await plans(resident, wish))["plans"] == [], "their limit for the day is reached"


async def test_plans_leave_out_what_the_two_have_elsewhere_and_days_that_make_no_sense(api: Caller) -> None:
    of = await a_morning(api, days=5)
    resident, wish = await two(api)
    other = at("timed-entry", 10)
    await world.put_slots(api.engine, other)
    assert (await book(resident, wish["people"]["man"], str(other.id))).status_code == 201
    found = await plans(resident, wish)
    allowed = {"2026-11-25", "2026-11-26"}
    days = {step["local_start"][:10] for plan in found["plans"] for step in plan["steps"]}
    assert days <= allowed, "days 1 to 3 from the 24th, and none of the 24th is left"
    joint = {step["slot_id"] for plan in found["plans"] for step in plan["steps"] if step["step"] == BOTH}
    assert str(of[BOTH][0].id) not in joint, "he is at the museum at ten"
    late = await plans(resident, {**wish, "dates": {"first_day": "2026-12-24"}})
    assert late["plans"] == []
    assert [(one["step"], one["code"]) for one in late["obstacles"]] == [(HER, "step_unfit")]
    assert (await plans(resident, wish, since="2026-12-20", days=3))["obstacles"][0]["code"] is None


async def test_a_plan_that_is_lost_is_refused_with_plans_as_they_are_now(api: Caller) -> None:
    of = await a_morning(api)
    first, wish = await two(api)
    best = (await plans(first, wish))["plans"][0]
    other, theirs = await two(api, "13900005678", *NEIGHBOURS)
    assert (await book_plan(other, theirs, best)).status_code == 201
    key = str(uuid4())
    answer = await book_plan(first, wish, best, key=key)
    refused = problem(answer, 409, "slot_full")
    assert refused["field"] == "/steps/0/slot_id"
    assert refused["step"] == HER
    fresh = refused["plans"]
    assert fresh
    assert {step["slot_id"] for plan in fresh for step in plan["steps"]}.isdisjoint(
        {one["slot_id"] for one in chosen(best)}
    )
    assert (await book_plan(first, wish, best, key=key)).content == answer.content, "a repeat gets the same answer"
    problem(await book_plan(first, wish, fresh[0], key=key), 422, "idempotency_key_reused")
    assert [row["itinerary_id"] for row in await api.rows("bookings")] == [COUPLE], "nothing was kept of the lost one"
    assert (await book_plan(first, wish, fresh[0])).status_code == 201
    assert all(slot.capacity == 1 for slot in of[BOTH])
    taken = sorted(row["taken"] for row in await api.rows("slots"))
    assert taken == [1] * 6


async def test_a_hold_is_confirmed_and_a_repeat_books_once(api: Caller) -> None:
    await a_morning(api)
    resident, wish = await two(api)
    best = (await plans(resident, wish))["plans"][0]
    key = str(uuid4())
    answers = [await book_plan(resident, wish, best, key=key, confirm=False) for _ in range(2)]
    assert answers[0].content == answers[1].content
    held = answers[0].json()
    assert (held["state"], held["actions"]) == ("held", ["extend", "confirm", "move", "cancel"])
    confirmed = await resident.post(f"/api/v1/bookings/{held['id']}/confirmation")
    assert confirmed.json()["state"] == "confirmed"
    assert len(confirmed.json()["itinerary"]["steps"]) == 3
    assert len(await api.rows("bookings")) == 1


async def test_it_moves_to_another_plan_and_not_to_a_slot(api: Caller) -> None:
    of = await a_morning(api, days=2)
    resident, wish = await two(api)
    best = (await plans(resident, wish))["plans"][0]
    booked = (await book_plan(resident, wish, best)).json()
    path = f"/api/v1/bookings/{booked['id']}"
    problem(await resident.post(f"{path}/move", {"slot_id": str(of[BOTH][3].id)}), 409, "itinerary_whole")
    woman = wish["people"]["woman"]
    problem(await resident.post(f"{path}/members/{woman}/cancellation"), 409, "couple_needs_both")
    problem(await resident.post(f"{path}/plan", {"steps": chosen(best)}), 409, "slot_unchanged")
    found = await plans(resident, wish, booking_id=booked["id"])
    assert chosen(best) in [chosen(plan) for plan in found["plans"]], "its own places do not count against it"
    late = [step | {"slot_id": str(of[BOTH][1].id)} if step["step"] == BOTH else step for step in chosen(best)]
    moved = read(BookingShown, await resident.post(f"{path}/plan", {"steps": late}))
    assert (moved.version, moved.reference, moved.ends_at) == (2, booked["reference"], of[BOTH][1].ends_at)
    neighbour, theirs = await two(api, "13900005678", *NEIGHBOURS)
    problem(await neighbour.post(f"{path}/plan", {"steps": chosen(best)}), 404, "booking_unknown")
    thursday = {**theirs, "dates": {"first_day": "2026-11-26"}}
    theirs_booked = await book_plan(neighbour, thursday, (await plans(neighbour, thursday))["plans"][0])
    assert theirs_booked.status_code == 201
    gone = [{"step": step["step"], "slot_id": step["slot_id"]} for step in theirs_booked.json()["itinerary"]["steps"]]
    refused = problem(await resident.post(f"{path}/plan", {"steps": gone}), 409, "slot_full")
    assert refused["plans"]
    assert (await resident.get(path)).json()["version"] == 2
    plain = await book(resident, woman, str((await _free(api)).id))
    problem(await resident.post(f"/api/v1/bookings/{plain.json()['id']}/plan", {"steps": gone}), 409, "no_itinerary")


async def _free(api: Caller) -> Slot:
    slot = at("timed-entry", 18, day=date(2026, 11, 27))
    await world.put_slots(api.engine, slot)
    return slot


async def test_the_door_knows_it_by_any_of_its_steps(api: Caller) -> None:
    of = await a_morning(api)
    resident, wish = await two(api)
    booked = (await book_plan(resident, wish, (await plans(resident, wish))["plans"][0])).json()
    of_both = next(slot for slot in of[BOTH] if str(slot.id) == booked["itinerary"]["steps"][2]["slot_id"])
    api.clock.set(of_both.starts_at - timedelta(minutes=30))
    staff = await api.at_work(Role.STAFF, "door")
    listed = (await staff.get(f"/api/v1/venues/{make.VENUE}/expected?day=2026-11-25")).json()
    assert [(one["id"], len(one["itinerary"]["steps"])) for one in listed["items"]] == [(booked["id"], 3)]
    door, paths = f"/api/v1/venues/{make.VENUE}/check-ins", f"/api/v1/bookings/{booked['id']}"
    unknown = problem(
        await staff.post(door, {"reference": booked["reference"], "step": "dentist"}), 422, "step_unknown"
    )
    assert (unknown["field"], unknown["steps"]) == (
        "/step",
        ", ".join(one["step"] for one in booked["itinerary"]["steps"]),
    )
    inside = read(BookingShown, await staff.post(door, {"reference": booked["reference"], "step": BOTH}))
    assert (inside.state.value, inside.version) == ("checked_in", 2)
    assert inside.itinerary is not None
    steps = {one.step: one for one in inside.itinerary.steps}
    assert (steps[BOTH].met_at, steps[BOTH].missed) == (of_both.starts_at - timedelta(minutes=30), False)
    assert set(steps[BOTH].out_of_order) == {HER, HIM}, "told, not refused"
    assert steps[BOTH].check_in.opens_at == of_both.starts_at - timedelta(minutes=30)
    again = problem(await staff.post(door, {"reference": booked["reference"], "step": BOTH}), 409, "step_met")
    assert again["met_at"] == steps[BOTH].met_at.isoformat()
    told = (await staff.get(f"{paths}/history")).json()["items"]
    assert [(one["action"], one["step"], one["by"]) for one in told] == [
        ("confirm", None, "resident"),
        ("check_in", BOTH, "staff"),
    ]
    api.clock.set(of_both.starts_at + timedelta(minutes=31))
    staff = await api.at_work(Role.STAFF, "evening")
    shown = read(BookingShown, await staff.get(paths))
    assert shown.itinerary is not None
    assert {one.step: one.missed for one in shown.itinerary.steps} == {HER: True, HIM: True, BOTH: False}
    await correct_steps(staff, paths)


async def correct_steps(staff: Caller, path: str) -> None:
    """She was there after all, and nobody was at the joint step."""
    key = str(uuid4())
    her, both = (f"{path}/steps/{step}/correction" for step in (HER, BOTH))
    problem(await staff.post(her, {"attended": True, "reason": ""}), 422, "invalid_request")
    answer = await staff.post(her, {"attended": True, "reason": "扫码枪故障"}, key=key)
    shown = read(BookingShown, answer)
    assert shown.itinerary is not None
    steps = {one.step: one for one in shown.itinerary.steps}
    assert (shown.state.value, shown.version, answer.headers["etag"]) == ("checked_in", 3, '"3"')
    assert (steps[HER].met_at, steps[HER].missed) == (steps[HER].starts_at, False)
    assert steps[BOTH].out_of_order == [HIM], "what was told at the door is told anew"
    assert (await staff.post(her, {"attended": True, "reason": "扫码枪故障"}, key=key)).content == answer.content
    again = problem(await staff.post(her, {"attended": True, "reason": "扫码枪故障"}), 409, "step_met")
    assert again["met_at"] == steps[HER].starts_at.isoformat()
    wish = {"attended": False, "reason": "误扫他人预约码"}
    sent = {**staff.headers, "idempotency-key": f'"{uuid4()}"', "if-match": '"2"'}
    problem(await staff.client.post(both, json=wish, headers=sent), 412, "stale_version")
    assert read(BookingShown, await staff.post(both, wish)).state.value == "checked_in", "she came"
    gone = read(BookingShown, await staff.post(her, wish))
    assert (gone.state.value, gone.reason) == ("confirmed", "误扫他人预约码")
    problem(await staff.post(her, wish), 409, "step_not_met")
    told = (await staff.get(f"{path}/history")).json()["items"][2:]
    assert [(one["action"], one["step"], one["by"], one["reason"]) for one in told] == [
        ("correct_step", HER, "staff", "扫码枪故障"),
        ("take_back_step", BOTH, "staff", "误扫他人预约码"),
        ("take_back", HER, "staff", "误扫他人预约码"),
    ]


async def test_what_is_missing_or_not_known_is_named(api: Caller) -> None:
    await a_morning(api)
    resident, wish = await two(api)
    best = (await plans(resident, wish))["plans"][0]
    woman = wish["people"]["woman"]
    nobody = problem(
        await resident.post(f"{PATH}/plans", {**wish, "people": {"woman": woman}}), 422, "itinerary_incomplete"
    )
    assert (nobody["field"], nobody["missing"]) == ("/people", "man")
    child = {**wish, "people": {**wish["people"], "child": woman}}
    assert problem(await resident.post(f"{PATH}/plans", child), 422, "itinerary_incomplete")["field"] == "/people/child"
    undated = problem(await resident.post(f"{PATH}/plans", {**wish, "dates": {}}), 422, "itinerary_incomplete")
    assert (undated["field"], undated["missing"]) == ("/dates", "first_day")
    twice = {**best, "steps": [*best["steps"], best["steps"][0]]}
    assert problem(await book_plan(resident, wish, twice), 422, "itinerary_incomplete")["field"] == "/steps/3/step"
    short = {**best, "steps": best["steps"][:2]}
    assert problem(await book_plan(resident, wish, short), 422, "itinerary_incomplete")["missing"] == BOTH
    swapped = [
        {"step": one["step"], "slot_id": other["slot_id"]}
        for one, other in zip(best["steps"], best["steps"][::-1], strict=True)
    ]
    body = {**wish, "steps": swapped}
    unfit = problem(await resident.post(f"{PATH}/bookings", body), 409, "step_unfit")
    assert (unfit["why"], unfit["field"], len(unfit["plans"])) == ("step_service", "/steps/0/slot_id", 3)
    alone = problem(
        await book_plan(resident, {**wish, "people": {"woman": woman, "man": woman}}, best), 422, "person_twice"
    )
    assert (alone["field"], "plans" in alone) == ("/people/man", False)
    problem(await api.post(f"{PATH}/plans", wish), 401, "not_signed_in")
    problem(await resident.post("/api/v1/itineraries/no-such/plans", wish), 404, "itinerary_unknown")
    problem(await resident.post(f"{PATH}/plans", {**wish, "days": 32}), 422, "invalid_request")
