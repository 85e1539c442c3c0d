"""The cascade: which channel goes first, when the next one follows, and what makes it superfluous."""

from dataclasses import replace
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.notify.domain.cascade import LOUD, PATIENCE, RECORD, WAYS, Step, reached, steps
from services.notify.domain.lifecycle import State
from services.notify.domain.message import Channel, Evidence, Kind, Planned, Reach, Why
from services.notify.domain.planning import STORM_MOST, Circumstances, Known, Plan, Rules, plan_booking
from services.notify.domain.quiet_hours import Harm
from shared.contracts import EventType, Preparation, Words
from tests.notify.make import NOW, STARTS_AT, booking

HOUR = timedelta(hours=1)
BOTH = Reach(email=True, phone=True)
PHONE = Reach(email=False, phone=True)
TEXTS = Rules(sms_kinds=frozenset(Kind))


def at(reach: Reach = BOTH, known: Known | None = None, rules: Rules | None = None) -> Circumstances:
    return Circumstances(known=known, reach=reach, rules=rules or Rules(), now=NOW)


def by_channel(plan: Plan, kind: Kind) -> dict[Channel, Planned]:
    return {one.key.channel: one for one in plan.messages if one.key.kind is kind}


def test_every_channel_has_its_cost_and_manner_and_every_harm_its_patience() -> None:
    assert set(WAYS) == set(Channel)
    assert set(PATIENCE) == set(Harm)
    assert RECORD not in LOUD


def test_the_cheapest_goes_first_and_the_next_is_timed_backwards_from_the_deadline() -> None:
    found = steps([Channel.SMS, Channel.EMAIL, Channel.IN_APP], NOW, NOW + HOUR, Harm.FORGOTTEN)
    assert found == (
        Step(channel=Channel.IN_APP, due_at=NOW, only_without_evidence=False),
        Step(channel=Channel.EMAIL, due_at=NOW, only_without_evidence=False),
        Step(channel=Channel.SMS, due_at=NOW + HOUR - WAYS[Channel.SMS].latency, only_without_evidence=True),
    )


def test_a_free_channel_that_rings_goes_first_the_mail_with_it_and_the_others_only_if_need_be() -> None:
    everything = [Channel.SMS, Channel.WECHAT_MINI, Channel.WEB_PUSH, Channel.EMAIL, Channel.IN_APP]
    found = {
        one.channel: (one.due_at, one.only_without_evidence)
        for one in steps(everything, NOW, NOW + 9 * HOUR, Harm.NONE)
    }
    assert found == {
        Channel.IN_APP: (NOW, False),
        Channel.WEB_PUSH: (NOW, False),
        Channel.EMAIL: (NOW, False),
        Channel.WECHAT_MINI: (NOW + PATIENCE[Harm.NONE], True),
        Channel.SMS: (NOW + 2 * PATIENCE[Harm.NONE], True),
    }


def test_a_reminder_is_a_mail_and_a_text_message_only_if_that_did_not_arrive() -> None:
    plan = plan_booking(EventType.BOOKING_CONFIRMED, booking(), at(rules=TEXTS))
    texts = [one for one in plan.messages if one.key.kind is Kind.REMINDER and one.key.channel is Channel.SMS]
    assert [(one.key.lead_minutes, one.why, one.only_without_evidence) for one in texts] == [
        (1440, Why.BROUGHT_FORWARD, True),
        (120, Why.IF_NOT_REACHED, True),
    ]
    assert texts[1].due_at == STARTS_AT - HOUR - WAYS[Channel.SMS].latency, "late from an hour before the start"


def test_whoever_has_no_mail_gets_the_text_message_at_once() -> None:
    plan = plan_booking(EventType.BOOKING_CONFIRMED, booking(), at(reach=PHONE, rules=TEXTS))
    confirmation = by_channel(plan, Kind.CONFIRMATION)
    assert (confirmation[Channel.SMS].due_at, confirmation[Channel.SMS].only_without_evidence) == (NOW, False)
    assert confirmation[Channel.EMAIL].why is Why.NO_EMAIL_ADDRESS


def test_an_offer_of_half_an_hour_goes_by_every_channel_at_once() -> None:
    offer = booking(state="held", hold_until=NOW + HOUR / 2, local_hold_until="2026-11-20 10:30")
    found = by_channel(plan_booking(EventType.WAITLIST_OFFERED, offer, at()), Kind.WAITLIST_OFFER)
    assert {(one.due_at, one.state) for one in found.values()} == {(NOW, State.PLANNED)}
    assert {one.expires_at for one in found.values()} == {NOW + HOUR / 2}
    slow = replace(offer, hold_until=NOW + 4 * HOUR)
    found = by_channel(plan_booking(EventType.WAITLIST_OFFERED, slow, at()), Kind.WAITLIST_OFFER)
    assert found[Channel.SMS].due_at == NOW + PATIENCE[Harm.PLACE]


def test_an_offer_that_ran_out_is_told_and_a_hold_of_ones_own_lies_in_the_inbox() -> None:
    lapsed = booking(version=2, state="lapsed")
    offered = plan_booking(EventType.BOOKING_LAPSED, lapsed, at(known=Known(version=1, state="held", offered=True)))
    assert set(by_channel(offered, Kind.OFFER_LAPSED)) == {Channel.IN_APP, Channel.EMAIL}
    own = plan_booking(EventType.BOOKING_LAPSED, lapsed, at(known=Known(version=1, state="held")))
    assert set(by_channel(own, Kind.HOLD_LAPSED)) == {Channel.IN_APP}


