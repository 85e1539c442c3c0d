"""A small answer leaves in one write, what cannot wait does not, and every exchange is what uvicorn alone makes of it."""

import asyncio
import re
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any
from unittest.mock import Mock

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.routing import Route
from starlette.types import Receive, Scope, Send
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol
from uvicorn.server import ServerState

from shared.web.whole import WholeProtocol

SECONDS = 5
Address = tuple[str, int]
HEAD_ENDS = b"\r\n\r\n"


class _Counted:
    """A transport that remembers what is written to it."""

    def __init__(self, transport: Any, written: list[bytes]) -> None:
        self._transport, self._written = transport, written

    def write(self, data: bytes) -> None:
        self._written.append(data)
        self._transport.write(data)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._transport, name)


async def whole(_request: Request) -> Response:
    return Response(b"all of it")


async def bare(_request: Request) -> Response:
    return Response(status_code=204)


async def echo(request: Request) -> Response:
    scope = request.scope
    told = f"{scope['method']} {scope['path']} {scope['raw_path']} {scope['query_string']} {scope['http_version']} "
    return Response(told.encode() + await request.body())


async def late(_request: Request) -> Response:
    await asyncio.sleep(0.05)
    return Response(b"late")


async def stream(_request: Request) -> Response:
    async def parts() -> AsyncIterator[bytes]:
        yield b"one"
        yield b"two"

    return StreamingResponse(parts())


async def endless(request: Request) -> Response:
    async def parts() -> AsyncIterator[bytes]:
        try:
            await asyncio.Event().wait()  # for ever, unless the client has gone
            yield b"never"
        finally:
            request.app.state.ended.set()

    return StreamingResponse(parts())


async def in_parts(_scope: Scope, _receive: Receive, send: Send) -> None:
    await _start(send, (b"content-length", b"6"))
    await send({"type": "http.response.body", "body": b"one", "more_body": True})
    await send({"type": "http.response.body", "body": b"two"})


async def too_long(_scope: Scope, _receive: Receive, send: Send) -> None:
    await _start(send, (b"content-length", b"2"))
    await send({"type": "http.response.body", "body": b"three"})


async def splitting(_scope: Scope, _receive: Receive, send: Send) -> None:
    await _start(send, (b"content-length", b"2"), (b"x-name", b"a\r\nset-cookie: b"))
    await send({"type": "http.response.body", "body": b"ok"})


async def failing(_scope: Scope, _receive: Receive, send: Send) -> None:
    await _start(send, (b"content-length", b"2"))
    raise RuntimeError("between head and body")


async def without_a_body(_scope: Scope, _receive: Receive, send: Send) -> None:
    await _start(send, (b"content-length", b"0"))
    await send({"type": "http.response.body"})


async def closing(_scope: Scope, _receive: Receive, send: Send) -> None:
    await _start(send, (b"content-length", b"2"), (b"connection", b"close"))
    await send({"type": "http.response.body", "body": b"ok"})


async def _start(send: Send, *headers: tuple[bytes, bytes]) -> None:
    await send({"type": "http.response.start", "status": 200, "headers": headers})


ENDPOINTS = (whole, bare, late, stream, endless)
RAW = (in_parts, too_long, splitting, failing, without_a_body, closing)


def _app(ended: asyncio.Event) -> Any:
    starlette = Starlette(
        routes=[Route(f"/{one.__name__}", one) for one in ENDPOINTS]
        + [Route("/echo{rest:path}", echo, methods=["GET", "POST", "PUT"])]
    )
    starlette.state.ended = ended
    raw = {f"/{one.__name__}": one for one in RAW}

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await raw.get(scope["path"], starlette)(scope, receive, send)

    return app


@asynccontextmanager
async def serving(
    written: list[bytes], base: type[HttpToolsProtocol] = WholeProtocol, ended: asyncio.Event | None = None
) -> AsyncIterator[Address]:
    class Counting(base):  # type: ignore[valid-type, misc]
        def connection_made(self, transport: Any) -> None:
            super().connection_made(_Counted(transport, written))

    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listener.bind(("127.0.0.1", 0))
    config = uvicorn.Config(
        _app(ended or asyncio.Event()),
        http=Counting,
        log_config=None,
        access_log=False,
        lifespan="off",
        timeout_graceful_shutdown=1,
    )
    server = uvicorn.Server(config)
    server.install_signal_handlers = lambda: None  # type: ignore[attr-defined]
    running = asyncio.create_task(server.serve(sockets=[listener]))
    while not server.started:  # noqa: ASYNC110 - it has no event to wait for
        await asyncio.sleep(0.01)
    try:
        yield listener.getsockname()
    finally:
        server.should_exit = True
        await running
        listener.close()


@asynccontextmanager
async def connected(address: Address) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    reader, writer = await asyncio.open_connection(*address)
    async with asyncio.timeout(SECONDS):
        yield reader, writer
    writer.close()


def request(path: str, method: str = "GET", body: bytes = b"", **headers: str) -> bytes:
    if body:
        headers["content-length"] = str(len(body))
    lines = "".join(f"{name.replace('_', '-')}: {value}\r\n" for name, value in headers.items())
    return f"{method} {path} HTTP/1.1\r\nhost: test\r\n{lines}\r\n".encode() + body


