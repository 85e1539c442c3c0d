"""The desk's connections, and what the database guards by itself behind its statement."""

import asyncio
from collections.abc import AsyncIterator

import pytest
from sqlalchemy import text
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncEngine

from services.booking.commands.catalogue_cache import CatalogueCache
from services.booking.commands.desk import Desk
from services.booking.main import DESK_SESSION
from services.booking.store import database
from services.booking.store.database import Lines, Lost, begin_and_fetch, run_and_commit
from shared.clock import SettableClock
from shared.db import create_engine, driver_of, prepared
from tests import make, world
from tests.booking.test_desk import render, wish

ONE = prepared("SELECT must_be(1, CAST(:wanted AS bigint))")


@pytest.fixture
async def engine(booking_url: str) -> AsyncIterator[AsyncEngine]:
    engine = create_engine(booking_url, application_name="lines", pool_size=5)
    await world.put_catalogue(engine, make.catalogue())
    yield engine
    await engine.dispose()


async def pid_of_next(lines: Lines, *, more: bool) -> int:
    async with lines.transaction(lambda: more) as tx:
        await driver_of(tx).execute("BEGIN")
        return int(driver_of(tx).get_server_pid())


async def test_a_connection_is_kept_while_more_follows_and_given_back_when_nothing_does(engine: AsyncEngine) -> None:
    lines, pool = Lines(engine), engine.pool
    first = await pid_of_next(lines, more=True)
    assert pool.checkedout() == 1  # type: ignore[attr-defined]
    assert await pid_of_next(lines, more=False) == first
    assert pool.checkedout() == 0  # type: ignore[attr-defined]


async def test_a_connection_that_the_server_has_ended_is_not_taken_again(engine: AsyncEngine) -> None:
    lines = Lines(engine)
    pid = await pid_of_next(lines, more=True)
    async with engine.connect() as other:
        await other.execute(text("SELECT pg_terminate_backend(:pid, 5000)"), {"pid": pid})
    await asyncio.sleep(0.05)
    assert await pid_of_next(lines, more=False) != pid
    assert engine.pool.checkedout() == 0  # type: ignore[attr-defined]


SAY = prepared("SELECT set_config('yuyue.test', :said, true)")
HEAR = prepared("SELECT current_setting('yuyue.test'), (SELECT count(*) FROM slots)")


async def test_the_next_transaction_begins_with_the_commit_and_sees_what_was_committed_since(
    engine: AsyncEngine,
) -> None:
    lines, drivers, begun = Lines(engine), [], []
    follows = iter([True, False])
    for number in range(2):
        async with lines.transaction(lambda: next(follows)) as tx:
            drivers.append(driver_of(tx))
            begun.append(driver_of(tx).is_in_transaction())
            if number == 1:  # by somebody else, after the transaction began
                await world.put_slots(engine, make.slot())
            found = await begin_and_fetch(tx, (SAY, {"said": f"no. {number}"}), (HEAR, {}), "said text, slots bigint")
            assert (found["said"], found["slots"]) == (f"no. {number}", number)
            await run_and_commit(tx, ONE, {"wanted": 1}, more_follows=True)
    assert begun == [False, True], "the second one has begun with the first one's commit"
    assert drivers[0] is drivers[1]
    assert not drivers[0].is_in_transaction(), "where nothing follows it is given back without one"


async def test_a_count_that_is_not_as_wanted_undoes_everything(engine: AsyncEngine) -> None:
    lines = Lines(engine)
    async with lines.transaction(lambda: False) as tx:
        driver = driver_of(tx)
        await driver.execute("BEGIN")
        with pytest.raises(Exception, match="1 rows instead of 2") as raised:
            await run_and_commit(tx, ONE, {"wanted": 2})
        assert getattr(raised.value, "sqlstate", None) == "YU001"
        assert driver.is_in_transaction(), "nothing was committed"


async def test_a_session_that_is_ended_at_the_commit_leaves_nobody_knowing(engine: AsyncEngine) -> None:
    lines = Lines(engine)
    async with lines.transaction(lambda: False) as tx:
        await driver_of(tx).execute("BEGIN")
        slow = prepared("SELECT pg_sleep(CAST(:seconds AS float8))")
        asked = asyncio.ensure_future(run_and_commit(tx, slow, {"seconds": "5"}))
        await asyncio.sleep(0.2)
        async with engine.connect() as other:
            ended = text("SELECT pg_terminate_backend(:pid, 5000)")
            await other.execute(ended, {"pid": driver_of(tx).get_server_pid()})
        with pytest.raises(Lost):
            await asked


