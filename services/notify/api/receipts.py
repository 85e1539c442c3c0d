"""Where providers report: receipts and replies of text messages, events of WeChat, bounces of mail, and what a push showed.

Each address carries the secret that the provider was told, for only WeChat signs what it sends; a push's report carries
a token that its own content brought. A report is taken in whole or not at all, and answered as the provider
wants it, so that it does not come for ever: what cannot be told is passed over.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import sha1
from typing import Annotated, Literal
from uuid import UUID

from fastapi import Body, Depends, Path, Query
from pydantic import BaseModel, ConfigDict, Field
from starlette.responses import JSONResponse, Response

from services.notify.api.deps import Container, ContainerDep
from services.notify.api.problems import problems
from services.notify.commands.receive import receive, reply
from services.notify.domain.bounce import of_bounce
from services.notify.domain.message import Channel, Evidence
from services.notify.domain.reason import Reason
from services.notify.domain.receipt import Receipt, TextReply
from shared.links import InvalidLink
from shared.refusal import Refused
from shared.sealing import same_secret
from shared.web import Strict, strict_router

router = strict_router(prefix="/receipts", tags=["receipts"])

MOST_REPORTS = 500
REPORT = "receipt"
"""What a push's token is signed for."""

Secret = Annotated[str, Path(max_length=128, examples=["kJ2n8Qw4"], description="As NOTIFY_RECEIPT_SECRET says.")]
_DOCUMENTED = problems(Reason.NOT_FOUND)


class _Reported(BaseModel):
    """A provider's own form: what else it may say is passed over."""

    model_config = ConfigDict(extra="ignore")


class AliyunReport(_Reported):
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


class AliyunReply(_Reported):
    """One reply (SmsUp)."""

    phone_number: Annotated[str, Field(max_length=20)]
    content: Annotated[str, Field(max_length=500)]
    sequence_id: Annotated[int | str, Field(description="Aliyun's number for it.")] = ""

    model_config = ConfigDict(
        extra="ignore",
        json_schema_extra={"examples": [{"phone_number": "13900000001", "content": "R", "sequence_id": 1234567890}]},
    )


class TencentReport(_Reported):
    """One receipt of SendSms."""

    sid: Annotated[str, Field(max_length=64)]
    report_status: Annotated[str, Field(max_length=16)]
    errmsg: Annotated[str | None, Field(max_length=64)] = None

    model_config = ConfigDict(
        extra="ignore",
        json_schema_extra={"examples": [{"sid": "2019:3640", "report_status": "SUCCESS", "errmsg": "DELIVRD"}]},
    )


class TencentReply(_Reported):
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


class WechatSent(_Reported):
    """What became of one subscription message."""

    TemplateId: Annotated[str, Field(max_length=64)] = ""
    MsgID: Annotated[str | int, Field(description="As the sender was told.")]
    ErrorCode: Annotated[str | int, Field(description="0 where it was delivered.")] = 0


class WechatEvent(_Reported):
    """An event of the mini-program's message push, in JSON."""

    Event: Annotated[str, Field(max_length=64)]
    List: Annotated[tuple[WechatSent, ...], Field(max_length=MOST_REPORTS)] = ()

    model_config = ConfigDict(
        extra="ignore",
        json_schema_extra={
            "examples": [{"Event": "subscribe_msg_sent_event", "List": [{"MsgID": "1700827", "ErrorCode": "0"}]}]
        },
    )


class Bounce(Strict):
    """A delivery status notification (RFC 3464) as the mail server got it."""

    raw: Annotated[str, Field(max_length=60_000)]

    model_config = ConfigDict(json_schema_extra={"examples": [{"raw": "Content-Type: multipart/report; …"}]})


class PushReport(Strict):
    """What a service worker saw: the notification stood on the screen, or was opened."""

    evidence: Literal["shown", "acted"]

    model_config = ConfigDict(json_schema_extra={"examples": [{"evidence": "shown"}]})


@router.post(
    "/aliyun/{secret}/reports",
    summary="阿里云短信回执 Receipts of Aliyun",
    responses={200: {"description": "Taken."}, **_DOCUMENTED},
)
async def aliyun_reports(
    parts: ContainerDep, secret: Secret, reports: Annotated[list[AliyunReport], Body(max_length=MOST_REPORTS)]
) -> Response:
    """Take in receipts as Aliyun posts them; the same again counts once."""
    _check(parts, secret)
    await _take(
        parts,
        [
            Receipt(
                provider="aliyun",
                message_id=_uuid(one.out_id),
                reference=one.biz_id or None,
                evidence=Evidence.DELIVERED if one.success else None,
                code=one.err_code or "",
            )
            for one in reports
            if _uuid(one.out_id) or one.biz_id
        ],
    )
    return JSONResponse({"code": 0, "msg": "成功"})


@router.post(
    "/aliyun/{secret}/replies",
    summary="阿里云上行短信 Replies by Aliyun",
    responses={200: {"description": "Taken."}, **_DOCUMENTED},
)
async def aliyun_replies(
    parts: ContainerDep, secret: Secret, replies: Annotated[list[AliyunReply], Body(max_length=MOST_REPORTS)]
) -> Response:
    """Do what replies ask for: R refuses further text messages of that kind, Y says yes to an offer. 回复 R 退订，回复 Y 确认。"""
    _check(parts, secret)
    await _answer(
        parts,
        [
            TextReply(provider="aliyun", number=_e164(one.phone_number), text=one.content, key=str(one.sequence_id))
            for one in replies
        ],
    )
    return JSONResponse({"code": 0, "msg": "成功"})


