"""Wishes that read well and cannot be granted: the slot, the party, the rules of the service, the state of the booking."""

from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import date, datetime, timedelta
from typing import Any

from services.booking.domain.reason import Reason
from services.booking.domain.reference import RANDOM_BYTES, new_reference
from services.booking.domain.slot import Slot
from shared.clock import SHANGHAI
from tests import make
from tests.journeys.bad_input.case import Arrange, Ask, Case, ask
from tests.journeys.bad_input.stage import Stage, later, unknown_id

BOOKINGS = "/api/v1/bookings"
CHILD, ADULT, ELDER = date(2012, 5, 1), date(1990, 1, 1), date(1950, 1, 1)
NEEDS = {"difficulty_category": "特困人员", "registered_subdistrict": "taoyuan"}
IDENTITY_CARDS = {"document_type": "passport", "accepted": "resident_identity_card"}


def shown(moment: datetime) -> str:
    """Return a moment as answers write it."""
    return moment.astimezone(SHANGHAI).isoformat()


def as_alternative(slot: Slot) -> dict[str, str]:
    return {"slot_id": str(slot.id), "starts_at": shown(slot.starts_at)}


def wish(stage: Stage, slot: Slot, people: list[str], facts: dict[str, Any] | None = None, **more: Any) -> Ask:
    body = {"slot_id": str(slot.id), "people": people, "confirm": True} | more
    return Ask(who=stage.wang, method="POST", path=BOOKINGS, body=body, facts=facts or {})


def for_one(make_slot: Callable[[Stage], Awaitable[Slot]], *told: str) -> Arrange:
    """A wish for one person and this slot; the answer must tell these moments of it, and the nearest free time."""

    async def arrange(stage: Stage) -> Ask:
        slot = await make_slot(stage)
        free = await stage.slot(**(later(make.slot(), days=1)))
        facts = {name: shown(getattr(slot, name)) for name in told}
        return wish(stage, slot, [await stage.person()], facts | {"alternatives": [as_alternative(free)]})

    return arrange


async def full(stage: Stage) -> Slot:
    slot = await stage.slot(capacity=1)
    await stage.booked(slot, await stage.person())
    return slot


async def closed(stage: Stage) -> Slot:
    slot = await stage.slot()
    await stage.close(slot)
    return slot


def party(kind: str, born: list[date], service_id: str = "timed-entry", **more: Any) -> Arrange:
    """A wish for people born then, as this kind of party."""

    async def arrange(stage: Stage) -> Ask:
        slot = await stage.slot(service_id)
        return wish(stage, slot, [await stage.person(one) for one in born], party=kind, **more)

    return arrange


async def person_twice(stage: Stage) -> Ask:
    one, other = await stage.people(2)
    return wish(stage, await stage.slot(), [one, other, one], party="group")


async def somebody_else_s_person(stage: Stage) -> Ask:
    mine, theirs = await stage.person(), await stage.person(whose=stage.li)
    return wish(stage, await stage.slot(), [mine, theirs], party="group")


async def by_passport(stage: Stage) -> Ask:
    document = {"type": "passport", "number": "L898902C3"}
    person = await stage.person(document=document, birth_date="1974-08-12")
    return wish(stage, await stage.slot("guided-tour"), [person])


async def counter_place_for_oneself(stage: Stage) -> Ask:
    return wish(stage, await stage.slot(kept_counter=1), [await stage.person()], channel="counter")


async def in_the_slot_already(stage: Stage) -> Ask:
    slot, person = await stage.slot(), await stage.person()
    mine = await stage.booked(slot, person)
    facts = {"reference": mine["reference"], "booking_id": mine["id"], "clash_starts_at": shown(slot.starts_at)}
    return wish(stage, slot, [person], facts)


async def elsewhere_at_that_time(stage: Stage) -> Ask:
    slot, person = await stage.slot(), await stage.person()
    mine = await stage.booked(slot, person)
    other = await stage.slot("lushun-entry", **later(slot, minutes=15))
    facts = {
        "reference": mine["reference"],
        "clash_zh": "大连博物馆 延时入场",
        "clash_en": "Dalian Museum, Evening entry",
        "clash_starts_at": shown(slot.starts_at),
        "clash_ends_at": shown(slot.ends_at),
    }
    return wish(stage, other, [await stage.person(), person], facts, party="group")


