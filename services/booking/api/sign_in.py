"""Signing in: residents by phone and one-time code, everybody else by password; and the keys that check tokens."""

from collections.abc import Hashable
from dataclasses import replace
from datetime import timedelta
from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import ConfigDict, Field
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from services.booking.api.deps import (
    Container,
    Reader,
    ReaderDep,
    documented,
    documented_signed_out_write,
    idempotency_key,
    meaning,
)
from services.booking.commands.remember import remembered
from services.booking.commands.sign_in import (
    LONGEST_PHONE,
    check_password,
    parse_phone,
    redeem_code,
    send_code,
)
from services.booking.domain.account import Role
from services.booking.domain.one_time_code import SIGN_IN
from services.booking.domain.reason import Reason
from services.booking.domain.request import Key
from services.booking.store.accounts import Account
from services.booking.store.database import Connection
from shared.refusal import Refused
from shared.tokens import Principal
from shared.web import Answer, Buckets, Language, Shown, Strict, address_key, strict_router

router = strict_router(tags=["sign-in"])
KEPT_ANSWER = "sign_in.answer"
"""What kept answers are bound to: they hold a token, so they are kept sealed."""

Phone = Annotated[
    str,
    Field(min_length=3, max_length=LONGEST_PHONE, description="手机号；境外号码加国家代码。", examples=["13900001234"]),
]


class CodeWanted(Strict):
    """A resident asks for a code."""

    phone: Phone
    language: Annotated[
        Language | None, Field(description="The language of the message; else that of Accept-Language.")
    ] = None

    model_config = ConfigDict(json_schema_extra={"examples": [{"phone": "13900001234", "language": "zh-CN"}]})


class CodeSent(Shown):
    """A code is on its way; it is never part of the answer."""

    expires_in: Annotated[int, Field(description="Seconds for which the code is good.")]
    next_code_in: Annotated[int, Field(description="Seconds until another code can be asked for.")]

    model_config = ConfigDict(json_schema_extra={"examples": [{"expires_in": 300, "next_code_in": 60}]})


class CodeGiven(Strict):
    """The code that arrived."""

    phone: Phone
    code: Annotated[str, Field(pattern=r"^[0-9]{6}$", examples=["493027"])]

    model_config = ConfigDict(json_schema_extra={"examples": [{"phone": "13900001234", "code": "493027"}]})


class Credentials(Strict):
    """What an account made on the command line signs in with."""

    login: Annotated[str, Field(min_length=1, max_length=40, examples=["sample-staff"])]
    password: Annotated[str, Field(min_length=1, max_length=200, repr=False, examples=["a long phrase of your own"])]

    model_config = ConfigDict(
        str_strip_whitespace=False,
        json_schema_extra={"examples": [{"login": "sample-staff", "password": "a long phrase of your own"}]},
    )


class AccountShown(Shown):
    """Who is signed in, and as what."""

    id: UUID
    role: Role
    venues: Annotated[list[str], Field(description="The venues that the role is bound to.")]


_ACCOUNT: dict[str, Any] = {"id": "01936f2e-7c1a-7def-8a3b-5d4c3b2a1906", "role": "resident", "venues": []}


class Token(Shown):
    """A bearer token. Send it as `Authorization: Bearer …` until it ends; then sign in again."""

    access_token: Annotated[str, Field(description="A JWT, signed with Ed25519.")]
    token_type: Literal["Bearer"]
    expires_in: Annotated[int, Field(description="Seconds for which the token is good.")]
    account: AccountShown

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {"access_token": "eyJhbGciOi…", "token_type": "Bearer", "expires_in": 3600, "account": _ACCOUNT}
            ]
        }
    )


_SENT = CodeSent(expires_in=int(SIGN_IN.lifetime.total_seconds()), next_code_in=int(SIGN_IN.between.total_seconds()))


@router.post(
    "/api/v1/sign-in/codes",
    summary="获取验证码 Ask for a one-time code",
    status_code=202,
    response_model=CodeSent,
    **documented_signed_out_write(Reason.PHONE_INVALID),
)
async def ask_for_code(request: Request, body: CodeWanted, asker: ReaderDep) -> Response:
    """Sends a six-digit code to a mobile phone: good for five minutes and five tries; one a minute, five an hour, ten a day."""
    parts = asker.parts
    phone = parse_phone(body.phone)
    language = body.language or asker.language

    async def work(tx: Connection) -> Answer:
        await send_code(tx, parts.vault, phone, language, parts.clock())
        return Answer(202, {"content-type": "application/json"}, _SENT.model_dump_json().encode())

    key = await _key(request, asker, phone)
    return (await remembered(parts.engine, key, parts.clock, work, asker.refusal)).response()


