"""The stand-ins for what runs on phones and desks, and their addresses in the sink."""

import json
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from services.sink.faults import Faults, behave
from services.sink.ledger import Ledger
from services.sink.page import Shown
from services.sink.partner import Partner
from services.sink.push import Browser, PushService, RefusedPush
from services.sink.reports import Reports
from services.sink.shelf import Shelf
from services.sink.wechat_api import WechatApi

BODY_BYTES = 64_000


@dataclass(slots=True)
class Apps:
    """Every such stand-in. Their endpoints are its methods."""

    shelf: Shelf
    faults: Faults
    ledger: Ledger
    wechat: WechatApi
    reports: Reports
    partner: Partner
    push: PushService = field(default_factory=PushService)

    @classmethod
    def at(cls, data: Path, faults: Faults, ledger: Ledger, reports: Reports) -> "Apps":
        """Return them over a data folder."""
        shelf = Shelf(data / "apps.jsonl")
        return cls(shelf, faults, ledger, WechatApi(shelf, faults, ledger), reports, Partner(shelf, faults, ledger))

    def routes(self) -> list[Route]:
        """Return where they answer."""
        return [
            Route("/push/browsers", self.new_browser, methods=["POST"]),
            Route("/push/browsers/{browser}", self.change_browser, methods=["PUT"]),
            Route("/push/to/{browser}", self.take_push, methods=["POST"]),
            *self.wechat.routes(),
            *self.partner.routes(),
        ]

    async def new_browser(self, request: Request) -> Response:
        """Subscribe a new browser with `{"application_server_key": …}`; answer what its page would register with us."""
        key = (await _json(request)).get("application_server_key")
        if not isinstance(key, str):
            return JSONResponse({"error": "application_server_key"}, 422)
        return JSONResponse(self.push.subscribe(key).subscription(_origin(request)), 201)

    async def change_browser(self, request: Request) -> Response:
        """Send a browser away (`{"online": false}`) or back, or have its push service `answer` with a status."""
        browser, given = self._browser(request), await _json(request)
        if browser is None:
            return Response(status_code=404)
        browser.answer = given.get("answer")
        browser.online = bool(given.get("online", True))
        shown = browser.come_online(datetime.now(UTC)) if browser.online else []
        return JSONResponse({"shown": shown})

    async def take_push(self, request: Request) -> Response:
        """Do as a push service."""
        browser, body = self._browser(request), await _body(request)
        if browser is None:
            return Response(status_code=410)
        try:
            shown = self.push.take(browser, _origin(request), dict(request.headers), body)
        except RefusedPush as refused:
            print(f"push refused: {refused.status} {refused}", flush=True)  # noqa: T201 - what the sink is for
            return Response(str(refused), refused.status)

        async def take() -> Response:
            for content in shown:
                await self._show_push(browser, content)
            return Response(status_code=201)

        key = str(shown[0].get("message_id")) if shown else browser.id
        return await behave(request, self.faults, ("web_push", key), take)

    async def _show_push(self, browser: Browser, content: Any) -> None:
        now = datetime.now(UTC)
        self.ledger.add(now, ("web_push", "web_push"), str(content.get("message_id")), browser.id)
        shown = Shown(
            channel="web_push",
            at=now,
            to=[f"browser {browser.id}"],
            title=str(content.get("title", "")),
            text=str(content.get("body", "")),
            reference=str(content.get("message_id", "")),
        )
        await self.shelf.add(shown)
        self.reports.of_push(content)

    def _browser(self, request: Request) -> Browser | None:
        return self.push.browsers.get(request.path_params["browser"])


def _origin(request: Request) -> str:
    return f"{request.url.scheme}://{request.url.netloc}"


async def _json(request: Request) -> dict[str, Any]:
    try:
        found = json.loads(await _body(request))
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


async def _body(request: Request) -> bytes:
    body = b""
    async for chunk in request.stream():
        body += chunk
        if len(body) > BODY_BYTES:
            return body
    return body
