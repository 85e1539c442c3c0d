"""What the city offers: districts, venues, services. Pure values; the city's own data is in `services/booking/catalogue`."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from types import MappingProxyType

from services.booking.domain.itinerary import Itinerary
from services.booking.domain.policy import Policy
from shared.contracts import Words


class ServiceKind(StrEnum):
    """The five services of the city [000] [001] [004]."""

    MUSEUM = "museum"
    SPORTS = "sports"
    FERTILITY = "fertility"
    ASSESSMENT = "assessment"
    HOSPITAL = "hospital"


@dataclass(frozen=True, slots=True, kw_only=True)
class District:
    """A district, county-level city or pilot zone (区市县、先导区), with its sub-districts and townships (街道、乡镇)."""

    id: str
    name: Words
    subdistricts: Mapping[str, Words] = field(default_factory=lambda: MappingProxyType({}))


@dataclass(frozen=True, slots=True, kw_only=True)
class Venue:
    """A place that people come to, or an agency that comes to them. `sample` marks what no document states."""

    id: str
    kind: ServiceKind
    district_id: str
    name: Words
    address: Words
    step_free: bool
    sample: bool
    source: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Service:
    """One bookable thing at one venue: a timed entry, a tour, a court, a discipline, a department, an assessment visit.

    `attributes` are what a resident chooses by (zone, activity, court, discipline, department), each in two languages.
    """

    id: str
    venue_id: str
    kind: ServiceKind
    policy_id: str
    name: Words
    attributes: Mapping[str, Words]
    sample: bool
    source: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Catalogue:
    """Everything that is offered, at one version; each mapping is by id and in the order in which people see it."""

    version: int
    districts: Mapping[str, District]
    venues: Mapping[str, Venue]
    services: Mapping[str, Service]
    policies: Mapping[str, Policy]
    itineraries: Mapping[str, Itinerary] = field(default_factory=lambda: MappingProxyType({}))
