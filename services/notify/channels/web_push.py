"""Web Push (RFC 8030): a message for each browser that its reader has registered, encrypted for that browser alone.

What is sent is encrypted by `webpush` (RFC 8291, aes128gcm); the headers are ours. TTL is how long the message is of
use; the Topic is one for all messages about one booking, so that a newer one replaces an older one that still waits at
the push service, and the notification's tag does the same on the screen. That is why, unlike a mail or a text message,
a push without an answer is sent again: a repetition takes the place of the first, and nobody sees two.

One device that takes it is enough: the message then counts as accepted. A device that is gone (404, 410) is forgotten.
A 403 may also be our own fault, so only the second one, an hour or more after the first, is believed.
"""

import asyncio
import json
from base64 import urlsafe_b64encode
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from hashlib import sha256
from typing import Protocol
from urllib.parse import urlsplit
from uuid import UUID

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat
from joserfc import jwt
from joserfc.jwk import ECKey
from pydantic import AnyHttpUrl
from webpush import WebPush as Encryption
from webpush.types import WebPushKeys, WebPushSubscription

from services.notify.channels.carrier import Send
from services.notify.channels.http_answer import retry_after
from services.notify.domain.message import Urgency, Why
from services.notify.domain.outcome import Outcome, Verdict, accepted, permanent, temporary
from shared.clock import Clock, system_clock
from shared.http import Client, HttpError, Response
from shared.strongbox import application_server_key

LONGEST_TTL = timedelta(days=28)
"""Push services keep nothing for longer."""

TOKEN_LIFETIME = timedelta(hours=12)
"""RFC 8292 allows 24 hours at most."""

MOST_CONTENT = 3000
"""Bytes of content; the whole, encrypted, may be 4096 (RFC 8030, 7.2), and every push service keeps to that."""

TOPIC_CHARACTERS = 32

_URGENCIES = {Urgency.NOW: "high", Urgency.SOON: "high", Urgency.ROUTINE: "normal"}
"""RFC 8030, 5.3: an alert that cannot wait, and a calendar's message."""

_GONE = frozenset({404, 410})
_TAKEN = frozenset({200, 201, 202, 204})


@dataclass(frozen=True, slots=True, kw_only=True)
class Device:
    """A browser that takes pushes: where its push service listens, and the keys that only it can use."""

    id: UUID
    endpoint: str = field(repr=False)
    p256dh: str = field(repr=False)
    auth: str = field(repr=False)


