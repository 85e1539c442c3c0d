"""The calendar entry of a booking, as a mail carries it: a part that a calendar takes in, changes and takes out again.

It is an iTIP message (RFC 5546) inside a mail (iMIP, RFC 6047). The UID is the booking's own for ever and SEQUENCE is
the booking's version, so a newer mail changes the entry and an older one that comes late does not. A cancelled booking
is METHOD:CANCEL. Nobody is asked to answer. Times stand in the venue's zone with its rules beside them, for a calendar
program need not know the zone by name.

SUMMARY reaches phones, watches and shared calendars: of a sensitive service it says only that there is a booking, and
there is no place.
"""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from icalendar import Alarm, Calendar, Event, Timezone, TimezoneStandard, vCalAddress, vText, vUri

from services.notify.domain.message import Kind, Language
from services.notify.domain.rendering import Appointment, in_language
from shared.clock import SHANGHAI
from shared.contracts import Words

PRODID = "-//Yuyue//Yuyue bookings//ZH"
REQUEST = "REQUEST"
CANCEL = "CANCEL"
FILE_NAME = "yuyue.ics"


def _zone() -> Timezone:
    """Return the rules of the venue's zone since it last changed its clocks, in 1991; made once, for they are long."""
    standard = TimezoneStandard()
    standard.add("dtstart", datetime(1991, 9, 15, 2))  # noqa: DTZ001 - local time by the rule before it
    standard.add("tzoffsetfrom", timedelta(hours=9))
    standard.add("tzoffsetto", timedelta(hours=8))
    standard.add("tzname", "CST")
    zone = Timezone()
    zone.add("tzid", SHANGHAI.key)
    zone.add_component(standard)
    return zone


_ZONE = _zone()


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """What a calendar shows. `sequence` is the booking's version; `place` is None where it must not be told."""

    uid: str
    sequence: int
    cancelled: bool
    starts_at: datetime
    ends_at: datetime
    summary: str
    description: str
    place: str | None
    alarm_before: timedelta | None


def render(entry: Entry, *, organizer: str, organizer_name: str, attendee: str, at: datetime) -> bytes:
    """Return the entry as text/calendar: CRLF, no line above 75 octets. `at` is when it is sent (DTSTAMP)."""
    calendar = Calendar()
    calendar.add("prodid", PRODID)
    calendar.add("version", "2.0")
    calendar.add("calscale", "GREGORIAN")
    calendar.add("method", CANCEL if entry.cancelled else REQUEST)
    event = Event()
    event.add("uid", entry.uid)
    event.add("sequence", entry.sequence)
    event.add("dtstamp", at.astimezone(UTC).replace(microsecond=0))
    event.add("dtstart", entry.starts_at.astimezone(SHANGHAI))
    event.add("dtend", entry.ends_at.astimezone(SHANGHAI))
    event.add("summary", entry.summary)
    event.add("description", entry.description)
    event.add("status", "CANCELLED" if entry.cancelled else "CONFIRMED")
    event.add("transp", "OPAQUE")
    event.add("class", "PRIVATE")
    event.add("organizer", _address(organizer, cn=organizer_name))
    event.add("attendee", _address(attendee, role="REQ-PARTICIPANT", partstat="ACCEPTED", rsvp="FALSE"))
    if entry.place is not None:
        event.add("location", entry.place)
    if entry.alarm_before is not None and not entry.cancelled:
        event.add_component(_alarm(entry))
    calendar.add_component(_ZONE)
    calendar.add_component(event)
    content: bytes = calendar.to_ical()
    return content


def _alarm(entry: Entry) -> Alarm:
    alarm = Alarm()
    alarm.add("action", "DISPLAY")
    alarm.add("description", entry.summary)
    assert entry.alarm_before is not None, "an alarm has its time"
    alarm.add("trigger", -entry.alarm_before)
    return alarm


def _address(address: str, **parameters: str) -> vCalAddress:
    found = vCalAddress(vUri(f"mailto:{address}"))
    for name, value in parameters.items():
        found.params[name] = vText(value)
    return found


_METHODS = {Kind.CONFIRMATION: False, Kind.CHANGE: False, Kind.CANCELLATION: True, Kind.CLOSURE: True}
"""Kinds whose mail carries the entry, and whether it takes it out. A reminder changes nothing in a calendar."""

_ALARM = timedelta(hours=2)
_SOMETHING = Words(zh="您有一项预约", en="You have a booking")
_REFERENCE = Words(zh="预约号：{0}", en="Reference: {0}")


def entry_of(kind: Kind, appointment: Appointment, language: Language) -> Entry | None:
    """Return the entry that a mail of `kind` carries, or None where it carries none."""
    if kind not in _METHODS:
        return None
    named = not appointment.sensitive and appointment.service is not None
    place = ", ".join(filter(None, (in_language(one, language) for one in (appointment.venue, appointment.address))))
    return Entry(
        uid=f"{appointment.booking_id}@yuyue",
        sequence=appointment.version,
        cancelled=_METHODS[kind],
        starts_at=appointment.starts_at,
        ends_at=appointment.ends_at,
        summary=in_language(appointment.service if named else _SOMETHING, language),
        description=in_language(_REFERENCE, language).format(appointment.reference),
        place=place if named and place else None,
        alarm_before=_ALARM,
    )
