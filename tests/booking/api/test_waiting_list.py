"""The waiting list over HTTP: joining, the line that anybody can check, an offer, and leaving."""

from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import text

from services.booking.api.booking_body import BookingShown
from services.booking.api.waiting_body import LinePlace, WaitShown, WaitWhole
from services.booking.commands import waitlist
from services.booking.domain.policy import Cooling, Waiting
from services.booking.domain.slot import Slot
from services.booking.main import create_app
from services.booking.settings import BookingSettings
from shared.clock import SettableClock
from shared.db import create_engine
from shared.http import ASGITransport, Client
from shared.sealing import Opener
from shared.web import Page
from tests import make, world
from tests.booking.api.caller import Caller, problem
from tests.booking.api.town import at, book, person, read

TERMS = Waiting(offer_minutes=30, most_minutes=60, react_minutes=15, lead_minutes=60, collect_minutes=1440)
POLICY = make.policy(waiting=TERMS, cooling=Cooling(least_minutes=30, most_minutes=120))
PATH = "/api/v1/waiting-list"
OTHER_CARD = "210202198001011238"


@pytest.fixture
async def api(settings: BookingSettings) -> AsyncIterator[Caller]:
    """The API of a museum that has a waiting list."""
    engine = create_engine(settings.database_url, application_name="test")
    await world.put_catalogue(engine, make.catalogue(POLICY))
    clock = SettableClock(make.NOW)
    app = create_app(settings, clock)
    async with (
        app.router.lifespan_context(app),
        Client(transport=ASGITransport(app, client=("192.0.2.7", 4000)), base_url="https://booking.example") as client,
    ):
        parts = app.state.container
        yield Caller(client=client, engine=engine, clock=clock, parts=parts, opener=Opener(settings.key_folder))
    await engine.dispose()


def wish(person_id: str, **changes: Any) -> dict[str, Any]:
    return {
        "services": ["timed-entry"],
        "first_day": "2026-11-25",
        "last_day": "2026-11-25",
        "people": [person_id],
    } | changes


async def full_slot(api: Caller) -> tuple[Slot, Caller, str]:
    """A slot of one place, who has it, and the booking's id."""
    slot = make.slot(capacity=1)
    await world.put_slots(api.engine, slot)
    wang = await api.sign_in()
    booked = await book(wang, await person(wang), str(slot.id))
    assert booked.status_code == 201, booked.text
    return slot, wang, booked.json()["id"]


async def test_joining_being_offered_and_accepting(api: Caller) -> None:
    slot, wang, booking_id = await full_slot(api)
    li = await api.sign_in("13900005678")
    one = await person(li, OTHER_CARD)
    refused = problem(await book(li, one, str(slot.id)), 409, "slot_full")
    assert refused["waiting"] == 0, "one can wait, and nobody does yet"
    joined = await li.post(PATH, wish(one))
    assert joined.status_code == 201, joined.text
    entry = WaitShown.model_validate_json(joined.content)
    assert (entry.number, entry.position, entry.state, entry.places) == (1, 1, "waiting", 1)
    again = problem(await book(li, one, str(slot.id)), 409, "slot_full")
    assert again["waiting"] == 1
    assert "1" in again["translations"]["en"]["detail"]
    line = read(Page[LinePlace], await api.get("/api/v1/services/timed-entry/waiting-list")).items
    assert [(place.number, place.places) for place in line] == [(1, 1)]
    assert (await wang.post(f"/api/v1/bookings/{booking_id}/cancellation")).status_code == 200
    whole = read(WaitWhole, await li.get(f"{PATH}/{entry.id}"))
    assert whole.state == "offered"
    (offer,) = whole.offers
    shown = read(BookingShown, await li.get(f"/api/v1/bookings/{offer.booking_id}"))
    assert (shown.offer, shown.state, shown.channel, shown.actions) == (
        True,
        "held",
        "waiting_list",
        ["confirm", "cancel"],
    )
    assert shown.hold_until == make.NOW + timedelta(minutes=30)
    problem(await li.post(f"/api/v1/bookings/{offer.booking_id}/extension"), 409, "offer_is_fixed")
    accepted = await li.post(f"/api/v1/bookings/{offer.booking_id}/confirmation")
    assert accepted.status_code == 200, accepted.text
    assert accepted.json()["offer"] is False
    done = read(WaitWhole, await li.get(f"{PATH}/{entry.id}"))
    assert (done.state, done.position, done.offers[0].outcome) == ("served", None, "accepted")
    changes = (await li.get(f"/api/v1/bookings/{offer.booking_id}/history")).json()["items"]
    assert [(one["action"], one["by"]) for one in changes] == [("offer", "waiting_list"), ("confirm", "resident")]


