"""What may be switched off, and what a change of preferences does. Values in, values out."""

from dataclasses import replace
from itertools import product

import pytest

from services.notify.domain.message import OPT_IN, Channel, Kind, Language, Why
from services.notify.domain.preference import (
    CHANNELS,
    CHOICES,
    DEFAULTS,
    Preferences,
    change,
    locked_because,
    switched_off,
)
from services.notify.domain.reason import Reason
from shared.refusal import Refused

MAIL_CONFIRMATION = (Kind.CONFIRMATION, Channel.EMAIL)

_ORDINARY = frozenset(
    {
        *(Kind.PREPARATION, Kind.PARTY_CHANGED, Kind.WAITLIST_OFFER, Kind.OFFER_LAPSED, Kind.PENALTY_WARNING),
        *(Kind.PENALTY_END, Kind.QUEUE_NEAR, Kind.CASE_STEP, Kind.RELEASE_REMINDER, Kind.COPY_REQUEST),
    }
)
"""The inbox keeps a record of them; mail and text messages can be switched off."""
_BY_TEXT = {
    *(Kind.PREPARATION, Kind.WAITLIST_OFFER, Kind.QUEUE_NEAR, Kind.CASE_STEP),
    *(Kind.RELEASE_REMINDER, Kind.COPY_REQUEST),
}

LOCKS: dict[tuple[Kind, Channel], Reason | None] = {
    (Kind.CONFIRMATION, Channel.IN_APP): Reason.INBOX_STAYS_ON,
    (Kind.CONFIRMATION, Channel.EMAIL): None,
    (Kind.CONFIRMATION, Channel.SMS): None,
    (Kind.REMINDER, Channel.IN_APP): Reason.INBOX_STAYS_ON,
    (Kind.REMINDER, Channel.EMAIL): None,
    (Kind.REMINDER, Channel.SMS): None,
    (Kind.CHANGE, Channel.IN_APP): Reason.VENUE_NEWS_STAYS_ON,
    (Kind.CHANGE, Channel.EMAIL): Reason.VENUE_NEWS_STAYS_ON,
    (Kind.CHANGE, Channel.SMS): Reason.VENUE_NEWS_STAYS_ON,
    (Kind.CANCELLATION, Channel.IN_APP): Reason.VENUE_NEWS_STAYS_ON,
    (Kind.CANCELLATION, Channel.EMAIL): Reason.VENUE_NEWS_STAYS_ON,
    (Kind.CANCELLATION, Channel.SMS): Reason.VENUE_NEWS_STAYS_ON,
    (Kind.HOLD_LAPSED, Channel.IN_APP): Reason.INBOX_STAYS_ON,
    (Kind.SIGN_IN_CODE, Channel.SMS): Reason.SIGN_IN_CODE_STAYS_ON,
    (Kind.CONTACT_PROOF, Channel.EMAIL): Reason.SIGN_IN_CODE_STAYS_ON,
    **{(kind, channel): None for kind in (Kind.CONFIRMATION, Kind.REMINDER) for channel in OPT_IN},
    **{(kind, channel): Reason.VENUE_NEWS_STAYS_ON for kind in (Kind.CHANGE, Kind.CANCELLATION) for channel in OPT_IN},
    (Kind.FEEDBACK, Channel.IN_APP): None,
    (Kind.FEEDBACK, Channel.EMAIL): None,
    **dict.fromkeys(
        product((Kind.CLOSURE,), (Channel.IN_APP, Channel.EMAIL, Channel.SMS, Channel.WEB_PUSH)),
        Reason.VENUE_NEWS_STAYS_ON,
    ),
    **dict.fromkeys(
        product((Kind.CONSENT_REQUEST,), (Channel.IN_APP, Channel.EMAIL, Channel.SMS, Channel.WEB_PUSH)),
        Reason.CONSENT_REQUEST_STAYS_ON,
    ),
    **dict.fromkeys(
        product((Kind.PENALTY_BAR,), (Channel.IN_APP, Channel.EMAIL, Channel.SMS, Channel.WEB_PUSH)),
        Reason.PENALTY_NEWS_STAYS_ON,
    ),
    **dict.fromkeys(product(_ORDINARY, (Channel.IN_APP,)), Reason.INBOX_STAYS_ON),
    **dict.fromkeys(product(_ORDINARY - {Kind.QUEUE_NEAR}, (Channel.EMAIL,)), None),
    **dict.fromkeys(product(_ORDINARY & _BY_TEXT, (Channel.SMS, Channel.WEB_PUSH)), None),
}


