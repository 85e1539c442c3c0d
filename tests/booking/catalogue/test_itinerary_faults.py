"""Whatever is wrong in itineraries.yaml is said with its line; and the city's own itineraries are what they should be."""

import pytest

from services.booking.catalogue import CatalogueInvalid, City, read_city
from services.booking.catalogue.faults import Faults
from services.booking.catalogue.read import _check_languages, _with_itineraries
from services.booking.catalogue.source import read_source
from services.booking.domain.catalogue import ServiceKind
from services.booking.domain.itinerary import Itinerary
from services.booking.domain.policy import PartyKind
from tests.booking.catalogue.conftest import Files

FILE = "itineraries.yaml"
PLANTED = {
    "unknown venue": ("venues: [dmu-first-hospital-fertility,", "venues: [dmu-hospital-fertility,", "there is no venue"),
    "unknown offer": ("        offers: [andrology]", "        offers: [andrologie]", "did you mean `andrology`?"),
    "unknown role": ("        who: [woman]", "        who: [wife]", "there is no role `wife`"),
    "role in no step": ("      man: {zh: 男方, en: the man}", "      male: {zh: 男方, en: the man}", "this role is in no step"),
    "unknown step": ("          - {step: gynaecology, least", "          - {step: gynecology, least", "did you mean `gynaecology`?"),
    "a circle": (
        "        offers: [andrology]\n",
        "        offers: [andrology]\n        after: [{step: consultation}]\n",
        "each of these must come after the other",
    ),
    "unknown date": ("counted_from: period_began", "counted_from: period_begin", "there is no date `period_begin`"),
    "last before first": ("first: 2, last: 5", "first: 5, last: 2", "write 5 or more"),
    "most below least": ("{step: andrology, least: 15, most: 300}", "{step: andrology, least: 15, most: 5}", "write 15 or more"),
    "latest before earliest": (
        '        latest: "10:00"',
        '        earliest: "10:30"\n        latest: "10:00"',
        "this is before `earliest`",
    ),
    "nothing to do": ("        offers: [andrology]\n", "", "write `offers` of its venue, or `services`"),
    "one person in a couple": ("    party: couple", "    party: one_person", "of kind one_person has 1 of them, not 2"),
    "a party that is not taken": (
        "        offers: [andrology]",
        "        offers: [genetics]",
        "does not take a party of kind one_person",
    ),
    "unknown walk": ("between: [andrology, consultation]", "between: [andrology, consulting]", "there is no step `consulting`"),
    "unknown key": ("    within_days: 1", "    within_day: 1", "did you mean `within_days`?"),
    "languages exchanged": ("      woman: {zh: 女方, en: the woman}", "      woman: {zh: woman, en: the woman}", "write Chinese here"),
    "a rule that only one kind has": (
        "        offers: [andrology]",
        "        services: [SERVICE]",
        "of kind assessment have rules of their own",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", PLANTED)
def test_a_fault_is_said_with_its_line_and_what_to_write(files: Files, name: str, city: City) -> None:
    old, new, said = PLANTED[name]
    line = files.edit(FILE, old, new.replace("SERVICE", an_assessment(city)))
    faults = Faults()
    source = read_source(files.folder / FILE, faults)
    _with_itineraries(city, source, faults)
    assert source is not None
    _check_languages(source, source.data, (), faults)
    with pytest.raises(CatalogueInvalid) as raised:
        faults.raise_if_any()
    found = [fault for fault in raised.value.faults if said in fault.message]
    assert found, raised.value
    if name not in {"a circle", "one person in a couple", "nothing to do", "a rule that only one kind has"}:
        assert any(abs(fault.line - line) <= 2 for fault in found), (line, str(raised.value))


def an_assessment(city: City) -> str:
    return next(one.id for one in city.services.values() if one.kind is ServiceKind.ASSESSMENT)


def test_such_a_fault_stops_the_load(files: Files) -> None:
    files.keep("fertility", "hospitals")
    files.edit(FILE, "        offers: [andrology]", "        offers: [andrologie]")
    with pytest.raises(CatalogueInvalid, match=r"itineraries\.yaml:[0-9]+: .*did you mean `andrology`"):
        read_city(files.folder)


def test_an_itinerary_without_its_file_is_a_missing_file(files: Files) -> None:
    (files.folder / FILE).unlink()
    with pytest.raises(CatalogueInvalid, match=r"itineraries\.yaml: this file is missing"):
        read_city(files.folder)


def of(city: City, ending: str) -> list[Itinerary]:
    return [one for key, one in city.itineraries.items() if key.endswith(ending)]


def test_each_fertility_clinic_sees_couples_in_two_disciplines_and_together(city: City) -> None:
    couples = of(city, "-couple-evaluation")
    assert len(couples) == 4, "the four sites of [001]"
    for one in couples:
        assert one.party is PartyKind.COUPLE
        assert one.sample, "no document says how the steps follow each other"
        assert [step.who for step in one.steps] == [("woman",), ("man",), ("woman", "man")]
        assert {after.step for after in one.steps[2].after} == {"gynaecology", "andrology"}


def test_examinations_are_booked_together_fasting_first(city: City) -> None:
    bundles = of(city, "-examination-bundle")
    assert len(bundles) == 5
    for one in bundles:
        assert [step.fasting for step in one.steps] == [True, True, False]
        assert {service_id.startswith(one.venue_id) for step in one.steps for service_id in step.services} == {True}
