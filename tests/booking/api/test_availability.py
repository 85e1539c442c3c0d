"""What is free, as it is listed; and that it is exactly what the desk gives out."""

import random
import secrets
from collections.abc import Sequence
from dataclasses import replace
from datetime import date, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import insert, update

from services.booking import tables
from services.booking.api.availability_body import AvailabilityShown, ServiceFree, TimeShown
from services.booking.domain.decision import Outcome
from services.booking.domain.facts import Facts
from services.booking.domain.policy import PartyKind
from services.booking.domain.reference import RANDOM_BYTES, new_reference
from services.booking.domain.request import Actor
from services.booking.domain.slot import Slot
from services.booking.store.plan_document import PlanDocument
from services.booking.store.plans import write_plans
from shared.ids import new_id
from shared.refusal import Refused
from shared.web import Answer, Page
from tests import make, world
from tests.booking.api import town
from tests.booking.api.caller import Caller, problem
from tests.world import Resident

PATH = "/api/v1/availability"
ONE = f"{PATH}?service_id=timed-entry"


async def listing(api: Caller, query: str = "") -> AvailabilityShown:
    answer = await api.get(ONE + query)
    assert answer.headers["cache-control"] == "no-store"
    shown: AvailabilityShown = town.read(AvailabilityShown, answer)
    return shown


async def search(api: Caller, query: str) -> list[ServiceFree]:
    answer = await api.get(f"{PATH}?{query}")
    assert answer.headers["cache-control"] == "no-store"
    items: list[ServiceFree] = town.read(Page[ServiceFree], answer).items
    return items


async def only_time(api: Caller, query: str = "") -> TimeShown:
    (day,) = (await listing(api, query)).days
    (one,) = day.times
    return one


async def hold(api: Caller, slot: Slot, until: datetime, *, channel: str = "online", seats: int = 1) -> None:
    """Write a hold as the desk would have; nobody has swept it since."""
    (resident,) = await world.put_residents(api.engine, 1)
    booking_id = new_id()
    booking = {
        "id": booking_id,
        "reference": new_reference(secrets.token_bytes(RANDOM_BYTES)),
        "state": "held",
        "version": 1,
        "service_id": slot.service_id,
        "slot_id": slot.id,
        "starts_at": slot.starts_at,
        "ends_at": slot.ends_at,
        "account_id": resident.account_id,
        "channel": channel,
        "party_kind": "one_person",
        "declarations": {},
        "hold_until": until,
        "extensions": 0,
        "created_at": make.NOW,
        "changed_at": make.NOW,
    }
    claim = {
        "booking_id": booking_id,
        "slot_id": slot.id,
        "person_id": resident.person_id,
        "position": 0,
        "seats": 1,
        "live": True,
        "service_id": slot.service_id,
        "venue_id": slot.venue_id,
        "kind": slot.kind,
        "starts_at": slot.starts_at,
        "ends_at": slot.ends_at,
    }
    columns = tables.slots.c
    taken = {"taken": columns.taken + seats}
    if channel == "counter":
        taken["taken_counter"] = columns.taken_counter + seats
    async with api.engine.begin() as tx:
        await tx.execute(insert(tables.bookings).values(booking))
        await tx.execute(insert(tables.claims).values(claim))
        await tx.execute(update(tables.slots).where(columns.id == slot.id).values(taken))


async def take(api: Caller, slot: Slot, **counts: int) -> None:
    async with api.engine.begin() as tx:
        await tx.execute(update(tables.slots).where(tables.slots.c.id == slot.id).values(counts))


async def publish(api: Caller, **changes: Any) -> None:
    """Put a plan into its row; its slots are the test's own matter."""
    document = PlanDocument.model_validate(town.plan(**changes))
    async with api.engine.begin() as tx:
        await write_plans(tx, [document.plan("timed-entry", 1)], "test", make.NOW)


# -- one service ----------------------------------------------------------------------------------------------------


