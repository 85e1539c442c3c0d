"""Identity documents: what a number says about itself, and whether it can be one at all.

The law of this file: a number passes when it could have been issued; whether it was, and to whom, only the issuer can
say. Where a number carries a birth date, that is the person's; where it carries none, the person must tell it.

- Resident identity card: GB 11643-1999, 18 characters: 6 area, 8 birth date, 3 sequence, 1 check (ISO 7064 MOD 11-2).
- Residence permits of Hong Kong, Macau and Taiwan residents: the same form, area 810000, 820000, 830000.
- Foreign permanent resident card of 2023: 18 characters, the first a 9, the last MOD 11-2 (note of the National
  Immigration Administration on reading the 2023 card). Its middle (province, numeric country, birth date, sequence) is
  known from public test data only, so the birth date is read and the rest is not judged. Cards of 15 characters
  (3 letters and 12 digits) stay valid until they expire; the place of a birth date in them is not settled, so it is
  asked for.
- Travel permits: H or M and 8 or 10 digits (Ministry of Public Security, 2010); 8 or 10 digits for Taiwan. No check digit.
- Passports: the document number of ICAO Doc 9303 part 4, letters and digits, at most 9. Typed by hand it has no check digit.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import date
from enum import StrEnum
from types import MappingProxyType

from stdnum import numdb
from stdnum.iso7064 import mod_11_2

from services.booking.domain.policy import DocumentType
from services.booking.domain.reason import Reason
from services.booking.domain.typed import plain
from shared.refusal import Refused

NUMBER = "/document/number"
BIRTH_DATE = "/birth_date"

_OLDEST_YEARS = 130
"""Nobody is older: such a birth date is a slip of the hand (1890 for 1980)."""

_LENGTH_MOST = 64
"""Longer texts are no document number, whatever is left out of them."""

# Every area code of GB/T 2260 with its county; read once, when the program starts.
_AREAS = numdb.get("cn/loc")
_HONG_KONG_MACAU = frozenset({"810000", "820000"})
_TAIWAN = frozenset({"830000"})


class Why(StrEnum):
    """What is wrong with a number: the fact `why` of `document_invalid`."""

    LENGTH = "length"
    CHARACTERS = "characters"
    FORMAT = "format"
    CHECK_DIGIT = "check_digit"
    AREA = "area"
    BIRTH_DATE = "birth_date"
    FUTURE_BIRTH_DATE = "future_birth_date"


@dataclass(frozen=True, slots=True, kw_only=True)
class Identity:
    """A checked document. `number` is normalised: upper case, no spaces or hyphens. Neither it nor the birth date is printed."""

    document_type: DocumentType
    number: str = field(repr=False)
    birth_date: date = field(repr=False)

    @property
    def lasting_number(self) -> str:
        """The part of the number that stays the person's when the card is issued anew: what "one person" is keyed by.

        In an 11-character Hong Kong and Macau travel permit the last two digits count the re-issues and the nine
        before them are for life (Ministry of Public Security, 2010). Every other number is taken whole.
        """
        if self.document_type is DocumentType.HONG_KONG_MACAU_TRAVEL_PERMIT:
            return self.number[:9]
        return self.number


def check_document(document_type: DocumentType, number: str, *, birth_date: date | None, today: date) -> Identity:
    """Return the identity that `number`, as typed, stands for. `today` is the venue's calendar day.

    Raises:
        Refused: `document_invalid` with `why` (see `Why`); `birth_date_needed` where the document carries none and none
            is given; `birth_date_contradicts` where the one given is not the document's. No fact repeats the number.
    """
    whole = plain(number) if len(number) <= _LENGTH_MOST else number
    try:
        carried = _CHECKS[document_type](whole)
    except _Wrong as wrong:
        raise _invalid(document_type, NUMBER, wrong.why) from None
    if carried is None and birth_date is None:
        raise Refused(Reason.BIRTH_DATE_NEEDED, field=BIRTH_DATE, document_type=document_type.value)
    if carried is not None:
        _check_plausible(document_type, NUMBER, carried, today)
        if birth_date is not None and birth_date != carried:
            raise Refused(Reason.BIRTH_DATE_CONTRADICTS, field=BIRTH_DATE, document_type=document_type.value)
    elif birth_date is not None:
        _check_plausible(document_type, BIRTH_DATE, birth_date, today)
    born = carried or birth_date
    assert born is not None  # one of the two was seen above
    return Identity(document_type=document_type, number=whole, birth_date=born)


class _Wrong(Exception):  # noqa: N818 - never leaves this file
    def __init__(self, why: Why) -> None:
        super().__init__(why)
        self.why = why


def _invalid(document_type: DocumentType, pointer: str, why: Why) -> Refused:
    return Refused(Reason.DOCUMENT_INVALID, field=pointer, why=why.value, document_type=document_type.value)


def _check_plausible(document_type: DocumentType, pointer: str, born: date, today: date) -> None:
    if born > today:
        raise _invalid(document_type, pointer, Why.FUTURE_BIRTH_DATE)
    if born.year < today.year - _OLDEST_YEARS:
        raise _invalid(document_type, pointer, Why.BIRTH_DATE)


def _must(holds: bool, why: Why) -> None:
    if not holds:
        raise _Wrong(why)


def _resident_identity_card(number: str) -> date:
    """A citizen's number.

    stdnum's own `cn.ric` is not asked for the area: it demands that the code was in use in the year of birth, while
    numbers were first given out in 1984 and keep the code of the day they were given. It would refuse everybody born
    in Zhongshan district (210202, a code since 1983) before 1983. Any code that ever was one passes.
    """
    _check_eighteen(number)
    area = number[:6]
    known = any("county" in properties for _, properties in _AREAS.info(area))
    _must(known and area[:2] not in {"81", "82", "83"}, Why.AREA)
    return _birth_date_in(number)


def _residence_permit(areas: frozenset[str]) -> Callable[[str], date]:
    def check(number: str) -> date:
        _check_eighteen(number)
        _must(number[:6] in areas, Why.AREA)
        return _birth_date_in(number)

    return check


def _foreign_permanent_resident_card(number: str) -> date | None:
    if len(number) == 15:
        _must(number.isascii() and number.isalnum(), Why.CHARACTERS)
        _must(re.fullmatch("[A-Z]{3}[0-9]{12}", number) is not None, Why.FORMAT)
        return None
    _check_eighteen(number)
    _must(number[0] == "9", Why.FORMAT)
    return _birth_date_in(number)


def _hong_kong_macau_travel_permit(number: str) -> None:
    _must(len(number) in {9, 11}, Why.LENGTH)
    _must(number.isascii() and number.isalnum(), Why.CHARACTERS)
    _must(re.fullmatch("[HM][0-9]+", number) is not None, Why.FORMAT)


def _taiwan_travel_permit(number: str) -> None:
    _must(len(number) in {8, 10}, Why.LENGTH)
    _must(re.fullmatch("[0-9]+", number) is not None, Why.CHARACTERS)


def _passport(number: str) -> None:
    _must(5 <= len(number) <= 9, Why.LENGTH)
    _must(re.fullmatch("[A-Z0-9]+", number) is not None, Why.CHARACTERS)
    _must(re.search("[0-9]", number) is not None, Why.FORMAT)


def _check_eighteen(number: str) -> None:
    _must(len(number) == 18, Why.LENGTH)
    _must(re.fullmatch("[0-9]{17}[0-9X]", number) is not None, Why.CHARACTERS)
    _must(mod_11_2.is_valid(number), Why.CHECK_DIGIT)


def _birth_date_in(number: str) -> date:
    try:
        return date(int(number[6:10]), int(number[10:12]), int(number[12:14]))
    except ValueError:
        raise _Wrong(Why.BIRTH_DATE) from None


_CHECKS: Mapping[DocumentType, Callable[[str], date | None]] = MappingProxyType(
    {
        DocumentType.RESIDENT_IDENTITY_CARD: _resident_identity_card,
        DocumentType.HONG_KONG_MACAU_RESIDENCE_PERMIT: _residence_permit(_HONG_KONG_MACAU),
        DocumentType.TAIWAN_RESIDENCE_PERMIT: _residence_permit(_TAIWAN),
        DocumentType.HONG_KONG_MACAU_TRAVEL_PERMIT: _hong_kong_macau_travel_permit,
        DocumentType.TAIWAN_TRAVEL_PERMIT: _taiwan_travel_permit,
        DocumentType.PASSPORT: _passport,
        DocumentType.FOREIGN_PERMANENT_RESIDENT_CARD: _foreign_permanent_resident_card,
    }
)
"""Each returns the birth date that the number carries, or None where it carries none."""
