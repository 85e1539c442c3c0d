"""What endpoints are given: the parts of the running service, and whose messages these are."""

from dataclasses import dataclass
from typing import Annotated, Any, Protocol

from fastapi import Depends
from starlette.requests import Request

from services.notify.api.problems import problems
from services.notify.domain.message import Channel
from services.notify.domain.reason import Reason
from services.notify.domain.scope import RESIDENT, Scope, scope_of
from services.notify.doorbell import Doorbell
from services.notify.renderer import Templates
from services.notify.settings import NotifySettings
from services.notify.store.database import Engine
from shared.clock import Clock
from shared.links import LinkSigner
from shared.refusal import Refused
from shared.strongbox import Strongbox
from shared.tokens import Principal, Verifier
from shared.web import Visit, parse_idempotency_key

BEARER = "bearer"
IDEMPOTENCY_KEY = {
    "name": "Idempotency-Key",
    "in": "header",
    "required": True,
    "description": (
        "As for every write: the same value for each repeat. What is done already is not done again. A structured string in double quotes,"
        " at most 255 characters. 每次提交都须附上，须带双引号。"
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


class Accounts(Protocol):
    """Our accounts at WeChat and WeCom, as far as binding needs them."""

    def has(self, channel: Channel) -> bool:
        """Return whether we have one on a channel."""
        ...

    async def address_of(self, channel: Channel, code: str) -> str | None:
        """Return whom a front end's one-time code stands for."""
        ...


@dataclass(slots=True, kw_only=True)
class Container:
    """The parts of the running notify service; it stands in `app.state.container`."""

    settings: NotifySettings
    clock: Clock
    engine: Engine
    verifier: Verifier
    doorbell: Doorbell
    links: LinkSigner
    templates: Templates
    feed_token: str
    box: Strongbox
    application_server_key: str
    accounts: Accounts
    silences: tuple[type[Exception], ...]
    """What providers' silence looks like."""


@dataclass(frozen=True, slots=True)
class SignedIn:
    """An account that reads its own messages."""

    parts: Container
    visit: Visit
    principal: Principal

    @property
    def scope(self) -> Scope:
        """What they may ask about."""
        return scope_of(self.principal.subject, self.principal.role, self.principal.venues)


@dataclass(frozen=True, slots=True)
class Write(SignedIn):
    """An account that changes something, under an Idempotency-Key."""

    key: str


async def container(request: Request) -> Container:
    """Give the parts of the running service, to whoever asks."""
    parts: Container = request.app.state.container
    return parts


async def signed_in(request: Request) -> SignedIn:
    """Give the account that asks.

    Raises:
        Refused: `not_signed_in`.
    """
    visit: Visit = request.scope["visit"]
    if visit.principal is None:
        raise Refused(Reason.NOT_SIGNED_IN)
    return SignedIn(request.app.state.container, visit, visit.principal)


async def writing(request: Request) -> Write:
    """Give the account that changes something, under an Idempotency-Key.

    Raises:
        Refused: `not_signed_in`, `idempotency_key_missing`, `idempotency_key_invalid`.
    """
    asker = await signed_in(request)
    key = parse_idempotency_key(asker.visit.headers.get(b"idempotency-key"))
    return Write(asker.parts, asker.visit, asker.principal, key)


ContainerDep = Annotated[Container, Depends(container)]


async def employed(request: Request) -> SignedIn:
    """Give somebody who works here: any role but the resident's.

    Raises:
        Refused: `not_signed_in`, `not_allowed`.
    """
    asker = await signed_in(request)
    if asker.principal.role == RESIDENT:
        raise Refused(Reason.NOT_ALLOWED)
    return asker


EmployedDep = Annotated[SignedIn, Depends(employed)]
SignedInDep = Annotated[SignedIn, Depends(signed_in)]
WriteDep = Annotated[Write, Depends(writing)]


def documented(*reasons: Reason) -> dict[str, Any]:
    """Return the route options of a read by an account."""
    return {
        "responses": problems(Reason.NOT_SIGNED_IN, *reasons),
        "openapi_extra": {"security": [{BEARER: []}]},
    }


def documented_write(*reasons: Reason, if_match: bool = False) -> dict[str, Any]:
    """Return the route options of a write by an account; `if_match` where it honours If-Match."""
    keys = (Reason.IDEMPOTENCY_KEY_MISSING, Reason.IDEMPOTENCY_KEY_INVALID)
    return {
        "responses": problems(Reason.NOT_SIGNED_IN, *keys, *reasons),
        "openapi_extra": {
            "security": [{BEARER: []}],
            "parameters": [IDEMPOTENCY_KEY, *([IF_MATCH] if if_match else [])],
        },
    }
