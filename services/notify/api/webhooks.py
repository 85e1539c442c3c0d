"""Partner systems: where they are told of events, administered by whoever runs the city's installation."""

import base64
import secrets as chance
from dataclasses import replace
from datetime import datetime, timedelta
from hashlib import sha256
from typing import Annotated, Any
from uuid import UUID

from fastapi import Depends, Path, Response
from pydantic import ConfigDict, Field

from services.notify.api.deps import SignedIn, SignedInDep, Write, WriteDep, documented, documented_write
from services.notify.domain.partner_address import is_allowed
from services.notify.domain.reason import Reason
from services.notify.domain.webhook import (
    SECRET_BYTES,
    SECRET_PREFIX,
    TOLD,
    Secret,
    WebhookState,
    WebhookWhy,
    rotated,
)
from services.notify.store import webhooks
from shared.clock import SHANGHAI
from shared.refusal import Refused
from shared.web import Shown, Strict, etag, expected_version, strict_router

router = strict_router(prefix="/api/v1/webhooks", tags=["webhooks"])

ADMINISTRATOR = "administrator"
_TYPE = "yuyue.booking.confirmed.v1"
_BODY: dict[str, Any] = {
    "name": "示例合作系统 Sample partner",
    "url": "https://partner.example.org/yuyue",
    "types": [_TYPE],
}
_EXAMPLE: dict[str, Any] = {
    "id": "01936f2e-7c1a-7def-8a3b-5d4c3b2a1911",
    "version": 1,
    **_BODY,
    "active": True,
    "why": None,
    "created_at": "2026-11-25T09:12:03+08:00",
}
_SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"  # noqa: S105 - the sample of the specification

EndpointId = Annotated[UUID, Path(examples=[_EXAMPLE["id"]])]
EventTypeName = Annotated[str, Field(max_length=64, examples=[_TYPE])]


class NewEndpoint(Strict):
    """A partner's endpoint."""

    name: Annotated[str, Field(min_length=1, max_length=80)]
    url: Annotated[
        str,
        Field(
            max_length=2000, description="https, a public host. It is called with POST, and redirects are not followed."
        ),
    ]
    types: Annotated[
        tuple[EventTypeName, ...],
        Field(min_length=1, max_length=len(TOLD), description="CloudEvents types that it wants to be told of."),
    ]

    model_config = ConfigDict(json_schema_extra={"examples": [_BODY]})


class RotationWanted(Strict):
    """How long the secrets before the new one go on signing."""

    overlap_hours: Annotated[int, Field(ge=0, le=168)] = 24

    model_config = ConfigDict(json_schema_extra={"examples": [{"overlap_hours": 24}]})


class EndpointShown(Shown):
    """A partner's endpoint, without its secrets."""

    id: UUID
    version: int
    name: str
    url: str
    types: list[str]
    active: bool
    why: Annotated[WebhookWhy | None, Field(description="Why it was switched off.")]
    created_at: datetime

    model_config = ConfigDict(json_schema_extra={"examples": [_EXAMPLE]})


class EndpointMade(EndpointShown):
    """A new endpoint, and the secret that its calls are signed with: shown here alone."""

    secret: str

    model_config = ConfigDict(json_schema_extra={"examples": [_EXAMPLE | {"secret": _SECRET}]})


class SecretMade(Shown):
    """A new secret; the one before it signs as well for a while."""

    secret: str

    model_config = ConfigDict(json_schema_extra={"examples": [{"secret": _SECRET}]})


class EndpointsShown(Shown):
    """Every endpoint, the newest first."""

    items: list[EndpointShown]

    model_config = ConfigDict(json_schema_extra={"examples": [{"items": [_EXAMPLE]}]})


class DeliveryShown(Shown):
    """What became of one event for one endpoint."""

    event_id: UUID
    type: str
    state: WebhookState
    why: WebhookWhy
    attempts: int
    status: Annotated[int | None, Field(description="HTTP status of the last attempt; null where there was none.")]
    created_at: datetime
    changed_at: datetime


class DeliveriesShown(Shown):
    """The newest deliveries of an endpoint, a hundred at most."""

    items: list[DeliveryShown]


async def _reading(asker: SignedInDep) -> SignedIn:
    """Give an administrator who reads.

    Raises:
        Refused: `not_allowed`.
    """
    if asker.principal.role != ADMINISTRATOR:
        raise Refused(Reason.NOT_ALLOWED)
    return asker


async def _writing(asker: WriteDep) -> Write:
    """Give an administrator who changes something.

    Raises:
        Refused: `not_allowed`.
    """
    if asker.principal.role != ADMINISTRATOR:
        raise Refused(Reason.NOT_ALLOWED)
    return asker


ReaderDep = Annotated[SignedIn, Depends(_reading)]
AdministratorDep = Annotated[Write, Depends(_writing)]


