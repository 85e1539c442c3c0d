"""The waiting list, purely: who is offered what comes free, in which order, why not, and that nobody starves."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import date, datetime, time, timedelta
from uuid import UUID, uuid4

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.booking.domain.booking import Action, Booking, Channel, State
from services.booking.domain.decision import Decisions
from services.booking.domain.event import event_of
from services.booking.domain.facts import Facts
from services.booking.domain.policy import Cooling, Limit, LimitScope, LimitWindow, PartyKind, Waiting
from services.booking.domain.reason import Reason
from services.booking.domain.request import SYSTEM, Actor, Alter, Move, ServeLine
from services.booking.domain.slot import Slot, free_places
from services.booking.domain.waitlist import LOOK_AGAIN, PASSED_OVER_MOST, Skip
from services.booking.domain.waitlist_entry import Band, Collecting, OfferOutcome
from services.booking.domain.waitlist_entry import Waiting as Entry
from services.booking.domain.waitlist_offer import awake_from, last_answer, offer_until, until_after_hearing
from services.booking.domain.zone import at_local
from shared.contracts import EventType
from shared.ids import new_id
from shared.refusal import Refused
from tests import make

TERMS = Waiting(offer_minutes=30, most_minutes=60, react_minutes=15, lead_minutes=60, collect_minutes=1440)
POLICY = make.policy(waiting=TERMS)
BAND = Band(first=date(2026, 11, 23), last=date(2026, 11, 30))
MINUTE = timedelta(minutes=1)
RESIDENT = Actor(make.RESIDENT, "resident")


def entry(facts: Facts, number: int, places: int = 1, **changes: object) -> Entry:
    """Somebody who waits, with people of an account of their own."""
    account_id = uuid4()
    made = Entry(
        id=uuid4(),
        number=number,
        account_id=account_id,
        party_kind=PartyKind.ONE_PERSON if places == 1 else PartyKind.GROUP,
        person_ids=tuple(make.companion(facts, account_id=account_id) for _ in range(places)),
        declarations={},
        places=places,
        service_ids=frozenset({"timed-entry"}),
        band=BAND,
        offer_id=uuid4(),
        reference="ABCD-EFGH-J",
    )
    return replace(made, **changes)  # type: ignore[arg-type]


def full(capacity: int, **changes: object) -> tuple[Decisions, Slot, list[Booking]]:
    """A slot that single residents have filled."""
    slot = make.slot(capacity=capacity, **changes)
    decisions = Decisions(make.facts(slot, of_policy=POLICY))
    wishes = [make.book(slot, make.companion(decisions.facts)) for _ in range(capacity)]
    booked = [decisions.decide(wish) for wish in wishes]
    return decisions, slot, [one for one in booked if isinstance(one, Booking)]


def waits(decisions: Decisions, slot: Slot, *entries: Entry) -> None:
    decisions.facts.waiting[slot.id] = [one for one in entries if one.wants(slot)]


def cancel(booking: Booking, actor: Actor = RESIDENT) -> Alter:
    return Alter(actor=actor, key=None, booking_id=booking.id, action=Action.CANCEL)


def offered(decisions: Decisions, *entries: Entry) -> list[bool]:
    return [one.id in decisions.line.offered for one in entries]


def reason_of(decisions: Decisions, one: Entry, slot: Slot) -> str | None:
    skipped = decisions.line.skipped.get((one.id, slot.id))
    return None if skipped is None else skipped.reason


def test_a_freed_seat_is_offered_in_order_and_the_public_never_sees_it() -> None:
    decisions, slot, (booked, _) = full(2)
    first, second = entry(decisions.facts, 1), entry(decisions.facts, 2)
    waits(decisions, slot, first, second)
    assert isinstance(decisions.decide(cancel(booked)), Booking)
    assert offered(decisions, first, second) == [True, False]
    stranger = decisions.decide(make.book(slot, make.companion(decisions.facts)))
    assert isinstance(stranger, Refused)
    assert stranger.reason is Reason.SLOT_FULL
    offer = decisions.facts.bookings[first.offer_id]
    assert (offer.state, offer.channel, offer.is_offer) == (State.HELD, Channel.WAITING_LIST, True)
    assert offer.hold_until == make.NOW + 30 * MINUTE
    event = event_of(decisions.changes[-1], decisions.facts, new_id())
    assert event.type is EventType.WAITLIST_OFFERED
    assert event.data.local_hold_until == "2026-11-23 10:30"  # type: ignore[union-attr]


def test_what_is_free_before_a_batch_goes_to_the_line_before_anybody_who_asks_in_it() -> None:
    slot = make.slot(capacity=1)
    decisions = Decisions(make.facts(slot, of_policy=POLICY))
    one = entry(decisions.facts, 7)
    waits(decisions, slot, one)
    decisions.lapse_what_ran_out()
    assert offered(decisions, one) == [True]
    assert isinstance(decisions.decide(make.book(slot, make.companion(decisions.facts))), Refused)
    served = ServeLine(actor=SYSTEM, key=None, slot_id=slot.id)
    assert not isinstance(decisions.decide(served), Refused)


def test_two_holds_that_ran_out_together_go_to_the_pair_at_the_head_of_the_line() -> None:
    slot = make.slot(capacity=2)
    decisions = Decisions(make.facts(slot, of_policy=POLICY))
    for _ in range(2):
        decisions.decide(make.book(slot, make.companion(decisions.facts), confirm=False))
    pair, single = entry(decisions.facts, 1, places=2), entry(decisions.facts, 2)
    decisions.facts.now += 5 * MINUTE
    waits(decisions, slot, pair, single)
    decisions.lapse_what_ran_out()
    assert offered(decisions, pair, single) == [True, False]


def test_declining_and_lapsing_hand_the_seat_on_and_say_so() -> None:
    decisions, slot, (booked,) = full(1)
    entries = [entry(decisions.facts, number) for number in (1, 2, 3)]
    waits(decisions, slot, *entries)
    decisions.decide(cancel(booked))
    declined = cancel(decisions.facts.bookings[entries[0].offer_id], Actor(entries[0].account_id, "resident"))
    assert isinstance(decisions.decide(declined), Booking)
    assert offered(decisions, *entries) == [True, True, False]
    decisions.facts.now += 30 * MINUTE
    decisions.lapse_what_ran_out()
    assert offered(decisions, *entries) == [True, True, True]
    confirm = replace(
        declined,
        actor=Actor(entries[2].account_id, "resident"),
        booking_id=entries[2].offer_id,
        action=Action.CONFIRM,
    )
    accepted = decisions.decide(confirm)
    assert isinstance(accepted, Booking)
    assert accepted.state is State.CONFIRMED
    assert decisions.line.settled == [
        (entries[0].offer_id, OfferOutcome.DECLINED),
        (entries[1].offer_id, OfferOutcome.LAPSED),
        (entries[2].offer_id, OfferOutcome.ACCEPTED),
    ]


def test_an_offer_can_be_accepted_or_declined_and_nothing_else() -> None:
    decisions, slot, (booked,) = full(1)
    pair = entry(decisions.facts, 1)
    waits(decisions, slot, pair)
    decisions.decide(cancel(booked))
    mine = Actor(pair.account_id, "resident")
    extend = Alter(actor=mine, key=None, booking_id=pair.offer_id, action=Action.EXTEND, heard_at=make.NOW)
    leave = replace(extend, action=Action.CANCEL_MEMBER, person_id=uuid4())
    move = Move(actor=mine, key=None, booking_id=pair.offer_id, slot_id=slot.id)
    for request in (extend, leave, move):
        outcome = decisions.decide(request)
        assert isinstance(outcome, Refused)
        assert outcome.reason is Reason.OFFER_IS_FIXED


def test_the_clock_of_an_offer_begins_when_its_message_arrives() -> None:
    decisions, slot, (booked,) = full(1)
    one = entry(decisions.facts, 1)
    waits(decisions, slot, one)
    decisions.decide(cancel(booked))

    def heard(minutes: float) -> datetime | None:
        request = Alter(
            actor=SYSTEM,
            key=None,
            booking_id=one.offer_id,
            action=Action.EXTEND,
            heard_at=make.NOW + minutes * MINUTE,
        )
        outcome = decisions.decide(request)
        return outcome.hold_until if isinstance(outcome, Booking) else None

    assert heard(0.5) is None, "at once: nothing to tell"
    assert heard(20) == make.NOW + 50 * MINUTE
    assert heard(45) == make.NOW + 60 * MINUTE, "and never beyond what a dead telephone may hold"


SKIPS = ["clash", "limit", "too large", "too late", "no longer saved"]


@pytest.mark.parametrize("why", SKIPS)
def test_whoever_is_passed_over_has_a_reason_and_the_next_is_asked(why: str) -> None:
    decisions, slot, (booked, *_) = full(2)
    facts = decisions.facts
    first = entry(facts, 1, places=2 if why == "too large" else 1)
    second = entry(facts, 2)
    expected: str = Reason.CLASHES
    if why in {"clash", "limit"}:
        other = make.slot(starts_at=slot.starts_at, ends_at=slot.ends_at)
        if why == "limit":
            later = {"starts_at": slot.ends_at, "ends_at": slot.ends_at + 30 * MINUTE, "bookable_until": slot.ends_at}
            other = make.slot(**later)
            limits = make.policy(
                waiting=TERMS, limits=(Limit(scope=LimitScope.SERVICE, window=LimitWindow.DAY, most=1),)
            )
            facts.catalogue = make.catalogue(limits)
            expected = Reason.LIMIT_REACHED
        facts.slots[other.id] = other
        wish = make.book(other, *first.person_ids, account_id=first.account_id)
        assert isinstance(decisions.decide(replace(wish, actor=Actor(first.account_id, "resident"))), Booking)
    elif why == "too large":
        expected = Skip.MORE_PLACES_NEEDED
    elif why == "too late":
        facts.now = slot.starts_at - 74 * MINUTE
        expected = Skip.TOO_LITTLE_TIME
    else:
        first = replace(first, person_ids=(uuid4(),))
        expected = Reason.PERSON_UNKNOWN
    waits(decisions, slot, first, second)
    decisions.decide(cancel(booked))
    assert reason_of(decisions, first, slot) == expected
    assert offered(decisions, first, second) == [False, why != "too late"]


def test_seats_are_collected_for_a_party_that_was_passed_over_too_often() -> None:
    decisions, slot, booked = full(6)
    trio = entry(decisions.facts, 1, places=3)
    singles = [entry(decisions.facts, number) for number in range(2, 8)]
    waits(decisions, slot, trio, *singles)
    for one in booked[:PASSED_OVER_MOST]:
        decisions.decide(cancel(one))
    assert offered(decisions, trio, *singles) == [False, True, True, True, False, False, False]
    assert decisions.line.passed_over[trio.id] == PASSED_OVER_MOST
    decisions.decide(cancel(booked[3]))
    decisions.decide(cancel(booked[4]))
    assert not any(offered(decisions, *singles[3:])), "what comes free now is kept for the three"
    assert reason_of(decisions, trio, slot) == Skip.COLLECTING
    assert free_places(decisions.facts.slots[slot.id], Channel.ONLINE, decisions.facts.now) == 0
    decisions.decide(cancel(booked[5]))
    assert offered(decisions, trio) == [True]
    assert decisions.facts.slots[slot.id].cooling == ()


def test_what_did_not_come_together_in_time_goes_to_the_next_and_the_count_begins_again() -> None:
    decisions, slot, booked = full(3)
    until = make.NOW + 60 * MINUTE
    trio = entry(decisions.facts, 1, places=3, passed_over=3, collecting=Collecting(slot_id=slot.id, until=until))
    single = entry(decisions.facts, 2)
    waits(decisions, slot, trio, single)
    decisions.decide(cancel(booked[0]))
    assert offered(decisions, trio, single) == [False, False]
    decisions.facts.now = until
    decisions.lapse_what_ran_out()
    assert offered(decisions, trio, single) == [False, True]
    assert decisions.line.collecting[trio.id] is None
    assert decisions.line.passed_over[trio.id] == 1, "from nothing, and passed over once since"


def test_seats_kept_for_a_party_that_left_come_back() -> None:
    decisions, slot, _ = full(2, taken=0)
    kept = replace(decisions.facts.slots[slot.id], taken=1, cooling=(make.NOW + 600 * MINUTE,))
    decisions.facts.slots[slot.id] = kept
    waits(decisions, slot)
    decisions.lapse_what_ran_out()
    assert free_places(decisions.facts.slots[slot.id], Channel.ONLINE, make.NOW) == 1


def test_whoever_another_process_is_deciding_about_keeps_their_place_in_the_line() -> None:
    decisions, slot, (booked,) = full(1)
    busy, behind = entry(decisions.facts, 1, busy=True), entry(decisions.facts, 2)
    waits(decisions, slot, busy, behind)
    decisions.decide(cancel(booked))
    assert offered(decisions, busy, behind) == [False, False]
    assert isinstance(decisions.decide(make.book(slot, make.companion(decisions.facts))), Refused)
    after = decisions.facts.now + LOOK_AGAIN
    assert free_places(decisions.facts.slots[slot.id], Channel.ONLINE, after) == 1


def test_a_place_that_cools_off_is_offered_before_it_comes_back() -> None:
    decisions, slot, (booked, _) = full(2)
    decisions.facts.catalogue = make.catalogue(
        make.policy(waiting=TERMS, cooling=Cooling(least_minutes=30, most_minutes=120))
    )
    one = entry(decisions.facts, 1)
    waits(decisions, slot, one)
    decisions.decide(cancel(booked))
    assert offered(decisions, one) == [True]
    assert decisions.facts.slots[slot.id].cooling == ()


def test_after_it_is_accepted_a_booking_moves_as_everybody_s_does() -> None:
    decisions, slot, (booked,) = full(1)
    starts_at = slot.starts_at + timedelta(hours=1)
    later = make.slot(
        capacity=1,
        starts_at=starts_at,
        ends_at=starts_at + 30 * MINUTE,
        bookable_until=starts_at,
        cooling=(make.NOW + MINUTE,),
    )
    decisions.facts.slots[later.id] = later
    one = entry(decisions.facts, 1)
    waits(decisions, slot, one)
    decisions.decide(cancel(booked))
    mine = Actor(one.account_id, "resident")
    decisions.decide(Alter(actor=mine, key=None, booking_id=one.offer_id, action=Action.CONFIRM))
    moved = decisions.decide(Move(actor=mine, key=None, booking_id=one.offer_id, slot_id=later.id))
    assert isinstance(moved, Refused)
    assert moved.reason is Reason.COOLING_OFF


def test_a_band_covers_days_weekdays_and_hours_with_both_ends() -> None:
    band = Band(
        first=date(2026, 11, 23),
        last=date(2026, 11, 29),
        weekdays=frozenset({6, 7}),
        since=time(16),
        until=time(18),
    )
    moments = {
        at_local(date(2026, 11, 28), time(16)): True,
        at_local(date(2026, 11, 29), time(18)): True,
        at_local(date(2026, 11, 28), time(18, 1)): False,
        at_local(date(2026, 11, 28), time(15, 59)): False,
        at_local(date(2026, 11, 27), time(17)): False,
        at_local(date(2026, 12, 5), time(17)): False,
    }
    assert {moment: band.covers(moment) for moment in moments} == moments


@given(st.integers(0, 7 * 24 * 60), st.integers(0, 3000), st.integers(0, 90))
def test_an_offer_never_outlasts_its_last_moment_and_leaves_time_to_react(
    passed: int, minutes: int, hear_after: int
) -> None:
    now = make.NOW + passed * MINUTE
    starts_at = now + minutes * MINUTE
    last = last_answer(TERMS, starts_at, starts_at)
    until = offer_until(TERMS, last, now)
    assert awake_from(now) >= now
    if until is None:
        assert last - awake_from(now) < 15 * MINUTE
        return
    assert until <= starts_at - 60 * MINUTE
    assert until - awake_from(now) >= 15 * MINUTE
    longer = until_after_hearing(TERMS, last, now, now + hear_after * MINUTE)
    assert longer <= last
    assert longer <= awake_from(now) + 60 * MINUTE


Happening = tuple[str, int]
PARTIES = st.lists(st.integers(1, 3), min_size=1, max_size=8)


@settings(max_examples=150, deadline=None)
@given(PARTIES, st.lists(st.sampled_from(["cancel", "decline", "accept", "pass"]), max_size=30))
def test_order_reasons_and_no_starvation(parties: Sequence[int], happenings: Sequence[str]) -> None:
    """Whatever happens: nobody is passed over without a reason, seats never stay free in vain, large parties get theirs."""
    decisions, slot, booked = full(8)
    facts = decisions.facts
    entries = [entry(facts, number, places) for number, places in enumerate(parties, start=1)]
    open_offers: list[Entry] = []
    waiting = list(entries)
    overtaken = dict.fromkeys((one.id for one in entries), 0)
    for happening in happenings:
        decisions.line = type(decisions.line)()
        waits(decisions, slot, *waiting)
        _happen(decisions, happening, booked, open_offers)
        decisions.lapse_what_ran_out()
        new = [one for one in waiting if one.id in decisions.line.offered]
        for one in waiting:
            behind = [other for other in new if other.number > one.number]
            if behind and one not in new:
                assert reason_of(decisions, one, slot) is not None
                overtaken[one.id] += len(behind)
        waiting = [_carried(one, decisions) for one in waiting if one not in new]
        open_offers += new
        left = free_places(facts.slots[slot.id], Channel.WAITING_LIST, facts.now)
        collecting = [one for one in waiting if one.collecting is not None]
        assert len(collecting) <= 1
        fitting = [
            one for one in waiting if one.places <= left and not (collecting and one.number > collecting[0].number)
        ]
        assert not fitting, "a seat is free while somebody waits who could have it"
        assert 0 <= facts.slots[slot.id].taken <= slot.capacity
    assert all(count <= PASSED_OVER_MOST * 3 for count in overtaken.values())


def _happen(decisions: Decisions, happening: str, booked: list[Booking], open_offers: list[Entry]) -> None:
    if happening == "cancel" and booked:
        decisions.decide(cancel(booked.pop()))
    elif happening == "pass":
        decisions.facts.now += MINUTE
    elif open_offers and happening in {"decline", "accept"}:
        one = open_offers.pop(0)
        action = Action.CANCEL if happening == "decline" else Action.CONFIRM
        answer = Alter(actor=Actor(one.account_id, "resident"), key=None, booking_id=one.offer_id, action=action)
        decisions.decide(answer)


def _carried(one: Entry, decisions: Decisions) -> Entry:
    """What is written down of an entry that still waits, as the next batch reads it."""
    line = decisions.line
    return replace(
        one,
        passed_over=line.passed_over.get(one.id, one.passed_over),
        collecting=line.collecting.get(one.id, one.collecting),
    )


def test_the_ids_of_an_offer_are_those_that_came_with_the_entry() -> None:
    decisions, slot, (booked,) = full(1)
    one = entry(decisions.facts, 1, offer_id=UUID(int=5), reference="ZZZZ-ZZZZ-Z")
    waits(decisions, slot, one)
    decisions.decide(cancel(booked))
    made = decisions.facts.bookings[UUID(int=5)]
    assert (made.id, made.reference, made.account_id) == (UUID(int=5), "ZZZZ-ZZZZ-Z", one.account_id)
