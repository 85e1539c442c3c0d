"""What an event makes us say. The core is tested without mocks: events in, plans out."""

import itertools
from dataclasses import replace
from datetime import datetime, timedelta
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.notify.domain.lifecycle import State
from services.notify.domain.message import Channel, Kind, Planned, Reach, Urgency, Why
from services.notify.domain.planning import RECORD_KEPT, Circumstances, Known, Plan, Rules, plan_booking, plan_sign_in
from shared.contracts import DATA_OF, BookingChanged, EventType, SignInCodeRequested
from tests.notify.make import NOW, RESIDENT, STARTS_AT, booking

EMAIL = Reach(email=True, phone=True)
DAY, HOURS_2 = 1440, 120


def at(
    now: datetime = NOW, known: Known | None = None, reach: Reach = EMAIL, rules: Rules | None = None
) -> Circumstances:
    return Circumstances(known=known, reach=reach, rules=rules or Rules(), now=now)


def told(plan: Plan, channel: Channel = Channel.EMAIL) -> dict[tuple[Kind, int], Planned]:
    return {(one.key.kind, one.key.lead_minutes): one for one in plan.messages if one.key.channel is channel}


def test_a_confirmed_booking_is_confirmed_and_reminded_of_in_app_and_by_email() -> None:
    plan = plan_booking(EventType.BOOKING_CONFIRMED, booking(), at())
    for channel in (Channel.IN_APP, Channel.EMAIL):
        messages = told(plan, channel)
        assert set(messages) == {(Kind.CONFIRMATION, 0), (Kind.REMINDER, DAY), (Kind.REMINDER, HOURS_2)}
        assert {one.state for one in messages.values()} == {State.PLANNED}
        assert messages[Kind.CONFIRMATION, 0].due_at == NOW
        assert messages[Kind.REMINDER, DAY].due_at == STARTS_AT - timedelta(days=1)
        assert messages[Kind.REMINDER, HOURS_2].due_at == STARTS_AT - timedelta(hours=2)
    assert not told(plan, Channel.SMS), "a text message costs money: not unless the operator says so"
    assert plan.supersede is Why.NEWER_VERSION


def test_a_reminder_is_of_use_until_the_next_one_and_the_last_until_the_start() -> None:
    messages = told(plan_booking(EventType.BOOKING_CONFIRMED, booking(), at()))
    assert messages[Kind.REMINDER, DAY].expires_at == STARTS_AT - timedelta(hours=2)
    assert messages[Kind.REMINDER, HOURS_2].expires_at == STARTS_AT


def test_news_is_of_use_to_a_mailbox_until_the_end_and_to_the_inbox_as_a_record() -> None:
    plan = plan_booking(EventType.BOOKING_CONFIRMED, booking(), at())
    ends_at = STARTS_AT + timedelta(hours=1)
    assert told(plan)[Kind.CONFIRMATION, 0].expires_at == ends_at
    assert told(plan, Channel.IN_APP)[Kind.CONFIRMATION, 0].expires_at == ends_at + RECORD_KEPT


def test_a_reminder_due_before_its_booking_is_confirmed_is_dropped_with_its_reason_and_never_sent_late() -> None:
    plan = plan_booking(EventType.BOOKING_CONFIRMED, booking(), at(now=STARTS_AT - timedelta(hours=3)))
    for channel in (Channel.IN_APP, Channel.EMAIL):
        messages = told(plan, channel)
        assert (messages[Kind.REMINDER, DAY].state, messages[Kind.REMINDER, DAY].why) == (
            State.SUPPRESSED,
            Why.DUE_TIME_PASSED,
        )
        assert messages[Kind.REMINDER, HOURS_2].state is State.PLANNED


def test_a_reminder_due_at_this_very_moment_is_dropped_for_the_confirmation_says_the_same() -> None:
    messages = told(plan_booking(EventType.BOOKING_CONFIRMED, booking(), at(now=STARTS_AT - timedelta(hours=2))))
    assert messages[Kind.REMINDER, HOURS_2].why is Why.DUE_TIME_PASSED
    assert messages[Kind.CONFIRMATION, 0].state is State.PLANNED


def test_a_confirmation_after_the_end_is_a_record_and_no_mail() -> None:
    plan = plan_booking(EventType.BOOKING_CONFIRMED, booking(), at(now=STARTS_AT + timedelta(hours=2)))
    assert told(plan)[Kind.CONFIRMATION, 0].why is Why.NO_LONGER_USEFUL
    assert told(plan, Channel.IN_APP)[Kind.CONFIRMATION, 0].state is State.PLANNED


@pytest.mark.parametrize(
    ("reach", "why"),
    [
        (Reach(email=False, phone=True), Why.NO_EMAIL_ADDRESS),
        (Reach(email=False, phone=False, readable=False), Why.CONTACT_UNREADABLE),
    ],
)
def test_without_an_address_mail_is_suppressed_visibly_and_the_inbox_still_has_it(reach: Reach, why: Why) -> None:
    plan = plan_booking(EventType.BOOKING_CONFIRMED, booking(), at(reach=reach))
    assert {(one.state, one.why) for one in told(plan).values()} == {(State.SUPPRESSED, why)}
    assert {one.state for one in told(plan, Channel.IN_APP).values()} == {State.PLANNED}


