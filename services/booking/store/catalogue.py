"""The catalogue's tables as one value, and policies and itineraries as the documents that stand in their rows."""

from typing import Any

from pydantic import TypeAdapter
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncConnection

from services.booking import tables
from services.booking.domain.catalogue import Catalogue, District, Service, ServiceKind, Venue
from services.booking.domain.itinerary import Itinerary
from services.booking.domain.policy import Policy
from shared.contracts import Words

_POLICY = TypeAdapter(Policy)
_ITINERARY = TypeAdapter(Itinerary)


def policy_document(policy: Policy) -> dict[str, Any]:
    """Return the policy as a JSON document; sets are sorted, so that equal policies give equal documents."""
    document: dict[str, Any] = _POLICY.dump_python(policy, mode="json")
    return {**document, "documents": sorted(document["documents"]), "parties": sorted(document["parties"])}


def policy_of(document: dict[str, Any]) -> Policy:
    """Return the policy that `policy_document` wrote."""
    return _POLICY.validate_python(document)


def itinerary_document(itinerary: Itinerary) -> dict[str, Any]:
    """Return the definition of an itinerary as a JSON document."""
    document: dict[str, Any] = _ITINERARY.dump_python(itinerary, mode="json")
    return document


async def read_version(connection: AsyncConnection) -> int:
    """Return the catalogue's version; 0 where nothing was loaded yet."""
    return (await connection.execute(select(tables.catalogue_version.c.version))).scalar_one_or_none() or 0


async def read_catalogue(connection: AsyncConnection) -> Catalogue:
    """Read everything that is offered, in the order in which people see it.

    The version is read first: if the catalogue changes meanwhile, what is returned says an older version than it has,
    and is read again at the next look. It never says a newer one.
    """
    version = await read_version(connection)
    districts = await connection.execute(select(tables.districts).order_by(tables.districts.c.position))
    venues = await connection.execute(select(tables.venues).order_by(tables.venues.c.position))
    services = await connection.execute(select(tables.services).order_by(tables.services.c.position))
    policies = await connection.execute(select(tables.policies).order_by(tables.policies.c.id))
    itineraries = await connection.execute(select(tables.itineraries).order_by(tables.itineraries.c.position))
    return Catalogue(
        version=version,
        districts={row.id: _district(row) for row in districts},
        venues={row.id: _venue(row) for row in venues},
        services={row.id: _service(row) for row in services},
        policies={row.id: policy_of(row.document) for row in policies},
        itineraries={row.id: _ITINERARY.validate_python(row.document) for row in itineraries},
    )


def _words(document: dict[str, dict[str, str]]) -> dict[str, Words]:
    return {name: Words(words["zh"], words["en"]) for name, words in document.items()}


def _district(row: Any) -> District:
    return District(id=row.id, name=Words(row.name_zh, row.name_en), subdistricts=_words(row.subdistricts))


def _venue(row: Any) -> Venue:
    return Venue(
        id=row.id,
        kind=ServiceKind(row.kind),
        district_id=row.district_id,
        name=Words(row.name_zh, row.name_en),
        address=Words(row.address_zh, row.address_en),
        step_free=row.step_free,
        sample=row.sample,
        source=row.source,
    )


def _service(row: Any) -> Service:
    return Service(
        id=row.id,
        venue_id=row.venue_id,
        kind=ServiceKind(row.kind),
        policy_id=row.policy_id,
        name=Words(row.name_zh, row.name_en),
        attributes=_words(row.attributes),
        sample=row.sample,
        source=row.source,
    )
