"""The calendar entry in a mail: one entry for a booking's whole life, read by two libraries that did not write it."""

import re
from datetime import UTC, datetime, timedelta
from email.message import EmailMessage
from typing import Any
from uuid import UUID

import pytest
import vobject
from icalendar import Calendar

from services.notify.channels.calendar import Entry, entry_of, render
from services.notify.domain.message import Kind, Language
from services.notify.domain.rendering import Appointment, appointment_of
from shared.contracts import EventType
from tests.notify.make import STARTS_AT, booking, event
from tests.notify.town import Town

AT = datetime(2026, 11, 20, 2, 0, tzinfo=UTC)


def entry(kind: Kind = Kind.CONFIRMATION, language: Language = Language.ZH_CN, **changes: Any) -> Entry:
    found = entry_of(kind, appointment(**changes), language)
    assert found is not None
    return found


def appointment(**changes: Any) -> Appointment:
    return appointment_of(booking(booking_id=UUID(int=5), **changes))


def written(given: Entry) -> str:
    return render(
        given, organizer="yuyue@dalian.test", organizer_name="预约平台", attendee="wang@example.test", at=AT
    ).decode()


@pytest.mark.parametrize("kind", [Kind.CONFIRMATION, Kind.CHANGE, Kind.CANCELLATION])
@pytest.mark.parametrize("sensitive", [False, True])
@pytest.mark.parametrize("language", list(Language))
def test_other_readers_find_it_sound(kind: Kind, sensitive: bool, language: Language) -> None:
    text = written(entry(kind, language, sensitive=sensitive, version=3))
    vobject.readOne(text).validate(raiseException=True)
    assert not Calendar.from_ical(text).errors
    lines = text.encode().split(b"\r\n")
    assert all(len(line) <= 75 for line in lines), "RFC 5545, 3.1"
    assert lines[-1] == b""
    assert b"\n" not in text.encode().replace(b"\r\n", b"")
    assert b"\r" not in text.encode().replace(b"\r\n", b"")


# RFC 5546, 3.2: what each method must have, and what it must not
PRESENT = {
    "REQUEST": {"UID", "DTSTAMP", "DTSTART", "SUMMARY", "ORGANIZER", "ATTENDEE", "SEQUENCE"},
    "CANCEL": {"UID", "DTSTAMP", "ORGANIZER", "SEQUENCE", "ATTENDEE", "STATUS"},
}


@pytest.mark.parametrize(
    ("kind", "method", "status"),
    [
        (Kind.CONFIRMATION, "REQUEST", "CONFIRMED"),
        (Kind.CHANGE, "REQUEST", "CONFIRMED"),
        (Kind.CANCELLATION, "CANCEL", "CANCELLED"),
    ],
)
def test_each_method_has_what_it_must_have(kind: Kind, method: str, status: str) -> None:
    found: Any = Calendar.from_ical(written(entry(kind, version=4)))
    assert found["METHOD"] == method
    [one] = found.walk("VEVENT")
    assert set(one) >= PRESENT[method]
    assert (one["STATUS"], one["SEQUENCE"], str(one["UID"])) == (status, 4, f"{UUID(int=5)}@yuyue")
    assert "REQUEST-STATUS" not in one
    assert (len(one.walk("VALARM")) == 1) is (method == "REQUEST")


def test_it_stands_in_the_venues_zone_with_its_rules_beside_it() -> None:
    found: Any = Calendar.from_ical(written(entry()))
    [zone] = found.walk("VTIMEZONE")
    assert zone["TZID"] == "Asia/Shanghai"
    [one] = found.walk("VEVENT")
    assert one["DTSTART"].params["TZID"] == "Asia/Shanghai"
    assert one["DTSTART"].dt == STARTS_AT
    assert one["DTSTAMP"].to_ical() == b"20261120T020000Z"
    [alarm] = one.walk("VALARM")
    assert alarm["TRIGGER"].dt == timedelta(hours=-2)


def test_of_a_sensitive_service_a_calendar_learns_neither_what_nor_where() -> None:
    text = written(entry(sensitive=True))
    unfolded = text.replace("\r\n ", "")
    assert "SUMMARY:您有一项预约" in unfolded
    assert "LOCATION" not in unfolded
    for word in ("羽毛球", "健身", "示例路"):
        assert word not in unfolded
        assert word in written(entry()).replace("\r\n ", "")


def test_a_reminder_changes_nothing_in_a_calendar() -> None:
    assert entry_of(Kind.REMINDER, appointment(), Language.EN) is None


def part(mail: EmailMessage) -> EmailMessage:
    [found] = [one for one in mail.walk() if one.get_content_type() == "text/calendar"]
    assert isinstance(found, EmailMessage)
    return found


async def test_a_calendar_follows_a_booking_through_the_mails(town: Town) -> None:
    about = booking(contact=town.keys.contact(), reminders=())
    moved = booking(
        booking_id=about.booking_id,
        version=2,
        starts_at=STARTS_AT + timedelta(days=1),
        local_start_before=about.local_start,
        reminders=(),
    )
    await town.hear(event(EventType.BOOKING_CONFIRMED, about))
    await town.deliver()
    await town.hear(event(EventType.BOOKING_MOVED, moved))
    await town.deliver()
    await town.hear(event(EventType.BOOKING_CANCELLED, booking(booking_id=about.booking_id, version=3)))
    await town.deliver()
    shown: dict[str, Any] = {}
    starts = []
    for mail in town.mailbox.seen:
        one = part(mail)
        calendar: Any = Calendar.from_ical(one.get_content())
        assert one.get_param("method") == calendar["METHOD"]
        [vevent] = calendar.walk("VEVENT")
        uid, sequence = str(vevent["UID"]), vevent["SEQUENCE"]
        assert sequence > shown.get(uid, 0), "a calendar takes only what is newer"
        shown[uid] = sequence
        if calendar["METHOD"] == "CANCEL":
            del shown[uid]
        else:
            starts.append(vevent["DTSTART"].dt)
    assert starts == [STARTS_AT, STARTS_AT + timedelta(days=1)]
    assert len(town.mailbox.seen) == 3
    assert shown == {}, "taken out again"


async def test_the_part_arrives_as_it_was_written(town: Town) -> None:
    await town.hear(event(EventType.BOOKING_CONFIRMED, booking(contact=town.keys.contact(), reminders=())))
    await town.deliver()
    [mail] = town.mailbox.seen
    raw = part(mail).get_payload(decode=True)
    assert isinstance(raw, bytes)
    assert re.match(rb"BEGIN:VCALENDAR\r\n", raw)
    assert all(len(line) <= 75 for line in raw.split(b"\r\n"))
    vobject.readOne(raw.decode()).validate(raiseException=True)
    assert [one.get_content_type() for one in mail.iter_parts()] == ["text/plain", "text/html", "text/calendar"]
