"""An answer leaves in one write; what cannot wait does not."""

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import uvicorn
from starlette.applications import Starlette
from starlette.responses import Response, StreamingResponse
from starlette.routing import Route

from shared.web.one_write import OneWriteProtocol

SECONDS = 5


class Counting(OneWriteProtocol):
    """Counts what is written to the sockets."""

    written: list[bytes]

    def connection_made(self, transport: Any) -> None:
        super().connection_made(_Counted(transport, self.written))  # type: ignore[arg-type]


class _Counted:
    def __init__(self, transport: Any, written: list[bytes]) -> None:
        self._transport, self._written = transport, written

    def write(self, data: bytes) -> None:
        self._written.append(data)
        self._transport.write(data)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._transport, name)


async def whole(_request: Any) -> Response:
    return Response(b"all of it")


async def bare(_request: Any) -> Response:
    return Response(status_code=204)


async def stream(_request: Any) -> Response:
    more = asyncio.Event()

    async def parts() -> AsyncIterator[bytes]:
        await more.wait()  # for ever, unless the client has gone
        yield b"never"

    return StreamingResponse(parts())


@asynccontextmanager
async def talking(written: list[bytes]) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    app = Starlette(routes=[Route("/whole", whole), Route("/bare", bare), Route("/stream", stream)])
    protocol = type("Counted", (Counting,), {"written": written})
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listener.bind(("127.0.0.1", 0))
    config = uvicorn.Config(app, http=protocol, log_config=None, lifespan="off", timeout_graceful_shutdown=1)
    server = uvicorn.Server(config)
    server.install_signal_handlers = lambda: None  # type: ignore[attr-defined]
    running = asyncio.create_task(server.serve(sockets=[listener]))
    while not server.started:  # noqa: ASYNC110 - it has no event to wait for
        await asyncio.sleep(0.01)
    reader, writer = await asyncio.open_connection(*listener.getsockname())
    try:
        yield reader, writer
    finally:
        writer.close()
        server.should_exit = True
        await running
        listener.close()


def ask(writer: asyncio.StreamWriter, path: str, method: str = "GET", more: str = "") -> None:
    writer.write(f"{method} {path} HTTP/1.1\r\nhost: test\r\n{more}\r\n".encode())


async def test_head_and_body_are_one_write() -> None:
    written: list[bytes] = []
    async with talking(written) as (reader, writer), asyncio.timeout(SECONDS):
        for number in range(1, 4):
            ask(writer, "/whole")
            assert (await reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 200 OK\r\n")
            assert await reader.readexactly(9) == b"all of it"
            assert len(written) == number


async def test_a_head_without_a_body_does_not_wait() -> None:
    written: list[bytes] = []
    async with talking(written) as (reader, writer), asyncio.timeout(SECONDS):
        for path, method in (("/whole", "HEAD"), ("/bare", "GET"), ("/stream", "GET")):
            ask(writer, path, method)
            assert (await reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 20")
    assert all(one.endswith(b"\r\n\r\n") for one in written)


async def test_answers_to_requests_sent_at_once_keep_their_order() -> None:
    async with talking([]) as (reader, writer), asyncio.timeout(SECONDS):
        ask(writer, "/whole", "HEAD")
        ask(writer, "/whole")
        ask(writer, "/bare")
        ask(writer, "/whole", more="connection: close\r\n")
        sent = await reader.read()
    heads = [one.partition(b"\r\n")[0] for one in sent.split(b"HTTP/1.1 ")[1:]]
    assert heads == [b"200 OK", b"200 OK", b"204 No Content", b"200 OK"]
    assert sent.count(b"all of it") == 3 - 1
    assert sent.endswith(b"all of it")
