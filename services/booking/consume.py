"""What the booking service hears from the notify service: that the message of an offer has arrived.

Called in the transaction that also settles the event, so it is done once. It only writes down what was heard; what follows
from it is the desk's to decide, when the worker next tends the waiting list.
"""

from services.booking.store.database import Connection
from services.booking.store.waitlist import hear
from shared.contracts import Event, MessageEvidence

ARRIVED = frozenset({"delivered", "shown", "read", "acted"})
"""Evidence that a message has reached a person's device, and anything that says more."""


async def handle(tx: Connection, event: Event) -> None:
    """Write down when the message of an offer arrived; evidence about other messages changes nothing here."""
    if isinstance(event.data, MessageEvidence) and event.data.evidence in ARRIVED:
        await hear(tx, event.data.booking_id, event.data.at)
