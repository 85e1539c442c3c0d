"""Where WeChat posts its events: of the mini-program (JSON or XML) and of the official account (XML).

It is answered with `success` for every event that was read, whether or not it tells us anything; WeChat tries thrice
otherwise, and shows its readers that the account is out of order.
"""

from collections.abc import Mapping
from enum import StrEnum
from typing import Annotated, Any

from fastapi import Depends, Path, Query
from starlette.requests import Request
from starlette.responses import Response

from services.notify.api.deps import Container, ContainerDep
from services.notify.api.problems import problems
from services.notify.api.reporting import DOCUMENTED, Secret, check_secret
from services.notify.api.wechat_post import Envelope, Unreadable, WechatSignature
from services.notify.commands.wechat import App, hear
from services.notify.domain.message import Channel
from services.notify.domain.reason import Reason
from services.notify.domain.wechat_event import read_event
from shared.refusal import Refused
from shared.web import strict_router, visit_of

router = strict_router(prefix="/receipts", tags=["receipts"])
XML_PREFIX = "/receipts/wechat_"
"""Where XML may be sent."""


class WechatApp(StrEnum):
    """Our applications at WeChat."""

    MINI = "wechat_mini"
    OFFICIAL = "wechat_official"


AppName = Annotated[
    WechatApp, Path(examples=["wechat_official"], description="小程序或公众号。Which application it is.")
]
WechatCall = Annotated[WechatSignature, Depends()]
Echo = Annotated[str, Query(max_length=64, pattern=r"^[\w-]+$", examples=["4375120948345356249"])]
_TEXT: Mapping[str, Any] = {"text/plain": {"schema": {"type": "string"}}}
_EXAMPLE_XML = (
    "<xml><ToUserName><![CDATA[gh_123456789abc]]></ToUserName><FromUserName><![CDATA[oDalian000001]]></FromUserName>"
    "<CreateTime>1764000000</CreateTime><MsgType><![CDATA[event]]></MsgType>"
    "<Event><![CDATA[TEMPLATESENDJOBFINISH]]></Event><MsgID>1700827</MsgID><Status><![CDATA[success]]></Status></xml>"
)
_EXAMPLE_JSON = {
    "ToUserName": "gh_123456789abc",
    "FromUserName": "oDalian000001",
    "CreateTime": 1764000000,
    "MsgType": "event",
    "Event": "subscribe_msg_sent_event",
    "List": {"TemplateId": "T", "MsgID": "1700827", "ErrorCode": "0", "ErrorStatus": "success"},
}
_BODY: Mapping[str, Any] = {
    "requestBody": {
        "required": True,
        "content": {
            "application/json": {"schema": {"type": "object", "examples": [_EXAMPLE_JSON]}},
            "text/xml": {"schema": {"type": "string"}, "example": _EXAMPLE_XML},
        },
    }
}


@router.get(
    "/{app}/{secret}/events",
    summary="微信接入验证 WeChat's greeting",
    responses={200: {"description": "The echo.", "content": _TEXT}, **DOCUMENTED},
)
async def wechat_greeting(
    parts: ContainerDep, app: AppName, secret: Secret, call: WechatCall, echostr: Echo
) -> Response:
    """Echo what WeChat sends when this address is entered there, with the secret as its token."""
    del app
    _check(parts, secret, call)
    return Response(echostr, media_type="text/plain")


@router.post(
    "/{app}/{secret}/events",
    summary="微信事件 Events of WeChat",
    responses={
        200: {"description": "Taken.", "content": _TEXT},
        **problems(Reason.NOT_FOUND, Reason.WECHAT_POST_UNREADABLE),
    },
    openapi_extra=dict(_BODY),
)
async def wechat_events(
    request: Request, parts: ContainerDep, app: AppName, secret: Secret, call: WechatCall
) -> Response:
    """Take in what became of messages, consents, and who follows the official account; other events are passed over.

    XML or JSON, plain or, where a key is set, encrypted: 明文模式，或填写了消息加解密密钥后的安全模式。
    """
    _check(parts, secret, call)
    ours, envelope = _ours(parts, app, secret)
    try:
        event = read_event(envelope.open(call, visit_of(request).body))
    except Unreadable:
        raise Refused(Reason.WECHAT_POST_UNREADABLE) from None
    if event is not None:
        async with parts.engine.begin() as tx:
            await hear(tx, parts.box, ours, event, parts.clock())
    return Response("success", media_type="text/plain")


def _check(parts: Container, secret: str, call: WechatSignature) -> None:
    check_secret(parts, secret)
    if not call.is_by(secret):
        raise Refused(Reason.NOT_FOUND)


def _ours(parts: Container, app: WechatApp, token: str) -> tuple[App, Envelope]:
    settings = parts.settings
    if app is WechatApp.MINI:
        templates, app_id, key = (
            settings.wechat_mini_templates,
            settings.wechat_mini_app_id,
            settings.wechat_mini_aes_key,
        )
    else:
        templates, app_id, key = (
            settings.wechat_official_templates,
            settings.wechat_official_app_id,
            settings.wechat_official_aes_key,
        )
    ids = frozenset(template.id for template in templates.values())
    plain_key = None if key is None else key.get_secret_value()
    return App(Channel(app.value), ids), Envelope(token, app_id or "", plain_key)
