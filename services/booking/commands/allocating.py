"""Book what was allocated: each accepted hour of a committed round, through the desk, as soon as its slot is opened.

The law is that of drawing: whenever a worker dies, another goes on where it stopped, and no hour is booked twice. An hour
is leased, its booking has its id since the request came, and a booking whose outcome nobody came to write is found again.
"""

import secrets
from datetime import timedelta

from services.booking.commands.asking import decided
from services.booking.commands.desk import Desk
from services.booking.domain.booking import Booking
from services.booking.domain.decision import Outcome
from services.booking.domain.policy import PartyKind
from services.booking.domain.reason import Reason
from services.booking.domain.reference import RANDOM_BYTES, new_reference
from services.booking.domain.request import Book
from services.booking.domain.season import ALLOCATION, Fate
from services.booking.store.database import Engine
from services.booking.store.draws import booked_into
from services.booking.store.seasons import Due, lease_due, write_outcome
from shared.clock import Clock
from shared.refusal import Refused

LEASE = timedelta(seconds=30)
"""For how long an hour stays with a worker that says nothing more."""


class Allocating:
    """Books allocated hours over one database."""

    def __init__(self, engine: Engine, desk: Desk, clock: Clock) -> None:
        self._engine = engine
        self._desk = desk
        self._clock = clock

    async def book_due(self) -> int:
        """Book, or find refused, every hour whose time it is and that no other worker has; return how many.

        Raises:
            Refused: `busy` or `uncertain`, from the desk; a later call goes on where this one stopped.
        """
        done = 0
        while True:
            now = self._clock()
            async with self._engine.begin() as tx:
                due = await lease_due(tx, now, now + LEASE)
            if due is None:
                return done
            await self._book(due)
            done += 1

    async def _book(self, due: Due) -> None:
        async with self._engine.connect() as connection:
            already = await booked_into(connection, due.booking_id)
        outcome = None if already is not None or due.slot_id is None else await self._ask(due)
        if already is not None or isinstance(outcome, Booking):
            fate, reason = Fate.BOOKED, None
        else:
            fate = Fate.REFUSED
            reason = outcome.reason.value if isinstance(outcome, Refused) else Reason.SLOT_UNKNOWN.value
        async with self._engine.begin() as tx:
            await write_outcome(tx, due, fate, reason, self._clock())

    async def _ask(self, due: Due) -> Outcome:
        """Ask the desk for one hour; it is decided by the rules of every booking."""
        assert due.slot_id is not None
        book = Book(
            actor=ALLOCATION,
            key=None,
            booking_id=due.booking_id,
            reference=new_reference(secrets.token_bytes(RANDOM_BYTES)),
            account_id=due.account_id,
            slot_id=due.slot_id,
            party_kind=PartyKind.ONE_PERSON,
            person_ids=(due.person_id,),
            declarations={},
            confirm=True,
        )
        return await decided(self._desk, book)
