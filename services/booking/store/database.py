"""A database connection for the rings that only pass it on, and which of its failures mean "not now"."""

import time
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import asyncpg
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError, InterfaceError, OperationalError, SQLAlchemyError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from shared.db import Prepared, driver_of, is_being_ended, quoted


class Collided(Exception):  # noqa: N818 - it happened to us; the desk takes it up again
    """Something was no longer as it was gathered: another process had changed it meanwhile."""


class Lost(Exception):  # noqa: N818 - nobody knows; that is the point
    """A commit was sent and its result never came."""


Engine = AsyncEngine
Connection = AsyncConnection

DatabaseError = (SQLAlchemyError, asyncpg.PostgresError, asyncpg.InterfaceError, asyncpg.InternalClientError, OSError)
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

_SESSION_ENDED = ("08", "57P")
"""The connection is gone or the session was ended from outside, perhaps between a commit and its answer (SQLSTATE)."""

_BUSY_STATES = frozenset({"55P03", "57014", "40001", "40P01", "53300", "57P01", "57P02", "57P03"})
"""Lock or statement took too long, serialisation, deadlock, too many connections, shutting down, starting (SQLSTATE)."""


def is_unavailable(error: Exception) -> bool:
    """Say whether `error` means "not now" (the database is starting, gone or too busy), not a wrong statement of ours."""
    if is_being_ended(error):
        return True
    if isinstance(error, DBAPIError):
        return isinstance(error, _NOT_NOW) or error.connection_invalidated or sqlstate(error) in _BUSY_STATES
    return isinstance(error, _NOT_NOW) or getattr(error, "sqlstate", None) in _BUSY_STATES


def sqlstate(error: DBAPIError) -> str | None:
    """Return PostgreSQL's code of an error."""
    return getattr(error.orig, "sqlstate", None)


_PREPARED = "yuyue.prepared"
"""Where a connection remembers what is prepared on it, and under which names."""

_AFRESH = "yuyue.afresh"
"""Where it remembers that its transaction has only just begun, with the commit of the one before."""

_PLANS = "yuyue.plans"
"""Where it remembers the age of its plans; a `_Plans`."""

PLANS_SECONDS = 60.0
"""How long the desk's plans are kept at the most."""


@dataclass(slots=True)
class _Plans:
    """How many transactions a connection has served, at which of them its plans are made anew, and when they were made."""

    served: int
    anew_at: int
    made_at: float


class Lines:
    """The connections on which the desk's batches follow one another.

    While batches follow, each takes over a connection as the one before has left it: taking one out of the pool and
    putting it back would cost more than the round trips that it saves. When nothing follows, all go back to the pool.

    A plan is made for tables as they are, and while they are empty any index is as good as the right one: such a plan
    would read whole tables once they have grown. So plans are made anew after 4, 16, 64 … transactions and every minute.
    """

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._free: list[Connection] = []

    @asynccontextmanager
    async def transaction(self, more_follows: Callable[[], bool]) -> AsyncIterator[Connection]:
        """Give a connection for one transaction, in which `shared.db.fetch` and SQLAlchemy's own statements run side by side.

        `begin_and_fetch` begins it; `commit` or `run_and_commit` ends it. Left without a commit it is rolled back, and a
        connection on which that fails is thrown away.
        """
        connection = await self._take()
        try:
            await _plan_in_time(connection)
            yield connection
        finally:
            if _info(connection).get(_AFRESH) or await _rolled_back(connection):
                self._free.append(connection)
            else:
                await connection.close()
            if not more_follows():
                await self.close()

    async def close(self) -> None:
        """Give back whatever is free."""
        while self._free:
            connection = self._free.pop()
            await _rolled_back(connection)
            await connection.close()

    async def _take(self) -> Connection:
        while self._free:
            connection = self._free.pop()
            if not driver_of(connection).is_closed():
                return connection
            await connection.invalidate()
            await connection.close()
        connection = await self._engine.connect()
        return await connection.execution_options(isolation_level="AUTOCOMMIT")  # SQLAlchemy begins and ends nothing


async def _plan_in_time(connection: Connection) -> None:
    """Have plans made anew where the tables may have outgrown them."""
    now = time.monotonic()
    plans = _info(connection).setdefault(_PLANS, _Plans(served=0, anew_at=4, made_at=now))
    plans.served += 1
    if plans.served < plans.anew_at and now < plans.made_at + PLANS_SECONDS:
        return
    await _rolled_back(connection)  # what was only begun, so that a fault here leaves nothing begun
    await driver_of(connection).execute("DISCARD PLANS")
    plans.made_at = now
    if plans.served >= plans.anew_at:
        plans.anew_at *= 4


