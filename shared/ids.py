"""Identifiers are UUIDv7 (RFC 9562): they sort by the time they were made, so new rows land at the end of an index."""

from uuid import UUID

from uuid_utils import uuid7


def new_id() -> UUID:
    """Return a new UUIDv7."""
    return UUID(int=uuid7().int)


def new_text_id() -> str:
    """Return a new UUIDv7 in writing, for what is only ever shown."""
    return str(uuid7())
