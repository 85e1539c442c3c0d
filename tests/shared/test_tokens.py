"""A token proves who somebody is, or nothing."""

import asyncio
import base64
import json
import logging
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from joserfc import jwt
from joserfc.jwk import OctKey, OKPKey

import shared.tokens
from shared.http import Client, HttpError, MockTransport, Request, Response
from shared.ids import new_id
from shared.sealing import SIGNING_KEYS, KeysMissing, generate_keys, load_keys, rotate_keys
from shared.tokens import InvalidToken, KeysUnavailable, Principal, Signer, Verifier, remote_jwks

NOW = datetime(2026, 11, 23, 2, 0, tzinfo=UTC)
HOUR = timedelta(hours=1)
STAFF = Principal(subject=new_id(), role="staff", venues=frozenset({"dalian-museum", "xigang-gym"}))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    generate_keys(tmp_path / "keys")
    return tmp_path / "keys"


@pytest.fixture
def signer(folder: Path) -> Signer:
    return Signer(folder)


@pytest.fixture
def verifier(signer: Signer) -> Verifier:
    return Verifier(signer.jwks())


def part(token: str, index: int) -> dict[str, Any]:
    text = token.split(".")[index]
    found: dict[str, Any] = json.loads(base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)))
    return found


def encoded(document: dict[str, Any]) -> str:
    return base64.urlsafe_b64encode(json.dumps(document).encode()).rstrip(b"=").decode()


async def refusal(verifier: Verifier, token: str, now: datetime = NOW) -> str:
    with pytest.raises(InvalidToken) as caught:
        await verifier.verify(token, now)
    return caught.value.reason


async def test_a_token_says_who_it_was_issued_to(signer: Signer, verifier: Verifier) -> None:
    token = signer.issue(STAFF, NOW, HOUR)
    assert await verifier.verify(token, NOW) == replace(STAFF, expires_at=NOW + HOUR)
    assert await verifier.verify(token, NOW) == replace(STAFF, expires_at=NOW + HOUR)


async def test_each_token_is_another_with_all_that_a_verifier_needs(signer: Signer) -> None:
    first, second = signer.issue(STAFF, NOW, HOUR), signer.issue(STAFF, NOW, HOUR)
    header, claims = part(first, 0), part(first, 1)

    assert header == {"alg": "Ed25519", "typ": "at+jwt", "kid": signer.jwks()["keys"][0]["kid"]}
    assert claims.keys() == {"iss", "aud", "sub", "role", "venues", "iat", "nbf", "exp", "jti"}
    assert UUID(claims["jti"]) != UUID(part(second, 1)["jti"])


def test_the_published_keys_are_public(signer: Signer) -> None:
    assert [key.keys() for key in signer.jwks()["keys"]] == [{"kty", "crv", "x", "kid", "use", "alg"}]


async def test_a_token_ends_when_it_says_also_if_it_was_seen_before(signer: Signer, verifier: Verifier) -> None:
    token = signer.issue(STAFF, NOW, HOUR)
    await verifier.verify(token, NOW + HOUR - timedelta(seconds=1))
    assert await refusal(verifier, token, NOW + HOUR) == "expired"
    assert await refusal(Verifier(signer.jwks()), token, NOW + HOUR) == "expired"


async def test_a_token_of_the_future_is_refused_beyond_what_clocks_differ(signer: Signer, verifier: Verifier) -> None:
    token = signer.issue(STAFF, NOW, HOUR)
    assert await refusal(verifier, token, NOW - timedelta(seconds=6)) == "not_yet_valid"
    await verifier.verify(token, NOW - timedelta(seconds=4))


async def test_whatever_is_changed_the_token_proves_nothing(signer: Signer, verifier: Verifier) -> None:
    token = signer.issue(STAFF, NOW, HOUR)
    header, payload, signature = token.split(".")
    promoted = encoded({**part(token, 1), "role": "administrator"})
    for changed in (
        f"{header}.{promoted}.{signature}",
        f"{header}.{payload}.{signature[::-1]}",
        f"{header}.{payload}.",
        f"{header}.{payload}",
        f"{payload}.{header}.{signature}",
        "",
        "..",
        "a.b.c",
        token[10:],
        "令牌",
    ):
        assert await refusal(verifier, changed) in {"bad_signature", "malformed"}


