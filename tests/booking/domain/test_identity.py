"""Identity documents. Every number here is invented, or a specimen printed in a standard; none is a person's."""

from datetime import date, timedelta
from enum import StrEnum

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from stdnum.cn import ric

from services.booking.domain.identity import Identity, check_document
from services.booking.domain.policy import DocumentType
from services.booking.domain.reason import Reason
from shared.refusal import Refused

TODAY = date(2026, 11, 23)
DIGITS = "0123456789"
UPPER = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"

CARD = DocumentType.RESIDENT_IDENTITY_CARD
HONG_KONG = DocumentType.HONG_KONG_MACAU_RESIDENCE_PERMIT
TAIWAN = DocumentType.TAIWAN_RESIDENCE_PERMIT
HONG_KONG_TRAVEL = DocumentType.HONG_KONG_MACAU_TRAVEL_PERMIT
TAIWAN_TRAVEL = DocumentType.TAIWAN_TRAVEL_PERMIT
PASSPORT = DocumentType.PASSPORT
FOREIGN = DocumentType.FOREIGN_PERMANENT_RESIDENT_CARD

CHECKED = [CARD, HONG_KONG, TAIWAN, FOREIGN]
PREFIXES = {
    CARD: ["210202", "210203", "210211", "210224", "110101", "310115", "659001"],
    HONG_KONG: ["810000", "820000"],
    TAIWAN: ["830000"],
    FOREIGN: ["921840", "911826", "943760"],
}


def with_check(seventeen: str) -> str:
    """The check character by the table of GB 11643 itself, so that the test does not lean on the library under test."""
    weights = [7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2]
    total = sum(int(digit) * weight for digit, weight in zip(seventeen, weights, strict=True))
    return seventeen + "10X98765432"[total % 11]


def check(document_type: DocumentType, number: str, birth_date: date | None = None, today: date = TODAY) -> Identity:
    return check_document(document_type, number, birth_date=birth_date, today=today)


def refusal(document_type: DocumentType, number: str, birth_date: date | None = None, today: date = TODAY) -> Refused:
    with pytest.raises(Refused) as caught:
        check(document_type, number, birth_date, today)
    return caught.value


def outcome(document_type: DocumentType, number: str, birth_date: date) -> Identity | StrEnum:
    try:
        return check(document_type, number, birth_date)
    except Refused as refused:
        return refused.reason


@st.composite
def checked_numbers(draw: st.DrawFn) -> tuple[DocumentType, str, date]:
    document_type = draw(st.sampled_from(CHECKED))
    born = draw(st.dates(date(1920, 1, 1), TODAY))
    sequence = draw(st.integers(1, 999))
    prefix = draw(st.sampled_from(PREFIXES[document_type]))
    return document_type, with_check(f"{prefix}{born:%Y%m%d}{sequence:03}"), born


@st.composite
def unchecked_numbers(draw: st.DrawFn) -> tuple[DocumentType, str]:
    document_type = draw(st.sampled_from([HONG_KONG_TRAVEL, TAIWAN_TRAVEL, PASSPORT, FOREIGN]))
    pattern = {
        HONG_KONG_TRAVEL: r"[HM]([0-9]{8}|[0-9]{10})",
        TAIWAN_TRAVEL: r"[0-9]{8}|[0-9]{10}",
        PASSPORT: r"[A-Z0-9]{4,8}[0-9]",
        FOREIGN: r"[A-Z]{3}[0-9]{12}",
    }[document_type]
    return document_type, draw(st.from_regex(pattern, fullmatch=True))


@pytest.mark.parametrize(
    ("document_type", "number", "born"),
    [
        (CARD, "11010519491231002X", date(1949, 12, 31)),  # the specimen printed in GB 11643-1999
        (CARD, with_check("21020219900101123"), date(1990, 1, 1)),  # Zhongshan district, Dalian
        (CARD, with_check("21022419620229001"), None),  # 1962 had no 29 February
        (CARD, with_check("21022419640229001"), date(1964, 2, 29)),
        (CARD, with_check("21028219881111222"), date(1988, 11, 11)),  # Pulandian city, a code until 2015
        (HONG_KONG, with_check("81000019970701004"), date(1997, 7, 1)),
        (HONG_KONG, with_check("82000019800512003"), date(1980, 5, 12)),
        (TAIWAN, with_check("83000019751025001"), date(1975, 10, 25)),
        (FOREIGN, "943760199803056672", date(1998, 3, 5)),  # public test data of a card-reader maker
        (FOREIGN, with_check("92184019850630012"), date(1985, 6, 30)),
    ],
)
def test_numbers_that_carry_a_birth_date(document_type: DocumentType, number: str, born: date | None) -> None:
    if born is None:
        assert refusal(document_type, number).facts["why"] == "birth_date"
        return
    assert check(document_type, number) == Identity(document_type=document_type, number=number, birth_date=born)
    assert check(document_type, number, born).birth_date == born


