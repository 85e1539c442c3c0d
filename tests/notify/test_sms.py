"""Text messages: the provider's own worked signature, a stand-in that checks each request by itself, and codes that age."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from itertools import product
from pathlib import Path
from uuid import uuid4

import pytest

from services.notify.channels.carrier import TextMessage
from services.notify.channels.sms_aliyun import AliyunAccount, AliyunSms, Call, outcome_of
from services.notify.domain.message import Channel, Kind, Language, Why
from services.notify.domain.outcome import Verdict
from services.notify.domain.planning import Rules
from services.notify.domain.preference import CHANNELS
from services.notify.domain.rendering import Wording
from services.notify.domain.vocabulary import VARIABLES
from services.sink.main import Sink
from shared.contracts import EventType
from shared.http import ASGITransport, Client, Response
from shared.ids import new_id
from tests.notify.gateway import Answer
from tests.notify.make import NOW, booking, code_requested, event
from tests.notify.town import TEMPLATES, Town

CODE = ("sign_in_code", 1, 0)
FIVE_MINUTES = timedelta(minutes=5)


def test_the_signature_is_the_one_of_the_providers_worked_example() -> None:
    """Aliyun, "V3版本请求体&签名机制", fixed-parameter example: hash of the canonical request, and signature."""
    call = Call(
        host="ecs.cn-shanghai.aliyuncs.com",
        action="RunInstances",
        version="2014-05-26",
        query={
            "ImageId": "win2019_1809_x64_dtc_zh-cn_40G_alibase_20230811.vhd",
            "RegionId": "cn-shanghai",
        },
        at=datetime(2023, 10, 26, 10, 22, 32, tzinfo=UTC),
        nonce="3156853299f313e23d1673dc12e1703d",
    )
    assert (
        sha256(call.canonical().encode()).hexdigest()
        == "7ea06492da5221eba5297e897ce16e55f964061054b7695beedaac1145b1e259"
    )
    assert call.authorization("YourAccessKeyId", "YourAccessKeySecret") == (
        "ACS3-HMAC-SHA256 Credential=YourAccessKeyId,SignedHeaders=host;x-acs-action;x-acs-content-sha256;x-acs-date;"
        "x-acs-signature-nonce;x-acs-version,Signature=06563a9e1b43f5dfe96b81484da74bceab24a1d853912eee15083a6f0f3283c0"
    )


def test_what_a_query_may_hold_is_encoded_as_the_provider_encodes_it() -> None:
    call = Call(host="h", action="A", version="1", query={"b": "a b*~/", "a": "巡检", "C": ""}, at=NOW, nonce="n")
    assert call.query_string() == "C=&a=%E5%B7%A1%E6%A3%80&b=a%20b%2A~%2F"


def texts_of_ours() -> dict[tuple[Kind, Wording], dict[str, str]]:
    """Every text message that there is, with the samples of its variables."""
    return {
        (kind, wording): {variable.name: variable.sample.zh for variable in variables}
        for kind, by_wording in VARIABLES.items()
        for wording, variables in by_wording.items()
        if wording is wording.ordinary and (Channel.SMS in CHANNELS[kind] or kind is Kind.DIGEST)
    }


async def test_the_sink_takes_every_text_message_of_ours_and_no_forged_one(town: Town, tmp_path: Path) -> None:
    """The sink checks signatures, fields and templates by its own code; it and the sender share none."""
    sink = Sink.at(tmp_path, "key", "secret")
    genuine = AliyunAccount(
        url="http://sink.test", access_key_id="key", access_key_secret="secret", sign_name="大连预约"
    )
    samples = texts_of_ours()
    async with Client(transport=ASGITransport(sink.app())) as client:
        for language, ((kind, wording), values) in product(Language, samples.items()):
            words = TEMPLATES.sms(kind, language, wording, values)
            letter = TextMessage(message_id=new_id(), to="+8613900000001", words=words)
            async with AliyunSms(genuine, client).open() as send:
                assert (await send(letter)).verdict is Verdict.ACCEPTED
            assert sink.texts.newest(1)[0].text == f"【大连预约】{words.text}", "the phone shows what we fingerprinted"
        words = TEMPLATES.sms(Kind.SIGN_IN_CODE, Language.EN, Wording.NEUTRAL, {"code": "1"})
        async with AliyunSms(replace(genuine, access_key_secret="wrong"), client).open() as send:
            forged = await send(TextMessage(message_id=new_id(), to="+8613900000001", words=words))
    assert (forged.verdict, forged.code) == (Verdict.TEMPORARY, "SignatureDoesNotMatch")
    assert len(sink.texts.newest(100)) == 2 * len(samples) > 40


async def ask_for_a_code(town: Town, code: str = "482913", language: str = "zh-CN") -> None:
    await town.hear(code_requested(town.keys.sign_in(code, language), town.clock() + FIVE_MINUTES))
    await town.deliver()


@pytest.mark.parametrize(("language", "template"), [("zh-CN", "SMS_000000001"), ("en", "SMS_000000002")])
async def test_a_sign_in_code_arrives_at_once_through_the_approved_template(
    town: Town, language: str, template: str
) -> None:
    await ask_for_a_code(town, language=language)
    (seen,) = town.gateway.seen
    (message,) = await town.rows("SELECT * FROM messages")
    assert seen == {
        "OutId": str(message.id),
        "PhoneNumbers": "13900000001",
        "SignName": "预约平台",
        "TemplateCode": template,
        "TemplateParam": {"code": "482913"},
    }
    assert (message.state, message.channel, message.evidence) == ("sent", "sms", 1)
    (attempt,) = await town.rows("SELECT reference, code FROM attempts")
    assert tuple(attempt) == ("biz-1", "OK")


async def test_of_a_code_nothing_stays_behind_neither_sealed_nor_as_a_fingerprint_one_could_guess_from(
    town: Town,
) -> None:
    await ask_for_a_code(town)
    (message,) = await town.rows("SELECT sealed, fingerprint, template FROM messages")
    assert (message.sealed, message.fingerprint) == (None, None)
    assert message.template == "sign_in_code/zh-CN/neutral"


async def test_a_code_that_is_over_is_never_sent(town: Town) -> None:
    await town.hear(code_requested(town.keys.sign_in(), NOW + FIVE_MINUTES))
    town.clock.advance(FIVE_MINUTES)
    await town.deliver()
    assert town.gateway.seen == []
    assert (await town.states(Channel.SMS))[CODE] == ("expired", "no_longer_useful")
    assert [row.sealed for row in await town.rows("SELECT sealed FROM messages")] == [None]


async def test_a_code_is_tried_again_quickly_and_only_while_it_is_good(town: Town) -> None:
    town.gateway.plan += [Answer.THROTTLED]
    await ask_for_a_code(town)
    assert town.gateway.seen == []
    await town.live_until(NOW + timedelta(seconds=1))
    assert len(town.gateway.seen) == 1, "half of two seconds later"
    town.gateway.plan += [Answer.LIMITED] * 200
    await ask_for_a_code(town)
    await town.live_until(NOW + timedelta(minutes=10), step=timedelta(seconds=5))
    assert len(town.gateway.seen) == 1
    states = await town.rows("SELECT state, why FROM messages ORDER BY id")
    assert [tuple(row) for row in states] == [("sent", "accepted"), ("expired", "provider_busy")]


@pytest.mark.parametrize(
    ("answer", "state"),
    [
        (Answer.BAD_NUMBER, ("dead", "address_refused")),
        (Answer.NO_MONEY, ("planned", "provider_refuses_us")),
        (Answer.SILENT_AFTER_TAKING, ("unknown", "no_answer")),
    ],
)
async def test_what_the_provider_says_becomes_one_of_our_states(
    town: Town, answer: Answer, state: tuple[str, str]
) -> None:
    town.gateway.plan += [answer]
    await ask_for_a_code(town)
    assert (await town.states(Channel.SMS))[CODE] == state


async def test_a_code_that_may_have_arrived_is_not_sent_again(town: Town) -> None:
    town.gateway.plan += [Answer.SILENT_AFTER_TAKING]
    await ask_for_a_code(town)
    await town.live_until(NOW + FIVE_MINUTES, step=timedelta(seconds=5))
    assert len(town.gateway.seen) == 1


async def test_a_code_passes_a_wall_of_reminders(town: Town) -> None:
    town.rules = Rules(sms_kinds=frozenset({Kind.REMINDER, Kind.SIGN_IN_CODE}))
    contact = town.keys.contact(None)
    await town.hear(
        *(event(EventType.BOOKING_CONFIRMED, booking(contact=contact, account_id=uuid4())) for _ in range(30))
    )
    due_at = booking().starts_at - timedelta(days=1)
    town.clock.set(due_at)
    await ask_for_a_code(town)
    assert len(town.gateway.seen) == 31
    assert town.gateway.seen[0]["TemplateCode"] == "SMS_000000001"
    assert town.gateway.seen[1]["TemplateParam"] == {
        "reference": "7K3F-9Q2M-A",
        "service": "羽毛球1号场",
        "venue": "大连市民健身中心",
        "when_brief": "11月28日 16:30",
    }


async def test_where_no_provider_is_set_up_it_is_said_and_nothing_waits(town: Town) -> None:
    await town.hear(code_requested(town.keys.sign_in(), NOW + FIVE_MINUTES))
    await town.delivery(routes={}).drain(Channel.SMS)
    assert (await town.states(Channel.SMS))[CODE] == ("suppressed", "channel_not_set_up")


async def test_what_is_sealed_for_somebody_else_is_suppressed_and_holds_up_nothing(town: Town) -> None:
    await town.hear(code_requested("not.a.sealed.thing.at.all", NOW + FIVE_MINUTES))
    await ask_for_a_code(town)
    assert len(town.gateway.seen) == 1
    states = await town.rows("SELECT state, why FROM messages ORDER BY id")
    assert [tuple(row) for row in states] == [("suppressed", "contact_unreadable"), ("sent", "accepted")]


@pytest.mark.parametrize(
    ("response", "verdict", "why"),
    [
        (Response(200, json={"Code": "OK", "BizId": "1"}), Verdict.ACCEPTED, Why.ACCEPTED),
        (Response(400, json={"Code": "SignatureDoesNotMatch"}), Verdict.TEMPORARY, Why.PROVIDER_REFUSES_US),
        (Response(200, json={"Code": "isv.NEVER_HEARD_OF"}), Verdict.TEMPORARY, Why.PROVIDER_REFUSES_US),
        (Response(500, json={"Code": "InternalError"}), Verdict.UNKNOWN, Why.NO_ANSWER),
        (Response(429, text="slow down", headers={"retry-after": "7"}), Verdict.TEMPORARY, Why.PROVIDER_BUSY),
        (Response(503, text="maintenance"), Verdict.TEMPORARY, Why.PROVIDER_BUSY),
        (Response(403, text="<html>"), Verdict.TEMPORARY, Why.PROVIDER_REFUSES_US),
        (Response(502, text="bad gateway"), Verdict.UNKNOWN, Why.NO_ANSWER),
        (Response(200, text="<html>welcome to the hotel's network"), Verdict.UNKNOWN, Why.NO_ANSWER),
        (Response(200, json={"Code": 1}), Verdict.UNKNOWN, Why.NO_ANSWER),
    ],
)
def test_answers_as_outcomes(response: Response, verdict: Verdict, why: Why) -> None:
    outcome = outcome_of(response)
    assert (outcome.verdict, outcome.why) == (verdict, why)
    if response.status_code == 429:
        assert outcome.retry_after == timedelta(seconds=7)


def test_the_secret_is_in_no_representation() -> None:
    account = AliyunAccount(url="u", access_key_id="i", access_key_secret="very-secret", sign_name="s")
    assert "very-secret" not in repr(account)
