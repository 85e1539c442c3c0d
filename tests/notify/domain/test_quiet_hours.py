"""Quiet hours as a table: what is due when, what becomes of it, and why. All times are the venue's."""

from dataclasses import dataclass, replace
from datetime import UTC, datetime, time, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.notify.api.words import WORDS
from services.notify.domain.cascade import LOUD
from services.notify.domain.message import Channel, Kind, Why
from services.notify.domain.quiet_hours import (
    EVENING_MARGIN,
    HARM,
    LONGEST_QUIET,
    VENUE_ZONE,
    About,
    Act,
    Decision,
    Harm,
    QuietHours,
    Timing,
    decide,
    late_from,
    offer_late_from,
)

NIGHT = QuietHours()
NIGHT_SHIFT = QuietHours(begins=time(7), ends=time(15))


def at(day: int, clock: str) -> datetime:
    hour, minute = clock.split(":")
    return datetime(2026, 11, day, int(hour), int(minute), tzinfo=VENUE_ZONE)


def reminder(starts_at: datetime, lead: timedelta, channel: Channel = Channel.SMS) -> Timing:
    about = About(starts_at=starts_at, lead_minutes=lead // timedelta(minutes=1))
    return Timing(
        due_at=starts_at - lead,
        late_from=late_from(Kind.REMINDER, about, starts_at),
        useful_until=starts_at,
        harm=HARM[Kind.REMINDER],
        loud=channel in LOUD,
        foreseen=True,
    )


def news(
    kind: Kind, now: datetime, starts_at: datetime, channel: Channel = Channel.SMS, before: str | None = None
) -> Timing:
    ends_at = starts_at + timedelta(hours=1)
    return Timing(
        due_at=now,
        late_from=late_from(kind, About(starts_at=starts_at, local_start_before=before), ends_at),
        useful_until=ends_at,
        harm=HARM[kind],
        loud=channel in LOUD,
    )


def offer(now: datetime, deadline: datetime, channel: Channel = Channel.SMS) -> Timing:
    return Timing(
        due_at=now,
        late_from=offer_late_from(deadline),
        useful_until=deadline,
        harm=Harm.PLACE,
        loud=channel in LOUD,
    )


def code(now: datetime) -> Timing:
    until = now + timedelta(minutes=5)
    return Timing(
        due_at=now, late_from=until, useful_until=until, harm=HARM[Kind.SIGN_IN_CODE], loud=True, silent_too=False
    )


@dataclass(frozen=True, slots=True)
class Case:
    name: str
    timing: Timing
    now: datetime
    expected: tuple[Act, Why, datetime | None]
    quiet: QuietHours | None = NIGHT


H2, H24, D7 = timedelta(hours=2), timedelta(hours=24), timedelta(days=7)
MONDAY = at(2, "10:00")
SEND, HOLD, EARLIER, INBOX, DROP = Act.SEND, Act.HOLD, Act.BRING_FORWARD, Act.LEAVE_TO_SILENT, Act.DROP

CASES = [
    # reminders, by text message unless said otherwise; booked on Monday the 2nd at 10:00, appointment on the 5th
    Case("16:30, 2 h before", reminder(at(5, "16:30"), H2), MONDAY, (SEND, Why.BY_DAY, at(5, "14:30"))),
    Case("08:30, 2 h before", reminder(at(5, "08:30"), H2), MONDAY, (EARLIER, Why.BROUGHT_FORWARD, at(4, "20:30"))),
    Case("08:00, 2 h before", reminder(at(5, "08:00"), H2), MONDAY, (EARLIER, Why.BROUGHT_FORWARD, at(4, "20:30"))),
    Case(
        "08:30, 2 h before, by mail",
        reminder(at(5, "08:30"), H2, Channel.EMAIL),
        MONDAY,
        (SEND, Why.MAKES_NO_SOUND, at(5, "06:30")),
    ),
    Case(
        "08:30, 2 h before, in the app",
        reminder(at(5, "08:30"), H2, Channel.IN_APP),
        MONDAY,
        (SEND, Why.MAKES_NO_SOUND, at(5, "06:30")),
    ),
    Case("09:00, 2 h before", reminder(at(5, "09:00"), H2), MONDAY, (HOLD, Why.HELD_UNTIL_MORNING, at(5, "08:00"))),
    Case("09:30, 2 h before", reminder(at(5, "09:30"), H2), MONDAY, (HOLD, Why.HELD_UNTIL_MORNING, at(5, "08:00"))),
    Case("10:00, 2 h before", reminder(at(5, "10:00"), H2), MONDAY, (SEND, Why.BY_DAY, at(5, "08:00"))),
    Case("22:59, 2 h before", reminder(at(5, "22:59"), H2), MONDAY, (SEND, Why.BY_DAY, at(5, "20:59"))),
    Case("23:00, 2 h before", reminder(at(5, "23:00"), H2), MONDAY, (EARLIER, Why.BROUGHT_FORWARD, at(5, "20:30"))),
    Case("06:00, 24 h before", reminder(at(5, "06:00"), H24), MONDAY, (HOLD, Why.HELD_UNTIL_MORNING, at(4, "08:00"))),
    Case("21:30, 24 h before", reminder(at(5, "21:30"), H24), MONDAY, (HOLD, Why.HELD_UNTIL_MORNING, at(5, "08:00"))),
    Case("06:00, 7 d before", reminder(at(12, "06:00"), D7), MONDAY, (HOLD, Why.HELD_UNTIL_MORNING, at(5, "08:00"))),
    Case(
        "08:30, 2 h before, booked at 22:00 the evening before",
        reminder(at(5, "08:30"), H2),
        at(4, "22:00"),
        (INBOX, Why.QUIET_HOURS_INBOX_HAS_IT, None),
    ),
    Case(
        "08:30, 2 h before, booked at 20:45: the confirmation has just said so",
        reminder(at(5, "08:30"), H2),
        at(4, "20:45"),
        (INBOX, Why.QUIET_HOURS_INBOX_HAS_IT, None),
    ),
    Case(
        "08:30, 2 h before, and no silent channel",
        replace(reminder(at(5, "08:30"), H2), silent_too=False),
        at(4, "22:00"),
        (DROP, Why.QUIET_HOURS_TOO_LATE, None),
    ),
    Case(
        "08:30, 2 h before, for somebody without quiet hours",
        reminder(at(5, "08:30"), H2),
        MONDAY,
        (SEND, Why.BY_DAY, at(5, "06:30")),
        None,
    ),
    Case(
        "14:00, 2 h before, for a night shift that sleeps from 7 to 15",
        reminder(at(5, "14:00"), H2),
        MONDAY,
        (EARLIER, Why.BROUGHT_FORWARD, at(5, "06:30")),
        NIGHT_SHIFT,
    ),
    # confirmations
    Case(
        "confirmed 23:30 for the day after at 14:00",
        news(Kind.CONFIRMATION, at(4, "23:30"), at(5, "14:00")),
        at(4, "23:30"),
        (HOLD, Why.HELD_UNTIL_MORNING, at(5, "08:00")),
    ),
    Case(
        "the same by mail",
        news(Kind.CONFIRMATION, at(4, "23:30"), at(5, "14:00"), Channel.EMAIL),
        at(4, "23:30"),
        (SEND, Why.MAKES_NO_SOUND, at(4, "23:30")),
    ),
    Case(
        "confirmed 23:30 for 07:30",
        news(Kind.CONFIRMATION, at(4, "23:30"), at(5, "07:30")),
        at(4, "23:30"),
        (INBOX, Why.QUIET_HOURS_INBOX_HAS_IT, None),
    ),
    Case(
        "confirmed at the last quiet minute",
        news(Kind.CONFIRMATION, at(5, "07:59"), at(5, "14:00")),
        at(5, "07:59"),
        (HOLD, Why.HELD_UNTIL_MORNING, at(5, "08:00")),
    ),
    Case(
        "confirmed at 08:00",
        news(Kind.CONFIRMATION, at(5, "08:00"), at(5, "14:00")),
        at(5, "08:00"),
        (SEND, Why.BY_DAY, at(5, "08:00")),
    ),
    # closures, cancellations and moves
    Case(
        "closed at 05:00, appointment 08:30: they may leave home before the morning",
        news(Kind.CANCELLATION, at(5, "05:00"), at(5, "08:30")),
        at(5, "05:00"),
        (SEND, Why.URGENT_AT_NIGHT, at(5, "05:00")),
    ),
    Case(
        "closed at 05:00, appointment 14:00",
        news(Kind.CANCELLATION, at(5, "05:00"), at(5, "14:00")),
        at(5, "05:00"),
        (HOLD, Why.HELD_UNTIL_MORNING, at(5, "08:00")),
    ),
    Case(
        "moved at 23:00 from 08:30 to next week: who has not heard stands at the door",
        news(Kind.CHANGE, at(4, "23:00"), at(12, "08:30"), before="2026-11-05 08:30"),
        at(4, "23:00"),
        (SEND, Why.URGENT_AT_NIGHT, at(4, "23:00")),
    ),
    Case(
        "moved at 23:00 from 15:00 to next week",
        news(Kind.CHANGE, at(4, "23:00"), at(12, "15:00"), before="2026-11-05 15:00"),
        at(4, "23:00"),
        (HOLD, Why.HELD_UNTIL_MORNING, at(5, "08:00")),
    ),
    Case(
        "cancelled after the end",
        news(Kind.CANCELLATION, at(5, "23:00"), at(5, "14:00")),
        at(5, "23:00"),
        (DROP, Why.NO_LONGER_USEFUL, None),
    ),
    # offers with a deadline
    Case(
        "offered at 23:00 for 30 minutes",
        offer(at(4, "23:00"), at(4, "23:30")),
        at(4, "23:00"),
        (SEND, Why.URGENT_AT_NIGHT, at(4, "23:00")),
    ),
    Case(
        "offered at 23:00 until noon",
        offer(at(4, "23:00"), at(5, "12:00")),
        at(4, "23:00"),
        (HOLD, Why.HELD_UNTIL_MORNING, at(5, "08:00")),
    ),
    Case(
        "offered at 23:00 until 08:15: a quarter of an hour is no time to decide",
        offer(at(4, "23:00"), at(5, "08:15")),
        at(4, "23:00"),
        (SEND, Why.URGENT_AT_NIGHT, at(4, "23:00")),
    ),
    Case(
        "offered at 15:00 for 30 minutes",
        offer(at(4, "15:00"), at(4, "15:30")),
        at(4, "15:00"),
        (SEND, Why.BY_DAY, at(4, "15:00")),
    ),
    # sign-in codes
    Case("a code at 03:00", code(at(5, "03:00")), at(5, "03:00"), (SEND, Why.WAITED_FOR, at(5, "03:00"))),
    Case("a code at noon", code(at(5, "12:00")), at(5, "12:00"), (SEND, Why.BY_DAY, at(5, "12:00"))),
    Case(
        "a code that ran out",
        code(at(5, "03:00")),
        at(5, "03:05"),
        (DROP, Why.NO_LONGER_USEFUL, None),
    ),
    # looked at again when it is about to leave
    Case(
        "brought forward to 20:30, but our outage lasted until 22:00",
        replace(reminder(at(5, "08:30"), H2), due_at=at(4, "20:30"), foreseen=False),
        at(4, "22:00"),
        (INBOX, Why.QUIET_HOURS_INBOX_HAS_IT, None),
    ),
]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_what_is_due_in_the_night_is_decided_by_the_law_and_says_why(case: Case) -> None:
    act, why, moment = case.expected
    assert decide(case.timing, case.quiet, case.now) == Decision(act=act, why=why, at=moment)


PAGE = Path(__file__).parents[3] / "docs" / "quiet-hours.md"
_HEAD = """\
# What the night does to a message

The table that the notify service is held to; a test keeps this page and the code equal. Quiet hours are 21:00 to 08:00
unless a case says otherwise, and every message is a text message unless it says so. The law stands in
`services/notify/domain/quiet_hours.py`.

| # | case | decided | when | why | in words |
| --- | --- | --- | --- | --- | --- |
"""


def page() -> str:
    """The table as a page for people; `python -m tests.notify.domain.test_quiet_hours` writes it."""
    rows = []
    for number, case in enumerate(CASES, start=1):
        act, why, moment = case.expected
        when = f"{moment.astimezone(VENUE_ZONE):%d %b %H:%M}" if moment else "never"
        rows.append(
            f"| {number} | {case.name} | {act.value} | {when} | `{why.value}` | {WORDS[why].zh} {WORDS[why].en} |\n"
        )
    return _HEAD + "".join(rows)


def test_the_page_for_people_is_this_table() -> None:
    assert PAGE.read_text(encoding="utf-8") == page()


def test_the_table_has_every_decision_and_every_reason_of_the_law() -> None:
    assert len(CASES) >= 30
    assert {case.expected[0] for case in CASES} == set(Act)
    reasons = {
        *(Why.BY_DAY, Why.MAKES_NO_SOUND, Why.WAITED_FOR, Why.HELD_UNTIL_MORNING, Why.BROUGHT_FORWARD),
        *(Why.URGENT_AT_NIGHT, Why.QUIET_HOURS_INBOX_HAS_IT, Why.QUIET_HOURS_TOO_LATE, Why.NO_LONGER_USEFUL),
    }
    assert {case.expected[1] for case in CASES} == reasons


def test_every_kind_of_message_says_what_it_costs_to_be_late() -> None:
    assert set(HARM) == set(Kind)


@pytest.mark.parametrize(
    ("begins", "ends"),
    [
        (time(21), time(21)),
        (time(8), time(7)),
        (time(21, 0, 30), time(8)),
        (time(21, tzinfo=UTC), time(8)),
    ],
)
def test_what_is_no_night_is_refused(begins: time, ends: time) -> None:
    with pytest.raises(ValueError, match="quiet hours"):
        QuietHours(begins=begins, ends=ends)


# -- properties

minutes_of_a_day = st.integers(min_value=0, max_value=24 * 60 - 1)
moments = st.integers(min_value=0, max_value=60 * 24 * 14).map(lambda n: MONDAY + timedelta(minutes=n))


@st.composite
def nights(draw: st.DrawFn) -> QuietHours:
    begins = draw(minutes_of_a_day)
    length = draw(st.integers(min_value=1, max_value=LONGEST_QUIET // timedelta(minutes=1)))
    ends = (begins + length) % (24 * 60)
    return QuietHours(begins=time(*divmod(begins, 60)), ends=time(*divmod(ends, 60)))


@st.composite
def timings(draw: st.DrawFn) -> Timing:
    due, late, until = sorted(draw(st.tuples(moments, moments, moments)))
    return Timing(
        due_at=due,
        late_from=late,
        useful_until=until,
        harm=draw(st.sampled_from(Harm)),
        loud=draw(st.booleans()),
        foreseen=draw(st.booleans()),
        silent_too=draw(st.booleans()),
    )


@given(timings(), nights(), moments)
def test_nothing_is_said_late_or_in_the_past_and_nothing_rings_at_night_without_need(
    timing: Timing, quiet: QuietHours, now: datetime
) -> None:
    decision = decide(timing, quiet, now)
    if decision.at is None:
        assert decision.act in {Act.LEAVE_TO_SILENT, Act.DROP}
        return
    assert now <= decision.at < timing.useful_until
    delayed = decision.at > max(timing.due_at, now)
    assert not delayed or (decision.act is Act.HOLD and decision.at <= timing.late_from), "never delivered late"
    if decision.at < timing.due_at:
        assert decision.act is Act.BRING_FORWARD
        assert timing.foreseen
    night = quiet.around(decision.at)
    if timing.loud and night is not None and decision.act is not Act.BRING_FORWARD:
        assert timing.harm >= Harm.JOURNEY
    if decision.act is Act.BRING_FORWARD:
        began = quiet.around(timing.due_at)
        assert began is not None
        assert decision.at == began[0] - EVENING_MARGIN


@given(nights(), moments)
def test_a_moment_in_the_quiet_hours_lies_between_their_beginning_and_their_end(
    quiet: QuietHours, moment: datetime
) -> None:
    night = quiet.around(moment)
    clock = moment.astimezone(VENUE_ZONE).time()
    over_midnight = quiet.begins > quiet.ends
    inside = (clock >= quiet.begins or clock < quiet.ends) if over_midnight else (quiet.begins <= clock < quiet.ends)
    assert (night is not None) is inside
    if night is not None:
        assert night[0] <= moment < night[1]
        assert (night[0].time(), night[1].time()) == (quiet.begins, quiet.ends)


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
