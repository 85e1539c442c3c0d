"""Penalties: from a person's strikes to what they are barred from, and until when. Nothing here waits for a sweep.

The laws:
- A strike belongs to a person, whichever account booked. It counts within a rule's scope as long as it stands: one that
  was annulled, or whose person is exempt, is as if it had never been.
- In order of time, the strike that makes `threshold` of them within the rule's window imposes a bar, and these strikes are
  used up by it: the next bar takes as many new ones.
- A bar covers visits, from its beginning up to the instant it ends, and not that instant itself. A visit after the end
  can be booked while the bar still runs: nobody is kept out longer than the rule says.
- It covers what lies in the rule's scope, online, and nothing else: the counter books for everybody.
"""

import uuid
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, time, timedelta
from enum import StrEnum
from types import MappingProxyType
from uuid import UUID

from dateutil.relativedelta import relativedelta

from services.booking.domain.catalogue import Catalogue, Service, ServiceKind
from services.booking.domain.penalty_rule import Cause, CountedFrom, PenaltyRule, PenaltyScope, Span, Window
from services.booking.domain.zone import at_local, local, local_day, week_of
from shared.contracts import Words

LOOK_BACK = timedelta(days=800)
"""Older strikes weigh no more: no window and no bar together reach so far (`store.policy_document` bounds both)."""


class Act(StrEnum):
    """What somebody did."""

    NO_SHOW = "no_show"
    CANCEL = "cancel"


class PenaltyState(StrEnum):
    """Where a person stands under one rule: nothing to tell, one strike from a bar, barred, or barred no longer."""

    CLEAR = "clear"
    WARNED = "warned"
    BARRED = "barred"
    LIFTED = "lifted"


@dataclass(frozen=True, slots=True, kw_only=True)
class Strike:
    """One thing that may count: a person did not come, or cancelled. `at` is the act's time, of an absence the visit's."""

    id: UUID
    person_id: UUID
    account_id: UUID
    booking_id: UUID
    version: int
    act: Act
    late: bool
    same_day: bool
    at: datetime
    service_id: str
    venue_id: str
    kind: str

    @property
    def causes(self) -> frozenset[Cause]:
        """Everything that this strike is to a rule."""
        if self.act is Act.NO_SHOW:
            return frozenset({Cause.NO_SHOW})
        held = {Cause.LATE_CANCEL: self.late, Cause.SAME_DAY_RETURN: self.same_day, Cause.CANCEL: True}
        return frozenset(cause for cause, is_so in held.items() if is_so)

    @property
    def cause(self) -> Cause:
        """The gravest thing that it is, to say in words."""
        return next(cause for cause in Cause if cause in self.causes)


@dataclass(frozen=True, slots=True, kw_only=True)
class Bar:
    """A bar, the `number`th within its window, and the strikes that it used up; the last of them imposed it."""

    number: int
    strikes: tuple[Strike, ...]
    since: datetime
    until: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """Where a person stands under one rule in one scope. `fresh` are strikes that no bar has used up."""

    rule: PenaltyRule
    scope: str
    bars: tuple[Bar, ...] = ()
    fresh: tuple[Strike, ...] = ()

    def running(self, now: datetime) -> Bar | None:
        """Return the bar that has not ended, the one that ends last; None where there is none."""
        return max((bar for bar in self.bars if bar.until > now), key=lambda bar: bar.until, default=None)

    def counted(self, now: datetime) -> tuple[Strike, ...]:
        """Return the strikes that count towards the next bar at `now`."""
        return tuple(one for one in self.fresh if is_within(self.rule.window, one.at, now))

    def state(self, now: datetime) -> PenaltyState:
        """Return what a person should know at `now`; whether a bar was lifted is not known here."""
        if self.running(now) is not None:
            return PenaltyState.BARRED
        one_more = len(self.counted(now)) + 1 == self.rule.threshold
        return PenaltyState.WARNED if one_more and self.rule.threshold > 1 else PenaltyState.CLEAR


@dataclass(frozen=True, slots=True, kw_only=True)
class Barred:
    """A running bar, as the desk meets it. `because` are its strikes as they are told: when, and what."""

    penalty_id: UUID
    scope: str
    since: datetime
    until: datetime
    threshold: int
    because: Sequence[Mapping[str, object]] = field(default_factory=tuple)

    @property
    def struck_on(self) -> list[date]:
        """The days of its strikes."""
        return [local_day(datetime.fromisoformat(str(one["at"]))) for one in self.because]

    def covers(self, service: Service, starts_at: datetime) -> bool:
        """Say whether a visit to `service` at `starts_at` is barred."""
        return self.since <= starts_at < self.until and self.scope in scopes_of(service)


# -- scopes ---------------------------------------------------------------------------------------------------------


def scope_name(scope: PenaltyScope, service: Service) -> str:
    """Return what `scope` is around `service`, in one word that strikes and bars share."""
    if scope is PenaltyScope.SERVICE:
        return f"service:{service.id}"
    if scope is PenaltyScope.VENUE:
        return f"venue:{service.venue_id}"
    return f"kind:{service.kind.value}" if scope is PenaltyScope.KIND else "all"


def scopes_of(service: Service) -> frozenset[str]:
    """Return every scope that `service` lies in."""
    return frozenset(scope_name(scope, service) for scope in PenaltyScope)


Regime = Mapping[str, tuple[PenaltyRule, ...]]
"""The rules that hold in each scope."""


def regime_of(catalogue: Catalogue) -> Regime:
    """Return which rules hold where: a rule holds in the whole scope around each service whose policy has it."""
    found: dict[str, dict[str, PenaltyRule]] = {}
    for service in catalogue.services.values():
        for rule in catalogue.policies[service.policy_id].penalties:
            found.setdefault(scope_name(rule.scope, service), {})[rule.name] = rule
    return MappingProxyType({scope: tuple(rules.values()) for scope, rules in found.items()})


