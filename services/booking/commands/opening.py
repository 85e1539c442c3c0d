"""Open slots ahead: make the slots of services what their plans and policies say, as far as the horizon reaches."""

import asyncio
from collections.abc import Mapping, Sequence
from datetime import datetime

from services.booking.domain.catalogue import Catalogue
from services.booking.domain.opening import Offer, OpenedSlot, closed_because, opened_ahead
from services.booking.domain.plan import Plan
from services.booking.domain.zone import local_day
from services.booking.store.database import Connection
from services.booking.store.slots import SlotReport, last_opened, replace_slots
from shared.contracts import Words


def offer_of(catalogue: Catalogue, service_id: str) -> Offer:
    """Return a service of the catalogue with its venue and its policy."""
    service = catalogue.services[service_id]
    return Offer(
        service=service, venue=catalogue.venues[service.venue_id], policy=catalogue.policies[service.policy_id]
    )


async def open_planned(tx: Connection, offers: Sequence[Offer], plans: Mapping[str, Plan], now: datetime) -> SlotReport:
    """Open the slots of these services from their plans (by service id); a service without plan is left as it is.

    What people are booked into stays as it is and is reported as stranded: refuse the change by rolling back, or let
    the rest of it stand. The caller holds the services' rows (`store.plans.lock_services`) and commits. Call it once in
    a transaction: it locks slots in id order, and a second call would not go on in that order.
    """
    mine = {offer.service.id: plans[offer.service.id] for offer in offers if offer.service.id in plans}
    return await put_slots(tx, await wanted_slots(tx, offers, mine, now), mine, now)


async def wanted_slots(
    connection: Connection, offers: Sequence[Offer], plans: Mapping[str, Plan], now: datetime
) -> list[OpenedSlot]:
    """Return the slots that these services should have after `now`."""
    planned = [offer for offer in offers if offer.service.id in plans]
    last = await last_opened(connection, [offer.service.id for offer in planned], now)
    wanted: list[OpenedSlot] = []
    for offer in planned:
        service_id = offer.service.id
        until = local_day(last[service_id]) if service_id in last else None
        wanted += opened_ahead(plans[service_id], offer, now, until)
        await asyncio.sleep(0)  # a worker publishes events meanwhile
    return wanted


async def put_slots(
    tx: Connection, wanted: Sequence[OpenedSlot], plans: Mapping[str, Plan], now: datetime
) -> SlotReport:
    """Make the slots of every service in `plans` what is wanted."""

    def because(service_id: str, starts_at: datetime, ends_at: datetime) -> Words | None:
        return closed_because(plans[service_id], starts_at, ends_at)

    return await replace_slots(tx, list(plans), wanted, because, now)