async def test_the_token_does_not_choose_the_algorithm(signer: Signer, verifier: Verifier) -> None:
    token = signer.issue(STAFF, NOW, HOUR)
    header, claims = part(token, 0), part(token, 1)
    _, payload, signature = token.split(".")
    as_secret = OctKey.import_key(signer.jwks()["keys"][0]["x"])
    for forged in (
        f"{encoded({**header, 'alg': 'none'})}.{payload}.",
        f"{encoded({**header, 'alg': 'none'})}.{payload}.{signature}",
        f"{encoded({**header, 'alg': 'EdDSA'})}.{payload}.{signature}",
        jwt.encode({**header, "alg": "HS256"}, claims, as_secret, algorithms=["HS256"]),
        f"{encoded({'typ': 'at+jwt', 'kid': header['kid']})}.{payload}.{signature}",
    ):
        assert await refusal(verifier, forged) in {"wrong_algorithm", "malformed"}


async def test_something_else_signed_with_the_same_key_is_no_access_token(signer: Signer, verifier: Verifier) -> None:
    claims = part(signer.issue(STAFF, NOW, HOUR), 1)
    key = signer._keys[0]
    ticket = jwt.encode({"alg": "Ed25519", "kid": key.kid, "typ": "ticket+jwt"}, claims, key, algorithms=["Ed25519"])
    assert await refusal(verifier, ticket) == "wrong_algorithm"


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"iss": "somebody"}, "wrong_issuer"),
        ({"iss": None}, "wrong_issuer"),
        ({"aud": "another"}, "wrong_audience"),
        ({"aud": None}, "wrong_audience"),
        ({"aud": ["another", "yuyue"]}, None),
        ({"sub": "root"}, "malformed"),
        ({"sub": None}, "malformed"),
        ({"role": None}, "malformed"),
        ({"venues": "dalian-museum"}, "malformed"),
        ({"venues": [1]}, "malformed"),
        ({"exp": None}, "malformed"),
        ({"exp": "tomorrow"}, "malformed"),
        ({"exp": 1e30}, "malformed"),
        ({"nbf": None}, "malformed"),
    ],
)
async def test_every_claim_is_checked(
    signer: Signer, verifier: Verifier, change: dict[str, Any], reason: str | None
) -> None:
    claims = {**part(signer.issue(STAFF, NOW, HOUR), 1), **change}
    present = {name: value for name, value in claims.items() if value is not None}
    key = signer._keys[0]
    token = jwt.encode({"alg": "Ed25519", "kid": key.kid, "typ": "at+jwt"}, present, key, algorithms=["Ed25519"])
    if reason is None:
        assert (await verifier.verify(token, NOW)).subject == STAFF.subject
    else:
        assert await refusal(verifier, token) == reason


async def test_a_stranger_with_our_key_id_is_refused(signer: Signer, verifier: Verifier) -> None:
    token = signer.issue(STAFF, NOW, HOUR)
    stranger = OKPKey.generate_key("Ed25519")
    forged = jwt.encode(part(token, 0), part(token, 1), stranger, algorithms=["Ed25519"])
    assert await refusal(verifier, forged) == "bad_signature"


async def test_old_tokens_stand_after_a_rotation_of_keys(folder: Path, signer: Signer) -> None:
    old = signer.issue(STAFF, NOW, HOUR)
    rotate_keys(folder, SIGNING_KEYS)
    rotated = Signer(folder)
    new = rotated.issue(STAFF, NOW, HOUR)
    verifier = Verifier(rotated.jwks())

    assert part(old, 0)["kid"] != part(new, 0)["kid"]
    assert await verifier.verify(old, NOW) == await verifier.verify(new, NOW)
    assert await refusal(Verifier(signer.jwks()), new) == "unknown_key"


async def test_the_memory_of_good_tokens_is_bounded_and_bad_ones_are_not_remembered(
    signer: Signer, verifier: Verifier, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shared.tokens, "REMEMBERED", 3)
    tokens = [signer.issue(STAFF, NOW, HOUR) for _ in range(4)]
    for token in (*tokens[:3], tokens[0], tokens[3]):  # the first is used again, so the second goes
        await verifier.verify(token, NOW)
    await refusal(verifier, tokens[0] + "x")

    assert list(verifier._remembered) == [tokens[2], tokens[0], tokens[3]]