@router.post(
    "/tencent/{secret}/reports",
    summary="腾讯云短信回执 Receipts of Tencent",
    responses={200: {"description": "Taken."}, **_DOCUMENTED},
)
async def tencent_reports(
    parts: ContainerDep, secret: Secret, reports: Annotated[list[TencentReport], Body(max_length=MOST_REPORTS)]
) -> Response:
    """Take in receipts as Tencent posts them; the same again counts once."""
    _check(parts, secret)
    await _take(
        parts,
        [
            Receipt(
                provider="tencent",
                message_id=None,
                reference=one.sid,
                evidence=Evidence.DELIVERED if one.report_status == "SUCCESS" else None,
                code=one.errmsg or "",
            )
            for one in reports
            if one.sid
        ],
    )
    return JSONResponse({"result": 0, "errmsg": "OK"})


@router.post(
    "/tencent/{secret}/replies",
    summary="腾讯云上行短信 A reply by Tencent",
    responses={200: {"description": "Taken."}, **_DOCUMENTED},
)
async def tencent_reply(parts: ContainerDep, secret: Secret, given: TencentReply) -> Response:
    """Do what a reply asks for, as with Aliyun's."""
    _check(parts, secret)
    number = _e164(f"{given.nationcode.lstrip('+')}{given.mobile}")
    await _answer(parts, [TextReply(provider="tencent", number=number, text=given.text, key=str(given.time))])
    return JSONResponse({"result": 0, "errmsg": "OK"})


@dataclass(frozen=True, slots=True)
class WechatSignature:
    """What WeChat puts into the query of every call: it signs with the token that it was told, our secret."""

    signature: Annotated[str, Query(pattern=r"^[0-9a-f]{40}$", examples=["f464b24fc39322e44b38aa78f5edd27bd1441696"])]
    timestamp: Annotated[str, Query(pattern=r"^[0-9]{1,12}$", examples=["1764000000"])]
    nonce: Annotated[str, Query(min_length=1, max_length=64, pattern=r"^[\w-]+$", examples=["1320562132"])]
    openid: Annotated[str | None, Query(max_length=64)] = None
    encrypt_type: Annotated[str | None, Query(max_length=16)] = None
    msg_signature: Annotated[str | None, Query(max_length=64)] = None

    def is_by(self, token: str) -> bool:
        """Return whether whoever signed knows `token`: SHA-1 of the three, sorted, as WeChat has it."""
        content = "".join(sorted((token, self.timestamp, self.nonce))).encode()
        return same_secret(self.signature, sha1(content).hexdigest())  # noqa: S324 - WeChat's own way


WechatCall = Annotated[WechatSignature, Depends()]
Echo = Annotated[str, Query(max_length=64, pattern=r"^[\w-]+$", examples=["4375120948345356249"])]


@router.get(
    "/wechat_mini/{secret}/events",
    summary="微信接入验证 WeChat's greeting",
    responses={
        200: {"description": "The echo.", "content": {"text/plain": {"schema": {"type": "string"}}}},
        **_DOCUMENTED,
    },
)
async def wechat_greeting(parts: ContainerDep, secret: Secret, call: WechatCall, echostr: Echo) -> Response:
    """Echo what WeChat sends when the address is entered there, with the secret as its token, and JSON as the format."""
    _check(parts, secret)
    if not call.is_by(secret):
        raise Refused(Reason.NOT_FOUND)
    return Response(echostr, media_type="text/plain")


@router.post(
    "/wechat_mini/{secret}/events",
    summary="微信小程序事件 Events of WeChat",
    responses={
        200: {"description": "Taken.", "content": {"text/plain": {"schema": {"type": "string"}}}},
        **_DOCUMENTED,
    },
)
async def wechat_events(parts: ContainerDep, secret: Secret, call: WechatCall, event: WechatEvent) -> Response:
    """Take in what became of subscription messages, signed by WeChat; other events are passed over."""
    _check(parts, secret)
    if not call.is_by(secret):
        raise Refused(Reason.NOT_FOUND)
    sent = event.List if event.Event == "subscribe_msg_sent_event" else ()
    await _take(
        parts,
        [
            Receipt(
                provider=Channel.WECHAT_MINI.value,
                message_id=None,
                reference=str(one.MsgID),
                evidence=Evidence.DELIVERED if str(one.ErrorCode) == "0" else None,
                code=str(one.ErrorCode),
            )
            for one in sent
        ],
    )
    return Response("success", media_type="text/plain")


@router.post("/email/{secret}/bounces", summary="退信 Bounces", status_code=204, responses=_DOCUMENTED)
async def bounces(parts: ContainerDep, secret: Secret, bounce: Bounce) -> Response:
    """Take in a delivery status notification: what could not be delivered, or was. One that is none is passed over."""
    _check(parts, secret)
    await _take(parts, [one for one in [of_bounce(bounce.raw)] if one is not None])
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
    await _take(
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


def _check(parts: Container, secret: str) -> None:
    """Refuse whoever does not know the secret as if there were nothing here.

    Raises:
        Refused: `not_found`.
    """
    expected = parts.settings.receipt_secret
    if expected is None or not same_secret(secret, expected.get_secret_value()):
        raise Refused(Reason.NOT_FOUND)


async def _take(parts: Container, arrived: Sequence[Receipt]) -> None:
    async with parts.engine.begin() as tx:
        await receive(tx, sorted(arrived, key=lambda one: one.key), parts.clock())


async def _answer(parts: Container, replies: Sequence[TextReply]) -> None:
    for one in replies:
        async with parts.engine.begin() as tx:
            await reply(tx, parts.box, one, parts.clock())


def _uuid(text: str) -> UUID | None:
    try:
        return UUID(text)
    except ValueError:
        return None


def _e164(number: str) -> str:
    digits = number.strip().lstrip("+").removeprefix("00")
    return f"+{digits}" if len(digits) > 11 else f"+86{digits}"
