"""Draw what is due, and give the places: one request after the other, in the order of the draw, through the desk.

The law is that of `leased`, a round being a piece of work: nobody gets two places. The draw is one transaction. After it
every step is written down on its own: a wish that was refused, then the outcome; each makes the lease longer.
"""

from dataclasses import replace
from uuid import UUID

from services.booking.commands.desk import Desk
from services.booking.commands.leased import LEASE, Grant, found_again, grant, work_off
from services.booking.domain.booking import Booking
from services.booking.domain.draw import digest_of, order_of
from services.booking.domain.draw_round import DRAW, Round, Stored
from services.booking.store.database import Connection, Engine
from services.booking.store.draws import (
    DrawRequest,
    extend_lease,
    lease_due_round,
    next_undecided,
    read_round,
    requests_of_round,
    write_draw,
    write_outcome,
    write_passed,
    write_settled,
)
from shared.clock import Clock
from shared.refusal import Refused


class Drawing:
    """Draws and settles rounds over one database."""

    def __init__(self, engine: Engine, desk: Desk, clock: Clock) -> None:
        self._engine = engine
        self._desk = desk
        self._clock = clock

    async def settle_due(self) -> int:
        """Draw and settle every round whose time has come and that no other worker has; return how many.

        Raises:
            Refused: `busy` or `uncertain`, from the desk; the next call goes on where this one stopped.
        """
        return await work_off(self._engine, self._clock, lease_due_round, self._settle)

    async def _settle(self, due: Round) -> None:
        if due.stored is Stored.OPEN:
            async with self._engine.begin() as tx:
                await self._draw(tx, due.id)
        while True:
            async with self._engine.begin() as tx:
                await extend_lease(tx, due.id, self._clock() + LEASE)
                request = await next_undecided(tx, due.id)
            if request is None:
                break
            await self._give(request)
        async with self._engine.begin() as tx:
            await write_settled(tx, due, self._clock())

    async def _draw(self, tx: Connection, round_id: UUID) -> None:
        """Close a round and put its requests in order."""
        found = await read_round(tx, round_id, lock="alone")
        if found is None or found.stored is not Stored.OPEN:
            return
        entries = [request.entry for request in await requests_of_round(tx, round_id)]
        digest = digest_of(found.id, found.commitment, entries)
        await write_draw(
            tx, replace(found, requests=len(entries), digest=digest), order_of(found.seed, entries), self._clock()
        )

    async def _give(self, request: DrawRequest) -> None:
        """Take the next step with one request: it is booked into its next wish, or that wish is passed, or it is over."""
        already = await found_again(self._engine, request.booking_id)
        wishes = request.slot_ids[len(request.passed) :]
        outcome = await grant(self._desk, _granted(request), wishes[0]) if already is None and wishes else None
        async with self._engine.begin() as tx:
            if already is not None:
                await write_outcome(tx, request.id, already)
            elif isinstance(outcome, Booking):
                await write_outcome(tx, request.id, outcome.slot_id)
            elif isinstance(outcome, Refused):
                await write_passed(tx, request, wishes[0], outcome.reason.value)
            else:
                await write_outcome(tx, request.id, None)


def _granted(request: DrawRequest) -> Grant:
    return Grant(
        actor=DRAW,
        booking_id=request.booking_id,
        account_id=request.account_id,
        person_ids=request.person_ids,
        party_kind=request.party_kind,
        declarations=request.declarations,
    )
