"""The plan of what goes wrong: the same for the same seed, each fault as it says, and a ledger that sees duplicates."""

import asyncio
import json
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import pytest
import uvicorn

from services.notify.channels.carrier import Mail, TextMessage
from services.notify.channels.email import MailServer, Smtp
from services.notify.channels.sms_aliyun import AliyunAccount, AliyunSms
from services.notify.channels.sms_tencent import TencentAccount, TencentSms
from services.notify.domain.message import Language
from services.notify.domain.outcome import Outcome, Verdict
from services.notify.renderer import Rendered, RenderedSms
from services.processes import listen
from services.sink.faults import Fault, Faults, Plan, ReceiptFault
from services.sink.ledger import Ledger
from services.sink.mail import smtp_protocol
from services.sink.main import SMS_APP_ID, Sink
from shared.http import Client

WORDS = RenderedSms(
    template="sign_in_code", version=1, code="SMS_000000001", parameters={"code": "482913"}, text="", fingerprint=b""
)
HALF = {Fault.SILENT: 0.25, Fault.BUSY: 0.25}


def drawn(seed: int, keys: int = 2000) -> list[Fault | None]:
    faults = Faults({"aliyun": Plan(seed=seed, shares=HALF)})
    return [faults.next("aliyun", str(key)) for key in range(keys)]


def test_the_same_seed_draws_the_same_faults_and_another_does_not() -> None:
    assert drawn(1) == drawn(1)
    assert drawn(1) != drawn(2)
    counts = Counter(drawn(1))
    assert counts[Fault.SILENT] == pytest.approx(500, abs=80)
    assert counts[Fault.BUSY] == pytest.approx(500, abs=80)
    assert counts[None] == pytest.approx(1000, abs=100)


def test_order_changes_nothing_and_each_repetition_draws_anew() -> None:
    forwards, backwards = (Faults({"aliyun": Plan(shares=HALF)}) for _ in range(2))
    keys = [str(key) for key in range(100)]
    first = {key: forwards.next("aliyun", key) for key in keys}
    assert {key: backwards.next("aliyun", key) for key in reversed(keys)} == first
    assert {key: forwards.next("aliyun", key) for key in keys} != first, "a repetition is a request of its own"


def test_receipts_come_as_planned() -> None:
    for fault, expected in (
        (ReceiptFault.EARLY, (0.0,)),
        (ReceiptFault.LATE, (60.0,)),
        (ReceiptFault.DOUBLE, (1.0, 2.0)),
        (ReceiptFault.MISSING, ()),
    ):
        assert Faults({"aliyun": Plan(receipt_shares={fault: 1.0})}).receipts("aliyun", "1") == expected
    assert Faults().receipts("aliyun", "1") == (1.0,)


@pytest.mark.parametrize(
    "document",
    [{"shares": {"silent": 0.6, "busy": 0.6}}, {"shares": {"nap": 0.1}}, {"delay_seconds": -1}, {"speed": 1}],
)
def test_a_plan_that_cannot_be_followed_is_refused(document: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"."):
        Plan.of(document)


def test_the_ledger_counts_what_somebody_saw_twice_whoever_brought_it() -> None:
    ledger, now = Ledger(), datetime.now(UTC)
    ledger.add(now, ("sms", "aliyun"), "1", "13900000001")
    ledger.add(now, ("sms", "aliyun"), "2", "13900000001")
    ledger.add(now, ("mail", "smtp"), "1", "wang@example.test")
    assert (len(ledger), ledger.duplicates) == (3, 0)
    ledger.add(now, ("sms", "tencent"), "1", "13900000001")
    assert (len(ledger), ledger.duplicates) == (3, 1)


@dataclass(frozen=True)
class Standing:
    """The sink in this process, behind a real server."""

    sink: Sink
    url: str
    smtp_port: int
    client: Client

    def carriers(self) -> tuple[AliyunSms, TencentSms]:
        aliyun = AliyunAccount(url=self.url, access_key_id="key", access_key_secret="secret", sign_name="大连预约")
        tencent = TencentAccount(
            url=self.url,
            secret_id="key",
            secret_key="secret",
            app_id=SMS_APP_ID,
            region="ap-guangzhou",
            sign_name="大连预约",
        )
        return AliyunSms(aliyun, self.client), TencentSms(tencent, self.client)

    async def plan(self, plans: dict[str, Any]) -> int:
        answer = await self.client.put(f"{self.url}/faults", content=json.dumps(plans).encode())
        return answer.status_code

    async def ledger(self) -> dict[str, Any]:
        return dict((await self.client.get(f"{self.url}/ledger.json?entries=1")).json())


