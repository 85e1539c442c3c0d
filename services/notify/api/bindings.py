"""WeChat and WeCom: whose account is whose there, and which consents are left."""

from datetime import datetime
from typing import Annotated, Any, Literal

from fastapi import Path, Response
from pydantic import ConfigDict, Field

from services.notify.api.deps import SignedIn, SignedInDep, WriteDep, documented, documented_write
from services.notify.domain.message import Channel
from services.notify.domain.reason import Reason
from services.notify.store import bindings
from services.notify.store.database import Connection
from shared.clock import SHANGHAI
from shared.refusal import Refused
from shared.web import Shown, Strict, strict_router

router = strict_router(prefix="/api/v1/bindings", tags=["bindings"])

MOST_CONSENTS = 10
COME_AGAIN_SECONDS = 30
Bindable = Literal[Channel.WECHAT_MINI, Channel.WECHAT_OFFICIAL, Channel.WECOM]
BindableChannel = Annotated[Bindable, Path(examples=["wechat_mini"])]
ConsentChannel = Annotated[Literal[Channel.WECHAT_MINI, Channel.WECHAT_OFFICIAL], Path(examples=["wechat_mini"])]
_EXAMPLE: dict[str, Any] = {"channel": "wechat_mini", "bound_at": "2026-11-25T09:12:03+08:00", "following": True}
_TEMPLATE = "ngqIpbwh8bUfcSsECmogfXcV14J0tQlEpBO27izEYtY"
_CONSENT: dict[str, Any] = {"template": _TEMPLATE, "message": "reminder/full", "open": 1, "lasting": False}


class BindingWanted(Strict):
    """The one-time code that WeChat or WeCom gives the front end (`wx.login`, or the page's redirect)."""

    code: Annotated[str, Field(min_length=1, max_length=512, pattern=r"^[\x21-\x7e]+$")]

    model_config = ConfigDict(json_schema_extra={"examples": [{"code": "0f3xYz000aBcDe1"}]})


class BindingShown(Shown):
    """A channel that your account is bound to."""

    channel: Channel
    bound_at: datetime
    following: Annotated[
        bool,
        Field(description="False where you have left the official account: follow it again to be sent anything there."),
    ] = True

    model_config = ConfigDict(json_schema_extra={"examples": [_EXAMPLE]})


class BindingsShown(Shown):
    """Every channel that your account is bound to."""

    items: list[BindingShown]

    model_config = ConfigDict(json_schema_extra={"examples": [{"items": [_EXAMPLE]}]})


class ConsentGiven(Strict):
    """What the reader chose for one template in `wx.requestSubscribeMessage`."""

    template: Annotated[str, Field(min_length=1, max_length=64, pattern=r"^[\w-]+$")]
    result: Annotated[
        Literal["accept", "reject", "ban"],
        Field(description="As WeChat reports it; `ban` voids what was given before."),
    ]
    lasting: Annotated[bool, Field(description="The template is of the long-term kind: good for any number.")] = False


class ConsentsGiven(Strict):
    """The answers of one request for consent."""

    items: Annotated[tuple[ConsentGiven, ...], Field(min_length=1, max_length=MOST_CONSENTS)]

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"items": [{"template": _TEMPLATE, "result": "accept", "lasting": False}]}]}
    )


class ConsentLeft(Shown):
    """What is left for one template. Ask for consent where it is neither lasting nor open, when a booking is made."""

    template: str
    message: Annotated[str, Field(description="The message that it is for: kind and wording.")]
    open: Annotated[int, Field(description="Messages that may still be sent.")]
    lasting: bool

    model_config = ConfigDict(json_schema_extra={"examples": [_CONSENT]})


class ConsentsLeft(Shown):
    """What is left for every template of the channel."""

    items: list[ConsentLeft]

    model_config = ConfigDict(json_schema_extra={"examples": [{"items": [_CONSENT]}]})


@router.get("", summary="已绑定的渠道 My bindings", response_model=BindingsShown, **documented())
async def my_bindings(asker: SignedInDep) -> BindingsShown:
    """The channels of WeChat and WeCom that your account is bound to."""
    async with asker.parts.engine.connect() as connection:
        found = await bindings.bound_channels(connection, asker.principal.subject)
    return BindingsShown(
        items=[
            BindingShown(channel=one.channel, bound_at=one.since.astimezone(SHANGHAI), following=not one.left)
            for one in found
        ]
    )


