"""What may be done to a booking that exists: extend, confirm, cancel (whole or one member), check in, correct, and what the city's own sweep does.

Whether the state allows it is the lifecycle's question (`booking.LIFECYCLE`); who may do it, and when, is asked here.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from types import MappingProxyType

from services.booking.domain.attendance import Door, in_window, meet, step_named, visit_window
from services.booking.domain.booking import Action, Booking, State, next_state
from services.booking.domain.catalogue import Catalogue, Venue
from services.booking.domain.facts import Change, Facts
from services.booking.domain.leaving import is_in_party, without_member
from services.booking.domain.penalty_rule import LateCancel
from services.booking.domain.policy import CancelBy, Policy
from services.booking.domain.reason import Reason
from services.booking.domain.request import Actor, Alter, Move
from services.booking.domain.step_correction import CORRECTIONS, attended, correction_of, taken_back
from services.booking.domain.waitlist_offer import last_answer, until_after_hearing
from services.booking.domain.zone import at_local, local_day
from shared.refusal import Refused

CORRECTED_WITHIN = timedelta(days=7)
"""For so long after a visit staff may say that somebody was there after all; after it, what followed from it stands."""


WORTH_TELLING = timedelta(minutes=1)
"""An offer is not made longer by less than this: its message most often arrives within seconds."""


@dataclass(frozen=True, slots=True)
class _Case:
    """One alteration, with everything that its rule looks at."""

    request: Alter
    booking: Booking
    venue: Venue
    policy: Policy
    catalogue: Catalogue
    now: datetime
    venue_ids: tuple[str, ...]

    @property
    def by_venue(self) -> bool:
        """Whether it is asked by somebody who works where the booking is for."""
        return any(map(self.request.actor.serves, self.venue_ids))


def alter(request: Alter, facts: Facts) -> Change:
    """Return the booking after `request.action` as a change that is not applied yet.

    Raises:
        Refused: `booking_unknown` (also to whoever may not see it), `stale_version`, `wrong_state`, `hold_expired`,
            and what the action's own rule refuses.
    """
    booking = standing_booking(request, facts)
    request = _as_whole(request, booking)
    state = next_state(booking, request.action, facts.now)
    service = facts.catalogue.services[booking.service_id]
    rule = _RULE_OF.get(request.action)
    after = booking
    if rule is not None:
        catalogue = facts.catalogue
        venue, policy = catalogue.venues[service.venue_id], catalogue.policies[service.policy_id]
        after = rule(_Case(request, booking, venue, policy, catalogue, facts.now, venue_ids_of(booking, facts)))
    after = replace(
        after,
        state=state,
        version=booking.version + 1,
        hold_until=after.hold_until if state in {State.HELD, State.LAPSED} else None,
        changed_at=facts.now,
        reason=request.reason,
    )
    return Change(before=booking, after=after, action=request.action.value, actor=request.actor)


def why_not_cancel(booking: Booking, actor: Actor, facts: Facts) -> Refused | None:
    """Return what `actor` would be refused with who cancelled `booking` now, or None where it would be cancelled."""
    request = Alter(actor=actor, key=None, booking_id=booking.id, action=Action.CANCEL)
    try:
        alter(request, replace(facts, bookings={booking.id: booking}))
    except Refused as refused:
        return refused
    return None


def standing_booking(request: Alter | Move, facts: Facts) -> Booking:
    """Return the booking that `request` is about, as it stands.

    Raises:
        Refused: `booking_unknown` (also to whoever may not see it), `stale_version`.
    """
    booking = facts.bookings.get(request.booking_id)
    if booking is None or not _may_see(request, booking, facts):
        raise Refused(Reason.BOOKING_UNKNOWN)
    if request.expected_version is not None and request.expected_version != booking.version:
        raise Refused(Reason.STALE_VERSION, current_version=booking.version)
    return booking


def cancel_deadline(cancel_by: CancelBy, starts_at: datetime) -> datetime:
    """Return the last instant at which the booker may cancel: the earlier of the policy's two ways to say it."""
    deadline = starts_at - timedelta(minutes=cancel_by.minutes_before)
    if cancel_by.days_before is not None and cancel_by.at is not None:
        day = local_day(starts_at) - timedelta(days=cancel_by.days_before)
        deadline = min(deadline, at_local(day, cancel_by.at))
    return deadline


