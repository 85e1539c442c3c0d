"""How much at once, and how much for one person. Pure.

The law: a wall of bookings made at one hour must not become a wall of messages a day before: reminders of a day and more
are spread over ten minutes on both sides of their time by a hash of what they speak of, the same however often it is
asked; those that make a sound only to the earlier side, so that none slips into the night. A reminder of two hours is
exact.

One person gets at most `MOST_A_DAY` text messages a day: what goes beyond stays in the in-app inbox and says so. Sign-in
codes do not count: whoever hands them out counts them.
"""

import hashlib
from datetime import timedelta

from services.notify.domain.cascade import LOUD
from services.notify.domain.message import BusinessKey, Kind

SPREAD = timedelta(minutes=10)
LEAST_LEAD_MINUTES = 1440
MOST_A_DAY = 10


def spread(key: BusinessKey) -> timedelta:
    """Return by how much a message leaves its exact time: nothing, but for reminders of a day and more."""
    if key.kind is not Kind.REMINDER or key.lead_minutes < LEAST_LEAD_MINUTES:
        return timedelta()
    digest = hashlib.sha256(key.subject_id.bytes + key.lead_minutes.to_bytes(4)).digest()
    share = int.from_bytes(digest[:4]) / (1 << 32)
    return -SPREAD * share if key.channel in LOUD else SPREAD * (2 * share - 1)
