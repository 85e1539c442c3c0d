"""Penalties by the rules of real institutions, instant by instant; and what holds of every rule."""

from dataclasses import replace
from datetime import datetime, timedelta
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.booking.domain.booking import Booking, Channel
from services.booking.domain.decision import Decisions
from services.booking.domain.penalty import (
    Act,
    Barred,
    PenaltyState,
    Standing,
    Strike,
    is_within,
    penalty_id_of,
    regime_of,
    rules_around,
    scope_words,
    scopes_of,
    standing_of,
    standings_of,
)
from services.booking.domain.penalty_rule import (
    Cause,
    CountedFrom,
    Length,
    PenaltyRule,
    PenaltyScope,
    Span,
    Window,
)
from services.booking.domain.reason import Reason
from services.booking.domain.request import Actor
from services.booking.domain.zone import VENUE_ZONE
from shared.ids import new_id
from shared.refusal import Refused
from tests import make

ABSENT, LATE, CANCELLED, RETURNED = "absent", "late", "cancelled", "returned"
PERSON = UUID("01930000-0000-7000-8000-000000000002")


def at(text: str) -> datetime:
    """The venue's clock: `2026-03-01 09:00`; without a time, noon."""
    return datetime.fromisoformat(text if ":" in text else f"{text} 12:00").replace(tzinfo=VENUE_ZONE)


def strike(when: str, what: str = ABSENT, **changes: object) -> Strike:
    made = Strike(
        id=new_id(),
        person_id=PERSON,
        account_id=make.RESIDENT,
        booking_id=new_id(),
        version=2,
        act=Act.NO_SHOW if what == ABSENT else Act.CANCEL,
        late=what == LATE,
        same_day=what in {LATE, RETURNED},
        at=at(when),
        service_id="timed-entry",
        venue_id=make.VENUE,
        kind="museum",
    )
    return replace(made, **changes)  # type: ignore[arg-type]


def rule(*counts: Cause, most: int, within: Window, bars: Length, **changes: object) -> PenaltyRule:
    made = PenaltyRule(counts=counts, threshold=most, window=within, length=bars, scope=PenaltyScope.KIND)
    return replace(made, **changes)  # type: ignore[arg-type]


def days(count: int) -> Window:
    return Window(span=Span.ROLLING_DAYS, count=count)


def months(count: int) -> Window:
    return Window(span=Span.ROLLING_MONTHS, count=count)


DAY, WEEK, MONTH, YEAR = (Window(span=span) for span in (Span.DAY, Span.WEEK, Span.MONTH, Span.YEAR))
REST = Length()

ZHONGSHAN = rule(Cause.NO_SHOW, most=3, within=days(90), bars=Length(days=(90,)))
PEKING_THIRD = rule(Cause.NO_SHOW, most=3, within=YEAR, bars=Length(days=(90, 180)))
"""3 -> 90 days, 6 -> 180: the source names no window; a calendar year is assumed."""
BEIJING = rule(Cause.NO_SHOW, most=3, within=months(3), bars=Length(months=3))
RISING = rule(Cause.NO_SHOW, most=1, within=YEAR, bars=Length(days=(30, 60, 90)))
ANY_OF_THREE = (
    rule(Cause.NO_SHOW, most=3, within=YEAR, bars=Length(months=1)),
    rule(Cause.CANCEL, most=3, within=MONTH, bars=Length(months=1)),
    rule(Cause.SAME_DAY_RETURN, most=3, within=MONTH, bars=Length(months=1)),
)
REST_OF_MONTH = rule(Cause.NO_SHOW, most=4, within=MONTH, bars=REST)
"""More than three in a calendar month -> the rest of it."""
NATIONAL_MUSEUM = rule(Cause.NO_SHOW, Cause.CANCEL, most=3, within=days(180), bars=Length(days=(30,)))
"""Three failures, own cancellations among them -> 30 days: the source names no window; 180 days are assumed."""
STRICT_HALL = (
    rule(Cause.CANCEL, most=2, within=DAY, bars=REST),
    rule(Cause.CANCEL, most=4, within=WEEK, bars=REST),
    rule(Cause.CANCEL, most=6, within=MONTH, bars=REST),
    rule(Cause.CANCEL, most=12, within=YEAR, bars=REST),
    rule(Cause.NO_SHOW, most=2, within=days(120), bars=Length(days=(120,))),
)
"""At most 2 cancellations a day, 4 a week, 6 a month, 12 a year; 2 absences in 120 days lock the account: the source does
not say for how long, and 120 days are assumed."""


