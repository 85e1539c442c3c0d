"""The city's data in its tables: what differs is written, what would leave bookings without a home is not.

The law of this file: a row that bookings name is never removed, and nothing is written that did not change. The caller
commits, or rolls back where anything is refused.
"""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

from sqlalchemy import Table, delete, select, text
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncConnection

from services.booking import tables
from services.booking.domain.catalogue import Catalogue, District, Service, Venue
from services.booking.domain.policy import Policy
from services.booking.store.catalogue import itinerary_document, policy_document, policy_of, read_version
from shared.contracts import Words

_ONE_LOAD_AT_A_TIME = text("SELECT pg_advisory_xact_lock(hashtextextended('booking catalogue load', 0))")

_BOOKED = text(
    "SELECT s.id, coalesce(b.live, 0) AS live, coalesce(b.bookings, 0) AS bookings, coalesce(w.people, 0) AS walked_in"
    " FROM unnest(CAST(:ids AS text[])) AS s(id)"
    " LEFT JOIN (SELECT k.service_id, count(*) AS bookings, count(*) FILTER (WHERE state IN ('confirmed', 'checked_in')"
    " OR (state = 'held' AND hold_until > :now)) AS live"
    " FROM (SELECT DISTINCT booking_id, service_id FROM claims WHERE service_id = ANY(CAST(:ids AS text[]))) k"
    " JOIN bookings ON bookings.id = k.booking_id GROUP BY k.service_id) b ON b.service_id = s.id"
    " LEFT JOIN (SELECT t.service_id, sum(w.people) AS people FROM walk_ins w JOIN slots t ON t.id = w.slot_id"
    " WHERE t.service_id = ANY(CAST(:ids AS text[])) GROUP BY t.service_id) w ON w.service_id = s.id"
    " WHERE coalesce(b.bookings, 0) > 0 OR coalesce(w.people, 0) > 0 ORDER BY s.id"
)


@dataclass(slots=True)
class TableReport:
    """Rows of one table."""

    added: int = 0
    changed: int = 0
    removed: int = 0

    def __bool__(self) -> bool:
        return bool(self.added or self.changed or self.removed)


@dataclass(frozen=True, slots=True, kw_only=True)
class StillBooked:
    """A service that the files no longer have. `live` bookings are still to come, `bookings` are on record in all."""

    service_id: str
    live: int
    bookings: int
    walked_in: int


@dataclass(slots=True)
class CatalogueReport:
    """What became of the catalogue's rows; where anything is still booked, roll back."""

    districts: TableReport = field(default_factory=TableReport)
    venues: TableReport = field(default_factory=TableReport)
    services: TableReport = field(default_factory=TableReport)
    policies: TableReport = field(default_factory=TableReport)
    itineraries: TableReport = field(default_factory=TableReport)
    still_booked: list[StillBooked] = field(default_factory=list)
    version: int = 0


async def lock_catalogue(tx: AsyncConnection) -> None:
    """Let only one load write at a time; the lock goes with the transaction."""
    await tx.execute(_ONE_LOAD_AT_A_TIME)


async def write_catalogue(tx: AsyncConnection, city: Catalogue, now: datetime) -> CatalogueReport:
    """Make the rows what `city` says and raise the catalogue's version where anything differed.

    Versions in `city` are not looked at: a policy's version rises by one where its data changed. A service with
    bookings or walk-ins on record is not removed but reported.
    """
    report = CatalogueReport()
    report.districts = await _upsert(tx, tables.districts, _positioned(map(_district_row, city.districts.values())))
    report.policies = await _upsert(tx, tables.policies, await _policy_rows(tx, city.policies))
    report.venues = await _upsert(tx, tables.venues, _positioned(map(_venue_row, city.venues.values())))
    report.services = await _upsert(tx, tables.services, _positioned(map(_service_row, city.services.values())))
    rows = ({"id": one.id, "document": itinerary_document(one)} for one in city.itineraries.values())
    report.itineraries = await _upsert(tx, tables.itineraries, _positioned(rows))
    report.itineraries.removed = await _remove(
        tx, tables.itineraries, await _gone(tx, tables.itineraries, city.itineraries)
    )
    gone = await _gone(tx, tables.services, city.services)
    report.still_booked = await _still_booked(tx, gone, now)
    if not report.still_booked:
        await _remove_services(tx, gone)
        report.services.removed = len(gone)
        for table, kept, counted in (
            (tables.venues, city.venues, report.venues),
            (tables.policies, city.policies, report.policies),
            (tables.districts, city.districts, report.districts),
        ):
            counted.removed = await _remove(tx, table, await _gone(tx, table, kept))
    report.version = await read_version(tx)
    if any((report.districts, report.venues, report.services, report.policies, report.itineraries)):
        report.version += 1
        row = {"id": 1, "version": report.version}
        statement = insert(tables.catalogue_version).values(row)
        await tx.execute(statement.on_conflict_do_update(index_elements=["id"], set_={"version": report.version}))
    return report


