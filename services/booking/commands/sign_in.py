"""Signing in: residents by a code sent to their phone, everybody else by login and password.

The law of codes stands in `domain/one_time_code.py`: good for five minutes; one a minute, five an hour and ten a day for
one number.
"""

import asyncio
import base64
import secrets
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime
from typing import Final

import phonenumbers
from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError
from argon2.low_level import ARGON2_VERSION

from services.booking.domain.account import Role
from services.booking.domain.one_time_code import SIGN_IN, TRIES
from services.booking.domain.reason import Reason
from services.booking.store.accounts import Account, account_by_login, account_by_phone, add_account_row
from services.booking.store.database import Connection, Engine
from services.booking.store.events import add_event
from services.booking.store.sign_in import (
    SignInCode,
    add_code,
    codes_sent,
    count_try,
    lock_fingerprint,
    newest_code,
    use_code,
)
from shared.contracts import Contact, Event, EventType, SignInCodeRequested, SignInMessage
from shared.ids import new_id
from shared.refusal import Refused
from shared.sealing import Vault

HOME_REGION: Final = "CN"
LONGEST_PHONE: Final = 32

PHONE, NAME, EMAIL = "account.phone", "account.name", "account.email"
"""What sealed values and fingerprints are bound to."""

_MOBILE = frozenset({phonenumbers.PhoneNumberType.MOBILE, phonenumbers.PhoneNumberType.FIXED_LINE_OR_MOBILE})
_hasher = PasswordHasher()
_hashing = ThreadPoolExecutor(max_workers=2, thread_name_prefix="password")
"""One password costs 64 MiB and some 50 ms on purpose; two at a time leave the machine to everybody else."""


def _hash_of_nothing() -> str:
    """Return a hash that no password has, at the cost that one would have: made up, not worked out."""
    salt, digest = (
        base64.b64encode(secrets.token_bytes(length)).decode().rstrip("=")
        for length in (_hasher.salt_len, _hasher.hash_len)
    )
    cost = f"m={_hasher.memory_cost},t={_hasher.time_cost},p={_hasher.parallelism}"
    return f"$argon2id$v={ARGON2_VERSION}${cost}${salt}${digest}"


_NOBODYS_HASH: Final = _hash_of_nothing()
"""Checked where the login is unknown, so that the time of the answer does not tell."""


def parse_phone(typed: str) -> str:
    """Return a mobile number as typed in E.164; without a country code it is one of mainland China.

    Raises:
        Refused: `phone_invalid`.
    """
    try:
        number = phonenumbers.parse(typed[:LONGEST_PHONE], HOME_REGION)
    except phonenumbers.NumberParseException:
        raise Refused(Reason.PHONE_INVALID, field="/phone") from None
    if not phonenumbers.is_valid_number(number) or phonenumbers.number_type(number) not in _MOBILE:
        raise Refused(Reason.PHONE_INVALID, field="/phone")
    return phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164)


async def send_code(tx: Connection, vault: Vault, phone: str, language: str, now: datetime) -> None:
    """Make a code for `phone` (E.164) and tell the notify service to send it, in one transaction.

    Raises:
        Refused: `too_many_requests` where the number has had a code within the minute, five within the hour or ten within the day.
    """
    fingerprint = vault.fingerprint(phone, PHONE)
    await lock_fingerprint(tx, fingerprint)
    SIGN_IN.refuse_too_many(await codes_sent(tx, fingerprint, now), now)
    request_id, code = new_id(), f"{secrets.randbelow(1_000_000):06d}"
    made = SignInCode(
        id=request_id,
        phone_fingerprint=fingerprint,
        phone_sealed=vault.seal(phone, PHONE),
        language=language,
        code_fingerprint=_code_fingerprint(vault, request_id.hex, code),
        created_at=now,
        expires_at=now + SIGN_IN.lifetime,
    )
    await add_code(tx, made)
    sealed = vault.seal_for_notify(SignInMessage(phone=phone, code=code, language=language))
    data = SignInCodeRequested(request_id=request_id, sealed=sealed, expires_at=made.expires_at)
    await add_event(
        tx, Event(id=new_id(), type=EventType.SIGN_IN_CODE_REQUESTED, subject=request_id, time=now, data=data)
    )


