"""Who is asking: short-lived signed tokens (JWT, RFC 7519) that any service can check by itself.

Signed with Ed25519 and nothing else. The header names the algorithm `Ed25519`: RFC 9864 retired the older name `EdDSA`,
which also stands for a second curve. A verifier never lets the token choose: any other `alg`, `none` above all, is
refused before a key is looked up. `typ` is `at+jwt` (RFC 9068), so that nothing else that is ever signed with these keys
passes for an access token.
"""

import asyncio
import logging
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final
from uuid import UUID

from joserfc import jws, jwt
from joserfc.errors import JoseError
from joserfc.jwk import OKPKey

from shared.http import Client, HttpError
from shared.ids import new_id
from shared.sealing import SIGNING_KEYS, load_keys

logger = logging.getLogger(__name__)

ALGORITHM: Final = "Ed25519"
TYPE: Final = "at+jwt"
ISSUER: Final = "yuyue/booking"
AUDIENCE: Final = "yuyue"
LEEWAY: Final = timedelta(seconds=5)
"""Clocks of two machines may differ by this much; it never prolongs a token."""

REMEMBERED: Final = 10_000
FRESH: Final = timedelta(minutes=10)
"""Remote keys are fetched again after this time, so that a key that was taken back is forgotten."""
REFRESH_AT_MOST_EVERY: Final = timedelta(seconds=30)
"""However many tokens with unknown keys arrive, the issuer is asked no more often than this."""
TRY_AGAIN: Final = timedelta(seconds=1)
"""While no key is known at all (the issuer is still starting), it is asked this often."""

OK: Final = 200

Jwks = Mapping[str, Any]
JwksSource = Callable[[], Awaitable[Jwks]]


class InvalidToken(Exception):  # noqa: N818 - it says what the token is
    """The token proves nothing. `reason` is for logs and tests, not for whoever sent it."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class KeysUnavailable(Exception):  # noqa: N818 - a state of the other side
    """The issuer's keys could not be fetched, so nothing can be said about any token."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Principal:
    """Somebody who has signed in.

    `venues` are the ids of the venues that the role is bound to; empty for residents. `expires_at` is when the token
    ends from which this was read, and None for somebody that no token was issued to yet.
    """

    subject: UUID
    role: str
    venues: frozenset[str] = frozenset()
    expires_at: datetime | None = None


class Signer:
    """Issues tokens with the newest key of a key folder.

    Raises:
        KeysMissing: if the folder has no signing keys.
    """

    def __init__(self, key_folder: Path) -> None:
        self._keys = load_keys(key_folder, SIGNING_KEYS, OKPKey)

    def issue(self, principal: Principal, now: datetime, lifetime: timedelta) -> str:
        """Return a token that says who `principal` is, from `now` for `lifetime`."""
        key = self._keys[0]
        issued = int(now.timestamp())
        claims = {
            "iss": ISSUER,
            "aud": AUDIENCE,
            "sub": str(principal.subject),
            "role": principal.role,
            "venues": sorted(principal.venues),
            "iat": issued,
            "nbf": issued,
            "exp": issued + int(lifetime.total_seconds()),
            "jti": str(new_id()),
        }
        header = {"alg": ALGORITHM, "kid": key.kid, "typ": TYPE}
        return jwt.encode(header, claims, key, algorithms=[ALGORITHM])

    def jwks(self) -> dict[str, Any]:
        """Return the public keys (RFC 7517), for `/.well-known/jwks.json` and for a `Verifier`."""
        return {"keys": [key.as_dict(private=False, use="sig", alg=ALGORITHM) for key in self._keys]}


@dataclass(slots=True)
class _Remembered:
    principal: Principal
    not_before: datetime
    expires_at: datetime


