"""What the house cancels is told with other times: whoever reads that their appointment is off must also read when else.

The nearest times of the same service that can be booked at that moment by a party of the same size; looked up before the
change is written, so that the places it frees are not offered back. A resident who cancels is looking at the times
already, and an itinerary is planned anew as a whole.
"""

from collections.abc import Mapping, Sequence
from uuid import UUID

from services.booking.domain.account import Role
from services.booking.domain.booking import Booking, Channel, State
from services.booking.domain.event import event_of
from services.booking.domain.facts import Change, Facts
from services.booking.domain.slot import free_places
from services.booking.domain.zone import in_words
from services.booking.store.database import Connection
from services.booking.store.gathering import nearest_free
from shared.contracts import Event
from shared.ids import new_id


async def events_of(tx: Connection, changes: Sequence[Change], facts: Facts) -> list[Event]:
    """Return the event of each change; of those by which the house cancels, with other times."""
    closed = [change.after for change in changes if _is_closed(change)]
    times = await _other_times(tx, closed, facts) if closed else {}
    return [event_of(change, facts, new_id(), times.get(change.after.id, ())) for change in changes]


def _is_closed(change: Change) -> bool:
    after = change.after
    return after.state is State.CANCELLED and change.actor.role != Role.RESIDENT.value and after.course is None


async def _other_times(tx: Connection, closed: Sequence[Booking], facts: Facts) -> Mapping[UUID, tuple[str, ...]]:
    nearest = await nearest_free(tx, {booking.slot_id for booking in closed}, facts.now)
    return {
        booking.id: tuple(
            in_words(slot.starts_at)
            for slot in nearest[booking.slot_id]
            if free_places(slot, Channel.ONLINE, facts.now) >= len(booking.person_ids)
        )
        for booking in closed
    }
