"""Itineraries: several steps in one booking. What there is, the best plans, and booking one, all or nothing."""

import secrets
from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated

from fastapi import Depends, Path, Query, Request
from starlette.responses import Response

from services.booking.api.booking_body import BookingShown, booking_answer, booking_shown
from services.booking.api.bookings import ADMISSION, LIFE, BookingId, read_visible
from services.booking.api.deps import (
    ReaderDep,
    SignedIn,
    SignedInDep,
    WriteDep,
    documented,
    documented_signed_in,
    documented_write,
)
from services.booking.api.itinerary_body import (
    ItineraryShown,
    NewCourse,
    ObstacleShown,
    OtherPlan,
    PlansShown,
    PlansWanted,
    itinerary_shown,
    plan_shown,
    slots_by_step,
)
from services.booking.api.itinerary_planning import Planner, claim
from services.booking.api.offered import A_MINUTE, NO_STORE, Cursor, Limit, answer, catalogue_of, page_answer, page_of
from services.booking.domain.booking import Booking
from services.booking.domain.catalogue import Catalogue
from services.booking.domain.course import who_of
from services.booking.domain.facts import Facts
from services.booking.domain.itinerary import Itinerary
from services.booking.domain.itinerary_plans import Obstacle, Traveller, check_traveller
from services.booking.domain.policy import PartyKind
from services.booking.domain.reason import Reason
from services.booking.domain.reference import RANDOM_BYTES, new_reference
from services.booking.domain.request import Book, Move
from shared.contracts import Words
from shared.ids import new_id
from shared.refusal import Refused
from shared.web import Answer, Page, strict_router

router = strict_router(prefix="/api/v1/itineraries", tags=["itineraries"])
moves = strict_router(prefix="/api/v1/bookings/{booking_id:uuid}", tags=["itineraries"])

ItineraryId = Annotated[
    str,
    Path(
        max_length=160,
        description="The itinerary. 行程。",
        examples=["zhongshan-hospital-fertility-couple-evaluation"],
    ),
]
_COURSE = (Reason.ITINERARY_UNKNOWN, Reason.ITINERARY_INCOMPLETE, Reason.STEP_UNFIT)
_NO_TIME = Words("这些日期内没有该步骤的可约时段。", "There is no time for this step in these days.")


@dataclass(frozen=True, slots=True, kw_only=True)
class ItinerarySearch:
    """Which itineraries; what is not given finds all."""

    venue_id: Annotated[str | None, Query(max_length=80, description="Only at this venue. 场馆。")] = None
    cursor: Cursor = None
    limit: Limit = 20


@router.get(
    "", summary="行程列表 Itineraries", response_model=Page[ItineraryShown], **documented(Reason.INVALID_CURSOR)
)
async def read_itineraries(
    request: Request, asker: ReaderDep, search: Annotated[ItinerarySearch, Depends()]
) -> Response:
    """What can be booked as one, in several steps: who takes part in what, and what comes after what. 一次预约、多个步骤。"""
    catalogue = await catalogue_of(asker)
    found = [one for one in catalogue.itineraries.values() if search.venue_id in {None, one.venue_id}]
    page, following = page_of(found, search.cursor, search.limit)
    return page_answer(request, Page[ItineraryShown], [itinerary_shown(one) for one in page], following, A_MINUTE)


@router.get(
    "/{itinerary_id}",
    summary="行程详情 One itinerary",
    response_model=ItineraryShown,
    **documented(Reason.ITINERARY_UNKNOWN),
)
async def read_itinerary(itinerary_id: ItineraryId, asker: ReaderDep) -> Response:
    """One itinerary: its roles, the dates it asks for, and its steps. 行程的人员、日期与步骤。"""
    return answer(itinerary_shown(_itinerary(await catalogue_of(asker), itinerary_id)), A_MINUTE)


@router.post(
    "/{itinerary_id}/plans",
    summary="查询方案 The best plans",
    response_model=PlansShown,
    **documented_signed_in(Reason.ITINERARY_UNKNOWN, Reason.ITINERARY_INCOMPLETE, Reason.BOOKING_UNKNOWN),
)
async def find_plans(itinerary_id: ItineraryId, wish: PlansWanted, asker: SignedInDep) -> Response:
    """Up to three plans that could be booked now: the shortest stay, the earliest, the least waiting. 查询最佳方案。

    Clashes, limits and places count as they would in booking; nothing is held. It changes nothing, and is a POST only so
    that the dates of a person's body stand in no address. Where nothing is found, `obstacles` says which step fails.
    """
    moving = None
    if wish.booking_id is not None:
        moving, _ = await read_visible(asker, wish.booking_id)
    catalogue = await catalogue_of(asker)
    planner = Planner(asker, catalogue, _traveller(asker, _itinerary(catalogue, itinerary_id), wish), moving)
    window = planner.window(wish.since, wish.days)
    async with asker.parts.engine.connect() as connection:
        proposal = await planner.propose(connection, window)
    shown = PlansShown(
        plans=[plan_shown(plan, planner.traveller, catalogue) for plan in proposal.found.plans],
        whole=proposal.found.whole,
        obstacles=[_obstacle(one, planner) for one in proposal.obstacles],
        since=window.since,
        until=window.until,
    )
    return answer(shown, NO_STORE)


