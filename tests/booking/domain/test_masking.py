from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.booking.domain.masking import mask_document, mask_name, mask_phone
from services.booking.domain.typed import plain

numbers = st.text(alphabet="0123456789ABCDEFGHX", max_size=24)


def shown(mask: str) -> int:
    return sum(character != "*" for character in mask)


@pytest.mark.parametrize(
    ("name", "mask"),
    [
        ("张三", "张*"),
        ("欧阳娜娜", "欧**"),
        ("John Smith", "J**"),
        ("王", "*"),
        ("", "*"),
        ("  李  ", "*"),
        (" 李雷 ", "李*"),
    ],
)
def test_names(name: str, mask: str) -> None:
    assert mask_name(name) == mask


@pytest.mark.parametrize(
    ("number", "mask"),
    [
        ("21020219900101123X", "210***********123X"),
        ("210202 19900101 123x", "210***********123X"),
        ("USA310012345601", "USA**********01"),
        ("H1234567801", "H********01"),
        ("H12345678", "H******78"),
        ("12345678", "1*****78"),
        ("E1234", "***34"),
        ("E1", "*1"),
        ("E", "*"),
        ("", ""),
    ],
)
def test_documents(number: str, mask: str) -> None:
    assert mask_document(number) == mask


@pytest.mark.parametrize(
    ("phone", "mask"),
    [
        ("13812345678", "138****5678"),
        ("+8613812345678", "138****5678"),
        ("+86 138-1234-5678", "138****5678"),
        ("+447911123456", "+44*******456"),
        ("0411-83630000", "041******000"),
        ("12345", "***45"),
        ("", ""),
    ],
)
def test_phones(phone: str, mask: str) -> None:
    assert mask_phone(phone) == mask


@given(st.text(max_size=30))
def test_a_name_leaks_one_character_and_no_length_beyond_three(name: str) -> None:
    mask = mask_name(name)
    assert shown(mask.replace(name.strip()[:1] or "*", "", 1)) == 0
    assert 1 <= len(mask) <= 3


@given(numbers)
def test_a_document_shows_at_most_seven_characters_and_hides_at_least_half(number: str) -> None:
    mask = mask_document(number)
    assert len(mask) == len(number)
    assert shown(mask) <= 7
    assert shown(mask) <= len(number) - shown(mask)


@given(st.dates(date(1900, 1, 1), date(2026, 1, 1)), st.integers(0, 9999))
def test_no_digit_of_the_birth_date_in_a_citizens_number_shows(born: date, tail: int) -> None:
    mask = mask_document(f"210202{born:%Y%m%d}{tail:04}")
    assert mask[6:14] == "*" * 8


@given(st.text(alphabet="0123456789+- ", max_size=24))
def test_a_phone_shows_at_most_seven_digits_and_hides_at_least_four_of_any_real_one(phone: str) -> None:
    mask = mask_phone(phone)
    assert shown(mask) <= 7
    if len(plain(phone)) >= 8:
        assert mask.count("*") >= 4
