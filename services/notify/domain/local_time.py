"""The one formatter of appointment times in messages.

The booking service, which knows the venue's zone, has already written the local time as `2026-11-28 16:30`
(`BookingChanged.local_start`); here it only gets its weekday and its language. The clock has 24 hours, because "AM"
and "PM" are not understood by everybody, and there is no "tomorrow", because a message may be read a day late.
"""

from datetime import datetime
from functools import lru_cache

from services.notify.domain.message import Language

_FORM = "%Y-%m-%d %H:%M"
_WEEKDAYS_ZH = ("星期一", "星期二", "星期三", "星期四", "星期五", "星期六", "星期日")
_WEEKDAYS_EN = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
_MONTHS_EN = (
    *("January", "February", "March", "April", "May", "June"),
    *("July", "August", "September", "October", "November", "December"),
)


def in_words(local_start: str, language: Language) -> str:
    """Return the whole time: `2026年11月28日 星期六 16:30`, or `Saturday 28 November 2026, 16:30`.

    Raises:
        ValueError: `local_start` is not of the form `2026-11-28 16:30`.
    """
    start = _read(local_start)
    if language is Language.EN:
        return (
            f"{_WEEKDAYS_EN[start.weekday()]} {start.day} {_MONTHS_EN[start.month - 1]} {start.year}, {_clock(start)}"
        )
    return f"{start.year}年{start.month}月{start.day}日 {_WEEKDAYS_ZH[start.weekday()]} {_clock(start)}"


def in_brief(local_start: str, language: Language) -> str:
    """Return the time for a subject line or a text message: `11月28日 16:30`, or `28 Nov 16:30`.

    Raises:
        ValueError: as `in_words`.
    """
    start = _read(local_start)
    if language is Language.EN:
        return f"{start.day} {_MONTHS_EN[start.month - 1][:3]} {_clock(start)}"
    return f"{start.month}月{start.day}日 {_clock(start)}"


@lru_cache(maxsize=4096)  # whoever is reminded in one second is so of the same hour
def _read(local_start: str) -> datetime:
    return datetime.strptime(local_start, _FORM)  # noqa: DTZ007 - venue time in words, deliberately without a zone


def _clock(start: datetime) -> str:
    return f"{start.hour:02}:{start.minute:02}"
