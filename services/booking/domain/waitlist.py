"""The waiting list: seats that come free are offered to whoever waits, one after the other, before anybody else gets them.

The law.
- Whenever the desk holds a slot for whose service somebody waits, the line is served before anybody else is: at the beginning
  of a batch, and again after every decision that gives seats back. So a freed seat is never seen free by the public while
  somebody waits who could take it, and nobody cuts in line.
- The line is walked in the order of its numbers. Each entry is asked what a booking of the same party would be asked now; it
  is either offered seats, or passed over with a reason that it can read.
- An offer is a hold (decision 0006), of the channel `waiting_list`. Accepting is confirming it, declining is cancelling it; it
  lapses like any hold, and then the next in line is offered the seats.
- Whoever declined a time, or let its offer lapse, is not offered that time again.

No starvation. A large party would wait for ever if each seat that comes free went to a smaller one behind it. So an entry over
whose head seats were given `PASSED_OVER_MOST` times has the next ones collected: what comes free in one slot is kept for
it, and nobody behind it in the line gets any, until the party is complete or its time to collect is over. One slot at a time
collects for one party. Where it did not come together in time, the seats go to the next in line, and the count begins again.
"""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from enum import StrEnum
from uuid import UUID

from services.booking.domain import policy
from services.booking.domain.admission import admit
from services.booking.domain.booking import Channel, State
from services.booking.domain.cooling import back_at
from services.booking.domain.facts import Change, Facts
from services.booking.domain.request import Actor, Book
from services.booking.domain.slot import Slot, free_places, why_not
from services.booking.domain.waitlist_entry import Collecting, OfferOutcome, Waiting
from services.booking.domain.waitlist_offer import last_answer, offer_until
from shared.refusal import Refused

LINE = Actor(None, "waiting_list")
"""Who holds what is offered: nobody signs in as this."""

OFFER = "offer"
"""What the making of an offer is called in a booking's history."""

PASSED_OVER_MOST = 3
"""How often seats go to somebody behind a party that is too large for them; the next ones are collected for it."""

LOOK_AGAIN = timedelta(seconds=5)
"""For so long seats are kept while another process decides about whoever comes next."""


class Skip(StrEnum):
    """Why an entry was passed over, beside all that a booking may be refused for."""

    MORE_PLACES_NEEDED = "more_places_needed"
    TOO_LITTLE_TIME = "too_little_time"
    COLLECTING = "collecting"


@dataclass(frozen=True, slots=True)
class Skipped:
    """An entry that was looked at for a slot and not offered it; `reason` is a `Skip` or a `Reason`, as its code."""

    entry_id: UUID
    slot_id: UUID
    reason: str


@dataclass(frozen=True, slots=True)
class Offered:
    """An offer that was made."""

    entry_id: UUID
    booking_id: UUID
    slot_id: UUID
    until: datetime


@dataclass(slots=True)
class Line:
    """What a batch did to the line: to be written down with its bookings."""

    offered: dict[UUID, Offered] = field(default_factory=dict)
    skipped: dict[tuple[UUID, UUID], Skipped] = field(default_factory=dict)
    passed_over: dict[UUID, int] = field(default_factory=dict)
    collecting: dict[UUID, Collecting | None] = field(default_factory=dict)
    settled: list[tuple[UUID, OfferOutcome]] = field(default_factory=list)

    def is_empty(self) -> bool:
        """Say whether there is nothing to write."""
        return not (self.offered or self.skipped or self.passed_over or self.collecting or self.settled)


def outcome_of(change: Change) -> OfferOutcome | None:
    """Return what became of an offer by `change`; None where it was none, or is still open."""
    before, after = change.before, change.after
    if before is None or not before.is_offer or after.state is State.HELD:
        return None
    if after.state is State.CONFIRMED:
        return OfferOutcome.ACCEPTED
    if after.state is State.LAPSED:
        return OfferOutcome.LAPSED
    return OfferOutcome.DECLINED if change.actor.account_id == before.account_id else OfferOutcome.WITHDRAWN


def serve(slot_id: UUID, facts: Facts, line: Line, take: Callable[[Change], None]) -> None:
    """Offer the seats that are free in a slot to those who wait for it, as far as they reach.

    `facts.waiting` has the line of the slot, in order. `take` applies a change; what else happens goes into `line`.
    """
    slot = facts.slots[slot_id]
    terms = facts.offer(slot)[2].waiting
    waiting = [one for one in facts.waiting[slot_id] if one.id not in line.offered]
    if terms is None or why_not(slot, Channel.WAITING_LIST, facts.now, seats=0) is not None:
        return
    walk = _Walk(slot, terms, facts, line, take)
    passed: list[Waiting] = []
    for one in waiting:
        if walk.free() <= 0:
            break
        if one.busy:
            walk.keep(facts.now + LOOK_AGAIN)
            return
        if walk.collects_for(one):
            return
        if one.places > walk.free():
            walk.skip(one, Skip.MORE_PLACES_NEEDED)
            passed.append(one)
        elif walk.offer(one):
            walk.count(passed)
            passed.clear()
    if not any(walk.is_collecting(one) for one in waiting):
        walk.let_go()