def _info(connection: Connection) -> dict[str, Any]:
    """Return what is remembered of a connection for as long as it lives."""
    info: dict[str, Any] = connection.sync_connection.info  # type: ignore[union-attr]
    return info


async def _rolled_back(connection: Connection) -> bool:
    """Leave no transaction open on `connection`; say whether it can be used again."""
    _info(connection).pop(_AFRESH, None)
    driver = driver_of(connection)
    try:
        if driver.is_in_transaction():
            await driver.execute("ROLLBACK")
    except DatabaseError:
        await connection.invalidate()
        return False
    return not driver.is_closed()


Call = tuple[Prepared, Mapping[str, Any]]
"""A statement with what it is given."""


async def begin_and_fetch(connection: Connection, first: Call, second: Call, columns: str) -> Mapping[str, Any]:
    """Begin a transaction, run `first`, and return the row that `second` finds after it, with these `columns`.

    Both travel in one round trip. Where the commit before has begun the transaction already (`run_and_commit`), there is
    no other; else `BEGIN` is one of its own, under which nothing is locked yet.
    """
    driver, info = driver_of(connection), _info(connection)
    if not info.pop(_AFRESH, False):
        await driver.execute("BEGIN")
    texts = await _execute(connection, *first), await _execute(connection, *second)
    (found,) = await driver.fetch(f"SELECT * FROM one_after_the_other($1, $2) AS found({columns})", *texts)  # noqa: S608
    row: Mapping[str, Any] = found
    return row


async def run(connection: Connection, statement: Prepared, binds: Mapping[str, Any]) -> None:
    """Run `statement`; what it returns is dropped."""
    await driver_of(connection).execute(await _execute(connection, statement, binds))


async def run_and_commit(
    connection: Connection, statement: Prepared, binds: Mapping[str, Any], *, more_follows: bool = False
) -> None:
    """Run `statement` as the last one of its transaction and commit, in one round trip.

    Where `more_follows`, the next transaction on this connection is begun with it. It has seen and locked nothing; left
    unused it is rolled back when the connection is given back.

    Raises:
        Lost: the connection broke meanwhile: nobody knows what was kept.
        Exception: another of `DatabaseError`: nothing was kept.
    """
    execute = await _execute(connection, statement, binds, "; COMMIT AND CHAIN" if more_follows else "; COMMIT")
    try:
        await driver_of(connection).execute(execute)
    except DatabaseError as error:
        if _is_refusal(error):
            raise
        raise Lost from error
    _info(connection)[_AFRESH] = more_follows


def _is_refusal(error: Exception) -> bool:
    """Say whether PostgreSQL itself answered that it did not do it, in a session that goes on."""
    state = str(getattr(error, "sqlstate", None) or "")
    return isinstance(error, asyncpg.PostgresError) and not state.startswith(_SESSION_ENDED)


async def _execute(connection: Connection, statement: Prepared, binds: Mapping[str, Any], ending: str = "") -> str:
    """Return the text that executes `statement`, and what comes after it.

    Several commands travel as one text (the simple protocol), which has no parameters: the statement is prepared once
    for each connection, under a name, and executed with literals.
    """
    names = _info(connection).setdefault(_PREPARED, {})
    if statement.sql not in names:
        name = f"prepared_{len(names)}"
        await driver_of(connection).execute(f"PREPARE {name} AS {statement.sql}")
        names[statement.sql] = name
    if not statement.names:
        return f"EXECUTE {names[statement.sql]}{ending}"
    given = "', '".join([quoted(binds[name]) for name in statement.names])
    return f"EXECUTE {names[statement.sql]}('{given}'){ending}"


async def commit(connection: Connection) -> None:
    """Commit what `begin` began.

    Raises:
        Collided: a statement had failed before, so that PostgreSQL rolled back instead; nothing was kept.
        Lost: nobody knows.
    """
    try:
        ended = await driver_of(connection).execute("COMMIT")
    except DatabaseError as error:
        raise Lost from error
    if ended != "COMMIT":
        raise Collided


async def answers(engine: Engine) -> None:
    """Return if the database answers a query.

    Raises:
        Exception: one of `DatabaseError` where it does not.
    """
    async with engine.connect() as connection:
        await connection.execute(text("SELECT 1"))
