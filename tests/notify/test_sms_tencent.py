"""Text messages by Tencent: the published worked signature, and a stand-in that checks each request by itself."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from itertools import product
from pathlib import Path
from typing import Any

import pytest

from services.notify.channels.carrier import TextMessage
from services.notify.channels.rehearsal import Rehearsing
from services.notify.channels.sms_aliyun import AliyunSms
from services.notify.channels.sms_tencent import Call, TencentAccount, TencentSms, outcome_of
from services.notify.compose import Composer
from services.notify.domain.message import Channel, Kind, Language, Why
from services.notify.domain.outcome import Outcome, Verdict
from services.notify.domain.rendering import Wording
from services.notify.renderer import RenderedSms
from services.notify.settings import NotifySettings
from services.notify.ways import Means, ways_out
from services.sink.main import SMS_APP_ID, Sink
from shared.clock import system_clock
from shared.http import NEVER_SENT, ASGITransport, Client, HttpError, MockTransport, Request, Response, Timeout
from shared.ids import new_id
from tests.notify.test_sms import texts_of_ours
from tests.notify.town import TEMPLATES, Town

ACCOUNT = TencentAccount(
    url="http://sink.test",
    secret_id="key",
    secret_key="secret",
    app_id=SMS_APP_ID,
    region="ap-guangzhou",
    sign_name="大连预约",
)
CODE = TEMPLATES.sms(Kind.SIGN_IN_CODE, Language.ZH_CN, Wording.NEUTRAL, {"code": "482913"})


def letter(words: RenderedSms = CODE, to: str = "+8613900000001") -> TextMessage:
    return TextMessage(message_id=new_id(), to=to, words=words)


async def send(sink: Sink, account: TencentAccount, what: TextMessage) -> Outcome:
    async with Client(transport=ASGITransport(sink.app())) as client, TencentSms(account, client).open() as hand_over:
        return await hand_over(what)


def test_the_signature_is_the_one_of_the_providers_worked_example() -> None:
    """Tencent Cloud, "签名方法 v3", DescribeInstances: hash of the canonical request, and signature."""
    call = Call(
        service="cvm",
        headers={"content-type": "application/json; charset=utf-8", "host": "cvm.tencentcloudapi.com"},
        content=rb'{"Limit": 1, "Filters": [{"Values": ["\u672a\u547d\u540d"], "Name": "instance-name"}]}',
        at=datetime(2019, 2, 25, 16, 44, 25, tzinfo=UTC),
    )
    assert call.timestamp() == "1551113065"
    assert (
        sha256(call.canonical().encode()).hexdigest()
        == "5ffe6a04c0664d6b969fab9a13bdab201d63ee709638e2749d62a09ca18d7031"
    )
    assert call.authorization("AKIDz8krbsJ5yKBZQpn74WFkmLPx3EXAMPLE", "Gu5t9xGARNpq86cd98joQYCN3EXAMPLE") == (
        "TC3-HMAC-SHA256 Credential=AKIDz8krbsJ5yKBZQpn74WFkmLPx3EXAMPLE/2019-02-25/cvm/tc3_request, "
        "SignedHeaders=content-type;host, "
        "Signature=72e494ea809ad7a8c8f7a4507b9bddcbaa8e581f516e8da2f66e2c5a96525168"
    )


def test_the_date_that_is_signed_is_the_one_in_greenwich() -> None:
    """At half past midnight in Dalian it is still yesterday there."""
    at = datetime.fromisoformat("2026-11-24T00:30:00+08:00")
    assert Call(service="sms", headers={}, content=b"", at=at).scope() == "2026-11-23/sms/tc3_request"


async def test_the_sink_takes_every_text_message_of_ours_with_its_variables_in_their_places(tmp_path: Path) -> None:
    sink = Sink.at(tmp_path, "key", "secret")
    count = 0
    for language, ((kind, wording), values) in product(Language, texts_of_ours().items()):
        words = TEMPLATES.sms(kind, language, wording, values)
        ours = letter(words)
        outcome = await send(sink, ACCOUNT, ours)
        shown = sink.texts.newest(1)[0]
        assert outcome.verdict is Verdict.ACCEPTED, (words.template, outcome.code)
        assert shown.text == f"【大连预约】{words.text}", "the phone shows what we fingerprinted"
        assert (shown.out_id, shown.to) == (str(ours.message_id), ["+8613900000001"])
        assert outcome.reference == shown.biz_id
        count += 1
    assert count == len(sink.texts.newest(100)) > 40


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"secret_key": "wrong"}, "AuthFailure.SignatureFailure"),
        ({"secret_id": "nobody"}, "AuthFailure.SecretIdNotFound"),
        ({"app_id": "1400000001"}, "UnauthorizedOperation.SmsSdkAppIdVerifyFail"),
        ({"region": "ap-tokyo"}, "UnsupportedRegion"),
        ({"sign_name": "预 约"}, "FailedOperation.SignatureIncorrectOrUnapproved"),
    ],
)
async def test_a_wrong_account_is_refused_and_may_be_put_right(
    tmp_path: Path, changes: dict[str, Any], code: str
) -> None:
    sink = Sink.at(tmp_path, "key", "secret")
    outcome = await send(sink, replace(ACCOUNT, **changes), letter())
    assert (outcome.verdict, outcome.why, outcome.code) == (Verdict.TEMPORARY, Why.PROVIDER_REFUSES_US, code)
    assert sink.texts.newest(1) == []


async def test_a_number_that_is_none_is_refused_beside_itself_and_for_good(tmp_path: Path) -> None:
    sink = Sink.at(tmp_path, "key", "secret")
    outcome = await send(sink, ACCOUNT, letter(to="+86139"))
    assert (outcome.verdict, outcome.why) == (Verdict.PERMANENT, Why.ADDRESS_REFUSED)
    assert (outcome.code, outcome.reference) == ("InvalidParameterValue.IncorrectPhoneNumber", None)
    assert sink.texts.newest(1) == []


def status(code: str, **more: Any) -> Response:
    one = {"SerialNo": "", "PhoneNumber": "+8613900000001", "Fee": 0, "Code": code, "Message": "13900000001", **more}
    return Response(200, json={"Response": {"SendStatusSet": [one], "RequestId": "1"}})


def error(code: str) -> Response:
    return Response(200, json={"Response": {"Error": {"Code": code, "Message": "m"}, "RequestId": "1"}})


BUSY, US, LOST = Why.PROVIDER_BUSY, Why.PROVIDER_REFUSES_US, Why.NO_ANSWER


@pytest.mark.parametrize(
    ("response", "verdict", "why"),
    [
        (status("Ok", SerialNo="5000:1"), Verdict.ACCEPTED, Why.ACCEPTED),
        (status("LimitExceeded.PhoneNumberThirtySecondLimit"), Verdict.TEMPORARY, BUSY),
        (status("FailedOperation.InsufficientBalanceInSmsPackage"), Verdict.TEMPORARY, US),
        (status("FailedOperation.PhoneNumberInBlacklist"), Verdict.PERMANENT, Why.ADDRESS_REFUSED),
        (status("FailedOperation.ContainSensitiveWord"), Verdict.PERMANENT, Why.CONTENT_REFUSED),
        (status("FailedOperation.NeverHeardOf"), Verdict.TEMPORARY, US),
        (status("InternalError.Timeout"), Verdict.UNKNOWN, LOST),
        (error("InternalError"), Verdict.UNKNOWN, LOST),
        (error("InternalError.SigVerificationFail"), Verdict.TEMPORARY, US),
        (error("RequestLimitExceeded"), Verdict.TEMPORARY, BUSY),
        (error("AuthFailure.SignatureExpire"), Verdict.TEMPORARY, US),
        (Response(200, json={"Response": {"SendStatusSet": [], "RequestId": "1"}}), Verdict.UNKNOWN, LOST),
        (Response(200, json={"RequestId": "1"}), Verdict.UNKNOWN, LOST),
        (Response(429, text="slow down", headers={"retry-after": "7"}), Verdict.TEMPORARY, BUSY),
        (Response(403, text="<html>"), Verdict.TEMPORARY, US),
        (Response(502, text="bad gateway"), Verdict.UNKNOWN, LOST),
    ],
)
def test_answers_as_outcomes(response: Response, verdict: Verdict, why: Why) -> None:
    outcome = outcome_of(response)
    assert (outcome.verdict, outcome.why) == (verdict, why)
    assert "139" not in outcome.code
    if response.status_code == 429:
        assert outcome.retry_after == timedelta(seconds=7)


@pytest.mark.parametrize(
    ("fault", "verdict"), [(NEVER_SENT[0]("no way there"), Verdict.TEMPORARY), (Timeout("silence"), Verdict.UNKNOWN)]
)
async def test_a_call_without_an_answer_is_unknown_unless_it_surely_never_left(
    fault: HttpError, verdict: Verdict
) -> None:
    def fail(_: Request) -> Response:
        raise fault

    async with Client(transport=MockTransport(fail)) as client, TencentSms(ACCOUNT, client).open() as hand_over:
        assert (await hand_over(letter())).verdict is verdict


@pytest.mark.parametrize(("chosen", "carrier"), [({}, AliyunSms), ({"sms_provider": "tencent"}, TencentSms)])
async def test_the_setting_chooses_the_provider(town: Town, chosen: dict[str, Any], carrier: type) -> None:
    given: dict[str, Any] = {
        "database_url": "postgresql://u@h/notify",
        "sms_url": "http://sink.test",
        "sms_access_key_id": "key",
        "sms_access_key_secret": "secret",
        "sms_sign_name": "大连预约",
        "sms_app_id": SMS_APP_ID,
        **chosen,
    }
    composer = Composer(TEMPLATES, town.keys.opener)
    found = ways_out(
        Means(
            settings=NotifySettings(**given),
            composer=composer,
            engine=town.engine,
            client=town.client,
            clock=system_clock,
        )
    )
    found_carrier = found[Channel.SMS].carrier
    assert isinstance(found_carrier, Rehearsing)
    assert isinstance(found_carrier.real, carrier)
    if chosen:
        with pytest.raises(ValueError, match="NOTIFY_SMS_APP_ID"):
            NotifySettings(**{**given, "sms_app_id": ""})


def test_the_secret_is_in_no_representation() -> None:
    assert "very-secret" not in repr(replace(ACCOUNT, secret_key="very-secret"))
