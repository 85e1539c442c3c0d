"""What a booking looks like to whoever may see it: one shape for every endpoint that answers with a booking.

Bookings are answered with in a rush, so their shape is plain dataclasses, which document themselves as models do, and
are made and written at a quarter of the time, because nothing that comes from the core itself is validated again. They
have no slots (`shared.plain_json`).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

from pydantic import ConfigDict, Field

from services.booking.domain.alteration import cancel_deadline, too_late_to_cancel
from services.booking.domain.attendance import is_missed, out_of_order, step_window, visit_window
from services.booking.domain.booking import COME, LIFECYCLE, Action, Booking, Channel, State
from services.booking.domain.catalogue import Catalogue, ServiceKind
from services.booking.domain.policy import PartyKind, Policy
from services.booking.domain.zone import in_words, local
from services.booking.store.bookings import Companions
from shared.contracts import Words
from shared.plain_json import write_json
from shared.web import Answer, etag

_EXAMPLE: dict[str, Any] = {
    "id": "01936f2e-7c1a-7def-8a3b-5d4c3b2a1908",
    "reference": "7Q2M-K4ZD-C",
    "state": "confirmed",
    "version": 2,
    "service": {
        "id": "dalian-museum-evening-entry",
        "kind": "museum",
        "name": {"zh": "延时开放分时入场", "en": "Evening timed entry"},
    },
    "venue": {
        "id": "dalian-museum",
        "name": {"zh": "大连博物馆", "en": "Dalian Museum"},
        "address": {"zh": "示例地址", "en": "Sample address"},
        "district_id": "shahekou",
    },
    "slot_id": "01936f2e-0000-7def-8a3b-000000000001",
    "starts_at": "2026-11-28T16:30:00+08:00",
    "ends_at": "2026-11-28T17:00:00+08:00",
    "local_start": "2026-11-28 16:30",
    "hold_until": None,
    "offer": False,
    "party": "one_person",
    "people": [{"person_id": "01936f2e-0000-7def-8a3b-000000000002", "name": "王*", "relation": "self"}],
    "seats": 1,
    "channel": "online",
    "declarations": {},
    "cancel_by": "2026-11-28T15:30:00+08:00",
    "check_in": {
        "opens_at": "2026-11-28T16:15:00+08:00",
        "closes_at": "2026-11-28T17:00:00+08:00",
    },
    "reminders": [1440, 120],
    "actions": ["move", "cancel"],
    "reason": None,
    "itinerary": None,
    "created_at": "2026-11-23T10:00:00+08:00",
    "changed_at": "2026-11-23T10:01:00+08:00",
}

_EXACT = ConfigDict(extra="forbid")

_BY_THE_BOOKER = (Action.EXTEND, Action.CONFIRM, Action.MOVE, Action.CANCEL, Action.CANCEL_MEMBER)
_PARTY_KINDS: Mapping[str, PartyKind] = {kind.value: kind for kind in PartyKind}
_POSSIBLE = {state: [action for action in _BY_THE_BOOKER if action in LIFECYCLE[state]] for state in State}


@dataclass(kw_only=True)
class ServiceShown:
    """The service that is booked."""

    __pydantic_config__ = _EXACT

    id: str
    kind: ServiceKind
    name: Words


@dataclass(kw_only=True)
class VenueShown:
    """Where to go, or who comes."""

    __pydantic_config__ = _EXACT

    id: str
    name: Words
    address: Words
    district_id: str


@dataclass(kw_only=True)
class PersonShown:
    """One of the party, under the name that the account gave them, masked."""

    __pydantic_config__ = _EXACT

    person_id: UUID
    name: Annotated[str, Field(description="Masked: 王*.")]
    relation: str


@dataclass(kw_only=True)
class CheckInShown:
    """When the door checks the party in; an itinerary from its first step to its last."""

    __pydantic_config__ = _EXACT

    opens_at: datetime
    closes_at: datetime


@dataclass(kw_only=True)
class BookedStep:
    """One step of an itinerary: what, where, when, and who of the party."""

    __pydantic_config__ = _EXACT

    step: str
    name: Annotated[Words | None, Field(description="As the itinerary calls it; null where it is no longer offered.")]
    slot_id: UUID
    service: ServiceShown
    venue: VenueShown
    starts_at: datetime
    ends_at: datetime
    local_start: str
    people: list[UUID]
    preparation: Annotated[Words | None, Field(description="What to prepare. 准备事项。")]
    check_in: CheckInShown
    met_at: Annotated[datetime | None, Field(description="When its people were checked in to it. 签到时间。")]
    missed: Annotated[bool, Field(description="Nobody was checked in to it, and its door has closed. 未到。")]
    out_of_order: Annotated[
        list[str],
        Field(description="Steps that belong before it and had not been met when it was. 本应在前而尚未完成的步骤。"),
    ]


@dataclass(kw_only=True)
class BookedItinerary:
    """How the booking goes through an itinerary, its steps in order of time."""

    __pydantic_config__ = _EXACT

    id: str
    name: Words | None
    steps: list[BookedStep]


@dataclass(kw_only=True)
class BookingShown:
    """A booking at `version`, which is also its ETag. Times carry the venue's offset, +08:00."""

    id: UUID
    reference: Annotated[str, Field(description="To read aloud, or to type at the door.")]
    state: State
    version: int
    service: ServiceShown
    venue: VenueShown
    slot_id: Annotated[UUID, Field(description="The slot; of an itinerary, its first one.")]
    starts_at: datetime
    ends_at: datetime
    local_start: Annotated[str, Field(description="The venue's local time, ready to show.")]
    hold_until: Annotated[datetime | None, Field(description="Until when the place is held; null once confirmed.")]
    offer: Annotated[
        bool, Field(description="An offer from the waiting list: confirm it or cancel it before `hold_until`.")
    ]
    party: PartyKind
    people: list[PersonShown]
    seats: Annotated[int, Field(description="Places taken, in all its slots.")]
    channel: Channel
    declarations: dict[str, str]
    cancel_by: Annotated[
        datetime, Field(description="The last moment at which the booker may cancel and it is not late.")
    ]
    check_in: CheckInShown
    reminders: Annotated[list[int], Field(description="Minutes before the start.")]
    actions: Annotated[list[Action], Field(description="What the booker may do now.")]
    reason: Annotated[str | None, Field(description="Why it was cancelled or lapsed, where somebody said so.")]
    itinerary: Annotated[BookedItinerary | None, Field(description="The steps of an itinerary; null for one slot.")]
    created_at: datetime
    changed_at: datetime

    __pydantic_config__ = ConfigDict(extra="forbid", json_schema_extra={"examples": [_EXAMPLE]})


