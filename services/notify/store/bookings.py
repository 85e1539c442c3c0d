"""What is known of bookings: the newest version heard of, and never an older one again."""

from datetime import datetime
from uuid import UUID

from pydantic import TypeAdapter
from sqlalchemy import func, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncConnection

from services.notify.domain.planning import Known
from services.notify.domain.rendering import Appointment
from services.notify.tables import known_bookings

_appointment: TypeAdapter[Appointment] = TypeAdapter(Appointment)


async def known(tx: AsyncConnection, booking_id: UUID) -> tuple[Known | None, str | None]:
    """Return the newest version of the booking heard of and its sealed contact, locked until the commit."""
    table = known_bookings.c
    offered = table.appointment["offered"].as_boolean().label("offered")
    query = select(table.version, table.state, offered, table.contact).where(table.booking_id == booking_id)
    row = (await tx.execute(query.with_for_update())).one_or_none()
    if row is None:
        return None, None
    return Known(version=row.version, state=row.state, offered=bool(row.offered)), row.contact


async def keep(
    tx: AsyncConnection, appointment: Appointment, contact: str | None, now: datetime, venue: bytes | None = None
) -> bool:
    """Remember `appointment` if it is newer than what is known; return whether it is.

    An event without contact data does not make us forget what an earlier one brought. `venue`: its `venue_digest`.
    """
    row = insert(known_bookings).values(
        booking_id=appointment.booking_id,
        version=appointment.version,
        state=appointment.state,
        account_id=appointment.account_id,
        appointment=_appointment.dump_python(appointment, mode="json"),
        contact=contact,
        heard_at=now,
        venue_digest=venue,
    )
    new = row.excluded
    newer = row.on_conflict_do_update(
        index_elements=[known_bookings.c.booking_id],
        set_={
            "version": new.version,
            "state": new.state,
            "account_id": new.account_id,
            "appointment": new.appointment,
            "contact": func.coalesce(new.contact, known_bookings.c.contact),
            "heard_at": new.heard_at,
            "venue_digest": new.venue_digest,
        },
        where=known_bookings.c.version < new.version,
    )
    return (await tx.execute(newer)).rowcount > 0


def read_appointment(document: object) -> Appointment | None:
    """Return the appointment in a row's `appointment` column, as `keep` wrote it."""
    return None if document is None else _appointment.validate_python(document)