def test_the_operator_may_buy_text_messages_for_reminders() -> None:
    rules = Rules(sms_kinds=frozenset({Kind.REMINDER}))
    messages = told(plan_booking(EventType.BOOKING_CONFIRMED, booking(), at(rules=rules)), Channel.SMS)
    assert set(messages) == {(Kind.REMINDER, DAY), (Kind.REMINDER, HOURS_2)}
    without_phone = at(rules=rules, reach=Reach(email=True, phone=False))
    messages = told(plan_booking(EventType.BOOKING_CONFIRMED, booking(), without_phone), Channel.SMS)
    assert {one.why for one in messages.values()} == {Why.NO_PHONE_NUMBER}


def test_a_cancellation_is_told_and_ends_what_was_planned() -> None:
    plan = plan_booking(
        EventType.BOOKING_CANCELLED,
        booking(version=2, state="cancelled"),
        at(known=Known(version=1, state="confirmed")),
    )
    assert set(told(plan)) == {(Kind.CANCELLATION, 0)}
    assert told(plan)[Kind.CANCELLATION, 0].urgency is Urgency.SOON
    assert plan.supersede is Why.BOOKING_CANCELLED


def test_a_move_is_told_at_once_and_reminders_follow_to_the_new_time() -> None:
    moved = booking(version=2, starts_at=STARTS_AT + timedelta(days=1), local_start_before="2026-11-28 16:30")
    plan = plan_booking(EventType.BOOKING_MOVED, moved, at(known=Known(version=1, state="confirmed")))
    for channel in (Channel.IN_APP, Channel.EMAIL):
        messages = told(plan, channel)
        assert set(messages) == {(Kind.CHANGE, 0), (Kind.REMINDER, DAY), (Kind.REMINDER, HOURS_2)}
        assert messages[Kind.CHANGE, 0].due_at == NOW
        assert messages[Kind.REMINDER, DAY].due_at == STARTS_AT
    assert plan.supersede is Why.NEWER_VERSION


def test_a_smaller_party_is_told_and_reminded_as_before_and_a_hold_is_not() -> None:
    smaller = booking(version=2, party_size=2)
    plan = plan_booking(EventType.BOOKING_PARTY_CHANGED, smaller, at(known=Known(version=1, state="confirmed")))
    assert set(told(plan)) == {(Kind.PARTY_CHANGED, 0), (Kind.REMINDER, DAY), (Kind.REMINDER, HOURS_2)}
    assert plan.supersede is Why.NEWER_VERSION
    held = plan_booking(EventType.BOOKING_PARTY_CHANGED, replace(smaller, state="held"), at())
    assert (held.messages, held.silence) == ((), Why.ONLY_A_HOLD)


def test_moving_a_hold_is_not_told() -> None:
    moved = booking(version=2, state="held", local_start_before="2026-11-28 16:30")
    plan = plan_booking(EventType.BOOKING_MOVED, moved, at(known=Known(version=1, state="held")))
    assert (plan.messages, plan.silence) == ((), Why.ONLY_A_HOLD)


def test_giving_up_a_hold_is_not_told() -> None:
    known = Known(version=1, state="held")
    plan = plan_booking(EventType.BOOKING_CANCELLED, booking(version=2, state="cancelled"), at(known=known))
    assert (plan.messages, plan.silence) == ((), Why.ONLY_A_HOLD)


def test_a_cancellation_after_a_version_that_was_missed_is_told_to_be_on_the_safe_side() -> None:
    known = Known(version=1, state="held")
    plan = plan_booking(EventType.BOOKING_CANCELLED, booking(version=3, state="cancelled"), at(known=known))
    assert set(told(plan)) == {(Kind.CANCELLATION, 0)}


def test_a_hold_is_not_told() -> None:
    plan = plan_booking(EventType.BOOKING_HELD, booking(state="held"), at())
    assert (plan.messages, plan.silence) == ((), Why.ONLY_A_HOLD)


def test_a_hold_that_ran_out_is_a_line_in_the_inbox_alone() -> None:
    plan = plan_booking(EventType.BOOKING_LAPSED, booking(version=2, state="lapsed"), at())
    assert {one.key.channel for one in plan.messages} == {Channel.IN_APP}
    assert {one.key.kind for one in plan.messages} == {Kind.HOLD_LAPSED}


@pytest.mark.parametrize(
    ("kind", "why"),
    [
        (EventType.BOOKING_CHECKED_IN, Why.BOOKING_CHECKED_IN),
        (EventType.BOOKING_NO_SHOW, Why.BOOKING_OVER),
    ],
)
def test_whoever_has_come_or_not_is_reminded_no_more(kind: EventType, why: Why) -> None:
    plan = plan_booking(kind, booking(version=3), at(known=Known(version=2, state="confirmed")))
    assert (plan.messages, plan.supersede, plan.silence) == ((), why, Why.NOTHING_TO_SAY)


