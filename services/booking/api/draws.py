"""Draws: a scheduler opens a round, residents enter and leave it, anybody reads how it came out and works it out again."""

import secrets
from typing import Annotated
from uuid import UUID

from fastapi import Depends, Path, Request
from pydantic import BaseModel
from starlette.responses import Response

from services.booking.api.deps import (
    PUBLISHERS,
    ReaderDep,
    SignedInDep,
    Write,
    WriteDep,
    documented,
    documented_signed_in,
    documented_write,
    must_serve,
    remember,
    writing,
)
from services.booking.api.draw_body import (
    DrawPublished,
    DrawRequestShown,
    DrawShown,
    NewDraw,
    NewDrawRequest,
    draw_published,
    draw_shown,
    request_shown,
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
from services.booking.commands.draws import NewRequest, NewRound, enter, open_round, withdraw
from services.booking.domain.draw import SALT_BYTES, SEED_BYTES
from services.booking.domain.draw_round import Stored
from services.booking.domain.reason import Reason
from services.booking.domain.slot import Slot
from services.booking.store.database import Connection
from services.booking.store.draws import read_round, read_slots, requests_of_account, requests_of_round, rounds_of
from shared.ids import new_id
from shared.refusal import Refused
from shared.web import Answer, Page, strict_router

router = strict_router(prefix="/api/v1", tags=["draws"])

SchedulerWriteDep = Annotated[Write, Depends(writing(*PUBLISHERS))]
DrawId = Annotated[UUID, Path(description="The draw. 抽签。")]
MINE_MOST = 100
"""Of an account's requests in one draw, withdrawn ones among them, so many are shown."""


@router.post(
    "/services/{service_id}/draws",
    summary="开设抽签 Open a draw",
    status_code=201,
    response_model=DrawShown,
    **documented_write(Reason.SERVICE_UNKNOWN, Reason.DRAW_INVALID),
)
async def open_draw(service_id: ServiceId, wish: NewDraw, asker: SchedulerWriteDep) -> Response:
    """Open a round, as a scheduler of the venue or an administrator, and publish the commitment to its seed.

    From now on nobody books these slots first come, first served: they are drawn, and what is left is opened to everybody.
    """
    must_serve(asker, service_of(await catalogue_of(asker), service_id).venue_id)
    now = asker.parts.clock()
    new = NewRound(
        id=new_id(),
        service_id=service_id,
        slot_ids=tuple(wish.slots),
        opens_at=wish.opens_at,
        closes_at=wish.closes_at,
        seed=secrets.token_bytes(SEED_BYTES),
        opened_by=asker.principal.subject,
    )

    async def work(tx: Connection) -> Answer:
        made = await open_round(tx, new, now)
        return _json(201, draw_shown(made, await _slots(tx, made.slot_ids), now))

    return await remember(asker, work)


@router.get(
    "/services/{service_id}/draws",
    summary="服务的抽签 Draws of a service",
    response_model=Page[DrawShown],
    **documented(Reason.SERVICE_UNKNOWN, Reason.INVALID_CURSOR),
)
async def draws_of_service(
    service_id: ServiceId, request: Request, asker: ReaderDep, cursor: Cursor = None, limit: Limit = 20
) -> Response:
    """The rounds of a service, the newest first. 某项服务的历次抽签。"""
    service_of(await catalogue_of(asker), service_id)
    now = asker.parts.clock()
    async with asker.parts.engine.connect() as connection:
        found = await rounds_of(connection, service_id, before(cursor), limit + 1)
        slots = await _slots(connection, [slot_id for one in found for slot_id in one.slot_ids])
    page, following = page_of_rows(found, limit)
    items = [draw_shown(one, slots, now) for one in page]
    return page_answer(request, Page[DrawShown], items, following, NO_STORE)


@router.get(
    "/draws/{draw_id}",
    summary="抽签公示 A draw, as it is published",
    response_model=DrawPublished,
    **documented(Reason.DRAW_UNKNOWN),
)
async def read_draw(draw_id: DrawId, asker: ReaderDep) -> Response:
    """The whole round: before the close its commitment, then the seed, the digest, and every request in its place.

    `yuyue verify-draw` works the order out again from this document. 任何人可用此文件复算抽签结果。
    """
    async with asker.parts.engine.connect() as connection:
        found = await read_round(connection, draw_id)
        if found is None:
            raise Refused(Reason.DRAW_UNKNOWN)
        slots = await _slots(connection, found.slot_ids)
        requests = await requests_of_round(connection, draw_id) if found.stored is not Stored.OPEN else []
    return answer(draw_published(found, slots, requests, asker.parts.clock()), NO_STORE)


@router.post(
    "/draws/{draw_id}/requests",
    summary="报名抽签 Enter a draw",
    status_code=201,
    response_model=DrawRequestShown,
    **documented_write(
        Reason.DRAW_UNKNOWN,
        Reason.DRAW_NOT_OPEN,
        Reason.DRAW_FULL,
        Reason.DRAW_ENTERED_ALREADY,
        Reason.SLOT_UNKNOWN,
        *PARTY_REASONS,
    ),
)
async def enter_draw(draw_id: DrawId, wish: NewDrawRequest, asker: WriteDep) -> Response:
    """Ask for one of up to three slots, for a whole party. Everybody has the same chance, whenever they ask. 报名抽签。

    Each person can be in one request of a draw, whoever makes it. The place is given after the close, by the rules of
    every booking; the outcome, and the reason for each slot that was not to be had, stand in the request.
    """
    catalogue = await catalogue_of(asker)
    new = NewRequest(
        id=new_id(),
        booking_id=new_id(),
        round_id=draw_id,
        account_id=asker.principal.subject,
        person_ids=tuple(wish.people),
        party_kind=wish.party,
        declarations=wish.declarations,
        slot_ids=tuple(wish.slots),
        salt=secrets.token_bytes(SALT_BYTES),
    )

    async def work(tx: Connection) -> Answer:
        return _json(201, request_shown(await enter(tx, new, catalogue, asker.parts.clock())))

    return await remember(asker, work)


@router.get(
    "/draws/{draw_id}/requests",
    summary="我的报名 My requests in a draw",
    response_model=Page[DrawRequestShown],
    **documented_signed_in(Reason.DRAW_UNKNOWN),
)
async def my_draw_requests(draw_id: DrawId, asker: SignedInDep) -> Response:
    """What you asked for in this draw, the newest first, with place and outcome; always one page. 我在本次抽签的报名。"""
    async with asker.parts.engine.connect() as connection:
        if await read_round(connection, draw_id) is None:
            raise Refused(Reason.DRAW_UNKNOWN)
        found = await requests_of_account(connection, draw_id, asker.principal.subject, MINE_MOST)
    return answer(Page[DrawRequestShown](items=[request_shown(one) for one in found], next=None), NO_STORE)


@router.delete(
    "/draws/{draw_id}/requests/{request_id}",
    summary="撤回报名 Withdraw a request",
    status_code=204,
    **documented_write(Reason.DRAW_UNKNOWN, Reason.DRAW_NOT_OPEN, Reason.DRAW_REQUEST_UNKNOWN),
)
async def withdraw_from_draw(
    draw_id: DrawId, request_id: Annotated[UUID, Path(description="The request. 报名。")], asker: WriteDep
) -> Response:
    """Take a request back before the close; its people can then enter again. 报名截止前可以撤回。"""

    async def work(tx: Connection) -> Answer:
        await withdraw(tx, draw_id, request_id, asker.principal.subject, asker.parts.clock())
        return Answer(204, {}, b"")

    return await remember(asker, work)


async def _slots(connection: Connection, slot_ids: list[UUID] | tuple[UUID, ...]) -> dict[UUID, Slot]:
    return {slot.id: slot for slot in await read_slots(connection, slot_ids)}


def _json(status: int, shown: BaseModel) -> Answer:
    return Answer(status, {"content-type": "application/json"}, shown.model_dump_json().encode())
