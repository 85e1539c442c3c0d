"""Bookings: hold a place, extend, confirm, or book at once; cancel; look at them."""

import secrets
from datetime import UTC, date, datetime
from typing import Annotated, Literal
from uuid import UUID

from fastapi import Path, Query, Request
from pydantic import ConfigDict, Field
from starlette.responses import JSONResponse, Response

from services.booking.api.booking_body import BookingShown, booking_answer, booking_shown
from services.booking.api.deps import (
    ReaderDep,
    SignedIn,
    SignedInDep,
    Write,
    WriteDep,
    documented,
    documented_signed_in,
    documented_write,
)
from services.booking.api.history_body import History, history_shown
from services.booking.api.offered import PARTY_REASONS
from services.booking.commands.answer import Render
from services.booking.domain.booking import Action, Booking, Channel
from services.booking.domain.decision import Outcome
from services.booking.domain.facts import Facts
from services.booking.domain.policy import PartyKind
from services.booking.domain.reason import Reason
from services.booking.domain.reference import RANDOM_BYTES, new_reference, normalise
from services.booking.domain.request import Alter, Book
from services.booking.store.bookings import (
    Window,
    companions_of,
    read_booking,
    read_bookings_of,
    read_by_reference_and_birth_date,
    read_history,
)
from shared.ids import new_id
from shared.refusal import Refused
from shared.web import (
    Answer,
    LeanRoute,
    Page,
    Strict,
    decode_cursor,
    encode_cursor,
    etag,
    link_header,
    next_link,
    strict_router,
)

router = strict_router(prefix="/api/v1/bookings", tags=["bookings"])

BookingId = Annotated[UUID, Path(description="The booking.")]

ADMISSION = (
    Reason.SLOT_UNKNOWN,
    Reason.NOT_ALLOWED,
    Reason.SLOT_PAST,
    Reason.BOOKING_CLOSED,
    Reason.SLOT_CLOSED,
    Reason.SLOT_DRAWN,
    Reason.NOT_RELEASED,
    Reason.SLOT_FULL,
    Reason.COOLING_OFF,
    *PARTY_REASONS,
    Reason.ALREADY_BOOKED,
    Reason.CLASHES,
    Reason.LIMIT_REACHED,
    Reason.HOLDS_LIMIT_REACHED,
)
_DESK = (Reason.BUSY, Reason.UNCERTAIN)
LIFE = (Reason.BOOKING_UNKNOWN, Reason.WRONG_STATE, Reason.HOLD_EXPIRED, *_DESK)


class NewBooking(Strict):
    """A place for a party. Without `confirm` it is held for the policy's minutes, to be confirmed afterwards."""

    slot_id: UUID
    people: Annotated[
        list[UUID],
        Field(min_length=1, max_length=20, description="Saved people, by the ids that `/api/v1/people` gives."),
    ]
    party: Annotated[PartyKind, Field(description="What kind of party they are.")] = PartyKind.ONE_PERSON
    declarations: Annotated[
        dict[
            Annotated[str, Field(max_length=64)],
            Annotated[str, Field(min_length=1, max_length=200)],
        ],
        Field(default_factory=dict, max_length=20, description="Answers to what the service's policy asks."),
    ]
    confirm: Annotated[bool, Field(description="Book at once, where nothing more is asked.")] = False
    channel: Annotated[
        Literal[Channel.ONLINE, Channel.COUNTER],
        Field(description="`counter` is for staff who book for somebody at their counter or on the telephone."),
    ] = Channel.ONLINE

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "slot_id": "01936f2e-0000-7def-8a3b-000000000001",
                    "people": ["01936f2e-0000-7def-8a3b-000000000002"],
                    "party": "one_person",
                    "confirm": True,
                }
            ]
        }
    )


class Cancellation(Strict):
    """Why, in the booker's or the venue's own words; nobody has to say."""

    reason: Annotated[str | None, Field(max_length=200)] = None

    model_config = ConfigDict(json_schema_extra={"examples": [{"reason": "孩子生病了"}]})


class Lookup(Strict):
    """Enough to find a booking without an account: its reference, and the birth date of one of its party."""

    reference: Annotated[str, Field(min_length=9, max_length=20, examples=["7Q2M-K4ZD-C"])]
    birth_date: Annotated[date, Field(examples=["1990-01-01"])]

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"reference": "7Q2M-K4ZD-C", "birth_date": "1990-01-01"}]}
    )