def too_late_to_cancel(policy: Policy, starts_at: datetime, now: datetime) -> bool:
    """Say whether the booker can no longer cancel: past the deadline, or, where late cancels are taken, from the start on."""
    if policy.late_cancel is LateCancel.STRIKE:
        return now >= starts_at
    return now > cancel_deadline(policy.cancel_by, starts_at)


def venue_ids_of(booking: Booking, facts: Facts) -> tuple[str, ...]:
    """Return the venues that the booking is for: one, or those of an itinerary's steps."""
    services = facts.catalogue.services
    return tuple(dict.fromkeys(services[service_id].venue_id for service_id in booking.service_ids))


def _may_see(request: Alter | Move, booking: Booking, facts: Facts) -> bool:
    """Own bookings, and staff those of their venues: whoever may not see one is told that it is unknown.

    At a wrong door, staff of another venue should hear "not here but there", so they may look a booking up to check
    it in; not where the service is sensitive, whose very place says too much.
    """
    service = facts.catalogue.services[booking.service_id]
    if booking.account_id == request.actor.account_id or any(map(request.actor.serves, venue_ids_of(booking, facts))):
        return True
    sensitive = facts.catalogue.policies[service.policy_id].sensitive
    checks_in = isinstance(request, Alter) and request.action is Action.CHECK_IN
    return checks_in and request.actor.role == "staff" and not sensitive


def _as_whole(request: Alter, booking: Booking) -> Alter:
    """Return the request to cancel the booking, where the last member of its party is to leave.

    And the one to check another step in, where the party of an itinerary has come to one already; and what the correction of
    a step is to the whole.
    """
    if request.action is Action.CANCEL_MEMBER and booking.person_ids == (request.person_id,):
        return replace(request, action=Action.CANCEL)
    if request.action is Action.CHECK_IN and booking.course is not None and booking.state is State.CHECKED_IN:
        return replace(request, action=Action.CHECK_IN_STEP)
    if request.action in CORRECTIONS:
        return replace(request, action=correction_of(booking, request.step, request.action))
    return request


def _extend(case: _Case) -> Booking:
    booking, policy = case.booking, case.policy
    if booking.is_offer:
        return _heard(case)
    if booking.extensions >= policy.hold_extensions:
        raise Refused(Reason.EXTENSIONS_USED, most=policy.hold_extensions, hold_until=booking.hold_until)
    until = case.now + timedelta(minutes=policy.hold_minutes)
    return replace(booking, extensions=booking.extensions + 1, hold_until=until)


def _heard(case: _Case) -> Booking:
    """The message of an offer arrived late: it stands for longer. Nobody else can make it stand for longer."""
    booking, terms, heard_at = case.booking, case.policy.waiting, case.request.heard_at
    if heard_at is None or terms is None or case.request.actor.role != "system":
        raise Refused(Reason.OFFER_IS_FIXED, hold_until=booking.hold_until)
    closes = booking.starts_at - timedelta(minutes=case.policy.closes_minutes_before)
    last = last_answer(terms, booking.starts_at, closes)
    until = until_after_hearing(terms, last, booking.created_at, heard_at)
    if booking.hold_until is None or until - booking.hold_until < WORTH_TELLING:
        raise Refused(Reason.WRONG_STATE, state=booking.state.value, action=case.request.action.value)
    return replace(booking, hold_until=until)


def _confirm(case: _Case) -> Booking:
    if case.policy.approval and not case.by_venue:
        raise Refused(Reason.WAITS_FOR_APPROVAL, hold_until=case.booking.hold_until)
    if case.now >= case.booking.starts_at:
        raise Refused(Reason.SLOT_PAST, starts_at=case.booking.starts_at)
    return case.booking


def _cancel(case: _Case) -> Booking:
    booking = case.booking
    by_booker = not case.by_venue
    confirmed = booking.state is State.CONFIRMED
    if by_booker and confirmed and too_late_to_cancel(case.policy, booking.starts_at, case.now):
        deadline = cancel_deadline(case.policy.cancel_by, booking.starts_at)
        raise Refused(Reason.TOO_LATE_TO_CANCEL, cancel_by=deadline, starts_at=booking.starts_at)
    return booking


