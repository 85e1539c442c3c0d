"""Penalties over HTTP: warned before the act, told why and until when, an appeal, staff's decisions, exemptions."""

from dataclasses import replace
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import text

from services.booking.api.booking_changes import CancellationPreview
from services.booking.api.penalty_body import AppealShown, ExemptionShown, LedgerShown, StrikeShown
from services.booking.domain.account import Role
from services.booking.domain.penalty_rule import Cause, LateCancel, Length, PenaltyRule, PenaltyScope, Span, Window
from services.booking.domain.slot import Slot
from services.booking.store.catalogue import policy_document
from services.booking.sweeps import Sweeps
from shared.clock import SettableClock
from shared.db import dump_json
from shared.ids import new_id
from shared.web import Page
from tests import make, world
from tests.booking.api.caller import WANG, Caller, problem
from tests.booking.api.town import at, book, build, look, person, read

RULE = PenaltyRule(
    counts=(Cause.NO_SHOW, Cause.LATE_CANCEL),
    threshold=3,
    window=Window(span=Span.ROLLING_DAYS, count=90),
    length=Length(days=(30,)),
    scope=PenaltyScope.KIND,
)
STRICT = make.policy(penalties=(RULE,), late_cancel=LateCancel.STRIKE)
VENUE_PATH = f"/api/v1/venues/{make.VENUE}"
OTHER_CARD = "210202198001011238"


@pytest.fixture
async def strict(api: Caller) -> Caller:
    """The museum counts absences and late cancellations; there is another one, in the next district."""
    await build(api)
    async with api.engine.begin() as tx:
        changed = text("UPDATE policies SET document = CAST(:document AS jsonb)")
        await tx.execute(changed, {"document": dump_json(policy_document(STRICT))})
        await tx.execute(text("UPDATE catalogue_version SET version = version + 1"))
    look(api)
    return api


async def days(api: Caller, count: int) -> list[Slot]:
    first = make.slot(bookable_from=make.NOW - timedelta(days=1))
    slots = [replace(at(first, days=number), bookable_from=first.bookable_from) for number in range(count)]
    await world.put_slots(api.engine, *slots)
    return slots


async def later(api: Caller, phone: str = WANG) -> Caller:
    """Sign in again: there is a code a minute, and tokens end."""
    api.clock.advance(timedelta(seconds=61))
    return await api.sign_in(phone)


async def cancelled_late(api: Caller, one: str, slot: Slot) -> dict[str, Any]:
    """Book, and cancel half an hour before; return the preview that was shown before."""
    booked = await book(await later(api), one, str(slot.id))
    assert booked.status_code == 201, booked.text
    api.clock.set(slot.starts_at - timedelta(minutes=30))
    resident = await api.sign_in()
    path = f"/api/v1/bookings/{booked.json()['id']}/cancellation"
    shown: dict[str, Any] = (await resident.get(path)).json()
    assert (await resident.post(path)).status_code == 200
    return shown


async def barred(api: Caller) -> tuple[str, list[Slot], list[dict[str, Any]]]:
    """Wang has cancelled late three times; the person, five slots, and what was shown before each time."""
    slots = await days(api, 5)
    resident = await api.sign_in()
    one = await person(resident)
    return one, slots, [await cancelled_late(api, one, slot) for slot in slots[:3]]


async def test_what_it_would_count_as_is_shown_before_the_act(strict: Caller) -> None:
    one, slots, previews = await barred(strict)
    first, second, third = (CancellationPreview.model_validate_json(dump_json(shown)) for shown in previews)
    assert all(shown.possible and shown.late for shown in (first, second, third))
    assert [(shown.strikes[0].count, shown.strikes[0].threshold) for shown in (first, second, third)] == [
        (1, 3),
        (2, 3),
        (3, 3),
    ]
    assert (first.strikes[0].bars_until, first.strikes[0].next_bars_until) == (None, None)
    until = slots[1].starts_at - timedelta(minutes=30) + timedelta(days=30)
    assert second.strikes[0].next_bars_until == until
    assert "strike 2 of 3; one more bars from booking online until 2026-12-26 16:00" in second.consequence.en
    assert third.strikes[0].bars_until == until + timedelta(days=1)
    assert "2026-12-27 16:00 之前" in third.consequence.zh
    ledger = read(Page[LedgerShown], await (await later(strict)).get("/api/v1/penalties")).items[0]
    assert str(ledger.person_id) == one
    assert ledger.penalties[0].barred_until == third.strikes[0].bars_until, "what was foretold is what came"