def rendering(asker: SignedIn, status: int) -> Render:
    """Return how this request's outcome becomes its answer."""

    def render(outcome: Outcome, facts: Facts) -> Answer:
        if isinstance(outcome, Refused):
            return asker.refusal(outcome)
        assert isinstance(outcome, Booking)
        return booking_answer(status, booking_shown(outcome, facts.catalogue, facts.companions, facts.now))

    return render


async def book(wish: NewBooking, asker: WriteDep) -> Answer:
    """Hold a place, or book it at once. 预约或暂留名额。

    A refusal names the nearest free times where the slot is the matter. A repeat with the same Idempotency-Key gets the
    same answer and makes no second booking.
    """
    request = Book(
        actor=asker.actor,
        key=asker.key,
        booking_id=new_id(),
        reference=new_reference(secrets.token_bytes(RANDOM_BYTES)),
        account_id=asker.principal.subject,
        slot_id=wish.slot_id,
        party_kind=wish.party,
        person_ids=tuple(wish.people),
        declarations=wish.declarations,
        confirm=wish.confirm,
        channel=wish.channel,
    )
    return await asker.parts.desk.ask(request, rendering(asker, 201))


router.add_api_route(
    "",
    book,
    methods=["POST"],
    summary="预约或暂留名额 Book, or hold a place",
    status_code=201,
    response_model=BookingShown,
    route_class_override=LeanRoute,
    **documented_write(*ADMISSION, *_DESK),
)


@router.post(
    "/{booking_id:uuid}/extension",
    summary="延长暂留 Extend a hold",
    response_model=BookingShown,
    **documented_write(*LIFE, Reason.EXTENSIONS_USED, Reason.OFFER_IS_FIXED, if_match=True),
)
async def extend(booking_id: BookingId, asker: WriteDep) -> Response:
    """Hold the place for the policy's minutes again, counted from now. 延长暂留时间。"""
    return await _alter(asker, booking_id, Action.EXTEND)


@router.post(
    "/{booking_id:uuid}/confirmation",
    summary="确认预约 Confirm a held booking",
    response_model=BookingShown,
    **documented_write(*LIFE, Reason.WAITS_FOR_APPROVAL, Reason.SLOT_PAST, if_match=True),
)
async def confirm(booking_id: BookingId, asker: WriteDep) -> Response:
    """Turn a held place into a booking. 确认预约。"""
    return await _alter(asker, booking_id, Action.CONFIRM)


@router.post(
    "/{booking_id:uuid}/cancellation",
    summary="取消预约 Cancel a booking",
    response_model=BookingShown,
    **documented_write(*LIFE, Reason.TOO_LATE_TO_CANCEL, if_match=True),
)
async def cancel(booking_id: BookingId, asker: WriteDep, wish: Cancellation | None = None) -> Response:
    """Give the place back. 取消预约。

    The booker may do so until `cancel_by`; the venue's staff at any time before the visit.
    """
    return await _alter(asker, booking_id, Action.CANCEL, None if wish is None else wish.reason)


@router.get(
    "", summary="我的预约 My bookings", response_model=Page[BookingShown], **documented_signed_in(Reason.INVALID_CURSOR)
)
async def my_bookings(
    request: Request,
    asker: SignedInDep,
    when: Annotated[Literal["upcoming", "past"], Query(description="By the end of the visit.")] = "upcoming",
    cursor: Annotated[str | None, Query(description="From `next` of the page before.")] = None,
    limit: Annotated[int, Query(ge=1, le=100)] = 20,
) -> Response:
    """The account's bookings: upcoming ones soonest first, past ones latest first, in whatever state. 我的预约。"""
    past = when == "past"
    window = _window(cursor, limit + 1, past=past)
    parts, now = asker.parts, asker.parts.clock()
    async with parts.engine.connect() as connection:
        found = await read_bookings_of(connection, asker.principal.subject, now, window)
        bookings = found[:limit]
        companions = await companions_of(connection, bookings)
    booked = (service_id for booking in bookings for service_id in booking.service_ids)
    catalogue = await parts.catalogue.knowing(parts.engine, booked)
    page = Page[BookingShown](
        items=[booking_shown(booking, catalogue, companions, now) for booking in bookings],
        next=next_link(request, encode_cursor(bookings[-1].starts_at, bookings[-1].id)) if len(found) > limit else None,
    )
    headers = {} if page.next is None else {"link": link_header(page.next)}
    return JSONResponse(page.model_dump(mode="json"), headers=headers)


