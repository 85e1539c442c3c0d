"""WeChat: subscription messages of the mini-program, template messages of the official account, and WeCom for staff.

An official account may have subscription notices instead of template messages: then each spends a consent, as the
mini-program's do.

All three speak alike: a call with an access token that all workers share, answered by an `errcode`. A token that is not
good any more (40001, 40014, 42001) means that nothing was sent: the token is renewed, once, and the call repeated.

A one-time consent is good for one message. It is spent before the call, given back where the message surely did not
leave, and all of them are void where WeChat says that the reader refuses (43101). The official account knows a
repetition by `client_msg_id` for ten minutes, and WeCom one by its content for four hours: only the latter is long
enough to send again after silence, so a mini-program's or official account's message without an answer is in doubt.
"""

from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from types import MappingProxyType
from typing import Any, Protocol
from uuid import UUID

from pydantic import BaseModel, ValidationError

from services.notify.channels.carrier import Send
from services.notify.channels.http_answer import outcome_of_status
from services.notify.domain.message import Why
from services.notify.domain.outcome import Outcome, Verdict, accepted, permanent, temporary, unknown
from shared.http import NEVER_SENT, Client, HttpError

DUPLICATE_CHECK_SECONDS = 4 * 3600
"""The longest that WeCom takes."""

TOKEN_BAD = frozenset({40001, 40014, 42001})
NO_CONSENT = frozenset({43101})
_QUOTA_PAUSE = timedelta(hours=1)

_PERMANENT: Mapping[int, Why] = MappingProxyType(
    {
        40003: Why.ADDRESS_REFUSED,
        43004: Why.ADDRESS_REFUSED,
        60111: Why.ADDRESS_REFUSED,
        81013: Why.ADDRESS_REFUSED,
        47003: Why.CONTENT_REFUSED,
        41030: Why.CONTENT_REFUSED,
        43101: Why.NO_CONSENT,
    }
)
"""Their words for what will never leave."""

_BUSY: Mapping[int, timedelta | None] = MappingProxyType({-1: None, 45009: _QUOTA_PAUSE, 45011: None, 45047: None})
"""Their words for what may leave later, and after which pause at least."""


class TokenUnavailable(Exception):  # noqa: N818 - a state of the provider
    """There is no access token to be had; nothing was sent."""


class Tokens(Protocol):
    """The access token that all workers share."""

    async def current(self) -> str:
        """Return the token.

        Raises:
            TokenUnavailable: there is none, and none to be had.
        """
        ...

    async def renew(self, bad: str) -> str:
        """Return another token than `bad`, asked for once, whoever else is told the same.

        Raises:
            TokenUnavailable: as `current`.
        """
        ...


class Addresses(Protocol):
    """To whom an account is bound at the provider."""

    async def of_account(self, account_id: UUID) -> str | None:
        """Return an openid or a user id."""
        ...


class Consents(Protocol):
    """The ledger of consents."""

    async def spend(self, account_id: UUID, template: str, message_id: UUID) -> bool:
        """Use one up for a message, or stand on a lasting one; return False where there is none."""
        ...

    async def give_back(self, message_id: UUID) -> None:
        """Take it back: the message surely did not leave."""
        ...

    async def void(self, account_id: UUID, template: str) -> None:
        """Void all of an account's for a template."""
        ...


class _Answer(BaseModel):
    errcode: int
    msgid: str | int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class AppMessage:
    """A message to whoever an account is bound to. `template` is the provider's id, None where it knows none."""

    message_id: UUID
    account_id: UUID
    template: str | None
    data: Mapping[str, Any]
    page: str = ""
    language: str = "zh_CN"


@dataclass(frozen=True, slots=True, kw_only=True)
class Post(ABC):
    """One API's way of sending: its path, its body, and whether it is safe to repeat a call without an answer."""

    path: str
    repeatable: bool = False
    needs_consent: bool = False

    @abstractmethod
    def body(self, letter: AppMessage, address: str, **facts: Any) -> dict[str, Any]:
        """Return what is posted."""


class MiniProgram(Post):
    """Subscription messages (`subscribe/send`)."""

    def body(self, letter: AppMessage, address: str, **facts: Any) -> dict[str, Any]:
        return {
            "touser": address,
            "template_id": letter.template,
            "page": letter.page,
            "miniprogram_state": "formal",
            "lang": letter.language,
            "data": letter.data,
            **facts,
        }