async def twice_a_day(stage: Stage) -> Ask:
    slot, person = await stage.slot("guided-tour"), await stage.person()
    await stage.booked(slot, person)
    facts = {"most": 1, "scope": "service", "window": "day", "free_again_on": "2026-11-26"}
    return wish(stage, await stage.slot("guided-tour", **later(slot, hours=1)), [person], facts)


async def fourth_hold(stage: Stage) -> Ask:
    slot = await stage.slot(capacity=9)
    for _ in range(3):
        await stage.held(slot)
    return wish(stage, slot, [await stage.person()], {"most": 3}, confirm=False)


Booked = Callable[[Stage], Awaitable[tuple[dict[str, Any], dict[str, Any]]]]
"""What puts a booking into some state: returns it, and the facts that a refusal to alter it must tell."""


def alter(change: str, booked: Booked, who: str = "wang", body: Any = None) -> Arrange:
    """Do something to a booking."""

    async def arrange(stage: Stage) -> Ask:
        booking, facts = await booked(stage)
        path = f"{BOOKINGS}/{booking['id']}/{change}"
        return Ask(who=getattr(stage, who), method="POST", path=path, body=body, facts=facts)

    return arrange


async def run_out(stage: Stage) -> tuple[dict[str, Any], dict[str, Any]]:
    held = await stage.held(await stage.slot())
    stage.pass_minutes(5)
    return held, {"expired_at": held["hold_until"]}


async def extended(stage: Stage) -> tuple[dict[str, Any], dict[str, Any]]:
    held = await stage.held(await stage.slot())
    answer = await stage.wang.post(f"{BOOKINGS}/{held['id']}/extension")
    return held, {"most": 1, "hold_until": answer.json()["hold_until"]}


async def confirmed(stage: Stage) -> tuple[dict[str, Any], dict[str, Any]]:
    return await stage.booked(await stage.slot()), {"state": "confirmed"}


async def a_booking(stage: Stage) -> tuple[dict[str, Any], dict[str, Any]]:
    return await stage.booked(await stage.slot()), {}


async def cancelled(stage: Stage) -> tuple[dict[str, Any], dict[str, Any]]:
    booked = await stage.booked(await stage.slot())
    assert (await stage.wang.post(f"{BOOKINGS}/{booked['id']}/cancellation")).status_code == 200
    return booked, {"state": "cancelled"}


async def begins_soon(stage: Stage) -> tuple[dict[str, Any], dict[str, Any]]:
    slot = await stage.slot_in(59)
    return await stage.booked(slot), {"cancel_by": shown(slot.starts_at - timedelta(minutes=60))}


async def waits_for_staff(stage: Stage) -> tuple[dict[str, Any], dict[str, Any]]:
    held = await stage.booked(await stage.slot("exam-clinic"), await stage.person(CHILD))
    assert held["state"] == "held"
    return held, {"hold_until": held["hold_until"]}


def move(to: Callable[[Stage, Slot], Awaitable[Slot]], *, soon: bool = False) -> Arrange:
    """Move a booking to the slot that `to` returns; the deadline has passed where it begins soon."""

    async def arrange(stage: Stage) -> Ask:
        old = await stage.slot_in(59) if soon else await stage.slot()
        booked = await stage.booked(old)
        new = await to(stage, old)
        facts = {"cancel_by": shown(old.starts_at - timedelta(minutes=60))} if soon else {}
        path = f"{BOOKINGS}/{booked['id']}/move"
        return Ask(who=stage.wang, method="POST", path=path, body={"slot_id": str(new.id)}, facts=facts)

    return arrange


async def another_time(stage: Stage, old: Slot) -> Slot:
    return await stage.slot(**later(old, days=1))


async def the_same_time(stage: Stage, old: Slot) -> Slot:
    return old


async def another_museum(stage: Stage, old: Slot) -> Slot:
    return await stage.slot("lushun-entry", **later(old, days=1))


async def a_full_time(stage: Stage, old: Slot) -> Slot:
    slot = await stage.slot(**later(old, days=1), capacity=1)
    await stage.booked(slot, await stage.person())
    return slot


async def no_time_at_all(stage: Stage, old: Slot) -> Slot:
    return replace(old, **later(old, days=1))


