"""The account and the people it books for: masked, sealed, one row for one document, and never more than twenty."""

import asyncio
from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest

from services.booking.commands.accounts import Changes, change_own
from services.booking.commands.proving import Proving
from tests.booking.api.caller import IDENTITY_CARD, WANG, Caller, problem

PEOPLE, ME = "/api/v1/people", "/api/v1/me"


def person(number: str = IDENTITY_CARD, **changes: Any) -> dict[str, Any]:
    document = {"type": "resident_identity_card", "number": number}
    return {"name": "王建国", "relation": "parent", "document": document, **changes}


def passport(number: str, birth_date: str | None = "1974-08-12") -> dict[str, Any]:
    given = {"birth_date": birth_date} if birth_date else {}
    return {"name": "John Smith", "relation": "self", "document": {"type": "passport", "number": number}, **given}


async def test_a_person_is_saved_and_shown_masked(api: Caller) -> None:
    wang = await api.sign_in()
    answer = await wang.post(PEOPLE, person(" 210202 19500101 1234 "))
    assert answer.status_code == 201
    saved = answer.json()
    assert (saved["name"], saved["relation"]) == ("王**", "parent")
    assert saved["document"] == {"type": "resident_identity_card", "number": "210***********1234"}
    assert saved["created_at"] == "2026-11-23T10:00:00+08:00"
    listed = (await wang.get(PEOPLE)).json()
    assert listed == {"items": [saved], "next": None}
    assert IDENTITY_CARD not in answer.text
    assert "1950" not in answer.text


async def test_names_and_numbers_are_sealed_where_they_are_kept(api: Caller) -> None:
    wang = await api.sign_in()
    await wang.post(PEOPLE, person())
    written = str([await api.rows(name) for name in ("persons", "account_people", "idempotency", "outbox")])
    assert "王建国" not in written
    assert IDENTITY_CARD not in written
    [row] = await api.rows("persons")
    assert api.parts.vault.open(row["document_sealed"], "person.document_number").decode() == IDENTITY_CARD


async def test_one_document_is_one_person_whoever_saves_it(api: Caller) -> None:
    first = (await (await api.sign_in()).post(PEOPLE, person())).json()
    other = await api.sign_in("13900005678")
    second = (await other.post(PEOPLE, person(name="王爷爷", relation="grandparent"))).json()
    assert first["id"] == second["id"]
    assert (second["name"], second["relation"]) == ("王**", "grandparent")
    assert len(await api.rows("persons")) == 1


async def test_a_reissued_travel_permit_is_still_the_same_person(api: Caller) -> None:
    wang, other = await api.sign_in(), await api.sign_in("13900005678")

    def permit(number: str) -> dict[str, Any]:
        document = {"type": "hong_kong_macau_travel_permit", "number": number}
        return {"name": "陈大文", "relation": "self", "document": document, "birth_date": "1980-02-03"}

    ids = {
        (await who.post(PEOPLE, permit(n))).json()["id"] for who, n in ((wang, "H1234567801"), (other, "H1234567802"))
    }
    assert len(ids) == 1


async def test_the_same_person_twice_is_said_so(api: Caller) -> None:
    wang = await api.sign_in()
    saved = (await wang.post(PEOPLE, person())).json()
    body = problem(await wang.post(PEOPLE, person()), 409, "person_saved_already")
    assert body["person_id"] == saved["id"]


async def test_a_person_can_be_removed_and_come_back(api: Caller) -> None:
    wang = await api.sign_in()
    saved = (await wang.post(PEOPLE, person())).json()
    gone = await wang.write("DELETE", f"{PEOPLE}/{saved['id']}", key="gone")
    assert (gone.status_code, gone.content) == (204, b"")
    assert (await wang.get(PEOPLE)).json()["items"] == []
    assert (await wang.write("DELETE", f"{PEOPLE}/{saved['id']}", key="gone")).status_code == 204
    problem(await wang.write("DELETE", f"{PEOPLE}/{saved['id']}"), 404, "person_unknown")
    assert (await wang.post(PEOPLE, person(name="王老先生"))).json()["id"] == saved["id"]