async def test_in_time_it_costs_nothing_and_says_so(strict: Caller) -> None:
    [slot] = await days(strict, 1)
    resident = await strict.sign_in()
    booked = await book(resident, await person(resident), str(slot.id))
    path = f"/api/v1/bookings/{booked.json()['id']}"
    shown = read(CancellationPreview, await resident.get(f"{path}/cancellation"))
    assert (shown.late, shown.strikes, "costs nothing" in shown.consequence.en) == (False, [], True)
    strict.clock.set(slot.starts_at - timedelta(minutes=30))
    resident = await later(strict)
    assert (await resident.get(path)).json()["actions"] == ["cancel"], "too late to move, and not to cancel"


async def test_the_refusal_says_until_when_why_and_what_remains(strict: Caller) -> None:
    one, slots, _ = await barred(strict)
    resident = await later(strict)
    refused = problem(await book(resident, one, str(slots[3].id)), 409, "barred")
    assert (refused["barred_until"], refused["field"]) == ("2026-12-27T16:00:00+08:00", "/people/0")
    assert [one["cause"] for one in refused["strikes"]] == ["late_cancel"] * 3
    assert refused["struck_on"] == ["2026-11-25", "2026-11-26", "2026-11-27"]
    english = refused["translations"]["en"]["detail"]
    for words in ("Sun 27 Dec 16:00", "museum bookings", "counter and telephone still book", "appeal"):
        assert words in english, english
    desk = await strict.at_work(Role.STAFF, "counter")
    wish = {"slot_id": str(slots[3].id), "people": [one], "confirm": True, "channel": "counter"}
    assert (await desk.post("/api/v1/bookings", wish)).status_code == 404, "the counter's own saved people"
    shown = (await resident.get("/api/v1/availability?service_id=timed-entry")).json()
    times = [time for day in shown["items"][0]["days"] for time in day["times"]] if "items" in shown else shown["days"]
    assert times, "no list hides a time from whoever is barred"


async def test_an_appeal_once_a_bar_and_granted_it_lifts(strict: Caller) -> None:
    one, slots, _ = await barred(strict)
    resident = await later(strict)
    [ledger] = read(Page[LedgerShown], await resident.get("/api/v1/penalties")).items
    [standing] = ledger.penalties
    assert (standing.state, standing.count, standing.can_appeal, len(ledger.strikes)) == ("barred", 3, True, 3)
    path = f"/api/v1/penalties/{standing.id}/appeals"
    stranger = await strict.sign_in("13900005678")
    problem(await stranger.post(path, {"words": "不是我"}), 404, "penalty_unknown")
    answer = await resident.post(path, {"words": "当天住院"}, key="once")
    assert answer.status_code == 201, answer.text
    assert (await resident.post(path, {"words": "当天住院"}, key="once")).content == answer.content
    problem(await resident.post(path, {"words": "再说一次"}), 409, "appealed_already")
    made = AppealShown.model_validate_json(answer.content)
    elsewhere = await strict.at_work(Role.STAFF, "elsewhere", frozenset({"lushun-museum"}))
    decision = {"granted": True, "answer": "已核实"}
    problem(await elsewhere.post(f"/api/v1/appeals/{made.id}/decision", decision), 404, "appeal_unknown")
    problem(await elsewhere.get(f"{VENUE_PATH}/appeals"), 403, "not_allowed")
    staff = await strict.at_work(Role.STAFF, "door")
    [waiting] = read(Page[AppealShown], await staff.get(f"{VENUE_PATH}/appeals")).items
    assert waiting == made
    decided = read(AppealShown, await staff.post(f"/api/v1/appeals/{made.id}/decision", decision))
    assert (decided.granted, decided.answer) == (True, "已核实")
    problem(await staff.post(f"/api/v1/appeals/{made.id}/decision", decision), 409, "appeal_decided")
    assert read(Page[AppealShown], await staff.get(f"{VENUE_PATH}/appeals")).items == []
    assert read(Page[AppealShown], await staff.get(f"{VENUE_PATH}/appeals?undecided=false")).items == [decided]
    assert (await book(resident, one, str(slots[3].id))).status_code == 201
    [ledger] = read(Page[LedgerShown], await resident.get("/api/v1/penalties")).items
    assert [(two.counts, two.annulled_for) for two in ledger.strikes] == [(True, None), (True, None), (False, "appeal")]
    assert (ledger.penalties[0].state, ledger.penalties[0].count) == ("lifted", 2)
    problem(await resident.post(path, {"words": "谢谢"}), 409, "not_barred")
    [annulled] = await strict.rows("strike_annulments")
    assert (annulled["reason"], annulled["actor_role"]) == ("已核实", "staff")


