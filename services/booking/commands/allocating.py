"""Book what was allocated: each accepted hour of a committed round, through the desk, as soon as its slot is opened.

How this survives a worker's death is the law of `leased`, an hour being a piece of work.
"""

from services.booking.commands.desk import Desk
from services.booking.commands.leased import Grant, found_again, grant, work_off
from services.booking.domain.booking import Booking
from services.booking.domain.policy import PartyKind
from services.booking.domain.reason import Reason
from services.booking.domain.season import ALLOCATION, Fate
from services.booking.store.database import Engine
from services.booking.store.seasons import Due, lease_due, write_outcome
from shared.clock import Clock
from shared.refusal import Refused


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
        return await work_off(self._engine, self._clock, lease_due, self._book)

    async def _book(self, due: Due) -> None:
        already = await found_again(self._engine, due.booking_id)
        outcome = None
        if already is None and due.slot_id is not None:
            outcome = await grant(self._desk, _granted(due), due.slot_id)
        if already is not None or isinstance(outcome, Booking):
            fate, reason = Fate.BOOKED, None
        else:
            fate = Fate.REFUSED
            reason = outcome.reason.value if isinstance(outcome, Refused) else Reason.SLOT_UNKNOWN.value
        async with self._engine.begin() as tx:
            await write_outcome(tx, due, fate, reason, self._clock())


def _granted(due: Due) -> Grant:
    return Grant(
        actor=ALLOCATION,
        booking_id=due.booking_id,
        account_id=due.account_id,
        person_ids=(due.person_id,),
        party_kind=PartyKind.ONE_PERSON,
        declarations={},
    )
