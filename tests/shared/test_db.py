"""Engines, and the server they may be used with."""

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime

import pytest
from sqlalchemy import (
    CheckConstraint,
    Column,
    ForeignKey,
    Integer,
    Table,
    UniqueConstraint,
    cast,
    literal,
    select,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.engine import make_url
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncEngine

from shared.db import (
    NotDurable,
    NotReady,
    assert_durable,
    create_engine,
    metadata,
    remedy_for_a_talkative_log,
    wait_until_ready,
)
from tests.conftest import Databases


@pytest.fixture
async def fresh(plumbing_url: str) -> AsyncIterator[AsyncEngine]:
    """An engine with one connection."""
    engine = create_engine(plumbing_url, application_name="fresh", pool_size=1)
    yield engine
    await engine.dispose()


async def scalar(engine: AsyncEngine, sql: str) -> object:
    async with engine.connect() as connection:
        return (await connection.execute(text(sql))).scalar_one()


async def test_every_session_is_bounded_and_in_utc(fresh: AsyncEngine) -> None:
    for name, value in {
        "timezone": "UTC",
        "statement_timeout": "10s",
        "lock_timeout": "3s",
        "idle_in_transaction_session_timeout": "15s",
        "application_name": "fresh",
    }.items():
        assert await scalar(fresh, f"SHOW {name}") == value


async def test_session_settings_can_be_overridden(plumbing_url: str) -> None:
    engine = create_engine(plumbing_url, application_name="slow", server_settings={"statement_timeout": "50ms"})
    with pytest.raises(DBAPIError, match="statement timeout"):
        await scalar(engine, "SELECT pg_sleep(1)")
    assert await scalar(engine, "SHOW lock_timeout") == "3s"
    await engine.dispose()


async def test_json_keeps_chinese_and_understands_times(fresh: AsyncEngine) -> None:
    value = {"名": "大连博物馆", "at": datetime(2026, 1, 2, tzinfo=UTC), "n": [1, 2.5, None]}
    async with fresh.connect() as connection:
        stored = (await connection.execute(select(cast(literal(value, JSONB), JSONB)))).scalar_one()
    assert stored == {"名": "大连博物馆", "at": "2026-01-02T00:00:00Z", "n": [1, 2.5, None]}


async def test_an_error_does_not_tell_the_parameters(fresh: AsyncEngine) -> None:
    async with fresh.connect() as connection:
        with pytest.raises(DBAPIError) as caught:
            await connection.execute(text("SELECT 1 / (CAST(:n AS int) - CAST(:n AS int))"), {"n": 13800138})
    assert "13800138" not in str(caught.value)


async def test_a_connection_that_the_server_closed_is_replaced_before_it_is_used(
    fresh: AsyncEngine, engine: AsyncEngine
) -> None:
    before = await scalar(fresh, "SELECT pg_backend_pid()")
    async with engine.begin() as other:
        await other.execute(text("SELECT pg_terminate_backend(:pid)"), {"pid": before})
    await asyncio.sleep(0.05)

    assert await scalar(fresh, "SELECT pg_backend_pid()") != before


def test_constraints_have_names_that_migrations_can_use() -> None:
    tables = metadata()
    Table("parent", tables, Column("id", Integer, primary_key=True))
    child = Table(
        "child",
        tables,
        Column("id", Integer, primary_key=True),
        Column("parent_id", ForeignKey("parent.id"), index=True),
        Column("a", Integer),
        UniqueConstraint("parent_id", "a"),
        CheckConstraint("a > 0", name="a_positive"),
    )
    names = {str(constraint.name) for constraint in child.constraints} | {str(index.name) for index in child.indexes}
    assert names == {
        "pk_child",
        "fk_child_parent_id",
        "uq_child_parent_id_a",
        "ck_child_a_positive",
        "ix_child_parent_id",
    }


async def test_a_durable_server_is_accepted(fresh: AsyncEngine) -> None:
    await assert_durable(fresh)


async def test_a_server_that_writes_failed_statements_into_its_log_is_found_out(
    databases: Databases, plumbing_url: str, fresh: AsyncEngine
) -> None:
    assert await remedy_for_a_talkative_log(fresh) is None, "the embedded one does not"
    admin = create_engine(databases.admin_url, application_name="tests", isolation_level="AUTOCOMMIT")
    role = make_url(plumbing_url).username or await scalar(fresh, "SELECT current_user")
    async with admin.connect() as connection:
        await connection.execute(text(f"ALTER ROLE \"{role}\" SET log_min_error_statement = 'error'"))
        try:
            talkative = create_engine(plumbing_url, application_name="tests")
            remedy = await remedy_for_a_talkative_log(talkative)
            await talkative.dispose()
            assert remedy is not None
            await connection.execute(text(remedy))
            mended = create_engine(plumbing_url, application_name="tests")
            assert await remedy_for_a_talkative_log(mended) is None
            await mended.dispose()
        finally:
            await connection.execute(text(f'ALTER ROLE "{role}" RESET log_min_error_statement'))
    await admin.dispose()


@pytest.mark.parametrize("level", ["local", "remote_write", "remote_apply"])
async def test_every_way_of_committing_that_flushes_is_accepted(plumbing_url: str, level: str) -> None:
    engine = create_engine(plumbing_url, application_name="tests", server_settings={"synchronous_commit": level})
    await assert_durable(engine)
    await engine.dispose()


async def test_settings_that_lose_what_was_acknowledged_are_named_with_the_command_that_changes_them(
    databases: Databases, fresh: AsyncEngine
) -> None:
    admin = create_engine(databases.admin_url, application_name="tests", isolation_level="AUTOCOMMIT")

    async def change(sql: str) -> None:
        async with admin.connect() as connection:
            await connection.execute(text(sql))

    async def refusal() -> str:
        with pytest.raises(NotDurable) as caught:
            await assert_durable(fresh)
        return str(caught.value)

    async def reload_until(wanted: str) -> None:
        await change("SELECT pg_reload_conf()")
        async with asyncio.timeout(10):
            while True:
                if [await scalar(fresh, f"SHOW {name}") for name in ("fsync", "full_page_writes")] == [wanted, wanted]:
                    return
                await asyncio.sleep(0.02)

    try:
        for name in ("fsync", "full_page_writes", "synchronous_commit"):
            await change(f"ALTER SYSTEM SET {name} = off")
        await reload_until("off")
        message = await refusal()
        for name in ("fsync", "full_page_writes", "synchronous_commit"):
            assert f"{name} is off: ALTER SYSTEM SET {name} = on; SELECT pg_reload_conf();" in message
    finally:
        for name in ("fsync", "full_page_writes", "synchronous_commit"):
            await change(f"ALTER SYSTEM RESET {name}")
        await reload_until("on")
        await admin.dispose()
    await assert_durable(fresh)


async def test_a_database_that_hides_the_servers_setting_is_named(plumbing_url: str, engine: AsyncEngine) -> None:
    async with engine.begin() as tx:
        await tx.execute(text("ALTER DATABASE plumbing SET synchronous_commit = off"))
    newcomer = create_engine(plumbing_url, application_name="tests")
    try:
        with pytest.raises(NotDurable, match='ALTER DATABASE "plumbing" RESET synchronous_commit;'):
            await assert_durable(newcomer)
    finally:
        await newcomer.dispose()
        async with engine.begin() as tx:
            await tx.execute(text("ALTER DATABASE plumbing RESET synchronous_commit"))


async def test_a_connection_that_asks_for_less_is_named(plumbing_url: str) -> None:
    engine = create_engine(plumbing_url, application_name="tests", server_settings={"synchronous_commit": "off"})
    with pytest.raises(NotDurable, match="take synchronous_commit=off out of the connection's settings"):
        await assert_durable(engine)
    await engine.dispose()


async def test_waiting_goes_on_while_the_database_is_not_there_yet(databases: Databases, plumbing_url: str) -> None:
    engine = create_engine(make_url(plumbing_url).set(database="late"), application_name="tests")
    waiting = asyncio.create_task(wait_until_ready(engine, 20))
    await asyncio.sleep(0.2)
    assert not waiting.done()
    url = await databases.create_empty("booking", "late")
    await waiting
    await engine.dispose()
    await databases.drop(url)


async def test_a_refusal_is_not_waited_out_in_silence(plumbing_url: str) -> None:
    engine = create_engine(make_url(plumbing_url).set(password="wrong"), application_name="tests")
    with pytest.raises(NotReady, match="password authentication failed"):
        await wait_until_ready(engine, 0.2)
    await engine.dispose()


async def test_waiting_for_a_server_ends_when_it_answers_and_when_the_time_is_over(fresh: AsyncEngine) -> None:
    await wait_until_ready(fresh, 5)
    nobody = create_engine("postgresql://nobody@127.0.0.1:1/none", application_name="tests")
    with pytest.raises(NotReady, match=r"within 0\.3 s"):
        await wait_until_ready(nobody, 0.3)
    await nobody.dispose()
