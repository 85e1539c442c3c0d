"""Mail server, SMS endpoint and page in one process."""

import asyncio
import json
import os
import socket
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import uuid4

import uvicorn
from ruamel.yaml import YAML
from starlette.applications import Starlette
from starlette.requests import Request as HttpRequest
from starlette.responses import HTMLResponse, JSONResponse, Response
from starlette.routing import Route

from services.sink import page, sms, sms_tencent
from services.sink.apps import Apps
from services.sink.faults import Faults, Plan, behave
from services.sink.ledger import Ledger
from services.sink.mail import MailFolder, smtp_protocol
from services.sink.reports import Reports
from services.sink.sms_status import Statuses

SHOWN = 200
FOUND = 1000
BODY_BYTES = 64_000
SMS_APP_ID = "1400000000"
"""The SmsSdkAppId that the stand-in for Tencent knows unless told otherwise."""
TEMPLATES = Path(__file__).parents[1] / "notify" / "templates"
"""The texts that a real provider would have approved beforehand."""


@dataclass(slots=True)
class SmsFile:
    """Text messages, one JSON object a line."""

    path: Path
    _lock: asyncio.Lock = field(default_factory=asyncio.Lock)

    async def add(self, taken: sms.Sms) -> None:
        """Store a message before it is answered for."""
        line = json.dumps({**asdict(taken), "at": taken.at.isoformat()}, ensure_ascii=False)
        async with self._lock:
            await asyncio.to_thread(self._append, line)

    def _append(self, line: str) -> None:
        with os.fdopen(
            os.open(self.path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600), "a", encoding="utf-8"
        ) as file:
            file.write(line + "\n")

    def newest(self, count: int) -> list[sms.Sms]:
        """Return the last `count` messages, newest first."""
        try:
            lines = self.path.read_text(encoding="utf-8").splitlines()[-count:]
        except FileNotFoundError:
            return []
        found = [json.loads(line) for line in reversed(lines)]
        return [sms.Sms(**{**one, "at": datetime.fromisoformat(one["at"])}) for one in found]