async def test_nobody_touches_another_account_s_people(api: Caller) -> None:
    saved = (await (await api.sign_in()).post(PEOPLE, person())).json()
    other = await api.sign_in("13900005678")
    assert (await other.get(PEOPLE)).json()["items"] == []
    problem(await other.write("DELETE", f"{PEOPLE}/{saved['id']}"), 404, "person_unknown")
    problem(await api.get(PEOPLE), 401, "not_signed_in")
    problem(await api.post(PEOPLE, person()), 401, "not_signed_in")


async def test_twenty_people_and_no_more_however_many_ask_at_once(api: Caller) -> None:
    wang = await api.sign_in()
    for number in range(18):
        assert (await wang.post(PEOPLE, passport(f"E{number:08d}"))).status_code == 201
    answers = await asyncio.gather(*(wang.post(PEOPLE, passport(f"F{number:08d}")) for number in range(6)))
    assert sorted(answer.status_code for answer in answers) == [201, 201, 409, 409, 409, 409]
    body = problem(next(answer for answer in answers if answer.status_code == 409), 409, "people_limit_reached")
    assert body["most"] == 20
    assert len((await wang.get(PEOPLE)).json()["items"]) == 20


@pytest.mark.parametrize(
    ("body", "code", "field"),
    [
        (person("210202195001011235"), "document_invalid", "/document/number"),
        (person("999999999999999999"), "document_invalid", "/document/number"),
        (person(birth_date="1951-01-01"), "birth_date_contradicts", "/birth_date"),
        (passport("L898902C3", None), "birth_date_needed", "/birth_date"),
        (passport("L898902C3", "2099-01-01"), "document_invalid", "/birth_date"),
        (person(name=""), "invalid_request", "/name"),
        (person(name="   "), "invalid_request", "/name"),
        (person(name="王" * 61), "invalid_request", "/name"),
        (person(name="王\0"), "invalid_request", ""),
        (person(relation="enemy"), "invalid_request", "/relation"),
        (person(document={"type": "library_card", "number": "1"}), "invalid_request", "/document/type"),
        (person(document={"type": "passport"}), "invalid_request", "/document/number"),
        (person(birth_date="1950-13-01"), "invalid_request", "/birth_date"),
        (person(phone="13900001234"), "invalid_request", "/phone"),
        ({}, "invalid_request", "/name"),
    ],
)
async def test_what_cannot_be_saved_says_where(api: Caller, body: dict[str, Any], code: str, field: str) -> None:
    answer = await (await api.sign_in()).post(PEOPLE, body)
    assert problem(answer, 422, code)["field"] == field
    assert await api.rows("persons") == []


async def test_a_birth_date_of_one_s_own_telling_must_be_the_one_told_first(api: Caller) -> None:
    await (await api.sign_in()).post(PEOPLE, passport("L898902C3"))
    other = await api.sign_in("13900005678")
    problem(await other.post(PEOPLE, passport("L898902C3", "1974-08-13")), 422, "birth_date_contradicts")
    assert len(await api.rows("account_people")) == 1
    assert (await other.post(PEOPLE, passport("L898902C3"))).status_code == 201


async def test_a_stranger_s_birth_date_cannot_be_found_by_trying(api: Caller) -> None:
    await (await api.sign_in()).post(PEOPLE, passport("L898902C3"))
    other = await api.sign_in("13900005678")
    answers = [await other.post(PEOPLE, passport("L898902C3", f"1974-07-{day:02d}")) for day in range(1, 32)]
    assert [answer.status_code for answer in answers] == [422] * 30 + [429]


async def test_a_repeated_request_saves_once_and_gets_the_same_bytes(api: Caller) -> None:
    wang = await api.sign_in()
    answers = await asyncio.gather(*(wang.post(PEOPLE, person(), key="tap tap") for _ in range(10)))
    assert {(answer.status_code, answer.content) for answer in answers} == {(201, answers[0].content)}
    spaced = {
        "document": {"number": IDENTITY_CARD, "type": "resident_identity_card"},
        "relation": "parent",
        "name": "王建国",
    }
    assert (await wang.post(PEOPLE, spaced, key="tap tap")).content == answers[0].content  # members in another order
    problem(await wang.post(PEOPLE, person(name="李"), key="tap tap"), 422, "idempotency_key_reused")
    problem(await wang.write("DELETE", f"{PEOPLE}/{uuid4()}", key="tap tap"), 422, "idempotency_key_reused")


