"""What an operator does to the notify service's messages: erase a person, look at what is dead, send it after all."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from typing import TypeVar
from uuid import UUID

import click

from services.notify.settings import NotifySettings
from services.notify.store.database import Connection
from services.notify.store.recipients import erase
from services.notify.store.replays import NotReplayed, dead, replay
from shared.db import create_engine

Answer = TypeVar("Answer")


@click.command("erase-notices")
@click.argument("account_id", type=click.UUID)
def erase_notices(account_id: UUID) -> None:
    """Erase what the notify service (NOTIFY_DATABASE_URL) holds of an account: for good, in backups too.

    Their key is destroyed, their inbox, preferences and devices are deleted, what was planned for them is stopped. Counts
    and proofs of notice stay; they name nobody.
    """
    stopped = _in_transaction(lambda tx: erase(tx, account_id, datetime.now(UTC)))
    click.echo(f"erased; {stopped} messages stopped")


@click.command("dead-messages")
def dead_messages() -> None:
    """List the messages that died last, with the reason of each: its code is that of the decision log."""
    for one in _in_transaction(dead):
        useful = "of use until" if one.expires_at > datetime.now(UTC) else "of no use since"
        click.echo(
            f"{one.id}  {one.kind}/{one.channel}  {one.why}  died {one.died_at:%F %T}  {useful} {one.expires_at:%F %T}"
        )


@click.command("replay-message")
@click.argument("message_id", type=click.UUID)
@click.option("--by", required=True, help="Who decides it: a name that others know.")
@click.option("--reason", required=True, help="Why it will go well this time.")
def replay_message(message_id: UUID, by: str, reason: str) -> None:
    """Have a dead message sent again. It is written down; what is of no use any more is refused."""
    try:
        _in_transaction(lambda tx: replay(tx, message_id, by, reason, datetime.now(UTC)))
    except NotReplayed as refusal:
        raise click.ClickException(str(refusal)) from None
    click.echo("it goes again at once")


def _in_transaction(work: Callable[[Connection], Awaitable[Answer]]) -> Answer:
    async def run() -> Answer:
        engine = create_engine(NotifySettings().database_url, application_name="yuyue-messages", pool_size=1)
        try:
            async with engine.begin() as tx:
                return await work(tx)
        finally:
            await engine.dispose()

    return asyncio.run(run())
