"""Hours as schedulers publish them: previewed, published, refused where they would strand somebody, closed around them."""

import asyncio
from dataclasses import dataclass, replace
from datetime import date, timedelta
from typing import Any

import pytest
from sqlalchemy import text

from services.booking.api.availability_body import AvailabilityShown
from services.booking.api.hours import Changes, HoursShown
from services.booking.api.open_days import OpenDaysShown, WeeklyHours
from services.booking.domain.account import Role
from services.booking.store.plan_document import PlanDocument
from services.booking.store.plans import write_plans
from shared.http import Response
from tests import make, world
from tests.booking.api import town
from tests.booking.api.caller import Caller, problem

HOURS = "/api/v1/services/timed-entry/hours"
LISTING = "/api/v1/availability?service_id=timed-entry"
WEDNESDAY = date(2026, 11, 25)


@dataclass
class Museum:
    """The museum's scheduler and somebody who visits it."""

    api: Caller
    scheduler: Caller
    resident: Caller
    person_id: str

    async def publish(
        self, plan: dict[str, Any], *, match: str | None = None, key: str | None = None, **more: Any
    ) -> Response:
        caller = self.scheduler.speaking(**{"if-match": match}) if match else self.scheduler
        return await caller.write("PUT", HOURS, {"plan": plan, **more}, key=key)

    async def published(self, plan: dict[str, Any], **more: Any) -> HoursShown:
        shown: HoursShown = town.read(HoursShown, await self.publish(plan, **more))
        return shown

    async def preview(self, plan: dict[str, Any], **more: Any) -> Changes:
        changes: Changes = town.read(Changes, await self.scheduler.post(f"{HOURS}/preview", {"plan": plan, **more}))
        return changes

    async def times(self, query: str = "") -> dict[str, list[str]]:
        return town.local_times(town.read(AvailabilityShown, await self.api.get(LISTING + query)))

    async def book(self, local_start: str) -> Response:
        day, _, clock = local_start.partition(" ")
        shown = town.read(AvailabilityShown, await self.api.get(f"{LISTING}&from={day}"))
        (slot_id,) = [one.slot_id for one in shown.days[0].times if one.time == clock]
        answer: Response = await town.book(self.resident, self.person_id, str(slot_id))
        return answer

    async def state(self) -> tuple[Any, ...]:
        """Everything that publishing may change."""
        async with self.api.engine.connect() as connection:
            slots = (await connection.execute(text("SELECT * FROM slots ORDER BY id"))).all()
            plans = (await connection.execute(text("SELECT service_id, version FROM plans"))).all()
        return [tuple(map(str, row)) for row in slots], [tuple(row) for row in plans]


@pytest.fixture
async def museum(api: Caller) -> Museum:
    scheduler = await api.at_work(Role.SCHEDULER, "scheduler")
    resident = await api.sign_in()
    return Museum(api, scheduler, resident, await town.person(resident))


CLOSED = town.plan(closures=[town.closure(WEDNESDAY, WEDNESDAY)])


async def test_what_is_published_is_read_back_and_opens_its_times(museum: Museum) -> None:
    problem(await museum.api.get(HOURS), 404, "not_found")
    answer = await museum.publish(town.plan())
    shown = town.read(HoursShown, answer)
    assert (shown.service_id, shown.version, answer.headers["etag"]) == ("timed-entry", 1, '"1"')
    read = await museum.api.get(HOURS)
    assert (read.json(), read.headers["etag"]) == (answer.json(), '"1"')
    unchanged = await museum.api.get(HOURS, if_none_match='"1"')
    assert (unchanged.status_code, unchanged.content) == (304, b"")
    assert shown.plan == PlanDocument.model_validate(town.plan())
    times = await museum.times()
    assert list(times)[:2] == ["2026-11-23", "2026-11-24"]
    assert set(map(tuple, times.values())) == {("16:30", "17:00", "17:30")}


async def test_what_was_read_can_be_sent_back(museum: Museum) -> None:
    await museum.published(town.plan())
    sent = (await museum.api.get(HOURS)).json()["plan"]
    assert (await museum.published(sent)).version == 2
    assert await museum.preview(sent) == (await museum.preview(town.plan()))


