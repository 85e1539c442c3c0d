"""Signing in by phone and by password: what works once, what works never, and what nobody can find out."""

import asyncio
import json
from datetime import timedelta

import pytest
from argon2.exceptions import VerifyMismatchError

from services.booking.commands import sign_in
from services.booking.commands.accounts import disable_account
from services.booking.domain.account import Role
from services.booking.store.accounts import change_account
from tests import make
from tests.booking.api.caller import PASSWORD, WANG, Caller, problem

CODES, TOKENS, STAFF = "/api/v1/sign-in/codes", "/api/v1/sign-in/tokens", "/api/v1/sign-in/staff-tokens"


def other_than(code: str) -> str:
    return f"{(int(code) + 1) % 1_000_000:06d}"


async def test_a_resident_signs_in_and_is_known_again(api: Caller) -> None:
    answer = await api.post(CODES, {"phone": "+86 139-0000 1234", "language": "en"})
    assert (answer.status_code, answer.json()) == (202, {"expires_in": 300, "next_code_in": 60})
    [message] = await api.messages()
    assert (message.phone, message.language, len(message.code)) == ("+8613900001234", "en", 6)
    token = await api.post(TOKENS, {"phone": WANG, "code": message.code})
    body = token.json()
    assert (body["token_type"], body["expires_in"]) == ("Bearer", 3600)
    assert (body["account"]["role"], body["account"]["venues"]) == ("resident", [])
    me = (await api.speaking(authorization=f"Bearer {body['access_token']}").get("/api/v1/me")).json()
    assert (me["id"], me["phone"], me["language"]) == (body["account"]["id"], "139****1234", "en")
    api.clock.advance(timedelta(minutes=2))
    again = await (await api.sign_in()).get("/api/v1/me")
    assert again.json()["id"] == me["id"]


async def test_neither_phone_nor_code_is_in_the_database_in_clear(api: Caller) -> None:
    code = await api.new_code()
    await api.post(TOKENS, {"phone": WANG, "code": code})
    for name in ("accounts", "sign_in_codes", "outbox", "idempotency"):
        written = str(await api.rows(name))
        assert "13900001234" not in written
        assert code not in written.replace("-", " ").split()
        assert "eyJhbGciOiJFZDI1NTE5" not in written  # a token's first letters, in an answer that is kept


async def test_the_event_carries_only_what_is_sealed_for_notify(api: Caller) -> None:
    await api.new_code()
    [row] = await api.rows("outbox")
    assert row["type"] == "yuyue.sign_in.code_requested.v1"
    assert set(row["data"]) == {"request_id", "sealed", "expires_at"}


@pytest.mark.parametrize(
    "phone", ["12345", "13900001234567", "abc", "+1 202", "010 1234 5678", "+999 123456789", "１３９", "' OR 1=1 --"]
)
async def test_no_code_goes_to_what_is_no_mobile_number(api: Caller, phone: str) -> None:
    body = problem(await api.post(CODES, {"phone": phone}), 422, "phone_invalid")
    assert body["field"] == "/phone"
    assert await api.rows("outbox") == []


async def test_one_code_a_minute_and_five_an_hour(api: Caller) -> None:
    start = api.clock()
    await api.new_code()
    body = problem(await api.post(CODES, {"phone": WANG}), 429, "too_many_requests")
    assert body["retry_after_seconds"] == 60
    for _ in range(4):
        api.clock.advance(timedelta(seconds=60))
        await api.new_code()
    api.clock.advance(timedelta(seconds=60))
    answer = await api.post(CODES, {"phone": WANG})
    problem(answer, 429, "too_many_requests")
    assert answer.headers["retry-after"] == str(55 * 60)
    assert (await api.post(CODES, {"phone": "13900005678"})).status_code == 202  # another number is another matter
    api.clock.set(start + timedelta(hours=1))
    assert (await api.post(CODES, {"phone": WANG})).status_code == 202


async def test_a_repeat_after_too_many_requests_is_tried_anew(api: Caller) -> None:
    await api.new_code()
    problem(await api.post(CODES, {"phone": WANG}, key="later"), 429, "too_many_requests")
    api.clock.advance(timedelta(minutes=1))
    assert (await api.post(CODES, {"phone": WANG}, key="later")).status_code == 202


async def test_of_many_at_once_one_gets_a_code(api: Caller) -> None:
    answers = await asyncio.gather(*(api.post(CODES, {"phone": WANG}) for _ in range(8)))
    assert sorted(answer.status_code for answer in answers) == [202] + [429] * 7
    assert len(await api.messages()) == 1