@router.put(
    "/{channel}",
    summary="绑定微信或企业微信 Bind",
    response_model=BindingShown,
    **documented_write(Reason.BINDING_NOT_SET_UP, Reason.BINDING_CODE_INVALID, Reason.NOT_ALLOWED, Reason.BUSY),
)
async def bind(asker: WriteDep, channel: BindableChannel, wish: BindingWanted) -> BindingShown:
    """Have messages sent to the WeChat or WeCom account that `code` stands for. The provider says whose it is. 绑定后可收到通知。

    That account is yours from now on, and no longer anybody else's. WeCom is for those who work here.
    """
    if channel is Channel.WECOM and asker.principal.role == "resident":
        raise Refused(Reason.NOT_ALLOWED)
    if not asker.parts.accounts.has(channel):
        raise Refused(Reason.BINDING_NOT_SET_UP)
    try:
        address = await asker.parts.accounts.address_of(channel, wish.code)
    except asker.parts.silences:
        raise Refused(Reason.BUSY, retry_after_seconds=COME_AGAIN_SECONDS) from None
    if not address:
        raise Refused(Reason.BINDING_CODE_INVALID, field="/code")
    now = asker.parts.clock()
    async with asker.parts.engine.begin() as tx:
        await bindings.bind(tx, asker.parts.box, (asker.principal.subject, channel), address, now)
    return BindingShown(channel=channel, bound_at=now.astimezone(SHANGHAI))


@router.delete("/{channel}", summary="解除绑定 Unbind", status_code=204, **documented_write())
async def unbind(asker: WriteDep, channel: BindableChannel) -> Response:
    """Send nothing more there. Doing so again changes nothing."""
    async with asker.parts.engine.begin() as tx:
        await bindings.unbind(tx, asker.principal.subject, channel)
    return Response(status_code=204)


@router.get("/{channel}/consents", summary="剩余的消息授权 Consents left", response_model=ConsentsLeft, **documented())
async def my_consents(asker: SignedInDep, channel: ConsentChannel) -> ConsentsLeft:
    """How many messages may still be sent to you there, by template. 一次授权只能发送一条消息。

    The official account asks for consent only where it sends subscription notices; WeChat tells us of it.
    """
    async with asker.parts.engine.connect() as connection:
        return await _left(connection, asker, channel)


@router.post(
    "/wechat_mini/consents",
    summary="记录消息授权 Record consents",
    response_model=ConsentsLeft,
    **documented_write(Reason.WECHAT_TEMPLATE_UNKNOWN),
)
async def record_consents(asker: WriteDep, given: ConsentsGiven) -> ConsentsLeft:
    """Write down what you chose when WeChat asked. The same Idempotency-Key again counts once. 记录一次授权的结果。"""
    known = {template.id for template in asker.parts.settings.wechat_mini_templates.values()}
    whose, now = (asker.principal.subject, Channel.WECHAT_MINI), asker.parts.clock()
    for place, one in enumerate(given.items):
        if one.template not in known:
            raise Refused(Reason.WECHAT_TEMPLATE_UNKNOWN, field=f"/items/{place}/template")
    async with asker.parts.engine.begin() as tx:
        for one in given.items:
            if one.result == "accept":
                under = (asker.key, now)
                await bindings.give_consent(tx, whose, one.template, lasting=one.lasting, under=under)
            elif one.result == "ban":
                await bindings.void(tx, whose, one.template, now, spent=False)
        return await _left(tx, asker, Channel.WECHAT_MINI)


async def _left(connection: Connection, asker: SignedIn, channel: Channel) -> ConsentsLeft:
    settings = asker.parts.settings
    mini = channel is Channel.WECHAT_MINI
    templates = settings.wechat_mini_templates if mini else settings.wechat_official_templates
    found = await bindings.left(connection, asker.principal.subject, channel)
    nothing = bindings.Left(open=0, lasting=False)
    return ConsentsLeft(
        items=[
            ConsentLeft(
                template=template.id,
                message=name,
                open=found.get(template.id, nothing).open,
                lasting=found.get(template.id, nothing).lasting,
            )
            for name, template in sorted(templates.items())
        ]
    )
