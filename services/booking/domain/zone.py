"""Every rule thinks in the venue's zone. The city has one: Asia/Shanghai, without daylight saving since 1991."""

from datetime import date, datetime, time, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo

VENUE_ZONE = ZoneInfo("Asia/Shanghai")


def local(moment: datetime) -> datetime:
    """Return `moment` on the venue's clock."""
    return moment.astimezone(VENUE_ZONE)


def local_day(moment: datetime) -> date:
    """Return the venue's calendar day of `moment`."""
    return local(moment).date()


def at_local(day: date, clock_time: time) -> datetime:
    """Return the moment at which the venue's clock shows `clock_time` on `day`."""
    return datetime.combine(day, clock_time, VENUE_ZONE)


def week_of(day: date) -> tuple[date, date]:
    """Return the Monday and the Sunday of the week that `day` is in."""
    monday = day - timedelta(days=day.weekday())
    return monday, monday + timedelta(days=6)


@lru_cache(maxsize=4096)  # in a rush nearly everybody asks for the same few times
def in_words(moment: datetime) -> str:
    """Return the venue's local time to the minute, as `2026-11-28 16:30`."""
    return local(moment).replace(tzinfo=None).isoformat(" ", "minutes")
