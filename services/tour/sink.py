"""The system's sink, read as a resident reads their telephone and their mailbox.

It stands where the mail server and the SMS provider would be. That the tour can read a text message here is also what
makes it harmless: it went to nobody.
"""

import asyncio
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from shared.http import Client, HttpError

LOOK_SECONDS: Final = 0.1


@dataclass(frozen=True, slots=True)
class Arrived:
    """A text message or a mail, and when it was seen by the monotonic clock."""

    title: str
    text: str
    at: float


@dataclass(frozen=True, slots=True)
class Sink:
    """The sink at `base_url`."""

    http: Client
    base_url: str

    async def find(self, channel: str, to: str, wanted: Callable[[str], bool], seconds: float) -> Arrived | None:
        """Return the newest message of `channel` (sms, mail) to `to` whose text is `wanted`; None where none comes in time."""
        deadline = time.monotonic() + seconds
        while True:
            for message in await self._messages(to):
                if message["channel"] == channel and wanted(f"{message['title']}\n{message['text']}"):
                    return Arrived(message["title"], message["text"], time.monotonic())
            if time.monotonic() >= deadline:
                return None
            await asyncio.sleep(LOOK_SECONDS)

    async def answers(self) -> bool:
        """Say whether there is a sink at all."""
        try:
            response = await self.http.get(f"{self.base_url}/messages.json", params={"to": "nobody"})
        except HttpError:
            return False
        return response.status_code == 200

    async def _messages(self, to: str) -> list[Mapping[str, Any]]:
        try:
            response = await self.http.get(f"{self.base_url}/messages.json", params={"to": to})
            found: list[Mapping[str, Any]] = response.json()["messages"] if response.status_code == 200 else []
        except HttpError:
            return []
        return found
