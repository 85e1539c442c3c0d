"""Changing the time of a booking: an atomic swap of its places for others, under the same id and reference.

The law: a move is admitted exactly as a new booking of the same party would be, with the booking's own places and
holds not counted against it; and the old places are given up by the same decision that takes the new ones, so that
nobody who fails to move stands without a place.

A booking moves within its service, or to another service of the same venue and kind under the same policy: from one
badminton court to the next. There the party, its answers and its documents were accepted on the same terms. Anything
else is another booking, to be asked for as one. An itinerary moves as a whole, to another way through the same one; a
single step moves where the others are asked for as they are.
"""

from dataclasses import replace

from services.booking.domain.admission import admit
from services.booking.domain.alteration import cancel_deadline, standing_booking
from services.booking.domain.booking import Action, Booking, Channel, Course, State, next_state
from services.booking.domain.course import admit_course
from services.booking.domain.facts import Change, Facts
from services.booking.domain.policy import PartyKind
from services.booking.domain.reason import Reason
from services.booking.domain.request import Book, Move
from shared.refusal import Refused


def move(request: Move, facts: Facts) -> Change:
    """Return the booking at its new time as a change that is not applied yet.

    Raises:
        Refused: what `alteration.standing_booking` and the lifecycle refuse; `slot_unknown`, `slot_unchanged`,
            `not_interchangeable`; `itinerary_whole`, `no_itinerary`; `offer_is_fixed` of an offer that is not accepted yet;
            `too_late_to_move` after the policy's last moment to cancel; `waits_for_approval` where the venue approved of
            the old time; and every refusal of a new booking.
    """
    booking = standing_booking(request, facts)
    state = next_state(booking, Action.MOVE, facts.now)
    if booking.is_offer:
        raise Refused(Reason.OFFER_IS_FIXED, hold_until=booking.hold_until)
    if booking.course is None:
        _is_offered(request, booking, facts)
    else:
        _is_another_course(request, booking.course)
    _is_in_time(request, booking, facts)
    admits = admit if booking.course is None else admit_course
    admitted = admits(_as_new(request, booking), _keeping_it(booking, facts)).after
    after = replace(
        booking,
        state=state,
        version=booking.version + 1,
        service_id=admitted.service_id,
        slot_id=admitted.slot_id,
        starts_at=admitted.starts_at,
        ends_at=admitted.ends_at,
        claims=admitted.claims,
        course=admitted.course,
        changed_at=facts.now,
        reason=None,
    )
    return Change(before=booking, after=after, action=Action.MOVE.value, actor=request.actor)


def _is_offered(request: Move, booking: Booking, facts: Facts) -> None:
    """Refuse the slot that the booking has, and services where the party was not accepted on the same terms."""
    if request.course is not None:
        raise Refused(Reason.NO_ITINERARY)
    slot = facts.slots.get(request.slot_id)
    if slot is None:
        raise Refused(Reason.SLOT_UNKNOWN, field="/slot_id")
    if slot.id == booking.slot_id:
        raise Refused(Reason.SLOT_UNCHANGED, field="/slot_id", starts_at=slot.starts_at)
    old, new = facts.catalogue.services[booking.service_id], facts.catalogue.services[slot.service_id]
    if (old.venue_id, old.kind, old.policy_id) != (new.venue_id, new.kind, new.policy_id):
        raise Refused(Reason.NOT_INTERCHANGEABLE, field="/slot_id")


def _is_another_course(request: Move, course: Course) -> None:
    """Refuse a single slot, and the times that the itinerary has."""
    if request.course is None or request.course.itinerary_id != course.itinerary_id:
        raise Refused(Reason.ITINERARY_WHOLE)
    before = {(step.key, step.slot_id) for step in course.steps}
    if before == {(step.key, step.slot_id) for step in request.course.steps}:
        raise Refused(Reason.SLOT_UNCHANGED, field="/steps", starts_at=course.steps[0].starts_at)


def _is_in_time(request: Move, booking: Booking, facts: Facts) -> None:
    """Refuse the booker who may no longer cancel, or whose time the venue approved; staff may move until the start.

    A hold may be moved while it lasts, as it may be given up while it lasts.
    """
    _, venue, policy = facts.offer(facts.slots[booking.slot_id])
    if facts.now >= booking.starts_at:
        raise Refused(Reason.SLOT_PAST, starts_at=booking.starts_at)
    if request.actor.serves(venue.id) or booking.state is not State.CONFIRMED:
        return
    deadline = cancel_deadline(policy.cancel_by, booking.starts_at)
    if facts.now > deadline:
        raise Refused(Reason.TOO_LATE_TO_MOVE, cancel_by=deadline, starts_at=booking.starts_at)
    if policy.approval:
        raise Refused(Reason.WAITS_FOR_APPROVAL)


def _keeping_it(booking: Booking, facts: Facts) -> Facts:
    """Return the facts without `booking`, and without bars: whoever is barred keeps what they have, and may move it."""
    absent = facts.without(booking)
    absent.companions = {key: replace(one, bars=()) if one.bars else one for key, one in facts.companions.items()}
    return absent


def _as_new(request: Move, booking: Booking) -> Book:
    """Return the request that would make this booking at its new time."""
    return Book(
        actor=request.actor,
        key=None,
        booking_id=booking.id,
        reference=booking.reference,
        account_id=booking.account_id,
        slot_id=request.slot_id,
        party_kind=PartyKind(booking.party_kind),
        person_ids=booking.person_ids,
        declarations=booking.declarations,
        confirm=booking.state is State.CONFIRMED,
        # whoever came from the waiting list has their place; another one they ask for as everybody does
        channel=Channel.ONLINE if booking.channel is Channel.WAITING_LIST else booking.channel,
        course=request.course,
    )
