"""The API over a real connection: what a client may do to a socket that no polite library would."""

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass

import pytest
from uvicorn import Config, Server

from services.booking.main import create_app
from services.booking.settings import BookingSettings
from tests import make, world
from tests.booking.api.caller import WANG, Caller

HEAD = "POST /api/v1/sign-in/codes HTTP/1.1\r\nHost: booking.example\r\nContent-Type: application/json\r\n"


@dataclass
class Wire:
    """A server on a port of this machine."""

    port: int

    @asynccontextmanager
    async def connection(self) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        yield reader, writer
        writer.close()
        with suppress(ConnectionError):  # the server may have been first
            await writer.wait_closed()

    async def exchange(self, raw: bytes) -> bytes:
        """Send `raw` and return what comes back until the server closes, or falls silent."""
        async with self.connection() as (reader, writer):
            writer.write(raw)
            await writer.drain()
            return await read_all(reader)


async def read_all(reader: asyncio.StreamReader) -> bytes:
    received = b""
    with suppress(TimeoutError, ConnectionError):
        while piece := await asyncio.wait_for(reader.read(65536), 1.0):
            received += piece
    return received


@pytest.fixture
async def wire(settings: BookingSettings, api: Caller) -> AsyncIterator[Wire]:
    app = create_app(settings, api.clock)
    listener = socket.create_server(("127.0.0.1", 0))  # whoever comes before the server has started waits here
    server = Server(Config(app, log_config=None, lifespan="on"))
    running = asyncio.create_task(server.serve(sockets=[listener]))
    yield Wire(listener.getsockname()[1])
    server.should_exit = True
    await running


async def test_a_large_body_is_refused_before_it_is_sent(wire: Wire) -> None:
    answer = await wire.exchange(f"{HEAD}Content-Length: 10000000\r\n\r\n".encode())
    assert answer.startswith(b"HTTP/1.1 413")
    assert b'"code":"body_too_large"' in answer
    assert b"connection: close" in answer.lower()


async def test_a_large_body_in_chunks_is_cut_off(wire: Wire) -> None:
    """The body never ends: a server without a limit would wait for the rest of it."""
    chunks = b"2710\r\n" + b" " * 10_000 + b"\r\n"
    answer = await wire.exchange(f"{HEAD}Transfer-Encoding: chunked\r\n\r\n".encode() + chunks * 7)
    assert answer.startswith(b"HTTP/1.1 413")


@pytest.mark.parametrize(
    "head",
    [
        "Content-Length: -1\r\n",
        "Content-Length: many\r\n",
        "Content-Length: 5\r\nContent-Length: 6\r\n",
        "Content-Length: 99999999999999999999999999\r\n",
        "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n",
        "Transfer-Encoding: gzip\r\n",
        "X-Nul: a\0b\r\n",
    ],
)
async def test_a_broken_head_is_the_client_s_fault(wire: Wire, head: str) -> None:
    answer = await wire.exchange(f"{HEAD}{head}\r\nhello".encode())
    assert answer.startswith(b"HTTP/1.1 4")


async def test_who_leaves_in_the_middle_of_a_body_leaves_nothing(wire: Wire, api: Caller) -> None:
    async with wire.connection() as (_, writer):
        writer.write(f'{HEAD}Idempotency-Key: "half"\r\nContent-Length: 100\r\n\r\n{{"phone": '.encode())
        await writer.drain()
    await asyncio.sleep(0.1)
    assert await api.rows("sign_in_codes") == []
    assert await api.rows("idempotency") == []


async def test_two_keys_on_one_request_are_no_key(wire: Wire) -> None:
    body = f'{{"phone": "{WANG}"}}'
    answer = await wire.exchange(
        f'{HEAD}Idempotency-Key: "one"\r\nIdempotency-Key: "two"\r\nContent-Length: {len(body)}\r\n\r\n{body}'.encode()
    )
    assert answer.startswith(b"HTTP/1.1 400")
    assert b'"code":"idempotency_key_invalid"' in answer


async def test_one_connection_serves_many_requests(wire: Wire) -> None:
    one = b"GET /healthz HTTP/1.1\r\nHost: booking.example\r\n\r\n"
    answer = await wire.exchange(one * 20)
    assert answer.count(b"HTTP/1.1 200 OK") == 20


async def test_a_booking_answers_over_the_wire_as_in_process(wire: Wire, api: Caller) -> None:
    wang = await api.sign_in()
    await world.put_slots(api.engine, make.slot())
    token = wang.headers["authorization"]
    raw = f"GET /api/v1/people HTTP/1.1\r\nHost: booking.example\r\nAuthorization: {token}\r\n\r\n"
    assert b'{"items":[],"next":null}' in await wire.exchange(raw.encode())
