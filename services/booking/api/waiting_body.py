"""What the waiting list looks like: an entry with its place in the line, its offers and why it was passed over; and a line."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime, time
from typing import Annotated, Any
from uuid import UUID

from pydantic import ConfigDict, Field

from services.booking.api.party_body import PartyNamed
from services.booking.api.problems import TABLE
from services.booking.api.words.waiting import SKIPPED
from services.booking.domain.policy import PartyKind
from services.booking.domain.reason import Reason
from services.booking.domain.waitlist import Skip
from services.booking.domain.waitlist_entry import SERVICES_MOST, Band, Ending, EntryState, OfferOutcome
from services.booking.domain.zone import in_words, local
from services.booking.store.plan_document import ClockTime
from services.booking.store.waitlist import Entry, OfferMade, SkipMade
from shared.contracts import Words
from shared.web import Shown

_PERSON = "01936f2e-0000-7def-8a3b-000000000002"
_SLOT = "01936f2e-0000-7def-8a3b-000000000001"
_BOOKING = "01936f2e-0000-7def-8a3b-00000000000b"

Weekday = Annotated[int, Field(ge=1, le=7)]
_TOO_FAR = date(2100, 1, 1)


class NewWait(PartyNamed):
    """A party, the services that would do, and the days and hours in which it would come."""

    services: Annotated[
        list[Annotated[str, Field(max_length=80)]],
        Field(min_length=1, max_length=SERVICES_MOST, description="Of one kind and policy, at whichever venues."),
    ]
    first_day: Annotated[date, Field(lt=_TOO_FAR, description="The first day.")]
    last_day: Annotated[
        date, Field(lt=_TOO_FAR, description="The last day: released already, and at most 60 days later.")
    ]
    weekdays: Annotated[
        list[Weekday],
        Field(
            default_factory=lambda: [*range(1, 8)],
            min_length=1,
            max_length=7,
            description="1 Monday to 7 Sunday; all where not given.",
        ),
    ]
    since: Annotated[ClockTime, Field(description="The earliest time to begin, on the venue's clock.")] = time(0)
    until: Annotated[ClockTime, Field(description="The latest time to begin.")] = time(23, 59)

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "services": ["dalian-museum-guided-tour"],
                    "first_day": "2026-11-28",
                    "last_day": "2026-11-29",
                    "weekdays": [6, 7],
                    "since": "13:00",
                    "until": "17:00",
                    "people": [_PERSON],
                    "party": "one_person",
                }
            ]
        },
    )

    def band(self) -> Band:
        """Return the days and hours as the core knows them."""
        return Band(
            first=self.first_day,
            last=self.last_day,
            weekdays=frozenset(self.weekdays),
            since=self.since,
            until=self.until,
        )


class OfferShown(Shown):
    """An offer. While its `outcome` is null it can be accepted: confirm the booking; or declined: cancel it."""

    booking_id: UUID
    slot_id: UUID
    made_at: datetime
    until: Annotated[datetime, Field(description="As promised when it was made; the booking says how long it stands.")]
    outcome: Annotated[OfferOutcome | None, Field(description="Null while it is open.")]
    ended_at: datetime | None


class SkipShown(Shown):
    """Why seats of this time were not offered to you."""

    slot_id: UUID
    starts_at: datetime | None
    local_start: str | None
    reason: Annotated[str, Field(description="Why: `more_places_needed`, or what a booking would be refused for.")]
    words: Words
    first_at: datetime
    last_at: datetime
    times: int


_ENTRY: dict[str, Any] = {
    "id": "01936f2e-0000-7def-8a3b-00000000000c",
    "number": 42,
    "state": "waiting",
    "position": 3,
    "services": ["dalian-museum-guided-tour"],
    "first_day": "2026-11-28",
    "last_day": "2026-11-29",
    "weekdays": [6, 7],
    "since": "13:00",
    "until": "17:00",
    "people": [_PERSON],
    "party": "one_person",
    "declarations": {},
    "places": 1,
    "joined_at": "2026-11-23T10:00:00+08:00",
    "passed_over": 0,
    "collecting": None,
    "ended_at": None,
    "ended_because": None,
}
_OFFER: dict[str, Any] = {
    "booking_id": _BOOKING,
    "slot_id": _SLOT,
    "made_at": "2026-11-24T09:00:00+08:00",
    "until": "2026-11-24T09:30:00+08:00",
    "outcome": "declined",
    "ended_at": "2026-11-24T09:10:00+08:00",
}
_SKIP: dict[str, Any] = {
    "slot_id": _SLOT,
    "starts_at": "2026-11-28T14:30:00+08:00",
    "local_start": "2026-11-28 14:30",
    "reason": "clashes",
    "words": {"zh": "时间冲突", "en": "Clashes"},
    "first_at": "2026-11-24T08:00:00+08:00",
    "last_at": "2026-11-24T08:00:00+08:00",
    "times": 1,
}


class CollectingShown(Shown):
    """Seats of this time are being put together for the whole party, until this moment at the latest."""

    slot_id: UUID
    until: datetime


class WaitShown(Shown):
    """An entry in the waiting list."""

    id: UUID
    number: Annotated[int, Field(description="In the line of its kind of service: given in order, without gaps.")]
    state: EntryState
    position: Annotated[
        int | None,
        Field(description="1 is next. Entries with a lower number that share a service; null once it is over."),
    ]
    services: list[str]
    first_day: date
    last_day: date
    weekdays: list[int]
    since: ClockTime
    until: ClockTime
    people: list[UUID]
    party: PartyKind
    declarations: dict[str, str]
    places: Annotated[int, Field(description="Places that the party needs.")]
    joined_at: datetime
    passed_over: Annotated[
        int,
        Field(description="How often seats went to somebody behind, too few for this party; after 3 they are kept."),
    ]
    collecting: CollectingShown | None
    ended_at: datetime | None
    ended_because: Annotated[Ending | None, Field(description="Where it ended by itself.")]

    model_config = ConfigDict(json_schema_extra={"examples": [_ENTRY]})


class WaitWhole(WaitShown):
    """An entry with its history: what it was offered, and what it was not, and why."""

    offers: list[OfferShown]
    skips: Annotated[list[SkipShown], Field(description="The latest first.")]

    model_config = ConfigDict(
        json_schema_extra={"examples": [{**_ENTRY, "offers": [_OFFER], "skips": [_SKIP]}]},
    )


class LinePlace(Shown):
    """A party in the line of a service, as anybody may see it: it names nobody."""

    number: int
    places: int
    state: EntryState
    joined_at: datetime
    first_day: date
    last_day: date
    passed_over: int

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "number": 42,
                    "places": 1,
                    "state": "waiting",
                    "joined_at": "2026-11-23T10:00:00+08:00",
                    "first_day": "2026-11-28",
                    "last_day": "2026-11-29",
                    "passed_over": 0,
                }
            ]
        },
    )


@dataclass(frozen=True, slots=True)
class Past:
    """What became of an entry so far."""

    offers: list[OfferMade]
    skips: list[SkipMade]


def wait_shown(entry: Entry, ahead: Mapping[UUID, int]) -> WaitShown:
    """Return an entry; `ahead` says how many come before it."""
    return WaitShown(**_fields(entry, ahead))


def wait_whole(entry: Entry, ahead: Mapping[UUID, int], past: Past) -> WaitWhole:
    """Return an entry with its history."""
    return WaitWhole(
        **_fields(entry, ahead),
        offers=[_offer(one) for one in past.offers],
        skips=[_skip(one) for one in past.skips],
    )


def line_place(row: Any) -> LinePlace:
    """Return a place in a line, of a row that `line_of_service` gives."""
    return LinePlace(
        number=row.number,
        places=row.places,
        state=EntryState(row.state),
        joined_at=local(row.joined_at),
        first_day=row.first_day,
        last_day=row.last_day,
        passed_over=row.passed_over,
    )


def _fields(entry: Entry, ahead: Mapping[UUID, int]) -> dict[str, Any]:
    live = entry.ended_at is None
    collecting = None
    if live and entry.collecting_slot is not None and entry.collecting_until is not None:
        collecting = CollectingShown(slot_id=entry.collecting_slot, until=local(entry.collecting_until))
    return {
        "id": entry.id,
        "number": entry.number,
        "state": entry.state,
        "position": ahead.get(entry.id, 0) + 1 if live else None,
        "services": list(entry.service_ids),
        "first_day": entry.band.first,
        "last_day": entry.band.last,
        "weekdays": sorted(entry.band.weekdays),
        "since": entry.band.since,
        "until": entry.band.until,
        "people": list(entry.person_ids),
        "party": entry.party_kind,
        "declarations": dict(entry.declarations),
        "places": entry.places,
        "joined_at": local(entry.joined_at),
        "passed_over": entry.passed_over,
        "collecting": collecting,
        "ended_at": None if entry.ended_at is None else local(entry.ended_at),
        "ended_because": None if entry.ended_because is None else Ending(entry.ended_because),
    }


def _offer(one: OfferMade) -> OfferShown:
    return OfferShown(
        booking_id=one.booking_id,
        slot_id=one.slot_id,
        made_at=local(one.made_at),
        until=local(one.until),
        outcome=None if one.outcome is None else OfferOutcome(one.outcome),
        ended_at=None if one.ended_at is None else local(one.ended_at),
    )


def _skip(one: SkipMade) -> SkipShown:
    is_skip = one.reason in set(Skip)
    return SkipShown(
        slot_id=one.slot_id,
        starts_at=None if one.starts_at is None else local(one.starts_at),
        local_start=None if one.starts_at is None else in_words(one.starts_at),
        reason=one.reason,
        words=SKIPPED[Skip(one.reason)] if is_skip else TABLE[Reason(one.reason)].title,
        first_at=local(one.first_at),
        last_at=local(one.last_at),
        times=one.times,
    )
