"""A draw over HTTP, from its opening to the order that anybody works out again."""

import json
from datetime import timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any
from uuid import UUID, uuid4

import pytest
from click.testing import CliRunner, Result

from services.__main__ import main
from services.booking.api.draw_body import DrawPublished, DrawRequestShown, DrawShown
from services.booking.commands import draws
from services.booking.commands.drawing import Drawing
from services.booking.domain.account import Role
from services.booking.domain.draw import Entry, contents_of, digest_of, first_difference, order_of
from services.booking.domain.slot import Slot
from services.booking.domain.zone import local
from shared.web import Page
from tests import make, world
from tests.booking.api.caller import IDENTITY_CARD, Caller, problem
from tests.booking.api.town import at, book, build, person, read
from tests.booking.domain.test_draw import document

OTHER_CARD = "210202198001011238"
CLOSES = make.NOW + timedelta(hours=1)
PATH = "/api/v1/services/timed-entry/draws"


def window(*slots: Slot, **changes: Any) -> dict[str, Any]:
    wish = {"opens_at": make.NOW.isoformat(), "closes_at": CLOSES.isoformat(), "slots": [str(one.id) for one in slots]}
    return wish | changes


async def opened(api: Caller, *slots: Slot) -> str:
    """A round over these slots; return its path."""
    await world.put_slots(api.engine, *slots)
    scheduler = await api.at_work(Role.SCHEDULER, "scheduler")
    answer = await scheduler.post(PATH, window(*slots))
    assert answer.status_code == 201, answer.text
    return f"/api/v1/draws/{DrawShown.model_validate_json(answer.content).id}"


async def settle(api: Caller) -> None:
    api.clock.set(CLOSES)
    assert await Drawing(api.engine, api.parts.desk, api.clock).settle_due() == 1


async def test_a_draw_from_its_opening_to_what_is_left(api: Caller) -> None:
    slot = make.slot(capacity=1)
    later = at(slot, days=1)
    path = await opened(api, slot, later)
    before = read(DrawPublished, await api.get(path))
    assert (before.stage, before.seed, before.digest, before.requests, before.entries) == (
        "gathering",
        None,
        None,
        None,
        [],
    )
    wang, li = await api.sign_in(), await api.sign_in("13900005678")
    for resident, card in ((wang, IDENTITY_CARD), (li, OTHER_CARD)):
        one = await person(resident, card)
        refused = problem(await book(resident, one, str(slot.id)), 409, "slot_drawn")
        assert refused["alternatives"] == [], "neither of the drawn times is offered instead"
        answer = await resident.post(f"{path}/requests", {"people": [one], "slots": [str(slot.id)]})
        assert answer.status_code == 201, answer.text
        mine = DrawRequestShown.model_validate_json(answer.content)
        assert mine.line == f"{mine.id} one_person 1 {slot.id} {contents_of(bytes.fromhex(mine.salt), [UUID(one)], {})}"
        assert (mine.place, mine.outcome, mine.booking_id) == (None, None, None)
    assert read(DrawPublished, await api.get(path)).entries == [], "nobody sees who asks while requests come"
    await settle(api)
    wang, li = await api.sign_in(), await api.sign_in("13900005678")
    after = read(DrawPublished, await api.get(path))
    assert (after.stage, after.requests, after.commitment) == ("settled", 2, before.commitment)
    assert [(one.place, one.outcome) for one in after.entries] == [(1, "booked"), (2, "passed_over")]
    assert [one.reason for one in after.entries[1].passed] == ["slot_full"]
    assert first_difference(after.model_dump(mode="json")) is None
    outcomes = {}
    for resident in (wang, li):
        [mine] = read(Page[DrawRequestShown], await resident.get(f"{path}/requests")).items
        bookings = (await resident.get("/api/v1/bookings")).json()["items"]
        assert [UUID(one["id"]) for one in bookings] == ([mine.booking_id] if mine.booking_id else [])
        assert {one["state"] for one in bookings} <= {"confirmed"}
        assert mine.line.split()[0] == str(after.entries[mine.place - 1].id)
        outcomes[mine.outcome] = resident
    loser = outcomes["passed_over"]
    [one] = (await loser.get("/api/v1/people")).json()["items"]
    answer = await book(loser, one["id"], str(later.id))
    assert answer.status_code == 201, "what is left is everybody's"
    types = [row["type"] for row in await api.rows("outbox") if row["type"].startswith("yuyue.booking")]
    assert types == ["yuyue.booking.confirmed.v1"] * 2


