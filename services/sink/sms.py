"""A stand-in for Aliyun's SendSms (API 2017-05-25) that refuses what the real one refuses.

The law of this file: nothing is taken on trust. The ACS3-HMAC-SHA256 signature (their "V3") is computed again from what
arrived, a date may be 15 minutes off, a nonce serves once, and the fields are looked at one by one. It shares no code with
the sender. Source: Aliyun, "V3版本请求体&签名机制", and the error codes of "SendSms".
"""

import hashlib
import hmac
import json
import re
import secrets
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from urllib.parse import parse_qsl, quote

ALGORITHM = "ACS3-HMAC-SHA256"
SIGNED_ALWAYS = frozenset(
    {"host", "x-acs-action", "x-acs-content-sha256", "x-acs-date", "x-acs-signature-nonce", "x-acs-version"}
)
CLOCK_DIFFERENCE = timedelta(minutes=15)
NONCES = 100_000
NUMBER = re.compile(r"(\+?86|0086)?1[3-9]\d{9}")
NUMBERS_AT_ONCE = 1000
VARIABLE = re.compile(r"\{\{ *(\w+) *\}\}")

MESSAGES = {
    "OK": "OK",
    "IncompleteSignature": "The request signature does not conform to Aliyun standards.",
    "InvalidAccessKeyId.NotFound": "Specified access key is not found.",
    "InvalidTimeStamp.Format": 'Specified time stamp or date value is not well formatted, "yyyy-MM-ddTHH:mm:ssZ" is wanted.',
    "InvalidTimeStamp.Expired": "Specified time stamp or date value is expired.",
    "SignatureDoesNotMatch": "Specified signature is not matched with our calculation.",
    "SignatureNonceUsed": "Specified signature nonce was used already.",
    "InvalidAction.NotFound": "Specified api is not found, please check your url and method.",
    "InvalidVersion": "Specified parameter Version is not valid.",
    "MissingPhoneNumbers": "PhoneNumbers is mandatory for this action.",
    "MissingSignName": "SignName is mandatory for this action.",
    "MissingTemplateCode": "TemplateCode is mandatory for this action.",
    "MissingSendDate": "SendDate is mandatory for this action.",
    "isv.MOBILE_NUMBER_ILLEGAL": "手机号码格式错误",
    "isv.MOBILE_COUNT_OVER_LIMIT": "手机号码数量超过限制",
    "isv.SMS_TEMPLATE_ILLEGAL": "该账号下找不到对应模板",
    "isv.INVALID_JSON_PARAM": "JSON参数不合法，只接受字符串值",
    "isv.TEMPLATE_MISSING_PARAMETERS": "模板缺少变量",
}
REFUSED_AT_THE_GATE = 400
TAKEN_OR_REFUSED_BY_SMS = 200


class RefusedSms(Exception):  # noqa: N818 - an answer of the provider
    """The request is not taken. `code` is the provider's word; the gate answers 400, the SMS product 200."""

    def __init__(self, code: str) -> None:
        super().__init__(MESSAGES[code])
        self.code = code
        self.status = TAKEN_OR_REFUSED_BY_SMS if code.startswith("isv.") else REFUSED_AT_THE_GATE


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """An HTTP request as it arrived; header names in lower case."""

    method: str
    path: str
    query: str
    headers: Mapping[str, str]
    body: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Sms:
    """A text message that was taken, as the provider would have handed it to the carriers."""

    at: datetime
    to: Sequence[str]
    sign_name: str
    template: str
    parameters: Mapping[str, str]
    text: str
    out_id: str
    biz_id: str


