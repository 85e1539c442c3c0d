"""Closing slots that people are booked into: new bookings stop, and those who are booked keep their places."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from services.booking.domain.plan import Charge
from services.booking.domain.schedule import PlannedSlot
from services.booking.domain.zone import local
from shared.contracts import Words
from shared.db import dump_json

_AHEAD = text(
    "SELECT service_id, starts_at, ends_at, capacity, charge, label, closed FROM slots"
    " WHERE service_id = :service_id AND starts_at > :now ORDER BY starts_at"
)
_CLOSE = text(
    "UPDATE slots s SET closed = given.closed"
    " FROM unnest(CAST(:starts_at AS timestamptz[]), CAST(:closed AS jsonb[])) AS given(starts_at, closed)"
    " WHERE s.service_id = :service_id AND s.starts_at = given.starts_at"
)


@dataclass(frozen=True, slots=True)
class SlotAhead:
    """A slot to come as it stands, in the plan's own terms; `closed` says why nobody can book it."""

    planned: PlannedSlot
    closed: Words | None


async def read_ahead(connection: AsyncConnection, service_id: str, now: datetime) -> list[SlotAhead]:
    """Return the slots of a service that start after `now`, in order of time."""
    rows = await connection.execute(_AHEAD, {"service_id": service_id, "now": now})
    return [
        SlotAhead(
            PlannedSlot(
                service_id=row.service_id,
                starts_at=local(row.starts_at),
                ends_at=local(row.ends_at),
                capacity=row.capacity,
                charge=Charge(row.charge),
                label=_words(row.label) or Words("", ""),
            ),
            _words(row.closed),
        )
        for row in rows
    ]


async def close_slots(tx: AsyncConnection, service_id: str, reasons: Mapping[datetime, Words]) -> None:
    """Close the slots that start at these times, for these reasons; the caller has locked them."""
    closed = [dump_json({"zh": reason.zh, "en": reason.en}) for reason in reasons.values()]
    await tx.execute(_CLOSE, {"service_id": service_id, "starts_at": list(reasons), "closed": closed})


def _words(document: dict[str, str] | None) -> Words | None:
    return None if document is None else Words(document["zh"], document["en"])
