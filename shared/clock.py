"""What time it is, as an argument: whoever needs the time is given a `Clock`, so that a test can move it.

Every time in the house is aware. Storage and transport think in UTC; every rule about days, hours and "tomorrow" thinks
in the venue's zone, `SHANGHAI`.
"""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

Clock = Callable[[], datetime]
"""Returns the time now, aware, in UTC."""

SHANGHAI = ZoneInfo("Asia/Shanghai")
"""The zone of every venue. It has no summer time, so a local day always has 24 hours."""


def system_clock() -> datetime:
    """Return the time of this machine."""
    return datetime.now(UTC)


class SettableClock:
    """A clock that stands still until it is moved.

    Raises:
        ValueError: if it is set to a naive time, which would be read in a different zone on each machine.
    """

    def __init__(self, start: datetime) -> None:
        self._now = _aware(start)

    def __call__(self) -> datetime:
        return self._now

    def now(self) -> datetime:
        """Return the time that the clock shows, in UTC."""
        return self._now

    def set(self, time: datetime) -> None:
        """Move the clock to `time`, forwards or backwards."""
        self._now = _aware(time)

    def advance(self, by: timedelta) -> None:
        """Move the clock by `by`."""
        self._now += by


def _aware(time: datetime) -> datetime:
    if time.tzinfo is None:
        raise ValueError(f"{time.isoformat()} is naive: give it a zone")
    return time.astimezone(UTC)