def ends(rules: PenaltyRule | tuple[PenaltyRule, ...], *strikes: Strike) -> datetime | None:
    """When whoever has these strikes may come again, seen at the last of them; None where they are not barred."""
    now = max(one.at for one in strikes)
    untils = []
    for one in rules if isinstance(rules, tuple) else (rules,):
        counted = [each for each in strikes if not each.causes.isdisjoint(one.counts)]
        bar = standing_of(one, "kind:museum", counted).running(now)
        untils += [] if bar is None else [bar.until]
    return max(untils, default=None)


Told = tuple[str, str]


@pytest.mark.parametrize(
    ("rules", "told", "until"),
    [
        # Zhongshan: 3 absences in 90 days -> 90 days
        (ZHONGSHAN, [("2026-01-01", ABSENT), ("2026-02-01", ABSENT)], None),
        (ZHONGSHAN, [("2026-01-01", ABSENT), ("2026-02-01", ABSENT), ("2026-03-31", ABSENT)], "2026-06-29"),
        (ZHONGSHAN, [("2026-01-01", ABSENT), ("2026-02-01", ABSENT), ("2026-04-01", ABSENT)], None),
        (ZHONGSHAN, [("2026-01-01", LATE), ("2026-02-01", ABSENT), ("2026-02-02", ABSENT)], None),
        # Peking University Third: 3 -> 90, 6 -> 180
        (PEKING_THIRD, [(f"2026-0{month}-01", ABSENT) for month in (1, 2, 3)], "2026-05-30"),
        (PEKING_THIRD, [(f"2026-0{month}-01", ABSENT) for month in (1, 2, 3, 7, 8)], None),
        (PEKING_THIRD, [(f"2026-0{month}-01", ABSENT) for month in (1, 2, 3, 7, 8, 9)], "2027-02-28"),
        # Beijing: 3 in 3 months -> 3 months
        (BEIJING, [("2026-02-28", ABSENT), ("2026-03-01", ABSENT), ("2026-05-27", ABSENT)], "2026-08-27"),
        (BEIJING, [("2026-02-28", ABSENT), ("2026-03-01", ABSENT), ("2026-05-28", ABSENT)], None),
        (BEIJING, [("2026-11-28", ABSENT), ("2026-11-29", ABSENT), ("2026-11-30", ABSENT)], "2027-02-28"),
        # 30, 60, 90 days for the first, second, third in a calendar year; a new year begins anew
        (RISING, [("2026-01-10", ABSENT)], "2026-02-09"),
        (RISING, [("2026-01-10", ABSENT), ("2026-06-10", ABSENT)], "2026-08-09"),
        (RISING, [("2026-01-10", ABSENT), ("2026-06-10", ABSENT), ("2026-10-10", ABSENT)], "2027-01-08"),
        (RISING, [(f"2026-0{month}-01", ABSENT) for month in (1, 3, 6, 9)], "2026-11-30"),
        (RISING, [("2026-12-31", ABSENT), ("2027-02-10", ABSENT)], "2027-03-12"),
        # 3 absences a year OR 3 cancellations a month OR 3 same-day returns a month -> 1 month
        (ANY_OF_THREE, [("2026-01-31", ABSENT), ("2026-05-31", ABSENT), ("2026-08-31", ABSENT)], "2026-09-30"),
        (ANY_OF_THREE, [("2026-03-01", CANCELLED), ("2026-03-15", CANCELLED), ("2026-03-31", LATE)], "2026-04-30"),
        (ANY_OF_THREE, [("2026-03-01", CANCELLED), ("2026-03-15", CANCELLED), ("2026-04-01", CANCELLED)], None),
        (ANY_OF_THREE, [("2026-03-01", RETURNED), ("2026-03-02", RETURNED), ("2026-03-03", RETURNED)], "2026-04-03"),
        (ANY_OF_THREE, [("2026-03-01", ABSENT), ("2026-03-02", CANCELLED), ("2026-03-03", RETURNED)], None),
        # more than three in a calendar month -> the rest of it
        (REST_OF_MONTH, [(f"2026-03-0{day}", ABSENT) for day in (1, 2, 3)], None),
        (REST_OF_MONTH, [(f"2026-03-0{day}", ABSENT) for day in (1, 2, 3, 4)], "2026-04-01 00:00"),
        (REST_OF_MONTH, [("2026-02-28", ABSENT), *((f"2026-03-0{day}", ABSENT) for day in (1, 2, 3))], None),
        (REST_OF_MONTH, [(f"2026-12-0{day}", ABSENT) for day in (1, 2, 3, 4)], "2027-01-01 00:00"),
        # a museum: three failures, own cancellations among them -> 30 days
        (NATIONAL_MUSEUM, [("2026-03-01", ABSENT), ("2026-03-02", CANCELLED), ("2026-03-03", LATE)], "2026-04-02"),
        (NATIONAL_MUSEUM, [("2026-03-01", ABSENT), ("2026-03-02", CANCELLED)], None),
        # a stricter hall
        (STRICT_HALL, [("2026-03-04 09:00", CANCELLED)], None),
        (STRICT_HALL, [("2026-03-04 09:00", CANCELLED), ("2026-03-04 10:00", CANCELLED)], "2026-03-05 00:00"),
        (STRICT_HALL, [(f"2026-03-0{day}", CANCELLED) for day in (2, 3, 5, 6)], "2026-03-09 00:00"),
        (STRICT_HALL, [(f"2026-03-{day:02}", CANCELLED) for day in (2, 3, 9, 10, 16, 17)], "2026-04-01 00:00"),
        (STRICT_HALL, [(f"2026-{month:02}-15", CANCELLED) for month in range(1, 13)], "2027-01-01 00:00"),
        (STRICT_HALL, [("2026-01-01", ABSENT), ("2026-04-30", ABSENT)], "2026-08-28"),
        (STRICT_HALL, [("2026-01-01", ABSENT), ("2026-05-01", ABSENT)], None),
    ],
)
def test_the_rules_of_real_institutions(
    rules: PenaltyRule | tuple[PenaltyRule, ...], told: list[Told], until: str | None
) -> None:
    assert ends(rules, *(strike(when, what) for when, what in told)) == (None if until is None else at(until))