@dataclass(frozen=True, slots=True)
class Sink:
    """Everything that was sent. The endpoints are its methods."""

    mail: MailFolder
    texts: SmsFile
    provider: sms.SmsProvider
    tencent: sms_tencent.TencentProvider
    apps: Apps
    faults: Faults = field(default_factory=Faults)
    ledger: Ledger = field(default_factory=Ledger)
    statuses: Statuses = field(default_factory=Statuses)
    reports: Reports = field(default_factory=Reports)
    clock: Callable[[], datetime] = lambda: datetime.now(UTC)

    @classmethod
    def at(cls, data: Path, access_key_id: str, access_key_secret: str, app_id: str = SMS_APP_ID) -> "Sink":
        """Return the sink over a data folder; both SMS providers know the one key, and the same approved templates."""
        data.mkdir(parents=True, exist_ok=True)
        templates = approved_templates(TEMPLATES)
        faults, ledger, reports = Faults(), Ledger(), Reports()
        return cls(
            faults=faults,
            ledger=ledger,
            mail=MailFolder(data / "mail", faults, ledger),
            texts=SmsFile(data / "sms.jsonl"),
            apps=Apps.at(data, faults, ledger, reports),
            reports=reports,
            provider=sms.SmsProvider(access_key_id, access_key_secret, templates),
            tencent=sms_tencent.TencentProvider(
                secret_id=access_key_id, secret_key=access_key_secret, app_id=app_id, templates=templates
            ),
        )

    def app(self) -> Starlette:
        """Return the HTTP side; the text messages' endpoint is `POST /`, as at both providers."""
        routes = [
            Route("/", self.take_sms, methods=["POST"]),
            Route("/", self.show, methods=["GET"]),
            Route("/messages.json", self.as_json, methods=["GET"]),
            Route("/ledger.json", self.as_ledger, methods=["GET"]),
            Route("/faults", self.set_faults, methods=["PUT"]),
            Route("/readyz", self.ready, methods=["GET"]),
            *self.apps.routes(),
        ]
        return Starlette(routes=routes)

    async def take_sms(self, request: HttpRequest) -> Response:
        """Do as the API of Aliyun or of Tencent, whichever is addressed."""
        arrived = sms.Request(
            method=request.method,
            path=request.url.path,
            query=request.url.query,
            headers={name.lower(): value for name, value in request.headers.items()},
            body=await _body(request),
        )
        answer = self._as_tencent if "x-tc-action" in arrived.headers else self._as_aliyun
        return await answer(request, arrived)

    async def _as_aliyun(self, request: HttpRequest, arrived: sms.Request) -> Response:
        request_id, now = os.urandom(16).hex().upper(), self.clock()
        try:
            if arrived.headers.get("x-acs-action") == "QuerySendDetails":
                fields = self.provider.fields(arrived, "QuerySendDetails", now)
                answer = self.statuses.aliyun(fields, now) | {"RequestId": request_id}
                return JSONResponse(answer)
            taken = self.provider.take(arrived, now)
        except sms.RefusedSms as refused:
            print(f"sms refused: {refused.code}", flush=True)  # noqa: T201 - this line is what the sink is for
            return JSONResponse(
                {"Code": refused.code, "Message": str(refused), "RequestId": request_id}, refused.status
            )
        except (KeyError, ValueError):
            return JSONResponse({"Code": "isv.INVALID_PARAMETERS", "Message": "", "RequestId": request_id})
        ok = {"Code": "OK", "Message": "OK", "BizId": taken.biz_id, "RequestId": request_id}
        return await behave(request, self.faults, ("aliyun", taken.out_id), self._taking("aliyun", taken, ok))

    async def _as_tencent(self, request: HttpRequest, arrived: sms.Request) -> Response:
        request_id, now = str(uuid4()), self.clock()
        try:
            if arrived.headers.get("x-tc-action") == "PullSmsSendStatusByPhoneNumber":
                self.tencent.check(arrived, "PullSmsSendStatusByPhoneNumber", now)
                found = self.statuses.tencent(json.loads(arrived.body), now)
                return JSONResponse({"Response": found | {"RequestId": request_id}})
            taken = self.tencent.take(arrived, now)
        except sms_tencent.RefusedRequest as refused:
            print(f"sms refused: {refused.code}", flush=True)  # noqa: T201 - as above
            error = {"Code": refused.code, "Message": str(refused)}
            return JSONResponse({"Response": {"Error": error, "RequestId": request_id}})
        except (KeyError, ValueError):
            return JSONResponse({"Response": {"Error": {"Code": "InvalidParameter", "Message": ""}}})
        for status in taken.statuses:
            if status["Code"] != "Ok":
                print(f"sms refused: {status['Code']}", flush=True)  # noqa: T201 - as above
        answer = {"Response": {"SendStatusSet": list(taken.statuses), "RequestId": request_id}}
        if taken.sms is None:
            return JSONResponse(answer)
        key = taken.sms.out_id
        return await behave(request, self.faults, ("tencent", key), self._taking("tencent", taken.sms, answer))

    def _taking(self, provider: str, taken: sms.Sms, answer: Mapping[str, Any]) -> Callable[[], Awaitable[Response]]:
        """Return what takes a message: kept, written into the ledger, and said so."""

        async def take() -> Response:
            await self.texts.add(taken)
            for number in taken.to:
                self.ledger.add(taken.at, ("sms", provider), taken.out_id, number[-11:])
            receipts = self.faults.receipts(provider, taken.out_id)
            self.statuses.add(taken, receipts[0] if receipts else None)
            await self.reports.of_sms(provider, taken, receipts)
            print(f"sms to {', '.join(taken.to)}: {taken.text}", flush=True)  # noqa: T201 - as above
            return JSONResponse(dict(answer))

        return take

    async def set_faults(self, request: HttpRequest) -> Response:
        """Take a plan for each provider named: `{"aliyun": {"seed": 1, "shares": {"silent": 0.3}}}`; others have none."""
        try:
            plans = {name: Plan.of(plan) for name, plan in json.loads(await _body(request)).items()}
        except (ValueError, AttributeError, TypeError) as error:
            return JSONResponse({"error": str(error)}, 422)
        self.faults.plans = plans
        return Response(status_code=204)

    async def as_ledger(self, request: HttpRequest) -> JSONResponse:
        """What a person would have seen: how much on each channel, how often twice; `?entries=1` each message too."""
        channels: dict[str, dict[str, int]] = {}
        for seen in self.ledger:
            counts = channels.setdefault(seen.channel, {"messages": 0, "visible_duplicates": 0})
            counts["messages"] += 1
            counts["visible_duplicates"] += seen.times - 1
        entries = [
            {**asdict(seen), "first_at": seen.first_at.isoformat(), "last_at": seen.last_at.isoformat()}
            for seen in (self.ledger if "entries" in request.query_params else ())
        ]
        return JSONResponse({"channels": channels, "entries": entries})

    async def show(self, _request: HttpRequest) -> HTMLResponse:
        """The page."""
        messages = await asyncio.to_thread(self.messages, SHOWN)
        return HTMLResponse(page.render(messages), headers={"content-security-policy": page.CONTENT_POLICY})

    async def as_json(self, request: HttpRequest) -> JSONResponse:
        """The same for programs; `?to=` a mail address or the end of a telephone number leaves only its messages."""
        wanted = request.query_params.get("to", "")
        messages = await asyncio.to_thread(self.messages, FOUND)
        chosen: list[dict[str, Any]] = [
            {**asdict(message), "at": message.at.isoformat()}
            for message in messages
            if not wanted or any(_same(wanted, to) for to in message.to)
        ]
        return JSONResponse({"messages": chosen})

    async def ready(self, _request: HttpRequest) -> JSONResponse:
        """Say that the process answers."""
        return JSONResponse({"status": "ok"})

    def messages(self, count: int) -> list[page.Shown]:
        """Return the newest `count` messages of all kinds, newest first."""
        mails = [
            page.Shown(channel="mail", at=one.at, to=one.to, title=one.subject, text=one.text, reference=one.file)
            for one in self.mail.newest(count)
        ]
        texts = [
            page.Shown(channel="sms", at=one.at, to=one.to, title="", text=one.text, reference=one.out_id)
            for one in self.texts.newest(count)
        ]
        return sorted([*mails, *texts, *self.apps.shelf.newest(count)], key=lambda message: message.at, reverse=True)[
            :count
        ]


