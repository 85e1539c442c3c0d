"""What the history of a booking looks like."""

from collections.abc import Iterable
from datetime import datetime
from typing import Annotated

from pydantic import ConfigDict, Field

from services.booking.domain.booking import State
from services.booking.domain.zone import local
from services.booking.store.bookings import HistoryEntry
from shared.web import Shown


class ChangeShown(Shown):
    """One change of a booking."""

    version: int
    at: datetime
    action: str
    state: State
    by: Annotated[
        str,
        Field(
            description="The role of whoever did it; `system` where time did, `draw` and `waiting_list` where these did."
        ),
    ]
    reason: str | None
    step: Annotated[str | None, Field(description="Which step of an itinerary was checked in, or corrected.")] = None


class History(Shown):
    """Every change of a booking, oldest first."""

    items: list[ChangeShown]

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "items": [
                        {
                            "version": 1,
                            "at": "2026-11-23T10:00:00+08:00",
                            "action": "hold",
                            "state": "held",
                            "by": "resident",
                            "reason": None,
                        }
                    ]
                }
            ]
        }
    )


def history_shown(entries: Iterable[HistoryEntry]) -> History:
    """Return it, oldest first."""
    items = [
        ChangeShown(
            version=entry.version,
            at=local(entry.at),
            action=entry.action,
            state=State(entry.state),
            by=entry.actor_role,
            reason=entry.reason,
            step=entry.step,
        )
        for entry in entries
    ]
    return History(items=items)
