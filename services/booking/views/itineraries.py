"""The slots that an itinerary could be made of, as they stand: read without a lock, a bounded number of them."""

from collections.abc import Collection
from datetime import datetime
from typing import Final
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from services.booking.domain.slot import Slot
from services.booking.views.availability import COLUMNS, GIVING_BACK, OF_SERVICES, slot_as_of

MOST_SLOTS: Final = 3_000
"""Slots of all steps together that are looked at, earliest first."""

_SLOTS = text(
    f"WITH {OF_SERVICES} SELECT {COLUMNS} FROM {GIVING_BACK} WHERE s.id IN ("  # noqa: S608 - constants
    " (SELECT id FROM slots WHERE service_id = ANY(CAST(:service_ids AS text[])) AND starts_at >= :since"
    "   AND starts_at < :until AND starts_at > :now AND is_open ORDER BY starts_at, id LIMIT :most)"
    " UNION (SELECT slot_id FROM ran_out) UNION (SELECT unnest(CAST(:own AS uuid[]))))"
    " ORDER BY s.starts_at, s.id"
)


async def read_slots_for(
    connection: AsyncConnection,
    service_ids: Collection[str],
    span: tuple[datetime, datetime],
    now: datetime,
    own: Collection[UUID] = (),
) -> list[Slot]:
    """Return the slots of these services that begin in `span` (from, before) and may have a place, in order of time.

    `own` are slots that are returned in any case, and holds that ran out give their seats back: the rules say of each
    slot whether it can be had.
    """
    asked = {
        "service_ids": list(service_ids),
        "since": span[0],
        "until": span[1],
        "now": now,
        "most": MOST_SLOTS,
        "own": list(own),
    }
    return [slot_as_of(row, now) for row in await connection.execute(_SLOTS, asked)]