def _same(wanted: str, to: str) -> bool:
    """Tell whether two spellings mean one recipient: +86 is not always written."""
    return wanted.lower() == to.lower() or wanted.lstrip(" +").removeprefix("86") == to.lstrip("+").removeprefix("86")


async def _body(request: HttpRequest) -> bytes:
    body = b""
    async for chunk in request.stream():
        body += chunk
        if len(body) > BODY_BYTES:
            return body
    return body


def approved_templates(folder: Path) -> Mapping[str, str]:
    """Return the texts of all SMS templates by their code."""
    yaml = YAML(typ="safe")
    return dict(found for path in sorted(folder.glob("*/*.yaml")) for found in _texts(yaml.load(path)))


def _texts(node: Any) -> list[tuple[str, str]]:
    if not isinstance(node, dict):
        return []
    if "code" in node and "text" in node:
        return [(str(node["code"]), str(node["text"]))]
    return [found for child in node.values() for found in _texts(child)]


async def run(sink: Sink, http: socket.socket, smtp: socket.socket) -> None:
    """Serve on two listening sockets until a signal asks for the end."""
    loop = asyncio.get_running_loop()
    mail_server = await loop.create_server(lambda: smtp_protocol(sink.mail), sock=smtp)
    server = uvicorn.Server(uvicorn.Config(sink.app(), log_config=None, access_log=False, lifespan="off"))
    async with mail_server:
        await server.serve(sockets=[http])