@pytest.mark.parametrize(
    ("document_type", "number"),
    [
        (HONG_KONG_TRAVEL, "H12345678"),
        (HONG_KONG_TRAVEL, "M1234567801"),
        (TAIWAN_TRAVEL, "12345678"),
        (TAIWAN_TRAVEL, "1234567801"),
        (PASSPORT, "L898902C3"),  # the specimen of ICAO Doc 9303 part 4
        (PASSPORT, "E12345678"),
        (PASSPORT, "12345"),
        (FOREIGN, "USA310012345601"),
    ],
)
def test_numbers_that_carry_none_need_the_birth_date(document_type: DocumentType, number: str) -> None:
    refused = refusal(document_type, number)
    assert (refused.reason, refused.field) == (Reason.BIRTH_DATE_NEEDED, "/birth_date")
    assert check(document_type, number, date(1990, 5, 6)) == Identity(
        document_type=document_type, number=number, birth_date=date(1990, 5, 6)
    )


@pytest.mark.parametrize(
    ("document_type", "number", "why"),
    [
        (CARD, "", "length"),
        (CARD, "210202900101123", "length"),  # the 15-digit form of the first cards, void since 2013
        (CARD, with_check("21020219900101123") + "0", "length"),
        (CARD, "2" * 1_000_000, "length"),
        (CARD, "2102021990010112AX", "characters"),
        (CARD, "X10202199001011234", "characters"),
        (CARD, "21020219900101123²", "characters"),
        (CARD, "٢١٠٢٠٢١٩٩٠٠١٠١١٢٣٤", "characters"),
        (CARD, "210202199001011233", "check_digit"),
        (CARD, with_check("00000019900101001"), "area"),
        (CARD, with_check("99000019900101001"), "area"),
        (CARD, with_check("21999919900101001"), "area"),  # a province that is, a county that never was
        (CARD, with_check("81000019990101001"), "area"),  # a residence permit is another document
        (CARD, with_check("83000019990101001"), "area"),
        (CARD, with_check("21020219901301001"), "birth_date"),
        (CARD, with_check("21020219900231001"), "birth_date"),
        (CARD, with_check("21020200000101001"), "birth_date"),
        (CARD, "440524188001010014", "birth_date"),  # the other specimen of GB 11643-1999: born in 1880
        (CARD, with_check("21020220990101001"), "future_birth_date"),
        (HONG_KONG, with_check("83000019750101001"), "area"),
        (HONG_KONG, with_check("21020219900101123"), "area"),
        (TAIWAN, with_check("81000019750101001"), "area"),
        (FOREIGN, with_check("21020219900101123"), "format"),
        (FOREIGN, "943760199803056673", "check_digit"),
        (FOREIGN, with_check("94376019981305667"), "birth_date"),
        (FOREIGN, "U1A310012345601", "format"),
        (FOREIGN, "USÄ310012345601", "characters"),
        (FOREIGN, "USA31001234560", "length"),
        (HONG_KONG_TRAVEL, "A12345678", "format"),
        (HONG_KONG_TRAVEL, "H1234567", "length"),
        (HONG_KONG_TRAVEL, "H123456789", "length"),
        (HONG_KONG_TRAVEL, "HH2345678", "format"),
        (HONG_KONG_TRAVEL, "H1234567!", "characters"),
        (TAIWAN_TRAVEL, "123456789", "length"),
        (TAIWAN_TRAVEL, "1234567A", "characters"),
        (PASSPORT, "E123", "length"),
        (PASSPORT, "E123456789", "length"),
        (PASSPORT, "E1234<<<<", "characters"),
        (PASSPORT, "护照12345", "characters"),
        (PASSPORT, "ABCDEFG", "format"),
        (PASSPORT, "ı2345678", "characters"),  # str.upper would make it an I
        (PASSPORT, "①2345678", "characters"),  # and Unicode's compatibility form would make it a 1
    ],
)
def test_what_no_issuer_could_have_issued(document_type: DocumentType, number: str, why: str) -> None:
    refused = refusal(document_type, number, date(1990, 1, 1))
    assert (refused.reason, refused.field) == (Reason.DOCUMENT_INVALID, "/document/number")
    assert refused.facts == {"why": why, "document_type": document_type.value}


@pytest.mark.parametrize("area", ["210202", "210211", "210213", "210214"])
def test_older_people_of_dalian_are_not_refused_for_the_year_their_area_got_its_code(area: str) -> None:
    number = with_check(f"{area}19480312001")
    assert not ric.is_valid(number), "stdnum has changed: its own area check could be used again"
    assert check(CARD, number).birth_date == date(1948, 3, 12)


