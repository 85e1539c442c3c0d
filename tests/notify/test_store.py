"""What the tables promise by themselves, whatever the code above them does."""

import asyncio
import re
from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest
from sqlalchemy import CheckConstraint, text
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncEngine

from services.notify import tables
from services.notify.domain.lifecycle import RECALLABLE, State
from services.notify.domain.message import BusinessKey, Channel, Kind, Planned, Urgency, Why
from services.notify.domain.rendering import appointment_of
from services.notify.store import bookings, messages
from services.notify.store.bookings import known
from tests.notify.make import NOW, RESIDENT, booking


def planned(**changes: Any) -> Planned:
    key = BusinessKey(
        subject_id=uuid4(),
        subject_version=1,
        kind=Kind.REMINDER,
        lead_minutes=120,
        recipient_id=RESIDENT,
        channel=Channel.EMAIL,
    )
    plain = Planned(
        key=key,
        due_at=NOW,
        expires_at=NOW + timedelta(hours=2),
        urgency=Urgency.ROUTINE,
        state=State.PLANNED,
        why=Why.DUE_BEFORE_START,
    )
    return replace(plain, **changes)


async def rows(engine: AsyncEngine, query: str) -> list[Any]:
    async with engine.connect() as connection:
        return list((await connection.execute(text(query))).all())


async def test_one_cause_is_one_message_also_when_two_plan_it_at_the_same_moment(engine: AsyncEngine) -> None:
    same = planned()
    later = replace(same, due_at=NOW + timedelta(hours=1), why=Why.CONFIRMED)
    async with engine.begin() as first:
        assert await messages.plan(first, [same], uuid4(), NOW) == 1

        async def plan_again() -> int:
            async with engine.begin() as second:
                return await messages.plan(second, [later], uuid4(), NOW)

        again = asyncio.create_task(plan_again())
        done, _ = await asyncio.wait({again}, timeout=0.1)
        assert not done, "it waits to see what becomes of the first"
    assert await again == 0
    (row,) = await rows(engine, "SELECT due_at, why FROM messages")
    assert tuple(row) == (NOW, "due_before_start"), "a second request gets the first"
    assert len(await rows(engine, "SELECT * FROM decisions")) == 1


@pytest.mark.parametrize(
    "change",
    [
        {"subject_id": uuid4()},
        {"subject_version": 2},
        {"kind": Kind.CANCELLATION},
        {"lead_minutes": 1440},
        {"recipient_id": uuid4()},
        {"channel": Channel.SMS},
    ],
)
async def test_another_cause_is_another_message(engine: AsyncEngine, change: Mapping[str, Any]) -> None:
    one = planned()
    other = replace(one, key=replace(one.key, **change))
    async with engine.begin() as tx:
        assert await messages.plan(tx, [one, other], uuid4(), NOW) == 2


async def test_the_newest_version_stays_known_whatever_comes_after_it(engine: AsyncEngine) -> None:
    newest = appointment_of(booking(version=3, state="cancelled"))
    async with engine.begin() as tx:
        assert await bookings.keep(tx, newest, "sealed", NOW)
        for version in (1, 2, 3):
            assert not await bookings.keep(tx, replace(newest, version=version, state="confirmed"), None, NOW)
        heard, contact = await known(tx, newest.booking_id)
        assert heard is not None
        assert (heard.version, heard.state, contact) == (3, "cancelled", "sealed")
        assert await bookings.keep(tx, replace(newest, version=4), None, NOW)
        assert await known(tx, newest.booking_id) == (replace(heard, version=4), "sealed"), (
            "contact data is not forgotten"
        )


