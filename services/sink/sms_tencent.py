"""A stand-in for Tencent Cloud's SendSms (API 2021-01-11) that refuses what the real one refuses.

The law of this file: nothing is taken on trust. The TC3-HMAC-SHA256 signature (their "v3") is computed again from what
arrived, a timestamp may be five minutes off, and the fields are looked at one by one. It shares no code with the sender.
A request is refused as a whole at the gate; behind it each number has a status of its own. There is
no nonce: within those minutes a repetition is a second message. Source: Tencent Cloud, "签名方法 v3", and the error codes of "发送短信".
"""

import hashlib
import hmac
import json
import re
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from services.sink.sms import VARIABLE, Request, Sms

ALGORITHM = "TC3-HMAC-SHA256"
AUTHORIZATION = re.compile(
    r"TC3-HMAC-SHA256 Credential=([^/ ,]+)/(\d{4}-\d\d-\d\d)/([a-z]+)/tc3_request, ?"
    r"SignedHeaders=([a-z0-9;-]+), ?Signature=([0-9a-f]{64})"
)
CLOCK_DIFFERENCE = timedelta(minutes=5)
REGIONS = frozenset({"ap-beijing", "ap-guangzhou", "ap-nanjing"})
NUMBER = re.compile(r"(\+86|0086|86)?1[3-9]\d{9}")
NUMBERS_AT_ONCE = 200
SIGN_NAME = re.compile(r"[0-9A-Za-z一-鿿]{2,12}")
ONE_TIME_CODE = re.compile(r"\d{0,6}")

MESSAGES = {
    "Ok": "send success",
    "AuthFailure.InvalidAuthorization": "The Authorization header does not conform to the standard.",
    "AuthFailure.SecretIdNotFound": "The SecretId is not found.",
    "AuthFailure.SignatureExpire": "The timestamp differs from the server's by more than five minutes.",
    "AuthFailure.SignatureFailure": "The provided credentials could not be validated.",
    "InvalidAction": "The action is not found.",
    "NoSuchVersion": "The version is not found.",
    "UnsupportedRegion": "SendSms is not served in this region.",
    "FailedOperation.JsonParseFail": "解析请求包体时候失败。",
    "MissingParameter": "缺少参数错误。",
    "InvalidParameter": "参数错误。",
    "MissingParameter.EmptyPhoneNumberSet": "传入的号码列表为空。",
    "LimitExceeded.PhoneNumberCountLimit": "单次提交的手机号个数超过200个。",
    "UnauthorizedOperation.SmsSdkAppIdVerifyFail": "SmsSdkAppId 校验失败。",
    "FailedOperation.SignatureIncorrectOrUnapproved": "签名未审批或格式错误。",
    "FailedOperation.TemplateIncorrectOrUnapproved": "模板未审批或内容不匹配。",
    "FailedOperation.TemplateParamSetNotMatchApprovedTemplate": "请求内容与审核通过的模板内容不匹配。",
    "InvalidParameterValue.TemplateParameterFormatError": "验证码模板变量只能传入0-6位纯数字。",
    "InvalidParameterValue.IncorrectPhoneNumber": "手机号格式错误。",
}


class RefusedRequest(Exception):  # noqa: N818 - an answer of the provider
    """The request is not taken, for no number; `code` is the provider's word. The status is 200 all the same."""

    def __init__(self, code: str) -> None:
        super().__init__(MESSAGES[code])
        self.code = code


class RefusedNumbers(Exception):  # noqa: N818 - an answer of the provider
    """The request is sound, but no number is served; `code` stands beside each."""

    def __init__(self, code: str) -> None:
        super().__init__(MESSAGES[code])
        self.code = code


@dataclass(frozen=True, slots=True, kw_only=True)
class Taken:
    """What becomes of a request: the message, to the numbers that were served, and the status of every number."""

    sms: Sms | None
    statuses: Sequence[Mapping[str, Any]]


