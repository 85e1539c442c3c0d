"""Reminders of releases, for whoever asked for them: "tell me before the places of this service open".

The law: the reminder is given out twenty minutes ahead, from the slots as they stand then, so a plan that was published
meanwhile is what it speaks of; where that still changes, a newer version takes its place. Each release is told of once;
whoever ends the wish hears no more, not even of a reminder that was given out already.
"""

from dataclasses import dataclass
from datetime import timedelta
from typing import Final
from uuid import UUID

from services.booking.commands.catalogue_cache import CatalogueCache
from services.booking.domain.catalogue import Catalogue
from services.booking.domain.reason import Reason
from services.booking.domain.zone import in_words
from services.booking.store.accounts import account_by_id
from services.booking.store.database import Connection, Engine
from services.booking.store.events import add_event
from services.booking.store.release_watches import Watch, add_watch, count_watches, end_watch, near_release
from shared.clock import Clock
from shared.contracts import Event, EventType, ReleaseNearing
from shared.ids import new_id
from shared.refusal import Refused

AHEAD: Final = timedelta(minutes=20)
"""A little more than the quarter of an hour at which the notify service sends it."""

MOST_WATCHES: Final = 10
BATCH: Final = 500


async def watch(tx: Connection, account_id: UUID, service_id: str, clock: Clock) -> None:
    """Remember that somebody wants to be told before places of a service open; again, it is remembered already.

    Raises:
        Refused: `watches_limit_reached`.
    """
    await account_by_id(tx, account_id, lock=True)  # so that two at once cannot both be the tenth
    if await count_watches(tx, account_id, but=service_id) >= MOST_WATCHES:
        raise Refused(Reason.WATCHES_LIMIT_REACHED, most=MOST_WATCHES)
    await add_watch(tx, account_id, service_id, clock())


async def unwatch(tx: Connection, catalogue: Catalogue, whose: tuple[UUID, str], clock: Clock) -> None:
    """End a wish, and a reminder that waits; where there is none, nothing changes."""
    ended = await end_watch(tx, *whose)
    if ended is not None and ended.told_for is not None:
        await add_event(tx, _event(catalogue, ended, clock, "ended"))


@dataclass(frozen=True, slots=True)
class Reminding:
    """Gives reminders out; run as many as you like."""

    engine: Engine
    cache: CatalogueCache
    clock: Clock

    async def remind(self) -> int:
        """Give out what is due; return how many reminders that were."""
        total, catalogue = 0, await self.cache.fresh(self.engine)
        while True:
            now = self.clock()
            async with self.engine.begin() as tx:
                due = await near_release(tx, now, now + AHEAD, BATCH)
                for one in due:
                    if one.service_id in catalogue.services:
                        await add_event(tx, _event(catalogue, one, self.clock, "nearing"))
            total += len(due)
            if len(due) < BATCH:
                return total


def _event(catalogue: Catalogue, about: Watch, clock: Clock, state: str) -> Event:
    service = catalogue.services[about.service_id]
    assert about.told_for is not None, "only what was told of a release has an event"
    data = ReleaseNearing(
        watch_id=about.id,
        version=about.version,
        account_id=about.account_id,
        contact=about.contact,
        service_name=service.name,
        venue_name=catalogue.venues[service.venue_id].name,
        sensitive=catalogue.policies[service.policy_id].sensitive,
        opens_at=about.told_for,
        local_opens=in_words(about.told_for),
        state=state,
    )
    return Event(id=new_id(), type=EventType.RELEASE_NEARING, subject=about.id, time=clock(), data=data)
