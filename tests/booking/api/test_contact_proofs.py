"""A mail address is used only once its holder has proved it: by the code or the link that was sent there."""

import asyncio
from datetime import timedelta
from typing import Any

from services.booking.domain.account import Role
from shared.contracts import Contact
from tests.booking.api.caller import Caller, problem

ME, PROOF, CODES = "/api/v1/me", "/api/v1/me/email/proof", "/api/v1/me/email/codes"
MAIL = "wang@example.com"


async def asked(api: Caller, email: str = MAIL) -> tuple[Caller, dict[str, Any]]:
    """Sign in, give an address, and return what the account says then."""
    wang = await api.sign_in()
    answer = await wang.write("PATCH", ME, {"email": email})
    assert answer.status_code == 200, answer.text
    return wang, answer.json()


async def contact(api: Caller) -> Contact:
    [row] = await api.rows("accounts")
    return api.opener.open_contact(row["contact"])


def path_of(link: str) -> str:
    assert link.startswith("https://booking.example/contact-proofs/")
    return link.removeprefix("https://booking.example")


async def test_an_address_waits_until_its_code_has_come_back(api: Caller) -> None:
    wang, me = await asked(api)
    assert (me["email"], me["email_pending"]) == (
        None,
        {"email": MAIL, "proved_by": "2026-11-23T10:30:00+08:00"},
    )
    assert ((await contact(api)).email, (await contact(api)).email_unproved) == (None, True)
    [proof] = await api.proofs()
    assert (proof.email, proof.language) == (MAIL, "zh-CN")
    answer = await wang.post(PROOF, {"code": proof.code})
    assert (answer.status_code, answer.json()["email"], answer.json()["email_pending"]) == (200, MAIL, None)
    assert (await wang.get(ME)).json() == answer.json()
    assert ((await contact(api)).email, (await contact(api)).email_unproved) == (MAIL, False)
    problem(await wang.post(PROOF, {"code": proof.code}), 409, "nothing_to_prove")


async def test_neither_address_nor_code_is_kept_in_clear(api: Caller) -> None:
    await asked(api)
    [proof] = await api.proofs()
    kept = str([await api.rows(name) for name in ("contact_proofs", "outbox", "accounts")])
    assert MAIL not in kept
    assert proof.link.rsplit("/", 1)[1] not in kept
    assert f"{proof.code}" not in str(await api.rows("contact_proofs"))


async def test_opening_the_link_changes_nothing_and_pressing_proves(api: Caller) -> None:
    wang, before = await asked(api)
    [proof] = await api.proofs()
    for _ in range(3):
        page = await api.client.get(path_of(proof.link))
        assert (page.status_code, MAIL in page.text, "<form" in page.text) == (200, True, True)
    assert (await wang.get(ME)).json() == before
    form = {"content-type": "application/x-www-form-urlencoded"}
    for _ in range(2):  # a second press is harmless
        pressed = await api.client.post(path_of(proof.link), content=b"", headers=form)
        assert pressed.status_code == 200, pressed.text
    assert (await wang.get(ME)).json()["email"] == MAIL
    assert (await contact(api)).email == MAIL


async def test_the_old_address_stays_in_use_until_the_new_one_is_proved(api: Caller) -> None:
    wang, _ = await asked(api)
    await wang.post(PROOF, {"code": (await api.proofs())[-1].code})
    api.clock.advance(timedelta(minutes=2))
    me = (await wang.write("PATCH", ME, {"email": "new@example.com"})).json()
    assert (me["email"], me["email_pending"]["email"]) == (MAIL, "new@example.com")
    assert ((await contact(api)).email, (await contact(api)).email_unproved) == (MAIL, False)
    await wang.post(PROOF, {"code": (await api.proofs())[-1].code})
    assert (await contact(api)).email == "new@example.com"


async def test_taking_the_address_back_ends_its_link(api: Caller) -> None:
    wang, _ = await asked(api)
    [proof] = await api.proofs()
    me = (await wang.write("PATCH", ME, {"email": None})).json()
    assert me["email_pending"] is None
    problem(await api.client.get(path_of(proof.link)), 404, "proof_link_invalid")
    problem(await api.client.post(path_of(proof.link)), 404, "proof_link_invalid")
    problem(await wang.post(PROOF, {"code": proof.code}), 409, "nothing_to_prove")
    problem(await api.client.get("/contact-proofs/nothing"), 404, "proof_link_invalid")
    assert ((await contact(api)).email, (await contact(api)).email_unproved) == (None, False)