async def test_a_repeated_request_sends_one_code(api: Caller) -> None:
    answers = await asyncio.gather(*(api.post(CODES, {"phone": WANG}, key="same") for _ in range(8)))
    assert {(answer.status_code, answer.content) for answer in answers} == {(202, answers[0].content)}
    assert len(await api.messages()) == 1


async def test_a_wrong_code_counts_and_the_fifth_ends_it(api: Caller) -> None:
    code = await api.new_code()
    for left in (4, 3, 2, 1):
        body = problem(await api.post(TOKENS, {"phone": WANG, "code": other_than(code)}), 422, "sign_in_code_wrong")
        assert (body["tries_left"], body["field"]) == (left, "/code")
    problem(await api.post(TOKENS, {"phone": WANG, "code": other_than(code)}), 422, "sign_in_too_many_tries")
    problem(await api.post(TOKENS, {"phone": WANG, "code": code}), 422, "sign_in_too_many_tries")


async def test_many_guesses_at_once_are_still_five(api: Caller) -> None:
    code = await api.new_code()
    wrong = [f"{(int(code) + step) % 1_000_000:06d}" for step in range(1, 21)]
    answers = await asyncio.gather(*(api.post(TOKENS, {"phone": WANG, "code": one}) for one in wrong))
    assert [answer.json()["code"] for answer in answers].count("sign_in_code_wrong") == 4
    problem(await api.post(TOKENS, {"phone": WANG, "code": code}), 422, "sign_in_too_many_tries")


async def test_a_repeated_guess_is_one_guess(api: Caller) -> None:
    code = await api.new_code()
    wrong = {"phone": WANG, "code": other_than(code)}
    answers = [await api.post(TOKENS, wrong, key="guess") for _ in range(10)]
    assert {answer.content for answer in answers} == {answers[0].content}
    assert (await api.post(TOKENS, {"phone": WANG, "code": code})).status_code == 200


async def test_a_code_works_once_and_a_repeat_gets_the_same_token(api: Caller) -> None:
    given = {"phone": WANG, "code": await api.new_code()}
    answers = await asyncio.gather(*(api.post(TOKENS, given, key="dropped connection") for _ in range(5)))
    assert {(answer.status_code, answer.content) for answer in answers} == {(200, answers[0].content)}
    problem(await api.post(TOKENS, given), 422, "sign_in_code_wrong")
    assert len(await api.rows("accounts")) == 1


async def test_a_key_belongs_to_one_phone_and_one_request(api: Caller) -> None:
    code = await api.new_code()
    await api.post(TOKENS, {"phone": WANG, "code": code}, key="k")
    problem(await api.post(TOKENS, {"phone": WANG, "code": other_than(code)}, key="k"), 422, "idempotency_key_reused")
    problem(await api.post(TOKENS, {"phone": "13900005678", "code": code}, key="k"), 422, "sign_in_code_wrong")


async def test_a_code_ends_after_five_minutes_and_with_the_next_one(api: Caller) -> None:
    first = await api.new_code()
    api.clock.advance(timedelta(minutes=5))
    body = problem(await api.post(TOKENS, {"phone": WANG, "code": first}), 422, "sign_in_code_wrong")
    assert "tries_left" not in body
    second = await api.new_code()
    api.clock.advance(timedelta(minutes=1))
    third = await api.new_code()
    assert (await api.post(TOKENS, {"phone": WANG, "code": second})).json()["code"] == "sign_in_code_wrong"
    assert (await api.post(TOKENS, {"phone": WANG, "code": third})).status_code == 200


@pytest.mark.parametrize("code", ["12345", "1234567", "12345a", "１２３４５６", "", 123456, None])
async def test_what_is_no_code_is_invalid(api: Caller, code: object) -> None:
    body = problem(await api.post(TOKENS, {"phone": WANG, "code": code}), 422, "invalid_request")
    assert body["field"] == "/code"


async def test_a_write_without_a_key_is_refused(api: Caller) -> None:
    problem(await api.client.post(CODES, json={"phone": WANG}), 400, "idempotency_key_missing")
    answer = await api.client.post(CODES, json={"phone": WANG}, headers={"idempotency-key": "e-unquoted"})
    problem(answer, 400, "idempotency_key_invalid")


async def test_a_disabled_resident_cannot_sign_in(api: Caller) -> None:
    await api.sign_in()
    [account] = await api.rows("accounts")
    async with api.engine.begin() as tx:
        await change_account(tx, account["id"], {"disabled_at": api.clock()})
    api.clock.advance(timedelta(minutes=1))
    problem(await api.post(TOKENS, {"phone": WANG, "code": await api.new_code()}), 403, "account_disabled")


