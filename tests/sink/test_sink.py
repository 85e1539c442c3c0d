"""The sink as a process: real SMTP and real HTTP in, files and a page out."""

import asyncio
import json
import os
import sys
from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from email.message import EmailMessage
from pathlib import Path
from uuid import uuid4

import aiosmtplib
import pytest

from services.notify.channels.carrier import TextMessage
from services.notify.channels.sms_aliyun import AliyunAccount, AliyunSms
from services.notify.domain.outcome import Verdict
from services.notify.renderer import RenderedSms
from shared.embedded.children import Children, Program
from shared.embedded.nats_server import free_port
from shared.http import Client, HttpError

TO = "wang@example.test"


@dataclass(frozen=True)
class Running:
    data: Path
    url: str
    smtp_port: int
    log: Path


@pytest.fixture(scope="module")
async def sink(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Running]:
    data = tmp_path_factory.mktemp("sink")
    port, smtp_port = free_port(), free_port()
    command = [sys.executable, "-m", "services.processes", "sink", "--data", str(data)]
    program = Program(
        name="sink",
        command=(*command, "--port", str(port), "--smtp-port", str(smtp_port)),
        environment={**os.environ, "SINK_ACCESS_KEY_ID": "key", "SINK_ACCESS_KEY_SECRET": "secret"},
    )
    async with Children(data) as children, Client() as client:
        await children.start(program)
        for _ in range(300):
            try:
                await client.get(f"http://127.0.0.1:{port}/readyz")
                break
            except HttpError:
                await asyncio.sleep(0.05)
        yield Running(data, f"http://127.0.0.1:{port}", smtp_port, data / "log" / "sink.log")


async def get(sink: Running, path: str) -> str:
    async with Client() as client:
        answer = await client.get(sink.url + path)
    assert answer.status_code == 200
    return answer.text


async def mail(sink: Running, subject: str, text: str, *to: str) -> None:
    message = EmailMessage()
    message["From"], message["To"], message["Subject"] = "yuyue@dalian.test", ", ".join(to), subject
    message.set_content(text)
    message.add_alternative(f"<p>{text}</p>", subtype="html")
    await aiosmtplib.send(
        message, sender="yuyue@dalian.test", recipients=list(to), hostname="127.0.0.1", port=sink.smtp_port
    )


def sender(sink: Running, client: Client) -> AliyunSms:
    account = AliyunAccount(url=sink.url, access_key_id="key", access_key_secret="secret", sign_name="大连预约")
    return AliyunSms(account, client)


def letter(code: str, to: str) -> TextMessage:
    words = RenderedSms(
        template="sign_in_code",
        version=1,
        code="SMS_000000001",
        parameters={"code": code},
        text="",
        fingerprint=b"",
    )
    return TextMessage(message_id=uuid4(), to=to, words=words)


async def test_mail_is_kept_and_shown(sink: Running) -> None:
    await mail(sink, "预约成功：旅顺博物馆", "您的预约已确认。", TO, "li@example.test")
    (file,) = (sink.data / "mail").glob("*.eml")
    assert b"X-Envelope-To: wang@example.test, li@example.test" in file.read_bytes()
    found = json.loads(await get(sink, f"/messages.json?to={TO.upper()}"))["messages"]
    assert [(one["channel"], one["title"], one["text"]) for one in found] == [
        ("mail", "预约成功：旅顺博物馆", "您的预约已确认。")
    ]
    assert json.loads(await get(sink, "/messages.json?to=nobody@example.test"))["messages"] == []
    assert "mail to wang@example.test, li@example.test" in sink.log.read_text()


async def test_what_the_notify_service_signs_is_taken(sink: Running) -> None:
    async with Client() as client, sender(sink, client).open() as send:
        outcome = await send(letter("482913", "+8613900000001"))
    assert outcome.verdict is Verdict.ACCEPTED
    for spelling in ("13900000001", "%2B8613900000001"):
        (found,) = json.loads(await get(sink, f"/messages.json?to={spelling}"))["messages"]
        assert found["text"] == "【大连预约】您的登录验证码是482913，请勿告诉他人。如非本人操作，请忽略。"
    assert (sink.data / "sms.jsonl").stat().st_mode & 0o077 == 0


async def test_what_another_key_signs_is_refused(sink: Running) -> None:
    async with Client() as client:
        wrong = sender(sink, client)
        wrong = replace(wrong, account=replace(wrong.account, access_key_secret="guessed"))
        async with wrong.open() as send:
            outcome = await send(letter("000000", "+8613900000009"))
    assert outcome.verdict is Verdict.TEMPORARY
    assert json.loads(await get(sink, "/messages.json?to=13900000009"))["messages"] == []
    async with Client() as client:
        answer = await client.post(sink.url + "/")
    assert (answer.status_code, answer.json()["Code"]) == (400, "IncompleteSignature")


async def test_the_page_shows_newest_first_and_obeys_nothing(sink: Running) -> None:
    await mail(sink, "<script>alert(1)</script>", "first </pre><script>alert(2)</script>", TO)
    await mail(sink, "later", "second", TO)
    page = await get(sink, "/")
    assert "<script" not in page
    assert "&lt;script&gt;alert(1)" in page
    assert page.index("later") < page.index("alert(1)")
    assert 'http-equiv="refresh"' in page
