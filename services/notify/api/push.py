"""Web Push: the key that browsers subscribe with, and the devices that take messages for an account."""

from base64 import urlsafe_b64decode
from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

from cryptography.hazmat.primitives.asymmetric import ec
from fastapi import Path, Response
from pydantic import ConfigDict, Field

from services.notify.api.deps import SignedInDep, WriteDep, documented, documented_write
from services.notify.domain.endpoint import LONGEST_ENDPOINT, is_allowed
from services.notify.domain.reason import Reason
from services.notify.store import devices
from shared.clock import SHANGHAI
from shared.refusal import Refused
from shared.web import Shown, Strict, strict_router

router = strict_router(prefix="/api/v1/push", tags=["push"])

AUTH_BYTES = 16
_BASE64URL = r"^[A-Za-z0-9_-]+={0,2}$"
_KEY = "BNcRdreALRFXTkOOUHK1EtK2wtaz5Ry4YfYCA_0QTpQtUbVlUls0VJXg7A8u-Ts1XbjhazAkj7I99e8QcYP7DkM"
_BODY: dict[str, Any] = {
    "endpoint": "https://updates.push.services.mozilla.com/wpush/v2/gAAAAABk",
    "keys": {"p256dh": _KEY, "auth": "tBHItJI5svbpez7KI4CCXg"},
}
_EXAMPLE: dict[str, Any] = {
    "id": "01936f2e-7c1a-7def-8a3b-5d4c3b2a1910",
    "host": "updates.push.services.mozilla.com",
    "created_at": "2026-11-25T09:12:03+08:00",
}


class PushKey(Shown):
    """What `PushManager.subscribe` needs."""

    application_server_key: Annotated[
        str, Field(description="Our public key (RFC 8292), base64url; it never changes. 浏览器订阅时使用的公钥。")
    ]

    model_config = ConfigDict(json_schema_extra={"examples": [{"application_server_key": _KEY}]})


class DeviceKeys(Strict):
    """The keys of a subscription, as the browser gives them."""

    p256dh: Annotated[str, Field(max_length=128, pattern=_BASE64URL, description="A point of P-256, 65 bytes.")]
    auth: Annotated[str, Field(max_length=64, pattern=_BASE64URL, description="A secret of 16 bytes.")]


class NewDevice(Strict):
    """A subscription as the browser gives it (`PushSubscription.toJSON()`)."""

    endpoint: Annotated[
        str, Field(max_length=LONGEST_ENDPOINT, description="At one of the push services that this system knows.")
    ]
    keys: DeviceKeys
    expirationTime: Annotated[  # noqa: N815 - the browser's own name
        float | None, Field(description="As the browser gives it; a subscription that ends is noticed when it does.")
    ] = None

    model_config = ConfigDict(json_schema_extra={"examples": [_BODY]})


class DeviceShown(Shown):
    """A browser that takes your messages; `host` is its push service, which tells browsers apart."""

    id: UUID
    host: str
    created_at: datetime

    model_config = ConfigDict(json_schema_extra={"examples": [_EXAMPLE]})


class DevicesShown(Shown):
    """Your devices, the newest first; ten at most."""

    items: list[DeviceShown]

    model_config = ConfigDict(json_schema_extra={"examples": [{"items": [_EXAMPLE]}]})


@router.get(
    "/key",
    summary="推送公钥 The key to subscribe with",
    response_model=PushKey,
    **documented(Reason.PUSH_NOT_SET_UP),
)
async def push_key(asker: SignedInDep) -> PushKey:
    """The key with which a browser subscribes; 404 where this system sends no pushes."""
    parts = asker.parts
    if parts.settings.web_push_subject is None:
        raise Refused(Reason.PUSH_NOT_SET_UP)
    return PushKey(application_server_key=parts.application_server_key)


@router.get("/devices", summary="我的推送设备 My devices", response_model=DevicesShown, **documented())
async def my_devices(asker: SignedInDep) -> DevicesShown:
    """The browsers that take your messages."""
    async with asker.parts.engine.connect() as connection:
        found = await devices.of_account(connection, asker.principal.subject)
    return DevicesShown(items=[_shown(one) for one in found])


@router.post(
    "/devices",
    summary="登记推送设备 Register a device",
    response_model=DeviceShown,
    status_code=201,
    **documented_write(Reason.PUSH_ENDPOINT_NOT_ALLOWED, Reason.PUSH_KEYS_INVALID, Reason.PUSH_NOT_SET_UP),
)
async def register_device(asker: WriteDep, device: NewDevice) -> DeviceShown:
    """Have this browser take your messages. The same subscription again is the same device. 登记后，通知会推送到该浏览器。

    A browser that somebody else signed in with before is yours from now on, and no longer theirs. An eleventh device
    takes the place of the oldest.
    """
    settings = asker.parts.settings
    if settings.web_push_subject is None:
        raise Refused(Reason.PUSH_NOT_SET_UP)
    if not is_allowed(device.endpoint, settings.web_push_hosts):
        raise Refused(Reason.PUSH_ENDPOINT_NOT_ALLOWED, field="/endpoint")
    _check(device.keys)
    endpoint = devices.Endpoint(url=device.endpoint, p256dh=device.keys.p256dh, auth=device.keys.auth)
    async with asker.parts.engine.begin() as tx:
        found = await devices.register(tx, asker.parts.box, asker.principal.subject, endpoint, asker.parts.clock())
    return _shown(found)


@router.delete(
    "/devices/{device_id}",
    summary="移除推送设备 Remove a device",
    status_code=204,
    **documented_write(Reason.DEVICE_UNKNOWN),
)
async def remove_device(asker: WriteDep, device_id: Annotated[UUID, Path(examples=[_EXAMPLE["id"]])]) -> Response:
    """Send no more messages to a device of yours."""
    async with asker.parts.engine.begin() as tx:
        removed = await devices.remove(tx, asker.principal.subject, device_id)
    if not removed:
        raise Refused(Reason.DEVICE_UNKNOWN)
    return Response(status_code=204)


def _check(keys: DeviceKeys) -> None:
    """Refuse keys that nothing could be encrypted for.

    Raises:
        Refused: `push_keys_invalid`.
    """
    try:
        ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), _bytes(keys.p256dh))
        whole = len(_bytes(keys.auth)) == AUTH_BYTES
    except ValueError:
        whole = False
    if not whole:
        raise Refused(Reason.PUSH_KEYS_INVALID, field="/keys")


def _bytes(text: str) -> bytes:
    return urlsafe_b64decode(text.rstrip("=") + "=" * (-len(text.rstrip("=")) % 4))


def _shown(device: devices.Registered) -> DeviceShown:
    return DeviceShown(id=device.id, host=device.host, created_at=device.created_at.astimezone(SHANGHAI))
