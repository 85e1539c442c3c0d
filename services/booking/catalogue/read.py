"""Read the city's files: form, then references, then plans; every fault that can be seen is told, not the first only."""

import re
from dataclasses import replace
from pathlib import Path
from typing import Any

from services.booking.catalogue.city import City
from services.booking.catalogue.documents import DistrictsFile, PlansFile, VenuesFile
from services.booking.catalogue.faults import Faults
from services.booking.catalogue.itineraries import itineraries_of
from services.booking.catalogue.itinerary_documents import ItinerariesFile
from services.booking.catalogue.plans import checked_plans
from services.booking.catalogue.references import Files, Read, city_of
from services.booking.catalogue.source import SourceFile, did_you_mean, parse, read_source
from services.booking.domain.policy import DocumentType, Policy
from services.booking.store.policy_document import PolicyDocument

FOLDER = Path(__file__).parent
"""The city's own files, shipped with the program."""

_CHINESE = re.compile("[\u4e00-\u9fff]")
_DISTRICTS, _POLICIES, _PLANS = "districts.yaml", "policies.yaml", "plans.yaml"
_ITINERARIES = "itineraries.yaml"
_NO_VENUES = {_DISTRICTS, _POLICIES, _PLANS, _ITINERARIES}


def read_city(folder: Path = FOLDER) -> City:
    """Return what the files in `folder` say.

    `districts.yaml`, `policies.yaml`, `plans.yaml` and `itineraries.yaml` must be there; every other `*.yaml` holds the
    venues of one kind.

    Raises:
        CatalogueInvalid: with every fault: file, line, and what to write instead.
    """
    faults = Faults()
    venue_paths = sorted(path for path in folder.glob("*.yaml") if path.name not in _NO_VENUES)
    districts = read_source(folder / _DISTRICTS, faults)
    policies = read_source(folder / _POLICIES, faults)
    plans = read_source(folder / _PLANS, faults)
    itineraries = read_source(folder / _ITINERARIES, faults)
    venues = [source for source in (read_source(path, faults) for path in venue_paths) if source is not None]
    files = Files(
        districts=_read(DistrictsFile, districts, faults),
        policies=_policies(policies, faults),
        plans=_plans(plans, faults),
        venues=[read for read in (_venues(source, faults) for source in venues) if read is not None],
    )
    city = _with_itineraries(city_of(files, faults), itineraries, faults)
    for source in (districts, plans, itineraries, *venues):
        if source is not None:
            _check_languages(source, source.data, (), faults)
    faults.raise_if_any()
    return city


def _with_itineraries(city: City, source: SourceFile | None, faults: Faults) -> City:
    """Add the itineraries; what they refer to is checked only where all of the rest is sound."""
    found = None if source is None else parse(ItinerariesFile, source, source.data, (), faults)
    if source is None or found is None or faults:
        return city
    return replace(city, itineraries=itineraries_of(Read(source, found), city, faults))


def _read(model: type[DistrictsFile], source: SourceFile | None, faults: Faults) -> Read[DistrictsFile] | None:
    if source is None:
        return None
    found = parse(model, source, source.data, (), faults)
    return None if found is None else Read(source, found)


def _plans(source: SourceFile | None, faults: Faults) -> Read[dict[str, Any]] | None:
    if source is None:
        return None
    found = parse(PlansFile, source, source.data, (), faults)
    return None if found is None else Read(source, dict(checked_plans(source, found, faults)))


def _venues(source: SourceFile, faults: Faults) -> Read[VenuesFile] | None:
    """Put the file's `defaults` under each of its offers, then read it."""
    data = dict(source.data)
    defaults = data.pop("defaults", {})
    if not isinstance(defaults, dict):
        faults.add(source.name, source.line(["defaults"]), "defaults: write `name: value` lines here")
        return None
    offers = data.get("offers")
    if isinstance(offers, dict):
        data["offers"] = {
            name: {**defaults, **offer} if isinstance(offer, dict) else offer for name, offer in offers.items()
        }
    found = parse(VenuesFile, source, data, (), faults)
    return None if found is None else Read(source, found)


def _policies(source: SourceFile | None, faults: Faults) -> Read[dict[str, Policy]] | None:
    """Read each policy after what it is `like`; `documents: all` names every document."""
    if source is None:
        return None
    entries = source.data.get("policies")
    if not isinstance(entries, dict):
        faults.add(source.name, 1, "`policies` is missing: add `policies:` with one entry for each policy")
        return None
    for name in source.data:
        if name not in {"policies", "sample", "source"}:
            line = source.line([name])
            faults.add(source.name, line, f"`{name}` is not known here; {did_you_mean(str(name), ['policies'])}")
    policies = {}
    for name, entry in entries.items():
        merged = _merged(source, entries, str(name), entry, faults)
        document = None if merged is None else parse(PolicyDocument, source, merged, ("policies", name), faults)
        if document is not None:
            policies[str(name)] = document.policy(str(name), version=1)
    return Read(source, policies) if len(policies) == len(entries) else None


def _merged(source: SourceFile, entries: dict[Any, Any], name: str, entry: Any, faults: Faults) -> Any:
    if not isinstance(entry, dict):
        return entry
    own = {key: value for key, value in entry.items() if key != "like"}
    model = entry.get("like")
    if model is not None:
        base = entries.get(model)
        if not isinstance(base, dict) or "like" in base or model == name:
            known = sorted(str(key) for key, one in entries.items() if isinstance(one, dict) and "like" not in one)
            line = source.line(["policies", name, "like"])
            faults.add(
                source.name, line, f"policies.{name}.like: no policy `{model}`; {did_you_mean(str(model), known)}"
            )
            return None
        own = {**base, **own}
    if own.get("documents") == "all":
        own["documents"] = [document.value for document in DocumentType]
    return own


def _check_languages(source: SourceFile, data: Any, place: tuple[int | str, ...], faults: Faults) -> None:
    """Note Chinese words without a Chinese character, and English ones with any: they were exchanged or left out."""
    if isinstance(data, list):
        for position, one in enumerate(data):
            _check_languages(source, one, (*place, position), faults)
    if not isinstance(data, dict):
        return
    for name, one in data.items():
        _check_languages(source, one, (*place, name), faults)
    for name, wanted, words in (("zh", True, "Chinese"), ("en", False, "English")):
        text = data.get(name)
        if isinstance(text, str) and text.strip() and bool(_CHINESE.search(text)) != wanted:
            where = (*place, name)
            faults.add(
                source.name, source.line(where), f"{'.'.join(map(str, where))}: write {words} here, not `{text}`"
            )