@pytest.mark.parametrize("version", [1, 2])
def test_a_stale_version_plans_nothing_and_ends_nothing(version: int) -> None:
    known = Known(version=2, state="cancelled")
    plan = plan_booking(EventType.BOOKING_CONFIRMED, booking(version=version), at(known=known))
    assert plan == Plan(silence=Why.STALE_EVENT)


def test_a_sign_in_code_is_a_text_message_and_of_use_as_long_as_the_code() -> None:
    request = SignInCodeRequested(request_id=RESIDENT, sealed="sealed", expires_at=NOW + timedelta(minutes=5))
    (message,) = plan_sign_in(request, NOW).messages
    assert message.key.channel is Channel.SMS
    assert (message.due_at, message.expires_at, message.urgency) == (NOW, request.expires_at, Urgency.NOW)
    (late,) = plan_sign_in(request, request.expires_at).messages
    assert (late.state, late.why) == (State.SUPPRESSED, Why.NO_LONGER_USEFUL)


# -- properties

minutes = st.integers(min_value=-10, max_value=60 * 24 * 400)
moments = st.integers(min_value=-60 * 24 * 30, max_value=60 * 24 * 400).map(lambda n: NOW + timedelta(minutes=n))
reaches = st.builds(Reach, email=st.booleans(), phone=st.booleans(), readable=st.booleans())
rules_of_operators = st.builds(Rules, sms_kinds=st.frozensets(st.sampled_from(Kind)))


@given(
    kind=st.sampled_from([one for one in EventType if DATA_OF[one] is BookingChanged]),
    starts_at=moments,
    leads=st.lists(minutes, max_size=6),
    reach=reaches,
    rules=rules_of_operators,
)
def test_whatever_the_event_nothing_is_planned_for_the_past_or_beyond_its_use(
    kind: EventType, starts_at: datetime, leads: list[int], reach: Reach, rules: Rules
) -> None:
    told_of = booking(starts_at=starts_at, reminders=tuple(leads))
    plan = plan_booking(kind, told_of, at(reach=reach, rules=rules))
    keys = [one.key for one in plan.messages]
    assert len(keys) == len(set(keys)), "one cause, one message"
    for one in plan.messages:
        if one.state is State.PLANNED:
            assert NOW <= one.due_at < one.expires_at
        moved_by_quiet_hours = one.why in {Why.BROUGHT_FORWARD, Why.HELD_UNTIL_MORNING}
        assert one.key.channel is Channel.SMS or not moved_by_quiet_hours, "only what rings heeds the night"
        if one.key.kind is Kind.REMINDER and not moved_by_quiet_hours and not one.only_without_evidence:
            assert one.due_at == starts_at - timedelta(minutes=one.key.lead_minutes)
    if kind in {EventType.BOOKING_CONFIRMED, EventType.BOOKING_MOVED, EventType.BOOKING_PARTY_CHANGED}:
        wanted = {lead for lead in leads if lead > 0}
        for channel in (Channel.IN_APP, Channel.EMAIL):
            reminders = {key.lead_minutes for key in keys if key.kind is Kind.REMINDER and key.channel is channel}
            assert reminders == wanted, "each reminder asked for is planned, or suppressed with its reason"
    else:
        assert not any(key.kind is Kind.REMINDER for key in keys)


@given(st.permutations([1, 2, 3, 1, 2, 3]))
def test_whatever_the_order_and_repetition_of_events_only_the_newest_version_may_still_speak(order: list[int]) -> None:
    subject: UUID = booking().booking_id
    story: dict[int, tuple[EventType, BookingChanged]] = {
        1: (EventType.BOOKING_HELD, booking(booking_id=subject, version=1, state="held")),
        2: (EventType.BOOKING_CONFIRMED, booking(booking_id=subject, version=2, state="confirmed")),
        3: (EventType.BOOKING_CANCELLED, booking(booking_id=subject, version=3, state="cancelled")),
    }
    known: Known | None = None
    open_messages: dict[object, Planned] = {}
    for version in order:
        kind, told_of = story[version]
        plan = plan_booking(kind, told_of, at(known=known))
        if plan.supersede is None:
            continue
        known = Known(version=version, state=told_of.state)
        open_messages = {key: one for key, one in open_messages.items() if one.key.subject_version >= version}
        open_messages |= {one.key: one for one in plan.messages if one.state is State.PLANNED}
    assert {one.key.kind for one in open_messages.values()} == {Kind.CANCELLATION}
    assert {one.key.subject_version for one in open_messages.values()} == {3}


def test_every_event_of_a_booking_has_a_rule() -> None:
    for kind, sensitive in itertools.product(EventType, (True, False)):
        if DATA_OF[kind] is BookingChanged:
            plan = plan_booking(kind, replace(booking(), sensitive=sensitive), at())
            assert plan.messages or plan.silence, "it says something, or why not"
