"""Cursor pages: a list is walked by what the last row was, never by counting rows that move meanwhile.

A cursor is opaque to its holder and names only a place in the order of a list, no right to read it: whoever changes
one reads their own list from elsewhere. So it is validated, strictly, and not signed. Links follow RFC 8288.
"""

import base64
import json
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any, Generic, TypeVar
from urllib.parse import urlencode
from uuid import UUID

from pydantic import Field
from starlette.requests import Request

from shared.refusal import Refused
from shared.web.models import Shown
from shared.web.reason import EdgeReason

LONGEST_CURSOR = 512
Place = str | int | datetime | UUID
Item = TypeVar("Item")


class Page(Shown, Generic[Item]):
    """One page of a list, and where the next one is."""

    items: list[Item]
    next: str | None = Field(
        description="Where the next page is, as a reference relative to this address (也见 Link 头 rel=next); null on the last page.",
        examples=["/api/v1/people?cursor=WyIwMTkiXQ"],
    )


def encode_cursor(*place: Place) -> str:
    """Return the cursor of the row at `place`: the values of the list's order, in order."""
    written = [one.astimezone(UTC).isoformat() if isinstance(one, datetime) else one for one in place]
    plain = json.dumps(written, default=str, separators=(",", ":"), ensure_ascii=False)
    return base64.urlsafe_b64encode(plain.encode()).rstrip(b"=").decode()


def decode_cursor(cursor: str, *kinds: type[Place]) -> tuple[Any, ...]:
    """Return the place that `encode_cursor` wrote, as values of `kinds`.

    Raises:
        Refused: `invalid_cursor` where it is not exactly such a cursor.
    """
    try:
        return _read(cursor, kinds)
    except (ValueError, TypeError, OverflowError, RecursionError):
        raise Refused(EdgeReason.INVALID_CURSOR, field="/cursor") from None


def _read(cursor: str, kinds: Sequence[type[Place]]) -> tuple[Any, ...]:
    if len(cursor) > LONGEST_CURSOR:
        raise ValueError("longer than any cursor of ours")
    plain = base64.b64decode(cursor + "=" * (-len(cursor) % 4), altchars=b"-_", validate=True)
    written = json.loads(plain)
    if not isinstance(written, list):
        raise TypeError("not a list")
    place = tuple(_value(one, kind) for one, kind in zip(written, kinds, strict=True))
    if encode_cursor(*place) != cursor:
        raise ValueError("not as we write it")
    return place


def _value(written: Any, kind: type[Place]) -> Place:
    if kind is int and type(written) is int:  # a boolean is no number here
        return written
    if kind is int or not isinstance(written, str):
        raise TypeError("of another kind")
    if kind is datetime:
        return datetime.fromisoformat(written)
    if kind is UUID:
        return UUID(written)
    if "\0" in written:
        raise ValueError("a character that no text of ours has")
    return written


def next_link(request: Request, cursor: str) -> str:
    """Return the address of the page after this one: this request's own, with `cursor` in place of its own cursor."""
    query = [(name, value) for name, value in request.query_params.multi_items() if name != "cursor"]
    return f"{request.url.path}?{urlencode([*query, ('cursor', cursor)])}"


def link_header(url: str) -> str:
    """Return the Link header that says where the next page is."""
    return f'<{url}>; rel="next"'