def lookup(birth_date: str, reference: str | None = None) -> Arrange:
    """Look a booking up, or one with another reference."""

    async def arrange(stage: Stage) -> Ask:
        booked = await stage.booked(await stage.slot())
        body = {"reference": reference or booked["reference"], "birth_date": birth_date}
        return Ask(who=stage.nobody, method="POST", path=f"{BOOKINGS}/lookup", body=body)

    return arrange


async def somebody_else_s_booking(stage: Stage) -> Ask:
    booked = await stage.booked(await stage.slot())
    return Ask(who=stage.li, method="GET", path=f"{BOOKINGS}/{booked['id']}")


def assessed(born: date, declarations: dict[str, str]) -> Arrange:
    return party("proxy", [born], "assessment", declarations=declarations)


NEVER_GIVEN = new_reference(bytes(range(RANDOM_BYTES)))
MISTYPED = NEVER_GIVEN[:-1] + ("A" if NEVER_GIVEN[-1] != "A" else "B")
R, SLOT, PEOPLE = Reason, "/slot_id", "/people"
NOWHERE = f"{BOOKINGS}/{unknown_id()}"
STARTED = for_one(lambda stage: stage.slot_in(-10), "starts_at")
SHUT = for_one(lambda stage: stage.slot_in(10, bookable_until=make.NOW - timedelta(minutes=5)), "bookable_until")
TOO_EARLY = for_one(
    lambda stage: stage.slot(bookable_from=make.NOW + timedelta(minutes=1)), "bookable_from", "starts_at"
)
SIX = {"most": 5, "size": 6}
OUTSIDE = {"district_zh": "中山区", "district_en": "Zhongshan", "options": "taoyuan"}
OPTIONS = {"options": "特困人员, 最低生活保障"}
QUESTION = {"question_zh": "户籍在哪个街道？", "question_en": "Which one?"}
LAPSE = frozenset({"bookings", "claims", "slots", "history", "outbox"})
"""That the hold ran out is written down by whoever meets it first, with its event."""
TAKES_COUPLES = {"kind": "one_person", "accepted": "couple"}

