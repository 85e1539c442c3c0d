"""CloudEvents on the wire: whole, strict, and open to what may grow."""

import json
from dataclasses import fields, replace
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.codec import (
    MalformedEvent,
    UnknownEvent,
    data_from_json,
    data_json,
    from_batch,
    from_cloudevent,
    to_batch,
    to_cloudevent,
)
from shared.contracts import DATA_OF, BookingChanged, Event, EventType, Words
from tests.shared.samples import event, sign_in_event

SOURCE = "/yuyue/booking"


def document(**changes: Any) -> dict[str, Any]:
    """A sound event as JSON, with changes; a change to None takes the member out."""
    sound = json.loads(to_cloudevent(event(7), SOURCE))
    return {name: value for name, value in {**sound, **changes}.items() if value is not None}


def read(changed: object) -> Event:
    return from_cloudevent(json.dumps(changed).encode())


def test_an_event_is_a_complete_structured_cloudevent() -> None:
    happened = event(7)
    written = json.loads(to_cloudevent(happened, SOURCE))
    data = written.pop("data")

    assert written == {
        "specversion": "1.0",
        "id": str(happened.id),
        "source": SOURCE,
        "type": "yuyue.booking.confirmed.v1",
        "subject": str(happened.subject),
        "time": "2026-11-23T02:00:00Z",
        "datacontenttype": "application/json",
        "sequence": "0000000000000000007",
    }
    assert data["venue_name"] == {"zh": "大连博物馆", "en": "Dalian Museum"}
    assert data.keys() == {field.name for field in fields(BookingChanged)}


def test_chinese_is_written_as_it_is() -> None:
    assert "大连博物馆".encode() in to_cloudevent(event(), SOURCE)


@pytest.mark.parametrize("happened", [event(7), event(), sign_in_event(1), sign_in_event()])
def test_what_is_written_is_read_back(happened: Event) -> None:
    assert from_cloudevent(to_cloudevent(happened, SOURCE)) == happened
    assert from_batch(to_batch([happened, happened], SOURCE)) == [happened, happened]
    assert data_from_json(happened.type, data_json(happened)) == happened.data


TIMES = st.timedeltas(min_value=timedelta(), max_value=timedelta(days=36500)).map(
    lambda t: datetime(2000, 1, 1, tzinfo=UTC) + t
)
TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=50)
WORDS = st.builds(Words, zh=TEXTS, en=TEXTS)
BOOKINGS = st.builds(BookingChanged, starts_at=TIMES, ends_at=TIMES, hold_until=st.none() | TIMES, venue_name=WORDS)


@given(BOOKINGS, st.sampled_from([kind for kind, data in DATA_OF.items() if data is BookingChanged]))
def test_any_booking_is_read_back(data: BookingChanged, kind: EventType) -> None:
    happened = replace(event(), data=data, type=kind)
    assert from_cloudevent(to_cloudevent(happened, SOURCE)) == happened


def test_a_time_in_another_zone_is_the_same_moment_in_utc() -> None:
    here = timezone(timedelta(hours=8))
    happened = replace(event(), time=datetime(2026, 11, 23, 10, 0, tzinfo=here))
    assert json.loads(to_cloudevent(happened, SOURCE))["time"] == "2026-11-23T02:00:00Z"
    assert read(document(time="2026-11-23T10:00:00+08:00")).time == datetime(2026, 11, 23, 2, 0, tzinfo=UTC)


def test_numbers_sort_as_their_texts_do() -> None:
    texts = [json.loads(to_cloudevent(event(number), SOURCE))["sequence"] for number in (2, 9, 10, 100, 2**62)]
    assert texts == sorted(texts)


@pytest.mark.parametrize("name", ["id", "source", "type", "time", "subject", "specversion", "data"])
def test_a_missing_member_is_an_error_and_never_invented(name: str) -> None:
    with pytest.raises(MalformedEvent, match=name):
        read(document(**{name: None}))


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("id", "not-a-uuid"),
        ("id", 7),
        ("source", ""),
        ("time", "yesterday"),
        ("time", "2026-11-23T02:00:00"),  # which zone?
        ("time", 1763863200),
        ("specversion", "0.3"),
        ("sequence", 7),
        ("sequence", "-1"),
        ("sequence", "0"),
        ("sequence", "७"),
        ("datacontenttype", "application/xml"),
        ("data", []),
        ("data", "text"),
    ],
)
def test_a_wrong_member_is_an_error(name: str, value: object) -> None:
    with pytest.raises(MalformedEvent, match=name):
        read(document(**{name: value}))


@pytest.mark.parametrize("payload", [b"", b"{", b"[]", b"null", b'"text"', b"\xff\xfe"])
def test_what_is_not_an_object_is_an_error(payload: bytes) -> None:
    with pytest.raises(MalformedEvent):
        from_cloudevent(payload)


@pytest.mark.parametrize("payload", [b"{}", b"[1]", b"nonsense", to_cloudevent(event(1), SOURCE)])
def test_what_is_not_a_batch_is_an_error(payload: bytes) -> None:
    with pytest.raises(MalformedEvent):
        from_batch(payload)


@pytest.mark.parametrize("name", ["booking_id", "version", "starts_at", "reminders"])
def test_incomplete_data_is_an_error_that_names_the_member_and_not_its_value(name: str) -> None:
    sound = document()
    del sound["data"][name]
    sound["data"]["party_size"] = "secret value"
    with pytest.raises(MalformedEvent, match=name) as caught:
        read(sound)
    assert "secret value" not in str(caught.value)
    assert caught.value.__cause__ is None


def test_data_with_a_naive_time_is_an_error() -> None:
    sound = document()
    sound["data"]["starts_at"] = "2026-11-28T16:30:00"
    with pytest.raises(MalformedEvent, match=r"data\.starts_at has no zone"):
        read(sound)


def test_what_may_grow_is_passed_over() -> None:
    sound = document(traceparent="00-1-2-03", dataschema="https://example.org/schema")
    sound["data"]["added_later"] = {"any": "thing"}
    assert read(sound).number == 7


def test_an_unknown_type_is_told_apart_and_keeps_its_number() -> None:
    newer = document(type="yuyue.booking.unheard_of.v1", data={"anything": True}, subject=None)
    with pytest.raises(UnknownEvent) as caught:
        read(newer)
    (in_a_batch, known) = from_batch(json.dumps([newer, document()]).encode())

    assert (caught.value.type, caught.value.number) == ("yuyue.booking.unheard_of.v1", 7)
    assert isinstance(in_a_batch, UnknownEvent)
    assert in_a_batch.number == 7
    assert isinstance(known, Event)


def test_every_type_has_data_that_can_be_read() -> None:
    assert DATA_OF.keys() == set(EventType)
    stored = data_json(event())
    assert data_from_json(EventType.BOOKING_HELD, stored).__class__ is BookingChanged
    with pytest.raises(MalformedEvent):
        data_from_json(EventType.SIGN_IN_CODE_REQUESTED, stored)
