"""A season over HTTP: clubs ask, staff allocate, hours become bookings, and every hour that does not says why."""

from datetime import date, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import text

from services.booking.api.season_body import AllocationShown, OccurrenceShown, SeasonRequestShown, SeasonRoundShown
from services.booking.commands import allocating
from services.booking.commands.allocating import Allocating
from services.booking.commands.catalogue import open_slots
from services.booking.commands.leased import LEASE
from services.booking.domain.account import Role
from services.booking.domain.policy import SeatUnit
from services.booking.domain.zone import VENUE_ZONE
from services.booking.store.catalogue import policy_document
from shared.db import dump_json
from shared.web import Page
from tests import make, world
from tests.booking.api import town
from tests.booking.api.caller import Caller, problem
from tests.booking.api.town import GYM, look, person, read

ROUNDS = "/api/v1/request-rounds"
COURT = "badminton-1"
CLOSES = make.NOW + timedelta(hours=2)
OTHER_CARD = "210202198001011238"
OPENING = {
    "services": [COURT, "badminton-2"],
    "first": "2026-12-01",
    "last": "2026-12-31",
    "opens_at": make.NOW.isoformat(),
    "closes_at": CLOSES.isoformat(),
}
WEDNESDAYS = {
    "service_id": COURT,
    "weekday": 3,
    "at": "16:30",
    "first": "2026-12-01",
    "last": "2026-12-31",
    "excluded": ["2026-12-23"],
    "words": "青年羽毛球俱乐部训练",
}


class Killed(Exception):  # noqa: N818 - it happened to the worker
    """The worker dies here."""


def starts(day: int, clock: str = "16:30") -> datetime:
    return datetime.fromisoformat(f"2026-12-{day:02} {clock}").replace(tzinfo=VENUE_ZONE)


@pytest.fixture
async def gym(api: Caller) -> Caller:
    """Courts for one party each, open every day but on the second Wednesday of December."""
    await town.build(api)
    async with api.engine.begin() as tx:
        terms = make.policy(seat_unit=SeatUnit.PARTY)
        changed = text("UPDATE policies SET document = CAST(:document AS jsonb)")
        await tx.execute(changed, {"document": dump_json(policy_document(terms))})
        await tx.execute(text("UPDATE catalogue_version SET version = version + 1"))
    look(api)
    timed = {"minutes": 30, "capacity": 1, "starts": ["16:30", "17:00", "17:30"]}
    plan = town.plan(timed=timed, closures=[town.closure(date(2026, 12, 9), date(2026, 12, 9))])
    scheduler = await at_gym(api, Role.SCHEDULER, "hours")
    for court in (COURT, "badminton-2"):
        answer = await scheduler.write("PUT", f"/api/v1/services/{court}/hours", {"plan": plan})
        assert answer.status_code < 300, answer.text
    return api


async def at_gym(api: Caller, role: Role, login: str) -> Caller:
    return await api.at_work(role, login, frozenset({GYM}))


async def opened(gym: Caller) -> tuple[Caller, str]:
    scheduler = await at_gym(gym, Role.SCHEDULER, "season")
    answer = await scheduler.post(ROUNDS, OPENING)
    assert answer.status_code == 201, answer.text
    return scheduler, f"{ROUNDS}/{answer.json()['id']}"


async def asked(club: Caller, path: str, card: str | None = None, **changes: Any) -> SeasonRequestShown:
    who = await person(club) if card is None else await person(club, card)
    answer = await club.post(f"{path}/requests", WEDNESDAYS | {"person_id": who} | changes)
    assert answer.status_code == 201, answer.text
    return SeasonRequestShown.model_validate_json(answer.content)


async def closed(gym: Caller) -> tuple[Caller, Caller]:
    """The window is over: staff and the first club, signed in anew."""
    gym.clock.set(CLOSES)
    return await at_gym(gym, Role.SCHEDULER, "allocator"), await gym.sign_in()


def accept(one: OccurrenceShown) -> dict[str, Any]:
    return {"occurrence_id": str(one.id), "decision": "accept"}


