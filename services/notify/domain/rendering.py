"""Which words a message may use: the choice between full and neutral wording, and the values of its variables.

The law: the wording of a sensitive service (`BookingChanged.sensitive`: fertility, assessment, psychology …) names
neither service nor venue, in any channel, the in-app inbox included, for a screen is read over a shoulder. What it may
say is that there is a booking, when, and under which reference. It holds by construction: a neutral template is
refused at start-up if it uses any other variable, and an `Appointment` of a sensitive service has no names to leak,
unless its holder chose that messages may name it. Which variables each kind has stands in `vocabulary`.

Whoever prefers it gets plain words: short sentences, large print, and a number to call.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from uuid import UUID

from services.notify.domain.local_time import in_brief, in_words
from services.notify.domain.message import Language
from services.notify.domain.notice import Notice
from services.notify.domain.preference import DEFAULTS, Preferences
from shared.contracts import BookingChanged, Preparation, StepTold, Words

Values = Mapping[str, str]

HELP = Words("如需帮助，请拨打{}。", "For help, call {}.")
"""What ends a message in large print that has no plain words of its own."""


class Wording(StrEnum):
    FULL = "full"
    NEUTRAL = "neutral"
    PLAIN = "plain"
    """As `full`, in short sentences, for whoever asked for it."""
    PLAIN_NEUTRAL = "plain_neutral"

    @property
    def ordinary(self) -> "Wording":
        """The wording that stands in where a kind has none in plain words."""
        return {Wording.PLAIN: Wording.FULL, Wording.PLAIN_NEUTRAL: Wording.NEUTRAL}.get(self, self)


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
    local_hold_until: str | None = None
    offered: bool = False
    party_size: int = 1
    preparations: tuple[Preparation, ...] = ()
    alternatives: tuple[str, ...] = ()
    steps: tuple[StepTold, ...] = ()


def appointment_of(booking: BookingChanged, *, named: bool = False, offered: bool = False) -> Appointment:
    """Return what we keep of `booking`: of a sensitive one, nothing that says what or where.

    `named`: its holder chose that messages may name it all the same. `offered`: it is a place from the waiting list.
    """
    unnamed = booking.sensitive and not named
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
        service=None if unnamed else booking.service_name,
        venue=None if unnamed else booking.venue_name,
        address=None if unnamed else booking.venue_address,
        local_start_before=booking.local_start_before,
        local_hold_until=booking.local_hold_until,
        offered=offered,
        party_size=booking.party_size,
        preparations=() if unnamed else booking.preparations,
        alternatives=booking.alternatives,
        steps=() if unnamed else booking.steps,
    )


def wording_of(about: Appointment | Notice, preferences: Preferences = DEFAULTS) -> Wording:
    """Return the wording for a message: neutral where the service is sensitive, unless its reader chose otherwise."""
    named = about.service is not None if isinstance(about, Appointment) else bool(about.names)
    neutral = about.sensitive and not (named and preferences.names_sensitive)
    if preferences.plain_words:
        return Wording.PLAIN_NEUTRAL if neutral else Wording.PLAIN
    return Wording.NEUTRAL if neutral else Wording.FULL


def values_of(about: Appointment | Notice, language: Language, wording: Wording, lead_minutes: int = 0) -> Values:
    """Return the variables of a message about `about`, in `language`; exactly those that `wording` may use.

    `when_before` is there where its last change moved it, `until` where it is held; `lead_minutes` chooses what is to be
    prepared; `steps` has a line for each step of an itinerary, and nothing for any other booking.
    """
    full = wording.ordinary is Wording.FULL
    if isinstance(about, Notice):
        words = {**about.values, **(about.names if full else {})}
        return {name: in_language(value, language) for name, value in words.items()}
    values = {
        "reference": about.reference,
        "when": in_words(about.local_start, language),
        "when_brief": in_brief(about.local_start, language),
        "party_size": str(about.party_size),
        "alternatives": (" / " if language is Language.EN else "、").join(
            in_brief(one, language) for one in about.alternatives
        ),
    }
    if about.local_start_before is not None:
        values["when_before"] = in_words(about.local_start_before, language)
    if about.local_hold_until is not None:
        values["until"] = in_words(about.local_hold_until, language)
    if full:
        values |= {
            "service": in_language(about.service, language),
            "venue": in_language(about.venue, language),
            "address": in_language(about.address, language),
            "what": "\n".join(
                in_language(one.words, language) for one in about.preparations if one.lead_minutes == lead_minutes
            ),
            "steps": "\n".join(_step(one, language) for one in about.steps),
        }
    return values


def values_together(abouts: Sequence[Appointment], language: Language, preferences: Preferences) -> Values:
    """Return the variables of one message about several bookings, the soonest first; each by its own wording."""
    return {
        "how_many": str(len(abouts)),
        "first": in_brief(abouts[0].local_start, language),
        "lines": "\n".join(_line(about, language, preferences) for about in abouts),
    }


_LINE = Words(
    "{when_brief} {service}，{venue}，预约号{reference}", "{when_brief} {service}, {venue}, reference {reference}"
)
_NEUTRAL_LINE = Words(
    "{when_brief} 您有一项预约，预约号{reference}", "{when_brief} a booking of yours, reference {reference}"
)


def _line(about: Appointment, language: Language, preferences: Preferences) -> str:
    wording = wording_of(about, preferences)
    form = _LINE if wording.ordinary is Wording.FULL else _NEUTRAL_LINE
    return in_language(form, language).format(**values_of(about, language, wording))


_STEP = Words("{when} {service}，{venue}", "{when} {service}, {venue}")


def _step(step: StepTold, language: Language) -> str:
    """Return one step of an itinerary in one line: when, what, where."""
    when = in_brief(step.local_start, language)
    service, venue = in_language(step.service_name, language), in_language(step.venue_name, language)
    return in_language(_STEP, language).format(when=when, service=service, venue=venue)


def in_language(words: Words | None, language: Language) -> str:
    """Return `words` in `language`; where a name has no English, the Chinese one, which the sign at the door bears."""
    if words is None:
        return ""
    return (words.en or words.zh) if language is Language.EN else words.zh


def language_of(preferred: str | None) -> Language:
    """Return the language to write in: what the person asked for where we have it, else the city's own."""
    return Language.EN if preferred is not None and preferred.lower().split("-")[0] == "en" else Language.ZH_CN
