"""Erasing oneself: nothing personal is left in any table, what is still to come stands in the way, counts stay."""

import asyncio
import json
from collections.abc import Sequence
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import text

from services.booking import tables
from services.booking.commands.erasing import forget_what_is_left
from services.booking.domain.account import Role
from services.booking.domain.erasure import STRIKES_COUNT_FOR, Unfinished
from shared.refusal import Refused
from tests import make, world
from tests.booking.api.caller import IDENTITY_CARD, WANG, Caller, problem
from tests.booking.api.town import book, person

ERASURE, ME, COPIES = "/api/v1/me/erasure", "/api/v1/me", "/api/v1/me/copies"
SPOUSE = "210202198001011238"
LI = "13900005678"
PERSONAL = ("王建国", "王小明", "王**", "王*", "wang@example.com", WANG, IDENTITY_CARD, "139****1234", "家里有事")


async def everything(api: Caller) -> list[str]:
    """Every row of every table, as text."""
    found: list[str] = []
    async with api.engine.connect() as connection:
        for table in tables.metadata.sorted_tables:
            rows = await connection.execute(text(f'SELECT to_jsonb(t) FROM "{table.name}" t'))
            found += [f"{table.name}: {json.dumps(row, ensure_ascii=False)}" for row in rows.scalars()]
    answers = await api.rows("idempotency")
    return found + [f"answer to {row['account_id']}: {row['body'].decode(errors='replace')}" for row in answers]


async def sealed_of(api: Caller, account_id: UUID) -> set[str]:
    """Return every sealed value of an account's own: in its row, its people's, and its arrangements for copies."""
    accounts = [row for row in await api.rows("accounts") if row["id"] == account_id]
    people = [row for row in await api.rows("account_people") if row["account_id"] == account_id]
    rows = [*accounts, *people, *await api.rows("persons"), *await api.rows("family_copies")]
    names = ("phone_sealed", "email_sealed", "name_sealed", "contact", "document_sealed", "reader_sealed")
    return {row[name] for row in rows for name in names if row.get(name)}


async def publish(api: Caller) -> None:
    """Number all events, as the relay does."""
    async with api.engine.begin() as tx:
        await tx.execute(text("UPDATE outbox SET number = sequence"))


async def lived(api: Caller) -> Caller:
    """A resident who has left something in every place where one can."""
    resident, li = await api.sign_in(), await api.sign_in(LI)
    await resident.write("PATCH", ME, {"name": "王小明", "email": "wang@example.com"})
    [proof] = await api.proofs()
    assert (await resident.post(f"{ME}/email/proof", {"code": proof.code})).status_code == 200
    wang = await person(resident)
    slot = make.slot()
    await world.put_slots(api.engine, slot)
    booked = await book(resident, wang, str(slot.id))
    assert booked.status_code == 201, booked.text
    cancelled = await resident.post(f"/api/v1/bookings/{booked.json()['id']}/cancellation", {"reason": "家里有事"})
    assert cancelled.status_code == 200, cancelled.text
    assert (await resident.post(COPIES, {"phone": LI})).status_code == 201
    assert (await li.post(COPIES, {"phone": WANG})).status_code == 201
    assert (await resident.write("PUT", f"{ME}/release-reminders/timed-entry")).status_code == 204
    return resident


async def test_nothing_personal_is_left_and_the_booking_still_counts(api: Caller) -> None:
    resident = await lived(api)
    before = await api.rows("bookings")
    [mine] = [row["id"] for row in await api.rows("accounts") if row["name_sealed"]]
    sealed = await sealed_of(api, mine)
    assert len(sealed) == 8, "phone, mail, name, contact, person's name and document, both readers of copies"
    answer = await resident.post(ERASURE, key="once")
    assert answer.status_code == 204, answer.text
    await publish(api)
    await forget_what_is_left(api.engine, api.parts.clock)
    [li] = [row["id"] for row in await api.rows("accounts") if row["id"] != mine]
    rows = [row for row in await everything(api) if not row.startswith(f"answer to {li}")]
    # what somebody else was answered a moment ago is theirs, and is gone within a day
    assert [row for row in rows for one in PERSONAL if one in row] == []
    assert [row for row in rows for one in sealed if one in row] == []
    after = await api.rows("bookings")
    same = ("id", "reference", "state", "service_id", "slot_id", "starts_at", "account_id", "created_at")
    assert [[row[name] for name in same] for row in after] == [[row[name] for name in same] for row in before]
    assert len(await api.rows("claims")) == 1
    [told] = [row for row in await api.rows("outbox") if row["type"] == "yuyue.account.erased.v1"]
    assert (told["subject"], told["data"]) == (mine, {"account_id": str(mine)})
    assert {row["state"] for row in await api.rows("family_copies")} == {"withdrawn"}


async def test_published_events_lose_the_sealed_contact_within_the_hour(api: Caller) -> None:
    resident = await lived(api)
    await resident.post(ERASURE)
    await publish(api)
    [account] = [row["id"] for row in await api.rows("accounts") if row["erased_at"]]
    await forget_what_is_left(api.engine, api.parts.clock)
    events = [row["data"] for row in await api.rows("outbox") if row["data"].get("account_id") == str(account)]
    assert len(events) > 2
    assert {one.get("contact") for one in events} == {None}
    others = [
        row["data"] for row in await api.rows("outbox") if row["data"].get("account_id") not in {str(account), None}
    ]
    assert all(one["contact"] for one in others), "nobody else's"


