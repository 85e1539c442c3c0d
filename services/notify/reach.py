"""What channels ask of the database while a message is on its way: whose devices, which addresses, is there consent.

Each question is a transaction of its own, over before the provider is called and opened anew after it.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from uuid import UUID

from services.notify.channels.web_push import Device
from services.notify.channels.wechat import TokenUnavailable
from services.notify.channels.wechat_token import Fetched
from services.notify.domain.message import Channel
from services.notify.store import bindings, devices, provider_tokens
from services.notify.store.database import Connection, Engine
from shared.clock import Clock
from shared.ids import new_id
from shared.strongbox import Strongbox

LEASE = timedelta(seconds=20)
"""Longer than it takes to ask for a token."""

EARLY = timedelta(minutes=5)
"""A token is renewed so long before it ends."""

WAIT_SECONDS = 25.0
_LOOK_SECONDS = 0.1


@dataclass(frozen=True, slots=True)
class PushDevices:
    """The `Devices` of Web Push."""

    engine: Engine
    box: Strongbox
    clock: Clock

    async def of_account(self, account_id: UUID) -> Sequence[Device]:
        async with self.engine.connect() as connection:
            found = await devices.endpoints(connection, self.box, account_id)
        return [Device(id=one, endpoint=at.url, p256dh=at.p256dh, auth=at.auth) for one, at in found]

    async def forget(self, device_id: UUID) -> None:
        async with self.engine.begin() as tx:
            await devices.forget(tx, device_id)

    async def refused(self, device_id: UUID) -> None:
        async with self.engine.begin() as tx:
            await devices.refused(tx, device_id, self.clock())


@dataclass(frozen=True, slots=True)
class SharedToken:
    """The `Tokens` of a provider: one token in the database, asked for by one process at a time."""

    engine: Engine
    box: Strongbox
    clock: Clock
    provider: str
    fetch: Callable[[bool], Awaitable[Fetched]]

    async def current(self) -> str:
        return await self._good(bad=None)

    async def renew(self, bad: str) -> str:
        return await self._good(bad=bad)

    async def _good(self, bad: str | None) -> str:
        """Return the stored token if it is good and not `bad`; else fetch one, or wait for whoever does."""
        patience = time.monotonic() + WAIT_SECONDS
        while True:
            async with self.engine.connect() as connection:
                stored = await self._stored(connection, bad)
            if stored is not None:
                return stored
            now, lease_token = self.clock(), new_id()
            async with self.engine.begin() as tx:
                mine = await provider_tokens.lease(tx, self.provider, lease_token, now + LEASE, now)
                # whoever held the lease a moment ago may have stored what we were about to ask for
                stored = await self._stored(tx, bad) if mine else None
                if stored is not None:
                    await provider_tokens.keep(tx, self.box, self.provider, lease_token, None)
            if stored is not None:
                return stored
            if mine:
                return await self._fetch(lease_token, force=bad is not None)
            if time.monotonic() > patience:
                raise TokenUnavailable("waited")
            await asyncio.sleep(_LOOK_SECONDS)

    async def _stored(self, connection: Connection, bad: str | None) -> str | None:
        found = await provider_tokens.read(connection, self.box, self.provider)
        good = found is not None and found.expires_at > self.clock() + EARLY and found.token != bad
        return found.token if found is not None and good else None

    async def _fetch(self, lease_token: UUID, *, force: bool) -> str:
        found: Fetched | None = None
        try:
            found = await self.fetch(force)
        finally:
            stored = None if found is None else provider_tokens.Stored(found.token, self.clock() + found.lifetime)
            async with self.engine.begin() as tx:
                await provider_tokens.keep(tx, self.box, self.provider, lease_token, stored)
        return found.token


@dataclass(frozen=True, slots=True)
class BoundAddresses:
    """The `Addresses` of a channel."""

    engine: Engine
    box: Strongbox
    channel: Channel

    async def of_account(self, account_id: UUID) -> str | None:
        async with self.engine.connect() as connection:
            return await bindings.address_of(connection, self.box, account_id, self.channel)


@dataclass(frozen=True, slots=True)
class ConsentLedger:
    """The `Consents` of a channel."""

    engine: Engine
    clock: Clock
    channel: Channel

    async def spend(self, account_id: UUID, template: str, message_id: UUID) -> bool:
        async with self.engine.begin() as tx:
            return await bindings.spend(tx, (account_id, self.channel), template, message_id)

    async def give_back(self, message_id: UUID) -> None:
        async with self.engine.begin() as tx:
            await bindings.give_back(tx, message_id)

    async def void(self, account_id: UUID, template: str) -> None:
        async with self.engine.begin() as tx:
            await bindings.void(tx, (account_id, self.channel), template, self.clock(), spent=True)
