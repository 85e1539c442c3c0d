"""The form of itineraries.yaml, as models. What a name refers to is checked afterwards, in `itineraries`."""

from typing import Annotated

from pydantic import Field

from services.booking.catalogue.documents import Id, Name, Source
from services.booking.domain.policy import PartyKind
from services.booking.store.plan_document import ClockTime, Document, WordsDocument

Minutes = Annotated[int, Field(ge=0, le=14 * 24 * 60)]
DayNumber = Annotated[int, Field(ge=1, le=365)]


class AfterEntry(Document):
    """What a step comes after, and how long after its end."""

    step: Id
    least: Minutes = 0
    most: Minutes | None = None


class DaysEntry(Document):
    """Days counted from a date that the booker gives, which is day 1."""

    counted_from: Name
    first: DayNumber
    last: DayNumber


class StepEntry(Document):
    """One step: `offers` of the itinerary's own venue, or `services` anywhere; any of them will do."""

    name: WordsDocument
    who: Annotated[list[Name], Field(min_length=1, max_length=5)]
    offers: Annotated[list[Id], Field(max_length=20)] = Field(default_factory=list)
    services: Annotated[list[Id], Field(max_length=20)] = Field(default_factory=list)
    after: Annotated[list[AfterEntry], Field(max_length=10)] = Field(default_factory=list)
    fasting: bool = False
    earliest: ClockTime | None = None
    latest: ClockTime | None = None
    days: DaysEntry | None = None
    preparation: WordsDocument | None = None


class WalkEntry(Document):
    """Minutes between two steps, where they differ from the usual."""

    between: Annotated[list[Id], Field(min_length=2, max_length=2)]
    minutes: Annotated[int, Field(ge=0, le=240)]


class WalkingEntry(Document):
    """Minutes to walk within a venue, and to get from one venue to another."""

    same_venue: Annotated[int, Field(ge=0, le=240)]
    between_venues: Annotated[int, Field(ge=0, le=240)]
    pairs: Annotated[list[WalkEntry], Field(max_length=50)] = Field(default_factory=list)


class ItineraryEntry(Document):
    """An itinerary, offered at each of its venues."""

    name: WordsDocument
    party: PartyKind
    venues: Annotated[list[Id], Field(min_length=1, max_length=100)]
    roles: Annotated[dict[Name, WordsDocument], Field(min_length=1, max_length=5)]
    dates: Annotated[dict[Name, WordsDocument], Field(max_length=5)] = Field(default_factory=dict)
    within_days: Annotated[int, Field(ge=1, le=60)] = 1
    walking: WalkingEntry
    meal_minutes: Annotated[int, Field(ge=0, le=240)] = 30
    steps: Annotated[dict[Id, StepEntry], Field(min_length=2, max_length=8)]
    source: Source
    sample: bool = False


class ItinerariesFile(Document):
    """itineraries.yaml."""

    itineraries: Annotated[dict[Id, ItineraryEntry], Field(max_length=100)]
