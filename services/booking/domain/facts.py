"""What the desk knows while it decides one batch, in order: each decision changes what the next one sees.

`Facts` is gathered once, under the locks of every slot that the batch may change. `apply` keeps it true: after it,
`taken` is again the number of places of live claims, exactly as the database will have it after the commit.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, datetime
from uuid import UUID

from services.booking.domain.booking import LIVE, Booking, Channel, State
from services.booking.domain.catalogue import Catalogue, Service, Venue
from services.booking.domain.penalty import Barred
from services.booking.domain.policy import DocumentType, Policy
from services.booking.domain.request import Actor, WalkIns
from services.booking.domain.slot import Slot, counted
from services.booking.domain.waitlist_entry import Waiting
from shared.value import value


@value(frozen=True, slots=True, kw_only=True)
class Companion:
    """A person whom an account may book for; `bars` are those that have not ended, whichever they are."""

    person_id: UUID
    document_type: DocumentType
    birth_date: date
    relation: str
    name_masked: str
    bars: tuple[Barred, ...] = ()


@value(frozen=True, slots=True, kw_only=True)
class LiveClaim:
    """A place that a person already has somewhere: what limits and clashes are counted on."""

    booking_id: UUID
    reference: str
    account_id: UUID
    slot_id: UUID
    service_id: str
    venue_id: str
    kind: str
    starts_at: datetime
    ends_at: datetime


@value(frozen=True, slots=True, kw_only=True)
class Change:
    """A booking before (None where it is new) and after; the rows and the event both follow from it."""

    before: Booking | None
    after: Booking
    action: str
    actor: Actor


def _no_chance() -> float:
    return 0.0


@dataclass(slots=True)
class Facts:
    """The gathered facts of one batch. `chance` draws evenly from 0 to 1: whoever gathers says from where.

    `waiting` has the line, in order, of each slot whose line is served in this batch.
    """

    now: datetime
    catalogue: Catalogue
    slots: dict[UUID, Slot] = field(default_factory=dict)
    companions: dict[tuple[UUID, UUID], Companion] = field(default_factory=dict)
    claims: dict[UUID, list[LiveClaim]] = field(default_factory=dict)
    bookings: dict[UUID, Booking] = field(default_factory=dict)
    contacts: dict[UUID, str | None] = field(default_factory=dict)
    held: dict[UUID, int] = field(default_factory=dict)
    chance: Callable[[], float] = _no_chance
    waiting: dict[UUID, Sequence[Waiting]] = field(default_factory=dict)

    def offer(self, slot: Slot) -> tuple[Service, Venue, Policy]:
        """Return what the slot belongs to."""
        service = self.catalogue.services[slot.service_id]
        return service, self.catalogue.venues[service.venue_id], self.catalogue.policies[service.policy_id]

    def apply(self, change: Change) -> None:
        """Make `change` part of what the next decision sees."""
        before, after = change.before, change.after
        self.bookings[after.id] = after
        self._count_holds(before, after)
        claimed_before = before.claims if before is not None and before.state in LIVE else ()
        claimed_after = after.claims if after.state in LIVE else ()
        if claimed_before == claimed_after:
            return
        if before is not None and claimed_before:
            self._move_places(before, -1)
            self._drop_claims(before)
        if claimed_after:
            self._move_places(after, 1)
            self._add_claims(after)

    def without(self, booking: Booking) -> "Facts":
        """Return the facts as they would be if `booking`, a live one, had never been made: a copy; these stay as they are."""
        absent = replace(
            self,
            slots=dict(self.slots),
            claims=dict(self.claims),
            bookings={key: one for key, one in self.bookings.items() if key != booking.id},
            held=dict(self.held),
        )
        absent._move_places(booking, -1)  # noqa: SLF001 - it is one of us
        absent._drop_claims(booking)  # noqa: SLF001
        if booking.state is State.HELD:
            absent.held[booking.account_id] = absent.held.get(booking.account_id, 0) - 1
        return absent

    def with_places(self, booking: Booking) -> "Facts":
        """Return the facts as they would be if `booking` had its places already: a copy; these stay as they are.

        Its hold is not counted: it is the same one that is being asked for.
        """
        present = replace(self, slots=dict(self.slots), claims=dict(self.claims))
        present._move_places(booking, 1)  # noqa: SLF001 - it is one of us
        present._drop_claims(booking)  # noqa: SLF001
        present._add_claims(booking)  # noqa: SLF001
        return present

    def apply_walk_ins(self, walk_ins: WalkIns) -> None:
        """Count walk-ins on their slot."""
        slot = self.slots[walk_ins.slot_id]
        self.slots[slot.id] = counted(slot, walk_ins.people, 0, walk_ins.people)

    def _count_holds(self, before: Booking | None, after: Booking) -> None:
        change = int(after.state is State.HELD) - int(before is not None and before.state is State.HELD)
        if change:
            self.held[after.account_id] = self.held.get(after.account_id, 0) + change

    def _move_places(self, booking: Booking, direction: int) -> None:
        for slot_id, seats in booking.places:
            slot, places = self.slots[slot_id], direction * seats
            counter = places if booking.channel is Channel.COUNTER else 0
            self.slots[slot_id] = counted(slot, places, counter)

    def _drop_claims(self, booking: Booking) -> None:
        """Take this booking's claims from what its people have."""
        for person_id in booking.person_ids:
            self.claims[person_id] = [one for one in self.claims.get(person_id, ()) if one.booking_id != booking.id]

    def _add_claims(self, booking: Booking) -> None:
        """Add this booking's claims to what its people have. The lists are new ones: copies of these facts share the old."""
        for claim in booking.claims:
            slot = self.slots[claim.slot_id]
            added = LiveClaim(
                booking_id=booking.id,
                reference=booking.reference,
                account_id=booking.account_id,
                slot_id=slot.id,
                service_id=slot.service_id,
                venue_id=slot.venue_id,
                kind=slot.kind,
                starts_at=slot.starts_at,
                ends_at=slot.ends_at,
            )
            self.claims[claim.person_id] = [*self.claims.get(claim.person_id, ()), added]
