"""What may become of a booking that stands, beyond holding and confirming: another time, a smaller party, a correction."""

from datetime import datetime
from typing import Annotated
from uuid import UUID

from fastapi import Depends, Path
from pydantic import ConfigDict, Field
from starlette.responses import Response

from services.booking.api.booking_body import BookingShown
from services.booking.api.bookings import ADMISSION, LIFE, BookingId, Cancellation, read_visible, rendering
from services.booking.api.deps import (
    AT_WORK,
    SignedIn,
    SignedInDep,
    Write,
    WriteDep,
    documented_signed_in,
    documented_write,
    writing,
)
from services.booking.api.words.foresight import strike_words
from services.booking.domain.alteration import cancel_deadline, why_not_cancel
from services.booking.domain.booking import LIFECYCLE, Action, Booking, State
from services.booking.domain.catalogue import Catalogue
from services.booking.domain.facts import Facts
from services.booking.domain.foresight import Foreseen, foreseen
from services.booking.domain.penalty import regime_of, scope_words
from services.booking.domain.policy import Policy
from services.booking.domain.reason import Reason
from services.booking.domain.request import Alter, Move
from services.booking.domain.striking import strikes_if_cancelled
from services.booking.domain.zone import local
from services.booking.views.penalties import read_standing_strikes
from shared.contracts import Words
from shared.web import Shown, Strict, strict_router

router = strict_router(prefix="/api/v1/bookings/{booking_id:uuid}", tags=["bookings"])

StaffWriteDep = Annotated[Write, Depends(writing(*AT_WORK))]
PersonId = Annotated[UUID, Path(description="The member of the party, as `people` names them.")]
StepKey = Annotated[
    str,
    Path(
        max_length=64, pattern=r"^[a-z0-9-]+$", description="The step, as `itinerary` names it.", examples=["andrology"]
    ),
]


class NewTime(Strict):
    """The slot to move to."""

    slot_id: UUID

    model_config = ConfigDict(json_schema_extra={"examples": [{"slot_id": "01936f2e-0000-7def-8a3b-000000000004"}]})


class Correction(Strict):
    """Why the record was wrong: it stands in the history."""

    reason: Annotated[str, Field(min_length=1, max_length=200)]

    model_config = ConfigDict(json_schema_extra={"examples": [{"reason": "闸机故障，未能扫码"}]})


class StepCorrection(Strict):
    """What was so of one step, and why the record was wrong: both stand in the history."""

    attended: Annotated[bool, Field(description="Whether its people were there. 是否到场。")]
    reason: Annotated[str, Field(min_length=1, max_length=200)]

    model_config = ConfigDict(json_schema_extra={"examples": [{"attended": True, "reason": "检验科扫码枪故障"}]})


class ForeseenShown(Shown):
    """For one of the party: it would be strike `count` of `threshold`, and what that, or one more, would bar."""

    person_id: UUID
    scope: Words
    count: int
    threshold: int
    bars_until: datetime | None
    next_bars_until: Annotated[datetime | None, Field(description="Until when one more now would bar.")]


class CancellationPreview(Shown):
    """What cancelling would come to if it were done now."""

    possible: bool
    why_not: Annotated[Reason | None, Field(description="The code that cancelling would be refused with now.")]
    cancel_by: Annotated[
        datetime, Field(description="The last moment at which the booker may cancel and it is not late.")
    ]
    late: Annotated[bool, Field(description="Whether that moment has passed.")]
    strikes: Annotated[list[ForeseenShown], Field(description="What it would count as, the gravest first.")]
    consequence: Annotated[Words, Field(description="What it costs and what follows, to be shown before the act.")]
    slot_id: UUID
    places_given_back: Annotated[
        int, Field(description="Places that are given back: to whoever waits, then to the public.")
    ]
    told: Annotated[list[str], Field(description="Who gets a message of it: `booker`, or nobody.")]

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "possible": True,
                    "why_not": None,
                    "cancel_by": "2026-11-28T15:30:00+08:00",
                    "late": False,
                    "strikes": [],
                    "consequence": {
                        "zh": "名额立即退还，有人候补时先给候补者。不收取费用，也不影响您以后的预约。",
                        "en": "Your places are given back at once, to whoever waits first. It costs nothing, and you may book again.",
                    },
                    "slot_id": "01936f2e-0000-7def-8a3b-000000000001",
                    "places_given_back": 1,
                    "told": ["booker"],
                }
            ]
        }
    )


