"""Somebody who calls the API: signs in the way a resident does, and reads the code where the notify service would."""

from dataclasses import dataclass, field, replace
from typing import Any
from unittest import mock
from uuid import uuid4

from argon2 import PasswordHasher
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncEngine

from services.booking import tables
from services.booking.api.deps import Container
from services.booking.commands import sign_in
from services.booking.commands.accounts import NewAccount, add_account
from services.booking.domain.account import Role
from shared.clock import SettableClock
from shared.contracts import ContactProof, EventType, SignInMessage
from shared.http import Client, Response
from shared.sealing import Opener
from tests import make

WANG = "13900001234"
PASSWORD = "correct horse battery"
IDENTITY_CARD = "210202195001011234"
CHEAP = PasswordHasher(time_cost=1, memory_cost=8, parallelism=1)
"""What a password costs is shown where passwords are tried; elsewhere hundreds of people only want to come to work."""


@dataclass(frozen=True)
class Caller:
    client: Client
    engine: AsyncEngine
    clock: SettableClock
    parts: Container
    opener: Opener
    headers: dict[str, str] = field(default_factory=dict)

    def speaking(self, **headers: str) -> "Caller":
        return replace(self, headers={**self.headers, **headers})

    async def get(self, path: str, **headers: str) -> Response:
        return await self.client.get(path, headers=self.headers | _named(headers))

    async def write(self, method: str, path: str, body: Any = None, *, key: str | None = None) -> Response:
        """Send a write under `key`, or a new one."""
        headers = self.headers | {"idempotency-key": f'"{key or uuid4()}"'}
        return await self.client.request(method, path, json=body, headers=headers)

    async def post(self, path: str, body: Any = None, *, key: str | None = None) -> Response:
        return await self.write("POST", path, body, key=key)

    async def messages(self) -> list[SignInMessage]:
        """Return what the notify service is told to send, the oldest first."""
        code = tables.outbox.c.type == EventType.SIGN_IN_CODE_REQUESTED.value
        events = select(tables.outbox.c.data).where(code).order_by(tables.outbox.c.sequence)
        async with self.engine.connect() as connection:
            return [self.opener.open_sign_in(data["sealed"]) for data in (await connection.execute(events)).scalars()]

    async def proofs(self) -> list[ContactProof]:
        """Return what the notify service is told to send to addresses that wait to be proved, the oldest first."""
        proof = tables.outbox.c.type == EventType.CONTACT_PROOF_REQUESTED.value
        events = select(tables.outbox.c.data).where(proof).order_by(tables.outbox.c.sequence)
        async with self.engine.connect() as connection:
            return [self.opener.open_proof(data["sealed"]) for data in (await connection.execute(events)).scalars()]

    async def new_code(self, phone: str = WANG) -> str:
        answer = await self.post("/api/v1/sign-in/codes", {"phone": phone})
        assert answer.status_code == 202, answer.text
        return (await self.messages())[-1].code

    async def sign_in(self, phone: str = WANG) -> "Caller":
        """Sign in as the resident with this phone number."""
        answer = await self.post("/api/v1/sign-in/tokens", {"phone": phone, "code": await self.new_code(phone)})
        assert answer.status_code == 200, answer.text
        return self.speaking(authorization=f"Bearer {answer.json()['access_token']}")

    async def at_work(self, role: Role, login: str, venues: frozenset[str] = frozenset({make.VENUE})) -> "Caller":
        """Sign in as somebody who works at `venues`."""
        bound = frozenset[str]() if role is Role.ADMINISTRATOR else venues
        new = NewAccount(login=login, password=PASSWORD, role=role, venues=bound)
        with mock.patch.object(sign_in, "_hasher", CHEAP):
            await add_account(self.engine, new, self.clock())
        answer = await self.client.post("/api/v1/sign-in/staff-tokens", json={"login": login, "password": PASSWORD})
        assert answer.status_code == 200, answer.text
        return self.speaking(authorization=f"Bearer {answer.json()['access_token']}")

    async def rows(self, name: str) -> list[dict[str, Any]]:
        """Return a whole table."""
        async with self.engine.connect() as connection:
            return [dict(row._mapping) for row in await connection.execute(tables.metadata.tables[name].select())]


def problem(answer: Response, status: int, code: str) -> dict[str, Any]:
    """Check that `answer` is a problem with this status and code, and return it."""
    assert (answer.status_code, answer.json().get("code")) == (status, code), answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    body: dict[str, Any] = answer.json()
    for text in body["translations"].values():
        assert not set("{[—") & set(text["detail"]), text
    return body


def _named(headers: dict[str, str]) -> dict[str, str]:
    return {name.replace("_", "-"): value for name, value in headers.items()}