async def test_staff_sign_in_with_a_password(api: Caller) -> None:
    staff = await api.at_work(Role.STAFF, "door")
    me = (await staff.get("/api/v1/me")).json()
    assert (me["role"], me["venues"], me["login"], me["phone"]) == ("staff", [make.VENUE], "door", None)


@pytest.mark.parametrize(
    ("login", "password"), [("door", "wrong horse battery"), ("nobody", PASSWORD), ("door", " " + PASSWORD)]
)
async def test_whichever_is_wrong_the_answer_is_one(api: Caller, login: str, password: str) -> None:
    await api.at_work(Role.STAFF, "door")
    answer = await api.client.post(STAFF, json={"login": login, "password": password})
    problem(answer, 422, "credentials_wrong")
    assert password not in answer.text


async def test_an_unknown_login_costs_what_a_known_one_does() -> None:
    """Else the time of an answer would tell who has an account: a real comparison, with the parameters of a real hash."""
    nobodys, real = sign_in._NOBODYS_HASH, await sign_in.hash_password(PASSWORD)
    assert nobodys.rpartition("$")[0].count("$") == real.rpartition("$")[0].count("$") == 4
    assert (nobodys.split("$")[1:4], len(nobodys)) == (real.split("$")[1:4], len(real))
    with pytest.raises(VerifyMismatchError):
        sign_in._hasher.verify(nobodys, PASSWORD)


async def test_a_disabled_account_is_told_only_to_whoever_has_the_password(api: Caller) -> None:
    await api.at_work(Role.STAFF, "door")
    await disable_account(api.engine, "door", api.clock())
    problem(await api.client.post(STAFF, json={"login": "door", "password": PASSWORD}), 403, "account_disabled")
    problem(await api.client.post(STAFF, json={"login": "door", "password": "no"}), 422, "credentials_wrong")


async def test_passwords_cannot_be_tried_without_end(api: Caller) -> None:
    await api.at_work(Role.STAFF, "door")
    answers = [await api.client.post(STAFF, json={"login": "door", "password": f"try {n}"}) for n in range(10)]
    assert [answer.status_code for answer in answers] == [422] * 9 + [429]
    assert int(answers[-1].headers["retry-after"]) >= 60
    problem(await api.client.post(STAFF, json={"login": "door", "password": PASSWORD}), 429, "too_many_requests")
    problem(await api.client.post(STAFF, json={"login": "other", "password": "x"}), 422, "credentials_wrong")


async def test_the_keys_are_public_and_only_the_public_half(api: Caller) -> None:
    answer = await api.get("/.well-known/jwks.json")
    assert answer.headers["cache-control"] == "public, max-age=300"
    [key] = answer.json()["keys"]
    assert (key["kty"], key["crv"]) == ("OKP", "Ed25519")
    assert "d" not in key


async def test_a_token_ends(api: Caller) -> None:
    wang = await api.sign_in()
    api.clock.advance(timedelta(minutes=59))
    assert (await wang.get("/api/v1/me")).status_code == 200
    api.clock.advance(timedelta(minutes=1, seconds=10))
    answer = await wang.get("/api/v1/me")
    problem(answer, 401, "not_signed_in")
    assert answer.headers["www-authenticate"].startswith("Bearer")


@pytest.mark.parametrize(
    "header", ["", "Bearer", "Bearer ", "Basic d2FuZzp3YW5n", "Bearer a.b.c", "bearer " + "x" * 3000]
)
async def test_what_is_no_token_signs_nobody_in(api: Caller, header: str) -> None:
    problem(await api.get("/api/v1/me", authorization=header), 401, "not_signed_in")


async def test_a_tampered_token_signs_nobody_in(api: Caller) -> None:
    wang = await api.sign_in()
    head, claims, signature = wang.headers["authorization"].split(".")
    swapped = "A" if claims[10] != "A" else "B"
    forged = f"{head}.{claims[:10]}{swapped}{claims[11:]}.{signature}"
    problem(await api.get("/api/v1/me", authorization=forged), 401, "not_signed_in")


async def test_the_answer_is_valid_json_of_the_documented_shape(api: Caller) -> None:
    given = {"phone": WANG, "code": await api.new_code()}
    answer = await api.post(TOKENS, given)
    assert answer.headers["content-type"] == "application/json"
    assert set(json.loads(answer.content)) == {"access_token", "token_type", "expires_in", "account"}
