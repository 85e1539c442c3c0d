"""A partner system as the sink plays it: takes signed webhooks, verifies them by itself, and shows what it was told.

Tell it the secret that the notify API gave (`PUT /partner`, `{"secret": "whsec_…"}`); until then it believes nobody.
"""

import base64
import hashlib
import hmac
import json
import time
from dataclasses import dataclass, field
from datetime import UTC, datetime

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from services.sink.faults import Faults, behave
from services.sink.ledger import Ledger
from services.sink.page import Shown
from services.sink.shelf import Shelf

CLOCK_DIFFERENCE_SECONDS = 300


@dataclass(slots=True)
class Partner:
    """One partner; what it has seen before it does not take twice."""

    shelf: Shelf
    faults: Faults
    ledger: Ledger
    secret: str = field(default="", repr=False)
    _seen: set[str] = field(default_factory=set)

    def routes(self) -> list[Route]:
        """Return where it answers."""
        return [
            Route("/partner", self.learn, methods=["PUT"]),
            Route("/partner", self.take, methods=["POST"]),
        ]

    async def learn(self, request: Request) -> Response:
        """Take the secret."""
        try:
            self.secret = str(json.loads(await request.body())["secret"])
        except (ValueError, KeyError, TypeError):
            return JSONResponse({"error": "secret"}, 422)
        return Response(status_code=204)

    async def take(self, request: Request) -> Response:
        """Do as a partner's receiver by Standard Webhooks."""
        body, headers = await request.body(), request.headers
        identity, timestamp = headers.get("webhook-id", ""), headers.get("webhook-timestamp", "")
        if not self._is_signed(identity, timestamp, body, headers.get("webhook-signature", "")):
            print("webhook refused: signature", flush=True)  # noqa: T201 - what the sink is for
            return JSONResponse({"error": "signature"}, 401)

        async def answer() -> Response:
            if identity not in self._seen:
                self._seen.add(identity)
                await self._show(identity, body)
            return Response(status_code=204)

        return await behave(request, self.faults, ("webhook", identity), answer)

    def _is_signed(self, identity: str, timestamp: str, body: bytes, given: str) -> bool:
        if not self.secret or not timestamp.isdigit() or abs(int(timestamp) - time.time()) > CLOCK_DIFFERENCE_SECONDS:
            return False
        key = base64.b64decode(self.secret.removeprefix("whsec_") + "==")
        digest = hmac.digest(key, f"{identity}.{timestamp}.".encode() + body, hashlib.sha256)
        expected = f"v1,{base64.b64encode(digest).decode()}"
        return any(hmac.compare_digest(one, expected) for one in given.split(" "))

    async def _show(self, identity: str, body: bytes) -> None:
        now, event = datetime.now(UTC), json.loads(body)
        self.ledger.add(now, ("webhook", "webhook"), identity, "partner")
        text = json.dumps(event.get("data"), ensure_ascii=False, indent=1)
        shown = Shown(
            channel="webhook", at=now, to=["partner"], title=str(event.get("type")), text=text, reference=identity
        )
        await self.shelf.add(shown)
