"""A database connection for the rings that only pass it on, and which of its failures mean "not now"."""

import asyncpg
from sqlalchemy import text
from sqlalchemy.exc import InterfaceError, SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from shared.inbox import passes

Engine = AsyncEngine
Connection = AsyncConnection

DatabaseError = (SQLAlchemyError, asyncpg.PostgresError, asyncpg.InterfaceError, asyncpg.InternalClientError, OSError)
"""Whatever may go wrong on the way to the database and back."""

_NOT_NOW = (
    InterfaceError,
    asyncpg.PostgresConnectionError,
    asyncpg.CannotConnectNowError,
    asyncpg.TooManyConnectionsError,
    asyncpg.InterfaceError,
)


def is_unavailable(error: Exception) -> bool:
    """Say whether `error` means "not now" (the database is starting, gone or too busy), not a wrong statement of ours."""
    return passes(error) or isinstance(error, _NOT_NOW)


async def answers(engine: Engine) -> None:
    """Return if the database answers a query.

    Raises:
        Exception: one of `DatabaseError` where it does not.
    """
    async with engine.connect() as connection:
        await connection.execute(text("SELECT 1"))