async def test_five_tries_and_then_only_the_link_or_a_new_code(api: Caller) -> None:
    wang, _ = await asked(api)
    [proof] = await api.proofs()
    wrong = f"{(int(proof.code) + 1) % 1_000_000:06d}"
    answers = await asyncio.gather(*(wang.post(PROOF, {"code": wrong}) for _ in range(8)))
    codes = sorted(answer.json()["code"] for answer in answers)
    assert codes == ["proof_code_wrong"] * 4 + ["proof_too_many_tries"] * 4
    assert sorted(answer.json().get("tries_left", 0) for answer in answers) == [0, 0, 0, 0, 1, 2, 3, 4]
    problem(await wang.post(PROOF, {"code": proof.code}), 422, "proof_too_many_tries")
    api.clock.advance(timedelta(minutes=1))
    again = await wang.post(CODES)
    assert (again.status_code, again.json()["email"]) == (202, MAIL)
    newest = (await api.proofs())[-1]
    problem(await api.client.get(path_of(proof.link)), 404, "proof_link_invalid")
    assert (await wang.post(PROOF, {"code": newest.code})).status_code == 200


async def test_code_and_link_end_after_half_an_hour(api: Caller) -> None:
    wang, _ = await asked(api)
    [proof] = await api.proofs()
    api.clock.advance(timedelta(minutes=30))
    problem(await wang.post(PROOF, {"code": proof.code}), 422, "proof_code_wrong")
    problem(await api.client.post(path_of(proof.link)), 404, "proof_link_invalid")
    assert (await wang.get(ME)).json()["email_pending"]["email"] == MAIL  # to be asked for again


async def test_codes_are_bounded_for_the_account(api: Caller) -> None:
    wang, _ = await asked(api, "a0@example.com")
    refused = problem(await wang.write("PATCH", ME, {"email": "b@example.com"}), 429, "too_many_requests")
    assert refused["retry_after_seconds"] == 60
    assert (await wang.get(ME)).json()["email_pending"]["email"] == "a0@example.com"
    for number in range(1, 5):
        api.clock.advance(timedelta(minutes=1))
        assert (await wang.write("PATCH", ME, {"email": f"a{number}@example.com"})).status_code == 200
    api.clock.advance(timedelta(minutes=1))
    problem(await wang.post(CODES), 429, "too_many_requests")
    assert len(await api.proofs()) == 5


async def test_nobody_s_mailbox_is_filled_by_many_accounts(api: Caller) -> None:
    for number in range(3):
        caller = await api.sign_in(f"1390000500{number}")
        assert (await caller.write("PATCH", ME, {"email": MAIL.upper()})).status_code == 200
        api.clock.advance(timedelta(minutes=1))
    caller = await api.sign_in("13900005009")
    problem(await caller.write("PATCH", ME, {"email": MAIL}), 429, "too_many_requests")


async def test_giving_again_what_waits_or_is_proved_sends_nothing(api: Caller) -> None:
    wang, me = await asked(api)
    assert (await wang.write("PATCH", ME, {"email": MAIL, "name": "王小明"})).json()["email_pending"] == me[
        "email_pending"
    ]
    assert len(await api.proofs()) == 1
    await wang.post(PROOF, {"code": (await api.proofs())[-1].code})
    assert (await wang.write("PATCH", ME, {"email": MAIL})).json()["email_pending"] is None
    assert len(await api.proofs()) == 1


async def test_a_repeated_request_sends_one_code(api: Caller) -> None:
    wang, _ = await asked(api)
    api.clock.advance(timedelta(minutes=1))
    answers = [await wang.post(CODES, key="again") for _ in range(3)]
    assert {(answer.status_code, answer.content) for answer in answers} == {(202, answers[0].content)}
    assert len(await api.proofs()) == 2


async def test_staff_may_keep_an_address_too(api: Caller) -> None:
    staff = await api.at_work(Role.STAFF, "door")
    answer = await staff.write("PATCH", ME, {"email": "door@example.com"})
    assert (answer.json()["email_pending"]["email"], answer.json()["phone"]) == ("door@example.com", None)
    assert (await staff.post(PROOF, {"code": (await api.proofs())[-1].code})).json()["email"] == "door@example.com"


async def test_a_phone_number_gets_ten_sign_in_codes_a_day(api: Caller) -> None:
    for number in range(10):
        assert (await api.post("/api/v1/sign-in/codes", {"phone": "13900001234"})).status_code == 202
        api.clock.advance(timedelta(minutes=1 if (number + 1) % 5 else 61))
    body = problem(await api.post("/api/v1/sign-in/codes", {"phone": "13900001234"}), 429, "too_many_requests")
    assert 20 * 3600 < body["retry_after_seconds"] < 24 * 3600