@dataclass(slots=True)
class Verifier:
    """Checks tokens against the issuer's keys.

    Checking a signature costs about 0.1 ms, as much as the rest of a request, and a front end sends the same token many
    times: tokens that were found good are remembered until they expire (up to `REMEMBERED`, the least used go first).

    Attributes:
        source: the issuer's JWKS, or a coroutine function that fetches it (`remote_jwks`).
    """

    source: Jwks | JwksSource
    _keys: dict[str, OKPKey] = field(default_factory=dict)
    _asked_at: datetime | None = None
    _fetched_at: datetime | None = None
    _remembered: OrderedDict[str, _Remembered] = field(default_factory=OrderedDict)
    _fetching: asyncio.Lock = field(default_factory=asyncio.Lock)

    def __post_init__(self) -> None:
        if not callable(self.source):
            self._keys = _public_keys(self.source)

    async def verify(self, token: str, now: datetime) -> Principal:
        """Return who the token speaks of.

        Raises:
            InvalidToken: if it is malformed, tampered with, expired, not yet valid, or meant for somebody else.
            KeysUnavailable: if the issuer's keys were never fetched and cannot be fetched now.
        """
        await self._keep_fresh(now)
        known = self._remembered.pop(token, None)
        if known is None:
            known = _read_claims(await self._check_signature(token, now))
        _check_time(known, now)
        self._remembered[token] = known
        if len(self._remembered) > REMEMBERED:
            self._remembered.popitem(last=False)
        return known.principal

    async def _check_signature(self, token: str, now: datetime) -> dict[str, Any]:
        try:
            header = jws.extract_compact(token.encode()).headers()
        except (JoseError, ValueError) as error:
            raise InvalidToken("malformed") from error
        if header.get("alg") != ALGORITHM or header.get("typ") != TYPE:
            raise InvalidToken("wrong_algorithm")
        key = await self._key(str(header.get("kid")), now)
        try:
            return jwt.decode(token, key, algorithms=[ALGORITHM]).claims
        except (JoseError, ValueError) as error:
            raise InvalidToken("bad_signature") from error

    async def _key(self, key_id: str, now: datetime) -> OKPKey:
        if key_id not in self._keys:
            await self._fetch(now)
        key = self._keys.get(key_id)
        if key is None:
            raise InvalidToken("unknown_key")
        return key

    async def _keep_fresh(self, now: datetime) -> None:
        stale = self._fetched_at is None or abs(now - self._fetched_at) >= FRESH
        if stale and not (self._keys and self._fetching.locked()):  # one request waits for fresh keys, not all of them
            await self._fetch(now)
        if not self._keys:
            raise KeysUnavailable("the issuer's keys could not be fetched")

    async def _fetch(self, now: datetime) -> None:
        """Fetch remote keys, unless that was done or tried a moment ago; what is known stays if it fails."""
        if not callable(self.source):
            return
        async with self._fetching:
            pause = REFRESH_AT_MOST_EVERY if self._keys else TRY_AGAIN
            if self._asked_at is not None and abs(now - self._asked_at) < pause:
                return
            self._asked_at = now
            try:
                keys = _public_keys(await self.source())
            except (KeysUnavailable, HttpError, OSError) as error:
                logger.warning("keys_unavailable", extra={"cause": repr(error)})
                return
            if keys.keys() != self._keys.keys():
                self._remembered.clear()
            self._keys = keys
            self._fetched_at = now


def remote_jwks(client: Client, url: str) -> JwksSource:
    """Return a source that fetches the issuer's keys from `url`."""

    async def fetch() -> Jwks:
        try:
            answer = await client.get(url)
            document = answer.json()
        except (HttpError, ValueError) as error:
            raise KeysUnavailable(f"{url} did not answer with keys") from error
        if answer.status_code != OK or not isinstance(document, dict):
            raise KeysUnavailable(f"{url} answered {answer.status_code}, not keys")
        return document

    return fetch


def _public_keys(jwks: Jwks) -> dict[str, OKPKey]:
    """Return the Ed25519 keys of a set by their ids; keys of other kinds are for other readers."""
    keys = {}
    for document in jwks.get("keys", ()):
        if document.get("kty") == "OKP" and document.get("crv") == ALGORITHM and document.get("use", "sig") == "sig":
            try:
                keys[str(document["kid"])] = OKPKey.import_key({k: v for k, v in document.items() if k != "d"})
            except (JoseError, ValueError, KeyError) as error:
                raise KeysUnavailable("the set of keys is damaged") from error
    if not keys:
        raise KeysUnavailable("the set holds no Ed25519 key")
    return keys


def _read_claims(claims: Mapping[str, Any]) -> _Remembered:
    if claims.get("iss") != ISSUER:
        raise InvalidToken("wrong_issuer")
    audience = claims.get("aud")
    if AUDIENCE not in (audience if isinstance(audience, list) else [audience]):
        raise InvalidToken("wrong_audience")
    role, venues = claims.get("role"), claims.get("venues")
    if not isinstance(role, str) or not isinstance(venues, list) or not all(isinstance(v, str) for v in venues):
        raise InvalidToken("malformed")
    try:
        subject = UUID(claims["sub"])
        not_before, expires_at = (datetime.fromtimestamp(claims[name], UTC) for name in ("nbf", "exp"))
    except (KeyError, TypeError, ValueError, AttributeError, OverflowError, OSError) as error:
        raise InvalidToken("malformed") from error
    principal = Principal(subject=subject, role=role, venues=frozenset(venues), expires_at=expires_at)
    return _Remembered(principal, not_before, expires_at)


def _check_time(known: _Remembered, now: datetime) -> None:
    if known.expires_at <= now:
        raise InvalidToken("expired")
    if known.not_before > now + LEEWAY:
        raise InvalidToken("not_yet_valid")
