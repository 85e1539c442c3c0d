"""What itineraries.yaml says of the city: every step leads to a service that takes whoever is in it, on terms of one kind.

An itinerary is cancelled, checked in and kept quiet about as a whole, by the policy of its first step. So the policies
of its steps must agree on these, whichever step comes first.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from graphlib import CycleError, TopologicalSorter

from services.booking.catalogue.city import City
from services.booking.catalogue.faults import Faults
from services.booking.catalogue.itinerary_documents import ItinerariesFile, ItineraryEntry, StepEntry
from services.booking.catalogue.references import Read
from services.booking.catalogue.source import did_you_mean
from services.booking.domain.admission import RULES_OF
from services.booking.domain.itinerary import After, DayWindow, Itinerary, ItineraryStep, Named, Walk, Walking
from services.booking.domain.policy import PartyKind, Policy

_SIZE = {PartyKind.ONE_PERSON: 1, PartyKind.PROXY: 1, PartyKind.COUPLE: 2}


class _Checks:
    """Notes what is wrong with one itinerary, each with its line."""

    def __init__(self, file: Read[ItinerariesFile], itinerary_id: str, faults: Faults) -> None:
        self._file = file
        self._id = itinerary_id
        self._faults = faults
        self.found = False

    def add(self, place: Sequence[str | int], message: str) -> None:
        """Note a fault at `place` within the itinerary."""
        whole = ["itineraries", self._id, *place]
        source = self._file.source
        self._faults.add(source.name, source.line(whole), f"{'.'.join(map(str, whole))}: {message}")
        self.found = True

    def known(self, place: Sequence[str | int], name: str, known: Mapping[str, object], what: str) -> bool:
        """Say whether `name` is among `known`, and note it where not."""
        if name in known:
            return True
        self.add(place, f"there is no {what} `{name}`; {did_you_mean(name, sorted(known))}")
        return False


def itineraries_of(file: Read[ItinerariesFile], city: City, faults: Faults) -> dict[str, Itinerary]:
    """Return the itineraries, one for each venue that an entry names; what does not fit together is noted and left out."""
    itineraries = {}
    for itinerary_id, entry in file.content.itineraries.items():
        checks = _Checks(file, itinerary_id, faults)
        _check_names(entry, checks)
        for place, venue_id in enumerate(entry.venues):
            if not checks.known(["venues", place], venue_id, city.venues, "venue"):
                continue
            services = {key: _services(key, step, venue_id, city, checks) for key, step in entry.steps.items()}
            if not checks.found:
                _check_terms(entry, services, city, checks)
            if not checks.found:
                itinerary = _itinerary(f"{venue_id}-{itinerary_id}", venue_id, entry, services)
                itineraries[itinerary.id] = itinerary
    return itineraries


def _check_names(entry: ItineraryEntry, checks: _Checks) -> None:
    """Check what the parts of an entry say of each other."""
    size = _SIZE.get(entry.party)
    if size is not None and len(entry.roles) != size:
        checks.add(["roles"], f"a party of kind {entry.party.value} has {size} of them, not {len(entry.roles)}")
    used = {role for step in entry.steps.values() for role in step.who}
    for role in entry.roles:
        if role not in used:
            checks.add(["roles", role], "this role is in no step: remove it, or write it under `who` of one")
    for key, step in entry.steps.items():
        _check_step(key, step, entry, checks)
    for place, walk in enumerate(entry.walking.pairs):
        for name in walk.between:
            checks.known(["walking", "pairs", place, "between"], name, entry.steps, "step")
    try:
        TopologicalSorter({key: [one.step for one in step.after] for key, step in entry.steps.items()}).prepare()
    except CycleError as circle:
        checks.add(["steps"], f"each of these must come after the other: {', '.join(circle.args[1])}")


def _check_step(key: str, step: StepEntry, entry: ItineraryEntry, checks: _Checks) -> None:
    place = ["steps", key]
    for position, role in enumerate(step.who):
        checks.known([*place, "who", position], role, entry.roles, "role")
    for position, after in enumerate(step.after):
        checks.known([*place, "after", position, "step"], after.step, entry.steps, "step")
        if after.most is not None and after.most < after.least:
            checks.add([*place, "after", position, "most"], f"write {after.least} or more: that is the least")
    if not step.offers and not step.services:
        checks.add(place, "write `offers` of its venue, or `services`: what is done in this step")
    _check_times(place, step, entry, checks)


def _check_times(place: list[str], step: StepEntry, entry: ItineraryEntry, checks: _Checks) -> None:
    if step.days is not None:
        checks.known([*place, "days", "counted_from"], step.days.counted_from, entry.dates, "date")
        if step.days.last < step.days.first:
            checks.add([*place, "days", "last"], f"write {step.days.first} or more: that is the first")
    if step.earliest is not None and step.latest is not None and step.latest < step.earliest:
        checks.add([*place, "latest"], "this is before `earliest`")


def _services(key: str, step: StepEntry, venue_id: str, city: City, checks: _Checks) -> tuple[str, ...]:
    """Return the ids of a step's services; an offer of which there are several stands for all of them."""
    found: list[str] = []
    at_venue = {
        one.id.removeprefix(f"{venue_id}-"): one.id for one in city.services.values() if one.venue_id == venue_id
    }
    for place, offer in enumerate(step.offers):
        numbered = [service_id for name, service_id in at_venue.items() if re.fullmatch(rf"{offer}-[0-9]+", name)]
        if numbered and offer not in at_venue:
            found += numbered
        elif checks.known(["steps", key, "offers", place], offer, at_venue, f"offer at {venue_id}"):
            found.append(at_venue[offer])
    for place, service_id in enumerate(step.services):
        if checks.known(["steps", key, "services", place], service_id, city.services, "service"):
            found.append(service_id)
    return tuple(found)


