"""The door, the hours and the lists: the wrong venue, the wrong moment, a plan that cannot be."""

from typing import Any

from services.booking.domain.reason import Reason
from tests import make
from tests.booking.api import town
from tests.journeys.bad_input.bookings import BOOKINGS, NEVER_GIVEN, shown
from tests.journeys.bad_input.case import Arrange, Ask, Case, ask
from tests.journeys.bad_input.stage import LUSHUN, Stage, unknown_id

DOOR, LUSHUN_DOOR = f"/api/v1/venues/{make.VENUE}", f"/api/v1/venues/{LUSHUN}"
HOURS = "/api/v1/services/timed-entry/hours"


def check_in(minutes: int, *, door: str = DOOR, who: str = "staff", after: int = 0, **told: str) -> Arrange:
    """Check in a booking that starts so many minutes from now, once some have passed; `told` are facts of the answer."""

    async def arrange(stage: Stage) -> Ask:
        booked = await stage.booked(await stage.slot_in(minutes))
        stage.pass_minutes(after)
        body = {"reference": booked["reference"]}
        return Ask(who=getattr(stage, who), method="POST", path=f"{door}/check-ins", body=body, facts=told)

    return arrange


async def early(stage: Stage) -> Ask:
    slot = await stage.slot_in(31)
    booked = await stage.booked(slot)
    facts = {"opens_at": shown(make.NOW.replace(minute=1))}
    return Ask(
        who=stage.staff, method="POST", path=f"{DOOR}/check-ins", body={"reference": booked["reference"]}, facts=facts
    )


async def late(stage: Stage) -> Ask:
    booked = await stage.booked(await stage.slot_in(5))
    stage.pass_minutes(36)
    facts = {"closed_at": shown(make.NOW.replace(minute=35))}
    return Ask(
        who=stage.staff, method="POST", path=f"{DOOR}/check-ins", body={"reference": booked["reference"]}, facts=facts
    )


async def checked_in_already(stage: Stage) -> Ask:
    booked = await stage.booked(await stage.slot_in(5))
    body = {"reference": booked["reference"].lower()}
    assert (await stage.staff.post(f"{DOOR}/check-ins", body)).status_code == 200
    return Ask(who=stage.staff, method="POST", path=f"{DOOR}/check-ins", body=body)


async def cancelled_before(stage: Stage) -> Ask:
    booked = await stage.booked(await stage.slot_in(90))
    assert (await stage.wang.post(f"{BOOKINGS}/{booked['id']}/cancellation")).status_code == 200
    body = {"reference": booked["reference"]}
    return Ask(who=stage.staff, method="POST", path=f"{DOOR}/check-ins", body=body)


def walk_ins(people: Any, *, minutes: int = -5, door: str = DOOR, who: str = "staff", **slot: Any) -> Arrange:
    """Let people into a slot of the museum that began five minutes ago."""

    async def arrange(stage: Stage) -> Ask:
        made = await stage.slot_in(minutes, **slot)
        body = {"slot_id": str(made.id), "people": people}
        return Ask(who=getattr(stage, who), method="POST", path=f"{door}/walk-ins", body=body)

    return arrange


def publish(
    plan: dict[str, Any], *, who: str = "scheduler", service_id: str = "timed-entry", **headers: str
) -> Arrange:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return ask(who, "PUT", f"/api/v1/services/{service_id}/hours", {"plan": plan}, headers=named)


async def strands(stage: Stage) -> Ask:
    assert (await stage.scheduler.write("PUT", HOURS, {"plan": town.plan()})).status_code == 200
    slot = next(one for one in await stage.nobody.rows("slots") if one["starts_at"] > make.NOW)
    person = await stage.person()
    wish = {"slot_id": str(slot["id"]), "people": [person], "confirm": True}
    assert (await stage.wang.post(BOOKINGS, wish)).status_code == 201
    fewer = town.plan(timed={"minutes": 30, "capacity": 2, "starts": ["18:00"]})
    return Ask(who=stage.scheduler, method="PUT", path=HOURS, body={"plan": fewer})


async def plan_overtaken(stage: Stage) -> Ask:
    for _ in range(2):
        assert (await stage.scheduler.write("PUT", HOURS, {"plan": town.plan()})).status_code == 200
    body, facts = {"plan": town.plan()}, {"current_version": 2}
    return Ask(who=stage.scheduler, method="PUT", path=HOURS, body=body, headers={"if-match": '"1"'}, facts=facts)


