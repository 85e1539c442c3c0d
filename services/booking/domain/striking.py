"""What a change of a booking comes to for the people in it: a strike each, or the end of one.

Who did not come is struck, and who cancels by themselves; never whoever the venue cancelled for, and never for a hold,
which nobody had promised to use. An itinerary is one promise, to the service of its first step. Whether any rule counts it is asked last: what nobody counts is not written down.
"""

from collections.abc import Callable, Iterable
from dataclasses import replace
from datetime import datetime
from uuid import UUID

from services.booking.domain.alteration import cancel_deadline
from services.booking.domain.booking import Action, Booking, State
from services.booking.domain.catalogue import Catalogue
from services.booking.domain.facts import Change
from services.booking.domain.penalty import Act, Regime, Strike, rules_around
from services.booking.domain.request import Actor
from services.booking.domain.zone import local_day

_STRIKING = frozenset({Action.MARK_NO_SHOW.value, Action.CANCEL.value, Action.CANCEL_MEMBER.value})


def may_strike(change: Change) -> bool:
    """Say whether `change` is of a kind that can bring a strike: most are not."""
    return change.action in _STRIKING and change.before is not None and change.before.state is State.CONFIRMED


def strikes_of(change: Change, catalogue: Catalogue, regime: Regime, named: Callable[[], UUID]) -> list[Strike]:
    """Return the strikes that `change` brings, as far as any rule counts them."""
    before, after = change.before, change.after
    if before is None or not may_strike(change):
        return []
    if change.action == Action.MARK_NO_SHOW.value:
        struck = [_strike(after, person, Act.NO_SHOW, after.starts_at, catalogue) for person in after.person_ids]
    elif not any(change.actor.serves(catalogue.services[one].venue_id) for one in after.service_ids):
        staying = () if after.state is State.CANCELLED else after.person_ids
        people = [person for person in before.person_ids if person not in staying]
        struck = [_strike(after, person, Act.CANCEL, after.changed_at, catalogue) for person in people]
    else:
        return []
    counting = rules_around(catalogue.services[after.service_id], regime)
    return [
        replace(one, id=named())
        for one in struck
        if any(not one.causes.isdisjoint(rule.counts) for _, rule in counting)
    ]


def corrected_by(changes: Iterable[Change]) -> list[Change]:
    """Return the changes by which staff say that who was marked absent had come: their strikes are annulled."""
    return [change for change in changes if change.action == Action.CORRECT.value]


def strikes_if_cancelled(
    booking: Booking, actor: Actor, catalogue: Catalogue, regime: Regime, now: datetime
) -> list[Strike]:
    """Return the strikes that cancelling `booking` at `now` would bring; their ids mean nothing."""
    cancelled = replace(booking, state=State.CANCELLED, version=booking.version + 1, changed_at=now)
    change = Change(before=booking, after=cancelled, action=Action.CANCEL.value, actor=actor)
    return strikes_of(change, catalogue, regime, lambda: booking.id)


def _strike(booking: Booking, person_id: UUID, act: Act, at: datetime, catalogue: Catalogue) -> Strike:
    service = catalogue.services[booking.service_id]
    policy = catalogue.policies[service.policy_id]
    cancelled = act is Act.CANCEL
    return Strike(
        id=booking.id,
        person_id=person_id,
        account_id=booking.account_id,
        booking_id=booking.id,
        version=booking.version,
        act=act,
        late=cancelled and at > cancel_deadline(policy.cancel_by, booking.starts_at),
        same_day=cancelled and local_day(at) == local_day(booking.starts_at),
        at=at,
        service_id=service.id,
        venue_id=service.venue_id,
        kind=service.kind.value,
    )
