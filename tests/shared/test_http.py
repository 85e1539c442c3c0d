"""The one HTTP client: every call ends, nothing leaks to another host."""

import ast
import asyncio
from pathlib import Path

import pytest

import shared
from shared.http import NEVER_SENT, Client, HttpError, MockTransport, Request, Response, Timeout


async def test_calls_end_and_say_who_calls() -> None:
    async with Client(
        transport=MockTransport(lambda request: Response(200, text=request.headers["user-agent"]))
    ) as one:
        assert (await one.get("http://x.test")).text == "yuyue"
        assert (one.timeout.connect, one.timeout.read, one.timeout.write, one.timeout.pool) == (3.0, 10.0, 10.0, 10.0)


async def test_a_redirect_is_not_followed() -> None:
    seen = []

    def answer(request: Request) -> Response:
        seen.append(str(request.url))
        return Response(302, headers={"location": "http://elsewhere.test"})

    async with Client(transport=MockTransport(answer)) as one:
        assert (await one.get("http://x.test", headers={"authorization": "Bearer x"})).status_code == 302
    assert seen == ["http://x.test"]


async def test_a_proxy_of_the_environment_is_not_used(monkeypatch: pytest.MonkeyPatch) -> None:
    async def answer(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 204 No Content\r\nconnection: close\r\n\r\n")
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:1")
    async with Client() as one:
        assert (await one.get(f"http://127.0.0.1:{port}")).status_code == 204
    server.close()
    await server.wait_closed()


async def test_silence_is_a_timeout_and_a_closed_port_was_never_sent() -> None:
    async def silent(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await asyncio.sleep(0.5)
        writer.close()

    server = await asyncio.start_server(silent, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    async with Client(timeout=0.1) as one:
        with pytest.raises(Timeout) as timeout:
            await one.get(f"http://127.0.0.1:{port}")
        assert isinstance(timeout.value, HttpError)
        assert not isinstance(timeout.value, NEVER_SENT)
        with pytest.raises(HttpError) as refused:
            await one.get("http://127.0.0.1:1")
        assert isinstance(refused.value, NEVER_SENT)
    server.close()
    await server.wait_closed()


def test_httpx_and_nats_are_imported_in_one_place_each() -> None:
    homes: dict[str, set[str]] = {"httpx": set(), "nats": set()}
    root = Path(shared.__file__).parent.parent
    for path in [*root.glob("shared/**/*.py"), *root.glob("services/**/*.py")]:
        for node in ast.walk(ast.parse(path.read_text())):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            names += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            for name in names:
                if (library := name.split(".")[0]) in homes:
                    homes[library].add(str(path.relative_to(root)))
    assert homes == {"httpx": {"shared/http.py"}, "nats": {"shared/bus.py"}}
