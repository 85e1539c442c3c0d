"""Alembic from Python: the services' schemas up, down and compared, on any database.

The law of the migrations: every schema change is a revision under migrations/NAME, runs both ways, and waits for a lock
no longer than `lock_timeout` says in migrations/env.py. Alembic keeps its context in globals: one call at a time.
"""

import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

from alembic import command
from alembic.config import Config
from alembic.util import CommandError
from sqlalchemy import Connection
from sqlalchemy.engine import make_url
from sqlalchemy.ext.asyncio import create_async_engine
from sqlalchemy.pool import NullPool

SERVICES = ("booking", "notify")
FOLDER = Path(__file__).resolve().parents[1] / "migrations"


async def upgrade(service: str, url: str, revision: str = "head") -> None:
    """Bring the database at `url` to `revision` of `service`'s schema."""
    await _run(url, lambda config: command.upgrade(config, revision), service)


async def downgrade(service: str, url: str, revision: str = "base") -> None:
    """Take the database at `url` back to `revision`; `base` leaves nothing but the version table."""
    await _run(url, lambda config: command.downgrade(config, revision), service)


async def check(service: str, url: str) -> str | None:
    """Return None where the migrated database and `services.<service>.tables` agree, else what differs."""
    try:
        await _run(url, command.check, service)
    except CommandError as difference:
        return str(difference)
    return None


async def _run(url: str, act: Callable[[Config], Any], service: str) -> None:
    config = Config(FOLDER / "alembic.ini", ini_section=service, stdout=io.StringIO())
    engine = create_async_engine(make_url(url).set(drivername="postgresql+asyncpg"), poolclass=NullPool)

    def on(connection: Connection) -> None:
        config.attributes["connection"] = connection
        act(config)

    try:
        async with engine.connect() as connection:
            await connection.run_sync(on)
    finally:
        await engine.dispose()
