"""Accounts of those who work here, made on the command line, and what every account may change about itself."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Final
from uuid import UUID

from services.booking.commands.contact_proofs import ask_for_proof
from services.booking.commands.family_copies import tell_copies_anew
from services.booking.commands.proving import Proving, Waiting, waiting_of
from services.booking.commands.sign_in import (
    EMAIL,
    NAME,
    Clear,
    contact_of,
    hash_password,
    new_resident,
    opened,
    parse_phone,
)
from services.booking.domain.account import AT_VENUES, Role
from services.booking.store.accounts import (
    Account,
    account_by_id,
    account_by_login,
    accounts_with_login,
    add_account_row,
    change_account,
    unknown_venues,
)
from services.booking.store.contact_proofs import drop_proofs
from services.booking.store.database import Connection, Engine
from shared.ids import new_id
from shared.sealing import Vault

LEAST_PASSWORD: Final = 10
LONGEST_PASSWORD: Final = 200
SAMPLE: Final = "sample-"
"""What the logins of sample accounts begin with."""

HOUSE_LANGUAGE: Final = "zh-CN"
_LOGIN = re.compile(r"[a-z][a-z0-9._-]{2,39}")


class AccountError(Exception):
    """An account cannot be made or changed so; the message says why, for the person at the command line."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NewAccount:
    """An account of somebody who works here. `venues` are what the role is bound to."""

    login: str
    password: str = field(repr=False)
    role: Role
    venues: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Changes:
    """What an account changes about itself: the new values of the fields named in `given`."""

    given: frozenset[str]
    language: str | None = None
    email: str | None = None
    name: str | None = None


async def add_account(engine: Engine, new: NewAccount, now: datetime) -> Account:
    """Make an account with a password.

    Raises:
        AccountError: if the login is taken or malformed, the password too short, the role does not fit the venues, or
            a venue does not exist.
    """
    _check(new)
    account = Account(
        id=new_id(),
        role=new.role,
        venues=new.venues,
        language=HOUSE_LANGUAGE,
        created_at=now,
        login=new.login,
        password_hash=await hash_password(new.password),
    )
    async with engine.begin() as tx:
        unknown = await unknown_venues(tx, sorted(new.venues))
        if unknown:
            raise AccountError(f"no such venue: {', '.join(unknown)}")
        if not await add_account_row(tx, account):
            raise AccountError(f"the login {new.login} is taken")
    return account


async def list_accounts(engine: Engine) -> list[Account]:
    """Return the accounts that have a login, by login."""
    async with engine.connect() as connection:
        return await accounts_with_login(connection)


async def disable_account(engine: Engine, login: str, now: datetime) -> None:
    """End an account's sign-ins; tokens that it has already run out by themselves.

    Raises:
        AccountError: if there is no such login.
    """
    async with engine.begin() as tx:
        account = await account_by_login(tx, login)
        if account is None:
            raise AccountError(f"no account has the login {login}")
        if account.disabled_at is None:
            await change_account(tx, account.id, {"disabled_at": now})


async def ensure_sample_accounts(
    engine: Engine, vault: Vault, phones: Sequence[str], staff: Sequence[NewAccount], now: datetime
) -> None:
    """Make the sample accounts that are not there yet: residents by phone, everybody else as given.

    Raises:
        AccountError: if a sample login does not say that it is one, or an account cannot be made.
    """
    for new in staff:
        if not new.login.startswith(SAMPLE):
            raise AccountError(f"the sample login {new.login} must begin with {SAMPLE}")
        async with engine.connect() as connection:
            known = await account_by_login(connection, new.login)
        if known is None:
            await add_account(engine, new, now)
    async with engine.begin() as tx:
        for phone in phones:
            await add_account_row(tx, new_resident(vault, parse_phone(phone), HOUSE_LANGUAGE, now))


async def read_own(engine: Engine, vault: Vault, account_id: UUID) -> tuple[Account, Clear, Waiting | None] | None:
    """Return an account as it stands, what is sealed in it, and the address that waits to be proved."""
    async with engine.connect() as connection:
        account = await account_by_id(connection, account_id)
        if account is None or account.erased_at is not None:
            return None
        return account, opened(vault, account), await waiting_of(connection, vault, account_id)


async def change_own(
    tx: Connection, by: Proving, account_id: UUID, changes: Changes
) -> tuple[Account, Clear, Waiting | None] | None:
    """Change an account, seal anew how to reach its holder, and return it; None where there is no such account.

    A new address is not taken: it is asked to be proved, and what waits then is returned as well. The one in use, or the
    one that waits with a code that is still good, given again, asks for nothing.

    Raises:
        Refused: `too_many_requests` where too many proofs were asked for.
    """
    account = await account_by_id(tx, account_id, lock=True)
    if account is None or account.erased_at is not None:
        return None
    vault = by.vault
    clear = opened(vault, account)
    if "name" in changes.given:
        clear = replace(clear, name=changes.name)
    language = changes.language if changes.language is not None else account.language
    waiting = await waiting_of(tx, vault, account_id)
    if "email" in changes.given:
        known_to_wait = waiting is not None and waiting.email == changes.email and waiting.expires_at > by.now
        if changes.email is None or changes.email == clear.email:
            clear, waiting = replace(clear, email=changes.email), None
            await drop_proofs(tx, account_id, by.now)
        elif not known_to_wait:
            waiting = await ask_for_proof(tx, by, account, changes.email, language)
    values = {
        "language": language,
        "email_sealed": None if clear.email is None else vault.seal(clear.email, EMAIL),
        "name_sealed": None if clear.name is None else vault.seal(clear.name, NAME),
        "contact": contact_of(vault, clear, language, unproved=waiting is not None),
    }
    await change_account(tx, account_id, values)
    await tell_copies_anew(tx, by, account)
    return replace(account, language=language), clear, waiting


def _check(new: NewAccount) -> None:
    if not _LOGIN.fullmatch(new.login):
        raise AccountError("a login is 3 to 40 of a-z, 0-9 and . _ - and begins with a letter")
    if not LEAST_PASSWORD <= len(new.password) <= LONGEST_PASSWORD:
        raise AccountError(f"a password has {LEAST_PASSWORD} to {LONGEST_PASSWORD} characters")
    if new.role is Role.RESIDENT:
        raise AccountError("residents sign in by phone and need no account made for them")
    if new.role in AT_VENUES and not new.venues:
        raise AccountError(f"a {new.role} needs at least one venue")
    if new.role not in AT_VENUES and new.venues:
        raise AccountError(f"a {new.role} is bound to no venue")