@router.post(
    "/{itinerary_id}/bookings",
    summary="预约行程 Book an itinerary",
    status_code=201,
    response_model=BookingShown,
    **documented_write(*dict.fromkeys((*_COURSE, *ADMISSION, Reason.BUSY, Reason.UNCERTAIN))),
)
async def book(itinerary_id: ItineraryId, wish: NewCourse, asker: WriteDep) -> Response:
    """Book, or hold, a slot for every step: all of them or none. 预约全部步骤，缺一不可。

    A refusal names the step; where another time would help, it carries `plans` that can be had now.
    """
    catalogue = await catalogue_of(asker)
    traveller = _traveller(asker, _itinerary(catalogue, itinerary_id), wish)
    _named_once(wish)
    course = traveller.course(slots_by_step(wish.steps))
    request = Book(
        actor=asker.actor,
        key=asker.key,
        booking_id=new_id(),
        reference=new_reference(secrets.token_bytes(RANDOM_BYTES)),
        account_id=asker.principal.subject,
        slot_id=wish.steps[0].slot_id,
        party_kind=traveller.party_kind,
        person_ids=traveller.person_ids,
        declarations=wish.declarations,
        confirm=wish.confirm,
        channel=wish.channel,
        course=course,
    )
    return (await claim(asker, request, _accepted(201), Planner(asker, catalogue, traveller))).response()


@moves.post(
    "/plan",
    summary="行程改期 Move an itinerary to another plan",
    response_model=BookingShown,
    **documented_write(
        *dict.fromkeys(
            (
                *_COURSE,
                *LIFE,
                *ADMISSION,
                Reason.NO_ITINERARY,
                Reason.ITINERARY_WHOLE,
                Reason.SLOT_UNCHANGED,
                Reason.TOO_LATE_TO_MOVE,
                Reason.WAITS_FOR_APPROVAL,
            )
        ),
        if_match=True,
    ),
)
async def move(booking_id: BookingId, wish: OtherPlan, asker: WriteDep) -> Response:
    """Give up the times of an itinerary for others, under the same id and reference: all or nothing. 行程整体改期。

    To move one step, name the others as they are. Until the new plan is certain the old one is kept. A refusal names the
    step and carries `plans` that can be had now.
    """
    booking, _ = await read_visible(asker, booking_id)
    if booking.course is None:
        raise Refused(Reason.NO_ITINERARY)
    catalogue = await catalogue_of(asker)
    itinerary = _itinerary(catalogue, booking.course.itinerary_id)
    people = who_of(itinerary, booking.course.steps)
    dates = booking.course.dates if wish.dates is None else {**booking.course.dates, **wish.dates}
    check_traveller(itinerary, people, dates)
    _named_once(wish)
    traveller = Traveller(
        actor=asker.actor,
        account_id=booking.account_id,
        itinerary=itinerary,
        people=people,
        party_kind=PartyKind(booking.party_kind),
        dates=dates,
    )
    request = Move(
        actor=asker.actor,
        key=asker.key,
        booking_id=booking_id,
        slot_id=wish.steps[0].slot_id,
        expected_version=asker.expected_version,
        course=traveller.course(slots_by_step(wish.steps)),
    )
    return (await claim(asker, request, _accepted(200), Planner(asker, catalogue, traveller, booking))).response()


def _itinerary(catalogue: Catalogue, itinerary_id: str) -> Itinerary:
    """Return the definition.

    Raises:
        Refused: `itinerary_unknown`.
    """
    itinerary = catalogue.itineraries.get(itinerary_id)
    if itinerary is None:
        raise Refused(Reason.ITINERARY_UNKNOWN)
    return itinerary


def _traveller(asker: SignedIn, itinerary: Itinerary, wish: PlansWanted | NewCourse) -> Traveller:
    """Return who wants to go.

    Raises:
        Refused: `itinerary_incomplete` where a role or a date is missing or not known.
    """
    check_traveller(itinerary, wish.people, wish.dates)
    return Traveller(
        actor=asker.actor,
        account_id=asker.principal.subject,
        itinerary=itinerary,
        people=wish.people,
        party_kind=wish.party or itinerary.party,
        dates=wish.dates,
    )


def _named_once(wish: NewCourse | OtherPlan) -> None:
    """Refuse a step that is named twice.

    Raises:
        Refused: `itinerary_incomplete` with the second naming.
    """
    names = [one.step for one in wish.steps]
    for position, name in enumerate(names):
        if name in names[:position]:
            raise Refused(Reason.ITINERARY_INCOMPLETE, field=f"/steps/{position}/step")


def _accepted(status: int) -> Callable[[Booking, Facts], Answer]:
    def accepted(booking: Booking, facts: Facts) -> Answer:
        return booking_answer(status, booking_shown(booking, facts.catalogue, facts.companions, facts.now))

    return accepted


def _obstacle(obstacle: Obstacle, planner: Planner) -> ObstacleShown:
    """Return what is in the way of a step, in the words that booking its first time would be refused with."""
    step = planner.traveller.itinerary.step(obstacle.step)
    assert step is not None
    why, code = _NO_TIME, None
    if obstacle.refused is not None:
        document = planner.asker.parts.problems.document(obstacle.refused, planner.asker.language, "")
        told = {language: words["detail"] for language, words in document["translations"].items()}
        why, code = Words(told["zh-CN"], told["en"]), Reason(obstacle.refused.reason)
    return ObstacleShown(step=step.key, name=step.name, code=code, why=why)
