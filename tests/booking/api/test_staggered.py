"""Portions in their rows: opened once, listed with when they come, and found by every search the instant they do."""

from dataclasses import replace
from datetime import time, timedelta
from typing import Any

from services.booking.domain.account import Role
from services.booking.store.plans import lock_services
from services.booking.store.slots import replace_slots
from tests import make, world
from tests.booking.api.caller import Caller, problem
from tests.booking.api.town import at, book, person
from tests.booking.domain.test_staggered_release import EVE, open_slot

URL = "/api/v1/availability?service_id=timed-entry"


async def test_opening_writes_portions_and_opening_again_changes_nothing(api: Caller) -> None:
    wanted = [open_slot(10, EVE), open_slot(10, EVE, clock=time(17))]
    reports = []
    for _ in range(2):
        async with api.engine.begin() as tx:
            await lock_services(tx, ["timed-entry"])
            reports.append(await replace_slots(tx, ["timed-entry"], wanted, lambda *_: None, make.NOW))
    assert [(report.added, report.changed) for report in reports] == [(2, 0), (0, 0)]
    rows = await api.rows("slots")
    assert [row["later"] for row in rows] == [[["2026-11-24T07:00:00+00:00", 4]]] * 2
    async with api.engine.begin() as tx:
        await lock_services(tx, ["timed-entry"])
        report = await replace_slots(tx, ["timed-entry"], [open_slot(10), wanted[1]], lambda *_: None, make.NOW)
    assert report.changed == 1, "a policy that releases all at once is followed"


async def test_a_list_says_what_comes_when_and_search_finds_it_the_instant_it_does(api: Caller) -> None:
    opens = make.NOW + timedelta(hours=5)
    slot = make.slot(capacity=2, later=((opens, 1),))
    other = replace(at(slot, minutes=60), later=())
    await world.put_slots(api.engine, slot, other)
    wang = await api.sign_in()
    assert (await book(wang, await person(wang), str(slot.id))).status_code == 201
    shown: dict[str, Any] = (await api.get(URL)).json()
    first, second = shown["days"][0]["times"]
    assert (first["bookable"], first["reason"], first["places_left"]) == (False, "not_released", 0)
    assert first["releases"] == [{"at": "2026-11-23T15:00:00+08:00", "places": 1}]
    assert (second["bookable"], second["releases"]) == (True, [])
    assert shown["earliest"]["slot_id"] == str(other.id), "not one whose places are still to come"
    li = await api.sign_in("13900005678")
    her = await person(li, "210202198001011238")
    refused = problem(await book(li, her, str(slot.id)), 409, "not_released")
    assert refused["bookable_from"] == "2026-11-23T15:00:00+08:00"
    assert [one["slot_id"] for one in refused["alternatives"]] == [str(other.id)]
    door = await api.at_work(Role.STAFF, "door")
    crowd = {"slot_id": str(other.id), "people": 5}
    problem(await door.post(f"/api/v1/venues/{make.VENUE}/walk-ins", crowd), 409, "slot_full")
    api.clock.set(opens)
    shown = (await api.get(URL)).json()
    assert shown["earliest"]["slot_id"] == str(slot.id)
    assert (await book(await api.sign_in("13900005678"), her, str(slot.id))).status_code == 201
