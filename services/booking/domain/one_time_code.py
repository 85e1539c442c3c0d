"""One-time codes: how many may be sent, how long each is good, and how often it may be tried. Pure.

The law: six digits, five tries, used once; the newest one counts and no other; what is kept of it is a keyed
fingerprint. Codes are bounded by the minute, the hour and the day, for whoever they are sent to: a guesser has fifty
tries a day out of a million, and nobody's telephone or mailbox can be filled by somebody else.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from math import ceil
from typing import Final

from services.booking.domain.reason import Reason
from shared.refusal import Refused

TRIES: Final = 5
HOUR: Final = timedelta(hours=1)
DAY: Final = timedelta(days=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Allowance:
    """How many codes may be sent, and how long each is good. `between`: from one to the next."""

    lifetime: timedelta
    between: timedelta
    an_hour: int
    a_day: int

    def refuse_too_many(self, sent: Sequence[datetime], now: datetime) -> None:
        """Refuse another code to whom codes were `sent`, the oldest first, where that is too many.

        Raises:
            Refused: `too_many_requests`, with the seconds until it is not.
        """
        waits = [sent[-1] + self.between - now] if sent else []
        for most, within in ((self.an_hour, HOUR), (self.a_day, DAY)):
            if len(sent) >= most:
                waits.append(sent[-most] + within - now)
        wait = max(waits, default=timedelta())
        if wait > timedelta():
            raise Refused(Reason.TOO_MANY_REQUESTS, retry_after_seconds=ceil(wait.total_seconds()))


SIGN_IN: Final = Allowance(lifetime=timedelta(minutes=5), between=timedelta(minutes=1), an_hour=5, a_day=10)
"""For one phone number, whoever asks: what the providers of text messages commonly allow."""

PROOF: Final = Allowance(lifetime=timedelta(minutes=30), between=timedelta(minutes=1), an_hour=5, a_day=10)
"""For one account, whatever addresses it gives; a mail may take minutes where a text message takes seconds."""

PROOF_TO_ONE_ADDRESS: Final = Allowance(lifetime=PROOF.lifetime, between=timedelta(minutes=1), an_hour=3, a_day=5)
"""For one mail address, whichever accounts give it."""
