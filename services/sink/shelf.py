"""What reached screens other than a mailbox or a telephone: one JSON object a line, shown on the sink's page."""

import asyncio
import json
import os
from dataclasses import asdict, dataclass, field
from datetime import datetime
from pathlib import Path

from services.sink.page import Shown


@dataclass(slots=True)
class Shelf:
    """The messages of all stand-ins that keep none of their own."""

    path: Path
    _lock: asyncio.Lock = field(default_factory=asyncio.Lock)

    async def add(self, shown: Shown) -> None:
        """Store a message before it is answered for."""
        line = json.dumps({**asdict(shown), "at": shown.at.isoformat()}, ensure_ascii=False)
        async with self._lock:
            await asyncio.to_thread(self._append, line)
        print(f"{shown.channel} to {', '.join(shown.to)}: {shown.title}", flush=True)  # noqa: T201 - what the sink is for

    def _append(self, line: str) -> None:
        flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND
        with os.fdopen(os.open(self.path, flags, 0o600), "a", encoding="utf-8") as file:
            file.write(line + "\n")

    def newest(self, count: int) -> list[Shown]:
        """Return the last `count` messages, newest first."""
        try:
            lines = self.path.read_text(encoding="utf-8").splitlines()[-count:]
        except FileNotFoundError:
            return []
        found = [json.loads(line) for line in reversed(lines)]
        return [Shown(**{**one, "at": datetime.fromisoformat(one["at"])}) for one in found]
