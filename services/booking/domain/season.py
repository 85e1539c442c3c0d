"""Request rounds: clubs ask for a season's court hours, staff allocate them, and each accepted hour becomes a booking.

The laws:
- A request is a series: a weekday and a time, from a first to a last day, less excluded dates. It is taken apart when it
  comes, into occurrences; each is decided, booked or refused, and kept, on its own.
- What may happen to an occurrence is the table `LIFE`. Staff and clubs change what is ahead, never what has begun.
- The fair order puts first who has been given the fewest hours of the round; among equals, who asked first.
- An accepted occurrence of a committed round is booked as soon as its time is opened, ahead of the public, by the rules of
  every booking. What they refuse stands there with its reason.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, time, timedelta
from enum import StrEnum
from types import MappingProxyType
from uuid import UUID

from dateutil.rrule import WEEKLY, rrule

from services.booking.domain.reason import Reason
from services.booking.domain.request import Actor
from services.booking.domain.zone import at_local
from shared.refusal import Refused

ALLOCATION = Actor(None, "allocation")
"""Who books what staff allocated: nobody signs in as this."""

WINDOW_LEAST = timedelta(hours=1)
SEASON_MOST = timedelta(days=300)
OCCURRENCES_MOST = 60
"""Of one series: a year of weeks and some."""

NOT_IN_PLAN = "not_in_plan"
NOT_ALLOCATED = "not_allocated"
DECLINED = "proposal_declined"


class Fate(StrEnum):
    """Where an occurrence is."""

    REQUESTED = "requested"
    PROPOSED = "proposed"
    ACCEPTED = "accepted"
    REJECTED = "rejected"
    WITHDRAWN = "withdrawn"
    BOOKED = "booked"
    REFUSED = "refused"


class Step(StrEnum):
    """What is done to it: by staff, by the club, and by the worker that books."""

    ACCEPT = "accept"
    REJECT = "reject"
    PROPOSE = "propose"
    AGREE = "agree"
    DECLINE = "decline"
    WITHDRAW = "withdraw"
    BOOK = "book"
    REFUSE = "refuse"


LIFE: Mapping[Fate, Mapping[Step, Fate]] = MappingProxyType(
    {
        Fate.REQUESTED: {
            Step.ACCEPT: Fate.ACCEPTED,
            Step.REJECT: Fate.REJECTED,
            Step.PROPOSE: Fate.PROPOSED,
            Step.WITHDRAW: Fate.WITHDRAWN,
        },
        Fate.PROPOSED: {
            Step.ACCEPT: Fate.ACCEPTED,
            Step.REJECT: Fate.REJECTED,
            Step.PROPOSE: Fate.PROPOSED,
            Step.AGREE: Fate.ACCEPTED,
            Step.DECLINE: Fate.REJECTED,
            Step.WITHDRAW: Fate.WITHDRAWN,
        },
        Fate.ACCEPTED: {
            Step.REJECT: Fate.REJECTED,
            Step.PROPOSE: Fate.PROPOSED,
            Step.WITHDRAW: Fate.WITHDRAWN,
            Step.BOOK: Fate.BOOKED,
            Step.REFUSE: Fate.REFUSED,
        },
        Fate.REJECTED: {Step.ACCEPT: Fate.ACCEPTED, Step.PROPOSE: Fate.PROPOSED},
        Fate.WITHDRAWN: {},
        Fate.BOOKED: {},
        Fate.REFUSED: {},
    }
)

GIVEN = frozenset({Fate.ACCEPTED, Fate.BOOKED})
"""Fates that give an hour away."""

WANTED = GIVEN | {Fate.REQUESTED, Fate.PROPOSED}


class SeasonStage(StrEnum):
    """Where a round is: time moves it as far as allocating, staff commit it."""

    ANNOUNCED = "announced"
    GATHERING = "gathering"
    ALLOCATING = "allocating"
    COMMITTED = "committed"


Hour = tuple[str, datetime]
"""A court's service, and when the hour begins."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SeasonRound:
    """A round over the courts of one venue: requests come from `opens_at` to `closes_at`, for days `first` to `last`."""

    id: UUID
    venue_id: str
    service_ids: tuple[str, ...]
    first: date
    last: date
    opens_at: datetime
    closes_at: datetime
    committed_at: datetime | None = None

    def stage(self, now: datetime) -> SeasonStage:
        """Return where the round is at `now`."""
        if self.committed_at is not None:
            return SeasonStage.COMMITTED
        if now < self.opens_at:
            return SeasonStage.ANNOUNCED
        return SeasonStage.GATHERING if now < self.closes_at else SeasonStage.ALLOCATING

    def must_gather(self, now: datetime) -> None:
        """Let pass only while requests come.

        Raises:
            Refused: `season_round_not_open`, with when it is.
        """
        if self.stage(now) is not SeasonStage.GATHERING:
            raise Refused(Reason.SEASON_ROUND_NOT_OPEN, opens_at=self.opens_at, closes_at=self.closes_at)

    def must_be_closed(self, now: datetime) -> None:
        """Let pass only once nobody asks any more.

        Raises:
            Refused: `season_round_not_open`.
        """
        if self.stage(now) in {SeasonStage.ANNOUNCED, SeasonStage.GATHERING}:
            raise Refused(Reason.SEASON_ROUND_NOT_OPEN, opens_at=self.opens_at, closes_at=self.closes_at)


