"""A database connection for the rings that only pass it on, and which of its failures mean "not now"."""

import asyncpg
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError, InterfaceError, OperationalError, SQLAlchemyError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine


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
    return isinstance(error, _NOT_NOW)


def sqlstate(error: DBAPIError) -> str | None:
    """Return PostgreSQL's code of an error."""
    return getattr(error.orig, "sqlstate", None)


async def answers(engine: Engine) -> None:
    """Return if the database answers a query.

    Raises:
        Exception: one of `DatabaseError` where it does not.
    """
    async with engine.connect() as connection:
        await connection.execute(text("SELECT 1"))