async def test_each_person_once_and_a_party_as_one(api: Caller) -> None:
    slot = make.slot(capacity=3)
    path = await opened(api, slot)
    wang, li = await api.sign_in(), await api.sign_in("13900005678")
    one, other = await person(wang), await person(wang, OTHER_CARD)
    same_one = await person(li)
    party = {"people": [one, other], "slots": [str(slot.id)], "party": "group"}
    key = str(uuid4())
    answer = await wang.post(f"{path}/requests", party, key=key)
    assert answer.status_code == 201, answer.text
    assert (await wang.post(f"{path}/requests", party, key=key)).content == answer.content, (
        "a repeat is no second request"
    )
    problem(await wang.post(f"{path}/requests", party | {"people": [one]}, key=key), 422, "idempotency_key_reused")
    refused = problem(
        await li.post(f"{path}/requests", {"people": [same_one], "slots": [str(slot.id)]}), 409, "draw_entered_already"
    )
    assert refused["field"] == "/people/0"
    request_id = answer.json()["id"]
    problem(await li.write("DELETE", f"{path}/requests/{request_id}"), 404, "draw_request_unknown")
    assert (await wang.write("DELETE", f"{path}/requests/{request_id}")).status_code == 204
    problem(await wang.write("DELETE", f"{path}/requests/{request_id}"), 404, "draw_request_unknown")
    again = await li.post(f"{path}/requests", {"people": [same_one], "slots": [str(slot.id)]})
    assert again.status_code == 201, "whoever is withdrawn may be entered again"
    await settle(api)
    after = read(DrawPublished, await api.get(path))
    assert [(str(entry.id), entry.people) for entry in after.entries] == [(again.json()["id"], 1)]
    [mine] = read(Page[DrawRequestShown], await (await api.sign_in()).get(f"{path}/requests")).items
    assert (mine.withdrawn_at is not None, mine.place, mine.outcome) == (True, None, None)


