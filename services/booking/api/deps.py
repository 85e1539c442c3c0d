"""What endpoints are given: who asks, with which key, and the parts of the running service.

Solving dependencies is the dearest part of a request in FastAPI, so an endpoint asks for one of them: `Reader` where
anybody may read, `SignedIn` where an account is needed, `Write` where something is changed.
"""

import hashlib
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Annotated, Any

from fastapi import Depends
from starlette.requests import Request
from starlette.responses import Response

from services.booking.api.problems import problems
from services.booking.commands.catalogue_cache import CatalogueCache
from services.booking.commands.desk import Desk
from services.booking.commands.remember import Work, remembered
from services.booking.domain.account import Role
from services.booking.domain.reason import Reason
from services.booking.domain.request import Actor, Key
from services.booking.settings import BookingSettings
from services.booking.store.database import Engine
from shared.clock import Clock
from shared.refusal import Refused
from shared.sealing import Vault
from shared.tokens import Principal, Signer, Verifier
from shared.value import value
from shared.web import (
    NOT_JSON,
    Answer,
    Buckets,
    Language,
    Problems,
    Rate,
    Visit,
    expected_version,
    parse_idempotency_key,
    write_in_order,
)

AT_WORK = (Role.STAFF, Role.SCHEDULER, Role.ADMINISTRATOR)
PUBLISHERS = (Role.SCHEDULER, Role.ADMINISTRATOR)

BEARER = "bearer"
IDEMPOTENCY_KEY = {
    "name": "Idempotency-Key",
    "in": "header",
    "required": True,
    "description": (
        "A new value for each new wish, the same value for each repeat of it: a repeat gets the first answer again, byte "
        "for byte, for at least 24 hours. A structured string in double quotes, at most 255 characters."
        " 每次新的提交用新的值，重试用相同的值：重试会得到首次的答复。须带双引号。"
    ),
    "schema": {"type": "string", "pattern": r'^"[ !#-\[\]-~]{1,255}"$'},
    "example": '"8e03978e-40d5-43dd-bc93-6894a57f9324"',
}
IF_MATCH = {
    "name": "If-Match",
    "in": "header",
    "required": False,
    "description": "The ETag that you last read: the change is refused (412) if there is a newer one. 您最后读到的 ETag。",
    "schema": {"type": "string", "pattern": r'^(\*|"[1-9][0-9]{0,8}")$'},
    "example": '"2"',
}

IF_NONE_MATCH = {
    "name": "If-None-Match",
    "in": "header",
    "required": False,
    "description": "The ETag that you have: if it is still the newest, the answer is 304 without a body. 已有的 ETag。",
    "schema": {"type": "string"},
    "example": '"2"',
}


@dataclass(slots=True, kw_only=True)
class Container:
    """The parts of the running booking service; it stands in `app.state.container`."""

    settings: BookingSettings
    clock: Clock
    engine: Engine
    desk: Desk
    catalogue: CatalogueCache
    vault: Vault
    signer: Signer
    verifier: Verifier
    feed_token: str = field(repr=False)
    problems: Problems
    password_tries: Buckets
    login_tries: Buckets
    birth_date_tries: Buckets


@value(frozen=True, slots=True)
class Reader:
    """Anybody who reads; signed in or not."""

    parts: Container
    visit: Visit

    @property
    def language(self) -> Language:
        """The language that they prefer."""
        return self.visit.language

    def refusal(self, refused: Refused) -> Answer:
        """Return the problem answer to a refusal of this request."""
        return self.parts.problems.answer(refused, self.visit.language, self.visit.request_id)


@value(frozen=True, slots=True)
class SignedIn(Reader):
    """An account that reads."""

    principal: Principal

    @property
    def actor(self) -> Actor:
        """The account as the core knows it."""
        principal = self.principal
        return Actor(principal.subject, principal.role, principal.venues)


@value(frozen=True, slots=True)
class Write(SignedIn):
    """An account that changes something, under an Idempotency-Key."""

    key: Key

    @property
    def expected_version(self) -> int | None:
        """The version in If-Match; None where there is none.

        Raises:
            Refused: `if_match_invalid`.
        """
        return expected_version(self.visit.headers.get(b"if-match"))


async def reader(request: Request) -> Reader:
    """Give whoever reads."""
    return Reader(request.app.state.container, request.scope["visit"])


def signed_in(*roles: str) -> Callable[[Request], Awaitable[SignedIn]]:
    """Return the dependency that gives an account that reads, of one of `roles` (any, where none is named).

    It raises Refused: `not_signed_in`, `not_allowed`.
    """

    async def dependency(request: Request) -> SignedIn:
        visit: Visit = request.scope["visit"]
        return SignedIn(request.app.state.container, visit, _principal(visit, roles))

    return dependency


