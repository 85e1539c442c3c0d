"""Takes in what WeChat tells: what became of messages, whose consent came or went, who follows the official account."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime

from services.notify.commands.receive import receive
from services.notify.domain.message import Channel
from services.notify.domain.wechat_event import WechatEvent, choices_of, receipts_of
from services.notify.store import bindings
from services.notify.store.database import Connection
from shared.strongbox import Strongbox


@dataclass(frozen=True, slots=True)
class App:
    """One of our applications at WeChat: its channel, and the ids of the templates that it uses."""

    channel: Channel
    templates: Collection[str]


async def hear(tx: Connection, box: Strongbox, app: App, event: WechatEvent, now: datetime) -> None:
    """Do what an event asks for; the same again changes nothing. One about somebody who is not bound here does nothing."""
    await receive(tx, sorted(receipts_of(event, app.channel), key=lambda one: one.key), now)
    at = event.at or now
    if event.follows is not None:
        await bindings.follow(tx, box, (app.channel, event.openid), at, follows=event.follows)
    choices = [one for one in choices_of(event) if one.template in app.templates]
    account_id = await bindings.account_of(tx, box, app.channel, event.openid) if choices else None
    if account_id is None:
        return
    whose = (account_id, app.channel)
    for one in choices:
        if one.accepted:
            key = f"{event.name}/{at.timestamp():.0f}"
            await bindings.give_consent(tx, whose, one.template, lasting=False, under=(key, now))
        else:
            await bindings.void(tx, whose, one.template, now, spent=False)
