"""Decide a batch, purely and in order: what each request comes to, and what changes by it.

Holds that have run out are lapsed before anything else is decided, so that their places are free for whoever asks now,
whether or not the sweep has come by.
"""

from dataclasses import dataclass, field

from services.booking.domain.admission import admit
from services.booking.domain.alteration import alter
from services.booking.domain.booking import Action, Booking, State
from services.booking.domain.cooling import cool, places_given_back
from services.booking.domain.course import admit_course
from services.booking.domain.facts import Change, Facts
from services.booking.domain.request import SYSTEM, AdmitWalkIns, Alter, Book, Move, Request, WalkIns
from services.booking.domain.rescheduling import move
from services.booking.domain.walk_in import admit_walk_ins
from shared.refusal import Refused

Outcome = Booking | WalkIns | Refused
"""What the core makes of a request."""


@dataclass(slots=True)
class Decisions:
    """The decisions on one batch; `facts` are kept true while they are made."""

    facts: Facts
    changes: list[Change] = field(default_factory=list)
    walk_ins: list[WalkIns] = field(default_factory=list)

    def lapse_what_ran_out(self) -> None:
        """End every gathered hold whose time is over."""
        for booking in list(self.facts.bookings.values()):
            if booking.state is State.HELD and booking.state_at(self.facts.now) is State.LAPSED:
                lapse = Alter(actor=SYSTEM, key=None, booking_id=booking.id, action=Action.LAPSE)
                self._change(alter(lapse, self.facts))

    def decide(self, request: Request) -> Outcome:
        """Return what `request` comes to; a refusal is an outcome like any other and changes nothing."""
        try:
            if isinstance(request, AdmitWalkIns):
                walk_ins = admit_walk_ins(request, self.facts)
                self.facts.apply_walk_ins(walk_ins)
                self.walk_ins.append(walk_ins)
                return walk_ins
            return self._change(_change_by(request, self.facts))
        except Refused as refused:
            return refused

    def _change(self, change: Change) -> Booking:
        given_back = places_given_back(change)
        before = [self.facts.slots[slot_id] for slot_id in given_back]
        self.facts.apply(change)
        self.changes.append(change)
        for slot in before:
            cool(self.facts, slot)
        return change.after


def _change_by(request: Book | Alter | Move, facts: Facts) -> Change:
    if isinstance(request, Book):
        return admit(request, facts) if request.course is None else admit_course(request, facts)
    return move(request, facts) if isinstance(request, Move) else alter(request, facts)
