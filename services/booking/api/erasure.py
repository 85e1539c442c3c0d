"""Erasing oneself."""

from starlette.responses import Response

from services.booking.api.deps import WriteDep, documented_write, remember
from services.booking.commands.erasing import erase
from services.booking.domain.reason import Reason
from services.booking.store.database import Connection
from shared.web import Answer, strict_router

router = strict_router(prefix="/api/v1", tags=["me"])


@router.post(
    "/me/erasure",
    summary="注销并删除个人信息 Erase me",
    status_code=204,
    **documented_write(Reason.ERASURE_WAITS),
)
async def erase_me(write: WriteDep) -> Response:
    """Close your account and delete your name, addresses, documents, answers and messages, for good. 注销后不可恢复。

    What is still to come stands in the way and is named: cancel it, leave it, or wait until it is over. That places were
    booked, by nobody in particular, stays in the venues' counts. Whose document a no-show belongs to is known until no rule
    counts it any more.
    """

    async def work(tx: Connection) -> Answer:
        await erase(tx, write.key, write.parts.clock)
        return Answer(204, {}, b"")

    return await remember(write, work)
