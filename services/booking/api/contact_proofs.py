"""Proving that a mail address is one's own: by the code in the mail, signed in, or by its link, without.

A GET of the link shows a page with a button and changes nothing, for mail scanners open every link. The POST, of the
button, proves; it may be repeated.
"""

from typing import Annotated, Any

from fastapi import Path
from pydantic import ConfigDict, Field
from starlette.responses import HTMLResponse, Response

from services.booking.api.deps import Reader, ReaderDep, Write, WriteDep, documented_write, remember
from services.booking.api.me import Me, Pending, pending, shown
from services.booking.api.problems import problems
from services.booking.commands.contact_proofs import (
    PATH,
    address_of_link,
    prove_by_code,
    prove_by_link,
    send_proof_again,
)
from services.booking.commands.proving import Proving
from services.booking.domain.reason import Reason
from services.booking.store.database import Connection
from shared.contracts import Words
from shared.refusal import Refused
from shared.web import Answer, Strict, strict_router
from shared.web.small_page import small_page

router = strict_router(prefix="/api/v1/me/email", tags=["me"])
links = strict_router(prefix=PATH.rstrip("/"), tags=["me"])

_JSON = {"content-type": "application/json"}
_HTML: dict[int | str, dict[str, Any]] = {200: {"content": {"text/html": {"schema": {"type": "string"}}}}}

Token = Annotated[str, Path(max_length=64, examples=["3q2-7wEjRWeJCrze8SNFZ4kAE1hYz0-A"])]


class ProofGiven(Strict):
    """The code that arrived at the new address."""

    code: Annotated[str, Field(pattern=r"^[0-9]{6}$", examples=["493027"])]

    model_config = ConfigDict(json_schema_extra={"examples": [{"code": "493027"}]})


@router.post(
    "/codes",
    summary="重新发送验证邮件 Send the code again",
    status_code=202,
    response_model=Pending,
    **documented_write(Reason.NOTHING_TO_PROVE),
)
async def send_again(write: WriteDep) -> Response:
    """Sends another code and link to the address that waits; one a minute, five an hour, ten a day. Older ones end."""

    async def work(tx: Connection) -> Answer:
        waiting = await send_proof_again(tx, _proving(write), write.principal.subject)
        return Answer(202, _JSON, pending(waiting).model_dump_json().encode())

    return await remember(write, work)


@router.post(
    "/proof",
    summary="验证邮箱 Prove the address",
    response_model=Me,
    **documented_write(Reason.NOTHING_TO_PROVE, Reason.PROOF_CODE_WRONG, Reason.PROOF_TOO_MANY_TRIES),
)
async def prove(body: ProofGiven, write: WriteDep) -> Response:
    """With the code from the mail, the address that waits is taken into use. A code has five tries and thirty minutes."""

    async def work(tx: Connection) -> Answer:
        proved = await prove_by_code(tx, _proving(write), write.principal.subject, body.code)
        return write.refusal(proved) if isinstance(proved, Refused) else shown(*proved, None)

    return await remember(write, work)


@links.get(
    "/{token}",
    summary="验证邮箱页面 The page behind the link",
    response_class=HTMLResponse,
    responses=_HTML | problems(Reason.PROOF_LINK_INVALID),
)
async def proof_page(token: Token, asker: ReaderDep) -> Response:
    """A page with one button. Opening it changes nothing. 打开此页不会改变任何设置。"""
    email = await address_of_link(asker.parts.engine, _proving(asker), token)
    return small_page(
        Words(f"用 {email} 接收预约通知？", f"Get messages about bookings at {email}?"),
        Words("如果不是您本人填写的，请直接关闭此页。", "If it was not you who gave this address, close this page."),
        '<form method="post"><button>确认 Confirm</button></form>',
    )


@links.post(
    "/{token}",
    summary="以链接验证邮箱 Prove the address by its link",
    response_class=HTMLResponse,
    responses=_HTML | problems(Reason.PROOF_LINK_INVALID),
)
async def prove_with_link(token: Token, asker: ReaderDep) -> Response:
    """Takes the address into use that the link was sent to. Doing so again changes nothing."""
    async with asker.parts.engine.begin() as tx:
        email = await prove_by_link(tx, _proving(asker), token)
    return small_page(
        Words(f"{email} 已验证。", f"{email} is confirmed."),
        Words("今后的预约通知也会发送到这个邮箱。", "Messages about your bookings go there from now on, too."),
    )


def _proving(asker: Reader | Write) -> Proving:
    parts = asker.parts
    return Proving(parts.vault, parts.settings.public_url, parts.clock())