def test_a_bar_covers_visits_up_to_the_instant_it_ends_and_nothing_else() -> None:
    service = make.catalogue().services["timed-entry"]
    since, until = at("2026-03-01 09:00"), at("2026-03-31 09:00")
    bar = Barred(penalty_id=new_id(), scope="kind:museum", since=since, until=until, threshold=3)
    moment = timedelta(microseconds=1)
    assert [bar.covers(service, when) for when in (since - moment, since, until - moment, until)] == [
        False,
        True,
        True,
        False,
    ]
    assert not replace(bar, scope="kind:hospital").covers(service, since)
    assert all(replace(bar, scope=scope).covers(service, since) for scope in scopes_of(service))


@pytest.mark.parametrize("channel", [Channel.ONLINE, Channel.WAITING_LIST, Channel.COUNTER])
def test_every_channel_but_the_counter_is_barred(channel: Channel) -> None:
    slot = make.slot()
    facts = make.facts(slot)
    person = make.companion(facts)
    bar = Barred(penalty_id=new_id(), scope="all", since=make.NOW, until=slot.ends_at, threshold=3)
    facts.companions[make.RESIDENT, person] = replace(facts.companions[make.RESIDENT, person], bars=(bar,))
    staff = Actor(new_id(), "staff", frozenset({make.VENUE}))
    made = Decisions(facts).decide(make.book(slot, person, channel=channel, actor=staff))
    if channel is Channel.COUNTER:
        assert isinstance(made, Booking)
    else:
        assert isinstance(made, Refused)
        assert made.reason is Reason.BARRED