@dataclass(frozen=True, slots=True, kw_only=True)
class TencentProvider:
    """Checks requests against one key and one application.

    `templates` are the approved ones: their texts, with `{{ variable }}`, by id. Their `{1}`, `{2}` … are those
    variables, as they first appear.
    """

    secret_id: str
    secret_key: str = field(repr=False)
    app_id: str
    templates: Mapping[str, str]

    def take(self, request: Request, now: datetime) -> Taken:
        """Return what becomes of a sound request.

        Raises:
            RefusedRequest: with the provider's code.
        """
        self.check(request, "SendSms", now)
        fields = _fields(request.body)
        numbers = fields["PhoneNumberSet"]
        if fields["SmsSdkAppId"] != self.app_id:
            raise RefusedRequest("UnauthorizedOperation.SmsSdkAppIdVerifyFail")
        try:
            text = self._text(fields)
        except RefusedNumbers as refused:
            return Taken(sms=None, statuses=[_status(number, refused.code, fields) for number in numbers])
        served = [number for number in numbers if NUMBER.fullmatch(number)]
        statuses = [
            _status(number, "Ok" if number in served else "InvalidParameterValue.IncorrectPhoneNumber", fields)
            for number in numbers
        ]
        sms = _sms(fields, served, text, statuses, now) if served else None
        return Taken(sms=sms, statuses=statuses)

    def check(self, request: Request, action: str, now: datetime) -> None:
        """Return if a request for `action` is to be listened to.

        Raises:
            RefusedRequest: with the provider's code.
        """
        self._check_signature(request, now)
        headers = request.headers
        if headers.get("x-tc-action") != action:
            raise RefusedRequest("InvalidAction")
        if headers.get("x-tc-version") != "2021-01-11":
            raise RefusedRequest("NoSuchVersion")
        if headers.get("x-tc-region") not in REGIONS:
            raise RefusedRequest("UnsupportedRegion")

    def _check_signature(self, request: Request, now: datetime) -> None:
        headers = request.headers
        given = AUTHORIZATION.fullmatch(headers.get("authorization", ""))
        timestamp = headers.get("x-tc-timestamp", "")
        if given is None or not re.fullmatch(r"\d{1,10}", timestamp):
            raise RefusedRequest("AuthFailure.InvalidAuthorization")
        secret_id, date, service, names, signature = given.groups()
        signed = names.split(";")
        if signed != sorted(set(signed)) or not {"content-type", "host"} <= set(signed) <= set(headers):
            raise RefusedRequest("AuthFailure.InvalidAuthorization")
        if secret_id != self.secret_id:
            raise RefusedRequest("AuthFailure.SecretIdNotFound")
        at = datetime.fromtimestamp(int(timestamp), UTC)
        if abs(now - at) > CLOCK_DIFFERENCE:
            raise RefusedRequest("AuthFailure.SignatureExpire")
        if (date, service) != (at.date().isoformat(), "sms"):
            raise RefusedRequest("AuthFailure.SignatureFailure")
        if not hmac.compare_digest(signature, signature_of(request, signed, self.secret_key, service)):
            raise RefusedRequest("AuthFailure.SignatureFailure")

    def _text(self, fields: Mapping[str, Any]) -> str:
        if not SIGN_NAME.fullmatch(fields["SignName"]):
            raise RefusedNumbers("FailedOperation.SignatureIncorrectOrUnapproved")
        template = self.templates.get(fields["TemplateId"])
        if template is None:
            raise RefusedNumbers("FailedOperation.TemplateIncorrectOrUnapproved")
        names = list(dict.fromkeys(VARIABLE.findall(template)))
        values = fields["TemplateParamSet"]
        if len(names) != len(values):
            raise RefusedNumbers("FailedOperation.TemplateParamSetNotMatchApprovedTemplate")
        by_name = dict(zip(names, values, strict=True))
        if not ONE_TIME_CODE.fullmatch(by_name.get("code", "")):
            raise RefusedNumbers("InvalidParameterValue.TemplateParameterFormatError")
        return VARIABLE.sub(lambda found: by_name[found.group(1)], template)


def signature_of(request: Request, signed: Sequence[str], secret_key: str, service: str) -> str:
    """Return the signature of a POST as the provider's description computes it."""
    headers = "".join(f"{name}:{request.headers[name].strip().lower()}\n" for name in signed)
    body = hashlib.sha256(request.body).hexdigest()
    canonical = f"{request.method}\n{request.path}\n{request.query}\n{headers}\n{';'.join(signed)}\n{body}"
    timestamp = request.headers["x-tc-timestamp"]
    date = datetime.fromtimestamp(int(timestamp), UTC).strftime("%Y-%m-%d")
    hashed = hashlib.sha256(canonical.encode()).hexdigest()
    to_sign = f"{ALGORITHM}\n{timestamp}\n{date}/{service}/tc3_request\n{hashed}"
    secret_date = hmac.new(b"TC3" + secret_key.encode(), date.encode(), hashlib.sha256).digest()
    secret_service = hmac.new(secret_date, service.encode(), hashlib.sha256).digest()
    secret_signing = hmac.new(secret_service, b"tc3_request", hashlib.sha256).digest()
    return hmac.new(secret_signing, to_sign.encode(), hashlib.sha256).hexdigest()


def _fields(body: bytes) -> Mapping[str, Any]:
    try:
        fields = json.loads(body)
    except ValueError:
        raise RefusedRequest("FailedOperation.JsonParseFail") from None
    if not isinstance(fields, dict):
        raise RefusedRequest("InvalidParameter")
    given = {"SignName": "", "TemplateParamSet": [], "SessionContext": "", **fields}
    if not all(name in given for name in ("PhoneNumberSet", "SmsSdkAppId", "TemplateId")):
        raise RefusedRequest("MissingParameter")
    texts = all(isinstance(given[name], str) for name in ("SmsSdkAppId", "TemplateId", "SignName", "SessionContext"))
    if not texts or not all(_are_texts(given[name]) for name in ("PhoneNumberSet", "TemplateParamSet")):
        raise RefusedRequest("InvalidParameter")
    if not given["PhoneNumberSet"]:
        raise RefusedRequest("MissingParameter.EmptyPhoneNumberSet")
    if len(given["PhoneNumberSet"]) > NUMBERS_AT_ONCE:
        raise RefusedRequest("LimitExceeded.PhoneNumberCountLimit")
    return given


def _are_texts(value: object) -> bool:
    return isinstance(value, list) and all(isinstance(one, str) for one in value)


def _status(number: str, code: str, fields: Mapping[str, Any]) -> Mapping[str, Any]:
    taken = code == "Ok"
    return {
        "SerialNo": f"{secrets.randbelow(10**4):04d}:{secrets.randbelow(10**24):024d}" if taken else "",
        "PhoneNumber": number,
        "Fee": 1 if taken else 0,
        "SessionContext": fields["SessionContext"],
        "Code": code,
        "Message": MESSAGES[code],
        "IsoCode": "CN" if taken else "",
    }


def _sms(
    fields: Mapping[str, Any], served: Sequence[str], text: str, statuses: Sequence[Mapping[str, Any]], now: datetime
) -> Sms:
    return Sms(
        at=now,
        to=served,
        sign_name=fields["SignName"],
        template=fields["TemplateId"],
        parameters={str(place): value for place, value in enumerate(fields["TemplateParamSet"], start=1)},
        text=f"【{fields['SignName']}】{text}",
        out_id=fields["SessionContext"],
        biz_id=next(status["SerialNo"] for status in statuses if status["SerialNo"]),
    )