async def test_a_time_that_opens_can_be_booked(museum: Museum) -> None:
    await museum.published(town.plan())
    assert (await museum.book("2026-11-25 17:00")).status_code == 201


async def test_an_older_version_is_not_overwritten_by_whoever_has_not_seen_it(museum: Museum) -> None:
    problem(await museum.publish(town.plan(), match='"1"'), 412, "stale_version")
    await museum.published(town.plan())
    assert problem(await museum.publish(town.plan(), match='"2"'), 412, "stale_version")["current_version"] == 1
    assert (await museum.published(town.plan(), match='"1"')).version == 2
    problem(await museum.publish(town.plan(), match="nonsense"), 400, "if_match_invalid")
    stale = museum.scheduler.speaking(**{"if-match": '"1"'})
    problem(await stale.post(f"{HOURS}/preview", {"plan": town.plan()}), 412, "stale_version")


async def test_a_repeat_publishes_nothing_again(museum: Museum) -> None:
    first = await museum.publish(town.plan(), key="once")
    second = await museum.publish(town.plan(), key="once")
    assert (second.content, second.headers["etag"]) == (first.content, '"1"')
    problem(await museum.publish(CLOSED, key="once"), 422, "idempotency_key_reused")
    assert (await museum.api.get(HOURS)).headers["etag"] == '"1"'


async def test_only_the_venues_scheduler_and_an_administrator_publish(museum: Museum) -> None:
    await town.build(museum.api)
    elsewhere = await museum.api.at_work(Role.SCHEDULER, "elsewhere", frozenset({"lushun-museum"}))
    staff = await museum.api.at_work(Role.STAFF, "staff")
    administrator = await museum.api.at_work(Role.ADMINISTRATOR, "administrator")
    body = {"plan": town.plan()}
    for caller in (elsewhere, staff, museum.resident):
        problem(await caller.write("PUT", HOURS, body), 403, "not_allowed")
        problem(await caller.post(f"{HOURS}/preview", body), 403, "not_allowed")
    problem(await museum.api.write("PUT", HOURS, body), 401, "not_signed_in")
    problem(
        await museum.scheduler.client.put(HOURS, json=body, headers=museum.scheduler.headers),
        400,
        "idempotency_key_missing",
    )
    assert (await administrator.write("PUT", HOURS, body)).status_code == 200


WRONG_FORM: list[tuple[dict[str, Any], str]] = [
    ({"colour": "red"}, "/plan/colour"),
    ({"valid_from": "1 July"}, "/plan/valid_from"),
    ({"windows": [town.window(on_holidays="maybe")]}, "/plan/windows/0/on_holidays"),
    ({"windows": [town.window(days=[{"weekday": 1}])]}, "/plan/windows/0/days/0/weekday"),
]
WRONG_MEANING: list[tuple[dict[str, Any], str, str]] = [
    ({"windows": []}, "/plan/windows", "empty"),
    ({"windows": [town.window(), town.window()]}, "/plan/windows/1/hours/0", "overlap"),
    ({"valid_until": "2026-10-01"}, "/plan/valid_until", "validity"),
    ({"timed": {"minutes": 30, "capacity": 0}}, "/plan/timed/capacity", "capacity"),
    ({"windows": [town.window(days=[{"weekdays": [8]}])]}, "/plan/windows/0/days/0/weekdays", "weekday"),
]


async def test_a_plan_with_a_fault_is_refused_with_the_place(museum: Museum) -> None:
    for change, place in WRONG_FORM:
        refused = problem(await museum.publish(town.plan(**change)), 422, "invalid_request")
        assert refused["field"] == place
    for change, place, why in WRONG_MEANING:
        for answer in (
            await museum.publish(town.plan(**change)),
            await museum.scheduler.post(f"{HOURS}/preview", {"plan": town.plan(**change)}),
        ):
            refused = problem(answer, 422, "plan_invalid")
            assert (refused["field"], refused["why"]) == (place, why)
    problem(await museum.publish(town.plan(), notify=True), 422, "invalid_request")
    assert await museum.state() == ([], [])


async def test_no_hours_for_a_year_without_official_calendar(museum: Museum) -> None:
    refused = problem(await museum.publish(town.plan(valid_until="2027-01-01")), 422, "no_official_calendar")
    assert (refused["year"], 2026 in refused["known_years"]) == (2027, True)


