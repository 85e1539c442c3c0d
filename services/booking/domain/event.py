"""The event that tells the world of a change: the whole picture of the booking at its new version."""

from uuid import UUID

from services.booking.domain.booking import EVENT_OF, EVENT_OF_ACTION, Action, Booking
from services.booking.domain.catalogue import Catalogue
from services.booking.domain.facts import Change, Facts
from services.booking.domain.zone import in_words
from shared.contracts import BookingChanged, Event, Preparation, StepTold, Words


def event_of(change: Change, facts: Facts, event_id: UUID, alternatives: tuple[str, ...] = ()) -> Event:
    """Return the event of `change`, which must already be applied to `facts`.

    It names no attendee. How to reach the account is the sealed text that only the notify service can open; the local
    time is rendered here, once, so that no reader of the event does arithmetic with zones. `alternatives`: other times,
    in local words, where the house cancelled.
    """
    before, after = change.before, change.after
    moved = before is not None and before.claims != after.claims and change.action == Action.MOVE.value
    service, venue, policy = facts.offer(facts.slots[after.slot_id])
    return Event(
        id=event_id,
        type=EVENT_OF_ACTION.get(change.action, EVENT_OF[after.state]),
        subject=after.id,
        time=facts.now,
        data=BookingChanged(
            booking_id=after.id,
            version=after.version,
            reference=after.reference,
            state=after.state.value,
            kind=service.kind.value,
            service_id=service.id,
            service_name=service.name,
            venue_id=venue.id,
            venue_name=venue.name,
            venue_address=venue.address,
            sensitive=policy.sensitive,
            starts_at=after.starts_at,
            ends_at=after.ends_at,
            local_start=in_words(after.starts_at),
            hold_until=after.hold_until,
            party_size=len(after.person_ids),
            account_id=after.account_id,
            contact=facts.contacts.get(after.account_id),
            reminders=policy.reminders,
            reason=after.reason,
            local_start_before=in_words(before.starts_at) if before is not None and moved else None,
            by=change.actor.role,
            local_hold_until=in_words(after.hold_until) if after.hold_until is not None else None,
            preparations=tuple(
                Preparation(lead_minutes=one.minutes_before, words=Words(one.words_zh, one.words_en))
                for one in policy.preparations
            ),
            steps=_steps(after, facts.catalogue),
            alternatives=alternatives,
        ),
    )


def _steps(booking: Booking, catalogue: Catalogue) -> tuple[StepTold, ...]:
    """Return what an itinerary consists of, in order of time; nothing for every other booking."""
    if booking.course is None:
        return ()
    told = []
    for step in booking.course.steps:
        service = catalogue.services[step.service_id]
        venue = catalogue.venues[service.venue_id]
        told.append(
            StepTold(
                key=step.key,
                service_name=service.name,
                venue_name=venue.name,
                starts_at=step.starts_at,
                local_start=in_words(step.starts_at),
                party_size=len(step.person_ids),
                met_at=step.met_at,
            )
        )
    return tuple(told)
