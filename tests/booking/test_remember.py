"""Doing a write once: what stays, what goes, what a twin hears, and what a lost connection leaves."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import Any
from unittest.mock import AsyncMock
from uuid import UUID

import asyncpg
import pytest
from sqlalchemy import select, text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from services.booking import tables
from services.booking.commands.remember import remembered
from services.booking.domain.facts import Facts
from services.booking.domain.reason import Reason
from services.booking.domain.request import Key
from services.booking.store.database import is_unavailable
from services.booking.store.gathering import gather
from services.booking.store.idempotency import forget_answers
from services.booking.store.keeping import Answered
from services.booking.store.locking import Wanted
from shared.clock import SettableClock
from shared.db import create_engine
from shared.ids import new_id
from shared.inbox import passes
from shared.refusal import Refused
from shared.web import Answer
from tests import make

DONE = Answer(201, {"content-type": "application/json", "etag": '"1"'}, '{"名":"\x00\xff"}'.encode())
EXPLAINED = Answer(409, {"content-type": "application/problem+json"}, b'{"code":"no"}')

ANNOUNCED = asyncpg.InternalClientError("cannot switch to state 15; another operation (2) is in progress")


def explain(refused: Refused) -> Answer:
    return EXPLAINED


@dataclass
class Work:
    """Writes a district each time it is done, so that how often it was done can be counted."""

    engine: AsyncEngine
    clock: SettableClock = field(default_factory=lambda: SettableClock(make.NOW))
    key: Key = field(default_factory=lambda: Key(new_id(), "key", b"f" * 32))
    outcome: Answer | Exception = DONE
    pause: float = 0.0
    times: int = 0

    async def __call__(self, tx: AsyncConnection) -> Answer:
        self.times += 1
        values = {"id": str(new_id()), "position": 1, "name_zh": "区", "name_en": "D", "subdistricts": {}}
        await tx.execute(tables.districts.insert().values(values))
        await asyncio.sleep(self.pause)
        if isinstance(self.outcome, Exception):
            raise self.outcome
        return self.outcome

    async def ask(self) -> Answer:
        return await remembered(self.engine, self.key, self.clock, self, explain)

    async def done(self) -> int:
        async with self.engine.connect() as connection:
            return len((await connection.execute(select(tables.districts))).all())

    async def kept(self) -> list[Any]:
        async with self.engine.connect() as connection:
            return list((await connection.execute(select(tables.idempotency))).all())


@pytest.fixture
async def work(booking_url: str) -> AsyncIterator[Work]:
    engine = create_engine(booking_url, application_name="test", pool_size=10)
    yield Work(engine)
    await engine.dispose()


async def test_the_answer_comes_again_byte_for_byte(work: Work) -> None:
    assert await work.ask() == DONE
    assert await work.ask() == DONE
    assert (work.times, await work.done()) == (1, 1)


async def test_twins_wait_for_the_first_and_get_its_answer(work: Work) -> None:
    work.pause = 0.05
    assert await asyncio.gather(*(work.ask() for _ in range(8))) == [DONE] * 8
    assert (work.times, await work.done()) == (1, 1)


async def test_a_twin_does_not_wait_for_ever(work: Work, booking_url: str) -> None:
    hasty = create_engine(booking_url, application_name="hasty", server_settings={"lock_timeout": "100ms"})
    work.pause = 0.5
    first = asyncio.create_task(work.ask())
    await asyncio.sleep(0.1)
    with pytest.raises(Refused) as caught:
        await replace(work, engine=hasty).ask()
    assert caught.value.reason is Reason.IDEMPOTENCY_KEY_IN_USE
    assert await first == DONE
    await hasty.dispose()


async def test_if_the_first_fails_its_twin_does_the_work(work: Work) -> None:
    work.pause, work.outcome = 0.1, RuntimeError("broken")
    first = asyncio.create_task(work.ask())
    await asyncio.sleep(0.05)
    twin = replace(work, outcome=DONE, pause=0.0)
    assert await twin.ask() == DONE
    with pytest.raises(RuntimeError):
        await first
    assert await work.done() == 1


async def test_another_request_under_the_key_is_refused_and_does_nothing(work: Work) -> None:
    await work.ask()
    other = replace(work, key=Key(work.key.account_id, "key", b"g" * 32))
    with pytest.raises(Refused) as caught:
        await other.ask()
    assert caught.value.reason is Reason.IDEMPOTENCY_KEY_REUSED
    assert await work.done() == 1


async def test_the_key_of_another_account_is_another_key(work: Work) -> None:
    await work.ask()
    await replace(work, key=Key(new_id(), "key", b"g" * 32)).ask()
    assert await work.done() == 2


async def test_a_raised_refusal_takes_the_work_back_and_is_kept(work: Work) -> None:
    work.outcome = Refused(Reason.SLOT_FULL)
    assert await work.ask() == EXPLAINED
    work.outcome = DONE
    assert await work.ask() == EXPLAINED
    assert (work.times, await work.done()) == (1, 0)


async def test_a_returned_refusal_keeps_what_was_done(work: Work) -> None:
    work.outcome = replace(DONE, status=422)
    assert (await work.ask()).status == 422
    assert await work.done() == 1


@pytest.mark.parametrize("reason", [Reason.TOO_MANY_REQUESTS, Reason.BUSY])
async def test_later_is_not_kept(work: Work, reason: Reason) -> None:
    work.outcome = Refused(reason, retry_after_seconds=1)
    with pytest.raises(Refused):
        await work.ask()
    work.outcome = DONE
    assert await work.ask() == DONE
    assert await work.done() == 1


async def test_a_failure_frees_the_key(work: Work) -> None:
    work.outcome = RuntimeError("broken")
    with pytest.raises(RuntimeError):
        await work.ask()
    assert await work.kept() == []
    work.outcome = DONE
    assert await work.ask() == DONE


async def test_who_goes_away_in_the_middle_leaves_nothing(work: Work) -> None:
    work.pause = 5
    task = asyncio.create_task(work.ask())
    await asyncio.sleep(0.1)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    work.pause = 0
    assert await work.ask() == DONE
    assert await work.done() == 1


async def test_a_connection_lost_at_the_commit_is_uncertain(work: Work, monkeypatch: pytest.MonkeyPatch) -> None:
    async def lost(_self: AsyncConnection) -> None:
        raise ConnectionResetError

    with monkeypatch.context() as patch:
        patch.setattr(AsyncConnection, "commit", lost)
        with pytest.raises(Refused) as caught:
            await work.ask()
    assert caught.value.reason is Reason.UNCERTAIN
    assert await work.ask() == DONE  # asking again tells
    assert await work.done() == 1


async def look_up(tx: AsyncConnection, *keys: Key) -> Mapping[tuple[UUID, str], Answered]:
    """Return what the desk finds under `keys`."""
    return (await gather(tx, Wanted((), (), (), make.NOW, keys=keys), Facts(make.NOW, make.catalogue()))).answers


async def test_answers_are_read_back_by_the_desk_s_look_up_and_forgotten_by_age(work: Work) -> None:
    await work.ask()
    strange = Key(new_id(), "key", b"f" * 32)
    async with work.engine.begin() as tx:
        [answered] = (await look_up(tx, work.key, strange)).values()
        assert (answered.key, answered.status, answered.headers, answered.body) == (
            work.key,
            201,
            DONE.headers,
            DONE.body,
        )
        assert await look_up(tx) == {}
        assert await forget_answers(tx, work.clock()) == 0
        assert await forget_answers(tx, work.clock() + timedelta(seconds=1)) == 1
    assert await work.kept() == []


async def test_no_unfinished_row_is_ever_seen(work: Work) -> None:
    work.pause = 0.2
    task = asyncio.create_task(work.ask())
    await asyncio.sleep(0.1)
    assert await work.kept() == []
    await task
    async with work.engine.connect() as connection:
        assert (await connection.execute(text("SELECT min(status) FROM idempotency"))).scalar_one() == 201


async def test_what_says_later_is_told_from_what_is_wrong(
    work: Work, booking_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A lock not had in time, a statement that took too long, a session that is being ended: 503 and not 500."""
    hasty = create_engine(
        booking_url, application_name="hasty", server_settings={"lock_timeout": "100ms", "statement_timeout": "200ms"}
    )

    async def error_of(statement: str) -> Exception:
        with pytest.raises(DBAPIError) as caught:
            async with hasty.begin() as tx:
                await tx.execute(text(statement))
        return caught.value

    async with work.engine.begin() as tx:
        await tx.execute(text("LOCK TABLE districts"))
        assert is_unavailable(await error_of("SELECT * FROM districts"))
    assert is_unavailable(await error_of("SELECT pg_sleep(1)"))
    assert not is_unavailable(await error_of("SELECT 1 / 0"))
    assert not is_unavailable(await error_of("SELECT * FROM nowhere"))
    assert not is_unavailable(await error_of("INSERT INTO districts (id) VALUES ('a')"))
    assert is_unavailable(ConnectionRefusedError())
    with monkeypatch.context() as patch:
        patch.setattr(asyncpg.Connection, "prepare", AsyncMock(side_effect=ANNOUNCED))
        found = await error_of("SELECT 1")
    assert is_unavailable(found)
    assert passes(found)
    assert is_unavailable(ANNOUNCED)
    assert passes(ANNOUNCED)
    assert not is_unavailable(asyncpg.OutdatedSchemaCacheError("a type has changed"))
    assert not is_unavailable(ValueError())
    await hasty.dispose()