async def test_nobody_who_is_booked_is_stranded(museum: Museum) -> None:
    await museum.published(town.plan())
    for start in ("2026-11-25 16:30", "2026-11-26 17:00"):
        assert (await museum.book(start)).status_code == 201
    before = await museum.state()
    later = town.plan(timed={"minutes": 30, "capacity": 2, "starts": ["17:00", "17:30"]})
    shorter = town.plan(timed={"minutes": 20, "capacity": 2, "starts": ["16:30", "17:00", "17:30"]})
    for plan, expected in (
        (later, [("2026-11-25T16:30:00+08:00", "time_gone")]),
        (CLOSED, [("2026-11-25T16:30:00+08:00", "time_gone")]),
        (shorter, [("2026-11-25T16:30:00+08:00", "end_changed"), ("2026-11-26T17:00:00+08:00", "end_changed")]),
    ):
        refused = problem(await museum.publish(plan), 409, "plan_strands_bookings")
        assert [(one["starts_at"], one["why"]) for one in refused["examples"]] == expected
        assert (refused["bookings"], refused["times"]) == (len(expected), len(expected))
        changes = await museum.preview(plan)
        assert [(one.starts_at.isoformat(), one.why) for one in changes.stranded] == expected
        assert (changes.publishable, changes.bookings_affected) == (False, len(expected))
    assert await museum.state() == before


async def test_to_keep_the_booked_is_for_closures_alone(museum: Museum) -> None:
    await museum.published(town.plan())
    await museum.book("2026-11-26 16:30")
    later = town.plan(timed={"minutes": 30, "capacity": 2, "starts": ["17:00"]}, closures=CLOSED["closures"])
    problem(await museum.publish(later, keep_booked=True), 409, "plan_strands_bookings")


async def test_a_closure_may_stop_new_bookings_and_leave_those_that_exist(museum: Museum) -> None:
    await museum.published(town.plan())
    booked = (await museum.book("2026-11-25 17:00")).json()
    changes = await museum.preview(CLOSED, keep_booked=True)
    assert (changes.publishable, changes.closed, [one.bookings for one in changes.kept]) == (True, 3, [1])
    assert (await museum.published(CLOSED, keep_booked=True)).version == 2

    shown = town.read(AvailabilityShown, await museum.api.get(LISTING + "&from=2026-11-25"))
    day = shown.days[0]
    assert [(one.time, one.reason, one.words.zh) for one in day.times] == [
        (time, "slot_closed", "设备检修") for time in ("16:30", "17:00", "17:30")
    ]
    assert day.closed == []
    problem(await museum.book("2026-11-25 17:00"), 409, "slot_closed")
    stands = (await museum.resident.get(f"/api/v1/bookings/{booked['id']}")).json()
    assert (stands["state"], stands["version"]) == ("confirmed", booked["version"])
    assert await world.audit(museum.api.engine) == {"oversold": 0, "miscounted": 0, "eventless": 0}

    assert (await museum.published(CLOSED)).version == 3, "what is kept once strands nobody again"
    await museum.published(town.plan())
    reopened = town.read(AvailabilityShown, await museum.api.get(LISTING + "&from=2026-11-25"))
    assert [(one.time, one.bookable, one.places_left) for one in reopened.days[0].times] == [
        ("16:30", True, 2),
        ("17:00", True, 1),
        ("17:30", True, 2),
    ]


async def test_a_hold_that_ran_out_keeps_no_plan_from_being_published(museum: Museum) -> None:
    await museum.published(town.plan())
    shown = town.read(AvailabilityShown, await museum.api.get(LISTING + "&from=2026-11-25"))
    slot_id = str(shown.days[0].times[0].slot_id)
    answer = await town.book(museum.resident, museum.person_id, slot_id, confirm=False)
    assert answer.json()["state"] == "held"
    problem(await museum.publish(CLOSED), 409, "plan_strands_bookings")
    museum.api.clock.advance(timedelta(minutes=5))
    assert (await museum.published(CLOSED)).version == 2


