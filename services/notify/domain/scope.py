"""Whose messages somebody may ask about. Pure.

The law: residents ask about their own and nobody else's. Those who work at a venue ask about messages on bookings at
that venue, and about nothing that is no booking. An administrator may ask about any. Nobody is shown the words of a
message, an address, or a name: only what was decided and why.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from hashlib import sha256
from uuid import UUID

RESIDENT = "resident"
ADMINISTRATOR = "administrator"


@dataclass(frozen=True, slots=True, kw_only=True)
class Scope:
    """Messages of `account_id` (None: of anybody) about bookings at `venues` (None: at any, and what is no booking)."""

    account_id: UUID | None = None
    venues: frozenset[bytes] | None = None


def scope_of(subject: UUID, role: str, venues: Iterable[str]) -> Scope:
    """Return what somebody who has signed in as `role` may ask about."""
    if role == RESIDENT:
        return Scope(account_id=subject)
    if role == ADMINISTRATOR:
        return Scope()
    return Scope(venues=frozenset(venue_digest(venue) for venue in venues))


def venue_digest(venue_id: str) -> bytes:
    """Return what stands for a venue in our tables: a clinic's name tells too much to stand there itself."""
    return sha256(b"venue/" + venue_id.encode()).digest()[:16]
