"""Proof of notice: what was decided and done about a booking's messages, as a chain that anybody can check. Pure.

The law: each record holds the digest of the one before it, and its own digest is taken over all that it says, so that a
record that is changed, taken out, put in or moved breaks the chain from there on. A record holds no name, no address
and no words: of the words only their fingerprint, of a message its id. So the chain may be shown in a dispute about a
penalty, and kept when everything else about the person is gone.

`digest` is the SHA-256 of the record without it as JSON: keys in order, no spaces, UTF-8; times in UTC.
"""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

FIRST = "0" * 64
"""What stands as the digest before the first record."""

_TEXTS = ("booking_id", "at", "previous", "digest")


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """One step, as it is published. `facts` says what was decided or done; `previous` and `digest` are hexadecimal."""

    booking_id: UUID
    sequence: int
    at: datetime
    facts: Mapping[str, Any]
    previous: str
    digest: str

    def document(self) -> dict[str, Any]:
        """Return the record as it is published and as its digest is taken."""
        return _content(self.booking_id, self.sequence, self.at, self.facts, self.previous) | {"digest": self.digest}


@dataclass(frozen=True, slots=True, kw_only=True)
class Head:
    """Where a booking's chain ends."""

    sequence: int = 0
    digest: str = FIRST


def follow(booking_id: UUID, head: Head, at: datetime, facts: Mapping[str, Any]) -> Record:
    """Return the record that comes after `head`."""
    sequence = head.sequence + 1
    content = _content(booking_id, sequence, at, facts, head.digest)
    return Record(
        booking_id=booking_id,
        sequence=sequence,
        at=at,
        facts=facts,
        previous=head.digest,
        digest=digest_of(content),
    )


def digest_of(content: Mapping[str, Any]) -> str:
    """Return the digest of a record's content."""
    text = json.dumps(content, ensure_ascii=False, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()


def first_fault(document: Mapping[str, Any]) -> str | None:
    """Return the first thing in a published chain that does not follow, in words; None where all of it does.

    Raises:
        ValueError: it is not the document of a chain.
    """
    records, whose = document.get("records"), document.get("booking_id")
    whole = isinstance(records, list) and isinstance(whose, str)
    if not whole or records is None:
        raise ValueError("this is not a proof of notice")
    previous = FIRST
    for place, record in enumerate(records, start=1):
        if not isinstance(record, dict) or not all(isinstance(record.get(name), str) for name in _TEXTS):
            raise ValueError(f"record {place} is not one of a proof of notice")
        content = {name: value for name, value in record.items() if name != "digest"}
        if record.get("sequence") != place:
            return f"record {place}: its number is {record.get('sequence')}"
        if record["booking_id"] != document["booking_id"]:
            return f"record {place}: it is about another booking"
        if record["previous"] != previous:
            return f"record {place}: it does not follow the one before it"
        if record["digest"] != digest_of(content):
            return f"record {place}: it was changed"
        previous = record["digest"]
    if document.get("head") != previous:
        return "the end: records are missing, or the head was changed"
    return None


def published(booking_id: UUID, records: Sequence[Record]) -> dict[str, Any]:
    """Return a chain as it is published."""
    return {
        "booking_id": str(booking_id),
        "records": [record.document() for record in records],
        "head": records[-1].digest if records else FIRST,
    }


def _content(booking_id: UUID, sequence: int, at: datetime, facts: Mapping[str, Any], previous: str) -> dict[str, Any]:
    return {
        "booking_id": str(booking_id),
        "sequence": sequence,
        "at": at.astimezone(UTC).isoformat(timespec="microseconds"),
        "facts": dict(facts),
        "previous": previous,
    }