_COSTS_NOTHING = Words(
    "名额立即退还，有人候补时先给候补者。不收取费用，也不影响您以后的预约。",
    "Your places are given back at once, to whoever waits first. It costs nothing, and you may book again.",
)
_COOLS_OFF = Words(
    "名额立即退还，先给候补者，其余在随机时刻重新开放，您不能马上再约回该时段。不收取费用，也不影响您以后的预约。",
    "Your places are given back at once, to whoever waits first, and come back to everybody at a random moment: you cannot"
    " book this time again at once. It costs nothing, and you may book again.",
)
_TOO_LATE = Words(
    "已过取消时间，名额继续为您保留。如不能前来，请告知场馆；未到将记为“未到”。",
    "It is too late to cancel here, and your places stay kept. If you cannot come, please tell the venue; whoever does"
    " not come is recorded as not attended.",
)
_NOTHING_LEFT = Words("该预约已结束，无可取消。", "This booking has ended; there is nothing to cancel.")
_UNDER_WAY = Words("已签到，不能取消。", "The party has checked in; there is nothing to cancel any more.")


@router.post(
    "/move",
    summary="改期 Move to another time",
    response_model=BookingShown,
    **documented_write(
        *dict.fromkeys(
            (
                *LIFE,
                *ADMISSION,
                Reason.TOO_LATE_TO_MOVE,
                Reason.SLOT_UNCHANGED,
                Reason.NOT_INTERCHANGEABLE,
                Reason.OFFER_IS_FIXED,
                Reason.ITINERARY_WHOLE,
                Reason.WAITS_FOR_APPROVAL,
            )
        ),
        if_match=True,
    ),
)
async def move(booking_id: BookingId, wish: NewTime, asker: WriteDep) -> Response:
    """Change the time of a booking, under the same id and reference. 改期。

    The old place is kept until the new one is certain: after a refusal, which names the nearest free times where the
    slot is the matter, the booking stands as it was. The booker may do so until `cancel_by`; the venue's staff until
    the visit. The new slot may be of the same service, or of a like service of the same venue under the same policy.
    """
    request = Move(
        actor=asker.actor,
        key=asker.key,
        booking_id=booking_id,
        slot_id=wish.slot_id,
        expected_version=asker.expected_version,
    )
    return (await asker.parts.desk.ask(request, rendering(asker, 200))).response()


@router.get(
    "/cancellation",
    summary="取消前预览 What cancelling would come to",
    response_model=CancellationPreview,
    **documented_signed_in(Reason.BOOKING_UNKNOWN),
)
async def preview(booking_id: BookingId, asker: SignedInDep) -> CancellationPreview:
    """Until when it can be cancelled, what follows, what becomes free and who is told; changes nothing. 取消前预览。

    Where it would count: which strike it would be, of how many, and until when that, or one more, would bar whom.
    """
    booking, _ = await read_visible(asker, booking_id)
    parts, now = asker.parts, asker.parts.clock()
    catalogue = parts.catalogue.current
    refused = why_not_cancel(booking, asker.actor, Facts(now=now, catalogue=catalogue))
    policy = catalogue.policies[catalogue.services[booking.service_id].policy_id]
    state, deadline = booking.state_at(now), cancel_deadline(policy.cancel_by, booking.starts_at)
    strikes = await _foreseen(asker, booking, catalogue, now) if refused is None else []
    return CancellationPreview(
        possible=refused is None,
        why_not=None if refused is None else Reason(refused.reason),
        cancel_by=local(deadline),
        late=state is State.CONFIRMED and now > deadline,
        strikes=[_foreseen_shown(one, catalogue) for one in strikes],
        consequence=strike_words(strikes[0], catalogue)
        if strikes
        else _consequence(state, policy, possible=refused is None),
        slot_id=booking.slot_id,
        places_given_back=booking.seats if refused is None else 0,
        told=["booker"] if refused is None and state is State.CONFIRMED else [],
    )


