"""The form of each file, as models. What a name refers to is checked afterwards, in `references`."""

from typing import Annotated, Any

from pydantic import BeforeValidator, Field

from services.booking.domain.catalogue import ServiceKind
from services.booking.store.plan_document import Day, Document, PlanDocument, Text, WindowDocument, WordsDocument

ID = r"^[a-z0-9]+(-[a-z0-9]+)*$"
Id = Annotated[str, Field(pattern=ID, max_length=80)]
Name = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]*$", max_length=64)]
PolicyId = Name
Source = Annotated[str, Field(min_length=1, max_length=100)]
Count = Annotated[int, Field(ge=1, le=100)]
Capacity = Annotated[int, Field(ge=1, le=10_000)]


class DistrictEntry(Document):
    """A district with its sub-districts and townships."""

    name: WordsDocument
    subdistricts: dict[Id, WordsDocument] = Field(default_factory=dict)


class DistrictsFile(Document):
    """districts.yaml."""

    districts: Annotated[dict[Id, DistrictEntry], Field(min_length=1)]


class WindowEntry(WindowDocument):
    """A window, and where it comes from."""

    source: Source | None = None
    sample: bool = False


class PlanEntry(PlanDocument):
    """A plan, and where it comes from; without `valid_until` it goes as far as the official calendar is known."""

    source: Source | None = None
    sample: bool = False
    valid_until: Day | None = None  # type: ignore[assignment]  # filled in before it becomes a plan
    windows: list[WindowEntry] = Field(default_factory=list)  # type: ignore[assignment]  # each is a window


class PlansFile(Document):
    """plans.yaml."""

    plans: Annotated[dict[Id, PlanEntry], Field(min_length=1)]


class AddressEntry(Document):
    """Where a venue is, and whether that is only a sample."""

    zh: Text
    en: Text
    sample: bool = False


class Offer(Document):
    """What venues of this file may offer."""

    name: WordsDocument
    policy: PolicyId
    plan: Id
    attributes: dict[Name, WordsDocument] = Field(default_factory=dict)
    capacity: Capacity | None = None
    source: Source | None = None
    sample: bool = False


class VenueOffer(Document):
    """What one venue offers, as far as it differs from the offer of that name."""

    count: Count | None = None
    capacity: Capacity | None = None
    name: WordsDocument | None = None
    policy: PolicyId | None = None
    plan: Id | None = None
    attributes: dict[Name, WordsDocument] = Field(default_factory=dict)
    source: Source | None = None
    sample: bool | None = None


def _by_name(offers: Any) -> Any:
    """A plain list of names means each offer as it stands."""
    if isinstance(offers, list) and all(isinstance(name, str) for name in offers):
        return {name: {} for name in offers}
    return offers


class VenueEntry(Document):
    """A venue, and what it offers."""

    name: WordsDocument
    district: Id
    address: AddressEntry
    step_free: bool
    source: Source | None = None
    sample: bool = False
    offers: Annotated[dict[Id, VenueOffer], BeforeValidator(_by_name), Field(min_length=1)]


class VenuesFile(Document):
    """museums.yaml, sports.yaml and the others: the venues of one kind."""

    kind: ServiceKind
    source: Source
    offers: Annotated[dict[Id, Offer], Field(min_length=1)]
    venues: Annotated[dict[Id, VenueEntry], Field(min_length=1)]
