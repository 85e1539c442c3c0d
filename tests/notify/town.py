"""Everything a notify test needs to live through days in milliseconds: events in, clock forward, ledgers out."""

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from services.notify import tables
from services.notify.channels.email import MailServer, Smtp
from services.notify.channels.sms_aliyun import AliyunAccount, AliyunSms
from services.notify.compose import Composer
from services.notify.consume import Planner
from services.notify.deliver import Delivery, Pace, Route
from services.notify.domain.message import Channel
from services.notify.domain.planning import Rules
from services.notify.doubts import Doubts
from services.notify.renderer import Templates, load_templates
from shared.clock import SettableClock
from shared.codec import Received
from shared.contracts import Contact, Event, SignInMessage
from shared.http import Client, MockTransport
from shared.inbox import Consumer
from shared.sealing import Opener, Vault, generate_keys
from shared.strongbox import Strongbox
from tests.notify.gateway import ACCESS_KEY_ID, ACCESS_KEY_SECRET, Gateway
from tests.notify.mailbox import Mailbox, running_mailbox
from tests.notify.make import NOW

TEMPLATES: Templates = load_templates()
SENDER = "yuyue@dalian.test"


@dataclass(frozen=True, slots=True)
class Keys:
    """Real keys, made once: contacts are really sealed and really opened."""

    vault: Vault
    opener: Opener

    @classmethod
    def make(cls, folder: Path) -> "Keys":
        generate_keys(folder)
        return cls(Vault(folder), Opener(folder))

    def contact(self, email: str | None = "wang@example.test", language: str = "zh-CN") -> str:
        contact = Contact(phone="+8613900000001", email=email, name="王一", language=language)
        return self.vault.seal_for_notify(contact)

    def sign_in(self, code: str = "482913", language: str = "zh-CN") -> str:
        return self.vault.seal_for_notify(SignInMessage(phone="+8613900000001", code=code, language=language))


@dataclass(slots=True, kw_only=True)
class Town:
    """A notify service with a clock that can be moved, and the outside world as it really speaks."""

    engine: AsyncEngine
    keys: Keys
    clock: SettableClock
    mailbox: Mailbox
    gateway: Gateway
    client: Client
    rules: Rules = field(default_factory=Rules)
    feed: list[Received] = field(default_factory=list)
    chance: float = 0.5
    box: Strongbox | None = None

    def delivery(self, pace: Pace | None = None, routes: Mapping[Channel, Route[Any]] | None = None) -> Delivery:
        """One worker."""
        composer = Composer(TEMPLATES, self.keys.opener)
        return Delivery(
            engine=self.engine,
            composer=composer,
            routes=self.routes(composer) if routes is None else routes,
            clock=self.clock,
            chance=lambda: self.chance,
            pace=pace or Pace(record_seconds=1.0),
        )

    def routes(self, composer: Composer) -> Mapping[Channel, Route[Any]]:
        server = MailServer(
            host="127.0.0.1", port=self.mailbox.port, sender=SENDER, sender_name="预约平台", seconds=0.3
        )
        account = AliyunAccount(
            url="http://sms.test",
            access_key_id=ACCESS_KEY_ID,
            access_key_secret=ACCESS_KEY_SECRET,
            sign_name="预约平台",
        )
        return {
            Channel.EMAIL: Route(composer.mail, Smtp(server)),
            Channel.SMS: Route(composer.text_message, AliyunSms(account, self.client, self.clock)),
        }

    def consumer(self) -> Consumer:
        async def catch_up(after: int) -> Sequence[Received]:
            return [event for event in self.feed if (event.number or 0) > after]

        return Consumer(
            engine=self.engine,
            inbox=tables.inbox,
            position=tables.position,
            dead_event=tables.dead_events,
            source="booking",
            handle=Planner(self.keys.opener, self.clock, self.rules, self.box).handle,
            catch_up=catch_up,
            clock=self.clock,
        )

    async def hear(self, *events: Event) -> list[Event]:
        """Receive events as the bus would bring them, numbered in this order; return them as numbered."""
        numbered = [replace(event, number=len(self.feed) + place) for place, event in enumerate(events, start=1)]
        self.feed += numbered
        await self.consumer().accept(numbered)
        return numbered

    async def hear_again(self, *events: Event) -> None:
        """The bus brings what was brought before."""
        await self.consumer().accept(events)

    async def deliver(self) -> int:
        """One round of every channel's tick; return how many messages were worked on."""
        delivery = self.delivery()
        return sum([await delivery.drain(channel) for channel in Channel])

    async def resolve(self) -> int:
        """One round of asking about what is in doubt; return how often it was asked."""
        doubts = Doubts(self.engine, self.delivery().routes, self.clock)
        return sum([await doubts.resolve(channel) for channel in Channel])

    async def live_until(self, moment: datetime, step: timedelta = timedelta(minutes=10)) -> None:
        """Let time pass, with ticks all along, and stop at `moment`."""
        while self.clock() + step < moment:
            self.clock.advance(step)
            await self.deliver()
        self.clock.set(moment)
        await self.deliver()

    async def rows(self, query: str, **facts: Any) -> list[Any]:
        async with self.engine.connect() as connection:
            return list((await connection.execute(text(query), facts)).all())

    async def states(self, channel: Channel = Channel.EMAIL) -> dict[tuple[str, int, int], tuple[str, str]]:
        """State and reason of each message of a channel, by kind, version and lead."""
        query = "SELECT kind, subject_version, lead_minutes, state, why FROM messages WHERE channel = :channel"
        rows = await self.rows(query, channel=channel.value)
        return {(row.kind, row.subject_version, row.lead_minutes): (row.state, row.why) for row in rows}

    async def inbox(self) -> list[Any]:
        return await self.rows("SELECT * FROM inbox_messages ORDER BY account_id, sequence")


@asynccontextmanager
async def running_town(engine: AsyncEngine, keys: Keys) -> AsyncIterator[Town]:
    gateway = Gateway()
    async with running_mailbox() as mailbox, Client(transport=MockTransport(gateway)) as client:
        yield Town(
            engine=engine,
            keys=keys,
            clock=SettableClock(NOW),
            mailbox=mailbox,
            gateway=gateway,
            client=client,
        )
