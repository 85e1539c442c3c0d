"""Request rounds: a scheduler opens one, clubs ask for a season's hours, staff allocate, and the rest follows by itself."""

from typing import Annotated
from uuid import UUID

from fastapi import Depends, Path, Query, Request
from pydantic import BaseModel
from starlette.responses import Response

from services.booking.api.deps import (
    AT_WORK,
    PUBLISHERS,
    ReaderDep,
    SignedIn,
    SignedInDep,
    Write,
    WriteDep,
    documented,
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
    answer,
    before,
    catalogue_of,
    page_answer,
    page_of_rows,
    service_of,
)
from services.booking.api.season_body import (
    AllocationShown,
    Decision,
    Decisions,
    NewSeasonRequest,
    NewSeasonRound,
    OccurrenceShown,
    Reply,
    RivalsShown,
    SeasonRequestShown,
    SeasonRoundShown,
    occurrence_shown,
    request_shown,
    round_shown,
)
from services.booking.commands.seasons import By, ask, commit, open_round, reply, rule
from services.booking.domain.reason import Reason
from services.booking.domain.season import GIVEN, Ruling, SeasonRound, Series, Step, fair_order, rivals
from services.booking.domain.zone import local
from services.booking.store.database import Connection
from services.booking.store.seasons import (
    SeasonRequest,
    occurrences_of_round,
    read_round,
    requests_of_round,
    rounds_at,
)
from shared.ids import new_id
from shared.refusal import Refused
from shared.web import Answer, Page, strict_router

router = strict_router(prefix="/api/v1/request-rounds", tags=["request-rounds"])

SchedulerWriteDep = Annotated[Write, Depends(writing(*PUBLISHERS))]
StaffDep = Annotated[SignedIn, Depends(signed_in(*AT_WORK))]
StaffWriteDep = Annotated[Write, Depends(writing(*AT_WORK))]
RoundId = Annotated[UUID, Path(description="The request round. 场次申请。")]
OccurrenceId = Annotated[UUID, Path(description="The hour. 场次。")]

ON_A_PAGE = 20


@router.post(
    "",
    summary="开设场次申请 Open a request round",
    status_code=201,
    response_model=SeasonRoundShown,
    **documented_write(Reason.SERVICE_UNKNOWN, Reason.SEASON_ROUND_INVALID),
)
async def open_season(wish: NewSeasonRound, asker: SchedulerWriteDep) -> Response:
    """Let clubs ask for a season's hours on courts of one venue, as its scheduler. 开设俱乐部季度场次申请。"""
    catalogue = await catalogue_of(asker)
    wanted = SeasonRound(
        id=new_id(),
        venue_id=service_of(catalogue, wish.services[0]).venue_id,
        service_ids=tuple(dict.fromkeys(wish.services)),
        first=wish.first,
        last=wish.last,
        opens_at=wish.opens_at,
        closes_at=wish.closes_at,
    )

    async def work(tx: Connection) -> Answer:
        by = _by(asker)
        return _json(201, round_shown(await open_round(tx, wanted, by, catalogue), by.now))

    return await remember(asker, work)


@router.get(
    "",
    summary="场次申请列表 Request rounds",
    response_model=Page[SeasonRoundShown],
    **documented(Reason.INVALID_CURSOR),
)
async def seasons(
    request: Request,
    asker: ReaderDep,
    venue_id: Annotated[str | None, Query(max_length=80, description="Only of this venue.")] = None,
    cursor: Cursor = None,
) -> Response:
    """Rounds, the newest first. 场次申请列表。"""
    now = asker.parts.clock()
    async with asker.parts.engine.connect() as connection:
        found = await rounds_at(connection, venue_id, before(cursor), ON_A_PAGE + 1)
    page, following = page_of_rows(found, ON_A_PAGE)
    items = [round_shown(one, now) for one in page]
    return page_answer(request, Page[SeasonRoundShown], items, following, NO_STORE)


@router.get(
    "/{round_id}",
    summary="场次申请 One request round",
    response_model=SeasonRoundShown,
    **documented(Reason.SEASON_ROUND_UNKNOWN),
)
async def season(round_id: RoundId, asker: ReaderDep) -> Response:
    """One round and where it is. 场次申请的时间和状态。"""
    async with asker.parts.engine.connect() as connection:
        found = await _round(connection, round_id)
    return answer(round_shown(found, asker.parts.clock()), NO_STORE)


@router.post(
    "/{round_id}/requests",
    summary="申请场次 Ask for hours",
    status_code=201,
    response_model=SeasonRequestShown,
    **documented_write(
        Reason.SEASON_ROUND_UNKNOWN,
        Reason.SEASON_ROUND_NOT_OPEN,
        Reason.SEASON_REQUEST_INVALID,
        Reason.PERSON_UNKNOWN,
        Reason.NO_OFFICIAL_CALENDAR,
    ),
)
async def ask_for_hours(round_id: RoundId, wish: NewSeasonRequest, asker: WriteDep) -> Response:
    """Ask for a weekly hour of a season. Hours that the plan does not have are rejected at once, and say so. 申请场次。"""
    series = Series(
        service_id=wish.service_id,
        weekday=wish.weekday,
        at=wish.at,
        first=wish.first,
        last=wish.last,
        excluded=tuple(wish.excluded),
    )

    async def work(tx: Connection) -> Answer:
        now = asker.parts.clock()
        made = SeasonRequest(
            id=new_id(),
            round_id=round_id,
            account_id=asker.principal.subject,
            person_id=wish.person_id,
            series=series,
            words=wish.words,
            created_at=now,
        )
        return _json(201, request_shown(made, await ask(tx, made, now)))

    return await remember(asker, work)


