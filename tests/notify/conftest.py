"""A migrated notify database, real keys, and a town to live in."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from services.notify import tables
from shared.db import create_engine
from tests.conftest import Databases
from tests.notify.town import Keys, Town, running_town


@pytest.fixture(scope="session")
def key_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("keys")


@pytest.fixture(scope="session")
def keys(key_folder: Path) -> Keys:
    return Keys.make(key_folder)


@pytest.fixture(scope="session")
async def emptied_engine(databases: Databases) -> AsyncIterator[AsyncEngine]:
    """One database for all of these tests: emptying it takes a tenth of the time that a new one does."""
    url = await databases.create("notify")
    engine = create_engine(url, application_name="notify-tests", pool_size=10)
    yield engine
    await engine.dispose()
    await databases.drop(url)


@pytest.fixture
async def engine(emptied_engine: AsyncEngine) -> AsyncIterator[AsyncEngine]:
    """The database, empty. What a test hangs on its tables it takes away again: the next one's would go by it, too."""
    names = ", ".join(table.name for table in tables.metadata.sorted_tables)
    async with emptied_engine.begin() as tx:
        await tx.execute(text(f"TRUNCATE {names} RESTART IDENTITY"))
    yield emptied_engine
    async with emptied_engine.connect() as connection:
        left = (await connection.execute(text("SELECT tgname FROM pg_trigger WHERE NOT tgisinternal"))).scalars().all()
    assert left == []


@pytest.fixture
async def town(engine: AsyncEngine, keys: Keys) -> AsyncIterator[Town]:
    async with running_town(engine, keys) as one:
        yield one