def test_every_switch_is_in_the_table_and_those_that_are_stuck_say_why() -> None:
    assert {choice: locked_because(*choice) for choice in CHOICES} == LOCKS
    assert set(CHANNELS) == set(Kind)


@pytest.mark.parametrize("choice", CHOICES, ids="/".join)
def test_what_is_locked_is_refused_with_its_reason_and_place(choice: tuple[Kind, Channel]) -> None:
    if LOCKS[choice] is None:
        assert switched_off([choice]) == {choice}
        return
    with pytest.raises(Refused) as refused:
        switched_off([MAIL_CONFIRMATION, choice])
    assert (refused.value.reason, refused.value.field) == (LOCKS[choice], "/off/1")


def test_a_channel_by_which_a_kind_never_goes_is_no_choice() -> None:
    with pytest.raises(Refused) as refused:
        switched_off([(Kind.HOLD_LAPSED, Channel.EMAIL)])
    assert (refused.value.reason, refused.value.field) == (Reason.NO_SUCH_CHOICE, "/off/0")


@pytest.mark.parametrize("choice", CHOICES, ids="/".join)
def test_whatever_is_stored_a_lock_is_stronger(choice: tuple[Kind, Channel]) -> None:
    everything = Preferences(off=frozenset(CHOICES))
    expected = Why.SWITCHED_OFF if LOCKS[choice] is None else None
    assert everything.obstacle(*choice, lead_minutes=0) is expected
    assert DEFAULTS.obstacle(*choice, lead_minutes=0) is None


def test_a_lead_time_that_is_off_is_off_on_every_channel_and_no_other_is() -> None:
    chosen = Preferences(reminders_off=frozenset({120}))
    for channel in Channel:
        assert chosen.obstacle(Kind.REMINDER, channel, 120) is Why.REMINDER_TIME_SWITCHED_OFF
        assert chosen.obstacle(Kind.REMINDER, channel, 1440) is None
    assert chosen.obstacle(Kind.CONFIRMATION, Channel.EMAIL, 120) is None


STORED = Preferences(version=4, language=Language.EN)
OTHER = Preferences(language=Language.ZH_CN)


@pytest.mark.parametrize(("expected", "key_used"), [(None, False), (4, False), (3, False), (3, True), (None, True)])
def test_what_is_stored_already_is_answered_the_same_however_often_it_is_sent(
    expected: int | None, key_used: bool
) -> None:
    wanted = replace(STORED, version=1)
    assert change(STORED, wanted, expected=expected, key_used=key_used) is STORED


@pytest.mark.parametrize("expected", [None, 4])
def test_another_wish_is_the_next_version(expected: int | None) -> None:
    assert change(STORED, OTHER, expected=expected, key_used=False) == replace(OTHER, version=5)


@pytest.mark.parametrize(
    ("expected", "key_used", "reason"),
    [
        (3, False, Reason.STALE_VERSION),
        (0, False, Reason.STALE_VERSION),
        (4, True, Reason.IDEMPOTENCY_KEY_REUSED),
        (3, True, Reason.IDEMPOTENCY_KEY_REUSED),
    ],
)
def test_another_wish_on_what_is_not_the_newest_or_under_a_used_key_is_refused(
    expected: int | None, key_used: bool, reason: Reason
) -> None:
    with pytest.raises(Refused) as refused:
        change(STORED, OTHER, expected=expected, key_used=key_used)
    assert refused.value.reason is reason
