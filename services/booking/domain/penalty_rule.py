"""When late cancellations and absences bar somebody, as data: what counts, how many within which window, for how long, where.

A policy may have several rules; each of them bars on its own. Days and months are the venue's.
"""

from dataclasses import dataclass
from enum import StrEnum


class Cause(StrEnum):
    """What a rule counts. A late cancellation is a cancellation, too, and so is a return on the day of the visit."""

    NO_SHOW = "no_show"
    LATE_CANCEL = "late_cancel"
    SAME_DAY_RETURN = "same_day_return"
    CANCEL = "cancel"


class LateCancel(StrEnum):
    """What a cancellation after the policy's deadline comes to: refused, or taken until the start and counted."""

    REFUSE = "refuse"
    STRIKE = "strike"


class Span(StrEnum):
    """What a window is: so many days or months back from a strike, that day included, or the calendar's day, week …"""

    ROLLING_DAYS = "rolling_days"
    ROLLING_MONTHS = "rolling_months"
    DAY = "day"
    WEEK = "week"
    MONTH = "month"
    YEAR = "year"


ROLLING = frozenset({Span.ROLLING_DAYS, Span.ROLLING_MONTHS})


class PenaltyScope(StrEnum):
    """Within what strikes are counted, and what a bar closes: the two are always the same."""

    SERVICE = "service"
    VENUE = "venue"
    KIND = "kind"
    ALL = "all"


class CountedFrom(StrEnum):
    """When a bar begins: at the act itself (for an absence: the time of the visit), or with the day after it."""

    ACT = "act"
    NEXT_DAY = "next_day"


@dataclass(frozen=True, slots=True, kw_only=True)
class Window:
    """Strikes count together while they are within `span`; `count` is the days or months of a rolling one."""

    span: Span
    count: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Length:
    """How long a bar lasts: `days`, or calendar `months`, or, with neither, the rest of the calendar window.

    Where several `days` are given, each further bar within the window takes the next one: 30, 60, 90.
    """

    days: tuple[int, ...] = ()
    months: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class PenaltyRule:
    """`threshold` strikes of the causes `counts` within `window` bar a person from `scope` for `length`."""

    counts: tuple[Cause, ...]
    threshold: int
    window: Window
    length: Length
    scope: PenaltyScope
    counted_from: CountedFrom = CountedFrom.ACT

    @property
    def name(self) -> str:
        """The rule in one stable line: two rules with one name are one rule."""
        length = self.length
        lasts = f"{length.months}m" if length.months else ",".join(map(str, length.days)) or "rest"
        window = f"{self.window.span.value}:{self.window.count}" if self.window.count else self.window.span.value
        counts = "+".join(sorted(self.counts))
        return f"{counts} {self.threshold} {window} {lasts} {self.counted_from.value}"
