"""wechatpy, an implementation of others, and our sender at one stand-in: the same calls, and the same reading of answers."""

import asyncio
import json
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlsplit, urlunsplit
from uuid import UUID

import pytest
from requests import PreparedRequest, Response
from requests.adapters import HTTPAdapter
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from wechatpy import WeChatClient
from wechatpy.client.base import BaseWeChatClient
from wechatpy.enterprise import WeChatClient as WorkClient
from wechatpy.exceptions import WeChatClientException, WeChatOAuthException
from wechatpy.oauth import WeChatOAuth

from services.notify.channels.wechat import (
    DUPLICATE_CHECK_SECONDS,
    MINI_PROGRAM,
    OFFICIAL_ACCOUNT,
    WECOM,
    Access,
    AppMessage,
    Post,
    WechatApi,
)
from services.notify.channels.wechat_token import WechatAccount, openid_of_code, stable_token, wecom_token
from services.notify.domain.message import Why
from services.notify.domain.outcome import Outcome, Verdict
from services.sink.main import Sink
from services.sink.wechat import Application
from shared.http import Client
from shared.ids import new_id
from tests.notify.serving import serving

TO, STAFF, TEMPLATE, AGENT = "oDalian000001", "zhang.san", "T-full", 7
DATA = {"thing1": {"value": "羽毛球1号场"}, "date2": {"value": "2026-11-28 16:30"}}
TEXT = "预约成功：羽毛球1号场，11月28日 16:30\n编号 7K3F-9Q2M-A"
CHECKED = {"enable_duplicate_check": 1, "duplicate_check_interval": DUPLICATE_CHECK_SECONDS}
LETTER = AppMessage(message_id=new_id(), account_id=new_id(), template=TEMPLATE, data=DATA, page="pages/booking")
NOTE = AppMessage(message_id=new_id(), account_id=new_id(), template=None, data={"content": TEXT})
SENDS = "/cgi-bin/message/"


@dataclass(frozen=True, slots=True)
class Asked:
    """One request as the stand-in got it, and the answer's code."""

    path: str
    query: Mapping[str, str]
    body: Any
    code: int


@dataclass(slots=True)
class Recording:
    """The stand-in, and everything that it was asked."""

    app: ASGIApp
    asked: list[Asked] = field(default_factory=list)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        came, answered = b"", b""

        async def hear() -> Message:
            nonlocal came
            message = await receive()
            came += message.get("body", b"")
            return message

        async def say(message: Message) -> None:
            nonlocal answered
            answered += message.get("body", b"")
            await send(message)

        await self.app(scope, hear, say)
        query = dict(parse_qsl(scope["query_string"].decode(), keep_blank_values=True))
        body = json.loads(came) if came else None
        self.asked.append(Asked(scope["path"], query, body, json.loads(answered).get("errcode", 0)))


class _ToTheStandIn(HTTPAdapter):
    """What wechatpy means for the provider goes to the stand-in."""

    def __init__(self, url: str) -> None:
        super().__init__()
        self.place = urlsplit(url)

    def send(self, request: PreparedRequest, *given: Any, **more: Any) -> Response:
        assert request.url is not None
        request.url = urlunsplit(urlsplit(request.url)._replace(scheme=self.place.scheme, netloc=self.place.netloc))
        return super().send(request, *given, **more)


class _Tokens:
    """Our `Tokens` without a database: as our worker asks for them, kept here."""

    def __init__(self, stage: "Stage", app: Application) -> None:
        self._account = WechatAccount(url=stage.url, app_id=app.app_id, secret="sink")
        self._client = stage.client
        self._fetch = wecom_token if app is stage.sink.apps.wechat.work else stable_token
        self._token = ""

    async def current(self) -> str:
        return self._token or await self.renew("")

    async def renew(self, bad: str) -> str:
        self._token = (await self._fetch(self._client, self._account, force=bool(bad))).token
        return self._token


class _Address:
    def __init__(self, address: str) -> None:
        self.address = address

    async def of_account(self, _: UUID) -> str:
        return self.address


class _Consents:
    """Ours are never spent, so that it is the stand-in's ledger that refuses."""

    async def spend(self, *_: object) -> bool:
        return True

    async def give_back(self, *_: object) -> None:
        pass

    async def void(self, *_: object) -> None:
        pass


