"""Erasing a person: no byte of theirs can be read any more, with every key of the house, in any table."""

import json
import re
from dataclasses import replace
from typing import Any
from uuid import uuid4

from sqlalchemy import text

from services.notify import tables
from services.notify.store.recipients import erase
from shared.contracts import AccountErased, Event, EventType
from shared.sealing import JOINT, CannotOpen
from tests.notify.make import NEIGHBOUR, RESIDENT, booking, event
from tests.notify.town import Town

PERSONAL = ("王一", "13900000001", "wang@example.test", "羽毛球", "健身中心", "Badminton", "Fitness", "示例路")
SEALED = re.compile(r"eyJ[\w-]+(?:\.[\w-]*){4}|c1\.[\w-]+|w1\.[\w-]+\.[\w-]+")


async def everything(town: Town) -> list[str]:
    """Every row of every table, as text."""
    found: list[str] = []
    for table in tables.metadata.sorted_tables:
        rows = await town.rows(f'SELECT to_jsonb(t) AS row FROM "{table.name}" t')
        found += [f"{table.name}: {json.dumps(row.row, ensure_ascii=False)}" for row in rows]
    return found


def opened(town: Town, rows: list[str]) -> list[str]:
    """Return whatever every key of the house can open in `rows`, each key with each seal."""
    pieces = [piece for row in rows for piece in SEALED.findall(row)]
    keys = [piece for piece in pieces if piece.startswith("w1.")]
    found = []
    for piece in pieces:
        for attempt in (piece, *(f"{key}{JOINT}{piece}" for key in keys)):
            for open_it in (town.keys.opener.open_contact, town.keys.opener.open_sign_in):
                try:
                    found.append(str(open_it(attempt)))
                except CannotOpen:
                    continue
    return found


async def lived(town: Town, **changes: Any) -> None:
    """A person with history in every table that an ordinary life fills, something planned, and an event put aside."""
    one = booking(contact=town.keys.contact(), **changes)
    await town.hear(event(EventType.BOOKING_CONFIRMED, one))
    await town.deliver()
    dead = event(EventType.BOOKING_MOVED, replace(one, version=9))
    async with town.engine.begin() as tx:
        await tx.execute(
            text(
                "INSERT INTO dead_event (event_id, source, number, type, subject, occurred_at, data, reason, attempts,"
                " failed_at, retry_at) VALUES (:id, 'booking', 99, 'x', :subject, now(), CAST(:data AS jsonb), 'r', 5, now(), now())"
            ),
            {
                "id": dead.id,
                "subject": one.booking_id,
                "data": json.dumps({"account_id": str(one.account_id), "contact": one.contact, "name": "王一"}),
            },
        )


async def test_nothing_of_an_erased_person_can_be_read_with_every_key_of_the_house(town: Town) -> None:
    await lived(town, account_id=RESIDENT)
    before = await everything(town)
    assert opened(town, before), "the control: it could be read before"
    assert any(word in row for row in before for word in PERSONAL)
    backup = [row for row in before if not row.startswith("recipient_keys")]
    async with town.engine.begin() as tx:
        assert await erase(tx, RESIDENT, town.clock()) > 0
    after = await everything(town)
    assert opened(town, after) == []
    assert [row for row in after for word in PERSONAL if word in row] == []
    seals = [piece for row in backup if "known_bookings" in row for piece in SEALED.findall(row)]
    assert seals
    assert opened(town, [f"x: {piece}" for piece in seals]) == [], "a copy made earlier is noise without the key"


async def test_what_was_planned_for_them_is_stopped_and_a_late_event_brings_nothing_back(town: Town) -> None:
    await lived(town, account_id=RESIDENT)
    sent = len(town.mailbox.seen)
    async with town.engine.begin() as tx:
        await erase(tx, RESIDENT, town.clock())
    late = booking(contact=town.keys.contact(), account_id=RESIDENT)
    await town.hear(event(EventType.BOOKING_CONFIRMED, late))
    await town.deliver()
    assert len(town.mailbox.seen) == sent
    assert opened(town, await everything(town)) == []


async def test_the_booking_service_says_that_somebody_was_erased(town: Town) -> None:
    await lived(town, account_id=RESIDENT)
    gone = Event(
        id=uuid4(),
        type=EventType.ACCOUNT_ERASED,
        subject=RESIDENT,
        time=town.clock(),
        data=AccountErased(account_id=RESIDENT),
    )
    for _ in range(2):
        await town.hear(gone)
    after = await everything(town)
    assert opened(town, after) == []
    assert [row for row in after for word in PERSONAL if word in row] == []


async def test_others_keep_what_is_theirs(town: Town) -> None:
    await lived(town, account_id=NEIGHBOUR)
    async with town.engine.begin() as tx:
        await erase(tx, RESIDENT, town.clock())
    assert opened(town, await everything(town))
    assert len(await town.inbox()) == 1


async def test_contacts_are_kept_under_the_persons_own_key_alone(town: Town) -> None:
    await lived(town, account_id=RESIDENT)
    await lived(town, account_id=NEIGHBOUR)
    rows = await town.rows(
        "SELECT k.contact, r.wrapped, r.account_id, k.account_id AS owner FROM known_bookings k, recipient_keys r"
    )
    for row in rows:
        assert row.contact.startswith("c1.")
        opens = True
        try:
            town.keys.opener.open_contact(f"{row.wrapped}{JOINT}{row.contact}")
        except CannotOpen:
            opens = False
        assert opens == (row.account_id == row.owner)
