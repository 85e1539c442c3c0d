"""What channels ask of the database while a message is on its way: whose devices, which addresses, is there consent.

Each question is a transaction of its own, over before the provider is called and opened anew after it.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from services.notify.channels.web_push import Device
from services.notify.store import devices
from services.notify.store.database import Engine
from shared.clock import Clock
from shared.strongbox import Strongbox


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
