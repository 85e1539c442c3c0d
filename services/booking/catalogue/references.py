"""What the files say about each other: every name must lead somewhere. Builds the `City` from what was read."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Generic, TypeVar

from services.booking.catalogue.city import City
from services.booking.catalogue.documents import DistrictsFile, Offer, VenueEntry, VenueOffer, VenuesFile
from services.booking.catalogue.faults import Faults
from services.booking.catalogue.source import SourceFile, did_you_mean
from services.booking.domain.admission.assessment import SUBDISTRICT
from services.booking.domain.catalogue import District, Service, ServiceKind, Venue
from services.booking.domain.opening import kept_places
from services.booking.domain.plan import Hours, Plan, SlotPattern
from services.booking.domain.policy import Policy
from shared.contracts import Words

Content = TypeVar("Content")


@dataclass(frozen=True, slots=True)
class Read(Generic[Content]):
    """What a file says, and the file itself for the lines."""

    source: SourceFile
    content: Content


@dataclass(frozen=True, slots=True, kw_only=True)
class Files:
    """Every file; None where it could not be read, so that what refers to it is not blamed as well."""

    districts: Read[DistrictsFile] | None
    policies: Read[dict[str, Policy]] | None
    plans: Read[dict[str, Plan]] | None
    venues: Sequence[Read[VenuesFile]]


@dataclass(frozen=True, slots=True)
class _Item:
    """One offer of one venue, with everything that its services are made of."""

    file: Read[VenuesFile]
    venue_id: str
    venue: VenueEntry
    offer_id: str
    offer: Offer
    own: VenueOffer

    @property
    def place(self) -> tuple[str, ...]:
        return ("venues", self.venue_id, "offers", self.offer_id)

    @property
    def policy_id(self) -> str:
        return self.own.policy or self.offer.policy

    @property
    def plan_id(self) -> str:
        return self.own.plan or self.offer.plan

    @property
    def capacity(self) -> int | None:
        return self.own.capacity or self.offer.capacity


def city_of(files: Files, faults: Faults) -> City:
    """Return the city; what does not fit together is noted and left out."""
    _check_offers(files, faults)
    venues: dict[str, Venue] = {}
    services: dict[str, Service] = {}
    plans: dict[str, Plan] = {}
    for file in files.venues:
        for venue_id, entry in file.content.venues.items():
            if venue_id in venues:
                line = file.source.line(["venues", venue_id])
                faults.add(
                    file.source.name, line, f"venues.{venue_id}: another file has a venue of this name: rename one"
                )
                continue
            venues[venue_id] = _venue(file, venue_id, entry)
            _check_district(files, file, venue_id, entry, faults)
            for item in _items(file, venue_id, entry, faults):
                _check_number(item, faults)
                _check_declarations(files, item, faults)
                plan = _plan(files, item, faults)
                for service in _services(item):
                    services[service.id] = service
                    if plan is not None:
                        plans[service.id] = replace(plan, service_id=service.id)
    return City(
        districts=_districts(files, faults),
        venues=venues,
        services=services,
        policies={} if files.policies is None else files.policies.content,
        plans=plans,
    )


def _districts(files: Files, faults: Faults) -> Mapping[str, District]:
    if files.districts is None:
        return {}
    source, content = files.districts.source, files.districts.content
    owner: dict[str, str] = {}
    districts = {}
    for district_id, entry in content.districts.items():
        for name in entry.subdistricts:
            if name in owner:
                line = source.line(["districts", district_id, "subdistricts", name])
                message = f"`{name}` is a sub-district of {owner[name]} already: write `{district_id}-{name}`"
                faults.add(source.name, line, f"districts.{district_id}.subdistricts: {message}")
            owner[name] = district_id
        subdistricts = {name: words.words() for name, words in entry.subdistricts.items()}
        districts[district_id] = District(id=district_id, name=entry.name.words(), subdistricts=subdistricts)
    return districts


def _check_offers(files: Files, faults: Faults) -> None:
    """Check what offers refer to once, where it is written, not once for each venue."""
    for file in files.venues:
        for offer_id, offer in file.content.offers.items():
            place = ["offers", offer_id]
            _check_name(file, [*place, "policy"], offer.policy, files.policies, faults)
            _check_name(file, [*place, "plan"], offer.plan, files.plans, faults)


def _check_name(
    file: Read[VenuesFile],
    place: Sequence[str],
    name: str,
    known: Read[dict[str, Policy]] | Read[dict[str, Plan]] | None,
    faults: Faults,
) -> None:
    """Note a name that leads nowhere; where its file could not be read, or the name is there but faulty, say nothing."""
    what = place[-1]
    if (
        known is None
        or name in known.content
        or name in known.source.data.get(f"{what[:-1]}ies" if what == "policy" else "plans", {})
    ):
        return
    wrong = f"{'.'.join(place)}: there is no {what} `{name}`; {did_you_mean(name, sorted(known.content))}"
    faults.add(file.source.name, file.source.line(place), wrong)


def _check_district(files: Files, file: Read[VenuesFile], venue_id: str, entry: VenueEntry, faults: Faults) -> None:
    if files.districts is not None and entry.district not in files.districts.content.districts:
        known = sorted(files.districts.content.districts)
        message = f"there is no district `{entry.district}`; {did_you_mean(entry.district, known)}"
        line = file.source.line(["venues", venue_id, "district"])
        faults.add(file.source.name, line, f"venues.{venue_id}.district: {message}")


def _venue(file: Read[VenuesFile], venue_id: str, entry: VenueEntry) -> Venue:
    return Venue(
        id=venue_id,
        kind=file.content.kind,
        district_id=entry.district,
        name=entry.name.words(),
        address=Words(entry.address.zh, entry.address.en),
        step_free=entry.step_free,
        sample=entry.sample or entry.address.sample,
        source=entry.source or file.content.source,
    )


def _items(file: Read[VenuesFile], venue_id: str, venue: VenueEntry, faults: Faults) -> Iterator[_Item]:
    for offer_id, own in venue.offers.items():
        offer = file.content.offers.get(offer_id)
        if offer is None:
            message = (
                f"there is no offer `{offer_id}` in this file; {did_you_mean(offer_id, sorted(file.content.offers))}"
            )
            line = file.source.line(["venues", venue_id, "offers", offer_id])
            faults.add(file.source.name, line, f"venues.{venue_id}.offers: {message}")
        else:
            yield _Item(file, venue_id, venue, offer_id, offer, own)


def _check_number(item: _Item, faults: Faults) -> None:
    """Several of a kind are told apart by their number, so it must stand in their names; one alone has none."""
    name = item.own.name or item.offer.name
    if item.own.count is not None and not ("{n}" in name.zh and "{n}" in name.en):
        message = (
            f"there are {item.own.count} of them: put {{n}} into the name of offer `{item.offer_id}` in both languages"
        )
    elif item.own.count is None and ("{n}" in name.zh or "{n}" in name.en):
        message = f"the name of offer `{item.offer_id}` has a number: write how many there are, such as {{count: 1}}"
    else:
        return
    faults.add(item.file.source.name, item.file.source.line(item.place), f"{'.'.join(item.place)}: {message}")


def _check_declarations(files: Files, item: _Item, faults: Faults) -> None:
    """An assessment is for the district of the household registration [001], so its policy must ask for that."""
    policy = None if files.policies is None else files.policies.content.get(item.policy_id)
    if item.file.content.kind is not ServiceKind.ASSESSMENT or policy is None:
        return
    if all(declaration.name != SUBDISTRICT for declaration in policy.declarations):
        message = f"policy `{policy.id}` does not ask for `{SUBDISTRICT}`: add that declaration, or use another policy"
        faults.add(item.file.source.name, item.file.source.line(item.place), f"{'.'.join(item.place)}: {message}")


def _plan(files: Files, item: _Item, faults: Faults) -> Plan | None:
    """Return the item's plan with its own capacity; note where the shares would leave nobody a place online."""
    for name, known in (("policy", files.policies), ("plan", files.plans)):
        own = getattr(item.own, name)
        if own is not None:
            _check_name(item.file, [*item.place, name], own, known, faults)
    plan = None if files.plans is None else files.plans.content.get(item.plan_id)
    policy = None if files.policies is None else files.policies.content.get(item.policy_id)
    if plan is None:
        return None
    if item.capacity is not None:
        plan = _with_capacity(plan, item.capacity)
    least = min(pattern.capacity for pattern in _patterns(plan))
    if policy is not None and sum(kept_places(policy.shares, least)) >= least:
        message = (
            f"with {least} place{'s' if least > 1 else ''} a slot, the shares of policy `{policy.id}` leave none to book"
            " online: write a larger capacity, or another policy"
        )
        line = item.file.source.line([*item.place, "capacity"])
        faults.add(item.file.source.name, line, f"{'.'.join(item.place)}: {message}")
    return plan


