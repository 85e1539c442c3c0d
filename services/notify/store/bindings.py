"""Which accounts have bound what to the channels that need it: the addresses there, and the ledger of consents."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256
from uuid import UUID

from sqlalchemy import delete, select, text
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncConnection

from services.notify.domain.message import Channel
from services.notify.tables import bindings
from shared.sealing import CannotOpen
from shared.strongbox import Strongbox

MOST_OPEN = 20
"""One-time consents of one account for one template; more would only hide that they are not asked for with care."""

_BOUND = text("""
    SELECT channel FROM bindings WHERE account_id = :account_id AND left_at IS NULL
    UNION ALL
    SELECT :web_push WHERE EXISTS (SELECT FROM push_subscriptions WHERE account_id = :account_id)
""")

_FOLLOW = text("""
    UPDATE bindings SET left_at = CASE WHEN :follows THEN NULL ELSE :at END, told_at = :at
    WHERE channel = :channel AND fingerprint = :fingerprint
      AND greatest(told_at, date_trunc('second', bound_at)) <= :at
""")

_GIVE = text("""
    INSERT INTO consents (id, account_id, channel, template, lasting, given_at)
    SELECT :id, :account_id, :channel, :template, :lasting, :now
    WHERE (SELECT count(*) FROM consents
           WHERE account_id = :account_id AND channel = :channel AND template = :template
             AND spent_by IS NULL AND void_at IS NULL) < :most
    ON CONFLICT (id) DO NOTHING
""")

_SPEND = text("""
    WITH open AS (
      SELECT id, lasting FROM consents
      WHERE account_id = :account_id AND channel = :channel AND template = :template
        AND spent_by IS NULL AND void_at IS NULL
      ORDER BY lasting DESC, given_at, id LIMIT 1 FOR UPDATE SKIP LOCKED
    ), spent AS (
      UPDATE consents SET spent_by = :message_id WHERE id IN (SELECT id FROM open WHERE NOT lasting) RETURNING id
    )
    SELECT EXISTS (SELECT FROM open)
""")

_SPENT = text("SELECT EXISTS (SELECT FROM consents WHERE spent_by = :message_id)")

_GIVE_BACK = text("UPDATE consents SET spent_by = NULL WHERE spent_by = :message_id AND void_at IS NULL")

_VOID = text("""
    UPDATE consents SET void_at = :now
    WHERE account_id = :account_id AND channel = :channel AND template = :template AND void_at IS NULL
      AND (spent_by IS NULL OR :spent)
""")

_LEFT = text("""
    SELECT template, bool_or(lasting) AS lasting, count(*) FILTER (WHERE NOT lasting) AS open
    FROM consents
    WHERE account_id = :account_id AND channel = :channel AND spent_by IS NULL AND void_at IS NULL
    GROUP BY template
""")


@dataclass(frozen=True, slots=True, kw_only=True)
class Bound:
    """A channel that an account is bound to; `left`: its reader does not follow us there any more."""

    channel: Channel
    since: datetime
    left: bool


@dataclass(frozen=True, slots=True)
class Left:
    """What is left of an account's consents for a template."""

    open: int
    lasting: bool


async def channels_of(tx: AsyncConnection, account_id: UUID) -> frozenset[Channel]:
    """Return the channels to which an account has bound something."""
    facts = {"account_id": account_id, "web_push": Channel.WEB_PUSH.value}
    return frozenset(Channel(row.channel) for row in await tx.execute(_BOUND, facts))


async def bind(tx: AsyncConnection, box: Strongbox, whose: tuple[UUID, Channel], address: str, now: datetime) -> None:
    """Bind an account to its address on a channel; an address that was another account's is this one's from now on."""
    account_id, channel = whose
    fingerprint = box.fingerprint(address, channel.value)
    table = bindings.c
    await tx.execute(delete(bindings).where(table.channel == channel.value, table.fingerprint == fingerprint))
    row = insert(bindings).values(
        account_id=account_id,
        channel=channel.value,
        fingerprint=fingerprint,
        sealed=box.seal(address, f"binding.{channel.value}"),
        bound_at=now,
    )
    names = ("fingerprint", "sealed", "bound_at", "left_at", "told_at")
    new = {name: getattr(row.excluded, name) for name in names}
    await tx.execute(row.on_conflict_do_update(index_elements=[table.account_id, table.channel], set_=new))