def rules_around(service: Service, regime: Regime) -> list[tuple[str, PenaltyRule]]:
    """Return the rules that look at what happens in `service`, each with its scope."""
    return [(scope, rule) for scope in sorted(scopes_of(service)) for rule in regime.get(scope, ())]


_KINDS: Mapping[str, Words] = MappingProxyType(
    {
        ServiceKind.MUSEUM: Words("博物馆预约", "museum bookings"),
        ServiceKind.SPORTS: Words("体育场馆预约", "sports venue bookings"),
        ServiceKind.FERTILITY: Words("生育评估预约", "fertility evaluation bookings"),
        ServiceKind.ASSESSMENT: Words("能力评估预约", "ability assessment bookings"),
        ServiceKind.HOSPITAL: Words("医院预约", "hospital bookings"),
    }
)


def scope_words(scope: str, catalogue: Catalogue) -> tuple[Words, bool]:
    """Return a scope in words, and whether they are sensitive; a service that is gone is still a service."""
    what, _, name = scope.partition(":")
    if what == PenaltyScope.SERVICE and name in catalogue.services:
        service = catalogue.services[name]
        venue = catalogue.venues[service.venue_id].name
        words = Words(f"{venue.zh} {service.name.zh}", f"{venue.en}, {service.name.en}")
        return words, catalogue.policies[service.policy_id].sensitive
    if what == PenaltyScope.VENUE and name in catalogue.venues:
        return catalogue.venues[name].name, _any_sensitive(
            one for one in _services(catalogue) if one[0].venue_id == name
        )
    if what == PenaltyScope.KIND:
        return _KINDS[name], _any_sensitive(one for one in _services(catalogue) if one[0].kind == name)
    return Words("全部网上预约", "all online bookings"), False


def _services(catalogue: Catalogue) -> Iterable[tuple[Service, bool]]:
    return ((one, catalogue.policies[one.policy_id].sensitive) for one in catalogue.services.values())


def _any_sensitive(services: Iterable[tuple[Service, bool]]) -> bool:
    return any(sensitive for _, sensitive in services)


# -- from strikes to bars -------------------------------------------------------------------------------------------


def standing_of(rule: PenaltyRule, scope: str, strikes: Iterable[Strike]) -> Standing:
    """Return where these strikes of one person, all that stand in `scope` and that `rule` counts, leave them."""
    fresh: list[Strike] = []
    bars: list[Bar] = []
    for strike in sorted(strikes, key=lambda one: (one.at, one.id)):
        fresh = [one for one in fresh if is_within(rule.window, one.at, strike.at)] + [strike]
        if len(fresh) >= rule.threshold:
            number = 1 + sum(is_within(rule.window, bar.strikes[-1].at, strike.at) for bar in bars)
            since = _begins(rule, strike.at)
            until = _ends(rule, strike.at, since, number)
            bars.append(Bar(number=number, strikes=tuple(fresh), since=since, until=until))
            fresh = []
    return Standing(rule=rule, scope=scope, bars=tuple(bars), fresh=tuple(fresh))


def standings_of(strikes: Sequence[Strike], catalogue: Catalogue, regime: Regime) -> list[Standing]:
    """Return where one person, whose strikes these are, stands under every rule that looks at any of them."""
    by_rule: dict[tuple[str, PenaltyRule], list[Strike]] = {}
    for strike in strikes:
        service = catalogue.services.get(strike.service_id)
        for scope, rule in rules_around(service, regime) if service is not None else ():
            if not strike.causes.isdisjoint(rule.counts):
                by_rule.setdefault((scope, rule), []).append(strike)
    return [standing_of(rule, scope, found) for (scope, rule), found in by_rule.items()]


def is_within(window: Window, earlier: datetime, later: datetime) -> bool:
    """Say whether two moments, in this order, are in one window: so many days back, the day of `later` included."""
    first, last = local_day(earlier), local_day(later)
    if window.span is Span.ROLLING_DAYS:
        return (last - first).days < window.count
    if window.span is Span.ROLLING_MONTHS:
        return first > last - relativedelta(months=window.count)
    return _window_end(window.span, first) == _window_end(window.span, last)


def _window_end(span: Span, day: date) -> date:
    """Return the first day after the calendar window that `day` is in."""
    if span is Span.DAY:
        return day + timedelta(days=1)
    if span is Span.WEEK:
        return week_of(day)[1] + timedelta(days=1)
    return day.replace(day=1) + relativedelta(months=1) if span is Span.MONTH else date(day.year + 1, 1, 1)


def _begins(rule: PenaltyRule, at: datetime) -> datetime:
    return at if rule.counted_from is CountedFrom.ACT else at_local(local_day(at) + timedelta(days=1), time())


def _ends(rule: PenaltyRule, at: datetime, since: datetime, number: int) -> datetime:
    length = rule.length
    if length.months:
        return local(since) + relativedelta(months=length.months)
    if length.days:
        return since + timedelta(days=length.days[min(number, len(length.days)) - 1])
    return at_local(_window_end(rule.window.span, local_day(at)), time())


_NAMES = uuid.UUID("6f7a5c1e-2c0b-5d6e-9b0a-8d3f1c2b4a59")


def penalty_id_of(person_id: UUID, standing: Standing) -> UUID:
    """Return the id of a person's standing under one rule in one scope: always the same, whoever works it out."""
    return uuid.uuid5(_NAMES, f"{person_id} {standing.scope} {standing.rule.name}")