async def test_a_free_time_shows_all_that_is_needed_to_book_it(api: Caller) -> None:
    slot = make.slot()
    await world.put_slots(api.engine, slot)
    shown = await listing(api)
    (day,) = shown.days
    (one,) = day.times
    assert (one.slot_id, one.time, one.capacity, one.places_left) == (slot.id, "16:30", 2, 2)
    assert (one.bookable, one.reason, one.words) == (True, None, None)
    assert (day.date.isoformat(), day.weekday) == ("2026-11-25", 3)
    assert (day.summary.bookable, day.summary.times, day.summary.places_left) == (True, 1, 2)
    assert shown.earliest is not None
    assert (shown.earliest.slot_id, shown.earliest.local_start) == (slot.id, "2026-11-25 16:30")
    assert shown.as_of == make.NOW
    assert shown.nothing is None
    assert one.starts_at.isoformat() == "2026-11-25T16:30:00+08:00"


async def test_a_full_time_is_shown_and_says_so(api: Caller) -> None:
    slot = make.slot()
    await world.put_slots(api.engine, slot)
    await take(api, slot, taken=2)
    one = await only_time(api)
    assert (one.bookable, one.reason, one.places_left) == (False, "slot_full", 0)
    assert one.words is not None
    assert (one.words.zh, one.words.en) == ("已约满", "Full")
    shown = await listing(api)
    assert shown.earliest is None
    assert shown.days[0].summary.reason == "slot_full"


async def test_a_hold_that_ran_out_is_free_the_instant_it_does_and_can_be_booked(api: Caller) -> None:
    slot = make.slot(capacity=1)
    await world.put_slots(api.engine, slot)
    await hold(api, slot, make.NOW + timedelta(minutes=5))
    assert (await only_time(api)).reason == "slot_full"
    api.clock.set(make.NOW + timedelta(minutes=4, seconds=59))
    assert (await only_time(api)).reason == "slot_full"
    assert (await search(api, "kind=museum"))[0].reason == "slot_full"

    api.clock.set(make.NOW + timedelta(minutes=5))
    shown = await listing(api)
    assert [(one.bookable, one.places_left) for one in shown.days[0].times] == [(True, 1)]
    assert shown.earliest is not None
    assert shown.earliest.slot_id == slot.id
    (found,) = await search(api, "kind=museum")
    assert (found.earliest and found.earliest.slot_id, found.free_dates) == (slot.id, 1)
    assert await outcome(api, slot, (await world.put_residents(api.engine, 1))[0]) == "confirmed"


async def test_a_counter_hold_that_ran_out_goes_back_to_the_counter(api: Caller) -> None:
    slot = make.slot(capacity=2, kept_counter=1)
    await world.put_slots(api.engine, slot)
    await hold(api, slot, make.NOW, channel="counter")
    assert (await only_time(api)).places_left == 1


async def test_what_is_kept_for_walk_ins_is_not_free_online(api: Caller) -> None:
    slot = make.slot(capacity=4, kept_walk_in=2, kept_counter=1)
    await world.put_slots(api.engine, slot)
    assert (await only_time(api)).places_left == 1
    await take(api, slot, taken=2, taken_walk_in=1)
    assert (await only_time(api)).reason == "slot_full"
    await take(api, slot, taken=3, taken_walk_in=3)
    assert (await only_time(api)).reason == "slot_full"


async def test_a_time_that_is_not_released_says_from_when_it_can_be_booked(api: Caller) -> None:
    slot = replace(town.at(make.slot(), days=10), bookable_from=make.NOW + timedelta(hours=3))
    await world.put_slots(api.engine, slot, replace(town.at(slot, minutes=40), bookable_from=slot.bookable_from))
    shown = await listing(api)
    (day,) = shown.days
    assert [(one.reason, one.bookable_from) for one in day.times] == [("not_released", slot.bookable_from)] * 2
    assert (day.summary.reason, day.summary.opens_at) == ("not_released", slot.bookable_from)
    api.clock.set(slot.bookable_from)
    assert (await listing(api)).days[0].summary.times == 2


async def test_a_closed_time_says_why_in_the_venues_own_words(api: Caller) -> None:
    slot = make.slot()
    await world.put_slots(api.engine, slot)
    await town.close(api.engine, slot.id, "设备检修", "Maintenance")
    one = await only_time(api)
    assert (one.reason, one.places_left) == ("slot_closed", 0)
    assert one.words is not None
    assert one.words.zh == "设备检修"
    assert (await search(api, "kind=museum"))[0].reason == "slot_closed"


