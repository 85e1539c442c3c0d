"""Penalties: everybody sees their own and may appeal once; staff of the venue decide, annul, and exempt, on record."""

from typing import Annotated
from uuid import UUID

from fastapi import Depends, Path, Query, Request
from pydantic import BaseModel
from starlette.responses import Response

from services.booking.api.deps import (
    AT_WORK,
    SignedIn,
    SignedInDep,
    Write,
    WriteDep,
    documented_signed_in,
    documented_write,
    must_serve,
    remember,
    signed_in,
    writing,
)
from services.booking.api.offered import (
    NO_STORE,
    Cursor,
    Limit,
    VenueId,
    answer,
    before,
    catalogue_of,
    page_answer,
    page_of_rows,
)
from services.booking.api.penalty_body import (
    Annulling,
    AppealDecision,
    AppealShown,
    ExemptionShown,
    LedgerShown,
    NewAppeal,
    NewExemption,
    StrikeShown,
    appeal_shown,
    exemption_shown,
    ledger_shown,
    strike_shown,
)
from services.booking.commands.penalties import annul, appeal, decide, exempt, exempt_no_longer
from services.booking.domain.reason import Reason
from services.booking.store.appeals import Appeal, Exemption, appeals_at, exemptions_at
from services.booking.store.database import Connection
from services.booking.views.penalties import read_ledgers, read_strikes_at
from shared.ids import new_id
from shared.web import Answer, Page, decode_cursor, strict_router

router = strict_router(prefix="/api/v1", tags=["penalties"])

StaffDep = Annotated[SignedIn, Depends(signed_in(*AT_WORK))]
StaffWriteDep = Annotated[Write, Depends(writing(*AT_WORK))]
PenaltyId = Annotated[UUID, Path(description="The penalty. 限制记录。")]
AppealId = Annotated[UUID, Path(description="The appeal. 申诉。")]
StrikeId = Annotated[UUID, Path(description="The strike. 未到或取消记录。")]
ExemptionId = Annotated[UUID, Path(description="The exemption. 豁免。")]

APPEALS_ON_A_PAGE = 50

_OLDEST = UUID(int=0)


@router.get(
    "/penalties",
    summary="我的未到与取消记录 My strikes and penalties",
    response_model=Page[LedgerShown],
    **documented_signed_in(),
)
async def my_penalties(asker: SignedInDep) -> Response:
    """For everybody you have saved: what counts, where they stand, until when they are barred; always one page."""
    catalogue, now, account_id = await catalogue_of(asker), asker.parts.clock(), asker.principal.subject
    async with asker.parts.engine.connect() as connection:
        ledgers = await read_ledgers(connection, account_id, now)
    items = [ledger_shown(one, account_id, catalogue, now) for one in ledgers]
    return answer(Page[LedgerShown](items=items, next=None), NO_STORE)


@router.post(
    "/penalties/{penalty_id}/appeals",
    summary="申诉 Appeal against a bar",
    status_code=201,
    response_model=AppealShown,
    **documented_write(Reason.PENALTY_UNKNOWN, Reason.NOT_BARRED, Reason.APPEALED_ALREADY),
)
async def appeal_against(penalty_id: PenaltyId, wish: NewAppeal, asker: WriteDep) -> Response:
    """Say why the bar is wrong, once for each bar. Staff of the venue where its last strike was decide. 申诉。"""
    made = Appeal(
        id=new_id(),
        penalty_id=penalty_id,
        strike_id=_OLDEST,
        account_id=asker.principal.subject,
        venue_id="",
        words=wish.words,
        made_at=asker.parts.clock(),
    )

    async def work(tx: Connection) -> Answer:
        return _json(201, appeal_shown(await appeal(tx, penalty_id, made)))

    return await remember(asker, work)


@router.get(
    "/venues/{venue_id}/appeals",
    summary="本场馆的申诉 Appeals that this venue decides",
    response_model=Page[AppealShown],
    **documented_signed_in(Reason.INVALID_CURSOR),
)
async def appeals_of_venue(
    venue_id: VenueId,
    request: Request,
    asker: StaffDep,
    undecided: Annotated[bool, Query(description="Only those that wait for an answer.")] = True,
    cursor: Cursor = None,
) -> Response:
    """Appeals against bars whose last strike was here, the oldest first. 待处理的申诉。"""
    must_serve(asker, venue_id)
    (after,) = (_OLDEST,) if cursor is None else decode_cursor(cursor, UUID)
    async with asker.parts.engine.connect() as connection:
        found = await appeals_at(connection, venue_id, undecided=undecided, after=after, limit=APPEALS_ON_A_PAGE + 1)
    page, following = page_of_rows(found, APPEALS_ON_A_PAGE)
    items = [appeal_shown(one) for one in page]
    return page_answer(request, Page[AppealShown], items, following, NO_STORE)


