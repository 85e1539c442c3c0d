"""A database connection for the rings that only pass it on, and which of its failures mean "not now"."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import asyncpg
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError, InterfaceError, OperationalError, SQLAlchemyError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from shared.db import driver_of


class Collided(Exception):  # noqa: N818 - it happened to us; the desk takes it up again
    """Something was no longer as it was gathered: another process had changed it meanwhile."""


Engine = AsyncEngine
Connection = AsyncConnection

DatabaseError = (SQLAlchemyError, asyncpg.PostgresError, asyncpg.InterfaceError, OSError)
"""Whatever may go wrong on the way to the database and back."""

_NOT_NOW = (
    OperationalError,
    InterfaceError,
    PoolTimeout,
    ConnectionError,
    TimeoutError,
    asyncpg.PostgresConnectionError,
    asyncpg.CannotConnectNowError,
    asyncpg.TooManyConnectionsError,
    asyncpg.InterfaceError,
)

_BUSY_STATES = frozenset({"55P03", "57014", "40001", "40P01", "53300", "57P01", "57P02", "57P03"})
"""Lock or statement took too long, serialisation, deadlock, too many connections, shutting down, starting (SQLSTATE)."""


def is_unavailable(error: Exception) -> bool:
    """Say whether `error` means "not now" (the database is starting, gone or too busy), not a wrong statement of ours."""
    if isinstance(error, DBAPIError):
        return isinstance(error, _NOT_NOW) or error.connection_invalidated or sqlstate(error) in _BUSY_STATES
    return isinstance(error, _NOT_NOW) or getattr(error, "sqlstate", None) in _BUSY_STATES


def sqlstate(error: DBAPIError) -> str | None:
    """Return PostgreSQL's code of an error."""
    return getattr(error.orig, "sqlstate", None)


@asynccontextmanager
async def transaction(engine: Engine) -> AsyncIterator[Connection]:
    """Open a transaction in which `shared.db.fetch` and SQLAlchemy's own statements run side by side; `commit` ends it.

    Left without a commit it is rolled back, and a connection on which that fails is thrown away.
    """
    async with engine.connect() as connection:
        await connection.execution_options(isolation_level="AUTOCOMMIT")  # SQLAlchemy begins and ends nothing itself
        driver = driver_of(connection)
        await driver.execute("BEGIN")
        try:
            yield connection
        finally:
            try:
                if driver.is_in_transaction():
                    await driver.execute("ROLLBACK")
            except DatabaseError:
                await connection.invalidate()


async def commit(connection: Connection) -> None:
    """Commit what `transaction` began.

    Raises:
        Collided: a statement had failed before, so that PostgreSQL rolled back instead; nothing was kept.
        Exception: one of `DatabaseError`: nobody knows.
    """
    if await driver_of(connection).execute("COMMIT") != "COMMIT":
        raise Collided


async def answers(engine: Engine) -> None:
    """Return if the database answers a query.

    Raises:
        Exception: one of `DatabaseError` where it does not.
    """
    async with engine.connect() as connection:
        await connection.execute(text("SELECT 1"))