@dataclass(slots=True)
class Stage:
    sink: Sink
    recording: Recording
    url: str
    client: Client
    now: datetime = datetime(2026, 11, 26, 4, 0, tzinfo=UTC)

    def taken(self) -> list[Asked]:
        """Return what was asked since this was asked."""
        found, self.recording.asked = self.recording.asked, []
        return found

    def sends(self) -> list[Asked]:
        """Return the calls among them that send a message."""
        return [one for one in self.taken() if one.path.startswith(SENDS)]

    def of_ours(self, post: Post, app: Application) -> WechatApi:
        work = post is WECOM
        return WechatApi(
            post,
            Access(
                url=self.url,
                tokens=_Tokens(self, app),
                addresses=_Address(STAFF if work else TO),
                consents=_Consents(),
                facts={"agentid": AGENT} if work else {},
            ),
            self.client,
            app.app_id,
        )

    def here(self, theirs: Any) -> Any:
        """Lead a client of wechatpy to the stand-in."""
        theirs._http.mount("https://", _ToTheStandIn(self.url))
        return theirs


@pytest.fixture
async def stage(tmp_path: Path) -> AsyncIterator[Stage]:
    sink = Sink.at(tmp_path, "key", "secret")
    recording = Recording(sink.app())
    async with serving(recording) as url, Client() as client:
        found = Stage(sink, recording, url, client)
        sink.apps.wechat.now = lambda: found.now
        for app, address in (
            (sink.apps.wechat.mini, TO),
            (sink.apps.wechat.official, TO),
            (sink.apps.wechat.work, STAFF),
        ):
            app.join(address)
        sink.apps.wechat.mini.consents[TO, TEMPLATE] = 10
        yield found


@dataclass(frozen=True, slots=True)
class Way:
    """One API: ours, theirs, and what ours says more than theirs can, by name."""

    post: Post
    app: Callable[[Stage], Application]
    client: type[BaseWeChatClient]
    letter: AppMessage
    call: Callable[[Any], Any]
    more: Mapping[str, object] = field(default_factory=dict)

    def theirs(self, stage: Stage) -> Callable[[], Any]:
        client = stage.here(self.client(self.app(stage).app_id, "sink"))
        return lambda: self.call(client)

    def ours(self, stage: Stage) -> Callable[[], Awaitable[Outcome]]:
        carrier = stage.of_ours(self.post, self.app(stage))

        async def send() -> Outcome:
            async with carrier.open() as hand_over:
                return await hand_over(self.letter)

        return send


WAYS = {
    "mini-program": Way(
        post=MINI_PROGRAM,
        app=lambda stage: stage.sink.apps.wechat.mini,
        client=WeChatClient,
        letter=LETTER,
        call=lambda client: client.wxa.send_subscribe_message(TO, TEMPLATE, DATA, page=LETTER.page),
        more={"miniprogram_state": "formal", "lang": "zh_CN"},
    ),
    "official account": Way(
        post=OFFICIAL_ACCOUNT,
        app=lambda stage: stage.sink.apps.wechat.official,
        client=WeChatClient,
        letter=LETTER,
        call=lambda client: client.message.send_template(TO, TEMPLATE, DATA),
        more={"client_msg_id": LETTER.message_id.hex},
    ),
    "wecom": Way(
        post=WECOM,
        app=lambda stage: stage.sink.apps.wechat.work,
        client=WorkClient,
        letter=NOTE,
        call=lambda client: client.message.send_text(AGENT, STAFF, TEXT),
        more=CHECKED,
    ),
}


@pytest.fixture(params=WAYS.values(), ids=list(WAYS))
def way(request: pytest.FixtureRequest) -> Way:
    found: Way = request.param
    return found


async def test_both_ask_for_the_same_and_a_person_sees_the_same(stage: Stage, way: Way) -> None:
    await asyncio.to_thread(way.theirs(stage))
    [theirs] = stage.sends()
    outcome = await way.ours(stage)()
    [ours] = stage.sends()
    assert (ours.path, ours.query.keys(), ours.code) == (theirs.path, theirs.query.keys(), theirs.code)
    assert ours.body == {**said(theirs.body), **way.more}
    assert outcome.verdict is Verdict.ACCEPTED
    assert outcome.reference is not None
    seen, seen_before = stage.sink.apps.shelf.newest(2)
    assert (seen.to, seen.title, seen.text) == (seen_before.to, seen_before.title, seen_before.text)


async def test_both_fetch_another_token_where_theirs_is_no_good_and_ask_again(stage: Stage, way: Way) -> None:
    theirs, ours, app = way.theirs(stage), way.ours(stage), way.app(stage)
    for code, spoil in ((40001, put_out), (42001, expire)):
        await asyncio.to_thread(theirs)
        await ours()
        stage.taken()
        spoil(stage, app)
        await asyncio.to_thread(theirs)
        by_them = [(one.path.startswith(SENDS), one.code) for one in stage.taken()]
        spoil(stage, app)
        outcome = await ours()
        by_us = [(one.path.startswith(SENDS), one.code) for one in stage.taken()]
        assert by_us == by_them == [(True, code), (False, 0), (True, 0)]
        assert outcome.verdict is Verdict.ACCEPTED


