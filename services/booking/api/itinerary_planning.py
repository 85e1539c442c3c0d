"""Planning at the edge: what is free is read without a lock, and looked through beside the loop that answers everybody.

A plan that is lost before it was claimed is answered with the refusal and plans as they are now. That answer is kept
under the request's key, too, but not by the desk: looking for plans takes longer than slots may be locked. What was
refused changed nothing, so nothing is lost if nobody comes to keep it; whoever repeats the request is then asked anew.
"""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, time, timedelta

from services.booking.api.deps import SignedIn, Write
from services.booking.api.itinerary_body import plan_shown
from services.booking.commands.answer import Render
from services.booking.commands.remember import remembered
from services.booking.domain.booking import LIVE, Booking
from services.booking.domain.catalogue import Catalogue
from services.booking.domain.decision import Outcome
from services.booking.domain.facts import Facts
from services.booking.domain.itinerary_plans import Proposal, Traveller, propose
from services.booking.domain.reason import Reason
from services.booking.domain.request import Book, Move
from services.booking.domain.zone import at_local, local_day
from services.booking.store.bookings import read_booking
from services.booking.store.database import Collided, Connection
from services.booking.store.gathering import gather
from services.booking.store.locking import Wanted
from services.booking.views.itineraries import read_slots_for
from shared.refusal import Refused
from shared.web import Answer

LOST = frozenset(
    {
        Reason.SLOT_UNKNOWN,
        Reason.SLOT_PAST,
        Reason.BOOKING_CLOSED,
        Reason.SLOT_CLOSED,
        Reason.SLOT_DRAWN,
        Reason.COOLING_OFF,
        Reason.NOT_RELEASED,
        Reason.SLOT_FULL,
        Reason.ALREADY_BOOKED,
        Reason.CLASHES,
        Reason.LIMIT_REACHED,
        Reason.STEP_UNFIT,
    }
)
"""Refusals that another plan may get around."""

FRESH_DAYS = 28


@dataclass(frozen=True, slots=True)
class Window:
    """The days to look at, both included."""

    since: date
    until: date


@dataclass(frozen=True, slots=True)
class Planner:
    """Who looks for plans, on whose behalf, and which booked itinerary they would take the place of."""

    asker: SignedIn
    catalogue: Catalogue
    traveller: Traveller
    moving: Booking | None = None

    def window(self, since: date | None, days: int) -> Window:
        """Return the days that are meant; none of them lies before today."""
        today = local_day(self.asker.parts.clock())
        first = max(since or today, today)
        return Window(first, first + timedelta(days=days - 1))

    async def propose(self, connection: Connection, window: Window) -> Proposal:
        """Return the best plans within `window`, as things stand."""
        now = self.asker.parts.clock()
        services = {service_id for step in self.traveller.itinerary.steps for service_id in step.services}
        span = (at_local(window.since, time()), at_local(window.until + timedelta(days=1), time()))
        moving = None if self.moving is None else await read_booking(connection, self.moving.id)
        if moving is not None and moving.state_at(now) not in LIVE:
            moving = None
        own = [] if moving is None else [slot_id for slot_id, _ in moving.places]
        slots = await read_slots_for(connection, services, span, now, own)
        facts = Facts(now=now, catalogue=self.catalogue, slots={slot.id: slot for slot in slots})
        people = {(self.traveller.account_id, person_id) for person_id in self.traveller.person_ids}
        wanted = Wanted((), () if moving is None else (moving.id,), people, now)
        try:
            await gather(connection, wanted, facts)
        except Collided as error:  # it is being moved at this moment
            raise Refused(Reason.BUSY, retry_after_seconds=1) from error
        if moving is not None:
            facts = facts.without(facts.bookings[moving.id])
        return await asyncio.to_thread(propose, self.traveller, facts)


async def claim(
    write: Write, request: Book | Move, accepted: Callable[[Booking, Facts], Answer], planner: Planner
) -> Answer:
    """Have the desk decide on a plan; where it is lost, answer with the refusal and with plans that can be had now."""
    heard: list[Refused] = []

    def render(outcome: Outcome, facts: Facts) -> Answer:
        if isinstance(outcome, Refused):
            heard.append(outcome)
            return write.refusal(outcome)
        assert isinstance(outcome, Booking)
        return accepted(outcome, facts)

    answer = await write.parts.desk.ask(request, _once(render, heard))
    if not heard or heard[-1].reason is Reason.IDEMPOTENCY_KEY_REUSED:
        return answer
    refused = heard[-1]

    async def explain(tx: Connection) -> Answer:
        return write.refusal(await _with_plans(tx, refused, planner))

    return await remembered(write.parts.engine, write.key, write.parts.clock, explain, write.refusal)


def _once(render: Render, heard: list[Refused]) -> Render:
    """Return a `render` that forgets what was heard in an attempt that was taken up again."""

    def rendering(outcome: Outcome, facts: Facts) -> Answer:
        heard.clear()
        return render(outcome, facts)

    return rendering


async def _with_plans(tx: Connection, refused: Refused, planner: Planner) -> Refused:
    if refused.reason not in LOST:
        return refused
    proposal = await planner.propose(tx, planner.window(None, FRESH_DAYS))
    plans = [
        plan_shown(plan, planner.traveller, planner.catalogue).model_dump(mode="json") for plan in proposal.found.plans
    ]
    return Refused(refused.reason, field=refused.field, **{**refused.facts, "plans": plans})
