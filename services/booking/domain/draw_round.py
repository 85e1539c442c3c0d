"""A round of a draw: when it takes requests, what may be drawn, and who is admitted to the urn.

    announced -> gathering -> closing -> drawn -> settled

Time alone moves it as far as closing; the draw itself and its settlement are written down.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from uuid import UUID

from services.booking.domain.policy import Draw
from services.booking.domain.reason import Reason
from services.booking.domain.request import Actor
from services.booking.domain.slot import Slot
from shared.refusal import Refused

DRAW = Actor(None, "draw")
"""Who books what was drawn: nobody signs in as this."""

AHEAD_OF_THE_PUBLIC = frozenset({Reason.SLOT_DRAWN, Reason.NOT_RELEASED})
"""What keeps everybody else from a slot that is drawn, and not those whom the draw names."""

WINDOW_LEAST = timedelta(minutes=10)
WINDOW_MOST = timedelta(days=60)
SETTLING = timedelta(hours=1)
"""A slot can be booked for at least so long after the close: time to draw, and to give what is left to the public."""

ANNOUNCED_AHEAD = timedelta(days=1)
"""A round that a policy asks for stands in the list of draws, with its commitment, so long before it takes requests."""

SLOTS_MOST = 200
"""Slots of one round."""

REQUESTS_MOST = 20_000
"""Requests of one round: its document is read whole by whoever recomputes it."""


class Stored(StrEnum):
    """What is written of a round."""

    OPEN = "open"
    DRAWN = "drawn"
    SETTLED = "settled"


class Stage(StrEnum):
    """Where a round is, as people see it."""

    ANNOUNCED = "announced"
    GATHERING = "gathering"
    CLOSING = "closing"
    DRAWN = "drawn"
    SETTLED = "settled"


@dataclass(frozen=True, slots=True, kw_only=True)
class Round:
    """A round as it stands. `seed` must not leave the house before `stored` is past `open`."""

    id: UUID
    service_id: str
    slot_ids: tuple[UUID, ...]
    opens_at: datetime
    closes_at: datetime
    seed: bytes
    commitment: str
    stored: Stored = Stored.OPEN
    requests: int | None = None
    digest: str | None = None

    def stage(self, now: datetime) -> Stage:
        """Return where the round is at `now`."""
        if self.stored is not Stored.OPEN:
            return Stage(self.stored.value)
        if now < self.opens_at:
            return Stage.ANNOUNCED
        return Stage.GATHERING if now < self.closes_at else Stage.CLOSING

    def must_gather(self, now: datetime) -> None:
        """Let pass only while requests come and go.

        Raises:
            Refused: `draw_not_open`, with when it is.
        """
        if self.stage(now) is not Stage.GATHERING:
            raise Refused(Reason.DRAW_NOT_OPEN, opens_at=self.opens_at, closes_at=self.closes_at)


def check_window(opens_at: datetime, closes_at: datetime, now: datetime) -> None:
    """Refuse a window that is past, too short to hear of, or without end.

    Raises:
        Refused: `draw_invalid`.
    """
    if closes_at <= now or closes_at - max(opens_at, now) < WINDOW_LEAST or closes_at - opens_at > WINDOW_MOST:
        raise Refused(Reason.DRAW_INVALID, field="/closes_at", why="draw_window")


def check_slots(service_id: str, wanted: Sequence[UUID], slots: Sequence[Slot], closes_at: datetime) -> None:
    """Refuse slots that are not this service's, are closed or in another round, or end their booking too early.

    Raises:
        Refused: `draw_invalid` with the first one at fault.
    """
    found = {slot.id: slot for slot in slots}
    for position, slot_id in enumerate(wanted):
        slot = found.get(slot_id)
        if slot is None or slot.service_id != service_id or slot.closed or wanted.index(slot_id) != position:
            raise Refused(Reason.DRAW_INVALID, field=f"/slots/{position}", why="draw_slot")
        if slot.drawn:
            raise Refused(Reason.DRAW_INVALID, field=f"/slots/{position}", why="draw_slot_taken")
        if slot.bookable_until - closes_at < SETTLING:
            raise Refused(Reason.DRAW_INVALID, field=f"/slots/{position}", why="draw_slot_too_early")


@dataclass(frozen=True, slots=True, kw_only=True)
class Release:
    """What one release of a service opens, to be drawn by it."""

    opens_at: datetime
    closes_at: datetime
    slot_ids: tuple[UUID, ...]


def releases_to_draw(terms: Draw, slots: Sequence[Slot], now: datetime) -> list[Release]:
    """Return the releases of one service whose round should be there at `now`, of these slots that no round has yet.

    A round closes at the release itself, so that what it leaves is opened then. Slots for which there is no time to
    gather requests, or none to settle the draw, are not drawn: they open as they would without a draw.
    """
    of_release: dict[datetime, list[Slot]] = {}
    for slot in slots:
        if not slot.drawn and not slot.closed and slot.bookable_until - slot.bookable_from >= SETTLING:
            of_release.setdefault(slot.bookable_from, []).append(slot)
    due = []
    for closes_at, released in sorted(of_release.items()):
        opens_at = closes_at - timedelta(minutes=terms.gather_minutes)
        if opens_at - ANNOUNCED_AHEAD <= now and closes_at - max(opens_at, now) >= WINDOW_LEAST:
            first = sorted(released, key=lambda slot: (slot.starts_at, slot.id))[:SLOTS_MOST]
            due.append(Release(opens_at=opens_at, closes_at=closes_at, slot_ids=tuple(slot.id for slot in first)))
    return due