async def decided(staff: Caller, path: str, *decisions: dict[str, Any]) -> list[OccurrenceShown]:
    page = read(Page[OccurrenceShown], await staff.post(f"{path}/decisions", {"decisions": list(decisions)}))
    items: list[OccurrenceShown] = page.items
    return items


def worker(gym: Caller) -> Allocating:
    return Allocating(gym.engine, gym.parts.desk, gym.clock)


async def fates(club: Caller, path: str) -> list[tuple[int, str, str | None]]:
    [request] = read(Page[SeasonRequestShown], await club.get(f"{path}/requests")).items
    return [(one.starts_at.day, one.fate.value, one.reason) for one in request.occurrences]


async def everything_stands_as_it_was_given(gym: Caller, path: str) -> None:
    """Each club reads what became of every hour, and what is booked is a booking of its own."""
    wang, li = await gym.sign_in(), await gym.sign_in("13900005678")
    assert await fates(wang, path) == [
        (2, "booked", None),
        (9, "rejected", "not_in_plan"),
        (16, "booked", None),
        (30, "rejected", "not_allocated"),
    ]
    assert await fates(li, path) == [
        (2, "booked", None),
        (9, "rejected", "not_in_plan"),
        (16, "rejected", "校队比赛"),
        (30, "booked", None),
    ]
    [request] = read(Page[SeasonRequestShown], await li.get(f"{path}/requests")).items
    booked = (await li.get(f"/api/v1/bookings/{request.occurrences[3].booking_id}")).json()
    assert (booked["state"], booked["local_start"]) == ("confirmed", "2026-12-30 16:30")
    assert await world.audit(gym.engine) == {"oversold": 0, "miscounted": 0, "eventless": 0}
    assert {row["actor_role"] for row in await gym.rows("history")} == {"allocation"}


async def test_a_season_from_its_opening_to_its_bookings(gym: Caller) -> None:
    scheduler, path = await opened(gym)
    wang, li = await gym.sign_in(), await gym.sign_in("13900005678")
    first = await asked(wang, path)
    assert [(one.starts_at.day, one.fate, one.reason) for one in first.occurrences] == [
        (2, "requested", None),
        (9, "rejected", "not_in_plan"),
        (16, "requested", None),
        (30, "requested", None),
    ]
    second = await asked(li, path, OTHER_CARD)
    early = {"decisions": [accept(first.occurrences[0])]}
    problem(await scheduler.post(f"{path}/decisions", early), 409, "season_round_not_open")
    scheduler, wang = await closed(gym)
    li = await gym.sign_in("13900005678")
    late = await wang.post(f"{path}/requests", WEDNESDAYS | {"person_id": str(make.RESIDENT)})
    problem(late, 409, "season_round_not_open")
    shown = read(AllocationShown, await scheduler.get(f"{path}/allocation"))
    assert [one.id for one in shown.requests] == [first.id, second.id]
    assert [(one.starts_at.day, len(one.occurrences)) for one in shown.rivals] == [(2, 2), (16, 2), (30, 2)]
    await decided(scheduler, path, accept(first.occurrences[0]), accept(first.occurrences[2]))
    shown = read(AllocationShown, await scheduler.get(f"{path}/allocation"))
    assert [one.id for one in shown.requests] == [second.id, first.id], "who was given nothing comes first"
    assert shown.hours_given == {str(first.id): 2, str(second.id): 0}
    taken = await scheduler.post(f"{path}/decisions", {"decisions": [accept(second.occurrences[0])]})
    problem(taken, 409, "occurrence_taken")
    instead = {"service_id": COURT, "starts_at": starts(2, "17:00").isoformat()}
    offer = {"occurrence_id": str(second.occurrences[0].id), "decision": "propose", "instead": instead}
    no = {"occurrence_id": str(second.occurrences[2].id), "decision": "reject", "reason": "校队比赛"}
    await decided(scheduler, path, offer, no, accept(second.occurrences[3]))
    answer = await li.post(f"{path}/occurrences/{second.occurrences[0].id}/reply", {"reply": "agree"})
    assert read(OccurrenceShown, answer).starts_at == starts(2, "17:00")
    assert read(SeasonRoundShown, await scheduler.post(f"{path}/commitment")).stage == "committed"
    assert await worker(gym).book_due() == 2, "what is opened already"
    assert await worker(gym).book_due() == 0
    gym.clock.set(starts(10))
    await open_slots(gym.engine, gym.clock())
    assert await worker(gym).book_due() == 2, "the others as soon as their times are opened"
    await everything_stands_as_it_was_given(gym, path)