CASES = [
    Case("an unknown slot", 404, R.SLOT_UNKNOWN, ask("wang", "POST", BOOKINGS, {"slot_id": unknown_id(), "people": [unknown_id()]}), SLOT),
    Case("a slot that has begun", 409, R.SLOT_PAST, STARTED, SLOT),
    Case("a slot closed to online booking", 409, R.BOOKING_CLOSED, SHUT, SLOT),
    Case("a slot not released yet", 409, R.NOT_RELEASED, TOO_EARLY, SLOT),
    Case("a closed slot", 409, R.SLOT_CLOSED, for_one(closed, "starts_at"), SLOT),
    Case("a full slot", 409, R.SLOT_FULL, for_one(full), SLOT, facts={"places_left": 0, "places_asked": 1}),
    Case("three places where two are left", 409, R.SLOT_FULL, party("group", [ADULT] * 3), SLOT, facts={"places_left": 2, "places_asked": 3}),
    Case("an unknown person", 404, R.PERSON_UNKNOWN, somebody_else_s_person, "/people/1"),
    Case("one person at a clinic for couples", 422, R.PARTY_KIND_NOT_ACCEPTED, party("one_person", [ADULT], "consultation"), "/party", facts=TAKES_COUPLES),
    Case("a couple of three", 422, R.PARTY_WRONG_SIZE, party("couple", [ADULT] * 3, "consultation"), PEOPLE, facts={"exactly": 2, "size": 3}),
    Case("a group of one", 422, R.PARTY_WRONG_SIZE, party("group", [ADULT]), PEOPLE, facts={"least": 2, "size": 1}),
    Case("one person who are two", 422, R.PARTY_WRONG_SIZE, party("one_person", [ADULT] * 2), PEOPLE, facts={"exactly": 1, "size": 2}),
    Case("a party too large", 422, R.PARTY_TOO_LARGE, party("group", [ADULT] * 6), PEOPLE, facts=SIX),
    Case("one person twice", 422, R.PERSON_TWICE, person_twice, "/people/2"),
    Case("a document that the service does not take", 422, R.DOCUMENT_NOT_ACCEPTED, by_passport, "/people/0", facts=IDENTITY_CARDS),
    Case("somebody too young", 422, R.TOO_YOUNG, assessed(ADULT, NEEDS), "/people/0", facts={"least": 60, "on": "2026-11-25"}),
    Case("somebody too old", 422, R.TOO_OLD, party("one_person", [ADULT], "exam-clinic"), "/people/0", facts={"most": 18}),
    Case("a question not answered", 422, R.DECLARATION_MISSING, assessed(ELDER, {"difficulty_category": "特困人员"}), "/declarations/registered_subdistrict", facts=QUESTION),
    Case("an answer that is no option", 422, R.DECLARATION_INVALID, assessed(ELDER, NEEDS | {"difficulty_category": "没有"}), "/declarations/difficulty_category", facts=OPTIONS),
    Case("an answer to what was not asked", 422, R.DECLARATION_INVALID, party("one_person", [ADULT], declarations={"colour": "blue"}), "/declarations/colour"),
    Case("a registration in another district", 422, R.OUTSIDE_DISTRICT, assessed(ELDER, NEEDS | {"registered_subdistrict": "heishijiao"}), "/declarations/registered_subdistrict", facts=OUTSIDE),
    Case("a place of the counter, from home", 403, R.NOT_ALLOWED, counter_place_for_oneself),
    Case("a second place in one slot", 409, R.ALREADY_BOOKED, in_the_slot_already, "/people/0"),
    Case("two museums at one time", 409, R.CLASHES, elsewhere_at_that_time, "/people/1"),
    Case("a second tour on one day", 409, R.LIMIT_REACHED, twice_a_day, "/people/0"),
    Case("a fourth hold", 409, R.HOLDS_LIMIT_REACHED, fourth_hold),
    Case("confirming a hold that ran out", 409, R.HOLD_EXPIRED, alter("confirmation", run_out), writes=LAPSE),
    Case("extending a hold that ran out", 409, R.HOLD_EXPIRED, alter("extension", run_out), writes=LAPSE),
    Case("a second extension", 409, R.EXTENSIONS_USED, alter("extension", extended)),
    Case("confirming twice", 409, R.WRONG_STATE, alter("confirmation", confirmed), facts={"action": "confirm"}),
    Case("cancelling twice", 409, R.WRONG_STATE, alter("cancellation", cancelled), facts={"action": "cancel"}),
    Case("confirming ahead of the staff", 409, R.WAITS_FOR_APPROVAL, alter("confirmation", waits_for_staff)),
    Case("cancelling too late", 409, R.TOO_LATE_TO_CANCEL, alter("cancellation", begins_soon)),
    Case("a reason without end", 422, R.INVALID_REQUEST, alter("cancellation", a_booking, body={"reason": "x" * 201}), "/reason", "string_too_long"),
    Case("cancelling somebody else's booking", 404, R.BOOKING_UNKNOWN, alter("cancellation", a_booking, who="li")),
    Case("cancelling what was never booked", 404, R.BOOKING_UNKNOWN, ask("wang", "POST", f"{NOWHERE}/cancellation")),
    Case("reading somebody else's booking", 404, R.BOOKING_UNKNOWN, somebody_else_s_booking),
    Case("the history of nothing", 404, R.BOOKING_UNKNOWN, ask("wang", "GET", f"{NOWHERE}/history")),
    Case("moving too late", 409, R.TOO_LATE_TO_MOVE, move(another_time, soon=True)),
    Case("moving to the same time", 409, R.SLOT_UNCHANGED, move(the_same_time), SLOT),
    Case("moving to another museum", 422, R.NOT_INTERCHANGEABLE, move(another_museum), SLOT),
    Case("moving to a full time", 409, R.SLOT_FULL, move(a_full_time), SLOT, facts={"places_left": 0, "places_asked": 1}),
    Case("moving to no time at all", 404, R.SLOT_UNKNOWN, move(no_time_at_all), SLOT),
    Case("looking up with a wrong birth date", 404, R.BOOKING_UNKNOWN, lookup("1990-01-02")),
    Case("looking up with a birth date to come", 404, R.BOOKING_UNKNOWN, lookup("2030-01-01")),
    Case("looking up with a mistyped reference", 422, R.INVALID_REQUEST, lookup("1990-01-01", MISTYPED), "/reference", facts={"why": "check_character"}),
    Case("looking up with a reference that nothing has", 404, R.BOOKING_UNKNOWN, lookup("1990-01-01", NEVER_GIVEN)),
]  # fmt: skip
