"""Whoever presses the button: keep-alive connections that send finished requests, and ask again until they know.

A connection that breaks goes over to the next API, as a phone behind a load balancer would, and sends the same bytes
again: the same Idempotency-Key. So does one that is told 503. Anything else is the answer.
"""

import asyncio
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field

AGAIN_AFTER = 0.05
ATTEMPTS = 600
ANSWER_SECONDS = 30.0


@dataclass(frozen=True, slots=True)
class Heard:
    """An answer: its status, its header fields by lower-case name, its body."""

    status: int
    headers: dict[str, str]
    body: bytes


@dataclass(slots=True)
class Line:
    """One connection to one of `ports`; `broken` counts how often it broke, `busy` how often it was told to come again."""

    ports: Sequence[int]
    turn: int = 0
    broken: int = 0
    busy: int = 0
    _streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None

    async def ask(self, request: bytes) -> Heard:
        """Return the answer to `request`, however often it has to be asked."""
        for _ in range(ATTEMPTS):
            try:
                heard = await asyncio.wait_for(self._once(request), ANSWER_SECONDS)
            except (OSError, EOFError, TimeoutError):
                self.close()
                self.broken += 1
                self.turn += 1
            else:
                if heard.status != 503:
                    return heard
                self.busy += 1
            await asyncio.sleep(AGAIN_AFTER)
        raise AssertionError("never answered")

    async def _once(self, request: bytes) -> Heard:
        if self._streams is None:
            self._streams = await asyncio.open_connection("127.0.0.1", self.ports[self.turn % len(self.ports)])
        reader, writer = self._streams
        writer.write(request)
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
        first, *lines = head.split("\r\n")[:-2]
        headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
        body = await reader.readexactly(int(headers.get("content-length", "0")))
        return Heard(int(first.split()[1]), headers, body)

    def close(self) -> None:
        if self._streams is not None:
            with suppress(OSError, RuntimeError):
                self._streams[1].close()
            self._streams = None


@dataclass(slots=True)
class Crowd:
    """Connections that share a heap of requests: each takes the next one as soon as it has its answer."""

    lines: list[Line] = field(default_factory=list)

    @classmethod
    def of(cls, ports: Sequence[int], count: int) -> "Crowd":
        """Return `count` connections, spread over `ports`."""
        return cls([Line(ports, turn) for turn in range(count)])

    @property
    def broken(self) -> int:
        """Connections that broke, in all."""
        return sum(line.broken for line in self.lines)

    async def press(self, requests: Iterable[bytes]) -> list[Heard]:
        """Send all of `requests`; return the answers."""
        waiting = iter(requests)
        answers: list[Heard] = []

        async def take(line: Line) -> None:
            answers.extend([await line.ask(request) for request in waiting])

        async with asyncio.TaskGroup() as group:
            for line in self.lines:
                group.create_task(take(line))
        return answers

    async def press_together(self, request: bytes) -> list[Heard]:
        """Send one request over all connections at once."""
        return await asyncio.gather(*(line.ask(request) for line in self.lines))

    def close(self) -> None:
        for line in self.lines:
            line.close()