def _cancel_member(case: _Case) -> Booking:
    assert case.request.person_id is not None
    if case.booking.is_offer:
        raise Refused(Reason.OFFER_IS_FIXED, hold_until=case.booking.hold_until)
    is_in_party(case.booking, case.request.person_id)
    return without_member(_cancel(case), case.request.person_id, case.policy)


def _correct(case: _Case) -> Booking:
    """Staff say that whoever was marked as absent was there, or at one step of an itinerary."""
    if case.request.step is not None:
        return _correct_step(case)
    if case.booking.state is not State.NO_SHOW:
        raise Refused(Reason.WRONG_STATE, state=case.booking.state.value, action=case.request.action.value)
    _may_correct(case, case.venue_ids)
    return case.booking


def _correct_step(case: _Case) -> Booking:
    _may_correct(case, _venue_of_step(case))
    return attended(case.booking, case.request.step, case.catalogue, case.now)


def _take_back(case: _Case) -> Booking:
    _may_correct(case, _venue_of_step(case))
    return taken_back(case.booking, case.request.step)


def _may_correct(case: _Case, venue_ids: Iterable[str]) -> None:
    """Let pass who works at one of these venues, for a while after the visit: a person's word, so never the sweep's."""
    if case.request.actor.role == "system" or not any(map(case.request.actor.serves, venue_ids)):
        raise Refused(Reason.NOT_ALLOWED)
    until = case.booking.ends_at + CORRECTED_WITHIN
    if case.now > until:
        raise Refused(Reason.TOO_LATE_TO_CORRECT, correctable_until=until)


def _venue_of_step(case: _Case) -> tuple[str]:
    """Return where a step is: who works at another one's door knows nothing of it."""
    step = step_named(case.booking, case.request.step)
    return (case.catalogue.services[step.service_id].venue_id,)


def _check_in(case: _Case) -> Booking:
    venue = case.venue
    if case.request.venue_id not in case.venue_ids:
        raise Refused(Reason.WRONG_VENUE, venue_id=venue.id, venue_zh=venue.name.zh, venue_en=venue.name.en)
    if not case.request.actor.serves(case.request.venue_id):
        raise Refused(Reason.NOT_ALLOWED)
    if case.booking.course is not None:
        return meet(
            case.booking, Door(venue_id=case.request.venue_id, step=case.request.step), case.catalogue, case.now
        )
    if case.request.step is not None:
        raise Refused(Reason.STEP_UNKNOWN, field="/step")
    in_window(visit_window(case.booking, case.catalogue), case.now)
    return case.booking


def _check_in_step(case: _Case) -> Booking:
    if case.booking.course is None:
        raise Refused(Reason.WRONG_STATE, state=case.booking.state.value, action=Action.CHECK_IN.value)
    return _check_in(case)


def _complete(case: _Case) -> Booking:
    if case.now < case.booking.ends_at:
        raise Refused(Reason.WRONG_STATE, state=case.booking.state.value, action=case.request.action.value)
    return case.booking


def _mark_no_show(case: _Case) -> Booking:
    _, closes = visit_window(case.booking, case.catalogue)
    if case.now <= closes:
        raise Refused(Reason.WRONG_STATE, state=case.booking.state.value, action=case.request.action.value)
    return case.booking


_RULE_OF: Mapping[Action, Callable[[_Case], Booking]] = MappingProxyType(
    {
        Action.EXTEND: _extend,
        Action.CONFIRM: _confirm,
        Action.CANCEL: _cancel,
        Action.CANCEL_MEMBER: _cancel_member,
        Action.CHECK_IN: _check_in,
        Action.CHECK_IN_STEP: _check_in_step,
        Action.COMPLETE: _complete,
        Action.MARK_NO_SHOW: _mark_no_show,
        Action.CORRECT: _correct,
        Action.CORRECT_STEP: _correct_step,
        Action.TAKE_BACK_STEP: _take_back,
        Action.TAKE_BACK: _take_back,
    }
)
"""What an action asks beyond the lifecycle; lapsing asks nothing more."""
