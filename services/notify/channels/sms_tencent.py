"""Text messages through Tencent Cloud's SendSms (API version 2021-01-11), signed by TC3-HMAC-SHA256 (their signature v3).

SendSms knows no key of ours, so a call without an answer is an unknown outcome. `SessionContext` carries our message's
id and comes back with the answer. The status stands beside each number: an answer without an error as a whole may still
refuse the one number that it was about.
Source of the signature: Tencent Cloud, "签名方法 v3", whose worked values are this module's test; of the codes: "发送短信", 6.
"""

import hmac
import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from types import MappingProxyType
from urllib.parse import urlsplit

from pydantic import BaseModel, Field, ValidationError

from services.notify.channels.carrier import Send, TextMessage
from services.notify.channels.enquiry import Question
from services.notify.channels.http_answer import outcome_of_status
from services.notify.domain.doubt import Finding
from services.notify.domain.message import Why
from services.notify.domain.outcome import Outcome, accepted, permanent, temporary, unknown
from shared.clock import Clock, system_clock
from shared.http import NEVER_SENT, Client, HttpError, Response

ALGORITHM = "TC3-HMAC-SHA256"
SERVICE = "sms"
ACTION = "SendSms"
ENQUIRY = "PullSmsSendStatusByPhoneNumber"
PAGE = 100
BEFORE, AFTER = timedelta(minutes=5), timedelta(hours=1)
"""Around an attempt: where its report is looked for."""
VERSION = "2021-01-11"
CONTENT_TYPE = "application/json; charset=utf-8"

_TAKEN = "Ok"
_LONGEST_CODE = 96

_PERMANENT: Mapping[str, Why] = MappingProxyType(
    {
        # the number
        "InvalidParameterValue.IncorrectPhoneNumber": Why.ADDRESS_REFUSED,
        "FailedOperation.PhoneNumberInBlacklist": Why.ADDRESS_REFUSED,
        "FailedOperation.PhoneNumberOnBlacklist": Why.ADDRESS_REFUSED,
        "UnsupportedOperation.UnsuportedRegion": Why.ADDRESS_REFUSED,
        # the words
        "FailedOperation.ContainSensitiveWord": Why.CONTENT_REFUSED,
        "FailedOperation.TemplateParamSetNotMatchApprovedTemplate": Why.CONTENT_REFUSED,
        "InvalidParameter.DirtyWordFound": Why.CONTENT_REFUSED,
        "InvalidParameterValue.ContentLengthLimit": Why.CONTENT_REFUSED,
        "InvalidParameterValue.ProhibitedUseUrlInTemplateParameter": Why.CONTENT_REFUSED,
        "InvalidParameterValue.TemplateParameterFormatError": Why.CONTENT_REFUSED,
        "InvalidParameterValue.TemplateParameterLengthLimit": Why.CONTENT_REFUSED,
    }
)
"""What no repetition will change."""

_BUSY = ("LimitExceeded", "RequestLimitExceeded", "ResourceInsufficient", "ResourceUnavailable")
"""The pace; of Tencent's codes the part before the point is the class."""

_REFUSED_INSIDE = frozenset(
    f"InternalError.{word}"
    for word in ("JsonParseFail", "RequestTimeException", "RestApiInterfaceNotExist", "SigFieldMissing")
) | {"InternalError.SigVerificationFail"}
"""Named after an inner error, but said before anything was sent."""


class _NumberStatus(BaseModel):
    """The part of a number's status that we read; the rest holds the number, or may quote it."""

    Code: str
    SerialNo: str = ""


class _Error(BaseModel):
    Code: str


class _Body(BaseModel):
    Error: _Error | None = None
    SendStatusSet: list[_NumberStatus] = Field(default_factory=list)


class _Answer(BaseModel):
    Response: _Body


class _Report(BaseModel):
    ReportStatus: str = ""
    SerialNo: str = ""
    SessionContext: str = ""


class _Reports(BaseModel):
    Error: _Error | None = None
    PullSmsSendStatusSet: list[_Report] = Field(default_factory=list)


class _Pulled(BaseModel):
    Response: _Reports


@dataclass(frozen=True, slots=True, kw_only=True)
class TencentAccount:
    """Whose text messages these are. `url` is the endpoint, `https://sms.tencentcloudapi.com` in production.

    `codes`: the template code of this account for each code that a letter bears, where it has another.
    """

    url: str
    secret_id: str
    secret_key: str = field(repr=False)
    app_id: str
    region: str
    sign_name: str
    codes: Mapping[str, str] = field(default_factory=dict)
    seconds: float = 10.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """What is signed: a POST of `content` to `/` of a service, with the headers that take part (names in lower case)."""

    service: str
    headers: Mapping[str, str]
    content: bytes
    at: datetime

    def timestamp(self) -> str:
        return str(int(self.at.timestamp()))

    def scope(self) -> str:
        """Return what the signing key is derived for; its date is that of the timestamp in UTC."""
        return f"{self.at.astimezone(UTC):%Y-%m-%d}/{self.service}/tc3_request"

    def canonical(self) -> str:
        """Return the canonical request, whose SHA-256 is signed."""
        lines = "".join(f"{name}:{self.headers[name].strip().lower()}\n" for name in sorted(self.headers))
        return "\n".join(["POST", "/", "", lines, self._signed(), sha256(self.content).hexdigest()])

    def authorization(self, secret_id: str, secret_key: str) -> str:
        """Return the Authorization header."""
        digest = sha256(self.canonical().encode()).hexdigest()
        to_sign = f"{ALGORITHM}\n{self.timestamp()}\n{self.scope()}\n{digest}"
        key = f"TC3{secret_key}".encode()
        for part in self.scope().split("/"):
            key = hmac.digest(key, part.encode(), "sha256")
        signature = hmac.digest(key, to_sign.encode(), "sha256").hex()
        credential = f"{secret_id}/{self.scope()}"
        return f"{ALGORITHM} Credential={credential}, SignedHeaders={self._signed()}, Signature={signature}"

    def _signed(self) -> str:
        return ";".join(sorted(self.headers))


