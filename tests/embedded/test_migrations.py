"""Every revision goes up and down, and what it makes is what the code believes in."""

import asyncio
from pathlib import Path

import asyncpg
import pytest
from alembic.config import Config
from alembic.script import ScriptDirectory
from sqlalchemy import text

from shared import migrate
from shared.db import create_engine
from tests.conftest import Databases


def revisions(service: str) -> list[str]:
    config = Config(migrate.FOLDER / "alembic.ini", ini_section=service)
    return [revision.revision for revision in ScriptDirectory.from_config(config).walk_revisions()][::-1]


@pytest.mark.parametrize("service", migrate.SERVICES)
async def test_no_drift(databases: Databases, service: str) -> None:
    url = await databases.create(service)
    assert await migrate.check(service, url) is None
    await databases.drop(url)


@pytest.mark.parametrize("service", migrate.SERVICES)
async def test_drift_is_seen(databases: Databases, service: str) -> None:
    url = await databases.create(service)
    await _execute(
        url, "ALTER TABLE outbox RENAME COLUMN data TO datum" if service == "booking" else "DROP TABLE inbox CASCADE"
    )
    difference = await migrate.check(service, url)
    assert difference is not None
    assert "New upgrade operations detected" in difference
    await databases.drop(url)


@pytest.mark.parametrize("service", migrate.SERVICES)
async def test_every_revision_up_and_down(databases: Databases, service: str) -> None:
    url = await databases.create_empty(service, f"{service}_up_and_down")
    chain = revisions(service)
    assert chain, "a service has at least its first revision"
    for revision in chain:
        await migrate.upgrade(service, url, revision)
    for revision in chain:
        await migrate.downgrade(service, url, "-1")
        assert revision
    left = await _query(
        url, "SELECT count(*) FROM pg_tables WHERE schemaname = 'public' AND tablename <> 'alembic_version'"
    )
    assert left == 0
    await migrate.upgrade(service, url)
    assert await migrate.check(service, url) is None
    await databases.drop(url)


async def test_a_migration_waits_for_a_lock_only_so_long(databases: Databases) -> None:
    url = await databases.create("booking")
    engine = create_engine(url, application_name="in the way")
    async with engine.begin() as tx:
        await tx.execute(text("LOCK TABLE bookings IN ACCESS SHARE MODE"))
        with pytest.raises(Exception, match="lock timeout"):
            await asyncio.wait_for(migrate.downgrade("booking", url), 30)
    await engine.dispose()
    await databases.drop(url)


def test_each_service_has_its_own_chain() -> None:
    for service in migrate.SERVICES:
        files = {path.stem.partition("_")[0] for path in Path(migrate.FOLDER / service).glob("[0-9]*.py")}
        assert files == set(revisions(service))


async def _execute(url: str, statement: str) -> None:
    connection = await asyncpg.connect(url.replace("+asyncpg", ""))
    try:
        await connection.execute(statement)
    finally:
        await connection.close()


async def _query(url: str, statement: str) -> object:
    connection = await asyncpg.connect(url.replace("+asyncpg", ""))
    try:
        return await connection.fetchval(statement)
    finally:
        await connection.close()
