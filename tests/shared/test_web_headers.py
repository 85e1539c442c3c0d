"""ETag, If-Match, Idempotency-Key, cursors: what is promised in a header, and what is no such promise."""

import base64
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import pytest

from shared.refusal import Refused
from shared.web import EdgeReason, decode_cursor, encode_cursor, etag, expected_version, parse_idempotency_key
from shared.web.headers import NEVER

MOMENT = datetime(2026, 11, 28, 8, 30, 0, 123456, tzinfo=UTC)
ID = UUID("01936f2e-7c1a-7def-8a3b-5d4c3b2a1908")


def reason_of(action: Callable[..., object], *arguments: object) -> str:
    with pytest.raises(Refused) as caught:
        action(*arguments)
    return caught.value.reason.value


@pytest.mark.parametrize(
    ("header", "version"),
    [(None, None), ("*", None), (" * ", None), ('"7"', 7), (' "12" ', 12), (etag(3), 3)],
)
def test_if_match_names_a_version_or_none(header: Any, version: Any) -> None:
    assert expected_version(header) == version


@pytest.mark.parametrize("header", ['W/"7"', '"abc"', '"07"', '"0"', '""', '"-1"', '"9999999999"'])
def test_a_tag_that_no_version_has_is_well_formed_and_always_stale(header: Any) -> None:
    assert expected_version(header) == NEVER


@pytest.mark.parametrize("header", ["7", '"7', '7"', "", '"7", "8"', "'7'", "null", '"7""8"', '"a b"', "*, *"])
def test_if_match_that_is_no_entity_tag_is_refused(header: Any) -> None:
    assert reason_of(expected_version, header) == EdgeReason.IF_MATCH_INVALID


@pytest.mark.parametrize(
    ("header", "key"),
    [
        ('"8e03978e-40d5-43dd-bc93-6894a57f9324"', "8e03978e-40d5-43dd-bc93-6894a57f9324"),
        ('"a"', "a"),
        ('"' + "k" * 255 + '"', "k" * 255),
        ('"with \\"quotes\\" and \\\\"', 'with "quotes" and \\'),
        ('  "padded"  ', "padded"),
        ('"key";parameter=1', "key"),
    ],
)
def test_a_quoted_key_is_taken(header: Any, key: Any) -> None:
    assert parse_idempotency_key(header) == key


def test_a_missing_key_has_its_own_reason() -> None:
    assert reason_of(parse_idempotency_key, None) == EdgeReason.IDEMPOTENCY_KEY_MISSING


@pytest.mark.parametrize(
    "header",
    [
        "",
        "unquoted",
        "e8e03978-40d5-43dd-bc93-6894a57f9324",  # begins with a letter: a Token, not a String
        "8e03978e-40d5-43dd-bc93-6894a57f9324",
        '""',
        '"' + "k" * 256 + '"',
        '"one", "two"',
        '"unfinished',
        '"tab\there"',
        '"中文"',
        '"\xff"',
        "42",
        "?1",
        ":aGVsbG8=:",
        "@99999999999999",
        '%"display"',
        '("a" "b")',
    ],
)
def test_anything_else_is_no_key(header: Any) -> None:
    assert reason_of(parse_idempotency_key, header) == EdgeReason.IDEMPOTENCY_KEY_INVALID


def test_a_cursor_leads_back_to_its_place() -> None:
    cursor = encode_cursor(MOMENT, ID, "北京", 7)
    assert decode_cursor(cursor, datetime, UUID, str, int) == (MOMENT, ID, "北京", 7)
    assert set(cursor) <= set("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_")


def cursor_of(text: str) -> str:
    return base64.urlsafe_b64encode(text.encode()).rstrip(b"=").decode()


@pytest.mark.parametrize(
    "cursor",
    [
        "",
        "!!!!",
        "a",
        "x" * 600,
        cursor_of("null"),
        cursor_of("{}"),
        cursor_of("[]"),
        cursor_of('["2026-11-28T08:30:00+00:00"]'),
        cursor_of(f'["2026-11-28T08:30:00","{ID}"]'),  # a time without a zone
        cursor_of(f'["2026-11-28T16:30:00+08:00","{ID}"]'),  # right, but not as we write it
        cursor_of(f'["2026-11-28T08:30:00+00:00", "{ID}"]'),
        cursor_of('["2026-11-28T08:30:00+00:00","not-a-uuid"]'),
        cursor_of('["2026-11-28T08:30:00+00:00",7]'),
        cursor_of(f'[20261128,"{ID}"]'),
        cursor_of("[" * 300),
        cursor_of(f'["9999-99-99T00:00:00+00:00","{ID}"]'),
        encode_cursor(MOMENT, ID) + "=",
        encode_cursor(MOMENT, ID, "more"),
        "ÿ中",
    ],
)
def test_what_is_no_cursor_of_ours_is_refused(cursor: Any) -> None:
    assert reason_of(decode_cursor, cursor, datetime, UUID) == EdgeReason.INVALID_CURSOR


def test_a_cursor_cannot_smuggle_a_nul_character_or_a_boolean() -> None:
    assert reason_of(decode_cursor, cursor_of('["a\\u0000"]'), str) == EdgeReason.INVALID_CURSOR
    assert reason_of(decode_cursor, cursor_of("[true]"), int) == EdgeReason.INVALID_CURSOR