@dataclass(slots=True)
class _Walk:
    """One walk along the line of one slot."""

    slot: Slot
    terms: policy.Waiting
    facts: Facts
    line: Line
    take: Callable[[Change], None]

    def free(self) -> int:
        """Seats that the line may have now."""
        return free_places(self.facts.slots[self.slot.id], Channel.WAITING_LIST, self.facts.now)

    def last(self) -> datetime:
        """When every offer of this slot ends."""
        return last_answer(self.terms, self.slot.starts_at, self.slot.bookable_until)

    def skip(self, one: Waiting, reason: str) -> None:
        self.line.skipped[one.id, self.slot.id] = Skipped(one.id, self.slot.id, str(reason))

    def offer(self, one: Waiting) -> bool:
        """Offer the party its seats; return False where it is passed over, with the reason written down."""
        until = offer_until(self.terms, self.last(), self.facts.now)
        if until is None:
            self.skip(one, Skip.TOO_LITTLE_TIME)
            return False
        try:
            admitted = admit(_as_booking(one, self.slot.id), self.facts)
        except Refused as refused:
            self.skip(one, refused.reason)
            return False
        booking = replace(admitted.after, state=State.HELD, hold_until=until)
        self.take(Change(before=None, after=booking, action=OFFER, actor=LINE))
        self._warm(booking.seats)
        self.line.offered[one.id] = Offered(one.id, booking.id, self.slot.id, until)
        self.line.skipped.pop((one.id, self.slot.id), None)
        return True

    def count(self, passed: list[Waiting]) -> None:
        """Count that seats went over the heads of these."""
        for one in passed:
            self.line.passed_over[one.id] = self.line.passed_over.get(one.id, one.passed_over) + 1

    def is_collecting(self, one: Waiting) -> bool:
        """Say whether seats of this slot are being collected for a party."""
        found = self.line.collecting.get(one.id, one.collecting)
        return found is not None and found.slot_id == self.slot.id and found.until > self.facts.now

    def collects_for(self, one: Waiting) -> bool:
        """Keep the seats for a party that is too large for them and whose turn to collect it is; say whether they are."""
        if one.places <= self.free():
            return False
        if self.is_collecting(one):
            found = self.line.collecting.get(one.id, one.collecting)
        else:
            found = self._begin_to_collect(one)
        if found is None:
            return False
        self.keep(found.until)
        self.skip(one, Skip.COLLECTING)
        return True

    def _begin_to_collect(self, one: Waiting) -> Collecting | None:
        found = self.line.collecting.get(one.id, one.collecting)
        if found is not None and found.until <= self.facts.now:  # in vain: the count begins again
            self.line.collecting[one.id] = None
            self.line.passed_over[one.id] = 0
            return None
        passed_over = self.line.passed_over.get(one.id, one.passed_over)
        most = self.slot.capacity - self.slot.kept_counter - self.slot.kept_walk_in
        if found is not None or passed_over < PASSED_OVER_MOST or one.places > most:
            return None
        if any(self.is_collecting(other) for other in self.facts.waiting[self.slot.id]):
            return None
        latest = self.last() - timedelta(minutes=self.terms.react_minutes)
        until = min(self.facts.now + timedelta(minutes=self.terms.collect_minutes), latest)
        if until <= self.facts.now or self._would_be_refused(one):
            return None
        self.line.collecting[one.id] = Collecting(slot_id=self.slot.id, until=until)
        return self.line.collecting[one.id]

    def _would_be_refused(self, one: Waiting) -> bool:
        """Say whether the party could not be offered this slot even if it had room: then nothing is collected for it."""
        roomy = replace(self.slot, capacity=self.slot.capacity + one.places)
        try:
            admit(_as_booking(one, self.slot.id), replace(self.facts, slots={**self.facts.slots, self.slot.id: roomy}))
        except Refused:
            return True
        return False

    def keep(self, until: datetime) -> None:
        """Keep every free seat from the public until an instant, or for longer where it cools off for longer."""
        slot = self.facts.slots[self.slot.id]
        still = sorted((one for one in slot.cooling if one > self.facts.now), reverse=True)[: self.free()]
        kept = (*(max(one, until) for one in still), *((until,) * (self.free() - len(still))))
        self.facts.slots[slot.id] = replace(slot, cooling=kept)

    def let_go(self) -> None:
        """Give back what was kept for a party that does not wait any more: as if it had come free just now."""
        slot, now = self.facts.slots[self.slot.id], self.facts.now
        cooling = self.facts.offer(slot)[2].cooling
        longest = now + (timedelta(minutes=cooling.most_minutes) if cooling else LOOK_AGAIN)
        if any(one > longest for one in slot.cooling):
            instant = back_at(cooling, slot, now, self.facts.chance()) if cooling else None
            shorter = (one if one <= longest else instant for one in slot.cooling)
            self.facts.slots[slot.id] = replace(slot, cooling=tuple(one for one in shorter if one is not None))

    def _warm(self, seats: int) -> None:
        """Take the seats that were offered off those that cool: first the ones that would have cooled longest."""
        slot = self.facts.slots[self.slot.id]
        if slot.cooling:
            still = sorted(one for one in slot.cooling if one > self.facts.now)
            self.facts.slots[slot.id] = replace(slot, cooling=tuple(still[: max(0, len(still) - seats)]))


def _as_booking(one: Waiting, slot_id: UUID) -> Book:
    return Book(
        actor=LINE,
        key=None,
        booking_id=one.offer_id,
        reference=one.reference,
        account_id=one.account_id,
        slot_id=slot_id,
        party_kind=one.party_kind,
        person_ids=one.person_ids,
        declarations=one.declarations,
        confirm=False,
        channel=Channel.WAITING_LIST,
    )
