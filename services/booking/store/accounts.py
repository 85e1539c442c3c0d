"""Accounts: who signs in. What is personal in a row is sealed; a phone number is found by its fingerprint alone."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Row, select, update
from sqlalchemy.dialects.postgresql import insert

from services.booking.domain.account import Role
from services.booking.store.database import Connection
from services.booking.tables import accounts, venues


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """A row of `accounts`; residents have a phone number, everybody else a login and a password."""

    id: UUID
    role: Role
    venues: frozenset[str]
    language: str
    created_at: datetime
    phone_fingerprint: bytes | None = None
    phone_sealed: str | None = None
    login: str | None = None
    password_hash: str | None = None
    email_sealed: str | None = None
    name_sealed: str | None = None
    contact: str | None = None
    disabled_at: datetime | None = None
    erased_at: datetime | None = None

    def __repr__(self) -> str:
        return f"Account({self.id}, {self.role})"


async def account_by_id(tx: Connection, account_id: UUID, *, lock: bool = False) -> Account | None:
    """Return an account; with `lock`, nobody else changes it until the transaction ends."""
    query = select(accounts).where(accounts.c.id == account_id)
    return _account((await tx.execute(query.with_for_update() if lock else query)).first())


async def account_by_phone(tx: Connection, phone_fingerprint: bytes) -> Account | None:
    """Return the account of a phone number."""
    query = select(accounts).where(accounts.c.phone_fingerprint == phone_fingerprint)
    return _account((await tx.execute(query)).first())


async def account_by_login(tx: Connection, login: str) -> Account | None:
    """Return the account of a login."""
    return _account((await tx.execute(select(accounts).where(accounts.c.login == login))).first())


async def add_account_row(tx: Connection, account: Account) -> bool:
    """Write a new account; return False where its phone number or login has one already."""
    row = {
        "id": account.id,
        "role": account.role.value,
        "venues": sorted(account.venues),
        "language": account.language,
        "created_at": account.created_at,
        "phone_fingerprint": account.phone_fingerprint,
        "phone_sealed": account.phone_sealed,
        "login": account.login,
        "password_hash": account.password_hash,
        "email_sealed": account.email_sealed,
        "name_sealed": account.name_sealed,
        "contact": account.contact,
    }
    made = await tx.execute(insert(accounts).values(row).on_conflict_do_nothing().returning(accounts.c.id))
    return made.first() is not None


async def change_account(tx: Connection, account_id: UUID, values: dict[str, Any]) -> None:
    """Write new values into columns of an account."""
    await tx.execute(update(accounts).where(accounts.c.id == account_id).values(values))


async def accounts_with_login(tx: Connection) -> list[Account]:
    """Return every account that was made on the command line, by login."""
    rows = await tx.execute(select(accounts).where(accounts.c.login.is_not(None)).order_by(accounts.c.login))
    return [account for row in rows if (account := _account(row)) is not None]


async def unknown_venues(tx: Connection, venue_ids: Sequence[str]) -> list[str]:
    """Return which of `venue_ids` no venue has."""
    known = set((await tx.execute(select(venues.c.id).where(venues.c.id.in_(venue_ids)))).scalars())
    return sorted(set(venue_ids) - known)


def _account(row: Row[Any] | None) -> Account | None:
    if row is None:
        return None
    values = dict(row._mapping)  # noqa: SLF001 - SQLAlchemy's public way to a row's names
    return Account(**{**values, "role": Role(row.role), "venues": frozenset(row.venues)})
