"""The stand-in for Tencent's SendSms refuses what the real one refuses."""

import json
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from services.sink.sms import Request
from services.sink.sms_tencent import RefusedRequest, TencentProvider, signature_of

NOW = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)
TEXTS = {"1110": "您的登录验证码是{{ code }}。", "1111": "{{ when }}，{{ venue }}，{{ when }}。"}
FIELDS: Mapping[str, Any] = {
    "PhoneNumberSet": ["+8613900000001"],
    "SmsSdkAppId": "1400000000",
    "TemplateId": "1110",
    "SignName": "大连预约",
    "TemplateParamSet": ["482913"],
    "SessionContext": "message 1",
}


def provider() -> TencentProvider:
    return TencentProvider(secret_id="key", secret_key="secret", app_id="1400000000", templates=TEXTS)


def request(fields: object = FIELDS, **changes: str) -> Request:
    """A sound request; `changes` are headers, `_` for `-`, made before it is signed."""
    headers = {
        "content-type": "application/json; charset=utf-8",
        "host": "127.0.0.1:8002",
        "x-tc-action": "SendSms",
        "x-tc-region": "ap-guangzhou",
        "x-tc-timestamp": str(int(NOW.timestamp())),
        "x-tc-version": "2021-01-11",
        **{name.replace("_", "-"): value for name, value in changes.items()},
    }
    body = fields if isinstance(fields, bytes) else json.dumps(fields).encode()
    return signed(Request(method="POST", path="/", query="", headers=headers, body=body))


def signed(unsigned: Request, scope: str = "2026-11-23/sms", key: str = "key", secret: str = "secret") -> Request:
    names = ["content-type", "host", "x-tc-action"]
    signature = signature_of(unsigned, names, secret, "sms")
    credential = f"Credential={key}/{scope}/tc3_request"
    value = f"TC3-HMAC-SHA256 {credential}, SignedHeaders={';'.join(names)}, Signature={signature}"
    return replace(unsigned, headers={**unsigned.headers, "authorization": value})


def tampered(**headers: str) -> Request:
    changed = {name.replace("_", "-"): value for name, value in headers.items()}
    return replace(request(), headers={**request().headers, **changed})


def test_a_sound_request_is_taken() -> None:
    taken = provider().take(request(), NOW)
    assert taken.sms is not None
    assert taken.sms.text == "【大连预约】您的登录验证码是482913。"
    (status,) = taken.statuses
    assert (status["Code"], status["Fee"], status["SessionContext"]) == ("Ok", 1, "message 1")
    assert status["SerialNo"] == taken.sms.biz_id


def test_the_signature_of_the_documentation() -> None:
    """Worked values of "签名方法 v3": DescribeInstances with these parameters, key and timestamp."""
    example = Request(
        method="POST",
        path="/",
        query="",
        headers={
            "content-type": "application/json; charset=utf-8",
            "host": "cvm.tencentcloudapi.com",
            "x-tc-timestamp": "1551113065",
        },
        body=rb'{"Limit": 1, "Filters": [{"Values": ["\u672a\u547d\u540d"], "Name": "instance-name"}]}',
    )
    signature = signature_of(example, ["content-type", "host"], "Gu5t9xGARNpq86cd98joQYCN3EXAMPLE", "cvm")
    assert signature == "72e494ea809ad7a8c8f7a4507b9bddcbaa8e581f516e8da2f66e2c5a96525168"


def test_variables_take_the_places_of_their_first_appearance() -> None:
    fields = {**FIELDS, "TemplateId": "1111", "TemplateParamSet": ["明天", "体育馆"]}
    taken = provider().take(request(fields), NOW)
    assert taken.sms is not None
    assert taken.sms.text == "【大连预约】明天，体育馆，明天。"


def test_each_number_has_a_status_of_its_own() -> None:
    numbers = ["+8613900000001", "12345", "13900000002"]
    taken = provider().take(request({**FIELDS, "PhoneNumberSet": numbers}), NOW)
    assert [status["Code"] for status in taken.statuses] == ["Ok", "InvalidParameterValue.IncorrectPhoneNumber", "Ok"]
    assert taken.sms is not None
    assert taken.sms.to == ["+8613900000001", "13900000002"]