@asynccontextmanager
async def standing(folder: Path) -> AsyncIterator[Standing]:
    sink = Sink.at(folder, "key", "secret")
    listener = listen("127.0.0.1", 0)
    server = uvicorn.Server(uvicorn.Config(sink.app(), log_config=None, access_log=False, lifespan="off"))
    serving = asyncio.create_task(server.serve(sockets=[listener]))
    post = await asyncio.get_running_loop().create_server(lambda: smtp_protocol(sink.mail), "127.0.0.1", 0)
    try:
        async with Client(timeout=0.5) as client:
            url = f"http://127.0.0.1:{listener.getsockname()[1]}"
            yield Standing(sink, url, post.sockets[0].getsockname()[1], client)
    finally:
        post.close()
        server.should_exit = server.force_exit = True
        await serving


async def sms(carrier: AliyunSms | TencentSms) -> tuple[UUID, Outcome]:
    key = uuid4()
    async with carrier.open() as send:
        return key, await send(TextMessage(message_id=key, to="+8613900000001", words=WORDS))


EXPECTED = [
    (Fault.DROPPED_BEFORE, Verdict.UNKNOWN, False),
    (Fault.DROPPED_AFTER, Verdict.UNKNOWN, True),
    (Fault.SILENT, Verdict.UNKNOWN, True),
    (Fault.BUSY, Verdict.TEMPORARY, False),
    (Fault.AWAY, Verdict.TEMPORARY, False),
    (Fault.BROKEN, Verdict.UNKNOWN, False),
    (Fault.MALFORMED, Verdict.UNKNOWN, True),
]


async def test_each_fault_of_a_text_message_is_what_it_says_and_what_the_sender_makes_of_it(tmp_path: Path) -> None:
    async with standing(tmp_path) as one:
        for fault, verdict, taken in EXPECTED:
            plan = {"shares": {fault.value: 1.0}, "silent_seconds": 1.0, "retry_after_seconds": 7}
            assert await one.plan({"aliyun": plan, "tencent": plan}) == 204
            for carrier in one.carriers():
                key, outcome = await sms(carrier)
                assert (fault, outcome.verdict) == (fault, verdict)
                assert (str(key) in {seen.key for seen in one.sink.ledger}) is taken
                if fault is Fault.BUSY:
                    assert outcome.retry_after is not None
                    assert outcome.retry_after.total_seconds() == 7
        assert await one.plan({"aliyun": {"shares": {"silent": 2}}}) == 422
        assert (await one.ledger())["channels"] == {"sms": {"messages": 6, "visible_duplicates": 0}}


async def mail(one: Standing, key: UUID) -> Outcome:
    words = Rendered(template="confirmation", version=1, title="t", body="b", fingerprint=b"")
    letter = Mail(
        message_id=key, to="wang@example.test", language=Language.EN, words=words, html="<p>b", at=datetime.now(UTC)
    )
    server = MailServer(host="127.0.0.1", port=one.smtp_port, sender="yuyue@dalian.test", sender_name="y", seconds=0.5)
    async with Smtp(server).open() as send:
        return await send(letter)


async def test_each_fault_of_a_mail_is_what_it_says_and_what_the_sender_makes_of_it(tmp_path: Path) -> None:
    key = uuid4()
    async with standing(tmp_path) as one:
        for fault, verdict, taken in EXPECTED:
            await one.plan({"smtp": {"shares": {fault.value: 1.0}, "silent_seconds": 1.0}})
            outcome = await mail(one, key := uuid4())
            expected = Verdict.TEMPORARY if fault is Fault.BROKEN else verdict
            assert (fault, outcome.verdict) == (fault, expected)
            assert (str(key) in {seen.key for seen in one.sink.ledger}) is taken
        await one.plan({})
        await mail(one, key)  # the last was taken already
        assert (await one.ledger())["channels"]["mail"] == {"messages": 3, "visible_duplicates": 1}


async def test_a_slow_provider_is_slow_and_does_not_fail(tmp_path: Path) -> None:
    async with standing(tmp_path) as one:
        await one.plan({"aliyun": {"delay_seconds": 0.2}})
        loop = asyncio.get_running_loop()
        began = loop.time()
        _, outcome = await sms(one.carriers()[0])
        assert outcome.verdict is Verdict.ACCEPTED
        assert loop.time() - began >= 0.2
