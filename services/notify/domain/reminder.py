"""When reminders are due, and until when each is of use. Lead times are minutes before the start."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta


@dataclass(frozen=True, slots=True, kw_only=True)
class Reminder:
    """A reminder `lead_minutes` before the start. After `useful_until` the next one, or the start, has taken its place."""

    lead_minutes: int
    due_at: datetime
    useful_until: datetime


def reminders(starts_at: datetime, lead_minutes: Iterable[int]) -> tuple[Reminder, ...]:
    """Return the reminders of something that starts at `starts_at`, the earliest first.

    Lead times that say the same thing twice count once; those of no minutes or fewer are no reminders.
    """
    leads = sorted({minutes for minutes in lead_minutes if minutes > 0}, reverse=True)
    due = [starts_at - timedelta(minutes=minutes) for minutes in leads]
    return tuple(
        Reminder(lead_minutes=minutes, due_at=at, useful_until=until)
        for minutes, at, until in zip(leads, due, [*due, starts_at][1:], strict=True)
    )