async def test_a_repeat_is_answered_alike_and_the_old_token_is_nobodys(api: Caller) -> None:
    resident = await lived(api)
    first = await resident.post(ERASURE, key="once")
    again = await resident.post(ERASURE, key="once")
    assert (first.status_code, again.status_code, again.content) == (204, 204, first.content)
    problem(await resident.post(ERASURE), 401, "not_signed_in")
    problem(await resident.get(ME), 401, "not_signed_in")
    problem(await resident.write("PATCH", ME, {"name": "又来"}), 401, "not_signed_in")
    document = {"type": "resident_identity_card", "number": IDENTITY_CARD}
    new = {"name": "王建国", "relation": "self", "document": document}
    problem(await resident.post("/api/v1/people", new), 401, "not_signed_in")
    assert (await resident.get("/api/v1/people")).json()["items"] == []
    api.clock.advance(timedelta(minutes=2))
    returned = await api.sign_in()
    me = (await returned.get(ME)).json()
    assert (me["name"], me["email"]) == (None, None), "somebody new"
    persons = {row["id"] for row in await api.rows("persons")}
    assert await person(returned) not in map(str, persons), "and not known by their document"


async def test_who_has_something_to_come_is_told_what_and_what_to_do(api: Caller) -> None:
    resident = await api.sign_in()
    wang = await person(resident)
    slot = make.slot()
    await world.put_slots(api.engine, slot)
    booked = (await book(resident, wang, str(slot.id))).json()
    refused = problem(await resident.post(ERASURE), 409, "erasure_waits")
    assert refused["open_bookings"] == 1
    assert "Bookings: 1. Cancel them" in refused["translations"]["en"]["detail"]
    assert "Waiting" not in refused["translations"]["en"]["detail"]
    assert (await resident.get(ME)).status_code == 200, "nothing was erased"
    assert (await api.rows("account_people"))[0]["name_sealed"]
    await resident.post(f"/api/v1/bookings/{booked['id']}/cancellation")
    assert (await resident.post(ERASURE)).status_code == 204


@pytest.mark.parametrize("what", ["bookings", "lines", "draws", "seasons", "appeals"])
def test_each_of_them_stands_in_the_way(what: str) -> None:
    Unfinished().must_be_over()
    with pytest.raises(Refused) as refused:
        Unfinished(**{what: 2}).must_be_over()
    assert refused.value.facts == {f"open_{what}": 2}


async def test_a_person_whom_somebody_else_books_for_stays_theirs(api: Caller) -> None:
    wang, li = await api.sign_in(), await api.sign_in(LI)
    mother = await person(wang, SPOUSE)
    assert await person(li, SPOUSE) == mother
    assert (await wang.post(ERASURE)).status_code == 204
    [row] = await api.rows("persons")
    assert row["document_sealed"]
    [kept] = (await li.get("/api/v1/people")).json()["items"]
    assert (kept["id"], kept["name"]) == (mother, "王**")
    slot = make.slot()
    await world.put_slots(api.engine, slot)
    assert (await book(li, mother, str(slot.id))).status_code == 201


async def test_whose_strikes_count_is_known_until_they_do_not(api: Caller) -> None:
    """Or whoever is barred would come back as somebody else."""
    resident = await lived(api)
    [claim] = await api.rows("claims")
    async with api.engine.begin() as tx:
        await tx.execute(
            text(
                "INSERT INTO strikes (id, person_id, account_id, booking_id, version, act, late, same_day, at, recorded_at,"
                " service_id, venue_id, kind) SELECT gen_random_uuid(), :person, account_id, id, 1, 'no_show', false, false,"
                " :at, :at, service_id, 'dalian-museum', 'museum' FROM bookings"
            ),
            {"person": claim["person_id"], "at": api.clock()},
        )
    await resident.post(ERASURE)
    [row] = await api.rows("persons")
    assert (row["document_sealed"], row["let_go_at"]) == ("", api.clock())
    api.clock.advance(timedelta(minutes=2))
    returned = await api.sign_in()
    assert await person(returned) == str(claim["person_id"]), "the same person, strikes and all"
    [row] = await api.rows("persons")
    assert row["document_sealed"]
    assert row["let_go_at"] is None
    await returned.post(ERASURE)
    fingerprint = (await api.rows("persons"))[0]["document_fingerprint"]
    for passes, known in ((STRIKES_COUNT_FOR - timedelta(minutes=3), True), (timedelta(minutes=5), False)):
        api.clock.advance(passes)
        await forget_what_is_left(api.engine, api.parts.clock)
        [row] = await api.rows("persons")
        assert (row["document_fingerprint"] == fingerprint) is known
    assert (row["birth_date"].month, row["birth_date"].day) == (1, 1)


async def test_who_works_here_is_not_erased_so(api: Caller) -> None:
    problem(await (await api.at_work(Role.STAFF, "door")).post(ERASURE), 403, "not_allowed")


async def test_booking_and_erasing_at_one_instant_is_one_of_the_two(api: Caller) -> None:
    slot = make.slot()
    await world.put_slots(api.engine, slot)
    outcomes = set[tuple[int, int]]()
    for number in range(8):
        phone = f"139000020{number:02d}"
        resident = await api.sign_in(phone)
        somebody = await person(resident, IDENTITIES[number])
        asked: Sequence[Any] = await asyncio.gather(book(resident, somebody, str(slot.id)), resident.post(ERASURE))
        outcomes.add((asked[0].status_code, asked[1].status_code))
    assert outcomes <= {(201, 409), (404, 204), (409, 204), (422, 204)}, outcomes


IDENTITIES = [
    f"{body}{'10X98765432'[sum(int(digit) * (2 ** (17 - place) % 11) for place, digit in enumerate(body)) % 11]}"
    for body in (f"2102021985010112{number}" if number > 9 else f"21020219850101{120 + number}" for number in range(8))
]