def test_a_bar_ends_by_itself_and_its_strikes_are_used_up() -> None:
    standing = standing_of(ZHONGSHAN, "kind:museum", [strike(f"2026-01-0{day}") for day in (1, 2, 3)])
    until = at("2026-04-03")
    assert standing.state(until - timedelta(microseconds=1)) is PenaltyState.BARRED
    assert standing.state(until) is PenaltyState.CLEAR
    assert standing.counted(until) == ()
    again = standing_of(ZHONGSHAN, "kind:museum", [strike(f"2026-01-0{day}") for day in (1, 2, 3, 4, 5)])
    assert (len(again.bars), len(again.fresh)) == (1, 2)


def test_one_strike_before_the_bar_there_is_a_warning() -> None:
    strikes = [strike("2026-01-01"), strike("2026-02-01")]
    assert standing_of(ZHONGSHAN, "all", strikes[:1]).state(at("2026-02-01")) is PenaltyState.CLEAR
    two = standing_of(ZHONGSHAN, "all", strikes)
    assert two.state(at("2026-02-01")) is PenaltyState.WARNED
    assert two.state(at("2026-03-31")) is PenaltyState.WARNED, "the first strike's ninetieth day"
    assert two.state(at("2026-04-01")) is PenaltyState.CLEAR
    assert standing_of(RISING, "all", []).state(at("2026-02-01")) is PenaltyState.CLEAR


def test_counted_from_the_day_after() -> None:
    tomorrow = replace(RISING, counted_from=CountedFrom.NEXT_DAY)
    [bar] = standing_of(tomorrow, "all", [strike("2026-01-10 15:30")]).bars
    assert (bar.since, bar.until) == (at("2026-01-11 00:00"), at("2026-02-10 00:00"))


def test_a_rule_looks_at_its_scope_alone() -> None:
    city = make.catalogue(make.policy(penalties=(ZHONGSHAN,)))
    regime = regime_of(city)
    service = city.services["timed-entry"]
    assert rules_around(service, regime) == [("kind:museum", ZHONGSHAN)]
    elsewhere = strike("2026-01-01", service_id="gone-for-good")
    assert standings_of([elsewhere], city, regime) == []
    [standing] = standings_of([strike("2026-01-01"), strike("2026-01-02", CANCELLED)], city, regime)
    assert len(standing.fresh) == 1, "a cancellation in time is nothing to this rule"
    for scope, word in (
        ("all", "all online bookings"),
        ("kind:museum", "museum bookings"),
        (f"venue:{make.VENUE}", "Dalian Museum"),
    ):
        assert scope_words(scope, city) == (scope_words(scope, city)[0], False)
        assert scope_words(scope, city)[0].en == word
    assert scope_words("service:timed-entry", city)[0].en == "Dalian Museum, Evening entry"
    assert scope_words("service:timed-entry", make.catalogue(make.policy(sensitive=True)))[1]


RULES = (ZHONGSHAN, PEKING_THIRD, BEIJING, RISING, *ANY_OF_THREE, REST_OF_MONTH, NATIONAL_MUSEUM, *STRICT_HALL)
moments = st.integers(0, 700 * 24).map(lambda hours: at("2026-01-01") + timedelta(hours=hours))
ledgers = st.lists(st.builds(lambda when: replace(strike("2026-01-01"), at=when), moments), max_size=12)


@given(st.sampled_from(RULES), ledgers, moments)
def test_what_holds_of_every_rule_and_ledger(one: PenaltyRule, ledger: list[Strike], now: datetime) -> None:
    standing = standing_of(one, "all", ledger)
    assert standing == standing_of(one, "all", ledger[::-1]), "the order of writing does not matter"
    used = [each for bar in standing.bars for each in bar.strikes]
    assert len(used) == len(set(used)) == len(standing.bars) * one.threshold
    assert len(standing.fresh) < one.threshold
    assert set(used).isdisjoint(standing.fresh)
    for bar in standing.bars:
        assert bar.strikes[-1].at <= bar.since < bar.until
        assert all(is_within(one.window, each.at, bar.strikes[-1].at) for each in bar.strikes)
    pardoned = standing_of(one, "all", ledger[1:])
    assert len(pardoned.bars) <= len(standing.bars), "to take a strike away never makes it worse"
    assert penalty_id_of(PERSON, standing) == penalty_id_of(PERSON, Standing(rule=one, scope="all"))


def test_the_names_of_rules_tell_them_apart() -> None:
    assert len({one.name for one in RULES}) == len(RULES)
