"""Which accounts have bound what to the channels that need it, and the devices and addresses behind that."""

from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from services.notify.domain.message import Channel

_BOUND = text("""
    SELECT channel FROM bindings WHERE account_id = :account_id
    UNION ALL
    SELECT :web_push WHERE EXISTS (SELECT FROM push_subscriptions WHERE account_id = :account_id)
""")


async def channels_of(tx: AsyncConnection, account_id: UUID) -> frozenset[Channel]:
    """Return the channels to which an account has bound something."""
    facts = {"account_id": account_id, "web_push": Channel.WEB_PUSH.value}
    return frozenset(Channel(row.channel) for row in await tx.execute(_BOUND, facts))
