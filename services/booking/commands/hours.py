"""Publish the hours of a service: a new version of its plan, and its slots opened anew, in one transaction.

The law of this file: nobody who is booked is stranded. What would take a time away from people who are booked into it is
refused with what it would have done; only a closure may stand beside their bookings, where whoever publishes says so:
then new bookings stop, and those that exist stand (停止新预约，保留已约).
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from services.booking.commands.catalogue_cache import CatalogueCache
from services.booking.commands.opening import offer_of, open_planned
from services.booking.domain.opening import closed_because
from services.booking.domain.plan import Plan
from services.booking.domain.plan_rules import validate_plan
from services.booking.domain.reason import Reason
from services.booking.domain.schedule import Difference, PlannedSlot, difference
from services.booking.store.catalogue import read_version
from services.booking.store.database import Connection, Engine
from services.booking.store.hours import SlotAhead, close_slots, read_ahead
from services.booking.store.plans import lock_services, read_plan, write_plans
from services.booking.store.slots import Stranded, Why
from shared.contracts import Words
from shared.refusal import Refused

EXAMPLES_MOST = 20
"""Times that a refusal names one by one; all of them are counted."""

NO_PLAN = 0
"""The version of a service's hours before any were published."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Publication:
    """What a scheduler asks for. The plan's own version does not count: it becomes the next one of its service.

    `keep_booked` lets a closure stop new bookings where people are booked already; their bookings stand.
    """

    plan: Plan
    keep_booked: bool
    published_by: str
    expected_version: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Published:
    """What a publication did, or would do: `kept` are closed times whose bookings stand, `stranded` stand in its way."""

    plan: Plan
    change: Difference
    closed: tuple[tuple[datetime, Words], ...]
    kept: tuple[Stranded, ...]
    stranded: tuple[Stranded, ...]


async def publish(tx: Connection, catalogue: CatalogueCache, wanted: Publication, now: datetime) -> Published:
    """Publish the hours of a service, and return what changed.

    Raises:
        Refused: `stale_version`; `plan_invalid`, `no_official_calendar` (`domain.plan_rules`); `plan_strands_bookings`
            with how many bookings it would strand and the first times they are for.
    """
    published = await _apply(tx, catalogue, wanted, now)
    if published.stranded:
        raise stranding(published.stranded)
    return published


async def preview(engine: Engine, catalogue: CatalogueCache, wanted: Publication, now: datetime) -> Published:
    """Return what publishing would do. It is done and undone, so that what is shown is what would happen.

    Raises:
        Refused: as `publish`, save that what would be stranded is returned.
    """
    async with engine.connect() as tx:
        try:
            return await _apply(tx, catalogue, wanted, now)
        finally:
            await tx.rollback()


def stranding(stranded: Sequence[Stranded]) -> Refused:
    """Return the refusal of a plan that would strand people: how many bookings, and at which times."""
    examples = [
        {"starts_at": one.starts_at, "bookings": one.bookings, "places": one.taken, "why": one.why.value}
        for one in stranded[:EXAMPLES_MOST]
    ]
    bookings = sum(one.bookings for one in stranded)
    return Refused(Reason.PLAN_STRANDS_BOOKINGS, bookings=bookings, times=len(stranded), examples=examples)


async def _apply(tx: Connection, catalogue: CatalogueCache, wanted: Publication, now: datetime) -> Published:
    service_id = wanted.plan.service_id
    await lock_services(tx, [service_id])  # a load of the catalogue holds it too: the policy cannot change meanwhile
    offer = offer_of(await catalogue.at_version(tx, await read_version(tx)), service_id)
    current = await read_plan(tx, service_id)
    version = current[1] if current else NO_PLAN
    if wanted.expected_version not in {None, version}:
        raise Refused(Reason.STALE_VERSION, current_version=version)
    plan = replace(wanted.plan, version=version + 1)
    validate_plan(plan)
    before = await read_ahead(tx, service_id, now)
    report = await open_planned(tx, [offer], {service_id: plan}, now)
    reasons = _closures(plan, report.stranded, before) if wanted.keep_booked else {}
    await close_slots(tx, service_id, reasons)
    await write_plans(tx, [plan], wanted.published_by, now)
    after = await read_ahead(tx, service_id, now)
    return Published(
        plan=plan,
        change=difference(_open(before), _open(after)),
        closed=_newly_closed(before, after),
        kept=tuple(one for one in report.stranded if one.starts_at in reasons),
        stranded=tuple(one for one in report.stranded if one.starts_at not in reasons),
    )


def _closures(plan: Plan, stranded: Sequence[Stranded], before: Sequence[SlotAhead]) -> dict[datetime, Words]:
    """Return the reason for each time that a closure of the plan takes, and nothing else: by its start."""
    ends = {slot.planned.starts_at: slot.planned.ends_at for slot in before}
    gone = [one.starts_at for one in stranded if one.why is Why.TIME_GONE]
    reasons = {starts_at: closed_because(plan, starts_at, ends[starts_at]) for starts_at in gone}
    return {starts_at: reason for starts_at, reason in reasons.items() if reason is not None}


def _open(slots: Sequence[SlotAhead]) -> list[PlannedSlot]:
    return [slot.planned for slot in slots if slot.closed is None]


def _newly_closed(before: Sequence[SlotAhead], after: Sequence[SlotAhead]) -> tuple[tuple[datetime, Words], ...]:
    was_open = {slot.planned.starts_at for slot in before if slot.closed is None}
    return tuple(
        (slot.planned.starts_at, slot.closed)
        for slot in after
        if slot.closed is not None and slot.planned.starts_at in was_open
    )
