"""Each account's preferences, as they stand. Whoever has stored none has the city's own."""

from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256
from typing import Any
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.engine import Row
from sqlalchemy.ext.asyncio import AsyncConnection

from services.notify.domain.message import Channel, Kind, Language
from services.notify.domain.preference import DEFAULTS, Preferences
from services.notify.domain.quiet_hours import QuietHours
from services.notify.tables import preferences


@dataclass(frozen=True, slots=True)
class Stored:
    """Preferences under their lock, and whether the request's key is the one under which they were made."""

    preferences: Preferences
    key_used: bool


async def of_account(tx: AsyncConnection, account_id: UUID) -> Preferences:
    """Return what an account wants."""
    row = (await tx.execute(select(preferences).where(preferences.c.account_id == account_id))).one_or_none()
    return DEFAULTS if row is None else read(row)


async def lock(tx: AsyncConnection, account_id: UUID, key: str, now: datetime) -> Stored:
    """Return what an account wants, locked until the commit; `key` is the request's Idempotency-Key.

    A row is made where there is none, for only a row can be locked; it goes with the transaction if that fails.
    """
    first = insert(preferences).values(account_id=account_id, key_digest=b"", changed_at=now, **_columns(DEFAULTS))
    await tx.execute(first.on_conflict_do_nothing())
    query = select(preferences).where(preferences.c.account_id == account_id).with_for_update()
    row = (await tx.execute(query)).one()
    return Stored(read(row), key_used=row.key_digest == _digest(key))


async def keep(tx: AsyncConnection, account_id: UUID, wanted: Preferences, key: str, now: datetime) -> None:
    """Store `wanted`, which `lock` has made room for."""
    row = preferences.update().where(preferences.c.account_id == account_id)
    await tx.execute(row.values(key_digest=_digest(key), changed_at=now, **_columns(wanted)))


def read(row: Row[Any]) -> Preferences:
    """Return the preferences in a row's columns."""
    quiet = QuietHours(begins=row.quiet_begins, ends=row.quiet_ends) if row.quiet_begins is not None else None
    choices = (choice.split("/") for choice in row.switched_off)
    return Preferences(
        version=row.version,
        language=Language(row.language) if row.language else None,
        quiet_hours=quiet,
        off=frozenset((Kind(kind), Channel(channel)) for kind, channel in choices),
        reminders_off=frozenset(row.reminders_off),
        plain_words=row.plain_words,
        names_sensitive=row.names_sensitive,
    )


def _columns(wanted: Preferences) -> dict[str, Any]:
    quiet = wanted.quiet_hours
    return {
        "version": wanted.version,
        "language": wanted.language.value if wanted.language else None,
        "quiet_begins": quiet.begins if quiet else None,
        "quiet_ends": quiet.ends if quiet else None,
        "switched_off": sorted(f"{kind.value}/{channel.value}" for kind, channel in wanted.off),
        "reminders_off": sorted(wanted.reminders_off),
        "plain_words": wanted.plain_words,
        "names_sensitive": wanted.names_sensitive,
    }


def _digest(key: str) -> bytes:
    return sha256(key.encode()).digest()
