"""PostgreSQL through SQLAlchemy Core and asyncpg: how an engine is made, and what it must find before it is used.

An acknowledged booking must survive a power cut. `assert_durable` therefore refuses a server that does not flush its
log before it answers, and says which command changes that.
"""

import asyncio
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

import asyncpg
from pydantic_core import from_json, to_json
from sqlalchemy import MetaData, event, text
from sqlalchemy.dialects.postgresql.asyncpg import PGDialect_asyncpg
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import DBAPIError, DisconnectionError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine

from shared.plain_json import write_json

NAMING: Final[Mapping[str, str]] = {
    "ix": "ix_%(table_name)s_%(column_0_N_name)s",
    "uq": "uq_%(table_name)s_%(column_0_N_name)s",
    "ck": "ck_%(table_name)s_%(constraint_name)s",
    "fk": "fk_%(table_name)s_%(column_0_N_name)s",
    "pk": "pk_%(table_name)s",
}
"""Names of constraints, so that migrations and error handling can speak of them."""

SESSION: Final[Mapping[str, str]] = {
    "timezone": "UTC",
    "standard_conforming_strings": "on",  # `quoted` counts on it
    "jit": "off",  # short statements: compiling one costs more than running it
    "statement_timeout": "10s",
    "lock_timeout": "3s",
    "idle_in_transaction_session_timeout": "15s",
}
"""What every session starts with; `create_engine(server_settings=...)` overrides single entries."""

DURABLE: Final = ("fsync", "full_page_writes", "synchronous_commit")
"""The settings without which PostgreSQL may lose or tear what it has acknowledged. `synchronous_commit` may have any
value but off: each of the others flushes to the local disk first."""


class NotDurable(Exception):  # noqa: N818 - a refusal to start, said in a sentence
    """A server may lose what it acknowledges. The message names each setting and the command that changes it."""


class NotReady(Exception):  # noqa: N818 - a state of the server, not a fault of the caller
    """The database did not answer within the time that it was given."""


def metadata() -> MetaData:
    """Return fresh metadata with the house's naming convention; one for each service."""
    return MetaData(naming_convention=dict(NAMING))


def create_engine(
    url: str | URL,
    *,
    application_name: str,
    pool_size: int = 5,
    server_settings: Mapping[str, str] | None = None,
    **options: Any,
) -> AsyncEngine:
    """Make an engine; it connects when it is first used.

    Args:
        url: `postgresql://…`, whatever driver it names: asyncpg is used. `?host=/folder` is a unix socket.
        application_name: what `pg_stat_activity` shows, for example `booking-api`.
        pool_size: connections kept; as many again may open for a moment under load.
        server_settings: overrides of `SESSION`.
        **options: passed to SQLAlchemy as they are (`isolation_level="AUTOCOMMIT"`, …).
    """
    driver_url = make_url(url).set(drivername="postgresql+asyncpg")
    settings = {**SESSION, "application_name": application_name, **(server_settings or {})}
    defaults: dict[str, Any] = {
        "pool_size": pool_size,
        "max_overflow": pool_size,
        "pool_timeout": 5,
        "json_serializer": dump_json,
        "json_deserializer": from_json,
        "hide_parameters": True,  # an error message must not carry a person's data
        "connect_args": {"server_settings": settings, "timeout": 10},
    }
    engine = create_async_engine(driver_url, **(defaults | options))
    event.listen(engine.sync_engine, "checkout", _refuse_closed)
    return engine


def _refuse_closed(connection: Any, _record: Any, _proxy: Any) -> None:
    """Have the pool replace a connection that the server has closed, at no cost in round trips.

    asyncpg hears of the closed socket at once, so after a restart of PostgreSQL no request meets a dead connection.
    """
    if connection.driver_connection.is_closed():
        raise DisconnectionError("the server closed this connection")


@dataclass(frozen=True, slots=True)
class Prepared:
    """A statement as PostgreSQL takes it, with the names of its parameters in their order."""

    sql: str
    names: tuple[str, ...]


def prepared(statement: str) -> Prepared:
    """Compile a statement with `:name` parameters, once, for `fetch`."""
    compiled = text(statement).compile(dialect=PGDialect_asyncpg())  # type: ignore[no-untyped-call]
    return Prepared(str(compiled), tuple(compiled.positiontup or ()))


async def fetch(connection: AsyncConnection, statement: Prepared, binds: Mapping[str, Any]) -> Sequence[Any]:
    """Run a statement straight on the driver and return its records.

    It costs a sixth of the way through SQLAlchemy, which matters where one is run for each batch of a rush, and nowhere
    else. asyncpg prepares it once for each connection. Errors are asyncpg's own.
    """
    records: Sequence[Any] = await driver_of(connection).fetch(
        statement.sql, *[binds[name] for name in statement.names]
    )
    return records


def array_literal(values: Sequence[Any]) -> str:
    """Write UUIDs, numbers, moments, booleans, texts, their enumerations and None as an array of PostgreSQL: `{1,2,null}`.

    A statement reads it as `CAST(CAST(:name AS text) AS uuid[])`. The driver takes up to a microsecond for each member of
    an array that it encodes itself; written at one go a member costs a tenth.
    """
    if not values:
        return "{}"
    written = write_json(values).decode()
    if "\\" in written:  # JSON and PostgreSQL escape differently
        return "{" + ",".join(_member(one) for one in values) + "}"
    return "{" + written[1:-1] + "}"


def _member(value: Any) -> str:
    if not isinstance(value, str):
        return write_json(value).decode()
    return '"' + value.replace("\\", "\\\\").replace('"', '\\"') + '"'


