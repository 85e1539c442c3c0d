"""The lifecycle, retries, reminders and local time, each as a table or a property."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime, timedelta
from uuid import uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.notify.domain import outcome as outcomes
from services.notify.domain.dispatch import Due, Lease, on_claim, on_outcome
from services.notify.domain.lifecycle import LIFECYCLE, OPEN, RECALLABLE, Action, State, WrongAction, next_state
from services.notify.domain.local_time import in_brief, in_words
from services.notify.domain.message import BusinessKey, Channel, Kind, Language, Urgency, Why
from services.notify.domain.outcome import Outcome, Verdict
from services.notify.domain.reminder import reminders
from services.notify.domain.retry import LEAST_PAUSE, PACES, Tried, after, pause
from tests.notify.make import NOW, RESIDENT, STARTS_AT

LEASE = Lease(token=uuid4(), until=NOW + timedelta(minutes=2))


def due(**changes: object) -> Due:
    plain = Due(
        id=uuid4(),
        key=BusinessKey(
            subject_id=uuid4(),
            subject_version=2,
            kind=Kind.REMINDER,
            lead_minutes=120,
            recipient_id=RESIDENT,
            channel=Channel.EMAIL,
        ),
        urgency=Urgency.ROUTINE,
        expires_at=NOW + timedelta(hours=2),
        state=State.PLANNED,
        lease_token=None,
        attempt=0,
        sealed=None,
        known_version=2,
        appointment=None,
        contact=None,
    )
    return replace(plain, **changes)  # type: ignore[arg-type]


def test_final_states_have_no_way_out_and_open_ones_have() -> None:
    final = {state for state, actions in LIFECYCLE.items() if not actions}
    assert final == {State.SENT, State.SUPERSEDED, State.EXPIRED, State.SUPPRESSED}
    assert set(LIFECYCLE) == set(State)
    assert OPEN.isdisjoint(final | {State.UNKNOWN, State.UNPROVEN, State.DEAD})
    assert set(LIFECYCLE[State.DEAD]) == {Action.REPLAY}, "by hand, and no other way"
    assert RECALLABLE < OPEN
    assert State.SENDING not in RECALLABLE, "what is being sent cannot be stopped"


def test_no_way_leads_from_doubt_back_to_sending_but_through_proof() -> None:
    ways = {Action.ACCEPT, Action.RETRY, Action.FAIL, Action.EXPIRE, Action.SETTLE}
    assert set(LIFECYCLE[State.UNKNOWN]) == ways
    assert set(LIFECYCLE[State.UNPROVEN]) == {Action.ACCEPT, Action.FAIL}, "a late receipt, and nothing else"
    assert Action.CLAIM not in LIFECYCLE[State.SENDING], "a half sent message is never simply taken over"


def test_a_missing_key_is_the_refusal() -> None:
    with pytest.raises(WrongAction, match="sent cannot claim"):
        next_state(State.SENT, Action.CLAIM)


@pytest.mark.parametrize(
    ("found", "action", "why"),
    [
        (due(), Action.CLAIM, Why.TAKEN),
        (due(state=State.CLAIMED, lease_token=uuid4()), Action.CLAIM, Why.TAKEN),
        (due(state=State.SENDING, lease_token=uuid4()), Action.DOUBT, Why.LEASE_RAN_OUT),
        (due(state=State.SENDING, lease_token=uuid4(), expires_at=NOW), Action.DOUBT, Why.LEASE_RAN_OUT),
        (due(known_version=3), Action.SUPERSEDE, Why.NEWER_VERSION),
        (due(expires_at=NOW), Action.EXPIRE, Why.NO_LONGER_USEFUL),
        (due(known_version=None), Action.CLAIM, Why.TAKEN),
    ],
)
def test_what_a_worker_does_with_what_it_finds_due(found: Due, action: Action, why: Why) -> None:
    move = on_claim(found, LEASE, NOW)
    assert (move.action, move.why) == (action, why)
    assert move.after in set(State)
    assert (move.lease is LEASE) == (action is Action.CLAIM)


def test_what_follows_an_attempt() -> None:
    sending = due(state=State.SENDING, lease_token=LEASE.token, attempt=1)
    cases = {
        outcomes.accepted("250"): State.SENT,
        outcomes.permanent(Why.ADDRESS_REFUSED, "550 5.1.1"): State.DEAD,
        outcomes.unknown("content:SMTPServerDisconnected"): State.UNKNOWN,
        outcomes.temporary(Why.PROVIDER_BUSY, "451 4.7.1"): State.PLANNED,
    }
    for outcome, state in cases.items():
        assert on_outcome(sending, outcome, None, NOW, 0.5).after is state


@given(
    attempt=st.integers(1, 10_000),
    urgency=st.sampled_from(Urgency),
    chance=st.floats(0, 1),
    useful_seconds=st.integers(1, 100_000),
    asked=st.none() | st.integers(0, 3600),
)
def test_a_retry_comes_after_now_before_its_use_ends_and_not_before_the_provider_asks(
    attempt: int, urgency: Urgency, chance: float, useful_seconds: int, asked: int | None
) -> None:
    tried = Tried(attempt=attempt, urgency=urgency, expires_at=NOW + timedelta(seconds=useful_seconds))
    wait = None if asked is None else timedelta(seconds=asked)
    following = after(tried, outcomes.temporary(Why.PROVIDER_BUSY, "451", wait), NOW, chance)
    if following.action is Action.RETRY:
        assert following.visible_at is not None
        assert NOW + max(LEAST_PAUSE, wait or LEAST_PAUSE) <= following.visible_at < tried.expires_at
    else:
        assert following.action is Action.EXPIRE
        assert following.why is Why.PROVIDER_BUSY, "why it never arrived stays visible"


@given(urgency=st.sampled_from(Urgency), attempt=st.integers(1, 10_000))
def test_the_pause_is_drawn_from_the_whole_of_an_exponential_bound_with_a_cap(urgency: Urgency, attempt: int) -> None:
    pace = PACES[urgency]
    assert pause(attempt, urgency, 0.0) == LEAST_PAUSE
    longest = pause(attempt, urgency, 1.0)
    assert longest == min(pace.first * 2 ** min(attempt - 1, 20), pace.most)
    assert pause(attempt, urgency, 0.5) <= longest


def test_the_urgent_are_tried_again_sooner() -> None:
    assert [pause(3, urgency, 1.0).total_seconds() for urgency in Urgency] == [8, 60, 120]


@given(st.sampled_from(Verdict), st.sampled_from([State.SENDING]), st.floats(0, 1))
def test_every_verdict_has_a_following_state(verdict: Verdict, state: State, chance: float) -> None:
    outcome = Outcome(verdict=verdict, why=Why.NO_ANSWER)
    move = on_outcome(due(state=state, lease_token=uuid4(), attempt=1), outcome, None, NOW, chance)
    assert (move.after is State.UNKNOWN) == (verdict is Verdict.UNKNOWN), "doubt, and only doubt, is doubt"


def test_reminders_are_ordered_counted_once_and_never_after_the_start() -> None:
    found = reminders(STARTS_AT, (120, 1440, 120, 0, -5))
    assert [one.lead_minutes for one in found] == [1440, 120]
    assert [one.useful_until for one in found] == [STARTS_AT - timedelta(minutes=120), STARTS_AT]
    assert reminders(STARTS_AT, ()) == ()


# -- local time


def test_local_time_in_words_in_both_languages() -> None:
    assert in_words("2026-11-28 16:30", Language.ZH_CN) == "2026年11月28日 星期六 16:30"
    assert in_words("2026-11-28 16:30", Language.EN) == "Saturday 28 November 2026, 16:30"
    assert in_brief("2026-11-28 08:05", Language.ZH_CN) == "11月28日 08:05"
    assert in_brief("2026-11-28 08:05", Language.EN) == "28 Nov 08:05"


def days() -> Iterator[datetime]:
    moment = datetime(2024, 1, 1)  # noqa: DTZ001 - local time in words has no zone
    while moment.year < 2029:
        yield moment
        moment += timedelta(hours=25, minutes=7)


def test_weekday_month_and_clock_agree_with_the_calendar_on_every_day_of_five_years() -> None:
    weekdays_zh = "一二三四五六日"
    for moment in days():
        words = in_words(f"{moment:%Y-%m-%d %H:%M}", Language.EN)
        assert words == f"{moment:%A} {moment.day} {moment:%B} {moment.year}, {moment:%H:%M}"
        assert f"星期{weekdays_zh[moment.weekday()]} {moment:%H:%M}" in in_words(
            f"{moment:%Y-%m-%d %H:%M}", Language.ZH_CN
        )
        assert "AM" not in words
        assert "PM" not in words


@pytest.mark.parametrize("given_time", ["", "2026-11-28", "2026-11-28T16:30", "28/11/2026 16:30", "2026-02-30 10:00"])
def test_a_local_time_of_another_form_is_refused(given_time: str) -> None:
    with pytest.raises(ValueError, match=r"time data|day is out of range"):
        in_words(given_time, Language.ZH_CN)
