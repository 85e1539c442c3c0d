"""Events for the tests of what carries them."""

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from shared.contracts import BookingChanged, Event, EventType, SignInCodeRequested, Words
from shared.ids import new_id

NOW = datetime(2026, 11, 23, 2, 0, tzinfo=UTC)
MUSEUM = Words(zh="大连博物馆", en="Dalian Museum")


def booking_changed(booking_id: UUID | None = None, **changes: Any) -> BookingChanged:
    return replace(
        BookingChanged(
            booking_id=booking_id or new_id(),
            version=1,
            reference="7K3F-92QX",
            state="confirmed",
            kind="museum",
            service_id="timed-entry",
            service_name=Words(zh="延时开放预约", en="Timed entry"),
            venue_id="dalian-museum",
            venue_name=MUSEUM,
            venue_address=Words(zh="会展路10号", en="10 Huizhan Road"),
            sensitive=False,
            starts_at=datetime(2026, 11, 28, 8, 30, tzinfo=UTC),
            ends_at=datetime(2026, 11, 28, 9, 0, tzinfo=UTC),
            local_start="2026-11-28 16:30",
            hold_until=None,
            party_size=2,
            account_id=new_id(),
            contact="sealed",
            reminders=(1440, 120),
            reason=None,
        ),
        **changes,
    )


def event(number: int | None = None, **changes: Any) -> Event:
    data = booking_changed(**changes)
    return Event(
        id=new_id(), type=EventType.BOOKING_CONFIRMED, subject=data.booking_id, time=NOW, data=data, number=number
    )


def sign_in_event(number: int | None = None) -> Event:
    data = SignInCodeRequested(request_id=new_id(), sealed="sealed", expires_at=NOW)
    return Event(
        id=new_id(), type=EventType.SIGN_IN_CODE_REQUESTED, subject=data.request_id, time=NOW, data=data, number=number
    )
