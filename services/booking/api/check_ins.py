"""The door: staff check visitors in by reference, let walk-ins in, and see who is expected."""

from datetime import date, datetime, time, timedelta
from typing import Annotated
from uuid import UUID

from fastapi import Depends, Path, Query
from pydantic import ConfigDict, Field
from starlette.responses import JSONResponse, Response

from services.booking.api.booking_body import BookingShown, booking_shown
from services.booking.api.bookings import rendering
from services.booking.api.deps import (
    AT_WORK,
    SignedIn,
    Write,
    documented_signed_in,
    documented_write,
    must_serve,
    signed_in,
    writing,
)
from services.booking.domain.booking import Action
from services.booking.domain.decision import Outcome
from services.booking.domain.facts import Facts
from services.booking.domain.reason import Reason
from services.booking.domain.reference import normalise
from services.booking.domain.request import AdmitWalkIns, Alter, WalkIns
from services.booking.domain.zone import at_local, local, local_day
from services.booking.store.bookings import companions_of, read_bookings_at, read_by_reference
from shared.ids import new_id
from shared.refusal import Refused
from shared.web import Answer, Shown, Strict, strict_router

router = strict_router(prefix="/api/v1/venues/{venue_id}", tags=["check-ins"])

VenueId = Annotated[str, Path(max_length=80, description="The venue where the door is.", examples=["dalian-museum"])]
StaffWriteDep = Annotated[Write, Depends(writing(*AT_WORK))]
StaffDep = Annotated[SignedIn, Depends(signed_in(*AT_WORK))]

MOST_EXPECTED = 1000
"""Bookings that one day's list shows at the most."""


class CheckIn(Strict):
    """The reference as it was scanned or typed."""

    reference: Annotated[str, Field(min_length=9, max_length=20, examples=["7Q2M-K4ZD-C"])]
    step: Annotated[
        str | None,
        Field(
            max_length=64,
            pattern=r"^[a-z0-9-]+$",
            description="Of an itinerary: which step. Where it is not said, the one of this venue that is due.",
        ),
    ] = None

    model_config = ConfigDict(json_schema_extra={"examples": [{"reference": "7Q2M-K4ZD-C"}]})


class WalkInParty(Strict):
    """People who came without a booking."""

    slot_id: UUID
    people: Annotated[int, Field(ge=1, le=50)]

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"slot_id": "01936f2e-0000-7def-8a3b-000000000001", "people": 2}]}
    )


class WalkInsShown(Shown):
    """Walk-ins who were let in, and how many more the slot can take."""

    id: UUID
    slot_id: UUID
    people: int
    admitted_at: datetime
    places_left: int

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "id": "01936f2e-0000-7def-8a3b-000000000003",
                    "slot_id": "01936f2e-0000-7def-8a3b-000000000001",
                    "people": 2,
                    "admitted_at": "2026-11-28T16:35:00+08:00",
                    "places_left": 11,
                }
            ]
        }
    )


class Expected(Shown):
    """Who is expected on one day, in order of time."""

    day: date
    items: list[BookingShown]

    model_config = ConfigDict(json_schema_extra={"examples": [{"day": "2026-11-28", "items": []}]})


@router.post(
    "/check-ins",
    summary="签到 Check a party in",
    response_model=BookingShown,
    **documented_write(
        Reason.BOOKING_UNKNOWN,
        Reason.WRONG_VENUE,
        Reason.WRONG_STATE,
        Reason.HOLD_EXPIRED,
        Reason.CHECK_IN_EARLY,
        Reason.CHECK_IN_LATE,
        Reason.STEP_UNKNOWN,
        Reason.STEP_MET,
        Reason.BUSY,
        Reason.UNCERTAIN,
    ),
)
async def check_in(venue_id: VenueId, wish: CheckIn, asker: StaffWriteDep) -> Response:
    """Check a party in. 签到入场。

    A refusal says what the door needs to know: too early or too late and when it would be right, checked in already,
    cancelled, or not here but where. An itinerary is checked in step by step, each at its own door; what belongs before a
    step and has not been done stands in its `out_of_order`. 行程逐步签到；顺序有误时予以提示，不予拒绝。
    """
    must_serve(asker, venue_id)
    async with asker.parts.engine.connect() as connection:
        booking = await read_by_reference(connection, normalise(wish.reference))
    if booking is None:
        raise Refused(Reason.BOOKING_UNKNOWN)
    request = Alter(
        actor=asker.actor,
        key=asker.key,
        booking_id=booking.id,
        action=Action.CHECK_IN,
        venue_id=venue_id,
        step=wish.step,
    )
    return (await asker.parts.desk.ask(request, rendering(asker, 200))).response()


@router.post(
    "/walk-ins",
    summary="现场入场 Let walk-ins in",
    status_code=201,
    response_model=WalkInsShown,
    **documented_write(
        Reason.SLOT_UNKNOWN,
        Reason.SLOT_PAST,
        Reason.SLOT_CLOSED,
        Reason.SLOT_DRAWN,
        Reason.NOT_RELEASED,
        Reason.SLOT_FULL,
        Reason.BUSY,
        Reason.UNCERTAIN,
    ),
)
async def admit(venue_id: VenueId, wish: WalkInParty, asker: StaffWriteDep) -> Response:
    """Let people in who did not book, while the slot has room for them. 现场入场。"""
    must_serve(asker, venue_id)

    def render(outcome: Outcome, _facts: Facts) -> Answer:
        if isinstance(outcome, Refused):
            return asker.refusal(outcome)
        assert isinstance(outcome, WalkIns)
        shown = WalkInsShown(
            id=outcome.id,
            slot_id=outcome.slot_id,
            people=outcome.people,
            admitted_at=local(outcome.admitted_at),
            places_left=outcome.places_left,
        )
        return Answer(201, {"content-type": "application/json"}, shown.model_dump_json().encode())

    request = AdmitWalkIns(
        actor=asker.actor, key=asker.key, walk_in_id=new_id(), slot_id=wish.slot_id, people=wish.people
    )
    return (await asker.parts.desk.ask(request, render)).response()


@router.get("/expected", summary="当日名单 Who is expected", response_model=Expected, **documented_signed_in())
async def expected(
    venue_id: VenueId,
    asker: StaffDep,
    day: Annotated[date | None, Query(description="The venue's calendar day; today where not given.")] = None,
) -> Response:
    """Who is expected at this venue on a day. 当日预约名单。"""
    must_serve(asker, venue_id)
    parts, now = asker.parts, asker.parts.clock()
    wanted = day or local_day(now)
    begins = at_local(wanted, time())
    async with parts.engine.connect() as connection:
        span = (begins, begins + timedelta(days=1))
        bookings = await read_bookings_at(connection, venue_id, span, MOST_EXPECTED)
        companions = await companions_of(connection, bookings)
    catalogue = await parts.catalogue.knowing(
        parts.engine, (one for booking in bookings for one in booking.service_ids)
    )
    items = [booking_shown(booking, catalogue, companions, now) for booking in bookings]
    return JSONResponse(Expected(day=wanted, items=items).model_dump(mode="json"))
