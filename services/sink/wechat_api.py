"""WeChat's and WeCom's addresses in the sink."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from services.sink import wechat
from services.sink.faults import Faults, behave
from services.sink.ledger import Ledger
from services.sink.page import Shown
from services.sink.shelf import Shelf

Take = Callable[[wechat.Application, str, Mapping[str, Any], datetime], wechat.Message]
SECRET = "sink"  # noqa: S105 - of a stand-in on one machine


def _application(app_id: str) -> wechat.Application:
    return wechat.Application(app_id=app_id, secret=SECRET)


@dataclass(slots=True)
class WechatApi:
    """Three applications. `now` says when it is."""

    shelf: Shelf
    faults: Faults
    ledger: Ledger
    mini: wechat.Application = field(default_factory=lambda: _application("wx_mini"))
    official: wechat.Application = field(default_factory=lambda: _application("wx_official"))
    work: wechat.Application = field(default_factory=lambda: _application("ww_corp"))
    now: Callable[[], datetime] = field(default=lambda: datetime.now(UTC))

    def routes(self) -> list[Route]:
        """Return where they answer."""
        return [
            Route("/cgi-bin/stable_token", self.stable_token, methods=["POST"]),
            Route("/cgi-bin/token", self.older_token, methods=["GET"]),
            Route("/cgi-bin/gettoken", self.get_token, methods=["GET"]),
            Route("/sns/jscode2session", self.mini_login, methods=["GET"]),
            Route("/sns/oauth2/access_token", self.official_login, methods=["GET"]),
            Route("/cgi-bin/auth/getuserinfo", self.work_login, methods=["GET"]),
            Route("/cgi-bin/message/subscribe/send", self.subscription, methods=["POST"]),
            Route("/cgi-bin/message/subscribe/bizsend", self.notice, methods=["POST"]),
            Route("/cgi-bin/message/template/send", self.template, methods=["POST"]),
            Route("/cgi-bin/message/send", self.work_message, methods=["POST"]),
            Route("/wechat/people", self.join, methods=["POST"]),
        ]

    async def join(self, request: Request) -> Response:
        """Make somebody known: `{"app": "mini", "address": "o…", "consents": {"template": 2}}`; answer a login code."""
        given = json.loads(await request.body())
        app = {"mini": self.mini, "official": self.official, "work": self.work}[given["app"]]
        for template, count in given.get("consents", {}).items():
            app.consents[given["address"], template] += count
        return JSONResponse({"code": app.join(given["address"])}, 201)

    async def stable_token(self, request: Request) -> Response:
        """Do as WeChat's `stable_token`."""
        given = json.loads(await request.body())
        app = self._named(given.get("appid"))
        force = given.get("force_refresh") is True
        return self._answer(
            lambda: app.give_token(given.get("appid", ""), given.get("secret", ""), self.now(), force=force)
        )

    async def older_token(self, request: Request) -> Response:
        """Do as WeChat's `token`."""
        query = request.query_params
        app_id, secret = query.get("appid", ""), query.get("secret", "")
        return self._answer(lambda: self._named(app_id).replace_older_token(app_id, secret, self.now()))

    async def get_token(self, request: Request) -> Response:
        """Do as WeCom's `gettoken`."""
        query = request.query_params
        app_id, secret = query.get("corpid", ""), query.get("corpsecret", "")
        return self._answer(lambda: {"errcode": 0} | self.work.give_token(app_id, secret, self.now(), force=False))

    async def mini_login(self, request: Request) -> Response:
        """Do as `jscode2session`."""
        query = request.query_params
        return self._answer(lambda: {"openid": self.mini.person(query.get("js_code", "")), "session_key": "x"})

    async def official_login(self, request: Request) -> Response:
        """Do as the official account's `oauth2/access_token`."""
        query = request.query_params
        rest = {"access_token": "x", "expires_in": 7200, "refresh_token": "x", "scope": "snsapi_base"}
        return self._answer(lambda: {"openid": self.official.person(query.get("code", "")), **rest})

    async def work_login(self, request: Request) -> Response:
        """Do as WeCom's `getuserinfo`."""
        query = request.query_params

        def person() -> dict[str, Any]:
            if query.get("access_token") != self.work.token:
                raise wechat.Refused(40014, "invalid access_token")
            return {"errcode": 0, "userid": self.work.person(query.get("code", ""))}

        return self._answer(person)

    async def subscription(self, request: Request) -> Response:
        """Do as `message/subscribe/send`."""
        return await self._take(request, self.mini, "wechat_mini", wechat.take_subscription)

    async def notice(self, request: Request) -> Response:
        """Do as `message/subscribe/bizsend`."""
        return await self._take(request, self.official, "wechat_official", wechat.take_subscription)

    async def template(self, request: Request) -> Response:
        """Do as `message/template/send`."""
        return await self._take(request, self.official, "wechat_official", wechat.take_template)

    async def work_message(self, request: Request) -> Response:
        """Do as WeCom's `message/send`."""
        return await self._take(request, self.work, "wecom", wechat.take_work)

    async def _take(self, request: Request, app: wechat.Application, channel: str, take: Take) -> Response:
        body, now = json.loads(await request.body()), self.now()
        try:
            taken = take(app, request.query_params.get("access_token", ""), body, now)
        except wechat.Refused as refused:
            print(f"{channel} refused: {refused.code} {refused}", flush=True)  # noqa: T201 - what the sink is for
            return JSONResponse({"errcode": refused.code, "errmsg": str(refused)})

        async def answer() -> Response:
            if taken.fresh:
                self.ledger.add(now, (channel, channel), taken.key, taken.to)
                shown = Shown(
                    channel=channel, at=now, to=[taken.to], title=taken.title, text=taken.text, reference=taken.key
                )
                await self.shelf.add(shown)
            return JSONResponse({"errcode": 0, "errmsg": "ok", "msgid": 1_000_000 + len(self.ledger)})

        return await behave(request, self.faults, (channel, taken.key), answer)

    def _named(self, app_id: object) -> wechat.Application:
        return next((one for one in (self.mini, self.official) if one.app_id == app_id), self.mini)

    def _answer(self, ask: Callable[[], dict[str, Any]]) -> Response:
        try:
            return JSONResponse(ask())
        except wechat.Refused as refused:
            return JSONResponse({"errcode": refused.code, "errmsg": str(refused)})