@router.get(
    "/{round_id}/requests",
    summary="我的申请 My requests",
    response_model=Page[SeasonRequestShown],
    **documented_signed_in(Reason.SEASON_ROUND_UNKNOWN),
)
async def my_requests(round_id: RoundId, asker: SignedInDep) -> Response:
    """What you asked for in this round, hour by hour, with what became of each; always one page. 我的申请。"""
    account_id = asker.principal.subject
    async with asker.parts.engine.connect() as connection:
        await _round(connection, round_id)
        requests = await requests_of_round(connection, round_id, account_id)
        occurrences = await occurrences_of_round(connection, round_id, account_id)
    items = [request_shown(one, occurrences) for one in requests]
    return answer(Page[SeasonRequestShown](items=items, next=None), NO_STORE)


@router.post(
    "/{round_id}/occurrences/{occurrence_id}/reply",
    summary="答复或撤回场次 Agree, decline, withdraw",
    response_model=OccurrenceShown,
    **documented_write(
        Reason.SEASON_ROUND_UNKNOWN, Reason.OCCURRENCE_UNKNOWN, Reason.OCCURRENCE_FIXED, Reason.OCCURRENCE_TAKEN
    ),
)
async def reply_to(round_id: RoundId, occurrence_id: OccurrenceId, wish: Reply, asker: WriteDep) -> Response:
    """Agree to another time that was proposed, decline it, or withdraw an hour that is not booked yet. 答复或撤回。"""

    async def work(tx: Connection) -> Answer:
        return _json(200, occurrence_shown(await reply(tx, round_id, occurrence_id, Step(wish.reply), _by(asker))))

    return await remember(asker, work)


@router.get(
    "/{round_id}/allocation",
    summary="分配视图 What is to be allocated",
    response_model=AllocationShown,
    **documented_signed_in(Reason.SEASON_ROUND_UNKNOWN),
)
async def allocation(round_id: RoundId, asker: StaffDep) -> Response:
    """Every request in the fair order, what each account was given so far, and the hours that several want. 分配视图。"""
    async with asker.parts.engine.connect() as connection:
        found = await _round(connection, round_id)
        must_serve(asker, found.venue_id)
        requests = {one.id: one for one in await requests_of_round(connection, round_id)}
        occurrences = await occurrences_of_round(connection, round_id)
    given = [one.account_id for one in occurrences if one.fate in GIVEN]
    shown = AllocationShown(
        round=round_shown(found, asker.parts.clock()),
        requests=[request_shown(requests[one], occurrences) for one in fair_order(occurrences)],
        hours_given={str(one.id): given.count(one.account_id) for one in requests.values()},
        rivals=[
            RivalsShown(service_id=service_id, starts_at=local(starts_at), occurrences=wanting)
            for (service_id, starts_at), wanting in sorted(rivals(occurrences).items())
        ],
    )
    return answer(shown, NO_STORE)


@router.post(
    "/{round_id}/decisions",
    summary="分配 Decide on hours",
    response_model=Page[OccurrenceShown],
    **documented_write(
        Reason.SEASON_ROUND_UNKNOWN,
        Reason.SEASON_ROUND_NOT_OPEN,
        Reason.INVALID_REQUEST,
        Reason.OCCURRENCE_UNKNOWN,
        Reason.OCCURRENCE_FIXED,
        Reason.OCCURRENCE_TAKEN,
    ),
)
async def decide(round_id: RoundId, wish: Decisions, asker: StaffWriteDep) -> Response:
    """Accept, reject with a reason, or propose another time; all or none. What is ahead only, never the past. 分配。"""
    rulings = {one.occurrence_id: _ruling(position, one) for position, one in enumerate(wish.decisions)}

    async def work(tx: Connection) -> Answer:
        done = await rule(tx, round_id, rulings, _by(asker))
        return _json(200, Page[OccurrenceShown](items=[occurrence_shown(one) for one in done], next=None))

    return await remember(asker, work)


@router.post(
    "/{round_id}/commitment",
    summary="公布分配结果 Commit the allocation",
    response_model=SeasonRoundShown,
    **documented_write(Reason.SEASON_ROUND_UNKNOWN, Reason.SEASON_ROUND_NOT_OPEN),
)
async def commit_round(round_id: RoundId, asker: StaffWriteDep) -> Response:
    """From now on accepted hours are booked as soon as their times are opened, ahead of the public. 公布分配结果。

    What nobody decided is rejected, and says so. Hours ahead that are not booked yet can still be decided anew. Each club
    is told what it was given of each series, and why not the rest.
    """
    catalogue = await catalogue_of(asker)

    async def work(tx: Connection) -> Answer:
        by = _by(asker)
        return _json(200, round_shown(await commit(tx, round_id, by, catalogue), by.now))

    return await remember(asker, work)


async def _round(connection: Connection, round_id: UUID) -> SeasonRound:
    found = await read_round(connection, round_id)
    if found is None:
        raise Refused(Reason.SEASON_ROUND_UNKNOWN)
    return found


def _ruling(position: int, one: Decision) -> Ruling:
    if one.decision == "reject" and not one.reason:
        raise Refused(Reason.INVALID_REQUEST, field=f"/decisions/{position}/reason", why="no_reason")
    if (one.decision == "propose") != (one.instead is not None):
        raise Refused(Reason.INVALID_REQUEST, field=f"/decisions/{position}/instead", why="season_instead")
    hour = None if one.instead is None else (one.instead.service_id, one.instead.starts_at)
    return Ruling(step=Step(one.decision), reason=one.reason, hour=hour)


def _by(asker: Write) -> By:
    return By(asker.actor, asker.principal.subject, asker.parts.clock())


def _json(status: int, shown: BaseModel) -> Answer:
    return Answer(status, {"content-type": "application/json"}, shown.model_dump_json().encode())