def booking_shown(booking: Booking, catalogue: Catalogue, companions: Companions, now: datetime) -> BookingShown:
    """Return `booking` as it must be seen at `now`: a hold that has run out is shown as lapsed."""
    service = catalogue.services[booking.service_id]
    venue = catalogue.venues[service.venue_id]
    policy = catalogue.policies[service.policy_id]
    opens, closes = visit_window(booking, catalogue)
    state = booking.state_at(now)
    cancel_by = cancel_deadline(policy.cancel_by, booking.starts_at)
    return BookingShown(
        id=booking.id,
        reference=booking.reference,
        state=state,
        version=booking.version,
        service=ServiceShown(id=service.id, kind=service.kind, name=service.name),
        venue=VenueShown(id=venue.id, name=venue.name, address=venue.address, district_id=venue.district_id),
        slot_id=booking.slot_id,
        starts_at=local(booking.starts_at),
        ends_at=local(booking.ends_at),
        local_start=in_words(booking.starts_at),
        hold_until=local(booking.hold_until) if booking.hold_until and state is State.HELD else None,
        offer=booking.is_offer and state is State.HELD,
        party=_PARTY_KINDS[booking.party_kind],
        people=[_person(booking.account_id, person_id, companions) for person_id in booking.person_ids],
        seats=booking.seats,
        channel=booking.channel,
        declarations=dict(booking.declarations),
        cancel_by=local(cancel_by),
        check_in=CheckInShown(opens_at=local(opens), closes_at=local(closes)),
        reminders=list(policy.reminders),
        actions=_actions(booking, state, policy, cancel_by, now),
        reason=booking.reason,
        itinerary=_itinerary(booking, catalogue, now),
        created_at=local(booking.created_at),
        changed_at=local(booking.changed_at),
    )


def _itinerary(booking: Booking, catalogue: Catalogue, now: datetime) -> BookedItinerary | None:
    course = booking.course
    if course is None:
        return None
    itinerary = catalogue.itineraries.get(course.itinerary_id)
    steps = []
    for step in course.steps:
        definition = None if itinerary is None else itinerary.step(step.key)
        service = catalogue.services[step.service_id]
        venue = catalogue.venues[service.venue_id]
        opens, closes = step_window(step, catalogue)
        steps.append(
            BookedStep(
                step=step.key,
                name=None if definition is None else definition.name,
                slot_id=step.slot_id,
                service=ServiceShown(id=service.id, kind=service.kind, name=service.name),
                venue=VenueShown(id=venue.id, name=venue.name, address=venue.address, district_id=venue.district_id),
                starts_at=local(step.starts_at),
                ends_at=local(step.ends_at),
                local_start=in_words(step.starts_at),
                people=list(step.person_ids),
                preparation=None if definition is None else definition.preparation,
                check_in=CheckInShown(opens_at=local(opens), closes_at=local(closes)),
                met_at=None if step.met_at is None else local(step.met_at),
                missed=booking.state in COME and is_missed(step, catalogue, now),
                out_of_order=list(out_of_order(step, course, itinerary)),
            )
        )
    name = None if itinerary is None else itinerary.name
    return BookedItinerary(id=course.itinerary_id, name=name, steps=steps)


def booking_answer(status: int, shown: BookingShown) -> Answer:
    """Return the finished answer, with the version as its entity tag."""
    headers = {"content-type": "application/json", "etag": etag(shown.version)}
    if status == 201:
        headers["location"] = f"/api/v1/bookings/{shown.id}"
    return Answer(status, headers, write_json(shown))


def _person(account_id: UUID, person_id: UUID, companions: Companions) -> PersonShown:
    companion = companions[account_id, person_id]
    return PersonShown(person_id=person_id, name=companion.name_masked, relation=companion.relation)


def _actions(booking: Booking, state: State, policy: Policy, cancel_by: datetime, now: datetime) -> list[Action]:
    """Return what the booker may do: the lifecycle's actions less those that the policy or the time forbids."""
    possible = _POSSIBLE[state]
    if not possible:
        return []
    offer, confirmed = booking.is_offer, state is State.CONFIRMED
    too_late = confirmed and too_late_to_cancel(policy, booking.starts_at, now)
    too_late_to_move = confirmed and now > cancel_by
    forbidden = {
        Action.EXTEND: offer or booking.extensions >= policy.hold_extensions,
        Action.CONFIRM: policy.approval or now >= booking.starts_at,
        Action.MOVE: offer or too_late_to_move or now >= booking.starts_at or (policy.approval and confirmed),
        Action.CANCEL: too_late,
        Action.CANCEL_MEMBER: offer
        or too_late
        or len(booking.claims) == 1
        or booking.party_kind == PartyKind.COUPLE
        or booking.course is not None,
    }
    return [action for action in possible if not forbidden[action]]
