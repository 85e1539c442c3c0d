"""A real HTTP server in this process, because a stream only streams over a real connection."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from typing import Any

import uvicorn

from shared.http import Client


class _Server(uvicorn.Server):
    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Leave the signals to the test run."""
        yield


@asynccontextmanager
async def serving(app: Any) -> AsyncIterator[str]:
    """Serve `app` on a free port; give its address."""
    config = uvicorn.Config(
        app, host="127.0.0.1", port=0, log_config=None, lifespan="on", timeout_graceful_shutdown=1, ws="none"
    )
    server = _Server(config)
    running = asyncio.create_task(server.serve())
    try:
        while not server.started:
            await asyncio.sleep(0.01)
            if running.done():
                running.result()
                raise RuntimeError("the application did not start")
        port = server.servers[0].sockets[0].getsockname()[1]
        yield f"http://127.0.0.1:{port}"
    finally:
        server.should_exit = True
        await running


class Events:
    """A reader of server-sent events, by the HTML standard: fields, blank line, event."""

    def __init__(self, lines: AsyncIterator[str]) -> None:
        self._lines = lines
        self.comments: list[str] = []
        self.retry: str | None = None

    async def next(self, seconds: float = 5.0) -> dict[str, str]:
        """Return the next event.

        Raises:
            StopAsyncIteration: the stream has ended.
            TimeoutError: nothing came.
        """
        async with asyncio.timeout(seconds):
            return await self._next()

    async def rest(self, seconds: float = 5.0) -> list[dict[str, str]]:
        """Return all events until the stream ends."""
        events = []
        with contextlib.suppress(StopAsyncIteration):
            while True:
                events.append(await self.next(seconds))
        return events

    async def _next(self) -> dict[str, str]:
        event: dict[str, str] = {}
        async for line in self._lines:
            if line.startswith(":"):
                self.comments.append(line[1:].strip())
            elif not line and "data" in event:
                return event
            elif line:
                name, _, value = line.partition(": ")
                event[name] = value
                if name == "retry":
                    self.retry = value
        raise StopAsyncIteration


@asynccontextmanager
async def listening(client: Client, path: str, headers: dict[str, str]) -> AsyncIterator[Events]:
    """Open a stream."""
    async with client.stream("GET", path, headers=headers) as answer:
        assert answer.status_code == 200, await answer.aread()
        assert answer.headers["content-type"].startswith("text/event-stream")
        yield Events(answer.aiter_lines())
