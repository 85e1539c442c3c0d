"""What the files say, checked: the values that the loader compares with the database."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from services.booking.domain.catalogue import District, Service, Venue
from services.booking.domain.itinerary import Itinerary
from services.booking.domain.plan import Plan
from services.booking.domain.policy import Policy


@dataclass(frozen=True, slots=True, kw_only=True)
class City:
    """Everything in the files, each mapping by id and in the order of the files.

    Policies and plans stand at version 1 here: which version they become is the database's to say. `plans` is by
    service.
    """

    districts: Mapping[str, District]
    venues: Mapping[str, Venue]
    services: Mapping[str, Service]
    policies: Mapping[str, Policy]
    plans: Mapping[str, Plan]
    itineraries: Mapping[str, Itinerary] = field(default_factory=dict)
