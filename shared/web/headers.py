"""Conditional requests and idempotency keys: the request headers that carry a promise.

ETag and If-Match follow RFC 9110 (8.8.3, 13.1.1): strong tags, `"7"` for version 7. The Idempotency-Key follows
draft-ietf-httpapi-idempotency-key-header-07: a structured field (RFC 9651) whose item is a String, not a Token.
"""

import re
from typing import Any

import http_sf

from shared.refusal import Refused
from shared.web.reason import EdgeReason

LONGEST_KEY = 255
NEVER = 0
"""A version that nothing has: what an entity tag that cannot match stands for."""

_PLAIN_KEY = re.compile(r'"([\x20\x21\x23-\x5b\x5d-\x7e]{1,255})"')
_ENTITY_TAG = re.compile(r'(W/)?"([\x21\x23-\x7e\x80-\xff]*)"')
_VERSION = re.compile(r"[1-9][0-9]{0,8}")


def etag(version: int) -> str:
    """Return the strong entity tag of `version`."""
    return f'"{version}"'


def expected_version(if_match: str | None) -> int | None:
    """Return the version that an If-Match header asks for; None where it asks for none (absent, or `*`).

    A well-formed tag that no version of ours could have (weak, or not a number) gives `NEVER`, which is stale always.

    Raises:
        Refused: `if_match_invalid` where it is not one entity tag.
    """
    if if_match is None or if_match.strip() == "*":
        return None
    match = _ENTITY_TAG.fullmatch(if_match.strip())
    if match is None:
        raise Refused(EdgeReason.IF_MATCH_INVALID)
    weak, opaque = match.groups()
    return NEVER if weak or not _VERSION.fullmatch(opaque) else int(opaque)


def parse_idempotency_key(header: str | None) -> str:
    """Return the key in an Idempotency-Key header.

    Raises:
        Refused: `idempotency_key_missing`, or `idempotency_key_invalid` where it is not one quoted string of 1 to
            255 printable ASCII characters.
    """
    if header is None:
        raise Refused(EdgeReason.IDEMPOTENCY_KEY_MISSING)
    plain = _PLAIN_KEY.fullmatch(header)
    if plain is not None:
        return plain[1]
    try:
        parsed: Any = http_sf.parse(header.encode("latin-1"), tltype="item")
    except (ValueError, OverflowError, OSError):  # a malformed field, text outside Latin-1, an impossible date
        raise Refused(EdgeReason.IDEMPOTENCY_KEY_INVALID) from None
    item = parsed[0]
    # a Token or a Display String is a class of its own: only the quoted form is a `str`
    if type(item) is not str or not 1 <= len(item) <= LONGEST_KEY:
        raise Refused(EdgeReason.IDEMPOTENCY_KEY_INVALID)
    return item
