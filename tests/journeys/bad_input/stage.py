"""Where bad input is tried: the real application on a port of this machine, over a small city in a real database.

The city stands for all cases; what people did in it is wiped before each one. Everybody signed in once, through the
same API.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from datetime import date, timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine
from stdnum.iso7064 import mod_11_2

from services.booking import tables
from services.booking.api.deps import Container
from services.booking.commands.accounts import disable_account
from services.booking.domain.account import Role
from services.booking.domain.catalogue import Catalogue, Service, ServiceKind, Venue
from services.booking.domain.itinerary import After, Itinerary, ItineraryStep, Named, Walking
from services.booking.domain.policy import (
    Declaration,
    DocumentType,
    Limit,
    LimitScope,
    LimitWindow,
    PartyKind,
    Policy,
    SeatUnit,
    Waiting,
)
from services.booking.domain.slot import Slot
from services.booking.main import create_app
from services.booking.settings import BookingSettings
from shared.clock import SettableClock
from shared.contracts import Words
from shared.db import create_engine
from shared.http import Client
from shared.ids import new_id
from shared.sealing import Opener, generate_keys
from tests import make, world
from tests.booking.api import town
from tests.booking.api.caller import WANG, Caller
from tests.serving import serving

LUSHUN = "lushun-museum"
DISABLED = "left-last-year"
GROWN_UP = date(1990, 1, 1)

_WIPED = (
    "slots, plans, sign_in_codes, persons, account_people, bookings, claims, history, walk_ins, idempotency, outbox,"
    " waitlist_entries, waitlist_numbers, draw_rounds, season_rounds"
)
_STATE = " UNION ALL ".join(
    f"SELECT '{table.name}' AS name, md5(coalesce(string_agg(t::text, '|' ORDER BY t::text), '')) AS digest FROM {table.name} t"
    for table in tables.metadata.sorted_tables
)


@dataclass(frozen=True)
class Stage:
    """The city and its people: two residents, and those who work at one museum or at the other."""

    nobody: Caller
    wang: Caller
    li: Caller
    staff: Caller
    scheduler: Caller
    staff_elsewhere: Caller
    scheduler_elsewhere: Caller
    strange_keys: Path

    async def wipe(self) -> None:
        """Undo what was done before, and set the clock back to Monday 23 November 2026, 10:00."""
        self.nobody.clock.set(make.NOW)
        async with self.nobody.engine.begin() as tx:
            await tx.execute(text(f"TRUNCATE {_WIPED} CASCADE"))

    async def state(self) -> dict[str, str]:
        """Return a digest of every row of every table."""
        async with self.nobody.engine.connect() as connection:
            return {row.name: row.digest for row in await connection.execute(text(_STATE))}

    def pass_minutes(self, minutes: int) -> None:
        """Let time pass; tokens are good for 60 minutes."""
        self.nobody.clock.advance(timedelta(minutes=minutes))

    async def slot(self, service_id: str = "timed-entry", **changes: Any) -> Slot:
        """Open a slot of a service: two places on Wednesday at 16:30, released."""
        service = CITY.services[service_id]
        made = make.slot(service_id=service_id, venue_id=service.venue_id, kind=service.kind.value)
        made = replace(made, **changes)
        await world.put_slots(self.nobody.engine, made)
        return made

    async def slot_in(self, minutes: int, service_id: str = "timed-entry", **changes: Any) -> Slot:
        """Open a slot that starts so many minutes from now and lasts for 30; negative ones have begun."""
        starts_at = make.NOW + timedelta(minutes=minutes)
        times = {
            "starts_at": starts_at,
            "ends_at": starts_at + timedelta(minutes=30),
            "bookable_from": starts_at - timedelta(days=7),
            "bookable_until": starts_at,
        }
        return await self.slot(service_id, **(times | changes))

    async def close(self, slot: Slot) -> None:
        """Close a slot for works."""
        await town.close(self.nobody.engine, slot.id, "设备检修", "Maintenance")

    async def person(self, born: date = GROWN_UP, whose: Caller | None = None, **changes: Any) -> str:
        """Save a person for Wang, or for somebody else; return the id."""
        taken = len(await self.nobody.rows("persons"))
        wish = {"name": "王建国", "relation": "other", "document": {"type": "resident_identity_card"}} | changes
        wish["document"] = {"number": card(born, taken)} | wish["document"]
        answer = await (whose or self.wang).post("/api/v1/people", wish)
        assert answer.status_code == 201, answer.text
        saved: str = answer.json()["id"]
        return saved

    async def people(self, count: int) -> list[str]:
        """Save so many people for Wang."""
        return [await self.person() for _ in range(count)]

    async def booked(self, slot: Slot, *people: str, **wish: Any) -> dict[str, Any]:
        """Book for Wang, at once unless `wish` says otherwise; for a new person where none is named."""
        body = {"slot_id": str(slot.id), "people": people or [await self.person()], "confirm": True} | wish
        answer = await self.wang.post("/api/v1/bookings", body)
        assert answer.status_code == 201, answer.text
        booking: dict[str, Any] = answer.json()
        return booking

    async def held(self, slot: Slot, *people: str, **wish: Any) -> dict[str, Any]:
        """Hold a place for Wang."""
        return await self.booked(slot, *people, confirm=False, **wish)


def card(born: date, serial: int = 0, area: str = "210202") -> str:
    """Return the number of a resident identity card, its check character right."""
    body = f"{area}{born:%Y%m%d}{serial % 1000:03d}"
    return body + str(mod_11_2.calc_check_digit(body))


def _city() -> Catalogue:
    """One museum that takes nearly anybody, and a service for each rule that says no."""
    base = make.catalogue()
    museum = base.venues[make.VENUE]
    places = [
        museum,
        _venue(museum, LUSHUN, ServiceKind.MUSEUM, "旅顺博物馆", "Lushun Museum"),
        _venue(museum, "clinic", ServiceKind.FERTILITY, "示例医院", "Sample Hospital"),
        _venue(museum, "agency", ServiceKind.ASSESSMENT, "示例评估机构", "Sample Agency"),
        _venue(museum, "hospital", ServiceKind.HOSPITAL, "示例七院", "Sample Seventh Hospital"),
    ]
    venues = {venue.id: venue for venue in places}
    terms = {policy.id: policy for policy in (make.policy(), *_policies())}
    offered = (
        ("timed-entry", make.VENUE, "open", "延时入场", "Evening entry"),
        ("guided-tour", make.VENUE, "tour", "讲解", "Guided tour"),
        ("evening-talk", make.VENUE, "waited", "夜话", "Evening talk"),
        ("badminton", make.VENUE, "court", "羽毛球场", "Badminton court"),
        ("lushun-entry", LUSHUN, "open", "延时入场", "Evening entry"),
        ("consultation", "clinic", "couple", "夫妇咨询", "Consultation"),
        ("assessment", "agency", "assessment", "能力评估", "Ability assessment"),
        ("exam-clinic", "hospital", "exam", "助考门诊", "Exam-season clinic"),
    )
    services = {
        name: Service(
            id=name,
            venue_id=venue_id,
            kind=venues[venue_id].kind,
            policy_id=policy_id,
            name=Words(zh, en),
            attributes={},
            sample=True,
            source="[001]",
        )
        for name, venue_id, policy_id, zh, en in offered
    }
    return replace(base, venues=venues, services=services, policies=terms, itineraries={"museum-visit": _visit()})


def _visit() -> Itinerary:
    """The entry, and a tour within two hours of it, for one person."""
    after = After(step="entry", least=10, most=120)
    return Itinerary(
        id="museum-visit",
        venue_id=make.VENUE,
        name=Words("参观", "A visit"),
        party=PartyKind.ONE_PERSON,
        roles=(Named(key="guest", name=Words("参观者", "Guest")),),
        steps=(
            ItineraryStep(key="entry", name=Words("入场", "Entry"), services=("timed-entry",), who=("guest",)),
            ItineraryStep(
                key="tour", name=Words("讲解", "Tour"), services=("guided-tour",), who=("guest",), after=(after,)
            ),
        ),
        within_days=1,
        walking=Walking(same_venue=5, between_venues=40),
        meal_minutes=0,
        sample=True,
        source="[001]",
    )


def _venue(like: Venue, venue_id: str, kind: ServiceKind, zh: str, en: str) -> Venue:
    return replace(like, id=venue_id, kind=kind, name=Words(zh, en))


def _policies() -> tuple[Policy, ...]:
    adults = (PartyKind.ONE_PERSON, PartyKind.GROUP)
    category = Declaration(
        name="difficulty_category",
        question_zh="老人属于哪一类？",
        question_en="Which category?",
        options=("特困人员", "最低生活保障"),
    )
    district = Declaration(name="registered_subdistrict", question_zh="户籍在哪个街道？", question_en="Which one?")
    return (
        make.policy(
            id="tour",
            documents=frozenset({DocumentType.RESIDENT_IDENTITY_CARD}),
            parties=frozenset(adults),
            limits=(Limit(scope=LimitScope.SERVICE, window=LimitWindow.DAY, most=1),),
        ),
        make.policy(id="court", seat_unit=SeatUnit.PARTY),
        make.policy(
            id="waited",
            waiting=Waiting(offer_minutes=30, most_minutes=60, react_minutes=15, lead_minutes=60, collect_minutes=1440),
        ),
        make.policy(
            id="couple",
            parties=frozenset({PartyKind.COUPLE}),
            seat_unit=SeatUnit.PARTY,
            sensitive=True,
        ),
        make.policy(id="assessment", age_least=60, declarations=(category, district), sensitive=True),
        make.policy(id="exam", age_most=18, approval=True, sensitive=True),
    )


CITY = _city()


@asynccontextmanager
async def open_stage(booking_url: str, folder: Path) -> AsyncIterator[Stage]:
    """Serve the booking API and sign everybody in."""
    keys, strange_keys = folder / "keys", folder / "strange"
    for one in (keys, strange_keys):
        generate_keys(one)
    settings = BookingSettings(
        database_url=booking_url, key_folder=keys, rate_account=0, rate_address=0, rate_sign_in=0
    )
    engine = create_engine(booking_url, application_name="test")
    await world.put_catalogue(engine, CITY)
    clock = SettableClock(make.NOW)
    app = create_app(settings, clock)
    async with serving(app) as address, Client(base_url=address) as client:
        parts: Container = app.state.container
        nobody = Caller(client=client, engine=engine, clock=clock, parts=parts, opener=Opener(keys))
        yield await _signed_in(nobody, engine, strange_keys)
    await engine.dispose()


async def _signed_in(nobody: Caller, engine: AsyncEngine, strange_keys: Path) -> Stage:
    there, elsewhere = frozenset({make.VENUE}), frozenset({LUSHUN})
    await nobody.at_work(Role.STAFF, DISABLED, there)
    await disable_account(engine, DISABLED, make.NOW)
    return Stage(
        nobody=nobody,
        wang=await nobody.sign_in(WANG),
        li=await nobody.sign_in("13900005678"),
        staff=await nobody.at_work(Role.STAFF, "staff", there),
        scheduler=await nobody.at_work(Role.SCHEDULER, "scheduler", there),
        staff_elsewhere=await nobody.at_work(Role.STAFF, "staff-elsewhere", elsewhere),
        scheduler_elsewhere=await nobody.at_work(Role.SCHEDULER, "scheduler-elsewhere", elsewhere),
        strange_keys=strange_keys,
    )


def later(slot: Slot, **by: int) -> dict[str, Any]:
    """Return the times of a slot, moved: for another slot on another day or hour."""
    shift = timedelta(**by)
    names = ("starts_at", "ends_at", "bookable_from", "bookable_until")
    return {"id": new_id(), **{name: getattr(slot, name) + shift for name in names}}


def unknown_id() -> str:
    """Return an id that nothing has."""
    return str(uuid4())
