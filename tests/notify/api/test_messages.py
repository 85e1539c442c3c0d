"""My messages: only mine, newest first, in both languages, read once."""

import json
import re
from datetime import timedelta
from uuid import UUID, uuid4

import pytest

from services.notify.api.problems import FACTS, TABLE
from services.notify.api.words import WORDS
from services.notify.domain.message import Evidence, Why
from services.notify.domain.reason import Reason
from services.notify.main import create_app
from services.notify.settings import NotifySettings
from shared.contracts import EventType
from shared.http import Response
from shared.sealing import generate_keys
from shared.tokens import Principal, Signer
from shared.web.problems import placeholders
from tests.notify.api.conftest import Caller, deliver
from tests.notify.make import NEIGHBOUR, NOW, RESIDENT, STARTS_AT, booking, event
from tests.notify.town import Town

SOME_ID = UUID("01936f2e-0000-7def-8a3b-000000000001")
ROUTES = [
    ("GET", "/api/v1/messages"),
    ("POST", f"/api/v1/messages/{SOME_ID}/read"),
    ("GET", "/api/v1/messages/stream"),
    ("GET", f"/api/v1/bookings/{SOME_ID}/messages"),
]


def problem(answer: Response, status: int, code: str) -> dict[str, object]:
    assert (answer.status_code, answer.json().get("code")) == (status, code), answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    body: dict[str, object] = answer.json()
    return body


async def test_the_list_shows_my_messages_newest_first_in_both_languages(town: Town, api: Caller) -> None:
    await town.hear(event(EventType.BOOKING_CONFIRMED, booking()))
    await town.live_until(STARTS_AT - timedelta(hours=24), step=timedelta(days=1))
    await deliver(town, account_id=NEIGHBOUR)
    body = (await api.get("/api/v1/messages")).json()
    assert [message["kind"] for message in body["items"]] == ["reminder", "confirmation"]
    assert [message["sequence"] for message in body["items"]] == [2, 1]
    assert (body["unread"], body["last"], body["next"]) == (2, 2, None)
    first = body["items"][0]
    assert first["title"] == {
        "zh": "预约提醒：羽毛球1号场，11月28日 16:30",
        "en": "Reminder: Badminton court 1, 28 Nov 16:30",
    }
    assert "时间：2026年11月28日 星期六 16:30" in first["body"]["zh"]
    assert "When: Saturday 28 November 2026, 16:30" in first["body"]["en"]
    assert first["created_at"] == "2026-11-27T16:30:00+08:00"


async def test_an_empty_inbox_is_an_answer(api: Caller) -> None:
    body = (await api.get("/api/v1/messages")).json()
    assert body == {"items": [], "next": None, "unread": 0, "last": 0}


async def test_pages_lead_from_one_to_the_next_by_body_and_header_and_nothing_new_disturbs_them(
    town: Town, api: Caller
) -> None:
    await deliver(town, 7)
    seen: list[int] = []
    path: str | None = "/api/v1/messages?limit=3"
    while path is not None:
        answer = await api.get(path)
        body = answer.json()
        seen += [message["sequence"] for message in body["items"]]
        path = body["next"]
        assert answer.links.get("next", {}).get("url") == path
        await deliver(town)
    assert seen == [7, 6, 5, 4, 3, 2, 1]


@pytest.mark.parametrize("cursor", ["", "x", "WyIxIl0", "WzBd", "Wy0xXQ", "WzldIA", "WzEsMl0"])
async def test_a_cursor_that_is_none_of_ours_is_refused(api: Caller, cursor: str) -> None:
    problem(await api.get(f"/api/v1/messages?cursor={cursor}"), 400, "invalid_cursor")


@pytest.mark.parametrize(
    "query", ["limit=0", "limit=101", "limit=x", "unread=perhaps", "colour=red", "limit=1&limit=2"]
)
async def test_a_query_that_is_wrong_is_refused(api: Caller, query: str) -> None:
    problem(await api.get(f"/api/v1/messages?{query}"), 422, "invalid_request")


