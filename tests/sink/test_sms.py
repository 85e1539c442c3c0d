"""The SMS stand-in takes what the notify service sends, and refuses what the real provider refuses."""

import hashlib
import hmac
import json
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from urllib.parse import quote

import pytest

from services.sink.main import TEMPLATES, approved_templates
from services.sink.sms import NONCES, RefusedSms, Request, SmsProvider, _signature

NOW = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)
TEXTS = {"SMS_1": "您的登录验证码是{{ code }}，请勿告诉他人。"}
FIELDS = {
    "PhoneNumbers": "13900000001",
    "SignName": "大连预约",
    "TemplateCode": "SMS_1",
    "TemplateParam": '{"code":"482913"}',
    "OutId": "message 1",
}
EMPTY = hashlib.sha256(b"").hexdigest()


def provider() -> SmsProvider:
    return SmsProvider("key", "secret", TEXTS)


def request(fields: Mapping[str, str] = FIELDS, **changes: str) -> Request:
    """A request as a client makes it: every header that stands is signed; `changes` are headers, `_` for `-`."""
    query = "&".join(f"{quote(name, safe='~')}={quote(value, safe='~')}" for name, value in sorted(fields.items()))
    headers = {
        "host": "127.0.0.1:8002",
        "x-acs-action": "SendSms",
        "x-acs-content-sha256": EMPTY,
        "x-acs-date": "2026-11-23T12:00:00Z",
        "x-acs-signature-nonce": "nonce 1",
        "x-acs-version": "2017-05-25",
        **{name.replace("_", "-"): value for name, value in changes.items()},
    }
    return signed(Request(method="POST", path="/", query=query, headers=headers, body=b""))


def signed(unsigned: Request, key: str = "key", secret: str = "secret") -> Request:
    names = sorted(unsigned.headers)
    lines = "".join(f"{name}:{unsigned.headers[name]}\n" for name in names)
    canonical = f"POST\n/\n{unsigned.query}\n{lines}\n{';'.join(names)}\n{EMPTY}"
    to_sign = "ACS3-HMAC-SHA256\n" + hashlib.sha256(canonical.encode()).hexdigest()
    signature = hmac.new(secret.encode(), to_sign.encode(), hashlib.sha256).hexdigest()
    value = f"ACS3-HMAC-SHA256 Credential={key},SignedHeaders={';'.join(names)},Signature={signature}"
    return replace(unsigned, headers={**unsigned.headers, "authorization": value})


def code_of(refused: Request, now: datetime = NOW) -> str:
    with pytest.raises(RefusedSms) as caught:
        provider().take(refused, now)
    return caught.value.code


def test_a_sound_request_is_taken() -> None:
    taken = provider().take(request(), NOW)
    assert taken.text == "【大连预约】您的登录验证码是482913，请勿告诉他人。"
    assert taken.to == ["13900000001"]
    assert (taken.out_id, taken.template, taken.at) == ("message 1", "SMS_1", NOW)


def test_the_signature_of_the_documentation() -> None:
    """Worked values of "V3版本请求体&签名机制": RunInstances with these parameters, key and date."""
    headers = {
        "host": "ecs.cn-shanghai.aliyuncs.com",
        "x-acs-action": "RunInstances",
        "x-acs-content-sha256": EMPTY,
        "x-acs-date": "2023-10-26T10:22:32Z",
        "x-acs-signature-nonce": "3156853299f313e23d1673dc12e1703d",
        "x-acs-version": "2014-05-26",
    }
    query = "ImageId=win2019_1809_x64_dtc_zh-cn_40G_alibase_20230811.vhd&RegionId=cn-shanghai"
    example = Request(method="POST", path="/", query=query, headers=headers, body=b"")
    signature = _signature(example, sorted(headers), "YourAccessKeySecret")
    assert signature == "06563a9e1b43f5dfe96b81484da74bceab24a1d853912eee15083a6f0f3283c0"


def test_a_nonce_serves_once() -> None:
    one = provider()
    one.take(request(), NOW)
    with pytest.raises(RefusedSms, match="nonce"):
        one.take(request(), NOW)
    one.take(request(x_acs_signature_nonce="nonce 2"), NOW)


def test_a_wrong_signature_uses_no_nonce_up() -> None:
    one = provider()
    with pytest.raises(RefusedSms):
        one.take(signed(unsigned(), secret="guessed"), NOW)
    assert one.take(request(), NOW).out_id == "message 1"


