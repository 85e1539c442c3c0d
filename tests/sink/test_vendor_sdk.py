"""Tencent's own SDK and our sender: the same request, the same signature, and the sink takes both."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import pytest
import uvicorn
from tencentcloud.common.credential import Credential
from tencentcloud.common.exception.tencent_cloud_sdk_exception import TencentCloudSDKException
from tencentcloud.common.profile.client_profile import ClientProfile
from tencentcloud.common.profile.http_profile import HttpProfile
from tencentcloud.sms.v20210111.models import SendSmsRequest
from tencentcloud.sms.v20210111.sms_client import SmsClient

from services.notify.channels.carrier import TextMessage
from services.notify.channels.sms_tencent import Call, TencentAccount, TencentSms
from services.notify.domain.message import Kind, Language
from services.notify.domain.outcome import Verdict
from services.notify.domain.rendering import Wording
from services.notify.renderer import load_templates
from services.processes import listen
from services.sink.main import SMS_APP_ID, Sink
from shared.http import Client
from shared.ids import new_id

pytestmark = pytest.mark.filterwarnings("ignore:datetime.datetime.utcfromtimestamp:DeprecationWarning")  # the SDK's

TAKEN = {"SendStatusSet": [{"Code": "Ok", "SerialNo": "1", "PhoneNumber": "+8613900000001"}], "RequestId": "1"}
WORDS = load_templates().sms(Kind.SIGN_IN_CODE, Language.ZH_CN, Wording.NEUTRAL, {"code": "482913"})
LETTER = TextMessage(message_id=new_id(), to="+8613900000001", words=WORDS)


@dataclass
class Recorder:
    """An endpoint that takes everything and remembers it; header names in lower case."""

    url: str
    seen: list[tuple[Mapping[str, str], bytes]] = field(default_factory=list)


def start_recording() -> tuple[Recorder, Callable[[], None]]:
    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            headers = {name.lower(): value for name, value in self.headers.items()}
            recording.seen.append((headers, self.rfile.read(int(headers["content-length"]))))
            answer = json.dumps({"Response": TAKEN}).encode()
            self.send_response(200)
            self.send_header("content-length", str(len(answer)))
            self.end_headers()
            self.wfile.write(answer)

        def log_message(self, *_: Any) -> None:
            pass

    server = HTTPServer(("127.0.0.1", 0), Handler)
    recording = Recorder(f"http://127.0.0.1:{server.server_port}")
    thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()

    def stop() -> None:
        server.shutdown()
        thread.join()
        server.server_close()

    return recording, stop


@pytest.fixture
async def recorder() -> AsyncIterator[Recorder]:
    one, stop = start_recording()
    yield one
    await asyncio.to_thread(stop)


@pytest.fixture
async def sink(tmp_path: Path) -> AsyncIterator[tuple[Sink, str]]:
    one = Sink.at(tmp_path, "key", "secret")
    listener = listen("127.0.0.1", 0)
    server = uvicorn.Server(uvicorn.Config(one.app(), log_config=None, access_log=False, lifespan="off"))
    serving = asyncio.create_task(server.serve(sockets=[listener]))
    yield one, f"http://127.0.0.1:{listener.getsockname()[1]}"
    server.should_exit = True
    await serving


def by_the_sdk(url: str, secret: str = "secret") -> Any:
    profile = HttpProfile(protocol="http", endpoint=url.removeprefix("http://"))
    client = SmsClient(Credential("key", secret), "ap-guangzhou", ClientProfile(httpProfile=profile))
    request = SendSmsRequest()
    request.PhoneNumberSet = [LETTER.to]
    request.SmsSdkAppId = SMS_APP_ID
    request.TemplateId = WORDS.code
    request.SignName = "大连预约"
    request.TemplateParamSet = ["482913"]
    request.SessionContext = str(LETTER.message_id)
    return client.SendSms(request)


async def by_us(url: str) -> Verdict:
    account = TencentAccount(
        url=url,
        secret_id="key",
        secret_key="secret",
        app_id=SMS_APP_ID,
        region="ap-guangzhou",
        sign_name="大连预约",
    )
    async with Client() as client, TencentSms(account, client).open() as send:
        return (await send(LETTER)).verdict


async def test_the_sdk_says_what_we_say_and_signs_as_we_sign(recorder: Recorder) -> None:
    await asyncio.to_thread(by_the_sdk, recorder.url)
    assert await by_us(recorder.url) is Verdict.ACCEPTED
    (theirs, their_body), (ours, our_body) = recorder.seen
    assert json.loads(our_body) == json.loads(their_body)
    for name in ("x-tc-action", "x-tc-version", "x-tc-region", "host"):
        assert ours[name] == theirs[name]
    call = Call(
        service="sms",
        headers={name: theirs[name] for name in ("content-type", "host")},
        content=their_body,
        at=datetime.fromtimestamp(int(theirs["x-tc-timestamp"]), UTC),
    )
    assert call.authorization("key", "secret") == theirs["authorization"]


async def test_the_sink_takes_what_the_sdk_sends_as_it_takes_ours(sink: tuple[Sink, str]) -> None:
    one, url = sink
    answer = await asyncio.to_thread(by_the_sdk, url)
    assert await by_us(url) is Verdict.ACCEPTED
    ours, theirs = one.texts.newest(2)
    assert (ours.text, ours.to, ours.out_id) == (theirs.text, theirs.to, theirs.out_id)
    assert (answer.SendStatusSet[0].Code, answer.SendStatusSet[0].SerialNo) == ("Ok", theirs.biz_id)


async def test_the_sdk_understands_the_sinks_refusal(sink: tuple[Sink, str]) -> None:
    one, url = sink
    with pytest.raises(TencentCloudSDKException) as caught:
        await asyncio.to_thread(by_the_sdk, url, "wrong")
    assert caught.value.get_code() == "AuthFailure.SignatureFailure"
    assert one.texts.newest(1) == []