async def test_a_round_takes_so_many_requests_and_no_more(api: Caller, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(draws, "REQUESTS_MOST", 1)
    slot = make.slot()
    path = await opened(api, slot)
    wang = await api.sign_in()
    first, second = await person(wang), await person(wang, OTHER_CARD)
    slots = [str(slot.id)]
    assert (await wang.post(f"{path}/requests", {"people": [first], "slots": slots})).status_code == 201
    refused = problem(await wang.post(f"{path}/requests", {"people": [second], "slots": slots}), 409, "draw_full")
    assert refused["most"] == 1
    assert len(await api.rows("draw_requests")) == 1


async def test_a_party_takes_places_for_all_of_it_or_none(api: Caller) -> None:
    small, large = make.slot(capacity=1), at(make.slot(), days=1)
    path = await opened(api, small, large)
    wang = await api.sign_in()
    pair = [await person(wang), await person(wang, OTHER_CARD)]
    wishes = {"people": pair, "slots": [str(small.id), str(large.id)], "party": "group"}
    assert (await wang.post(f"{path}/requests", wishes)).status_code == 201
    await settle(api)
    [entry] = read(DrawPublished, await api.get(path)).entries
    assert (entry.outcome, entry.slot_id) == ("booked", large.id)
    assert [(one.slot_id, one.reason) for one in entry.passed] == [(small.id, "slot_full")]


async def test_who_may_open_a_draw_and_over_what(api: Caller) -> None:
    slot = make.slot()
    path = await opened(api, slot)
    scheduler = await api.at_work(Role.SCHEDULER, "another")
    await build(api)
    stranger = await api.at_work(Role.SCHEDULER, "stranger", frozenset({"lushun-museum"}))
    problem(await (await api.sign_in()).post(PATH, window(slot)), 403, "not_allowed")
    problem(await stranger.post(PATH, window(slot)), 403, "not_allowed")
    problem(await scheduler.post("/api/v1/services/none/draws", window(slot)), 404, "service_unknown")
    assert problem(await scheduler.post(PATH, window(slot)), 422, "draw_invalid")["why"] == "draw_slot_taken"
    assert problem(await scheduler.post(PATH, window(make.slot())), 422, "draw_invalid")["why"] == "draw_slot"
    hasty = window(slot, closes_at=(make.NOW + timedelta(minutes=1)).isoformat())
    assert problem(await scheduler.post(PATH, hasty), 422, "draw_invalid")["why"] == "draw_window"
    problem(await scheduler.post(PATH, window(slot, closes_at="2026-11-23T12:00:00")), 422, "invalid_request")
    problem(await scheduler.post(PATH, window(slot, closes_at="9999-12-31T23:59:59Z")), 422, "draw_invalid")
    listed = read(Page[DrawShown], await api.get(PATH))
    assert [f"/api/v1/draws/{one.id}" for one in listed.items] == [path]
    problem(await api.get("/api/v1/services/none/draws"), 404, "service_unknown")
    problem(await api.get(f"{PATH}?cursor=x"), 400, "invalid_cursor")


async def test_rounds_come_in_pages(api: Caller) -> None:
    slots = [at(make.slot(), days=number) for number in range(3)]
    await world.put_slots(api.engine, *slots)
    scheduler = await api.at_work(Role.SCHEDULER, "scheduler")
    made = [(await scheduler.post(PATH, window(one))).json()["id"] for one in slots]
    first = (await api.get(f"{PATH}?limit=2")).json()
    rest = (await api.get(first["next"])).json()
    assert [one["id"] for one in [*first["items"], *rest["items"]]] == made[::-1]
    assert rest["next"] is None


async def test_requests_come_while_the_window_is_open(api: Caller) -> None:
    slot = make.slot()
    await world.put_slots(api.engine, slot)
    scheduler = await api.at_work(Role.SCHEDULER, "scheduler")
    soon = make.NOW + timedelta(minutes=10)
    path = f"/api/v1/draws/{(await scheduler.post(PATH, window(slot, opens_at=soon.isoformat()))).json()['id']}"
    wang = await api.sign_in()
    wish = {"people": [await person(wang, IDENTITY_CARD)], "slots": [str(slot.id)]}
    early = problem(await wang.post(f"{path}/requests", wish), 409, "draw_not_open")
    assert early["opens_at"] == local(soon).isoformat()
    api.clock.set(soon)
    problem(await wang.post(f"{path}/requests", wish | {"slots": [str(uuid4())]}), 404, "slot_unknown")
    problem(await wang.post(f"{path}/requests", wish | {"people": [str(uuid4())]}), 404, "person_unknown")
    problem(await wang.post(f"{path}/requests", wish | {"party": "couple"}), 422, "party_wrong_size")
    problem(await wang.post(f"{path}/requests", wish | {"declarations": {"x": "y"}}), 422, "declaration_invalid")
    problem(await wang.post(f"{path}/requests", wish | {"slots": [str(slot.id)] * 4}), 422, "invalid_request")
    problem(await wang.post(f"/api/v1/draws/{uuid4()}/requests", wish), 404, "draw_unknown")
    problem(await wang.get(f"/api/v1/draws/{uuid4()}/requests"), 404, "draw_unknown")
    problem(await wang.get(f"/api/v1/draws/{uuid4()}"), 404, "draw_unknown")
    entered = await wang.post(f"{path}/requests", wish)
    assert entered.status_code == 201, entered.text
    api.clock.set(CLOSES)
    wang = await api.sign_in()
    problem(await wang.post(f"{path}/requests", wish), 409, "draw_not_open")
    problem(await wang.write("DELETE", f"{path}/requests/{entered.json()['id']}"), 409, "draw_not_open")
    closing = read(DrawPublished, await api.get(path))
    assert (closing.stage, closing.seed) == ("closing", None), "the seed comes with the draw, never before"


async def test_a_drawn_time_is_shown_as_such(api: Caller) -> None:
    slot = make.slot()
    await opened(api, slot)
    shown = (await api.get("/api/v1/availability?service_id=timed-entry")).json()
    [time] = [one for day in shown["days"] for one in day["times"]]
    assert (time["reason"], time["places_left"]) == ("slot_drawn", 0)
    assert time["words"] == {"zh": "抽签分配", "en": "Drawn by lot"}
    assert shown["earliest"] is None


# -- the command line -----------------------------------------------------------------------------------------------


def verify(document: Any, folder: Path) -> Result:
    file = folder / "draw.json"
    file.write_text(document if isinstance(document, str) else json.dumps(document))
    return CliRunner().invoke(main, ["verify-draw", str(file)])


@pytest.fixture
async def published(api: Caller) -> dict[str, Any]:
    slots = [make.slot(capacity=1), at(make.slot(capacity=1), days=1)]
    path = await opened(api, *slots)
    for number, card in enumerate((IDENTITY_CARD, OTHER_CARD, "210202197001011233")):
        resident = await api.sign_in(f"1390000100{number}")
        wish = {"people": [await person(resident, card)], "slots": [str(one.id) for one in slots]}
        assert (await resident.post(f"{path}/requests", wish)).status_code == 201
    await settle(api)
    document: dict[str, Any] = (await api.get(path)).json()
    return document


async def test_anybody_verifies_what_was_published(published: dict[str, Any], tmp_path: Path) -> None:
    answer = verify(published, tmp_path)
    assert (answer.exit_code, answer.output.split(",")[0]) == (0, "equal: 3 requests")
    assert sorted(one["outcome"] for one in published["entries"]) == ["booked", "booked", "passed_over"]


async def test_a_request_put_in_afterwards_is_found(published: dict[str, Any], tmp_path: Path) -> None:
    """The operator puts a friend in another's place, and even works digest and order out again: the receipt tells."""
    forged = json.loads(json.dumps(published))
    forged["entries"][0]["contents"] = contents_of(b"friend", [uuid4()], {})
    answer = verify(forged, tmp_path)
    assert answer.exit_code == 1
    assert "DIFFERENT: digest" in answer.output
    entries = [
        Entry(
            id=UUID(one["id"]),
            party=one["party"],
            people=one["people"],
            slot_ids=tuple(map(UUID, one["slots"])),
            contents=one["contents"],
        )
        for one in forged["entries"]
    ]
    forged["digest"] = digest_of(UUID(forged["id"]), forged["commitment"], entries)
    assert forged["digest"] != published["digest"], "whoever kept the digest sees that it is another one"
    assert order_of(bytes.fromhex(forged["seed"]), entries) != []


async def test_another_seed_and_another_order_are_found(published: dict[str, Any], tmp_path: Path) -> None:
    answer = verify(published | {"seed": "00" * 32}, tmp_path)
    assert (answer.exit_code, "DIFFERENT: commitment" in answer.output) == (1, True)
    first, second, *rest = published["entries"]
    answer = verify(published | {"entries": [second | {"place": 1}, first | {"place": 2}, *rest]}, tmp_path)
    assert answer.exit_code == 1
    assert f"DIFFERENT: place 1: published {second['id']}, the seed gives {first['id']}" in answer.output


async def test_what_cannot_be_verified_is_said(published: dict[str, Any], tmp_path: Path) -> None:
    for told in ("{", "[]", {}, published | {"seed": None}):
        assert verify(told, tmp_path).exit_code == 1
    assert "not the document of a round that was drawn" in verify(published | {"seed": None}, tmp_path).output
    missing = CliRunner().invoke(main, ["verify-draw", str(tmp_path / "none.json")])
    assert (missing.exit_code, "No such file" in missing.output) == (1, True)


def test_a_draw_is_verified_where_it_is_published() -> None:
    bodies = {"/drawn": document(), "/forged": document() | {"digest": "0" * 64}}

    class Publisher(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            body = bodies.get(self.path)
            self.send_response(404 if body is None else 200)
            self.end_headers()
            self.wfile.write(json.dumps(body).encode())

        def log_message(self, *_arguments: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Publisher)
    address = f"http://127.0.0.1:{server.server_port}"
    serving = Thread(target=server.serve_forever)
    serving.start()
    try:
        drawn, forged, none = (
            CliRunner().invoke(main, ["verify-draw", address + path]) for path in ("/drawn", "/forged", "/none")
        )
    finally:
        server.shutdown()
        serving.join()
        server.server_close()
    nobody = CliRunner().invoke(main, ["verify-draw", f"{address}/drawn"])
    assert (drawn.exit_code, drawn.output.split(",")[0]) == (0, "equal: 4 requests")
    assert (forged.exit_code, "DIFFERENT: digest" in forged.output) == (1, True)
    assert (none.exit_code, "answered 404" in none.output) == (1, True)
    assert nobody.exit_code == 1