async def test_times_that_passed_today_stand_among_those_to_come(api: Caller) -> None:
    noon = town.at(make.slot(), days=-2, minutes=-270)  # today, 12:00
    passed = town.at(noon, minutes=-180)
    closing = replace(town.at(noon, minutes=30), bookable_until=make.NOW)
    await world.put_slots(api.engine, passed, noon, closing)
    (day,) = (await listing(api)).days
    assert [one.reason for one in day.times] == ["slot_past", None, "booking_closed"]
    assert (day.summary.times, day.summary.places_left) == (1, 2)
    assert [one.places_left for one in day.times] == [0, 2, 0]


async def test_a_day_whose_times_are_all_over_is_not_shown(api: Caller) -> None:
    tomorrow = town.at(make.slot(), days=-1)
    await world.put_slots(api.engine, town.at(make.slot(), days=-2, minutes=-450), tomorrow)
    assert list(town.local_times(await listing(api))) == ["2026-11-24"]


async def test_places_for_a_couple(api: Caller) -> None:
    one_left = make.slot()
    one_beside_those_kept = replace(town.at(one_left, minutes=30), capacity=4, kept_walk_in=2, kept_counter=1)
    two_left = town.at(one_left, minutes=60)
    await world.put_slots(api.engine, one_left, one_beside_those_kept, two_left)
    await take(api, one_left, taken=1)
    shown = await listing(api, "&places=2")
    assert [(one.bookable, one.places_left) for one in shown.days[0].times] == [(False, 1), (False, 1), (True, 2)]
    assert shown.earliest is not None
    assert shown.earliest.slot_id == two_left.id
    (found,) = await search(api, "kind=museum&places=2")
    assert (found.earliest, found.free_dates) == (shown.earliest, 1)


async def test_a_museum_says_how_full_each_hour_is(api: Caller) -> None:
    first = make.slot(capacity=10)
    second, third = town.at(first, minutes=20), town.at(first, minutes=45)
    await world.put_slots(api.engine, first, second, third)
    await take(api, first, taken=4, taken_walk_in=3)
    await take(api, third, taken=10)
    fullness = (await listing(api)).days[0].fullness
    assert fullness is not None
    assert [(one.hour, one.taken, one.capacity) for one in fullness] == [("16:00", 4, 20), ("17:00", 10, 10)]


async def test_only_museums_say_so(api: Caller) -> None:
    await town.build(api)
    await world.put_slots(api.engine, town.court_slot("badminton-1"))
    shown = town.read(AvailabilityShown, await api.get(f"{PATH}?service_id=badminton-1"))
    assert shown.days[0].fullness is None


async def test_ten_dates_a_page_and_later_ones_behind_the_cursor(api: Caller) -> None:
    first = make.slot()
    await world.put_slots(api.engine, *(town.at(first, days=2 * number) for number in range(23)))
    seen: list[str] = []
    sizes = []
    shown = None
    path: str | None = f"{ONE}&from=2026-11-26"
    while path:
        answer = await api.get(path)
        shown = town.read(AvailabilityShown, answer)
        assert ("link" in answer.headers) == (shown.next is not None)
        assert shown.earliest.local_start == "2026-11-27 16:30"
        sizes.append(len(shown.days))
        seen += town.local_times(shown)
        path = shown.next
    assert sizes == [10, 10, 2]
    assert seen == sorted(set(seen))
    assert (seen[0], len(seen)) == ("2026-11-27", 22)
    assert shown is not None
    assert shown.listed_until.isoformat() == seen[-1]


async def test_no_cursor_that_was_not_given_out(api: Caller) -> None:
    problem(await api.get(f"{ONE}&cursor=WyJub25zZW5zZSJd"), 400, "invalid_cursor")
    problem(await api.get(f"{PATH}?kind=museum&cursor=WyJub25zZW5zZSJd"), 400, "invalid_cursor")


async def test_where_nothing_can_be_shown_it_says_why_and_until_when_hours_are_published(api: Caller) -> None:
    async def why(query: str = "") -> tuple[str, str]:
        shown = await listing(api, query)
        assert shown.days == []
        assert shown.nothing is not None
        assert "None" not in shown.nothing.words.zh + shown.nothing.words.en
        return shown.nothing.code, shown.nothing.words.zh

    assert (await why())[0] == "not_published"
    await publish(api)
    assert await why("&from=2027-01-01") == ("hours_end", "开放时间公布至 2026-12-31，之后的安排尚未公布。")
    assert await why() == ("no_hours", "近期没有开放安排（开放时间公布至 2026-12-31）。")
    assert await why("&from=2026-12-15") == ("not_listed_yet", "目前可查询至 2026-12-14 的时段，之后的时段将逐日列出。")


