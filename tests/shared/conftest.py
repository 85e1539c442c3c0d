"""Databases and brokers for the tests of the plumbing."""

from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Table, text
from sqlalchemy.ext.asyncio import AsyncEngine

from shared.db import create_engine, metadata
from shared.inbox import dead_event_table, inbox_table, position_table
from shared.outbox import outbox_table, relay_table
from tests.conftest import Databases
from tests.shared.servers import Broker

tables = metadata()
outbox = outbox_table(tables)
relay = relay_table(tables)
inbox = inbox_table(tables)
position = position_table(tables)
dead_event = dead_event_table(tables)


@pytest.fixture(scope="session")
async def plumbing_url(databases: Databases) -> AsyncIterator[str]:
    """A database of its own for these tests."""
    url = await databases.create_empty("booking", "plumbing")
    yield url
    await databases.drop(url)


@pytest.fixture(scope="session")
async def plumbing(plumbing_url: str) -> AsyncIterator[AsyncEngine]:
    engine = create_engine(plumbing_url, application_name="tests", pool_size=10)
    async with engine.begin() as tx:
        await tx.run_sync(tables.create_all)
    yield engine
    await engine.dispose()


@pytest.fixture
async def engine(plumbing: AsyncEngine) -> AsyncEngine:
    """The database, empty."""
    names = ", ".join(table.name for table in tables.sorted_tables)
    async with plumbing.begin() as tx:
        await tx.execute(text(f"TRUNCATE {names} RESTART IDENTITY"))
    return plumbing


@pytest.fixture
async def broker(tmp_path: Path) -> AsyncIterator[Broker]:
    """A broker of this test's own, running."""
    server = Broker(tmp_path / "nats")
    await server.start()
    yield server
    await server.kill()


Rows = Callable[[Table], Awaitable[list[dict[str, Any]]]]


@pytest.fixture
def rows(engine: AsyncEngine) -> Rows:
    """Read a whole table."""

    async def read(table: Table) -> list[dict[str, Any]]:
        async with engine.connect() as connection:
            return [dict(row._mapping) for row in await connection.execute(table.select())]

    return read