@router.get("", summary="合作系统 Partner endpoints", response_model=EndpointsShown, **documented(Reason.NOT_ALLOWED))
async def endpoints(asker: ReaderDep) -> EndpointsShown:
    """Every partner that is told of events, and why one is switched off."""
    async with asker.parts.engine.connect() as connection:
        found = await webhooks.all_endpoints(connection)
    return EndpointsShown(items=[EndpointShown(**_facts(one)) for one in found])


@router.post(
    "",
    summary="登记合作系统 Add a partner endpoint",
    response_model=EndpointMade,
    status_code=201,
    **documented_write(Reason.NOT_ALLOWED, Reason.WEBHOOK_ADDRESS_NOT_ALLOWED, Reason.WEBHOOK_TYPE_UNKNOWN),
)
async def add_endpoint(asker: AdministratorDep, wish: NewEndpoint) -> EndpointMade:
    """Have a partner told of events from now on, signed by Standard Webhooks. 登记后，相关事件会签名推送到该地址。

    Each call is a CloudEvent with ids and no personal data; the partner reads the rest from the API, as far as it may.
    The same Idempotency-Key again is the same endpoint, with its secret.
    """
    _refuse_unfit(asker, wish)
    fresh = webhooks.new_endpoint(wish.name, wish.url, sorted(set(wish.types)), asker.parts.clock())
    digest = sha256(f"{asker.principal.subject}\0{asker.key}".encode()).digest()
    async with asker.parts.engine.begin() as tx:
        found, secret = await webhooks.add(tx, asker.parts.box, fresh, Secret(value=_new_secret(), until=None), digest)
    if (found.url, found.name, found.types) != (fresh.url, fresh.name, fresh.types):
        raise Refused(Reason.IDEMPOTENCY_KEY_REUSED)
    return EndpointMade(**_facts(found), secret=secret.value)


@router.post(
    "/{endpoint_id}/secrets",
    summary="更换签名密钥 Change the secret",
    response_model=SecretMade,
    status_code=201,
    **documented_write(Reason.NOT_ALLOWED, Reason.WEBHOOK_UNKNOWN),
)
async def rotate(asker: AdministratorDep, endpoint_id: EndpointId, wish: RotationWanted) -> SecretMade:
    """Sign with a new secret; those before it sign as well until the overlap ends, so that no call is refused meanwhile."""
    fresh = _new_secret()
    async with asker.parts.engine.begin() as tx:
        found = await webhooks.lock(tx, asker.parts.box, endpoint_id)
        if found is None:
            raise Refused(Reason.WEBHOOK_UNKNOWN)
        kept = rotated(found[1], fresh, asker.parts.clock(), timedelta(hours=wish.overlap_hours))
        await webhooks.keep_secrets(tx, asker.parts.box, endpoint_id, kept)
    return SecretMade(secret=fresh)


@router.post(
    "/{endpoint_id}/disable",
    summary="停用 Switch off",
    status_code=204,
    **documented_write(Reason.NOT_ALLOWED, Reason.WEBHOOK_UNKNOWN),
)
async def switch_off(asker: AdministratorDep, endpoint_id: EndpointId) -> Response:
    """Tell this partner nothing more; what it has not been told yet is dropped. Doing so again changes nothing."""
    async with asker.parts.engine.begin() as tx:
        if await webhooks.lock(tx, asker.parts.box, endpoint_id) is None:
            raise Refused(Reason.WEBHOOK_UNKNOWN)
        await webhooks.disable(tx, endpoint_id, WebhookWhy.SWITCHED_OFF, asker.parts.clock())
    return Response(status_code=204)


@router.post(
    "/{endpoint_id}/enable",
    summary="启用 Switch on",
    status_code=204,
    **documented_write(Reason.NOT_ALLOWED, Reason.WEBHOOK_UNKNOWN),
)
async def switch_on(asker: AdministratorDep, endpoint_id: EndpointId) -> Response:
    """Tell this partner of what happens from now on. Doing so again changes nothing."""
    async with asker.parts.engine.begin() as tx:
        if await webhooks.lock(tx, asker.parts.box, endpoint_id) is None:
            raise Refused(Reason.WEBHOOK_UNKNOWN)
        await webhooks.enable(tx, endpoint_id)
    return Response(status_code=204)


@router.delete(
    "/{endpoint_id}",
    summary="删除 Remove",
    status_code=204,
    **documented_write(Reason.NOT_ALLOWED, Reason.WEBHOOK_UNKNOWN),
)
async def remove(asker: AdministratorDep, endpoint_id: EndpointId) -> Response:
    """Remove a partner's endpoint, its secrets and the record of what it was told."""
    async with asker.parts.engine.begin() as tx:
        removed = await webhooks.remove(tx, endpoint_id)
    if not removed:
        raise Refused(Reason.WEBHOOK_UNKNOWN)
    return Response(status_code=204)


