"""Finding a time at which the door can check somebody in now, and writing it into a service's plan of open hours.

Staff can check in only shortly before and after a slot's start, and whoever gives the tour may do so at four in the
morning. So a scheduler adds a few minutes of opening hours that begin within minutes. What this file promises: what was
planned before stays as it is, and what earlier tours had added is taken out once it is over.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

SLOT: Final = timedelta(minutes=5)
"""The shortest slot that a plan may have."""

TO_BOOK_IN: Final = timedelta(seconds=75)
"""What is left between publishing and the last moment to book online."""

MINUTE: Final = timedelta(minutes=1)
CAPACITY: Final = 20
LABEL: Final = {"zh": "导览加开场次", "en": "Extra session for the tour"}


@dataclass(frozen=True, slots=True)
class Span:
    """Hours of one day: aware moments."""

    begins: datetime
    ends: datetime


def first_start(now: datetime, policy: Mapping[str, Any], planned: Iterable[Span]) -> datetime | None:
    """Return the first whole minute at which a slot can begin that is bookable and open for check-in `now`.

    It overlaps none of the `planned` hours and ends on the day on which it begins, since hours end before midnight.
    None where check-in opens too late for online booking, or everything is planned already. `now` is the venue's time.
    """
    busy = list(planned)
    start = _whole_minute(now + timedelta(minutes=policy["closes_minutes_before"]) + TO_BOOK_IN)
    last = now + timedelta(minutes=policy["check_in"]["opens_minutes_before"])
    while start <= last:
        ends = start + SLOT
        if ends.date() == start.date() and all(ends <= span.begins or span.ends <= start for span in busy):
            return start
        start += MINUTE
    return None


def with_session(plan: Mapping[str, Any], start: datetime) -> dict[str, Any]:
    """Return `plan` with one session more, at `start`: in the day's exception where it has one, else in a window of its own."""
    day = start.date().isoformat()
    hours = {
        "opens": f"{start:%H:%M}",
        "closes": f"{start + SLOT:%H:%M}",
        "charge": "free",
        "label": LABEL,
        "timed": {"minutes": int(SLOT / MINUTE), "capacity": CAPACITY},
    }
    windows = [window for window in plan["windows"] if not _is_over(window, start)]
    exceptions = [dict(exception) for exception in plan["exceptions"]]
    names = {day, day[5:]}
    excepted = [exception for exception in exceptions if exception["on"] in names]
    if excepted:
        # one for the very date comes before one for every year
        chosen = max(excepted, key=lambda exception: len(exception["on"]))
        chosen["hours"] = [*chosen["hours"], hours]
    else:
        windows.append({"days": [{"dates": [{"first": day, "last": day}]}], "hours": [hours]})
    return {**plan, "windows": windows, "exceptions": exceptions}


def _is_over(window: Mapping[str, Any], start: datetime) -> bool:
    """Say whether `window` was a tour's and lies on a day before `start`."""
    if any(hours["label"] != LABEL for hours in window["hours"]):
        return False
    last = max((span["last"] for days in window["days"] for span in days["dates"]), default="9999")
    return bool(last < start.date().isoformat())


def _whole_minute(moment: datetime) -> datetime:
    whole = moment.replace(second=0, microsecond=0)
    return whole if whole == moment else whole + MINUTE
