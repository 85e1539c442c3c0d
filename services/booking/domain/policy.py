"""A policy is what a service allows, as data: the kinds of service differ here first, and in code only where logic differs.

Minutes are minutes, times of day are Asia/Shanghai, ages are full years on the day of the visit.
"""

from dataclasses import dataclass, field
from datetime import time
from enum import StrEnum

from services.booking.domain.penalty_rule import LateCancel, PenaltyRule


class DocumentType(StrEnum):
    """Identity documents a resident may show; how each number is checked is in `identity`."""

    RESIDENT_IDENTITY_CARD = "resident_identity_card"
    HONG_KONG_MACAU_RESIDENCE_PERMIT = "hong_kong_macau_residence_permit"
    TAIWAN_RESIDENCE_PERMIT = "taiwan_residence_permit"
    HONG_KONG_MACAU_TRAVEL_PERMIT = "hong_kong_macau_travel_permit"
    TAIWAN_TRAVEL_PERMIT = "taiwan_travel_permit"
    PASSPORT = "passport"
    FOREIGN_PERMANENT_RESIDENT_CARD = "foreign_permanent_resident_card"


class PartyKind(StrEnum):
    """Who comes: one person, a couple in one booking, a group, or one person for whom somebody else books."""

    ONE_PERSON = "one_person"
    COUPLE = "couple"
    GROUP = "group"
    PROXY = "proxy"


class SeatUnit(StrEnum):
    """What one unit of a slot's capacity is: a place for each person, or one place for the whole party (a court)."""

    PERSON = "person"
    PARTY = "party"


class LimitScope(StrEnum):
    """Over what a limit counts a person's live bookings."""

    SERVICE = "service"
    VENUE = "venue"
    KIND = "kind"


class LimitWindow(StrEnum):
    """The venue's calendar day, or its week from Monday to Sunday."""

    DAY = "day"
    WEEK = "week"


@dataclass(frozen=True, slots=True, kw_only=True)
class Limit:
    """At most `most` live bookings of one person within `scope` and `window`."""

    scope: LimitScope
    window: LimitWindow
    most: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Portion:
    """Percent of a slot's places for the public that open only later: `at` o'clock, `days_before` the day itself."""

    percent: int
    days_before: int
    at: time


@dataclass(frozen=True, slots=True, kw_only=True)
class Release:
    """When a day's places open to the public: `at` o'clock (Asia/Shanghai), `days_before` the day itself.

    Of these, the portions in `later` open at their own times: who cannot be there at the first one has another chance.
    """

    days_before: int
    at: time
    later: tuple[Portion, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class CancelBy:
    """Until when a person may cancel: minutes before the start, or a time of day so many days before; the earlier holds."""

    minutes_before: int = 0
    days_before: int | None = None
    at: time | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckInWindow:
    """Staff may check a party in from `opens_minutes_before` the start until `closes_minutes_after` it."""

    opens_minutes_before: int
    closes_minutes_after: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Shares:
    """Percent of each slot's capacity that only walk-ins, or only the counter and telephone, may take."""

    walk_in: int = 0
    counter: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Cooling:
    """A place given back to a full slot comes back to the public at a random instant, so many minutes later."""

    least_minutes: int
    most_minutes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Draw:
    """What a release opens is drawn: requests are gathered for `gather_minutes` before it, and what is left is opened by it."""

    gather_minutes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Waiting:
    """How places are offered to whoever waits.

    An offer stands for `offer_minutes`, counted from when its message was delivered, and never for longer than
    `most_minutes`. It ends `lead_minutes` before the start at the latest, and none is made that would leave less than
    `react_minutes` to answer. For a large party places are collected for `collect_minutes` at most.
    """

    offer_minutes: int
    most_minutes: int
    react_minutes: int
    lead_minutes: int
    collect_minutes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Declaration:
    """A question that the booker must answer; the answer is one of `options`, or free text where there are none."""

    name: str
    question_zh: str
    question_en: str
    options: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Preparation:
    """What whoever comes must do beforehand; they are told `minutes_before` the start."""

    minutes_before: int
    words_zh: str
    words_en: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """Everything that a service allows. `version` rises whenever the data changes."""

    id: str
    version: int
    documents: frozenset[DocumentType]
    parties: frozenset[PartyKind]
    party_most: int
    seat_unit: SeatUnit
    release: Release
    horizon_days: int
    hold_minutes: int
    hold_extensions: int
    closes_minutes_before: int
    cancel_by: CancelBy
    check_in: CheckInWindow
    reminders: tuple[int, ...]
    preparations: tuple[Preparation, ...] = ()
    limits: tuple[Limit, ...] = ()
    shares: Shares = field(default_factory=Shares)
    age_least: int | None = None
    age_most: int | None = None
    declarations: tuple[Declaration, ...] = ()
    approval: bool = False
    sensitive: bool = False
    waiting: Waiting | None = None
    cooling: Cooling | None = None
    draw: Draw | None = None
    late_cancel: LateCancel = LateCancel.REFUSE
    penalties: tuple[PenaltyRule, ...] = ()
