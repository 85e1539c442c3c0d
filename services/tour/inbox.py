"""A resident's in-app inbox, listened to as a telephone would: notify's stream of server-sent events.

A stream that ends or breaks is opened again with the number of the last message in Last-Event-ID, so that a message is
missed by nobody and heard once.
"""

import asyncio
import contextlib
import json
import time
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from services.tour.client import Api, Caller
from shared.http import HttpError

PATH: Final = "/api/v1/messages/stream"
SILENCE_SECONDS: Final = 40.0
"""The stream comments every 15 s; so long a silence means that it is dead."""
AGAIN_SECONDS: Final = 0.5


@dataclass(slots=True)
class Heard:
    """One message as it came, and when by the monotonic clock."""

    message: Mapping[str, Any]
    at: float


@dataclass(slots=True)
class Inbox:
    """What arrived for one resident so far."""

    notify: Api
    caller: Caller
    heard: list[Heard] = field(default_factory=list)
    _last: int = 0
    _news: asyncio.Condition = field(default_factory=asyncio.Condition)
    _open: asyncio.Event = field(default_factory=asyncio.Event)

    async def listen(self) -> None:
        """Take in messages until cancelled."""
        while True:
            with contextlib.suppress(HttpError):
                await self._follow()
            await asyncio.sleep(AGAIN_SECONDS)

    async def wait_until_open(self, seconds: float) -> bool:
        """Wait until the stream was opened once; False where it was not within `seconds`."""
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._open.wait(), seconds)
        return self._open.is_set()

    async def find(self, wanted: Callable[[Mapping[str, Any]], bool], seconds: float) -> Heard | None:
        """Return the first message that is `wanted`, once it is there; None where it does not come within `seconds`."""
        deadline = time.monotonic() + seconds
        async with self._news:
            while True:
                found = next((one for one in self.heard if wanted(one.message)), None)
                left = deadline - time.monotonic()
                if found is not None or left <= 0:
                    return found
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(self._news.wait(), left)

    async def _follow(self) -> None:
        headers = {
            "authorization": f"Bearer {self.caller.token}",
            "accept": "text/event-stream",
            "last-event-id": str(self._last),
        }
        url = self.notify.base_url + PATH
        async with self.notify.http.stream("GET", url, headers=headers, timeout=SILENCE_SECONDS) as response:
            if response.status_code != 200:
                return
            self._open.set()
            async for event in events(response.aiter_lines()):
                await self._take(event)

    async def _take(self, event: Mapping[str, str]) -> None:
        self._last = int(event.get("id", self._last))
        async with self._news:
            self.heard.append(Heard(json.loads(event["data"]), time.monotonic()))
            self._news.notify_all()


async def events(lines: AsyncIterator[str]) -> AsyncIterator[dict[str, str]]:
    """Yield the events of a stream that have data (HTML standard, 9.2.6): fields by name, comments left out."""
    fields: dict[str, str] = {}
    async for line in lines:
        if line:
            name, _, value = line.partition(":")
            value = value.removeprefix(" ")
            if name:
                fields[name] = f"{fields[name]}\n{value}" if name == "data" and "data" in fields else value
        else:
            if "data" in fields:
                yield fields
            fields = {}
