"""My messages: the in-app inbox as a list, its read marks, and a stream of what is new."""

import time
from collections.abc import AsyncIterable, AsyncIterator
from dataclasses import dataclass
from typing import Annotated, Any
from uuid import UUID

from fastapi import Depends, Header, Path, Query
from fastapi.sse import EventSourceResponse, ServerSentEvent
from pydantic import ConfigDict, Field
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from services.notify import views
from services.notify.api.deps import SignedIn, SignedInDep, WriteDep, documented, documented_write
from services.notify.api.message_body import EXAMPLE, MessageShown, message_shown
from services.notify.domain.reason import Reason
from services.notify.doorbell import Bell
from services.notify.store import inbox
from shared.refusal import Refused
from shared.web import Page, decode_cursor, encode_cursor, link_header, next_link, strict_router

router = strict_router(prefix="/api/v1/messages", tags=["messages"])

STREAM_PAGE = 100
RECONNECT_MILLISECONDS = 3000
LARGEST = 2**63 - 1
_STREAM: dict[int | str, dict[str, Any]] = {
    200: {
        "description": (
            "`text/event-stream`: events named `message`, their `id` the message's `sequence`, their `data` the message"
            " as in the list; comments in between keep the connection alive."
        )
    }
}


class MessagePage(Page[MessageShown]):
    """One page of the inbox, the newest message first, and the state of the whole."""

    unread: Annotated[int, Field(description="Messages not marked as read, on all pages.")]
    last: Annotated[
        int, Field(description="The number of the newest message, 0 where there is none: where a stream begins.")
    ]

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"items": [EXAMPLE], "next": None, "unread": 1, "last": 7}]}
    )


@router.get("", summary="我的消息 My messages", response_model=MessagePage, **documented(Reason.INVALID_CURSOR))
async def my_messages(
    request: Request,
    asker: SignedInDep,
    cursor: Annotated[str | None, Query(description="From `next` of the page before.")] = None,
    limit: Annotated[int, Query(ge=1, le=100)] = 20,
    unread: Annotated[bool, Query(description="Only those not marked as read.")] = False,
) -> Response:
    """Your messages, the newest first, each in both languages."""
    before = None if cursor is None else int(decode_cursor(cursor, int)[0])
    if before is not None and not 0 < before <= LARGEST:
        raise Refused(Reason.INVALID_CURSOR, field="/cursor")
    account_id = asker.principal.subject
    async with asker.parts.engine.connect() as connection:
        found = await views.page(connection, account_id, before=before, limit=limit + 1, unread=unread)
        state = await views.state_of(connection, account_id)
    shown = found[:limit]
    following = next_link(request, encode_cursor(shown[-1].sequence)) if len(found) > limit else None
    page = MessagePage(
        items=[message_shown(message) for message in shown], next=following, unread=state.unread, last=state.last
    )
    headers = {} if following is None else {"link": link_header(following)}
    return JSONResponse(page.model_dump(mode="json"), headers=headers)


@router.post(
    "/{message_id}/read",
    summary="标为已读 Mark as read",
    response_model=MessageShown,
    **documented_write(Reason.MESSAGE_UNKNOWN),
)
async def mark_read(asker: WriteDep, message_id: Annotated[UUID, Path(examples=[EXAMPLE["id"]])]) -> MessageShown:
    """Marks a message as read. Doing so again changes nothing: `read_at` stays what it was the first time."""
    account_id = asker.principal.subject
    async with asker.parts.engine.begin() as tx:
        known = await inbox.mark_read(tx, message_id, account_id, asker.parts.clock())
        message = await views.one(tx, account_id, message_id) if known else None
    if message is None:
        raise Refused(Reason.MESSAGE_UNKNOWN)
    return message_shown(message)


@dataclass(frozen=True, slots=True)
class Listener:
    """Somebody with a stream: from which number, and until when (by the monotonic clock, in seconds)."""

    asker: SignedIn
    bell: Bell
    after: int
    until: float


async def listening(
    asker: SignedInDep,
    after: Annotated[
        int | None,
        Query(
            ge=0,
            le=LARGEST,
            description="Begin after this number: `last` of the list. Without it, what is new from now on.",
        ),
    ] = None,
    last_event_id: Annotated[
        int | None,
        Header(ge=0, le=LARGEST, description="The `id` of the last event that you have; a browser sends it by itself."),
    ] = None,
) -> AsyncIterator[Listener]:
    """Give a listener for as long as its stream is open.

    A stream ends after `stream_seconds`, or with the token that opened it: nobody goes on reading as somebody who has
    signed out long ago.

    Raises:
        Refused: `too_many_streams`.
    """
    parts, account_id = asker.parts, asker.principal.subject
    seconds = parts.settings.stream_seconds
    if asker.principal.expires_at is not None:
        seconds = min(seconds, (asker.principal.expires_at - parts.clock()).total_seconds())
    with parts.doorbell.listen(account_id) as bell:
        start = last_event_id if last_event_id is not None else after
        if start is None:
            async with parts.engine.connect() as connection:
                start = (await views.state_of(connection, account_id)).last
        yield Listener(asker, bell, start, time.monotonic() + seconds)


@router.get(
    "/stream",
    summary="新消息实时推送 A stream of new messages",
    response_class=EventSourceResponse,
    **{
        **documented(Reason.TOO_MANY_STREAMS),
        "responses": {**documented(Reason.TOO_MANY_STREAMS)["responses"], **_STREAM},
    },
)
async def stream(listener: Annotated[Listener, Depends(listening)]) -> AsyncIterable[ServerSentEvent]:
    """New messages as server-sent events, each exactly once and in order.

    When the stream ends, open it again with the last `id` in Last-Event-ID (a browser does so by itself): it goes on
    where it was, without a gap and without a repetition.
    """
    parts, account_id = listener.asker.parts, listener.asker.principal.subject
    reached = listener.after
    yield ServerSentEvent(comment="open", retry=RECONNECT_MILLISECONDS)
    while True:
        listener.bell.quiet()
        async with parts.engine.connect() as connection:
            found = await views.after(connection, account_id, reached, STREAM_PAGE)
        for message in found:
            yield ServerSentEvent(data=message_shown(message), event="message", id=str(message.sequence))
            reached = message.sequence
        left = listener.until - time.monotonic()
        if left <= 0 or (len(found) < STREAM_PAGE and not await listener.bell.wait(left)):
            return
