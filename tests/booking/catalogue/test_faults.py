"""Whatever is wrong in the city's files is said with its line, and with what to write instead."""

import pytest

from services.booking.catalogue import CatalogueInvalid, read_city
from tests.booking.catalogue.conftest import Files

PLANTED = {
    "unknown key": (
        "museums.yaml",
        "    step_free: true",
        "    step_fre: true",
        "`step_fre` is not known here; did you mean `step_free`?",
    ),
    "missing translation": (
        "sports.yaml",
        "name: {zh: 西岗区体育馆, en: Xigang District Gymnasium}",
        "name: {zh: 西岗区体育馆}",
        "`en` is missing: add `en: …`",
    ),
    "languages exchanged": (
        "hospitals.yaml",
        "    name: {zh: 内科, en: Internal medicine}",
        "    name: {zh: Internal medicine, en: 内科}",
        "write Chinese here, not `Internal medicine`",
    ),
    "unknown policy": (
        "museums.yaml",
        "    policy: museum_timed_entry",
        "    policy: museum_timed_entri",
        "there is no policy `museum_timed_entri`; did you mean `museum_timed_entry`?",
    ),
    "unknown plan": (
        "sports.yaml",
        "    plan: sports-outdoor",
        "    plan: sports-outdor",
        "there is no plan `sports-outdor`; did you mean `sports-outdoor`?",
    ),
    "unknown district": (
        "assessment.yaml",
        "    district: changhai",
        "    district: changhia",
        "there is no district `changhia`; did you mean `changhai`?",
    ),
    "unknown offer": (
        "museums.yaml",
        "      guided-tour: {capacity: 30}",
        "      guided-tours: {capacity: 30}",
        "there is no offer `guided-tours` in this file; did you mean `guided-tour`?",
    ),
    "no number": (
        "museums.yaml",
        "evening-entry: {capacity: 150}",
        "evening-entry: {capacity: many}",
        "write a whole number, not `many`",
    ),
    "too small": ("sports.yaml", "badminton: {count: 8}", "badminton: {count: 0}", "write 1 or more, not `0`"),
    "count without number": (
        "sports.yaml",
        "physique-test: {capacity: 10}",
        "physique-test: {count: 2}",
        "there are 2 of them: put {n} into the name",
    ),
    "nothing left online": (
        "museums.yaml",
        "guided-tour: {capacity: 25}",
        "guided-tour: {capacity: 1}",
        "leave none to book online: write a larger capacity",
    ),
    "time of day": (
        "plans.yaml",
        '          - opens: "16:30"',
        '          - opens: "25:30"',
        "write a time of day as HH:MM, such as 16:30",
    ),
    "date": (
        "plans.yaml",
        "    valid_from: 2025-05-01",
        "    valid_from: 2025-02-30",
        "write a date as YYYY-MM-DD, such as 2026-10-01",
    ),
    "closes before it opens": (
        "plans.yaml",
        'opens: "12:00", closes: "21:00"',
        'opens: "21:00", closes: "12:00"',
        "it closes before it opens",
    ),
    "overlapping hours": (
        "plans.yaml",
        'opens: "17:00", closes: "21:00"',
        'opens: "16:00", closes: "21:00"',
        "these hours overlap with others of the plan",
    ),
    "no official calendar": (
        "plans.yaml",
        "    timed: {minutes: 30, capacity: 20}",
        "    valid_until: 2027-06-30\n    timed: {minutes: 30, capacity: 20}",
        "there is no official holiday calendar for 2027",
    ),
    "unknown festival": (
        "plans.yaml",
        "            festivals: [labour_day, national_day]\n            within: [{first: 2026",
        "            festivals: [labour_day, nationl_day]\n            within: [{first: 2026",
        "not `nationl_day`",
    ),
    "unknown document": (
        "policies.yaml",
        "    documents: [resident_identity_card]",
        "    documents: [resident_card]",
        "'resident_identity_card'",
    ),
    "declaration left out": (
        "policies.yaml",
        "      - name: registered_subdistrict",
        "      - name: registered_district",
        "does not ask for `registered_subdistrict`",
    ),
    "sub-district twice": (
        "districts.yaml",
        "      rixin: {zh: 日新街道, en: Rixin Sub-district}",
        "      taoyuan: {zh: 日新街道, en: Rixin Sub-district}",
        "`taoyuan` is a sub-district of zhongshan already",
    ),
    "key twice": (
        "districts.yaml",
        "      kuiying: {zh: 葵英街道, en: Kuiying Sub-district}\n      taoyuan:",
        "      kuiying: {zh: 葵英街道, en: Kuiying Sub-district}\n      kuiying:",
        "kuiying",
    ),
    "no YAML": (
        "fertility.yaml",
        "    step_free: true",
        "    step_free: [true",
        "this is no YAML",
    ),
}

LINE_ELSEWHERE = {
    "no YAML",  # a bracket that is not closed is noticed where the next thing stands
    "overlapping hours",  # of two that overlap, the later one is named
    "no official calendar",  # the plan is blamed, at its name
    "declaration left out",  # said where the policy is used for an assessment
    "unknown festival",
    "time of day",
}


@pytest.mark.parametrize("name", PLANTED)
def test_a_fault_is_said_with_its_line_and_what_to_write(files: Files, name: str) -> None:
    file, old, new, said = PLANTED[name]
    files.keep(file.removesuffix(".yaml"), "assessment")
    line = files.edit(file, old, new)
    with pytest.raises(CatalogueInvalid) as raised:
        read_city(files.folder)
    faults = raised.value.faults
    found = [fault for fault in faults if said in fault.message]
    assert found, raised.value
    assert all(fault.line > 0 for fault in faults)
    assert all(str(fault) in str(raised.value) for fault in faults)
    if name not in LINE_ELSEWHERE:
        assert (file, line) in {(fault.file, fault.line) for fault in found}, (line, str(raised.value))


def test_every_fault_is_told_at_once(files: Files) -> None:
    chosen = [PLANTED[name] for name in ("unknown key", "missing translation", "unknown district", "date")]
    for file, old, new, _ in chosen:
        files.edit(file, old, new)
    with pytest.raises(CatalogueInvalid) as raised:
        read_city(files.folder)
    for file, _, _, said in chosen:
        assert any(fault.file == file and said in fault.message for fault in raised.value.faults), said


def test_a_missing_file_is_named(files: Files) -> None:
    (files.folder / "plans.yaml").unlink()
    with pytest.raises(CatalogueInvalid, match=r"plans\.yaml: this file is missing"):
        read_city(files.folder)


def test_what_refers_to_a_broken_file_is_not_blamed_as_well(files: Files) -> None:
    files.edit("policies.yaml", "policies:\n", "policies: [\n")
    with pytest.raises(CatalogueInvalid) as raised:
        read_city(files.folder)
    assert {fault.file for fault in raised.value.faults} == {"policies.yaml"}
