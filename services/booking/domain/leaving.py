"""One of a party cannot come: the others keep their booking, and the place goes back where each person had one.

Where the party shares one place (a court, a visit), the place stays as long as anybody does; if the one who leaves was
the one it was counted for, it is counted for the next. A couple needs both: half a couple is another kind of visit,
to be booked as one. So does an itinerary: its steps were planned for those who are in it.
"""

from dataclasses import replace
from uuid import UUID

from services.booking.domain.booking import Booking
from services.booking.domain.policy import PartyKind, Policy, SeatUnit
from services.booking.domain.reason import Reason
from shared.refusal import Refused

GROUP_LEAST = 2
"""Fewer people are no group (`party.right_size`)."""


def without_member(booking: Booking, person_id: UUID, policy: Policy) -> Booking:
    """Return `booking` without one member of its party; others must remain.

    A group of which one is left becomes a booking for one person, where the policy takes those.

    Raises:
        Refused: `not_in_party`; `couple_needs_both`; `itinerary_whole`; `party_wrong_size` where only groups are taken.
    """
    is_in_party(booking, person_id)
    if booking.party_kind == PartyKind.COUPLE:
        raise Refused(Reason.COUPLE_NEEDS_BOTH)
    if booking.course is not None:
        raise Refused(Reason.ITINERARY_WHOLE)
    staying = [claim for claim in booking.claims if claim.person_id != person_id]
    if policy.seat_unit is SeatUnit.PARTY:
        staying[0] = replace(staying[0], seats=1)
    kind = booking.party_kind
    if kind == PartyKind.GROUP and len(staying) < GROUP_LEAST:
        if PartyKind.ONE_PERSON not in policy.parties:
            raise Refused(Reason.PARTY_WRONG_SIZE, kind=kind, least=GROUP_LEAST, size=len(staying))
        kind = PartyKind.ONE_PERSON.value
    return replace(booking, claims=tuple(staying), party_kind=kind)


def is_in_party(booking: Booking, person_id: UUID) -> None:
    """Refuse, as `not_in_party`, somebody who is not, or no longer, in the party."""
    if all(claim.person_id != person_id for claim in booking.claims):
        raise Refused(Reason.NOT_IN_PARTY)
