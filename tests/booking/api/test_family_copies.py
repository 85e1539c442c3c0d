"""A family member gets copies once they have agreed, and either side ends it."""

from datetime import timedelta
from typing import Any

from sqlalchemy import select

from services.booking import tables
from shared.contracts import Contact, EventType
from tests.booking.api.caller import Caller, problem

COPIES, ME = "/api/v1/me/copies", "/api/v1/me"
LI = "13900005678"


async def told(api: Caller) -> list[tuple[str, int, Contact]]:
    """Return what the notify service is told of arrangements: state, version, and the reader's contact."""
    table = tables.outbox.c
    changed = table.type == EventType.COPY_CHANGED.value
    async with api.engine.connect() as connection:
        found = (await connection.execute(select(table.data).where(changed).order_by(table.sequence))).scalars().all()
    return [(data["state"], data["version"], api.opener.open_contact(data["contact"])) for data in found]


async def asked(api: Caller, **more: Any) -> tuple[Caller, Caller, dict[str, Any]]:
    """Wang, who is 王小明, asks Li."""
    wang, li = await api.sign_in(), await api.sign_in(LI)
    await wang.write("PATCH", ME, {"name": "王小明"})
    answer = await wang.post(COPIES, {"phone": LI, **more})
    assert answer.status_code == 201, answer.text
    return wang, li, answer.json()


async def received(who: Caller) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = (await who.get(COPIES)).json()["received"]
    return found


async def test_nothing_is_copied_before_the_other_one_agrees(api: Caller) -> None:
    wang, li, made = await asked(api, kinds=["cancellation", "reminder"])
    assert (made["state"], made["other"], made["kinds"]) == ("asked", "139****5678", ["reminder", "cancellation"])
    [request] = await received(li)
    assert (request["id"], request["state"], request["other"]) == (made["id"], "asked", "王**")
    problem(await wang.post(f"{COPIES}/{made['id']}/consent"), 404, "copy_unknown")
    agreed = await li.post(f"{COPIES}/{made['id']}/consent")
    assert (agreed.status_code, agreed.json()["state"], agreed.json()["version"]) == (200, "agreed", 2)
    assert [(state, version) for state, version, _ in await told(api)] == [("asked", 1), ("agreed", 2)]
    contact = (await told(api))[-1][2]
    assert (contact.phone, contact.copy_of) == (f"+86{LI}", "王**")
    kept = str([await api.rows(name) for name in ("family_copies", "outbox")])
    assert LI not in kept
    assert "王" not in kept


async def test_either_side_ends_it_and_again_is_harmless(api: Caller) -> None:
    wang, li, made = await asked(api)
    path = f"{COPIES}/{made['id']}"
    await li.post(f"{path}/consent")
    assert (await li.post(f"{path}/withdrawal")).json()["state"] == "withdrawn"
    assert (await wang.post(f"{path}/withdrawal")).json()["version"] == 3
    assert problem(await li.post(f"{path}/consent"), 409, "copy_decided")["state"] == "withdrawn"
    again = (await wang.post(COPIES, {"phone": LI})).json()
    await li.post(f"{COPIES}/{again['id']}/refusal")
    assert [one["state"] for one in (await wang.get(COPIES)).json()["given"]] == ["refused", "withdrawn"]
    assert [state for state, _, _ in await told(api)] == ["asked", "agreed", "withdrawn", "asked", "refused"]


async def test_strangers_neither_see_nor_decide(api: Caller) -> None:
    _, _, made = await asked(api)
    stranger = await api.sign_in("13900009999")
    for action in ("consent", "refusal", "withdrawal"):
        problem(await stranger.post(f"{COPIES}/{made['id']}/{action}"), 404, "copy_unknown")
    assert (await stranger.get(COPIES)).json() == {"given": [], "received": []}


async def test_whether_a_number_has_an_account_is_not_told_and_no_stranger_is_written_to(api: Caller) -> None:
    wang = await api.sign_in()
    known = await wang.post(COPIES, {"phone": LI})
    assert await told(api) == []
    assert (known.status_code, known.json()["state"]) == (201, "asked")
    li = await api.sign_in(LI)
    [request] = await received(li)
    assert (await li.post(f"{COPIES}/{request['id']}/consent")).status_code == 200
    assert [state for state, _, _ in await told(api)] == ["agreed"]


async def test_there_are_bounds(api: Caller) -> None:
    wang, _, _ = await asked(api)
    problem(await wang.post(COPIES, {"phone": "13900001234"}), 422, "copy_to_oneself")
    problem(await wang.post(COPIES, {"phone": LI}), 409, "copy_already")
    problem(await wang.post(COPIES, {"phone": "12"}), 422, "invalid_request")
    problem(await wang.post(COPIES, {"phone": LI, "kinds": ["feedback"]}), 422, "invalid_request")
    for number in range(2):
        assert (await wang.post(COPIES, {"phone": f"1390000700{number}"})).status_code == 201
    assert problem(await wang.post(COPIES, {"phone": "13900007009"}), 409, "copies_limit_reached")["most"] == 3


async def test_nobody_is_asked_without_end(api: Caller) -> None:
    for number in range(2):
        caller = await api.sign_in(f"1390000600{number}")
        assert (await caller.post(COPIES, {"phone": LI})).status_code == 201
        api.clock.advance(timedelta(minutes=1))
    caller = await api.sign_in("13900006009")
    problem(await caller.post(COPIES, {"phone": LI}), 429, "too_many_requests")


async def test_who_gets_copies_is_reached_as_they_wish_from_then_on(api: Caller) -> None:
    _, li, made = await asked(api)
    await li.post(f"{COPIES}/{made['id']}/consent")
    await li.write("PATCH", ME, {"email": "li@example.com", "language": "en"})
    state, version, contact = (await told(api))[-1]
    assert (state, version, contact.language, contact.email, contact.email_unproved) == ("agreed", 3, "en", None, True)
    await li.post("/api/v1/me/email/proof", {"code": (await api.proofs())[-1].code})
    state, version, contact = (await told(api))[-1]
    assert (version, contact.email, contact.copy_of) == (4, "li@example.com", "王**")
