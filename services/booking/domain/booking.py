"""The life of a booking, as a table. A missing key is the refusal; a state without actions is the end.

    held -> confirmed -> checked_in -> completed
      |         |
      |         +-> cancelled, no_show
      +-> cancelled, lapsed

A booking that is moved to another time stays what it was, held or confirmed: same id, same reference, next version.
So does one that a member of its party leaves; when the last one leaves, it is cancelled. A no-show that staff correct
goes back to checked in, and from there is completed as any visit that is over. Of an itinerary they correct single steps,
also when it is over; if none is left that its party came to, it is confirmed again (`step_correction`).

A booking claims places in slots for people. A claim is live unless its booking was cancelled or lapsed: a place that
was used, or that nobody came for, stays taken. The places of a slot's live claims, and its walk-ins, are its `taken`.

An ordinary booking has all its claims in one slot. An itinerary has several slots, step by step in order of time, and
stands or falls as a whole; its `slot_id` and `service_id` are those of the first step, its times span all of them. It is
checked in with the first step that its party comes to, and stays so while it is checked in to the others (`attendance`).
"""

from collections.abc import Mapping
from datetime import date, datetime
from enum import StrEnum
from types import MappingProxyType
from uuid import UUID

from services.booking.domain.reason import Reason
from shared.contracts import EventType
from shared.refusal import Refused
from shared.value import value


class State(StrEnum):
    HELD = "held"
    CONFIRMED = "confirmed"
    CHECKED_IN = "checked_in"
    COMPLETED = "completed"
    CANCELLED = "cancelled"
    NO_SHOW = "no_show"
    LAPSED = "lapsed"


class Action(StrEnum):
    EXTEND = "extend"
    MOVE = "move"
    CONFIRM = "confirm"
    CANCEL = "cancel"
    CANCEL_MEMBER = "cancel_member"
    LAPSE = "lapse"
    CHECK_IN = "check_in"
    CHECK_IN_STEP = "check_in_step"
    COMPLETE = "complete"
    MARK_NO_SHOW = "mark_no_show"
    CORRECT = "correct"
    CORRECT_STEP = "correct_step"
    TAKE_BACK_STEP = "take_back_step"
    TAKE_BACK = "take_back"


class Channel(StrEnum):
    """How a booking reached the desk; each channel may have places of its own (`policy.Shares`)."""

    ONLINE = "online"
    COUNTER = "counter"
    WALK_IN = "walk_in"
    WAITING_LIST = "waiting_list"


LIFECYCLE: Mapping[State, Mapping[Action, State]] = MappingProxyType(
    {
        State.HELD: {
            Action.EXTEND: State.HELD,
            Action.MOVE: State.HELD,
            Action.CONFIRM: State.CONFIRMED,
            Action.CANCEL: State.CANCELLED,
            Action.CANCEL_MEMBER: State.HELD,
            Action.LAPSE: State.LAPSED,
        },
        State.CONFIRMED: {
            Action.CHECK_IN: State.CHECKED_IN,
            Action.MOVE: State.CONFIRMED,
            Action.CANCEL: State.CANCELLED,
            Action.CANCEL_MEMBER: State.CONFIRMED,
            Action.MARK_NO_SHOW: State.NO_SHOW,
            Action.CORRECT: State.CHECKED_IN,
        },
        State.CHECKED_IN: {
            Action.CHECK_IN_STEP: State.CHECKED_IN,
            Action.COMPLETE: State.COMPLETED,
            Action.CORRECT_STEP: State.CHECKED_IN,
            Action.TAKE_BACK_STEP: State.CHECKED_IN,
            Action.TAKE_BACK: State.CONFIRMED,
        },
        State.COMPLETED: {
            Action.CORRECT_STEP: State.COMPLETED,
            Action.TAKE_BACK_STEP: State.COMPLETED,
            Action.TAKE_BACK: State.CONFIRMED,
        },
        State.CANCELLED: {},
        State.NO_SHOW: {Action.CORRECT: State.CHECKED_IN},
        State.LAPSED: {},
    }
)

LIVE: frozenset[State] = frozenset(State) - {State.CANCELLED, State.LAPSED}
"""States whose claims take places."""

COME: frozenset[State] = frozenset({State.CONFIRMED, State.CHECKED_IN, State.COMPLETED, State.NO_SHOW})
"""States in which somebody was, or is, to come: what they did not come to, they missed."""

EVENT_OF: Mapping[State, EventType] = MappingProxyType(
    {
        State.HELD: EventType.BOOKING_HELD,
        State.CONFIRMED: EventType.BOOKING_CONFIRMED,
        State.CHECKED_IN: EventType.BOOKING_CHECKED_IN,
        State.COMPLETED: EventType.BOOKING_COMPLETED,
        State.CANCELLED: EventType.BOOKING_CANCELLED,
        State.NO_SHOW: EventType.BOOKING_NO_SHOW,
        State.LAPSED: EventType.BOOKING_LAPSED,
    }
)

