"""A slot is an amount of places at one time in one service. What is listed and what can be claimed is one rule: this one.

Each channel may have places kept for it. What is kept for another channel and not yet taken by it is not free:

    free(online) = capacity - taken - max(0, kept_counter - taken_counter) - max(0, kept_walk_in - taken_walk_in) - cooling
                   - released later

Places of a portion that is released later (`later`) are nobody's until then, whatever the channel.

Places that cool off (`cooling`) are kept for whoever waits: the waiting list can have them, and so can whoever stands at
the door; everybody else from the instant that each of them was drawn to come back (`domain.cooling`).
"""

from dataclasses import replace
from datetime import datetime
from uuid import UUID

from services.booking.domain.booking import Channel
from services.booking.domain.reason import Reason
from shared.value import value


@value(frozen=True, slots=True, kw_only=True)
class Slot:
    """A slot as it stands. `bookable_from` is its release, `bookable_until` the last instant to book it online.

    While it is `drawn`, a round gives its places away by lot, and nobody else can. `cooling` has, for each place that
    cools off, the instant at which it comes back; `later` has portions: when, and how many places. `waited`: somebody is in the line of its service.
    """

    id: UUID
    service_id: str
    venue_id: str
    kind: str
    district_id: str
    starts_at: datetime
    ends_at: datetime
    bookable_from: datetime
    bookable_until: datetime
    capacity: int
    taken: int
    kept_counter: int
    taken_counter: int
    kept_walk_in: int
    taken_walk_in: int
    closed: bool
    drawn: bool = False
    cooling: tuple[datetime, ...] = ()
    later: tuple[tuple[datetime, int], ...] = ()
    waited: bool = False


def counted(slot: Slot, places: int, counter: int, walk_in: int = 0) -> Slot:
    """Return the slot with so many more places taken, of which so many at the counter and by walk-ins.

    Written out, because every booking counts: `replace` takes three times as long.
    """
    return Slot(
        id=slot.id,
        service_id=slot.service_id,
        venue_id=slot.venue_id,
        kind=slot.kind,
        district_id=slot.district_id,
        starts_at=slot.starts_at,
        ends_at=slot.ends_at,
        bookable_from=slot.bookable_from,
        bookable_until=slot.bookable_until,
        capacity=slot.capacity,
        taken=slot.taken + places,
        kept_counter=slot.kept_counter,
        taken_counter=slot.taken_counter + counter,
        kept_walk_in=slot.kept_walk_in,
        taken_walk_in=slot.taken_walk_in + walk_in,
        closed=slot.closed,
        drawn=slot.drawn,
        cooling=slot.cooling,
        later=slot.later,
        waited=slot.waited,
    )


_WARM = frozenset({Channel.WAITING_LIST, Channel.WALK_IN})
"""Channels that may have a place while it cools off."""


def cooling_places(slot: Slot, now: datetime) -> int:
    """Return how many places cool off at `now`."""
    return sum(back_at > now for back_at in slot.cooling) if slot.cooling else 0


def later_places(slot: Slot, now: datetime) -> int:
    """Return how many places are not released yet at `now`, beside the slot's own release."""
    return sum(places for released_at, places in slot.later if released_at > now) if slot.later else 0


def next_release(slot: Slot, now: datetime) -> datetime:
    """Return when the next places are released; the slot's own release where nothing is to come."""
    if now < slot.bookable_from:
        return slot.bookable_from
    return min((released_at for released_at, _ in slot.later if released_at > now), default=slot.bookable_from)


def free_places(slot: Slot, channel: Channel, now: datetime) -> int:
    """Return the places that `channel` may still take at `now`; never below 0."""
    free = slot.capacity - slot.taken
    if slot.later:
        free -= later_places(slot, now)
    if slot.cooling and channel not in _WARM:
        free -= cooling_places(slot, now)
    if channel is not Channel.COUNTER:
        free -= max(0, slot.kept_counter - slot.taken_counter)
    if channel is not Channel.WALK_IN:
        free -= max(0, slot.kept_walk_in - slot.taken_walk_in)
    return max(0, free)


def why_not(slot: Slot, channel: Channel, now: datetime, seats: int = 1) -> Reason | None:
    """Return why `seats` places cannot be taken over `channel` at `now`, or None where they can.

    The counter books until the slot starts, and walk-ins enter until it ends; only online booking closes earlier.
    Release time binds every channel: nobody gets in ahead of the public ("看病不找关系" [000]).
    """
    last = {Channel.COUNTER: slot.starts_at, Channel.WALK_IN: slot.ends_at}.get(channel, slot.bookable_until)
    if now >= slot.ends_at or (now >= slot.starts_at and channel is not Channel.WALK_IN):
        return Reason.SLOT_PAST
    if now >= last:
        return Reason.BOOKING_CLOSED
    if slot.closed or slot.drawn:
        return Reason.SLOT_CLOSED if slot.closed else Reason.SLOT_DRAWN
    if now < slot.bookable_from:
        return Reason.NOT_RELEASED
    if seats and free_places(slot, channel, now) < seats:
        return full_or_cooling(slot, channel, now, seats)
    return None


def full_or_cooling(slot: Slot, channel: Channel, now: datetime, seats: int) -> Reason:
    """Return what to call it that `seats` places are not to be had: full, or enough only with those to be released, or that cool off."""
    if slot.later and free_places(replace(slot, later=()), channel, now) >= seats:
        return Reason.NOT_RELEASED
    cooling = 0 if channel in _WARM else cooling_places(slot, now)
    return Reason.COOLING_OFF if cooling and free_places(slot, channel, now) + cooling >= seats else Reason.SLOT_FULL