_BETWEEN_DOCUMENTS: Final = b"\x1e"
"""U+001E, the record separator: JSON escapes it, so that it stands in no document (RFC 8259, 7; RFC 7464 uses it so)."""


class WithoutNul(str):
    """A text that was seen to have no NUL in it; looking again takes long where it is not all ASCII."""

    __slots__ = ()


def documents_literal(documents: Sequence[bytes]) -> WithoutNul:
    """Write JSON texts in UTF-8 as one, for `documents_array`: neither side has to look at every character of them.

    They stay bytes until they are one: what is looked for is found in bytes in a fiftieth of the time.

    Raises:
        ValueError: if one of them is no JSON: it is empty, or not UTF-8, or has U+001E or NUL in it as it is.
    """
    together = b"".join(documents)
    if not all(documents) or _BETWEEN_DOCUMENTS in together or b"\0" in together:
        raise ValueError("a JSON text is not empty, and U+001E and NUL are escaped in it")
    return WithoutNul(_BETWEEN_DOCUMENTS.join(documents), "utf-8")


def documents_array(written: str, kind: str) -> str:
    """Return the expression of SQL that takes `written`, a text of `documents_literal`, for an array of `kind`."""
    return f"CAST(string_to_array({written}, chr({ord(_BETWEEN_DOCUMENTS)})) AS {kind}[])"


def bytes_literal(values: Sequence[bytes]) -> str:
    """Write byte strings as an array of PostgreSQL."""
    return "{" + ",".join(f'"\\\\x{value.hex()}"' for value in values) + "}"


def quoted(value: str | int | datetime) -> str:
    """Write a text (an array's among them), a number or a moment as it stands between the quotes of a literal of SQL.

    Whoever writes a statement puts the quotes: a copy more of a batch's documents costs as much as a dozen columns.

    Raises:
        ValueError: if a text has a NUL in it, at which PostgreSQL would take the statement to end.
    """
    if not isinstance(value, str):
        return str(value) if isinstance(value, int) else value.isoformat()
    if not isinstance(value, WithoutNul) and "\0" in value:
        raise ValueError("a text of PostgreSQL has no NUL in it")
    return value.replace("'", "''") if "'" in value else value


def driver_of(connection: AsyncConnection) -> "asyncpg.Connection[Any]":
    """Return the driver's connection beneath `connection`."""
    driver: asyncpg.Connection[Any] = connection.sync_connection.connection.driver_connection  # type: ignore[union-attr]
    return driver


def is_being_ended(error: Exception) -> bool:
    """Say whether `error` is the driver's word for a connection whose end was announced and has not come yet.

    A PostgreSQL that ends its sessions says so first. Whoever asks in the instant before the socket closes is told by asyncpg,
    with an error of its own kind, that the protocol is elsewhere; nothing was sent. Kinds of that error are other matters.
    """
    cause = error.orig.__cause__ if isinstance(error, DBAPIError) and error.orig is not None else error
    return type(cause) is asyncpg.InternalClientError


def dump_json(value: Any) -> str:
    """Write JSON with non-ASCII text as it is; dates, UUIDs, enumerations and dataclasses are understood."""
    return to_json(value).decode()


async def assert_durable(engine: AsyncEngine) -> None:
    """Refuse a server that may lose what it has acknowledged.

    Raises:
        NotDurable: naming each setting that is off and the command that changes it.
    """
    query = text("""
        SELECT name, source, current_database(), current_user FROM pg_settings
        WHERE name = ANY(:names) AND setting = 'off' ORDER BY name
    """)
    async with engine.connect() as connection:
        off = (await connection.execute(query, {"names": list(DURABLE)})).all()
    if off:
        faults = "; ".join(
            f"{name} is off: {_remedy(name, source, database, role)}" for name, source, database, role in off
        )
        raise NotDurable(f"PostgreSQL may lose acknowledged bookings: {faults}")


def _remedy(name: str, source: str, database: str, role: str) -> str:
    """Return the command that takes effect where the value comes from: a setting of a database hides the server's."""
    for_everybody = f"ALTER SYSTEM SET {name} = on; SELECT pg_reload_conf();"
    match source:
        case "command line":
            return f"start the server without `-c {name}=off`"
        case "database":
            return f'ALTER DATABASE "{database}" RESET {name};'
        case "user":
            return f'ALTER ROLE "{role}" RESET {name};'
        case "database user":
            return f'ALTER ROLE "{role}" IN DATABASE "{database}" RESET {name};'
        case "client":
            return f"take {name}=off out of the connection's settings"
        case _:
            return for_everybody


async def remedy_for_a_talkative_log(engine: AsyncEngine) -> str | None:
    """Return the command that keeps failed statements out of the server's log, or None where they are kept out already.

    Statements that are executed with literals (`quoted`) carry what people wrote.
    """
    query = text("SELECT current_setting('log_min_error_statement'), current_user")
    async with engine.connect() as connection:
        level, role = (await connection.execute(query)).one()
    if level in {"fatal", "panic"}:
        return None
    return f"ALTER ROLE \"{role}\" SET log_min_error_statement = 'panic';"


async def wait_until_ready(engine: AsyncEngine, seconds: float) -> None:
    """Return as soon as the database answers a query.

    Raises:
        NotReady: if it does not within `seconds`; the cause says what the last attempt met.
    """
    deadline = time.monotonic() + seconds
    while True:
        try:
            async with engine.connect() as connection:
                await connection.execute(text("SELECT 1"))
        except (OSError, DBAPIError, TimeoutError) as error:
            if time.monotonic() >= deadline:
                cause = error.orig if isinstance(error, DBAPIError) else error
                raise NotReady(f"the database did not answer within {seconds:g} s: {cause}") from error
            await asyncio.sleep(0.1)
        else:
            return
