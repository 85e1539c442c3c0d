"""Aliyun's own SDK and our sender: the same fields, the same signature, and the sink takes both."""

import asyncio
import json
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import pytest
from alibabacloud_dysmsapi20170525.client import Client as Sdk
from alibabacloud_dysmsapi20170525.models import SendSmsRequest
from alibabacloud_tea_openapi.models import Config
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

from services.notify.channels.carrier import TextMessage
from services.notify.channels.sms_aliyun import AliyunAccount, AliyunSms, Call
from services.notify.domain.message import Kind, Language
from services.notify.domain.outcome import Verdict
from services.notify.domain.rendering import Wording
from services.notify.renderer import load_templates
from services.sink.main import Sink
from shared.http import Client
from shared.ids import new_id
from tests.notify.serving import serving

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")  # the SDK's

WORDS = load_templates().sms(Kind.SIGN_IN_CODE, Language.ZH_CN, Wording.NEUTRAL, {"code": "482913"})
LETTER = TextMessage(message_id=new_id(), to="+8613900000001", words=WORDS)
PARAMETERS = json.dumps({"code": "482913"}, separators=(",", ":"))


def by_the_sdk(url: str, secret: str = "secret") -> Any:
    config = Config(access_key_id="key", access_key_secret=secret, endpoint=urlsplit(url).netloc, protocol="http")
    request = SendSmsRequest(
        phone_numbers="13900000001",
        sign_name="大连预约",
        template_code=WORDS.code,
        template_param=PARAMETERS,
        out_id=str(LETTER.message_id),
    )
    return Sdk(config).send_sms(request).body


async def by_us(url: str) -> Verdict:
    account = AliyunAccount(url=url, access_key_id="key", access_key_secret="secret", sign_name="大连预约")
    async with Client() as client, AliyunSms(account, client).open() as send:
        return (await send(LETTER)).verdict


async def test_the_sdk_says_what_we_say_and_signs_as_we_sign() -> None:
    seen: list[tuple[dict[str, str], str]] = []

    async def take(request: Request) -> JSONResponse:
        seen.append(({name.lower(): value for name, value in request.headers.items()}, request.url.query))
        return JSONResponse({"Code": "OK", "Message": "OK", "BizId": "1", "RequestId": "1"})

    async with serving(Starlette(routes=[Route("/", take, methods=["POST"])])) as url:
        await asyncio.to_thread(by_the_sdk, url)
        assert await by_us(url) is Verdict.ACCEPTED
    (theirs, their_query), (ours, our_query) = seen
    assert fields(our_query) == fields(their_query)
    for name in ("x-acs-action", "x-acs-version", "host"):
        assert ours[name] == theirs[name]
    signed = theirs["authorization"].partition("SignedHeaders=")[2].partition(",")[0].split(";")

    class Theirs(Call):
        """The SDK's request, signed by our code: it signs a few headers more than must be."""

        def headers(self) -> dict[str, str]:
            return {name: theirs[name] for name in signed}

    assert set(Call.headers(call_of(theirs, their_query, Call))) <= set(signed)
    call = call_of(theirs, their_query, Theirs)
    assert call.authorization("key", "secret").replace(" ", "") == theirs["authorization"].replace(" ", "")


def call_of(theirs: Mapping[str, str], query: str, kind: type[Call]) -> Call:
    return kind(
        host=theirs["host"],
        action=theirs["x-acs-action"],
        version=theirs["x-acs-version"],
        query=fields(query),
        at=datetime.strptime(theirs["x-acs-date"], "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=UTC),
        nonce=theirs["x-acs-signature-nonce"],
    )


def fields(query: str) -> Mapping[str, str]:
    return dict(parse_qsl(query, keep_blank_values=True))


@pytest.fixture
def sink(tmp_path: Any) -> Sink:
    return Sink.at(tmp_path, "key", "secret")


async def test_the_sink_takes_what_the_sdk_sends_as_it_takes_ours(sink: Sink) -> None:
    async with serving(sink.app()) as url:
        answer = await asyncio.to_thread(by_the_sdk, url)
        assert await by_us(url) is Verdict.ACCEPTED
    ours, theirs = sink.texts.newest(2)
    assert (ours.text, ours.to, ours.out_id) == (theirs.text, theirs.to, theirs.out_id)
    assert (answer.code, answer.biz_id) == ("OK", theirs.biz_id)


async def test_the_sdk_understands_the_sinks_refusal(sink: Sink) -> None:
    async with serving(sink.app()) as url:
        with pytest.raises(Exception, match="SignatureDoesNotMatch"):
            await asyncio.to_thread(by_the_sdk, url, "wrong")
    assert sink.texts.newest(1) == []
