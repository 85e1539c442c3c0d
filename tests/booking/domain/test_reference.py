import secrets

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from services.booking.domain.reason import Reason
from services.booking.domain.reference import ALPHABET, RANDOM_BYTES, new_reference, normalise
from shared.refusal import Refused

references = st.binary(min_size=RANDOM_BYTES, max_size=RANDOM_BYTES).map(new_reference)
positions = st.integers(0, 8)


def plain(reference: str) -> str:
    return reference.replace("-", "")


def why_not(text: str) -> str:
    with pytest.raises(Refused) as caught:
        normalise(text)
    assert caught.value.reason is Reason.INVALID_REQUEST
    assert caught.value.field == "/reference"
    return str(caught.value.facts["why"])


def test_known_references() -> None:
    assert new_reference(b"\x00\x00\x00\x00\x00") == "0000-0000-0"
    # one unit in the last data place weighs x^1 = 2, so the check is 2
    assert new_reference(b"\x00\x00\x00\x00\x01") == "0000-0001-2"
    # 11111 times x is 111110, and less x^5 + x^2 + 1 that is 11011 = 27 = V
    assert new_reference(b"\x00\x00\x00\x00\x1f") == "0000-000Z-V"


@given(st.binary(min_size=RANDOM_BYTES, max_size=RANDOM_BYTES))
def test_no_random_bit_is_lost(random_bytes: bytes) -> None:
    reference = new_reference(random_bytes)
    data = plain(reference)[:8]
    number = 0
    for character in data:
        number = number * 32 + ALPHABET.index(character)
    assert number == int.from_bytes(random_bytes, "big")
    assert normalise(reference) == reference


@pytest.mark.parametrize("size", [0, 4, 6])
def test_exactly_five_random_bytes(size: int) -> None:
    with pytest.raises(ValueError, match="5 random bytes"):
        new_reference(bytes(size))


@given(references, positions, st.sampled_from(ALPHABET))
def test_every_wrong_character_is_caught(reference: str, position: int, character: str) -> None:
    typed = plain(reference)
    assume(typed[position] != character)
    assert why_not(typed[:position] + character + typed[position + 1 :]) == "check_character"


@given(references, positions, positions)
def test_every_exchange_of_two_characters_is_caught(reference: str, one: int, other: int) -> None:
    typed = list(plain(reference))
    assume(typed[one] != typed[other])
    typed[one], typed[other] = typed[other], typed[one]
    assert why_not("".join(typed)) == "check_character"


def test_every_substitution_and_every_adjacent_exchange_of_some_references_exhaustively() -> None:
    for _ in range(20):
        typed = plain(new_reference(secrets.token_bytes(RANDOM_BYTES)))
        for position, was in enumerate(typed):
            for character in ALPHABET:
                if character != was:
                    assert why_not(typed[:position] + character + typed[position + 1 :]) == "check_character"
            pair = typed[position : position + 2]
            if len(set(pair)) == 2:
                assert why_not(typed[:position] + pair[::-1] + typed[position + 2 :]) == "check_character"


@given(references)
def test_what_people_type_is_understood(reference: str) -> None:
    assert normalise(reference.lower()) == reference
    assert normalise(f" {reference.replace('-', ' ')}\n") == reference
    assert normalise(plain(reference).replace("0", "o").replace("1", "l")) == reference
    assert normalise(reference.replace("0", "O").replace("1", "i")) == reference
    assert normalise("".join(chr(ord(c) + 0xFEE0) for c in plain(reference))) == reference


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "length"),
        ("ABCD-EFGH", "length"),
        ("ABCD-EFGH-JK", "length"),
        ("U000-0000-0", "characters"),
        ("*000-0000-0", "characters"),
        ("预约号000000", "characters"),
        ("0000-0000-1", "check_character"),
    ],
)
def test_what_is_no_reference(text: str, why: str) -> None:
    assert why_not(text) == why


def test_no_character_that_is_mistaken_for_another() -> None:
    assert not set("ILOU") & set(ALPHABET)
    assert len(set(ALPHABET)) == 32
