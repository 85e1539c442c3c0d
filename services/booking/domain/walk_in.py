"""Walk-ins: the door admits whoever comes ("推门可进" [000], "全面实现博物馆免预约参观" [001]) while there is room.

A walk-in and a reserved visitor draw on one capacity; a share of it may be kept for those who just come.
"""

from services.booking.domain.booking import Channel
from services.booking.domain.facts import Facts
from services.booking.domain.reason import Reason
from services.booking.domain.request import AdmitWalkIns, WalkIns
from services.booking.domain.slot import free_places, next_release, why_not
from shared.refusal import Refused


def admit_walk_ins(request: AdmitWalkIns, facts: Facts) -> WalkIns:
    """Return the admission, not applied yet.

    Raises:
        Refused: `slot_unknown`, `not_allowed`, `slot_past`, `slot_closed`, `not_released` or `slot_full`.
    """
    slot = facts.slots.get(request.slot_id)
    if slot is None:
        raise Refused(Reason.SLOT_UNKNOWN, field="/slot_id")
    if not request.actor.serves(slot.venue_id):
        raise Refused(Reason.NOT_ALLOWED)
    reason = why_not(slot, Channel.WALK_IN, facts.now, request.people)
    if reason is not None:
        raise Refused(
            reason,
            field="/slot_id",
            slot_id=slot.id,
            starts_at=slot.starts_at,
            bookable_from=next_release(slot, facts.now),
            places_left=free_places(slot, Channel.WALK_IN, facts.now),
            places_asked=request.people,
        )
    return WalkIns(
        id=request.walk_in_id,
        slot_id=slot.id,
        people=request.people,
        admitted_at=facts.now,
        admitted_by=request.actor.account_id,
        places_left=free_places(slot, Channel.WALK_IN, facts.now) - request.people,
    )
