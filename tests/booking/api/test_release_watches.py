"""Reminders of releases: given out once, shortly before, from the slots as they stand; and ended by whoever asked."""

from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import select, text

from services.booking import tables
from services.booking.commands.release_watches import Reminding
from shared.contracts import EventType
from tests import make, world
from tests.booking.api.caller import Caller, problem

SERVICE = make.slot().service_id
WATCHES = "/api/v1/me/release-reminders"
ONE = f"{WATCHES}/{SERVICE}"


async def told(api: Caller) -> list[dict[str, Any]]:
    table = tables.outbox.c
    async with api.engine.connect() as connection:
        query = select(table.data).where(table.type == EventType.RELEASE_NEARING.value).order_by(table.sequence)
        return [dict(data) for data in (await connection.execute(query)).scalars()]


async def remind(api: Caller) -> int:
    return await Reminding(api.engine, api.parts.catalogue, api.clock).remind()


async def opening_in(api: Caller, minutes: int) -> datetime:
    slot = make.slot(bookable_from=api.clock() + timedelta(minutes=minutes))
    await world.put_slots(api.engine, slot)
    return slot.bookable_from


async def test_whoever_asked_is_told_once_shortly_before(api: Caller) -> None:
    wang = await api.sign_in()
    assert (await wang.write("PUT", ONE)).status_code == 204
    assert (await wang.write("PUT", ONE)).status_code == 204, "again is harmless"
    assert (await wang.get(WATCHES)).json() == {"services": [SERVICE], "most": 10}
    opens_at = await opening_in(api, 60)
    assert await remind(api) == 0, "too early: the plan may change"
    api.clock.advance(timedelta(minutes=41))
    assert await remind(api) == 1
    assert await remind(api) == 0
    [reminder] = await told(api)
    assert datetime.fromisoformat(reminder["opens_at"]) == opens_at
    assert (reminder["version"], reminder["state"]) == (1, "nearing")
    assert api.opener.open_contact(reminder["contact"]).phone == "+8613900001234"
    api.clock.advance(timedelta(minutes=20))
    assert await remind(api) == 0, "it is open now"


async def test_a_release_that_moves_is_told_anew_as_the_next_version(api: Caller) -> None:
    wang = await api.sign_in()
    await wang.write("PUT", ONE)
    await opening_in(api, 15)
    assert await remind(api) == 1
    async with api.engine.begin() as tx:
        await tx.execute(text("UPDATE slots SET bookable_from = bookable_from + interval '3 minutes'"))
    assert await remind(api) == 1
    assert [one["version"] for one in await told(api)] == [1, 2]


async def test_whoever_ends_it_hears_no_more(api: Caller) -> None:
    wang = await api.sign_in()
    await wang.write("PUT", ONE)
    await opening_in(api, 15)
    await remind(api)
    assert (await wang.write("DELETE", ONE)).status_code == 204
    assert (await wang.write("DELETE", ONE)).status_code == 204, "again is harmless"
    assert [(one["version"], one["state"]) for one in await told(api)] == [(1, "nearing"), (2, "ended")]
    assert (await wang.get(WATCHES)).json()["services"] == []
    assert await remind(api) == 0


async def test_a_closed_slot_opens_nothing(api: Caller) -> None:
    wang = await api.sign_in()
    await wang.write("PUT", ONE)
    await opening_in(api, 15)
    async with api.engine.begin() as tx:
        await tx.execute(text("""UPDATE slots SET closed = '{"zh": "维修", "en": "repairs"}'"""))
    assert await remind(api) == 0


async def test_there_are_bounds(api: Caller) -> None:
    wang = await api.sign_in()
    problem(await wang.write("PUT", f"{WATCHES}/nothing"), 404, "service_unknown")
    problem(await api.get(WATCHES), 401, "not_signed_in")
    async with api.engine.begin() as tx:
        await tx.execute(
            text(
                "INSERT INTO services SELECT (jsonb_populate_record(s, jsonb_build_object('id', 'copy-' || n))).*"
                " FROM services s, generate_series(1, 10) n WHERE s.id = :id"
            ),
            {"id": SERVICE},
        )
        await tx.execute(
            text(
                "INSERT INTO release_watches (id, account_id, service_id, created_at)"
                " SELECT gen_random_uuid(), a.id, s.id, now() FROM accounts a, services s WHERE s.id LIKE 'copy-%'"
            )
        )
    assert problem(await wang.write("PUT", ONE), 409, "watches_limit_reached")["most"] == 10
