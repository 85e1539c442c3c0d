"""Open the rounds that policies ask for: each release of a service that is drawn gets one, ahead of time.

Any number of workers may look: a round takes its slots under their locks, and whoever comes second finds them taken. What
is opened is closed, drawn and settled like every other round (`drawing`).
"""

import secrets
from contextlib import suppress
from datetime import timedelta

from services.booking.commands.catalogue_cache import CatalogueCache
from services.booking.commands.draws import NewRound, open_round
from services.booking.domain.catalogue import Service
from services.booking.domain.draw import SEED_BYTES
from services.booking.domain.draw_round import ANNOUNCED_AHEAD, releases_to_draw
from services.booking.domain.policy import Policy
from services.booking.store.database import Engine
from services.booking.store.draws import slots_to_be_released
from shared.clock import Clock
from shared.ids import new_id
from shared.refusal import Refused


async def open_rounds(engine: Engine, cache: CatalogueCache, clock: Clock) -> int:
    """Open every round that is due; return how many."""
    catalogue = await cache.fresh(engine)
    opened = 0
    for service in catalogue.services.values():
        policy = catalogue.policies[service.policy_id]
        if policy.draw is not None:
            opened += await _open_rounds_of(engine, service, policy, clock)
    return opened


async def _open_rounds_of(engine: Engine, service: Service, policy: Policy, clock: Clock) -> int:
    assert policy.draw is not None
    now = clock()
    ahead = ANNOUNCED_AHEAD + timedelta(minutes=policy.draw.gather_minutes, days=policy.release.days_before + 2)
    async with engine.connect() as connection:
        slots = await slots_to_be_released(connection, service.id, now, now + ahead)
    opened = 0
    for release in releases_to_draw(policy.draw, slots, now):
        new = NewRound(
            id=new_id(),
            service_id=service.id,
            slot_ids=release.slot_ids,
            opens_at=release.opens_at,
            closes_at=release.closes_at,
            seed=secrets.token_bytes(SEED_BYTES),
            opened_by=None,
        )
        with suppress(Refused):  # another worker was quicker, or a scheduler changed the hours just now
            async with engine.begin() as tx:
                await open_round(tx, new, now)
            opened += 1
    return opened