async def test_a_club_is_told_once_what_it_was_given_and_what_not_and_why(gym: Caller) -> None:
    _, path = await opened(gym)
    wang = await gym.sign_in()
    first = await asked(wang, path)
    li = await gym.sign_in("13900005678")
    second = await asked(li, path, OTHER_CARD, service_id="badminton-2")
    scheduler, _ = await closed(gym)
    no = {"occurrence_id": str(first.occurrences[2].id), "decision": "reject", "reason": "校队比赛"}
    instead = {"service_id": COURT, "starts_at": starts(30, "17:00").isoformat()}
    offer = {"occurrence_id": str(first.occurrences[3].id), "decision": "propose", "instead": instead}
    await decided(scheduler, path, accept(first.occurrences[0]), no, offer)
    assert (await scheduler.post(f"{path}/commitment")).status_code == 200
    assert (await scheduler.post(f"{path}/commitment")).status_code == 200
    news = {row["subject"]: row["data"] for row in await gym.rows("outbox") if row["type"] == "yuyue.case.moved.v1"}
    told = [row for row in await gym.rows("outbox") if row["type"] == "yuyue.case.moved.v1"]
    assert len(told) == len(news) == 2, "each series once, however often the round is committed"
    one, other = news[first.id], news[second.id]
    [asker] = [row["account_id"] for row in await gym.rows("season_requests") if row["id"] == first.id]
    assert (one["reference"], one["version"], one["account_id"]) == (first.reference, 1, str(asker))
    assert gym.opener.open_contact(one["contact"]).phone is not None
    assert one["step"]["zh"].endswith("：申请4场，分得1场")
    assert one["step"]["en"].endswith(": 1 of the 4 hours asked for")
    assert one["next_step"] == {
        "zh": "分得的场次一开放就为您预约；另有1场建议改期，等您答复；未分得：12月9日（开放计划中没有）、12月16日（校队比赛）",
        "en": "the hours given are booked for you as soon as they open; 1 at another time wait for your answer;"
        " not given: 9 Dec (not in the plan), 16 Dec (校队比赛)",
    }
    assert "未分到" in other["next_step"]["zh"]
    assert other["step"]["zh"].endswith("：申请4场，分得0场")


async def test_what_is_booked_or_past_is_never_touched_again(gym: Caller) -> None:
    _, path = await opened(gym)
    wang = await gym.sign_in()
    request = await asked(wang, path)
    scheduler, wang = await closed(gym)
    await decided(scheduler, path, accept(request.occurrences[0]))
    await scheduler.post(f"{path}/commitment")
    await worker(gym).book_due()
    no = {"occurrence_id": str(request.occurrences[0].id), "decision": "reject", "reason": "检修"}
    fixed = await scheduler.post(f"{path}/decisions", {"decisions": [no]})
    assert problem(fixed, 409, "occurrence_fixed")["fate"] == "booked"
    await decided(scheduler, path, accept(request.occurrences[2]))
    withdrawn = await wang.post(f"{path}/occurrences/{request.occurrences[2].id}/reply", {"reply": "withdraw"})
    assert read(OccurrenceShown, withdrawn).fate == "withdrawn"
    problem(
        await scheduler.post(f"{path}/decisions", {"decisions": [accept(request.occurrences[2])]}),
        409,
        "occurrence_fixed",
    )
    li = await gym.sign_in("13900005678")
    theirs = await li.post(f"{path}/occurrences/{request.occurrences[3].id}/reply", {"reply": "withdraw"})
    problem(theirs, 404, "occurrence_unknown")