async def test_both_read_the_same_code_in_a_refusal(stage: Stage, way: Way) -> None:
    await refused(stage, way, 45009, Why.PROVIDER_BUSY, quota=0)
    await refused(stage, way, 40003, Why.ADDRESS_REFUSED, people=set())
    await refused(stage, way, 40125, Why.PROVIDER_REFUSES_US, secret="changed")
    if way.post is MINI_PROGRAM:
        await refused(stage, way, 43101, Why.NO_CONSENT, consents=Counter())
    assert stage.sink.apps.shelf.newest(1) == []


async def refused(stage: Stage, way: Way, code: int, why: Why, **spoilt: Any) -> None:
    """Have both send to an application with something wrong, and read `code` for it."""
    app = way.app(stage)
    [(name, value)] = spoilt.items()
    sound = getattr(app, name)
    setattr(app, name, value)
    with pytest.raises(WeChatClientException) as caught:
        await asyncio.to_thread(way.theirs(stage))
    outcome = await way.ours(stage)()
    assert caught.value.errcode == int(outcome.code.removeprefix("token:")) == code
    assert outcome.why is why
    assert {one.code for one in stage.sends()} <= {code}
    setattr(app, name, sound)


async def test_both_read_the_same_code_where_a_field_cannot_hold_its_value(stage: Stage) -> None:
    data = {"date2": {"value": "tomorrow"}}
    way = replace(
        WAYS["mini-program"],
        letter=replace(LETTER, data=data),
        call=lambda client: client.wxa.send_subscribe_message(TO, TEMPLATE, data),
    )
    with pytest.raises(WeChatClientException) as caught:
        await asyncio.to_thread(way.theirs(stage))
    outcome = await way.ours(stage)()
    assert caught.value.errcode == int(outcome.code) == 47003
    assert (outcome.verdict, outcome.why) == (Verdict.PERMANENT, Why.CONTENT_REFUSED)


# -- tokens and people


async def test_wecom_is_asked_for_a_token_in_one_way(stage: Stage) -> None:
    account = WechatAccount(url=stage.url, app_id="ww_corp", secret="sink")
    client = stage.here(WorkClient("ww_corp", "sink"))
    theirs = await asyncio.to_thread(client.fetch_access_token)
    ours = await wecom_token(stage.client, account, force=False)
    first, second = stage.taken()
    assert first == second
    assert (ours.token, ours.lifetime) == (theirs["access_token"], timedelta(seconds=theirs["expires_in"]))


async def test_an_older_script_beside_us_does_not_put_our_token_out(stage: Stage) -> None:
    """It is why the stable token is asked for; what is said is the same."""
    ours = WAYS["official account"].ours(stage)
    await ours()
    [asked, _] = stage.taken()
    client = stage.here(WeChatClient("wx_official", "sink"))
    for _ in range(2):
        await asyncio.to_thread(client.fetch_access_token)
    assert all(asked.body == {**one.query, "force_refresh": False} for one in stage.taken())
    assert (await ours()).verdict is Verdict.ACCEPTED
    assert [one.path for one in stage.taken()] == ["/cgi-bin/message/template/send"]


async def test_both_learn_from_a_code_who_signed_in(stage: Stage) -> None:
    mini, official = stage.sink.apps.wechat.mini, stage.sink.apps.wechat.official
    client = stage.here(WeChatClient("wx_mini", "sink", access_token="any"))
    oauth = stage.here(WeChatOAuth("wx_official", "sink", "https://yuyue.test"))
    for app, path, ask in (
        (mini, "/sns/jscode2session", client.wxa.code_to_session),
        (official, "/sns/oauth2/access_token", oauth.fetch_access_token),
    ):
        account = WechatAccount(url=stage.url, app_id=app.app_id, secret="sink")
        first, second = app.join(TO), app.join(TO)
        theirs = await asyncio.to_thread(ask, first)
        ours = await openid_of_code(stage.client, account, path, second)
        assert ours == theirs["openid"] == TO
        by_them, by_us = stage.taken()
        code = "js_code" if app is mini else "code"
        assert (by_us.path, by_us.query) == (by_them.path, {**without(by_them.query, "access_token"), code: second})
        with pytest.raises((WeChatClientException, WeChatOAuthException)) as caught:
            await asyncio.to_thread(ask, first)
        assert caught.value.errcode == 40029
        assert await openid_of_code(stage.client, account, path, first) is None
        stage.taken()


def said(body: Mapping[str, Any]) -> dict[str, Any]:
    """Return what a body of theirs says: they name what is left at its default, too."""
    return {name: value for name, value in body.items() if value not in ("", 0)}


def without(query: Mapping[str, str], name: str) -> dict[str, str]:
    return {key: value for key, value in query.items() if key != name}


def put_out(_: Stage, app: Application) -> None:
    app.token = app.older_token = "another"


def expire(stage: Stage, _: Application) -> None:
    stage.now += timedelta(hours=2)