async def unbind(tx: AsyncConnection, account_id: UUID, channel: Channel) -> None:
    """End a binding, if there is one."""
    table = bindings.c
    await tx.execute(delete(bindings).where(table.account_id == account_id, table.channel == channel.value))


async def address_of(connection: AsyncConnection, box: Strongbox, account_id: UUID, channel: Channel) -> str | None:
    """Return the address to which an account is bound on a channel, unless its reader has left."""
    table = bindings.c
    query = select(table.sealed).where(
        table.account_id == account_id, table.channel == channel.value, table.left_at.is_(None)
    )
    sealed = (await connection.execute(query)).scalar_one_or_none()
    try:
        return None if sealed is None else box.open(sealed, f"binding.{channel.value}")
    except CannotOpen:
        return None


async def account_of(connection: AsyncConnection, box: Strongbox, channel: Channel, address: str) -> UUID | None:
    """Return the account that an address on a channel is bound to."""
    table = bindings.c
    known = box.fingerprint(address, channel.value)
    query = select(table.account_id).where(table.channel == channel.value, table.fingerprint == known)
    return (await connection.execute(query)).scalar_one_or_none()


async def follow(
    tx: AsyncConnection, box: Strongbox, whose: tuple[Channel, str], at: datetime, *, follows: bool
) -> None:
    """Write down that whoever is bound by an address follows from `at` on, or has left; older news changes nothing."""
    channel, address = whose
    known = box.fingerprint(address, channel.value)
    facts = {"channel": channel.value, "fingerprint": known, "at": at, "follows": follows}
    await tx.execute(_FOLLOW, facts)


async def give_consent(
    tx: AsyncConnection, whose: tuple[UUID, Channel], template: str, *, lasting: bool, under: tuple[str, datetime]
) -> None:
    """Write down a consent, once for the request's key; `under` are that key and the time."""
    key, now = under
    identity = UUID(bytes=sha256(f"{whose[0]}\0{whose[1].value}\0{template}\0{key}".encode()).digest()[:16])
    facts = {**_whose(whose, template), "id": identity, "lasting": lasting, "now": now, "most": MOST_OPEN}
    await tx.execute(_GIVE, facts)


async def spend(tx: AsyncConnection, whose: tuple[UUID, Channel], template: str, message_id: UUID) -> bool:
    """Use a consent up for a message, unless it has one already or there is a lasting one; return False without any."""
    if (await tx.execute(_SPENT, {"message_id": message_id})).scalar_one():
        return True
    found = await tx.execute(_SPEND, {**_whose(whose, template), "message_id": message_id})
    return bool(found.scalar_one())


async def give_back(tx: AsyncConnection, message_id: UUID) -> None:
    """Take a consent back that a message did not use after all."""
    await tx.execute(_GIVE_BACK, {"message_id": message_id})


async def void(tx: AsyncConnection, whose: tuple[UUID, Channel], template: str, now: datetime, *, spent: bool) -> None:
    """Void an account's consents for a template; with those that messages have `spent`, or without."""
    await tx.execute(_VOID, {**_whose(whose, template), "now": now, "spent": spent})


async def left(connection: AsyncConnection, account_id: UUID, channel: Channel) -> dict[str, Left]:
    """Return what is left of an account's consents, by template."""
    rows = await connection.execute(_LEFT, {"account_id": account_id, "channel": channel.value})
    return {row.template: Left(open=row.open, lasting=row.lasting) for row in rows}


async def bound_channels(connection: AsyncConnection, account_id: UUID) -> Sequence[Bound]:
    """Return the channels that an account is bound to by an address."""
    table = bindings.c
    query = (
        select(table.channel, table.bound_at, table.left_at)
        .where(table.account_id == account_id)
        .order_by(table.channel)
    )
    return [
        Bound(channel=Channel(row.channel), since=row.bound_at, left=row.left_at is not None)
        for row in await connection.execute(query)
    ]


def _whose(whose: tuple[UUID, Channel], template: str) -> dict[str, object]:
    return {"account_id": whose[0], "channel": whose[1].value, "template": template}
