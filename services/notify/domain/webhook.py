"""Signed webhooks to partner systems: what is told, how it is signed, when it is tried again, when it is given up. Pure.

The law: a partner is told of events by their CloudEvents ids, with nothing personal in them; whoever may know more
reads it from the API. The form is Standard Webhooks: the id is the event's and the same in every attempt, by which the
receiver knows a repetition, so an attempt without an answer is tried again. While a secret is being changed, every
secret that still holds signs. 410 ends the subscription; so do three days without one success.
"""

import base64
import hmac
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from hashlib import sha256
from ipaddress import IPv4Address, IPv6Address, ip_address
from typing import Any
from uuid import UUID

from shared.contracts import BookingChanged, Event, EventType

SECRET_PREFIX = "whsec_"  # noqa: S105 - the form's own word
SECRET_BYTES = 32
MOST_SECRETS = 3
USEFUL = timedelta(days=3)
FIRST_PAUSE = timedelta(seconds=5)
LONGEST_PAUSE = timedelta(hours=3)

TOLD: frozenset[EventType] = frozenset(
    kind for kind in EventType if kind.value.startswith(("yuyue.booking.", "yuyue.waitlist."))
)
"""What a partner may subscribe to."""


class WebhookState(StrEnum):
    PENDING = "pending"
    DELIVERED = "delivered"
    DEAD = "dead"


class WebhookWhy(StrEnum):
    """Why a delivery stands as it does, and why an endpoint was switched off."""

    QUEUED = "queued"
    TAKEN = "taken"
    WAITS_FOR_RETRY = "waits_for_retry"
    GONE = "gone"
    NO_SUCCESS = "no_success"
    ADDRESS_FORBIDDEN = "address_forbidden"
    REDIRECTED = "redirected"
    UNREACHABLE = "unreachable"
    REFUSED = "refused"
    SWITCHED_OFF = "switched_off"
    NOT_WANTED = "not_wanted"
    REPLAYED = "replayed"


@dataclass(frozen=True, slots=True, kw_only=True)
class Secret:
    """One secret of an endpoint, and until when it still signs; the newest has no end."""

    value: str
    until: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """What an attempt came to: a status, or, without one, why there is none."""

    status: int | None
    why: WebhookWhy
    retry_after: timedelta | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What follows an attempt: the delivery's state and reason, when to try again, whether the endpoint is switched off."""

    state: WebhookState
    why: WebhookWhy
    visible_at: datetime | None = None
    disable: bool = False


def payload_of(event: Event, source: str) -> dict[str, Any] | None:
    """Return what a partner is told of `event`, a CloudEvent without personal data; None where it is told nothing.

    Of a sensitive service not even what and where: a partner that may know asks the API with the booking's id.
    """
    if event.type not in TOLD or not isinstance(event.data, BookingChanged):
        return None
    booking = event.data
    data: dict[str, Any] = {
        "booking_id": str(booking.booking_id),
        "version": booking.version,
        "state": booking.state,
    }
    if not booking.sensitive:
        data |= {
            "service_id": booking.service_id,
            "venue_id": booking.venue_id,
            "starts_at": booking.starts_at.astimezone(UTC).isoformat().replace("+00:00", "Z"),
        }
    return {
        "specversion": "1.0",
        "id": str(event.id),
        "source": source,
        "type": event.type.value,
        "subject": str(event.subject),
        "time": event.time.astimezone(UTC).isoformat().replace("+00:00", "Z"),
        "datacontenttype": "application/json",
        "data": data,
    }


def signatures(secrets: Sequence[Secret], event_id: UUID, now: datetime, body: bytes) -> dict[str, str]:
    """Return the three headers of Standard Webhooks: a signature by each secret that still holds."""
    timestamp = str(int(now.timestamp()))
    content = f"{event_id}.{timestamp}.".encode() + body
    live = [secret for secret in secrets if secret.until is None or secret.until > now]
    signed = (base64.b64encode(hmac.digest(_raw(one.value), content, sha256)).decode() for one in live)
    return {
        "webhook-id": str(event_id),
        "webhook-timestamp": timestamp,
        "webhook-signature": " ".join(f"v1,{one}" for one in signed),
    }


def rotated(secrets: Sequence[Secret], fresh: str, now: datetime, overlap: timedelta) -> tuple[Secret, ...]:
    """Return the secrets with `fresh` as the newest; those before it go on signing for `overlap`, three in all."""
    older = (
        Secret(value=one.value, until=min(one.until or now + overlap, now + overlap))
        for one in secrets
        if one.until is None or one.until > now
    )
    return (Secret(value=fresh, until=None), *older)[:MOST_SECRETS]


def verdict(
    reply: Reply, attempt: int, times: tuple[datetime, datetime], failing_since: datetime | None, chance: float
) -> Verdict:
    """Return what follows attempt number `attempt`; `times` are now and when the delivery ends, `chance` is the die."""
    now, expires_at = times
    if reply.status is not None and 200 <= reply.status < 300:
        return Verdict(state=WebhookState.DELIVERED, why=WebhookWhy.TAKEN)
    if reply.status == 410:
        return Verdict(state=WebhookState.DEAD, why=WebhookWhy.GONE, disable=True)
    bound = min(FIRST_PAUSE * (1 << min(attempt - 1, 20)), LONGEST_PAUSE)
    again_at = now + max(timedelta(seconds=1), bound * chance, reply.retry_after or timedelta())
    if again_at < expires_at:
        return Verdict(state=WebhookState.PENDING, why=reply.why, visible_at=again_at)
    long_failing = failing_since is not None and now - failing_since >= USEFUL - LONGEST_PAUSE
    return Verdict(state=WebhookState.DEAD, why=WebhookWhy.NO_SUCCESS, disable=long_failing)


def is_public(address: str) -> bool:
    """Return whether an address is one of the public internet: anything else might be a machine of the city's own.

    An IPv6 address that carries an IPv4 one (mapped, 6to4, Teredo, NAT64) is judged by that as well.
    """
    try:
        found = ip_address(address.partition("%")[0])
    except ValueError:
        return False
    return all(one.is_global and not one.is_multicast for one in _carried(found))


def _carried(address: IPv4Address | IPv6Address) -> Iterable[IPv4Address | IPv6Address]:
    yield address
    if isinstance(address, IPv4Address):
        return
    inner = address.ipv4_mapped or address.sixtofour
    if inner is not None:
        yield inner
    if address.teredo is not None:
        yield from address.teredo
    if address.packed[:12] == bytes.fromhex("0064ff9b0000000000000000"):
        yield IPv4Address(address.packed[12:])


def _raw(secret: str) -> bytes:
    return base64.b64decode(secret.removeprefix(SECRET_PREFIX))
