"""What the house books by itself, piece by piece: hours that were allocated, places that were drawn.

The law: whenever a worker dies, another goes on where it stopped, and nothing is booked twice. A piece of work is leased
for a while; what it books has had an id since it was asked for, so that a booking whose outcome nobody came to write is found
again. Where a lease runs out under a worker that still lives, that id, which the table of bookings takes once, stands between
it and a second place.
"""

import secrets
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TypeVar
from uuid import UUID

from services.booking.commands.asking import decided
from services.booking.commands.desk import Desk
from services.booking.domain.decision import Outcome
from services.booking.domain.policy import PartyKind
from services.booking.domain.reference import RANDOM_BYTES, new_reference
from services.booking.domain.request import Actor, Book
from services.booking.store.database import Connection, Engine
from services.booking.store.draws import booked_into
from shared.clock import Clock

LEASE = timedelta(seconds=30)
"""For how long a piece of work stays with a worker that says nothing more."""

Piece = TypeVar("Piece")


async def work_off(
    engine: Engine,
    clock: Clock,
    lease: Callable[[Connection, datetime, datetime], Awaitable[Piece | None]],
    work: Callable[[Piece], Awaitable[None]],
) -> int:
    """Do every piece that is due and that no other worker has, one after the other; return how many.

    `lease` takes the next one for whoever asks, from now until then.
    """
    done = 0
    while True:
        now = clock()
        async with engine.begin() as tx:
            piece = await lease(tx, now, now + LEASE)
        if piece is None:
            return done
        await work(piece)
        done += 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Grant:
    """A place that the house gives: whose booking it becomes, under which id, and who comes."""

    actor: Actor
    booking_id: UUID
    account_id: UUID
    person_ids: tuple[UUID, ...]
    party_kind: PartyKind
    declarations: Mapping[str, str]


async def found_again(engine: Engine, booking_id: UUID) -> UUID | None:
    """Return the slot into which this was booked already, or None."""
    async with engine.connect() as connection:
        return await booked_into(connection, booking_id)


async def grant(desk: Desk, given: Grant, slot_id: UUID) -> Outcome:
    """Ask the desk for the place; it is decided by the rules of every booking.

    Raises:
        Refused: `busy` or `uncertain`: a later call goes on where this one stopped.
    """
    book = Book(
        actor=given.actor,
        key=None,
        booking_id=given.booking_id,
        reference=new_reference(secrets.token_bytes(RANDOM_BYTES)),
        account_id=given.account_id,
        slot_id=slot_id,
        party_kind=given.party_kind,
        person_ids=given.person_ids,
        declarations=given.declarations,
        confirm=True,
    )
    return await decided(desk, book)