class OfficialAccount(Post):
    """Template messages (`template/send`)."""

    def body(self, letter: AppMessage, address: str, **facts: Any) -> dict[str, Any]:
        return {
            "touser": address,
            "template_id": letter.template,
            "client_msg_id": letter.message_id.hex,
            "data": letter.data,
            **facts,
        }


class OfficialNotice(Post):
    """Subscription notices (`subscribe/bizsend`)."""

    def body(self, letter: AppMessage, address: str, **facts: Any) -> dict[str, Any]:
        return {"touser": address, "template_id": letter.template, "data": letter.data, **facts}


class WorkApp(Post):
    """Text cards of a WeCom application (`message/send`), with its duplicate check."""

    def body(self, letter: AppMessage, address: str, **facts: Any) -> dict[str, Any]:
        return {
            "touser": address,
            "msgtype": "text",
            "text": {"content": letter.data["content"]},
            "enable_duplicate_check": 1,
            "duplicate_check_interval": DUPLICATE_CHECK_SECONDS,
            **facts,
        }


MINI_PROGRAM = MiniProgram(path="/cgi-bin/message/subscribe/send", needs_consent=True)
OFFICIAL_ACCOUNT = OfficialAccount(path="/cgi-bin/message/template/send")
OFFICIAL_NOTICE = OfficialNotice(path="/cgi-bin/message/subscribe/bizsend", needs_consent=True)
WECOM = WorkApp(path="/cgi-bin/message/send", repeatable=True)


@dataclass(frozen=True, slots=True)
class Access:
    """What a carrier of one of these APIs works with. `facts` go into every body (WeCom's `agentid`)."""

    url: str
    tokens: Tokens
    addresses: Addresses
    consents: Consents
    facts: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class WechatApi:
    """The carrier of one of these APIs."""

    post: Post
    access: Access
    client: Client
    provider: str

    @asynccontextmanager
    async def open(self) -> AsyncIterator[Send[AppMessage]]:
        """Open for a batch; the client's connections outlive it."""
        yield self._send

    async def _send(self, letter: AppMessage) -> Outcome:
        address = await self.access.addresses.of_account(letter.account_id)
        if address is None:
            return permanent(Why.NO_BINDING, "no_binding")
        if not self.post.needs_consent or letter.template is None:
            return await self._with_token(letter, address)
        consents = self.access.consents
        if not await consents.spend(letter.account_id, letter.template, letter.message_id):
            return permanent(Why.NO_CONSENT, "no_consent")
        outcome = await self._with_token(letter, address)
        if outcome.why is Why.NO_CONSENT:
            await consents.void(letter.account_id, letter.template)
        elif outcome.verdict in {Verdict.TEMPORARY, Verdict.PERMANENT}:
            await consents.give_back(letter.message_id)
        return outcome

    async def _with_token(self, letter: AppMessage, address: str) -> Outcome:
        body = self.post.body(letter, address, **self.access.facts)
        try:
            token = await self.access.tokens.current()
            outcome = await self._call(token, body)
            if outcome.code.isdigit() and int(outcome.code) in TOKEN_BAD:
                outcome = await self._call(await self.access.tokens.renew(token), body)
        except TokenUnavailable as unavailable:
            return temporary(Why.PROVIDER_REFUSES_US, f"token:{unavailable}"[:64])
        return outcome

    async def _call(self, token: str, body: Mapping[str, Any]) -> Outcome:
        try:
            response = await self.client.post(
                f"{self.access.url}{self.post.path}", params={"access_token": token}, json=body
            )
        except NEVER_SENT as error:
            return temporary(Why.PROVIDER_UNREACHABLE, type(error).__name__)
        except HttpError as error:
            return self._doubt(type(error).__name__)
        try:
            answer = _Answer.model_validate_json(response.content)
        except ValidationError:
            outcome = outcome_of_status(response)
            return self._doubt(outcome.code) if outcome.verdict is Verdict.UNKNOWN else outcome
        return outcome_of(answer.errcode, None if answer.msgid is None else str(answer.msgid))

    def _doubt(self, code: str) -> Outcome:
        return temporary(Why.PROVIDER_UNREACHABLE, code) if self.post.repeatable else unknown(code)


def outcome_of(code: int, reference: str | None) -> Outcome:
    """Return what an `errcode` means. One that is not known refuses us: it is not 0, so nothing was sent."""
    if code == 0:
        return accepted("0", reference)
    if code in _PERMANENT:
        return permanent(_PERMANENT[code], str(code))
    if code in _BUSY:
        return temporary(Why.PROVIDER_BUSY, str(code), _BUSY[code])
    return temporary(Why.PROVIDER_REFUSES_US, str(code))
