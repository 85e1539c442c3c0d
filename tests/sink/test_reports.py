"""The sink reports as the providers do: receipts of text messages by the fault plan, and that a push was shown."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from services.notify.channels.sms_aliyun import AliyunAccount, AliyunSms
from services.notify.channels.sms_tencent import TencentAccount, TencentSms
from services.sink.faults import Plan, ReceiptFault
from services.sink.main import SMS_APP_ID, Sink
from shared.http import ASGITransport, Client
from tests.notify.serving import serving
from tests.sink.test_vendor_sdk import LETTER
from tests.sink.test_vendor_sdk_aliyun import LETTER as ALIYUN_LETTER


@dataclass(slots=True)
class Desk:
    """Where reports arrive."""

    sink: Sink
    heard: list[tuple[str, Any]] = field(default_factory=list)

    async def take(self, request: Request) -> Response:
        self.heard.append((request.url.path, await request.json()))
        return Response(status_code=200)

    async def until(self, count: int) -> None:
        async with asyncio.timeout(10):
            while len(self.heard) < count:  # noqa: ASYNC110 - a stand-in has no events
                await asyncio.sleep(0.02)


@pytest.fixture
async def desk(tmp_path: Path) -> AsyncIterator[Desk]:
    found = Desk(Sink.at(tmp_path, "key", "secret"))
    async with serving(Starlette(routes=[Route("/{rest:path}", found.take, methods=["POST"])])) as url:
        found.sink.reports.base, found.sink.reports.secret = f"{url}/receipts", "s"
        yield found


async def send_both(sink: Sink) -> None:
    account: dict[str, Any] = {"url": "http://sink.test", "sign_name": "大连预约"}
    tencent: dict[str, Any] = {
        "secret_id": "key",
        "secret_key": "secret",
        "app_id": SMS_APP_ID,
        "region": "ap-guangzhou",
    }
    async with Client(transport=ASGITransport(app=sink.app())) as client:
        async with AliyunSms(
            AliyunAccount(**account, access_key_id="key", access_key_secret="secret"), client
        ).open() as send:
            await send(ALIYUN_LETTER)
        async with TencentSms(TencentAccount(**account, **tencent), client).open() as send_tencent:
            await send_tencent(LETTER)


async def test_each_provider_reports_in_its_own_form(desk: Desk) -> None:
    desk.sink.faults.plans = {name: Plan(receipt_shares={ReceiptFault.EARLY: 1.0}) for name in ("aliyun", "tencent")}
    await send_both(desk.sink)
    [(first, aliyun), (second, tencent)] = desk.heard
    assert (first, second) == ("/receipts/aliyun/s/reports", "/receipts/tencent/s/reports")
    newest, before = desk.sink.texts.newest(2)
    assert (aliyun[0]["out_id"], aliyun[0]["success"]) == (before.out_id, True)
    assert (tencent[0]["sid"], tencent[0]["report_status"]) == (newest.biz_id, "SUCCESS")


async def test_the_plan_says_how_often(desk: Desk) -> None:
    twice = Plan(receipt_shares={ReceiptFault.DOUBLE: 1.0}, receipt_seconds=0.02)
    desk.sink.faults.plans = {"aliyun": twice, "tencent": Plan(receipt_shares={ReceiptFault.MISSING: 1.0})}
    await send_both(desk.sink)
    await desk.until(2)
    assert [path for path, _ in desk.heard] == ["/receipts/aliyun/s/reports"] * 2


async def test_a_push_that_is_shown_is_reported_where_it_says_and_nowhere_else(desk: Desk) -> None:
    base = desk.sink.reports.base
    desk.sink.reports.of_push({"report": f"{base}/push/token"})
    desk.sink.reports.of_push({"report": "http://elsewhere.test/push/token"})
    desk.sink.reports.of_push({})
    await desk.until(1)
    assert desk.heard == [("/receipts/push/token", {"evidence": "shown"})]


async def test_without_an_address_nobody_is_told(desk: Desk) -> None:
    desk.sink.reports.base = ""
    await send_both(desk.sink)
    assert desk.heard == []