async def test_a_key_is_the_account_s_own(api: Caller) -> None:
    await (await api.sign_in()).post(PEOPLE, person(), key="same")
    other = await api.sign_in("13900005678")
    assert (await other.post(PEOPLE, passport("L898902C3"), key="same")).status_code == 201


async def test_a_refusal_is_remembered_too(api: Caller) -> None:
    wang = await api.sign_in()
    first = await wang.post(PEOPLE, person("210202195001011235"), key="typo")
    problem(first, 422, "document_invalid")
    again = await wang.post(PEOPLE, person("210202195001011235"), key="typo")
    assert again.content == first.content
    assert again.headers["content-language"] == first.headers["content-language"]


async def test_contact_data_changes_and_is_sealed_anew_for_notify(api: Caller) -> None:
    wang = await api.sign_in()
    answer = await wang.write("PATCH", ME, {"name": " 王小明 ", "language": "en"})
    assert answer.status_code == 200
    assert {**answer.json(), "id": None} == {
        "id": None,
        "role": "resident",
        "venues": [],
        "login": None,
        "phone": "139****1234",
        "email": None,
        "email_pending": None,
        "name": "王小明",
        "language": "en",
        "created_at": "2026-11-23T10:00:00+08:00",
    }
    assert (await wang.get(ME)).json() == answer.json()
    [row] = await api.rows("accounts")
    contact = api.opener.open_contact(row["contact"])
    assert (contact.phone, contact.email, contact.name, contact.language) == ("+8613900001234", None, "王小明", "en")
    assert "王小明" not in str(row)


async def test_what_is_not_sent_stays_and_null_takes_away(api: Caller) -> None:
    wang = await api.sign_in()
    await wang.write("PATCH", ME, {"email": "wang@example.com", "name": "王小明"})
    await wang.write("PATCH", ME, {"email": None})
    me = (await wang.get(ME)).json()
    assert (me["email"], me["email_pending"], me["name"], me["language"]) == (None, None, "王小明", "zh-CN")
    await wang.write("PATCH", ME, {})
    assert (await wang.get(ME)).json() == me


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"email": "not an address"}, "/email"),
        ({"email": "a@b\r\nBcc: c@d.example"}, "/email"),
        ({"email": "x" * 250 + "@example.com"}, "/email"),
        ({"language": "fr"}, "/language"),
        ({"language": None}, "/language"),
        ({"name": ""}, "/name"),
        ({"role": "administrator"}, "/role"),
        ({"phone": "13900005678"}, "/phone"),
    ],
)
async def test_what_cannot_be_changed_is_refused(api: Caller, body: dict[str, Any], field: str) -> None:
    wang = await api.sign_in()
    assert problem(await wang.write("PATCH", ME, body), 422, "invalid_request")["field"] == field


async def test_two_changes_at_once_both_stand(api: Caller) -> None:
    await api.sign_in()
    [row] = await api.rows("accounts")
    by = Proving(api.parts.vault, "https://booking.example", api.clock())

    async def change_name() -> None:
        async with api.engine.begin() as tx:
            await change_own(tx, by, row["id"], Changes(frozenset({"name"}), name="王小明"))

    async with api.engine.begin() as tx:
        await change_own(tx, by, row["id"], Changes(frozenset({"language"}), language="en"))
        other = asyncio.create_task(change_name())
        await asyncio.sleep(0.1)
        assert not other.done()  # it waits, or it would seal a contact without the language
    await other
    [row] = await api.rows("accounts")
    contact = api.opener.open_contact(row["contact"])
    assert (contact.language, contact.name) == ("en", "王小明")


async def test_a_second_sign_in_keeps_name_and_language(api: Caller) -> None:
    wang = await api.sign_in()
    await wang.write("PATCH", ME, {"name": "王小明", "language": "en"})
    api.clock.advance(timedelta(minutes=2))
    me = (await (await api.sign_in(WANG)).get(ME)).json()
    assert (me["name"], me["language"]) == ("王小明", "en")
