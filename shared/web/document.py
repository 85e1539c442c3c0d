"""A body as JSON, read once: what a careless reader would let pass is refused, and what is plain is read fast.

An object that names one member twice means whatever its reader takes it to mean (RFC 8259, 4), so it is not read at all.
Python's own reader can look for that, at ten times the cost of one that cannot; and nearly every body can be seen to be
free of it. Each member brings one colon: where a body has as many colons as the document has members, no member was
lost, and no text hides one. What else the two readers take differently (numbers beyond 64 bits, lone surrogates) goes
the careful way too, so that there is one meaning of a body.
"""

import json
from typing import Any

import orjson

_in_order = json.JSONEncoder(sort_keys=True, separators=(",", ":")).encode


class NameTwice(Exception):  # noqa: N818 - it says what the document is
    """An object names one member twice."""


def read_document(body: bytes) -> Any:
    """Return what `body` says.

    Raises:
        NameTwice: if an object in it names one member twice.
        ValueError: if it is not JSON.
    """
    try:
        document = orjson.loads(body)
        if _members(document) == body.count(b":"):
            return document
    except ValueError:
        pass  # not JSON, or JSON that only the careful reader takes
    return json.loads(body, object_pairs_hook=_named_once)


def write_in_order(document: Any) -> bytes:
    """Write `document` so that two that mean the same are the same bytes, whatever the order of their members."""
    try:
        return orjson.dumps(document, option=orjson.OPT_SORT_KEYS)
    except TypeError:  # what only the careful reader takes, only the careful writer writes
        return _in_order(document).encode()


def _members(value: Any) -> float:
    """Count the members of all objects in `value`; a number with a fraction or too large for 64 bits counts as no number does."""
    if isinstance(value, dict):
        return len(value) + sum(_members(one) for one in value.values() if not isinstance(one, str))
    if isinstance(value, list):
        return sum(_members(one) for one in value if not isinstance(one, str))
    return float("nan") if isinstance(value, float) else 0


def _named_once(members: list[tuple[str, Any]]) -> dict[str, Any]:
    document = dict(members)
    if len(document) != len(members):
        raise NameTwice
    return document
