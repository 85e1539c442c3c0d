"""From a planned slot to one that can be booked: when its places open and close, and what is kept for whom.

The law of this file: an opened slot follows from plan, policy and catalogue alone, so opening it again changes nothing.
A share is rounded up to whole places: a promise to walk-ins is never rounded away; what is released later is rounded down. The part kept for the counter is cut
where both together would exceed the slot.
"""

from dataclasses import dataclass
from datetime import date, datetime, time, timedelta

from services.booking.domain import calendar
from services.booking.domain.catalogue import Service, Venue
from services.booking.domain.plan import Charge, Plan
from services.booking.domain.policy import Policy, Shares
from services.booking.domain.schedule import MOST_DAYS, PlannedSlot, slots_of
from services.booking.domain.zone import at_local, local_day
from shared.contracts import Words

MARGIN = timedelta(days=7)
"""Slots exist a week beyond the horizon, so that a worker that stood still for some days has left no gap."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Offer:
    """A service with its venue and its policy: all that opening its slots depends on besides the plan."""

    service: Service
    venue: Venue
    policy: Policy


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenedSlot:
    """A slot as it shall stand in its row, before anybody has taken a place."""

    service_id: str
    venue_id: str
    kind: str
    district_id: str
    starts_at: datetime
    ends_at: datetime
    bookable_from: datetime
    bookable_until: datetime
    capacity: int
    kept_counter: int
    kept_walk_in: int
    later: tuple[tuple[datetime, int], ...] = ()
    charge: Charge
    label: Words


def kept_places(shares: Shares, capacity: int) -> tuple[int, int]:
    """Return the places kept for the counter and for walk-ins."""
    walk_in = min(capacity, _share(capacity, shares.walk_in))
    return min(capacity - walk_in, _share(capacity, shares.counter)), walk_in


def opened(planned: PlannedSlot, offer: Offer) -> OpenedSlot:
    """Return what `planned` becomes under the policy of its service."""
    policy = offer.policy
    counter, walk_in = kept_places(policy.shares, planned.capacity)
    release_day = local_day(planned.starts_at) - timedelta(days=policy.release.days_before)
    return OpenedSlot(
        service_id=planned.service_id,
        venue_id=offer.venue.id,
        kind=offer.service.kind.value,
        district_id=offer.venue.district_id,
        starts_at=planned.starts_at,
        ends_at=planned.ends_at,
        bookable_from=at_local(release_day, policy.release.at),
        bookable_until=planned.starts_at - timedelta(minutes=policy.closes_minutes_before),
        capacity=planned.capacity,
        kept_counter=counter,
        kept_walk_in=walk_in,
        later=_later(planned, policy, planned.capacity - counter - walk_in),
        charge=planned.charge,
        label=planned.label,
    )


def _later(planned: PlannedSlot, policy: Policy, public: int) -> tuple[tuple[datetime, int], ...]:
    """Return the portions of the `public` places that are released later, rounded down.

    One that would come too late to be booked online, or before the release itself, comes with the release.
    """
    if not policy.release.later:
        return ()
    day = local_day(planned.starts_at)
    first = at_local(day - timedelta(days=policy.release.days_before), policy.release.at)
    last = planned.starts_at - timedelta(minutes=policy.closes_minutes_before)
    portions = [
        (at_local(day - timedelta(days=one.days_before), one.at), public * one.percent // 100)
        for one in policy.release.later
    ]
    return tuple((at, places) for at, places in portions if first < at < last and places)


def last_day(offer: Offer, now: datetime, opened_until: date | None = None) -> date:
    """Return the last day whose slots are opened at `now`: the horizon and its margin, or what was opened already.

    It never lies beyond the last day with an official calendar: what no notice covers is not opened.
    """
    ahead = wanted_day(offer, now)
    most = local_day(now) + timedelta(days=MOST_DAYS - 1)
    return min(max(ahead, opened_until or ahead), most, last_known_day())


def wanted_day(offer: Offer, now: datetime) -> date:
    """Return how far slots should be opened at `now`: the policy's horizon and the margin."""
    return local_day(now) + timedelta(days=offer.policy.horizon_days) + MARGIN


def last_known_day() -> date:
    """Return the last day of the newest year whose official calendar is known."""
    return date(calendar.known_years()[-1], 12, 31)


def opened_ahead(plan: Plan, offer: Offer, now: datetime, opened_until: date | None = None) -> list[OpenedSlot]:
    """Return the slots of `plan` that start after `now` and up to the `last_day`, in order of time."""
    first, last = local_day(now), min(last_day(offer, now, opened_until), plan.valid_until)
    if last < first:
        return []
    return [opened(planned, offer) for planned in slots_of(plan, first, last) if planned.starts_at > now]


def closed_because(plan: Plan | None, starts_at: datetime, ends_at: datetime) -> Words | None:
    """Return the reason of the closure of `plan` that stops this time, or None where no closure does."""
    for closure in plan.closures if plan else ():
        day = local_day(starts_at)
        if not closure.covers(day):
            continue
        since = at_local(day, closure.from_time or time())
        until = at_local(day, closure.until_time) if closure.until_time else at_local(day + timedelta(days=1), time())
        if starts_at < until and since < ends_at:
            return closure.reason
    return None


def _share(capacity: int, percent: int) -> int:
    return -(-capacity * percent // 100)
