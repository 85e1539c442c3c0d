"""Tells partner systems what they subscribed to: claim, call with no transaction open, settle.

A worker may be killed at any step: the lease runs out and another attempt follows, under the same id.
"""

import asyncio
import logging
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from uuid import UUID

from services.notify.channels.webhook import WebhookCall
from services.notify.domain.webhook import Reply, WebhookWhy, signatures, verdict
from services.notify.store import webhooks
from services.notify.store.database import Engine
from shared.clock import Clock
from shared.ids import new_id
from shared.strongbox import Strongbox

_log = logging.getLogger(__name__)

LEASE = timedelta(seconds=60)
"""Longer than a call may take."""


@dataclass(frozen=True, slots=True)
class Partners:
    """Delivers to partners; run as many as you like. `chance` is the die that spreads retries."""

    engine: Engine
    box: Strongbox
    call: WebhookCall
    clock: Clock
    chance: Callable[[], float]

    async def drain(self) -> int:
        """Deliver until nothing more is due; return how many attempts there were."""
        total = 0
        while count := await self._deliver():
            total += count
        return total

    async def _deliver(self) -> int:
        now, token = self.clock(), new_id()
        async with self.engine.begin() as tx:
            claimed = await webhooks.claim(tx, self.box, token, now + LEASE, now)
        await asyncio.gather(*(self._tell(one, token) for one in claimed))
        return len(claimed)

    async def _tell(self, claimed: webhooks.Claimed, token: UUID) -> None:
        headers = signatures(claimed.secrets, claimed.event_id, self.clock(), claimed.body)
        try:
            reply = await self.call.post(claimed.url, headers, claimed.body)
        except Exception:  # noqa: BLE001 - one partner's oddity must not hold up the others
            _log.exception("webhook_failed", extra={"endpoint_id": claimed.endpoint_id})
            reply = Reply(status=None, why=WebhookWhy.UNREACHABLE)
        now = self.clock()
        found = verdict(reply, claimed.attempt, (now, claimed.expires_at), claimed.failing_since, self.chance())
        async with self.engine.begin() as tx:
            await webhooks.settle(tx, claimed, token, (reply, found), now)
        if found.disable:
            _log.warning("webhook_switched_off", extra={"endpoint_id": claimed.endpoint_id, "why": found.why.value})
