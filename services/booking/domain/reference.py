"""A booking's short reference, made to be read aloud and typed by hand: `ABCD-EFGH-J`.

Eight characters of Crockford's base 32 (40 random bits) and one check character. Crockford's own check is modulo 37 and
needs five more symbols (`* ~ $ = U`) that are hard to say and to find on a telephone. Instead the nine characters are a
code word over GF(32), the field whose elements are the alphabet itself: the sum of character x 2^position is zero. The
weights are nonzero and all different, so every wrong character and every swap of two characters, adjacent or not, is
caught; and the check is one more character of the same alphabet.
"""

from services.booking.domain.reason import Reason
from services.booking.domain.typed import plain
from shared.refusal import Refused

ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
RANDOM_BYTES = 5
"""What `new_reference` needs: 40 bits. Among 10 million bookings one new reference in 100,000 exists already."""

_VALUE = {character: value for value, character in enumerate(ALPHABET)}
_LOOKALIKES = str.maketrans({"O": "0", "I": "1", "L": "1"})
_DATA = 8
_REDUCTION = 0b100101  # x^5 + x^2 + 1, primitive: 2 runs through all 31 nonzero elements
_FIELD_SIZE = 32


def new_reference(random_bytes: bytes) -> str:
    """Return the reference that these `RANDOM_BYTES` secure random bytes make, as it is shown.

    Whether it is taken already only the table of bookings knows: its unique key decides, and the caller draws again.
    """
    if len(random_bytes) != RANDOM_BYTES:
        msg = f"a reference is made of {RANDOM_BYTES} random bytes"
        raise ValueError(msg)
    bits = int.from_bytes(random_bytes, "big")
    first, second, third, fourth = (bits >> shift & (_PAIRS - 1) for shift in (30, 20, 10, 0))
    check = _CHECKS[0][first] ^ _CHECKS[1][second] ^ _CHECKS[2][third] ^ _CHECKS[3][fourth]
    return f"{_PAIR[first]}{_PAIR[second]}-{_PAIR[third]}{_PAIR[fourth]}-{ALPHABET[check]}"


def normalise(text: str) -> str:
    """Return the reference that a person typed, as it is shown and stored.

    Lower case, full-width characters, any spaces and hyphens, O for 0 and I or L for 1 are what people type.

    Raises:
        Refused: `invalid_request` with `why`: length, characters or check_character.
    """
    typed = plain(text).translate(_LOOKALIKES)
    if len(typed) != _DATA + 1:
        raise _refused("length")
    if any(character not in _VALUE for character in typed):
        raise _refused("characters")
    if _sum([_VALUE[character] for character in typed]) != 0:
        raise _refused("check_character")
    return _shown(typed)


def _refused(why: str) -> Refused:
    return Refused(Reason.INVALID_REQUEST, field="/reference", why=why)


def _shown(characters: str) -> str:
    return f"{characters[:4]}-{characters[4:8]}-{characters[8]}"


def _sum(values: list[int]) -> int:
    """Return the sum of value x 2^position, the last position being 0 (Horner's rule in GF(32))."""
    total = 0
    for value in values:
        total = _doubled(total) ^ value
    return total


def _doubled(element: int) -> int:
    doubled = element << 1
    return doubled ^ _REDUCTION if doubled & _FIELD_SIZE else doubled


_PAIRS = _FIELD_SIZE**2
_PAIR = [first + second for first in ALPHABET for second in ALPHABET]


def _check_of(pair: int, place: int) -> int:
    """Return the check character of data that is zero but for `pair`, two characters of it, of which `place` pairs stand before."""
    data = [0] * _DATA
    data[2 * place : 2 * place + 2] = divmod(pair, _FIELD_SIZE)
    return _doubled(_sum(data))


_CHECKS = [[_check_of(pair, place) for pair in range(_PAIRS)] for place in range(_DATA // 2)]
"""The code is linear: the check of a reference is the sum (XOR) of those of its pairs. Every booking needs one."""