class Devices(Protocol):
    """The devices of each account, as the channel finds and loses them."""

    async def of_account(self, account_id: UUID) -> Sequence[Device]:
        """Return the devices of an account."""
        ...

    async def forget(self, device_id: UUID) -> None:
        """Forget a device that is gone."""
        ...

    async def refused(self, device_id: UUID) -> None:
        """Note that a device's push service forbids us to write to it; the second time it is forgotten."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Push:
    """A push to all devices of an account. `about` is what a newer one replaces an older one of."""

    message_id: UUID
    account_id: UUID
    about: UUID
    urgency: Urgency
    expires_at: datetime
    content: bytes


def content_of(title: str, body: str, **facts: str) -> bytes:
    """Return what the service worker gets: a notification's words, cut so that they fit, and `facts` beside them."""
    whole = {"title": title, "body": body, **facts}
    while len(content := json.dumps(whole, ensure_ascii=False, separators=(",", ":")).encode()) > MOST_CONTENT:
        whole["body"] = whole["body"][: len(whole["body"]) * 3 // 4].rstrip() + "…"
    return content


def topic_of(about: UUID) -> str:
    """Return the Topic: the push service learns that two messages belong together, and not to what."""
    return urlsafe_b64encode(sha256(about.bytes).digest()).decode()[:TOPIC_CHARACTERS]


class Vapid:
    """Says to push services who we are (RFC 8292). `subject` is an address for their operators."""

    def __init__(self, key: ec.EllipticCurvePrivateKey, subject: str) -> None:
        self.subject = subject
        self.private = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        self.public = key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
        self._key = ECKey.import_key(self.private)
        self.application_server_key = application_server_key(key)

    def authorization(self, endpoint: str, now: datetime) -> str:
        """Return the header: made here, because the audience is the endpoint's whole origin, its port included."""
        where = urlsplit(endpoint)
        claims = {
            "aud": f"{where.scheme}://{where.netloc}",
            "exp": int((now + TOKEN_LIFETIME).timestamp()),
            "sub": f"mailto:{self.subject}",
        }
        token = jwt.encode({"alg": "ES256", "typ": "JWT"}, claims, self._key)
        return f"vapid t={token}, k={self.application_server_key}"


@dataclass(frozen=True, slots=True)
class WebPush:
    """The carrier of pushes."""

    vapid: Vapid
    devices: Devices
    client: Client
    clock: Clock = system_clock
    provider: str = "web_push"

    @asynccontextmanager
    async def open(self) -> AsyncIterator[Send[Push]]:
        """Open for a batch; the client's connections outlive it."""
        yield self._send

    async def _send(self, push: Push) -> Outcome:
        devices = await self.devices.of_account(push.account_id)
        if not devices:
            return permanent(Why.NO_DEVICE, "no_device")
        return summary(await asyncio.gather(*(self._send_to(device, push) for device in devices)))

    async def _send_to(self, device: Device, push: Push) -> Outcome:
        now = self.clock()
        try:
            response = await self.client.post(
                device.endpoint, headers=self._headers(device, push, now), content=self._encrypted(device, push)
            )
        except HttpError as error:
            return temporary(Why.PROVIDER_UNREACHABLE, type(error).__name__)
        except ValueError:
            await self.devices.forget(device.id)  # its keys are none
            return permanent(Why.ADDRESS_REFUSED, "not_a_key")
        return await self._outcome(device, response)

    def _headers(self, device: Device, push: Push, now: datetime) -> dict[str, str]:
        ttl = max(timedelta(), min(push.expires_at - now, LONGEST_TTL))
        return {
            "authorization": self.vapid.authorization(device.endpoint, now),
            "content-encoding": "aes128gcm",
            "content-type": "application/octet-stream",
            "ttl": str(int(ttl.total_seconds())),
            "urgency": _URGENCIES[push.urgency],
            "topic": topic_of(push.about),
        }

    def _encrypted(self, device: Device, push: Push) -> bytes:
        """Encrypt with an object of its own: `webpush` writes what it is given into the object that it is called on."""
        encryption = Encryption(self.vapid.private, self.vapid.public, subscriber=self.vapid.subject)
        keys = WebPushKeys(auth=device.auth, p256dh=device.p256dh)
        subscription = WebPushSubscription(endpoint=AnyHttpUrl(device.endpoint), keys=keys)
        encrypted: bytes = encryption.get(push.content, subscription).encrypted
        return encrypted

    async def _outcome(self, device: Device, response: Response) -> Outcome:
        status = response.status_code
        if status in _TAKEN:
            return accepted(str(status))
        if status in _GONE:
            await self.devices.forget(device.id)
            return permanent(Why.NO_DEVICE, str(status))
        if status == 403:
            await self.devices.refused(device.id)
            return permanent(Why.ADDRESS_REFUSED, "403")
        if status == 413:
            return permanent(Why.CONTENT_REFUSED, "413")
        if status == 429 or status >= 500:
            return temporary(Why.PROVIDER_BUSY, str(status), retry_after(response))
        return temporary(Why.PROVIDER_REFUSES_US, str(status))


def summary(outcomes: Sequence[Outcome]) -> Outcome:
    """Return what became of a push as a whole: taken by one device, to be tried again, or refused by all."""
    for verdict in (Verdict.ACCEPTED, Verdict.TEMPORARY):
        found = [one for one in outcomes if one.verdict is verdict]
        if found:
            return max(found, key=lambda one: one.retry_after or timedelta())
    return outcomes[0]