async def test_whoever_is_passed_over_reads_why_and_leaves(api: Caller) -> None:
    slot, wang, booking_id = await full_slot(api)
    li = await api.sign_in("13900005678")
    one = await person(li, OTHER_CARD)
    entry = WaitShown.model_validate_json((await li.post(PATH, wish(one, since="16:30", until="16:30"))).content)
    clashing = at(slot, minutes=15)
    await world.put_slots(api.engine, clashing)
    assert (await book(li, one, str(clashing.id))).status_code == 201
    await wang.post(f"/api/v1/bookings/{booking_id}/cancellation")
    (skip,) = read(WaitWhole, await li.get(f"{PATH}/{entry.id}")).skips
    assert (skip.reason, skip.words.en, skip.local_start) == ("clashes", "Clashes", "2026-11-25 16:30")
    left = await li.write("DELETE", f"{PATH}/{entry.id}")
    assert left.status_code == 204
    problem(await li.write("DELETE", f"{PATH}/{entry.id}"), 404, "waitlist_entry_unknown")
    (gone,) = read(Page[WaitShown], await li.get(PATH)).items
    assert (gone.state, gone.position) == ("left", None)


async def test_who_may_wait_for_what(api: Caller) -> None:
    slot, wang, _ = await full_slot(api)
    me = (await wang.get("/api/v1/people")).json()["items"][0]["id"]
    problem(await wang.post(PATH, wish(me, services=["nowhere"])), 404, "service_unknown")
    problem(await wang.post(PATH, wish(me, services=["timed-entry"] * 2)), 422, "waitlist_services_differ")
    problem(await wang.post(PATH, wish(me, last_day="2026-11-24")), 422, "invalid_request")
    problem(await wang.post(PATH, wish(me, last_day="2027-11-24")), 422, "invalid_request")
    problem(await wang.post(PATH, wish(me, since="18:00", until="17:00")), 422, "invalid_request")
    problem(await wang.post(PATH, wish(me, since="17:00")), 422, "waitlist_nothing_there")
    tomorrow = at(slot, days=1)
    await world.put_slots(api.engine, tomorrow)
    there = problem(await wang.post(PATH, wish(me, last_day="2026-11-26")), 409, "waitlist_not_needed")
    assert [one["slot_id"] for one in there["alternatives"]] == [str(tomorrow.id)]
    later = make.slot(
        starts_at=slot.starts_at + timedelta(days=10),
        ends_at=slot.ends_at + timedelta(days=10),
        bookable_from=slot.starts_at,
        bookable_until=slot.starts_at + timedelta(days=10),
    )
    await world.put_slots(api.engine, later)
    day = later.starts_at.date().isoformat()
    problem(await wang.post(PATH, wish(me, first_day=day, last_day=day)), 409, "not_released")
    li = await api.sign_in("13900005678")
    one = await person(li, OTHER_CARD)
    problem(await li.post(PATH, wish(me)), 404, "person_unknown")
    key = "the same"
    first, second = [await li.post(PATH, wish(one), key=key) for _ in range(2)]
    assert (first.status_code, first.content) == (second.status_code, second.content) == (201, first.content)
    problem(await li.post(PATH, wish(one)), 409, "waiting_already")
    problem(await wang.get(f"{PATH}/{first.json()['id']}"), 404, "waitlist_entry_unknown")
    problem(await wang.write("DELETE", f"{PATH}/{first.json()['id']}"), 404, "waitlist_entry_unknown")


async def test_a_service_without_a_list_says_so(api: Caller) -> None:
    _, wang, _ = await full_slot(api)
    me = (await wang.get("/api/v1/people")).json()["items"][0]["id"]
    async with api.engine.begin() as tx:
        await tx.execute(text("UPDATE policies SET document = document || '{\"waiting\": null}', version = 2"))
        await tx.execute(text("UPDATE catalogue_version SET version = version + 1"))
    api.parts.catalogue._looked = float("-inf")
    problem(await wang.post(PATH, wish(me)), 409, "waitlist_none")


async def test_whoever_leaves_with_an_open_offer_gives_it_to_the_next(api: Caller) -> None:
    _, wang, booking_id = await full_slot(api)
    li, zhao = await api.sign_in("13900005678"), await api.sign_in("13900009999")
    entries = []
    for resident, card in ((li, OTHER_CARD), (zhao, "210202197001011233")):
        answer = await resident.post(PATH, wish(await person(resident, card)))
        assert answer.status_code == 201, answer.text
        entries.append(answer.json()["id"])
    await wang.post(f"/api/v1/bookings/{booking_id}/cancellation")
    await li.write("DELETE", f"{PATH}/{entries[0]}")
    assert read(WaitWhole, await zhao.get(f"{PATH}/{entries[1]}")).state == "offered", "at once, without a tick"
    left = read(WaitWhole, await li.get(f"{PATH}/{entries[0]}"))
    assert (left.state, [one.outcome for one in left.offers]) == ("left", ["declined"])


async def test_a_range_and_an_account_have_their_bounds(api: Caller, monkeypatch: pytest.MonkeyPatch) -> None:
    await full_slot(api)
    li = await api.sign_in("13900005678")
    one = await person(li, OTHER_CARD)
    monkeypatch.setattr(waitlist, "SLOTS_MOST", 0)
    problem(await li.post(PATH, wish(one)), 422, "waitlist_too_wide")
    monkeypatch.undo()
    monkeypatch.setattr(waitlist, "ENTRIES_MOST", 0)
    problem(await li.post(PATH, wish(one)), 409, "waitlist_limit_reached")
