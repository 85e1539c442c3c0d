"""What the booking service hears from the notify service: that the message of an offer has arrived, or was answered.

Called in the transaction that also settles the event, so it is done once. It only writes down what was heard; what follows
from it is the desk's to decide, when the worker next tends the waiting list.
"""

from services.booking.store.database import Connection
from services.booking.store.waitlist import agree, hear
from shared.contracts import Event, MessageEvidence

LOOKED_AT = frozenset({"shown", "read", "acted"})
"""Evidence that somebody has seen a message."""

ARRIVED = LOOKED_AT | {"delivered"}
"""Evidence that a message has reached a person's device, or more."""

WAITS_TO_BE_OPENED = "in_app"
"""The channel whose messages are delivered into an inbox that nobody may be looking at."""


YES = "yes"
"""The answer that takes what the message offered."""


async def handle(tx: Connection, event: Event) -> None:
    """Write down when the message of an offer arrived, and that its reader agreed; evidence about other messages changes nothing here."""
    said = event.data
    if not isinstance(said, MessageEvidence):
        return
    if said.evidence in (LOOKED_AT if said.channel == WAITS_TO_BE_OPENED else ARRIVED):
        await hear(tx, said.booking_id, said.at)
    if said.answer == YES:
        await agree(tx, said.booking_id, said.at)
