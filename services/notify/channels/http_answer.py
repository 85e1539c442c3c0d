"""What an HTTP answer means that is not the provider's own: a gateway's, before or behind which the request was lost."""

from datetime import timedelta

from services.notify.domain.message import Why
from services.notify.domain.outcome import Outcome, temporary, unknown
from shared.http import Response

LONGEST_PAUSE_SECONDS = 3600


def outcome_of_status(response: Response) -> Outcome:
    """Return what is known by the status alone: 4xx and 503 come from before the provider, anything else from behind."""
    status = response.status_code
    if status in {429, 503}:
        return temporary(Why.PROVIDER_BUSY, str(status), retry_after(response))
    if 400 <= status < 500:
        return temporary(Why.PROVIDER_REFUSES_US, str(status))
    return unknown(f"unreadable:{status}")


def retry_after(response: Response) -> timedelta | None:
    """Return the pause that is asked for, where it is given in seconds (RFC 9110, 10.2.3); an hour at most."""
    asked = response.headers.get("retry-after", "")
    if not (asked.isascii() and asked.isdigit()):
        return None
    return timedelta(seconds=LONGEST_PAUSE_SECONDS if len(asked) > 9 else min(int(asked), LONGEST_PAUSE_SECONDS))
