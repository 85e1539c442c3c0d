"""A border between the API and PostgreSQL: everything passes, until the n-th round trip of the desk, when somebody is killed.

It reads just enough of the protocol (PostgreSQL, "Message Formats") to know where a round trip begins and ends: the
client's Query or Sync, and the server's ReadyForQuery. `moment` says on which side of the work the blow falls: BEFORE
the server has heard of it, or AFTER it has done it and before the client hears.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path

from sqlalchemy import make_url

SOCKET = ".s.PGSQL.5432"
ROUND_TRIPS = {b"Q", b"S"}
DESK = b"booking-desk"


class Moment(StrEnum):
    BEFORE = "before"
    AFTER = "after"


@dataclass(slots=True)
class Border:
    """Where it stands; `blow` is called once, at the `left`-th round trip from when it was set."""

    folder: Path
    upstream: Path
    left: int = 0
    moment: Moment = Moment.BEFORE
    blow: Callable[[], Awaitable[None]] | None = None
    _passing: set[asyncio.Task[None]] = field(default_factory=set)
    _falling: asyncio.Future[None] | None = None

    def strike_at(self, round_trip: int, moment: Moment, blow: Callable[[], Awaitable[None]]) -> None:
        """Strike at a round trip of the desk's, counted from now, from 1."""
        self.left, self.moment, self.blow = round_trip, moment, blow

    def stand_down(self) -> bool:
        """Strike no more; say whether the blow fell."""
        fell, self.blow = self.blow is None, None
        return fell

    def is_due(self) -> bool:
        """Count one round trip of the desk's; say whether it is the one."""
        if self.blow is None:
            return False
        self.left -= 1
        return self.left == 0

    async def strike(self) -> None:
        """Let the blow fall; it falls whole, though the connection ends by it."""
        blow, self.blow = self.blow, None
        assert blow is not None
        self._falling = asyncio.ensure_future(blow())
        await asyncio.shield(self._falling)

    async def pass_through(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Carry one connection, until either side ends or the blow falls."""
        task = asyncio.current_task()
        assert task is not None
        self._passing.add(task)
        server_reader, server_writer = await asyncio.open_unix_connection(str(self.upstream))
        crossing = _Crossing(self, reader, writer, server_reader, server_writer)
        there, back = asyncio.create_task(crossing.there()), asyncio.create_task(crossing.back())
        try:
            await asyncio.wait([there, back], return_when=asyncio.FIRST_COMPLETED)
        finally:
            for one in (there, back):
                one.cancel()
            await asyncio.gather(there, back, return_exceptions=True)
            for end in (writer, server_writer):
                end.close()
                with suppress(OSError):
                    await end.wait_closed()
            self._passing.discard(task)

    async def end(self) -> None:
        for task in list(self._passing):
            task.cancel()
        await asyncio.gather(*self._passing, return_exceptions=True)


@dataclass(slots=True)
class _Crossing:
    """One connection, both ways."""

    border: Border
    client_reader: asyncio.StreamReader
    client_writer: asyncio.StreamWriter
    server_reader: asyncio.StreamReader
    server_writer: asyncio.StreamWriter
    is_desk: bool = False
    is_due: bool = False

    async def there(self) -> None:
        """From the client to the server. The first message has no type; it says who connects."""
        with suppress(OSError, EOFError):
            startup = await _message(self.client_reader, typed=False)
            self.is_desk = DESK in startup
            self.server_writer.write(startup)
            while True:
                message = await _message(self.client_reader)
                if self.is_desk and message[:1] in ROUND_TRIPS and self.border.is_due():
                    if self.border.moment is Moment.BEFORE:
                        await self.border.strike()
                        return
                    self.is_due = True
                self.server_writer.write(message)

    async def back(self) -> None:
        """From the server to the client."""
        with suppress(OSError, EOFError):
            while True:
                message = await _message(self.server_reader)
                if self.is_due:
                    if message[:1] == b"Z":
                        await self.border.strike()
                        return
                    continue
                self.client_writer.write(message)


async def _message(reader: asyncio.StreamReader, *, typed: bool = True) -> bytes:
    head = await reader.readexactly(5 if typed else 4)
    return head + await reader.readexactly(int.from_bytes(head[-4:]) - 4)


@asynccontextmanager
async def standing(url: str, folder: Path) -> AsyncIterator[tuple[Border, str]]:
    """Stand between a database on a unix socket and whoever uses the address that is given, until the block ends."""
    address = make_url(url)
    host = address.query["host"]
    assert isinstance(host, str)
    border = Border(folder, Path(host) / SOCKET)
    server = await asyncio.start_unix_server(border.pass_through, str(folder / SOCKET))
    try:
        yield border, address.set(query={"host": str(folder)}).render_as_string(hide_password=False)
    finally:
        server.close()
        await border.end()
        await server.wait_closed()