async def test_the_preview_says_what_changes_and_changes_nothing(museum: Museum) -> None:
    await museum.published(town.plan())
    before = await museum.state()
    wider = town.plan(timed={"minutes": 30, "capacity": 3, "starts": ["16:30", "17:00", "18:00"]})
    changes = await museum.preview(wider)
    days = 22  # today, fourteen days of horizon and a week's margin
    assert (changes.version, changes.publishable) == (2, True)
    assert (changes.added, changes.removed, changes.changed, changes.closed) == (days, days, 2 * days, 0)
    first = changes.changed_times[0]
    assert (first.local_start, first.capacity_before, first.capacity) == ("2026-11-23 16:30", 2, 3)
    assert changes.added_times[0].local_start == "2026-11-23 18:00"
    assert changes.removed_times[0].local_start == "2026-11-23 17:30"
    assert await museum.state() == before
    await museum.published(wider)
    assert (await museum.times())["2026-11-23"] == ["16:30", "17:00", "18:00"]


async def test_of_two_schedulers_at_once_one_hears_that_there_is_a_newer_version(museum: Museum) -> None:
    await museum.published(town.plan())
    answers = await asyncio.gather(*(museum.publish(town.plan(), match='"1"') for _ in range(5)))
    assert sorted(answer.status_code for answer in answers) == [200, 412, 412, 412, 412]
    assert (await museum.api.get(HOURS)).headers["etag"] == '"2"'


async def test_a_booking_and_a_closure_at_once_cannot_both_be_done(museum: Museum) -> None:
    """Either somebody is booked and the closure is refused, or it is closed and the booking is."""
    await museum.published(town.plan())
    seen = []
    for day in range(24, 30):
        start = date(2026, 11, day)
        shown = town.read(AvailabilityShown, await museum.api.get(f"{LISTING}&from={start}"))
        slot_id = str(shown.days[0].times[0].slot_id)
        closures = [town.closure(start, start)]
        booked, closed = await asyncio.gather(
            town.book(museum.resident, museum.person_id, slot_id), museum.publish(town.plan(closures=closures))
        )
        seen.append((booked.status_code, closed.status_code))
    assert set(seen) <= {(201, 409), (409, 200)}, seen
    assert await world.audit(museum.api.engine) == {"oversold": 0, "miscounted": 0, "eventless": 0}


async def test_what_has_begun_is_not_touched(museum: Museum) -> None:
    await museum.published(town.plan())
    museum.api.clock.set(make.NOW + timedelta(hours=7))  # 17:00: two times have begun, one is to come
    museum = replace(museum, scheduler=await museum.api.at_work(Role.ADMINISTRATOR, "administrator"))
    await museum.published(CLOSED)
    assert (await museum.times("&from=2026-11-23"))["2026-11-23"] == ["16:30", "17:00", "17:30"]
    evening = town.plan(timed={"minutes": 30, "capacity": 2, "starts": ["18:00"]})
    await museum.published(evening)
    assert (await museum.times("&from=2026-11-23"))["2026-11-23"] == ["16:30", "17:00", "18:00"]


# -- the calendar ---------------------------------------------------------------------------------------------------

MUSEUM_EVENINGS = town.plan(
    valid_from="2025-05-01",
    valid_until="2025-12-31",
    windows=[
        town.window(
            days=[
                {"weekdays": [6, 7], "within": [{"first": "2025-07-01", "last": "2025-09-30"}]},
                {"festivals": ["labour_day", "national_day"]},
            ]
        )
    ],
)


async def put_plan(api: Caller, plan: dict[str, Any], service_id: str = "timed-entry") -> None:
    async with api.engine.begin() as tx:
        await write_plans(tx, [PlanDocument.model_validate(plan).plan(service_id, 1)], "test", make.NOW)


async def open_days(api: Caller, query: str) -> OpenDaysShown:
    shown: OpenDaysShown = town.read(OpenDaysShown, await api.get(f"/api/v1/services/timed-entry/open-days{query}"))
    return shown


