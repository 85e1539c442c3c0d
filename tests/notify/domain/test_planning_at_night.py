"""What planning makes of its reader's night and wishes: when it rings, what lies there in silence, what is not wanted."""

from dataclasses import replace
from datetime import timedelta

from services.notify.domain.lifecycle import State
from services.notify.domain.message import Channel, Kind, Why
from services.notify.domain.planning import Rules, plan_booking
from services.notify.domain.preference import Preferences
from shared.contracts import EventType
from tests.notify.domain.test_planning import HOURS_2, at, told
from tests.notify.make import NOW, STARTS_AT, booking

EARLY = replace(booking(starts_at=STARTS_AT.replace(hour=8, minute=30)), reminders=(HOURS_2,))
NIGHT = NOW + timedelta(hours=13, minutes=30)
TEXTS = Rules(sms_kinds=frozenset(Kind))


def test_a_reminder_due_at_half_past_six_is_a_text_message_of_the_evening_before_and_a_silent_mail() -> None:
    plan = plan_booking(EventType.BOOKING_CONFIRMED, EARLY, at(rules=TEXTS))
    found = {
        one.key.channel: (one.state, one.why, one.due_at) for one in plan.messages if one.key.kind is Kind.REMINDER
    }
    half_past_six = STARTS_AT.replace(hour=6, minute=30)
    evening = STARTS_AT.replace(hour=20, minute=30) - timedelta(days=1)
    assert found == {
        Channel.SMS: (State.PLANNED, Why.BROUGHT_FORWARD, evening),
        Channel.EMAIL: (State.PLANNED, Why.MAKES_NO_SOUND, half_past_six),
        Channel.IN_APP: (State.PLANNED, Why.MAKES_NO_SOUND, half_past_six),
    }


def test_a_confirmation_in_the_night_rings_in_the_morning_and_lies_in_the_mailbox_at_once() -> None:
    plan = plan_booking(EventType.BOOKING_CONFIRMED, booking(reminders=()), at(now=NIGHT, rules=TEXTS))
    morning = NOW + timedelta(hours=22)
    assert {one.key.channel: (one.why, one.due_at) for one in plan.messages} == {
        Channel.SMS: (Why.HELD_UNTIL_MORNING, morning),
        Channel.EMAIL: (Why.MAKES_NO_SOUND, NIGHT),
        Channel.IN_APP: (Why.MAKES_NO_SOUND, NIGHT),
    }


def test_a_reminder_that_could_only_ring_late_is_left_to_the_silent_channels() -> None:
    now = EARLY.starts_at - timedelta(hours=10)
    plan = plan_booking(EventType.BOOKING_CONFIRMED, EARLY, at(now=now, rules=TEXTS))
    (text,) = [one for one in plan.messages if one.key.kind is Kind.REMINDER and one.key.channel is Channel.SMS]
    assert (text.state, text.why) == (State.SUPPRESSED, Why.QUIET_HOURS_INBOX_HAS_IT)
    assert told(plan)[Kind.REMINDER, HOURS_2].state is State.PLANNED


def test_what_is_switched_off_is_suppressed_with_its_reason_and_the_rest_is_planned() -> None:
    chosen = Preferences(off=frozenset({(Kind.CONFIRMATION, Channel.EMAIL)}), reminders_off=frozenset({HOURS_2}))
    plan = plan_booking(EventType.BOOKING_CONFIRMED, booking(), replace(at(), preferences=chosen))
    off = {
        (one.key.kind, one.key.lead_minutes, one.key.channel): one.why
        for one in plan.messages
        if one.state is State.SUPPRESSED
    }
    assert off == {
        (Kind.CONFIRMATION, 0, Channel.EMAIL): Why.SWITCHED_OFF,
        (Kind.REMINDER, HOURS_2, Channel.EMAIL): Why.REMINDER_TIME_SWITCHED_OFF,
        (Kind.REMINDER, HOURS_2, Channel.IN_APP): Why.REMINDER_TIME_SWITCHED_OFF,
    }
