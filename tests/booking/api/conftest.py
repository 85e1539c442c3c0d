"""The booking API as a client meets it: the real application over its own database, with a clock that can be moved."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from services.booking.api.deps import Container
from services.booking.main import create_app
from services.booking.settings import BookingSettings
from shared.clock import SettableClock
from shared.db import create_engine
from shared.http import ASGITransport, Client
from shared.sealing import Opener, generate_keys
from tests import make, world
from tests.booking.api.caller import Caller


@pytest.fixture(scope="session")
def key_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("keys")
    generate_keys(folder)
    return folder


@pytest.fixture
def settings(booking_url: str, key_folder: Path) -> BookingSettings:
    return BookingSettings(
        database_url=booking_url,
        key_folder=key_folder,
        public_url="https://booking.example",
        rate_account=0,
        rate_address=0,
        rate_sign_in=0,
    )


@pytest.fixture
async def api(settings: BookingSettings) -> AsyncIterator[Caller]:
    """Somebody who calls the API and is not signed in."""
    engine = create_engine(settings.database_url, application_name="test")
    await world.put_catalogue(engine, make.catalogue())
    clock = SettableClock(make.NOW)
    app = create_app(settings, clock)
    async with (
        app.router.lifespan_context(app),
        Client(transport=ASGITransport(app, client=("192.0.2.7", 4000)), base_url="https://booking.example") as client,
    ):
        parts: Container = app.state.container
        yield Caller(client=client, engine=engine, clock=clock, parts=parts, opener=Opener(settings.key_folder))
    await engine.dispose()