def test_nonces_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("services.sink.sms.NONCES", 3)
    assert NONCES > 1000
    one = provider()
    for number in range(5):
        one.take(request(x_acs_signature_nonce=f"nonce {number}"), NOW)
    one.take(request(x_acs_signature_nonce="nonce 0"), NOW)
    with pytest.raises(RefusedSms):
        one.take(request(x_acs_signature_nonce="nonce 4"), NOW)


def unsigned() -> Request:
    sound = request()
    return replace(sound, headers={name: value for name, value in sound.headers.items() if name != "authorization"})


def tampered(**headers: str) -> Request:
    sound = request()
    changed = {name.replace("_", "-"): value for name, value in headers.items()}
    return replace(sound, headers={**sound.headers, **changed})


@pytest.mark.parametrize(
    ("refused", "code"),
    [
        (unsigned(), "IncompleteSignature"),
        (tampered(authorization="Bearer x"), "IncompleteSignature"),
        (tampered(x_acs_security_token="late"), "IncompleteSignature"),
        (signed(unsigned(), key="other"), "InvalidAccessKeyId.NotFound"),
        (signed(unsigned(), secret="guessed"), "SignatureDoesNotMatch"),
        (tampered(x_acs_date="2026-11-23T12:00:01Z"), "SignatureDoesNotMatch"),
        (tampered(host="elsewhere.test"), "SignatureDoesNotMatch"),
        (replace(request(), query=request().query.replace("482913", "000000")), "SignatureDoesNotMatch"),
        (replace(request(), body=b"more"), "SignatureDoesNotMatch"),
        (replace(request(), method="GET"), "SignatureDoesNotMatch"),
        (request(x_acs_date="23.11.2026"), "InvalidTimeStamp.Format"),
        (request(x_acs_action="SendBatchSms"), "InvalidAction.NotFound"),
        (request(x_acs_version="2016-01-01"), "InvalidVersion"),
        (request({**FIELDS, "PhoneNumbers": ""}), "MissingPhoneNumbers"),
        (request({**FIELDS, "SignName": ""}), "MissingSignName"),
        (request({name: value for name, value in FIELDS.items() if name != "TemplateCode"}), "MissingTemplateCode"),
        (request({**FIELDS, "PhoneNumbers": "1390000000"}), "isv.MOBILE_NUMBER_ILLEGAL"),
        (request({**FIELDS, "PhoneNumbers": "13900000001,12345"}), "isv.MOBILE_NUMBER_ILLEGAL"),
        (request({**FIELDS, "PhoneNumbers": ",".join(["13900000001"] * 1001)}), "isv.MOBILE_COUNT_OVER_LIMIT"),
        (request({**FIELDS, "TemplateCode": "SMS_2"}), "isv.SMS_TEMPLATE_ILLEGAL"),
        (request({**FIELDS, "TemplateParam": "{code"}), "isv.INVALID_JSON_PARAM"),
        (request({**FIELDS, "TemplateParam": '["482913"]'}), "isv.INVALID_JSON_PARAM"),
        (request({**FIELDS, "TemplateParam": '{"code":["4"]}'}), "isv.INVALID_JSON_PARAM"),
        (request({**FIELDS, "TemplateParam": "{}"}), "isv.TEMPLATE_MISSING_PARAMETERS"),
    ],
)
def test_what_is_refused(refused: Request, code: str) -> None:
    assert code_of(refused) == code


@pytest.mark.parametrize(
    ("minutes", "code"),
    [(15, None), (-15, None), (15.1, "InvalidTimeStamp.Expired"), (-15.1, "InvalidTimeStamp.Expired")],
)
def test_a_date_may_be_a_quarter_of_an_hour_off(minutes: float, code: str | None) -> None:
    now = NOW + timedelta(minutes=minutes)
    if code is None:
        assert provider().take(request(), now).at == now
    else:
        assert code_of(request(), now) == code


def test_the_house_templates_are_the_approved_ones() -> None:
    texts = approved_templates(TEMPLATES)
    assert len(texts) >= 10
    assert all(code.startswith("SMS_") and text for code, text in texts.items())
    assert json.dumps(texts, ensure_ascii=False).count("{{ code }}") == 2, "one sign-in code a language"
