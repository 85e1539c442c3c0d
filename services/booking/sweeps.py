"""What happens by itself when time passes: holds lapse, visits complete, whoever did not come is marked.

Sweeps are housekeeping. Every query honours a hold's end the instant it passes, and every decision is the desk's: a
sweep only finds candidates and asks. So any number of workers may sweep, and one that dies loses nothing.
"""

import asyncio
from datetime import UTC, datetime, timedelta
from uuid import UUID

from services.booking.commands.desk import Desk
from services.booking.commands.erasing import forget_what_is_left
from services.booking.domain.booking import Action, State
from services.booking.domain.decision import Outcome
from services.booking.domain.facts import Facts
from services.booking.domain.request import SYSTEM, Alter
from services.booking.store.bookings import Ending, bookings_to_end, holds_that_ran_out
from services.booking.store.contact_proofs import forget_proofs
from services.booking.store.database import Engine
from services.booking.store.idempotency import forget_answers
from services.booking.store.sign_in import forget_codes
from shared.clock import Clock
from shared.web.problems import Answer

PAGE = 200
"""Bookings that a sweep asks the desk about at a time."""

REMEMBER_ANSWERS = timedelta(hours=24)
"""For how long an Idempotency-Key is remembered, at the least."""

_NOTHING = Answer(204, {}, b"")


def _unseen(_outcome: Outcome, _facts: Facts) -> Answer:
    """Nobody waits for a sweep's answer; what another worker has done already is refused, and that is well."""
    return _NOTHING


class Sweeps:
    """The booking service's sweeps over one database."""

    def __init__(self, engine: Engine, desk: Desk, clock: Clock) -> None:
        self._engine = engine
        self._desk = desk
        self._clock = clock

    async def lapse_holds(self) -> int:
        """End holds that have run out; return how many were found."""
        found = 0
        while True:
            async with self._engine.connect() as connection:
                ids = await holds_that_ran_out(connection, self._clock(), PAGE)
            await self._ask_all([(booking_id, Action.LAPSE) for booking_id in ids])
            found += len(ids)
            if len(ids) < PAGE:
                return found

    async def end_visits(self) -> int:
        """Complete visits that are over, and mark whoever did not come; return how many were found."""
        found = 0
        after = Ending(UUID(int=0), State.CONFIRMED, datetime.min.replace(tzinfo=UTC))
        while True:
            async with self._engine.connect() as connection:
                endings = await bookings_to_end(connection, self._clock(), after, PAGE)
            await self._ask_all([(ending.id, _ACTION_OF[ending.state]) for ending in endings])
            found += len(endings)
            if len(endings) < PAGE:
                return found
            after = endings[-1]

    async def forget(self) -> None:
        """Delete answers, sign-in codes and proofs of addresses whose time is over, and what is left of who was erased."""
        now = self._clock()
        async with self._engine.begin() as tx:
            await forget_answers(tx, now - REMEMBER_ANSWERS)
            await forget_codes(tx, now)
            await forget_proofs(tx, now)
        await forget_what_is_left(self._engine, self._clock)

    async def _ask_all(self, wanted: list[tuple[UUID, Action]]) -> None:
        requests = [Alter(actor=SYSTEM, key=None, booking_id=id_, action=action) for id_, action in wanted]
        await asyncio.gather(*(self._desk.ask(request, _unseen) for request in requests))


_ACTION_OF = {State.CONFIRMED: Action.MARK_NO_SHOW, State.CHECKED_IN: Action.COMPLETE}
