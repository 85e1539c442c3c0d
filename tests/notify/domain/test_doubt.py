"""How doubt ends: by what the provider says, by another channel, or by a reason; never by itself, never blindly."""

from datetime import timedelta
from uuid import uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.notify.domain.dispatch import Due
from services.notify.domain.doubt import PROOF, Doubt, Finding, Remedy, on_finding, patience_ends, remedy
from services.notify.domain.lifecycle import State
from services.notify.domain.message import BusinessKey, Channel, Evidence, Kind, Urgency, Why
from tests.notify.make import NOW, RESIDENT

LATER = timedelta(hours=3)


def doubt(kind: Kind = Kind.CONFIRMATION, channel: Channel = Channel.EMAIL, **changes: object) -> Doubt:
    facts: dict[str, object] = {"lead": 0, "useful": LATER, "in_inbox": True, **changes}
    key = BusinessKey(
        subject_id=uuid4(),
        subject_version=1,
        kind=kind,
        lead_minutes=int(str(facts["lead"])),
        recipient_id=RESIDENT,
        channel=channel,
    )
    useful = facts["useful"]
    assert isinstance(useful, timedelta)
    due = Due(
        id=uuid4(),
        key=key,
        urgency=Urgency.SOON,
        expires_at=NOW + useful,
        state=State.UNKNOWN,
        lease_token=None,
        attempt=1,
        sealed=None,
        known_version=1,
        appointment=None,
        contact=None,
    )
    return Doubt(due=due, provider="p", started_at=NOW, reference=None, in_inbox=bool(facts["in_inbox"]), letter=due.id)


@pytest.mark.parametrize(
    ("finding", "after", "state", "why"),
    [
        (Finding.ARRIVED, timedelta(seconds=10), State.SENT, Why.FOUND_AT_PROVIDER),
        (Finding.TAKEN, timedelta(seconds=10), State.SENT, Why.FOUND_AT_PROVIDER),
        (Finding.REFUSED, timedelta(seconds=10), State.DEAD, Why.NOT_DELIVERED),
        (Finding.ABSENT, PROOF, State.PLANNED, Why.PROVEN_ABSENT),
        (Finding.ABSENT, LATER, State.EXPIRED, Why.PROVEN_ABSENT),
        (Finding.NOTHING, timedelta(minutes=10), State.UNPROVEN, Why.INBOX_HAS_IT),
    ],
)
def test_what_follows_from_what_the_provider_says(finding: Finding, after: timedelta, state: State, why: Why) -> None:
    ending = on_finding(doubt(), finding, NOW + after)
    assert ending.move is not None
    assert (ending.move.after, ending.move.why) == (state, why)
    assert (ending.move.evidence is Evidence.DELIVERED) == (finding is Finding.ARRIVED)


@given(
    finding=st.sampled_from([Finding.ABSENT, Finding.NOTHING, Finding.MUTE]),
    seconds=st.integers(0, PROOF // timedelta(seconds=1) - 1),
)
def test_absence_proves_nothing_before_its_time_and_nothing_is_sent_again(finding: Finding, seconds: int) -> None:
    now = NOW + timedelta(seconds=seconds)
    ending = on_finding(doubt(), finding, now)
    assert ending.move is None
    assert ending.ask_at is not None
    assert ending.ask_at > now


@given(
    kind=st.sampled_from(Kind),
    useful=st.integers(0, 100_000),
    in_inbox=st.booleans(),
    channel=st.sampled_from([Channel.EMAIL, Channel.SMS]),
    finding=st.sampled_from([Finding.ABSENT, Finding.NOTHING, Finding.MUTE]),
)
def test_every_doubt_ends_within_a_bounded_number_of_questions(
    kind: Kind, useful: int, in_inbox: bool, channel: Channel, finding: Finding
) -> None:
    one = doubt(kind, channel, useful=timedelta(seconds=useful), in_inbox=in_inbox)
    now = NOW + timedelta(seconds=10)
    for _ in range(40):
        ending = on_finding(one, finding, now)
        if ending.move is not None:
            assert (ending.move.after is State.PLANNED) <= (finding is Finding.ABSENT), "sent again only on proof"
            return
        assert ending.ask_at is not None
        now = ending.ask_at
    raise AssertionError("it was asked for ever")


def test_news_that_costs_a_place_goes_by_another_channel_and_the_rest_is_in_the_inbox() -> None:
    assert remedy(Kind.CANCELLATION, 0) is Remedy.OTHER_CHANNEL
    assert remedy(Kind.REMINDER, 1440) is Remedy.INBOX
    assert remedy(Kind.REMINDER, 120) is Remedy.OTHER_CHANNEL, "nothing comes after the last one"
    assert remedy(Kind.SIGN_IN_CODE, 0) is Remedy.ASK_AGAIN
    one = doubt(Kind.CANCELLATION)
    ending = on_finding(one, Finding.NOTHING, patience_ends(one, Finding.NOTHING))
    assert ending.instead is not None
    assert ending.move is not None
    assert (ending.move.why, ending.instead.key.channel) == (Why.OTHER_CHANNEL, Channel.SMS)
    assert ending.instead.expires_at == one.due.expires_at


def test_who_cannot_be_asked_is_not_waited_for_longer_than_a_late_answer_takes() -> None:
    one = doubt(Kind.CANCELLATION)
    assert on_finding(one, Finding.MUTE, NOW + PROOF).instead is not None
    assert on_finding(one, Finding.NOTHING, NOW + PROOF).instead is None, "it may answer the next time"


def test_what_the_inbox_does_not_hold_goes_by_another_channel_whatever_it_is() -> None:
    one = doubt(Kind.REMINDER, lead=1440, in_inbox=False)
    ending = on_finding(one, Finding.NOTHING, patience_ends(one, Finding.NOTHING))
    assert ending.instead is not None


def test_without_another_channel_the_reason_is_said() -> None:
    for one, why in (
        (doubt(Kind.SIGN_IN_CODE, Channel.SMS, in_inbox=False), Why.CODE_CAN_BE_ASKED_AGAIN),
        (doubt(Kind.HOLD_LAPSED, in_inbox=False), Why.NO_OTHER_CHANNEL),
    ):
        ending = on_finding(one, Finding.NOTHING, NOW + timedelta(minutes=15))
        assert ending.move is not None
        assert (ending.move.after, ending.move.why, ending.instead) == (State.UNPROVEN, why, None)
