"""Events on the wire: structured CloudEvents 1.0 JSON, the same bytes on the bus and in the feed.

The reader is strict. An event without an id, a time or a type is an error and never completed: an invented id would
defeat every guard against handling one twice. What it reads generously is what may grow: unknown extension attributes
and unknown members of `data` are passed over, and an unknown type is told apart from damage (`UnknownEvent`), so that
an older reader can step over what a newer writer says.

The extension attribute `sequence` carries the event's number in the publisher's feed, padded to 19 digits because the
CloudEvents extension asks for strings that sort as the numbers do.
"""

import dataclasses
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Any, Final, NoReturn
from uuid import UUID

from pydantic import TypeAdapter, ValidationError
from pydantic_core import from_json, to_json

from shared.contracts import DATA_OF, Event, EventData, EventType
from shared.plain_json import write_json

MEDIA_TYPE: Final = "application/cloudevents+json"
BATCH_MEDIA_TYPE: Final = "application/cloudevents-batch+json"

_ADAPTERS: Final[Mapping[EventType, TypeAdapter[EventData]]] = {
    event_type: TypeAdapter(data_type) for event_type, data_type in DATA_OF.items()
}
_TYPES: Final[Mapping[str, EventType]] = {event_type.value: event_type for event_type in EventType}


class MalformedEvent(ValueError):  # noqa: N818 - it says what the event is
    """What arrived is not a CloudEvent of ours: it cannot be read now or later. The message names the fault."""


class UnknownEvent(Exception):  # noqa: N818 - it says what the event is
    """A sound event of a type that this release does not know. It is stepped over, yet its number counts."""

    def __init__(self, id: UUID, type: str, number: int | None) -> None:  # noqa: A002 - CloudEvents' own names
        super().__init__(f"event {id} has the unknown type {type!r}")
        self.id = id
        self.type = type
        self.number = number


Received = Event | UnknownEvent
"""What a reader may meet in a stream or a feed."""


def to_cloudevent(event: Event, source: str) -> bytes:
    """Write `event` as structured CloudEvents JSON in UTF-8.

    Args:
        event: what happened.
        source: the publisher as a URI reference (`/yuyue/booking`); with the id it names the event in the world.
    """
    envelope: dict[str, Any] = {
        "specversion": "1.0",
        "id": str(event.id),
        "source": source,
        "type": event.type.value,
        "subject": str(event.subject),
        "time": event.time.astimezone(UTC),
        "datacontenttype": "application/json",
    }
    if event.number is not None:
        envelope["sequence"] = f"{event.number:019d}"
    envelope["data"] = event.data
    return to_json(envelope)


def to_batch(events: Iterable[Event], source: str) -> bytes:
    """Write `events` in the CloudEvents JSON batch format."""
    return b"[" + b",".join(to_cloudevent(event, source) for event in events) + b"]"


def from_cloudevent(payload: bytes) -> Event:
    """Read one event.

    Raises:
        MalformedEvent: if it is not a complete CloudEvent, or its data is not what its type promises.
        UnknownEvent: if it is sound, but of a type that this release does not know.
    """
    received = read_event(_parse(payload))
    if isinstance(received, UnknownEvent):
        raise received
    return received


def from_batch(payload: bytes) -> list[Received]:
    """Read a batch; events of unknown types are returned as the `UnknownEvent` that they would raise.

    Raises:
        MalformedEvent: if it is not a batch, or one of its events is malformed.
    """
    documents = _parse(payload)
    if not isinstance(documents, list):
        raise MalformedEvent("a batch of CloudEvents is a JSON array")
    return [read_event(document) for document in documents]


def read_event(document: object) -> Received:
    """Read one event from parsed JSON; an event of an unknown type is returned as an `UnknownEvent`.

    Raises:
        MalformedEvent: as `from_cloudevent`.
    """
    if not isinstance(document, dict):
        raise MalformedEvent("a CloudEvent is a JSON object")
    if document.get("specversion") != "1.0":
        raise MalformedEvent(f"specversion is {document.get('specversion')!r}, not '1.0'")
    event_id = _uuid(document, "id")
    _text(document, "source")
    type_name = _text(document, "type")
    number = _number(document)
    event_type = _TYPES.get(type_name)
    if event_type is None:
        return UnknownEvent(event_id, type_name, number)
    return Event(
        id=event_id,
        type=event_type,
        subject=_uuid(document, "subject"),
        time=_time(document),
        data=_data(document, event_type),
        number=number,
    )


def data_json(event: Event) -> bytes:
    """Write the data of `event` as the JSON that the outbox stores, in UTF-8."""
    return write_json(event.data)


def data_from_json(event_type: EventType, stored: str | bytes) -> EventData:
    """Read what `data_json` wrote.

    Raises:
        MalformedEvent: if what is stored is not what the type promises.
    """
    try:
        return _ADAPTERS[event_type].validate_json(stored)
    except ValidationError as error:
        _malformed(error)


def _parse(payload: bytes) -> object:
    try:
        return from_json(payload)
    except ValueError as error:
        raise MalformedEvent(f"not JSON: {error}") from error


def _text(document: Mapping[str, object], name: str) -> str:
    value = document.get(name)
    if not isinstance(value, str) or not value:
        raise MalformedEvent(f"{name} is missing, or not a text")
    return value


def _uuid(document: Mapping[str, object], name: str) -> UUID:
    try:
        return UUID(_text(document, name))
    except ValueError as error:
        raise MalformedEvent(f"{name} is missing, or not a UUID") from error


def _time(document: Mapping[str, object]) -> datetime:
    try:
        time = datetime.fromisoformat(_text(document, "time"))
    except ValueError as error:
        raise MalformedEvent("time is missing, or not an RFC 3339 time") from error
    if time.tzinfo is None:
        raise MalformedEvent("time has no zone")
    return time.astimezone(UTC)


def _number(document: Mapping[str, object]) -> int | None:
    if "sequence" not in document:
        return None
    sequence = _text(document, "sequence")
    if not (sequence.isascii() and sequence.isdigit() and int(sequence) > 0):
        raise MalformedEvent("sequence is not a positive number")
    return int(sequence)


def _data(document: Mapping[str, object], event_type: EventType) -> EventData:
    if document.get("datacontenttype", "application/json") != "application/json":
        raise MalformedEvent("datacontenttype is not application/json")
    try:
        data = _ADAPTERS[event_type].validate_python(document.get("data"))
    except ValidationError as error:
        _malformed(error)
    for field in dataclasses.fields(data):
        value = getattr(data, field.name)
        if isinstance(value, datetime) and value.tzinfo is None:
            raise MalformedEvent(f"data.{field.name} has no zone")
    return data


def _malformed(error: ValidationError) -> NoReturn:
    """Name the members at fault, without their values: an event's content does not belong in a log."""
    places = ", ".join(
        ".".join(str(step) for step in fault["loc"]) or "data" for fault in error.errors(include_input=False)
    )
    raise MalformedEvent(f"data does not fit its type: {places}") from None
