"""The waiting list: join when what you want is full, see your place and what became of it, leave at any time."""

from typing import Annotated
from uuid import UUID

from fastapi import Path, Request
from starlette.responses import Response

from services.booking.api.deps import (
    ReaderDep,
    SignedInDep,
    WriteDep,
    documented,
    documented_signed_in,
    documented_write,
    remember,
)
from services.booking.api.offered import (
    NO_STORE,
    PARTY_REASONS,
    Cursor,
    Limit,
    ServiceId,
    answer,
    before,
    catalogue_of,
    page_answer,
    page_of_rows,
    service_of,
)
from services.booking.api.waiting_body import (
    LinePlace,
    NewWait,
    Past,
    WaitShown,
    WaitWhole,
    line_place,
    wait_shown,
    wait_whole,
)
from services.booking.commands.waiting import give_back
from services.booking.commands.waitlist import NewEntry, join, leave
from services.booking.domain.reason import Reason
from services.booking.store.database import Connection
from services.booking.store.waitlist import ahead_of, entries_of, line_of_service, offers_of, read_entry, skips_of
from shared.ids import new_id
from shared.refusal import Refused
from shared.web import Answer, Page, decode_cursor, encode_cursor, strict_router

router = strict_router(prefix="/api/v1", tags=["waiting-list"])

EntryId = Annotated[UUID, Path(description="The entry. 候补。")]
SKIPS_MOST = 100
"""Of the times at which an entry was passed over, so many are shown."""


@router.post(
    "/waiting-list",
    summary="登记候补 Join the waiting list",
    status_code=201,
    response_model=WaitShown,
    **documented_write(
        Reason.SERVICE_UNKNOWN,
        Reason.WAITLIST_NONE,
        Reason.WAITLIST_SERVICES_DIFFER,
        Reason.WAITLIST_NOTHING_THERE,
        Reason.WAITLIST_TOO_WIDE,
        Reason.WAITLIST_NOT_NEEDED,
        Reason.WAITLIST_LIMIT_REACHED,
        Reason.WAITING_ALREADY,
        Reason.NOT_RELEASED,
        *PARTY_REASONS,
    ),
)
async def join_line(wish: NewWait, asker: WriteDep) -> Response:
    """Wait for any of these services, in these days and hours, with a whole party. 登记候补。

    One waits for what is released and full; what has room is named in the refusal, to be booked. Whoever joined first is
    asked first. A seat that comes free is held for you as a booking with `offer`: confirm it to accept, cancel it to decline,
    before `hold_until`. Each person waits once for a service, whichever account joins.
    """
    catalogue = await catalogue_of(asker)
    new = NewEntry(
        id=new_id(),
        account_id=asker.principal.subject,
        service_ids=tuple(wish.services),
        band=wish.band(),
        party_kind=wish.party,
        person_ids=tuple(wish.people),
        declarations=wish.declarations,
    )

    async def work(tx: Connection) -> Answer:
        made = await join(tx, new, catalogue, asker.parts.clock())
        shown = wait_shown(made, await ahead_of(tx, [made.id]))
        headers = {"content-type": "application/json", "location": f"/api/v1/waiting-list/{made.id}"}
        return Answer(201, headers, shown.model_dump_json().encode())

    return await remember(asker, work)


@router.get(
    "/waiting-list",
    summary="我的候补 My entries",
    response_model=Page[WaitShown],
    **documented_signed_in(Reason.INVALID_CURSOR),
)
async def my_entries(request: Request, asker: SignedInDep, cursor: Cursor = None, limit: Limit = 20) -> Response:
    """What your account waits for and has waited for, the newest first, with its place in the line. 我的候补。"""
    async with asker.parts.engine.connect() as connection:
        found = await entries_of(connection, asker.principal.subject, before(cursor), limit + 1)
        ahead = await ahead_of(connection, [one.id for one in found])
    page, following = page_of_rows(found, limit)
    items = [wait_shown(one, ahead) for one in page]
    return page_answer(request, Page[WaitShown], items, following, NO_STORE)


@router.get(
    "/waiting-list/{entry_id:uuid}",
    summary="候补详情 One entry",
    response_model=WaitWhole,
    **documented_signed_in(Reason.WAITLIST_ENTRY_UNKNOWN),
)
async def one_entry(entry_id: EntryId, asker: SignedInDep) -> Response:
    """Your place in the line, what you were offered, and for what you were passed over, with the reason. 候补详情。"""
    async with asker.parts.engine.connect() as connection:
        found = await read_entry(connection, entry_id)
        if found is None or found.account_id != asker.principal.subject:
            raise Refused(Reason.WAITLIST_ENTRY_UNKNOWN)
        ahead = await ahead_of(connection, [entry_id])
        past = Past(await offers_of(connection, entry_id), await skips_of(connection, entry_id, SKIPS_MOST))
    return answer(wait_whole(found, ahead, past), NO_STORE)


@router.delete(
    "/waiting-list/{entry_id:uuid}",
    summary="退出候补 Leave the waiting list",
    status_code=204,
    **documented_write(Reason.WAITLIST_ENTRY_UNKNOWN),
)
async def leave_line(entry_id: EntryId, asker: WriteDep) -> Response:
    """Leave at any time. An offer that is still open goes to the next in line at once. 随时可以退出候补。"""

    async def work(tx: Connection) -> Answer:
        await leave(tx, entry_id, asker.principal.subject, asker.parts.clock())
        return Answer(204, {}, b"")

    left = await remember(asker, work)
    await give_back(asker.parts.engine, asker.parts.desk, entry_id, asker.principal.subject)
    return left


@router.get(
    "/services/{service_id}/waiting-list",
    summary="服务的候补队列 The line of a service",
    response_model=Page[LinePlace],
    **documented(Reason.SERVICE_UNKNOWN, Reason.INVALID_CURSOR),
)
async def line(
    service_id: ServiceId, request: Request, asker: ReaderDep, cursor: Cursor = None, limit: Limit = 20
) -> Response:
    """Whoever waits for a service, in order, without names, so that anybody can check that nobody cuts in. 公示候补顺序。"""
    service_of(await catalogue_of(asker), service_id)
    (after,) = (0,) if cursor is None else decode_cursor(cursor, int)
    async with asker.parts.engine.connect() as connection:
        found = await line_of_service(connection, service_id, after, limit + 1)
    items = [line_place(row) for row in found[:limit]]
    following = encode_cursor(items[-1].number) if len(found) > limit else None
    return page_answer(request, Page[LinePlace], items, following, NO_STORE)
