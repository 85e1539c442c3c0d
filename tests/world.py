"""A small world in a real database: one service, residents with a saved person each, slots; and ways to look at it."""

from dataclasses import dataclass
from datetime import date
from typing import Any
from uuid import UUID

from sqlalchemy import insert, text
from sqlalchemy.ext.asyncio import AsyncEngine

from services.booking import tables
from services.booking.domain.catalogue import Catalogue
from services.booking.domain.slot import Slot
from services.booking.store.catalogue import itinerary_document, policy_document
from services.booking.store.slots import portions_document
from shared.ids import new_id
from tests import make


@dataclass(frozen=True, slots=True)
class Resident:
    """An account and the one person that it books for."""

    account_id: UUID
    person_id: UUID


async def put_catalogue(engine: AsyncEngine, catalogue: Catalogue) -> None:
    """Write a catalogue as the loader would."""
    async with engine.begin() as tx:
        for position, district in enumerate(catalogue.districts.values()):
            subdistricts = {key: {"zh": words.zh, "en": words.en} for key, words in district.subdistricts.items()}
            names = {"name_zh": district.name.zh, "name_en": district.name.en}
            row: dict[str, Any] = {"id": district.id, "position": position, **names, "subdistricts": subdistricts}
            await tx.execute(insert(tables.districts).values(row))
        for policy in catalogue.policies.values():
            await tx.execute(
                insert(tables.policies).values(id=policy.id, version=policy.version, document=policy_document(policy))
            )
        for position, venue in enumerate(catalogue.venues.values()):
            await tx.execute(
                insert(tables.venues).values(
                    id=venue.id,
                    position=position,
                    kind=venue.kind.value,
                    district_id=venue.district_id,
                    name_zh=venue.name.zh,
                    name_en=venue.name.en,
                    address_zh=venue.address.zh,
                    address_en=venue.address.en,
                    step_free=venue.step_free,
                    sample=venue.sample,
                    source=venue.source,
                )
            )
        for position, service in enumerate(catalogue.services.values()):
            await tx.execute(
                insert(tables.services).values(
                    id=service.id,
                    position=position,
                    venue_id=service.venue_id,
                    kind=service.kind.value,
                    policy_id=service.policy_id,
                    name_zh=service.name.zh,
                    name_en=service.name.en,
                    attributes={},
                    sample=service.sample,
                    source=service.source,
                )
            )
        for position, itinerary in enumerate(catalogue.itineraries.values()):
            row = {"id": itinerary.id, "position": position, "document": itinerary_document(itinerary)}
            await tx.execute(insert(tables.itineraries).values(row))
        await tx.execute(insert(tables.catalogue_version).values(id=1, version=catalogue.version))


async def put_slots(engine: AsyncEngine, *slots: Slot) -> None:
    """Write slots as publication would; none is nothing to write."""
    if not slots:
        return
    rows = [
        {
            "id": slot.id,
            "service_id": slot.service_id,
            "venue_id": slot.venue_id,
            "kind": slot.kind,
            "district_id": slot.district_id,
            "starts_at": slot.starts_at,
            "ends_at": slot.ends_at,
            "bookable_from": slot.bookable_from,
            "bookable_until": slot.bookable_until,
            "capacity": slot.capacity,
            "kept_counter": slot.kept_counter,
            "kept_walk_in": slot.kept_walk_in,
            "later": portions_document(slot.later),
            "charge": "free",
        }
        for slot in slots
    ]
    async with engine.begin() as tx:
        await tx.execute(insert(tables.slots), rows)


async def put_residents(engine: AsyncEngine, count: int) -> list[Resident]:
    """Write accounts with one person each."""
    residents = [Resident(new_id(), new_id()) for _ in range(count)]
    async with engine.begin() as tx:
        await tx.execute(
            insert(tables.accounts),
            [
                {
                    "id": one.account_id,
                    "role": "resident",
                    "phone_fingerprint": one.account_id.bytes,
                    "language": "zh-CN",
                    "created_at": make.NOW,
                }
                for one in residents
            ],
        )
        await tx.execute(
            insert(tables.persons),
            [
                {
                    "id": one.person_id,
                    "document_type": "resident_identity_card",
                    "document_fingerprint": one.person_id.bytes,
                    "document_sealed": "sealed",
                    "birth_date": date(1990, 1, 1),
                    "created_at": make.NOW,
                }
                for one in residents
            ],
        )
        await tx.execute(
            insert(tables.account_people),
            [
                {
                    "account_id": one.account_id,
                    "person_id": one.person_id,
                    "relation": "self",
                    "name_sealed": "sealed",
                    "name_masked": "王*",
                    "document_masked": "210***********123X",
                    "created_at": make.NOW,
                }
                for one in residents
            ],
        )
    return residents


_AUDIT = text(
    """
    SELECT count(*) FILTER (WHERE taken > capacity) AS oversold,
           count(*) FILTER (WHERE taken <> claimed + walked_in) AS miscounted
    FROM slots s
    CROSS JOIN LATERAL (SELECT coalesce(sum(seats), 0) AS claimed FROM claims WHERE slot_id = s.id AND live) c
    CROSS JOIN LATERAL (SELECT coalesce(sum(people), 0) AS walked_in FROM walk_ins WHERE slot_id = s.id) w
    """
)
_EVENTLESS = text(
    "SELECT count(*) FROM history h WHERE NOT EXISTS (SELECT FROM outbox o WHERE o.subject = h.booking_id"
    " AND (o.data ->> 'version')::int = h.version)"
)


async def audit(engine: AsyncEngine) -> dict[str, int]:
    """Count what must never be: slots oversold or miscounted, and changes without their event."""
    async with engine.connect() as connection:
        oversold, miscounted = (await connection.execute(_AUDIT)).one()
        eventless = (await connection.execute(_EVENTLESS)).scalar_one()
    return {"oversold": oversold, "miscounted": miscounted, "eventless": eventless}
