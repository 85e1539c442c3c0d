"""How long an offer stands: never beyond the start, never with too little time to react, never for ever.

An offer's clock runs while people are awake: one that is made at night begins to count in the morning. It counts anew from
when its message is known to have arrived, and never reaches beyond `most_minutes`, so that a dead telephone holds no seat.
What a message once promised is never cut short: hearing late can only make an offer longer.
"""

from datetime import datetime, time, timedelta

from services.booking.domain.policy import Waiting
from services.booking.domain.zone import at_local, local, local_day

MORNING, NIGHT = time(8), time(22)
"""Nobody has to answer outside of these."""


def awake_from(moment: datetime) -> datetime:
    """Return the first moment, from `moment` on, at which somebody can be expected to look."""
    clock = local(moment).time()
    if clock < MORNING:
        return at_local(local_day(moment), MORNING)
    return at_local(local_day(moment) + timedelta(days=1), MORNING) if clock >= NIGHT else moment


def last_answer(terms: Waiting, starts_at: datetime, bookable_until: datetime) -> datetime:
    """Return the instant at which every offer of a slot ends."""
    return min(starts_at - timedelta(minutes=terms.lead_minutes), bookable_until)


def offer_until(terms: Waiting, last: datetime, now: datetime) -> datetime | None:
    """Return until when an offer that is made at `now` stands; None where it would leave too little time to react."""
    begins = awake_from(now)
    if last - begins < timedelta(minutes=terms.react_minutes):
        return None
    return min(begins + timedelta(minutes=terms.offer_minutes), last)


def until_after_hearing(terms: Waiting, last: datetime, made_at: datetime, heard_at: datetime) -> datetime:
    """Return until when an offer stands whose message arrived at `heard_at`."""
    from_hearing = awake_from(heard_at) + timedelta(minutes=terms.offer_minutes)
    return min(from_hearing, awake_from(made_at) + timedelta(minutes=terms.most_minutes), last)
