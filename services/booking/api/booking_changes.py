"""What may become of a booking that stands, beyond holding and confirming: another time."""

from uuid import UUID

from pydantic import ConfigDict
from starlette.responses import Response

from services.booking.api.booking_body import BookingShown
from services.booking.api.bookings import ADMISSION, LIFE, BookingId, rendering
from services.booking.api.deps import WriteDep, documented_write
from services.booking.domain.reason import Reason
from services.booking.domain.request import Move
from shared.web import Strict, strict_router

router = strict_router(prefix="/api/v1/bookings/{booking_id:uuid}", tags=["bookings"])


class NewTime(Strict):
    """The slot to move to."""

    slot_id: UUID

    model_config = ConfigDict(json_schema_extra={"examples": [{"slot_id": "01936f2e-0000-7def-8a3b-000000000004"}]})


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
