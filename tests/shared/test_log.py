"""Log lines are JSON, carry their context, and give nobody away."""

import asyncio
import io
import json
import logging
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest

from shared.contracts import Contact
from shared.log import HARMLESS, REDACTED, configure, log_context, redact, redact_text

logger = logging.getLogger("tests.log")


@dataclass
class BookedFor:
    place: str
    who: Contact


@pytest.fixture
def lines() -> Iterator[io.StringIO]:
    root = logging.getLogger()
    handlers, level = list(root.handlers), root.level
    stream = io.StringIO()
    configure("debug", stream)
    yield stream
    logging.captureWarnings(capture=False)
    root.handlers[:] = handlers
    root.setLevel(level)


def last(stream: io.StringIO) -> dict[str, Any]:
    line = stream.getvalue().splitlines()[-1]
    found: dict[str, Any] = json.loads(line)
    return found


def test_a_line_is_one_json_object(lines: io.StringIO) -> None:
    booking = UUID("01930000-0000-7000-8000-000000000001")
    logger.info("booking_kept\nagain", extra={"booking_id": booking, "venue_name": "大连博物馆", "seats": 2})

    line = last(lines)
    assert datetime.fromisoformat(line.pop("time")).tzinfo == UTC
    assert line == {
        "level": "info",
        "logger": "tests.log",
        "message": "booking_kept\nagain",
        "booking_id": str(booking),
        "venue_name": "大连博物馆",
        "seats": 2,
    }
    assert len(lines.getvalue().splitlines()) == 1
    assert "大连博物馆" in lines.getvalue()


async def test_the_context_is_in_every_line_of_its_task_and_in_no_other(lines: io.StringIO) -> None:
    async def request(request_id: str) -> None:
        with log_context(request_id=request_id):
            await asyncio.sleep(0)
            with log_context(tick_name="inner"):
                logger.info("one")
            logger.info("two")

    await asyncio.gather(request("a"), request("b"))
    logger.info("three")

    found = [json.loads(line) for line in lines.getvalue().splitlines()]
    assert sorted((line["message"], line.get("request_id", ""), line.get("tick_name", "")) for line in found) == [
        ("one", "a", "inner"),
        ("one", "b", "inner"),
        ("three", "", ""),
        ("two", "a", ""),
        ("two", "b", ""),
    ]


@pytest.mark.parametrize(
    "key",
    ["phone", "contact_phone", "phoneNumber", "name_zh", "document_number", "token", "access_token", "sign_in_code",
     "Authorization", "set-cookie", "email", "password", "sealed", "birth_date", "api_key"],
)  # fmt: skip
def test_what_stands_under_a_personal_key_is_replaced(key: str, lines: io.StringIO) -> None:
    logger.info("x", extra={key: "anything", "nested": {"deep": [{key: {"even": "this"}}]}})
    line = last(lines)
    assert line[key] == REDACTED
    assert line["nested"] == {"deep": [{key: REDACTED}]}


@pytest.mark.parametrize("key", [*sorted(HARMLESS), "booking_id", "state", "event_id", "nickel", "encoded"])
def test_what_speaks_of_no_person_stays(key: str) -> None:
    assert redact({key: "x"}) == {key: "x"}


@pytest.mark.parametrize(
    "secret",
    [
        "13800138000", "+8613800138000", "+86 13800138000", "86-13800138000", "110101199003077758",
        "11010119900307775X", "zhang.san@example.org", "eyJhbGciOiJFZDI1NTE5In0.eyJzdWIiOiJ4In0.c2ln", "+4915112345678",
    ],
)  # fmt: skip
def test_personal_shapes_are_found_wherever_they_hide(secret: str, lines: io.StringIO) -> None:
    logger.info("sent to %s.", secret)
    logger.info("x", extra={"detail": f"Key (phone)=({secret}) already exists", "facts": [f"to {secret}"]})
    logger.error("failed", exc_info=ValueError(f"no such person: {secret}"))

    assert secret not in lines.getvalue()
    assert lines.getvalue().count(REDACTED) >= 4


@pytest.mark.parametrize(
    "harmless",
    ["01930000-0000-7000-8000-138001380001", "2026-11-28 16:30", "1763863200000", "1763863200123456789", "7K3F-92QX",
     "0000000000000000007", "9.138001380001", "took 13800 ms"],
)  # fmt: skip
def test_ids_times_and_counts_are_not_taken_for_persons(harmless: str) -> None:
    assert redact_text(harmless) == harmless


def test_an_extra_never_overwrites_what_the_line_is(lines: io.StringIO) -> None:
    logger.warning("x", extra={"level": "low", "time": "never", "logger": "me"})
    line = last(lines)
    assert (line["level"], line["logger"]) == ("warning", "tests.log")
    assert (line["level_"], line["logger_"], line["time_"]) == ("low", "me", "never")


def test_whatever_is_logged_a_line_comes_out(lines: io.StringIO) -> None:
    circle: list[object] = []
    circle.append(circle)
    odd = {
        "a": object(),
        "b": {1: {2}},
        "c": b"\xff",
        "d": float("nan"),
        "e": timedelta(minutes=5),
        "f": ValueError("x"),
    }
    logger.info("odd", extra={"circle": circle, "odd": odd})
    line = last(lines)
    assert line["message"] == "odd"
    assert line["odd"] == {
        "a": "<object>",
        "b": {"1": [2]},
        "c": "<bytes>",
        "d": "nan",
        "e": "0:05:00",
        "f": "ValueError('x')",
    }


def test_an_object_is_taken_apart_and_not_trusted_to_print_itself(lines: io.StringIO) -> None:
    class Person:
        def __str__(self) -> str:
            return "张三"

    contact = Contact(phone=None, email=None, name="张三", language="zh")
    logger.info("x", extra={"who": contact, "person": Person(), "cause": BookedFor("hall", contact)})
    line = last(lines)
    redacted = {
        "phone": REDACTED,
        "email": REDACTED,
        "name": REDACTED,
        "language": "zh",
        "email_unproved": REDACTED,
        "copy_of": None,
    }
    assert line["who"] == redacted
    assert line["person"] == "<Person>"
    assert line["cause"] == {"place": "hall", "who": redacted}


def test_the_level_is_heeded(lines: io.StringIO) -> None:
    configure("WARNING", lines)
    logger.info("quiet")
    logger.warning("loud")
    assert [json.loads(line)["message"] for line in lines.getvalue().splitlines()] == ["loud"]
