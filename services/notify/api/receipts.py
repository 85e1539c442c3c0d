"""Where providers report: receipts and replies of text messages, bounces of mail, and what a push showed.

Each address carries the secret that the provider was told, for none of these signs what it sends; a push's report carries
a token that its own content brought. A report is taken in whole or not at all, and answered as the provider
wants it, so that it does not come for ever: what cannot be told is passed over. WeChat's are in `wechat_events.py`.

A provider of text messages is two forms, each of which says what it means to us, and the answer that it wants.
"""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Annotated, Any, Literal
from uuid import UUID

from fastapi import Body, Path
from pydantic import BaseModel, ConfigDict, Field
from starlette.responses import JSONResponse, Response

from services.notify.api.deps import Container, ContainerDep
from services.notify.api.problems import problems
from services.notify.api.reporting import DOCUMENTED, Secret, check_secret, take
from services.notify.commands.receive import reply
from services.notify.domain.bounce import of_bounce
from services.notify.domain.message import Channel, Evidence
from services.notify.domain.reason import Reason
from services.notify.domain.receipt import Receipt, TextReply
from shared.links import InvalidLink
from shared.refusal import Refused
from shared.web import Strict, strict_router

router = strict_router(prefix="/receipts", tags=["receipts"])

MOST_REPORTS = 500
REPORT = "receipt"
"""What a push's token is signed for."""
_ALIYUN_TAKEN = {"code": 0, "msg": "成功"}
_TENCENT_TAKEN = {"result": 0, "errmsg": "OK"}


class _Reported(BaseModel):
    """A provider's own form: what else it may say is passed over."""

    model_config = ConfigDict(extra="ignore")


class _Report(_Reported, ABC):
    """One receipt."""

    @abstractmethod
    def receipt(self) -> Receipt | None:
        """Return what it says; None where it names no message."""


class _Reply(_Reported, ABC):
    """One reply by text message."""

    @abstractmethod
    def reply(self) -> TextReply:
        """Return who says what."""


class AliyunReport(_Report):
    """One receipt of SendSms (SmsReport)."""

    out_id: Annotated[str, Field(max_length=64)] = ""
    biz_id: Annotated[str, Field(max_length=64)] = ""
    success: bool
    err_code: Annotated[str | None, Field(max_length=64)] = None

    model_config = ConfigDict(
        extra="ignore",
        json_schema_extra={
            "examples": [
                {
                    "out_id": "01936f2e-7c1a-7def-8a3b-5d4c3b2a1908",
                    "biz_id": "9006^0",
                    "success": True,
                    "err_code": "DELIVERED",
                }
            ]
        },
    )

    def receipt(self) -> Receipt | None:
        message_id = _uuid(self.out_id)
        if message_id is None and not self.biz_id:
            return None
        return Receipt(
            provider="aliyun",
            message_id=message_id,
            reference=self.biz_id or None,
            evidence=Evidence.DELIVERED if self.success else None,
            code=self.err_code or "",
        )


class AliyunReply(_Reply):
    """One reply (SmsUp)."""

    phone_number: Annotated[str, Field(max_length=20)]
    content: Annotated[str, Field(max_length=500)]
    sequence_id: Annotated[int | str, Field(description="Aliyun's number for it.")] = ""

    model_config = ConfigDict(
        extra="ignore",
        json_schema_extra={"examples": [{"phone_number": "13900000001", "content": "R", "sequence_id": 1234567890}]},
    )

    def reply(self) -> TextReply:
        return TextReply(
            provider="aliyun", number=_e164(self.phone_number), text=self.content, key=str(self.sequence_id)
        )


class TencentReport(_Report):
    """One receipt of SendSms."""

    sid: Annotated[str, Field(max_length=64)]
    report_status: Annotated[str, Field(max_length=16)]
    errmsg: Annotated[str | None, Field(max_length=64)] = None

    model_config = ConfigDict(
        extra="ignore",
        json_schema_extra={"examples": [{"sid": "2019:3640", "report_status": "SUCCESS", "errmsg": "DELIVRD"}]},
    )

    def receipt(self) -> Receipt | None:
        if not self.sid:
            return None
        return Receipt(
            provider="tencent",
            message_id=None,
            reference=self.sid,
            evidence=Evidence.DELIVERED if self.report_status == "SUCCESS" else None,
            code=self.errmsg or "",
        )


class TencentReply(_Reply):
    """One reply."""

    mobile: Annotated[str, Field(max_length=20)]
    nationcode: Annotated[str, Field(max_length=4)] = "86"
    text: Annotated[str, Field(max_length=500)]
    time: int = 0

    model_config = ConfigDict(
        extra="ignore",
        json_schema_extra={
            "examples": [{"mobile": "13900000001", "nationcode": "86", "text": "R", "time": 1764000000}]
        },
    )

    def reply(self) -> TextReply:
        number = _e164(f"{self.nationcode.lstrip('+')}{self.mobile}")
        return TextReply(provider="tencent", number=number, text=self.text, key=str(self.time))


