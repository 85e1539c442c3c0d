"""What may be shown of a person where the whole is not needed: lists, logs, other people's screens.

The law of this file: a mask shows of a name the first character only, of a document or telephone number never more
than 7 characters and never the birth date, and hides at least half of everything but a mobile number, whose customary
mask (`138****5678`) hides four digits of eleven.
"""

from services.booking.domain.typed import plain

_HIDDEN = "*"
_CITIZEN_LENGTH = 18
_MAINLAND_PREFIX = "+86"


def mask_name(name: str) -> str:
    """Return the first character and one or two stars: `张*`, `欧**`, `J**`. How long the name is stays hidden beyond two."""
    stripped = name.strip()
    if len(stripped) < 2:
        return _HIDDEN
    return stripped[0] + _HIDDEN * min(len(stripped) - 1, 2)


def mask_document(number: str) -> str:
    """Return a document number as its holder would recognise it: `210***********123X`, `H******78`.

    The middle of an 18-digit number is the birth date, and so is the middle of the old 15-character card of foreign
    permanent residents (`USA**********01`): neither shows.
    """
    whole = plain(number)
    if len(whole) == _CITIZEN_LENGTH:
        return _mask(whole, 3, 4)
    if len(whole) > 11:
        return _mask(whole, 3, 2)
    if len(whole) > 7:
        return _mask(whole, 1, 2)
    return _mask(whole, 0, min(2, len(whole) // 2))


def mask_phone(phone: str) -> str:
    """Return a telephone number as its holder would recognise it: `138****5678`, `+44*******789`.

    A mainland mobile number is shown without its country code, whichever way it came.
    """
    whole = plain(phone)
    national = whole.removeprefix(_MAINLAND_PREFIX)
    if len(national) == 11 and national.startswith("1"):
        return _mask(national, 3, 4)
    if len(whole) >= 12:
        return _mask(whole, 3, 3)
    return _mask(whole, 0, min(2, len(whole) // 2))


def _mask(text: str, first: int, last: int) -> str:
    hidden = len(text) - first - last
    return text[:first] + _HIDDEN * hidden + text[len(text) - last :]
