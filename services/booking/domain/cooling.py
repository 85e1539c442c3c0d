"""Cooling off: a place given back to a full slot comes back to the public at a random instant, told to nobody.

The law. The known attack on scarce places is to book as A, cancel, and book as B in the same second: the place changes
hands and nobody else had a chance. So where a policy says so, places that come free in a slot that had none are first
offered to whoever waits, and only then, at an instant drawn when they came free, to everybody at once. It does not
matter how they came free: cancelled, left by a member, moved away, or a hold that ran out.

The instant lies in the policy's window and not after online booking closes. Where not even the window's beginning comes
before that, the place comes back at once: so near to the visit a place that is used counts for more.
"""

from collections import Counter
from dataclasses import replace
from datetime import datetime, timedelta
from uuid import UUID

from services.booking.domain.booking import LIVE, Channel
from services.booking.domain.facts import Change, Facts
from services.booking.domain.policy import Cooling
from services.booking.domain.slot import Slot, free_places


def places_given_back(change: Change) -> dict[UUID, int]:
    """Return the slots in which `change` leaves fewer places taken than before, and how many fewer."""
    before, after = change.before, change.after
    if before is None or before.state not in LIVE or (before.claims == after.claims and after.state in LIVE):
        return {}
    places = Counter[UUID]()
    for claim in before.claims:
        places[claim.slot_id] += claim.seats
    if after.state in LIVE:
        for claim in after.claims:
            places[claim.slot_id] -= claim.seats
    return {slot_id: given for slot_id, given in places.items() if given > 0}


def back_at(cooling: Cooling, slot: Slot, now: datetime, chance: float) -> datetime | None:
    """Return when a place that comes free in `slot` at `now` is the public's again; None where at once.

    `chance` is drawn evenly from 0 to 1.
    """
    first = now + timedelta(minutes=cooling.least_minutes)
    last = min(now + timedelta(minutes=cooling.most_minutes), slot.bookable_until)
    return first + (last - first) * chance if first < last else None


def cool_off(before: Slot, after: Slot, now: datetime, instant: datetime) -> Slot:
    """Return `after` with what came free in it cooling until `instant`, if `before` had no place for the public.

    What returns to places kept for the counter or for walk-ins does not cool: the public never had it.
    """
    if free_places(before, Channel.ONLINE, now) > 0:
        return after
    still = tuple(one for one in after.cooling if one > now)
    return replace(after, cooling=still + (instant,) * free_places(after, Channel.ONLINE, now))


def cool(facts: Facts, before: Slot) -> None:
    """Let what came free in a slot, which was `before`, cool off where its policy says so."""
    slot = facts.slots[before.id]
    cooling = facts.offer(slot)[2].cooling
    if cooling is None or free_places(before, Channel.ONLINE, facts.now) > 0:
        return
    instant = back_at(cooling, slot, facts.now, facts.chance())
    if instant is not None:
        facts.slots[slot.id] = cool_off(before, slot, facts.now, instant)
