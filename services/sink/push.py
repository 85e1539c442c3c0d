"""A stand-in for a push service, and for the browsers behind it, that refuses what the real ones refuse.

The law of this file: nothing is taken on trust. The VAPID token (RFC 8292) is verified here with the key that the
browser subscribed with: its audience is this origin, it ends within 24 hours. The body is at most 4096 bytes and is
decrypted as the browser would (RFC 8188, RFC 8291). A message waits no longer than its TTL for a browser that is away,
and a newer one with the same Topic takes its place (RFC 8030). It shares no code with the sender.
"""

import binascii
import json
import os
import re
import secrets
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from cryptography.exceptions import InvalidSignature, InvalidTag
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

MOST_BYTES = 4096
LONGEST_TOKEN = timedelta(hours=24)
_AUTHORIZATION = re.compile(r"vapid t=([\w-]+)\.([\w-]+)\.([\w-]+), ?k=([\w-]+)")
_TOPIC = re.compile(r"[A-Za-z0-9_-]{1,32}")
_URGENCIES = frozenset({"very-low", "low", "normal", "high"})
_HEADER = 16 + 4 + 1 + 65


class RefusedPush(Exception):  # noqa: N818 - an answer of the push service
    """The push is not taken; `status` is the answer's."""

    def __init__(self, status: int, words: str) -> None:
        super().__init__(words)
        self.status = status


@dataclass(slots=True, kw_only=True)
class Waiting:
    """A push that is taken: its content, decrypted, and until when it is of use."""

    content: Mapping[str, Any]
    until: datetime
    urgency: str
    topic: str | None


@dataclass(slots=True, kw_only=True)
class Browser:
    """A browser with one subscription. `answer` is a status that its push service gives instead of taking anything."""

    id: str
    application_server_key: str
    key: ec.EllipticCurvePrivateKey = field(default_factory=lambda: ec.generate_private_key(ec.SECP256R1()))
    auth: bytes = field(default_factory=lambda: os.urandom(16))
    online: bool = True
    answer: int | None = None
    bodies: list[bytes] = field(default_factory=list)
    waiting: list[Waiting] = field(default_factory=list)
    shown: dict[str, Mapping[str, Any]] = field(default_factory=dict)
    """What stands on the screen, by tag: a newer notification takes the place of the older."""

    @property
    def public(self) -> bytes:
        return self.key.public_key().public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)

    def subscription(self, origin: str) -> dict[str, Any]:
        """Return what the page would send to us."""
        keys = {"p256dh": _text(self.public), "auth": _text(self.auth)}
        return {"endpoint": f"{origin}/push/to/{self.id}", "keys": keys}

    def come_online(self, now: datetime) -> list[Mapping[str, Any]]:
        """Take what still waits; return what is new on the screen: the same again in its place is not."""
        self.online = True
        found = [one.content for one in self.waiting if one.until > now]
        self.waiting.clear()
        fresh = []
        for content in found:
            tag = str(content.get("tag"))
            if self.shown.get(tag) != content:
                fresh.append(content)
            self.shown[tag] = content
        return fresh


@dataclass(slots=True)
class PushService:
    """All browsers of this push service."""

    browsers: dict[str, Browser] = field(default_factory=dict)

    def subscribe(self, application_server_key: str) -> Browser:
        """Return a new browser that has subscribed with our key."""
        browser = Browser(id=secrets.token_hex(8), application_server_key=application_server_key)
        self.browsers[browser.id] = browser
        return browser

    def take(self, browser: Browser, origin: str, headers: Mapping[str, str], body: bytes) -> list[Mapping[str, Any]]:
        """Take a push and return what stands on the screen because of it: nothing while the browser is away.

        Raises:
            RefusedPush: with the status of the answer.
        """
        now = datetime.now(UTC)
        if browser.answer is not None:
            raise RefusedPush(browser.answer, "as planned")
        _check_authorization(headers.get("authorization", ""), browser.application_server_key, origin, now)
        if len(body) > MOST_BYTES:
            raise RefusedPush(413, "more than 4096 bytes")
        if headers.get("content-encoding") != "aes128gcm":
            raise RefusedPush(415, "not aes128gcm")
        if not re.fullmatch(r"\d{1,10}", headers.get("ttl", "")):
            raise RefusedPush(400, "no TTL")
        topic, urgency = headers.get("topic"), headers.get("urgency", "normal")
        if (topic is not None and not _TOPIC.fullmatch(topic)) or urgency not in _URGENCIES:
            raise RefusedPush(400, "Topic or Urgency")
        content = json.loads(decrypt(body, browser.key, browser.auth))
        browser.bodies.append(body)
        until = now + timedelta(seconds=int(headers["ttl"]))
        browser.waiting = [one for one in browser.waiting if topic is None or one.topic != topic]
        browser.waiting.append(Waiting(content=content, until=until, urgency=urgency, topic=topic))
        return browser.come_online(now - timedelta(seconds=1)) if browser.online else []


def decrypt(body: bytes, key: ec.EllipticCurvePrivateKey, auth: bytes) -> bytes:
    """Return the plaintext of a push, as the browser with these keys reads it.

    Raises:
        RefusedPush: a browser would throw it away.
    """
    if len(body) <= _HEADER or body[20] != 65:
        raise RefusedPush(400, "no aes128gcm header")
    salt, sender, sealed = body[:16], body[21:_HEADER], body[_HEADER:]
    mine = key.public_key().public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)
    try:
        secret = key.exchange(ec.ECDH(), ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), sender))
        material = _hkdf(auth, secret, b"WebPush: info\0" + mine + sender, 32)
        cipher = AESGCM(_hkdf(salt, material, b"Content-Encoding: aes128gcm\0", 16))
        padded = cipher.decrypt(_hkdf(salt, material, b"Content-Encoding: nonce\0", 12), sealed, None)
    except (InvalidTag, ValueError):
        raise RefusedPush(400, "cannot be decrypted") from None
    plain, delimiter, _ = padded.rpartition(b"\x02")
    if not delimiter:
        raise RefusedPush(400, "not the last record")
    return plain


def _check_authorization(header: str, key: str, origin: str, now: datetime) -> None:
    found = _AUTHORIZATION.fullmatch(header)
    if found is None:
        raise RefusedPush(401, "no VAPID")
    head, claims, signature, sent_key = found.groups()
    if sent_key != key:
        raise RefusedPush(403, "another key than that of the subscription")
    try:
        public = ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), _raw(sent_key))
        raw = _raw(signature)
        der = encode_dss_signature(int.from_bytes(raw[:32]), int.from_bytes(raw[32:]))
        public.verify(der, f"{head}.{claims}".encode(), ec.ECDSA(SHA256()))
        said, named = json.loads(_raw(claims)), json.loads(_raw(head))
    except (InvalidSignature, ValueError, binascii.Error):
        raise RefusedPush(403, "signature") from None
    ends = datetime.fromtimestamp(said.get("exp", 0), UTC)
    if named.get("alg") != "ES256" or said.get("aud") != origin or not now < ends <= now + LONGEST_TOKEN:
        raise RefusedPush(403, "alg, aud or exp")
    if not str(said.get("sub", "")).startswith(("mailto:", "https:")):
        raise RefusedPush(403, "sub")


def _hkdf(salt: bytes, secret: bytes, info: bytes, length: int) -> bytes:
    return HKDF(algorithm=SHA256(), length=length, salt=salt, info=info).derive(secret)


def _raw(text: str) -> bytes:
    return urlsafe_b64decode(text + "=" * (-len(text) % 4))


def _text(raw: bytes) -> str:
    return urlsafe_b64encode(raw).decode().rstrip("=")