async def test_hours_that_were_closed_before_their_times_were_opened_are_shown_with_their_reason(api: Caller) -> None:
    monday, thursday = date(2026, 11, 23), date(2026, 11, 26)
    await publish(api, closures=[town.closure(monday, monday, until_time="18:00"), town.closure(thursday, thursday)])
    await world.put_slots(api.engine, make.slot(), town.at(make.slot(), days=2))
    shown = await listing(api)
    assert [
        (day.date.day, len(day.times), [(f"{one.opens:%H:%M}", f"{one.closes:%H:%M}") for one in day.closed])
        for day in shown.days
    ] == [
        (23, 0, [("16:30", "18:00")]),
        (25, 1, []),
        (26, 0, [("16:30", "18:30")]),
        (27, 1, []),
    ]
    assert shown.days[2].closed[0].words.zh == "设备检修"
    assert (shown.days[2].summary.reason, shown.days[2].summary.bookable) == ("slot_closed", False)


# -- the search -----------------------------------------------------------------------------------------------------


async def test_a_search_names_each_services_earliest_time_and_free_days(api: Caller) -> None:
    await town.build(api)
    first = town.court_slot("badminton-1")
    later = [town.at(first, days=days) for days in (0, 1, 1, 4, 20)]
    later[2] = town.at(later[2], minutes=60)
    full = town.court_slot("badminton-2")
    released = [replace(town.at(slot, minutes=30), bookable_from=make.NOW) for slot in later]
    await world.put_slots(api.engine, *released, full)
    await take(api, full, taken=2)
    found = await search(api, "kind=sports")
    assert [one.service.id for one in found] == list(town.COURTS)
    assert [one.free_dates for one in found] == [3, 0, 0]
    assert [one.earliest.local_start if one.earliest else None for one in found] == ["2026-11-25 17:00", None, None]
    assert [one.reason for one in found] == [None, "slot_full", None]
    assert found[0].attributes["activity"].zh == "羽毛球"
    assert (await search(api, "kind=sports&days=31"))[0].free_dates == 4
    assert (await search(api, "kind=sports&from=2026-11-26"))[0].free_dates == 2
    assert await search(api, "kind=sports&district_id=shahekou") == []
    assert await search(api, f"kind=sports&venue_id={make.VENUE}") == []
    problem(await api.get(f"{PATH}?kind=sports&venue_id=nowhere"), 404, "venue_unknown")


async def test_a_search_says_when_the_first_places_are_released(api: Caller) -> None:
    slot = replace(make.slot(), bookable_from=make.NOW + timedelta(hours=1))
    await world.put_slots(api.engine, slot, replace(town.at(slot, minutes=30), bookable_until=make.NOW))
    (found,) = await search(api, "kind=museum")
    assert (found.reason, found.opens_at, found.earliest) == ("not_released", slot.bookable_from, None)
    assert found.words is not None


async def test_a_search_is_walked_page_by_page(api: Caller) -> None:
    await town.build(api)
    await world.put_slots(api.engine, *(town.court_slot(name) for name in town.COURTS))
    path: str | None = f"{PATH}?kind=sports&limit=2"
    pages = []
    while path:
        page = town.read(Page[ServiceFree], await api.get(path))
        pages.append([one.service.id for one in page.items])
        path = page.next
    assert pages == [["badminton-1", "badminton-2"], ["table-tennis-1"]]


NO_QUESTIONS = [
    "",
    "?service_id=timed-entry&kind=museum",
    "?service_id=timed-entry&days=3",
    "?kind=museum&days=32",
    "?kind=museum&days=0",
    "?kind=museum&from=yesterday",
    "?kind=museum&from=9999-12-31",
    "?service_id=timed-entry&from=9999-12-31",
    "?service_id=timed-entry&places=0",
    "?kind=museum&colour=red",
]


async def test_what_cannot_be_asked_is_refused(api: Caller) -> None:
    for query in NO_QUESTIONS:
        problem(await api.get(PATH + query), 422, "invalid_request")
    problem(await api.get(f"{PATH}?service_id=nothing"), 404, "service_unknown")


