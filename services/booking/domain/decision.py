"""Decide a batch, purely and in order: what each request comes to, and what changes by it.

Holds that have run out are lapsed before anything else is decided, so that their places are free for whoever asks now,
whether or not the sweep has come by. Whoever waits for a slot is offered what is free in it before any request is decided, and
again after each decision that gives seats back (`waitlist`).
"""

from dataclasses import dataclass, field
from uuid import UUID

from services.booking.domain.admission import admit
from services.booking.domain.alteration import alter
from services.booking.domain.booking import Action, Booking, State
from services.booking.domain.cooling import cool, places_given_back
from services.booking.domain.course import admit_course
from services.booking.domain.facts import Change, Facts
from services.booking.domain.request import SYSTEM, AdmitWalkIns, Alter, Book, Move, Request, ServeLine, WalkIns
from services.booking.domain.rescheduling import move
from services.booking.domain.waitlist import Line, outcome_of, serve
from services.booking.domain.walk_in import admit_walk_ins
from shared.refusal import Refused


@dataclass(frozen=True, slots=True)
class Served:
    """The line of the slot `id` was served: as the first thing in its batch, like that of every slot with seats to give."""

    id: UUID


Outcome = Booking | WalkIns | Served | Refused
"""What the core makes of a request."""


@dataclass(slots=True)
class Decisions:
    """The decisions on one batch; `facts` are kept true while they are made."""

    facts: Facts
    changes: list[Change] = field(default_factory=list)
    walk_ins: list[WalkIns] = field(default_factory=list)
    line: Line = field(default_factory=Line)

    def lapse_what_ran_out(self) -> None:
        """End every gathered hold whose time is over; then, before anybody else, serve whoever waits for a slot."""
        for booking in list(self.facts.bookings.values()):
            if booking.state is State.HELD and booking.state_at(self.facts.now) is State.LAPSED:
                lapse = Alter(actor=SYSTEM, key=None, booking_id=booking.id, action=Action.LAPSE)
                self._change(alter(lapse, self.facts), serving=False)
        for slot_id in self.facts.waiting:
            serve(slot_id, self.facts, self.line, self._take)

    def decide(self, request: Request) -> Outcome:
        """Return what `request` comes to; a refusal is an outcome like any other and changes nothing."""
        try:
            if isinstance(request, AdmitWalkIns):
                walk_ins = admit_walk_ins(request, self.facts)
                self.facts.apply_walk_ins(walk_ins)
                self.walk_ins.append(walk_ins)
                return walk_ins
            if isinstance(request, ServeLine):
                return Served(request.slot_id)
            return self._change(_change_by(request, self.facts))
        except Refused as refused:
            return refused

    def _change(self, change: Change, *, serving: bool = True) -> Booking:
        outcome = outcome_of(change)
        if outcome is not None:
            self.line.settled.append((change.after.id, outcome))
        before = [self.facts.slots[slot_id] for slot_id in places_given_back(change)]
        self._take(change)
        for slot in before:
            cool(self.facts, slot)
            if serving and slot.id in self.facts.waiting:
                serve(slot.id, self.facts, self.line, self._take)
        return change.after

    def _take(self, change: Change) -> None:
        self.facts.apply(change)
        self.changes.append(change)


def _change_by(request: Book | Alter | Move, facts: Facts) -> Change:
    if isinstance(request, Book):
        return admit(request, facts) if request.course is None else admit_course(request, facts)
    return move(request, facts) if isinstance(request, Move) else alter(request, facts)