def test_a_birth_date_that_contradicts_the_document() -> None:
    refused = refusal(CARD, with_check("21020219900101123"), date(1990, 1, 2))
    assert (refused.reason, refused.field) == (Reason.BIRTH_DATE_CONTRADICTS, "/birth_date")


def test_a_birth_date_may_be_today_but_not_tomorrow() -> None:
    newborn = with_check(f"210202{TODAY:%Y%m%d}001")
    assert check(CARD, newborn).birth_date == TODAY
    assert refusal(CARD, newborn, today=TODAY - timedelta(days=1)).facts["why"] == "future_birth_date"
    assert check(PASSPORT, "E12345678", TODAY).birth_date == TODAY
    refused = refusal(PASSPORT, "E12345678", TODAY + timedelta(days=1))
    assert (refused.field, refused.facts["why"]) == ("/birth_date", "future_birth_date")
    refused = refusal(PASSPORT, "E12345678", date(1790, 1, 1))
    assert (refused.field, refused.facts["why"]) == ("/birth_date", "birth_date")


@pytest.mark.parametrize(
    "typed",
    [
        "11010519491231002x",
        " 110105 19491231 002X ",
        "110105-19491231-002X",
        "１１０１０５１９４９１２３１００２ｘ",
        "110105　19491231—002Ｘ",
    ],
)
def test_one_document_is_one_number_however_it_is_typed(typed: str) -> None:
    assert check(CARD, typed).number == "11010519491231002X"


def test_a_travel_permit_issued_anew_is_the_same_person() -> None:
    first = check(HONG_KONG_TRAVEL, "H1234567800", date(1990, 1, 1))
    again = check(HONG_KONG_TRAVEL, "H1234567801", date(1990, 1, 1))
    newer = check(HONG_KONG_TRAVEL, "H12345678", date(1990, 1, 1))
    assert first.number != again.number
    assert first.lasting_number == again.lasting_number == newer.lasting_number == "H12345678"
    assert check(TAIWAN_TRAVEL, "1234567801", date(1990, 1, 1)).lasting_number == "1234567801"


@settings(deadline=None)
@given(checked_numbers())
def test_every_well_formed_number_passes_and_tells_its_birth_date(case: tuple[DocumentType, str, date]) -> None:
    document_type, number, born = case
    identity = check(document_type, number)
    assert (identity.number, identity.birth_date) == (number, born)


@settings(deadline=None)
@given(checked_numbers(), st.integers(0, 17), st.sampled_from(DIGITS + "X"))
def test_one_wrong_character_in_a_checked_number_is_always_refused(
    case: tuple[DocumentType, str, date], position: int, character: str
) -> None:
    document_type, number, _ = case
    assume(number[position] != character)
    wrong = number[:position] + character + number[position + 1 :]
    assert refusal(document_type, wrong).reason is Reason.DOCUMENT_INVALID


@settings(deadline=None)
@given(checked_numbers(), st.integers(0, 16))
def test_two_neighbours_exchanged_in_a_checked_number_are_always_refused(
    case: tuple[DocumentType, str, date], position: int
) -> None:
    document_type, number, _ = case
    assume(number[position] != number[position + 1])
    wrong = number[:position] + number[position + 1] + number[position] + number[position + 2 :]
    assert refusal(document_type, wrong).reason is Reason.DOCUMENT_INVALID


@settings(deadline=None)
@given(unchecked_numbers(), st.integers(0, 14), st.sampled_from(DIGITS + UPPER))
def test_one_changed_character_elsewhere_is_refused_or_another_identity(
    case: tuple[DocumentType, str], position: int, character: str
) -> None:
    document_type, number = case
    assume(position < len(number) and number[position] != character)
    wrong = number[:position] + character + number[position + 1 :]
    born = date(1990, 1, 1)
    changed = outcome(document_type, wrong, born)
    assert changed is Reason.DOCUMENT_INVALID or changed != check(document_type, number, born)


@settings(deadline=None)
@given(
    st.sampled_from(list(DocumentType)),
    st.text(max_size=24) | st.text("12HhMmAz１Ｈıſß①²٣-　 ", min_size=5, max_size=11),
)
def test_any_text_is_answered_and_what_passes_is_plain(document_type: DocumentType, text: str) -> None:
    found = outcome(document_type, text, date(1990, 1, 1))
    if isinstance(found, Identity):
        assert set(found.number) <= set(DIGITS + UPPER)
    else:
        assert found is Reason.DOCUMENT_INVALID


def test_number_and_birth_date_are_not_printed() -> None:
    number = with_check("21020219900101123")
    printed = repr(check(CARD, number))
    assert number not in printed
    assert "1990" not in printed
    assert number not in repr(refusal(CARD, number, date(1991, 1, 1)))
