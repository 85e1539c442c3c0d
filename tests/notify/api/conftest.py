"""The notify API as a client meets it: a real server, tokens of a real issuer, messages that were really delivered."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import pytest
from pydantic import SecretStr
from sqlalchemy.ext.asyncio import AsyncEngine

from services.notify.api.deps import Container
from services.notify.domain.message import Kind
from services.notify.domain.planning import Rules
from services.notify.doorbell import Doorbell
from services.notify.main import JWKS_PATH, create_app
from services.notify.settings import NotifySettings
from shared.clock import SettableClock
from shared.contracts import EventType
from shared.http import Client, Response
from shared.sealing import generate_keys
from shared.strongbox import Strongbox
from shared.tokens import Principal, Signer, Verifier, remote_jwks
from tests.notify.make import RESIDENT, booking, event
from tests.notify.serving import serving
from tests.notify.town import Keys, Town

HOUR = timedelta(hours=1)
SECRET = "kJ2n8Qw4"
"""What providers were told."""


@dataclass(slots=True)
class Issuer:
    """The part of the booking service that notify needs: its keys, at the address where they stand."""

    signer: Signer
    asked: int = 0
    away: bool = False

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "lifespan":
            while (message := await receive())["type"] != "lifespan.shutdown":
                await send({"type": f"{message['type']}.complete"})
            await send({"type": "lifespan.shutdown.complete"})
            return
        self.asked += 1
        found = scope["path"] == "/.well-known/jwks.json" and not self.away
        await send(
            {
                "type": "http.response.start",
                "status": 200 if found else 503,
                "headers": [(b"content-type", b"application/json")],
            }
        )
        body = Response(200, json=self.signer.jwks()).content if found else b"{}"
        await send({"type": "http.response.body", "body": body})


@dataclass(slots=True)
class Caller:
    """Somebody with a front end."""

    client: Client
    signer: Signer
    clock: SettableClock
    parts: Container
    issuer: Issuer

    async def get_as(self, path: str, role: str, *venues: str) -> Response:
        """Ask as somebody who works at `venues`."""
        principal = Principal(subject=uuid4(), role=role, venues=frozenset(venues))
        token = self.signer.issue(principal, self.clock(), HOUR)
        return await self.client.get(path, headers={"authorization": f"Bearer {token}"})

    def token(self, account_id: UUID = RESIDENT, lifetime: timedelta = HOUR) -> str:
        return self.signer.issue(Principal(subject=account_id, role="resident"), self.clock(), lifetime)

    def headers(
        self, account_id: UUID = RESIDENT, *, key: str | None = None, last: str | None = None
    ) -> dict[str, str]:
        optional = {"idempotency-key": key, "last-event-id": last}
        given = {name: value for name, value in optional.items() if value is not None}
        return {"authorization": f"Bearer {self.token(account_id)}", **given}

    async def get(self, path: str, account_id: UUID = RESIDENT) -> Response:
        return await self.client.get(path, headers=self.headers(account_id))

    async def post(self, path: str, account_id: UUID = RESIDENT) -> Response:
        return await self.client.post(path, headers=self.headers(account_id, key=f'"{uuid4()}"'))


@pytest.fixture(scope="session")
def signer(tmp_path_factory: pytest.TempPathFactory) -> Signer:
    folder: Path = tmp_path_factory.mktemp("signing")
    generate_keys(folder)
    return Signer(folder)


@dataclass(frozen=True, slots=True)
class Served:
    """The application, running for all of these tests: starting it anew for each would take most of their time."""

    parts: Container
    client: Client
    issuer: Issuer
    settings: NotifySettings


@pytest.fixture(scope="session")
async def served(emptied_engine: AsyncEngine, signer: Signer, key_folder: Path, keys: Keys) -> AsyncIterator[Served]:
    issuer = Issuer(signer)
    async with serving(issuer) as booking_url:
        settings = NotifySettings(
            database_url=emptied_engine.url.render_as_string(hide_password=False),
            booking_url=booking_url,
            key_folder=key_folder,
            stream_poll_seconds=0.02,
            stream_seconds=20,
            streams_per_account=3,
            rate_account=0,
            rate_address=0,
        )
        app = create_app(settings)
        async with serving(app) as url, Client(base_url=url) as client:
            yield Served(app.state.container, client, issuer, settings)


@pytest.fixture
async def api(town: Town, signer: Signer, served: Served) -> AsyncIterator[Caller]:
    """The API over the town's database and by the town's clock, as if it had just started."""
    parts, issuer, engine = served.parts, served.issuer, served.parts.engine
    parts.clock, parts.settings = town.clock, served.settings
    issuer.asked, issuer.away = 0, False
    async with Client() as client:
        parts.verifier = Verifier(remote_jwks(client, f"{served.settings.booking_url}{JWKS_PATH}"))
        yield Caller(served.client, signer, town.clock, parts, issuer)
    assert parts.engine is engine
    await everybody_has_left(parts.doorbell)


@pytest.fixture
def receiving(api: Caller, town: Town) -> Caller:
    """The API that providers report to."""
    api.parts.settings = api.parts.settings.model_copy(update={"receipt_secret": SecretStr(SECRET)})
    town.rules = Rules(sms_kinds=frozenset(Kind))
    town.box = Strongbox(api.parts.settings.key_folder)
    return api


async def everybody_has_left(doorbell: Doorbell) -> None:
    """Return when no stream listens any more; a front end that goes away must not leave one behind."""
    async with asyncio.timeout(5):
        while doorbell.listening:  # noqa: ASYNC110 - the application has no such event, and needs none
            await asyncio.sleep(0.01)


async def deliver(town: Town, count: int = 1, account_id: UUID = RESIDENT) -> None:
    """Have `count` confirmations written into an account's inbox."""
    await town.hear(
        *(event(EventType.BOOKING_CONFIRMED, booking(account_id=account_id, reminders=())) for _ in range(count))
    )
    await town.deliver()