@router.post(
    "/lookup",
    summary="凭编号查询 Look up by reference",
    response_model=BookingShown,
    **documented(Reason.BOOKING_UNKNOWN),
)
async def look_up(wish: Lookup, asker: ReaderDep) -> Response:
    """One booking by its reference and a birth date of its party, without an account. 凭预约编号和出生日期查询。

    It changes nothing, and is a POST only so that a birth date never stands in an address. Tries are limited.
    """
    reference = normalise(wish.reference)
    parts, now = asker.parts, asker.parts.clock()
    spent = parts.birth_date_tries.spend(reference)
    if spent.wait:
        raise Refused(Reason.TOO_MANY_REQUESTS, retry_after_seconds=spent.wait)
    async with parts.engine.connect() as connection:
        booking = await read_by_reference_and_birth_date(connection, reference, wish.birth_date)
        if booking is None:
            raise Refused(Reason.BOOKING_UNKNOWN)
        companions = await companions_of(connection, [booking])
    catalogue = await parts.catalogue.knowing(parts.engine, booking.service_ids)
    return booking_answer(200, booking_shown(booking, catalogue, companions, now)).response()


@router.get(
    "/{booking_id:uuid}",
    summary="预约详情 One booking",
    response_model=BookingShown,
    **documented_signed_in(Reason.BOOKING_UNKNOWN, etag=True),
)
async def one_booking(booking_id: BookingId, asker: SignedInDep) -> Response:
    """One booking, to its booker and to the venue's staff. 预约详情。"""
    booking, answer = await read_visible(asker, booking_id)
    if asker.visit.headers.get(b"if-none-match") == etag(booking.version):
        return Response(status_code=304, headers={"etag": etag(booking.version)})
    return answer.response()


@router.get(
    "/{booking_id:uuid}/history",
    summary="预约变更记录 History of a booking",
    response_model=History,
    **documented_signed_in(Reason.BOOKING_UNKNOWN),
)
async def history(booking_id: BookingId, asker: SignedInDep) -> Response:
    """Every change of a booking: what, when, by which role, and why. 预约变更记录。"""
    await read_visible(asker, booking_id)
    async with asker.parts.engine.connect() as connection:
        entries = await read_history(connection, booking_id)
    return JSONResponse(history_shown(entries).model_dump(mode="json"))


async def _alter(asker: Write, booking_id: UUID, action: Action, reason: str | None = None) -> Response:
    request = Alter(
        actor=asker.actor,
        key=asker.key,
        booking_id=booking_id,
        action=action,
        expected_version=asker.expected_version,
        reason=reason,
    )
    return (await asker.parts.desk.ask(request, rendering(asker, 200))).response()


async def read_visible(asker: SignedIn, booking_id: UUID) -> tuple[Booking, Answer]:
    """Return a booking that the asker may see, and how it looks.

    Raises:
        Refused: `booking_unknown`, also where it is somebody else's.
    """
    parts = asker.parts
    async with parts.engine.connect() as connection:
        booking = await read_booking(connection, booking_id)
        if booking is None:
            raise Refused(Reason.BOOKING_UNKNOWN)
        companions = await companions_of(connection, [booking])
    catalogue = await parts.catalogue.knowing(parts.engine, booking.service_ids)
    mine = booking.account_id == asker.principal.subject
    venues = (catalogue.services[service_id].venue_id for service_id in booking.service_ids)
    if not (mine or any(map(asker.actor.serves, venues))):
        raise Refused(Reason.BOOKING_UNKNOWN)
    return booking, booking_answer(200, booking_shown(booking, catalogue, companions, parts.clock()))


_FIRST = datetime(1970, 1, 1, tzinfo=UTC)
_LAST = datetime(9999, 1, 1, tzinfo=UTC)


def _window(cursor: str | None, limit: int, *, past: bool) -> Window:
    if cursor is None:
        return Window(past, _LAST if past else _FIRST, UUID(int=0), limit)
    starts_at, booking_id = decode_cursor(cursor, datetime, UUID)
    return Window(past, starts_at, booking_id, limit)