async def test_what_the_rules_refuse_stands_there_with_its_reason(gym: Caller) -> None:
    _, path = await opened(gym)
    wang = await gym.sign_in()
    request = await asked(wang, path)
    [saved] = (await wang.get("/api/v1/people")).json()["items"]
    answer = await wang.post(f"{path}/requests", WEDNESDAYS | {"person_id": saved["id"], "service_id": "badminton-2"})
    other = SeasonRequestShown.model_validate_json(answer.content)
    scheduler, wang = await closed(gym)
    await decided(scheduler, path, accept(request.occurrences[0]), accept(other.occurrences[0]))
    await scheduler.post(f"{path}/commitment")
    assert await worker(gym).book_due() == 2
    found = read(Page[SeasonRequestShown], await wang.get(f"{path}/requests")).items
    assert sorted((one.occurrences[0].fate.value, one.occurrences[0].reason) for one in found) == [
        ("booked", None),
        ("refused", "clashes"),
    ]


async def test_a_worker_that_dies_after_booking_books_nothing_twice(
    gym: Caller, monkeypatch: pytest.MonkeyPatch
) -> None:
    _, path = await opened(gym)
    request = await asked(await gym.sign_in(), path)
    scheduler, _ = await closed(gym)
    await decided(scheduler, path, accept(request.occurrences[0]))
    await scheduler.post(f"{path}/commitment")

    async def dies(*_: Any) -> None:
        raise Killed

    with monkeypatch.context() as patched:
        patched.setattr(allocating, "write_outcome", dies)
        with pytest.raises(Killed):
            await worker(gym).book_due()
    assert len(await gym.rows("bookings")) == 1
    assert await worker(gym).book_due() == 0, "the dead worker's lease still runs"
    gym.clock.set(gym.clock() + LEASE)
    assert await worker(gym).book_due() == 1
    [row] = await gym.rows("bookings")
    assert [one["booking_id"] for one in await gym.rows("season_occurrences") if one["fate"] == "booked"] == [row["id"]]


async def test_who_may_open_and_what_cannot_be_opened(gym: Caller) -> None:
    resident = await gym.sign_in()
    problem(await resident.post(ROUNDS, OPENING), 403, "not_allowed")
    elsewhere = await gym.at_work(Role.SCHEDULER, "museum")
    problem(await elsewhere.post(ROUNDS, OPENING), 403, "not_allowed")
    scheduler, path = await opened(gym)
    problem(await scheduler.post(ROUNDS, OPENING | {"services": ["none"]}), 404, "service_unknown")
    problem(await scheduler.post(ROUNDS, OPENING | {"last": "2026-11-01"}), 422, "season_round_invalid")
    problem(await resident.get(f"{ROUNDS}/{make.RESIDENT}"), 404, "season_round_unknown")
    [shown] = read(Page[SeasonRoundShown], await resident.get(f"{ROUNDS}?venue_id={GYM}")).items
    assert (shown.stage, shown.services, str(shown.id)) == ("gathering", OPENING["services"], path.rpartition("/")[2])
    one = await person(resident)
    body = WEDNESDAYS | {"person_id": one}
    problem(
        await resident.post(f"{path}/requests", body | {"service_id": "table-tennis-1"}), 422, "season_request_invalid"
    )
    problem(await resident.post(f"{path}/requests", body | {"person_id": str(make.RESIDENT)}), 404, "person_unknown")
    answer = await resident.post(f"{path}/requests", body, key="once")
    assert (await resident.post(f"{path}/requests", body, key="once")).content == answer.content
    assert len(await gym.rows("season_requests")) == 1
    scheduler, _ = await closed(gym)
    unreasoned = {"occurrence_id": answer.json()["occurrences"][0]["id"], "decision": "reject"}
    problem(await scheduler.post(f"{path}/decisions", {"decisions": [unreasoned]}), 422, "invalid_request")
    unknown = {"occurrence_id": str(UUID(int=7)), "decision": "accept"}
    problem(await scheduler.post(f"{path}/decisions", {"decisions": [unknown]}), 404, "occurrence_unknown")