@pytest.mark.parametrize(
    ("harm", "channel", "evidence", "is_reached"),
    [
        (Harm.FORGOTTEN, Channel.EMAIL, Evidence.NONE, False),
        (Harm.FORGOTTEN, Channel.EMAIL, Evidence.ACCEPTED, True),
        (Harm.JOURNEY, Channel.EMAIL, Evidence.ACCEPTED, False),
        (Harm.JOURNEY, Channel.EMAIL, Evidence.READ, True),
        (Harm.FORGOTTEN, Channel.IN_APP, Evidence.DELIVERED, False),
        (Harm.PLACE, Channel.IN_APP, Evidence.READ, True),
        (Harm.PLACE, Channel.SMS, Evidence.ACCEPTED, False),
        (Harm.PLACE, Channel.SMS, Evidence.DELIVERED, True),
    ],
)
def test_what_shows_that_somebody_was_reached_depends_on_the_channel_and_the_harm(
    harm: Harm, channel: Channel, evidence: Evidence, is_reached: bool
) -> None:
    assert reached(harm, [(channel, evidence)]) is is_reached
    assert not reached(harm, [])


# -- corrections


@pytest.mark.parametrize(
    ("event", "kind", "changes"),
    [
        (EventType.BOOKING_MOVED, Kind.CHANGE, {"local_start_before": "2026-11-28 16:30"}),
        (EventType.BOOKING_CANCELLED, Kind.CANCELLATION, {"state": "cancelled"}),
        (EventType.BOOKING_CANCELLED, Kind.CLOSURE, {"state": "cancelled", "by": "scheduler"}),
    ],
)
def test_what_went_out_by_text_message_is_corrected_by_text_message_whatever_it_costs(
    event: EventType, kind: Kind, changes: dict[str, str]
) -> None:
    mean = Rules(sms_kinds=frozenset())
    told_of = replace(booking(version=2), **changes)  # type: ignore[arg-type]
    known = Known(version=1, state="confirmed", said=frozenset({Channel.SMS, Channel.IN_APP}))
    found = by_channel(plan_booking(event, told_of, at(known=known, rules=mean)), kind)
    text = found[Channel.SMS]
    assert (text.state, text.why, text.only_without_evidence) == (
        State.PLANNED,
        Why.CORRECTS_WHAT_WAS_SENT,
        False,
    )
    assert text.due_at <= NOW + STORM_MOST
    silent = replace(known, said=frozenset({Channel.IN_APP, Channel.EMAIL}))
    assert Channel.SMS not in by_channel(plan_booking(event, told_of, at(known=silent, rules=mean)), kind)


# -- closures, preparations, feedback


def test_when_the_house_cancels_it_says_sorry_and_when_the_resident_does_it_confirms() -> None:
    for by, kind in (
        ("scheduler", Kind.CLOSURE),
        ("staff", Kind.CLOSURE),
        ("system", Kind.CLOSURE),
        ("resident", Kind.CANCELLATION),
        (None, Kind.CANCELLATION),
    ):
        cancelled = booking(version=2, state="cancelled", by=by)
        plan = plan_booking(EventType.BOOKING_CANCELLED, cancelled, at(known=Known(version=1, state="confirmed")))
        assert {one.key.kind for one in plan.messages} == {kind}


@given(st.lists(st.integers(min_value=0, max_value=60 * 24 * 60), min_size=2, max_size=20))
def test_in_a_storm_whoever_would_leave_home_first_hears_of_it_first(minutes: list[int]) -> None:
    known = Known(version=1, state="confirmed")
    due = []
    for ahead in sorted(minutes):
        closed = booking(version=2, state="cancelled", by="scheduler", starts_at=NOW + timedelta(minutes=ahead))
        plan = plan_booking(EventType.BOOKING_CANCELLED, closed, at(known=known))
        due.append(by_channel(plan, Kind.CLOSURE)[Channel.IN_APP].due_at)
    assert due == sorted(due)
    assert all(NOW <= moment <= NOW + STORM_MOST for moment in due)


def test_what_is_to_be_prepared_is_told_at_its_own_time_and_never_too_late_to_do_it() -> None:
    words = Words("请空腹", "Fast")
    told_of = booking(
        preparations=(Preparation(lead_minutes=720, words=words), Preparation(lead_minutes=0, words=words))
    )
    found = by_channel(plan_booking(EventType.BOOKING_CONFIRMED, told_of, at()), Kind.PREPARATION)
    mail = found[Channel.EMAIL]
    assert mail.due_at == STARTS_AT - 12 * HOUR
    assert (mail.late_from, mail.expires_at) == (STARTS_AT - 9 * HOUR, STARTS_AT - 6 * HOUR)


def test_how_it_was_is_asked_two_hours_after_it_is_over_and_by_no_channel_that_rings() -> None:
    done = booking(version=3, state="completed")
    plan = plan_booking(EventType.BOOKING_COMPLETED, done, at(known=Known(version=2, state="checked_in"), rules=TEXTS))
    found = by_channel(plan, Kind.FEEDBACK)
    assert set(found) == {Channel.IN_APP, Channel.EMAIL}
    assert {one.due_at for one in found.values()} == {NOW + 2 * HOUR}
    assert plan.supersede is Why.BOOKING_OVER
