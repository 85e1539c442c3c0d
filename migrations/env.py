"""How a migration runs: on a connection that shared/migrate.py brings, or on one made from the environment's URL.

A schema change must not stop the city: it waits `LOCK_TIMEOUT` for a table in use, then fails whole, and is run again
in a quieter minute. One transaction a revision.
"""

import asyncio
import os

from alembic import context
from sqlalchemy import Connection, MetaData
from sqlalchemy.engine import make_url
from sqlalchemy.ext.asyncio import create_async_engine
from sqlalchemy.pool import NullPool

from services.booking import tables as booking_tables
from services.notify import tables as notify_tables

LOCK_TIMEOUT = "5s"
METADATA: dict[str, MetaData] = {"booking": booking_tables.metadata, "notify": notify_tables.metadata}

service = context.config.config_ini_section
if service not in METADATA:
    raise SystemExit("say which schema: alembic -c migrations/alembic.ini --name booking (or notify) …")


def migrate(connection: Connection) -> None:
    """Run what was asked for on `connection`."""
    connection.exec_driver_sql(f"SET lock_timeout = '{LOCK_TIMEOUT}'")
    connection.commit()
    context.configure(
        connection=connection,
        target_metadata=METADATA[service],
        transaction_per_migration=True,
        compare_type=True,
        compare_server_default=True,
    )
    with context.begin_transaction():
        context.run_migrations()


async def migrate_at_url() -> None:
    """Run what was asked for on the database that the environment names."""
    variable = f"{service.upper()}_DATABASE_URL"
    url = os.environ.get(variable)
    if not url:
        raise SystemExit(f"{variable} is not set")
    engine = create_async_engine(make_url(url).set(drivername="postgresql+asyncpg"), poolclass=NullPool)
    async with engine.connect() as connection:
        await connection.run_sync(migrate)
    await engine.dispose()


given = context.config.attributes.get("connection")
if given is not None:
    migrate(given)
elif context.is_offline_mode():
    raise SystemExit("SQL alone is not written: the revisions look at the database")
else:
    asyncio.run(migrate_at_url())
