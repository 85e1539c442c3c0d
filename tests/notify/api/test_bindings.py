"""Binding WeChat and WeCom by a code that the provider itself explains, and the ledger of consents."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import pytest

from services.notify.accounts import Accounts
from services.notify.settings import NotifySettings
from services.sink.main import Sink
from shared.http import ASGITransport, Client, MockTransport, Request, Response, Timeout
from shared.tokens import Principal
from tests.notify.api.conftest import HOUR, Caller
from tests.notify.make import RESIDENT

PATH = "/api/v1/bindings"
TEMPLATES = {"confirmation/full": {"id": "T-full", "fields": {"thing1": "service"}}}


@pytest.fixture
async def sink(api: Caller, tmp_path: Path) -> AsyncIterator[Sink]:
    sink = Sink.at(tmp_path, "id", "secret")
    before = api.parts.accounts
    given: dict[str, Any] = {
        "wechat_url": "http://wechat.test",
        "wechat_mini_app_id": "wx_mini",
        "wechat_mini_secret": "sink",
        "wechat_mini_templates": TEMPLATES,
        "wecom_url": "http://wechat.test",
        "wecom_corp_id": "ww_corp",
        "wecom_secret": "sink",
    }
    api.parts.settings = NotifySettings(**{**api.parts.settings.model_dump(), **given})
    async with Client(transport=ASGITransport(app=sink.app())) as client:
        api.parts.accounts = accounts(api, client)
        yield sink
    api.parts.accounts = before


def accounts(api: Caller, client: Client) -> Accounts:
    parts = api.parts
    return Accounts(settings=parts.settings, engine=parts.engine, box=parts.box, client=client, clock=parts.clock)


async def ask(api: Caller, method: str, path: str, body: object = None, **who: Any) -> Response:
    role, account = who.get("role", "resident"), who.get("account", RESIDENT)
    token = api.signer.issue(Principal(subject=account, role=role), api.clock(), HOUR)
    headers = {"authorization": f"Bearer {token}", "idempotency-key": f'"{who.get("key") or uuid4()}"'}
    return await api.client.request(method, PATH + path, json=body, headers=headers)


async def test_the_provider_says_whose_a_code_is(api: Caller, sink: Sink) -> None:
    code = sink.apps.wechat.mini.join("o1")
    assert (await ask(api, "PUT", "/wechat_mini", {"code": code})).status_code == 200
    assert [one["channel"] for one in (await ask(api, "GET", "")).json()["items"]] == ["wechat_mini"]
    again = await ask(api, "PUT", "/wechat_mini", {"code": code})
    assert (again.status_code, again.json()["code"]) == (422, "binding_code_invalid")
    assert (await ask(api, "DELETE", "/wechat_mini")).status_code == 204
    assert (await ask(api, "GET", "")).json()["items"] == []


async def test_wecom_is_for_those_who_work_here(api: Caller, sink: Sink) -> None:
    code = sink.apps.wechat.work.join("zhang")
    refused = await ask(api, "PUT", "/wecom", {"code": code})
    assert (refused.status_code, refused.json()["code"]) == (403, "not_allowed")
    staff = {"role": "staff", "account": UUID(int=5)}
    assert (await ask(api, "PUT", "/wecom", {"code": code}, **staff)).status_code == 200


async def test_what_is_not_set_up_or_silent_says_so(api: Caller, sink: Sink) -> None:
    answer = await ask(api, "PUT", "/wechat_official", {"code": "x"})
    assert (answer.status_code, answer.json()["code"]) == (404, "binding_not_set_up")
    assert (await ask(api, "PUT", "/email", {"code": "x"})).status_code == 422

    def silent(request: Request) -> Response:
        raise Timeout("no answer", request=request)

    async with Client(transport=MockTransport(silent)) as client:
        api.parts.accounts = accounts(api, client)
        answer = await ask(api, "PUT", "/wechat_mini", {"code": "x"})
    assert (answer.status_code, answer.json()["code"]) == (503, "busy")


def given(result: str = "accept", template: str = "T-full", *, lasting: bool = False) -> dict[str, Any]:
    return {"items": [{"template": template, "result": result, "lasting": lasting}]}


async def test_consents_are_counted_once_for_each_key_and_a_ban_voids_them(api: Caller, sink: Sink) -> None:
    path = "/wechat_mini/consents"
    first = (await ask(api, "GET", path)).json()["items"]
    assert first == [{"template": "T-full", "message": "confirmation/full", "open": 0, "lasting": False}]
    answers = [await ask(api, "POST", path, given(), key=key) for key in ("a", "a", "b")]
    assert [answer.json()["items"][0]["open"] for answer in answers] == [1, 1, 2]
    assert (await ask(api, "POST", path, given("reject"))).json()["items"][0]["open"] == 2
    lasting = (await ask(api, "POST", path, given(lasting=True))).json()["items"][0]
    assert (lasting["open"], lasting["lasting"]) == (2, True)
    assert (await ask(api, "POST", path, given("ban"))).json()["items"] == first
    unknown = await ask(api, "POST", path, given(template="X"))
    assert (unknown.status_code, unknown.json()["code"]) == (422, "wechat_template_unknown")


async def test_there_is_a_bound_to_what_is_hoarded(api: Caller, sink: Sink) -> None:
    answers = [await ask(api, "POST", "/wechat_mini/consents", given()) for _ in range(22)]
    assert answers[-1].json()["items"][0]["open"] == 20
