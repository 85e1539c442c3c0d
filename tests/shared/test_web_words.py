"""Words: how facts read in each language, and how tables of them are compiled."""

from datetime import UTC, date, datetime, time, timedelta, timezone
from types import MappingProxyType
from typing import Any

import pytest

from shared.contracts import Words
from shared.refusal import Refused
from shared.web import EdgeReason, Language, Problems, ProblemText, spoken
from shared.web.faults import faults_of, place_of, pointer

VOCABULARY = {"couple": Words("夫妇", "a couple"), "group": Words("团体", "a group")}
NEW_YEAR = datetime(2026, 12, 31, 16, 5, tzinfo=UTC)


@pytest.mark.parametrize(
    ("value", "zh", "en"),
    [
        (NEW_YEAR, "1月1日 周五 00:05", "Fri 1 Jan 00:05"),
        (NEW_YEAR.astimezone(timezone(timedelta(hours=-8))), "1月1日 周五 00:05", "Fri 1 Jan 00:05"),
        (date(2026, 11, 29), "11月29日 周日", "Sun 29 Nov"),
        (time(18, 0), "18:00", "18:00"),
        ("couple", "夫妇", "a couple"),
        ("couple, group", "夫妇、团体", "a couple, a group"),
        ("couple, stranger", "couple, stranger", "couple, stranger"),
        ("大连博物馆", "大连博物馆", "大连博物馆"),
        (Words("是", "yes"), "是", "yes"),
        ([2025, 2026], "2025、2026", "2025, 2026"),
        (({"starts_at": NEW_YEAR},), "1月1日 周五 00:05", "Fri 1 Jan 00:05"),
        (7, "7", "7"),
        (MappingProxyType({"starts_at": time(9, 30)}), "09:30", "09:30"),
    ],
)
def test_facts_read_as_words(value: object, zh: str, en: str) -> None:
    assert spoken(value, Language.ZH, VOCABULARY) == zh
    assert spoken(value, Language.EN, VOCABULARY) == en


def test_afternoons_have_no_pm() -> None:
    evening = spoken(datetime(2026, 11, 28, 13, 0, tzinfo=UTC), Language.EN, {})
    assert evening == "Sat 28 Nov 21:00"


def problems_with(zh: str, en: str) -> Problems:
    table = {reason: ProblemText(400, Words("标题", "Title"), Words(zh, en)) for reason in EdgeReason}
    return Problems(table, type_base="/problems/")


def detail(problems: Problems, **facts: Any) -> str:
    document = problems.document(Refused(EdgeReason.INTERNAL, **facts), Language.EN, "1")
    text: str = document["detail"]
    return text


def test_a_missing_fact_outside_brackets_leaves_a_dash() -> None:
    assert detail(problems_with("{limit}", "At most {limit}[, until {until}].")) == "At most —."


def test_an_empty_list_counts_as_missing() -> None:
    assert detail(problems_with("好", "Full.[ Also free: {others}.]"), others=[]) == "Full."


def test_a_fact_cannot_put_words_of_the_table_s_own_language_in() -> None:
    assert detail(problems_with("好", "Choose {options}."), options="{limit} [x]") == "Choose {limit} [x]."


def test_facts_never_displace_the_standard_members() -> None:
    document = problems_with("好", "Good").document(
        Refused(EdgeReason.INTERNAL, status=200, title="fine"), Language.EN, "1"
    )
    assert (document["status"], document["title"]) == (400, "Title")


@pytest.mark.parametrize(
    ("location", "place"),
    [
        (("body",), {"field": ""}),
        (("body", "people", 0, "document"), {"field": "/people/0/document"}),
        (("query", "limit"), {"parameter": "limit"}),
        (("path", "booking_id"), {"parameter": "booking_id"}),
        (("header", "x-y"), {"header": "x-y"}),
        ((), {}),
    ],
)
def test_a_place_is_a_pointer_or_a_name(location: tuple[int | str, ...], place: dict[str, str]) -> None:
    assert place_of(location) == place


def test_a_pointer_is_escaped_and_bounded() -> None:
    assert pointer(["a/b", "c~d"]) == "/a~1b/c~0d"
    assert len(pointer(["x" * 10_000])) < 100


def test_a_fault_without_words_or_facts_of_its_own_still_reads() -> None:
    [unknown, incomplete] = faults_of(
        [{"type": "brand_new", "loc": ("body", "a")}, {"type": "too_long", "loc": ("body", "b")}], Language.EN
    )
    assert unknown["detail"] == incomplete["detail"] == "is not valid."


def test_faults_are_bounded() -> None:
    assert len(faults_of([{"type": "missing", "loc": ("body", str(n))} for n in range(500)], Language.ZH)) == 20