async def test_marking_as_read_is_done_once_and_stays(town: Town, api: Caller) -> None:
    await deliver(town, 2)
    newest = (await api.get("/api/v1/messages")).json()["items"][0]
    answer = await api.post(f"/api/v1/messages/{newest['id']}/read")
    assert answer.status_code == 200
    assert answer.json() == {**newest, "read_at": "2026-11-20T10:00:00+08:00"}
    town.clock.advance(timedelta(minutes=3))
    assert (await api.post(f"/api/v1/messages/{newest['id']}/read")).json() == answer.json()
    body = (await api.get("/api/v1/messages?unread=true")).json()
    assert [message["sequence"] for message in body["items"]] == [1]
    assert body["unread"] == 1
    rows = await town.rows("SELECT evidence FROM messages WHERE id = :id", id=newest["id"])
    assert rows[0].evidence == Evidence.READ


async def test_nobody_elses_message_can_be_marked_or_even_found(town: Town, api: Caller) -> None:
    await deliver(town, account_id=NEIGHBOUR)
    (theirs,) = (await api.get("/api/v1/messages", NEIGHBOUR)).json()["items"]
    problem(await api.post(f"/api/v1/messages/{theirs['id']}/read"), 404, "message_unknown")
    problem(await api.post(f"/api/v1/messages/{uuid4()}/read"), 404, "message_unknown")
    assert (await api.get("/api/v1/messages", NEIGHBOUR)).json()["unread"] == 1


async def test_a_write_needs_its_key(api: Caller) -> None:
    path = f"/api/v1/messages/{uuid4()}/read"
    problem(await api.client.post(path, headers=api.headers()), 400, "idempotency_key_missing")
    bare = api.headers(key="bare-token")
    problem(await api.client.post(path, headers=bare), 400, "idempotency_key_invalid")


# -- who asks


@pytest.mark.parametrize(("method", "path"), ROUTES)
async def test_every_route_asks_who_it_is(api: Caller, method: str, path: str) -> None:
    answer = await api.client.request(method, path, headers={"idempotency-key": '"k"'})
    problem(answer, 401, "not_signed_in")
    assert answer.headers["www-authenticate"].startswith("Bearer")


@pytest.mark.parametrize(("method", "path"), ROUTES)
async def test_every_route_refuses_a_token_that_is_over(api: Caller, method: str, path: str) -> None:
    headers = api.headers(key='"k"')
    api.clock.advance(timedelta(hours=2))
    problem(await api.client.request(method, path, headers=headers), 401, "not_signed_in")