async def test_an_appeal_turned_down_leaves_the_bar(strict: Caller) -> None:
    one, slots, _ = await barred(strict)
    resident, staff = await later(strict), await strict.at_work(Role.STAFF, "door")
    [ledger] = read(Page[LedgerShown], await resident.get("/api/v1/penalties")).items
    made = (await resident.post(f"/api/v1/penalties/{ledger.penalties[0].id}/appeals", {"words": "忘了"})).json()
    decision = {"granted": False, "answer": "理由不充分"}
    assert (await staff.post(f"/api/v1/appeals/{made['id']}/decision", decision)).status_code == 200
    problem(await book(resident, one, str(slots[3].id)), 409, "barred")
    [ledger] = read(Page[LedgerShown], await resident.get("/api/v1/penalties")).items
    [standing] = ledger.penalties
    assert standing.appeal is not None
    assert (standing.appeal.answer, standing.can_appeal) == ("理由不充分", False)


async def test_staff_annul_a_strike_of_their_venue_once(strict: Caller) -> None:
    one, slots, _ = await barred(strict)
    staff = await strict.at_work(Role.STAFF, "door")
    struck = read(Page[StrikeShown], await staff.get(f"{VENUE_PATH}/strikes?person_id={one}")).items
    assert len(struck) == 3
    path = f"/api/v1/strikes/{struck[0].id}/annulment"
    elsewhere = await strict.at_work(Role.STAFF, "elsewhere", frozenset({"lushun-museum"}))
    problem(await elsewhere.post(path, {"reason": "地铁停运"}), 404, "strike_unknown")
    assert (await staff.post(path, {"reason": "地铁停运"})).status_code == 204
    problem(await staff.post(path, {"reason": "地铁停运"}), 409, "strike_annulled")
    assert (await book(await later(strict), one, str(slots[3].id))).status_code == 201


async def test_an_exempt_person_is_not_counted_until_it_ends(strict: Caller) -> None:
    one, slots, _ = await barred(strict)
    staff = await strict.at_work(Role.STAFF, "door")
    path = f"{VENUE_PATH}/exemptions"
    problem(await staff.post(path, {"person_id": str(new_id()), "reason": "高龄"}), 404, "person_unknown")
    answer = await staff.post(path, {"person_id": one, "reason": "高龄"})
    assert answer.status_code == 201, answer.text
    problem(await staff.post(path, {"person_id": one, "reason": "高龄"}), 409, "exempt_already")
    await cancelled_late(strict, one, slots[3])
    strict.clock.advance(timedelta(minutes=1))
    staff = staff.speaking(authorization=(await relogin(strict, "door")))
    [exemption] = read(Page[ExemptionShown], await staff.get(path)).items
    assert (str(exemption.person_id), exemption.reason, exemption.ended_at) == (one, "高龄", None)
    assert (await staff.write("DELETE", f"{path}/{exemption.id}")).status_code == 204
    problem(await staff.write("DELETE", f"{path}/{exemption.id}"), 404, "exemption_unknown")
    await cancelled_late(strict, one, slots[4])
    [ledger] = read(Page[LedgerShown], await (await later(strict)).get("/api/v1/penalties")).items
    assert [two.counts for two in ledger.strikes] == [False] * 4 + [True]
    assert [(two.state, two.count) for two in ledger.penalties] == [("lifted", 1)]


async def relogin(api: Caller, login: str) -> str:
    """A token of now: the clock has moved on since the last one."""
    answer = await api.client.post(
        "/api/v1/sign-in/staff-tokens", json={"login": login, "password": "correct horse battery"}
    )
    return f"Bearer {answer.json()['access_token']}"


async def test_what_another_account_booked_is_counted_and_not_told(strict: Caller) -> None:
    [slot] = await days(strict, 1)
    resident = await strict.sign_in()
    one = await person(resident)
    assert (await book(resident, one, str(slot.id))).status_code == 201
    clock: SettableClock = strict.clock
    clock.set(slot.ends_at + timedelta(minutes=1))
    await Sweeps(strict.engine, strict.parts.desk, clock).end_visits()
    other = await strict.sign_in("13900005678")
    assert await person(other) == one, "the same document"
    [ledger] = read(Page[LedgerShown], await other.get("/api/v1/penalties")).items
    [struck] = ledger.strikes
    assert (struck.cause, struck.counts) == ("no_show", True)
    assert (struck.booking_id, struck.reference, struck.what) == (None, None, None)
    [mine] = read(Page[LedgerShown], await (await later(strict)).get("/api/v1/penalties")).items
    assert isinstance(mine.strikes[0].booking_id, UUID)