@router.post(
    "/api/v1/sign-in/tokens",
    summary="手机登录 Sign in with a code",
    response_model=Token,
    **documented_signed_out_write(
        Reason.PHONE_INVALID, Reason.SIGN_IN_CODE_WRONG, Reason.SIGN_IN_TOO_MANY_TRIES, Reason.ACCOUNT_DISABLED
    ),
)
async def sign_in(request: Request, body: CodeGiven, asker: ReaderDep) -> Response:
    """Exchanges a code for a token. The first sign-in of a phone number makes its account."""
    parts = asker.parts
    phone = parse_phone(body.phone)

    async def work(tx: Connection) -> Answer:
        redeemed = await redeem_code(tx, parts.vault, phone, body.code, parts.clock())
        answer = asker.refusal(redeemed) if isinstance(redeemed, Refused) else _token(parts, redeemed)
        return replace(answer, body=parts.vault.seal(answer.body, KEPT_ANSWER).encode())

    def explain(refused: Refused) -> Answer:
        answer = asker.refusal(refused)
        return replace(answer, body=parts.vault.seal(answer.body, KEPT_ANSWER).encode())

    key = await _key(request, asker, phone)
    kept = await remembered(parts.engine, key, parts.clock, work, explain)
    return replace(kept, body=parts.vault.open(kept.body.decode(), KEPT_ANSWER)).response()


@router.post(
    "/api/v1/sign-in/staff-tokens",
    summary="工作人员登录 Sign in with login and password",
    response_model=Token,
    **documented(Reason.CREDENTIALS_WRONG, Reason.ACCOUNT_DISABLED),
)
async def sign_in_staff(request: Request, body: Credentials, asker: ReaderDep) -> Response:
    """For staff, schedulers and administrators. It changes nothing, so it takes no Idempotency-Key."""
    parts = asker.parts
    address = address_key(request.client.host if request.client else "")
    _spend(parts.password_tries, (body.login, address))
    _spend(parts.login_tries, body.login)
    return _token(parts, await check_password(parts.engine, body.login, body.password)).response()


_JWKS = {
    "keys": [
        {
            "kty": "OKP",
            "crv": "Ed25519",
            "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo",
            "kid": "9ZP03Nu8GrXPAUkbKNxHOKBzxPX83SShgFkRNK-f2lw",
            "use": "sig",
            "alg": "Ed25519",
        }
    ]
}


@router.get(
    "/.well-known/jwks.json",
    summary="公钥 Public keys of tokens",
    tags=["operations"],
    responses={200: {"content": {"application/json": {"schema": {"type": "object"}, "example": _JWKS}}}},
)
async def jwks(asker: ReaderDep) -> Response:
    """The keys (RFC 7517) with which any service checks a token by itself."""
    return JSONResponse(asker.parts.signer.jwks(), headers={"cache-control": "public, max-age=300"})


async def _key(request: Request, asker: Reader, phone: str) -> Key:
    """Return the key of a write by somebody who has no account yet.

    The phone number's fingerprint stands for the account, as a UUID of version 8, which no account has. What was asked
    contains a phone number and a code, so what is kept of it is keyed as well.
    """
    vault = asker.parts.vault
    stands_for = bytearray(vault.fingerprint(phone, "idempotency.client")[:16])
    stands_for[6] = (stands_for[6] & 0x0F) | 0x80
    stands_for[8] = (stands_for[8] & 0x3F) | 0x80
    asked = (await meaning(request)).decode()
    return Key(
        UUID(bytes=bytes(stands_for)), idempotency_key(asker.visit), vault.fingerprint(asked, "idempotency.request")
    )


def _token(parts: Container, account: Account) -> Answer:
    lifetime = timedelta(minutes=parts.settings.token_minutes)
    principal = Principal(subject=account.id, role=account.role.value, venues=account.venues)
    shown = Token(
        access_token=parts.signer.issue(principal, parts.clock(), lifetime),
        token_type="Bearer",  # noqa: S106 - the scheme's name
        expires_in=int(lifetime.total_seconds()),
        account=AccountShown(id=account.id, role=account.role, venues=sorted(account.venues)),
    )
    return Answer(200, {"content-type": "application/json"}, shown.model_dump_json().encode())


def _spend(buckets: Buckets, key: Hashable) -> None:
    spent = buckets.spend(key)
    if spent.wait:
        raise Refused(Reason.TOO_MANY_REQUESTS, retry_after_seconds=spent.wait)