def outcome_of(response: Response) -> Outcome:
    """Return what an answer to a request for one number means."""
    try:
        answer = _Answer.model_validate_json(response.content).Response
    except ValidationError:
        return outcome_of_status(response)
    if answer.Error is not None:
        return _outcome_of_code(answer.Error.Code)
    if len(answer.SendStatusSet) != 1:
        return unknown(f"statuses:{len(answer.SendStatusSet)}")
    status = answer.SendStatusSet[0]
    if status.Code == _TAKEN:
        return accepted(_TAKEN, status.SerialNo or None)
    return _outcome_of_code(status.Code)


def _outcome_of_code(given: str) -> Outcome:
    """Return what a refusal means. A word that is not known refuses us, unless it tells of trouble within."""
    code = given[:_LONGEST_CODE]
    if code in _PERMANENT:
        return permanent(_PERMANENT[code], code)
    group = code.partition(".")[0]
    if group in _BUSY:
        return temporary(Why.PROVIDER_BUSY, code)
    if group == "InternalError" and code not in _REFUSED_INSIDE:
        return unknown(code)  # a time-out among them: what stands behind may have acted
    return temporary(Why.PROVIDER_REFUSES_US, code)


@dataclass(frozen=True, slots=True)
class TencentSms:
    """The carrier of text messages to mainland numbers and, where the account may, abroad."""

    account: TencentAccount
    client: Client
    clock: Clock = system_clock
    provider: str = "tencent"

    @asynccontextmanager
    async def open(self) -> AsyncIterator[Send[TextMessage]]:
        """Open for a batch; the client's connections outlive it."""
        yield self._send

    async def _send(self, letter: TextMessage) -> Outcome:
        try:
            response = await self._post(self._call(letter))
        except NEVER_SENT as error:
            return temporary(Why.PROVIDER_UNREACHABLE, type(error).__name__)
        except HttpError as error:
            return unknown(type(error).__name__)
        return outcome_of(response)

    async def ask(self, letter: TextMessage, question: Question) -> Finding:
        """Return whether the provider has a report of `letter`.

        It lists only what the network has reported: what is absent may still be on its way, so absence proves nothing.
        """
        fields = {
            "BeginTime": int((question.started_at - BEFORE).timestamp()),
            "EndTime": int((question.started_at + AFTER).timestamp()),
            "Offset": 0,
            "Limit": PAGE,
            "PhoneNumber": letter.to,
            "SmsSdkAppId": self.account.app_id,
        }
        try:
            response = await self._post(self._signed(ENQUIRY, fields))
            pulled = _Pulled.model_validate_json(response.content).Response
        except (HttpError, ValidationError):
            return Finding.NOTHING
        for report in pulled.PullSmsSendStatusSet:
            named = question.reference is not None and report.SerialNo == question.reference
            if named or report.SessionContext == str(letter.message_id):
                return Finding.ARRIVED if report.ReportStatus == "SUCCESS" else Finding.REFUSED
        return Finding.NOTHING

    async def _post(self, call: Call) -> Response:
        account = self.account
        headers = {
            **call.headers,
            "authorization": call.authorization(account.secret_id, account.secret_key),
            "x-tc-region": account.region,
            "x-tc-timestamp": call.timestamp(),
            "x-tc-version": VERSION,
        }
        return await self.client.post(
            f"{account.url.rstrip('/')}/", headers=headers, content=call.content, timeout=account.seconds
        )

    def _call(self, letter: TextMessage) -> Call:
        fields = {
            "PhoneNumberSet": [letter.to],
            "SmsSdkAppId": self.account.app_id,
            "TemplateId": self.account.codes.get(letter.words.code, letter.words.code),
            "SignName": self.account.sign_name,
            # {1}, {2} … of the approved template: our variables as they first appear in its text
            "TemplateParamSet": list(letter.words.parameters.values()),
            "SessionContext": str(letter.message_id),
        }
        return self._signed(ACTION, fields)

    def _signed(self, action: str, fields: Mapping[str, object]) -> Call:
        return Call(
            service=SERVICE,
            headers={
                "content-type": CONTENT_TYPE,
                "host": urlsplit(self.account.url).netloc,
                "x-tc-action": action,
            },
            content=json.dumps(fields, ensure_ascii=False, separators=(",", ":")).encode(),
            at=self.clock(),
        )