async def _upsert(tx: AsyncConnection, table: Table, wanted: list[dict[str, Any]]) -> TableReport:
    """Write the rows that are new or differ."""
    before = {row.id: dict(row._mapping) for row in await tx.execute(select(table))}  # noqa: SLF001 - public, by its documentation
    new = [row for row in wanted if row["id"] not in before]
    changed = [row for row in wanted if row["id"] in before and row != before[row["id"]]]
    if new or changed:
        statement = insert(table)
        others = {column.name: statement.excluded[column.name] for column in table.columns if column.name != "id"}
        await tx.execute(statement.on_conflict_do_update(index_elements=["id"], set_=others), [*new, *changed])
    return TableReport(added=len(new), changed=len(changed))


async def _gone(tx: AsyncConnection, table: Table, kept: Mapping[str, object]) -> list[str]:
    ids = (await tx.execute(select(table.c.id))).scalars()
    return sorted(set(ids) - set(kept))


async def _still_booked(tx: AsyncConnection, service_ids: Collection[str], now: datetime) -> list[StillBooked]:
    if not service_ids:
        return []
    rows = await tx.execute(_BOOKED, {"ids": list(service_ids), "now": now})
    return [
        StillBooked(service_id=row.id, live=row.live, bookings=row.bookings, walked_in=int(row.walked_in))
        for row in rows
    ]


async def _remove_services(tx: AsyncConnection, service_ids: Collection[str]) -> None:
    """Remove services that nobody ever booked, with their slots and plans."""
    if service_ids:
        for waited in (tables.waitlist_wishes, tables.waitlist_people):
            await tx.execute(delete(waited).where(waited.c.service_id.in_(service_ids)))
        await tx.execute(delete(tables.slots).where(tables.slots.c.service_id.in_(service_ids)))
        await tx.execute(delete(tables.plans).where(tables.plans.c.service_id.in_(service_ids)))
        await _remove(tx, tables.services, service_ids)


async def _remove(tx: AsyncConnection, table: Table, ids: Collection[str]) -> int:
    if ids:
        await tx.execute(delete(table).where(table.c.id.in_(ids)))
    return len(ids)


async def _policy_rows(tx: AsyncConnection, policies: Mapping[str, Policy]) -> list[dict[str, Any]]:
    before = {row.id: policy_of(row.document) for row in await tx.execute(select(tables.policies))}
    rows = []
    for policy in policies.values():
        old = before.get(policy.id)
        version = 1 if old is None else old.version + int(replace(policy, version=old.version) != old)
        rows.append(
            {"id": policy.id, "version": version, "document": policy_document(replace(policy, version=version))}
        )
    return rows


def _positioned(rows: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
    return [{**row, "position": position} for position, row in enumerate(rows)]


def _words(words: Mapping[str, Words]) -> dict[str, dict[str, str]]:
    return {name: {"zh": one.zh, "en": one.en} for name, one in words.items()}


def _district_row(district: District) -> dict[str, Any]:
    return {
        "id": district.id,
        "name_zh": district.name.zh,
        "name_en": district.name.en,
        "subdistricts": _words(district.subdistricts),
    }


def _venue_row(venue: Venue) -> dict[str, Any]:
    return {
        "id": venue.id,
        "kind": venue.kind.value,
        "district_id": venue.district_id,
        "name_zh": venue.name.zh,
        "name_en": venue.name.en,
        "address_zh": venue.address.zh,
        "address_en": venue.address.en,
        "step_free": venue.step_free,
        "sample": venue.sample,
        "source": venue.source,
    }


def _service_row(service: Service) -> dict[str, Any]:
    return {
        "id": service.id,
        "venue_id": service.venue_id,
        "kind": service.kind.value,
        "policy_id": service.policy_id,
        "name_zh": service.name.zh,
        "name_en": service.name.en,
        "attributes": _words(service.attributes),
        "sample": service.sample,
        "source": service.source,
    }
