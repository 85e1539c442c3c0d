"""What every chapter needs: the ways to the system, and the residents that the tour has invented."""

import asyncio
import re
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from random import Random
from typing import Any, Final

from services.tour import invented, screen
from services.tour.client import Answer, Api, Ask, Caller, Shown, Stopped, must
from services.tour.inbox import Inbox
from services.tour.invented import Person
from services.tour.narration import EMAIL, SMS, Narrator
from services.tour.place import Place
from services.tour.sink import Sink
from shared.clock import Clock
from shared.contracts import Words
from shared.web.words import Language

Fits = Callable[[Mapping[str, Any]], bool]
"""Whether a time of the availability will do."""

CHOICE: Final = 12
ARRIVES_WITHIN: Final = 20.0
"""Seconds within which a message must be there. Ordinarily it takes less than one."""

CODE: Final = re.compile(r"(?<!\d)\d{6}(?!\d)")


@dataclass(slots=True)
class Resident:
    """Somebody who has signed in: how they ask, where mail reaches them, what they hear, whom they book for."""

    caller: Caller
    email: str
    inbox: Inbox
    people: dict[str, str] = field(default_factory=dict)
    """The ids of saved people, by their names."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Booked:
    """A booking as it was last answered, who made it, and when its answer came by the monotonic clock."""

    body: Mapping[str, Any]
    etag: str
    by: Resident
    at: float

    @property
    def id(self) -> str:
        return str(self.body["id"])

    @property
    def reference(self) -> str:
        return str(self.body["reference"])

    @property
    def starts_at(self) -> datetime:
        return datetime.fromisoformat(self.body["starts_at"])

    @property
    def ends_at(self) -> datetime:
        return datetime.fromisoformat(self.body["ends_at"])


@dataclass(slots=True, kw_only=True)
class Guide:
    """Leads through the system. Whoever makes one closes it: residents listen until then."""

    narrator: Narrator
    booking: Api
    notify: Api
    sink: Sink
    place: Place
    clock: Clock
    chance: Random = field(default_factory=invented.chance)
    bookings: list[Booked] = field(default_factory=list)
    _listening: list[asyncio.Task[None]] = field(default_factory=list)

    @property
    def anybody(self) -> Caller:
        """Somebody who has not signed in."""
        return Caller(Words("未登录", "signed out"), self.narrator.language)

    async def sign_in(
        self, name: Words, account: str, *, language: Language | None = None, aloud: bool = False
    ) -> Resident:
        """Sign a new resident in by telephone, and say how to reach them; `aloud` shows every step of it.

        Raises:
            Stopped: a step is refused, or the code does not arrive.
        """
        caller = Caller(name, language or self.narrator.language)
        phone, email = invented.phone(self.chance), invented.email(self.chance, account)

        async def step(caller: Caller, ask: Ask, shown: Shown | None = None) -> Answer:
            return await (self.booking.ask(caller, ask, shown) if aloud else self.booking.quietly(caller, ask))

        wanted = {"phone": phone, "language": caller.language.value}
        await step(caller, Ask(method="POST", path="/api/v1/sign-in/codes", body=wanted, expect=202))
        given = {"phone": phone, "code": await self._read_code(name, "sms", phone)}
        exchange = Ask(method="POST", path="/api/v1/sign-in/tokens", body=given)
        answer = await step(caller, exchange, lambda body: screen.token(body, self.narrator))
        caller = Caller(name, caller.language, answer.body["access_token"])
        reached = {"email": email, "name": self.narrator.pick(name), "language": caller.language.value}
        await step(caller, Ask(method="PATCH", path="/api/v1/me", body=reached), screen.account)
        proof = {"code": await self._read_code(name, "mail", email)}
        await step(caller, Ask(method="POST", path="/api/v1/me/email/proof", body=proof), screen.account)
        return await self._listened_to(Resident(caller, email, Inbox(self.notify, caller)))

    async def _read_code(self, name: Words, channel: str, to: str) -> str:
        """Return the code that arrives for `name` at a telephone (sms) or a mailbox (mail), and show how it came.

        Raises:
            Stopped: none arrives.
        """
        began = time.monotonic()
        arrived = await self.sink.find(channel, to, lambda text: CODE.search(text) is not None, ARRIVES_WITHIN)
        if arrived is None:
            raise Stopped(
                Words(
                    f"{to} 没有收到验证码（等了 {ARRIVES_WITHIN:.0f} 秒）",
                    f"no code reached {to} within {ARRIVES_WITHIN:.0f} s",
                )
            )
        found = CODE.search(arrived.text)
        assert found is not None  # the message was looked for by it
        where, by, said = Words("手机", "telephone"), SMS, arrived.text
        if channel == "mail":
            where, by, said = Words("邮箱", "mailbox"), EMAIL, arrived.title
        whose = Words(f"（{name.zh}的{where.zh} {to}）", f"({name.en}'s {where.en} {to})")
        self.narrator.arrives(by, arrived.at - began, said, self.narrator.pick(whose))
        return found.group()

    async def _listened_to(self, resident: Resident) -> Resident:
        name = resident.caller.name
        self._listening.append(asyncio.create_task(resident.inbox.listen(), name=f"inbox of {name.en}"))
        is_open = await resident.inbox.wait_until_open(ARRIVES_WITHIN)
        must(is_open, Words(f"{name.zh}的消息推送没有连上", f"the stream of {name.en}'s messages does not open"))
        return resident

    async def work_as(self, role: str, name: Words) -> Caller:
        """Sign in somebody who works at the city's venues.

        Raises:
            Stopped: they cannot sign in.
        """
        worker = self.place.worker(role)
        body = {"login": worker.login, "password": worker.password}
        caller = Caller(name, self.narrator.language)
        ask = Ask(method="POST", path="/api/v1/sign-in/staff-tokens", body=body)
        answer = await self.booking.ask(caller, ask, lambda body: screen.token(body, self.narrator))
        return Caller(name, caller.language, answer.body["access_token"])

    async def save(self, resident: Resident, person: Person) -> str:
        """Save somebody to book for; return the id that bookings name them by."""
        ask = Ask(method="POST", path="/api/v1/people", body=person.as_saved, expect=201)
        answer = await self.booking.ask(resident.caller, ask, screen.person)
        resident.people[person.name] = answer.body["id"]
        return str(answer.body["id"])

    async def book(self, resident: Resident, ask: Ask) -> Booked:
        """Make a booking, or change one, and show what it has become."""
        answer = await self.booking.ask(resident.caller, ask, lambda body: screen.booking(body, self.narrator))
        return self._note(resident, answer)

    async def reread(self, booked: Booked) -> Booked:
        """Return a booking as it is by now."""
        ask = Ask(method="GET", path=f"/api/v1/bookings/{booked.id}")
        return self._note(booked.by, await self.booking.quietly(booked.by.caller, ask))

    def _note(self, resident: Resident, answer: Answer) -> Booked:
        booked = Booked(body=answer.body, etag=answer.headers["etag"], by=resident, at=time.monotonic())
        self.bookings = [*(one for one in self.bookings if one.id != booked.id), booked]
        return booked

    async def free_time(self, caller: Caller, service_id: str, fits: Fits) -> dict[str, Any]:
        """Ask when a service is free; return one of the next bookable times that fit, by chance.

        By chance, so that two tours on one system do not run after the same time.

        Raises:
            Stopped: there is none; it says why, as the system does.
        """
        ask = Ask(method="GET", path="/api/v1/availability", query={"service_id": service_id})
        answer = await self.booking.ask(caller, ask, lambda body: screen.availability(body, self.narrator))
        times = [one for day in answer.body["days"] for one in day["times"] if one["bookable"] and fits(one)]
        if not times:
            raise Stopped(*screen.nothing_free(service_id, answer.body))
        return dict(self.chance.choice(times[:CHOICE]))

    def ahead(self, by: timedelta) -> Fits:
        """Return the wish for a time that begins later than `by` from now."""
        earliest = self.clock() + by
        return lambda one: screen.moment(one["starts_at"]) > earliest

    async def one_less(self, service_id: str, slot: Mapping[str, Any]) -> None:
        """Show that fewer places are left in `slot` than when it was listed.

        Raises:
            Stopped: as many are left.
        """
        before = int(slot["places_left"])
        left = await self.places_left(service_id, slot["slot_id"], screen.moment(slot["starts_at"]))
        must(left < before, Words(f"预约之后仍余 {left} 个名额", f"as many places are left as before: {left}"))
        self.narrator.checked(Words(f"该时段余位：{before} → {left}", f"places left at that time: {before} → {left}"))

    async def places_left(self, service_id: str, slot_id: str, starts_at: datetime) -> int:
        """Return how many places of a slot can be booked now."""
        query = {"service_id": service_id, "from": starts_at.date().isoformat()}
        answer = await self.booking.quietly(self.anybody, Ask(method="GET", path="/api/v1/availability", query=query))
        found = [one for day in answer.body["days"] for one in day["times"] if one["slot_id"] == slot_id]
        must(
            len(found) == 1,
            Words(f"时段 {slot_id} 不在可预约时段里", f"slot {slot_id} is not in the availability of {service_id}"),
        )
        return int(found[0]["places_left"])

    async def close(self) -> None:
        """Stop listening."""
        for task in self._listening:
            task.cancel()
        await asyncio.gather(*self._listening, return_exceptions=True)