@router.post(
    "/appeals/{appeal_id}/decision",
    summary="处理申诉 Decide an appeal",
    response_model=AppealShown,
    **documented_write(Reason.APPEAL_UNKNOWN, Reason.APPEAL_DECIDED),
)
async def decide_appeal(appeal_id: AppealId, wish: AppealDecision, asker: StaffWriteDep) -> Response:
    """Grant it, and the strike that imposed the bar does not count any more; or turn it down. Once. 处理申诉。"""
    catalogue = await catalogue_of(asker)
    decision = Appeal(
        id=appeal_id,
        penalty_id=_OLDEST,
        strike_id=_OLDEST,
        account_id=_OLDEST,
        venue_id="",
        words="",
        made_at=asker.parts.clock(),
        granted=wish.granted,
        decided_at=asker.parts.clock(),
        answer=wish.answer,
    )

    async def work(tx: Connection) -> Answer:
        return _json(200, appeal_shown(await decide(tx, decision, asker.actor, catalogue)))

    return await remember(asker, work)


@router.get(
    "/venues/{venue_id}/strikes",
    summary="某人在本场馆的记录 What a person did here",
    response_model=Page[StrikeShown],
    **documented_signed_in(),
)
async def strikes_at_venue(
    venue_id: VenueId,
    asker: StaffDep,
    person_id: Annotated[UUID, Query(description="As the venue's bookings name their people.")],
) -> Response:
    """One person's strikes at this venue in the last two years, those that do not count among them; always one page."""
    must_serve(asker, venue_id)
    catalogue = await catalogue_of(asker)
    async with asker.parts.engine.connect() as connection:
        entries = await read_strikes_at(connection, venue_id, person_id, asker.parts.clock())
    items = [strike_shown(entry, catalogue, whole=True) for entry in entries]
    return answer(Page[StrikeShown](items=items, next=None), NO_STORE)


@router.post(
    "/strikes/{strike_id}/annulment",
    summary="撤销一次记录 Annul a strike",
    status_code=204,
    **documented_write(Reason.STRIKE_UNKNOWN, Reason.STRIKE_ANNULLED),
)
async def annul_strike(strike_id: StrikeId, wish: Annulling, asker: StaffWriteDep) -> Response:
    """Make a strike at your venue not count, and say why; a bar that stood on it is lifted. 撤销一次记录。"""
    world = (await catalogue_of(asker), asker.parts.clock())

    async def work(tx: Connection) -> Answer:
        await annul(tx, strike_id, asker.actor, wish.reason, world)
        return Answer(204, {}, b"")

    return await remember(asker, work)


@router.get(
    "/venues/{venue_id}/exemptions",
    summary="豁免人员 Who is exempt here",
    response_model=Page[ExemptionShown],
    **documented_signed_in(Reason.INVALID_CURSOR),
)
async def exemptions_of_venue(
    venue_id: VenueId, request: Request, asker: StaffDep, cursor: Cursor = None, limit: Limit = 20
) -> Response:
    """People whose strikes here do not count, the newest exemption first, ended ones among them. 豁免人员。"""
    must_serve(asker, venue_id)
    async with asker.parts.engine.connect() as connection:
        found = await exemptions_at(connection, venue_id, before(cursor), limit + 1)
    page, following = page_of_rows(found, limit)
    items = [exemption_shown(one) for one in page]
    return page_answer(request, Page[ExemptionShown], items, following, NO_STORE)


@router.post(
    "/venues/{venue_id}/exemptions",
    summary="豁免某人 Exempt a person",
    status_code=201,
    response_model=ExemptionShown,
    **documented_write(Reason.PERSON_UNKNOWN, Reason.EXEMPT_ALREADY),
)
async def exempt_person(venue_id: VenueId, wish: NewExemption, asker: StaffWriteDep) -> Response:
    """Let nothing that this person does here count (older people, illness …), and say why; bars are lifted. 豁免。"""
    must_serve(asker, venue_id)
    catalogue = await catalogue_of(asker)
    made = Exemption(
        id=new_id(),
        person_id=wish.person_id,
        venue_id=venue_id,
        reason=wish.reason,
        made_at=asker.parts.clock(),
    )

    async def work(tx: Connection) -> Answer:
        await exempt(tx, made, asker.principal.subject, catalogue)
        return _json(201, exemption_shown(made))

    return await remember(asker, work)


@router.delete(
    "/venues/{venue_id}/exemptions/{exemption_id}",
    summary="结束豁免 End an exemption",
    status_code=204,
    **documented_write(Reason.EXEMPTION_UNKNOWN),
)
async def end_of_exemption(venue_id: VenueId, exemption_id: ExemptionId, asker: StaffWriteDep) -> Response:
    """From now on this person's strikes here count again; what happened until now stays uncounted. 结束豁免。"""
    must_serve(asker, venue_id)
    world = (await catalogue_of(asker), asker.parts.clock())

    async def work(tx: Connection) -> Answer:
        await exempt_no_longer(tx, venue_id, exemption_id, asker.principal.subject, world)
        return Answer(204, {}, b"")

    return await remember(asker, work)


def _json(status: int, shown: BaseModel) -> Answer:
    return Answer(status, {"content-type": "application/json"}, shown.model_dump_json().encode())