async def test_head_and_body_are_one_write() -> None:
    written: list[bytes] = []
    async with serving(written) as address, connected(address) as (reader, writer):
        for number in range(1, 4):
            writer.write(request("/echo", "POST", b"{}"))
            head = await reader.readuntil(HEAD_ENDS)
            assert head.startswith(b"HTTP/1.1 200 OK\r\n")
            assert (await reader.readexactly(len(written[-1]) - len(head))).endswith(b"{}")
            assert len(written) == number


async def test_a_head_without_a_body_does_not_wait() -> None:
    written: list[bytes] = []
    async with serving(written) as address, connected(address) as (reader, writer):
        for path, method in (("/whole", "HEAD"), ("/bare", "GET"), ("/endless", "GET")):
            writer.write(request(path, method))
            assert (await reader.readuntil(HEAD_ENDS)).startswith(b"HTTP/1.1 20")
    assert all(one.endswith(HEAD_ENDS) for one in written if one)


async def test_an_answer_ends_when_the_client_has_gone() -> None:
    ended = asyncio.Event()
    async with serving([], ended=ended) as address:
        async with connected(address) as (reader, writer):
            writer.write(request("/endless"))
            await reader.readuntil(HEAD_ENDS)
        async with asyncio.timeout(SECONDS):
            await ended.wait()


async def test_whoever_goes_before_the_request_is_read_is_not_served() -> None:
    heard: list[str] = []

    async def app(_scope: Scope, receive: Receive, _send: Send) -> None:
        heard.append((await receive())["type"])

    config = uvicorn.Config(app, log_config=None, access_log=False, lifespan="off")
    protocol = WholeProtocol(config, ServerState(), {})
    protocol.connection_made(Mock(get_extra_info=Mock(return_value=None)))
    protocol.data_received(request("/echo", "POST", b"{}"))
    (task,) = protocol.tasks
    protocol.connection_lost(None)
    await task
    assert heard == ["http.disconnect"]


CHUNKED = request("/echo", "POST", transfer_encoding="chunked") + b"3\r\none\r\n3\r\ntwo\r\n0\r\n\r\n"
EXCHANGES: dict[str, list[bytes]] = {
    "a get": [request("/whole")],
    "a body": [request("/echo", "POST", b"a body")],
    "a body in pieces": [request("/echo", "POST", b"a body")[:-4], b"bo", b"dy"],
    "a head in pieces": [request("/echo", "PUT", b"a body")[:20], request("/echo", "PUT", b"a body")[20:]],
    "the largest small body": [request("/echo", "POST", b"x" * 65_536)],
    "a long body": [request("/echo", "POST", b"x" * 3_000_000)],
    "no body where one is told": [request("/echo", "POST", content_length="0")],
    "a chunked body": [CHUNKED],
    "a body that waits for a word": [request("/echo", "POST", b"a body", expect="100-continue")],
    "a wish to upgrade": [request("/whole", upgrade="h2c", connection="upgrade")],
    "an escaped address": [request("/echo/%E5%A4%A7%20x")],
    "an address with a query": [request("/echo/a?b=c&d")],
    "an address with two slashes": [request("/echo//a/")],
    "a whole address": [request("http://test/echo/a")],
    "no such address": [request("/nowhere")],
    "the head alone": [request("/whole", "HEAD")],
    "nothing to say": [request("/bare")],
    "a stream": [request("/stream")],
    "an answer in parts": [request("/in_parts")],
    "an answer without a body": [request("/without_a_body")],
    "several at once": [request("/late") + request("/echo", "POST", b"1") + request("/whole", "HEAD")],
    "one while another is served": [request("/late"), request("/echo", "POST", b"1")],
    "an older protocol": [b"GET /echo HTTP/1.0\r\nhost: test\r\nconnection: keep-alive\r\n\r\n"],
    "the last one": [request("/echo", "POST", b"1", connection="close")],
    "an answer that is the last one": [request("/closing")],
    "not HTTP": [b"good morning\r\n\r\n"],
    "two lengths": [b"POST /echo HTTP/1.1\r\nhost: test\r\ncontent-length: 1\r\ncontent-length: 2\r\n\r\nab"],
    "a head that would be two": [request("/splitting")],
    "a body longer than told": [request("/too_long")],
}


async def test_every_exchange_is_as_with_uvicorn_alone() -> None:
    ours, theirs = [await _exchanges(EXCHANGES, base) for base in (WholeProtocol, HttpToolsProtocol)]
    assert ours == theirs
    assert [name for name, answered in ours.items() if not answered] == ["a head that would be two"]


async def _exchanges(exchanges: dict[str, list[bytes]], base: type[HttpToolsProtocol]) -> dict[str, bytes]:
    """Return what is answered to each, up to the end of its connection, which a last request asks for."""
    answered = {}
    async with serving([], base) as address:
        for name, pieces in exchanges.items():
            async with connected(address) as (reader, writer):
                for piece in (*pieces, request("/whole", connection="close")):
                    writer.write(piece)
                    await writer.drain()
                    await asyncio.sleep(0.01)
                answered[name] = re.sub(rb"date: [^\r]*", b"date", await reader.read())
    return answered


async def test_a_failure_after_the_head_is_told_in_words() -> None:
    """uvicorn alone breaks the connection, since the head has left."""
    answered = await _exchanges({"failing": [request("/failing")]}, WholeProtocol)
    assert answered["failing"].startswith(b"HTTP/1.1 500 ")