async def test_the_extended_days_of_2025_are_those_of_the_announcement(api: Caller) -> None:
    """[001]: every Saturday and Sunday of July to September, 1 to 5 May, 1 to 8 October; last entry 18:00, close 18:30."""
    await put_plan(api, MUSEUM_EVENINGS)
    shown = await open_days(api, "?from=2025-01-01&to=2025-12-31")
    whole_year = [date(2025, 1, 1) + timedelta(days=passed) for passed in range(365)]
    expected = [
        day
        for day in whole_year
        if (7 <= day.month <= 9 and day.isoweekday() >= 6)
        or (day.month == 5 and day.day <= 5)
        or (day.month == 10 and day.day <= 8)
    ]
    assert [one.date for one in shown.days] == expected
    assert {(f"{one.closes:%H:%M}", f"{one.last_entry:%H:%M}") for one in shown.days} == {("18:30", "18:00")}
    sunday = next(one for one in shown.days if one.date == date(2025, 9, 28))
    assert sunday.holiday is not None, "a Sunday that is worked in exchange is still a Sunday"


async def test_the_calendar_has_its_bounds(api: Caller) -> None:
    for path in ("from=2026-12-31&to=2027-01-01", "from=2027-01-01", "from=2027-06-01&to=2027-06-02"):
        problem(await api.get(f"/api/v1/services/timed-entry/open-days?{path}"), 422, "no_official_calendar")
    await put_plan(api, town.plan())
    problem(
        await api.get("/api/v1/services/timed-entry/open-days?from=2026-12-31&to=2027-01-01"),
        422,
        "no_official_calendar",
    )
    for query, why in (
        ("from=2026-02-02&to=2026-02-01", "range_reversed"),
        ("from=2025-01-01&to=2026-02-06", "range_too_long"),
    ):
        refused = problem(await api.get(f"/api/v1/services/timed-entry/open-days?{query}"), 422, "invalid_request")
        assert refused["why"] == why
    assert len((await open_days(api, "?from=2025-01-01&to=2026-02-04")).days) == 0
    api.clock.set(make.NOW + timedelta(days=20))  # a month from here would end in 2027
    assert [day.date.isoformat() for day in (await open_days(api, "")).days][-1] == "2026-12-31"


async def test_closed_days_stay_in_the_calendar_and_say_why(api: Caller) -> None:
    await put_plan(api, town.plan(closures=[town.closure(WEDNESDAY, WEDNESDAY, from_time="17:30")]))
    shown = await open_days(api, "?from=2026-11-25&to=2026-11-25")
    assert [(f"{one.opens:%H:%M}", f"{one.closes:%H:%M}", one.closure and one.closure.en) for one in shown.days] == [
        ("16:30", "17:30", None),
        ("17:30", "18:30", "Maintenance"),
    ]
    assert shown.version == 1


async def test_a_sports_venues_week_is_counted_over_its_courts(api: Caller) -> None:
    """Two courts open at once are one hour; what is charged in full does not count; 35 hours are promised [000] [004]."""
    await town.build(api)

    def daily(opens: str, closes: str, charge: str) -> dict[str, Any]:
        hours = town.window()["hours"][0] | {"opens": opens, "closes": closes, "charge": charge, "last_entry": None}
        return town.plan(timed={"minutes": 60, "capacity": 1}, windows=[town.window(hours=[hours])])

    async def week() -> WeeklyHours:
        path = f"/api/v1/venues/{town.GYM}/weekly-hours?week_of=2026-11-25"
        shown: WeeklyHours = town.read(WeeklyHours, await api.get(path))
        return shown

    assert ((await week()).short_by_minutes, (await week()).without_plan) == (2100, 3)
    await put_plan(api, daily("08:00", "10:00", "free"), "badminton-1")
    await put_plan(api, daily("09:00", "12:30", "low_charge"), "badminton-2")
    shown = await week()
    assert (shown.monday.isoformat(), shown.sunday.isoformat()) == ("2026-11-23", "2026-11-29")
    assert (shown.by_day, shown.open_minutes, shown.free_minutes) == ([270] * 7, 1890, 840)
    assert (shown.required_minutes, shown.met, shown.short_by_minutes) == (2100, False, 210)
    await put_plan(api, daily("12:00", "13:00", "free"), "table-tennis-1")
    assert ((await week()).met, (await week()).without_plan) == (True, 0)
    museum = town.read(WeeklyHours, await api.get(f"/api/v1/venues/{make.VENUE}/weekly-hours"))
    assert (museum.required_minutes, museum.met) == (0, True)
    problem(await api.get(f"/api/v1/venues/{town.GYM}/weekly-hours?week_of=2026-12-31"), 422, "no_official_calendar")