async def test_a_token_that_the_booking_service_did_not_sign_is_refused(
    api: Caller, tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = tmp_path_factory.mktemp("forger")
    generate_keys(folder)
    forged = Signer(folder).issue(Principal(subject=RESIDENT, role="resident"), NOW, timedelta(hours=1))
    answer = await api.client.get("/api/v1/messages", headers={"authorization": f"Bearer {forged}"})
    problem(answer, 401, "not_signed_in")


async def test_while_the_keys_cannot_be_fetched_it_says_not_now_and_not_no(api: Caller) -> None:
    api.issuer.away = True
    answer = await api.get("/api/v1/messages")
    problem(answer, 503, "busy")
    api.issuer.away = False
    api.clock.advance(timedelta(minutes=1))
    assert (await api.get("/api/v1/messages")).status_code == 200
    assert api.issuer.asked == 2


# -- why, of one booking


async def test_of_a_booking_every_message_is_shown_with_its_reason_in_words(town: Town, api: Caller) -> None:
    told_of = booking(contact=town.keys.contact(email=None))
    await town.hear(event(EventType.BOOKING_CONFIRMED, told_of))
    await town.deliver()
    cancelled = event(EventType.BOOKING_CANCELLED, booking(booking_id=told_of.booking_id, version=2))
    await town.hear(cancelled)
    items = (await api.get(f"/api/v1/bookings/{told_of.booking_id}/messages")).json()["items"]
    shown = {
        (one["kind"], one["lead_minutes"], one["channel"]): (one["state"], one["why"], one["evidence"]) for one in items
    }
    assert shown == {
        ("confirmation", 0, "in_app"): ("sent", "written", "delivered"),
        ("confirmation", 0, "email"): ("suppressed", "no_email_address", "none"),
        ("reminder", 1440, "in_app"): ("superseded", "booking_cancelled", "none"),
        ("reminder", 1440, "email"): ("suppressed", "no_email_address", "none"),
        ("reminder", 120, "in_app"): ("superseded", "booking_cancelled", "none"),
        ("reminder", 120, "email"): ("suppressed", "no_email_address", "none"),
        ("cancellation", 0, "in_app"): ("planned", "cancelled", "none"),
        ("cancellation", 0, "email"): ("suppressed", "no_email_address", "none"),
    }
    (reminder,) = [one for one in items if (one["lead_minutes"], one["channel"]) == (1440, "in_app")]
    assert reminder["due_at"] == "2026-11-27T16:30:00+08:00"
    assert reminder["explanation"]["zh"] == "预约已取消，此消息作废。"
    dump = json.dumps(items)
    assert "羽毛球" not in dump, "states and reasons, no words of the message"


async def test_nobody_elses_booking_is_explained(town: Town, api: Caller) -> None:
    told_of = booking(account_id=NEIGHBOUR)
    await town.hear(event(EventType.BOOKING_CONFIRMED, told_of))
    problem(await api.get(f"/api/v1/bookings/{told_of.booking_id}/messages"), 404, "booking_unknown")
    problem(await api.get(f"/api/v1/bookings/{uuid4()}/messages"), 404, "booking_unknown")


@pytest.mark.parametrize("why", Why)
def test_every_reason_has_its_words_in_both_languages(why: Why) -> None:
    words = WORDS[why]
    assert re.search("[\u4e00-\u9fff].*。$", words.zh)
    assert re.fullmatch(r"[^\u4e00-\u9fff]+\.", words.en)


def test_every_refusal_has_its_row_and_its_words_in_both_languages() -> None:
    assert set(TABLE) == set(Reason)
    for text in TABLE.values():
        assert re.search("[\u4e00-\u9fff]", text.title.zh)
        assert not re.search("[\u4e00-\u9fff]", text.title.en + text.detail.en)
        assert placeholders(text.detail.zh) == placeholders(text.detail.en) <= set(FACTS)


# -- running it


async def test_health_readiness_and_documentation_need_no_account(api: Caller) -> None:
    assert (await api.client.get("/healthz")).json() == {"status": "ok"}
    assert (await api.client.get("/readyz")).json() == {"status": "ok", "database": True}
    assert "我的消息" in (await api.client.get("/docs")).text
    assert "Unknown message" in (await api.client.get("/problems/message-unknown")).text
    problem(await api.client.get("/problems/no-such-code"), 404, "not_found")
    problem(await api.client.get("/nowhere"), 404, "not_found")
    problem(await api.client.delete("/api/v1/messages"), 405, "method_not_allowed")


async def test_readiness_says_so_while_the_database_is_away(api: Caller, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse() -> None:
        raise ConnectionRefusedError

    monkeypatch.setattr(api.parts, "engine", type("Away", (), {"connect": staticmethod(refuse)}))
    answer = await api.client.get("/readyz")
    assert (answer.status_code, answer.json()) == (503, {"status": "not_ready", "database": False})
    problem(await api.get("/api/v1/messages"), 503, "busy")


def test_the_document_has_an_example_of_every_answer_and_names_every_refusal() -> None:
    document = create_app(NotifySettings(database_url="postgresql://nobody@nowhere/x")).openapi()
    for path, operations in document["paths"].items():
        for operation in operations.values():
            if path.startswith("/api/"):
                public = path == "/api/v1/push/key"  # a browser asks for it before anybody signs in
                assert {"422", "429", "500", "503"} | (set() if public else {"401"}) <= set(operation["responses"]), (
                    path
                )
                assert public or operation["security"] == [{"bearer": []}]
                assert operation["summary"]
                assert operation["description"]
    schemas = document["components"]["schemas"]
    for name in (
        "MessagePage",
        "MessageShown",
        "PlannedMessages",
        "PlannedShown",
        "PreferencesShown",
        "PreferencesWanted",
    ):
        assert schemas[name]["examples"], name