R = Reason
THERE = {"venue_id": make.VENUE, "venue_zh": "大连博物馆", "venue_en": "Dalian Museum"}
NEXT_YEAR = town.plan(valid_from="2027-01-01", valid_until="2027-12-31")
BACKWARDS = town.plan(valid_from="2026-12-31", valid_until="2026-11-01")
NEVER_OPEN = town.plan(windows=[town.window(hours=[{**town.window()["hours"][0], "closes": "16:00"}])])
EIGHTH_DAY = town.plan(windows=[town.window(days=[{"weekdays": [8]}])])

CASES = [
    Case("a booking for another venue", 409, R.WRONG_VENUE, check_in(5, door=LUSHUN_DOOR, who="staff_elsewhere"), facts=THERE),
    Case("staff at a door that is not theirs", 403, R.NOT_ALLOWED, check_in(5, who="staff_elsewhere")),
    Case("a resident at the staff's side of the door", 403, R.NOT_ALLOWED, check_in(5, who="wang")),
    Case("checking in too early", 409, R.CHECK_IN_EARLY, early),
    Case("checking in too late", 409, R.CHECK_IN_LATE, late),
    Case("checking in twice", 409, R.WRONG_STATE, checked_in_already, facts={"state": "checked_in", "action": "check_in"}),
    Case("checking in what was cancelled", 409, R.WRONG_STATE, cancelled_before, facts={"state": "cancelled"}),
    Case("a reference that nothing has", 404, R.BOOKING_UNKNOWN, ask("staff", "POST", f"{DOOR}/check-ins", {"reference": NEVER_GIVEN})),
    Case("a reference of one letter", 422, R.INVALID_REQUEST, ask("staff", "POST", f"{DOOR}/check-ins", {"reference": "7"}), "/reference", "string_too_short"),
    Case("nobody walks in", 422, R.INVALID_REQUEST, walk_ins(0), "/people", "greater_than_equal"),
    Case("half a person walks in", 422, R.INVALID_REQUEST, walk_ins(1.5), "/people", "int_from_float"),
    Case("more walk in than the hall takes", 409, R.SLOT_FULL, walk_ins(3), "/slot_id", facts={"places_left": 2, "places_asked": 3}),
    Case("walking in when it is over", 409, R.SLOT_PAST, walk_ins(1, minutes=-31), "/slot_id"),
    Case("walking into an unknown slot", 404, R.SLOT_UNKNOWN, ask("staff", "POST", f"{DOOR}/walk-ins", {"slot_id": unknown_id(), "people": 1}), "/slot_id"),
    Case("letting people into another museum's slot", 403, R.NOT_ALLOWED, walk_ins(1, service_id="lushun-entry")),
    Case("hours of 2027", 422, R.NO_OFFICIAL_CALENDAR, publish(NEXT_YEAR), facts={"year": 2027}),
    Case("a plan that ends before it begins", 422, R.PLAN_INVALID, publish(BACKWARDS), "/plan/valid_until"),
    Case("hours that close before they open", 422, R.PLAN_INVALID, publish(NEVER_OPEN), "/plan/windows/0/hours/0/closes"),
    Case("an eighth day of the week", 422, R.PLAN_INVALID, publish(EIGHTH_DAY), "/plan/windows/0/days/0/weekdays", facts={"why": "weekday"}),
    Case("a plan that strands somebody", 409, R.PLAN_STRANDS_BOOKINGS, strands, facts={"bookings": 1}),
    Case("a plan overtaken by another", 412, R.STALE_VERSION, plan_overtaken),
    Case("hours of a museum that is not theirs", 403, R.NOT_ALLOWED, publish(town.plan(), who="scheduler_elsewhere")),
    Case("hours of an unknown service", 404, R.SERVICE_UNKNOWN, publish(town.plan(), service_id="karaoke")),
    Case("an unknown service", 404, R.SERVICE_UNKNOWN, ask("nobody", "GET", "/api/v1/services/karaoke")),
    Case("an unknown venue", 404, R.VENUE_UNKNOWN, ask("nobody", "GET", "/api/v1/venues/karaoke")),
    Case("the times of an unknown service", 404, R.SERVICE_UNKNOWN, ask("nobody", "GET", "/api/v1/availability?service_id=karaoke")),
    Case("times from a day that is none", 422, R.INVALID_REQUEST, ask("nobody", "GET", "/api/v1/availability?service_id=timed-entry&from=2026-02-30"), "?from", "date_from_datetime_parsing"),
    Case("times by service and by kind at once", 422, R.INVALID_REQUEST, ask("nobody", "GET", "/api/v1/availability?service_id=timed-entry&kind=museum"), "?kind", "not_together"),
    Case("the list of a day that is none", 422, R.INVALID_REQUEST, ask("staff", "GET", f"{DOOR}/expected?day=tomorrow"), "?day", "date_from_datetime_parsing"),
]  # fmt: skip