def _check_terms(entry: ItineraryEntry, services: Mapping[str, tuple[str, ...]], city: City, checks: _Checks) -> None:
    """Check that each policy takes whoever is in its step, and that all of them can be kept as one booking."""
    first: Policy | None = None
    for key, policy, kind in _policies(entry, services, city):
        first = first or policy
        if kind not in policy.parties:
            checks.add(["steps", key, "who"], f"policy `{policy.id}` does not take a party of kind {kind.value}")
        if policy.approval:
            checks.add(["steps", key], f"policy `{policy.id}` asks for approval: an itinerary is booked at once")
        if (policy.cancel_by, policy.sensitive) != (first.cancel_by, first.sensitive):
            message = f"policies `{first.id}` and `{policy.id}` differ in cancel_by or sensitive: an itinerary has one of each"
            checks.add(["steps", key], message)
    kinds = {city.services[service_id].kind for ids in services.values() for service_id in ids}
    for special in kinds & set(RULES_OF):
        checks.add(
            ["steps"], f"services of kind {special.value} have rules of their own and cannot be part of an itinerary"
        )


def _policies(
    entry: ItineraryEntry, services: Mapping[str, tuple[str, ...]], city: City
) -> Iterator[tuple[str, Policy, PartyKind]]:
    for key, step in entry.steps.items():
        alone = entry.party is PartyKind.COUPLE and len(step.who) == 1
        for service_id in services[key]:
            yield (
                key,
                city.policies[city.services[service_id].policy_id],
                PartyKind.ONE_PERSON if alone else entry.party,
            )


def _itinerary(
    itinerary_id: str, venue_id: str, entry: ItineraryEntry, services: Mapping[str, tuple[str, ...]]
) -> Itinerary:
    pairs = tuple(Walk(between=(one.between[0], one.between[1]), minutes=one.minutes) for one in entry.walking.pairs)
    return Itinerary(
        id=itinerary_id,
        venue_id=venue_id,
        name=entry.name.words(),
        party=entry.party,
        roles=tuple(Named(key=key, name=name.words()) for key, name in entry.roles.items()),
        dates=tuple(Named(key=key, name=name.words()) for key, name in entry.dates.items()),
        steps=tuple(_step(key, step, services[key]) for key, step in entry.steps.items()),
        within_days=entry.within_days,
        walking=Walking(same_venue=entry.walking.same_venue, between_venues=entry.walking.between_venues, pairs=pairs),
        meal_minutes=entry.meal_minutes,
        sample=entry.sample,
        source=entry.source,
    )


def _step(key: str, step: StepEntry, services: tuple[str, ...]) -> ItineraryStep:
    days = step.days
    return ItineraryStep(
        key=key,
        name=step.name.words(),
        services=services,
        who=tuple(step.who),
        after=tuple(After(step=one.step, least=one.least, most=one.most) for one in step.after),
        fasting=step.fasting,
        earliest=step.earliest,
        latest=step.latest,
        days=None if days is None else DayWindow(counted_from=days.counted_from, first=days.first, last=days.last),
        preparation=None if step.preparation is None else step.preparation.words(),
    )
