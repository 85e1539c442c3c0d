"""What the waiting list does by itself when time passes: serve what came free elsewhere, hear, and end what is over.

Seats that come free at the desk are offered there, in the same decision. Here is the rest: a scheduler raised a capacity, a
closure was lifted, somebody joined after the seat came free, or became able to take one. Every decision is the desk's; this
only finds candidates and asks, so that any number of workers may do it, and one that dies loses nothing.
"""

import asyncio
from contextlib import suppress
from datetime import timedelta
from uuid import UUID

from services.booking.commands.desk import Desk
from services.booking.domain.booking import Action
from services.booking.domain.decision import Outcome
from services.booking.domain.facts import Facts
from services.booking.domain.request import SYSTEM, Actor, Alter, ServeLine
from services.booking.store.database import Engine
from services.booking.store.waitlist import (
    end_what_is_over,
    forget_skips,
    offered_to_who_left,
    offers_agreed_to,
    offers_to_hear,
    open_offers_of,
    take_agreement,
    write_heard,
)
from services.booking.store.waitlist_line import forget_kept, services_waited_for, slots_kept_for_nobody, slots_to_serve
from shared.clock import Clock
from shared.refusal import Refused
from shared.web import Answer

SERVICES = 50
"""Services whose lines are looked over at one tick; the next tick goes on with the next ones, and then begins again."""

PAGE = 200
"""Slots or entries that are taken up at a time."""

REMEMBER_SKIPS = timedelta(days=90)
"""For so long after its end an entry says why it was passed over; what it was offered stays on record."""

_NOTHING = Answer(204, {}, b"")


def _unseen(_outcome: Outcome, _facts: Facts) -> Answer:
    """Nobody waits for the answer; what another worker has done already is refused, and that is well."""
    return _NOTHING


async def give_back(engine: Engine, desk: Desk, entry_id: UUID, account_id: UUID) -> None:
    """Decline what is offered to an entry that its account has just taken out of the line.

    The seat goes to the next in line by the same decision, before whoever left is answered. Where the desk is too busy to
    be asked, or this process dies before it asks, the tick does it.
    """
    async with engine.connect() as connection:
        offered = await open_offers_of(connection, entry_id)
    by = Actor(account_id, "resident")
    declines = [Alter(actor=by, key=None, booking_id=one, action=Action.CANCEL) for one in offered]
    with suppress(Refused):
        await asyncio.gather(*(desk.ask(request, _unseen) for request in declines))


class WaitingList:
    """Keeps the waiting list of one database going."""

    def __init__(self, engine: Engine, desk: Desk, clock: Clock) -> None:
        self._engine = engine
        self._desk = desk
        self._clock = clock
        self._looked_over = ""

    async def tend(self) -> int:
        """Do whatever is due once; return how many slots were served."""
        await self._end()
        await self._take_back()
        await self._hear()
        await self._take_agreements()
        return await self.serve_due()

    async def serve_due(self) -> int:
        """Serve the line of slots that may have seats for somebody, of the next few services; return how many."""
        async with self._engine.connect() as connection:
            services = await services_waited_for(connection, self._looked_over, SERVICES)
            after = await slots_to_serve(connection, services, self._clock(), PAGE) if services else {}
        self._looked_over = services[-1] if len(services) == SERVICES else ""
        await self._serve(after)
        return len(after)

    async def forget(self) -> None:
        """Delete why entries were passed over that have long been over."""
        async with self._engine.begin() as tx:
            await forget_skips(tx, self._clock() - REMEMBER_SKIPS)

    async def _end(self) -> None:
        while True:
            async with self._engine.begin() as tx:
                ended = await end_what_is_over(tx, self._clock(), PAGE)
            if ended < PAGE:
                return

    async def _take_back(self) -> None:
        """Take back what is offered to, or kept for, whoever has left the line."""
        async with self._engine.connect() as connection:
            offered = await offered_to_who_left(connection, PAGE)
            kept = await slots_kept_for_nobody(connection, PAGE)
        cancels = [Alter(actor=SYSTEM, key=None, booking_id=one, action=Action.CANCEL) for one in offered]
        await asyncio.gather(*(self._desk.ask(request, _unseen) for request in cancels))
        if kept:
            await self._serve(dict.fromkeys(kept, 0))
            async with self._engine.begin() as tx:
                await forget_kept(tx, kept)

    async def _hear(self) -> None:
        """Let the clock of offers begin when their messages have arrived."""
        async with self._engine.connect() as connection:
            heard = await offers_to_hear(connection, PAGE)
        for booking_id, at in heard:
            longer = Alter(actor=SYSTEM, key=None, booking_id=booking_id, action=Action.EXTEND, heard_at=at)
            await self._desk.ask(longer, _unseen)
            async with self._engine.begin() as tx:
                await write_heard(tx, booking_id, self._clock())

    async def _take_agreements(self) -> None:
        """Confirm, in the name of whom they were made to, offers that were answered with yes.

        Each is asked for once: where the desk refuses, the offer stands, and its holder may still confirm it themselves.
        """
        async with self._engine.connect() as connection:
            agreed = await offers_agreed_to(connection, PAGE)
        for booking_id, account_id in agreed:
            resident = Actor(account_id, "resident")
            await self._desk.ask(Alter(actor=resident, key=None, booking_id=booking_id, action=Action.CONFIRM), _unseen)
            async with self._engine.begin() as tx:
                await take_agreement(tx, booking_id, self._clock())

    async def _serve(self, after: dict[UUID, int]) -> None:
        requests = [ServeLine(actor=SYSTEM, key=None, slot_id=slot_id, after=one) for slot_id, one in after.items()]
        await asyncio.gather(*(self._desk.ask(request, _unseen) for request in requests))
