"""Load the city's files, and open slots ahead from the plans in force.

The law of this file: a load changes everything that differs, or, where it would strand somebody who is booked, nothing
at all. A plan that a scheduler published stands: the file's plan is what a service begins with.
"""

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path

from services.booking.catalogue import FOLDER, City, read_city
from services.booking.commands.opening import offer_of, open_planned, put_slots, wanted_slots
from services.booking.domain.catalogue import Catalogue
from services.booking.domain.opening import Offer, OpenedSlot, last_day, last_known_day, wanted_day
from services.booking.domain.plan import Plan
from services.booking.domain.zone import in_words
from services.booking.store.catalogue import read_catalogue
from services.booking.store.database import Connection, Engine
from services.booking.store.loading import CatalogueReport, StillBooked, lock_catalogue, write_catalogue
from services.booking.store.plans import PublishedPlan, lock_services, read_plans, write_plans
from services.booking.store.slots import SlotReport, Stranded, Why

FROM_FILES = "catalogue"
"""Who published a plan that came from the files."""

SERVICES_AT_A_TIME = 50
"""Services whose slots are opened in one go: the hourly round holds their rows for a fraction of a second."""

NAMED_MOST = 20
"""Slots that a refusal names one by one; the rest of them are counted."""

Say = Callable[[str], None]


class LoadRefused(Exception):  # noqa: N818 - a refusal, said in sentences
    """Loading would strand people who are booked. Nothing was changed; each line says what stands in the way."""

    def __init__(self, reasons: Sequence[str]) -> None:
        self.reasons = tuple(reasons)
        lines = "\n".join(f"  {reason}" for reason in reasons)
        super().__init__(f"Not loaded: people are booked into what the files change.\n{lines}")


@dataclass(slots=True)
class OpenReport:
    """What became of the slots, and what to see to before slots run out."""

    slots: SlotReport = field(default_factory=SlotReport)
    warnings: list[str] = field(default_factory=list)


@dataclass(frozen=True, slots=True, kw_only=True)
class LoadReport:
    """What a load changed. `plans` is how many were published; `kept` are services with a scheduler's own plan."""

    catalogue: CatalogueReport
    plans: int
    kept: tuple[str, ...]
    slots: SlotReport
    warnings: tuple[str, ...]
    seconds: float

    @property
    def changed(self) -> bool:
        """Say whether anything was written."""
        tables = (
            self.catalogue.districts,
            self.catalogue.venues,
            self.catalogue.services,
            self.catalogue.policies,
            self.catalogue.itineraries,
        )
        slots = self.slots
        return any(tables) or bool(self.plans or slots.added or slots.changed or slots.removed or slots.closed)


def _silent(_line: str) -> None:
    return


async def load(engine: Engine, now: datetime, say: Say = _silent, folder: Path = FOLDER) -> LoadReport:
    """Make the database what the files in `folder` say, in one transaction; telling each step to `say`.

    Raises:
        services.booking.catalogue.CatalogueInvalid: the files have faults; every one is named with file and line.
        LoadRefused: it would strand somebody who is booked.
    """
    began = time.monotonic()
    city = read_city(folder)
    say(
        f"Read {len(city.districts)} districts, {len(city.venues)} venues, {len(city.services)} services,"
        f" {len(city.policies)} policies, {len(city.itineraries)} itineraries."
    )
    async with engine.begin() as tx:
        await lock_catalogue(tx)
        await lock_services(tx, city.services)
        catalogue = _catalogue(city)
        written = await write_catalogue(tx, catalogue, now)
        if written.still_booked:
            raise LoadRefused([_still_booked(one) for one in written.still_booked])
        plans, published, kept = await _publish(tx, city, now)
        say(f"Published {published} plans.")
        offers = [offer_of(catalogue, service_id) for service_id in city.services]
        wanted: list[OpenedSlot] = []
        for done, some in _batches(offers):
            wanted += await wanted_slots(tx, some, plans, now)
            say(f"Planned {len(wanted)} slots of {done} of {len(offers)} services.")
        slots = await put_slots(tx, wanted, plans, now)
        say(f"Opened {slots.added} slots, changed {slots.changed}, closed {slots.closed}, removed {slots.removed}.")
        if slots.stranded:
            raise LoadRefused(_stranded(slots.stranded))
    warnings = [*_kept_words(kept), *_ends(offers, plans, now)]
    for warning in warnings:
        say(warning)
    return LoadReport(
        catalogue=written,
        plans=published,
        kept=kept,
        slots=slots,
        warnings=tuple(warnings),
        seconds=time.monotonic() - began,
    )