@pytest.mark.parametrize("table", ["slots", "bookings", "persons"])
async def test_nothing_that_a_booking_names_can_be_deleted(engine: AsyncEngine, table: str) -> None:
    slot = make.slot(capacity=5)
    await world.put_slots(engine, slot)
    (resident,) = await world.put_residents(engine, 1)
    desk = Desk(engine, CatalogueCache(make.catalogue()), SettableClock(make.NOW))
    assert (await desk.ask(wish(resident, slot), render)).status == 201
    async with engine.connect() as connection:
        await connection.execute(text("DELETE FROM account_people"))
        with pytest.raises(IntegrityError, match="is still named by"):
            await connection.execute(text(f"DELETE FROM {table}"))
    await desk.close()
    async with engine.begin() as tx:
        await tx.execute(text("DELETE FROM claims"))
        await tx.execute(text("DELETE FROM bookings"))
        await tx.execute(text("DELETE FROM slots"))


@pytest.mark.parametrize("commit", ["on", "off"], ids=["durable", "control"])
async def test_nobody_is_answered_before_the_log_is_on_disk(booking_url: str, commit: str) -> None:
    """Of twenty answers; others may write into the server's log in between, and its writer may flush in between."""
    engine = create_engine(booking_url, application_name="lines", server_settings={"synchronous_commit": commit})
    await world.put_catalogue(engine, make.catalogue())
    slot = make.slot(capacity=50)
    await world.put_slots(engine, slot)
    residents = await world.put_residents(engine, 20)
    desk = Desk(engine, CatalogueCache(make.catalogue()), SettableClock(make.NOW))
    behind = text("SELECT pg_current_wal_flush_lsn() >= pg_current_wal_insert_lsn()")
    flushed = []
    async with engine.connect() as connection:
        for one in residents:
            assert (await desk.ask(wish(one, slot), render)).status == 201
            flushed.append(bool((await connection.execute(behind)).scalar_one()))
    assert sum(flushed) >= 15 if commit == "on" else sum(flushed) <= 5, flushed
    await desk.close()
    await engine.dispose()


async def rows_read(engine: AsyncEngine, bookings: int) -> int:
    """Book one after the other where PostgreSQL takes all tables for empty; return how much the last ten bookings read."""
    async with engine.connect() as connection:
        await connection.execution_options(isolation_level="AUTOCOMMIT")
        await connection.execute(text("VACUUM ANALYZE"))
    slot = make.slot(capacity=1000)
    await world.put_slots(engine, slot)
    residents = await world.put_residents(engine, bookings)
    desk = Desk(engine, CatalogueCache(make.catalogue()), SettableClock(make.NOW))
    for one in residents[:-10]:
        assert (await desk.ask(wish(one, slot), render)).status == 201
    before = await _read(engine)
    for one in residents[-10:]:
        assert (await desk.ask(wish(one, slot), render)).status == 201
    await desk.close()
    return await _read(engine) - before


async def _read(engine: AsyncEngine) -> int:
    """Return how many entries of indexes and rows of tables have been read; of the one connection that there is."""
    query = text(
        "SELECT sum(idx_tup_read) + (SELECT sum(seq_tup_read) FROM pg_stat_user_tables) FROM pg_stat_user_indexes"
    )
    async with engine.connect() as connection:
        await connection.execute(text("SELECT pg_stat_force_next_flush()"))
        await connection.commit()
        return int((await connection.execute(query)).scalar_one())


@pytest.fixture
async def narrow(booking_url: str) -> AsyncIterator[AsyncEngine]:
    engine = create_engine(
        booking_url, application_name="narrow", pool_size=1, max_overflow=0, server_settings=DESK_SESSION
    )
    await world.put_catalogue(engine, make.catalogue())
    yield engine
    await engine.dispose()


@pytest.mark.parametrize("growing", [True, False], ids=["plans grow", "control"])
async def test_plans_made_for_empty_tables_do_not_outlive_them(
    narrow: AsyncEngine, monkeypatch: pytest.MonkeyPatch, growing: bool
) -> None:
    """Whoever begins with an empty database and has it vacuumed would read every booking for each one more."""
    if not growing:
        monkeypatch.setattr(database, "_plan_in_time", _never)
    read = await rows_read(narrow, 150)
    assert read < 10 * 40 if growing else read > 10 * 140, read


async def _never(_connection: object) -> None:
    """Keep whatever plan there is."""