@router.get(
    "/{endpoint_id}/deliveries",
    summary="推送记录 Deliveries",
    response_model=DeliveriesShown,
    **documented(Reason.NOT_ALLOWED, Reason.WEBHOOK_UNKNOWN),
)
async def deliveries(asker: ReaderDep, endpoint_id: EndpointId) -> DeliveriesShown:
    """What this partner was told, or will be, the newest first."""
    async with asker.parts.engine.begin() as tx:
        if await webhooks.lock(tx, asker.parts.box, endpoint_id) is None:
            raise Refused(Reason.WEBHOOK_UNKNOWN)
        rows = await webhooks.deliveries(tx, endpoint_id)
    return DeliveriesShown(items=[_delivery_shown(row) for row in rows])


@router.put(
    "/{endpoint_id}",
    summary="修改 Change",
    response_model=EndpointShown,
    **documented_write(
        *(Reason.NOT_ALLOWED, Reason.WEBHOOK_UNKNOWN, Reason.WEBHOOK_ADDRESS_NOT_ALLOWED),
        *(Reason.WEBHOOK_TYPE_UNKNOWN, Reason.IF_MATCH_INVALID, Reason.STALE_VERSION),
        if_match=True,
    ),
)
async def change(
    asker: AdministratorDep, endpoint_id: EndpointId, wish: NewEndpoint, response: Response
) -> EndpointShown:
    """Change name, address or events. What waits goes to the new address; its secret stays. 密钥不变。

    Sending again what is stored already changes nothing.
    """
    expected = expected_version(asker.visit.headers.get(b"if-match"))
    _refuse_unfit(asker, wish)
    async with asker.parts.engine.begin() as tx:
        found = await webhooks.lock(tx, asker.parts.box, endpoint_id)
        if found is None:
            raise Refused(Reason.WEBHOOK_UNKNOWN)
        stored = found[0]
        wanted = replace(stored, name=wish.name, url=wish.url, types=tuple(sorted(set(wish.types))))
        if wanted != stored:
            if expected is not None and expected != stored.version:
                raise Refused(Reason.STALE_VERSION)
            wanted = replace(wanted, version=stored.version + 1)
            await webhooks.change(tx, wanted, asker.parts.clock())
    response.headers["etag"] = etag(wanted.version)
    return EndpointShown(**_facts(wanted))


@router.post(
    "/{endpoint_id}/deliveries/{event_id}/replay",
    summary="重新推送 Tell again",
    response_model=DeliveryShown,
    **documented_write(
        *(Reason.NOT_ALLOWED, Reason.WEBHOOK_UNKNOWN, Reason.DELIVERY_UNKNOWN),
        *(Reason.DELIVERY_NOT_DEAD, Reason.WEBHOOK_OFF),
    ),
)
async def replay(
    asker: AdministratorDep, endpoint_id: EndpointId, event_id: Annotated[UUID, Path(examples=[_EXAMPLE["id"]])]
) -> DeliveryShown:
    """Tell a partner again of what it could not be told: at once, under the same id, with three days of tries.

    Doing so again while it is on its way changes nothing.
    """
    async with asker.parts.engine.begin() as tx:
        found = await webhooks.lock(tx, asker.parts.box, endpoint_id)
        if found is None:
            raise Refused(Reason.WEBHOOK_UNKNOWN)
        if not found[0].active:
            raise Refused(Reason.WEBHOOK_OFF)
        replayed = await webhooks.replay(tx, endpoint_id, event_id, asker.parts.clock())
        row = await webhooks.delivery(tx, endpoint_id, event_id)
        if row is None:
            raise Refused(Reason.DELIVERY_UNKNOWN)
        if not replayed and row.why != WebhookWhy.REPLAYED:
            raise Refused(Reason.DELIVERY_NOT_DEAD)
    return _delivery_shown(row)


def _refuse_unfit(asker: Write, wish: NewEndpoint) -> None:
    """Refuse an address that is not public, and types that nobody is told of.

    Raises:
        Refused: `webhook_address_not_allowed`, `webhook_type_unknown`.
    """
    if not is_allowed(wish.url, asker.parts.settings.webhook_trial_hosts):
        raise Refused(Reason.WEBHOOK_ADDRESS_NOT_ALLOWED, field="/url")
    unknown = [place for place, one in enumerate(wish.types) if one not in {kind.value for kind in TOLD}]
    if unknown:
        raise Refused(Reason.WEBHOOK_TYPE_UNKNOWN, field=f"/types/{unknown[0]}")


def _delivery_shown(row: Any) -> DeliveryShown:
    return DeliveryShown(
        event_id=row.event_id,
        type=row.event_type,
        state=row.state,
        why=row.why,
        attempts=row.attempt,
        status=row.status,
        created_at=row.created_at.astimezone(SHANGHAI),
        changed_at=row.changed_at.astimezone(SHANGHAI),
    )


def _new_secret() -> str:
    return SECRET_PREFIX + base64.b64encode(chance.token_bytes(SECRET_BYTES)).decode()


def _facts(endpoint: webhooks.Endpoint) -> dict[str, Any]:
    return {
        "id": endpoint.id,
        "version": endpoint.version,
        "name": endpoint.name,
        "url": endpoint.url,
        "types": list(endpoint.types),
        "active": endpoint.active,
        "why": endpoint.why,
        "created_at": endpoint.created_at.astimezone(SHANGHAI),
    }
