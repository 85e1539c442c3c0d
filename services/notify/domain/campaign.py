"""When the news of a closure will have reached everybody. Pure.

By plan it ends when its last message is due. Where the pace of late says later, that is said: a provider's limit is
slower than any plan. Without a pace, and nothing overdue, the plan is all there is to say.
"""

from datetime import datetime, timedelta


def predicted_end(planned: int, last_due_at: datetime | None, per_second: float, now: datetime) -> datetime | None:
    """Return when the last of `planned` messages will be sent; None where there is none, or no telling."""
    if planned == 0 or last_due_at is None:
        return None
    if per_second <= 0:
        return last_due_at if last_due_at > now else None
    return max(last_due_at, now + timedelta(seconds=planned / per_second))
