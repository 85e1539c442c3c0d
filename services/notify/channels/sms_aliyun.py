"""Text messages through Aliyun's SendSms (API version 2017-05-25), signed by ACS3-HMAC-SHA256 (their signature V3).

SendSms is documented as not idempotent and knows no key of ours, so a call without an answer is an unknown outcome.
`OutId` carries our message's id, by which a receipt, or a question to the provider, finds it again.
Source of the signature: Aliyun, "V3版本请求体&签名机制", whose worked values are this module's test.
"""

import hmac
import json
import secrets
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from types import MappingProxyType
from urllib.parse import quote, urlsplit

from pydantic import BaseModel, ValidationError

from services.notify.channels.carrier import Send, TextMessage
from services.notify.channels.enquiry import Question
from services.notify.channels.http_answer import outcome_of_status, retry_after
from services.notify.domain.doubt import Finding
from services.notify.domain.message import Why
from services.notify.domain.outcome import Outcome, Verdict, accepted, permanent, temporary, unknown
from shared.clock import SHANGHAI, Clock, system_clock
from shared.http import NEVER_SENT, Client, HttpError, Response

ALGORITHM = "ACS3-HMAC-SHA256"
ACTION = "SendSms"
ENQUIRY = "QuerySendDetails"
VERSION = "2017-05-25"
PAGE = 50
MOST_PAGES = 10
_STATUSES: Mapping[int, Finding] = MappingProxyType({1: Finding.TAKEN, 2: Finding.REFUSED, 3: Finding.ARRIVED})
"""SendStatus: waiting for the receipt, could not be delivered, delivered."""
MAINLAND = "+86"

_LONGEST_CODE = 64

_CODES: Mapping[str, tuple[Verdict, Why]] = MappingProxyType(
    {
        "OK": (Verdict.ACCEPTED, Why.ACCEPTED),
        # the number
        "isv.MOBILE_NUMBER_ILLEGAL": (Verdict.PERMANENT, Why.ADDRESS_REFUSED),
        "isv.MOBILE_COUNT_OVER_LIMIT": (Verdict.PERMANENT, Why.ADDRESS_REFUSED),
        # the words
        "isv.TEMPLATE_MISSING_PARAMETERS": (Verdict.PERMANENT, Why.CONTENT_REFUSED),
        "isv.INVALID_PARAMETERS": (Verdict.PERMANENT, Why.CONTENT_REFUSED),
        "isv.INVALID_JSON_PARAM": (Verdict.PERMANENT, Why.CONTENT_REFUSED),
        "isv.BLACK_KEY_CONTROL_LIMIT": (Verdict.PERMANENT, Why.CONTENT_REFUSED),
        "isv.PARAM_LENGTH_LIMIT": (Verdict.PERMANENT, Why.CONTENT_REFUSED),
        "isv.PARAM_NOT_SUPPORT_URL": (Verdict.PERMANENT, Why.CONTENT_REFUSED),
        # the pace
        "isv.BUSINESS_LIMIT_CONTROL": (Verdict.TEMPORARY, Why.PROVIDER_BUSY),
        "isv.DAY_LIMIT_CONTROL": (Verdict.TEMPORARY, Why.PROVIDER_BUSY),
        "isp.SYSTEM_ERROR": (Verdict.TEMPORARY, Why.PROVIDER_BUSY),
        "Throttling": (Verdict.TEMPORARY, Why.PROVIDER_BUSY),
        "Throttling.User": (Verdict.TEMPORARY, Why.PROVIDER_BUSY),
        "ServiceUnavailable": (Verdict.TEMPORARY, Why.PROVIDER_BUSY),
        # we ourselves: these pass when somebody pays the bill or puts the settings right
        "isv.AMOUNT_NOT_ENOUGH": (Verdict.TEMPORARY, Why.PROVIDER_REFUSES_US),
        "isv.OUT_OF_SERVICE": (Verdict.TEMPORARY, Why.PROVIDER_REFUSES_US),
        "isv.PRODUCT_UN_SUBSCRIPT": (Verdict.TEMPORARY, Why.PROVIDER_REFUSES_US),
        "isv.ACCOUNT_NOT_EXISTS": (Verdict.TEMPORARY, Why.PROVIDER_REFUSES_US),
        "isv.ACCOUNT_ABNORMAL": (Verdict.TEMPORARY, Why.PROVIDER_REFUSES_US),
        "isv.SMS_TEMPLATE_ILLEGAL": (Verdict.TEMPORARY, Why.PROVIDER_REFUSES_US),
        "isv.SMS_SIGNATURE_ILLEGAL": (Verdict.TEMPORARY, Why.PROVIDER_REFUSES_US),
        "isp.RAM_PERMISSION_DENY": (Verdict.TEMPORARY, Why.PROVIDER_REFUSES_US),
        "SignatureDoesNotMatch": (Verdict.TEMPORARY, Why.PROVIDER_REFUSES_US),
        "InvalidAccessKeyId.NotFound": (Verdict.TEMPORARY, Why.PROVIDER_REFUSES_US),
        # the gateway gave up waiting for what is behind it, which may have acted
        "InternalError": (Verdict.UNKNOWN, Why.NO_ANSWER),
    }
)
"""Aliyun's words as outcomes. A word that is not here refuses us: it is not "OK", so nothing was sent."""