async def test_whoever_waits_longest_is_first(engine: AsyncEngine) -> None:
    minutes = [3, 1, 4, 5, 9, 2, 6]
    async with engine.begin() as tx:
        for ago in minutes:
            await messages.plan(tx, [planned(due_at=NOW - timedelta(minutes=ago))], uuid4(), NOW)
        found = await messages.due(tx, Channel.EMAIL, NOW, 3)
        ages = await tx.execute(text("SELECT id, due_at FROM messages"))
        due_at = {row.id: row.due_at for row in ages}
    assert [(NOW - due_at[one.id]) // timedelta(minutes=1) for one in found] == [9, 6, 5]


async def test_what_is_not_yet_due_is_not_found(engine: AsyncEngine) -> None:
    async with engine.begin() as tx:
        await messages.plan(tx, [planned(due_at=NOW + timedelta(microseconds=1))], uuid4(), NOW)
        await messages.plan(tx, [planned(state=State.SUPPRESSED)], uuid4(), NOW)
        assert await messages.due(tx, Channel.EMAIL, NOW, 10) == []


async def test_the_urgent_lanes_come_first_however_long_the_others_have_waited(engine: AsyncEngine) -> None:
    async with engine.begin() as tx:
        for minutes, urgency in ((5, Urgency.ROUTINE), (4, Urgency.SOON), (3, Urgency.NOW), (2, Urgency.NOW)):
            wanted = planned(due_at=NOW - timedelta(minutes=minutes), urgency=urgency)
            await messages.plan(tx, [wanted], uuid4(), NOW)
        found = await messages.due(tx, Channel.EMAIL, NOW, 3)
    assert [due.urgency for due in found] == [Urgency.NOW, Urgency.NOW, Urgency.SOON]


async def test_a_look_at_what_is_due_reads_the_index_in_order_and_passes_over_no_future_row(
    engine: AsyncEngine,
) -> None:
    later = NOW + timedelta(days=30)
    async with engine.begin() as tx:
        for start in range(0, 20_000, 2_000):
            waiting = [
                planned(due_at=later, expires_at=later + timedelta(hours=2)) for _ in range(start, start + 2_000)
            ]
            await messages.plan(tx, waiting, uuid4(), NOW)
        await messages.plan(tx, [planned() for _ in range(50)], uuid4(), NOW)
    async with engine.connect() as connection:
        await connection.execution_options(isolation_level="AUTOCOMMIT")
        await connection.execute(text("ANALYZE messages"))
        query = f"EXPLAIN (ANALYZE, BUFFERS OFF, TIMING OFF) {messages._CLAIM.text}"
        facts = {
            "token": uuid4(),
            "until": NOW + timedelta(minutes=2),
            "why": "taken",
            "channel": "email",
            "lanes": [urgency.value for urgency in Urgency],
            "now": NOW,
            "limit": 200,
            "today": NOW,
            "most": 10,
        }
        plan = "\n".join(row[0] for row in await connection.execute(text(query), facts))
    assert "Index Scan using messages_due" in plan, plan
    assert "Seq Scan on messages" not in plan, plan
    (read,) = re.findall(r"messages_due on messages.*rows=([\d.]+) loops=1", plan)
    assert float(read) == 50, plan
    assert "Rows Removed by Filter" not in plan.partition("CTE taken")[0], plan
    assert re.search(r"Index Scan using pk_messages on messages messages_\d .*rows=1", plan), (
        f"each is taken by its key: {plan}"
    )


def test_the_database_knows_exactly_the_states_of_the_lifecycle() -> None:
    checks = {
        str(one.name): str(one.sqltext) for one in tables.messages.constraints if isinstance(one, CheckConstraint)
    }
    assert set(re.findall(r"'(\w+)'", checks["ck_messages_state_known"])) == {state.value for state in State}
    predicates = {str(one.name): str(one.dialect_options["postgresql"]["where"]) for one in tables.messages.indexes}
    due, begun = (set(re.findall(r"'(\w+)'", predicates[name])) for name in ("messages_due", "messages_begun"))
    assert due == {state.value for state in RECALLABLE}
    assert begun == {State.SENDING.value, State.UNKNOWN.value}
    for statement in (messages._DUE.text, messages._CLAIM.text, messages._WAITING.sql):
        assert predicates["messages_due"] in statement, "or the index would not be used"


@pytest.mark.parametrize(
    "change",
    [
        "state = 'lost'",
        "state = 'claimed'",
        "lease_token = gen_random_uuid()",
        "expires_at = NULL",
    ],
)
async def test_the_database_refuses_what_cannot_be(engine: AsyncEngine, change: str) -> None:
    async with engine.begin() as tx:
        await messages.plan(tx, [planned()], uuid4(), NOW)
    with pytest.raises(IntegrityError):
        async with engine.begin() as tx:
            await tx.execute(text(f"UPDATE messages SET {change}"))
