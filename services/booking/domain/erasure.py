"""Whether somebody can be erased now, and what is kept of them for how long. Pure.

The law: who asks to be erased is erased at once, unless something of theirs is still to come, which is named with what to do
about it: places that are booked or waited for, requests that are not decided, an appeal. What has to be known for longer
than they wish is only whose document a strike belongs to: without that, whoever is barred would come back as somebody
else. It goes when the last strike is so old that no rule counts it.
"""

from dataclasses import dataclass, fields
from datetime import timedelta

from services.booking.domain.reason import Reason
from shared.refusal import Refused

STRIKES_COUNT_FOR = timedelta(days=400)
"""No rule of a policy looks back for longer than a year, and a bar that stands is seen by itself."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Unfinished:
    """What an account has that is not over: how many of each."""

    bookings: int = 0
    lines: int = 0
    draws: int = 0
    seasons: int = 0
    appeals: int = 0

    def must_be_over(self) -> None:
        """Let pass only where nothing is left.

        Raises:
            Refused: `erasure_waits`, with what is left.
        """
        left = {f"open_{one.name}": count for one in fields(self) if (count := getattr(self, one.name))}
        if left:
            raise Refused(Reason.ERASURE_WAITS, **left)