class _Answer(BaseModel):
    """The part of an answer that we read; the rest, `Message` above all, may quote the number."""

    Code: str
    BizId: str | None = None


class _Detail(BaseModel):
    OutId: str = ""
    SendStatus: int


class _Details(BaseModel):
    SmsSendDetailDTO: list[_Detail] = []


class _Listed(BaseModel):
    Code: str
    TotalCount: int = 0
    SmsSendDetailDTOs: _Details = _Details()


@dataclass(frozen=True, slots=True, kw_only=True)
class AliyunAccount:
    """Whose text messages these are. `url` is the endpoint, `https://dysmsapi.aliyuncs.com` in production.

    `codes`: the template code of this account for each code that a letter bears, where it has another.
    """

    url: str
    access_key_id: str
    access_key_secret: str = field(repr=False)
    sign_name: str
    codes: Mapping[str, str] = field(default_factory=dict)
    seconds: float = 10.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """What is signed: the parts of a request to the API, all parameters in the query."""

    host: str
    action: str
    version: str
    query: Mapping[str, str]
    at: datetime
    nonce: str

    def headers(self) -> dict[str, str]:
        """Return the headers that take part in the signature; the body is empty."""
        return {
            "host": self.host,
            "x-acs-action": self.action,
            "x-acs-content-sha256": sha256(b"").hexdigest(),
            "x-acs-date": self.at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
            "x-acs-signature-nonce": self.nonce,
            "x-acs-version": self.version,
        }

    def query_string(self) -> str:
        """Return the query as it is signed and as it is sent: sorted, encoded by RFC 3986."""
        return "&".join(f"{_encode(name)}={_encode(self.query[name])}" for name in sorted(self.query))

    def canonical(self) -> str:
        """Return the canonical request, whose SHA-256 is signed."""
        headers = self.headers()
        lines = "".join(f"{name}:{headers[name]}\n" for name in sorted(headers))
        return "\n".join(["POST", "/", self.query_string(), lines, ";".join(sorted(headers)), sha256(b"").hexdigest()])

    def authorization(self, access_key_id: str, access_key_secret: str) -> str:
        """Return the Authorization header."""
        digest = sha256(self.canonical().encode()).hexdigest()
        signature = hmac.digest(access_key_secret.encode(), f"{ALGORITHM}\n{digest}".encode(), "sha256").hex()
        signed = ";".join(sorted(self.headers()))
        return f"{ALGORITHM} Credential={access_key_id},SignedHeaders={signed},Signature={signature}"