# -- the listing and the desk ---------------------------------------------------------------------------------------


async def outcome(api: Caller, slot: Slot, *residents: Resident) -> str:
    """Ask the desk for one place for each of the residents' people; return the state or the reason."""

    def render(decided: Outcome, _facts: Facts) -> Answer:
        said = decided.reason.value if isinstance(decided, Refused) else "confirmed"
        return Answer(200, {}, said.encode())

    booker = residents[0]
    book = make.book(
        slot,
        *(one.person_id for one in residents),
        actor=Actor(booker.account_id, "resident"),
        account_id=booker.account_id,
        booking_id=new_id(),
        reference=new_reference(secrets.token_bytes(RANDOM_BYTES)),
        party_kind=PartyKind.ONE_PERSON,
    )
    return (await api.parts.desk.ask(book, render)).body.decode()


def any_slots(chance: random.Random, count: int) -> list[Slot]:
    """Slots of all sorts around now: past, closing, not released; roomy, kept for others, full."""
    starts = sorted({-20, *chance.sample(range(-600, 14 * 24 * 60, 10), count)})
    slots = []
    for start in starts:
        starts_at = make.NOW + timedelta(minutes=start)
        capacity = chance.randint(1, 4)
        kept_counter = chance.choice([0, 0, 1])
        slots.append(
            make.slot(
                starts_at=starts_at,
                ends_at=starts_at + timedelta(minutes=10),
                bookable_from=make.NOW + timedelta(minutes=chance.choice([-9000, -10, 0, 1, 60])),
                bookable_until=starts_at - timedelta(minutes=chance.choice([0, 0, 30, 20000])),
                capacity=capacity,
                kept_counter=min(kept_counter, capacity),
                kept_walk_in=chance.choice([0, 0, 1]) if capacity > kept_counter else 0,
            )
        )
    return slots


async def fill(api: Caller, chance: random.Random, slots: Sequence[Slot]) -> None:
    """Take places in some of them, close some, and leave holds in some, of which some have run out."""
    for slot in slots:
        holds = chance.randint(0, min(2, slot.capacity))
        taken = chance.randint(0, slot.capacity - holds)
        walked_in = chance.randint(0, taken)
        await take(api, slot, taken=taken, taken_walk_in=walked_in)
        for _ in range(holds):
            until = make.NOW + timedelta(seconds=chance.choice([-60, 0, 1, 60]))
            await hold(api, slot, until, channel=chance.choice(["online", "counter"]))
        if chance.random() < 0.1:
            await town.close(api.engine, slot.id, "检修", "Maintenance")


@pytest.mark.parametrize("seed", range(2))
async def test_what_is_listed_is_exactly_what_the_desk_gives_out(api: Caller, seed: int) -> None:
    """For any slot: `bookable` if and only if the desk admits, else for the same reason; and as many times as places are left."""
    chance = random.Random(seed)
    slots = any_slots(chance, 60)
    await world.put_slots(api.engine, *slots)
    await fill(api, chance, slots)
    residents = iter(await world.put_residents(api.engine, 300))
    listed: dict[UUID, TimeShown] = {}
    path: str | None = ONE
    earliest = None
    while path:
        shown = town.read(AvailabilityShown, await api.get(path))
        earliest = shown.earliest
        listed |= {one.slot_id: one for day in shown.days for one in day.times}
        path = shown.next
    bookable = [one for one in listed.values() if one.bookable]
    assert earliest is not None
    assert earliest.slot_id == min(bookable, key=lambda one: one.starts_at).slot_id
    (found,) = await search(api, "kind=museum&days=31")
    assert found.free_dates == len({one.starts_at.date() for one in bookable})
    assert found.earliest == earliest

    said: set[str] = set()
    for slot in slots:
        one = listed.get(slot.id)
        answers = [await outcome(api, slot, next(residents))]
        while answers[-1] == "confirmed":
            answers.append(await outcome(api, slot, next(residents)))
        places, reason = len(answers) - 1, answers[-1]
        said.add(answers[0])
        if one is None:  # only days that are over are left out
            assert answers == ["slot_past"]
        else:
            assert (one.bookable, one.reason or "slot_full") == (places > 0, reason)
            assert not one.bookable or one.places_left == places
    assert said >= {"confirmed", "slot_full", "not_released", "booking_closed", "slot_past", "slot_closed"}
