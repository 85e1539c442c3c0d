"""Which words a message may use: the choice between full and neutral wording, and the variables of each kind.

The law: the wording of a sensitive service (`BookingChanged.sensitive`: fertility, assessment, psychology …) names
neither service nor venue, in any channel, the in-app inbox included, for a screen is read over a shoulder. What it may
say is that there is a booking, when, and under which reference. It holds by construction: a neutral template is
refused at start-up if it uses any other variable, and an `Appointment` of a sensitive service has no names to leak.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from types import MappingProxyType
from uuid import UUID

from services.notify.domain.local_time import in_brief, in_words
from services.notify.domain.message import Kind, Language
from shared.contracts import BookingChanged, Words


class Wording(StrEnum):
    FULL = "full"
    NEUTRAL = "neutral"


@dataclass(frozen=True, slots=True, kw_only=True)
class Appointment:
    """What is kept of a booking at `version` to speak of it later. The names are None where the service is sensitive."""

    booking_id: UUID
    version: int
    state: str
    reference: str
    account_id: UUID
    sensitive: bool
    starts_at: datetime
    ends_at: datetime
    local_start: str
    service: Words | None
    venue: Words | None
    address: Words | None
    local_start_before: str | None = None


def appointment_of(booking: BookingChanged) -> Appointment:
    """Return what we keep of `booking`: of a sensitive one, nothing that says what or where."""
    return Appointment(
        booking_id=booking.booking_id,
        version=booking.version,
        state=booking.state,
        reference=booking.reference,
        account_id=booking.account_id,
        sensitive=booking.sensitive,
        starts_at=booking.starts_at,
        ends_at=booking.ends_at,
        local_start=booking.local_start,
        service=None if booking.sensitive else booking.service_name,
        venue=None if booking.sensitive else booking.venue_name,
        address=None if booking.sensitive else booking.venue_address,
        local_start_before=booking.local_start_before,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Variable:
    """A variable of the templates: a text, with a sample in each language. `required` ones stand in every body."""

    name: str
    sample: Words
    required: bool = False


_NEUTRAL = (
    Variable(name="reference", sample=Words(zh="7K3F9Q2M", en="7K3F9Q2M"), required=True),
    Variable(
        name="when",
        sample=Words(zh="2026年11月28日 星期六 16:30", en="Saturday 28 November 2026, 16:30"),
        required=True,
    ),
    Variable(name="when_brief", sample=Words(zh="11月28日 16:30", en="28 Nov 16:30")),
)
_FULL = (
    *_NEUTRAL,
    Variable(name="service", sample=Words(zh="羽毛球1号场", en="Badminton court 1"), required=True),
    Variable(name="venue", sample=Words(zh="大连市民健身中心", en="Dalian Citizens' Fitness Centre"), required=True),
    Variable(name="address", sample=Words(zh="示例路1号", en="1 Sample Road")),
)
_BEFORE = Variable(
    name="when_before",
    sample=Words(zh="2026年11月27日 星期五 15:00", en="Friday 27 November 2026, 15:00"),
    required=True,
)
_CODE = (Variable(name="code", sample=Words(zh="482913", en="482913"), required=True),)

_OF_A_BOOKING: Mapping[Wording, tuple[Variable, ...]] = {Wording.FULL: _FULL, Wording.NEUTRAL: _NEUTRAL}
_OF_A_MOVE: Mapping[Wording, tuple[Variable, ...]] = {
    Wording.FULL: (*_FULL, _BEFORE),
    Wording.NEUTRAL: (*_NEUTRAL, _BEFORE),
}

VARIABLES: Mapping[Kind, Mapping[Wording, tuple[Variable, ...]]] = MappingProxyType(
    {
        Kind.CONFIRMATION: _OF_A_BOOKING,
        Kind.REMINDER: _OF_A_BOOKING,
        Kind.CHANGE: _OF_A_MOVE,
        Kind.CANCELLATION: _OF_A_BOOKING,
        Kind.HOLD_LAPSED: _OF_A_BOOKING,
        Kind.SIGN_IN_CODE: {Wording.NEUTRAL: _CODE},
    }
)
"""Every kind of message has a template in every language for every wording named here, and for no other."""


def wording_of(appointment: Appointment) -> Wording:
    return Wording.NEUTRAL if appointment.sensitive else Wording.FULL


def values_of(appointment: Appointment, language: Language) -> Mapping[str, str]:
    """Return the variables of a message about `appointment`, in `language`; exactly those its wording may use.

    `when_before` is there where its last change moved it.
    """
    values = {
        "reference": appointment.reference,
        "when": in_words(appointment.local_start, language),
        "when_brief": in_brief(appointment.local_start, language),
    }
    if appointment.local_start_before is not None:
        values["when_before"] = in_words(appointment.local_start_before, language)
    if wording_of(appointment) is Wording.FULL:
        values |= {
            "service": in_language(appointment.service, language),
            "venue": in_language(appointment.venue, language),
            "address": in_language(appointment.address, language),
        }
    return values


def in_language(words: Words | None, language: Language) -> str:
    """Return `words` in `language`; where a name has no English, the Chinese one, which the sign at the door bears."""
    if words is None:
        return ""
    return (words.en or words.zh) if language is Language.EN else words.zh


def language_of(preferred: str | None) -> Language:
    """Return the language to write in: what the person asked for where we have it, else the city's own."""
    return Language.EN if preferred is not None and preferred.lower().split("-")[0] == "en" else Language.ZH_CN