@dataclass(slots=True)
class SmsProvider:
    """Checks requests against one access key, and remembers the nonces of those whose signature was right.

    `templates` are the approved ones: their texts, with `{{ variable }}`, by code.
    """

    access_key_id: str
    access_key_secret: str = field(repr=False)
    templates: Mapping[str, str]
    _nonces: OrderedDict[str, None] = field(default_factory=OrderedDict)

    def take(self, request: Request, now: datetime) -> Sms:
        """Return the message of a sound request.

        Raises:
            RefusedSms: with the provider's code.
        """
        return _message(self.fields(request, "SendSms", now), self.templates, now)

    def fields(self, request: Request, action: str, now: datetime) -> dict[str, str]:
        """Return the fields of a sound request for `action`.

        Raises:
            RefusedSms: with the provider's code.
        """
        self._check_signature(request, now)
        fields = dict(parse_qsl(request.query, keep_blank_values=True))
        if request.headers.get("content-type", "").startswith("application/x-www-form-urlencoded"):
            fields |= dict(parse_qsl(request.body.decode("utf-8", "replace"), keep_blank_values=True))
        if request.headers["x-acs-action"] != action:
            raise RefusedSms("InvalidAction.NotFound")
        if request.headers["x-acs-version"] != "2017-05-25":
            raise RefusedSms("InvalidVersion")
        return fields

    def _check_signature(self, request: Request, now: datetime) -> None:
        headers = request.headers
        given = _authorization(headers.get("authorization", ""))
        signed = given["SignedHeaders"].split(";")
        must = {name for name in headers if name.startswith("x-acs-")} | {"host"}
        if signed != sorted(set(signed)) or not must | SIGNED_ALWAYS <= set(signed) or not set(signed) <= set(headers):
            raise RefusedSms("IncompleteSignature")
        if given["Credential"] != self.access_key_id:
            raise RefusedSms("InvalidAccessKeyId.NotFound")
        _check_date(headers["x-acs-date"], now)
        if headers["x-acs-content-sha256"] != hashlib.sha256(request.body).hexdigest():
            raise RefusedSms("SignatureDoesNotMatch")
        if not hmac.compare_digest(given["Signature"], _signature(request, signed, self.access_key_secret)):
            raise RefusedSms("SignatureDoesNotMatch")
        self._use(headers["x-acs-signature-nonce"])

    def _use(self, nonce: str) -> None:
        if not nonce or nonce in self._nonces:
            raise RefusedSms("SignatureNonceUsed")
        self._nonces[nonce] = None
        if len(self._nonces) > NONCES:
            self._nonces.popitem(last=False)


def _authorization(header: str) -> dict[str, str]:
    scheme, _, rest = header.partition(" ")
    parts = dict(part.strip().split("=", 1) for part in rest.split(",") if "=" in part)
    if scheme != ALGORITHM or set(parts) != {"Credential", "SignedHeaders", "Signature"}:
        raise RefusedSms("IncompleteSignature")
    return parts


def _check_date(written: str, now: datetime) -> None:
    try:
        date = datetime.strptime(written, "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=UTC)
    except ValueError:
        raise RefusedSms("InvalidTimeStamp.Format") from None
    if abs(now - date) > CLOCK_DIFFERENCE:
        raise RefusedSms("InvalidTimeStamp.Expired")


def _signature(request: Request, signed: Sequence[str], secret: str) -> str:
    pairs = sorted(parse_qsl(request.query, keep_blank_values=True))
    query = "&".join(f"{quote(name, safe='~')}={quote(value, safe='~')}" for name, value in pairs)
    headers = "".join(f"{name}:{request.headers[name].strip()}\n" for name in signed)
    body = hashlib.sha256(request.body).hexdigest()
    canonical = "\n".join([request.method, request.path, query, headers, ";".join(signed), body])
    to_sign = f"{ALGORITHM}\n{hashlib.sha256(canonical.encode()).hexdigest()}"
    return hmac.new(secret.encode(), to_sign.encode(), hashlib.sha256).hexdigest()


def _message(fields: Mapping[str, str], templates: Mapping[str, str], now: datetime) -> Sms:
    for name in ("PhoneNumbers", "SignName", "TemplateCode"):
        if not fields.get(name):
            raise RefusedSms(f"Missing{name}")
    numbers = fields["PhoneNumbers"].split(",")
    if len(numbers) > NUMBERS_AT_ONCE:
        raise RefusedSms("isv.MOBILE_COUNT_OVER_LIMIT")
    if not all(NUMBER.fullmatch(number) for number in numbers):
        raise RefusedSms("isv.MOBILE_NUMBER_ILLEGAL")
    template = templates.get(fields["TemplateCode"])
    if template is None:
        raise RefusedSms("isv.SMS_TEMPLATE_ILLEGAL")
    parameters = _parameters(fields.get("TemplateParam") or "{}")
    if not set(VARIABLE.findall(template)) <= set(parameters):
        raise RefusedSms("isv.TEMPLATE_MISSING_PARAMETERS")
    return Sms(
        at=now,
        to=numbers,
        sign_name=fields["SignName"],
        template=fields["TemplateCode"],
        parameters=parameters,
        text=f"【{fields['SignName']}】" + VARIABLE.sub(lambda found: parameters[found.group(1)], template),
        out_id=fields.get("OutId", ""),
        biz_id=f"{secrets.randbelow(10**12):012d}^0",
    )


def _parameters(text: str) -> dict[str, str]:
    try:
        parameters = json.loads(text)
    except ValueError:
        raise RefusedSms("isv.INVALID_JSON_PARAM") from None
    if not isinstance(parameters, dict) or not all(isinstance(value, str | int) for value in parameters.values()):
        raise RefusedSms("isv.INVALID_JSON_PARAM")
    return {name: str(value) for name, value in parameters.items()}
