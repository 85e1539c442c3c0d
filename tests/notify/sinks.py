"""The sink's two SMS providers as the outside world of a notify test, on the town's own clock."""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path
from typing import Any

from services.notify.channels.sms_aliyun import AliyunAccount, AliyunSms
from services.notify.channels.sms_tencent import TencentAccount, TencentSms
from services.notify.commands.assign import Limit
from services.notify.compose import Composer
from services.notify.deliver import Pace, Route
from services.notify.domain.message import Channel
from services.notify.doubts import Doubts
from services.sink.faults import Fault, Plan
from services.sink.main import SMS_APP_ID, Sink
from shared.contracts import EventType
from shared.http import ASGITransport, Client
from tests.notify.make import booking, code_requested, event
from tests.notify.town import TEMPLATES, Town


@dataclass(slots=True)
class Providers:
    """Both providers, their ledger, and what a worker knows of them."""

    town: Town
    sink: Sink
    routes: Mapping[Channel, Route[Any]]

    def fail(self, provider: str, fault: Fault | None, share: float = 1.0, **more: Any) -> None:
        """From now on have `share` of a provider's requests meet `fault`."""
        plan = Plan(shares={fault: share} if fault else {}, silent_seconds=0.0, **more)
        self.sink.faults.plans[provider] = plan

    async def send(self) -> int:
        return await self.town.delivery(Pace(record_seconds=1.0), self.routes).drain(Channel.SMS)

    async def resolve(self) -> int:
        return await Doubts(self.town.engine, self.routes, self.town.clock).resolve(Channel.SMS)

    async def ask_for_code(self, count: int = 1, minutes: int = 10) -> None:
        town = self.town
        until = town.clock() + timedelta(minutes=minutes)
        await town.hear(*(code_requested(town.keys.sign_in(), until) for _ in range(count)))

    @property
    def seen(self) -> int:
        return len(self.sink.ledger)

    def by(self, provider: str) -> int:
        return sum(provider in seen.providers for seen in self.sink.ledger)


async def cancel_bookings(town: Town, count: int = 1, email: str | None = "wang@example.test") -> None:
    """Bring news that costs a journey; without `email`, to people whom only the phone reaches."""
    for _ in range(count):
        one = booking(contact=town.keys.contact(email), reminders=())
        cancelled = event(EventType.BOOKING_CANCELLED, replace(one, version=2))
        await town.hear(event(EventType.BOOKING_CONFIRMED, one), cancelled)


@asynccontextmanager
async def providers(town: Town, folder: Path, limits: Mapping[str, Limit] | None = None) -> AsyncIterator[Providers]:
    sink = replace(Sink.at(folder, "key", "secret"), clock=town.clock)
    async with Client(transport=ASGITransport(app=sink.app())) as client:
        aliyun = AliyunAccount(
            url="http://sms.test", access_key_id="key", access_key_secret="secret", sign_name="大连预约"
        )
        tencent = TencentAccount(
            url="http://sms.test",
            secret_id="key",
            secret_key="secret",
            app_id=SMS_APP_ID,
            region="ap-guangzhou",
            sign_name="大连预约",
        )
        composer = Composer(TEMPLATES, town.keys.opener)
        route = Route(
            composer.text_message,
            AliyunSms(aliyun, client, town.clock),
            others=(TencentSms(tencent, client, town.clock),),
            limits=limits or {},
        )
        yield Providers(town, sink, {Channel.SMS: route})