def writing(*roles: str) -> Callable[[Request], Awaitable[Write]]:
    """Return the dependency that gives an account that writes, of one of `roles` (any, where none is named).

    It raises Refused: `not_signed_in`, `not_allowed`, `idempotency_key_missing`, `idempotency_key_invalid`.
    """

    async def dependency(request: Request) -> Write:
        visit: Visit = request.scope["visit"]
        principal = _principal(visit, roles)
        key = Key(principal.subject, idempotency_key(visit), await fingerprint(request))
        return Write(request.app.state.container, visit, principal, key)

    return dependency


def must_serve(asker: SignedIn, venue_id: str) -> None:
    """Let pass only who works at `venue_id`.

    Raises:
        Refused: `not_allowed`.
    """
    if not asker.actor.serves(venue_id):
        raise Refused(Reason.NOT_ALLOWED)


async def remember(write: Write, work: Work) -> Response:
    """Do `work` once under the key of `write`; whoever repeats it gets the same answer."""
    parts = write.parts
    answer = await remembered(parts.engine, write.key, parts.clock, work, write.refusal)
    return answer.response()


def _principal(visit: Visit, roles: tuple[str, ...]) -> Principal:
    principal = visit.principal
    if principal is None:
        raise Refused(Reason.NOT_SIGNED_IN)
    if roles and principal.role not in roles:
        raise Refused(Reason.NOT_ALLOWED)
    return principal


def idempotency_key(visit: Visit) -> str:
    """Return the key of a write.

    Raises:
        Refused: `idempotency_key_missing`, `idempotency_key_invalid`.
    """
    return parse_idempotency_key(visit.headers.get(b"idempotency-key"))


async def fingerprint(request: Request) -> bytes:
    """Return 32 bytes that two requests share only if they ask the same: method, address, and the meaning of the body."""
    return hashlib.sha256(await meaning(request)).digest()


async def meaning(request: Request) -> bytes:
    """Return what a request asks, in one written form: neither the order of members nor the spaces of a body count."""
    scope = request.scope
    visit: Visit = scope["visit"]
    document = await request.json() if visit.body and visit.document is NOT_JSON else visit.document
    body = write_in_order(document) if visit.body else b""
    return b"%s %s?%s\n%s" % (scope["method"].encode(), scope["path"].encode(), scope["query_string"], body)


# -- how routes document themselves ---------------------------------------------------------------------------------

ReaderDep = Annotated[Reader, Depends(reader)]
SignedInDep = Annotated[SignedIn, Depends(signed_in())]
WriteDep = Annotated[Write, Depends(writing())]

_READS = (Reason.NOT_SIGNED_IN, Reason.NOT_ALLOWED)
_WRITES = (
    Reason.IDEMPOTENCY_KEY_MISSING,
    Reason.IDEMPOTENCY_KEY_INVALID,
    Reason.IDEMPOTENCY_KEY_REUSED,
    Reason.IDEMPOTENCY_KEY_IN_USE,
    Reason.UNCERTAIN,
)


def documented(*reasons: Reason) -> dict[str, Any]:
    """Return the route options of a read that anybody may make."""
    return {"responses": problems(*reasons)}


def documented_signed_out_write(*reasons: Reason) -> dict[str, Any]:
    """Return the route options of a write that needs no account."""
    return {"responses": problems(*_WRITES, *reasons), "openapi_extra": {"parameters": [IDEMPOTENCY_KEY]}}


def documented_signed_in(*reasons: Reason, etag: bool = False) -> dict[str, Any]:
    """Return the route options of a read by an account; `etag` where it answers 304 to an If-None-Match."""
    extra: dict[str, Any] = {"security": [{BEARER: []}]}
    responses = problems(*_READS, *reasons)
    if etag:
        extra["parameters"] = [IF_NONE_MATCH]
        responses[304] = {"description": "没有变化 It has not changed since."}
    return {"responses": responses, "openapi_extra": extra}


def documented_write(*reasons: Reason, if_match: bool = False) -> dict[str, Any]:
    """Return the route options of a write by an account; `if_match` where it honours If-Match."""
    versions = (Reason.IF_MATCH_INVALID, Reason.STALE_VERSION) if if_match else ()
    parameters = [IDEMPOTENCY_KEY, *([IF_MATCH] if if_match else [])]
    return {
        "responses": problems(*_READS, *_WRITES, *versions, *reasons),
        "openapi_extra": {"security": [{BEARER: []}], "parameters": parameters},
    }


PASSWORD_TRIES = Rate("password", 10, 15 * 60)
"""For one login from one address: ten tries at once, then one every 90 seconds."""

LOGIN_TRIES = Rate("login", 100, 60 * 60)
"""For one login from everywhere; higher, so that a stranger cannot lock somebody out for a whim."""

BIRTH_DATE_TRIES = Rate("birth-date", 30, 60 * 60)
"""For one account: people saved with a birth date of their own telling. Where somebody else has saved the document
before, a wrong date is refused, and nobody shall find out the right one by trying."""