@pytest.mark.parametrize(
    ("refused", "code"),
    [
        (tampered(authorization="Bearer x"), "AuthFailure.InvalidAuthorization"),
        (tampered(x_tc_timestamp="soon"), "AuthFailure.InvalidAuthorization"),
        (signed(request(), key="other"), "AuthFailure.SecretIdNotFound"),
        (signed(request(), secret="guessed"), "AuthFailure.SignatureFailure"),
        (signed(request(), scope="2026-11-22/sms"), "AuthFailure.SignatureFailure"),
        (signed(request(), scope="2026-11-23/cvm"), "AuthFailure.SignatureFailure"),
        (tampered(host="elsewhere.test"), "AuthFailure.SignatureFailure"),
        (tampered(x_tc_action="SendOther"), "AuthFailure.SignatureFailure"),
        (tampered(x_tc_timestamp=str(int(NOW.timestamp()) + 1)), "AuthFailure.SignatureFailure"),
        (replace(request(), body=request().body.replace(b"482913", b"000000")), "AuthFailure.SignatureFailure"),
        (replace(request(), query="a=b"), "AuthFailure.SignatureFailure"),
        (request(x_tc_action="SendAll"), "InvalidAction"),
        (request(x_tc_version="2019-07-11"), "NoSuchVersion"),
        (request(x_tc_region="ap-tokyo"), "UnsupportedRegion"),
        (request(b"{"), "FailedOperation.JsonParseFail"),
        (request([1]), "InvalidParameter"),
        (request({**FIELDS, "TemplateParamSet": [482913]}), "InvalidParameter"),
        (request({**FIELDS, "PhoneNumberSet": "13900000001"}), "InvalidParameter"),
        (request({"PhoneNumberSet": ["13900000001"]}), "MissingParameter"),
        (request({**FIELDS, "PhoneNumberSet": []}), "MissingParameter.EmptyPhoneNumberSet"),
        (request({**FIELDS, "PhoneNumberSet": ["13900000001"] * 201}), "LimitExceeded.PhoneNumberCountLimit"),
        (request({**FIELDS, "SmsSdkAppId": "1"}), "UnauthorizedOperation.SmsSdkAppIdVerifyFail"),
    ],
)
def test_what_is_refused_at_the_gate(refused: Request, code: str) -> None:
    with pytest.raises(RefusedRequest) as caught:
        provider().take(refused, NOW)
    assert caught.value.code == code


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"SignName": ""}, "FailedOperation.SignatureIncorrectOrUnapproved"),
        ({"TemplateId": "9"}, "FailedOperation.TemplateIncorrectOrUnapproved"),
        ({"TemplateParamSet": []}, "FailedOperation.TemplateParamSetNotMatchApprovedTemplate"),
        ({"TemplateParamSet": ["1", "2"]}, "FailedOperation.TemplateParamSetNotMatchApprovedTemplate"),
        ({"TemplateParamSet": ["4829137"]}, "InvalidParameterValue.TemplateParameterFormatError"),
        ({"TemplateParamSet": ["48a"]}, "InvalidParameterValue.TemplateParameterFormatError"),
    ],
)
def test_what_is_refused_for_every_number(changes: Mapping[str, Any], code: str) -> None:
    taken = provider().take(request({**FIELDS, **changes}), NOW)
    assert [status["Code"] for status in taken.statuses] == [code]
    assert taken.sms is None


@pytest.mark.parametrize(("seconds", "sound"), [(300, True), (-300, True), (301, False), (-301, False)])
def test_a_timestamp_may_be_five_minutes_off(seconds: int, sound: bool) -> None:
    now = NOW + timedelta(seconds=seconds)
    if sound:
        assert provider().take(request(), now).sms is not None
    else:
        with pytest.raises(RefusedRequest, match="five minutes"):
            provider().take(request(), now)