EVENT_OF_ACTION: Mapping[str, EventType] = MappingProxyType(
    {
        Action.MOVE.value: EventType.BOOKING_MOVED,
        Action.CANCEL_MEMBER.value: EventType.BOOKING_PARTY_CHANGED,
        Action.CHECK_IN_STEP.value: EventType.BOOKING_STEP_MET,
        Action.CORRECT_STEP.value: EventType.BOOKING_STEP_CORRECTED,
        Action.TAKE_BACK_STEP.value: EventType.BOOKING_STEP_CORRECTED,
        Action.TAKE_BACK.value: EventType.BOOKING_STEP_CORRECTED,
        "offer": EventType.WAITLIST_OFFERED,
    }
)
"""Events of actions whose news is not the state that they lead to; they go before the state's own."""


@value(frozen=True, slots=True, kw_only=True)
class Claim:
    """A person's place in a slot. `seats` is 1 where the person takes a place, 0 where the party shares the first one's."""

    slot_id: UUID
    person_id: UUID
    seats: int


@value(frozen=True, slots=True, kw_only=True)
class Step:
    """What an itinerary does in one slot, and who takes part; `key` is the step's name in the definition.

    `met_at` is when its people were checked in to it, None where they have not been; staff may put it right later.
    """

    key: str
    slot_id: UUID
    service_id: str
    starts_at: datetime
    ends_at: datetime
    person_ids: tuple[UUID, ...]
    met_at: datetime | None = None


@value(frozen=True, slots=True, kw_only=True)
class Course:
    """How a booking goes through an itinerary: which one, the dates that it is counted from, the steps in order of time."""

    itinerary_id: str
    dates: Mapping[str, date]
    steps: tuple[Step, ...]


@value(frozen=True, slots=True, kw_only=True)
class Booking:
    """A booking at `version`. From the instant `hold_until` a held one counts as lapsed."""

    id: UUID
    reference: str
    state: State
    version: int
    service_id: str
    slot_id: UUID
    starts_at: datetime
    ends_at: datetime
    account_id: UUID
    channel: Channel
    party_kind: str
    claims: tuple[Claim, ...]
    declarations: Mapping[str, str]
    hold_until: datetime | None
    extensions: int
    created_at: datetime
    changed_at: datetime
    reason: str | None = None
    course: Course | None = None

    @property
    def seats(self) -> int:
        """Places that this booking takes, in all its slots, while it is live."""
        return sum([claim.seats for claim in self.claims])

    @property
    def person_ids(self) -> tuple[UUID, ...]:
        """Who comes, each named once."""
        named = [claim.person_id for claim in self.claims]
        return tuple(named if self.course is None else dict.fromkeys(named))

    @property
    def places(self) -> tuple[tuple[UUID, int], ...]:
        """The slots in which this booking takes places while it is live, and how many in each."""
        if self.course is None:
            return ((self.slot_id, self.seats),)
        taken: dict[UUID, int] = {}
        for claim in self.claims:
            taken[claim.slot_id] = taken.get(claim.slot_id, 0) + claim.seats
        return tuple(taken.items())

    @property
    def service_ids(self) -> tuple[str, ...]:
        """The services that this booking is for, the first one first."""
        if self.course is None:
            return (self.service_id,)
        return tuple(dict.fromkeys(step.service_id for step in self.course.steps))

    @property
    def last_start(self) -> datetime:
        """When the last thing of this booking begins."""
        return self.starts_at if self.course is None else self.course.steps[-1].starts_at

    @property
    def is_offer(self) -> bool:
        """Whether this is an offer from the waiting list that waits for its answer (`waitlist`)."""
        return self.channel is Channel.WAITING_LIST and self.state is State.HELD

    def state_at(self, now: datetime) -> State:
        """Return the state as everybody must see it at `now`: a hold is over the instant `hold_until` passes."""
        if self.state is State.HELD and self.hold_until is not None and self.hold_until <= now:
            return State.LAPSED
        return self.state


def next_state(booking: Booking, action: Action, now: datetime) -> State:
    """Return the state that `action` leads to at `now`.

    Raises:
        Refused: `hold_expired` where the hold has run out, `wrong_state` where the table has no such action.
    """
    state = booking.state_at(now)
    if state is State.LAPSED:
        if action is Action.LAPSE and booking.state is State.HELD:
            return State.LAPSED
        raise Refused(Reason.HOLD_EXPIRED, expired_at=booking.hold_until)
    following = LIFECYCLE[state].get(action)
    if following is None or action is Action.LAPSE:
        raise Refused(Reason.WRONG_STATE, state=state.value, action=action.value)
    return following