def _patterns(plan: Plan) -> list[SlotPattern]:
    hours = [one for window in plan.windows for one in window.hours]
    hours += [one for exception in plan.exceptions for one in exception.hours]
    return [one.timed or plan.timed for one in hours]


def _with_capacity(plan: Plan, capacity: int) -> Plan:
    def of_hours(hours: tuple[Hours, ...]) -> tuple[Hours, ...]:
        return tuple(
            one if one.timed is None else replace(one, timed=replace(one.timed, capacity=capacity)) for one in hours
        )

    return replace(
        plan,
        timed=replace(plan.timed, capacity=capacity),
        windows=tuple(replace(window, hours=of_hours(window.hours)) for window in plan.windows),
        exceptions=tuple(replace(one, hours=of_hours(one.hours)) for one in plan.exceptions),
    )


def _services(item: _Item) -> Iterator[Service]:
    name = (item.own.name or item.offer.name).words()
    attributes = {key: words.words() for key, words in {**item.offer.attributes, **item.own.attributes}.items()}
    service = Service(
        id=f"{item.venue_id}-{item.offer_id}",
        venue_id=item.venue_id,
        kind=item.file.content.kind,
        policy_id=item.policy_id,
        name=name,
        attributes=attributes,
        sample=item.offer.sample if item.own.sample is None else item.own.sample,
        source=item.own.source or item.offer.source or item.venue.source or item.file.content.source,
    )
    if item.own.count is None:
        yield service
        return
    for number in range(1, item.own.count + 1):
        numbered = Words(name.zh.replace("{n}", str(number)), name.en.replace("{n}", str(number)))
        court = {**attributes, "number": Words(str(number), str(number))}
        yield replace(service, id=f"{service.id}-{number}", name=numbered, attributes=court)