def outcome_of(response: Response) -> Outcome:
    """Return what an answer of the provider means."""
    try:
        answer = _Answer.model_validate_json(response.content)
    except ValidationError:
        return outcome_of_status(response)
    code = answer.Code[:_LONGEST_CODE]
    verdict, why = _CODES.get(code, (Verdict.TEMPORARY, Why.PROVIDER_REFUSES_US))
    match verdict:
        case Verdict.ACCEPTED:
            return accepted(code, answer.BizId)
        case Verdict.PERMANENT:
            return permanent(why, code)
        case Verdict.UNKNOWN:
            return unknown(code)
        case Verdict.TEMPORARY:
            return temporary(why, code, retry_after(response))


@dataclass(frozen=True, slots=True)
class AliyunSms:
    """The carrier of text messages to mainland numbers and, where the account may, abroad."""

    account: AliyunAccount
    client: Client
    clock: Clock = system_clock
    provider: str = "aliyun"

    @asynccontextmanager
    async def open(self) -> AsyncIterator[Send[TextMessage]]:
        """Open for a batch; the client's connections outlive it."""
        yield self._send

    async def _send(self, letter: TextMessage) -> Outcome:
        call = self._call(letter)
        try:
            response = await self._post(call)
        except NEVER_SENT as error:
            return temporary(Why.PROVIDER_UNREACHABLE, type(error).__name__)
        except HttpError as error:
            return unknown(type(error).__name__)
        return outcome_of(response)

    async def _post(self, call: Call) -> Response:
        headers = call.headers() | {
            "authorization": call.authorization(self.account.access_key_id, self.account.access_key_secret),
            "accept": "application/json",
        }
        url = f"{self.account.url.rstrip('/')}/?{call.query_string()}"
        return await self.client.post(url, headers=headers, content=b"", timeout=self.account.seconds)

    async def ask(self, letter: TextMessage, question: Question) -> Finding:
        """Return whether the provider has `letter`: it lists every message of a number and day, with our `OutId`.

        A day is the provider's, Beijing time; an attempt just before midnight is looked for on both sides of it.
        """
        begun = question.started_at.astimezone(SHANGHAI)
        days = sorted({f"{at:%Y%m%d}" for at in (begun, begun + timedelta(minutes=2))})
        findings = [await self._on_day(letter, day) for day in days]
        found = next((one for one in findings if one not in {Finding.ABSENT, Finding.NOTHING}), None)
        return found or (Finding.NOTHING if Finding.NOTHING in findings else Finding.ABSENT)

    async def _on_day(self, letter: TextMessage, day: str) -> Finding:
        for page in range(1, MOST_PAGES + 1):
            query = {
                "CurrentPage": str(page),
                "PageSize": str(PAGE),
                "PhoneNumber": letter.to.removeprefix(MAINLAND).removeprefix("+"),
                "SendDate": day,
            }
            try:
                response = await self._post(self._signed(ENQUIRY, query))
                listed = _Listed.model_validate_json(response.content)
            except (HttpError, ValidationError):
                return Finding.NOTHING
            if listed.Code != "OK":
                return Finding.NOTHING
            for detail in listed.SmsSendDetailDTOs.SmsSendDetailDTO:
                if detail.OutId == str(letter.message_id):
                    return _STATUSES.get(detail.SendStatus, Finding.NOTHING)
            if page * PAGE >= listed.TotalCount:
                return Finding.ABSENT
        return Finding.NOTHING

    def _call(self, letter: TextMessage) -> Call:
        query = {
            "OutId": str(letter.message_id),
            "PhoneNumbers": letter.to.removeprefix(MAINLAND).removeprefix("+"),
            "SignName": self.account.sign_name,
            "TemplateCode": self.account.codes.get(letter.words.code, letter.words.code),
            "TemplateParam": json.dumps(dict(letter.words.parameters), ensure_ascii=False, separators=(",", ":")),
        }
        return self._signed(ACTION, query)

    def _signed(self, action: str, query: Mapping[str, str]) -> Call:
        return Call(
            host=urlsplit(self.account.url).netloc,
            action=action,
            version=VERSION,
            query=query,
            at=self.clock(),
            nonce=secrets.token_hex(16),
        )


def _encode(value: str) -> str:
    return quote(value, safe="-_.~")