@dataclass(frozen=True, slots=True, kw_only=True)
class Series:
    """A club's wish: `service_id` on every `weekday` (1 Monday to 7 Sunday) at `at`, without the dates in `excluded`."""

    service_id: str
    weekday: int
    at: time
    first: date
    last: date
    excluded: tuple[date, ...] = ()

    def starts(self) -> list[datetime]:
        """Return when each occurrence begins, on the venue's clock."""
        days = rrule(WEEKLY, byweekday=self.weekday - 1, dtstart=_midnight(self.first), until=_midnight(self.last))
        return [at_local(day.date(), self.at) for day in days if day.date() not in self.excluded]


@dataclass(frozen=True, slots=True, kw_only=True)
class Occurrence:
    """One hour of a request. `service_id` and `starts_at` are what is given or wanted now; `asked_…` what was asked."""

    id: UUID
    request_id: UUID
    account_id: UUID
    service_id: str
    starts_at: datetime
    asked_service_id: str
    asked_starts_at: datetime
    booking_id: UUID
    fate: Fate = Fate.REQUESTED
    reason: str | None = None
    proposed_service_id: str | None = None
    proposed_starts_at: datetime | None = None
    leased_until: datetime | None = None

    @property
    def hour(self) -> Hour:
        """The hour that it wants, or that was proposed for it."""
        if self.fate is Fate.PROPOSED and self.proposed_service_id is not None and self.proposed_starts_at is not None:
            return self.proposed_service_id, self.proposed_starts_at
        return self.service_id, self.starts_at


@dataclass(frozen=True, slots=True, kw_only=True)
class Ruling:
    """What staff or the club decide of one occurrence; `hour` is what is proposed."""

    step: Step
    reason: str | None = None
    hour: Hour | None = None


def ruled(occurrence: Occurrence, ruling: Ruling, now: datetime) -> Occurrence:
    """Return the occurrence after `ruling`.

    Raises:
        Refused: `occurrence_fixed` where it, or what is proposed or agreed to, has begun, is being booked, or its fate allows
            no such step.
    """
    fate = LIFE[occurrence.fate].get(ruling.step)
    leased = occurrence.leased_until is not None and occurrence.leased_until > now
    named = occurrence.hour if ruling.step is Step.AGREE else ruling.hour
    begun = occurrence.starts_at <= now or (named is not None and named[1] <= now)
    if fate is None or leased or begun:
        raise Refused(Reason.OCCURRENCE_FIXED, fate=occurrence.fate.value)
    service_id, starts_at = (
        occurrence.hour if ruling.step is Step.AGREE else (occurrence.service_id, occurrence.starts_at)
    )
    proposed = ruling.hour if ruling.step is Step.PROPOSE else None
    return replace(
        occurrence,
        fate=fate,
        reason=ruling.reason,
        service_id=service_id,
        starts_at=starts_at,
        proposed_service_id=None if proposed is None else proposed[0],
        proposed_starts_at=None if proposed is None else proposed[1],
    )


