"""The city's own files, loaded and read over HTTP: what the announcements promise is what a resident is shown."""

from collections.abc import AsyncIterator
from datetime import date, timedelta

import pytest

from services.booking.api.availability_body import AvailabilityShown, ServiceFree
from services.booking.api.open_days import OpenDaysShown, WeeklyHours
from services.booking.api.services import ServiceListed
from services.booking.commands.catalogue import load
from services.booking.domain.catalogue import ServiceKind
from services.booking.main import create_app
from services.booking.settings import BookingSettings
from shared.clock import SettableClock
from shared.db import create_engine
from shared.http import ASGITransport, Client
from shared.web import Page
from tests import make
from tests.booking.api import town
from tests.booking.api.caller import problem

MUSEUMS = 6
SPORTS_VENUES = 10
"""As named in [001] and [004]."""


@pytest.fixture
async def city(settings: BookingSettings) -> AsyncIterator[Client]:
    engine = create_engine(settings.database_url, application_name="test")
    await load(engine, make.NOW)
    await engine.dispose()
    app = create_app(settings, SettableClock(make.NOW))
    async with (
        app.router.lifespan_context(app),
        Client(transport=ASGITransport(app), base_url="https://booking.example") as client,
    ):
        yield client


async def test_the_city_is_shown_as_it_was_announced(city: Client) -> None:
    """One load for all of it, since loading the city takes seconds."""
    await the_extended_museum_days_of_2025(city)
    await every_sports_venue_keeps_its_thirty_five_hours(city)
    await every_kind_of_service_can_be_booked(city)


async def the_extended_museum_days_of_2025(city: Client) -> None:
    """[001]: Saturdays and Sundays of July to September, 1 to 5 May, 1 to 8 October; last entry 18:00, close 18:30."""
    summer = [date(2025, 7, 1) + timedelta(days=passed) for passed in range(92)]
    expected = [
        *(date(2025, 5, day) for day in range(1, 6)),
        *(day for day in summer if day.isoweekday() >= 6),
        *(date(2025, 10, day) for day in range(1, 9)),
    ]
    found = town.read(Page[ServiceListed], await city.get("/api/v1/services?kind=museum&name=evening&limit=100")).items
    assert len({service.venue.id for service in found}) == MUSEUMS
    for service in found:
        path = f"/api/v1/services/{service.id}/open-days"
        shown = town.read(OpenDaysShown, await city.get(f"{path}?from=2025-01-01&to=2025-12-31"))
        assert [day.date for day in shown.days] == expected, service.id
        assert {(f"{day.last_entry:%H:%M}", f"{day.closes:%H:%M}") for day in shown.days} == {("18:00", "18:30")}
        problem(await city.get(f"{path}?from=2027-01-01&to=2027-01-31"), 422, "no_official_calendar")


async def every_sports_venue_keeps_its_thirty_five_hours(city: Client) -> None:
    venues = (await city.get("/api/v1/venues?kind=sports&limit=100")).json()["items"]
    assert len(venues) >= SPORTS_VENUES
    for venue in venues:
        week = town.read(WeeklyHours, await city.get(f"/api/v1/venues/{venue['id']}/weekly-hours"))
        assert (week.required_minutes, week.met, week.without_plan) == (35 * 60, True, 0), venue["id"]


async def every_kind_of_service_can_be_booked(city: Client) -> None:
    for kind in ServiceKind:
        found = town.read(Page[ServiceFree], await city.get(f"/api/v1/availability?kind={kind.value}&limit=10")).items
        assert any(one.earliest is not None for one in found), kind
        for one in found:
            path = f"/api/v1/availability?service_id={one.service.id}"
            shown = town.read(AvailabilityShown, await city.get(path))
            assert shown.days, one.service.id
            if one.earliest is not None:
                assert shown.earliest == one.earliest