async def open_slots(engine: Engine, now: datetime, say: Say = _silent) -> OpenReport:
    """Open the slots of every service ahead, some services at a time, each time in a transaction of its own.

    Repeating it changes nothing; several workers may do it at once. Where a slot cannot become what its plan says since
    people are booked into it, it stays, and a warning names it.
    """
    report = OpenReport()
    async with engine.connect() as connection:
        catalogue = await read_catalogue(connection)
        every = await read_plans(connection)
    offers = [offer_of(catalogue, service_id) for service_id in catalogue.services]
    for done, some in _batches(offers):
        async with engine.begin() as tx:
            service_ids = [offer.service.id for offer in some]
            await lock_services(tx, service_ids)
            plans = {service_id: one.plan for service_id, one in (await read_plans(tx, service_ids)).items()}
            report.slots.add(await open_planned(tx, some, plans, now))
        say(f"Opened the slots of {done} of {len(offers)} services: {report.slots.added} new.")
    report.warnings = [
        *_stranded(report.slots.stranded),
        *_ends(offers, {service_id: one.plan for service_id, one in every.items()}, now),
    ]
    for warning in report.warnings:
        say(warning)
    return report


def _catalogue(city: City) -> Catalogue:
    return Catalogue(
        version=0,
        districts=city.districts,
        venues=city.venues,
        services=city.services,
        policies=city.policies,
        itineraries=city.itineraries,
    )


async def _publish(tx: Connection, city: City, now: datetime) -> tuple[dict[str, Plan], int, tuple[str, ...]]:
    """Publish what is new or changed in the files.

    Returns:
        The plans in force by service, how many of them are new, and the services whose scheduler's own plan stands.
    """
    before = await read_plans(tx)
    new = [plan for plan in (_next(plan, before.get(plan.service_id)) for plan in city.plans.values()) if plan]
    await write_plans(tx, new, FROM_FILES, now)
    in_force = {service_id: one.plan for service_id, one in before.items()} | {plan.service_id: plan for plan in new}
    kept = [one.plan.service_id for one in before.values() if one.published_by != FROM_FILES]
    return in_force, len(new), tuple(sorted(set(kept) & city.plans.keys()))


def _next(plan: Plan, before: PublishedPlan | None) -> Plan | None:
    """Return the version to publish, or None where what is in force stands."""
    if before is None:
        return plan
    if before.published_by != FROM_FILES or replace(plan, version=before.plan.version) == before.plan:
        return None
    return replace(plan, version=before.plan.version + 1)


def _batches(offers: Sequence[Offer]) -> Iterable[tuple[int, Sequence[Offer]]]:
    for start in range(0, len(offers), SERVICES_AT_A_TIME):
        some = offers[start : start + SERVICES_AT_A_TIME]
        yield start + len(some), some


def _still_booked(one: StillBooked) -> str:
    live = f"{one.live} bookings are still to come" if one.live else "no booking is still to come"
    return (
        f"{one.service_id}: the files no longer have it, but {live}, {one.bookings} bookings and {one.walked_in} walk-ins"
        " are on record; leave it in the files, and end its plan with valid_until"
    )


_WHY = {
    Why.TIME_GONE: "the plan no longer has this time",
    Why.END_CHANGED: "it would end at another time",
    Why.PLACE_CHANGED: "it would be at another venue",
    Why.CAPACITY_BELOW_TAKEN: "the capacity would be below the places taken",
}


def _stranded(slots: Sequence[Stranded]) -> list[str]:
    lines = [
        f"{one.service_id}, {in_words(one.starts_at)}: {_WHY[one.why]}; {one.bookings} bookings, {one.taken} places taken"
        for one in slots[:NAMED_MOST]
    ]
    more = slots[NAMED_MOST:]
    if more:
        lines.append(f"and {len(more)} more slots with {sum(one.bookings for one in more)} bookings")
    return lines


def _kept_words(kept: Sequence[str]) -> list[str]:
    if not kept:
        return []
    return [f"{len(kept)} services keep the plan that their scheduler published, not the file's: {', '.join(kept)}."]


def _ends(offers: Sequence[Offer], plans: Mapping[str, Plan], now: datetime) -> list[str]:
    """Say where slots run out before the horizon: no official calendar, or a plan that ends."""
    warnings = []
    unknown = [offer for offer in offers if wanted_day(offer, now) > last_known_day()]
    if unknown:
        warnings.append(
            f"{len(unknown)} services are opened to {last_known_day()} only: no official calendar is known for"
            f" {last_known_day().year + 1}. Update the packages chinesecalendar and holidays once the State Council's"
            " notice is published, and load again."
        )
    ending = [
        offer.service.id
        for offer in offers
        if offer.service.id in plans and plans[offer.service.id].valid_until < last_day(offer, now)
    ]
    if ending:
        warnings.append(
            f"{len(ending)} services have a plan that ends before their horizon; publish the next one:"
            f" {', '.join(ending[:NAMED_MOST])}{' …' if len(ending) > NAMED_MOST else ''}"
        )
    return warnings
