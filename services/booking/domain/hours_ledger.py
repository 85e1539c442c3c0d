"""The ledger of free and low-charge hours: how long a sports venue is open to the public in a week.

The law of this file [000] [004]: each venue opens at least 35 hours a week free or at low charge. Hours are the venue's,
not its courts': two courts open at once are one hour, so minutes are counted over the union. What is charged in full or
closed does not count. Weeks run from Monday to Sunday, Asia/Shanghai; all figures are minutes.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta

from services.booking.domain.plan import Charge
from services.booking.domain.schedule import OpenDay, PlannedSlot
from services.booking.domain.zone import local_day, week_of

REQUIRED_MINUTES = 35 * 60

Opening = OpenDay | PlannedSlot
"""What may be counted: the days of a plan, or its slots where only what can be booked shall count."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WeekLedger:
    """One venue's week. `by_day` is Monday to Sunday; `free_minutes` is the part of `open_minutes` that costs nothing."""

    venue_id: str
    monday: date
    open_minutes: int
    free_minutes: int
    by_day: tuple[int, ...]
    required_minutes: int

    @property
    def short_by(self) -> int:
        """Minutes that are missing to the promise; 0 where it is kept."""
        return max(0, self.required_minutes - self.open_minutes)

    @property
    def met(self) -> bool:
        return self.short_by == 0


def weekly_open_minutes(
    openings_by_service: Mapping[str, Iterable[Opening]],
    venue_id: str,
    week: date,
    required_minutes: int = REQUIRED_MINUTES,
) -> WeekLedger:
    """Return the ledger of the week that `week` lies in, over all services (courts, halls) of one venue.

    Openings of other weeks may be among them and do not count.
    """
    monday, sunday = week_of(week)
    counted = [
        opening
        for openings in openings_by_service.values()
        for opening in openings
        if monday <= local_day(opening.starts_at) <= sunday and _counts(opening)
    ]
    by_day = tuple(
        _union_minutes(
            opening for opening in counted if local_day(opening.starts_at) == monday + timedelta(days=passed)
        )
        for passed in range(7)
    )
    return WeekLedger(
        venue_id=venue_id,
        monday=monday,
        open_minutes=sum(by_day),
        free_minutes=_union_minutes(opening for opening in counted if opening.charge is Charge.FREE),
        by_day=by_day,
        required_minutes=required_minutes,
    )


def _counts(opening: Opening) -> bool:
    if isinstance(opening, OpenDay) and opening.closure is not None:
        return False
    return opening.charge is not Charge.CHARGED


def _union_minutes(openings: Iterable[Opening]) -> int:
    total = timedelta()
    until: datetime | None = None
    for start, end in sorted((opening.starts_at, opening.ends_at) for opening in openings):
        begin = start if until is None else max(start, until)
        total += max(end - begin, timedelta())
        until = end if until is None else max(until, end)
    return int(total.total_seconds()) // 60
