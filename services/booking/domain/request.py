"""What the desk is asked to do, as values: commands, in the imperative.

The identifiers of what would be made come with the request, so that deciding stays pure.
"""

from collections.abc import Mapping
from datetime import date, datetime
from uuid import UUID

from services.booking.domain.booking import Action, Channel
from services.booking.domain.policy import PartyKind
from shared.value import value


@value(frozen=True, slots=True)
class Actor:
    """Who asks: an account with its role and venues, or the city's own sweep (`account_id` None, role `system`)."""

    account_id: UUID | None
    role: str
    venues: frozenset[str] = frozenset()

    def serves(self, venue_id: str) -> bool:
        """Say whether this actor works at `venue_id`; an administrator works everywhere."""
        return self.role in {"administrator", "system"} or (
            self.role in {"staff", "scheduler"} and venue_id in self.venues
        )


SYSTEM = Actor(None, "system")


@value(frozen=True, slots=True)
class Key:
    """An Idempotency-Key of one account, with the fingerprint of the request that it came with."""

    account_id: UUID
    key: str
    fingerprint: bytes


@value(frozen=True, slots=True, kw_only=True)
class StepWish:
    """One step of an itinerary: the slot for it, and who takes part, in the order of the step's roles."""

    key: str
    slot_id: UUID
    person_ids: tuple[UUID, ...]


@value(frozen=True, slots=True, kw_only=True)
class CourseWish:
    """An itinerary as somebody wants to go through it; the steps in whatever order they were named."""

    itinerary_id: str
    dates: Mapping[str, date]
    steps: tuple[StepWish, ...]


@value(frozen=True, slots=True, kw_only=True)
class Book:
    """Claim a place in a slot for a party; confirmed at once, or held for the policy's minutes.

    With a `course` it claims places in all the slots of an itinerary, all or nothing; `slot_id` is then one of them.
    """

    actor: Actor
    key: Key | None
    booking_id: UUID
    reference: str
    account_id: UUID
    slot_id: UUID
    party_kind: PartyKind
    person_ids: tuple[UUID, ...]
    declarations: Mapping[str, str]
    confirm: bool
    channel: Channel = Channel.ONLINE
    course: CourseWish | None = None


@value(frozen=True, slots=True, kw_only=True)
class Alter:
    """Do `action` to a booking. `expected_version` is what the asker last saw; `venue_id` the door where staff stand.

    `person_id` is the member of the party whom `cancel_member` is about; `heard_at` is when the message of an offer arrived
    that is to stand for longer because of it. `step` is the step of an itinerary that a door checks in, where staff name it, or that is corrected.
    """

    actor: Actor
    key: Key | None
    booking_id: UUID
    action: Action
    expected_version: int | None = None
    venue_id: str | None = None
    person_id: UUID | None = None
    reason: str | None = None
    heard_at: datetime | None = None
    step: str | None = None


@value(frozen=True, slots=True, kw_only=True)
class Move:
    """Change the time of a booking: give up its slot for `slot_id`, both or neither.

    An itinerary is given up for another `course` of the same one; `slot_id` is then one of its slots.
    """

    actor: Actor
    key: Key | None
    booking_id: UUID
    slot_id: UUID
    expected_version: int | None = None
    course: CourseWish | None = None


@value(frozen=True, slots=True, kw_only=True)
class AdmitWalkIns:
    """Let `people` who did not book in at the door, on the places of `slot_id`."""

    actor: Actor
    key: Key | None
    walk_in_id: UUID
    slot_id: UUID
    people: int


@value(frozen=True, slots=True, kw_only=True)
class ServeLine:
    """Offer the seats that are free in `slot_id` to those who wait for it behind the number `after`."""

    actor: Actor
    key: Key | None
    slot_id: UUID
    after: int = 0


Request = Book | Alter | Move | AdmitWalkIns | ServeLine


@value(frozen=True, slots=True, kw_only=True)
class WalkIns:
    """Walk-ins that were let in, and the places that remain for more of them in the slot."""

    id: UUID
    slot_id: UUID
    people: int
    admitted_at: datetime
    admitted_by: UUID | None
    places_left: int
