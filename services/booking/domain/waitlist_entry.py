"""An entry in the waiting list: who waits, for which services, in which band of days and hours, and since when.

The line. Every entry has a number. Numbers of one kind of service are given in the order in which people join, 1, 2, 3 …
without a gap, and nothing changes them: whoever has the lower number comes first. Anybody can look at the line of a service.

One waits for what is released and full. What has room is booked, not waited for; what is not released yet opens to everybody
at its release, so that nobody can queue before it.
"""

from dataclasses import dataclass
from datetime import date, datetime, time
from enum import StrEnum
from uuid import UUID

from services.booking.domain.policy import PartyKind
from services.booking.domain.slot import Slot
from services.booking.domain.zone import local

ENTRIES_MOST = 10
"""Live entries of one account."""

SERVICES_MOST = 20
"""Services in one entry: all of one kind and under one policy, at however many venues."""

DAYS_MOST = 60
"""Days from the first to the last of a band."""

MISSED_MOST = 2
"""Offers that may run out unanswered; with the last of them the entry ends, so that seats do not wait for nobody."""

EVERY_DAY = frozenset(range(1, 8))


class EntryState(StrEnum):
    """Where an entry is; the last three are the end of it."""

    WAITING = "waiting"
    OFFERED = "offered"
    SERVED = "served"
    LEFT = "left"
    ENDED = "ended"


LIVE_ENTRY = frozenset({EntryState.WAITING, EntryState.OFFERED})


class Ending(StrEnum):
    """Why an entry ended by itself: nothing of its band is still to come, or its offers were not answered."""

    BAND_OVER = "band_over"
    UNANSWERED = "unanswered"


class OfferOutcome(StrEnum):
    """What became of an offer; `withdrawn` by the venue, not by whoever waited."""

    ACCEPTED = "accepted"
    DECLINED = "declined"
    LAPSED = "lapsed"
    WITHDRAWN = "withdrawn"


@dataclass(frozen=True, slots=True, kw_only=True)
class Band:
    """Days from `first` to `last` that fall on `weekdays` (1 Monday to 7 Sunday), starting between `since` and `until`."""

    first: date
    last: date
    weekdays: frozenset[int] = EVERY_DAY
    since: time = time(0)
    until: time = time(23, 59)

    def covers(self, starts_at: datetime) -> bool:
        """Say whether somebody who waits in this band would come at `starts_at`; both ends count."""
        begins = local(starts_at)
        return (
            self.first <= begins.date() <= self.last
            and begins.isoweekday() in self.weekdays
            and self.since <= begins.time() <= self.until
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Collecting:
    """Places are being put together in one slot for a large party, until an instant at the latest."""

    slot_id: UUID
    until: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Waiting:
    """An entry as it stands in the line of a slot. `offer_id` and `reference` are those of a booking, if it is offered one.

    `busy`: another process has its hands on it at this moment, so that nobody can say yet whether it comes next.
    """

    id: UUID
    number: int
    account_id: UUID
    party_kind: PartyKind
    person_ids: tuple[UUID, ...]
    declarations: dict[str, str]
    places: int
    service_ids: frozenset[str]
    band: Band
    offer_id: UUID
    reference: str
    passed_over: int = 0
    collecting: Collecting | None = None
    busy: bool = False

    def wants(self, slot: Slot) -> bool:
        """Say whether this is one of the times that the entry waits for."""
        return slot.service_id in self.service_ids and self.band.covers(slot.starts_at)