class Bounce(Strict):
    """A delivery status notification (RFC 3464) as the mail server got it."""

    raw: Annotated[str, Field(max_length=60_000)]

    model_config = ConfigDict(json_schema_extra={"examples": [{"raw": "Content-Type: multipart/report; …"}]})


class PushReport(Strict):
    """What a service worker saw: the notification stood on the screen, or was opened."""

    evidence: Literal["shown", "acted"]

    model_config = ConfigDict(json_schema_extra={"examples": [{"evidence": "shown"}]})


_TAKEN: dict[int | str, dict[str, Any]] = {200: {"description": "Taken."}, **DOCUMENTED}


@router.post("/aliyun/{secret}/reports", summary="阿里云短信回执 Receipts of Aliyun", responses=_TAKEN)
async def aliyun_reports(
    parts: ContainerDep, secret: Secret, reports: Annotated[list[AliyunReport], Body(max_length=MOST_REPORTS)]
) -> Response:
    """Take in receipts as Aliyun posts them; the same again counts once."""
    return await _take_reports(parts, secret, reports, _ALIYUN_TAKEN)


@router.post("/aliyun/{secret}/replies", summary="阿里云上行短信 Replies by Aliyun", responses=_TAKEN)
async def aliyun_replies(
    parts: ContainerDep, secret: Secret, replies: Annotated[list[AliyunReply], Body(max_length=MOST_REPORTS)]
) -> Response:
    """Do what replies ask for: R refuses further text messages of that kind, Y says yes to an offer. 回复 R 退订，回复 Y 确认。"""
    return await _take_replies(parts, secret, replies, _ALIYUN_TAKEN)


@router.post("/tencent/{secret}/reports", summary="腾讯云短信回执 Receipts of Tencent", responses=_TAKEN)
async def tencent_reports(
    parts: ContainerDep, secret: Secret, reports: Annotated[list[TencentReport], Body(max_length=MOST_REPORTS)]
) -> Response:
    """Take in receipts as Tencent posts them; the same again counts once."""
    return await _take_reports(parts, secret, reports, _TENCENT_TAKEN)


@router.post("/tencent/{secret}/replies", summary="腾讯云上行短信 A reply by Tencent", responses=_TAKEN)
async def tencent_reply(parts: ContainerDep, secret: Secret, given: TencentReply) -> Response:
    """Do what a reply asks for, as with Aliyun's."""
    return await _take_replies(parts, secret, [given], _TENCENT_TAKEN)


@router.post("/email/{secret}/bounces", summary="退信 Bounces", status_code=204, responses=DOCUMENTED)
async def bounces(parts: ContainerDep, secret: Secret, bounce: Bounce) -> Response:
    """Take in a delivery status notification: what could not be delivered, or was. One that is none is passed over."""
    check_secret(parts, secret)
    await take(parts, [one for one in [of_bounce(bounce.raw)] if one is not None])
    return Response(status_code=204)


@router.post(
    "/push/{token}", summary="推送已显示 A push was seen", status_code=204, responses=problems(Reason.LINK_INVALID)
)
async def push_report(
    parts: ContainerDep,
    token: Annotated[str, Path(max_length=128, examples=["q83vEjRWeJCrze8SNFZ4kAE"])],
    report: PushReport,
) -> Response:
    """Take in that a push stood on a screen, or was opened; the push itself brought the token."""
    try:
        message_id = UUID(bytes=parts.links.read(REPORT, token))
    except (InvalidLink, ValueError):
        raise Refused(Reason.LINK_INVALID) from None
    await take(
        parts,
        [
            Receipt(
                provider=Channel.WEB_PUSH.value,
                message_id=message_id,
                reference=None,
                evidence=Evidence[report.evidence.upper()],
            )
        ],
    )
    return Response(status_code=204)


async def _take_reports(parts: Container, secret: str, reports: Sequence[_Report], answer: dict[str, Any]) -> Response:
    check_secret(parts, secret)
    await take(parts, [found for found in (one.receipt() for one in reports) if found is not None])
    return JSONResponse(answer)


async def _take_replies(parts: Container, secret: str, replies: Sequence[_Reply], answer: dict[str, Any]) -> Response:
    check_secret(parts, secret)
    for one in replies:
        async with parts.engine.begin() as tx:
            await reply(tx, parts.box, one.reply(), parts.clock())
    return JSONResponse(answer)


def _uuid(text: str) -> UUID | None:
    try:
        return UUID(text)
    except ValueError:
        return None


def _e164(number: str) -> str:
    digits = number.strip().lstrip("+").removeprefix("00")
    return f"+{digits}" if len(digits) > 11 else f"+86{digits}"