async def test_a_remembered_token_costs_no_signature_check(
    signer: Signer, verifier: Verifier, monkeypatch: pytest.MonkeyPatch
) -> None:
    token = signer.issue(STAFF, NOW, HOUR)
    await verifier.verify(token, NOW)
    monkeypatch.setattr(jwt, "decode", None)
    assert (await verifier.verify(token, NOW)).subject == STAFF.subject


class Issuer:
    """An issuer's JWKS endpoint."""

    def __init__(self, keys: dict[str, Any]) -> None:
        self.keys = keys
        self.asked = 0
        self.fault: Response | HttpError | None = None
        self.client = Client(transport=MockTransport(self._answer))
        self.verifier = Verifier(remote_jwks(self.client, "http://booking.test/.well-known/jwks.json"))

    async def _answer(self, _request: Request) -> Response:
        self.asked += 1
        await asyncio.sleep(0)
        if isinstance(self.fault, HttpError):
            raise self.fault
        return self.fault or Response(200, json=self.keys)


async def test_remote_keys_are_fetched_once_for_many_tokens(signer: Signer) -> None:
    issuer = Issuer(signer.jwks())
    tokens = [signer.issue(STAFF, NOW, HOUR) for _ in range(20)]
    await asyncio.gather(*(issuer.verifier.verify(token, NOW) for token in tokens))
    assert issuer.asked == 1


async def test_an_unknown_key_has_the_keys_fetched_again_but_not_at_every_token(folder: Path, signer: Signer) -> None:
    issuer = Issuer(signer.jwks())
    await issuer.verifier.verify(signer.issue(STAFF, NOW, HOUR), NOW)
    rotate_keys(folder, SIGNING_KEYS)
    rotated = Signer(folder)
    issuer.keys = rotated.jwks()

    later = NOW + timedelta(seconds=31)
    await issuer.verifier.verify(rotated.issue(STAFF, later, HOUR), later)
    assert issuer.asked == 2
    generate_keys(folder / "stranger")
    stranger = Signer(folder / "stranger")
    for _ in range(50):
        assert await refusal(issuer.verifier, stranger.issue(STAFF, later, HOUR), later) == "unknown_key"
    assert issuer.asked == 2


async def test_a_key_that_was_taken_back_is_forgotten_with_the_tokens_it_signed(folder: Path, signer: Signer) -> None:
    issuer = Issuer(signer.jwks())
    token = signer.issue(STAFF, NOW, HOUR)
    await issuer.verifier.verify(token, NOW)
    rotate_keys(folder, SIGNING_KEYS)
    issuer.keys = {"keys": Signer(folder).jwks()["keys"][:1]}

    assert await refusal(issuer.verifier, token, NOW + timedelta(minutes=10)) == "unknown_key"


@pytest.mark.parametrize(
    "fault", [HttpError("away"), Response(500), Response(200, text="<html>"), Response(200, json={"keys": []})]
)
async def test_an_issuer_that_is_away_is_no_invalid_token(
    signer: Signer, fault: Response | HttpError, caplog: pytest.LogCaptureFixture
) -> None:
    issuer = Issuer(signer.jwks())
    issuer.fault = fault
    token = signer.issue(STAFF, NOW, HOUR)
    with caplog.at_level(logging.WARNING), pytest.raises(KeysUnavailable):
        await issuer.verifier.verify(token, NOW)
    assert [record.message for record in caplog.records] == ["keys_unavailable"]

    issuer.fault = None
    later = NOW + timedelta(seconds=1)
    assert (await issuer.verifier.verify(token, later)).subject == STAFF.subject
    issuer.fault = fault
    long_after = NOW + timedelta(minutes=30)
    assert (await issuer.verifier.verify(token, long_after)).subject == STAFF.subject  # known keys stay good


async def test_keys_of_other_kinds_in_a_set_are_passed_over(signer: Signer) -> None:
    others = [{"kty": "AKP", "kid": "pq"}, {"kty": "EC", "crv": "P-256"}, {"kty": "OKP", "crv": "X25519", "use": "enc"}]
    verifier = Verifier({"keys": [*others, *signer.jwks()["keys"]]})
    assert (await verifier.verify(signer.issue(STAFF, NOW, HOUR), NOW)).role == "staff"
    with pytest.raises(KeysUnavailable):
        Verifier({"keys": others})


def test_without_keys_there_is_no_signer(tmp_path: Path, folder: Path) -> None:
    with pytest.raises(KeysMissing):
        Signer(tmp_path)
    assert load_keys(folder, SIGNING_KEYS, OKPKey)[0].is_private
