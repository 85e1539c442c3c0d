"""Small makers of events and keys for the notify tests: a test says only what it is about."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

from shared.clock import SHANGHAI
from shared.contracts import BookingChanged, Event, EventType, NoticeData, PenaltyChanged, SignInCodeRequested, Words

NOW = datetime(2026, 11, 20, 2, 0, tzinfo=UTC)
"""Friday 20 November 2026, 10:00 in Asia/Shanghai."""

STARTS_AT = datetime(2026, 11, 28, 16, 30, tzinfo=SHANGHAI)
"""A Saturday."""

RESIDENT = UUID("01930000-0000-7000-8000-000000000001")
NEIGHBOUR = UUID("01930000-0000-7000-8000-000000000002")

_STATE_OF: dict[EventType, str] = {
    EventType.BOOKING_HELD: "held",
    EventType.BOOKING_CONFIRMED: "confirmed",
    EventType.BOOKING_MOVED: "confirmed",
    EventType.BOOKING_PARTY_CHANGED: "confirmed",
    EventType.BOOKING_CANCELLED: "cancelled",
    EventType.BOOKING_CHECKED_IN: "checked_in",
    EventType.BOOKING_STEP_MET: "checked_in",
    EventType.BOOKING_STEP_CORRECTED: "checked_in",
    EventType.BOOKING_COMPLETED: "completed",
    EventType.BOOKING_NO_SHOW: "no_show",
    EventType.BOOKING_LAPSED: "lapsed",
    EventType.WAITLIST_OFFERED: "held",
}


def booking(**changes: Any) -> BookingChanged:
    """A confirmed badminton court on Saturday 28 November 2026 at 16:30, reminders 24 h and 2 h before."""
    starts_at: datetime = changes.get("starts_at", STARTS_AT)
    return replace(
        BookingChanged(
            booking_id=uuid4(),
            version=1,
            reference="7K3F-9Q2M-A",
            state="confirmed",
            kind="sports",
            service_id="badminton-1",
            service_name=Words("羽毛球1号场", "Badminton court 1"),
            venue_id="fitness-centre",
            venue_name=Words("大连市民健身中心", "Dalian Citizens' Fitness Centre"),
            venue_address=Words("示例路1号", "1 Sample Road"),
            sensitive=False,
            starts_at=starts_at,
            ends_at=starts_at + timedelta(hours=1),
            local_start=starts_at.astimezone(SHANGHAI).strftime("%Y-%m-%d %H:%M"),
            hold_until=None,
            party_size=1,
            account_id=RESIDENT,
            contact=None,
            reminders=(1440, 120),
            reason=None,
        ),
        **changes,
    )


def event(kind: EventType, data: BookingChanged, number: int | None = None) -> Event:
    """The event of `kind` about a booking, its state set to fit."""
    fitting = replace(data, state=_STATE_OF[kind])
    return Event(id=uuid4(), type=kind, subject=data.booking_id, time=NOW, data=fitting, number=number)


def notice(kind: EventType, data: NoticeData, subject: UUID) -> Event:
    """An event about something that is no booking."""
    return Event(id=uuid4(), type=kind, subject=subject, time=NOW, data=data)


def penalty(**changes: Any) -> PenaltyChanged:
    """A first strike of three at the sports courts."""
    return replace(
        PenaltyChanged(
            penalty_id=uuid4(),
            version=1,
            state="warned",
            account_id=RESIDENT,
            contact=None,
            scope=Words("体育场地", "Sports courts"),
            sensitive=False,
            count=1,
            threshold=3,
            until=None,
            local_until=None,
        ),
        **changes,
    )


def code_requested(sealed: str, expires_at: datetime, number: int | None = None) -> Event:
    """A one-time code is to be sent."""
    request = SignInCodeRequested(request_id=uuid4(), sealed=sealed, expires_at=expires_at)
    return Event(
        id=uuid4(),
        type=EventType.SIGN_IN_CODE_REQUESTED,
        subject=request.request_id,
        time=NOW,
        data=request,
        number=number,
    )
