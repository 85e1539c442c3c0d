"""Places of a time that open in portions: nobody's before their instant, everybody's from it on."""

from dataclasses import replace
from datetime import date, datetime, time, timedelta
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from services.booking.domain.booking import Booking, Channel
from services.booking.domain.catalogue import ServiceKind
from services.booking.domain.decision import Decisions
from services.booking.domain.opening import Offer, OpenedSlot, opened
from services.booking.domain.plan import Charge
from services.booking.domain.policy import Portion, Release, Shares
from services.booking.domain.reason import Reason
from services.booking.domain.schedule import PlannedSlot
from services.booking.domain.slot import free_places, next_release, why_not
from services.booking.domain.zone import at_local
from shared.contracts import Words
from tests import make

EVE = Portion(percent=40, days_before=1, at=time(15))
DAY = date(2026, 11, 25)


def open_slot(capacity: int, *portions: Portion, clock: time = time(16, 30), **changes: Any) -> OpenedSlot:
    terms = make.policy(release=Release(days_before=7, at=time(7), later=portions), **changes)
    city = make.catalogue(terms, ServiceKind.MUSEUM)
    starts_at = at_local(DAY, clock)
    planned = PlannedSlot(
        service_id="timed-entry",
        starts_at=starts_at,
        ends_at=starts_at + timedelta(minutes=30),
        capacity=capacity,
        charge=Charge.FREE,
        label=Words("延时", "Evening"),
    )
    return opened(planned, Offer(service=city.services["timed-entry"], venue=city.venues[make.VENUE], policy=terms))


def test_the_rest_opens_the_day_before_at_three() -> None:
    slot = open_slot(10, EVE)
    assert slot.later == ((at_local(date(2026, 11, 24), time(15)), 4),)
    assert open_slot(10).later == ()


def test_portions_are_of_what_is_the_public_s_and_rounded_down() -> None:
    kept = open_slot(10, EVE, shares=Shares(walk_in=30, counter=20))
    assert [places for _, places in kept.later] == [2], "40 % of the five that nobody has kept for them"
    assert open_slot(2, EVE).later == (), "less than one place"


def test_a_portion_that_nobody_could_book_any_more_comes_with_the_release() -> None:
    same_day = Portion(percent=40, days_before=0, at=time(15))
    assert open_slot(10, same_day, clock=time(15)).later == ()
    assert open_slot(10, same_day, closes_minutes_before=90).later == ()
    assert len(open_slot(10, same_day, closes_minutes_before=89).later) == 1


OPENS = make.NOW + timedelta(hours=5)


def test_until_its_instant_a_portion_is_nobody_s_and_the_refusal_says_when() -> None:
    slot = make.slot(capacity=3, later=((OPENS, 1),))
    facts = make.facts(slot)
    decisions = Decisions(facts)
    people = [make.companion(facts) for _ in range(3)]
    made = [decisions.decide(make.book(slot, one)) for one in people]
    assert [isinstance(one, Booking) for one in made] == [True, True, False]
    refused: Any = made[2]
    assert (refused.reason, refused.facts["bookable_from"]) == (Reason.NOT_RELEASED, OPENS)
    taken = facts.slots[slot.id]
    for channel in Channel:
        assert free_places(taken, channel, OPENS - timedelta(microseconds=1)) == 0, channel
        assert free_places(taken, channel, OPENS) == 1, channel
    facts.now = OPENS
    assert isinstance(decisions.decide(make.book(slot, people[2])), Booking)


def test_full_is_full_where_what_is_to_come_would_not_do() -> None:
    slot = make.slot(capacity=3, taken=2, later=((OPENS, 1),))
    assert why_not(slot, Channel.ONLINE, make.NOW) is Reason.NOT_RELEASED
    assert why_not(slot, Channel.ONLINE, make.NOW, 2) is Reason.SLOT_FULL
    assert next_release(slot, make.NOW) == OPENS
    assert next_release(slot, OPENS) == slot.bookable_from


moments = st.integers(-10, 30).map(lambda hours: make.NOW + timedelta(hours=hours))


@given(st.lists(st.tuples(moments, st.integers(1, 3)), max_size=3), st.integers(0, 10), moments, moments)
def test_with_time_places_only_come(
    later: list[tuple[datetime, int]], taken: int, one: datetime, other: datetime
) -> None:
    slot = replace(make.slot(capacity=10, taken=taken), later=tuple(later))
    first, second = sorted((one, other))
    for channel in Channel:
        assert 0 <= free_places(slot, channel, first) <= free_places(slot, channel, second) <= 10 - taken
