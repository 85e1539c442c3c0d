"""Unsubscribing by the link in a mail: nobody has to sign in to be left in peace (RFC 8058).

A GET shows a page with a button and changes nothing, for mail scanners open every link. The POST, of the button or of a
mail program's own, switches one kind of mail off. It may be repeated, and undone among the preferences.
"""

from typing import Annotated, Any

from fastapi import Path
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response

from services.notify.api.deps import Container
from services.notify.api.problems import problems
from services.notify.domain.message import Kind
from services.notify.domain.preference import UNSUBSCRIBE, Subscription, change, read_subscription, without
from services.notify.domain.reason import Reason
from services.notify.store import preferences
from shared.contracts import Words
from shared.links import InvalidLink
from shared.refusal import Refused
from shared.web import strict_router
from shared.web.small_page import small_page

PREFIX = "/unsubscribe/"
router = strict_router(prefix="/unsubscribe", tags=["preferences"])

_HTML: dict[int | str, dict[str, Any]] = {200: {"content": {"text/html": {"schema": {"type": "string"}}}}}
_NAMES = {
    Kind.CONFIRMATION: Words("预约成功邮件", "mails that confirm a booking"),
    Kind.REMINDER: Words("预约提醒邮件", "mails that remind you of a booking"),
    Kind.PREPARATION: Words("来前准备邮件", "mails that say what to prepare"),
    Kind.PARTY_CHANGED: Words("同行人变动邮件", "mails that say that a party has changed"),
    Kind.WAITLIST_OFFER: Words("候补到号邮件", "mails that offer a place you waited for"),
    Kind.OFFER_LAPSED: Words("候补名额让出邮件", "mails that say that an offer ended"),
    Kind.FEEDBACK: Words("征求意见邮件", "mails that ask how it was"),
    Kind.PENALTY_WARNING: Words("违约记录邮件", "mails that say that a strike was counted"),
    Kind.PENALTY_END: Words("恢复网上预约邮件", "mails that say that you can book again"),
    Kind.CASE_STEP: Words("办理进度邮件", "mails that say where your application stands"),
    Kind.COPY_REQUEST: Words("家人通知征询邮件", "mails that ask whether you want copies of somebody's messages"),
    Kind.RELEASE_REMINDER: Words("放号提醒邮件", "mails that remind you of places that open"),
}
"""Every kind of mail that can be switched off; a test holds this equal to the locks."""

Token = Annotated[str, Path(max_length=200, examples=["q83vEjRWeJCrze8SNFZ4kAE"])]


@router.get(
    "/{token}",
    summary="退订页面 The page behind the link",
    response_class=HTMLResponse,
    responses=_HTML | problems(Reason.LINK_INVALID),
)
async def unsubscribe_page(token: Token, request: Request) -> Response:
    """A page with one button. Opening it changes nothing. 打开此页不会改变任何设置。"""
    name = _NAMES[_subscription(request, token).kind]
    button = (
        '<form method="post"><input type="hidden" name="List-Unsubscribe" value="One-Click">'
        "<button>退订 Unsubscribe</button></form>"
    )
    return small_page(
        Words(f"不再接收{name.zh}？", f"Stop {name.en}?"),
        Words("站内信不受影响。", "Your inbox in the app keeps them."),
        button,
    )


@router.post(
    "/{token}",
    summary="退订 Unsubscribe",
    response_class=HTMLResponse,
    responses=_HTML | problems(Reason.LINK_INVALID),
)
async def unsubscribe(token: Token, request: Request) -> Response:
    """Switches one kind of mail off, as the link in it says. Doing so again changes nothing."""
    parts: Container = request.app.state.container
    subscription = _subscription(request, token)
    now = parts.clock()
    async with parts.engine.begin() as tx:
        stored = await preferences.lock(tx, subscription.account_id, token, now)
        wanted = without(stored.preferences, subscription)
        found = change(stored.preferences, wanted, expected=None, key_used=False)
        if found is not stored.preferences:
            await preferences.keep(tx, subscription.account_id, found, token, now)
    name = _NAMES[subscription.kind]
    return small_page(
        Words(f"您将不再收到{name.zh}。", f"You will get no more {name.en}."),
        Words(
            "如需恢复，请登录后在通知设置中打开。", "To get them again, sign in and switch them on in your preferences."
        ),
    )


def _subscription(request: Request, token: str) -> Subscription:
    parts: Container = request.app.state.container
    try:
        subscription = read_subscription(parts.links.read(UNSUBSCRIBE, token))
    except (InvalidLink, ValueError):
        raise Refused(Reason.LINK_INVALID) from None
    if subscription.kind not in _NAMES:
        raise Refused(Reason.LINK_INVALID)
    return subscription