def must_have_room(after: Occurrence, places: int, given: int, field: str | None = None) -> None:
    """Let an hour pass that is given or proposed where the plan has `places`, and that others were `given` so often.

    An hour is given as often as the plan has places in it, whichever round asks. A proposal takes none: it is looked at again
    when the club agrees.

    Raises:
        Refused: `occurrence_taken`.
    """
    taken = given if after.fate is Fate.ACCEPTED else 0
    if after.fate in {Fate.ACCEPTED, Fate.PROPOSED} and places <= taken:
        raise Refused(Reason.OCCURRENCE_TAKEN, field=field, starts_at=after.hour[1])


def at_commitment(occurrence: Occurrence) -> Occurrence:
    """Return what becomes of an occurrence when its round is committed: what nobody decided is rejected, and says so."""
    if occurrence.fate is not Fate.REQUESTED:
        return occurrence
    return replace(occurrence, fate=Fate.REJECTED, reason=NOT_ALLOCATED)


def asked_for(
    asked: Hour, request_id: UUID, account_id: UUID, named: Callable[[], UUID], *, is_planned: bool
) -> Occurrence:
    """Return an hour as it is asked for; one that the plan does not have is rejected at once."""
    service_id, starts_at = asked
    return Occurrence(
        id=named(),
        request_id=request_id,
        account_id=account_id,
        service_id=service_id,
        starts_at=starts_at,
        asked_service_id=service_id,
        asked_starts_at=starts_at,
        booking_id=named(),
        fate=Fate.REQUESTED if is_planned else Fate.REJECTED,
        reason=None if is_planned else NOT_IN_PLAN,
    )


def check_round(wanted: SeasonRound, now: datetime) -> None:
    """Refuse a window that is past or too short to hear of, and a season that is reversed, begun, or without end.

    Raises:
        Refused: `season_round_invalid`.
    """
    if wanted.closes_at <= now or wanted.closes_at - max(wanted.opens_at, now) < WINDOW_LEAST:
        raise Refused(Reason.SEASON_ROUND_INVALID, field="/closes_at", why="season_window")
    if at_local(wanted.first, time()) < wanted.closes_at or wanted.last < wanted.first:
        raise Refused(Reason.SEASON_ROUND_INVALID, field="/first", why="season_days")
    if wanted.last - wanted.first > SEASON_MOST:
        raise Refused(Reason.SEASON_ROUND_INVALID, field="/last", why="range_too_long")


def check_series(series: Series, of_round: SeasonRound) -> list[datetime]:
    """Return when the occurrences of `series` begin.

    Raises:
        Refused: `season_request_invalid` for another court, days outside the season, no day at all, or too many.
    """
    if series.service_id not in of_round.service_ids:
        raise Refused(Reason.SEASON_REQUEST_INVALID, field="/service_id", why="season_court")
    if series.first < of_round.first or series.last > of_round.last or series.last < series.first:
        raise Refused(Reason.SEASON_REQUEST_INVALID, field="/first", why="season_days")
    starts = series.starts()
    if not 1 <= len(starts) <= OCCURRENCES_MOST:
        raise Refused(Reason.SEASON_REQUEST_INVALID, field="/weekday", why="season_no_day")
    return starts


def rivals(occurrences: Iterable[Occurrence]) -> dict[Hour, list[UUID]]:
    """Return, for each hour that more than one occurrence wants or has, those occurrences."""
    hours: dict[Hour, list[UUID]] = {}
    for one in occurrences:
        if one.fate in WANTED:
            hours.setdefault(one.hour, []).append(one.id)
    return {hour: found for hour, found in hours.items() if len(found) > 1}


def fair_order(occurrences: Sequence[Occurrence]) -> list[UUID]:
    """Return the requests, in the order of `occurrences` among equals: whose account was given fewest hours comes first."""
    given = Counter(one.account_id for one in occurrences if one.fate in GIVEN)
    accounts = {one.request_id: one.account_id for one in occurrences}
    return sorted(accounts, key=lambda request_id: given[accounts[request_id]])


def _midnight(day: date) -> datetime:
    return datetime.combine(day, time())