@router.post(
    "/members/{person_id:uuid}/cancellation",
    summary="取消其中一人 Cancel one member of the party",
    response_model=BookingShown,
    **documented_write(
        *LIFE,
        Reason.NOT_IN_PARTY,
        Reason.COUPLE_NEEDS_BOTH,
        Reason.OFFER_IS_FIXED,
        Reason.ITINERARY_WHOLE,
        Reason.PARTY_WRONG_SIZE,
        Reason.TOO_LATE_TO_CANCEL,
        if_match=True,
    ),
)
async def cancel_member(
    booking_id: BookingId, person_id: PersonId, asker: WriteDep, wish: Cancellation | None = None
) -> Response:
    """Take one person out; the others keep the booking. 取消其中一人。

    Their place is free again, unless the party shares one place. When the last one goes, the booking is cancelled. A
    couple needs both. The same last moment as for cancelling the whole.
    """
    request = Alter(
        actor=asker.actor,
        key=asker.key,
        booking_id=booking_id,
        action=Action.CANCEL_MEMBER,
        expected_version=asker.expected_version,
        person_id=person_id,
        reason=None if wish is None else wish.reason,
    )
    return (await asker.parts.desk.ask(request, rendering(asker, 200))).response()


@router.post(
    "/steps/{step}/correction",
    summary="更正步骤记录 Correct one step of an itinerary",
    response_model=BookingShown,
    **documented_write(
        *LIFE,
        Reason.STEP_UNKNOWN,
        Reason.STEP_MET,
        Reason.STEP_NOT_MET,
        Reason.STEP_NOT_OVER,
        Reason.TOO_LATE_TO_CORRECT,
        if_match=True,
    ),
)
async def correct_step(booking_id: BookingId, step: StepKey, wish: StepCorrection, asker: StaffWriteDep) -> Response:
    """The staff of a step's venue say that its people were there after all, or that they were not, and why. 更正步骤记录。

    Within seven days of the visit. Who was at one step has come: a no-show is taken back, and its strike with it. Where the
    only step that was met is taken back, the booking is confirmed again, and becomes a no-show soon after its last door has
    closed. 行程中只要到过一步即视为到场；唯一的签到被撤销后，按未到处理。
    """
    request = Alter(
        actor=asker.actor,
        key=asker.key,
        booking_id=booking_id,
        action=Action.CORRECT_STEP if wish.attended else Action.TAKE_BACK_STEP,
        expected_version=asker.expected_version,
        reason=wish.reason,
        step=step,
    )
    return (await asker.parts.desk.ask(request, rendering(asker, 200))).response()


@router.post(
    "/correction",
    summary="更正未到记录 Correct a no-show",
    response_model=BookingShown,
    **documented_write(*LIFE, Reason.TOO_LATE_TO_CORRECT, if_match=True),
)
async def correct(booking_id: BookingId, wish: Correction, asker: StaffWriteDep) -> Response:
    """The venue's staff say that the party was there after all, and why. 更正未到记录。

    Within seven days of the visit. The booking counts as checked in and, its time being over, is completed soon after;
    both stand in its history.
    """
    request = Alter(
        actor=asker.actor,
        key=asker.key,
        booking_id=booking_id,
        action=Action.CORRECT,
        expected_version=asker.expected_version,
        reason=wish.reason,
    )
    return (await asker.parts.desk.ask(request, rendering(asker, 200))).response()


async def _foreseen(asker: SignedIn, booking: Booking, catalogue: Catalogue, now: datetime) -> list[Foreseen]:
    regime = regime_of(catalogue)
    struck = strikes_if_cancelled(booking, asker.actor, catalogue, regime, now)
    if not struck:
        return []
    async with asker.parts.engine.connect() as connection:
        ledger = await read_standing_strikes(connection, [one.person_id for one in struck], now)
    return foreseen(struck, ledger, (catalogue, regime), now)


def _foreseen_shown(one: Foreseen, catalogue: Catalogue) -> ForeseenShown:
    return ForeseenShown(
        person_id=one.person_id,
        scope=scope_words(one.scope, catalogue)[0],
        count=one.count,
        threshold=one.threshold,
        bars_until=None if one.bars_until is None else local(one.bars_until),
        next_bars_until=None if one.next_bars_until is None else local(one.next_bars_until),
    )


def _consequence(state: State, policy: Policy, *, possible: bool) -> Words:
    if possible:
        return _COSTS_NOTHING if policy.cooling is None else _COOLS_OFF
    if state is State.CONFIRMED:
        return _TOO_LATE
    return _NOTHING_LEFT if Action.COMPLETE not in LIFECYCLE[state] else _UNDER_WAY