async def redeem_code(tx: Connection, vault: Vault, phone: str, code: str, now: datetime) -> Account | Refused:
    """Return the account of `phone` (E.164), made now if this is its first sign-in, or why not.

    A refusal is returned and not raised, for the try that it counts must be kept.
    """
    fingerprint = vault.fingerprint(phone, PHONE)
    newest = await newest_code(tx, fingerprint, now)
    if newest is None:
        return Refused(Reason.SIGN_IN_CODE_WRONG, field="/code")
    if newest.tries >= TRIES:
        return Refused(Reason.SIGN_IN_TOO_MANY_TRIES, field="/code")
    presented = _code_fingerprint(vault, newest.id.hex, code)
    if not secrets.compare_digest(presented, newest.code_fingerprint):
        await count_try(tx, newest.id)
        left = TRIES - newest.tries - 1
        if left == 0:
            return Refused(Reason.SIGN_IN_TOO_MANY_TRIES, field="/code")
        return Refused(Reason.SIGN_IN_CODE_WRONG, field="/code", tries_left=left)
    await use_code(tx, newest.id, now)
    account = await _resident(tx, vault, phone, newest, now)
    return Refused(Reason.ACCOUNT_DISABLED) if account.disabled_at is not None else account


async def check_password(engine: Engine, login: str, password: str) -> Account:
    """Return the account of a login; it takes as long where there is none, and no connection is held meanwhile.

    Raises:
        Refused: `credentials_wrong`, whichever of the two is wrong; `account_disabled`, to whoever has the password.
    """
    async with engine.connect() as connection:
        account = await account_by_login(connection, login)
    expected = account.password_hash if account is not None else None
    loop = asyncio.get_running_loop()
    right = await loop.run_in_executor(_hashing, _verify, expected or _NOBODYS_HASH, password)
    if account is None or expected is None or not right:
        raise Refused(Reason.CREDENTIALS_WRONG)
    if account.disabled_at is not None:
        raise Refused(Reason.ACCOUNT_DISABLED)
    return account


async def hash_password(password: str) -> str:
    """Return an Argon2id hash of `password`."""
    return await asyncio.get_running_loop().run_in_executor(_hashing, _hasher.hash, password)


@dataclass(frozen=True, slots=True)
class Clear:
    """What a resident's row says in clear text, for as long as it is needed."""

    phone: str | None
    email: str | None
    name: str | None


def opened(vault: Vault, account: Account) -> Clear:
    """Return what is sealed in an account."""

    def clear(sealed: str | None, context: str) -> str | None:
        return None if sealed is None else vault.open(sealed, context).decode()

    return Clear(
        clear(account.phone_sealed, PHONE), clear(account.email_sealed, EMAIL), clear(account.name_sealed, NAME)
    )


def contact_of(vault: Vault, clear: Clear, language: str, *, unproved: bool = False, copy_of: str | None = None) -> str:
    """Return how to reach somebody, sealed for the notify service.

    `unproved`: they gave an address that is not proved.

    `copy_of`: whose messages they get copies of, masked.
    """
    contact = Contact(
        phone=clear.phone,
        email=clear.email,
        name=clear.name,
        language=language,
        email_unproved=unproved and clear.email is None,
        copy_of=copy_of,
    )
    return vault.seal_for_notify(contact)


def new_resident(vault: Vault, phone: str, language: str, now: datetime) -> Account:
    """Return a new resident's account, not written yet."""
    return Account(
        id=new_id(),
        role=Role.RESIDENT,
        venues=frozenset(),
        language=language,
        created_at=now,
        phone_fingerprint=vault.fingerprint(phone, PHONE),
        phone_sealed=vault.seal(phone, PHONE),
        contact=contact_of(vault, Clear(phone, None, None), language),
    )


async def _resident(tx: Connection, vault: Vault, phone: str, code: SignInCode, now: datetime) -> Account:
    account = await account_by_phone(tx, code.phone_fingerprint)
    if account is None:
        account = new_resident(vault, phone, code.language, now)
        await add_account_row(tx, account)
    return account


def _code_fingerprint(vault: Vault, request: str, code: str) -> bytes:
    return vault.fingerprint(f"{request}:{code}", "sign_in.code")


def _verify(expected: str, password: str) -> bool:
    try:
        return _hasher.verify(expected, password)
    except (VerificationError, InvalidHashError):
        return False
